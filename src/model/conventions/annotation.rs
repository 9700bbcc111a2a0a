//! The keys of the annotations that matter here, and the forms of their values.

use crate::model::newtype::newtype;

newtype! {
    /// The key of the annotation that declares a managed role, `"true"` or `"false"`.
    ManagedAnnotation
}

newtype! {
    /// What stands before the `/` in the webhook's own annotations: its `--annotation-prefix`.
    ///
    /// See <https://github.com/aws/amazon-eks-pod-identity-webhook>.
    AnnotationPrefix
}

/// What the role-arn annotation may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoleArnForm {
    /// The ARN of the role.
    #[default]
    Whole,
    /// The ARN, or the role's path and name, from which the webhook composes it.
    Composed,
}

/// The keys of the annotations that matter here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnnotationKeys {
    /// Declares a managed role.
    pub managed: String,
    /// Names the role that a pod assumes.
    pub role_arn: String,
    /// Changes the audience of a pod's token.
    pub audience: String,
}

/// Why a text is no key of an annotation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidAnnotation {
    /// Whoever chose the key: Kubernetes would refuse it.
    #[error(
        "`{0}` is no key of an annotation (NAME or PREFIX/NAME: a DNS subdomain of at most 253 characters, and at most 63 letters, digits and `-_.` that start and end with a letter or digit)"
    )]
    Key(String),
    /// Whoever chose the prefix: Kubernetes would refuse keys with it.
    #[error(
        "`{0}` is no prefix of annotations (a DNS subdomain of at most 253 characters, such as `{default}`, without a `/`)",
        default = AnnotationPrefix::DEFAULT
    )]
    Prefix(String),
    /// Whoever chose the key: the webhook gives it another meaning.
    #[error("`{0}` is the webhook's own annotation and cannot declare a managed role, too")]
    Taken(String),
}

impl ManagedAnnotation {
    /// The controller's key.
    pub const DEFAULT: &str = "security.kaluza.com/iam-role-managed";

    /// Checks that Kubernetes takes the text for the key of an annotation.
    ///
    /// See <https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/>.
    pub fn new(text: &str) -> Result<Self, InvalidAnnotation> {
        let (prefix, name) = match text.split_once('/') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, text),
        };
        let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let outer = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = name.as_bytes();
        let is_name = name.len() <= 63
            && outer(bytes.first())
            && outer(bytes.last())
            && bytes.iter().all(|b| inner(*b));
        if is_name && prefix.is_none_or(is_subdomain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAnnotation::Key(text.to_owned()))
        }
    }
}

impl Default for ManagedAnnotation {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl AnnotationPrefix {
    /// The webhook's default.
    pub const DEFAULT: &str = "eks.amazonaws.com";

    /// Checks that Kubernetes takes keys with this prefix.
    pub fn new(text: &str) -> Result<Self, InvalidAnnotation> {
        if is_subdomain(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAnnotation::Prefix(text.to_owned()))
        }
    }
}

impl Default for AnnotationPrefix {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl AnnotationKeys {
    /// The keys of a repository; the managed annotation must be none of the webhook's.
    pub fn new(
        managed: &ManagedAnnotation,
        prefix: &AnnotationPrefix,
    ) -> Result<Self, InvalidAnnotation> {
        // The webhook's names: <https://github.com/aws/amazon-eks-pod-identity-webhook>.
        const WEBHOOKS: [&str; 7] = [
            "role-arn",
            "audience",
            "sts-regional-endpoints",
            "token-expiration",
            "skip-containers",
            "use-regional-sts-endpoint",
            "pod-identity",
        ];
        let webhooks = |name: &str| format!("{prefix}/{name}");
        if WEBHOOKS
            .iter()
            .any(|name| webhooks(name) == managed.as_str())
        {
            return Err(InvalidAnnotation::Taken(managed.to_string()));
        }
        Ok(Self {
            managed: managed.to_string(),
            role_arn: webhooks("role-arn"),
            audience: webhooks("audience"),
        })
    }
}

impl Default for AnnotationKeys {
    fn default() -> Self {
        Self::new(&ManagedAnnotation::default(), &AnnotationPrefix::default())
            .expect("the controller's key is none of the webhook's")
    }
}

/// Whether a text is an RFC 1123 subdomain: lower-case labels joined by `.`.
fn is_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m42_keys_are_qualified_names() {
        let long = "a".repeat(63);
        for good in [
            "managed",
            "Managed_by.x",
            "example.com/iam-role",
            "a/b",
            "x-1.example.com/A",
            &format!("a.b/{long}"),
        ] {
            assert!(ManagedAnnotation::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a/b/c",
            "-a",
            "a-",
            "a b",
            "é",
            "Example.com/a",
            "a..b/c",
            "a_b/c",
            "a: b",
            "a/b\n",
            &format!("a.b/{long}a"),
            &format!("{}/a", "a.".repeat(127)),
        ] {
            assert!(ManagedAnnotation::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a/", "a/b", "A.b", ".a", "a_b"] {
            assert!(AnnotationPrefix::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn m42_the_webhooks_keys_declare_nothing() {
        let prefix = AnnotationPrefix::new("irsa.example.com").expect("a prefix");
        let keys =
            |key: &str| AnnotationKeys::new(&ManagedAnnotation::new(key).expect("a key"), &prefix);
        assert!(keys("irsa.example.com/audience").is_err());
        let keys = keys("irsa.example.com/managed").expect("another one");
        assert_eq!(keys.role_arn, "irsa.example.com/role-arn");
    }
}
