//! Refusals: states of the account in which going on would do harm.
//!
//! Checked between planning and the first write. A refusal stops everything.

use std::collections::BTreeMap;

use super::{Action, Change, Difference, Facts, Plan, Provider, Reason, Update};
use crate::desired::{Resolved, Verdict};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::arn::OidcProviderArn;
use crate::model::cluster::{Audience, Cluster, Issuer};
use crate::model::commit::CommitId;
use crate::model::quotas::{Limit, Quotas};
use crate::model::role::RoleLabel;
use crate::model::shell::quoted;
use crate::model::trust_policy::TrustDocument;

mod trust;

pub(super) use trust::check_issuer_change;

/// So many roles may always be retired by one run.
const FEW: usize = 5;

/// What the user allowed this run to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// To retire roles although no ServiceAccount was found at all.
    pub empty: bool,
    /// To retire exactly so many roles.
    pub removals: Option<usize>,
    /// To have roles trust another issuer than this one.
    pub issuer_change: Option<Issuer>,
}

/// Why nothing is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The account: roles would trust a provider that is not there.
    #[error(
        "OIDC provider `{0}` is not registered in the account, so no pod of that issuer could assume the roles"
    )]
    NoProvider(OidcProviderArn, Audience),
    /// The account: tokens for that audience would be refused.
    #[error(
        "OIDC provider `{provider}` does not accept audience `{audience}`, so no pod of that issuer could assume the roles"
    )]
    NoAudience {
        /// The provider.
        provider: OidcProviderArn,
        /// The audience that trust policies ask for.
        audience: Audience,
    },
    /// The manifests: nothing at all was found, and roles would be retired for it.
    #[error("no managed ServiceAccount was found, but roles are owned: {}", list(.0))]
    Empty(Vec<RoleLabel>),
    /// The manifests: many ServiceAccounts are gone at once.
    #[error("{} of {owned} roles would be retired, more than {limit}: {}{}", roles.len(), list(roles), directories(places))]
    ManyRemovals {
        /// The roles.
        roles: Vec<RoleLabel>,
        /// From which directories how many ServiceAccounts went.
        places: BTreeMap<String, usize>,
        /// How many roles are owned.
        owned: usize,
        /// How many may be retired.
        limit: usize,
    },
    /// The settings, or many edits by hand: statements of many trust policies would go at once.
    #[error("{} of {owned} roles would be retired or lose a statement of their trust policies, more than {limit}: {}", roles.len(), list(roles))]
    ManyLosses {
        /// The roles.
        roles: Vec<RoleLabel>,
        /// How many roles are owned.
        owned: usize,
        /// How many may be retired, or lose a statement.
        limit: usize,
    },
    /// The settings: roles trust an issuer that is not the cluster's.
    #[error(
        "the trust policies of {} would change from issuer `{old}`: {}",
        count_of(roles),
        list(roles)
    )]
    IssuerChange {
        /// The issuer they trust.
        old: Issuer,
        /// The roles.
        roles: Vec<RoleLabel>,
    },
    /// The file of a saved plan: it is not one that this program wrote.
    #[error("the saved plan cannot be used: {0}")]
    TamperedPlan(String),
    /// The file of a saved plan: it is about another state than this one.
    #[error("the saved plan is stale: {0}")]
    StalePlan(String),
    /// The file of a saved plan: the commit is not part of what may be applied.
    #[error(
        "commit {commit}, at which the saved plan is to be applied, is not in the history of `{reference}`"
    )]
    Unreachable {
        /// The commit: that of the plan, or another one that was given.
        commit: CommitId,
        /// What it has to be reachable from.
        reference: String,
    },
    /// The account: there is no room for the new roles.
    #[error("{wanted} roles are to be made, but the account has {used} of the {quota} it may have")]
    RolesQuota {
        /// How many are to be made.
        wanted: u64,
        /// How many there are.
        used: u64,
        /// How many there may be.
        quota: u64,
    },
    /// The account: a trust policy is too long.
    #[error(
        "the trust policy of role `{role}` has {length} characters, but the account allows {quota}"
    )]
    TrustPolicyQuota {
        /// The role.
        role: RoleLabel,
        /// The length of its trust policy, white space not counted.
        length: usize,
        /// What the account allows.
        quota: u64,
    },
}

fn count_of(roles: &[RoleLabel]) -> String {
    match roles.len() {
        1 => "1 role".to_owned(),
        count => format!("{count} roles"),
    }
}

/// The first of them: a plan shows all.
fn list(roles: &[RoleLabel]) -> String {
    const SHOWN: usize = 10;
    let names: Vec<&str> = roles.iter().take(SHOWN).map(RoleLabel::as_str).collect();
    match roles.len() - names.len() {
        0 => names.join(", "),
        rest => format!("{} and {rest} more", names.join(", ")),
    }
}

fn directories(places: &BTreeMap<String, usize>) -> String {
    let place = |(directory, count): (&String, &usize)| format!("{count} from `{directory}`");
    let places: Vec<String> = places.iter().map(place).collect();
    if places.is_empty() {
        String::new()
    } else {
        format!(" ({})", places.join(", "))
    }
}

impl Refusal {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoProvider(arn, audience) => format!(
                "register it: {}; or correct --oidc-provider",
                register(arn, audience)
            ),
            Self::NoAudience { provider, audience } => {
                format!("add it: {}; or set --audience", add_audience(provider, audience))
            }
            Self::Empty(_) => "check --path, --revision and what was rendered; if all of them are to go, use --allow-empty".to_owned(),
            Self::ManyRemovals { roles, .. } => format!(
                "look at every one of them, as plan shows them; if they are to go, use --allow-removals {}",
                roles.len()
            ),
            Self::ManyLosses { roles, .. } => format!(
                "look at every one of them with irsa-gitops explain; an issuer that is still used stays with another --oidc-provider, Pod Identity with --pod-identity keep; if all of it is to go, use --allow-removals {}",
                roles.len()
            ),
            Self::IssuerChange { old, .. } => format!(
                "while both clusters are in use give --oidc-provider twice; if the old one is gone, use --allow-issuer-change {old}; or correct --oidc-provider"
            ),
            Self::TamperedPlan(_) | Self::StalePlan(_) => {
                "make a new plan, have it looked at, and apply that one".to_owned()
            }
            Self::Unreachable { reference, .. } => format!(
                "merge it first; a plan of a branch that was not merged is not applied; if it was squashed or rebased when it was merged, apply the plan at the commit that came of it: --revision {reference}"
            ),
            Self::RolesQuota { .. } => Limit::Roles.hint(None),
            Self::TrustPolicyQuota { .. } => Limit::TrustPolicy.hint(None),
        }
    }
}

/// The command that registers a provider.
pub(super) fn register(arn: &OidcProviderArn, audience: &Audience) -> String {
    format!(
        "aws iam create-open-id-connect-provider --url https://{} --client-id-list {}",
        arn.issuer,
        quoted(audience.as_str())
    )
}

/// The command that has a provider accept an audience.
pub(super) fn add_audience(arn: &OidcProviderArn, audience: &Audience) -> String {
    format!(
        "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {arn} --client-id {}",
        quoted(audience.as_str())
    )
}

/// Refuses to make roles that no pod could assume.
pub(super) fn check_provider(
    arn: &OidcProviderArn,
    provider: &Provider,
    cluster: &Cluster,
) -> Result<(), Refusal> {
    let arn = arn.clone();
    match (provider, &cluster.audience) {
        (Provider::Missing, audience) => Err(Refusal::NoProvider(
            arn,
            audience.clone().unwrap_or_default(),
        )),
        (Provider::Accepts(accepted), Some(audience))
            if !accepted.iter().any(|a| a == audience.as_str()) =>
        {
            Err(Refusal::NoAudience {
                provider: arn,
                audience: audience.clone(),
            })
        }
        (Provider::Accepts(_) | Provider::Unread, _) => Ok(()),
    }
}

/// Refuses to retire roles because nothing, or much less than before, was found.
pub(super) fn check_removals(plan: &Plan, facts: &Facts, allowed: &Allowed) -> Result<(), Refusal> {
    let resolved = &facts.resolved;
    let retired: Vec<&Change> = plan.changes.values().filter(|c| is_removal(c)).collect();
    let roles = |changes: &[&Change]| changes.iter().map(|c| c.role.clone()).collect::<Vec<_>>();
    let orphaned = plan
        .changes
        .values()
        .filter(|c| is_removal(c) || is_held_orphan(c, resolved));
    let orphaned: Vec<&Change> = orphaned.collect();
    if finds_nothing(facts, allowed) && !orphaned.is_empty() {
        return Err(Refusal::Empty(roles(&orphaned)));
    }
    let owned = plan
        .changes
        .values()
        .filter(|change| is_owned(change))
        .count();
    let limit = FEW.max(owned / 10);
    let losing = plan
        .changes
        .values()
        .filter(|change| trust::loses_statement(change, facts));
    let removed: Vec<&Change> = retired.iter().copied().chain(losing).collect();
    if removed.len() > retired.len()
        && removed.len() > limit
        && allowed.removals != Some(removed.len())
    {
        return Err(Refusal::ManyLosses {
            roles: roles(&removed),
            owned,
            limit,
        });
    }
    if removed.len() > limit && allowed.removals != Some(removed.len()) {
        let mut places = BTreeMap::new();
        for change in &retired {
            let removal = match &change.action {
                Action::Quarantine(quarantine) => quarantine.removal.as_ref(),
                Action::Delete(delete) => delete.removal.as_ref(),
                _ => None,
            };
            if let Some(removal) = removal {
                let path = removal.path.to_string();
                let directory = path
                    .rsplit_once('/')
                    .map_or(".", |(directory, _)| directory);
                *places.entry(directory.to_owned()).or_default() += 1;
            }
        }
        return Err(Refusal::ManyRemovals {
            roles: roles(&retired),
            places,
            owned,
            limit,
        });
    }
    Ok(())
}

/// Whether no ServiceAccount was found at all, so that no role is retired.
pub(super) fn finds_nothing(facts: &Facts, allowed: &Allowed) -> bool {
    let mut declared = facts.resolved.declared.values();
    !allowed.empty && declared.all(|declared| declared.verdict == Verdict::Unmanaged)
}

fn is_removal(change: &Change) -> bool {
    matches!(change.action, Action::Quarantine(_) | Action::Delete(_))
}

/// A role that is held although nobody declares it.
fn is_held_orphan(change: &Change, resolved: &Resolved) -> bool {
    change.action == Action::Held && !resolved.declared.contains_key(&change.service_account)
}

/// Whether a role is there already.
fn is_owned(change: &Change) -> bool {
    match change.action {
        Action::Create(_) | Action::Held => false,
        Action::InSync
        | Action::Orphan
        | Action::Update(_)
        | Action::Restore(_)
        | Action::Quarantine(_)
        | Action::Delete(_) => true,
    }
}

/// Holds the roles of ServiceAccounts whose own audience a provider does not accept: no token can
/// assume them, be they as declared or not. The cluster's audience is [`check_provider`]'s affair.
pub(super) fn hold_refused_audiences(
    plan: &mut Plan,
    facts: &Facts,
    provider: &OidcProviderArn,
    accepted: &[String],
) {
    let is_open = |change: &&mut Change| trusts(change) || change.action == Action::InSync;
    for change in plan.changes.values_mut().filter(is_open) {
        let desired = facts.desired(&change.service_account);
        let Some(own) = desired.and_then(|role| role.own_audience.as_ref()) else {
            continue;
        };
        let audience = own.as_str();
        if accepted.iter().any(|accepted| accepted == audience) {
            continue;
        }
        let reason = Reason::AudienceRefused {
            provider: provider.clone(),
            audience: own.clone(),
        };
        let mut diagnostic = Diagnostic::error(Code::InvalidAudience, reason.to_string())
            .on(&change.service_account)
            .with_hint(format!(
                "add it to the provider: {}; or correct the annotation",
                add_audience(provider, own)
            ));
        diagnostic.location.clone_from(&change.location);
        plan.diagnostics.push(diagnostic);
        change.action = Action::Held;
        change.reason = reason;
    }
}

/// Whether a change has a role trust the cluster's providers.
pub(super) fn trusts(change: &Change) -> bool {
    matches!(
        change.action,
        Action::Create(_) | Action::Update(_) | Action::Restore(_)
    )
}

/// The trust policy that an update writes.
fn written(update: &Update) -> Option<&TrustDocument> {
    let documents = update
        .differences
        .iter()
        .find_map(|difference| match difference {
            Difference::TrustPolicy { desired, .. } => Some(desired),
            Difference::Tag { .. } | Difference::SessionDuration { .. } => None,
        });
    documents.or(update.replacement.as_ref().map(|role| &role.trust_policy))
}

/// Refuses what the account's quotas do not allow.
pub(super) fn check_quotas(plan: &Plan, quotas: &Quotas) -> Result<(), Refusal> {
    let Quotas {
        roles,
        roles_quota,
        trust_policy_size_quota: trust_policy_quota,
    } = *quotas;
    let created = plan
        .changes
        .values()
        .filter(|c| matches!(c.action, Action::Create(_)));
    let wanted = created.count() as u64;
    if wanted > 0 && roles.saturating_add(wanted) > roles_quota {
        return Err(Refusal::RolesQuota {
            wanted,
            used: roles,
            quota: roles_quota,
        });
    }
    for change in plan.changes.values() {
        let document = match &change.action {
            Action::Create(role) => &role.trust_policy,
            Action::Update(update) | Action::Restore(update) => match written(update) {
                Some(document) => document,
                None => continue,
            },
            Action::Quarantine(_)
            | Action::Delete(_)
            | Action::InSync
            | Action::Orphan
            | Action::Held => continue,
        };
        let length = document.quota_length();
        if length as u64 > trust_policy_quota {
            let role = change.role.clone();
            return Err(Refusal::TrustPolicyQuota {
                role,
                length,
                quota: trust_policy_quota,
            });
        }
    }
    Ok(())
}
