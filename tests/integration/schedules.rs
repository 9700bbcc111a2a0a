//! Fault schedules: every single fault at every call, and thousands of random ones.
//!
//! After any of them no write has touched a role that was not ours, no role has been lost, and the
//! following runs without faults end where a run without faults would have ended.

use std::collections::BTreeMap;
use std::time::Duration;

use irsa_gitops::apply::{Cause, Outcome, Stop};
use irsa_gitops::iam::Kind;
use irsa_gitops::iam::sandbox::{Role, State};
use irsa_gitops::model::commit::CommitId;
use irsa_gitops::plan::Action;
use irsa_gitops::reconcile::{self, Bounds, Declarations};
use irsa_gitops::report::Section;
use irsa_gitops::settings::ClusterSettings;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::cluster::{paused, settings, turn};
use crate::support::fates::{FATES, Fate, RECORDS, Record, account, timeline};
use crate::support::iam_server::{LOCK, recorded};
use crate::support::memory::{Memory, Mishap};
use crate::support::timeline::{Timeline, name};

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

/// One run, which is the program's own; nothing if it could not plan.
async fn run(timeline: &Timeline, iam: &Memory) -> Option<Section> {
    let bounds = Bounds {
        saved: None,
        approve: None,
        log: None,
        turn: &turn(),
        stop: &Stop::default(),
        observe: &|_| {},
    };
    let clusters = [settings()];
    let connect = async |_: &ClusterSettings| Ok(iam.clone());
    let (at, terms) = (timeline.at(0), timeline.terms());
    let sections = reconcile::apply::apply(&clusters, &at, &terms, bounds, connect);
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
    let roles = state.roles.iter();
    roles
        .filter(|r| !r.name.starts_with(LOCK))
        .map(role)
        .collect()
}

/// Plays a schedule and says what went wrong.
fn play(fates: &[Fate], record: Record, schedule: &[(usize, Mishap)]) -> Result<(), String> {
    paused(async {
        let start = timeline(fates, record);
        let clean = account(&start, record);
        if run(&start, &clean).await.is_none() {
            return Err("a run without faults is refused".to_owned());
        }
        let iam = account(&start, record);
        iam.mishaps(schedule.to_vec());
        // A killed program is one whose future is never polled again.
        let _ = tokio::time::timeout(Duration::from_secs(3600), run(&start, &iam)).await;
        let mut runs = 0;
        loop {
            iam.mishaps(vec![]);
            if run(&start, &iam).await.is_none() {
                return Err("a following run is refused".to_owned());
            }
            if iam.writes() == 0 {
                break;
            }
            runs += 1;
            if runs > 3 {
                return Err("does not converge".to_owned());
            }
        }
        judge((fates, record), &clean.state(), &iam, schedule)
    })
}

fn judge(
    (fates, record): (&[Fate], Record),
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
    let denied = schedule
        .iter()
        .any(|(_, mishap)| *mishap == Mishap::Refused(Kind::AccessDenied));
    let now = timeline(fates, record).at(0).commit().cloned();
    let expected = match record {
        Record::Missing | Record::Then => now.as_ref().map(CommitId::as_str),
        Record::Denied => None,
    };
    let written_under = iam.written_under();
    let is_early = |commit: &Option<String>| commit.as_deref() != expected;
    if !meddled && !denied && written_under.iter().any(is_early) {
        return Err(format!(
            "wrote to roles under a record of {written_under:?}"
        ));
    }
    for (index, fate) in fates.iter().enumerate() {
        let name = name(index);
        let role = state.roles.iter().find(|role| role.name == name);
        if *fate != Fate::Delete && role.is_none() {
            return Err(format!("lost {name}"));
        }
        let kept = role.is_none_or(|role| role.id == format!("AROA{name}"));
        if !meddled && *fate != Fate::Create && !kept {
            return Err(format!("{name} was made again"));
        }
    }
    if !meddled && recorded(&state).as_deref() != expected {
        return Err(format!("the record says {:?}", recorded(&state)));
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

/// The roles of a schedule are what they are called: without faults each meets its fate.
#[test]
fn a_run_without_faults_brings_every_role_its_fate() {
    for record in RECORDS {
        let start = timeline(&FATES, record);
        let section = paused(run(&start, &account(&start, record)));
        let entries = section.expect("planned").entries.into_iter();
        let met = entries.map(|entry| match entry.change.action {
            Action::Create(_) => Fate::Create,
            Action::Update(_) => Fate::Update,
            Action::InSync => Fate::InSync,
            Action::Restore(_) => Fate::Restore,
            Action::Quarantine(_) => Fate::Quarantine,
            Action::Delete(_) => Fate::Delete,
            Action::Orphan | Action::Held => Fate::Foreign,
        });
        assert_eq!(met.collect::<Vec<_>>(), FATES, "{record:?}");
    }
}

/// So many removals need to be allowed.
#[test]
fn removals_of_a_schedule_are_allowed_whatever_their_number() {
    for going in [Fate::Quarantine, Fate::Delete] {
        let fates = [[Fate::InSync; 1].as_slice(), &[going; 7]].concat();
        let start = timeline(&fates, Record::Then);
        assert!(paused(run(&start, &account(&start, Record::Then))).is_some());
    }
}

#[test]
fn every_single_fault_at_every_call_converges() {
    let mut played = 0;
    for first in 0..FATES.len() {
        // Every fate next to every other one, six at a time.
        let fates: Vec<Fate> = (0..6).map(|n| FATES[(first + n) % FATES.len()]).collect();
        // A record that may not be written to is played at random, below.
        let record = RECORDS[first % 2];
        let start = timeline(&fates, record);
        let calls = paused(async {
            let iam = account(&start, record);
            run(&start, &iam).await;
            iam.calls()
        });
        for call in 0..=calls + 2 {
            for mishap in mishaps() {
                let result = play(&fates, record, &[(call, mishap)]);
                assert_eq!(
                    result,
                    Ok(()),
                    "{fates:?} {record:?} {mishap:?} at call {call}"
                );
                played += 1;
            }
        }
    }
    assert!(played > 1500, "{played}");
}

/// So many roles that they are read all at once: whatever happens to what comes before the first
/// write, and to the first writes.
#[test]
fn every_single_fault_while_many_roles_are_read_converges() {
    let fates: Vec<Fate> = (0..26)
        .map(|n| match n {
            0 => Fate::Quarantine,
            1 => Fate::Delete,
            2 => Fate::Foreign,
            3 => Fate::Restore,
            4 => Fate::Create,
            _ => Fate::Update,
        })
        .collect();
    let record = RECORDS[0];
    let start = timeline(&fates, record);
    let alone = paused(async {
        let iam = account(&start, record);
        run(&start, &iam).await;
        (iam.calls(), iam.bulk_reads())
    });
    assert!(alone.1 > 0, "the roles are read one by one");
    for call in 0..12 {
        for mishap in mishaps() {
            let result = play(&fates, record, &[(call, mishap)]);
            assert_eq!(result, Ok(()), "{mishap:?} at call {call}");
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_plan_after_apply_is_empty(fates in proptest::collection::vec(proptest::sample::select(FATES.to_vec()), 0..8), record in proptest::sample::select(RECORDS.to_vec())) {
        let start = timeline(&fates, record);
        let writes = paused(async {
            let iam = account(&start, record);
            let first = run(&start, &iam).await;
            iam.mishaps(vec![]);
            let second = run(&start, &iam).await;
            assert!(first.is_some() && second.is_some(), "refused");
            iam.writes()
        });
        prop_assert_eq!(writes, 0);
    }
}

#[test]
fn p10_a_change_that_breaks_down_takes_no_other_with_it() {
    let start = timeline(&[Fate::Create; 4], Record::Missing);
    let iam = account(&start, Record::Missing);
    // Who calls, the listing, the provider, the quotas; the lock is made and looked above twice; the same four
    // again; then the record and one after the other is made.
    iam.mishaps(vec![(14, Mishap::Panics)]);
    let section = paused(run(&start, &iam));
    let entries = section.expect("planned").entries;
    let outcomes: Vec<Outcome> = entries.into_iter().filter_map(|e| e.outcome).collect();
    let done = outcomes.iter().filter(|o| **o == Outcome::Done).count();
    let broken =
        |outcome: &&Outcome| matches!(outcome, Outcome::Unknown(f) if f.cause == Cause::Bug);
    // The fourth had not started.
    assert_eq!((done, outcomes.iter().filter(broken).count()), (2, 1));
    assert_eq!(iam.state().roles.len(), 3);
}

#[test]
fn p10_a_record_that_breaks_down_stops_the_run() {
    let start = timeline(&[Fate::Create; 4], Record::Missing);
    let iam = account(&start, Record::Missing);
    iam.mishaps(vec![(11, Mishap::Panics)]);
    let section = paused(run(&start, &iam));
    let section = section.expect("planned");
    assert!(matches!(section.record, Some(Outcome::Unknown(f)) if f.cause == Cause::Bug));
    let outcomes: Vec<_> = section.entries.into_iter().map(|e| e.outcome).collect();
    assert_eq!(outcomes, vec![Some(Outcome::NotAttempted); 4]);
    assert_eq!(iam.state().roles.len(), 0);
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
    let mishap = (0..60_usize, proptest::sample::select(mishaps()));
    let schedule = proptest::collection::vec(mishap, 1..=4);
    let record = proptest::sample::select(RECORDS.to_vec());
    TestRunner::new_with_rng(config, rng)
        .run(&(fates, record, schedule), |(fates, record, schedule)| {
            prop_assert_eq!(play(&fates, record, &schedule), Ok(()));
            Ok(())
        })
        .expect("every schedule converges");
}
