//! What a run has to say: one [`Report`] in, text for people or machines out.
//!
//! Pure: a renderer writes to what it is given, knows no terminal, clock or environment, and puts
//! every string that comes from a repository or from AWS through [`sanitize`]. All formats are
//! rendered from the same value, so they tell the same facts.

use std::collections::BTreeMap;
use std::error::Error;

use jiff::Timestamp;

use crate::apply::Outcome;
use crate::diagnostic::{Diagnostic, Severity};
use crate::exit::Exit;
use crate::model::arn::AwsAccountId;
use crate::model::cluster::ClusterName;
use crate::model::commit::CommitId;
use crate::model::history::Removal;
use crate::model::history::SourceCommit;
use crate::model::last_use::LastUse;
use crate::model::redact;
use crate::model::role::RoleLabel;
use crate::plan::{Action, Change, Difference, Origin, Reason, Superseded};

pub mod checked;
pub mod context;
mod counts;
mod difference;
pub mod ending;
pub mod explanation;
mod finding;
pub mod format;
pub mod github;
pub mod gitlab;
pub mod human;
pub mod inventory;
pub mod json;
pub mod markdown;
mod place;
pub mod record;
pub mod sanitize;
pub mod sarif;

use checked::Checked;

/// Everything one run found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which command ran.
    pub command: Command,
    /// The repository for people, without credentials.
    pub repository: Option<String>,
    /// The commit that was read.
    pub commit: Option<CommitId>,
    /// How the run ended.
    pub exit: Exit,
    /// One section for each cluster.
    pub clusters: Vec<Section>,
    /// Why the run could not go on.
    pub error: Option<Stopped>,
    /// Whether roles that are as they should be are listed or only counted.
    pub listing: Listing,
}

/// The command that made the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Manifests only.
    Lint,
    /// The manifests of two commits.
    Diff,
    /// What apply would do.
    Plan,
    /// What apply did.
    Apply,
    /// Which roles were taken over.
    Adopt,
    /// Which roles were quarantined by their names.
    Retire,
}

/// Whether roles that are as they should be are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// They are only counted.
    Changes,
    /// They are listed like the others.
    All,
}

/// What one run found and did for one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The cluster, where the run was told.
    pub cluster: Option<ClusterName>,
    /// The account, where it is known.
    pub account: Option<AwsAccountId>,
    /// What the commit was rendered from, where its message tells.
    pub source: Option<SourceCommit>,
    /// What becomes of each role, by its name.
    pub entries: Vec<Entry>,
    /// What was found about manifests and roles.
    pub diagnostics: Vec<Diagnostic>,
    /// Why nothing of it may be carried out, where it is shown all the same.
    pub superseded: Option<Superseded>,
    /// What became of the cluster's record, where that kept the run from writing anything else.
    pub record: Option<Outcome>,
    /// How many files the cluster's ignore rules leave out, where it has some.
    pub ignored: Option<usize>,
    /// What was looked at, where that is all that was done.
    pub checked: Option<Checked>,
    /// What reviewers want to know besides.
    pub review: Review,
}

/// What whoever reviews a change wants to know of it besides what becomes of each role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// What was found about the commit that the change is compared with, if there is one.
    pub at_base: Option<Vec<Diagnostic>>,
    /// Which new role takes the place of which, as its ServiceAccount was renamed.
    pub renamed: BTreeMap<RoleLabel, RoleLabel>,
    /// What is known of roles that lose their ServiceAccount.
    pub inspected: BTreeMap<RoleLabel, Inspected>,
    /// Until when a revert undoes a quarantine that begins with this run.
    pub until: Option<Timestamp>,
}

/// What is known of a role that loses its ServiceAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// When it was last used.
    pub last_use: LastUse,
    /// What is attached to it; `None` if that could not be read.
    pub attached: Option<Vec<String>>,
}

/// One change and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The change.
    pub change: Change,
    /// What caused it, where a base was given to compare with.
    pub origin: Option<Origin>,
    /// What became of it; `None` where nothing was to be attempted.
    pub outcome: Option<Outcome>,
}

/// Why a run could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// What failed, and why.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Stopped {
    /// An error and all its causes in one line, and what to do about it, made safe to show.
    pub fn new(message: String, cause: Option<&dyn Error>, hint: Option<String>) -> Self {
        let mut message = message;
        let mut cause = cause;
        while let Some(error) = cause {
            let text = error.to_string();
            // Libraries repeat their causes; saying it twice helps nobody.
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        let safe = |text: String| sanitize::line(&redact::sentence(&text)).into_owned();
        Self {
            message: safe(message),
            hint: hint.map(safe),
        }
    }
}

/// How many roles there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Made, or to be made.
    pub create: usize,
    /// Repaired, or to be repaired.
    pub update: usize,
    /// Put back from quarantine, or to be.
    pub restore: usize,
    /// Quarantined, or to be.
    pub quarantine: usize,
    /// Deleted, or to be.
    pub delete: usize,
    /// Owned, not declared, left in place.
    pub orphan: usize,
    /// Left exactly as they are.
    pub held: usize,
    /// As they should be.
    pub in_sync: usize,
}

impl Report {
    /// That of a run which could not go on.
    pub fn of_error(command: Command, exit: Exit, error: Stopped) -> Self {
        Self {
            command,
            repository: None,
            commit: None,
            exit,
            clusters: vec![],
            error: Some(error),
            listing: Listing::Changes,
        }
    }

    /// Completes the commands that hints and reasons print: `complete` is given a text and the cluster
    /// that it is about.
    pub fn complete(&mut self, complete: &dyn Fn(&str, Option<&str>) -> String) {
        for section in &mut self.clusters {
            let cluster = section.cluster.as_ref().map(ClusterName::as_str);
            let complete = |text: &str| complete(text, cluster);
            let of_findings = section.diagnostics.iter_mut().map(|found| &mut found.hint);
            let mut outcomes: Vec<&mut Outcome> = section.record.iter_mut().collect();
            for entry in &mut section.entries {
                entry.change.reason.complete(&complete);
                outcomes.extend(&mut entry.outcome);
            }
            let of_outcomes = outcomes.into_iter().filter_map(|outcome| match outcome {
                Outcome::Failed(failure) | Outcome::Unknown(failure) => Some(&mut failure.hint),
                Outcome::Done | Outcome::NotAttempted => None,
            });
            for hint in of_findings.chain(of_outcomes).flatten() {
                *hint = complete(hint);
            }
        }
    }

    /// Counts the changes of all clusters.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for entry in self.clusters.iter().flat_map(|section| &section.entries) {
            match entry.change.action {
                Action::Create(_) => summary.create += 1,
                Action::Update(_) => summary.update += 1,
                Action::Restore(_) => summary.restore += 1,
                Action::Quarantine(_) => summary.quarantine += 1,
                Action::Delete(_) => summary.delete += 1,
                Action::Orphan => summary.orphan += 1,
                Action::Held => summary.held += 1,
                Action::InSync => summary.in_sync += 1,
            }
        }
        summary
    }

    /// Why the run could not go on, or what it shows may not be carried out.
    pub fn stopped(&self) -> Option<Stopped> {
        let superseded = self.superseded().next();
        let shown = || superseded.map(|(_, superseded)| superseded.into());
        self.error.clone().or_else(shown)
    }

    /// The same, of every cluster.
    pub fn all_stopped(&self) -> Vec<Stopped> {
        let late = self.superseded().map(|(_, superseded)| superseded.into());
        self.error.clone().into_iter().chain(late).collect()
    }

    /// The sections of which nothing may be carried out, and why.
    pub fn superseded(&self) -> impl Iterator<Item = (&Section, &Superseded)> {
        let sections = self.clusters.iter();
        sections.filter_map(|section| Some((section, section.superseded.as_ref()?)))
    }

    /// The entries of a section that are to be listed.
    pub fn listed<'a>(&self, section: &'a Section) -> impl Iterator<Item = &'a Entry> {
        let all = self.listing == Listing::All;
        section
            .entries
            .iter()
            .filter(move |entry| all || entry.change.action != Action::InSync)
    }

    /// How many findings of a severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        let diagnostics = self
            .clusters
            .iter()
            .flat_map(|section| &section.diagnostics);
        diagnostics
            .filter(|diagnostic| diagnostic.severity == severity)
            .count()
    }
}

impl Section {
    /// Whether the change is compared with a base.
    fn has_base(&self) -> bool {
        let mut origins = self.entries.iter().filter_map(|entry| entry.origin);
        self.review.at_base.is_some() || origins.next().is_some()
    }

    /// Whether a finding was none of the base already, whatever its line was there.
    fn is_new(&self, found: &Diagnostic) -> bool {
        let is_same = |other: &Diagnostic| {
            let path = |diagnostic: &Diagnostic| {
                let location = diagnostic.location.as_ref();
                location.map(|location| location.path.clone())
            };
            (found.code, &found.message) == (other.code, &other.message)
                && found.service_account == other.service_account
                && (found.service_account.is_some() || path(found) == path(other))
        };
        let at_base = self.review.at_base.as_deref().unwrap_or_default();
        !at_base.iter().any(is_same)
    }

    /// Whether the change under review causes what becomes of a role; without a base, everything is.
    fn is_of_this_change(&self, entry: &Entry) -> bool {
        if let Some(origin) = entry.origin {
            return origin == Origin::ThisChange;
        }
        let whose = Some(&entry.change.service_account);
        let mut found = self.diagnostics.iter();
        entry.change.action != Action::Held
            || self.review.at_base.is_none()
            || found.any(|d| d.service_account.as_ref() == whose && self.is_new(d))
    }

    /// The role whose place a new one takes.
    fn replaced_by(&self, entry: &Entry) -> Option<&RoleLabel> {
        self.review.renamed.get(&entry.change.role)
    }

    /// What is known of a role that loses its ServiceAccount.
    fn inspected(&self, entry: &Entry) -> Option<&Inspected> {
        self.review.inspected.get(&entry.change.role)
    }
}

impl Inspected {
    /// Last use, unless a reason has said it already, and what is attached, in words.
    fn in_words(&self, reason: &str) -> String {
        let attached = match self.attached.as_deref() {
            None => "unknown".to_owned(),
            Some([]) => "nothing".to_owned(),
            Some(names) => names.join(", "),
        };
        let used = self.last_use.to_string();
        match reason.contains(&used) {
            true => format!("attached: {attached}"),
            false => format!("{used}; attached: {attached}"),
        }
    }
}

impl From<&Superseded> for Stopped {
    fn from(superseded: &Superseded) -> Self {
        Self {
            message: superseded.to_string(),
            hint: Some(superseded.hint()),
        }
    }
}

impl Entry {
    /// Why, in words; of a role that was made, that it was.
    fn why(&self) -> String {
        match (&self.change.reason, &self.outcome) {
            (Reason::Absent, Some(Outcome::Done)) => "made, as there was no such role".to_owned(),
            (reason, _) => reason.to_string(),
        }
    }

    /// What differs field by field, where a role is repaired.
    fn differences(&self) -> &[Difference] {
        match &self.change.action {
            Action::Update(update) | Action::Restore(update) => &update.differences,
            Action::Create(_)
            | Action::Quarantine(_)
            | Action::Delete(_)
            | Action::InSync
            | Action::Orphan
            | Action::Held => &[],
        }
    }

    /// The commit that removed its ServiceAccount, where that is why it is retired.
    fn removal(&self) -> Option<&Removal> {
        match &self.change.action {
            Action::Quarantine(quarantine) => quarantine.removal.as_ref(),
            Action::Delete(delete) => delete.removal.as_ref(),
            Action::Create(_)
            | Action::Update(_)
            | Action::Restore(_)
            | Action::InSync
            | Action::Orphan
            | Action::Held => None,
        }
    }

    /// How much it matters, the same in every format.
    fn severity(&self) -> Severity {
        match (&self.change.action, &self.outcome) {
            (_, Some(Outcome::Failed(_) | Outcome::Unknown(_))) => Severity::Error,
            (_, Some(Outcome::NotAttempted))
            | (Action::Held | Action::Quarantine(_) | Action::Delete(_), _) => Severity::Warning,
            _ => Severity::Note,
        }
    }
}

impl Command {
    /// The word used in every format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Diff => "diff",
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Adopt => "adopt",
            Self::Retire => "retire",
        }
    }
}

/// The word for an action, the same in every format.
pub fn action_word(action: &Action) -> &'static str {
    match action {
        Action::Create(_) => "create",
        Action::Update(_) => "update",
        Action::Restore(_) => "restore",
        Action::Quarantine(_) => "quarantine",
        Action::Delete(_) => "delete",
        Action::Orphan => "orphan",
        Action::Held => "held",
        Action::InSync => "in-sync",
    }
}

/// The word for an outcome, the same in every format.
pub fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Failed(_) => "failed",
        Outcome::Unknown(_) => "unknown",
        Outcome::NotAttempted => "not-attempted",
    }
}

#[cfg(test)]
mod tests;
