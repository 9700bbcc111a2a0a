//! `plan`: what apply would do.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::args::{ChangeArgs, ClusterArgs, IamArgs};
use super::error::Error;
use super::input;
use super::output::ReportArgs;
use super::source::{OperandArgs, SourceArgs};
use crate::manual::tail;
use crate::plan::saved::SavedPlan;
use crate::reconcile::ahead::Asking;
use crate::reconcile::manifests::all_paths;
use crate::reconcile::{self, Declarations, Event};
use crate::report::ending::Heed;
use crate::report::sanitize::line;
use crate::report::{Command, Report};
use crate::terminal::console::Console;
use crate::terminal::progress::Watcher;
use crate::terminal::signals::Signals;

const EXAMPLES: &[&str] = &[
    "",
    " https://github.com/acme/apps --revision main --path apps",
    " --base origin/main --format markdown",
    " --sandbox iam.json --exit-code --format json",
];

/// Show what apply would do, with read-only access to IAM
///
/// Compares the manifests of a revision with IAM and lists every change with its reason. It is given
/// an IAM client that has no method to write. A plan that is superseded, or that a guard refuses, is
/// shown and marked so, and never saved.
#[derive(Debug, Args)]
#[command(after_help = tail("plan", EXAMPLES))]
pub(super) struct PlanArgs {
    #[command(flatten)]
    operand: OperandArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    iam: IamArgs,
    #[command(flatten)]
    changes: ChangeArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
    /// End with exit code 3 if there is something to change
    #[arg(long, help_heading = "Changes")]
    exit_code: bool,
    /// Say of each change whether this change causes it, it is pending on this revision, or it is drift
    #[arg(
        long,
        value_name = "REV",
        help_heading = "Changes",
        conflicts_with = "directory",
        env = "IRSA_GITOPS_BASE"
    )]
    base: Option<String>,
    /// With --base: end with exit code 3 if there is such a change
    #[arg(
        long,
        value_name = "WHICH",
        value_enum,
        help_heading = "Changes",
        requires = "base"
    )]
    fail_on: Option<FailOn>,
    /// Save the plan to this file, for apply --plan
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Changes",
        conflicts_with = "directory"
    )]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// One that the commits since the base cause
    ThisChange,
    /// Any
    Any,
}

impl PlanArgs {
    /// Which changes the user wants to hear of by the exit code.
    fn heed(&self) -> Heed {
        match (self.fail_on, self.exit_code) {
            (None, false) => Heed::Nothing,
            (None, true) => Heed::Writes,
            (Some(FailOn::ThisChange), false) => Heed::ThisChange,
            (Some(FailOn::ThisChange), true) | (Some(FailOn::Any), _) => Heed::Any,
        }
    }
}

pub(super) fn run(args: &PlanArgs, console: &Console) -> Result<Report, Error> {
    let clusters = args
        .cluster
        .settings(&args.source.repository.paths, &args.iam)?;
    let source = args.changes.source(&args.operand.of(&args.source));
    let endpoint = args.iam.endpoint(&clusters, console)?;
    let runtime = Arc::new(super::runtime()?);
    let asking = Asking::begin(&runtime, &endpoint, &clusters);
    let manifests = input::read(&source, &clusters, "plan", console)?;
    let paths = all_paths(&clusters);
    let base = args.base.as_deref();
    let base = base.map(|base| manifests.base(base, &paths)).transpose();
    let base = base
        .map_err(|error| Error::from(error).about("--base"))?
        .flatten();
    let commit = manifests.commit().filter(|_| args.out.is_some());
    let mut saved = commit.map(|commit| SavedPlan::new(manifests.repository(), commit));
    let terms = args.changes.terms()?;
    let watcher = Watcher::new(console);
    watcher.hear(Event::Reading);
    let planning = async {
        let readers = asking.readers().await?;
        let (base, saved) = (base.as_ref(), saved.as_mut());
        reconcile::apply::plan(&clusters, &manifests, base, &terms, saved, &readers).await
    };
    let signals = Signals::listen().map_err(Error::Runtime)?;
    let planning = reconcile::unless_stopped(signals.stop(), planning);
    let sections = runtime.block_on(planning);
    let sections = sections.map_err(|error| Error::or_signal(error, signals.caught()))?;
    drop(watcher);
    let is_late = sections.iter().any(|section| section.superseded.is_some());
    if let (Some(path), true) = (&args.out, is_late) {
        let path = path.display().to_string();
        let note = "nothing was saved there, as the plan is superseded";
        console.print_error(&format!("note: --out {}: {note}\n", line(&path)));
    } else if let (Some(path), Some(saved)) = (&args.out, saved) {
        std::fs::write(path, saved.to_text()).map_err(Error::open("--out", path))?;
    }
    Ok(manifests.report(Command::Plan, &clusters, sections, args.heed(), None))
}
