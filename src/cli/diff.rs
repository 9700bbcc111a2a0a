//! `diff`: the roles that change between two commits, offline.

use std::rc::Rc;

use clap::Args;

use super::args::{ChangeArgs, ClusterArgs, RepositoryArgs};
use super::console::Console;
use super::error::Error;
use super::input::{self, Manifests};
use super::output::ReportArgs;
use crate::exit::Exit;
use crate::manifest::Completeness;
use crate::model::arn::{AwsAccountId, Partition};
use crate::plan::{Depth, Mode, Rewrite, Run};
use crate::report::{Command, Entry, Report, Section};
use crate::source;

/// Stands for the account in documents where nobody said which one it is.
const ANY_ACCOUNT: &str = "000000000000";

/// Show the roles that change between two commits, offline and without credentials
///
/// Compares the manifests of two commits: roles that are added, that are no longer declared, whose
/// audience changes, and ServiceAccounts that are renamed. Safe for pull requests from forks.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  irsa-gitops diff origin/main...HEAD
  irsa-gitops diff v1.2..v1.3 https://github.com/acme/apps --path clusters/prod --format json

Exit codes: 0 compared, 2 usage, 3 roles change (with --exit-code), 4 input rejected,
6 the repository cannot be reached, 7 some ServiceAccounts are held.")]
pub(super) struct DiffArgs {
    /// The two commits: BASE..HEAD, BASE...HEAD for what HEAD changes since it left BASE, or BASE
    /// alone for BASE..HEAD of the repository
    #[arg(value_name = "BASE..HEAD")]
    range: String,
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
    // As git diff has it: three dots compare with where the two went different ways.
    let (base, head, dots) = match args.range.split_once("...") {
        Some((base, head)) => (base, head, "..."),
        None => match args.range.split_once("..") {
            Some((base, head)) => (base, head, ".."),
            None => (args.range.as_str(), "HEAD", ".."),
        },
    };
    let [base, head] = [base, head].map(|rev| if rev.is_empty() { "HEAD" } else { rev });
    let (clusters, names) = args.cluster.offline_settings(&args.repository.paths)?;
    let paths = input::all_paths(&clusters);
    let repository = input::open(&args.repository, head, console).map_err(|error| {
        let before = format!("diff {}", source::quoted(&args.range));
        error.at_root(&before, &args.repository, &paths)
    });
    let repository = Rc::new(repository?);
    let range = |base: &str, head: &str| format!("irsa-gitops diff {base}{dots}{head}");
    let named =
        |error, spell: &dyn Fn(&str) -> String| Error::from(error).about_as("BASE..HEAD", spell);
    let old = repository.resolve(base);
    let mut old = old.map_err(|e| named(e, &|base| range(base, head)))?;
    let new = repository.resolve(head);
    let new = new.map_err(|e| named(e, &|head| range(base, head)))?;
    if dots == "..." {
        let fork = repository.merge_base(&old, &new);
        old = fork.ok_or_else(|| Error::NoMergeBase(base.to_owned(), head.to_owned()))?;
    }
    let before = Manifests::at_base(&repository, &old, &paths)?;
    let after = Manifests::at(&repository, &new, &paths, None)?;
    let mut sections = Vec::new();
    for (settings, name) in clusters.iter().zip(names) {
        let naming = settings.naming();
        let account = naming.account.clone();
        let placeholder = || AwsAccountId::new(ANY_ACCOUNT).expect("twelve digits");
        let partition = naming
            .partition
            .clone()
            .unwrap_or_else(|| Partition::of_region(""));
        let cluster =
            settings.for_caller(&account.clone().unwrap_or_else(placeholder), &partition)?;
        let asked = after.asked(&settings.paths, naming);
        let run = Run {
            repository: after.repository().to_owned(),
            commit: after.commit().cloned(),
            mode: Mode::UpsertOnly,
            depth: Depth::Listing,
            prune: ChangeArgs::no_prune(Completeness::Whole),
            rewrite: Rewrite::Refused,
        };
        let base = before.asked(&settings.paths, naming).resolved;
        let plan = crate::plan::compare(&base, &asked.resolved, &cluster, &run);
        let mut diagnostics = asked.diagnostics;
        diagnostics.extend(plan.diagnostics);
        let entry = |change| Entry {
            change,
            outcome: None,
            origin: None,
        };
        sections.push(Section {
            cluster: name,
            account,
            entries: plan.changes.into_values().map(entry).collect(),
            diagnostics,
        });
    }
    let changes = |section: &Section| section.entries.iter().any(|entry| entry.change.is_change());
    let exit = if super::preview::is_incomplete(&sections) {
        Exit::Incomplete
    } else if args.exit_code && sections.iter().any(changes) {
        Exit::ChangesPending
    } else {
        Exit::Success
    };
    Ok(Report {
        command: Command::Diff,
        repository: Some(after.repository().to_owned()),
        commit: after.commit().cloned(),
        exit,
        clusters: sections,
        error: None,
        listing: args.report.listing(),
    })
}
