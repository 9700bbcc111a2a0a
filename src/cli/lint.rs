//! `lint`: every problem a ServiceAccount has, offline.

use clap::Args;

use super::args::ClusterArgs;
use super::error::Error;
use super::input;
use super::output::ReportArgs;
use super::source::{OperandArgs, SourceArgs};
use crate::manifest::Extent;
use crate::manual::tail;
use crate::reconcile::lint::lint;
use crate::report::ending::Heed;
use crate::report::{Command, Report};
use crate::terminal::console::Console;

const EXAMPLES: &[&str] = &[
    "",
    " --revision origin/main --path apps --account 123456789012",
    " --directory rendered/ --format json",
];

/// Check the manifests of a revision, offline and without credentials
///
/// Reports every problem that would keep a ServiceAccount from its role, with file, line, column
/// and the value that would be right. Without --account and --region any account and partition in
/// a role-arn annotation will do. Takes the flags of its neighbours, and needs none.
#[derive(Debug, Args)]
#[command(after_help = tail("lint", EXAMPLES))]
pub(super) struct LintArgs {
    #[command(flatten)]
    operand: OperandArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

pub(super) fn run(args: &LintArgs, console: &Console) -> Result<Report, Error> {
    let (clusters, names) = args
        .cluster
        .offline_settings(&args.source.repository.paths)?;
    let source = args.operand.of(&args.source);
    let found = input::read_as(&source, &clusters, "lint", Extent::Whole, console)?;
    let sections = lint(&clusters, names, &found)?;
    Ok(found.report(Command::Lint, &clusters, sections, Heed::Nothing, None))
}
