//! Refusals of trust policies that many roles would lose at once: by another issuer, or otherwise.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Action, Change, Difference, Facts, Plan};
use super::{Allowed, FEW, Refusal, is_owned};
use crate::model::cluster::Issuer;
use crate::model::role::RoleLabel;

/// Refuses to have most roles trust another issuer: the cluster was rebuilt, or the settings are
/// those of another cluster.
pub(in crate::plan) fn check_issuer_change(
    plan: &Plan,
    facts: &Facts,
    allowed: &Allowed,
) -> Result<(), Refusal> {
    let mut changed: BTreeMap<Issuer, Vec<RoleLabel>> = BTreeMap::new();
    let mut swapped: BTreeSet<Issuer> = BTreeSet::new();
    for change in plan.changes.values() {
        if let Action::Update(update) = &change.action
            && let Some((old, reach)) = former_issuer(change, &update.differences, facts)
        {
            if reach == Reach::Whole {
                swapped.insert(old.clone());
            }
            changed.entry(old).or_default().push(change.role.clone());
        }
    }
    let owned = plan
        .changes
        .values()
        .filter(|change| is_owned(change))
        .count();
    let limit = FEW.max(owned / 10);
    for (old, roles) in changed {
        // Of one role that trusts our issuer as well, somebody has edited the trust policy by hand.
        let is_edit = roles.len() == 1 && !swapped.contains(&old);
        let most = (roles.len() * 2 > owned && !is_edit) || roles.len() > limit;
        if most && allowed.issuer_change.as_ref() != Some(&old) {
            return Err(Refusal::IssuerChange { old, roles });
        }
    }
    Ok(())
}

/// How much of a trust policy an issuer change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// It trusts none of the cluster's issuers.
    Whole,
    /// It trusts one of them as well.
    Part,
}

/// The one issuer that would have to be the cluster's for a role to be as declared.
fn former_issuer(
    change: &Change,
    differences: &[Difference],
    facts: &Facts,
) -> Option<(Issuer, Reach)> {
    let cluster = &facts.cluster;
    let current = differences.iter().find_map(|difference| match difference {
        Difference::TrustPolicy { current, .. } => Some(current),
        Difference::Tag { .. } | Difference::SessionDuration { .. } => None,
    })?;
    let prefix = format!(
        "arn:{}:iam::{}:oidc-provider/",
        cluster.partition, cluster.account
    );
    let principals: BTreeSet<String> = current.federated_principals().into_iter().collect();
    let issuers = principals
        .iter()
        .map(|arn| Issuer::new(arn.strip_prefix(&prefix)?).ok());
    let issuers: Vec<Issuer> = issuers.collect::<Option<_>>()?;
    let old = issuers
        .iter()
        .find(|issuer| !cluster.issuers.contains(issuer))?
        .clone();
    if issuers
        .iter()
        .all(|issuer| !cluster.issuers.contains(issuer))
    {
        // Whatever else would change with it.
        return Some((old, Reach::Whole));
    }
    let role = facts.desired(&change.service_account)?;
    let former = role.trust_policy_with(cluster, issuers);
    let former = former.with_pod_identity_of(current);
    former.same_meaning(current).then_some((old, Reach::Part))
}

/// Whether somebody whom a statement of a trust policy lets in is not let in any more, or by fewer
/// statements; an issuer change that was allowed is none.
pub(super) fn loses_statement(change: &Change, facts: &Facts) -> bool {
    let Action::Update(update) = &change.action else {
        return false;
    };
    let is_loss = |difference: &Difference| match difference {
        Difference::TrustPolicy { current, desired } => {
            let mut left = desired.grants();
            current.grants().iter().any(|grant| {
                let at = left.iter().position(|other| other == grant);
                at.map(|at| left.swap_remove(at)).is_none()
            })
        }
        Difference::Tag { .. } | Difference::SessionDuration { .. } => false,
    };
    let old = former_issuer(change, &update.differences, facts).map(|(old, _)| old);
    let is_allowed = old.is_some() && old == facts.allowed.issuer_change;
    !is_allowed && update.differences.iter().any(is_loss)
}
