//! `explain`: everything about one ServiceAccount and its role.

use clap::{Args, ValueEnum};

use super::args::{ChangeArgs, ClusterArgs, IamArgs};
use super::error::Error;
use super::input;
use super::invocation::Invocation;
use super::source::SourceArgs;
use crate::exit::Exit;
use crate::manual::tail;
use crate::plan::Depth;
use crate::reconcile::Terms;
use crate::reconcile::explain::Candidates;
use crate::report::explanation;
use crate::settings::ClusterSettings;
use crate::source;
use crate::terminal::console::Console;

const EXAMPLES: &[&str] = &[" bar/foo", " k8s-sa_bar_foo --mode sync --format json"];

/// Explain a ServiceAccount or a role: file, commits, state, policies, last use
///
/// The first lines answer: can its pods assume the role now; if not why, since which commit and whose;
/// what to run, and what to ask CloudTrail. Then where the ServiceAccount is declared, which commits introduced and last changed it, which
/// role is or would be its own, what the next run would do with that role and why, and whether a
/// drifted trust policy is that of an earlier commit or was edited by somebody. Of several clusters
/// it takes the one that declares it, or once did, or has its role, or the one of --cluster-name.
#[derive(Debug, Args)]
#[command(after_help = tail("explain", EXAMPLES))]
pub(super) struct ExplainArgs {
    /// A ServiceAccount (NAMESPACE/NAME, its bare name, or system:serviceaccount:NAMESPACE:NAME) or a
    /// role (its name or ARN, also that of a session)
    #[arg(value_name = "NAMESPACE/NAME|ROLE|ARN")]
    what: String,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    iam: IamArgs,
    #[command(flatten)]
    changes: ChangeArgs,
    /// Format of the explanation
    #[arg(
        long,
        value_enum,
        default_value_t,
        help_heading = "Report",
        env = "IRSA_GITOPS_FORMAT"
    )]
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

pub(super) fn run(args: &ExplainArgs, run: &Invocation, console: &Console) -> Result<Exit, Error> {
    let source = args.changes.source(&args.source);
    let clusters = args.cluster.settings(&source.repository.paths, &args.iam)?;
    let before = format!("explain {}", source::quoted(&args.what));
    let manifests = input::read(&source, &clusters, &before, console)?;
    // Tags and boundary are compared as well, for one who wants to know all.
    let terms = Terms {
        depth: Depth::Full,
        ..args.changes.terms()?
    };
    let meant = Candidates::of(&args.what, &clusters, &manifests)?;
    let endpoint = args.iam.endpoint(meant.clusters(), console)?;
    let connect = async |cluster: &ClusterSettings| endpoint.reader(cluster).await;
    let (mut explanation, cluster) = super::runtime()?.block_on(meant.explain(&terms, connect))?;
    explanation.complete(&|text| run.complete(text, Some(cluster.as_str())));
    let mut text = Vec::new();
    let written = match args.format {
        Format::Human => explanation::render_human(&explanation, &mut text),
        Format::Json => explanation::render_json(&explanation, &mut text),
        Format::Markdown => explanation::render_markdown(&explanation, &mut text),
    };
    written.expect("a Vec takes all bytes, and the explanation has string keys only");
    console.print(&text).map_err(Error::Output)?;
    Ok(match explanation.is_cluster_shut() {
        true => Exit::Incomplete,
        false => Exit::Success,
    })
}
