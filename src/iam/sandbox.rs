//! The embedded IAM: accounts in a JSON file, for trying things out and for tests.
//!
//! No AWS, no network, no credentials, and never chosen by itself. [`State`] obeys IAM's rules;
//! [`Reader`] and [`Writer`] put one account of a [`Sandbox`] behind the same traits as AWS. Every
//! call sees the file as it is, and every write replaces it whole under a lock, so that several
//! programs may use one file and a killed one leaves it intact. An account that is not there yet
//! begins as [`Start`] says, and comes into the file with the first write to it.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::{Error, Kind};
use super::{Caller, IamReader, IamWriter, OidcProvider, Quotas};
use crate::model::arn::{AwsAccountId, OidcProviderArn, Partition};
use crate::model::last_use::LastUse;
use crate::model::role::{
    Attachments, CurrentRole, ListedRole, NewRole, RoleId, RoleName, RolePath, SessionDuration,
};
use crate::model::tags::Tags;
use crate::model::trust_policy::TrustDocument;

mod engine;
mod file;
mod state;

use file::StateFile;

pub use engine::{CreateRole, PAGE_SIZE, Refused};
pub use state::{Provider, Role, State, StateQuotas, Tag};

/// The account that is meant where neither settings nor file name one.
const DEFAULT_ACCOUNT: &str = "123456789012";

/// A sandbox file, opened.
#[derive(Clone, Debug)]
pub struct Sandbox {
    file: StateFile,
}

/// How an account begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Its partition; `aws` if nobody said.
    pub partition: Option<Partition>,
    /// Its OIDC providers.
    pub providers: Vec<Provider>,
}

/// An account of a sandbox that can only be read.
#[derive(Clone, Debug)]
pub struct Reader {
    file: StateFile,
    account: AwsAccountId,
    /// The account before the first write to it.
    new: Arc<State>,
}

/// An account of a sandbox that can be written to as well.
#[derive(Clone, Debug)]
pub struct Writer {
    reader: Reader,
}

impl Sandbox {
    /// Opens a sandbox file, which is valid or not there yet.
    ///
    /// # Errors
    ///
    /// [`Kind::Sandbox`] if it is neither.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = StateFile::open(path)?;
        Ok(Self { file })
    }

    /// The account that is meant: the one that settings name, or else the only one of the file.
    ///
    /// # Errors
    ///
    /// [`Kind::Sandbox`] if there are several and nobody named one.
    pub fn account(&self, named: Option<&AwsAccountId>) -> Result<AwsAccountId, Error> {
        if let Some(named) = named {
            return Ok(named.clone());
        }
        let accounts = self.file.accounts()?;
        let names: Vec<&str> = accounts.names().collect();
        let name = match names[..] {
            [] => DEFAULT_ACCOUNT,
            [only] => only,
            _ => {
                let known = names.join(", ");
                let reason = format!("it has several accounts ({known}); name one: --account");
                return Err(self.file.broken(&reason));
            }
        };
        AwsAccountId::new(name).map_err(|error| self.file.broken(&error))
    }

    /// Whether an account is in the file.
    ///
    /// # Errors
    ///
    /// [`Kind::Sandbox`] if the file cannot be read any more.
    pub fn holds(&self, account: &AwsAccountId) -> Result<bool, Error> {
        Ok(self.file.accounts()?.get(account).is_some())
    }

    /// An account to read; one that is not in the file is as it is to begin.
    pub fn reader(&self, account: &AwsAccountId, start: Start) -> Reader {
        let partition = start.partition.as_ref().map_or("aws", Partition::as_str);
        Reader {
            file: self.file.clone(),
            account: account.clone(),
            new: Arc::new(State {
                account: account.to_string(),
                partition: partition.to_owned(),
                quotas: StateQuotas::default(),
                oidc_providers: start.providers,
                roles: vec![],
            }),
        }
    }

    /// An account to write to; one that is not in the file comes into it with the first write.
    pub fn writer(&self, account: &AwsAccountId, start: Start) -> Writer {
        let reader = self.reader(account, start);
        Writer { reader }
    }
}

impl Reader {
    fn state(&self) -> Result<Arc<State>, Error> {
        let accounts = self.file.accounts()?;
        Ok(accounts.get(&self.account).unwrap_or(&self.new).clone())
    }

    fn broken(&self, reason: &dyn std::fmt::Display) -> Error {
        self.file.broken(reason)
    }
}

impl Writer {
    /// Changes the state under the lock; a refused change leaves the file as it is.
    async fn change<T>(
        &self,
        action: &'static str,
        name: &RoleName,
        change: impl FnOnce(&mut State) -> Result<T, Refused>,
    ) -> Result<T, Error> {
        take_turns().await;
        let file = &self.reader.file;
        let _lock = file.lock()?;
        let mut accounts = file.accounts()?;
        let mut state = State::clone(&*self.reader.state()?);
        let result = change(&mut state).map_err(|refused| error(action, Some(name), refused))?;
        accounts.put(state);
        file.replace(accounts)?;
        Ok(result)
    }
}

/// Lets whatever else the run does have its turn, such as renewing its lock: calls that answer at once never
/// would.
async fn take_turns() {
    tokio::task::yield_now().await;
}

fn error(action: &'static str, role: Option<&RoleName>, refused: Refused) -> Error {
    Error {
        action,
        role: role.cloned(),
        kind: refused.kind,
        message: refused.message,
        source: None,
    }
}

/// A role of the file as the program knows roles; `None` if IAM could not have such a role.
fn listed(role: &Role) -> Option<ListedRole> {
    Some(ListedRole {
        name: RoleName::new(&role.name).ok()?,
        id: RoleId::new(&role.id),
        path: RolePath::new(&role.path).ok()?,
        trust_policy: TrustDocument::new(role.trust_policy_text()),
        max_session_seconds: Some(role.max_session_duration),
    })
}

fn current(role: &Role) -> Option<CurrentRole> {
    Some(CurrentRole {
        listed: listed(role)?,
        tags: role
            .tags
            .iter()
            .map(|tag| (&tag.key, tag.value.clone()))
            .collect(),
        permissions_boundary: role.permissions_boundary.clone(),
        created: Some(role.create_date.clone()),
        last_use: match &role.last_used {
            Some(used) => LastUse::At(used.clone()),
            None => LastUse::none(role.create_date.parse().ok(), Timestamp::now()),
        },
    })
}

fn tag_list(tags: &Tags) -> Vec<Tag> {
    let tag = |(key, value): (&str, &str)| Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    tags.iter().map(tag).collect()
}

impl IamReader for Reader {
    async fn caller(&self) -> Result<Caller, Error> {
        let state = self.state()?;
        Ok(Caller {
            arn: format!(
                "arn:{}:iam::{}:user/sandbox",
                state.partition, state.account
            ),
            account: AwsAccountId::new(&state.account).map_err(|error| self.broken(&error))?,
            partition: Partition::new(&state.partition).map_err(|error| self.broken(&error))?,
        })
    }

    async fn list_roles(&self) -> Result<Vec<ListedRole>, Error> {
        let state = self.state()?;
        let (mut roles, mut marker) = (Vec::new(), None);
        loop {
            let page = state.list_roles(marker.as_deref(), PAGE_SIZE);
            let (page, next) = page.map_err(|refused| error("iam:ListRoles", None, refused))?;
            for role in page {
                let impossible =
                    || self.broken(&format!("role `{}` is none IAM allows", role.name));
                roles.push(listed(role).ok_or_else(impossible)?);
            }
            match next {
                Some(next) => marker = Some(next),
                None => return Ok(roles),
            }
        }
    }

    async fn role(&self, name: &RoleName) -> Result<Option<CurrentRole>, Error> {
        take_turns().await;
        match self.state()?.role(name.as_str()) {
            Ok(role) => Ok(current(role)),
            Err(Refused {
                kind: Kind::NoSuchEntity,
                ..
            }) => Ok(None),
            Err(refused) => Err(error("iam:GetRole", Some(name), refused)),
        }
    }

    async fn oidc_provider(&self, arn: &OidcProviderArn) -> Result<Option<OidcProvider>, Error> {
        let state = self.state()?;
        let found = state.oidc_provider(&arn.to_string()).ok();
        Ok(found.map(|provider| OidcProvider {
            audiences: provider.audiences.clone(),
        }))
    }

    async fn attachments(&self, name: &RoleName) -> Result<Attachments, Error> {
        let state = self.state()?;
        let role = state.role(name.as_str());
        let role = role.map_err(|refused| error("iam:ListRolePolicies", Some(name), refused))?;
        Ok(Attachments {
            attached_policies: role.attached_policies.clone(),
            inline_policies: role.inline_policies.clone(),
            instance_profiles: role.instance_profiles.clone(),
        })
    }

    async fn quotas(&self) -> Result<Quotas, Error> {
        let state = self.state()?;
        Ok(Quotas {
            roles: state.roles.len() as u64,
            roles_quota: state.quotas.roles,
            trust_policy_size_quota: state.quotas.trust_policy_size,
        })
    }
}

impl IamWriter for Writer {
    type Reader = Reader;

    fn reader(&self) -> &Reader {
        &self.reader
    }

    async fn create_role(&self, role: &NewRole) -> Result<RoleId, Error> {
        let new = CreateRole {
            name: role.arn.name.as_str().to_owned(),
            path: Some(role.arn.path.as_str().to_owned()),
            trust_policy: role.trust_policy.as_str().to_owned(),
            tags: tag_list(&role.tags),
            permissions_boundary: role.permissions_boundary.clone(),
            max_session_duration: role.max_session_duration.map(SessionDuration::as_seconds),
        };
        let made = self
            .change("iam:CreateRole", &role.arn.name, |state| {
                state.create_role(new)
            })
            .await?;
        Ok(RoleId::new(made.id))
    }

    async fn update_trust_policy(
        &self,
        name: &RoleName,
        document: &TrustDocument,
    ) -> Result<(), Error> {
        self.change("iam:UpdateAssumeRolePolicy", name, |state| {
            state.update_trust_policy(name.as_str(), document.as_str())
        })
        .await
    }

    async fn tag_role(&self, name: &RoleName, tags: &Tags) -> Result<(), Error> {
        self.change("iam:TagRole", name, |state| {
            state.tag_role(name.as_str(), &tag_list(tags))
        })
        .await
    }

    async fn untag_role(&self, name: &RoleName, keys: &[&str]) -> Result<(), Error> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        self.change("iam:UntagRole", name, |state| {
            state.untag_role(name.as_str(), &keys)
        })
        .await
    }

    async fn update_session_duration(
        &self,
        name: &RoleName,
        duration: SessionDuration,
    ) -> Result<(), Error> {
        self.change("iam:UpdateRole", name, |state| {
            state.update_session_duration(name.as_str(), duration.as_seconds())
        })
        .await
    }

    async fn delete_role(&self, name: &RoleName) -> Result<(), Error> {
        self.change("iam:DeleteRole", name, |state| {
            state.delete_role(name.as_str())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A run renews its lock beside its calls.
    #[tokio::test]
    async fn c71_calls_that_answer_at_once_let_others_have_their_turn() {
        let directory = tempfile::tempdir().expect("a directory");
        let sandbox = Sandbox::open(&directory.path().join("iam.json")).expect("a sandbox");
        let account = AwsAccountId::new(DEFAULT_ACCOUNT).expect("valid");
        let writer = sandbox.writer(&account, Start::default());
        let name = RoleName::new("k8s-sa_bar_foo").expect("valid");
        let (turns, mut seen) = (Cell::new(0), vec![]);
        let others = async {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        let work = async {
            for _ in 0..3 {
                writer.reader().role(&name).await.expect("read");
                seen.push(turns.get());
                writer.delete_role(&name).await.expect_err("not there");
                seen.push(turns.get());
            }
        };
        tokio::select! {
            biased;
            () = others => {}
            () = work => {}
        }
        assert_eq!(seen, [2, 3, 4, 5, 6, 7]);
    }
}
