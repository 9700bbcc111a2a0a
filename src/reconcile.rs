//! Who asks whom, and in which order: the whole run, from what is declared to what was written.
//!
//! ```text
//! what the manifests declare  (source, manifest, desired)  manifests, history, elsewhere
//! what IAM has                (an IamReader)               ahead, survey
//! what has to change          (plan: Facts)                survey
//! └> apply                    (an IamWriter)               apply, named
//! ```
//!
//! In: plain requests, a reader or a writer of IAM, and somebody who knows what is declared
//! ([`Declarations`]). Out: what a report tells. Knows no arguments, environment or terminal, so
//! that whoever embeds it calls what the program calls. Progress goes to an [`Observer`].

use jiff::{SignedDuration, Timestamp};

use crate::apply::{Outcome, Stop};
use crate::desired::Resolved;
use crate::diagnostic::Diagnostic;
use crate::model::cluster::Naming;
use crate::model::commit::CommitId;
use crate::model::history::SourceCommit;
use crate::model::location::RepoPath;
use crate::plan::guard::Allowed;
use crate::plan::history::Questions;
use crate::plan::{Change, Depth, History, Mode, Prune, Rewrite, Run};

mod adopt;
mod again;
pub mod ahead;
pub mod apply;
mod approval;
mod bounds;
mod checked;
mod checkout;
pub mod compare;
mod conclusion;
mod doubts;
mod elsewhere;
pub mod endpoint;
mod error;
mod exclusive;
pub mod explain;
mod findings;
mod history;
mod ignored;
pub mod inventory;
pub mod lint;
pub mod manifests;
mod mentions;
pub mod named;
pub mod place;
mod remembered;
mod rendered;
mod retire;
mod review;
mod search;
mod successors;
pub mod survey;
mod unrendered;

pub use bounds::{Agreed, Approve, Bounds};
pub use error::Error;
pub use exclusive::Turn;
pub use manifests::Manifests;
pub use remembered::cache;

/// What a run may do, and how closely it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What may be changed.
    pub mode: Mode,
    /// How much of an existing role is compared.
    pub depth: Depth,
    /// How long a role stays quarantined before it is deleted.
    pub prune_after: SignedDuration,
    /// The time of the run, which decides whether a quarantine is over.
    pub now: Timestamp,
    /// What the user allowed beyond the guards.
    pub allowed: Allowed,
    /// Whether roles of another history may be written to.
    pub rewrite: Rewrite,
}

/// What is declared, and what history says of it: Git, plain files, or a test.
pub trait Declarations {
    /// The repository for people, without credentials.
    fn repository(&self) -> &str;

    /// The commit that was read; plain files may stand for none.
    fn commit(&self) -> Option<&CommitId>;

    /// What that commit was rendered from, where its message tells.
    fn source_commit(&self) -> Option<&SourceCommit> {
        None
    }

    /// What the manifests below these paths declare; no path means all of them.
    fn declared(&self, paths: &[RepoPath], naming: &Naming) -> ClusterManifests;

    /// What history says of manifests below these paths. What has no answer is unknown.
    ///
    /// # Errors
    ///
    /// If an object of history cannot be read.
    fn history(&self, questions: &Questions, paths: &[RepoPath]) -> Result<History, Error>;

    /// The same read again without what a cache said of it; `None` if that is the same.
    ///
    /// # Errors
    ///
    /// If it cannot be read again.
    fn without_cache(&self) -> Result<Option<Self>, Error>
    where
        Self: Sized,
    {
        Ok(None)
    }
}

/// What the manifests of one cluster declare.
#[derive(Clone, Debug, Default)]
pub struct ClusterManifests {
    /// Every ServiceAccount that carries the managed annotation.
    pub resolved: Resolved,
    /// All findings about manifests, in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
}

/// How far a run is.
#[derive(Debug)]
pub enum Event<'a> {
    /// A repository is being connected to.
    Connecting,
    /// Objects of a clone were received: how many, of how many.
    Receiving(usize, usize),
    /// Roles are being read.
    Reading,
    /// Another run writes to a cluster, and is waited for.
    Waiting(&'a str),
    /// Everything is written, and IAM is given time to show it.
    Settling,
    /// So many roles are to be written.
    Writing(usize),
    /// A change was carried out, or not.
    Finished(&'a Change, &'a Outcome),
}

/// Hears how far a run is.
pub type Observer<'a> = &'a dyn Fn(Event<'_>);

/// Does what only reads, unless a stop is requested first: nothing is lost by dropping it.
///
/// # Errors
///
/// [`Error::Stopped`], or that of the work.
pub async fn unless_stopped<T>(
    stop: &Stop,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let result = tokio::select! {
        biased;
        () = stop.requested() => return Err(Error::Stopped),
        result = work => result,
    };
    // A request that came while the thread was busy counts as well.
    match stop.is_requested() {
        true => Err(Error::Stopped),
        false => result,
    }
}

impl Terms {
    /// Those of a verb that retires nothing.
    pub fn keeping(depth: Depth) -> Self {
        Self {
            mode: Mode::UpsertOnly,
            depth,
            prune_after: SignedDuration::ZERO,
            now: Timestamp::UNIX_EPOCH,
            allowed: Allowed::default(),
            rewrite: Rewrite::Refused,
        }
    }

    /// The run over what is declared below some paths.
    fn run(&self, declarations: &impl Declarations, paths: &[RepoPath]) -> Run {
        Run {
            repository: declarations.repository().to_owned(),
            commit: declarations.commit().cloned(),
            source: declarations.source_commit().cloned(),
            paths: paths.to_vec(),
            mode: self.mode,
            depth: self.depth,
            prune: Prune {
                after: self.prune_after,
                now: self.now,
            },
            rewrite: self.rewrite,
        }
    }
}
