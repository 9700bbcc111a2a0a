//! A plan in a file: what a reviewer has approved, and nothing else, is what may be applied.
//!
//! The file holds no instructions, only digests: applying it plans again at the same commit and
//! with the same settings, and carries out those changes whose digest is in the file. So whoever
//! edits the file can take changes away, and add none.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::guard::Refusal;
use super::{Action, Change, Plan, Reason, Run};
use crate::model::cluster::{Cluster, ClusterName};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;
use crate::model::role::{CurrentRole, RoleLabel};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags;

/// The version of the file.
const SCHEMA: &str = "irsa-gitops/plan/v1";

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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedCluster {
    name: String,
    /// A digest of each setting, by its flag.
    settings: BTreeMap<String, String>,
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

    /// Adds the changes of one cluster that write.
    pub fn add(&mut self, plan: &Plan, cluster: &Cluster, run: &Run, paths: &[RepoPath]) {
        let saved = |change: &Change| SavedChange {
            role: change.role.as_str().to_owned(),
            service_account: change.service_account.to_string(),
            digest: change_digest(change),
        };
        self.clusters.push(SavedCluster {
            name: cluster.name.to_string(),
            settings: settings(cluster, run, paths),
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
        let saved: Self =
            serde_json::from_str(text).map_err(|error| tampered(error.to_string()))?;
        if saved.schema != SCHEMA || saved.program != env!("CARGO_PKG_VERSION") {
            return Err(tampered(
                "another version of the program wrote it".to_owned(),
            ));
        }
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
        Err(Refusal::StalePlan(why))
    }

    /// Keeps those changes of a new plan that were saved, and holds the others; what was saved and
    /// is no change any more is held, too, unless the role is as it should be.
    ///
    /// # Errors
    ///
    /// [`Refusal::StalePlan`] if the settings are others, or nothing of it is left to be done.
    pub fn limit(
        &self,
        plan: &mut Plan,
        cluster: &Cluster,
        run: &Run,
        paths: &[RepoPath],
    ) -> Result<(), Refusal> {
        let stale = |why: String| Err(Refusal::StalePlan(why));
        let now = settings(cluster, run, paths);
        let differing = |saved: &SavedCluster| -> Vec<&str> {
            let same =
                |(flag, digest): &(&String, &String)| saved.settings.get(*flag) == Some(digest);
            let others = now.iter().filter(|setting| !same(setting));
            others.map(|(flag, _)| flag.as_str()).collect()
        };
        let named = self
            .clusters
            .iter()
            .filter(|saved| saved.name == cluster.name.as_str());
        // One cluster may have an entry for each of several accounts.
        let Some(saved) = named.min_by_key(|saved| differing(saved).len()) else {
            return stale(format!("it was not made for cluster `{}`", cluster.name));
        };
        let others = differing(saved);
        if !others.is_empty() {
            return stale(format!("it was made with another {}", others.join(", ")));
        }
        let mut kept = 0;
        for change in plan.changes.values_mut().filter(|change| change.writes()) {
            let known = saved
                .changes
                .iter()
                .find(|s| s.role == change.role.as_str());
            let now = Box::new(change.reason.clone());
            change.reason = match known {
                Some(saved) if saved.digest == change_digest(change) => {
                    kept += 1;
                    continue;
                }
                Some(_) => Reason::MovedSincePlan(now),
                None => Reason::NotInPlan(now),
            };
            change.action = Action::Held;
        }
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

/// Everything that decides how roles are to look and what may be done, by its flag.
fn settings(cluster: &Cluster, run: &Run, paths: &[RepoPath]) -> BTreeMap<String, String> {
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
    } = cluster;
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
        ("--path", digest(&paths)),
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

/// What is to be done, and the role as it was; when it was last used and the time of the run do
/// not count.
fn change_digest(change: &Change) -> String {
    let as_it_was = |role: &CurrentRole| CurrentRole {
        last_used: None,
        ..role.clone()
    };
    match &change.action {
        Action::Create(role) => digest(role),
        Action::Update(update) | Action::Restore(update) => digest(&(
            as_it_was(&update.current),
            &update.differences,
            &update.tags,
            &update.untag,
        )),
        Action::Quarantine(quarantine) => {
            let mut tags = quarantine.tags.clone();
            tags.remove(tags::QUARANTINED_AT);
            digest(&("quarantine", as_it_was(&quarantine.current), tags))
        }
        Action::Delete(delete) => digest(&("delete", as_it_was(&delete.current))),
        Action::InSync | Action::Orphan | Action::Held => String::new(),
    }
}

/// Equal values have equal digests; only ever compared within one version of the program, so the
/// debug representation will do.
fn digest(value: &impl Debug) -> String {
    let hash = Sha256::digest(format!("{value:?}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
