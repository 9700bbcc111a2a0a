//! What plan, apply and explain share: everything up to the first write, one cluster at a time.
//!
//! Given a reader, which has no method that writes. The planner says what it needs, in [`Facts`].

use std::collections::BTreeMap;

use super::compare::renamed;
use super::error::Guarded;
use super::{ClusterManifests, Declarations, Error, Manifests, Terms};
use crate::diagnostic::{Code, Diagnostic};
use crate::iam::{self, IamReader, Kind, OidcProvider};
use crate::model::arn::OidcProviderArn;
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::role::{RoleLabel, RoleName};
use crate::model::tags;
use crate::plan::guard::Refusal;
use crate::plan::saved::SavedPlan;
use crate::plan::{
    self, Action, Answer, Decision, Facts, Mode, Need, Obstacle, Origin, Plan, Provider, Purpose,
    Rename, record,
};
use crate::report::{Entry, Review, Section};
use crate::settings::{self, ClusterSettings};

/// What is about to happen in one cluster.
pub struct Survey {
    pub(super) facts: Facts,
    /// The changes.
    pub plan: Plan,
    /// What is to be written to the cluster's record before anything else.
    pub record: Option<record::Write>,
    /// Why nothing of it may be carried out.
    pub obstacle: Option<Obstacle>,
    pub(super) diagnostics: Vec<Diagnostic>,
    origins: BTreeMap<RoleLabel, Origin>,
    review: Review,
}

/// Reads what is current, compares it with what is declared, and lets the guards have their say.
/// What stands in the way is an answer, too.
///
/// # Errors
///
/// If the settings are not those of the account, or anything cannot be read.
pub async fn survey(
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    terms: &Terms,
    iam: &impl IamReader,
) -> Result<Survey, Error> {
    survey_for(Purpose::Explanation, settings, declarations, terms, iam).await
}

/// The same, without what cannot matter to this purpose.
pub(super) async fn survey_for(
    purpose: Purpose,
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    terms: &Terms,
    iam: &impl IamReader,
) -> Result<Survey, Error> {
    let (facts, mut diagnostics) = gather(purpose, settings, declarations, terms, &[], iam).await?;
    let Decision {
        plan,
        record,
        obstacle,
    } = facts.decide();
    diagnostics.extend(facts.order());
    diagnostics.extend(plan.diagnostics.iter().cloned());
    Ok(Survey {
        facts,
        plan,
        record,
        obstacle,
        diagnostics,
        origins: BTreeMap::new(),
        review: Review::default(),
    })
}

/// Reads whatever the planner needs, and all of some roles that the user names; besides, what was
/// found about the manifests.
pub(super) async fn gather(
    purpose: Purpose,
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    terms: &Terms,
    names: &[RoleName],
    iam: &impl IamReader,
) -> Result<(Facts, Vec<Diagnostic>), Error> {
    let caller = iam.caller().await?;
    let cluster = settings.for_caller(&caller.account, &caller.partition)?;
    if terms.mode == Mode::Sync && cluster.prefix.as_str().is_empty() {
        return Err(Error::NoPrefix);
    }
    let ClusterManifests {
        resolved,
        diagnostics,
    } = declarations.declared(&settings.paths, &cluster.naming());
    let run = terms.run(declarations, &settings.paths);
    let mut facts = Facts::new(resolved, cluster, run, terms.allowed.clone())
        .naming(names)
        .gathered_for(purpose);
    while let Some(need) = facts.missing() {
        let answer = answer(need, &facts, declarations, iam).await?;
        facts.add(answer);
    }
    Ok((facts, diagnostics))
}

/// Asks IAM, or whoever knows the history, what the planner needs.
async fn answer(
    need: Need,
    facts: &Facts,
    declarations: &impl Declarations,
    iam: &impl IamReader,
) -> Result<Answer, Error> {
    Ok(match need {
        Need::History(questions) => {
            Answer::History(declarations.history(&questions, &facts.run.paths)?)
        }
        Need::Listing => Answer::Listing(iam.list_roles().await?),
        Need::Roles(names) => Answer::Roles(iam::read_in_full(iam, &names, facts.current()).await?),
        Need::Principals(names) => {
            Answer::Roles(iam::read_resolved(iam, &names, facts.current()).await?)
        }
        Need::Attachments(names) => {
            let mut attachments = Vec::new();
            for name in names {
                let attached = match iam.attachments(&name).await {
                    Ok(attached) => Some(attached),
                    // Another run may have deleted it since it was listed.
                    Err(error) if error.kind == Kind::NoSuchEntity => None,
                    Err(error) => return Err(error.into()),
                };
                attachments.push((name, attached));
            }
            Answer::Attachments(attachments)
        }
        Need::Existing(names) => {
            let mut existing = Vec::new();
            for name in names {
                let attached = match iam.attachments(&name).await {
                    Ok(attached) => Some(attached),
                    // Only advice: the policy of the job need not name roles that are not ours.
                    Err(error)
                        if [Kind::AccessDenied, Kind::NoSuchEntity].contains(&error.kind) =>
                    {
                        None
                    }
                    Err(error) => return Err(error.into()),
                };
                existing.push((name, attached));
            }
            Answer::Existing(existing)
        }
        Need::Provider(arn) => {
            let found = match facts.writes_trust() {
                // What is written rests on it.
                true => iam.oidc_provider(&arn).await?.into(),
                false => provider(&arn, iam).await?,
            };
            Answer::Provider(arn, found)
        }
        Need::Quotas => Answer::Quotas(match iam.quotas().await {
            Ok(quotas) => Some(quotas),
            // Only a prediction: IAM has the last word about every single role.
            Err(error) if error.kind == Kind::AccessDenied => {
                tracing::warn!("{error}: whether the quotas suffice was not checked");
                None
            }
            Err(error) => return Err(error.into()),
        }),
    })
}

/// Looks at a provider, if the credentials may.
pub(super) async fn provider(
    arn: &OidcProviderArn,
    iam: &impl IamReader,
) -> Result<Provider, iam::Error> {
    match iam.oidc_provider(arn).await {
        Err(error) if error.kind == Kind::AccessDenied => Ok(Provider::Unread),
        found => found.map(Provider::from),
    }
}

/// What IAM knows of a provider.
impl From<Option<OidcProvider>> for Provider {
    fn from(found: Option<OidcProvider>) -> Self {
        found.map_or(Self::Missing, |found| Self::Accepts(found.audiences))
    }
}

/// Looks at all clusters together, once their accounts are known: none may own another one's
/// roles, and a name that two of them would give is given to none.
///
/// # Errors
///
/// If two clusters are one.
pub fn settle<'a>(surveys: impl Iterator<Item = &'a mut Survey>) -> Result<(), Error> {
    let surveys: Vec<&mut Survey> = surveys.collect();
    settings::distinct(surveys.iter().map(|survey| survey.cluster().into()))?;
    let plans = surveys.into_iter();
    plan::hold_shared_names(plans.map(|s| (&s.facts.cluster, &mut s.plan)).collect());
    Ok(())
}

impl Survey {
    /// The survey, unless something stands in the way of it.
    ///
    /// # Errors
    ///
    /// What stands in the way.
    pub fn allowed(mut self) -> Result<Self, Error> {
        let Some(obstacle) = self.obstacle.take() else {
            return Ok(self);
        };
        // What was found about roles says what would become of them, which nothing does.
        let of_roles = &self.plan.diagnostics;
        self.diagnostics.retain(|found| !of_roles.contains(found));
        match obstacle {
            Obstacle::Refused(refusal) if !self.diagnostics.is_empty() => {
                self.plan.changes.clear();
                Err(Error::Guarded(Box::new(Guarded {
                    refusal,
                    repository: self.facts.run.repository.clone(),
                    commit: self.facts.run.commit.clone(),
                    sections: vec![self.section(|_| None)],
                })))
            }
            obstacle => Err(obstacle.into()),
        }
    }

    /// The same for a plan that is only looked at: one that is superseded says so, and what a guard has
    /// against it comes out beside it.
    pub fn to_show(mut self, is_under_review: bool) -> (Self, Option<Refusal>) {
        match self.obstacle.take() {
            Some(Obstacle::Refused(refusal)) => {
                // The issuer that roles trust is a drift only if it is not the cluster's old one.
                if matches!(refusal, Refusal::IssuerChange { .. }) {
                    let of_roles = &self.plan.diagnostics;
                    self.diagnostics.retain(|found| !of_roles.contains(found));
                }
                return (self, Some(refusal));
            }
            Some(Obstacle::Superseded(mut superseded)) => {
                superseded.is_under_review = is_under_review;
                self.obstacle = Some(Obstacle::Superseded(superseded));
            }
            None => {}
        }
        (self, None)
    }

    /// The cluster, in the account that it turned out to be in.
    pub fn cluster(&self) -> &Cluster {
        &self.facts.cluster
    }

    /// Adds what is to be done to a plan that is saved.
    pub fn save(&self, saved: &mut SavedPlan) {
        saved.add(&self.plan, &self.facts);
    }

    /// Holds what is not in a saved plan.
    ///
    /// # Errors
    ///
    /// If the plan is stale as a whole.
    pub fn limit(&mut self, saved: &SavedPlan) -> Result<(), Error> {
        Ok(saved.limit(&mut self.plan, &self.facts)?)
    }

    /// Labels every change with what caused it, seen from the manifests of a base.
    pub fn label(&mut self, settings: &ClusterSettings, manifests: &Manifests, base: &Manifests) {
        let declared = base.declared(&settings.paths, &self.cluster().naming());
        let at_base = self.facts.plan_for(declared.resolved.clone());
        let rules = &settings.naming().conventions.namespaces;
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
                    manifests.declares_the_same(&written, base, path, whose, rules)
                }
                _ => false,
            }
        };
        self.origins = plan::origins(&self.plan, &at_base, is_declared_as_written);
        let changes = self.plan.changes.values();
        let ours = changes.filter(|c| self.origins.get(&c.role) == Some(&Origin::ThisChange));
        let renames = plan::renames(ours, &declared.resolved);
        self.diagnostics.extend(renames.iter().map(Rename::warning));
        // A trust policy that the base declares was changed by nobody but Git.
        let as_declared = at_base.changes.values();
        let as_declared = as_declared.filter(|change| change.action == Action::InSync);
        let as_declared: Vec<_> = as_declared.map(|change| &change.service_account).collect();
        self.diagnostics.retain(|found| {
            let is_known = |whose| as_declared.contains(&whose);
            found.code != Code::SecurityDrift || !found.service_account.iter().any(is_known)
        });
        // What is wrong with the providers of an account is no commit's doing.
        let is_of_account = |found: &&Diagnostic| {
            matches!(found.code, Code::OidcProvider | Code::OidcProviderUnread)
        };
        let mut found = declared.diagnostics;
        found.extend(self.facts.order());
        found.extend(at_base.diagnostics);
        found.extend(self.diagnostics.iter().filter(is_of_account).cloned());
        self.review = Review {
            at_base: Some(found),
            renamed: renamed(&renames),
            ..Review::default()
        };
    }

    /// The section of the report; `outcome` says what became of a role, if anything was to.
    pub fn section(
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
            source: self.facts.run.source,
            entries: self.plan.changes.into_values().map(entry).collect(),
            diagnostics: self.diagnostics,
            superseded: match self.obstacle {
                Some(Obstacle::Superseded(superseded)) => Some(*superseded),
                Some(Obstacle::Refused(_)) | None => None,
            },
            record: None,
            ignored: None,
            checked: None,
            review: self.review,
        }
    }
}
