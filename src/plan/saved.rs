//! A plan in a file: what a reviewer has approved, and nothing else, is what may be applied.
//!
//! The file holds no instructions, only digests: applying it plans again at the same commit and
//! with the same settings, and carries out those changes whose digest is in the file. So whoever
//! edits the file can take changes away, and add none.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::guard::Refusal;
use super::{Action, Change, Plan, Run};
use crate::model::cluster::{Cluster, ClusterName};
use crate::model::commit::CommitId;
use crate::model::role::CurrentRole;
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
    settings: String,
    changes: Vec<SavedChange>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedChange {
    role: String,
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
    pub fn add(&mut self, plan: &Plan, cluster: &Cluster, run: &Run) {
        let saved = |change: &Change| SavedChange {
            role: change.role.as_str().to_owned(),
            digest: change_digest(change),
        };
        self.clusters.push(SavedCluster {
            name: cluster.name.to_string(),
            settings: settings_digest(cluster, run),
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

    /// Keeps those changes of a new plan that were saved, and holds the others.
    ///
    /// # Errors
    ///
    /// [`Refusal::StalePlan`] if the settings are others, or if not one of the saved changes is
    /// still to be made.
    pub fn limit(&self, plan: &mut Plan, cluster: &Cluster, run: &Run) -> Result<(), Refusal> {
        let stale = |why: &str| Err(Refusal::StalePlan(why.to_owned()));
        let name: &ClusterName = &cluster.name;
        let Some(saved) = self
            .clusters
            .iter()
            .find(|saved| saved.name == name.as_str())
        else {
            return stale("it was made for other clusters");
        };
        if saved.settings != settings_digest(cluster, run) {
            return stale("it was made with other settings");
        }
        let mut kept = 0;
        for change in plan.changes.values_mut().filter(|change| change.writes()) {
            let known = saved
                .changes
                .iter()
                .find(|s| s.role == change.role.as_str());
            change.reason = match known {
                Some(saved) if saved.digest == change_digest(change) => {
                    kept += 1;
                    continue;
                }
                Some(_) => format!(
                    "the role has moved since the plan was saved; now: {}",
                    change.reason
                ),
                None => format!("not part of the saved plan: {}", change.reason),
            };
            change.action = Action::Held;
        }
        if kept == 0 && !saved.changes.is_empty() {
            return stale("none of its changes is still to be made as it was planned");
        }
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

/// Everything that decides how roles are to look and what may be done.
fn settings_digest(cluster: &Cluster, run: &Run) -> String {
    digest(&(cluster, run.mode, run.prune.after, run.rewrite))
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
