//! What has to change: desired and current roles in, an ordered list of changes out.
//!
//! Pure. Every decision about a role is made here, from values: nothing is read, written or
//! logged, and there is no clock. [`Facts`] hold what is declared and what is known, name what has to
//! be read next, and decide. The decision for one role:
//!
//! ```text
//! desired    in IAM                               change
//! ─────────  ───────────────────────────────────  ────────────────────────────────────────
//! wanted     absent                               create
//! wanted     name, path and trust as desired      in sync (not read in full, unless --full)
//! wanted     owned, equal                         in sync
//! wanted     owned, differs                       update; held in mode create-only
//! wanted     owned, quarantined                   restore; held in mode create-only
//! wanted     owned, quarantined, order unknown    held
//! wanted     foreign                              held
//! held       any                                  held
//! unmanaged  owned                                as below
//! no         owned, mode is not sync              orphan
//! no         owned, sync, absence explained       quarantine
//! no         owned, sync, absence unexplained     held, until it is retired by its name ([`retire`])
//! no         owned, sync, may be declared          held: elsewhere, in what is not understood, by an error that names it
//! no         owned, sync, read by other pipelines  orphan
//! no         quarantined, time is not over        orphan
//! no         quarantined, something attached      held
//! no         quarantined, nothing attached        delete
//! any other  absent or foreign                    nothing
//! ```
//!
//! Steps over the plan come after it, each of which can stand in its way: the fence ([`fence`]), the guards
//! ([`guard`], which also hold single roles whose audience no provider accepts), and the names that several
//! clusters give (`shared_name`).

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::model::commit::CommitId;
use crate::model::history::SourceCommit;
use crate::model::location::{Location, RepoPath};
use crate::model::role::RoleLabel;
use crate::model::service_account::ServiceAccountRef;

mod adopt;
mod again;
mod change;
mod compare;
mod decide;
mod diff;
mod elsewhere;
mod existing;
mod facts;
pub mod fence;
pub mod guard;
pub mod history;
pub mod lock;
mod origin;
pub mod ownership;
mod provenance;
pub mod provider;
pub mod prune;
pub mod quarantine;
mod reason;
pub mod record;
mod rename;
mod retire;
pub mod saved;
mod security;
mod shared_name;
pub mod verdict;

pub use adopt::{adopt, candidates};
pub use again::Again;
pub use change::{Action, Change, Delete, Quarantine, Update};
pub use compare::{between, compare, hold_unproven};
pub use diff::Difference;
pub use facts::{Answer, Facts, Need, Purpose};
pub use fence::Superseded;
pub use history::History;
pub use origin::{Origin, origins};
pub use provider::Provider;
pub use prune::Prune;
pub use reason::{Kept, Reason, ReasonCode, Undeclared};
pub use rename::{Rename, renames};
pub use retire::retire;
pub use shared_name::hold_shared_names;
pub use verdict::{Cause, Verdict};

/// What a run may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Make missing roles, and nothing else.
    CreateOnly,
    /// Make missing roles and repair drifted ones.
    #[default]
    UpsertOnly,
    /// Retire roles that are no longer declared as well.
    Sync,
}

/// How much of an existing role is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// What the listing gives: name, path, trust policy, session duration.
    #[default]
    Listing,
    /// Tags and permissions boundary as well, at the price of a call for each role.
    Full,
}

/// On whose behalf roles are written: what stands in their commit and source tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The repository for people, without credentials.
    pub repository: String,
    /// The commit that was read; a plain directory may stand for none.
    pub commit: Option<CommitId>,
    /// What that was rendered from, where its message tells.
    pub source: Option<SourceCommit>,
    /// Which paths it reads; none means all.
    pub paths: Vec<RepoPath>,
    /// What the run may do.
    pub mode: Mode,
    /// How much is compared.
    pub depth: Depth,
    /// On what roles are retired.
    pub prune: Prune,
    /// Whether roles of another history may be written to.
    pub rewrite: Rewrite,
}

/// What to do about roles whose last commit is not in the history of this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rewrite {
    /// Nothing is written: the run may be late.
    #[default]
    Refused,
    /// The user says that the branch was rewritten: the roles are tagged with our commit.
    Accepted,
}

/// The changes of one cluster, in the order of their roles' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One for each ServiceAccount asked for and each orphan.
    pub changes: BTreeMap<RoleLabel, Change>,
    /// What IAM's side of the comparison showed.
    pub diagnostics: Vec<Diagnostic>,
}

/// What becomes of every role, and whether it may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The changes.
    pub plan: Plan,
    /// What is to be written to the record before anything else.
    pub record: Option<record::Write>,
    /// Why nothing of it may be carried out.
    pub obstacle: Option<Obstacle>,
}

/// Why nothing of a plan may be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Nobody's fault: something was applied that is not in our history.
    #[error(transparent)]
    Superseded(#[from] Box<Superseded>),
    /// The state of the account, or of the manifests: going on would do harm.
    #[error(transparent)]
    Refused(#[from] guard::Refusal),
}

impl Plan {
    fn add(
        &mut self,
        role: &RoleLabel,
        service_account: &ServiceAccountRef,
        location: Option<Location>,
        action: Action,
        reason: Reason,
    ) {
        let change = Change {
            role: role.clone(),
            service_account: service_account.clone(),
            location,
            action,
            reason,
        };
        self.changes.insert(role.clone(), change);
    }

    /// The changes that write to IAM.
    pub fn writes(&self) -> impl Iterator<Item = &Change> {
        self.changes.values().filter(|change| change.writes())
    }
}

#[cfg(test)]
mod tests;
