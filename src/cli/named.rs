//! What the verbs about named roles share: arguments in, a report out.

use clap::Args;

use super::args::{AuditArgs, ClusterArgs, IamArgs, NamedSourceArgs};
use super::console::Console;
use super::error::Error;
use super::input;
use super::output::ReportArgs;
use super::signals::Signals;
use crate::exit::Exit;
use crate::iam::audit::Audited;
use crate::model::role::RoleName;
use crate::reconcile::manifests::all_paths;
use crate::reconcile::named::{self, Verb};
use crate::reconcile::{self, Declarations, explain};
use crate::report::ending::{Ending, Heed};
use crate::report::{Command, Report};
use crate::source;

/// How these verbs can end.
pub(super) const EXITS: &[Exit] = &[
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

/// Names of roles, and what has to be known to write to them.
#[derive(Debug, Args)]
pub(super) struct NamedArgs {
    /// Names of the roles
    #[arg(value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// Write to the roles, instead of only showing what would be written
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
    #[command(flatten)]
    audit: AuditArgs,
}

impl NamedArgs {
    /// Does what a verb does, or shows it.
    pub(super) fn run(
        &self,
        verb: Verb,
        command: Command,
        console: &Console,
    ) -> Result<Report, Error> {
        let names = self
            .roles
            .iter()
            .map(|name| RoleName::new(name).map_err(reconcile::Error::Role));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let mut source = self.source.source();
        // A cache can hide what speaks against a role, and has no say in what is written.
        source.repository.no_cache |= self.yes;
        let clusters = self.cluster.settings(&source.repository.paths, &self.iam)?;
        let [settings] = &clusters[..] else {
            return Err(reconcile::Error::WhichCluster(explain::names(&clusters)).into());
        };
        let paths = all_paths(&clusters);
        let manifests = input::read(&source, &paths, &clusters, console).map_err(|error| {
            let roles = names.iter().map(|name| source::quoted(name.as_str()));
            let roles = roles.collect::<Vec<_>>().join(" ");
            let before = format!("{} {roles} --repo", command.as_str());
            error.at_root(&before, &source.repository.paths, &paths)
        })?;
        let log = self.audit.open(&manifests)?;
        let endpoint = self.iam.endpoint(&clusters, console)?;
        let signals = Signals::listen()?;
        let section = async {
            if self.yes {
                let iam = Audited::new(endpoint.writer(settings).await?, log.as_ref());
                let stop = signals.stop();
                named::carry_out(verb, &names, settings, &manifests, &iam, stop).await
            } else {
                let iam = endpoint.reader(settings).await?;
                named::show(verb, &names, settings, &manifests, &iam).await
            }
        };
        let section = signals.told(super::runtime()?.block_on(section))?;
        let sections = vec![section];
        let ending = Ending {
            command,
            sections: &sections,
            heed: Heed::Nothing,
            signal: signals.caught(),
        };
        Ok(Report {
            command,
            repository: Some(manifests.repository().to_owned()),
            commit: manifests.commit().cloned(),
            exit: ending.exit(),
            clusters: sections,
            error: None,
            listing: self.report.listing(),
        })
    }
}
