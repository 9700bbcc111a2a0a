//! A role that a run has written to since this one planned for it: planned again, over what it is now.
//!
//! Only the commit of that run tells whether it was older. Another one than the plan saw is no reason
//! to give up: an older run that writes late must not keep a newer one from having the last word.

use super::fence::Why;
use super::history::{self, History, Questions};
use super::{Action, Facts, Reason, Rewrite, decide, prune, record};
use crate::model::commit::CommitId;
use crate::model::history::Ancestry;
use crate::model::role::{CurrentRole, CurrentRoles, RoleLabel};
use crate::model::tags;

/// What becomes of a role that was written to since it was planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// It was written for our commit or an older one: what is to be done with it now, and why.
    Change(Box<Action>, Reason),
    /// The same of the cluster's record: what is to be written to it now, if ours is not there.
    Record(Option<Box<record::Write>>),
    /// The commit it was written for is not in our history.
    Outside(Why, CommitId),
    /// Whether the commit it was written for is an older one is not known here.
    Unproven(CommitId),
    /// Only what was planned may be done with it.
    AsPlanned,
}

impl Facts {
    /// Plans a role again as it is now. History is asked what it has to say of that.
    ///
    /// # Errors
    ///
    /// That of `history`.
    pub fn again<E>(
        &self,
        role: &CurrentRole,
        history: impl Fn(&Questions) -> Result<History, E>,
    ) -> Result<Again, E> {
        let name = &role.listed.name;
        let mut current = CurrentRoles::new([role.listed.clone()]);
        for role in [self.record(), Some(role)].into_iter().flatten() {
            current.add_detail(&role.listed.name, Some(role.clone()));
        }
        if let Some(attachments) = self.current.attachments(name) {
            current.add_attachments(name, attachments.clone());
        }
        let mut facts = self.over(current);
        for questions in [history::questions, prune::absences] {
            let answer = history(&questions(&facts))?;
            facts.history.extend(answer);
        }
        if record::is_record(role, &facts.cluster) {
            return Ok(facts.record_again());
        }
        if let Some(last) = role.commit(tags::LAST_COMMIT)
            && facts.run.commit.as_ref() != Some(&last)
        {
            let ancestry = facts.history.ancestry(&last);
            if let Some(why) = Why::of(ancestry) {
                return Ok(Again::Outside(why, last));
            }
            if ancestry == Ancestry::Unproven {
                return Ok(Again::Unproven(last));
            }
        }
        Ok(match decide::change(&facts, RoleLabel::from(name)) {
            Some(change) => Again::Change(Box::new(change.action), change.reason),
            None => Again::AsPlanned,
        })
    }

    /// What becomes of the record as it is now. What the user accepts as rewritten is no obstacle, as
    /// with the plan.
    fn record_again(&self) -> Again {
        let entries = self.applied().into_iter();
        let outside = entries.filter_map(|entry| {
            let why = Why::of(self.history.ancestry(&entry.commit))?;
            let is_accepted = why != Why::Newer && self.run.rewrite == Rewrite::Accepted;
            (!is_accepted).then_some((why, entry.commit))
        });
        if let Some((why, commit)) = outside.min_by_key(|(why, _)| *why) {
            return Again::Outside(why, commit);
        }
        let mut entries = self.applied().into_iter();
        match entries.find(|entry| self.is_unproven(&entry.commit)) {
            Some(entry) => Again::Unproven(entry.commit),
            None => Again::Record(self.record_write().map(Box::new)),
        }
    }
}
