//! What plan and apply share: everything up to the first write.
//!
//! Given a reader, which has no method that writes.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Severity};
use crate::iam::{self, IamReader};
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;
use crate::model::role::RoleLabel;
use crate::model::tags;
use crate::plan::saved::SavedPlan;
use crate::plan::{self, Action, Answer, Decision, Facts, Mode, Need, Obstacle, Origin, Plan, Run};
use crate::report::{Entry, Section};
use crate::settings::{self, ClusterSettings};

use super::args::ChangeArgs;
use super::error::Error;
use super::input::Manifests;

/// What is about to happen in one cluster.
pub(super) struct Preview {
    facts: Facts,
    pub(super) plan: Plan,
    diagnostics: Vec<Diagnostic>,
    origins: BTreeMap<RoleLabel, Origin>,
}

/// Reads what is current, compares it with what is declared, and checks the guards.
pub(super) async fn preview(
    settings: &ClusterSettings,
    manifests: &Manifests,
    changes: &ChangeArgs,
    iam: &impl IamReader,
) -> Result<Preview, Error> {
    match survey(settings, manifests, changes, iam).await? {
        (preview, None) => Ok(preview),
        (_, Some(obstacle)) => Err(obstacle.into()),
    }
}

/// As [`preview`], but what stops the run is an answer, too: for whoever asks about one role.
pub(super) async fn survey(
    settings: &ClusterSettings,
    manifests: &Manifests,
    changes: &ChangeArgs,
    iam: &impl IamReader,
) -> Result<(Preview, Option<Obstacle>), Error> {
    let allowed = changes.allowed()?;
    let caller = iam.caller().await?;
    let cluster = settings.for_caller(&caller.account, &caller.partition)?;
    if changes.mode() == Mode::Sync && cluster.prefix.as_str().is_empty() {
        return Err(Error::NoPrefix);
    }
    let asked = manifests.asked(&settings.paths, &cluster.naming());
    let run = Run {
        repository: manifests.repository().to_owned(),
        commit: manifests.commit().cloned(),
        mode: changes.mode(),
        depth: changes.depth(),
        prune: changes.prune(asked.completeness),
        rewrite: changes.rewrite(),
    };
    let mut facts = Facts::new(asked.resolved, cluster, run, allowed);
    while let Some(need) = facts.missing() {
        let answer = answer(need, &facts, settings, manifests, iam).await?;
        facts.add(answer);
    }
    let Decision { plan, obstacle } = facts.decide();
    let mut diagnostics = asked.diagnostics;
    diagnostics.extend(plan.diagnostics.iter().cloned());
    let preview = Preview {
        facts,
        plan,
        diagnostics,
        origins: BTreeMap::new(),
    };
    Ok((preview, obstacle))
}

/// Asks IAM or Git what the planner needs.
async fn answer(
    need: Need,
    facts: &Facts,
    settings: &ClusterSettings,
    manifests: &Manifests,
    iam: &impl IamReader,
) -> Result<Answer, Error> {
    Ok(match need {
        Need::Listing => Answer::Listing(iam.list_roles().await?),
        Need::Roles(names) => Answer::Roles(iam::read_in_full(iam, &names, facts.current()).await?),
        Need::History(questions) => {
            Answer::History(manifests.history(&questions, &settings.paths)?)
        }
        Need::Attachments(names) => {
            let mut attachments = Vec::new();
            for name in names {
                let attached = iam.attachments(&name).await?;
                attachments.push((name, attached));
            }
            Answer::Attachments(attachments)
        }
        Need::Provider(arn) => {
            let provider = iam.oidc_provider(&arn).await?;
            Answer::Provider(arn, provider.map(|provider| provider.audiences))
        }
        Need::Quotas => Answer::Quotas(match iam.quotas().await {
            Ok(quotas) => Some(quotas),
            // Only a prediction: IAM has the last word about every single role.
            Err(error) if error.kind == iam::Kind::AccessDenied => {
                tracing::warn!("{error}: whether the quotas suffice was not checked");
                None
            }
            Err(error) => return Err(error.into()),
        }),
    })
}

/// Looks at all clusters together, once their accounts are known: none may own another one's
/// roles, and a name that two of them would give is given to none.
pub(super) fn reconcile<'a>(previews: impl Iterator<Item = &'a mut Preview>) -> Result<(), Error> {
    let previews: Vec<&mut Preview> = previews.collect();
    settings::distinct(previews.iter().map(|preview| preview.cluster().into()))?;
    let plans = previews.into_iter();
    plan::hold_contested(plans.map(|p| (&p.facts.cluster, &mut p.plan)).collect());
    Ok(())
}

impl Preview {
    pub(super) fn cluster(&self) -> &Cluster {
        &self.facts.cluster
    }

    /// Adds what is to be done to a plan that is saved.
    pub(super) fn save(&self, saved: &mut SavedPlan, paths: &[RepoPath]) {
        saved.add(&self.plan, &self.facts.cluster, &self.facts.run, paths);
    }

    /// Holds what is not in a saved plan.
    pub(super) fn limit(&mut self, saved: &SavedPlan, paths: &[RepoPath]) -> Result<(), Error> {
        let Facts { cluster, run, .. } = &self.facts;
        Ok(saved.limit(&mut self.plan, cluster, run, paths)?)
    }

    /// Labels every change with what caused it, seen from the manifests of a base.
    pub(super) fn label(
        &mut self,
        settings: &ClusterSettings,
        manifests: &Manifests,
        base: &Manifests,
    ) {
        let asked = base.asked(&settings.paths, &self.cluster().naming());
        let at_base = self.facts.plan_for(asked.resolved);
        let is_declared_as_written = |change: &plan::Change| {
            let (Action::Update(update) | Action::Restore(update)) = &change.action else {
                return false;
            };
            let written = update.current.tags.get(tags::LAST_COMMIT);
            let written = written.and_then(|commit| CommitId::new(commit).ok());
            let path = change.location.as_ref().map(|location| &location.path);
            let whose = &change.service_account;
            match (written, path, base.commit()) {
                (Some(written), Some(path), Some(base)) => {
                    manifests.declares_the_same(&written, base, path, whose)
                }
                _ => false,
            }
        };
        self.origins = plan::origins(&self.plan, &at_base, is_declared_as_written);
    }

    /// The section of the report; `outcome` says what became of a role, if anything was to.
    pub(super) fn section(
        self,
        mut outcome: impl FnMut(&RoleLabel) -> Option<crate::apply::Outcome>,
    ) -> Section {
        let entry = |change: plan::Change| Entry {
            outcome: outcome(&change.role),
            origin: self.origins.get(&change.role).copied(),
            change,
        };
        Section {
            cluster: Some(self.facts.cluster.name),
            account: Some(self.facts.cluster.account),
            entries: self.plan.changes.into_values().map(entry).collect(),
            diagnostics: self.diagnostics,
        }
    }
}

/// Whether something was held, or an error was found, so that the run is not all it could be.
pub(super) fn is_incomplete(sections: &[Section]) -> bool {
    sections.iter().any(|section| {
        section
            .entries
            .iter()
            .any(|entry| entry.change.action == Action::Held)
            || section
                .diagnostics
                .iter()
                .any(|d| d.severity == Severity::Error)
    })
}
