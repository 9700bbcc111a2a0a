//! What schedules of faults start from: roles that each meet another fate in a run without faults.

use super::memory::Memory;
use super::timeline::{Before, Declares, Line, Locked, Prune, Recorded, Timeline};

/// What is to become of a role in a run without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Create,
    Update,
    InSync,
    Restore,
    Quarantine,
    Delete,
    Foreign,
}

pub const FATES: [Fate; 7] = [
    Fate::Create,
    Fate::Update,
    Fate::InSync,
    Fate::Restore,
    Fate::Quarantine,
    Fate::Delete,
    Fate::Foreign,
];

impl Fate {
    /// A role that meets it.
    fn line(self) -> Line {
        let (before, declares) = match self {
            Self::Create => (Before::Absent, Declares::Role),
            Self::Update => (Before::Drifted, Declares::Role),
            Self::InSync => (Before::InSync, Declares::Role),
            Self::Restore => (Before::Overdue, Declares::Role),
            Self::Quarantine => (Before::InSync, Declares::No),
            Self::Delete => (Before::Overdue, Declares::No),
            Self::Foreign => (Before::Foreign, Declares::Role),
        };
        let declares = vec![declares];
        Line { before, declares }
    }
}

/// What there is of a record before the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// None.
    Missing,
    /// That of the commit before.
    Then,
    /// One that the caller may not write to.
    Denied,
}

pub const RECORDS: [Record; 3] = [Record::Missing, Record::Then, Record::Denied];

/// The commit of the run, its manifests and its past.
pub fn timeline(fates: &[Fate], record: Record) -> Timeline {
    Timeline {
        lines: fates.iter().copied().map(Fate::line).collect(),
        prune: Prune::Later,
        recorded: match record {
            Record::Missing | Record::Denied => Recorded::Nothing,
            Record::Then => Recorded::Scoped,
        },
        locked: Locked::No,
    }
}

/// The account that it finds.
pub fn account(timeline: &Timeline, record: Record) -> Memory {
    let iam = Memory::new(timeline.state());
    if record == Record::Denied {
        iam.deny_record();
    }
    iam
}
