//! The name of a ServiceAccount's role, and the way back.
//!
//! `PREFIX_NAMESPACE_NAME`, or `NAMESPACE_NAME` without a prefix. `_` is legal in neither part of a
//! ServiceAccount's name nor in a prefix, so a role name parses back to one pair only.

use crate::model::cluster::{Naming, RolePrefix};
use crate::model::role::{InvalidRole, RoleLabel, RoleName};
use crate::model::service_account::{Namespace, ServiceAccountName, ServiceAccountRef};

/// The name of the role, or why IAM would not allow it.
///
/// ```
/// use irsa_gitops::desired::role_name;
/// use irsa_gitops::model::{cluster::Naming, service_account::ServiceAccountRef};
///
/// let foo = ServiceAccountRef::parse("bar/foo")?;
/// let role = role_name::of(&Naming::default(), &foo)?;
/// assert_eq!(role.as_str(), "k8s-sa_bar_foo");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn of(naming: &Naming, service_account: &ServiceAccountRef) -> Result<RoleName, InvalidRole> {
    RoleName::new(label(naming, service_account).as_str())
}

/// The name of the role whether or not IAM would allow it, for reports.
pub fn label(naming: &Naming, service_account: &ServiceAccountRef) -> RoleLabel {
    let ServiceAccountRef { namespace, name } = service_account;
    RoleLabel::new(match naming.prefix.as_str() {
        "" => format!("{namespace}_{name}"),
        prefix => format!("{prefix}_{namespace}_{name}"),
    })
}

/// The ServiceAccount a role name stands for, if it has the prefix and the form.
pub fn parse(prefix: &RolePrefix, role: &RoleName) -> Option<ServiceAccountRef> {
    let pair = match prefix.as_str() {
        "" => role.as_str(),
        prefix => role.as_str().strip_prefix(prefix)?.strip_prefix('_')?,
    };
    let (namespace, name) = pair.split_once('_')?;
    Some(ServiceAccountRef {
        namespace: Namespace::new(namespace).ok()?,
        name: ServiceAccountName::new(name).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naming(prefix: &str) -> Naming {
        Naming {
            prefix: RolePrefix::new(prefix).expect("a valid test prefix"),
            ..Naming::default()
        }
    }

    #[test]
    fn m16_names_with_digits_and_dots_are_names() {
        for (pair, role) in [
            ("bar/foo", "k8s-sa_bar_foo"),
            ("team-0/app.v2", "k8s-sa_team-0_app.v2"),
            ("0/0", "k8s-sa_0_0"),
        ] {
            let pair = ServiceAccountRef::parse(pair).expect("a valid test name");
            assert_eq!(
                of(&naming("k8s-sa"), &pair).map(|n| n.to_string()),
                Ok(role.to_owned())
            );
        }
    }

    #[test]
    fn m14_a_name_of_65_characters_is_refused_not_cut() {
        let pair = |length: usize| {
            let name = "n".repeat(length - "k8s-sa_bar_".len());
            ServiceAccountRef::parse(&format!("bar/{name}")).expect("a valid test name")
        };
        assert!(of(&naming("k8s-sa"), &pair(64)).is_ok());
        let refused = of(&naming("k8s-sa"), &pair(65));
        assert!(matches!(
            refused,
            Err(InvalidRole::TooLong {
                length: 65,
                excess: 1,
                ..
            })
        ));
    }

    #[test]
    fn foreign_names_parse_to_nothing() {
        for foreign in [
            "Admin",
            "k8s-sa",
            "k8s-sa_bar",
            "k8s-sa_bar_",
            "k8s-sab_c_d",
            "k8s-sa_B_c",
            "k8s-sa_a_b_c",
            "x_a_b",
        ] {
            let role = RoleName::new(foreign).expect("a valid role name");
            assert_eq!(parse(&naming("k8s-sa").prefix, &role), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn a_role_name_parses_back_to_its_pair(
            prefix in "[a-z0-9.+=,@-]{0,8}",
            namespace in "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?",
            name in "[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?(\\.[a-z0-9]{1,5}){0,2}",
        ) {
            let naming = naming(&prefix);
            let pair = ServiceAccountRef::parse(&format!("{namespace}/{name}")).expect("generated valid");
            let role = of(&naming, &pair).expect("generated short enough");
            prop_assert_eq!(parse(&naming.prefix, &role), Some(pair));
        }
    }
}
