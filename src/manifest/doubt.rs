//! What was not understood of a file, and which ServiceAccounts that may hide.
//!
//! A document that cannot be parsed may hold any. A ServiceAccount without a namespace can only be one
//! of its name, and a name with a placeholder only one that its literal parts can become.

use crate::model::service_account::{Namespace, ServiceAccountName, ServiceAccountRef};

/// What placeholders begin and end with: of Flux and shells, of Helm and Jinja, of Kustomize's and
/// Kubernetes' own variables, of Argo CD's Vault plugin and of Go, for a value that is not there.
const PLACEHOLDERS: [(&str, &str); 4] = [("${", "}"), ("{{", "}}"), ("$(", ")"), ("<", ">")];

/// A part of a file that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Its line, from 1.
    pub line: u32,
    /// What it may hide.
    pub hides: Hides,
}

/// Which ServiceAccounts may be in something that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hides {
    /// Any.
    Any,
    /// One whose namespace and name look like this.
    Like {
        /// Its namespace.
        namespace: Pattern,
        /// Its name.
        name: Pattern,
    },
}

/// The literal parts of a text; between two of them there may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

impl Hides {
    /// What a ServiceAccount may be whose namespace and name are written like this.
    pub(super) fn like(namespace: Option<&str>, name: Option<&str>) -> Self {
        let is_namespace = |text: &str| Namespace::new(text).is_ok();
        let is_name = |text: &str| ServiceAccountName::new(text).is_ok();
        Self::Like {
            namespace: Pattern::of(namespace, is_namespace),
            name: Pattern::of(name, is_name),
        }
    }

    /// Whether something was read that has the name of this ServiceAccount, as far as it is written.
    pub fn names(&self, service_account: &ServiceAccountRef) -> bool {
        let is_named = match self {
            Self::Any => false,
            Self::Like { name, .. } => name.0.iter().any(|part| !part.is_empty()),
        };
        is_named && self.may_be(service_account)
    }

    /// Whether this ServiceAccount may be hidden.
    pub fn may_be(&self, service_account: &ServiceAccountRef) -> bool {
        match self {
            Self::Any => true,
            Self::Like { namespace, name } => {
                namespace.matches(service_account.namespace.as_str())
                    && name.matches(service_account.name.as_str())
            }
        }
    }
}

impl Pattern {
    /// What a text may become. One that is neither valid nor has a placeholder is a typo of who knows
    /// what.
    fn of(text: Option<&str>, is_valid: impl Fn(&str) -> bool) -> Self {
        let anything = || Self(vec![String::new(), String::new()]);
        let Some(text) = text else {
            return anything();
        };
        if is_valid(text) {
            return Self(vec![text.to_owned()]);
        }
        let parts = literal_parts(text);
        match parts.len() {
            1 => anything(),
            _ => Self(parts),
        }
    }

    /// Whether a text is all literal parts in their order, the first at its beginning and the last at
    /// its end.
    fn matches(&self, text: &str) -> bool {
        let [first, between @ .., last] = self.0.as_slice() else {
            return self.0.first().is_none_or(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        for part in between {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

/// What stands before, between and behind the placeholders of a text.
fn literal_parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    let next = |rest: &str| {
        let found = PLACEHOLDERS.iter().filter_map(|(opening, closing)| {
            let start = rest.find(opening)?;
            let length = rest[start..].find(closing)? + closing.len();
            Some((start, start + length))
        });
        found.min()
    };
    while let Some((start, end)) = next(rest) {
        parts.push(rest[..start].to_owned());
        rest = &rest[end..];
    }
    parts.push(rest.to_owned());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hides(namespace: Option<&str>, name: Option<&str>, whose: &str) -> bool {
        let whose = ServiceAccountRef::parse(whose).expect("a pair");
        Hides::like(namespace, name).may_be(&whose)
    }

    #[test]
    fn m56_without_a_namespace_it_is_one_of_its_name() {
        assert!(hides(None, Some("web"), "shop/web"));
        assert!(hides(Some(""), Some("web"), "shop/web"));
        assert!(!hides(None, Some("web"), "shop/db"));
        assert!(hides(Some("shop"), None, "shop/db"));
        assert!(!hides(Some("shop"), None, "bank/db"));
    }

    #[test]
    fn m56_a_placeholder_is_whatever_its_literal_parts_leave_open() {
        for name in [
            "web-${env}",
            "web-{{ .env }}",
            "web-$(ENV)",
            "web-<env>",
            "${a}-${b}",
        ] {
            assert!(hides(None, Some(name), "shop/web-prod"), "{name}");
        }
        for name in ["api-${env}", "web-${env}-x", "${a}_${b}", "web-prod${x}d"] {
            assert!(!hides(None, Some(name), "shop/web-prod"), "{name}");
        }
        // One part is not there twice.
        assert!(!hides(None, Some("${a}we${b}we${c}"), "shop/web"));
        assert!(hides(Some("${ns}"), Some("web"), "shop/web"));
        assert!(hides(None, Some("${a}${b}"), "shop/web"));
    }

    #[test]
    fn m56_a_typo_may_be_anything() {
        assert!(hides(Some("Shop"), Some("we b"), "shop/web"));
        assert!(hides(Some("shop"), Some("web${"), "shop/web"));
        assert!(!hides(Some("shop"), Some("Web"), "bank/web"));
    }
}
