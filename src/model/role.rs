//! IAM roles: their names and what IAM says of them.

use std::collections::BTreeMap;

use super::arn::RoleArn;
use super::commit::CommitId;
use super::last_use::LastUse;
use super::tags::Tags;
use super::trust_policy::TrustDocument;

pub use super::identifier::{InvalidRole, RoleId, RoleLabel, RoleName, RolePath, SessionDuration};

/// What `ListRoles` says of a role: everything but tags, boundary and last use.
///
/// See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRole {
    /// Its name, unique in the account without regard to letter case.
    pub name: RoleName,
    /// Its id, which no other role ever has.
    pub id: RoleId,
    /// Its path, which is a part of its ARN but not of its name.
    pub path: RolePath,
    /// Who may assume it.
    pub trust_policy: TrustDocument,
    /// How long its sessions may last, in seconds, as IAM said it.
    pub max_session_seconds: Option<u32>,
}

/// What `GetRole` says of a role.
///
/// See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentRole {
    /// What `ListRoles` would have said as well.
    pub listed: ListedRole,
    /// All its tags, ours and those of others.
    pub tags: Tags,
    /// The ARN of its permissions boundary.
    pub permissions_boundary: Option<String>,
    /// When it was made (RFC 3339), if IAM said it.
    pub created: Option<String>,
    /// When it was last used.
    pub last_use: LastUse,
}

impl CurrentRole {
    /// The commit that a tag names; a tag that somebody spoiled names none.
    pub fn commit(&self, key: &str) -> Option<CommitId> {
        CommitId::new(self.tags.get(key)?).ok()
    }
}

/// A role to be made, complete in one call: IAM makes it with all its tags or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRole {
    /// Name and path, and the account it must land in.
    pub arn: RoleArn,
    /// Who may assume it.
    pub trust_policy: TrustDocument,
    /// All the tags it is made with.
    pub tags: Tags,
    /// The ARN of its permissions boundary.
    pub permissions_boundary: Option<String>,
    /// How long its sessions may last.
    pub max_session_duration: Option<SessionDuration>,
}

/// What other people have put on a role, and what IAM does not delete it with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments {
    /// ARNs of attached policies.
    pub attached_policies: Vec<String>,
    /// Names of inline policies.
    pub inline_policies: Vec<String>,
    /// Names of instance profiles it is in.
    pub instance_profiles: Vec<String>,
}

impl Attachments {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// All of it by name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let lists = [
            &self.attached_policies,
            &self.inline_policies,
            &self.instance_profiles,
        ];
        lists.into_iter().flatten().map(String::as_str)
    }
}

/// What was read from IAM: every role as listed, and some of them in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentRoles {
    listed: BTreeMap<String, ListedRole>,
    details: BTreeMap<RoleName, CurrentRole>,
    attachments: BTreeMap<RoleName, Attachments>,
}

impl CurrentRoles {
    /// The roles of a listing, none of them read in full yet.
    pub fn new(listing: impl IntoIterator<Item = ListedRole>) -> Self {
        let keyed = |role: ListedRole| (role.name.collision_key(), role);
        Self {
            listed: listing.into_iter().map(keyed).collect(),
            details: BTreeMap::new(),
            attachments: BTreeMap::new(),
        }
    }

    /// Adds what reading one role in full gave; `None` means that it is gone, so the listing
    /// was older than that.
    pub fn add_detail(&mut self, name: &RoleName, detail: Option<CurrentRole>) {
        match detail {
            Some(role) => {
                self.listed
                    .insert(name.collision_key(), role.listed.clone());
                self.details.insert(name.clone(), role);
            }
            None => {
                self.listed.remove(&name.collision_key());
            }
        }
    }

    /// The role that stands in the way of a name: the one of that name, in whatever letter case.
    pub fn listed(&self, name: &RoleName) -> Option<&ListedRole> {
        self.listed.get(&name.collision_key())
    }

    /// A role in full, if it was read so.
    pub fn detail(&self, name: &RoleName) -> Option<&CurrentRole> {
        self.details.get(name)
    }

    /// Adds what is attached to a role.
    pub fn add_attachments(&mut self, name: &RoleName, attachments: Attachments) {
        self.attachments.insert(name.clone(), attachments);
    }

    /// What is attached to a role, if that was read.
    pub fn attachments(&self, name: &RoleName) -> Option<&Attachments> {
        self.attachments.get(name)
    }

    /// Every role that was read in full.
    pub fn details(&self) -> impl Iterator<Item = &CurrentRole> {
        self.details.values()
    }

    /// Every role of the account.
    pub fn iter(&self) -> impl Iterator<Item = &ListedRole> {
        self.listed.values()
    }
}
