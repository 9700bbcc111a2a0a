//! What identifies a role in an account, and how long its sessions may last.

use crate::model::newtype::newtype;

newtype! {
    /// The name of a role: 1 to 64 of `A-Z a-z 0-9 _ + = , . @ -`.
    ///
    /// IAM keeps names unique without regard to case, but `sts:AssumeRole` compares them with it: see
    /// [`RoleName::collision_key`] and <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>.
    RoleName
}

newtype! {
    /// The path of a role: `/`, or `/part/…/`.
    RolePath
}

newtype! {
    /// What a report calls a role: its name, or the name it would have if IAM allowed it.
    RoleLabel
}

newtype! {
    /// IAM's own id of a role, `AROA…`: a role deleted and made again under its old name has another.
    RoleId
}

/// How long a session of a role may last, in seconds: 3600 to 43200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionDuration(u32);

/// Why a text is not what IAM allows for a role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidRole {
    /// Whoever chose the name: IAM would refuse its length.
    #[error("role name `{name}` has {length} characters, {excess} more than IAM's limit of 64")]
    TooLong {
        /// The name that was given.
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
}

impl SessionDuration {
    /// Checks IAM's range: one hour to twelve.
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
