//! Everything about one ServiceAccount and its role.

use super::history::Version;
use super::survey::{Survey, survey};
use super::{Declarations, Error, Manifests, Terms};
use crate::desired::{self, role_name};
use crate::diagnostic::{Code, Diagnostic};
use crate::iam::IamReader;
use crate::model::cluster::{ClusterName, RolePrefix};
use crate::model::redact;
use crate::model::role::{CurrentRole, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags;
use crate::plan::{Action, Change, Difference, quarantine};
use crate::report::action_word;
use crate::report::explanation::{CurrentField, Explanation};
use crate::report::record::RecordField;
use crate::settings::ClusterSettings;

/// Everything about the ServiceAccount, or the role, that `what` names.
///
/// # Errors
///
/// If `what` names none, or anything cannot be read.
pub async fn explain(
    what: &str,
    settings: &ClusterSettings,
    manifests: &Manifests,
    terms: &Terms,
    iam: &impl IamReader,
) -> Result<Explanation, Error> {
    let survey = survey(settings, manifests, terms, iam).await?;
    let obstacle = survey.obstacle.clone().map(Error::from);
    let cluster = survey.cluster();
    let service_account = named(what, &cluster.prefix, |role| survey.facts.whose(role))?;
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
    let versions = manifests.versions(&service_account, settings)?;
    // The newest comes first; it may have been removed and brought back since.
    let introduced = versions
        .iter()
        .rfind(|v| v.before.is_none() && v.after.is_some());
    let change = survey.plan.changes.get(&label);
    let (state, reason) = match (change, &current) {
        (Some(change), _) => match &obstacle {
            Some(obstacle) if change.writes() => ("held", held_back(change, obstacle)),
            _ => (action_word(&change.action), change.reason.to_string()),
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
        // Plain files have no history that could have declared it.
        drift: manifests
            .repository
            .as_ref()
            .and_then(|_| drift(&survey, &label, &service_account, &versions)),
        others: others(&survey, &service_account),
        findings: findings(&survey, &service_account),
        current: current.map(|role| facts(&role, attached, terms)),
        record: survey.facts.record().map(RecordField::from),
    })
}

/// What the survey found about who else may assume the role.
fn others(survey: &Survey, service_account: &ServiceAccountRef) -> Vec<String> {
    let is_such = |found: &&Diagnostic| {
        matches!(found.code, Code::SecurityDrift | Code::PodIdentity)
            && found.service_account.as_ref() == Some(service_account)
    };
    let found = survey.diagnostics.iter().filter(is_such);
    found.map(|found| found.message.clone()).collect()
}

/// What else the survey found about the ServiceAccount, and about the cluster's providers.
fn findings(survey: &Survey, service_account: &ServiceAccountRef) -> Vec<Diagnostic> {
    let is_such = |found: &&Diagnostic| match found.code {
        Code::OidcProvider | Code::OidcProviderUnread => true,
        Code::SecurityDrift | Code::PodIdentity => false,
        _ => found.service_account.as_ref() == Some(service_account),
    };
    let found = survey.diagnostics.iter().filter(is_such);
    found.cloned().collect()
}

/// Why nothing becomes of a change that a run would make.
fn held_back(change: &Change, obstacle: &Error) -> String {
    let action = action_word(&change.action);
    let hint = obstacle.hint();
    let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
    let reason = &change.reason;
    format!("to be changed ({action}: {reason}), but no run writes anything: {obstacle}{hint}")
}

fn facts(role: &CurrentRole, attached: Vec<String>, terms: &Terms) -> CurrentField {
    let tag = |key| role.tags.get(key).map(str::to_owned);
    let note = quarantine::note(role);
    CurrentField {
        role_id: role.listed.id.to_string(),
        commit: tag(tags::COMMIT),
        last_commit: tag(tags::LAST_COMMIT),
        source_commit: tag(tags::SOURCE_COMMIT),
        quarantined_at: note.since,
        quarantined_by: note.by.map(|by| by.to_string()),
        quarantined_until: quarantine::until(role, terms.prune_after)
            .map(|until| until.to_string()),
        last_used: role.last_used.clone(),
        attached,
    }
}

/// The ServiceAccount that is meant.
fn named(
    what: &str,
    prefix: &RolePrefix,
    whose: impl Fn(&RoleName) -> Option<ServiceAccountRef>,
) -> Result<ServiceAccountRef, Error> {
    if what.contains('/') {
        // An address that was given instead would be told part by part, a password among them.
        let what = redact::sentence(what);
        return ServiceAccountRef::parse(&what).map_err(Error::ServiceAccount);
    }
    let role = RoleName::new(what).map_err(Error::Role)?;
    whose(&role).ok_or_else(|| Error::NoServiceAccount(role, prefix.clone()))
}

/// The only cluster that declares what is meant or, if none does, that could have such a role.
///
/// # Errors
///
/// [`Error::WhichCluster`] if there are several of them.
pub fn only_one<'a>(
    what: &str,
    clusters: &'a [ClusterSettings],
    manifests: &Manifests,
) -> Result<&'a ClusterSettings, Error> {
    let mut possible = Vec::new();
    let mut refused = None;
    for cluster in clusters {
        let prefix = &cluster.naming().prefix;
        let whose = |role: &RoleName| {
            let of_declared = || {
                let declared = manifests
                    .declared(&cluster.paths, cluster.naming())
                    .resolved;
                let mut all = declared.declared.into_iter();
                let (whose, _) = all.find(|(_, it)| it.role.as_str() == role.as_str())?;
                Some(whose)
            };
            role_name::parse(prefix, role).or_else(of_declared)
        };
        match named(what, prefix, whose) {
            Ok(service_account) => possible.push((cluster, service_account)),
            Err(error) => refused = Some(error),
        }
    }
    let declares = |(cluster, service_account): &&(&ClusterSettings, ServiceAccountRef)| {
        let declared = manifests.declared(&cluster.paths, cluster.naming());
        declared.resolved.declared.contains_key(service_account)
    };
    let declaring: Vec<_> = possible.iter().filter(declares).collect();
    match (&declaring[..], &possible[..], refused) {
        ([(only, _)], ..) | ([], [(only, _)], _) => Ok(only),
        (_, [], Some(error)) => Err(error),
        _ => Err(Error::WhichCluster(names(clusters))),
    }
}

/// Whether a trust policy that is not the declared one was declared by an earlier commit.
fn drift(
    survey: &Survey,
    label: &crate::model::role::RoleLabel,
    service_account: &ServiceAccountRef,
    versions: &[Version],
) -> Option<String> {
    let Action::Update(update) = &survey.plan.changes.get(label)?.action else {
        return None;
    };
    let current = update
        .differences
        .iter()
        .find_map(|difference| match difference {
            Difference::TrustPolicy { current, .. } => Some(current),
            Difference::Tag { .. } | Difference::SessionDuration { .. } => None,
        })?;
    let cluster = survey.cluster();
    let declared_so = versions.iter().find(|version| {
        let Some(declaration) = &version.after else {
            return false;
        };
        let resolved = desired::resolve([declaration], &cluster.naming());
        let desired = desired::for_cluster(&resolved, cluster, &survey.facts.run.repository);
        let role = desired.get(service_account);
        role.is_some_and(|role| {
            let declared = cluster.trust_policy_over(&role.trust_policy, current);
            declared.same_meaning(current)
        })
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

/// The names of several clusters, for whoever has to choose one.
pub fn names(clusters: &[ClusterSettings]) -> Vec<ClusterName> {
    clusters.iter().map(|c| c.name().clone()).collect()
}
