//! `lint`: every problem a ServiceAccount has, offline.

use clap::Args;

use super::args::{NamingArgs, SourceArgs};
use super::console::Console;
use super::error::Error;
use super::input::{self, Manifests};
use super::output::ReportArgs;
use crate::diagnostic::Severity;
use crate::exit::Exit;
use crate::model::cluster::ClusterName;
use crate::report::{Command, Report, Section};

/// Check the manifests of a revision, offline and without credentials
///
/// Reports every problem that would keep a ServiceAccount from its role, with file, line, column
/// and the value that would be right. Without --account and --region any account and partition in
/// a role-arn annotation will do.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  irsa-gitops lint
  irsa-gitops lint --revision origin/main --path clusters/prod --account 123456789012
  irsa-gitops lint --directory rendered/ --format json

Exit codes: 0 no errors, 2 usage, 4 errors found, 6 the repository cannot be reached.")]
pub(super) struct LintArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    naming: NamingArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

pub(super) fn run(args: &LintArgs, console: &Console) -> Result<Report, Error> {
    let clusters = args
        .naming
        .inputs(&args.naming.input(&args.source.repository.paths))?;
    let namings = clusters
        .iter()
        .map(|cluster| cluster.naming())
        .collect::<Result<Vec<_>, _>>()?;
    let paths = input::union(clusters.iter().map(|cluster| cluster.scope()));
    let manifests = Manifests::read(&args.source, &paths, console)
        .map_err(|error| error.at_root("lint", &args.source.repository, &paths))?;
    let sections = clusters
        .iter()
        .zip(namings)
        .map(|(cluster, naming)| Section {
            cluster: cluster
                .name
                .as_deref()
                .and_then(|name| ClusterName::new(name).ok()),
            diagnostics: manifests.asked(&cluster.scope(), &naming).diagnostics,
            account: naming.account,
            entries: vec![],
        });
    let mut report = Report {
        command: Command::Lint,
        repository: Some(manifests.repository().to_owned()),
        commit: manifests.commit().cloned(),
        exit: Exit::Success,
        clusters: sections.collect(),
        error: None,
        listing: args.report.listing(),
    };
    if report.count(Severity::Error) > 0 {
        report.exit = Exit::InputRejected;
    }
    Ok(report)
}
