//! What has to change: desired and current roles in, an ordered list of changes out.
//!
//! Pure. Every decision about a role is made here, from values: nothing is read, written or
//! logged, and there is no clock. [`to_examine`] says which roles have to be read in full,
//! [`history::questions`] what has to be asked of Git, [`prune::to_inspect`] what could be deleted,
//! and [`plan`] decides. The decision for one role:
//!
//! ```text
//! desired    in IAM                               change
//! ─────────  ───────────────────────────────────  ────────────────────────────────────────
//! wanted     absent                               create
//! wanted     name, path and trust as desired      in sync (not read in full, unless --full)
//! wanted     owned, equal                         in sync
//! wanted     owned, differs                       update; held in mode create-only
//! wanted     owned, quarantined                   restore; held in mode create-only
//! wanted     foreign                              held
//! held       any                                  held
//! unmanaged  owned                                as below
//! no         owned, mode is not sync              orphan
//! no         owned, sync, absence explained       quarantine
//! no         owned, sync, absence unexplained     held
//! no         owned, sync, asked for elsewhere     held
//! no         quarantined, time is not over        orphan
//! no         quarantined, something attached      held
//! no         quarantined, nothing attached        delete
//! any other  absent or foreign                    nothing
//! ```
//!
//! Steps over the plan come after it, each of which can refuse it: the fence ([`fence::check`]) and
//! the guards ([`guard`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{self, DesiredRole, Request, Resolved, Verdict, role_name};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::location::Location;
use crate::model::role::{CurrentRole, CurrentRoles, ListedRole, NewRole, RoleLabel, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags::{self, Tags};

mod adopt;
mod change;
mod compare;
mod contest;
mod diff;
pub mod fence;
pub mod guard;
pub mod history;
mod origin;
pub mod ownership;
pub mod prune;
pub mod saved;
mod security;

pub use adopt::adopt;
pub use change::{Action, Change, Delete, Quarantine, Update};
pub use compare::compare;
pub use contest::hold_contested;
pub use diff::Difference;
pub use fence::Superseded;
pub use history::History;
pub use origin::{Origin, origins};
use ownership::Ownership;
pub use prune::Prune;

/// What a run may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Make missing roles, and nothing else.
    CreateOnly,
    /// Make missing roles and repair drifted ones.
    #[default]
    UpsertOnly,
    /// Retire roles that are no longer declared as well.
    Sync,
}

/// How much of an existing role is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// What the listing gives: name, path, trust policy, session duration.
    #[default]
    Listing,
    /// Tags and permissions boundary as well, at the price of a call for each role.
    Full,
}

/// On whose behalf roles are written: what stands in their commit and source tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The repository for people, without credentials.
    pub repository: String,
    /// The commit that was read; a plain directory may stand for none.
    pub commit: Option<CommitId>,
    /// What the run may do.
    pub mode: Mode,
    /// How much is compared.
    pub depth: Depth,
    /// On what roles are retired.
    pub prune: Prune,
    /// Whether roles of another history may be written to.
    pub rewrite: Rewrite,
}

/// What to do about roles whose last commit is not in the history of this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rewrite {
    /// Nothing is written: the run may be late.
    #[default]
    Refused,
    /// The user says that the branch was rewritten: the roles are tagged with our commit.
    Accepted,
}

/// The changes of one cluster, in the order of their roles' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One for each ServiceAccount asked for and each orphan.
    pub changes: BTreeMap<RoleLabel, Change>,
    /// What IAM's side of the comparison showed.
    pub diagnostics: Vec<Diagnostic>,
}

/// The roles that have to be read in full before [`plan`] can decide.
pub fn to_examine(
    resolved: &Resolved,
    current: &CurrentRoles,
    cluster: &Cluster,
    run: &Run,
) -> Vec<RoleName> {
    let differing = resolved
        .requests
        .iter()
        .filter_map(|(service_account, request)| {
            let desired = desired(service_account, request, cluster, run)?;
            let listed = current.listed(&desired.arn.name)?;
            let unclear = run.depth == Depth::Full || !matches_listing(&desired, listed);
            let could_be_ours = ownership::of_listed(listed, &desired.arn).is_none();
            (unclear && could_be_ours).then(|| listed.name.clone())
        });
    let leftover = current
        .iter()
        .filter(|listed| is_leftover(listed, resolved, cluster, run.depth))
        .map(|listed| listed.name.clone());
    differing.chain(leftover).collect()
}

/// Decides what becomes of every role.
///
/// `current` must hold in full what [`to_examine`] asked for; a role that was asked for and is not
/// there is absent. The order of the declarations and of the listing does not matter.
pub fn plan(
    resolved: &Resolved,
    current: &CurrentRoles,
    cluster: &Cluster,
    run: &Run,
    history: &History,
) -> Plan {
    let mut plan = Plan::default();
    for (service_account, request) in &resolved.requests {
        let decision = match &request.verdict {
            Verdict::Wanted(_) => desired(service_account, request, cluster, run)
                .map(|role| decide(&role, current, cluster, run, &mut plan.diagnostics)),
            Verdict::Held { reason } => Some((Action::Held, reason.clone())),
            Verdict::Unmanaged => None,
        };
        if let Some((action, reason)) = decision {
            let location = Some(request.location.clone());
            plan.add(&request.role, service_account, location, action, reason);
        }
    }
    let held = resolved
        .requests
        .values()
        .filter(|request| matches!(request.verdict, Verdict::Held { .. }));
    let claimed: BTreeSet<&str> = held
        .filter_map(|request| request.role_arn.as_deref())
        .collect();
    for listed in current
        .iter()
        .filter(|l| is_leftover(l, resolved, cluster, run.depth))
    {
        let Some(role) = current.detail(&listed.name) else {
            continue;
        };
        if let Ownership::Owned(service_account) = ownership::of(role, cluster) {
            let request = resolved.requests.get(&service_account);
            let leftover = prune::Leftover {
                role,
                service_account: &service_account,
                attachments: current.attachments(&listed.name),
                is_unmanaged: request.is_some(),
                is_claimed: claimed.contains(cluster.role_arn(&listed.name).to_string().as_str()),
            };
            let (action, reason) = leftover.decide(run, history);
            let location = request.map(|request| request.location.clone());
            let role = RoleLabel::from(&listed.name);
            plan.add(&role, &service_account, location, action, reason);
        }
    }
    plan
}

impl Plan {
    fn add(
        &mut self,
        role: &RoleLabel,
        service_account: &ServiceAccountRef,
        location: Option<Location>,
        action: Action,
        reason: String,
    ) {
        let change = Change {
            role: role.clone(),
            service_account: service_account.clone(),
            location,
            action,
            reason,
        };
        self.changes.insert(role.clone(), change);
    }

    /// The changes that write to IAM.
    pub fn writes(&self) -> impl Iterator<Item = &Change> {
        self.changes.values().filter(|change| change.writes())
    }
}

/// The role as CreateRole is to make it.
fn new_role(desired: &DesiredRole, run: &Run) -> NewRole {
    let mut tags = desired.tags.clone();
    for (key, value) in provenance(desired, run).iter() {
        tags.set(key, value);
    }
    if let Some(commit) = &run.commit {
        tags.set(tags::COMMIT, commit.as_str());
    }
    NewRole {
        arn: desired.arn.clone(),
        trust_policy: desired.trust_policy.clone(),
        tags,
        permissions_boundary: desired.permissions_boundary.clone(),
        max_session_duration: desired.max_session_duration,
    }
}

/// The tags that every write refreshes.
fn provenance(desired: &DesiredRole, run: &Run) -> Tags {
    let mut tags: Tags = [(tags::SOURCE, desired.source.as_str())]
        .into_iter()
        .collect();
    if let Some(commit) = &run.commit {
        tags.set(tags::LAST_COMMIT, commit.as_str());
    }
    tags
}

fn desired(
    service_account: &ServiceAccountRef,
    request: &Request,
    cluster: &Cluster,
    run: &Run,
) -> Option<DesiredRole> {
    let Verdict::Wanted(wanted) = &request.verdict else {
        return None;
    };
    let at = &request.location;
    Some(desired::desired_role(
        service_account,
        wanted,
        at,
        cluster,
        &run.repository,
    ))
}

fn decide(
    desired: &DesiredRole,
    current: &CurrentRoles,
    cluster: &Cluster,
    run: &Run,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Action, String) {
    let Some(listed) = current.listed(&desired.arn.name) else {
        return (
            Action::Create(new_role(desired, run)),
            "there is no such role".to_owned(),
        );
    };
    if run.depth == Depth::Listing && matches_listing(desired, listed) {
        return (Action::InSync, "as declared".to_owned());
    }
    let mut foreign = |foreign: ownership::Foreign| {
        let message = format!("role `{}` exists and is not ours: {foreign}", listed.name);
        diagnostics.push(
            Diagnostic::error(Code::ForeignRole, message.clone())
                .on(&desired.service_account)
                .at(desired.location.clone())
                .with_hint(foreign.hint(&desired.service_account, cluster)),
        );
        (Action::Held, message)
    };
    if let Some(seen) = ownership::of_listed(listed, &desired.arn) {
        return foreign(seen);
    }
    let Some(role) = current.detail(&listed.name) else {
        return (
            Action::Held,
            "the role could not be read in full".to_owned(),
        );
    };
    if let Ownership::Foreign(seen) = ownership::of(role, cluster) {
        return foreign(seen);
    }
    if let Some(diagnostic) = boundary_difference(desired, role) {
        diagnostics.push(diagnostic);
    }
    let differences = diff::differences(desired, role);
    let quarantined = prune::is_quarantined(role);
    let untag: Vec<&'static str> = [tags::QUARANTINED_AT, tags::QUARANTINED_BY]
        .into_iter()
        .filter(|key| role.tags.get(key).is_some())
        .collect();
    if differences.is_empty() && untag.is_empty() {
        return (Action::InSync, "as declared".to_owned());
    }
    let reason = if differences.is_empty() {
        "tags of a quarantine that is over are left".to_owned()
    } else if quarantined {
        let since = role
            .tags
            .get(tags::QUARANTINED_AT)
            .unwrap_or("an unknown time");
        format!("declared again; quarantined since {since}")
    } else {
        diff::describe(&differences)
    };
    if run.mode == Mode::CreateOnly {
        return (
            Action::Held,
            format!("{reason}; mode create-only repairs nothing"),
        );
    }
    let update = Box::new(Update {
        tags: tags_to_write(desired, role, &differences, run),
        untag,
        current: role.clone(),
        differences,
        replacement: Some(new_role(desired, run)),
    });
    if quarantined {
        return (Action::Restore(update), reason);
    }
    if let Some(diagnostic) = security::finding(desired, role, cluster) {
        diagnostics.push(diagnostic);
    }
    (Action::Update(update), reason)
}

/// Drifted tags, what every write refreshes, and the creating commit if nobody has set one.
fn tags_to_write(
    desired: &DesiredRole,
    role: &CurrentRole,
    differences: &[Difference],
    run: &Run,
) -> Tags {
    let mut tags = provenance(desired, run);
    for difference in differences {
        if let Difference::Tag { key, desired, .. } = difference {
            tags.set(key, desired.clone());
        }
    }
    if let (None, Some(commit)) = (role.tags.get(tags::COMMIT), &run.commit) {
        tags.set(tags::COMMIT, commit.as_str());
    }
    tags
}

/// Whether the listing alone shows the role as it should be.
fn matches_listing(desired: &DesiredRole, listed: &ListedRole) -> bool {
    let duration = desired
        .max_session_duration
        .map(|duration| duration.as_seconds());
    listed.name == desired.arn.name
        && listed.path == desired.arn.path
        && listed.trust_policy.same_meaning(&desired.trust_policy)
        && (duration.is_none() || duration == listed.max_session_seconds)
}

/// Whether a role may be ours without being asked for. Roles of other clusters that share the
/// prefix trust other issuers; reading each of them would cost a call a role on every run.
fn is_leftover(listed: &ListedRole, resolved: &Resolved, cluster: &Cluster, depth: Depth) -> bool {
    let Some(service_account) = role_name::parse(&cluster.prefix, &listed.name) else {
        return false;
    };
    let asked_for = resolved
        .requests
        .get(&service_account)
        .is_some_and(|request| request.verdict != Verdict::Unmanaged);
    !asked_for
        && listed.path == cluster.path
        && (depth == Depth::Full
            || !security::serves_another_cluster(&listed.trust_policy, &service_account, cluster))
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

#[cfg(test)]
mod tests;
