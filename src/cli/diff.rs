//! `diff`: the roles that change between two commits, offline.

use std::rc::Rc;

use clap::Args;

use super::args::ClusterArgs;
use super::error::Error;
use super::input;
use super::output::ReportArgs;
use super::source::{OperandArgs, RepositoryArgs};
use crate::manifest::Extent;
use crate::manual::tail;
use crate::model::redact;
use crate::model::shell::REST;
use crate::reconcile::compare::{self, Range};
use crate::reconcile::manifests::Reading;
use crate::reconcile::{Event, Manifests, manifests};
use crate::report::ending::Heed;
use crate::report::{Command, Report};
use crate::settings;
use crate::source;
use crate::terminal::console::Console;
use crate::terminal::progress::Watcher;

const EXAMPLES: &[&str] = &[
    " origin/main...HEAD",
    " v1.2..v1.3 https://github.com/acme/apps --format json",
];

/// Show the roles that change between two commits, offline and without credentials
///
/// Compares the manifests of two commits: roles that are added, that are no longer declared, whose
/// audience changes, and ServiceAccounts that are renamed. Safe for pull requests from forks.
#[derive(Debug, Args)]
#[command(after_help = tail("diff", EXAMPLES))]
pub(super) struct DiffArgs {
    /// The two commits: BASE..HEAD, BASE...HEAD for what HEAD changes since it left BASE, or BASE
    /// alone for BASE..HEAD of the repository
    #[arg(value_name = "BASE..HEAD")]
    range: String,
    #[command(flatten)]
    operand: OperandArgs,
    #[command(flatten)]
    repository: RepositoryArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
    /// End with exit code 3 if a role changes
    #[arg(long, help_heading = "Report")]
    exit_code: bool,
}

pub(super) fn run(args: &DiffArgs, console: &Console) -> Result<Report, Error> {
    // An address that was given instead would be told in parts, a password among them.
    let range = match args.range.contains("://") {
        true => redact::sentence(&args.range),
        false => args.range.clone(),
    };
    let range = Range::parse(&range);
    let (clusters, names) = args.cluster.offline_settings(&args.repository.paths)?;
    let paths = manifests::all_paths(&clusters);
    let watcher = Watcher::new(console);
    let observe = |event: Event<'_>| watcher.hear(event);
    let repository = args.operand.of_repository(&args.repository);
    let opened = input::address(&repository, range.head).open(&observe);
    let repository = Rc::new(opened.map_err(|error| {
        let before = format!("diff {}", source::quoted(&range.to_string()));
        Error::from(error).at_root(&before, &args.repository.paths, &paths)
    })?);
    let (old, new) = range.resolve(&repository).map_err(|unresolved| {
        let (part, error) = *unresolved;
        let instead = |full: &str| format!("irsa-gitops diff {}{REST}", range.with(part, full));
        Error::from(error).about_as("BASE..HEAD", instead)
    })?;
    let conventions = settings::shared(&clusters)?;
    let extent = Extent::Ours;
    let cache = input::cache(&args.repository, &conventions, extent);
    let reading = Reading {
        conventions: &conventions,
        extent,
        cache: cache.as_ref(),
    };
    let before = Manifests::at_base(&repository, &old, &paths, reading)?;
    let after = Manifests::at(&repository, &new, &paths, reading)?.of_clusters(&clusters);
    let sections = compare::compare(&clusters, names, &before, &after)?;
    let heed = match args.exit_code {
        true => Heed::ThisChange,
        false => Heed::Nothing,
    };
    Ok(after.report(Command::Diff, &clusters, sections, heed, None))
}
