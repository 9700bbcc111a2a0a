//! Everything about one ServiceAccount and its role.

use super::survey::{Survey, survey};
use super::{Error, Manifests, Terms};
use crate::desired::{self, role_name};
use crate::diagnostic::{Code, Diagnostic};
use crate::iam::{self, IamReader, Kind};
use crate::model::cluster::ClusterName;
use crate::model::role::{CurrentRole, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags;
use crate::plan::{Action, Change, Obstacle, Reason, quarantine};
use crate::report::action_word;
use crate::report::explanation::{CurrentField, Explanation};
use crate::report::record::RecordField;
use crate::settings::ClusterSettings;

mod answer;
mod drift;
mod fate;
mod lenient;
mod mention;
mod subject;

use answer::Known;
use drift::Drift;
use fate::Fate;
use lenient::Lenient;
use mention::Mention;
use subject::{Meant, candidates, only_one};

/// What the user named, and what that may be.
pub struct Candidates<'a> {
    what: &'a str,
    clusters: &'a [ClusterSettings],
    manifests: &'a Manifests,
    found: Vec<Meant<'a>>,
}

impl<'a> Candidates<'a> {
    /// Looks in manifests and history.
    ///
    /// # Errors
    ///
    /// If nothing can be meant, or history cannot be read.
    pub fn of(
        what: &'a str,
        clusters: &'a [ClusterSettings],
        manifests: &'a Manifests,
    ) -> Result<Self, Error> {
        let found = candidates(what, clusters, manifests)?;
        Ok(Self {
            what,
            clusters,
            manifests,
            found,
        })
    }

    /// The clusters whose accounts have to be asked: all where manifests leave open which one is meant.
    pub fn clusters(&self) -> &'a [ClusterSettings] {
        match &self.found[..] {
            [(only, _)] => std::slice::from_ref(*only),
            _ => self.clusters,
        }
    }

    /// Everything about the one that is meant, and its cluster.
    ///
    /// # Errors
    ///
    /// If none or several can be meant, or anything cannot be read that has to do with it.
    pub async fn explain<R: IamReader>(
        self,
        terms: &Terms,
        connect: impl AsyncFn(&ClusterSettings) -> Result<R, iam::Error>,
    ) -> Result<(Explanation, ClusterName), Error> {
        let (clusters, manifests) = (self.clusters, self.manifests);
        let meant = only_one(self.what, clusters, manifests, self.found, &connect);
        let (settings, service_account) = meant.await?;
        let iam = connect(settings).await?;
        let explained = explain(&service_account, settings, manifests, terms, &iam);
        Ok((explained.await?, settings.name().clone()))
    }
}

/// Everything about a ServiceAccount and its role.
async fn explain(
    service_account: &ServiceAccountRef,
    settings: &ClusterSettings,
    manifests: &Manifests,
    terms: &Terms,
    iam: &impl IamReader,
) -> Result<Explanation, Error> {
    let label = role_name::label(settings.naming(), service_account);
    let role = RoleName::new(label.as_str()).ok();
    let reader = Lenient::new(iam);
    let survey = survey(settings, manifests, terms, &reader).await?;
    let obstacle = survey.obstacle.clone().map(Error::from);
    let (mut current, mut attached) = (None, None);
    if let Some(name) = &role {
        current = iam.role(name).await?;
        if current.is_some() {
            attached = match iam.attachments(name).await {
                Ok(found) => Some(found.names().map(str::to_owned).collect()),
                Err(error) if error.kind == Kind::AccessDenied => None,
                Err(error) => return Err(error.into()),
            };
        }
    }
    let versions = manifests.versions(service_account, settings)?;
    // The newest comes first; it may have been removed and brought back since.
    let introduced = versions
        .iter()
        .rfind(|v| v.before.is_none() && v.after.is_some());
    let change = survey.plan.changes.get(&label);
    let is_superseded = matches!(survey.obstacle, Some(Obstacle::Superseded(_)));
    let (state, reason) = match (change, &current) {
        (Some(change), _) => match &obstacle {
            Some(obstacle) if change.writes() => ("held", held_back(change, obstacle)),
            Some(obstacle) if is_superseded && change.action != Action::InSync => (
                "held",
                format!("{}; but {obstacle}", without_command(&change.reason)),
            ),
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
    // Plain files have no history that could have declared it.
    let has_history = manifests.repository.is_some();
    let drift = Drift::of(&survey, &label, service_account, &versions).filter(|_| has_history);
    let findings = findings(&survey, service_account);
    let resolved = &survey.facts.resolved.declared;
    let mention = match resolved.contains_key(service_account) {
        true => None,
        false => Mention::of(service_account, (settings, manifests), &survey)?,
    };
    let is_declared = resolved.get(service_account);
    let is_declared = is_declared.is_some_and(|one| one.verdict != desired::Verdict::Unmanaged);
    let fate = match change {
        Some(change) if !is_declared && !is_superseded => {
            Some(Fate::of(change, &survey, (settings, manifests), terms, &reader).await)
        }
        _ => None,
    };
    let unread = reader.unread();
    let owned = survey.plan.changes.values();
    let owned: Vec<&ServiceAccountRef> = owned.map(|change| &change.service_account).collect();
    let known = Known {
        survey: &survey,
        settings,
        manifests,
        service_account,
        label: &label,
        role: current.as_ref(),
        versions: &versions,
        change,
        drift: drift.as_ref(),
        obstacle: obstacle.as_ref(),
        findings: &findings,
        near: subject::near(
            &service_account.to_string(),
            std::slice::from_ref(settings),
            manifests,
            &owned,
        ),
        mention: mention.as_ref(),
        fate,
    };
    let mut answer = known.answer();
    if !unread.is_empty() {
        let names: Vec<String> = unread.iter().map(|name| format!("`{name}`")).collect();
        answer.notes.push(format!(
            "not all of the cluster was looked at: iam:GetRole is denied for {}",
            names.join(", ")
        ));
    }
    if current.is_some() && attached.is_none() {
        answer
            .notes
            .push("what is attached to the role could not be read: access denied".to_owned());
    }
    let differences = match change.map(|change| &change.action) {
        Some(Action::Update(update) | Action::Restore(update)) => update.differences.clone(),
        _ => vec![],
    };
    Ok(Explanation {
        answer,
        service_account: service_account.to_string(),
        role: label.as_str().to_owned(),
        location: location.map(ToString::to_string),
        may_be_declared_at: mention.map(|mention| mention.place()),
        introduced_by: introduced.map(|version| (&version.commit).into()),
        last_changed_by: versions.first().map(|version| (&version.commit).into()),
        state: state.to_owned(),
        reason,
        drift: drift.map(|drift| drift.in_words(&versions)),
        others: others(&survey, service_account),
        findings,
        current: current.map(|role| facts(&role, attached, terms)),
        record: survey.facts.record().map(RecordField::from),
        differences,
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

/// A reason without the command that it prints: it rests on what may be out of date.
fn without_command(reason: &Reason) -> Reason {
    match reason {
        Reason::HeldForEver {
            undeclared, kept, ..
        } => Reason::Kept {
            undeclared: *undeclared,
            kept: kept.clone(),
        },
        reason => reason.clone(),
    }
}

/// Why nothing becomes of a change that a run would make.
fn held_back(change: &Change, obstacle: &Error) -> String {
    let action = action_word(&change.action);
    let hint = obstacle.hint();
    let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
    let reason = &change.reason;
    format!("to be changed ({action}: {reason}), but no run writes anything: {obstacle}{hint}")
}

fn facts(role: &CurrentRole, attached: Option<Vec<String>>, terms: &Terms) -> CurrentField {
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
        last_use: role.last_use.clone(),
        attached,
        created: role.created.clone(),
        permissions_boundary: role.permissions_boundary.clone(),
    }
}

/// The names of several clusters, for whoever has to choose one.
pub fn names(clusters: &[ClusterSettings]) -> Vec<ClusterName> {
    clusters.iter().map(|c| c.name().clone()).collect()
}
