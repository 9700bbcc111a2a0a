//! Which named roles are retired: owned ones that nobody declares and that nothing else would retire.

use super::ownership::{self, Ownership};
use super::{Action, Change, Facts, Kept, Plan, Reason, Superseded, fence, prune, quarantine};
use crate::desired::Verdict;
use crate::model::role::{CurrentRole, RoleLabel, RoleName};
use crate::model::service_account::ServiceAccountRef;

/// Plans to quarantine each named role, as mode sync would if history explained it.
///
/// The facts must be of a run in mode sync that names these roles. A name that stands for no
/// ServiceAccount at all is in the second list.
///
/// # Errors
///
/// [`Superseded`], if something was applied that is not in the history of the run's commit.
pub fn retire(names: &[RoleName], facts: &Facts) -> Result<(Plan, Vec<RoleName>), Box<Superseded>> {
    fence::check(&mut Plan::default(), facts)?;
    let mut plan = Plan::default();
    let mut others = Vec::new();
    for name in names {
        let Some(service_account) = facts.whose(name) else {
            others.push(name.clone());
            continue;
        };
        let (action, reason) = decide(name, &service_account, facts);
        let declared = facts.resolved.declared.get(&service_account);
        let location = declared.map(|declared| declared.location.clone());
        let role = RoleLabel::from(name);
        plan.add(&role, &service_account, location, action, reason);
    }
    Ok((plan, others))
}

fn decide(name: &RoleName, service_account: &ServiceAccountRef, facts: &Facts) -> (Action, Reason) {
    let Some(listed) = facts
        .current()
        .listed(name)
        .filter(|listed| listed.name == *name)
    else {
        return (Action::Held, Reason::Absent);
    };
    let declared = facts.resolved.declared.get(service_account);
    if declared.is_some_and(|declared| declared.verdict != Verdict::Unmanaged) {
        return (Action::Held, Reason::Declared(service_account.clone()));
    }
    if listed.path != facts.cluster.path {
        let foreign = ownership::Foreign::Path(listed.path.to_string());
        let role = name.clone();
        return (Action::Held, Reason::Foreign { role, foreign });
    }
    let Some(role) = facts.current().detail(name) else {
        return (Action::Held, Reason::Unread);
    };
    if let Ownership::Foreign(foreign) = ownership::of(role, &facts.cluster) {
        let role = name.clone();
        return (Action::Held, Reason::Foreign { role, foreign });
    }
    match facts.plan().changes.get(&RoleLabel::from(name)) {
        Some(Change {
            action: Action::Orphan,
            reason:
                Reason::Kept {
                    kept: Kept::Quarantined { .. },
                    ..
                },
            ..
        }) => {
            let quarantine = quarantine::note(role);
            (Action::InSync, Reason::QuarantinedAlready { quarantine })
        }
        Some(Change {
            reason: Reason::HeldForEver {
                undeclared, kept, ..
            },
            ..
        }) => {
            let Some(ours) = &facts.run.commit else {
                return (Action::Held, Reason::Unread);
            };
            let reason = Reason::Named {
                undeclared: *undeclared,
                kept: kept.clone(),
                commit: ours.clone(),
                last_use: role.last_use.clone(),
                attached: attached(role, facts),
            };
            let now = facts.run.prune.now;
            (prune::quarantine(role.clone(), ours, now, None), reason)
        }
        // What mode sync retires by itself is retired with its witness.
        Some(Change {
            action: action @ Action::Quarantine(_),
            reason,
            ..
        }) => (action.clone(), reason.clone()),
        Some(change) => (Action::Held, change.reason.clone()),
        None => (Action::Held, Reason::Unread),
    }
}

fn attached(role: &CurrentRole, facts: &Facts) -> Option<Vec<String>> {
    let attachments = facts.current().attachments(&role.listed.name)?;
    Some(attachments.names().map(str::to_owned).collect())
}
