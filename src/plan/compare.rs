//! What changes between two commits, without asking IAM: the plan that an account would get which
//! has exactly the roles of the first one.

use super::{Action, Change, Facts, Plan, Reason, Run};
use crate::desired::{self, DesiredRole, Resolved, Verdict};
use crate::model::cluster::Cluster;
use crate::model::last_use::LastUse;
use crate::model::role::{CurrentRole, CurrentRoles, ListedRole, RoleId};

/// Compares what two commits ask for. Roles that one of them holds back are left out of the first
/// side and held on the second.
pub fn compare(base: &Resolved, head: &Resolved, cluster: &Cluster, run: &Run) -> Plan {
    let roles = desired::for_cluster(base, cluster, &run.repository);
    let roles: Vec<CurrentRole> = roles.into_values().map(as_made).collect();
    let mut current = CurrentRoles::new(roles.iter().map(|role| role.listed.clone()));
    for role in roles {
        current.add_detail(&role.listed.name.clone(), Some(role));
    }
    let facts = Facts::known(head.clone(), cluster.clone(), run.clone(), current);
    let mut found = facts.decide().plan;
    for change in found.changes.values_mut() {
        explain(change, base, head);
    }
    found
}

/// The role that an account has once it was made as declared.
fn as_made(role: DesiredRole) -> CurrentRole {
    CurrentRole {
        listed: ListedRole {
            name: role.arn.name,
            id: RoleId::new(""),
            path: role.arn.path,
            trust_policy: role.trust_policy,
            max_session_seconds: role.max_session_duration.map(|d| d.as_seconds()),
        },
        tags: role.tags,
        permissions_boundary: role.permissions_boundary,
        created: None,
        last_use: LastUse::Unknown,
    }
}

/// Says of a change what it means between two commits.
fn explain(change: &mut Change, base: &Resolved, head: &Resolved) {
    let before = base.declared.get(&change.service_account);
    match change.action {
        Action::Create(_) => {
            change.reason = match before.map(|declared| &declared.verdict) {
                None => Reason::NewlyDeclared,
                Some(Verdict::Unmanaged) => Reason::NewlyManaged,
                Some(Verdict::Held { .. } | Verdict::Managed(_)) => Reason::NewlyValid,
            };
        }
        Action::Orphan => {
            change.reason = if head.declared.contains_key(&change.service_account) {
                Reason::NewlyUnmanaged
            } else {
                Reason::NewlyUndeclared
            };
            change.location = before.map(|declared| declared.location.clone());
        }
        Action::Update(_)
        | Action::Restore(_)
        | Action::Quarantine(_)
        | Action::Delete(_)
        | Action::InSync
        | Action::Held => {}
    }
}
