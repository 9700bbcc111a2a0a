//! `adopt`: takes named existing roles over.

use clap::Args;

use super::args::{ClusterArgs, IamArgs, NamedSourceArgs};
use super::console::Console;
use super::error::Error;
use super::input;
use super::output::ReportArgs;
use super::signals::Signals;
use crate::exit::Exit;
use crate::model::role::RoleName;
use crate::reconcile::manifests::all_paths;
use crate::reconcile::{self, Declarations, adopt, explain};
use crate::report::ending::{Ending, Heed};
use crate::report::{Command, Report};
use crate::source;

const EXAMPLES: &str = "\
Examples:
  irsa-gitops adopt k8s-sa_bar_foo k8s-sa_bar_baz --cluster-name prod --oidc-provider ISSUER
  irsa-gitops adopt k8s-sa_bar_foo --yes --cluster-name prod --oidc-provider ISSUER
  irsa-gitops adopt k8s-sa_bar_foo --yes --config clusters.yaml --cluster-name blue";

/// How it can end.
const EXITS: &[Exit] = &[
    Exit::Success,
    Exit::Bug,
    Exit::Usage,
    Exit::InputRejected,
    Exit::Unavailable,
    Exit::Incomplete,
    Exit::OutcomeUnknown,
    Exit::Superseded,
    Exit::Interrupted,
    Exit::Terminated,
];

/// Take over roles that were made by hand or by the controller
///
/// A role is taken over by tagging it, and only if its trust policy proves that it serves its
/// ServiceAccount already. Nothing else of it changes, so nobody loses access; the next apply
/// brings its trust policy to what is declared. Shows what it would do unless --yes is given.
#[derive(Debug, Args)]
#[command(after_help = super::after_help(EXAMPLES, EXITS))]
pub(super) struct AdoptArgs {
    /// Names of the roles
    #[arg(value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// Write the tags, instead of only showing them
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    source: NamedSourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    iam: IamArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

pub(super) fn run(args: &AdoptArgs, console: &Console) -> Result<Report, Error> {
    let names = args
        .roles
        .iter()
        .map(|name| RoleName::new(name).map_err(reconcile::Error::Role));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let mut source = args.source.source();
    // A cache can hide what speaks against a role, and has no say in what is written.
    source.repository.no_cache |= args.yes;
    let clusters = args.cluster.settings(&source.repository.paths, &args.iam)?;
    let [settings] = &clusters[..] else {
        return Err(reconcile::Error::WhichCluster(explain::names(&clusters)).into());
    };
    let paths = all_paths(&clusters);
    let manifests = input::read(&source, &paths, console).map_err(|error| {
        let roles = names.iter().map(|name| source::quoted(name.as_str()));
        let before = format!("adopt {} --repo", roles.collect::<Vec<_>>().join(" "));
        error.at_root(&before, &source.repository.paths, &paths)
    })?;
    let endpoint = args.iam.endpoint(&clusters, console)?;
    let signals = Signals::listen()?;
    let section = async {
        if args.yes {
            let iam = endpoint.writer(settings).await?;
            adopt::adopt(&names, settings, &manifests, &iam, signals.stop()).await
        } else {
            let iam = endpoint.reader(settings).await?;
            adopt::show(&names, settings, &manifests, &iam).await
        }
    };
    let section = signals.told(super::runtime()?.block_on(section))?;
    let sections = vec![section];
    let ending = Ending {
        command: Command::Adopt,
        sections: &sections,
        heed: Heed::Nothing,
        signal: signals.caught(),
    };
    Ok(Report {
        command: Command::Adopt,
        repository: Some(manifests.repository().to_owned()),
        commit: manifests.commit().cloned(),
        exit: ending.exit(),
        clusters: sections,
        error: None,
        listing: args.report.listing(),
    })
}
