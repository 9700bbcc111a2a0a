//! What became of each change.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::Stop;
use crate::iam::{Error, Kind};
use crate::model::quotas::Limit;
use crate::model::role::{RoleLabel, RoleName};
use crate::model::trust_policy::TrustDocument;
use crate::plan::fence::Why;
use crate::plan::{Again, Change, Plan};

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
    /// A run whose commit is not in our history has written to the role meanwhile.
    Superseded,
    /// A run of our commit or an older one has written to the role meanwhile, again and again.
    Raced,
    /// The account has no room for more roles.
    Quota,
    /// This program broke down.
    Bug,
    /// The job may not do it.
    Denied,
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

pub(super) fn failed(error: &Error, stop: &Stop) -> Outcome {
    if error.kind == Kind::Halted {
        return Outcome::NotAttempted;
    }
    if error.ends_the_run() {
        stop.request();
    }
    Outcome::Failed(Failure {
        cause: match error.kind {
            Kind::LimitExceeded if error.limit() == Some(Limit::Roles) => Cause::Quota,
            Kind::AccessDenied => Cause::Denied,
            _ => Cause::Other,
        },
        message: error.to_string(),
        hint: error.hint(),
    })
}

/// What is known of a change in which this program broke down: the others end the calls they are in.
pub(super) fn broken(stop: &Stop) -> Outcome {
    stop.request();
    Outcome::Unknown(Failure {
        cause: Cause::Bug,
        message: "this program broke down here, which is a bug of it".to_owned(),
        hint: Some("run again: it starts from what IAM has then".to_owned()),
    })
}

pub(super) fn unknown(error: &Error) -> Outcome {
    let hint = "the next run finds out: it starts from what IAM has then".to_owned();
    Outcome::Unknown(Failure {
        cause: Cause::Other,
        message: error.to_string(),
        hint: Some(hint),
    })
}

/// What is known of a change whose call has not come back.
pub(super) fn in_flight() -> Outcome {
    Outcome::Unknown(Failure {
        cause: Cause::Other,
        message: "the run was stopped while a call was under way".to_owned(),
        hint: Some("run again: it starts from what IAM has then".to_owned()),
    })
}

/// A document that IAM does not take has to be looked at.
pub(super) fn refused(error: &Error, document: &TrustDocument) -> Outcome {
    let hint = "this is a bug of irsa-gitops, or the account has rules of its own: please report the document";
    moved(
        format!("{error}; the document is {}", document.as_str()),
        hint,
    )
}

/// What is known of a role that a run has written to since it was planned for, by its commit.
pub(super) fn overtaken(name: &RoleName, again: Again) -> Outcome {
    let (cause, message, hint) = match again {
        Again::Outside(why, commit) => {
            let (is, hint) = match why {
                Why::Newer => ("newer than this run's", "run again for the newest commit"),
                Why::Elsewhere => (
                    "elsewhere: on another line of history",
                    "run again: the plan says how to go on after a rewrite of history",
                ),
                Why::Unknown => (
                    "unknown: not in this clone",
                    "fetch all branches (git fetch --all --tags) and run again, which tells whether it is the older one",
                ),
            };
            let message = format!(
                "another run has written to role `{name}` since it was planned, for commit {commit}, which is {is}"
            );
            (Cause::Superseded, message, hint)
        }
        Again::Unproven(commit) => (
            Cause::Other,
            format!(
                "another run has written to role `{name}` since it was planned, for commit {commit}, and whether that is older than this one is not known here"
            ),
            "fetch full history (fetch-depth: 0, or git fetch --unshallow) and run again",
        ),
        Again::Change(..) | Again::Record(_) => return raced(name),
        Again::AsPlanned => (
            Cause::Other,
            format!("another run has written to role `{name}` since it was planned"),
            "run again: the new plan starts from what the role is now",
        ),
    };
    Outcome::Failed(Failure {
        cause,
        message,
        hint: Some(hint.to_owned()),
    })
}

/// A run of our commit or an older one is at work on the role, too.
pub(super) fn raced(name: &RoleName) -> Outcome {
    Outcome::Failed(Failure {
        cause: Cause::Raced,
        message: format!(
            "runs of this commit or an older one write to role `{name}` at the same time"
        ),
        hint: Some("let one run at a time apply to the cluster, then run again".to_owned()),
    })
}

/// What is known of a role that was written to and does not show it.
pub(super) fn unsettled(name: &RoleName) -> Outcome {
    Outcome::Unknown(Failure {
        cause: Cause::Other,
        message: format!(
            "role `{name}` was written to and is not as it was written when it is read back: another run may write to it at the same time"
        ),
        hint: Some(
            "let one run at a time apply to the cluster, then run again: it starts from what IAM has then"
                .to_owned(),
        ),
    })
}

pub(super) fn changed_meanwhile(name: &RoleName) -> Outcome {
    moved(
        format!("role `{name}` was changed by somebody else while it was written to"),
        "run again: the new plan starts from what the role is now",
    )
}

pub(super) fn moved(message: String, hint: &str) -> Outcome {
    Outcome::Failed(Failure {
        cause: Cause::Other,
        message,
        hint: Some(hint.to_owned()),
    })
}

/// A change whose first write was sent is no longer one that was not attempted.
pub(super) fn in_part(outcome: Outcome, name: &RoleName) -> Outcome {
    match outcome {
        Outcome::NotAttempted => moved(
            format!("the run stopped between two writes to role `{name}`"),
            "run again: the next run finishes it",
        ),
        other => other,
    }
}
