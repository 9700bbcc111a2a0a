//! What the verbs about named roles share: arguments in, a report out.

use clap::Args;

use super::args::{ClusterArgs, IamArgs};
use super::error::Error;
use super::input;
use super::invocation::Invocation;
use super::output::ReportArgs;
use super::source::SourceArgs;
use super::writing::{WriteArgs, Writing};
use crate::model::role::RoleName;
use crate::reconcile::named::{self, Verb};
use crate::reconcile::{self, Bounds, explain};
use crate::report::{Command, Report};
use crate::settings::ClusterSettings;
use crate::source;
use crate::terminal::console::Console;

/// Names of roles, and what has to be known to write to them.
#[derive(Debug, Args)]
pub(super) struct NamedArgs {
    /// Names of the roles
    #[arg(value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// Write to the roles, instead of only showing what would be written, or asking on a terminal
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    iam: IamArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
    #[command(flatten)]
    write: WriteArgs,
}

impl NamedArgs {
    /// Does what a verb does, or shows it.
    pub(super) fn run(
        &self,
        verb: Verb,
        command: Command,
        run: &Invocation,
        console: &Console,
    ) -> Result<Report, Error> {
        let names = self
            .roles
            .iter()
            .map(|name| RoleName::new(name).map_err(reconcile::Error::Role));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let mut source = self.source.clone();
        let asks = !self.yes && console.is_attended();
        let writes = self.yes || asks;
        // A cache can hide what speaks against a role, and has no say in what is written.
        source.repository.no_cache |= writes;
        let clusters = self.cluster.settings(&source.repository.paths, &self.iam)?;
        let [settings] = &clusters[..] else {
            return Err(reconcile::Error::WhichCluster(explain::names(&clusters)).into());
        };
        let roles = names.iter().map(|name| source::quoted(name.as_str()));
        let roles = match roles.collect::<Vec<_>>().join(" ") {
            none if none.is_empty() => "--all-matching".to_owned(),
            roles => roles,
        };
        let before = format!("{} {roles}", command.as_str());
        let manifests = input::read(&source, &clusters, &before, console)?;
        let endpoint = self.iam.endpoint(&clusters, console)?;
        let writing = Writing {
            command,
            asks,
            saved: None,
            clusters: &clusters,
            manifests: &manifests,
            run,
            console,
        };
        let work = async |bounds: Bounds<'_>| {
            if writes {
                let connect = async |cluster: &ClusterSettings| endpoint.writer(cluster).await;
                named::carry_out(verb, &names, settings, &manifests, bounds, connect).await
            } else {
                let iam = endpoint.reader(settings).await?;
                named::show(verb, &names, settings, &manifests, &iam).await
            }
        };
        self.write.carry_out(&writing, work)
    }
}
