//! The sandbox's rules in memory, with a fault at chosen calls: fast enough for thousands of
//! schedules.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use irsa_gitops::iam::sandbox::{CreateRole, Refused, Role, State, Tag};
use irsa_gitops::iam::{Caller, Error, IamReader, IamWriter, Kind, OidcProvider};
use irsa_gitops::model::arn::{AwsAccountId, OidcProviderArn, Partition};
use irsa_gitops::model::last_use::LastUse;
use irsa_gitops::model::quotas::Quotas;
use irsa_gitops::model::role::{
    Attachments, CurrentRole, ListedRole, NewRole, RoleId, RoleName, RolePath, SessionDuration,
};
use irsa_gitops::model::tags::Tags;
use irsa_gitops::model::trust_policy::TrustDocument;

use super::iam_server::{is_own, is_owned, recorded};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// A write is lost on its way; a read fails.
    NotSent,
    /// A write is done and its reply lost; a read fails.
    LostReply,
    /// It is refused.
    Refused(Kind),
    /// The program breaks down.
    Panics,
    /// A read shows nothing where there is a role.
    Stale,
    /// The program is killed before the call arrives.
    KilledBefore,
    /// The program is killed after the call has arrived.
    KilledAfter,
    /// Somebody takes the role's cluster tag away first.
    Disowned,
    /// Somebody deletes the role and makes another one of its name first.
    Replaced,
}

/// An account in memory; a clone is the same account.
#[derive(Clone)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    state: State,
    mishaps: Vec<(usize, Mishap)>,
    calls: usize,
    writes: usize,
    unowned_writes: Vec<String>,
    bulk_reads: usize,
    record_is_denied: bool,
    written_under: BTreeSet<Option<String>>,
    /// Whether the program was killed: none of its calls arrives any more.
    is_killed: bool,
}

impl Memory {
    pub fn new(state: State) -> Self {
        let inner = Inner {
            state,
            mishaps: vec![],
            calls: 0,
            writes: 0,
            unowned_writes: vec![],
            bulk_reads: 0,
            record_is_denied: false,
            written_under: BTreeSet::new(),
            is_killed: false,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Sets what happens to the n-th call from here, counted from 0, and starts counting.
    pub fn mishaps(&self, mishaps: Vec<(usize, Mishap)>) {
        let mut inner = self.inner();
        inner.mishaps = mishaps;
        inner.calls = 0;
        inner.writes = 0;
        inner.is_killed = false;
    }

    /// From here on the caller may not write to the record, nor take a lock.
    pub fn deny_record(&self) {
        self.inner().record_is_denied = true;
    }

    pub fn state(&self) -> State {
        self.look(State::clone)
    }

    /// Looks at the state.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.inner().state)
    }

    /// Calls since the mishaps were set.
    pub fn calls(&self) -> usize {
        self.inner().calls
    }

    /// Writes among them that took effect.
    pub fn writes(&self) -> usize {
        self.inner().writes
    }

    /// What the record said whenever a role of a ServiceAccount was written to.
    pub fn written_under(&self) -> BTreeSet<Option<String>> {
        self.inner().written_under.clone()
    }

    /// How often all roles were read at once.
    pub fn bulk_reads(&self) -> usize {
        self.inner().bulk_reads
    }

    pub fn unowned_writes(&self) -> Vec<String> {
        self.inner().unowned_writes.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding it")
    }

    async fn next(&self) -> Option<Mishap> {
        let (mishap, is_killed) = {
            let mut inner = self.inner();
            let index = inner.calls;
            inner.calls += 1;
            let found = inner.mishaps.iter().find(|(at, _)| *at == index);
            let mishap = found.map(|(_, mishap)| *mishap);
            let was_killed = inner.is_killed;
            let is_last = matches!(mishap, Some(Mishap::KilledBefore | Mishap::KilledAfter));
            inner.is_killed |= is_last;
            (mishap, was_killed)
        };
        match is_killed {
            true => std::future::pending().await,
            false => mishap,
        }
    }

    async fn read<T>(
        &self,
        action: &'static str,
        name: Option<&RoleName>,
        nothing: impl FnOnce() -> Option<T>,
        look: impl FnOnce(&State) -> T,
    ) -> Result<T, Error> {
        let failed = |kind| Err(error(action, name, kind));
        match self.next().await {
            Some(Mishap::NotSent | Mishap::LostReply) => return failed(Kind::Unavailable),
            Some(Mishap::Refused(kind)) => return failed(kind),
            Some(Mishap::KilledBefore | Mishap::KilledAfter) => std::future::pending().await,
            Some(Mishap::Stale) => {
                if let Some(nothing) = nothing() {
                    return Ok(nothing);
                }
            }
            Some(Mishap::Disowned) => {
                self.change_role(name, |role| {
                    role.tags.retain(|tag| tag.key != "role.k8s.aws/cluster")
                });
            }
            Some(Mishap::Replaced) => self.change_role(name, |role| {
                role.id = "AROASOMEBODYELSE".to_owned();
                role.tags.clear();
            }),
            Some(Mishap::Panics) => panic!("by the script"),
            None => {}
        }
        Ok(look(&self.inner().state))
    }

    fn change_role(&self, name: Option<&RoleName>, change: impl FnOnce(&mut Role)) {
        let mut inner = self.inner();
        let mut roles = inner.state.roles.iter_mut();
        if let Some(role) =
            roles.find(|role| Some(role.name.as_str()) == name.map(RoleName::as_str))
        {
            change(role);
        }
    }

    async fn write<T>(
        &self,
        action: &'static str,
        name: &RoleName,
        change: impl FnOnce(&mut State) -> Result<T, Refused>,
    ) -> Result<T, Error> {
        let mishap = self.next().await;
        let failed = |kind| Err(error(action, Some(name), kind));
        match mishap {
            Some(Mishap::NotSent) => return failed(Kind::OutcomeUnknown),
            Some(Mishap::Refused(kind)) => return failed(kind),
            Some(Mishap::KilledBefore) => std::future::pending().await,
            Some(Mishap::Panics) => panic!("by the script"),
            _ => {}
        }
        let result = {
            let mut inner = self.inner();
            if inner.record_is_denied && is_own(name.as_str()) {
                return failed(Kind::AccessDenied);
            }
            if !is_own(name.as_str()) {
                let commit = recorded(&inner.state);
                inner.written_under.insert(commit);
            }
            let owned = inner.state.role(name.as_str()).map(is_owned);
            if action != "iam:CreateRole" && owned == Ok(false) {
                inner.unowned_writes.push(format!("{action} {name}"));
            }
            let result = change(&mut inner.state);
            inner.writes += usize::from(result.is_ok());
            result
        };
        match mishap {
            Some(Mishap::KilledAfter) => std::future::pending().await,
            Some(Mishap::LostReply) => failed(Kind::OutcomeUnknown),
            _ => result.map_err(|refused| error(action, Some(name), refused.kind)),
        }
    }
}

fn error(action: &'static str, name: Option<&RoleName>, kind: Kind) -> Error {
    Error {
        action,
        role: name.cloned(),
        kind,
        message: "by the schedule".to_owned(),
        source: None,
    }
}

fn listed(role: &Role) -> ListedRole {
    ListedRole {
        name: RoleName::new(&role.name).expect("a valid name"),
        id: RoleId::new(&role.id),
        path: RolePath::new(&role.path).expect("a valid path"),
        trust_policy: TrustDocument::new(role.trust_policy.to_string()),
        max_session_seconds: Some(role.max_session_duration),
    }
}

fn current(role: &Role) -> CurrentRole {
    CurrentRole {
        listed: listed(role),
        tags: role
            .tags
            .iter()
            .map(|tag| (&tag.key, tag.value.clone()))
            .collect(),
        permissions_boundary: role.permissions_boundary.clone(),
        created: None,
        last_use: LastUse::Unknown,
    }
}

fn tag_list(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        })
        .collect()
}

impl IamReader for Memory {
    async fn caller(&self) -> Result<Caller, Error> {
        let look = |state: &State| Caller {
            account: AwsAccountId::new(&state.account).expect("valid"),
            partition: Partition::new("aws").expect("valid"),
            arn: String::new(),
        };
        self.read("sts:GetCallerIdentity", None, || None, look)
            .await
    }

    async fn list_roles(&self) -> Result<Vec<ListedRole>, Error> {
        self.read(
            "iam:ListRoles",
            None,
            || None,
            |state| state.roles.iter().map(listed).collect(),
        )
        .await
    }

    async fn all_roles(&self) -> Result<Option<Vec<CurrentRole>>, Error> {
        let look = |state: &State| {
            let roles = state.roles.iter().map(current);
            // The bulk call does not tell how long sessions may last.
            let without_duration = |mut role: CurrentRole| {
                role.listed.max_session_seconds = None;
                role
            };
            Some(roles.map(without_duration).collect())
        };
        let action = "iam:GetAccountAuthorizationDetails";
        self.inner().bulk_reads += 1;
        match self.read(action, None, || None, look).await {
            Err(error) if error.kind == Kind::AccessDenied => Ok(None),
            result => result,
        }
    }

    async fn role(&self, name: &RoleName) -> Result<Option<CurrentRole>, Error> {
        let look = |state: &State| state.role(name.as_str()).ok().map(current);
        self.read("iam:GetRole", Some(name), || Some(None), look)
            .await
    }

    async fn oidc_provider(&self, arn: &OidcProviderArn) -> Result<Option<OidcProvider>, Error> {
        let look = |state: &State| {
            let provider = state.oidc_provider(&arn.to_string()).ok();
            provider.map(|provider| OidcProvider {
                audiences: provider.audiences.clone(),
            })
        };
        let action = "iam:GetOpenIDConnectProvider";
        self.read(action, None, || Some(None), look).await
    }

    async fn attachments(&self, name: &RoleName) -> Result<Attachments, Error> {
        self.read(
            "iam:ListRolePolicies",
            Some(name),
            || None,
            |_| Attachments::default(),
        )
        .await
    }

    async fn quotas(&self) -> Result<Quotas, Error> {
        let look = |state: &State| Quotas {
            roles: state.roles.len() as u64,
            roles_quota: 1000,
            trust_policy_size_quota: 2048,
        };
        self.read("iam:GetAccountSummary", None, || None, look)
            .await
    }
}

impl IamWriter for Memory {
    type Reader = Self;

    fn reader(&self) -> &Self {
        self
    }

    async fn create_role(&self, role: &NewRole) -> Result<RoleId, Error> {
        let new = CreateRole {
            name: role.arn.name.as_str().to_owned(),
            trust_policy: role.trust_policy.as_str().to_owned(),
            tags: tag_list(&role.tags),
            ..CreateRole::default()
        };
        let made = self
            .write("iam:CreateRole", &role.arn.name, |state| {
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
        self.write("iam:UpdateAssumeRolePolicy", name, |state| {
            state.update_trust_policy(name.as_str(), document.as_str())
        })
        .await
    }

    async fn tag_role(&self, name: &RoleName, tags: &Tags) -> Result<(), Error> {
        self.write("iam:TagRole", name, |state| {
            state.tag_role(name.as_str(), &tag_list(tags))
        })
        .await
    }

    async fn untag_role(&self, name: &RoleName, keys: &[&str]) -> Result<(), Error> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        self.write("iam:UntagRole", name, |state| {
            state.untag_role(name.as_str(), &keys)
        })
        .await
    }

    async fn update_session_duration(
        &self,
        name: &RoleName,
        duration: SessionDuration,
    ) -> Result<(), Error> {
        self.write("iam:UpdateRole", name, |state| {
            state.update_session_duration(name.as_str(), duration.as_seconds())
        })
        .await
    }

    async fn delete_role(&self, name: &RoleName) -> Result<(), Error> {
        self.write("iam:DeleteRole", name, |state| {
            state.delete_role(name.as_str())
        })
        .await
    }
}
