//! Names that several clusters of one account would give to a role of theirs.

use std::collections::BTreeMap;

use super::{Action, Plan, Reason};
use crate::model::arn::AwsAccountId;
use crate::model::cluster::{Cluster, ClusterName};
use crate::model::role::RoleName;

/// Holds every role that more than one plan would make. IAM has one role of a name in an account,
/// whatever its path and letter case, so the cluster that comes first would shut the others out.
pub fn hold_shared_names(plans: Vec<(&Cluster, &mut Plan)>) {
    let mut claims: BTreeMap<(AwsAccountId, String), Vec<ClusterName>> = BTreeMap::new();
    let key = |cluster: &Cluster, name: &RoleName| (cluster.account.clone(), name.collision_key());
    for (cluster, plan) in &plans {
        for change in plan.changes.values() {
            if let Action::Create(role) = &change.action {
                let claim = claims.entry(key(cluster, &role.arn.name)).or_default();
                claim.push(cluster.name.clone());
            }
        }
    }
    for (cluster, plan) in plans {
        for change in plan.changes.values_mut() {
            let Action::Create(role) = &change.action else {
                continue;
            };
            let claim = &claims[&key(cluster, &role.arn.name)];
            if claim.len() > 1 {
                change.reason = Reason::SharedName(claim.clone());
                change.action = Action::Held;
            }
        }
    }
}
