//! When a role was last used, as far as IAM tells.

use std::fmt;

/// When a role was last used.
///
/// See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html>.
///
/// ```
/// # use irsa_gitops::model::last_use::LastUse;
/// let used = LastUse::At("2026-01-02T03:04:05Z".to_owned());
/// assert_eq!(used.to_string(), "last used 2026-01-02T03:04:05Z");
/// assert_eq!(LastUse::Never.to_string(), "never used");
/// assert_eq!(LastUse::Unknown.to_string(), "last use unknown");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LastUse {
    /// IAM does not say, which is not to say that it was never used.
    #[default]
    Unknown,
    /// IAM says that it was not used in the 400 days that it remembers.
    Never,
    /// At this time (RFC 3339).
    At(String),
}

impl LastUse {
    /// The time, if there is one.
    pub fn time(&self) -> Option<&str> {
        match self {
            Self::At(time) => Some(time),
            Self::Unknown | Self::Never => None,
        }
    }

    /// What stands below the heading `last used`; `shown` writes the time.
    pub fn in_a_column(&self, shown: impl FnOnce(&str) -> String) -> String {
        match self {
            Self::At(time) => shown(time),
            Self::Never => "never".to_owned(),
            Self::Unknown => "unknown".to_owned(),
        }
    }

    /// What stands in a sentence; `shown` writes the time.
    pub fn in_words(&self, shown: impl FnOnce(&str) -> String) -> String {
        match self {
            Self::At(time) => format!("last used {}", shown(time)),
            Self::Never => "never used".to_owned(),
            Self::Unknown => "last use unknown".to_owned(),
        }
    }
}

impl fmt::Display for LastUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words(str::to_owned))
    }
}
