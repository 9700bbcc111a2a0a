//! `explain`: everything about one ServiceAccount and its role.

use clap::{Args, ValueEnum};

use super::args::{self, ChangeArgs, ClusterArgs, IamArgs, NamedSourceArgs};
use super::console::Console;
use super::error::Error;
use super::history::Version;
use super::input::{self, Manifests};
use super::preview::{Preview, survey};
use crate::desired::{self, Verdict, role_name};
use crate::exit::Exit;
use crate::iam::{IamReader, aws, sandbox};
use crate::model::cluster::RolePrefix;
use crate::model::role::{CurrentRole, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags;
use crate::plan::{Action, Change, Difference};
use crate::report::explanation::{self, CurrentField, Explanation};
use crate::report::{Stopped, action_word};
use crate::settings::ClusterSettings;
use crate::source;

/// Explain a ServiceAccount or a role: file, commits, state, policies, last use
///
/// Says where the ServiceAccount is declared, which commits introduced and last changed it, which
/// role is or would be its own, what the next run would do with that role and why, and whether a
/// drifted trust policy is that of an earlier commit or was edited by somebody. Of several clusters
/// it takes the one that declares it, or the one of --cluster-name.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  irsa-gitops explain bar/foo --cluster-name prod --oidc-provider ISSUER
  irsa-gitops explain k8s-sa_bar_foo --mode sync --format json ...

Exit codes: 0 explained, 2 usage, 4 input rejected, 6 Git or AWS unavailable.")]
pub(super) struct ExplainArgs {
    /// A ServiceAccount as NAMESPACE/NAME, or the name of a role
    #[arg(value_name = "NAMESPACE/NAME|ROLE")]
    what: String,
    #[command(flatten)]
    source: NamedSourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    iam: IamArgs,
    #[command(flatten)]
    changes: ChangeArgs,
    /// Format of the explanation
    #[arg(long, value_enum, default_value_t, env = "IRSA_GITOPS_FORMAT")]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One fact a line
    #[default]
    Human,
    /// One JSON document, schema irsa-gitops/explanation/v1
    Json,
    /// A table
    Markdown,
}

pub(super) fn run(args: &ExplainArgs, console: &Console) -> Result<Exit, Error> {
    let source = args.source.source();
    let clusters = args.cluster.settings(&source.repository.paths, &args.iam)?;
    let paths = input::all_paths(&clusters);
    let manifests = Manifests::read(&source, &paths, console).map_err(|error| {
        let before = format!("explain {} --repo", source::quoted(&args.what));
        error.at_root(&before, &source.repository, &paths)
    })?;
    let settings = match &clusters[..] {
        [only] => only,
        _ => only_one(&args.what, &clusters, &manifests)?,
    };
    let explanation = super::runtime()?.block_on(async {
        match &args.iam.sandbox {
            Some(file) => explain(args, settings, &manifests, &sandbox::Reader::open(file)?).await,
            None => {
                let iam = aws::Reader::connect(&settings.access).await?;
                explain(args, settings, &manifests, &iam).await
            }
        }
    })?;
    let mut text = Vec::new();
    let written = match args.format {
        Format::Human => explanation::render_human(&explanation, &mut text),
        Format::Json => explanation::render_json(&explanation, &mut text),
        Format::Markdown => explanation::render_markdown(&explanation, &mut text),
    };
    written.expect("a Vec takes all bytes, and the explanation has string keys only");
    console.print(&text).map_err(Error::Output)?;
    Ok(Exit::Success)
}

async fn explain(
    args: &ExplainArgs,
    settings: &ClusterSettings,
    manifests: &Manifests,
    iam: &impl IamReader,
) -> Result<Explanation, Error> {
    let changes = args.changes.thorough();
    let (preview, obstacle) = survey(settings, manifests, &changes, iam).await?;
    let stopped = obstacle.map(|obstacle| Error::from(obstacle).stopped());
    let cluster = preview.cluster();
    let service_account = named(&args.what, &cluster.prefix)?;
    let label = role_name::label(&cluster.naming(), &service_account);
    let role = RoleName::new(label.as_str()).ok();
    let (mut current, mut attached) = (None, Vec::new());
    if let Some(name) = &role {
        current = iam.role(name).await?;
        if current.is_some() {
            attached = iam
                .attachments(name)
                .await?
                .names()
                .map(str::to_owned)
                .collect();
        }
    }
    let versions = manifests.versions(&service_account, &settings.paths)?;
    // The newest comes first; it may have been removed and brought back since.
    let introduced = versions
        .iter()
        .rfind(|v| v.before.is_none() && v.after.is_some());
    let change = preview.plan.changes.get(&label);
    let (state, reason) = match (change, &current) {
        (Some(change), _) => match &stopped {
            Some(stopped) if change.writes() => ("held", held_back(change, stopped)),
            _ => (action_word(&change.action), change.reason.clone()),
        },
        (None, Some(_)) => (
            "foreign",
            "no manifest declares its ServiceAccount, and it is not ours".to_owned(),
        ),
        (None, None) => (
            "absent",
            "no manifest asks for it, and there is none".to_owned(),
        ),
    };
    let declared = versions.first().and_then(|version| version.after.as_ref());
    let location = change.and_then(|change| change.location.as_ref());
    let location = location.or(declared.map(|declaration| &declaration.location));
    Ok(Explanation {
        service_account: service_account.to_string(),
        role: label.as_str().to_owned(),
        location: location.map(ToString::to_string),
        introduced_by: introduced.map(|version| (&version.commit).into()),
        last_changed_by: versions.first().map(|version| (&version.commit).into()),
        state: state.to_owned(),
        reason,
        drift: drift(&preview, &label, &service_account, &versions),
        current: current.map(|role| facts(&role, attached, &changes)),
    })
}

/// Why nothing becomes of a change that a run would make.
fn held_back(change: &Change, stopped: &Stopped) -> String {
    let Stopped { message, hint } = stopped;
    let action = action_word(&change.action);
    let hint = hint
        .as_ref()
        .map_or_else(String::new, |hint| format!(" ({hint})"));
    let reason = &change.reason;
    format!("to be changed ({action}: {reason}), but no run writes anything: {message}{hint}")
}

fn facts(role: &CurrentRole, attached: Vec<String>, changes: &ChangeArgs) -> CurrentField {
    let tag = |key| role.tags.get(key).map(str::to_owned);
    CurrentField {
        role_id: role.listed.id.to_string(),
        commit: tag(tags::COMMIT),
        last_commit: tag(tags::LAST_COMMIT),
        quarantined_at: tag(tags::QUARANTINED_AT),
        quarantined_until: changes.quarantined_until(role),
        last_used: role.last_used.clone(),
        attached,
    }
}

/// The ServiceAccount that is meant.
fn named(what: &str, prefix: &RolePrefix) -> Result<ServiceAccountRef, Error> {
    if what.contains('/') {
        return ServiceAccountRef::parse(what).map_err(Error::ServiceAccount);
    }
    let role = RoleName::new(what).map_err(Error::Role)?;
    role_name::parse(prefix, &role).ok_or_else(|| Error::Nobodys(role, prefix.clone()))
}

/// The only cluster that declares what is meant or, if none does, that could have such a role.
fn only_one<'a>(
    what: &str,
    clusters: &'a [ClusterSettings],
    manifests: &Manifests,
) -> Result<&'a ClusterSettings, Error> {
    let mut possible = Vec::new();
    let mut refused = None;
    for cluster in clusters {
        match named(what, &cluster.naming().prefix) {
            Ok(service_account) => possible.push((cluster, service_account)),
            Err(error) => refused = Some(error),
        }
    }
    let declares = |(cluster, service_account): &&(&ClusterSettings, ServiceAccountRef)| {
        let asked = manifests.asked(&cluster.paths, cluster.naming());
        asked.resolved.requests.contains_key(service_account)
    };
    let declaring: Vec<_> = possible.iter().filter(declares).collect();
    match (&declaring[..], &possible[..], refused) {
        ([(only, _)], ..) | ([], [(only, _)], _) => Ok(only),
        (_, [], Some(error)) => Err(error),
        _ => Err(Error::WhichCluster(args::names(clusters))),
    }
}

/// Whether a trust policy that is not the declared one was declared by an earlier commit.
fn drift(
    preview: &Preview,
    label: &crate::model::role::RoleLabel,
    service_account: &ServiceAccountRef,
    versions: &[Version],
) -> Option<String> {
    let Action::Update(update) = &preview.plan.changes.get(label)?.action else {
        return None;
    };
    let current = update
        .differences
        .iter()
        .find_map(|difference| match difference {
            Difference::TrustPolicy { current, .. } => Some(current),
            Difference::Tag { .. } | Difference::SessionDuration { .. } => None,
        })?;
    let cluster = preview.cluster();
    let declared_so = versions.iter().find(|version| {
        let Some(declaration) = &version.after else {
            return false;
        };
        let resolved = desired::resolve([declaration], &cluster.naming());
        let verdict = resolved
            .requests
            .get(service_account)
            .map(|request| &request.verdict);
        let Some(Verdict::Wanted(wanted)) = verdict else {
            return false;
        };
        let at = &declaration.location;
        let role = desired::desired_role(service_account, wanted, at, cluster, "");
        role.trust_policy.same_meaning(current)
    });
    Some(match declared_so {
        Some(version) => {
            let id = &version.commit.id;
            format!(
                "the trust policy is the one that commit {} declared",
                id.short()
            )
        }
        None => "an out-of-band edit: no commit declared this trust policy".to_owned(),
    })
}
