//! A reader for one who asks about one role: what other roles say is not needed to answer. That one is
//! read by itself, as strictly as ever.

use std::sync::Mutex;

use crate::iam::{Caller, Error, IamReader, Kind, OidcProvider};
use crate::model::arn::OidcProviderArn;
use crate::model::last_use::LastUse;
use crate::model::quotas::Quotas;
use crate::model::role::{Attachments, CurrentRole, ListedRole, RoleName};
use crate::model::tags::Tags;

/// Shows a role that may not be read as the listing shows it, without tags.
pub(super) struct Lenient<'a, R> {
    inner: &'a R,
    listed: Mutex<Vec<ListedRole>>,
    unread: Mutex<Vec<RoleName>>,
}

impl<'a, R: IamReader> Lenient<'a, R> {
    pub(super) fn new(inner: &'a R) -> Self {
        Self {
            inner,
            listed: Mutex::default(),
            unread: Mutex::default(),
        }
    }

    /// The roles that could not be read.
    pub(super) fn unread(self) -> Vec<RoleName> {
        self.unread.into_inner().unwrap_or_default()
    }

    fn as_listed(&self, name: &RoleName) -> Option<CurrentRole> {
        let listed = self.listed.lock().ok()?;
        let listed = listed.iter().find(|listed| listed.name == *name)?.clone();
        if let Ok(mut unread) = self.unread.lock()
            && !unread.contains(name)
        {
            unread.push(name.clone());
        }
        Some(CurrentRole {
            listed,
            tags: Tags::default(),
            permissions_boundary: None,
            created: None,
            last_use: LastUse::Unknown,
        })
    }
}

impl<R: IamReader> IamReader for Lenient<'_, R> {
    async fn caller(&self) -> Result<Caller, Error> {
        self.inner.caller().await
    }

    async fn list_roles(&self) -> Result<Vec<ListedRole>, Error> {
        let roles = self.inner.list_roles().await?;
        if let Ok(mut listed) = self.listed.lock() {
            listed.clone_from(&roles);
        }
        Ok(roles)
    }

    async fn all_roles(&self) -> Result<Option<Vec<CurrentRole>>, Error> {
        self.inner.all_roles().await
    }

    async fn role(&self, name: &RoleName) -> Result<Option<CurrentRole>, Error> {
        match self.inner.role(name).await {
            Err(error) if error.kind == Kind::AccessDenied => {
                let listed = self.as_listed(name);
                listed.map_or(Err(error), |role| Ok(Some(role)))
            }
            result => result,
        }
    }

    async fn oidc_provider(&self, arn: &OidcProviderArn) -> Result<Option<OidcProvider>, Error> {
        self.inner.oidc_provider(arn).await
    }

    async fn attachments(&self, name: &RoleName) -> Result<Attachments, Error> {
        self.inner.attachments(name).await
    }

    async fn quotas(&self) -> Result<Quotas, Error> {
        self.inner.quotas().await
    }
}
