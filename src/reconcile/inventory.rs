//! The inventory of owned roles.

use futures::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};

use super::{Error, survey};
use crate::iam::{self, IamReader};
use crate::model::role::{CurrentRole, CurrentRoles};
use crate::model::tags;
use crate::plan::ownership::{self, Ownership};
use crate::plan::provider::{self, Providers};
use crate::plan::{quarantine, record};
use crate::report::inventory::{ClusterRoles, Inventory, OwnedRole, RoleState};
use crate::report::record::RecordField;
use crate::settings::ClusterSettings;

/// How many roles are looked at for attachments at a time.
const CONCURRENCY: usize = 8;

/// The owned roles of all clusters, each with what is attached to it.
///
/// # Errors
///
/// If anything cannot be read.
pub async fn inventory<R: IamReader>(
    clusters: &[ClusterSettings],
    prune_after: SignedDuration,
    now: Timestamp,
    connect: impl AsyncFn(&ClusterSettings) -> Result<R, iam::Error>,
) -> Result<Inventory, Error> {
    let mut inventory = Inventory {
        time: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        clusters: vec![],
    };
    for settings in clusters {
        let iam = connect(settings).await?;
        let roles = of_cluster(settings, &iam, prune_after, now).await?;
        inventory.clusters.push(roles);
    }
    Ok(inventory)
}

async fn of_cluster(
    settings: &ClusterSettings,
    iam: &impl IamReader,
    prune_after: SignedDuration,
    now: Timestamp,
) -> Result<ClusterRoles, Error> {
    let caller = iam.caller().await?;
    let cluster = settings.for_caller(&caller.account, &caller.partition)?;
    let mut providers = Providers::new();
    for issuer in &cluster.issuers {
        let arn = cluster.oidc_provider(issuer);
        let found = survey::provider(&arn, iam).await?;
        providers.insert(arn, found);
    }
    let mut current = CurrentRoles::new(iam.list_roles().await?);
    let record = record::name(&cluster);
    let mut names = ownership::candidates(&current, &cluster);
    names.extend(current.listed(&record).map(|listed| listed.name.clone()));
    for (name, role) in iam::read_in_full(iam, &names, &current).await? {
        current.add_detail(&name, role);
    }
    let roles = current
        .details()
        .filter_map(|role| match ownership::of(role, &cluster) {
            Ownership::Owned(service_account) => Some((role, service_account.to_string())),
            Ownership::Foreign(_) => None,
        });
    let with_attachments = async |(role, service_account): (&CurrentRole, String)| {
        let attachments = iam.attachments(&role.listed.name).await?;
        let role = owned(role, now, prune_after);
        Ok::<_, Error>(OwnedRole {
            service_account,
            attached: attachments.names().map(str::to_owned).collect(),
            ..role
        })
    };
    let roles = futures::stream::iter(roles)
        .map(with_attachments)
        .buffered(CONCURRENCY);
    let record = current.detail(&record);
    let record = record.filter(|role| record::is_record(role, &cluster));
    Ok(ClusterRoles {
        record: record.map(RecordField::from),
        name: cluster.name.to_string(),
        account: cluster.account.to_string(),
        roles: roles.try_collect().await?,
        findings: provider::findings(&cluster, &providers),
    })
}

/// What the role itself says.
fn owned(role: &CurrentRole, now: Timestamp, prune_after: SignedDuration) -> OwnedRole {
    let tag = |key| role.tags.get(key).map(str::to_owned);
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let quarantined = quarantine::is_quarantined(role);
    let note = match quarantined {
        true => quarantine::note(role),
        false => quarantine::Note::default(),
    };
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
        quarantined_at: note.since,
        quarantined_by: note.by.map(|by| by.to_string()),
        last_use: role.last_use.clone(),
        attached: vec![],
        pod_identity: role.listed.trust_policy.has_pod_identity(),
    }
}
