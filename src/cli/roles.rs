//! `roles`: the inventory of owned roles.

use clap::{Args, ValueEnum};
use futures::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};

use super::args::{ClusterArgs, IamArgs, duration};
use super::console::Console;
use super::error::Error;
use super::progress::Progress;
use crate::exit::Exit;
use crate::iam::{self, IamReader, aws, sandbox};
use crate::model::role::{CurrentRole, CurrentRoles};
use crate::model::tags;
use crate::plan::ownership::{self, Ownership};
use crate::plan::quarantine;
use crate::report::inventory::{self, ClusterRoles, Inventory, OwnedRole, RoleState};
use crate::settings::ClusterSettings;

/// How many roles are looked at for attachments at a time.
const CONCURRENCY: usize = 8;

/// List the owned roles, with their age, commits, state, last use and what is attached to them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  irsa-gitops roles --cluster-name prod --oidc-provider ISSUER
  irsa-gitops roles --format html --cluster-name prod --oidc-provider ISSUER > roles.html

Exit codes: 0 listed, 2 usage, 6 AWS unavailable or access denied.")]
pub(super) struct RolesArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    iam: IamArgs,
    /// How long a role stays quarantined before apply deletes it, such as 7d or 36h
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration, env = "IRSA_GITOPS_PRUNE_AFTER")]
    prune_after: SignedDuration,
    /// Format of the list
    #[arg(long, value_enum, default_value_t, env = "IRSA_GITOPS_FORMAT")]
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

pub(super) fn run(args: &RolesArgs, console: &Console) -> Result<Exit, Error> {
    let clusters = args.cluster.settings(&[], &args.iam)?;
    let inventory = super::runtime()?.block_on(async {
        let _progress = Progress::spinner(console, "reading roles");
        let mut inventory = Inventory { clusters: vec![] };
        for settings in &clusters {
            inventory.clusters.push(match &args.iam.sandbox {
                Some(file) => list(settings, &sandbox::Reader::open(file)?, args).await?,
                None => {
                    let iam = aws::Reader::connect(&settings.access).await?;
                    list(settings, &iam, args).await?
                }
            });
        }
        Ok::<_, Error>(inventory)
    })?;
    let mut text = Vec::new();
    let written = match args.format {
        Format::Human => inventory::render_human(&inventory, console.medium(), &mut text),
        Format::Json => inventory::render_json(&inventory, &mut text),
        Format::Markdown => inventory::render_markdown(&inventory, &mut text),
        Format::Html => inventory::render_html(&inventory, &mut text),
    };
    written.expect("a Vec takes all bytes, and the inventory has string keys only");
    console.print(&text).map_err(Error::Output)?;
    Ok(Exit::Success)
}

async fn list(
    settings: &ClusterSettings,
    iam: &impl IamReader,
    args: &RolesArgs,
) -> Result<ClusterRoles, Error> {
    let caller = iam.caller().await?;
    let cluster = settings.for_caller(&caller.account, &caller.partition)?;
    let mut current = CurrentRoles::new(iam.list_roles().await?);
    let names = ownership::candidates(&current, &cluster);
    for (name, role) in iam::read_in_full(iam, &names, &current).await? {
        current.add_detail(&name, role);
    }
    let owned = current
        .details()
        .filter_map(|role| match ownership::of(role, &cluster) {
            Ownership::Owned(service_account) => Some((role, service_account.to_string())),
            Ownership::Foreign(_) => None,
        });
    let with_attachments = async |(role, service_account): (&CurrentRole, String)| {
        let attachments = iam.attachments(&role.listed.name).await?;
        let role = inventory_of(role, Timestamp::now(), args.prune_after);
        Ok::<_, Error>(OwnedRole {
            service_account,
            attached: attachments.names().map(str::to_owned).collect(),
            ..role
        })
    };
    let roles = futures::stream::iter(owned)
        .map(with_attachments)
        .buffered(CONCURRENCY);
    Ok(ClusterRoles {
        name: cluster.name.to_string(),
        account: cluster.account.to_string(),
        roles: roles.try_collect().await?,
    })
}

/// What the role itself says.
fn inventory_of(role: &CurrentRole, now: Timestamp, prune_after: SignedDuration) -> OwnedRole {
    let tag = |key| role.tags.get(key).map(str::to_owned);
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let quarantined = quarantine::is_quarantined(role);
    let quarantined_at = tag(tags::QUARANTINED_AT).filter(|_| quarantined);
    let created = role.created.as_deref().and_then(time);
    OwnedRole {
        role: role.listed.name.to_string(),
        role_id: role.listed.id.to_string(),
        service_account: String::new(),
        created: role.created.clone(),
        age_days: created.map(|created| now.duration_since(created).as_hours() / 24),
        commit: tag(tags::COMMIT),
        last_commit: tag(tags::LAST_COMMIT),
        source: tag(tags::SOURCE),
        state: if quarantined {
            RoleState::Quarantined
        } else {
            RoleState::Active
        },
        quarantined_until: quarantine::until(role, prune_after)
            .filter(|_| quarantined)
            .map(|until| until.to_string()),
        quarantined_at,
        last_used: role.last_used.clone(),
        attached: vec![],
    }
}
