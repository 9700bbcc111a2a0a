//! What changes between two commits, without asking IAM: the plan that an account would get which
//! has exactly the roles of the first one.

use std::collections::BTreeSet;

use super::history::{Absent, History, Questions, Retiring};
use super::{Action, Change, Facts, Kept, Plan, Reason, Run, Undeclared};
use crate::desired::{self, DesiredRole, Resolved, Verdict};
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::history::{Absence, Elsewhere, Place};
use crate::model::last_use::LastUse;
use crate::model::role::{CurrentRole, CurrentRoles, ListedRole, RoleId, RoleName};

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

/// Holds what history, as far as it lies between the two commits, shows to be no removal.
pub fn hold_unproven(plan: &mut Plan, history: &History) {
    for change in plan.changes.values_mut().filter(|c| is_gone(c)) {
        let whose = &change.service_account;
        let kept = match (history.moved.get(whose), history.absences.get(whose)) {
            (Some(Elsewhere { path, place, .. }), _) if *place == Place::New => {
                Kept::DeclaredElsewhere(path.clone())
            }
            (
                Some(Elsewhere {
                    path,
                    place: Place::Broken(fault),
                    is_read,
                    ..
                }),
                _,
            ) => Kept::BrokenElsewhere {
                path: path.clone(),
                fault: fault.clone(),
                is_read: *is_read,
            },
            (
                _,
                Some(Absence::Unreadable {
                    path,
                    fault,
                    lost_it,
                }),
            ) => Kept::ChangeUnreadable {
                path: path.clone(),
                fault: fault.clone(),
                lost_it: *lost_it,
            },
            _ => continue,
        };
        let undeclared = Undeclared::Gone;
        change.reason = Reason::Kept { undeclared, kept };
        change.action = Action::Held;
    }
}

/// What history has to be asked of what goes between two commits.
pub fn between(plan: &Plan, cluster: &Cluster, base: &CommitId) -> Questions {
    let mut questions = Questions {
        commits: BTreeSet::from([base.clone()]),
        namespaces: cluster.conventions.namespaces.clone(),
        ignore: cluster.conventions.ignore.clone(),
        ..Questions::default()
    };
    for change in plan.changes.values().filter(|change| is_gone(change)) {
        let Ok(role) = RoleName::new(change.role.as_str()) else {
            continue;
        };
        let retiring = Retiring {
            arn: cluster.role_arn(&role),
            since: Some(base.clone()),
            is_quarantined: false,
        };
        let whose = change.service_account.clone();
        let since = Some(base.clone());
        questions
            .absent
            .insert(whose.clone(), Absent { since, made: None });
        questions.retiring.insert(whose, retiring);
    }
    questions
}

fn is_gone(change: &Change) -> bool {
    change.action == Action::Orphan && change.reason == Reason::NewlyUndeclared
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
