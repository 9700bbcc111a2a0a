//! How a run ends: one exit code for what a report says, by one rule for every command.

use super::{Command, Entry, Section};
use crate::apply::{Cause, Outcome};
use crate::diagnostic::Severity;
use crate::exit::Exit;
use crate::plan::{Action, Origin};

/// Everything that decides how a run ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// The command.
    pub command: Command,
    /// What it found and did.
    pub sections: &'a [Section],
    /// Which pending changes the user wants to hear of.
    pub heed: Heed,
    /// The signal that asked it to stop, if one was caught.
    pub signal: Option<Caught>,
}

/// Which pending changes make an exit code of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heed {
    /// None.
    Nothing,
    /// Those that write.
    Writes,
    /// Those that the commits under review cause; in a diff all of them.
    ThisChange,
    /// Both. A role that waits in quarantine, or for mode sync, is neither: it would make every run
    /// fail.
    Any,
}

/// A signal that was caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught {
    /// What a process ends with that it stopped.
    pub exit: Exit,
    /// Whether a second one came, so that nothing more was waited for.
    pub at_once: bool,
}

impl Ending<'_> {
    /// The exit code; of several that fit, the one that asks for the most attention.
    pub fn exit(&self) -> Exit {
        if self.command == Command::Lint {
            return match self.has_errors() {
                true => Exit::InputRejected,
                false => Exit::Success,
            };
        }
        let is_unknown = |outcome: &Outcome| matches!(outcome, Outcome::Unknown(_));
        let at_once = self.signal.filter(|signal| signal.at_once);
        if self.any_outcome(|outcome| is_caused_by(outcome, Cause::Bug)) {
            Exit::Bug
        } else if let Some(signal) = at_once {
            signal.exit
        } else if self.any_outcome(is_unknown) {
            Exit::OutcomeUnknown
        } else if let Some(signal) = self.signal {
            signal.exit
        } else if self.is_superseded() {
            Exit::Superseded
        } else if self.has_errors() || self.entries().any(is_undone) {
            Exit::Incomplete
        } else if self.entries().any(|entry| self.heeds(entry)) {
            Exit::ChangesPending
        } else {
            Exit::Success
        }
    }

    fn is_superseded(&self) -> bool {
        let mut sections = self.sections.iter();
        sections.any(|section| section.superseded.is_some())
            || self.any_outcome(|outcome| is_caused_by(outcome, Cause::Superseded))
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.sections.iter().flat_map(|section| &section.entries)
    }

    fn any_outcome(&self, is_such: impl Fn(&Outcome) -> bool) -> bool {
        let roles = self.entries().filter_map(|entry| entry.outcome.as_ref());
        let records = self.sections.iter().filter_map(|s| s.record.as_ref());
        roles.chain(records).any(is_such)
    }

    fn has_errors(&self) -> bool {
        let mut found = self
            .sections
            .iter()
            .flat_map(|section| &section.diagnostics);
        found.any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    fn heeds(&self, entry: &Entry) -> bool {
        let writes = entry.change.writes();
        let is_under_review =
            self.command == Command::Diff || entry.origin == Some(Origin::ThisChange);
        let of_this_change = is_under_review && entry.change.is_change();
        match self.heed {
            Heed::Nothing => false,
            Heed::Writes => writes,
            Heed::ThisChange => of_this_change,
            Heed::Any => writes || of_this_change,
        }
    }
}

/// Whether something was held, or was not done although it was to be.
fn is_undone(entry: &Entry) -> bool {
    let is_missing = |outcome: &Outcome| *outcome != Outcome::Done;
    let is_left = entry.change.action == Action::Held || entry.change.reason.leaves_undone();
    is_left || entry.outcome.as_ref().is_some_and(is_missing)
}

fn is_caused_by(outcome: &Outcome, cause: Cause) -> bool {
    match outcome {
        Outcome::Failed(failure) | Outcome::Unknown(failure) => failure.cause == cause,
        Outcome::Done | Outcome::NotAttempted => false,
    }
}

#[cfg(test)]
mod tests;
