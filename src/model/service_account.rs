//! Kubernetes' names for a ServiceAccount.

use std::fmt;

use super::newtype::newtype;

newtype! {
    /// A namespace: an RFC 1123 label.
    ///
    /// See <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>.
    Namespace
}

newtype! {
    /// The name of a ServiceAccount: an RFC 1123 subdomain.
    ///
    /// See <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>.
    ServiceAccountName
}

/// Why a text is not a Kubernetes name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidName {
    /// The manifest's author left it empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// The manifest's author chose a name Kubernetes refuses as too long.
    #[error("{what} `{text}` has {length} characters; Kubernetes allows {limit}")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// The text that was given.
        text: String,
        /// Its length in characters.
        length: usize,
        /// The most Kubernetes allows.
        limit: usize,
    },
    /// The manifest's author used characters Kubernetes refuses.
    #[error("{what} `{text}` is not a valid {form}")]
    Malformed {
        /// What was to be named.
        what: &'static str,
        /// The text that was given.
        text: String,
        /// The form it should have, in words.
        form: &'static str,
    },
}

impl Namespace {
    /// Checks an RFC 1123 label: at most 63 of `a-z`, `0-9`, `-`, not starting or ending with `-`.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        const FORM: &str = "RFC 1123 label (lower-case letters, digits and `-`, starting and ending with a letter or digit)";
        check(text, "namespace", 63, FORM, is_label)?;
        Ok(Self(text.to_owned()))
    }
}

impl ServiceAccountName {
    /// Checks an RFC 1123 subdomain: at most 253 characters, labels joined by `.`.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        const FORM: &str = "RFC 1123 subdomain (lower-case letters, digits, `-` and `.`, every part starting and ending with a letter or digit)";
        check(text, "ServiceAccount name", 253, FORM, |t| {
            t.split('.').all(is_label)
        })?;
        Ok(Self(text.to_owned()))
    }
}

fn check(
    text: &str,
    what: &'static str,
    limit: usize,
    form: &'static str,
    valid: impl Fn(&str) -> bool,
) -> Result<(), InvalidName> {
    let length = text.chars().count();
    if text.is_empty() {
        Err(InvalidName::Empty(what))
    } else if !valid(text) {
        Err(InvalidName::Malformed {
            what,
            text: text.to_owned(),
            form,
        })
    } else if length > limit {
        Err(InvalidName::TooLong {
            what,
            text: text.to_owned(),
            length,
            limit,
        })
    } else {
        Ok(())
    }
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Which ServiceAccount: its namespace and name, written `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAccountRef {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ServiceAccountName,
}

impl ServiceAccountRef {
    /// Reads `NAMESPACE/NAME`.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let (namespace, name) = text.split_once('/').ok_or_else(|| InvalidName::Malformed {
            what: "ServiceAccount",
            text: text.to_owned(),
            form: "`NAMESPACE/NAME`",
        })?;
        Ok(Self {
            namespace: Namespace::new(namespace)?,
            name: ServiceAccountName::new(name)?,
        })
    }

    /// The subject a pod's token carries: `system:serviceaccount:NAMESPACE:NAME`.
    ///
    /// See <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>.
    pub fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

impl fmt::Display for ServiceAccountRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_rfc_1123() {
        for good in ["a", "0", "team-0", "a--b"] {
            assert!(Namespace::new(good).is_ok(), "{good}");
            assert!(ServiceAccountName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "é", "a b", "a/b", "a\"b"] {
            assert!(Namespace::new(bad).is_err(), "{bad}");
            assert!(ServiceAccountName::new(bad).is_err(), "{bad}");
        }
        assert!(Namespace::new("a.b").is_err());
        assert!(ServiceAccountName::new("a.b0").is_ok());
        for bad in [".", "a.", ".a", "a..b", "a.-b"] {
            assert!(ServiceAccountName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn length_limits_are_kubernetes_own() {
        assert!(Namespace::new(&"a".repeat(63)).is_ok());
        assert!(Namespace::new(&"a".repeat(64)).is_err());
        assert!(ServiceAccountName::new(&"a".repeat(253)).is_ok());
        assert!(ServiceAccountName::new(&"a".repeat(254)).is_err());
    }
}
