//! What the verbs that write share: who is asked first, where each write is announced, how a run takes
//! turns with others, and how it is stopped.

use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;

use super::error::Error;
use super::invocation::Invocation;
use crate::iam::audit::AuditLog;
use crate::plan::saved::SavedPlan;
use crate::reconcile::{self, Agreed, Bounds, Declarations, Manifests, Turn};
use crate::report::ending::Heed;
use crate::report::{Command, Report, Section};
use crate::settings::{self, ClusterSettings};
use crate::terminal::console::Console;
use crate::terminal::progress::Watcher;
use crate::terminal::question;
use crate::terminal::signals::Signals;

/// What a run that writes is bound to.
#[derive(Clone, Debug, Args)]
pub(super) struct WriteArgs {
    /// How long another run that writes to the same cluster is waited for; 0 does not wait
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10m",
        value_parser = settings::duration,
        help_heading = "Changes",
        env = "IRSA_GITOPS_LOCK_TIMEOUT"
    )]
    lock_timeout: SignedDuration,
    /// After how long another run is taken for dead that shows no sign of life, 1s to 1h
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "60s",
        value_parser = settings::lease,
        help_heading = "Changes",
        env = "IRSA_GITOPS_LOCK_LEASE"
    )]
    lock_lease: SignedDuration,
    /// How long the lock is kept after the last write, until IAM shows it to everybody; 5s where nothing queues the runs
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "0s",
        value_parser = settings::duration,
        help_heading = "Changes",
        env = "IRSA_GITOPS_LOCK_SETTLE"
    )]
    lock_settle: SignedDuration,
    /// Append one JSON line before and after each write to this file, synced
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Report",
        env = "IRSA_GITOPS_AUDIT_LOG"
    )]
    audit_log: Option<PathBuf>,
}

/// A run that may write.
pub(super) struct Writing<'a> {
    pub(super) command: Command,
    /// Whether somebody is asked before the first write.
    pub(super) asks: bool,
    /// A plan that was saved: nothing else is done.
    pub(super) saved: Option<&'a SavedPlan>,
    pub(super) clusters: &'a [ClusterSettings],
    pub(super) manifests: &'a Manifests,
    pub(super) run: &'a Invocation,
    pub(super) console: &'a Console,
}

impl WriteArgs {
    /// Opens the log, if one is to be written.
    fn audit_log(&self, manifests: &Manifests) -> Result<Option<AuditLog>, Error> {
        let open = |path: &PathBuf| {
            let opened = AuditLog::open(path, manifests.commit());
            opened.map_err(Error::open("--audit-log", path))
        };
        self.audit_log.as_ref().map(open).transpose()
    }

    /// Carries out the work within its bounds, and says what came of it.
    pub(super) fn carry_out(
        &self,
        writing: &Writing<'_>,
        work: impl AsyncFnOnce(Bounds<'_>) -> Result<Vec<Section>, reconcile::Error>,
    ) -> Result<Report, Error> {
        let (manifests, console) = (writing.manifests, writing.console);
        let log = self.audit_log(manifests)?;
        let report = |command, sections, caught| {
            manifests.report(command, writing.clusters, sections, Heed::Nothing, caught)
        };
        let signals = Signals::listen().map_err(Error::Runtime)?;
        let now = jiff::Timestamp::now();
        let turn = Turn::new(now, self.lock_timeout, self.lock_lease, self.lock_settle);
        let watcher = Watcher::new(console);
        let approve = |sections: Vec<Section>| -> Agreed<'_> {
            watcher.pause();
            // What apply is about to do reads as a plan.
            let shown = match writing.command {
                Command::Apply => Command::Plan,
                named => named,
            };
            let mut shown = report(shown, sections, None);
            shown.complete(&|text, cluster| writing.run.complete(text, cluster));
            Box::pin(question::agreed(shown, console))
        };
        let bounds = Bounds {
            saved: writing.saved,
            approve: writing.asks.then_some(&approve),
            log: log.as_ref(),
            turn: &turn,
            stop: signals.stop(),
            observe: &|event| watcher.hear(event),
        };
        let sections = super::runtime()?.block_on(work(bounds));
        let sections = sections.map_err(|error| Error::or_signal(error, signals.caught()))?;
        drop(watcher);
        Ok(report(writing.command, sections, signals.caught()))
    }
}
