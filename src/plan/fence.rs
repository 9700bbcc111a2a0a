//! The fence: a run whose commit is older than the one that last wrote to a role comes too late.
//!
//! Pipelines run out of order: a slow run of an old commit may start after a fast run of a newer
//! one, and would undo it. Every role carries the commit that last wrote to it; if that is not in
//! our history, we are the ones who are late.

use super::history::{History, commit};
use super::ownership::{self, Ownership};
use super::{Action, Plan, Rewrite, Run};
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::history::Ancestry;
use crate::model::role::{CurrentRoles, RoleName};
use crate::model::tags;

/// How many roles that are in sync are looked at before others are written to.
const SAMPLE: usize = 10;

/// A newer or rewritten history was applied already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "superseded: role `{role}` was last written for commit {last_commit}, which is not in the history of {commit}; nothing was written"
)]
pub struct Superseded {
    /// The first role that says so.
    pub role: RoleName,
    /// The commit it was last written for.
    pub last_commit: CommitId,
    /// The commit of this run.
    pub commit: CommitId,
}

impl Superseded {
    /// What to do about it.
    pub fn hint(&self) -> String {
        "history was rewritten, or this is an older commit: run for the newest commit of the branch; if the branch was rewritten on purpose, use --accept-history-rewrite".to_owned()
    }
}

/// Lets a run pass if nothing newer has been here.
pub(super) fn check(
    current: &CurrentRoles,
    cluster: &Cluster,
    run: &Run,
    history: &History,
) -> Result<(), Superseded> {
    let (Some(ours), Rewrite::Refused) = (&run.commit, run.rewrite) else {
        return Ok(());
    };
    for role in current.details() {
        if !matches!(ownership::of(role, cluster), Ownership::Owned(_)) {
            continue;
        }
        if let Some(last_commit) = commit(role, tags::LAST_COMMIT)
            && history.ancestry(&last_commit) == Ancestry::NotAncestor
        {
            let (role, commit) = (role.listed.name.clone(), ours.clone());
            return Err(Superseded {
                role,
                last_commit,
                commit,
            });
        }
    }
    Ok(())
}

/// Some of the roles that a plan leaves alone, to be read in full before it writes to others: only
/// their tags tell that a newer run was here and found nothing to do to them. Reading all of them
/// would cost a call a role; a branch that was rewritten shows in any.
pub fn to_sample(plan: &Plan, current: &CurrentRoles) -> Vec<RoleName> {
    if plan.writes().next().is_none() {
        return vec![];
    }
    let idle = plan
        .changes
        .values()
        .filter(|change| change.action == Action::InSync);
    let names = idle.filter_map(|change| RoleName::new(change.role.as_str()).ok());
    names
        .filter(|name| current.detail(name).is_none())
        .take(SAMPLE)
        .collect()
}
