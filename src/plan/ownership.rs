//! Whether a role is ours: name, path and all three ownership tags must fit one pair.
//!
//! Tag keys are compared without case, because IAM does; values with it. Anything that does not
//! fit is foreign and never written to, whatever its tags claim.

use std::fmt;

use crate::desired::{self, role_name};
use crate::model::arn::RoleArn;
use crate::model::cluster::Cluster;
use crate::model::role::{CurrentRole, CurrentRoles, ListedRole, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::shell::REST;
use crate::model::tags;

/// Whose a role is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Ours, for that ServiceAccount.
    Owned(ServiceAccountRef),
    /// Somebody else's.
    Foreign(Foreign),
}

/// Why a role is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Its name is not one we would give.
    Name,
    /// Its path is not ours.
    Path(String),
    /// A tag is missing.
    MissingTag(&'static str),
    /// A tag has another value: another cluster's role, or one that was renamed or tampered with.
    Tag {
        /// The tag.
        key: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
}

/// Why the listing alone shows that a role which is in the way of a new one is not ours. Such a role
/// is not read: its ARN may lie outside what the credentials may look at.
pub fn of_listed(listed: &ListedRole, wanted: &RoleArn) -> Option<Foreign> {
    if listed.name != wanted.name {
        Some(Foreign::Name)
    } else if listed.path != wanted.path {
        Some(Foreign::Path(listed.path.to_string()))
    } else {
        None
    }
}

/// The listed roles that could be ours by name and path alone, declared or not.
pub fn candidates(current: &CurrentRoles, cluster: &Cluster) -> Vec<RoleName> {
    let is_possible = |listed: &&ListedRole| {
        let (prefix, name) = (&cluster.prefix, &listed.name);
        let is_ours = role_name::parse(prefix, name).is_some();
        listed.path == cluster.path && (is_ours || role_name::is_digested(prefix, name))
    };
    let possible = current.iter().filter(is_possible);
    possible.map(|listed| listed.name.clone()).collect()
}

/// Decides whose a role is.
pub fn of(role: &CurrentRole, cluster: &Cluster) -> Ownership {
    let (prefix, name, stack) = (
        &cluster.prefix,
        &role.listed.name,
        role.tags.get(tags::STACK),
    );
    let Some(service_account) = role_name::stands_for(prefix, name, stack) else {
        return Ownership::Foreign(match (role_name::is_digested(prefix, name), stack) {
            (false, _) => Foreign::Name,
            (true, None) => Foreign::MissingTag(tags::STACK),
            (true, Some(found)) => Foreign::Tag {
                key: tags::STACK,
                expected: "the pair whose digest its name ends with".to_owned(),
                found: found.to_owned(),
            },
        });
    };
    if role.listed.path != cluster.path {
        return Ownership::Foreign(Foreign::Path(role.listed.path.to_string()));
    }
    for (key, expected) in desired::ownership_tags(&service_account, cluster) {
        match role.tags.get(key) {
            None => return Ownership::Foreign(Foreign::MissingTag(key)),
            Some(found) if found != expected => {
                let found = found.to_owned();
                return Ownership::Foreign(Foreign::Tag {
                    key,
                    expected,
                    found,
                });
            }
            Some(_) => {}
        }
    }
    Ownership::Owned(service_account)
}

impl Foreign {
    /// What to do about it.
    pub fn hint(&self, service_account: &ServiceAccountRef, cluster: &Cluster) -> String {
        match self {
            Self::Name | Self::Path(_) => format!(
                "rename that role or the ServiceAccount; owned roles are named {}_NAMESPACE_NAME under path {}",
                cluster.prefix, cluster.path
            ),
            Self::Tag { key, found, .. } if *key == tags::CLUSTER => format!(
                "if cluster `{found}` still uses it, give one of the clusters another --role-prefix; if it is this cluster's under another name (the controller's default is `cluster`), take it over: irsa-gitops adopt {}{REST}",
                role_name::label(&cluster.naming(), service_account).as_str()
            ),
            Self::Tag { .. } | Self::MissingTag(_) => format!(
                "if it serves this ServiceAccount, take it over: irsa-gitops adopt {}{REST}; if not, rename one of the two",
                role_name::label(&cluster.naming(), service_account).as_str()
            ),
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(f, "its name is not exactly ours"),
            Self::Path(path) => write!(f, "its path is `{path}`"),
            Self::MissingTag(key) => write!(f, "it has no tag `{key}`"),
            Self::Tag {
                key,
                expected,
                found,
            } => {
                write!(f, "its tag `{key}` is `{found}`, not `{expected}`")
            }
        }
    }
}
