//! What is known of the order of runs: what the cluster's record says, whether that is proven, and what
//! this run adds to it.

use super::Facts;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::commit::CommitId;
use crate::model::history::Ancestry;
use crate::model::role::{CurrentRole, ListedRole};
use crate::plan::{Run, history, record};

impl Facts {
    /// What stands in the place of the cluster's record, as the listing shows it: whoever's it is,
    /// no other can be made.
    pub(super) fn listed_record(&self) -> Option<&ListedRole> {
        self.current.listed(&record::name(&self.cluster))
    }

    /// A role that is not the record and has its name.
    pub(super) fn in_place_of_record(&self) -> Option<&ListedRole> {
        self.listed_record().filter(|_| self.record().is_none())
    }

    /// The cluster's record, if there is one.
    pub fn record(&self) -> Option<&CurrentRole> {
        let found = self.current.detail(&record::name(&self.cluster))?;
        record::is_record(found, &self.cluster).then_some(found)
    }

    /// What the record says of the paths that this run reads.
    pub(in crate::plan) fn applied(&self) -> Vec<record::Entry> {
        let entries = self.record().map(record::entries).unwrap_or_default();
        record::relevant(entries, &self.run.paths)
    }

    /// A commit that was applied, of which it is not known here whether it is older than ours.
    pub(super) fn unproven(&self) -> Option<CommitId> {
        self.run.commit.as_ref()?;
        let written = self.written();
        let written = written.filter_map(history::last_commit);
        let applied = self.applied().into_iter().map(|entry| entry.commit);
        let mut commits = applied.chain(written);
        commits.find(|commit| self.is_unproven(commit))
    }

    /// Whether it is not known here what a commit is to ours; ours itself is known.
    pub(in crate::plan) fn is_unproven(&self, commit: &CommitId) -> bool {
        self.run.commit.as_ref() != Some(commit)
            && self.history.ancestry(commit) == Ancestry::Unproven
    }

    /// Says that the order of runs is not proven, if it is not.
    pub fn order(&self) -> Option<Diagnostic> {
        if let Some(listed) = self.in_place_of_record() {
            let message = format!(
                "role `{}` has the name of the cluster's record and is not it, so a late run is not known to be late",
                listed.name
            );
            let hint = "delete the role if nobody uses it, or put back its path and tags";
            return Some(Diagnostic::warning(Code::OrderNotProven, message).with_hint(hint));
        }
        let commit = self.unproven()?;
        let message = format!(
            "commit {} was applied, and whether it is older than this one is not known here",
            commit.short()
        );
        Some(
            Diagnostic::warning(Code::OrderNotProven, message).with_hint(
                "fetch full history (fetch-depth: 0, or git fetch --unshallow) and read the repository itself",
            ),
        )
    }

    /// What is to be written to the record: our commit, unless it is there or order is not proven.
    pub(in crate::plan) fn record_write(&self) -> Option<record::Write> {
        let ours = self.run.commit.as_ref()?;
        let is_unproven = |entry: &record::Entry| self.is_unproven(&entry.commit);
        if self.in_place_of_record().is_some() || self.applied().iter().any(is_unproven) {
            return None;
        }
        let now = self
            .run
            .prune
            .now
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        let Run {
            repository, paths, ..
        } = &self.run;
        let mut write = record::write(self.record(), &self.cluster, repository, paths, ours, &now)?;
        if let record::Write::Tag { tags, untag, .. } = &mut write {
            // What was accepted as rewritten is said once, whichever paths it was applied for.
            let is_outside = |entry: &record::Entry| {
                let ancestry = self.history.ancestry(&entry.commit);
                matches!(ancestry, Ancestry::Elsewhere | Ancestry::Unknown)
            };
            let rewritten = self.applied().into_iter().filter(is_outside);
            let keys = rewritten.map(|entry| entry.key);
            let gone: Vec<String> = keys
                .filter(|key| tags.get(key).is_none() && !untag.contains(key))
                .collect();
            untag.extend(gone);
        }
        Some(write)
    }
}
