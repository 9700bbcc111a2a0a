//! What the verbs about named roles share: arguments in, a report out.

use clap::Args;

use super::args::{AuditArgs, ClusterArgs, IamArgs};
use super::console::Console;
use super::error::Error;
use super::input;
use super::invocation::Invocation;
use super::output::ReportArgs;
use super::progress::Watcher;
use super::question;
use super::signals::Signals;
use super::source::NamedSourceArgs;
use super::turn::TurnArgs;
use crate::exit::Exit;
use crate::model::role::RoleName;
use crate::reconcile::apply::Bounds;
use crate::reconcile::manifests::all_paths;
use crate::reconcile::named::{self, Verb};
use crate::reconcile::{self, Agreed, Declarations, explain};
use crate::report::ending::{Ending, Heed};
use crate::report::{Command, Report, Section};
use crate::settings::ClusterSettings;
use crate::source;

/// How these verbs can end.
pub(super) const EXITS: &[Exit] = &[
    Exit::Success,
    Exit::Bug,
    Exit::Usage,
    Exit::InputRejected,
    Exit::Refused,
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
    /// Write to the roles, instead of only showing what would be written, or asking on a terminal
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
    #[command(flatten)]
    turn: TurnArgs,
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
        let mut source = self.source.source();
        let asks = !self.yes && console.is_attended();
        let writes = self.yes || asks;
        // A cache can hide what speaks against a role, and has no say in what is written.
        source.repository.no_cache |= writes;
        let clusters = self.cluster.settings(&source.repository.paths, &self.iam)?;
        let [settings] = &clusters[..] else {
            return Err(reconcile::Error::WhichCluster(explain::names(&clusters)).into());
        };
        let paths = all_paths(&clusters);
        let manifests = input::read(&source, &paths, &clusters, console).map_err(|error| {
            let roles = names.iter().map(|name| source::quoted(name.as_str()));
            let roles = match roles.collect::<Vec<_>>().join(" ") {
                none if none.is_empty() => "--all-matching".to_owned(),
                roles => roles,
            };
            let before = format!("{} {roles} --repo", command.as_str());
            error.at_root(&before, &source.repository.paths, &paths)
        })?;
        let log = self.audit.open(&manifests)?;
        let endpoint = self.iam.endpoint(&clusters, console)?;
        let signals = Signals::listen()?;
        let (watcher, turn) = (Watcher::new(console), self.turn.turn());
        let report = |sections, exit| Report {
            command,
            repository: Some(manifests.repository().to_owned()),
            commit: manifests.commit().cloned(),
            exit,
            clusters: sections,
            error: None,
            listing: self.report.listing(),
        };
        let approve = |mut sections: Vec<Section>| -> Agreed<'_> {
            watcher.pause();
            manifests.count_ignored(&clusters, &mut sections);
            let shown = report(sections, Exit::Success);
            Box::pin(question::agreed(shown, run, console))
        };
        let bounds = Bounds {
            saved: None,
            approve: asks.then_some(&approve),
            log: log.as_ref(),
            turn: &turn,
            stop: signals.stop(),
            observe: &|event| watcher.hear(event),
        };
        let sections = async {
            if writes {
                let connect = async |cluster: &ClusterSettings| endpoint.writer(cluster).await;
                named::carry_out(verb, &names, settings, &manifests, bounds, connect).await
            } else {
                let iam = endpoint.reader(settings).await?;
                named::show(verb, &names, settings, &manifests, &iam).await
            }
        };
        let mut sections = signals.told(super::runtime()?.block_on(sections))?;
        drop(watcher);
        manifests.count_ignored(&clusters, &mut sections);
        let ending = Ending {
            command,
            sections: &sections,
            heed: Heed::Nothing,
            signal: signals.caught(),
        };
        let exit = ending.exit();
        Ok(report(sections, exit))
    }
}
