//! IAM roles: their names and what IAM says of them.

use std::collections::BTreeMap;
use std::fmt;

use super::arn::RoleArn;
use super::tags::Tags;
use super::trust_policy::TrustDocument;

/// The name of a role: 1 to 64 of `A-Z a-z 0-9 _ + = , . @ -`.
///
/// IAM keeps names unique without regard to case, but `sts:AssumeRole` compares them with it: see
/// [`RoleName::collision_key`] and <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(String);

/// The path of a role: `/`, or `/part/…/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RolePath(String);

/// What a report calls a role: its name, or the name it would have if IAM allowed it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleLabel(String);

/// IAM's own id of a role, `AROA…`: a role deleted and made again under its old name has another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(String);

/// How long a session of a role may last, in seconds: 3600 to 43200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionDuration(u32);

/// Why a text is not what IAM allows for a role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidRole {
    /// Whoever chose the name: IAM would refuse its length.
    #[error("role name `{name}` has {length} characters, {excess} more than IAM's limit of 64")]
    TooLong {
        /// The name.
        name: String,
        /// Its length in characters.
        length: usize,
        /// By how many it is too long.
        excess: usize,
    },
    /// Whoever chose the name: IAM would refuse its characters.
    #[error("`{0}` is not a role name (1 to 64 of letters, digits and `_+=,.@-`)")]
    Name(String),
    /// Whoever chose the path: IAM would refuse it.
    #[error("`{0}` is not a role path (`/`, or `/part/` with parts of visible ASCII)")]
    Path(String),
    /// Whoever chose the duration: IAM would refuse it.
    #[error("{0} s is not a session duration (3600 to 43200 s)")]
    SessionDuration(u32),
}

impl RoleName {
    /// The most characters IAM allows.
    pub const MAX_LENGTH: usize = 64;

    /// Checks IAM's length and characters.
    pub fn new(text: &str) -> Result<Self, InvalidRole> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
        if text.is_empty() || !text.bytes().all(legal) {
            Err(InvalidRole::Name(text.to_owned()))
        } else if text.len() > Self::MAX_LENGTH {
            Err(InvalidRole::TooLong {
                name: text.to_owned(),
                length: text.len(),
                excess: text.len() - Self::MAX_LENGTH,
            })
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Two names with the same key cannot exist beside each other in one account.
    pub fn collision_key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl RoleLabel {
    /// Wraps a computed name that may be none IAM allows.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&RoleName> for RoleLabel {
    fn from(name: &RoleName) -> Self {
        Self(name.0.clone())
    }
}

impl RolePath {
    /// Checks IAM's form: starts and ends with `/`, visible ASCII, at most 512 characters.
    pub fn new(text: &str) -> Result<Self, InvalidRole> {
        let visible = |b: u8| (0x21..=0x7e).contains(&b);
        let ends = text.starts_with('/') && text.ends_with('/');
        if ends && text.len() <= 512 && text.bytes().all(visible) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRole::Path(text.to_owned()))
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RolePath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl RoleId {
    /// Wraps an id that IAM gave.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SessionDuration {
    /// Checks IAM's range.
    pub fn from_seconds(seconds: u32) -> Result<Self, InvalidRole> {
        if (3600..=43200).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(InvalidRole::SessionDuration(seconds))
        }
    }

    /// The duration in seconds.
    pub fn as_seconds(self) -> u32 {
        self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RoleLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RolePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RoleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `ListRoles` says of a role: everything but tags, boundary and last use.
///
/// See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRole {
    /// Its name.
    pub name: RoleName,
    /// Its id.
    pub id: RoleId,
    /// Its path.
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
    /// All its tags.
    pub tags: Tags,
    /// The ARN of its permissions boundary.
    pub permissions_boundary: Option<String>,
    /// When it was made (RFC 3339), if IAM said it.
    pub created: Option<String>,
    /// When it was last used (RFC 3339), if IAM knows; absent means unknown, not unused.
    pub last_used: Option<String>,
}

/// A role to be made, complete in one call: IAM makes it with all its tags or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRole {
    /// Name and path, and the account it must land in.
    pub arn: RoleArn,
    /// Who may assume it.
    pub trust_policy: TrustDocument,
    /// All its tags.
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

/// What was read from IAM: every role as listed, and in full those that were asked for.
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

    /// Adds what reading one role in full gave; `None` means that it is gone, so the listing was
    /// behind the times.
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

    /// A role in full, if it was asked for.
    pub fn detail(&self, name: &RoleName) -> Option<&CurrentRole> {
        self.details.get(name)
    }

    /// Adds what is attached to a role.
    pub fn add_attachments(&mut self, name: &RoleName, attachments: Attachments) {
        self.attachments.insert(name.clone(), attachments);
    }

    /// What is attached to a role, if that was asked for.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_names_obey_iam() {
        assert!(RoleName::new("k8s-sa_bar_foo.v2").is_ok());
        assert!(RoleName::new(&"a".repeat(64)).is_ok());
        let long = RoleName::new(&"a".repeat(67));
        assert!(matches!(
            long,
            Err(InvalidRole::TooLong {
                length: 67,
                excess: 3,
                ..
            })
        ));
        for bad in ["", "a b", "a/b", "a:b", "é", "a\n", "a*"] {
            assert!(
                matches!(RoleName::new(bad), Err(InvalidRole::Name(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn names_that_differ_in_case_collide() {
        let (a, b) = (RoleName::new("K8s_a_b"), RoleName::new("k8s_a_b"));
        assert_eq!(a.map(|n| n.collision_key()), b.map(|n| n.collision_key()));
    }

    #[test]
    fn role_paths_are_closed_on_both_ends() {
        for good in ["/", "/teams/", "/a/b/"] {
            assert!(RolePath::new(good).is_ok(), "{good}");
        }
        for bad in ["", "teams/", "/teams", "/te ams/", "/é/"] {
            assert!(RolePath::new(bad).is_err(), "{bad}");
        }
    }
}
