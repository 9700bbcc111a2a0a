//! The fence: what the commits on roles say of the order of runs, as a step over the plan.
//!
//! Pipelines run out of order: a slow run of an old commit may start after a fast run of a newer
//! one, and would undo it. Every role carries the commit that last wrote to it, and the cluster's
//! record the one that was applied last, whether it wrote to a role or not. An ancestor of ours
//! lets the run go on. A descendant means that this run is late, and nothing lets it pass. A commit
//! that is elsewhere or unknown means that history was rewritten, or that it is another repository's, until the user accepts that; then
//! every role that carries such a commit is tagged with ours, so that it is said once.

use std::fmt;

use super::history::last_commit;
use super::{Action, Difference, Facts, Plan, Reason, Rewrite, Update};
use crate::model::cluster::ClusterName;
use crate::model::commit::CommitId;
use crate::model::history::Ancestry;
use crate::model::role::{CurrentRole, RoleLabel, RoleName};
use crate::model::tags::{self, TagValue, Tags};
use crate::model::{redact, repository};

/// Something was applied that is not in the history of this run's commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "superseded: {witness} commit {last_commit}, which {}; nothing was written",
    .why.explained(.commit)
)]
pub struct Superseded {
    /// Who says so.
    pub witness: Witness,
    /// The commit that was applied.
    pub last_commit: CommitId,
    /// The commit of this run.
    pub commit: CommitId,
    /// What the one is to the other.
    pub why: Why,
    /// Whether the commit of this run is under review: it lacks what was applied by now, and is not
    /// late for it.
    pub is_under_review: bool,
}

/// Who says that a commit was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Witness {
    /// A role that was written to.
    Role(RoleName),
    /// The record of the cluster, and since when.
    Record(ClusterName, String),
    /// The same, written for another repository than the one that is read.
    OtherRepository(Box<OtherRepository>),
}

/// A cluster that is applied from another repository than the one that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherRepository {
    /// The cluster.
    pub cluster: ClusterName,
    /// Since when.
    pub at: String,
    /// The repository that it is applied from.
    pub applied: String,
    /// The repository that this run reads.
    pub read: String,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "role `{role}` was last written for"),
            Self::Record(cluster, at) => {
                write!(
                    f,
                    "what was applied to cluster `{cluster}` last, at {at}, is"
                )
            }
            Self::OtherRepository(other) => {
                let OtherRepository {
                    cluster,
                    at,
                    applied,
                    read,
                } = &**other;
                write!(
                    f,
                    "cluster `{cluster}` is applied from {applied}; this run reads {read}: what was applied last, at {at}, is"
                )
            }
        }
    }
}

/// What a commit that is not in our history is to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It came after ours.
    Newer,
    /// It is on another line of history.
    Elsewhere,
    /// It is not in this clone.
    Unknown,
}

impl Why {
    pub(super) fn of(ancestry: Ancestry) -> Option<Self> {
        match ancestry {
            Ancestry::Newer => Some(Self::Newer),
            Ancestry::Elsewhere => Some(Self::Elsewhere),
            Ancestry::Unknown => Some(Self::Unknown),
            Ancestry::Ancestor | Ancestry::Unproven => None,
        }
    }

    fn explained(self, ours: &CommitId) -> String {
        match self {
            Self::Newer => format!("is newer than {ours}"),
            Self::Elsewhere => {
                format!("is elsewhere: on another line of history than {ours}")
            }
            Self::Unknown => format!("is unknown: not in this clone of {ours}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Newer => "newer",
            Self::Elsewhere => "elsewhere",
            Self::Unknown => "unknown",
        })
    }
}

impl Superseded {
    /// What to do about it.
    pub fn hint(&self) -> String {
        if let Witness::OtherRepository(other) = &self.witness {
            let OtherRepository { applied, read, .. } = &**other;
            return format!(
                "apply a cluster from one repository: from {applied}, or give what {read} declares another --cluster-name; if the repository was moved or renamed, run apply once with --accept-history-rewrite, which tags the roles with this commit; if both are one repository, fetch all branches (git fetch --all --tags)"
            );
        }
        match self.why {
            Why::Newer | Why::Elsewhere if self.is_under_review => "merge the branch that was applied into this one, or rebase onto it, and plan again".to_owned(),
            Why::Newer => "run for the newest commit of the branch; to go back to an older state, revert in a new commit".to_owned(),
            Why::Elsewhere => "if that commit was squashed, rebased or taken back by a forced push, run once with --accept-history-rewrite, which tags the roles with this commit; if it is only not merged yet, merge it first".to_owned(),
            Why::Unknown => "fetch all branches (git fetch --all --tags) and run again, which tells whether this commit is the older one; if the branch was rewritten or the repository replaced, run once with --accept-history-rewrite, which tags the roles with this commit".to_owned(),
        }
    }
}

/// The roles whose last commit is not in our history.
fn outside(facts: &Facts) -> impl Iterator<Item = (Why, &CurrentRole, CommitId)> {
    facts.written().filter_map(|role| {
        let last_commit = last_commit(role)?;
        let why = Why::of(facts.history.ancestry(&last_commit))?;
        // Where only a note says it, there is no tag that could be written in its place.
        if why != Why::Newer && role.tags.get(tags::LAST_COMMIT).is_none() {
            return None;
        }
        Some((why, role, last_commit))
    })
}

/// Lets a run pass if nothing was applied but what is in its history. What the user accepts as
/// rewritten passes, and is tagged; what is newer never does.
///
/// # Errors
///
/// [`Superseded`] with the first role of the worst kind.
pub(super) fn check(plan: &mut Plan, facts: &Facts) -> Result<(), Box<Superseded>> {
    let Some(ours) = &facts.run.commit else {
        return Ok(());
    };
    let outside: Vec<_> = outside(facts).collect();
    let cluster = &facts.cluster.name;
    let applied = facts.applied().into_iter().filter_map(|entry| {
        let why = Why::of(facts.history.ancestry(&entry.commit))?;
        let other = other_repository(facts).filter(|_| why == Why::Unknown);
        let witness = match other {
            Some(applied) => Witness::OtherRepository(Box::new(OtherRepository {
                cluster: cluster.clone(),
                at: entry.at,
                applied,
                read: redact::address(&facts.run.repository),
            })),
            None => Witness::Record(cluster.clone(), entry.at),
        };
        Some((why, witness, entry.commit))
    });
    let written = outside.iter().map(|(why, role, last_commit)| {
        let role = Witness::Role(role.listed.name.clone());
        (*why, role, last_commit.clone())
    });
    let says_less = |witness: &Witness| !matches!(witness, Witness::OtherRepository(_));
    let worst = written
        .chain(applied)
        .min_by_key(|(why, witness, _)| (*why, says_less(witness)));
    if let Some((why, witness, last_commit)) = worst
        && (why == Why::Newer || facts.run.rewrite == Rewrite::Refused)
    {
        return Err(Box::new(Superseded {
            witness,
            last_commit,
            commit: ours.clone(),
            why,
            is_under_review: false,
        }));
    }
    for (why, role, last_commit) in outside {
        retag(plan, role, why, &last_commit, ours);
    }
    Ok(())
}

/// The repository that the record was written for, if it is another one than ours. Its tag has
/// only what is legal there.
fn other_repository(facts: &Facts) -> Option<String> {
    let applied = facts.record()?.tags.get(tags::SOURCE)?;
    let ours = TagValue::fitted(&facts.run.repository);
    (!repository::is_same(applied, ours.as_str())).then(|| redact::address(applied))
}

/// Has a role carry our commit, unless it is written to anyway.
fn retag(plan: &mut Plan, role: &CurrentRole, why: Why, last_commit: &CommitId, ours: &CommitId) {
    let label = RoleLabel::from(&role.listed.name);
    let Some(change) = plan.changes.get_mut(&label) else {
        return;
    };
    if change.writes() {
        return;
    }
    let ours = ours.as_str();
    change.reason = Reason::HistoryRewritten {
        reason: Box::new(change.reason.clone()),
        is_held: change.action == Action::Held,
        last_commit: last_commit.clone(),
        why,
    };
    change.action = Action::Update(Box::new(Update {
        current: role.clone(),
        differences: vec![Difference::Tag {
            key: tags::LAST_COMMIT.to_owned(),
            current: Some(last_commit.to_string()),
            desired: ours.to_owned(),
        }],
        tags: Tags::from_iter([(tags::LAST_COMMIT, ours)]),
        untag: vec![],
        replacement: None,
    }));
}
