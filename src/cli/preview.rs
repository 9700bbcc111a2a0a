//! What plan and apply share: everything up to the first write.
//!
//! Given a reader, which has no method that writes.

use std::collections::BTreeMap;

use crate::desired::Resolved;
use crate::diagnostic::{Diagnostic, Severity};
use crate::iam::{self, IamReader};
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;
use crate::model::role::{CurrentRoles, RoleLabel};
use crate::model::tags;
use crate::plan::saved::SavedPlan;
use crate::plan::{self, Action, History, Mode, Origin, Plan, Run, guard};
use crate::report::{Entry, Section};
use crate::settings::{self, ClusterSettings};

use super::args::ChangeArgs;
use super::error::Error;
use super::input::Manifests;

/// What is about to happen in one cluster.
pub(super) struct Preview {
    pub(super) cluster: Cluster,
    pub(super) plan: Plan,
    diagnostics: Vec<Diagnostic>,
    origins: BTreeMap<RoleLabel, Origin>,
    run: Run,
    current: CurrentRoles,
    history: History,
}

/// Reads what is current, compares it with what is asked for, and checks the guards.
pub(super) async fn preview(
    settings: &ClusterSettings,
    manifests: &Manifests,
    changes: &ChangeArgs,
    iam: &impl IamReader,
) -> Result<Preview, Error> {
    match survey(settings, manifests, changes, iam).await? {
        (preview, Ok(())) => Ok(preview),
        (_, Err(error)) => Err(error),
    }
}

/// As [`preview`], but what stops the run is an answer, too: for whoever asks about one role.
pub(super) async fn survey(
    settings: &ClusterSettings,
    manifests: &Manifests,
    changes: &ChangeArgs,
    iam: &impl IamReader,
) -> Result<(Preview, Result<(), Error>), Error> {
    let allowed = changes.allowed()?;
    let caller = iam.caller().await?;
    let cluster = settings.for_caller(&caller.account, &caller.partition)?;
    if changes.mode() == Mode::Sync && cluster.prefix.as_str().is_empty() {
        return Err(Error::NoPrefix);
    }
    let asked = manifests.asked(&settings.paths, &cluster.naming());
    let resolved = &asked.resolved;
    let run = Run {
        repository: manifests.repository().to_owned(),
        commit: manifests.commit().cloned(),
        mode: changes.mode(),
        depth: changes.depth(),
        prune: changes.prune(asked.completeness),
        rewrite: changes.rewrite(),
    };
    let mut current = CurrentRoles::new(iam.list_roles().await?);
    let names = plan::to_examine(resolved, &current, &cluster, &run);
    iam::read_in_full(iam, &names, &mut current).await?;
    let questions = plan::history::questions(resolved, &current, &cluster, &run);
    let mut history = manifests.history(&questions, &settings.paths)?;
    for name in plan::prune::to_inspect(resolved, &current, &cluster, &run) {
        let attachments = iam.attachments(&name).await?;
        current.add_attachments(&name, attachments);
    }
    let mut plan = plan::plan(resolved, &current, &cluster, &run, &history);
    let sample = plan::fence::to_sample(&plan, &current);
    if !sample.is_empty() {
        iam::read_in_full(iam, &sample, &mut current).await?;
        let questions = plan::history::questions(resolved, &current, &cluster, &run);
        let ancestry = manifests.ancestry(&questions.commits);
        history.ancestry.extend(ancestry);
        plan = plan::plan(resolved, &current, &cluster, &run, &history);
    }
    let verdict = match plan::fence::check(&mut plan, &current, &cluster, &run, &history) {
        Ok(()) => check(&mut plan, resolved, &cluster, &allowed, iam).await,
        Err(superseded) => Err(superseded.into()),
    };
    let mut diagnostics = asked.diagnostics;
    diagnostics.extend(plan.diagnostics.iter().cloned());
    let preview = Preview {
        cluster,
        plan,
        diagnostics,
        origins: BTreeMap::new(),
        run,
        current,
        history,
    };
    Ok((preview, verdict))
}

/// The guards: whether the plan may be carried out.
async fn check(
    plan: &mut Plan,
    resolved: &Resolved,
    cluster: &Cluster,
    allowed: &guard::Allowed,
    iam: &impl IamReader,
) -> Result<(), Error> {
    guard::check_removals(plan, resolved, allowed)?;
    guard::check_issuer_change(plan, resolved, cluster, allowed)?;
    check_account(plan, resolved, cluster, iam).await
}

/// Looks at all clusters together, once their accounts are known: none may own another one's
/// roles, and a name that two of them would give is given to none.
pub(super) fn reconcile<'a>(previews: impl Iterator<Item = &'a mut Preview>) -> Result<(), Error> {
    let previews: Vec<&mut Preview> = previews.collect();
    settings::distinct(previews.iter().map(|preview| (&preview.cluster).into()))?;
    let plans = previews.into_iter();
    plan::hold_contested(plans.map(|p| (&p.cluster, &mut p.plan)).collect());
    Ok(())
}

/// Asks the account whether it can take what is to be written; a run without writes asks nothing.
async fn check_account(
    plan: &mut Plan,
    resolved: &Resolved,
    cluster: &Cluster,
    iam: &impl IamReader,
) -> Result<(), Error> {
    if !plan.changes.values().any(guard::trusts) {
        return Ok(());
    }
    for issuer in &cluster.issuers {
        let arn = cluster.oidc_provider(issuer);
        let provider = iam.oidc_provider(&arn).await?;
        let audiences = provider.map(|provider| provider.audiences);
        guard::check_provider(arn.clone(), audiences.as_deref(), cluster.audience.as_ref())?;
        let accepted = audiences.unwrap_or_default();
        guard::hold_refused_audiences(plan, resolved, &arn, &accepted);
    }
    match iam.quotas().await {
        Ok(quotas) => {
            let iam::Quotas {
                roles,
                roles_quota,
                trust_policy_size_quota,
            } = quotas;
            Ok(guard::check_quotas(
                plan,
                roles,
                roles_quota,
                trust_policy_size_quota,
            )?)
        }
        // Only a prediction: IAM has the last word about every single role.
        Err(error) if error.kind == iam::Kind::AccessDenied => {
            tracing::warn!("{error}: whether the quotas suffice was not checked");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

impl Preview {
    /// Adds what is to be done to a plan that is saved.
    pub(super) fn save(&self, saved: &mut SavedPlan, paths: &[RepoPath]) {
        saved.add(&self.plan, &self.cluster, &self.run, paths);
    }

    /// Holds what is not in a saved plan.
    pub(super) fn limit(&mut self, saved: &SavedPlan, paths: &[RepoPath]) -> Result<(), Error> {
        Ok(saved.limit(&mut self.plan, &self.cluster, &self.run, paths)?)
    }

    /// Labels every change with what caused it, seen from the manifests of a base.
    pub(super) fn label(
        &mut self,
        settings: &ClusterSettings,
        manifests: &Manifests,
        base: &Manifests,
    ) -> Result<(), Error> {
        let asked = base.asked(&settings.paths, &self.cluster.naming());
        let Self {
            current,
            cluster,
            run,
            history,
            ..
        } = &*self;
        let mut at_base = plan::plan(&asked.resolved, current, cluster, run, history);
        // The fence has let this run pass, and would tag the same roles for the base.
        let _ = plan::fence::check(&mut at_base, current, cluster, run, history);
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
        Ok(())
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
            cluster: Some(self.cluster.name),
            account: Some(self.cluster.account),
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
