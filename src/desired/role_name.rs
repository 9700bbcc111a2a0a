//! The name of a ServiceAccount's role, and the way back.
//!
//! `PREFIX_NAMESPACE_NAME`, or `NAMESPACE_NAME` without a prefix. `_` is legal in neither part of a
//! ServiceAccount's name nor in a prefix, so a role name parses back to one pair only.
//!
//! A name that IAM would not allow for its length may be cut and end with a digest of the pair. It has
//! an `_` more, behind something of both, so it is never that of another pair; which pair it stands
//! for, a tag says and the digest proves.

use sha2::{Digest, Sha256};

use crate::model::cluster::{Naming, RolePrefix};
use crate::model::conventions::LongNames;
use crate::model::role::{InvalidRole, RoleLabel, RoleName};
use crate::model::service_account::{Namespace, ServiceAccountName, ServiceAccountRef};
use crate::model::tags::TagValue;

/// How many digits of a digest a name has.
const DIGITS: usize = 8;

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
    let refused = match RoleName::new(&whole(&naming.prefix, service_account)) {
        Ok(name) => return Ok(name),
        Err(refused) => refused,
    };
    let digested = match naming.conventions.long_names {
        LongNames::Digest => digested(&naming.prefix, service_account),
        LongNames::Refuse => None,
    };
    digested.ok_or(refused)
}

/// The name of the role whether or not IAM would allow it, for reports.
pub fn label(naming: &Naming, service_account: &ServiceAccountRef) -> RoleLabel {
    match of(naming, service_account) {
        Ok(name) => RoleLabel::from(&name),
        Err(_) => RoleLabel::new(whole(&naming.prefix, service_account)),
    }
}

fn whole(prefix: &RolePrefix, ServiceAccountRef { namespace, name }: &ServiceAccountRef) -> String {
    format!("{}{namespace}_{name}", lead(prefix))
}

/// What stands before namespace and name.
fn lead(prefix: &RolePrefix) -> String {
    match prefix.as_str() {
        "" => String::new(),
        prefix => format!("{prefix}_"),
    }
}

/// The name that stands for one which IAM does not allow for its length: all its 64 characters are
/// used. `None` if the name is short enough, the prefix leaves no room for one of each, or the pair
/// does not fit into a tag, so that nothing could prove whose the role is.
pub fn digested(prefix: &RolePrefix, service_account: &ServiceAccountRef) -> Option<RoleName> {
    let lead = lead(prefix);
    let pair = service_account.to_string();
    let ServiceAccountRef { namespace, name } = service_account;
    let is_long = whole(prefix, service_account).len() > RoleName::MAX_LENGTH;
    if !is_long || pair.len() > TagValue::MAX_LENGTH {
        return None;
    }
    let room = RoleName::MAX_LENGTH.checked_sub(lead.len() + 1 + DIGITS)?;
    // At least one character of the name stays, behind its `_`.
    let most = room.checked_sub(2).filter(|most| *most > 0)?;
    let namespace = namespace.as_str();
    let namespace = namespace.get(..most).unwrap_or(namespace);
    let name = name.as_str().get(..room - namespace.len() - 1)?;
    let digest: String = Sha256::digest(pair.as_bytes())
        .iter()
        .take(DIGITS / 2)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    RoleName::new(&format!("{lead}{namespace}_{name}_{digest}")).ok()
}

/// Whether a name has the form of one with a digest.
pub fn is_digested(prefix: &RolePrefix, role: &RoleName) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let rest = role.as_str().strip_prefix(&lead(prefix));
    let mut parts = rest.into_iter().flat_map(|rest| rest.split('_'));
    let (namespace, name, digest) = (parts.next(), parts.next(), parts.next());
    role.as_str().len() == RoleName::MAX_LENGTH
        && parts.next().is_none()
        && [namespace, name]
            .iter()
            .all(|part| part.is_some_and(|part| !part.is_empty()))
        && digest.is_some_and(|digest| digest.len() == DIGITS && digest.bytes().all(is_digit))
}

/// The ServiceAccount a role name stands for; of one with a digest, the tag `stack` of the role says
/// it and the digest proves it.
pub fn stands_for(
    prefix: &RolePrefix,
    role: &RoleName,
    stack: Option<&str>,
) -> Option<ServiceAccountRef> {
    parse(prefix, role).or_else(|| {
        let pair = stack.filter(|_| is_digested(prefix, role))?;
        let pair = ServiceAccountRef::parse(pair).ok()?;
        (digested(prefix, &pair)? == *role).then_some(pair)
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
    fn m90_a_digest_fills_the_name_and_leaves_something_of_both() {
        let pair = |namespace: usize, name: usize| {
            let text = format!("{}/{}", "n".repeat(namespace), "m".repeat(name));
            ServiceAccountRef::parse(&text).expect("a valid test name")
        };
        let prefix = naming("k8s-sa").prefix;
        for (namespace, name) in [(1, 63), (30, 28), (48, 10), (63, 1), (63, 192), (2, 253)] {
            let pair = pair(namespace, name);
            let role = digested(&prefix, &pair).expect("room");
            assert_eq!(role.as_str().len(), RoleName::MAX_LENGTH, "{role}");
            assert!(is_digested(&prefix, &role), "{role}");
            assert_eq!(parse(&prefix, &role), None, "{role}");
            let stack = pair.to_string();
            assert_eq!(stands_for(&prefix, &role, Some(&stack)), Some(pair));
            for other in [None, Some("n/m"), Some("x"), Some("nn/mm")] {
                assert_eq!(stands_for(&prefix, &role, other), None, "{other:?}");
            }
        }
        // Short enough, no room in the tag, no room beside the prefix.
        assert_eq!(digested(&prefix, &pair(28, 28)), None);
        assert!(digested(&prefix, &pair(28, 29)).is_some());
        assert_eq!(digested(&prefix, &pair(63, 193)), None);
        let longest = naming(&"p".repeat(51)).prefix;
        assert!(digested(&longest, &pair(9, 9)).is_some());
        let longer = naming(&"p".repeat(52)).prefix;
        assert_eq!(digested(&longer, &pair(9, 9)), None);
        assert!(digested(&naming("").prefix, &pair(40, 24)).is_some());
    }

    #[test]
    fn m90_the_digest_is_part_of_the_contract() {
        let text = "team-payments-production/billing-reconciliation-worker-eu-central-1";
        let pair = ServiceAccountRef::parse(text).expect("a valid test name");
        let role = digested(&naming("k8s-sa").prefix, &pair).map(|role| role.to_string());
        insta::assert_snapshot!(role.unwrap_or_default(), @"k8s-sa_team-payments-production_billing-reconciliation-_227711ec");
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
        fn m90_no_name_with_a_digest_is_that_of_another_pair(
            prefix in "[a-z0-9.+=,@-]{0,51}",
            namespace in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
            name in "[a-z0-9]([a-z0-9-]{0,100}[a-z0-9])?(\\.[a-z0-9]{1,60}){0,1}",
        ) {
            let prefix = naming(&prefix).prefix;
            let pair = ServiceAccountRef::parse(&format!("{namespace}/{name}")).expect("generated valid");
            let is_long = whole(&prefix, &pair).len() > RoleName::MAX_LENGTH;
            let role = digested(&prefix, &pair);
            prop_assert_eq!(role.is_some(), is_long);
            if let Some(role) = role {
                prop_assert_eq!(role.as_str().len(), RoleName::MAX_LENGTH);
                prop_assert_eq!(parse(&prefix, &role), None);
                prop_assert!(is_digested(&prefix, &role));
            }
        }

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
