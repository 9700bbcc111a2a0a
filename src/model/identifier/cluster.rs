//! What identifies a cluster, its tokens and the names of its roles.

use super::role::RoleName;
use crate::model::newtype::newtype;

newtype! {
    /// The cluster's OIDC issuer, without `https://`: `oidc.eks.eu-west-1.amazonaws.com/id/…`.
    ///
    /// IAM uses this form in provider ARNs and as the prefix of condition keys:
    /// <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>.
    Issuer
}

newtype! {
    /// The audience a token is made for, `sts.amazonaws.com` unless the settings or a ServiceAccount name another.
    Audience
}

newtype! {
    /// The name of a cluster, as it stands in the cluster tag of its roles.
    ClusterName
}

newtype! {
    /// What stands before the first `_` of a role name, without that `_`; may be empty.
    RolePrefix
}

/// Why a text cannot name a part of a cluster.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidCluster {
    /// Whoever set the issuer.
    #[error("`{0}` is not an OIDC issuer (HOST or HOST/PATH, with or without `https://`)")]
    Issuer(String),
    /// Whoever set the issuer: it is something else that is known.
    #[error("`{text}` is not an OIDC issuer, but {what}")]
    NoIssuer {
        /// What was given.
        text: String,
        /// What that is.
        what: &'static str,
    },
    /// Whoever set the audience.
    #[error("`{0}` is not an audience (1 to 255 characters without white space, `*`, `?` or `$`)")]
    Audience(String),
    /// Whoever set the cluster name.
    #[error("`{0}` is not a cluster name (1 to 100 letters, digits and `_.@-/:`)")]
    Name(String),
    /// Whoever set the prefix.
    #[error(
        "`{0}` is not a role prefix (letters, digits and `+=,.@-`; `_` separates prefix, namespace and name)"
    )]
    Prefix(String),
}

impl Issuer {
    /// Takes an issuer with or without `https://` and a trailing slash.
    pub fn new(text: &str) -> Result<Self, InvalidCluster> {
        if let Some(what) = other_than_issuer(text) {
            let text = text.to_owned();
            return Err(InvalidCluster::NoIssuer { text, what });
        }
        let bare = text.strip_prefix("https://").unwrap_or(text);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:".contains(&b);
        let starts_well = bare.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts_well && bare.len() <= 255 && bare.bytes().all(legal) && !bare.contains("://") {
            Ok(Self(bare.to_owned()))
        } else {
            Err(InvalidCluster::Issuer(text.to_owned()))
        }
    }
}

impl Audience {
    /// What EKS puts into tokens unless a ServiceAccount declares another audience.
    pub const DEFAULT: &str = "sts.amazonaws.com";

    /// Checks that the text is one plain value: no wildcard, no policy variable.
    pub fn new(text: &str) -> Result<Self, InvalidCluster> {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"*?$\"".contains(c);
        if (1..=255).contains(&text.chars().count()) && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidCluster::Audience(text.to_owned()))
        }
    }
}

impl Default for Audience {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl ClusterName {
    /// Checks that the name can stand in a tag and in an EKS cluster ARN or name.
    pub fn new(text: &str) -> Result<Self, InvalidCluster> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"_.-/:@".contains(&b);
        if (1..=100).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidCluster::Name(text.to_owned()))
        }
    }
}

impl RolePrefix {
    /// The prefix that iam-service-account-controller uses by default.
    pub const DEFAULT: &str = "k8s-sa";

    /// Checks that a role name with this prefix parses back to one pair only.
    pub fn new(text: &str) -> Result<Self, InvalidCluster> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@-".contains(&b);
        if text.len() < RoleName::MAX_LENGTH && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidCluster::Prefix(text.to_owned()))
        }
    }
}

impl Default for RolePrefix {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

/// What a text is that is often given for an issuer, and would be taken for a host.
fn other_than_issuer(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    Some(match lower.trim_end_matches('/') {
        lower if lower.starts_with("arn:") && lower.contains(":oidc-provider/") => {
            "the ARN of a provider: give what follows `oidc-provider/`"
        }
        lower if lower.starts_with("arn:") => {
            "an ARN: give what `aws eks describe-cluster --query cluster.identity.oidc.issuer` prints"
        }
        "none" | "null" | "undefined" | "nil" => {
            "what a tool prints for nothing: the command that was to give the issuer found none (is the cluster's name or the query wrong?)"
        }
        lower if lower.starts_with("http://") => "an address without TLS: an issuer is https://",
        lower if lower.contains(['?', '#']) => {
            "an address with a query or a fragment: leave it out"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i25_what_is_no_issuer_is_told_what_it_is() {
        for (text, what) in [
            (
                "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/1",
                "what follows `oidc-provider/`",
            ),
            ("arn:aws-cn:eks:cn-north-1:1:cluster/prod", "an ARN"),
            ("None", "prints for nothing"),
            ("null", "prints for nothing"),
            ("http://oidc.example.com", "without TLS"),
            ("https://oidc.example.com/id/1?x=1", "a query"),
        ] {
            let error = Issuer::new(text).expect_err(text).to_string();
            assert!(error.contains(text) && error.contains(what), "{error}");
        }
        for text in [
            "none.example.com",
            "https://arn.example.com/null",
            "null-issuer.com",
        ] {
            assert!(Issuer::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_issuer_is_the_same_with_and_without_its_scheme() {
        let bare = "oidc.eks.eu-west-1.amazonaws.com/id/14758F1AFD44C09B7992073CCF00B43D";
        for text in [
            bare.to_owned(),
            format!("https://{bare}"),
            format!("https://{bare}/"),
        ] {
            assert_eq!(
                Issuer::new(&text).map(|i| i.to_string()),
                Ok(bare.to_owned())
            );
        }
        for bad in [
            "",
            "https://",
            "http://x",
            "a b",
            "a\"b",
            "*.example.com",
            "a?b",
            "${x}",
        ] {
            assert!(Issuer::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn prefixes_cannot_hide_the_separator() {
        for good in ["", "k8s-sa", "team.a"] {
            assert!(RolePrefix::new(good).is_ok(), "{good}");
        }
        for bad in ["k8s_sa", "*", "a b", "a/b"] {
            assert!(RolePrefix::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn audiences_are_plain_values() {
        assert!(Audience::new("https://sts.example.com").is_ok());
        for bad in ["", "*", "sts.*", "a b", "${aws:x}", "a\n"] {
            assert!(Audience::new(bad).is_err(), "{bad}");
        }
    }
}
