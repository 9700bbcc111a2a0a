//! `adopt`: takes named existing roles over.

use clap::Args;

use super::args::{self, ChangeArgs, ClusterArgs, IamArgs, NamedSourceArgs};
use super::console::Console;
use super::error::Error;
use super::input::{self, Manifests};
use super::output::ReportArgs;
use super::preview;
use crate::apply::{self, Outcome, Stop};
use crate::exit::Exit;
use crate::iam::{IamReader, IamWriter, aws, sandbox};
use crate::model::role::RoleName;
use crate::plan::guard::Allowed;
use crate::plan::{self, Answer, Depth, Facts, Mode, Plan, Rewrite, Run};
use crate::report::{Command, Entry, Report, Section};
use crate::settings::ClusterSettings;
use crate::source;

/// Take over roles that were made by hand or by the controller
///
/// A role is taken over by tagging it, and only if its trust policy proves that it serves its
/// ServiceAccount already. Nothing else of it changes, so nobody loses access; the next apply
/// brings its trust policy to what is declared. Shows what it would do unless --yes is given.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  irsa-gitops adopt k8s-sa_bar_foo k8s-sa_bar_baz --cluster-name prod --oidc-provider ISSUER
  irsa-gitops adopt k8s-sa_bar_foo --yes --cluster-name prod --oidc-provider ISSUER
  irsa-gitops adopt k8s-sa_bar_foo --yes --config clusters.yaml --cluster-name blue

Exit codes: 0 done, 2 usage, 4 input rejected, 6 Git or AWS unavailable, 7 some roles were not
taken over, 8 the outcome of a write is unknown.")]
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
        .map(|name| RoleName::new(name).map_err(Error::Role));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let source = args.source.source();
    let clusters = args.cluster.settings(&source.repository.paths, &args.iam)?;
    let [settings] = &clusters[..] else {
        return Err(Error::WhichCluster(args::names(&clusters)));
    };
    let paths = input::all_paths(&clusters);
    let manifests = Manifests::read(&source, &paths, console).map_err(|error| {
        let roles = names.iter().map(|name| source::quoted(name.as_str()));
        let before = format!("adopt {} --repo", roles.collect::<Vec<_>>().join(" "));
        error.at_root(&before, &source.repository, &paths)
    })?;
    let section = super::runtime()?.block_on(async {
        match (&args.iam.sandbox, args.yes) {
            (Some(file), true) => {
                write(&names, settings, &manifests, &sandbox::Writer::open(file)?).await
            }
            (Some(file), false) => {
                show(&names, settings, &manifests, &sandbox::Reader::open(file)?).await
            }
            (None, true) => {
                let iam = aws::Writer::connect(&settings.access).await?;
                write(&names, settings, &manifests, &iam).await
            }
            (None, false) => {
                let iam = aws::Reader::connect(&settings.access).await?;
                show(&names, settings, &manifests, &iam).await
            }
        }
    })?;
    let sections = vec![section];
    let outcomes = || {
        sections[0]
            .entries
            .iter()
            .filter_map(|entry| entry.outcome.as_ref())
    };
    let exit = if outcomes().any(|outcome| matches!(outcome, Outcome::Unknown(_))) {
        Exit::OutcomeUnknown
    } else if preview::is_incomplete(&sections) || outcomes().any(|o| *o != Outcome::Done) {
        Exit::Incomplete
    } else {
        Exit::Success
    };
    Ok(Report {
        command: Command::Adopt,
        repository: Some(manifests.repository().to_owned()),
        commit: manifests.commit().cloned(),
        exit,
        clusters: sections,
        error: None,
        listing: args.report.listing(),
    })
}

async fn show(
    names: &[RoleName],
    settings: &ClusterSettings,
    manifests: &Manifests,
    iam: &impl IamReader,
) -> Result<Section, Error> {
    let (mut section, plan) = adoption(names, settings, manifests, iam).await?;
    let entry = |change| Entry {
        change,
        origin: None,
        outcome: None,
    };
    section.entries = plan.changes.into_values().map(entry).collect();
    Ok(section)
}

async fn write(
    names: &[RoleName],
    settings: &ClusterSettings,
    manifests: &Manifests,
    iam: &impl IamWriter,
) -> Result<Section, Error> {
    let (mut section, plan) = adoption(names, settings, manifests, iam).await?;
    let outcomes = apply::Outcomes::new(&plan);
    apply::apply(&plan, iam, &Stop::default(), &outcomes, &|_, _| {}).await;
    let mut outcomes = outcomes.into_map();
    let entry = |change: plan::Change| Entry {
        outcome: outcomes.remove(&change.role),
        origin: None,
        change,
    };
    section.entries = plan.changes.into_values().map(entry).collect();
    Ok(section)
}

async fn adoption(
    names: &[RoleName],
    settings: &ClusterSettings,
    manifests: &Manifests,
    iam: &impl IamReader,
) -> Result<(Section, Plan), Error> {
    let caller = iam.caller().await?;
    let cluster = settings.for_caller(&caller.account, &caller.partition)?;
    let asked = manifests.asked(&settings.paths, &cluster.naming());
    let run = Run {
        repository: manifests.repository().to_owned(),
        commit: manifests.commit().cloned(),
        mode: Mode::UpsertOnly,
        depth: Depth::Full,
        prune: ChangeArgs::no_prune(asked.completeness),
        rewrite: Rewrite::Refused,
    };
    let mut roles = Vec::new();
    for name in names {
        roles.push((name.clone(), iam.role(name).await?));
    }
    let mut facts = Facts::new(asked.resolved, cluster, run, Allowed::default());
    facts.add(Answer::Roles(roles));
    let (plan, nobodys) = plan::adopt(names, &facts);
    if let Some(name) = nobodys.first() {
        return Err(Error::Nobodys(name.clone(), facts.cluster.prefix));
    }
    let section = Section {
        cluster: Some(facts.cluster.name),
        account: Some(facts.cluster.account),
        entries: vec![],
        diagnostics: plan.diagnostics.clone(),
    };
    Ok((section, plan))
}
