//! What becomes of each role, one by one.
//!
//! In: the [`Facts`]. Out: the plan, before the fence and the guards. The table is in [`super`].

use super::history;
use super::ownership::{self, Ownership};
use super::provenance::{new_role, source_commit};
use super::{
    Action, Change, Depth, Difference, Facts, Mode, Plan, Reason, Run, Update, diff, existing,
    prune, quarantine, security,
};
use crate::desired::{DesiredRole, Verdict};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::cluster::Cluster;
use crate::model::history::Ancestry;
use crate::model::quotas::Limit;
use crate::model::role::{CurrentRole, ListedRole, RoleLabel};
use crate::model::tags::{self, Tags};

/// Decides what becomes of every role; a role that was to be read and is not there is absent. The
/// order of the declarations and of the listing does not matter.
pub(super) fn plan(facts: &Facts) -> Plan {
    let mut plan = changes(facts, &|_| true);
    plan.diagnostics.extend(security::findings(&plan, facts));
    plan.diagnostics.extend(existing::findings(facts));
    plan
}

/// What becomes of one role alone, as [`plan`] has it.
pub(super) fn change(facts: &Facts, role: RoleLabel) -> Option<Change> {
    let mut plan = changes(facts, &|other| *other == role);
    plan.changes.remove(&role)
}

/// The changes of some roles.
fn changes(facts: &Facts, is_wanted: &dyn Fn(&RoleLabel) -> bool) -> Plan {
    let mut plan = Plan::default();
    let declared = &facts.resolved.declared;
    let wanted = declared
        .iter()
        .filter(|(_, declared)| is_wanted(&declared.role));
    for (service_account, declared) in wanted {
        let decision = match &declared.verdict {
            Verdict::Managed(_) => facts
                .desired(service_account)
                .map(|role| decide(role, facts, &mut plan.diagnostics)),
            Verdict::Held { reason } => Some((Action::Held, Reason::Invalid(reason.clone()))),
            Verdict::Unmanaged => None,
        };
        if let Some((action, reason)) = decision {
            let location = Some(declared.location.clone());
            plan.add(&declared.role, service_account, location, action, reason);
        }
    }
    for leftover in prune::leftovers(facts, is_wanted) {
        let (action, reason) = leftover.decide(&facts.run, &facts.history);
        let service_account = &leftover.service_account;
        let location = declared.get(service_account).map(|d| d.location.clone());
        let label = RoleLabel::from(&leftover.role.listed.name);
        plan.add(&label, service_account, location, action, reason);
    }
    plan
}

fn decide(
    desired: &DesiredRole,
    facts: &Facts,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Action, Reason) {
    let Facts {
        current,
        cluster,
        run,
        ..
    } = facts;
    let Some(listed) = current.listed(&desired.arn.name) else {
        return (Action::Create(new_role(desired, run)), Reason::Absent);
    };
    if run.depth == Depth::Listing && matches_listing(desired, listed, cluster) {
        return (Action::InSync, Reason::AsDeclared);
    }
    let mut foreign = |foreign: ownership::Foreign| {
        let hint = foreign.hint(&desired.service_account, cluster);
        let role = listed.name.clone();
        let reason = Reason::Foreign { role, foreign };
        diagnostics.push(
            Diagnostic::error(Code::ForeignRole, reason.to_string())
                .on(&desired.service_account)
                .at(desired.location.clone())
                .with_hint(hint),
        );
        (Action::Held, reason)
    };
    if let Some(seen) = ownership::of_listed(listed, &desired.arn) {
        return foreign(seen);
    }
    let Some(role) = current.detail(&listed.name) else {
        return (Action::Held, Reason::Unread);
    };
    match ownership::of(role, cluster) {
        Ownership::Foreign(seen) => return foreign(seen),
        // Two pairs may have one digest.
        Ownership::Owned(other) if other != desired.service_account => {
            return foreign(ownership::Foreign::Tag {
                key: tags::STACK,
                expected: desired.service_account.to_string(),
                found: other.to_string(),
            });
        }
        Ownership::Owned(_) => {}
    }
    if let Some(diagnostic) = boundary_difference(desired, role) {
        diagnostics.push(diagnostic);
    }
    let differences = diff::differences(desired, role, cluster);
    let quarantined = quarantine::is_quarantined(role);
    let untag: Vec<&'static str> = [tags::QUARANTINED_AT, tags::QUARANTINED_BY]
        .into_iter()
        .filter(|key| role.tags.get(key).is_some())
        .collect();
    if differences.is_empty() && untag.is_empty() {
        return (Action::InSync, Reason::AsDeclared);
    }
    let reason = if differences.is_empty() {
        Reason::QuarantineTagsLeft
    } else if quarantined {
        let quarantine = quarantine::note(role);
        Reason::DeclaredAgain { quarantine }
    } else {
        Reason::Differs(differences.clone())
    };
    // A late run must not open what a newer one has closed.
    if let Some(last_commit) = history::last_commit(role)
        && quarantined
        && facts.history.ancestry(&last_commit) == Ancestry::Unproven
    {
        return (Action::Held, Reason::OrderUnproven { last_commit });
    }
    if run.mode == Mode::CreateOnly {
        return (Action::Held, Reason::CreateOnly(Box::new(reason)));
    }
    let (tags, left_out) = tags_to_write(desired, role, &differences, &untag, run);
    let (differences, without_room) = parted(differences, &left_out);
    if !left_out.is_empty() {
        let finding = no_room(desired, role, &left_out);
        diagnostics.push(match without_room.is_empty() {
            true => finding,
            false => Diagnostic {
                severity: Severity::Error,
                ..finding
            },
        });
    }
    if differences.is_empty() && untag.is_empty() {
        return (Action::Held, Reason::NoRoom(without_room));
    }
    let reason = match reason {
        Reason::Differs(_) => Reason::Differs(differences.clone()),
        reason => reason,
    };
    let update = Box::new(Update {
        tags,
        untag,
        current: role.clone(),
        differences,
        replacement: Some(new_role(desired, run)),
    });
    if quarantined {
        return (Action::Restore(update), reason);
    }
    (Action::Update(update), reason)
}

/// What every write refreshes, the creating commit if nobody has set one, and drifted tags, as far as
/// there is room for them; and the keys of the others. The order of runs rests on the first of them.
fn tags_to_write(
    desired: &DesiredRole,
    role: &CurrentRole,
    differences: &[Difference],
    untag: &[&str],
    run: &Run,
) -> (Tags, Vec<String>) {
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    if let Some(commit) = &run.commit {
        wanted.push((tags::LAST_COMMIT, commit.as_str()));
        if role.tags.get(tags::COMMIT).is_none() {
            wanted.push((tags::COMMIT, commit.as_str()));
        }
    }
    wanted.push((tags::SOURCE, desired.source.as_str()));
    wanted.extend(
        differences
            .iter()
            .filter_map(|difference| match difference {
                Difference::Tag { key, desired, .. } => Some((key.as_str(), desired.as_str())),
                Difference::TrustPolicy { .. } | Difference::SessionDuration { .. } => None,
            }),
    );
    let source_commit = source_commit(run);
    wanted.extend(
        source_commit
            .iter()
            .map(|source| (tags::SOURCE_COMMIT, source.as_str())),
    );
    let mut kept = role.tags.clone();
    for key in untag {
        kept.remove(key);
    }
    kept.part(wanted)
}

/// The differences that are mended, and the keys of declared tags that are not, for want of room.
fn parted(differences: Vec<Difference>, left_out: &[String]) -> (Vec<Difference>, Vec<String>) {
    let mut without_room = Vec::new();
    let mended = differences.into_iter().filter(|difference| {
        let Difference::Tag { key, .. } = difference else {
            return true;
        };
        let fits = !left_out.contains(key);
        if !fits {
            without_room.push(key.clone());
        }
        fits
    });
    (mended.collect(), without_room)
}

/// Says which tags a role has no room for, and what makes room.
pub(super) fn no_room(desired: &DesiredRole, role: &CurrentRole, keys: &[String]) -> Diagnostic {
    let name = &role.listed.name;
    let message = format!("role `{name}`: {}", Reason::NoRoom(keys.to_vec()));
    Diagnostic::warning(Code::TagsFull, message)
        .on(&desired.service_account)
        .at(desired.location.clone())
        .with_hint(Limit::Tags.hint(Some(name)))
}

/// Whether the listing alone shows the role as it should be.
pub(super) fn matches_listing(
    desired: &DesiredRole,
    listed: &ListedRole,
    cluster: &Cluster,
) -> bool {
    let trust_policy = cluster.trust_policy_over(&desired.trust_policy, &listed.trust_policy);
    let duration = desired
        .max_session_duration
        .map(|duration| duration.as_seconds());
    listed.name == desired.arn.name
        && listed.path == desired.arn.path
        && listed.trust_policy.same_meaning(&trust_policy)
        && (duration.is_none() || duration == listed.max_session_seconds)
}

/// A boundary is somebody's limit on the role: it is reported and never swapped.
fn boundary_difference(desired: &DesiredRole, role: &CurrentRole) -> Option<Diagnostic> {
    let wanted = desired.permissions_boundary.as_deref()?;
    let current = role.permissions_boundary.as_deref();
    (current != Some(wanted)).then(|| {
        let message = format!(
            "role `{}` has permissions boundary {} instead of `{wanted}`",
            role.listed.name,
            current.map_or("none".to_owned(), |arn| format!("`{arn}`"))
        );
        Diagnostic::error(Code::BoundaryDiffers, message)
            .on(&desired.service_account)
            .at(desired.location.clone())
            .with_hint("boundaries are never changed by this program: set it with iam:PutRolePermissionsBoundary, or change --permissions-boundary")
    })
}
