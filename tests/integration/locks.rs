//! The lock of a cluster: on an account in memory and by a clock that jumps over every wait, and through
//! the program.

use std::cell::RefCell;
use std::time::Duration;

use irsa_gitops::apply::Stop;
use irsa_gitops::apply::lock::{Held, Refusal, Wish, take};
use irsa_gitops::iam::IamWriter;
use irsa_gitops::iam::sandbox::{Role, Tag};
use irsa_gitops::model::cluster::Cluster;
use irsa_gitops::plan::lock::{Holder, name};

use crate::support::cli::{Cli, Run, apply};
use crate::support::cluster::{cluster, paused};
use crate::support::fates::{self, Record, timeline};
use crate::support::iam_server::{Fault, IamServer, LOCK, first};
use crate::support::memory::{Memory, Mishap};
use crate::support::repository::{Repository, accounts, service_account};

const LEASE: Duration = Duration::from_secs(60);

fn wish<'a>(cluster: &'a Cluster, run: &str, timeout: u64) -> Wish<'a> {
    Wish {
        cluster,
        commit: None,
        holder: Holder {
            run: run.to_owned(),
            renewals: 0,
            lease: jiff::SignedDuration::try_from(LEASE).expect("short"),
            since: "2026-11-24T12:00:00Z".to_owned(),
        },
        timeout: Duration::from_secs(timeout),
    }
}

async fn taken(cluster: &Cluster, run: &str, iam: &Memory) -> Result<Held, Refusal> {
    take(&wish(cluster, run, 600), iam, &Stop::default(), &|_| {}).await
}

fn locks(iam: &Memory) -> Vec<String> {
    let roles = iam.state().roles.into_iter();
    roles.map(|role| role.name).collect()
}

fn account() -> Memory {
    fates::account(&timeline(&[], Record::Missing), Record::Missing)
}

#[test]
fn c22_one_at_a_time_holds_the_lock_and_leaves_nothing() {
    paused(async {
        let (iam, cluster) = (account(), cluster());
        let inside = RefCell::new((0, 0));
        let run = async |name: &str| {
            let mut held = taken(&cluster, name, &iam).await.expect("in time");
            let (now, most) = *inside.borrow();
            *inside.borrow_mut() = (now + 1, most.max(now + 1));
            tokio::select! {
                () = held.keep(&cluster, &iam) => panic!("{name} lost it"),
                () = tokio::time::sleep(LEASE * 2) => {}
            }
            inside.borrow_mut().0 -= 1;
            held.give_back(&cluster, &iam).await;
        };
        tokio::join!(run("a"), run("b"), run("c"));
        assert_eq!(*inside.borrow(), (0, 1));
        assert_eq!(locks(&iam), Vec::<String>::new());
    });
}

#[test]
fn c22_a_dead_holder_is_passed_after_its_lease_and_not_before() {
    paused(async {
        let (iam, cluster) = (account(), cluster());
        let mut dead = taken(&cluster, "dead", &iam).await.expect("free");
        let start = tokio::time::Instant::now();
        let mut held = taken(&cluster, "next", &iam).await.expect("passed");
        assert!(start.elapsed() >= LEASE, "{:?}", start.elapsed());
        assert!(start.elapsed() < LEASE + LEASE / 2, "{:?}", start.elapsed());
        let both = [name(&cluster, 1), name(&cluster, 2)].map(|name| name.to_string());
        assert_eq!(locks(&iam), both);
        // It wakes up, finds that it was passed, and deletes nothing that is not its own.
        dead.keep(&cluster, &iam).await;
        tokio::select! {
            () = held.keep(&cluster, &iam) => panic!("lost"),
            () = tokio::time::sleep(LEASE * 2) => {}
        }
        held.give_back(&cluster, &iam).await;
        assert_eq!(locks(&iam), Vec::<String>::new());
    });
}

#[test]
fn c55_who_met_a_holder_waits_until_its_work_shows() {
    paused(async {
        let (iam, cluster) = (account(), cluster());
        let mut first = taken(&cluster, "first", &iam).await.expect("free");
        let start = tokio::time::Instant::now();
        let next = async {
            let held = taken(&cluster, "next", &iam).await.expect("given back");
            (held, start.elapsed())
        };
        let work = async {
            tokio::select! {
                () = first.keep(&cluster, &iam) => panic!("lost"),
                () = tokio::time::sleep(Duration::from_secs(20)) => {}
            }
            first.give_back(&cluster, &iam).await;
        };
        let ((held, waited), ()) = tokio::join!(next, work);
        assert!(waited >= Duration::from_secs(25), "{waited:?}");
        held.give_back(&cluster, &iam).await;
        // Who meets nobody waits for nothing.
        let start = tokio::time::Instant::now();
        taken(&cluster, "last", &iam).await.expect("free");
        assert!(start.elapsed() < Duration::from_secs(1));
    });
}

#[test]
fn c55_a_lock_that_does_not_show_yet_is_given_back() {
    paused(async {
        let (iam, cluster) = (account(), cluster());
        let held = taken(&cluster, "quick", &iam).await.expect("free");
        iam.mishaps(vec![(0, Mishap::Stale)]);
        held.give_back(&cluster, &iam).await;
        assert_eq!(locks(&iam), Vec::<String>::new());
    });
}

#[test]
fn c55_nobody_takes_a_lock_below_one_that_is_held() {
    paused(async {
        for above in [2, 3] {
            let (iam, cluster) = (account(), cluster());
            let holder = wish(&cluster, "holder", 600).holder;
            let lock = irsa_gitops::plan::lock::new(&cluster, above, &holder, None);
            iam.create_role(&lock).await.expect("made");
            let (stop, wish) = (Stop::default(), wish(&cluster, "next", 10));
            let result = take(&wish, &iam, &stop, &|_| {}).await;
            assert!(matches!(result, Err(Refusal::Busy(Some(_)))), "{result:?}");
            assert_eq!(locks(&iam), [name(&cluster, above).to_string()]);
        }
    });
}

#[test]
fn c55_who_stood_still_while_it_gave_back_deletes_nothing_more() {
    paused(async {
        let (iam, cluster) = (account(), cluster());
        let held = taken(&cluster, "slow", &iam).await.expect("free");
        tokio::time::advance(LEASE).await;
        held.give_back(&cluster, &iam).await;
        assert_eq!(locks(&iam), [name(&cluster, 1).to_string()]);
    });
}

#[test]
fn c55_a_lock_that_was_passed_and_shows_life_is_not_deleted() {
    paused(async {
        let (iam, cluster) = (account(), cluster());
        taken(&cluster, "slow", &iam).await.expect("free");
        let held = taken(&cluster, "next", &iam).await.expect("passed");
        let late = wish(&cluster, "slow", 600).holder.renewed();
        let first = name(&cluster, 1);
        iam.tag_role(&first, &late.tag()).await.expect("tagged");
        held.give_back(&cluster, &iam).await;
        assert_eq!(locks(&iam), [first.to_string()]);
    });
}

#[test]
fn c22_a_run_that_waits_too_long_says_for_whom() {
    paused(async {
        let (iam, cluster) = (account(), cluster());
        let mut held = taken(&cluster, "holder", &iam).await.expect("free");
        let stop = Stop::default();
        let wish = wish(&cluster, "waiter", 300);
        tokio::select! {
            () = held.keep(&cluster, &iam) => panic!("lost"),
            result = take(&wish, &iam, &stop, &|_| {}) => {
                let Err(Refusal::Busy(Some(role))) = result else {
                    panic!("{result:?}");
                };
                let holder = Holder::of(&role).expect("its tag");
                assert_eq!(holder.run, "holder");
            }
        }
        assert_eq!(locks(&iam), [name(&cluster, 1).to_string()]);
    });
}

#[test]
fn c22_a_lock_whose_reply_was_lost_is_ours() {
    paused(async {
        for (mishap, writes) in [(Mishap::LostReply, 1), (Mishap::NotSent, 1)] {
            let (iam, cluster) = (account(), cluster());
            iam.mishaps(vec![(0, mishap)]);
            let held = taken(&cluster, "a", &iam).await.expect("settled");
            assert_eq!(iam.writes(), writes, "{mishap:?}");
            held.give_back(&cluster, &iam).await;
            assert_eq!(locks(&iam), Vec::<String>::new());
        }
    });
}

const DENIED: Fault = Fault::Refused(403, "AccessDenied");

/// A lock of another run, which says so much of itself.
fn foreign_lock(server: &IamServer, number: u32, says: &str) {
    let trust = serde_json::json!({ "Version": "2012-10-17", "Statement": [] });
    let role = serde_json::json!({
        "name": format!("{LOCK}{number}"), "id": format!("AROALOCK{number}"), "trustPolicy": trust,
    });
    let mut role: Role = serde_json::from_value(role).expect("a role");
    let tags = [
        ("role.k8s.aws/managed-by", "iam-service-account-controller"),
        ("role.k8s.aws/cluster", "prod"),
        (
            "role.k8s.aws/commit",
            "0123456789012345678901234567890123456789",
        ),
        ("role.k8s.aws/lock", says),
    ];
    let tag = |(key, value): (&str, &str)| Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    role.tags = tags.map(tag).to_vec();
    server.state(|state| state.roles.push(role));
}

/// One that does not end within any test.
const ALIVE: &str = "somebody@3@3600@2026-11-24T12:00:00Z";

fn run(repository: &Repository, server: &IamServer, arguments: &[&str]) -> Run {
    let all = [arguments, &["--format", "json"]].concat();
    Cli::new(repository.path(), &all)
        .endpoint(&server.url)
        .run()
}

#[test]
fn c60_a_run_waits_and_says_once_for_whom() {
    let (repository, server) = (accounts(3), IamServer::empty());
    foreign_lock(&server, 1, ALIVE);
    let child = Cli::new(repository.path(), &["apply"])
        .endpoint(&server.url)
        .start();
    let looks = |call: &String| call.starts_with("GetRole") && call.contains(LOCK);
    while server.calls().into_iter().filter(looks).count() < 8 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(server.writes(), Vec::<String>::new());
    // The other run ends.
    server.state(|state| state.roles.clear());
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said.matches("note: waiting for").count(), 1, "{said}");
    assert!(said.contains("for commit 0123456"), "{said}");
    assert_eq!(server.roles().len(), 3);
    assert_eq!(server.locks(), []);
}

#[test]
fn c60_of_two_runs_the_newer_one_has_the_last_word() {
    for _ in 0..3 {
        let (repository, server) = (accounts(3), IamServer::empty());
        let slow = Fault::Delayed(Duration::from_millis(100));
        server.script(vec![("CreateRole", 0, slow)]);
        let older = repository.head();
        repository.write("more.yaml", service_account("bar", "more"));
        let newer = repository.commit("newer");
        let start = |commit: &str| {
            let arguments = ["apply", "--revision", commit];
            Cli::new(repository.path(), &arguments)
                .endpoint(&server.url)
                .start()
        };
        let runs = [start(&older), start(&newer)];
        let codes = runs.map(|run| run.wait_with_output().expect("it ends").status.code());
        // The older one may be the first, or be late.
        assert!(matches!(codes, [Some(0 | 9), Some(0)]), "{codes:?}");
        assert_eq!(server.recorded(), Some(newer));
        assert_eq!(server.roles().len(), 4);
        assert_eq!(server.locks(), []);
    }
}

#[test]
fn c62_a_run_that_does_not_end_in_time_is_named_and_nothing_is_written() {
    let adopt = ["adopt", "k8s-sa_bar_app-0", "--yes", "--lock-timeout", "0"];
    let apply = ["apply", "--mode", "sync", "--lock-timeout", "1s"];
    for (arguments, action) in [(&apply, "apply"), (&adopt, "adopt")] {
        let (repository, server) = (accounts(1), IamServer::empty());
        if action == "adopt" {
            run(&repository, &server, &["apply"]).ends(0);
            let is_kept = |tag: &Tag| tag.key != "role.k8s.aws/cluster";
            server.state(|state| first(state).tags.retain(is_kept));
            server.script(vec![]);
        }
        foreign_lock(&server, 1, ALIVE);
        let run = run(&repository, &server, arguments).ends(6);
        for words in [
            "since 2026-11-24T12:00:00Z",
            "0123456",
            "run somebody",
            "--lock-timeout",
        ] {
            assert!(
                run.stderr.contains(words),
                "{action} {words}: {}",
                run.stderr
            );
        }
        assert_eq!(server.writes(), Vec::<String>::new());
        assert_eq!(server.locks().len(), 1);
    }
    // Whoever only looks waits for nobody, nor does a run that has nothing to write.
    let (repository, server) = (accounts(1), IamServer::empty());
    run(&repository, &server, &["apply"]).ends(0);
    foreign_lock(&server, 1, ALIVE);
    let adopt = &["adopt", "k8s-sa_bar_app-0", "--yes"];
    for arguments in [&["plan"][..], &["apply"], adopt] {
        run(&repository, &server, arguments).ends(0);
    }
    assert_eq!(server.locks().len(), 1);
}

#[test]
fn c63_a_job_that_may_take_no_lock_goes_on_and_says_so_once() {
    let full = Fault::Refused(409, "LimitExceeded");
    for fault in [DENIED, full] {
        let (repository, server) = (accounts(1), IamServer::empty());
        server.script(vec![
            ("CreateRole lock", 0, fault),
            ("CreateRole record", 0, DENIED),
        ]);
        let run = run(&repository, &server, &["apply"]).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_app-0 create done"]);
        assert_eq!(run.codes(), ["order-not-proven"]);
    }
    // A record that can be written says nothing of locks.
    let (repository, server) = (accounts(1), IamServer::empty());
    server.script(vec![("CreateRole lock", 0, DENIED)]);
    let said = run(&repository, &server, &["apply"]).ends(0).stdout;
    assert!(
        said.contains("another run may write at the same time"),
        "{said}"
    );
    assert!(said.contains("iam-policy --for apply"), "{said}");
    // What has the name of the lock and is none is left alone.
    let (repository, server) = (accounts(1), IamServer::empty());
    foreign_lock(&server, 1, ALIVE);
    server.state(|state| state.roles[0].tags.clear());
    let said = run(&repository, &server, &["apply"]).ends(0).stdout;
    assert!(
        said.contains("has the name of the cluster's lock and is not it"),
        "{said}"
    );
    assert_eq!(server.unowned_writes(), Vec::<String>::new());
    // Nobody waits for one, either.
    let (repository, server) = (accounts(1), IamServer::empty());
    foreign_lock(&server, 1, "given-back");
    foreign_lock(&server, 2, ALIVE);
    server.state(|state| state.roles[1].tags.clear());
    run(&repository, &server, &["apply", "--lock-timeout", "0"]).ends(0);
}

#[test]
fn c64_locks_that_nobody_may_delete_hold_nobody_up() {
    let (repository, server) = (accounts(1), IamServer::empty());
    for number in 1..=9 {
        server.script(vec![("DeleteRole lock", 0, DENIED)]);
        let run = run(&repository, &server, &["apply", "--lock-timeout", "0"]).ends(0);
        if number < 9 {
            assert_eq!(server.locks().len(), number);
            assert!(
                run.stderr.contains("marked as given back"),
                "{}",
                run.stderr
            );
        }
        repository.commit("another");
    }
    server.script(vec![("DeleteRole lock", 0, DENIED)]);
    let said = run(&repository, &server, &["apply"]).ends(0).stdout;
    assert!(said.contains("which nobody deletes"), "{said}");
    // Once that is allowed they go, however many there are at most.
    server.state(|state| state.roles.retain(|role| !role.name.starts_with(LOCK)));
    foreign_lock(&server, 1, "given-back");
    foreign_lock(&server, 2, "given-back");
    server.script(vec![]);
    repository.commit("yet another");
    run(&repository, &server, &["apply", "--lock-timeout", "0"]).ends(0);
    assert_eq!(server.locks(), []);
}

/// What a run that died while it gave its lock back leaves: a number is missing.
#[test]
fn c64_a_gap_between_locks_holds_nobody_up() {
    let (repository, server) = (accounts(1), IamServer::empty());
    foreign_lock(&server, 2, "dead@0@1@2026-11-24T12:00:00Z");
    run(&repository, &server, &["apply"]).ends(0);
    assert_eq!(server.locks(), []);
    assert_eq!(server.roles().len(), 1);
}

#[test]
fn c65_what_is_written_under_the_lock_was_planned_under_it() {
    let (repository, server) = (accounts(1), IamServer::empty());
    apply(&repository, &server).ends(0);
    let older = repository.commit("older");
    let newer = repository.commit("newer");
    // While the older run waits, the newer one is applied: after its plan, before its lock.
    server.state(|state| {
        let tag = Tag {
            key: "other".to_owned(),
            value: format!("{newer}@2026-11-24T12:00:00Z"),
        };
        state
            .roles
            .iter_mut()
            .for_each(|role| role.tags.push(tag.clone()));
    });
    let applied = |state: &mut irsa_gitops::iam::sandbox::State| {
        for role in &mut state.roles {
            let other = role.tags.iter().find(|tag| tag.key == "other").cloned();
            for tag in &mut role.tags {
                if let (Some(other), "role.k8s.aws/applied") = (&other, tag.key.as_str()) {
                    tag.value.clone_from(&other.value);
                }
            }
        }
    };
    server.script(vec![("CreateRole lock", 1, Fault::Before(applied))]);
    let run = run(&repository, &server, &["apply", "--revision", &older]).ends(9);
    assert_eq!(server.writes(), Vec::<String>::new());
    assert!(run.stderr.contains("superseded"), "{}", run.stderr);
    assert_eq!(server.locks(), []);
}

#[test]
fn c66_a_run_that_is_stopped_gives_its_lock_back() {
    let (repository, server) = (accounts(3), IamServer::empty());
    let slow = Fault::Delayed(Duration::from_millis(500));
    server.script(vec![("CreateRole", 0, slow)]);
    let child = Cli::new(repository.path(), &["apply"])
        .endpoint(&server.url)
        .start();
    while server.role_writes().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    let kill = std::process::Command::new("kill")
        .args(["-s", "INT", &id])
        .status();
    assert!(kill.expect("kill can be run").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(server.locks(), []);
}

#[test]
fn c66_a_run_whose_lock_is_passed_writes_no_further() {
    let (repository, server) = (accounts(30), IamServer::empty());
    // Its renewals do not arrive, and its writes take their time.
    server.script(vec![
        ("TagRole lock", 0, Fault::NotSent),
        ("CreateRole", 0, Fault::Delayed(Duration::from_millis(900))),
    ]);
    let run = run(&repository, &server, &["apply", "--lock-lease", "2s"]).ends(7);
    let codes = run.codes();
    assert!(codes.contains(&"lock-lost".to_owned()), "{codes:?}");
    let changes = run.changes();
    let left = changes
        .iter()
        .filter(|change| change.ends_with(" not-attempted"));
    let left = left.count();
    assert!(left > 0, "{changes:?}");
    // It is left for whoever passes it.
    assert_eq!(server.locks().len(), 1);
}
