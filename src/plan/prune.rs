//! What becomes of an owned role whose ServiceAccount is not declared any more.
//!
//! Retiring a role needs a witness: a commit in history that removed the ServiceAccount. A path
//! that was mistyped, a directory that moved or a render that failed leaves none. First the role is
//! quarantined, which can be undone exactly; it is deleted after a while, if nobody has anything
//! attached to it.

use std::collections::BTreeMap;
use std::ops::ControlFlow::{self, Break, Continue};

use jiff::{SignedDuration, Timestamp};

use super::history::{Absent, History, Questions, Retiring};
use super::ownership::{self, Ownership};
use super::quarantine::{self, Note, is_due, is_quarantined};
use super::{Action, Delete, Facts, Kept, Mode, Quarantine, Reason, Run, Undeclared};
use crate::desired::Verdict;
use crate::model::commit::CommitId;
use crate::model::history::{Absence, Ancestry, Elsewhere, Place, Removal};
use crate::model::location::Location;
use crate::model::role::{Attachments, CurrentRole, RoleLabel, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::shell::{self, quoted};
use crate::model::tags;

/// On what roles are retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prune {
    /// How long a role stays quarantined before it is deleted; zero means no quarantine.
    pub after: SignedDuration,
    /// The time of the run.
    pub now: Timestamp,
}

/// A role that nobody declares.
pub(super) struct Leftover<'a> {
    pub(super) role: &'a CurrentRole,
    pub(super) service_account: ServiceAccountRef,
    pub(super) attachments: Option<&'a Attachments>,
    pub(super) undeclared: Undeclared,
    /// The manifest of the role, if another pipeline of the cluster reads it.
    pub(super) read_elsewhere: Option<String>,
    /// A file that declares it, if another pipeline of the cluster may read that.
    pub(super) may_be_read_elsewhere: Option<String>,
    /// The manifest that the role was made from, if another pipeline of the cluster may read it.
    pub(super) made_elsewhere: Option<String>,
    /// Where a ServiceAccount that has errors names this role: a typo may have made it another one.
    pub(super) claimed_at: Option<Location>,
    /// The command that retires the role by its name.
    pub(super) command: String,
}

/// The command that retires a role.
fn command(role: &RoleName) -> String {
    shell::command(&format!("retire {}", quoted(role.as_str())))
}

/// The roles that may be deleted in this run, so that it has to be known what is attached to them.
pub(super) fn to_inspect(facts: &Facts) -> Vec<RoleName> {
    let Prune { after, .. } = facts.run.prune;
    let deletable = |role: &&CurrentRole| {
        let is_over = || is_quarantined(role) && is_due(role, &facts.run.prune);
        facts.run.mode == Mode::Sync
            && facts.is_leftover(&role.listed)
            && matches!(ownership::of(role, &facts.cluster), Ownership::Owned(_))
            && (after.is_zero() || is_over() || facts.is_named(&role.listed.name))
    };
    let roles = facts.current.details().filter(deletable);
    roles.map(|role| role.listed.name.clone()).collect()
}

/// Those of some roles that nobody declares, as far as they were read in full.
pub(super) fn leftovers<'f>(
    facts: &'f Facts,
    is_wanted: &dyn Fn(&RoleLabel) -> bool,
) -> Vec<Leftover<'f>> {
    let declared = &facts.resolved.declared;
    let held = declared
        .values()
        .filter(|declared| matches!(declared.verdict, Verdict::Held { .. }));
    let held = held.filter_map(|held| Some((held.role_arn.as_deref()?, &held.location)));
    let claims = facts.resolved.claims.iter();
    let claims = claims.map(|claim| (claim.role_arn.as_str(), &claim.location));
    let claimed: BTreeMap<&str, &Location> = claims.chain(held).collect();
    let leftover = facts.leftover();
    let leftover = leftover.filter(|listed| is_wanted(&RoleLabel::from(&listed.name)));
    let in_full = leftover.filter_map(|listed| facts.current.detail(&listed.name));
    let owned = in_full.filter_map(|role| match ownership::of(role, &facts.cluster) {
        Ownership::Owned(service_account) => Some((role, service_account)),
        Ownership::Foreign(_) => None,
    });
    let known = owned.map(|(role, service_account)| {
        let name = &role.listed.name;
        Leftover {
            role,
            attachments: facts.current.attachments(name),
            undeclared: match declared.contains_key(&service_account) {
                true => Undeclared::Unmanaged,
                false => Undeclared::Gone,
            },
            read_elsewhere: facts.read_elsewhere(role, &service_account),
            may_be_read_elsewhere: facts.may_be_read_elsewhere(&service_account),
            made_elsewhere: facts.made_elsewhere(role),
            command: command(name),
            claimed_at: {
                let arn = facts.cluster.role_arn(name).to_string();
                let bare = format!("{}{name}", facts.cluster.path);
                let by_arn = claimed.get(arn.as_str());
                let at = by_arn.or_else(|| claimed.get(bare.trim_start_matches('/')));
                at.copied().cloned()
            },
            service_account,
        }
    });
    known.collect()
}

/// What has to be looked for in history, which costs as much as there is of it: why those are absent
/// whose roles wait for nothing else.
pub(super) fn absences(facts: &Facts) -> Questions {
    let mut questions = Questions::of(facts);
    for leftover in leftovers(facts, &|_| true) {
        if leftover.settled(&facts.run, &facts.history).is_break() {
            continue;
        }
        let role = leftover.role;
        // A quarantine that was cut short, or opened again by somebody, has made its own commit
        // the last one, after the removal that was its reason. Without room for its tags, nothing
        // tells of one that was opened.
        let is_opened = quarantine::by(role).is_some() || !quarantine::has_room(role);
        let tag = match is_opened {
            true => tags::COMMIT,
            false => tags::LAST_COMMIT,
        };
        let since = role.commit(tag);
        let made = role.commit(tags::COMMIT);
        let written = [&since, &made].into_iter().flatten().cloned();
        questions.commits.extend(written);
        let whose = leftover.service_account;
        let retiring = Retiring::of(role, &facts.cluster);
        questions.retiring.insert(whose.clone(), retiring);
        questions.absent.insert(whose, Absent { since, made });
    }
    questions
}

/// Quarantines a role, so that a later run can tell since when and by which commit.
pub(super) fn quarantine(
    current: CurrentRole,
    ours: &CommitId,
    now: Timestamp,
    removal: Option<Removal>,
) -> Action {
    let (trust_policy, tags) = quarantine::of(&current, now, ours);
    Action::Quarantine(Box::new(Quarantine {
        current,
        tags,
        trust_policy,
        removal,
    }))
}

impl Leftover<'_> {
    /// Decides, and says why.
    pub(super) fn decide(&self, run: &Run, history: &History) -> (Action, Reason) {
        let (action, reason) = match self.settled(run, history) {
            Continue(ours) => self.by_absence(ours, run, history),
            Break(decided) => decided,
        };
        // What ends here may be declared by another pipeline.
        let ends = matches!(action, Action::Quarantine(_) | Action::Delete(_));
        match self.may_be_read_elsewhere.clone().filter(|_| ends) {
            Some(path) => self.orphan(Kept::OtherPaths(path)),
            None => (action, reason),
        }
    }

    /// What becomes of the role whatever history says; the commit of the run, if that depends on why the
    /// ServiceAccount is absent.
    pub(super) fn settled<'r>(
        &self,
        run: &'r Run,
        history: &History,
    ) -> ControlFlow<(Action, Reason), &'r CommitId> {
        if run.mode != Mode::Sync {
            let is_quarantined = is_quarantined(self.role);
            let quarantine = is_quarantined.then(|| quarantine::note(self.role));
            return Break(self.orphan(Kept::Mode { quarantine }));
        }
        if let Some(path) = &self.read_elsewhere {
            return Break(self.orphan(Kept::OtherPaths(path.clone())));
        }
        let Some(ours) = &run.commit else {
            return Break(self.held(history, Kept::NoCommit));
        };
        let elsewhere = history.moved.get(&self.service_account);
        if let Some(Elsewhere {
            path,
            place,
            is_read,
            ..
        }) = elsewhere.cloned()
        {
            match place {
                Place::New => return Break(self.held(history, Kept::DeclaredElsewhere(path))),
                Place::Broken(fault) => {
                    return Break(self.held(
                        history,
                        Kept::BrokenElsewhere {
                            path,
                            fault,
                            is_read,
                        },
                    ));
                }
                Place::Known => {}
            }
        }
        if let Some(at) = &self.claimed_at {
            return Break(self.held(history, Kept::Named(at.clone())));
        }
        if let Some((path, fault)) = history.hidden.get(&self.service_account).cloned() {
            let lost_it = false;
            return Break(self.held(
                history,
                Kept::ChangeUnreadable {
                    path,
                    fault,
                    lost_it,
                },
            ));
        }
        let last = self.role.tags.get(tags::LAST_COMMIT);
        match last.map(|_| self.role.commit(tags::LAST_COMMIT)) {
            Some(None) => Break(self.held(history, Kept::LastCommitSpoiled)),
            Some(Some(last)) if history.ancestry(&last) == Ancestry::Unproven => {
                Break(self.held(history, Kept::HistoryMissing))
            }
            _ if is_quarantined(self.role) => Break(match self.quarantine_over(run, history) {
                Ok(quarantine) => {
                    let delete = Delete {
                        current: self.role.clone(),
                        removal: None,
                    };
                    let reason = Reason::QuarantineOver {
                        undeclared: self.undeclared,
                        quarantine,
                    };
                    (Action::Delete(Box::new(delete)), reason)
                }
                Err(why @ Kept::Quarantined { .. }) => self.orphan(why),
                Err(why) => self.held(history, why),
            }),
            _ => Continue(ours),
        }
    }

    /// What becomes of the role by why its ServiceAccount is absent.
    fn by_absence(&self, ours: &CommitId, run: &Run, history: &History) -> (Action, Reason) {
        let elsewhere = history.moved.get(&self.service_account);
        match (history.absences.get(&self.service_account), elsewhere) {
            (Some(Absence::Removed(removal)), _) => self.retire(removal, ours, run),
            (
                Some(Absence::Unreadable {
                    path,
                    fault,
                    lost_it,
                }),
                _,
            ) => self.held(
                history,
                Kept::ChangeUnreadable {
                    path: path.clone(),
                    fault: fault.clone(),
                    lost_it: *lost_it,
                },
            ),
            // Plain files have no history.
            (None, _) => self.held(history, Kept::HistoryMissing),
            (Some(Absence::NoBase), _) => self.held(history, Kept::NoBase),
            (Some(Absence::UnfitBase(unfit)), _) => {
                self.held(history, Kept::UnfitBase(unfit.clone()))
            }
            // No new place, but nobody removed the ServiceAccount from another one either.
            (Some(_), Some(known)) => {
                self.held(history, Kept::DeclaredElsewhere(known.path.clone()))
            }
            _ if quarantine::denies_all(self.role) => self.held(history, Kept::QuarantineUntagged),
            (Some(Absence::NotInBase(base)), None) => {
                self.held(history, Kept::NotInBase(base.clone()))
            }
            (Some(Absence::Earlier(commit)), None) => {
                self.held(history, Kept::RemovedEarlier(commit.clone()))
            }
            (Some(Absence::OnSideBranch), None) => self.held(history, Kept::OnSideBranch),
            // No file declares it any more, in our paths or out of them, so they are not mistaken. One
            // whose quarantine was begun, or opened, is for somebody to look at.
            (Some(Absence::Unexplained), None)
                if self.made_elsewhere.is_some() && quarantine::by(self.role).is_none() =>
            {
                self.orphan(Kept::OtherPaths(
                    self.made_elsewhere.clone().unwrap_or_default(),
                ))
            }
            (Some(Absence::Unexplained), None) => self.held(
                history,
                match self.role.commit(tags::COMMIT) {
                    Some(made) if history.is_outside(&made) => Kept::MadeElsewhere(made),
                    _ => Kept::Unexplained,
                },
            ),
        }
    }

    /// What nothing explains may still be declared, in what is not understood.
    fn held(&self, history: &History, kept: Kept) -> (Action, Reason) {
        let undeclared = self.undeclared;
        let named = history.named.get(&self.service_account);
        let kept = match named.filter(|_| kept.is_for_ever()).cloned() {
            Some((path, fault)) => Kept::ChangeUnreadable {
                path,
                fault,
                lost_it: false,
            },
            None => kept,
        };
        let reason = match kept.is_for_ever() {
            true => Reason::HeldForEver {
                undeclared,
                kept,
                command: self.command.clone(),
            },
            false => Reason::Kept { undeclared, kept },
        };
        (Action::Held, reason)
    }

    fn orphan(&self, kept: Kept) -> (Action, Reason) {
        let undeclared = self.undeclared;
        (Action::Orphan, Reason::Kept { undeclared, kept })
    }

    /// The commit that removed the ServiceAccount is the witness.
    fn retire(&self, removal: &Removal, ours: &CommitId, run: &Run) -> (Action, Reason) {
        let undeclared = if removal.remains {
            Undeclared::Unmanaged
        } else {
            self.undeclared
        };
        let is_to_go = run.prune.after.is_zero();
        let attached = self.attachments.filter(|_| is_to_go);
        let names = attached.into_iter().flat_map(Attachments::names);
        let reason = Reason::Removed {
            undeclared,
            commit: removal.commit.clone(),
            since: removal.since.clone(),
            last_use: self.role.last_use.clone(),
            attached: names.map(str::to_owned).collect(),
        };
        let current = self.role.clone();
        if is_to_go && self.attachments.is_some_and(Attachments::is_empty) {
            let removal = Some(removal.clone());
            let delete = Delete { current, removal };
            return (Action::Delete(Box::new(delete)), reason);
        }
        let action = quarantine(current, ours, run.prune.now, Some(removal.clone()));
        (action, reason)
    }

    /// The quarantine of the role, if that is the witness for its end: a quarantine of our own
    /// history, whose time is over, of a role that nobody has anything attached to.
    fn quarantine_over(&self, run: &Run, history: &History) -> Result<Note, Kept> {
        if quarantine::since(self.role).is_none() {
            return Err(Kept::QuarantineUndated);
        }
        let quarantine = quarantine::note(self.role);
        let Some(by) = &quarantine.by else {
            return Err(Kept::QuarantineUnsigned);
        };
        match history.ancestry(by) {
            Ancestry::Ancestor => {}
            Ancestry::Unproven => return Err(Kept::HistoryMissing),
            _ => return Err(Kept::QuarantineForeign(by.clone())),
        }
        if !is_due(self.role, &run.prune) {
            let until = quarantine::until(self.role, run.prune.after);
            return Err(Kept::Quarantined { quarantine, until });
        }
        match self.attachments {
            Some(attachments) if attachments.is_empty() => Ok(quarantine),
            Some(attachments) => Err(Kept::Attached {
                quarantine,
                names: attachments.names().map(str::to_owned).collect(),
            }),
            None => Err(Kept::AttachmentsUnread),
        }
    }
}
