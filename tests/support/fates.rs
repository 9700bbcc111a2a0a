//! What schedules of faults start from: roles that each meet another fate in a run without faults.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use irsa_gitops::desired::{Declared, Managed, Resolved, Verdict, desired_role, role_name};
use irsa_gitops::iam::sandbox::{Role, State, Tag};
use irsa_gitops::model::arn::{AwsAccountId, Partition};
use irsa_gitops::model::cluster::{Audience, Cluster, ClusterName, Issuer, Naming, RolePrefix};
use irsa_gitops::model::commit::CommitId;
use irsa_gitops::model::history::{Absence, Ancestry, CommitInfo, Removal};
use irsa_gitops::model::location::{Location, RepoPath};
use irsa_gitops::model::role::RolePath;
use irsa_gitops::model::service_account::ServiceAccountRef;
use irsa_gitops::model::tags::TagValue;
use irsa_gitops::model::trust_policy;
use irsa_gitops::plan::guard::Allowed;
use irsa_gitops::plan::history::Questions;
use irsa_gitops::plan::record::APPLIED;
use irsa_gitops::plan::{Depth, History, Mode, Rewrite};
use irsa_gitops::reconcile::{self, ClusterManifests, Declarations, Terms, Turn};
use irsa_gitops::settings::{ClusterInput, ClusterSettings};

use super::iam_server::RECORD;
use super::memory::Memory;

pub const THEN: &str = "1111111111111111111111111111111111111111";
pub const NOW: &str = "2222222222222222222222222222222222222222";

const ACCOUNT: &str = r#"{"account":"123456789012",
    "oidcProviders":[{"issuer":"oidc.example.com","audiences":["sts.amazonaws.com"]}]}"#;

/// What is to become of a role in a run without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Create,
    Update,
    InSync,
    Restore,
    Quarantine,
    Delete,
    Foreign,
}

pub const FATES: [Fate; 7] = [
    Fate::Create,
    Fate::Update,
    Fate::InSync,
    Fate::Restore,
    Fate::Quarantine,
    Fate::Delete,
    Fate::Foreign,
];

pub fn cluster() -> Cluster {
    Cluster {
        name: ClusterName::new("prod").expect("valid"),
        prefix: RolePrefix::default(),
        path: RolePath::default(),
        partition: Partition::new("aws").expect("valid"),
        account: AwsAccountId::new("123456789012").expect("valid"),
        issuers: vec![Issuer::new("oidc.example.com").expect("valid")],
        audience: Some(Audience::default()),
        permissions_boundary: None,
        max_session_duration: None,
        managed_by: TagValue::new("iam-service-account-controller").expect("valid"),
        tags: vec![],
        pod_identity: irsa_gitops::model::cluster::PodIdentity::Keep,
        conventions: Default::default(),
    }
}

pub fn settings() -> ClusterSettings {
    let input = ClusterInput {
        name: Some("prod".to_owned()),
        oidc_providers: vec!["oidc.example.com".to_owned()],
        ..ClusterInput::default()
    };
    input.validate().expect("valid settings")
}

/// A run of its own: no two have the same id.
pub fn turn() -> Turn {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    Turn {
        run: RUNS.fetch_add(1, Ordering::Relaxed).to_string(),
        timeout: Duration::from_secs(600),
        lease: jiff::SignedDuration::from_secs(60),
        since: "2026-11-24T12:00:00Z".parse().expect("valid"),
    }
}

/// What there is of a record before the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// None.
    Missing,
    /// That of the commit before.
    Then,
    /// One that the caller may not write to.
    Denied,
}

pub const RECORDS: [Record; 3] = [Record::Missing, Record::Then, Record::Denied];

/// A starting state, what is asked for, and what history says.
pub struct World {
    pub fates: Vec<Fate>,
    pub record: Record,
    resolved: Resolved,
    commit: CommitId,
    history: History,
    state: State,
}

fn pair(index: usize) -> ServiceAccountRef {
    ServiceAccountRef::parse(&format!("bar/app-{index}")).expect("valid")
}

impl World {
    pub fn new(fates: &[Fate], record: Record) -> Self {
        let mut world = Self {
            fates: fates.to_vec(),
            record,
            resolved: Resolved::default(),
            commit: CommitId::new(NOW).expect("valid"),
            history: History::default(),
            state: serde_json::from_str(ACCOUNT).expect("a state"),
        };
        for commit in [THEN, NOW] {
            world
                .history
                .ancestry
                .insert(CommitId::new(commit).expect("valid"), Ancestry::Ancestor);
        }
        for (index, fate) in fates.iter().enumerate() {
            world.add(index, *fate);
        }
        if record == Record::Then {
            world.add_record();
        }
        world
    }

    /// The account behind it.
    pub fn account(&self) -> Memory {
        let iam = Memory::new(self.state.clone());
        if self.record == Record::Denied {
            iam.deny_record();
        }
        iam
    }

    /// The record as a run of THEN left it, with the entry of a pipeline of its own beside it.
    fn add_record(&mut self) {
        let document = trust_policy::quarantine();
        let trust: serde_json::Value = serde_json::from_str(document.as_str()).expect("JSON");
        let role = serde_json::json!({ "name": RECORD, "id": "AROARECORD", "trustPolicy": trust });
        let mut role: Role = serde_json::from_value(role).expect("a role");
        let entry = format!("{THEN}@2026-11-23T12:00:00Z");
        role.tags = vec![
            tag("role.k8s.aws/managed-by", "iam-service-account-controller"),
            tag("role.k8s.aws/cluster", "prod"),
            tag("role.k8s.aws/source", "repository"),
            tag(APPLIED, &entry),
            tag(&format!("{APPLIED}-0123456789ab"), &entry),
        ];
        self.state.roles.push(role);
    }

    /// Whoever looked at the plan allows its removals, which are all there is.
    pub fn terms(&self) -> Terms {
        let goes = |fate: &&Fate| matches!(fate, Fate::Quarantine | Fate::Delete);
        Terms {
            mode: Mode::Sync,
            depth: Depth::Listing,
            prune_after: jiff::SignedDuration::from_hours(168),
            now: "2026-11-24T12:00:00Z".parse().expect("valid"),
            allowed: Allowed {
                empty: true,
                removals: Some(self.fates.iter().filter(goes).count()),
                issuer_change: None,
            },
            rewrite: Rewrite::Refused,
        }
    }

    fn add(&mut self, index: usize, fate: Fate) {
        let service_account = pair(index);
        let location = Location {
            path: "a.yaml".into(),
            line: 1,
            column: 1,
        };
        let role = role_name::of(&cluster().naming(), &service_account).expect("short");
        let managed = Managed {
            role: role.clone(),
            audience: None,
        };
        let desired = desired_role(
            &service_account,
            &managed,
            &location,
            &cluster(),
            "repository",
        );
        if matches!(fate, Fate::Quarantine | Fate::Delete) {
            let commit = CommitInfo {
                id: CommitId::new(NOW).expect("valid"),
                author: "Ann".into(),
                date: String::new(),
                subject: String::new(),
                source: None,
            };
            let removal = Removal {
                commit,
                since: None,
                path: "a.yaml".into(),
                remains: false,
            };
            self.history
                .absences
                .insert(service_account, Absence::Removed(removal));
        } else {
            let declared = Declared {
                role: (&role).into(),
                location,
                role_arn: None,
                own_audience: None,
                verdict: Verdict::Managed(managed),
            };
            self.resolved.declared.insert(service_account, declared);
        }
        if fate == Fate::Create {
            return;
        }
        let mut tags: Vec<Tag> = desired
            .tags
            .iter()
            .map(|(key, value)| tag(key, value))
            .collect();
        tags.push(tag("role.k8s.aws/commit", THEN));
        tags.push(tag("role.k8s.aws/last-commit", THEN));
        let mut trust: serde_json::Value =
            serde_json::from_str(desired.trust_policy.as_str()).expect("JSON");
        match fate {
            Fate::Update => trust["Statement"][0]["Action"] = "sts:AssumeRole".into(),
            Fate::Foreign => {
                trust["Statement"][0]["Action"] = "sts:AssumeRole".into();
                tags.retain(|tag| tag.key != "role.k8s.aws/cluster");
            }
            Fate::Restore | Fate::Delete => {
                trust = serde_json::from_str(trust_policy::quarantine().as_str()).expect("JSON");
                tags.push(tag("role.k8s.aws/quarantined-at", "2026-01-01T00:00:00Z"));
                tags.push(tag("role.k8s.aws/quarantined-by", THEN));
            }
            Fate::Create | Fate::InSync | Fate::Quarantine => {}
        }
        let role = serde_json::json!({ "name": role.as_str(), "id": format!("AROA{index}"), "trustPolicy": trust });
        let mut role: Role = serde_json::from_value(role).expect("a role");
        role.tags = tags;
        self.state.roles.push(role);
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

impl Declarations for World {
    fn repository(&self) -> &str {
        "repository"
    }

    fn commit(&self) -> Option<&CommitId> {
        Some(&self.commit)
    }

    fn declared(&self, _: &[RepoPath], _: &Naming) -> ClusterManifests {
        ClusterManifests {
            resolved: self.resolved.clone(),
            diagnostics: vec![],
        }
    }

    /// As Git would answer: what NOW removed is no news to a role that NOW wrote last.
    fn history(&self, questions: &Questions, _: &[RepoPath]) -> Result<History, reconcile::Error> {
        let mut history = self.history.clone();
        for (service_account, since) in &questions.absent {
            if since.as_ref().map(CommitId::as_str) == Some(NOW) {
                let absence = Absence::Unexplained;
                history.absences.insert(service_account.clone(), absence);
            }
        }
        Ok(history)
    }
}
