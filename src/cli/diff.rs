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
use crate::reconcile::manifests::Reading;
use crate::reconcile::{Event, Manifests, compare, manifests};
use crate::report::ending::Heed;
use crate::report::{Command, Report};
use crate::settings;
use crate::source;
use crate::terminal::console::Console;
use crate::terminal::progress::Watcher;

/// Arguments that it is often given.
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
    // As git diff has it: three dots compare with where the two went different ways.
    let (base, head, dots) = match range.split_once("...") {
        Some((base, head)) => (base, head, "..."),
        None => match range.split_once("..") {
            Some((base, head)) => (base, head, ".."),
            None => (range.as_str(), "HEAD", ".."),
        },
    };
    let [base, head] = [base, head].map(|rev| if rev.is_empty() { "HEAD" } else { rev });
    let (clusters, names) = args.cluster.offline_settings(&args.repository.paths)?;
    let paths = manifests::all_paths(&clusters);
    let watcher = Watcher::new(console);
    let observe = |event: Event<'_>| watcher.hear(event);
    let repository = args.operand.of_repository(&args.repository);
    let opened = input::address(&repository, head).open(&observe);
    let repository = Rc::new(opened.map_err(|error| {
        let before = format!("diff {}", source::quoted(&range));
        Error::from(error).at_root(&before, &args.repository.paths, &paths)
    })?);
    let range = |base: &str, head: &str| format!("irsa-gitops diff {base}{dots}{head}{REST}");
    let named =
        |error, spell: &dyn Fn(&str) -> String| Error::from(error).about_as("BASE..HEAD", spell);
    let old = repository.resolve(base);
    let mut old = old.map_err(|e| named(e, &|base| range(base, head)))?;
    let new = repository.resolve(head);
    let new = new.map_err(|e| named(e, &|head| range(base, head)))?;
    if dots == "..." {
        old = compare::fork(&repository, (base, head), &old, &new)?;
    }
    let conventions = settings::shared(&clusters)?;
    let extent = Extent::Ours;
    let cache = input::cache(&args.repository, &conventions, extent);
    let reading = Reading {
        conventions: &conventions,
        extent,
        cache: cache.as_ref(),
    };
    let before = Manifests::at_base(&repository, &old, &paths, reading)?;
    let after = Manifests::at(&repository, &new, &paths, reading)?;
    let sections = compare::compare(&clusters, names, &before, &after)?;
    let heed = match args.exit_code {
        true => Heed::ThisChange,
        false => Heed::Nothing,
    };
    Ok(after.report(Command::Diff, &clusters, sections, heed, None))
}
