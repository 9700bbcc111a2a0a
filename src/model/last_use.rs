//! When a role was last used, as far as IAM tells.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// How many days of use IAM remembers.
///
/// See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html>.
pub const REMEMBERED_DAYS: u16 = 400;

/// When a role was last used.
///
/// See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html>.
///
/// ```
/// # use irsa_gitops::model::last_use::LastUse;
/// let used = LastUse::At("2026-01-02T03:04:05Z".to_owned());
/// assert_eq!(used.to_string(), "last used 2026-01-02T03:04:05Z");
/// assert_eq!(LastUse::Never.to_string(), "never used");
/// assert_eq!(LastUse::NotRemembered.to_string(), "not used in 400 days");
/// assert_eq!(LastUse::Unknown.to_string(), "last use unknown");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LastUse {
    /// IAM does not say, which is not to say that it was never used.
    #[default]
    Unknown,
    /// IAM remembers no use, and would, as the role is not older than its memory.
    Never,
    /// IAM remembers no use, and the role is older than its memory.
    NotRemembered,
    /// At this time (RFC 3339).
    At(String),
}

impl LastUse {
    /// Of a role of which IAM says that it remembers no use.
    pub fn none(created: Option<Timestamp>, now: Timestamp) -> Self {
        let memory = SignedDuration::from_hours(24 * i64::from(REMEMBERED_DAYS));
        match created.is_some_and(|created| now.duration_since(created) < memory) {
            true => Self::Never,
            false => Self::NotRemembered,
        }
    }

    /// The time, if there is one.
    pub fn time(&self) -> Option<&str> {
        match self {
            Self::At(time) => Some(time),
            Self::Unknown | Self::Never | Self::NotRemembered => None,
        }
    }

    /// For how many days it was not used, where nobody knows of the time before.
    pub fn unused_days(&self) -> Option<u16> {
        (*self == Self::NotRemembered).then_some(REMEMBERED_DAYS)
    }

    /// What stands below the heading `last used`; `shown` writes the time.
    pub fn in_a_column(&self, shown: impl FnOnce(&str) -> String) -> String {
        match self {
            Self::At(time) => shown(time),
            Self::Never => "never".to_owned(),
            Self::NotRemembered => format!("not in {REMEMBERED_DAYS} days"),
            Self::Unknown => "unknown".to_owned(),
        }
    }

    /// What stands in a sentence; `shown` writes the time.
    pub fn in_words(&self, shown: impl FnOnce(&str) -> String) -> String {
        match self {
            Self::At(time) => format!("last used {}", shown(time)),
            Self::Never => "never used".to_owned(),
            Self::NotRemembered => format!("not used in {REMEMBERED_DAYS} days"),
            Self::Unknown => "last use unknown".to_owned(),
        }
    }
}

impl fmt::Display for LastUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i87_a_role_that_is_older_than_iams_memory_may_have_been_used() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
        let made = |text: &str| LastUse::none(text.parse().ok(), now);
        assert_eq!(made("2026-11-24T11:59:59Z"), LastUse::Never);
        assert_eq!(made("2025-10-20T12:00:01Z"), LastUse::Never);
        for older in ["2025-10-20T12:00:00Z", "2019-01-01T00:00:00Z", ""] {
            assert_eq!(made(older), LastUse::NotRemembered, "{older}");
        }
        // A clock that is behind makes no role old.
        assert_eq!(made("2026-11-24T12:05:00Z"), LastUse::Never);
    }
}
