//! What becomes of an owned role whose ServiceAccount is not declared any more.
//!
//! Retiring a role needs a witness: a commit in history that removed the ServiceAccount. A path
//! that was mistyped, a directory that moved or a render that failed leaves none. First the role is
//! quarantined, which can be undone exactly; it is deleted after a while, if nobody has anything
//! attached to it.

use jiff::{SignedDuration, Timestamp};

use super::history::{History, commit};
use super::ownership::{self, Ownership};
use super::quarantine::{self, is_due, is_quarantined};
use super::{Action, Delete, Facts, Mode, Quarantine, Run};
use crate::manifest::Completeness;
use crate::model::commit::CommitId;
use crate::model::history::{Absence, Ancestry, Removal};
use crate::model::role::{Attachments, CurrentRole, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags::{self, Tags};
use crate::model::trust_policy;

/// On what roles are retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prune {
    /// How long a role stays quarantined before it is deleted; zero means no quarantine.
    pub after: SignedDuration,
    /// The time of the run.
    pub now: Timestamp,
    /// Whether a ServiceAccount can have been missed among the manifests.
    pub manifests: Completeness,
}

/// A role that nobody asks for.
pub(super) struct Leftover<'a> {
    pub(super) role: &'a CurrentRole,
    pub(super) service_account: &'a ServiceAccountRef,
    pub(super) attachments: Option<&'a Attachments>,
    /// The ServiceAccount is declared, with its managed annotation `"false"`.
    pub(super) is_unmanaged: bool,
    /// A ServiceAccount that is held names this role, so a typo may have made it another one.
    pub(super) is_claimed: bool,
}

/// The roles that may be deleted in this run, so that it has to be known what is attached to them.
pub(super) fn to_inspect(facts: &Facts) -> Vec<RoleName> {
    let Prune { after, .. } = facts.run.prune;
    let deletable = |role: &&CurrentRole| {
        let is_over = || is_quarantined(role) && is_due(role, &facts.run.prune);
        facts.run.mode == Mode::Sync
            && facts.is_leftover(&role.listed)
            && matches!(ownership::of(role, &facts.cluster), Ownership::Owned(_))
            && (after.is_zero() || is_over())
    };
    let roles = facts.current.details().filter(deletable);
    roles.map(|role| role.listed.name.clone()).collect()
}

impl Leftover<'_> {
    /// Decides, and says why.
    pub(super) fn decide(&self, run: &Run, history: &History) -> (Action, String) {
        let what = if self.is_unmanaged {
            "the managed annotation is \"false\""
        } else {
            "no manifest declares its ServiceAccount"
        };
        if run.mode != Mode::Sync {
            return (Action::Orphan, format!("{what}; the role is left in place"));
        }
        let held = |why: &str| (Action::Held, format!("{what}, but {why}"));
        if run.prune.manifests == Completeness::Partial {
            return held("not every manifest could be read, so nothing is pruned");
        }
        let Some(ours) = &run.commit else {
            return held(
                "the manifests stand for no commit, so nothing is pruned: read the repository itself",
            );
        };
        if let Some(path) = history.moved.get(self.service_account) {
            return held(&format!(
                "`{path}` declares it now, which this run does not read, so nothing is pruned: widen --path, or list the cluster it moved to in --config"
            ));
        }
        if self.is_claimed {
            return held(
                "the role-arn annotation of a ServiceAccount with errors names it, so it is not pruned: correct that one first",
            );
        }
        let last = self.role.tags.get(tags::LAST_COMMIT);
        match last.map(|_| commit(self.role, tags::LAST_COMMIT)) {
            Some(None) => held(
                "its tag `role.k8s.aws/last-commit` is no commit id, so nothing is pruned: somebody changed it by hand",
            ),
            Some(Some(last)) if history.ancestry(&last) == Ancestry::Unproven => held(
                "the history back to the commit that last wrote it is not here, so nothing is pruned: fetch full history (fetch-depth: 0, or git fetch --unshallow) and read the repository itself",
            ),
            _ if is_quarantined(self.role) => self.end_quarantine(what, run, history),
            _ => match history.absences.get(self.service_account) {
                Some(Absence::Removed(removal)) => self.retire(removal, ours, run),
                Some(Absence::Unreadable { path, fault }) => held(&format!(
                    "`{path}` has changed since and cannot be read whole ({fault}), so nothing is pruned: was it rendered? Commit it whole, or delete it"
                )),
                Some(Absence::Unexplained) | None => held(
                    "no commit since the one that last wrote it removed it, so nothing is pruned: check --path, and whether its directory moved",
                ),
            },
        }
    }

    /// The commit that removed the ServiceAccount is the witness.
    fn retire(&self, removal: &Removal, ours: &CommitId, run: &Run) -> (Action, String) {
        let done = if self.is_unmanaged || removal.remains {
            "un-managed"
        } else {
            "removed"
        };
        let commit = &removal.commit;
        let mut reason = format!(
            "{done} by commit {} of {} ({}): {}",
            commit.id.short(),
            commit.author,
            commit.date,
            commit.subject
        );
        reason.push_str(&match &self.role.last_used {
            Some(used) => format!("; last used {used}"),
            None => "; last use unknown".to_owned(),
        });
        let current = self.role.clone();
        if run.prune.after.is_zero() && self.attachments.is_some_and(Attachments::is_empty) {
            let removal = Some(removal.clone());
            return (
                Action::Delete(Box::new(Delete { current, removal })),
                reason,
            );
        }
        let mut tags = Tags::new();
        tags.set(
            tags::QUARANTINED_AT,
            run.prune.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        );
        tags.set(tags::QUARANTINED_BY, ours.as_str());
        tags.set(tags::LAST_COMMIT, ours.as_str());
        let quarantine = Quarantine {
            current,
            tags,
            trust_policy: trust_policy::quarantine(),
            removal: removal.clone(),
        };
        (Action::Quarantine(Box::new(quarantine)), reason)
    }

    /// The quarantine is the witness, if it is one of our own history.
    fn end_quarantine(&self, what: &str, run: &Run, history: &History) -> (Action, String) {
        let Some(since) = quarantine::since(self.role) else {
            let why = "quarantined, but its tag does not say since when, so it is not deleted";
            return (Action::Held, format!("{what}; {why}"));
        };
        let by = commit(self.role, tags::QUARANTINED_BY);
        if by.is_none_or(|by| history.ancestry(&by) != Ancestry::Ancestor) {
            let why = "quarantined by a commit that is not in this history, so it is not deleted";
            return (Action::Held, format!("{what}; {why}"));
        }
        if !is_due(self.role, &run.prune) {
            let due = match since.checked_add(run.prune.after) {
                Ok(due) => format!("to be deleted after {due}"),
                Err(_) => "never to be deleted".to_owned(),
            };
            let reason = format!("{what}; quarantined since {since}, {due}");
            return (Action::Orphan, reason);
        }
        match self.attachments {
            Some(attachments) if attachments.is_empty() => {
                let delete = Delete {
                    current: self.role.clone(),
                    removal: None,
                };
                (
                    Action::Delete(Box::new(delete)),
                    format!("{what}; quarantined since {since}"),
                )
            }
            Some(attachments) => {
                let names: Vec<&str> = attachments.names().collect();
                let reason = format!(
                    "{what}; quarantined since {since} and not deleted while this is attached: {}",
                    names.join(", ")
                );
                (Action::Held, reason)
            }
            None => (
                Action::Held,
                format!("{what}; what is attached to it could not be read"),
            ),
        }
    }
}
