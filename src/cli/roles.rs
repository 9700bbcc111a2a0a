//! `roles`: the inventory of owned roles.

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use super::args::{ClusterArgs, IamArgs};
use super::error::Error;
use super::invocation::Invocation;
use crate::exit::Exit;
use crate::manual::{tail, without_effect};
use crate::reconcile::inventory::inventory;
use crate::report::inventory;
use crate::settings::{self, ClusterSettings};
use crate::terminal::console::Console;
use crate::terminal::progress::Progress;

const EXAMPLES: &[&str] = &["", " --format html > roles.html"];

/// List the owned roles, with their age, commits, state, last use and what is attached to them
#[derive(Debug, Args)]
#[command(after_help = tail("roles", EXAMPLES))]
#[command(mut_args(|arg| without_effect(arg, &["sandbox"])))]
pub(super) struct RolesArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    iam: IamArgs,
    /// How long a role stays quarantined before apply deletes it, such as 7d or 36h
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "7d",
        value_parser = settings::duration,
        help_heading = "Report",
        env = "IRSA_GITOPS_PRUNE_AFTER"
    )]
    prune_after: SignedDuration,
    /// Format of the list
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
    /// Columns on a terminal, fields with tabs between them in a pipe
    #[default]
    Human,
    /// One JSON document, schema irsa-gitops/roles/v1
    Json,
    /// A table
    Markdown,
    /// One page that needs nothing else
    Html,
}

pub(super) fn run(args: &RolesArgs, run: &Invocation, console: &Console) -> Result<Exit, Error> {
    let clusters = args.cluster.settings(&[], &args.iam)?;
    let endpoint = args.iam.endpoint(&clusters, console)?;
    let mut inventory = super::runtime()?.block_on(async {
        let _progress = Progress::spinner(console, "reading roles");
        let connect = async |cluster: &ClusterSettings| endpoint.reader(cluster).await;
        inventory(&clusters, args.prune_after, Timestamp::now(), connect).await
    })?;
    inventory.complete(&|text, cluster| run.complete(text, Some(cluster)));
    let mut text = Vec::new();
    let written = match args.format {
        Format::Human => {
            inventory::render_human(&inventory, console.medium(), console.width(), &mut text)
        }
        Format::Json => inventory::render_json(&inventory, &mut text),
        Format::Markdown => inventory::render_markdown(&inventory, &mut text),
        Format::Html => inventory::render_html(&inventory, &mut text),
    };
    written.expect("a Vec takes all bytes, and the inventory has string keys only");
    console.print(&text).map_err(Error::Output)?;
    Ok(match inventory.has_errors() {
        true => Exit::Incomplete,
        false => Exit::Success,
    })
}
