//! What is declared and what is known: the planner asks for what it lacks, then decides.
//!
//! Whoever runs it answers until nothing is missing. No other order of calls has to be known:
//!
//! ```text
//! while let Some(need) = facts.missing() {
//!     facts.add(answer(need)?);
//! }
//! let decision = facts.decide();
//! ```
//!
//! The planner needs the listing first, then the record and the roles in full that the listing leaves
//! open, what history says of them, what is attached to those that may be deleted, the OIDC providers
//! and, if anything is to be written, the quotas.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::guard::{self, Allowed};
use super::history::{self, History, Questions};
use super::provider::{self, Provider, Providers};
use super::{
    Action, Decision, Depth, Mode, Obstacle, Plan, Run, decide, elsewhere, existing, fence,
    ownership, prune, security,
};
use crate::desired::{self, DesiredRole, Resolved, Verdict, role_name};
use crate::model::arn::OidcProviderArn;
use crate::model::cluster::Cluster;
use crate::model::quotas::Quotas;
use crate::model::role::{Attachments, CurrentRole, CurrentRoles, ListedRole, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags;

mod order;
mod over;
mod purpose;

pub use purpose::Purpose;

/// What has to be read next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Every role of the account, as the listing shows it.
    Listing,
    /// These roles, with their tags.
    Roles(Vec<RoleName>),
    /// Answers of Git history.
    History(Questions),
    /// What is attached to these roles.
    Attachments(Vec<RoleName>),
    /// What is attached to these roles, which ServiceAccounts use and this program did not make.
    Existing(Vec<RoleName>),
    /// These roles again, once their trust policies show principals by name instead of by id: they are
    /// about to be written to, and somebody who is new is shown by an id at first.
    Principals(Vec<RoleName>),
    /// Whether a provider is registered, and the audiences that it accepts.
    Provider(OidcProviderArn),
    /// How many roles there may be, and how long a trust policy may be.
    Quotas,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every role of the account.
    Listing(Vec<ListedRole>),
    /// Roles in full; `None` for one that is gone.
    Roles(Vec<(RoleName, Option<CurrentRole>)>),
    /// What history says.
    History(History),
    /// What is attached to roles; `None` for one that is gone.
    Attachments(Vec<(RoleName, Option<Attachments>)>),
    /// What is attached to roles that are not ours; `None` where that may not be read.
    Existing(Vec<(RoleName, Option<Attachments>)>),
    /// What is known of a provider.
    Provider(OidcProviderArn, Provider),
    /// The quotas; `None` where the account does not tell.
    Quotas(Option<Quotas>),
}

/// How far the reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Listing,
    Roles,
    History,
    Absences,
    Attachments,
    Existing,
    Principals,
    Providers,
    Quotas,
    Done,
}

/// What is declared for one cluster, what IAM and history are known to have, and for what run.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The cluster.
    pub cluster: Cluster,
    /// On whose behalf.
    pub run: Run,
    /// What is declared.
    pub resolved: Arc<Resolved>,
    pub(super) desired: Arc<BTreeMap<ServiceAccountRef, DesiredRole>>,
    pub(super) current: CurrentRoles,
    pub(super) history: History,
    pub(super) allowed: Allowed,
    existing: BTreeMap<RoleName, Option<Attachments>>,
    providers: Providers,
    quotas: Option<Quotas>,
    /// The roles that the user named.
    named: BTreeSet<RoleName>,
    purpose: Purpose,
    stage: Stage,
    pub(super) plan: OnceCell<Plan>,
}

impl Facts {
    /// What is declared; nothing is known yet.
    pub fn new(resolved: Resolved, cluster: Cluster, mut run: Run, allowed: Allowed) -> Self {
        if run.mode == Mode::Sync {
            // What is ours and trusts somebody else by now is seen in full only.
            run.depth = Depth::Full;
        }
        let desired = desired::for_cluster(&resolved, &cluster, &run.repository);
        // Mostly IAM is still asked for what that is compared with.
        desired
            .values()
            .for_each(|role| role.trust_policy.read_meaning());
        Self {
            desired: desired.into(),
            cluster,
            run,
            resolved: resolved.into(),
            current: CurrentRoles::default(),
            history: History::default(),
            allowed,
            existing: BTreeMap::new(),
            providers: Providers::new(),
            quotas: None,
            named: BTreeSet::new(),
            purpose: Purpose::Explanation,
            stage: Stage::Listing,
            plan: OnceCell::new(),
        }
    }

    /// The same for roles that the user names: whatever is to be known of them is read.
    #[must_use]
    pub fn naming(mut self, roles: &[RoleName]) -> Self {
        self.named.extend(roles.iter().cloned());
        self
    }

    /// Whether the user named a role.
    pub(super) fn is_named(&self, role: &RoleName) -> bool {
        self.named.contains(role)
    }

    /// The same, with roles that are known and nothing more to be read.
    pub(super) fn known(
        resolved: Resolved,
        cluster: Cluster,
        run: Run,
        roles: CurrentRoles,
    ) -> Self {
        Self {
            current: roles,
            stage: Stage::Done,
            ..Self::new(resolved, cluster, run, Allowed::default())
        }
    }

    /// What has to be read before [`Facts::decide`] can decide; `None` if it can.
    pub fn missing(&mut self) -> Option<Need> {
        loop {
            let need = match self.stage {
                Stage::Listing => Some(Need::Listing),
                Stage::Roles => some(self.unclear(), Need::Roles),
                Stage::History => asked(history::questions(self)),
                Stage::Absences if self.is_stopped_anyway() => None,
                Stage::Absences => asked(prune::absences(self)),
                Stage::Attachments => some(prune::to_inspect(self), Need::Attachments),
                Stage::Existing => some(existing::to_inspect(self), Need::Existing),
                Stage::Principals => some(self.unresolved(), Need::Principals),
                Stage::Providers => self.unknown_provider().map(Need::Provider),
                Stage::Quotas => self.writes_trust().then_some(Need::Quotas),
                Stage::Done => return None,
            };
            if need.is_some() {
                return need;
            }
            self.advance();
        }
    }

    /// Adds what was read.
    pub fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Listing(roles) => self.current = CurrentRoles::new(roles),
            Answer::Roles(roles) => {
                for (name, role) in roles {
                    self.current.add_detail(&name, role);
                }
                // They may have been read before, and planned for.
                self.plan.take();
            }
            Answer::History(history) => self.history.extend(history),
            Answer::Attachments(roles) => {
                for (name, attachments) in roles {
                    match attachments {
                        Some(attachments) => self.current.add_attachments(&name, attachments),
                        None => self.current.add_detail(&name, None),
                    }
                }
                self.plan.take();
            }
            Answer::Existing(roles) => self.existing.extend(roles),
            Answer::Provider(arn, provider) => {
                self.providers.insert(arn, provider);
                // There may be another issuer.
                return;
            }
            Answer::Quotas(quotas) => self.quotas = quotas,
        }
        self.advance();
    }

    /// What becomes of every role, and what stands in the way of it.
    pub fn decide(&self) -> Decision {
        let mut plan = self.plan().clone();
        let obstacle = self.check(&mut plan).err();
        let found = provider::findings(&self.cluster, &self.providers);
        plan.diagnostics.extend(found);
        let record = self.record_write();
        Decision {
            plan,
            record,
            obstacle,
        }
    }

    /// What becomes of every role, before the fence and the guards have their say.
    pub(super) fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| decide::plan(self))
    }

    /// The roles of the account, as far as they are known.
    pub fn current(&self) -> &CurrentRoles {
        &self.current
    }

    /// What is attached to a role that is not ours, if it was asked for.
    pub(super) fn existing(&self, role: &RoleName) -> Option<Option<&Attachments>> {
        self.existing.get(role).map(Option::as_ref)
    }

    /// The providers of the cluster, as far as they were looked at.
    pub(super) fn providers(&self) -> &Providers {
        &self.providers
    }

    /// The role that a ServiceAccount should have, if its manifest allows one.
    pub fn desired(&self, service_account: &ServiceAccountRef) -> Option<&DesiredRole> {
        self.desired.get(service_account)
    }

    /// The names of the roles that the manifests allow.
    pub fn declared_roles(&self) -> impl Iterator<Item = &RoleName> {
        self.desired.values().map(|role| &role.arn.name)
    }

    fn advance(&mut self) {
        self.stage = match self.stage {
            Stage::Listing => Stage::Roles,
            Stage::Roles => Stage::History,
            Stage::History => Stage::Absences,
            Stage::Absences => Stage::Attachments,
            Stage::Attachments => Stage::Existing,
            Stage::Existing => Stage::Principals,
            Stage::Principals => Stage::Providers,
            Stage::Providers => Stage::Quotas,
            Stage::Quotas | Stage::Done => Stage::Done,
        };
    }

    /// The roles that the listing leaves open.
    fn unclear(&self) -> Vec<RoleName> {
        let unclear = |desired: &DesiredRole| {
            let listed = self.current.listed(&desired.arn.name)?;
            let is_open = self.run.depth == Depth::Full
                || !decide::matches_listing(desired, listed, &self.cluster);
            let could_be_ours = ownership::of_listed(listed, &desired.arn).is_none();
            (is_open && could_be_ours).then(|| listed.name.clone())
        };
        let leftover = self.leftover().map(|listed| listed.name.clone());
        let declared = self.desired.values().filter_map(unclear);
        let held = self.held().map(|listed| listed.name.clone());
        let record = self.listed_record().map(|listed| listed.name.clone());
        let mut seen = BTreeSet::new();
        let unclear = declared.chain(leftover).chain(held).chain(record);
        unclear.filter(|name| seen.insert(name.clone())).collect()
    }

    /// The listed roles of ServiceAccounts whose manifests have errors: nothing becomes of them, but
    /// who was let into one is told.
    fn held(&self) -> impl Iterator<Item = &ListedRole> {
        let declared = self.resolved.declared.iter();
        declared.filter_map(|(service_account, declared)| {
            let is_held = matches!(declared.verdict, Verdict::Held { .. });
            let name = RoleName::new(declared.role.as_str())
                .ok()
                .filter(|_| is_held)?;
            let listed = self.current.listed(&name)?;
            let is_ours = listed.name == name && listed.path == self.cluster.path;
            let is_open = || security::is_open(&listed.trust_policy, service_account, self);
            (is_ours && (self.run.depth == Depth::Full || is_open())).then_some(listed)
        })
    }

    /// Whether the manifest of a ServiceAccount has errors.
    fn is_held(&self, service_account: &ServiceAccountRef) -> bool {
        let declared = self.resolved.declared.get(service_account);
        declared.is_some_and(|declared| matches!(declared.verdict, Verdict::Held { .. }))
    }

    /// The owned roles, read in full, whose last commits this run has to be in order with: all but
    /// those that are held whatever happens, and those that it does not declare and whose manifests
    /// lie where it does not read.
    pub(super) fn written(&self) -> impl Iterator<Item = &CurrentRole> {
        let owned =
            self.current
                .details()
                .filter(|role| match ownership::of(role, &self.cluster) {
                    ownership::Ownership::Owned(service_account) => !self.is_held(&service_account),
                    ownership::Ownership::Foreign(_) => false,
                });
        owned.filter(|role| {
            !self.is_leftover(&role.listed) || elsewhere::manifest(role, &self.run).is_none()
        })
    }

    /// The listed roles that may be ours and that nobody declares.
    pub(super) fn leftover(&self) -> impl Iterator<Item = &ListedRole> {
        self.current
            .iter()
            .filter(|listed| self.is_leftover(listed))
    }

    /// Whether a role may be ours without being declared. Roles of other clusters that share the
    /// prefix trust other issuers; reading each of them would cost a call a role on every run.
    pub(super) fn is_leftover(&self, listed: &ListedRole) -> bool {
        let Some(service_account) = self.whose(&listed.name) else {
            return self.may_be_anybodys(listed);
        };
        let declared = self.resolved.declared.get(&service_account);
        let is_declared = declared.is_some_and(|declared| declared.verdict != Verdict::Unmanaged);
        let (document, cluster) = (&listed.trust_policy, &self.cluster);
        !is_declared
            && listed.path == cluster.path
            && (self.run.depth == Depth::Full
                || self.is_named(&listed.name)
                || !security::serves_another_cluster(document, &service_account, cluster))
    }

    /// The ServiceAccount that a role name stands for, as far as that is known.
    pub fn whose(&self, role: &RoleName) -> Option<ServiceAccountRef> {
        let prefix = &self.cluster.prefix;
        let detail = self.current.detail(role);
        let stack = detail.and_then(|role| role.tags.get(tags::STACK));
        role_name::stands_for(prefix, role, stack).or_else(|| {
            let is_digested = role_name::is_digested(prefix, role);
            let declared = self.resolved.declared.iter().filter(|_| is_digested);
            let mut named =
                declared.filter(|(_, declared)| declared.role.as_str() == role.as_str());
            named
                .next()
                .map(|(service_account, _)| service_account.clone())
        })
    }

    /// Whether a role that nobody declares may be ours, if only its tags can tell whose it is.
    fn may_be_anybodys(&self, listed: &ListedRole) -> bool {
        let issuers: Vec<String> = self
            .cluster
            .issuers
            .iter()
            .map(|issuer| self.cluster.oidc_provider(issuer).to_string())
            .collect();
        let trusted = listed.trust_policy.federated_principals();
        let serves_another =
            !trusted.is_empty() && !trusted.iter().any(|other| issuers.contains(other));
        listed.path == self.cluster.path
            && role_name::is_digested(&self.cluster.prefix, &listed.name)
            && (self.run.depth == Depth::Full || self.is_named(&listed.name) || !serves_another)
    }

    /// Whether the plan has roles trust the cluster's providers, and nothing stands in its way.
    pub fn writes_trust(&self) -> bool {
        let plan = self.plan();
        let trusts = plan.changes.values().any(guard::trusts);
        trusts && self.check_order(&mut plan.clone()).is_ok()
    }

    /// The roles that are to be written to, and whose trust policies show a principal by its id.
    fn unresolved(&self) -> Vec<RoleName> {
        let plan = self.plan();
        let current = plan.writes().filter_map(|change| match &change.action {
            Action::Update(update) | Action::Restore(update) => Some(&update.current.listed),
            Action::Quarantine(quarantine) => Some(&quarantine.current.listed),
            _ => None,
        });
        let unresolved = current.filter(|role| role.trust_policy.has_unresolved_principal());
        let names: Vec<RoleName> = unresolved.map(|role| role.name.clone()).collect();
        // The steps change the plan that they look at, and a copy of all roles is no small thing.
        match names.is_empty() || self.check_order(&mut plan.clone()).is_ok() {
            true => names,
            false => vec![],
        }
    }

    fn unknown_provider(&self) -> Option<OidcProviderArn> {
        let issuers = self.cluster.issuers.iter();
        let mut providers = issuers.map(|issuer| self.cluster.oidc_provider(issuer));
        let unknown = providers.find(|arn| !self.providers.contains_key(arn))?;
        // Of roles that the user names only those that are made depend on it.
        (self.named.is_empty() || self.writes_trust()).then_some(unknown)
    }

    /// The steps over the plan that need nothing of the account.
    fn check_order(&self, plan: &mut Plan) -> Result<(), Obstacle> {
        fence::check(plan, self)?;
        guard::check_issuer_change(plan, self, &self.allowed)?;
        guard::check_removals(plan, self, &self.allowed)?;
        Ok(())
    }

    /// Every step over the plan.
    fn check(&self, plan: &mut Plan) -> Result<(), Obstacle> {
        self.check_order(plan)?;
        self.check_providers(plan)?;
        if let Some(quotas) = &self.quotas {
            guard::check_quotas(plan, quotas)?;
        }
        Ok(())
    }

    /// The providers that the cluster's roles trust: they are there, and accept the audiences.
    fn check_providers(&self, plan: &mut Plan) -> Result<(), Obstacle> {
        for issuer in &self.cluster.issuers {
            let arn = self.cluster.oidc_provider(issuer);
            let Some(provider) = self.providers.get(&arn) else {
                continue;
            };
            if plan.changes.values().any(guard::trusts) {
                guard::check_provider(&arn, provider, &self.cluster)?;
            }
            if let Provider::Accepts(accepted) = provider {
                guard::hold_refused_audiences(plan, self, &arn, accepted);
            }
        }
        Ok(())
    }
}

fn asked(questions: Questions) -> Option<Need> {
    questions.is_any().then_some(Need::History(questions))
}

fn some(names: Vec<RoleName>, need: impl Fn(Vec<RoleName>) -> Need) -> Option<Need> {
    (!names.is_empty()).then(|| need(names))
}
