//! What became of each change.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::model::role::RoleLabel;
use crate::plan::{Change, Plan};

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// It was not carried out, or only in part; the next run sees what is left.
    Failed(Failure),
    /// It was sent, and whether it took effect could not be found out.
    Unknown(Failure),
    /// The run stopped before it.
    NotAttempted,
}

/// Why a change was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of obstacle it was.
    pub cause: Cause,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What kept a change from being carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A run of a newer commit has written to the role meanwhile.
    Superseded,
    /// This program broke down.
    Bug,
    /// Anything else.
    Other,
}

/// What has become of each change so far; whoever holds it keeps it even if the work is dropped.
#[derive(Debug)]
pub struct Outcomes(RefCell<BTreeMap<RoleLabel, Outcome>>);

impl Outcomes {
    /// Before the first write.
    pub fn new(plan: &Plan) -> Self {
        let not_attempted = |change: &Change| (change.role.clone(), Outcome::NotAttempted);
        Self(RefCell::new(plan.writes().map(not_attempted).collect()))
    }

    /// What became of each change that was to write.
    pub fn into_map(self) -> BTreeMap<RoleLabel, Outcome> {
        self.0.into_inner()
    }

    pub(super) fn set(&self, change: &Change, outcome: Outcome) {
        self.0.borrow_mut().insert(change.role.clone(), outcome);
    }
}
