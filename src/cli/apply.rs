//! `apply`: does what plan says.

use std::path::{Path, PathBuf};

use clap::Args;

use super::args::{ChangeArgs, ClusterArgs, IamArgs};
use super::error::Error;
use super::input;
use super::invocation::Invocation;
use super::output::ReportArgs;
use super::source::{OperandArgs, SourceArgs};
use super::writing::{WriteArgs, Writing};
use crate::manual::tail;
use crate::plan::saved::SavedPlan;
use crate::reconcile::{self, Bounds};
use crate::report::{Command, Report};
use crate::settings::ClusterSettings;
use crate::terminal::console::Console;

const EXAMPLES: &[&str] = &[
    "",
    " --revision \"$GITHUB_SHA\" --output json=report.json",
    " --sandbox iam.json",
];

/// Make IAM match the manifests of a revision
///
/// Does what `plan` lists. Every role is read again right before it is written to; a role that
/// somebody else changed meanwhile is left alone. Ctrl-C stops safely. On a terminal (standard input and
/// output) it shows the plan and asks, unless --yes is given or CI is set; what was not shown is not done.
#[derive(Debug, Args)]
#[command(after_help = tail("apply", EXAMPLES))]
pub(super) struct ApplyArgs {
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
    #[command(flatten)]
    write: WriteArgs,
    /// Do only what this plan says that plan --out has saved: its commit, its changes; with
    /// --revision at that commit, if it declares what was planned
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Changes",
        conflicts_with = "directory"
    )]
    plan: Option<PathBuf>,
    /// On a terminal: write without a question
    #[arg(long, help_heading = "Changes")]
    yes: bool,
    /// With --plan: only if its commit, or that of --revision, is in the history of this branch or
    /// commit, or of a tag that is named in full (refs/tags/v1)
    #[arg(long, value_name = "REF", help_heading = "Changes", requires = "plan")]
    require_reachable_from: Option<String>,
}

pub(super) fn run(args: &ApplyArgs, run: &Invocation, console: &Console) -> Result<Report, Error> {
    let clusters = args
        .cluster
        .settings(&args.source.repository.paths, &args.iam)?;
    let saved = args.plan.as_deref().map(open_plan).transpose()?;
    let mut source = args.changes.source(&args.operand.of(&args.source));
    if let (Some(saved), None) = (&saved, &source.revision) {
        source.revision = Some(saved.commit()?.to_string());
    }
    let manifests = input::read(&source, &clusters, "apply", console)?;
    if let Some(reference) = &args.require_reachable_from {
        let reachable = manifests.require_reachable_from(reference);
        reachable.map_err(|error| Error::from(error).about("--require-reachable-from"))?;
    }
    let (terms, endpoint) = (
        args.changes.terms()?,
        args.iam.endpoint(&clusters, console)?,
    );
    let writing = Writing {
        command: Command::Apply,
        asks: !args.yes && console.is_attended(),
        saved: saved.as_ref(),
        clusters: &clusters,
        manifests: &manifests,
        run,
        console,
    };
    let connect = async |cluster: &ClusterSettings| endpoint.writer(cluster).await;
    let work = async |bounds: Bounds<'_>| {
        reconcile::apply::apply(&clusters, &manifests, &terms, bounds, connect).await
    };
    args.write.carry_out(&writing, work)
}

fn open_plan(path: &Path) -> Result<SavedPlan, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::open("--plan", path))?;
    Ok(SavedPlan::parse(&text)?)
}
