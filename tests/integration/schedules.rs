//! Fault schedules: every single fault at every call, and thousands of random ones.
//!
//! After any of them no write has touched a role that was not ours, no role has been lost, and the
//! following runs without faults end where a run without faults would have ended.

use std::collections::BTreeMap;
use std::time::Duration;

use irsa_gitops::apply::{Cause, Outcome, Stop};
use irsa_gitops::desired::{Request, Resolved, Verdict, Wanted, desired_role, role_name};
use irsa_gitops::iam::Kind;
use irsa_gitops::iam::sandbox::{Role, State, Tag};
use irsa_gitops::manifest::Completeness;
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
use irsa_gitops::plan::{Depth, History, Mode, Rewrite};
use irsa_gitops::reconcile::apply::Bounds;
use irsa_gitops::reconcile::{self, Declarations, Declared, Terms};
use irsa_gitops::report::Section;
use irsa_gitops::settings::{ClusterInput, ClusterSettings};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::memory::{Memory, Mishap};

const THEN: &str = "1111111111111111111111111111111111111111";
const NOW: &str = "2222222222222222222222222222222222222222";

const ACCOUNT: &str = r#"{"account":"123456789012",
    "oidcProviders":[{"issuer":"oidc.example.com","audiences":["sts.amazonaws.com"]}]}"#;

/// What is to become of a role in a run without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Create,
    Update,
    InSync,
    Restore,
    Quarantine,
    Delete,
    Foreign,
}

const FATES: [Fate; 7] = [
    Fate::Create,
    Fate::Update,
    Fate::InSync,
    Fate::Restore,
    Fate::Quarantine,
    Fate::Delete,
    Fate::Foreign,
];

const REFUSALS: [Kind; 5] = [
    Kind::Throttled,
    Kind::AccessDenied,
    Kind::ConcurrentModification,
    Kind::LimitExceeded,
    Kind::Credentials,
];

fn mishaps() -> Vec<Mishap> {
    let others = [
        Mishap::NotSent,
        Mishap::LostReply,
        Mishap::Stale,
        Mishap::KilledBefore,
        Mishap::KilledAfter,
        Mishap::Disowned,
        Mishap::Replaced,
    ];
    others
        .into_iter()
        .chain(REFUSALS.map(Mishap::Refused))
        .collect()
}

fn cluster() -> Cluster {
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
    }
}

fn settings() -> ClusterSettings {
    let input = ClusterInput {
        name: Some("prod".to_owned()),
        oidc_providers: vec!["oidc.example.com".to_owned()],
        ..ClusterInput::default()
    };
    input.validate().expect("valid settings")
}

/// A starting state, what is asked for, and what history says.
struct World {
    fates: Vec<Fate>,
    resolved: Resolved,
    commit: CommitId,
    history: History,
    state: State,
}

fn pair(index: usize) -> ServiceAccountRef {
    ServiceAccountRef::parse(&format!("bar/app-{index}")).expect("valid")
}

impl World {
    fn new(fates: &[Fate]) -> Self {
        let mut world = Self {
            fates: fates.to_vec(),
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
        world
    }

    /// Whoever looked at the plan allows its removals, which are all there is.
    fn terms(&self) -> Terms {
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
        let wanted = Wanted {
            role: role.clone(),
            audience: None,
        };
        let desired = desired_role(
            &service_account,
            &wanted,
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
            };
            let removal = Removal {
                commit,
                path: "a.yaml".into(),
                remains: false,
            };
            self.history
                .absences
                .insert(service_account, Absence::Removed(removal));
        } else {
            let request = Request {
                role: (&role).into(),
                location,
                role_arn: None,
                verdict: Verdict::Wanted(wanted),
            };
            self.resolved.requests.insert(service_account, request);
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

    fn declared(&self, _: &[RepoPath], _: &Naming) -> Declared {
        Declared {
            resolved: self.resolved.clone(),
            diagnostics: vec![],
            completeness: Completeness::Whole,
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

/// One run, which is the program's own; nothing if it could not plan.
async fn run(world: &World, iam: &Memory) -> Option<Section> {
    let bounds = Bounds {
        saved: None,
        log: None,
        stop: &Stop::default(),
        observe: &|_| {},
    };
    let clusters = [settings()];
    let connect = async |_: &ClusterSettings| Ok(iam.clone());
    let terms = world.terms();
    let sections = reconcile::apply::apply(&clusters, world, &terms, bounds, connect);
    sections.await.ok()?.pop()
}

/// What a state amounts to, ids and run tags aside.
fn gist(state: &State) -> BTreeMap<String, (String, bool)> {
    let role = |role: &Role| {
        let quarantined = role
            .tags
            .iter()
            .any(|tag| tag.key == "role.k8s.aws/quarantined-by");
        (
            role.name.clone(),
            (role.trust_policy.to_string(), quarantined),
        )
    };
    state.roles.iter().map(role).collect()
}

/// Plays a schedule and says what went wrong.
fn play(fates: &[Fate], schedule: &[(usize, Mishap)]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(async {
        let world = World::new(fates);
        let clean = Memory::new(world.state.clone());
        if run(&world, &clean).await.is_none() {
            return Err("a run without faults is refused".to_owned());
        }
        let iam = Memory::new(world.state.clone());
        iam.mishaps(schedule.to_vec());
        // A killed program is one whose future is never polled again.
        let _ = tokio::time::timeout(Duration::from_secs(3600), run(&world, &iam)).await;
        let mut runs = 0;
        loop {
            iam.mishaps(vec![]);
            run(&world, &iam).await;
            if iam.writes() == 0 {
                break;
            }
            runs += 1;
            if runs > 3 {
                return Err("does not converge".to_owned());
            }
        }
        judge(&world, &clean.state(), &iam, schedule)
    })
}

fn judge(
    world: &World,
    clean: &State,
    iam: &Memory,
    schedule: &[(usize, Mishap)],
) -> Result<(), String> {
    let unowned = iam.unowned_writes();
    if !unowned.is_empty() {
        return Err(format!("wrote to roles that are not ours: {unowned:?}"));
    }
    let state = iam.state();
    let meddled = schedule
        .iter()
        .any(|(_, mishap)| matches!(mishap, Mishap::Disowned | Mishap::Replaced));
    for (index, fate) in world.fates.iter().enumerate() {
        let name = format!("k8s-sa_bar_app-{index}");
        let role = state.roles.iter().find(|role| role.name == name);
        if *fate != Fate::Delete && role.is_none() {
            return Err(format!("lost {name}"));
        }
        let kept = role.is_none_or(|role| role.id == format!("AROA{index}"));
        if !meddled && *fate != Fate::Create && !kept {
            return Err(format!("{name} was made again"));
        }
    }
    if !meddled && gist(&state) != gist(clean) {
        return Err(format!(
            "ends elsewhere:\n{:?}\n{:?}",
            gist(&state),
            gist(clean)
        ));
    }
    Ok(())
}

#[test]
fn every_single_fault_at_every_call_converges() {
    let mut played = 0;
    for first in 0..FATES.len() {
        // Every fate next to every other one, six at a time.
        let fates: Vec<Fate> = (0..6).map(|n| FATES[(first + n) % FATES.len()]).collect();
        let world = World::new(&fates);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let calls = runtime.expect("a runtime").block_on(async {
            let iam = Memory::new(world.state.clone());
            run(&world, &iam).await;
            iam.calls()
        });
        for call in 0..=calls + 2 {
            for mishap in mishaps() {
                let result = play(&fates, &[(call, mishap)]);
                assert_eq!(result, Ok(()), "{fates:?} {mishap:?} at call {call}");
                played += 1;
            }
        }
    }
    assert!(played > 1500, "{played}");
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_plan_after_apply_is_empty(fates in proptest::collection::vec(proptest::sample::select(FATES.to_vec()), 0..8)) {
        let world = World::new(&fates);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let writes = runtime.expect("a runtime").block_on(async {
            let iam = Memory::new(world.state.clone());
            let first = run(&world, &iam).await;
            iam.mishaps(vec![]);
            let second = run(&world, &iam).await;
            assert!(first.is_some() && second.is_some(), "refused");
            iam.writes()
        });
        prop_assert_eq!(writes, 0);
    }
}

#[test]
fn p10_a_change_that_breaks_down_takes_no_other_with_it() {
    let world = World::new(&[Fate::Create; 4]);
    let iam = Memory::new(world.state.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    // Who calls, the listing, the provider, the quotas; then one after the other is made.
    iam.mishaps(vec![(6, Mishap::Panics)]);
    let section = runtime.expect("a runtime").block_on(run(&world, &iam));
    let entries = section.expect("planned").entries;
    let outcomes: Vec<Outcome> = entries.into_iter().filter_map(|e| e.outcome).collect();
    let done = outcomes.iter().filter(|o| **o == Outcome::Done).count();
    let broken =
        |outcome: &&Outcome| matches!(outcome, Outcome::Unknown(f) if f.cause == Cause::Bug);
    // The fourth had not started.
    assert_eq!((done, outcomes.iter().filter(broken).count()), (2, 1));
    assert_eq!(iam.state().roles.len(), 2);
}

/// As many as `SCHEDULES` says; docs/guarantees.md has the longest run.
#[test]
fn random_schedules_converge() {
    let cases = std::env::var("SCHEDULES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(10_000);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let fates = proptest::collection::vec(proptest::sample::select(FATES.to_vec()), 1..=6);
    let mishap = (0..40_usize, proptest::sample::select(mishaps()));
    let schedule = proptest::collection::vec(mishap, 1..=4);
    TestRunner::new_with_rng(config, rng)
        .run(&(fates, schedule), |(fates, schedule)| {
            prop_assert_eq!(play(&fates, &schedule), Ok(()));
            Ok(())
        })
        .expect("every schedule converges");
}
