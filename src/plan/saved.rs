//! A plan in a file: what a reviewer has approved, and nothing else, is what may be applied.
//!
//! The file holds no instructions, only digests: applying it plans again with the same settings, at
//! the same commit or at another one that declares the same, and carries out those changes whose
//! digest is in the file. So whoever edits the file can take changes away, and add none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::guard::Refusal;
use super::{Action, Change, Difference, Facts, Plan, Reason};
use crate::desired::{Declared, DesiredRole, Verdict};
use crate::model::cluster::{Cluster, ClusterName};
use crate::model::commit::CommitId;
use crate::model::last_use::LastUse;
use crate::model::role::{CurrentRole, NewRole, RoleLabel};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags::{self, Tags};

/// The version of the file.
const SCHEMA: &str = "irsa-gitops/plan/v2";

/// The tags that tell of the run that writes them, and of the place of the manifest at its commit.
const OF_THE_RUN: [&str; 5] = [
    tags::COMMIT,
    tags::LAST_COMMIT,
    tags::SOURCE,
    tags::QUARANTINED_AT,
    tags::QUARANTINED_BY,
];

/// A plan of all clusters, as it is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedPlan {
    schema: String,
    program: String,
    repository: String,
    commit: String,
    clusters: Vec<SavedCluster>,
    /// Over everything else: tells an edited or cut file from a whole one.
    checksum: String,
}

/// Which program wrote a file; the rest of it has another form in other versions.
#[derive(Deserialize)]
struct Writer {
    schema: String,
    program: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedCluster {
    name: String,
    /// A digest of each setting, by its flag.
    settings: BTreeMap<String, String>,
    /// A digest of what is declared, by ServiceAccount.
    desired: BTreeMap<String, String>,
    changes: Vec<SavedChange>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedChange {
    role: String,
    service_account: String,
    digest: String,
}

impl SavedPlan {
    /// Starts a plan for a commit.
    pub fn new(repository: &str, commit: &CommitId) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            repository: repository.to_owned(),
            commit: commit.to_string(),
            clusters: vec![],
            checksum: String::new(),
        }
    }

    /// Starts one that is never written to a file: what somebody was shown and agreed to.
    pub fn shown(commit: Option<&CommitId>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            repository: String::new(),
            commit: commit.map_or_else(|| "none".to_owned(), CommitId::to_string),
            clusters: vec![],
            checksum: String::new(),
        }
    }

    /// Adds the changes of one cluster that write.
    pub fn add(&mut self, plan: &Plan, facts: &Facts) {
        let saved = |change: &Change| SavedChange {
            role: change.role.as_str().to_owned(),
            service_account: change.service_account.to_string(),
            digest: change_digest(change),
        };
        self.clusters.push(SavedCluster {
            name: facts.cluster.name.to_string(),
            settings: settings(facts),
            desired: desired(facts),
            changes: plan.writes().map(saved).collect(),
        });
    }

    /// The text of the file.
    pub fn to_text(mut self) -> String {
        self.checksum = self.sum();
        let mut text = serde_json::to_string_pretty(&self)
            .expect("structs of strings with string keys always serialise");
        text.push('\n');
        text
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// [`Refusal::TamperedPlan`] if it is not what this version of the program wrote.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let tampered = |why: String| Refusal::TamperedPlan(why);
        let unreadable = |error: serde_json::Error| tampered(error.to_string());
        let by: Writer = serde_json::from_str(text).map_err(unreadable)?;
        if by.schema != SCHEMA || by.program != env!("CARGO_PKG_VERSION") {
            return Err(tampered(
                "another version of the program wrote it".to_owned(),
            ));
        }
        let saved: Self = serde_json::from_str(text).map_err(unreadable)?;
        if saved.checksum != saved.sum() {
            return Err(tampered("its checksum does not fit its content".to_owned()));
        }
        Ok(saved)
    }

    /// The commit it was made for.
    ///
    /// # Errors
    ///
    /// [`Refusal::TamperedPlan`] if it names none.
    pub fn commit(&self) -> Result<CommitId, Refusal> {
        CommitId::new(&self.commit).map_err(|error| Refusal::TamperedPlan(error.to_string()))
    }

    /// Refuses clusters that are not those it was made for.
    ///
    /// # Errors
    ///
    /// [`Refusal::StalePlan`].
    pub fn check_clusters<'a>(
        &self,
        clusters: impl Iterator<Item = &'a ClusterName>,
    ) -> Result<(), Refusal> {
        let mut now: Vec<&str> = clusters.map(ClusterName::as_str).collect();
        let mut saved: Vec<&str> = self.clusters.iter().map(|c| c.name.as_str()).collect();
        now.sort_unstable();
        saved.sort_unstable();
        if now == saved {
            return Ok(());
        }
        let (saved, now) = (saved.join(", "), now.join(", "));
        let why = format!("it was made for the clusters {saved}, and these are {now}");
        stale(why)
    }

    /// Keeps those changes of a new plan that were saved, and holds the others; what was saved and
    /// is no change any more is held, too, unless the role is as it should be.
    ///
    /// # Errors
    ///
    /// [`Refusal::StalePlan`] if the settings or what is declared are others, or nothing of it is
    /// left to be done.
    pub fn limit(&self, plan: &mut Plan, facts: &Facts) -> Result<(), Refusal> {
        let saved = self.cluster(facts)?;
        saved.check_desired(&self.commit, facts)?;
        let kept = saved.hold_others(plan);
        let lost = saved.lost(plan);
        if kept == 0 && !saved.changes.is_empty() {
            let held = plan.changes.values().filter(|c| c.action == Action::Held);
            let why = |change: &Change| format!("; `{}`: {}", change.role, change.reason);
            let why: String = held.chain(&lost).map(why).collect();
            return stale(format!(
                "none of its changes is still to be made as it was planned{why}"
            ));
        }
        let lost = lost.into_iter().map(|change| (change.role.clone(), change));
        plan.changes.extend(lost);
        Ok(())
    }

    /// The entry that was made for a cluster with these settings.
    fn cluster(&self, facts: &Facts) -> Result<&SavedCluster, Refusal> {
        let (name, now) = (&facts.cluster.name, settings(facts));
        let clusters = self.clusters.iter();
        let named = clusters.filter(|saved| saved.name == name.as_str());
        // One cluster may have an entry for each of several accounts.
        let Some(saved) = named.min_by_key(|saved| saved.other_settings(&now).len()) else {
            return stale(format!("it was not made for cluster `{name}`"));
        };
        match &saved.other_settings(&now)[..] {
            [] => Ok(saved),
            others => stale(format!("it was made with another {}", others.join(", "))),
        }
    }

    fn sum(&self) -> String {
        let Self {
            schema,
            program,
            repository,
            commit,
            clusters,
            checksum: _,
        } = self;
        digest(&(schema, program, repository, commit, clusters))
    }
}

impl SavedCluster {
    /// The flags of the settings that are others now.
    fn other_settings<'a>(&self, now: &'a BTreeMap<String, String>) -> Vec<&'a str> {
        let others = now.iter();
        let others = others.filter(|(flag, digest)| self.settings.get(*flag) != Some(digest));
        others.map(|(flag, _)| flag.as_str()).collect()
    }

    /// Refuses a commit that does not declare what was planned. Which commit it is does not matter:
    /// a branch that was squashed or rebased has another one.
    fn check_desired(&self, planned: &str, facts: &Facts) -> Result<(), Refusal> {
        let now = desired(facts);
        let names: BTreeSet<&String> = self.desired.keys().chain(now.keys()).collect();
        let difference = |name: &String| match (self.desired.get(name), now.get(name)) {
            (saved, now) if saved == now => None,
            (Some(_), Some(_)) => Some(format!("{name} (declared otherwise)")),
            (Some(_), None) => Some(format!("{name} (not declared any more)")),
            (None, _) => Some(format!("{name} (not declared when it was planned)")),
        };
        let differing: Vec<String> = names.into_iter().filter_map(difference).collect();
        if differing.is_empty() {
            return Ok(());
        }
        let (cluster, commit) = (&self.name, facts.run.commit.as_ref());
        let commit = commit.map_or("no commit", CommitId::as_str);
        stale(format!(
            "it was made for commit {planned}, and what commit {commit} declares for cluster `{cluster}` differs: {}",
            differing.join(", ")
        ))
    }

    /// Holds the changes that were not saved, or not as they are now; returns how many are left.
    fn hold_others(&self, plan: &mut Plan) -> usize {
        let mut kept = 0;
        for change in plan.changes.values_mut().filter(|change| change.writes()) {
            let mut saved = self.changes.iter();
            let saved = saved.find(|saved| saved.role == change.role.as_str());
            let now = Box::new(change.reason.clone());
            change.reason = match saved {
                Some(saved) if saved.digest == change_digest(change) => {
                    kept += 1;
                    continue;
                }
                Some(_) => Reason::MovedSincePlan(now),
                None => Reason::NotInPlan(now),
            };
            change.action = Action::Held;
        }
        kept
    }

    /// What was to be done, and is no change of the new plan, nor in sync, nor held already.
    fn lost(&self, plan: &Plan) -> Vec<Change> {
        let held = |saved: &SavedChange| {
            let role = RoleLabel::new(saved.role.as_str());
            let now = plan.changes.get(&role);
            if now.is_some_and(|change| change.action != Action::Orphan) {
                return None;
            }
            Some(Change {
                role,
                service_account: ServiceAccountRef::parse(&saved.service_account).ok()?,
                location: now.and_then(|change| change.location.clone()),
                action: Action::Held,
                reason: Reason::NoLongerDue(now.map(|change| Box::new(change.reason.clone()))),
            })
        };
        self.changes.iter().filter_map(held).collect()
    }
}

fn stale<T>(why: String) -> Result<T, Refusal> {
    Err(Refusal::StalePlan(why))
}

/// What is declared for a cluster: which roles there are to be, how they are to look, and which are
/// held. Where it is declared does not count.
fn desired(facts: &Facts) -> BTreeMap<String, String> {
    let look = |role: &DesiredRole| {
        let DesiredRole {
            arn,
            service_account,
            location: _,
            own_audience,
            trust_policy,
            tags,
            source: _,
            permissions_boundary,
            max_session_duration,
        } = role;
        digest(&(
            (arn, service_account, own_audience, trust_policy, tags),
            (permissions_boundary, max_session_duration),
        ))
    };
    let one = |(whose, declared): (&ServiceAccountRef, &Declared)| {
        let verdict = match declared.verdict {
            Verdict::Managed(_) => facts.desired(whose).map(look),
            Verdict::Unmanaged => Some("unmanaged".to_owned()),
            Verdict::Held { .. } => Some("held".to_owned()),
        };
        (whose.to_string(), digest(&(&declared.role, verdict)))
    };
    facts.resolved.declared.iter().map(one).collect()
}

/// Everything that decides how roles are to look and what may be done, by its flag.
fn settings(facts: &Facts) -> BTreeMap<String, String> {
    let Facts { cluster, run, .. } = facts;
    let Cluster {
        name,
        prefix,
        path,
        partition,
        account,
        issuers,
        audience,
        permissions_boundary,
        max_session_duration,
        managed_by,
        tags,
        pod_identity,
        conventions,
    } = cluster;
    let keys = &conventions.annotations;
    let all = [
        ("--cluster-name", digest(name)),
        ("--role-prefix", digest(prefix)),
        ("--role-path", digest(path)),
        ("--account", digest(&(partition, account))),
        ("--oidc-provider", digest(issuers)),
        ("--audience", digest(audience)),
        ("--permissions-boundary", digest(permissions_boundary)),
        ("--max-session-duration", digest(max_session_duration)),
        ("--managed-by", digest(managed_by)),
        ("--tag", digest(tags)),
        ("--pod-identity", digest(pod_identity)),
        ("--managed-annotation", digest(&keys.managed)),
        ("--annotation-prefix", digest(&keys.role_arn)),
        ("--compose-role-arn", digest(&conventions.role_arns)),
        ("--namespace-from", digest(&conventions.namespaces)),
        ("--exclude", digest(&conventions.ignore)),
        ("--substitute", digest(&conventions.substitutions)),
        ("--long-names", digest(&conventions.long_names)),
        ("--path", digest(&run.paths)),
        ("--mode", digest(&run.mode)),
        ("--full", digest(&run.depth)),
        ("--prune-after", digest(&run.prune.after)),
        ("--accept-history-rewrite", digest(&run.rewrite)),
    ];
    let named = all.into_iter();
    named
        .map(|(flag, digest)| (flag.to_owned(), digest))
        .collect()
}

/// What is to be done, and the role as it was; when it was last used, and what tells of the run,
/// do not count.
fn change_digest(change: &Change) -> String {
    let as_it_was = |role: &CurrentRole| CurrentRole {
        last_use: LastUse::Unknown,
        ..role.clone()
    };
    match &change.action {
        Action::Create(role) => digest(&NewRole {
            tags: of_any_run(&role.tags),
            ..role.clone()
        }),
        Action::Update(update) | Action::Restore(update) => {
            let is_of_the_run = |difference: &&Difference| matches!(difference, Difference::Tag { key, .. } if OF_THE_RUN.contains(&key.as_str()));
            let differences = update.differences.iter();
            let differences: Vec<_> = differences.filter(|d| !is_of_the_run(d)).collect();
            digest(&(
                as_it_was(&update.current),
                differences,
                of_any_run(&update.tags),
                &update.untag,
            ))
        }
        Action::Quarantine(quarantine) => digest(&(
            "quarantine",
            as_it_was(&quarantine.current),
            of_any_run(&quarantine.tags),
        )),
        Action::Delete(delete) => digest(&("delete", as_it_was(&delete.current))),
        Action::InSync | Action::Orphan | Action::Held => String::new(),
    }
}

/// Tags without those that tell of the run.
fn of_any_run(tags: &Tags) -> Tags {
    let tags = tags.iter();
    tags.filter(|(key, _)| !OF_THE_RUN.contains(key)).collect()
}

/// Equal values have equal digests; only ever compared within one version of the program, so the
/// debug representation will do.
fn digest(value: &impl Debug) -> String {
    let hash = Sha256::digest(format!("{value:?}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
