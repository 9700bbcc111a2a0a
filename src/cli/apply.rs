//! `apply`: does what plan says.

use std::path::{Path, PathBuf};

use clap::Args;

use super::args::{ChangeArgs, ClusterArgs, IamArgs, SourceArgs};
use super::console::Console;
use super::error::Error;
use super::input::{self, Manifests};
use super::output::ReportArgs;
use super::preview::{self, Preview, preview};
use super::progress::Progress;
use super::signals::{self, Signals, Stopped};
use crate::apply::{self, Cause, Outcome, Stop};
use crate::exit::Exit;
use crate::iam::audit::{AuditLog, Audited};
use crate::iam::{self, IamWriter, aws, sandbox};
use crate::plan::saved::SavedPlan;
use crate::report::{Command, Report, Section};
use crate::settings::ClusterSettings;

/// Make IAM match the manifests of a revision
///
/// Does what `plan` lists. Every role is read again right before it is written to; a role that
/// somebody else changed meanwhile is left alone. Ctrl-C stops safely.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  irsa-gitops apply --cluster-name prod --oidc-provider oidc.eks.eu-west-1.amazonaws.com/id/1A2B
  irsa-gitops apply --revision \"$GITHUB_SHA\" --output json=report.json ...
  irsa-gitops apply --sandbox iam.json ...

Exit codes: 0 done, 2 usage, 4 input rejected, 5 a guard refused, 6 Git or AWS unavailable,
7 some items are held or failed, 8 the outcome of a write is unknown, 130 and 143 stopped.")]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    iam: IamArgs,
    #[command(flatten)]
    changes: ChangeArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
    /// Append one JSON line before and after each write to this file, synced
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Report",
        env = "IRSA_GITOPS_AUDIT_LOG"
    )]
    audit_log: Option<PathBuf>,
    /// Do only what this plan says that plan --out has saved: its commit, its changes
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Changes",
        conflicts_with = "directory"
    )]
    plan: Option<PathBuf>,
    /// With --plan: only if its commit is in the history of this branch or commit, or of a tag that
    /// is named in full (refs/tags/v1)
    #[arg(long, value_name = "REF", help_heading = "Changes", requires = "plan")]
    require_reachable_from: Option<String>,
}

pub(super) fn run(args: &ApplyArgs, console: &Console) -> Result<Report, Error> {
    let clusters = args
        .cluster
        .settings(&args.source.repository.paths, &args.iam)?;
    let saved = args.plan.as_deref().map(open_plan).transpose()?;
    let mut source = args.changes.source(&args.source);
    if let Some(saved) = &saved {
        source.revision = saved.commit()?.to_string();
    }
    let paths = input::all_paths(&clusters);
    let manifests = Manifests::read(&source, &paths, console)
        .map_err(|error| error.at_root("apply", &source.repository, &paths))?;
    if let Some(reference) = &args.require_reachable_from {
        manifests.require_reachable_from(reference)?;
    }
    let saved = saved.as_ref();
    let (sections, signal) = super::runtime()?.block_on(async {
        match &args.iam.sandbox {
            Some(file) => {
                let open = async |_: &ClusterSettings| sandbox::Writer::open(file);
                apply_all(args, &clusters, &manifests, saved, console, open).await
            }
            None => {
                let connect = async |c: &ClusterSettings| aws::Writer::connect(&c.access).await;
                apply_all(args, &clusters, &manifests, saved, console, connect).await
            }
        }
    })?;
    Ok(Report {
        command: Command::Apply,
        repository: Some(manifests.repository().to_owned()),
        commit: manifests.commit().cloned(),
        exit: exit(&sections, signal),
        clusters: sections,
        error: None,
        listing: args.report.listing(),
    })
}

/// Plans every cluster before the first write to any of them, so that whatever stops a run stops it
/// while nothing is half done.
async fn apply_all<W: IamWriter>(
    args: &ApplyArgs,
    clusters: &[ClusterSettings],
    manifests: &Manifests,
    saved: Option<&SavedPlan>,
    console: &Console,
    connect: impl AsyncFn(&ClusterSettings) -> Result<W, iam::Error>,
) -> Result<(Vec<Section>, Option<Stopped>), Error> {
    let reading = Progress::spinner(console, "reading roles");
    let log = args
        .audit_log
        .as_deref()
        .map(|path| open_log(path, manifests))
        .transpose()?;
    if let Some(saved) = saved {
        saved.check_clusters(clusters.iter().map(ClusterSettings::name))?;
    }
    let planning = async |manifests: &Manifests| {
        let mut planned = Vec::new();
        for cluster in clusters {
            let iam = Audited::new(connect(cluster).await?, log.as_ref());
            let mut preview = preview(cluster, manifests, &args.changes, &iam).await?;
            if let Some(saved) = saved {
                preview.limit(saved, &cluster.paths)?;
            }
            planned.push((preview, iam));
        }
        preview::reconcile(planned.iter_mut().map(|(preview, _)| preview))?;
        Ok(planned)
    };
    let writes = |(preview, _): &(Preview, _)| preview.plan.writes().next().is_some();
    let confirmed = async {
        let planned = planning(manifests).await?;
        if !planned.iter().any(writes) {
            return Ok(planned);
        }
        let whole = manifests.without_cache()?;
        // A signal that came while this thread was reading is heard now.
        tokio::task::yield_now().await;
        match whole {
            Some(whole) => planning(&whole).await,
            None => Ok(planned),
        }
    };
    let planned = signals::unless_stopped(confirmed).await?;
    drop(reading);
    let mut signals = Signals::take_over().map_err(Error::Runtime)?;
    let stop = Stop::default();
    let (mut sections, mut signal) = (Vec::new(), None);
    for (preview, iam) in planned {
        let (section, caught) = apply_one(preview, &iam, console, &stop, &mut signals).await;
        sections.push(section);
        signal = signal.or(caught);
    }
    Ok((sections, signal))
}

fn open_plan(path: &Path) -> Result<SavedPlan, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        source,
    })?;
    Ok(SavedPlan::parse(&text)?)
}

fn open_log(path: &Path, manifests: &Manifests) -> Result<AuditLog, Error> {
    AuditLog::open(path, manifests.commit()).map_err(|source| Error::Open {
        path: path.to_owned(),
        source,
    })
}

async fn apply_one(
    preview: Preview,
    iam: &impl IamWriter,
    console: &Console,
    stop: &Stop,
    signals: &mut Signals,
) -> (Section, Option<Stopped>) {
    let bar = Progress::steps(console, "applying", preview.plan.writes().count());
    let outcomes = apply::Outcomes::new(&preview.plan);
    let finished = |change: &crate::plan::Change, outcome: &Outcome| {
        tracing::info!(role = change.role.as_str(), ?outcome, "finished");
        bar.step();
    };
    let work = apply::apply(&preview.plan, iam, stop, &outcomes, &finished);
    let signal = signals.guard(stop, work).await;
    let mut outcomes = outcomes.into_map();
    (preview.section(|role| outcomes.remove(role)), signal)
}

fn exit(sections: &[Section], signal: Option<Stopped>) -> Exit {
    let outcomes = || {
        sections
            .iter()
            .flat_map(|s| &s.entries)
            .filter_map(|e| e.outcome.as_ref())
    };
    let caused_by = |cause| outcomes().any(|outcome| is_caused_by(outcome, cause));
    if caused_by(Cause::Bug) {
        Exit::Bug
    } else if let Some(Stopped {
        exit,
        at_once: true,
    }) = signal
    {
        exit
    } else if outcomes().any(|outcome| matches!(outcome, Outcome::Unknown(_))) {
        Exit::OutcomeUnknown
    } else if let Some(signal) = signal {
        signal.exit
    } else if caused_by(Cause::Superseded) {
        Exit::Superseded
    } else if preview::is_incomplete(sections)
        || outcomes().any(|outcome| *outcome != Outcome::Done)
    {
        Exit::Incomplete
    } else {
        Exit::Success
    }
}

fn is_caused_by(outcome: &Outcome, cause: Cause) -> bool {
    match outcome {
        Outcome::Failed(failure) | Outcome::Unknown(failure) => failure.cause == cause,
        Outcome::Done | Outcome::NotAttempted => false,
    }
}
