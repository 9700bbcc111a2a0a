//! Faults around the cluster's record: the write before all others.

use std::time::{Duration, Instant};

use irsa_gitops::iam::sandbox::{State, Tag};
use irsa_gitops::plan::record::APPLIED;

use crate::support::cli::{Cli, Run, apply};
use crate::support::iam_server::{Fault, IamServer, RECORD, Script};
use crate::support::repository::{Repository, accounts, service_account};

mod again;

const DENIED: Fault = Fault::Refused(403, "AccessDenied");

/// What happens to an account.
type Change = fn(&mut State);

/// What a test starts from.
type Start = fn() -> (Repository, IamServer);

/// Two ServiceAccounts and no role yet.
fn unapplied() -> (Repository, IamServer) {
    (accounts(2), IamServer::empty())
}

/// One ServiceAccount was applied, and a commit since then declares another.
fn applied() -> (Repository, IamServer) {
    let (repository, server) = (accounts(1), IamServer::empty());
    apply(&repository, &server).ends(0);
    repository.write("more.yaml", service_account("bar", "more"));
    repository.commit("another");
    (repository, server)
}

/// `SEVERITY MESSAGE` of what was found of a code, and nothing else was found.
#[track_caller]
fn found(run: &Run, code: &str) -> String {
    assert_eq!(run.codes(), [code], "{}", run.stdout);
    let found = &run.json()["clusters"][0]["diagnostics"][0];
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    format!("{} {}", text("severity"), text("message"))
}

/// What two runs of one cluster would see of a run that ends so: nothing was written to a role, it
/// says so, and the next one is as good as any.
#[track_caller]
fn writes_nothing_else(repository: &Repository, server: &IamServer, code: i32) -> String {
    let before = server.roles();
    let run = apply(repository, server).ends(code);
    assert_eq!(server.role_writes(), Vec::<String>::new());
    assert_eq!(server.roles(), before);
    assert_eq!(run.json()["exitCode"], code);
    let changes = run.changes();
    assert!(!changes.is_empty(), "{}", run.stdout);
    let is_left = |change: &String| change.ends_with(" not-attempted");
    assert!(changes.iter().all(is_left), "{changes:?}");
    let said = found(&run, "record-not-written");
    assert!(said.starts_with("error "), "{said}");
    assert!(said.contains(RECORD), "{said}");
    assert_eq!(server.unowned_writes(), Vec::<String>::new());
    said
}

#[track_caller]
fn converges(repository: &Repository, server: &IamServer) {
    server.script(vec![]);
    let run = apply(repository, server).ends(0);
    assert_eq!(run.codes(), Vec::<String>::new());
    assert_eq!(server.roles().len(), 2);
    assert_eq!(server.recorded(), Some(repository.head()));
    server.script(vec![]);
    apply(repository, server).ends(0);
    assert_eq!(server.writes(), Vec::<String>::new());
}

#[test]
fn c12_a_job_that_may_not_write_to_the_record_goes_on_and_says_so() {
    for (world, action) in [
        (unapplied as fn() -> _, "CreateRole record"),
        (applied, "TagRole record"),
    ] {
        let (repository, server) = world();
        let before = server.recorded();
        server.script(vec![(action, 0, DENIED)]);
        let run = apply(&repository, &server).ends(0);
        let changes = run.changes();
        assert!(
            !changes.is_empty() && changes.iter().all(|change| change.ends_with("create done"))
        );
        let said = found(&run, "order-not-proven");
        let right = format!("iam:{} on role `{RECORD}`", &action[..action.len() - 7]);
        assert!(
            said.starts_with("warning ") && said.contains(&right),
            "{said}"
        );
        assert_eq!(server.recorded(), before);
        // A run that has nothing else to do says it, too.
        let run = apply(&repository, &server).ends(0);
        assert_eq!(run.changes(), Vec::<String>::new());
        found(&run, "order-not-proven");
        converges(&repository, &server);
    }
}

#[test]
fn c12_it_ends_as_it_would_otherwise() {
    let (repository, server) = applied();
    let wrong = service_account("bar", "wrong").replace("k8s-sa_bar_wrong", "else");
    repository.write("wrong.yaml", wrong);
    repository.commit("a mistake");
    server.script(vec![
        ("TagRole record", 0, DENIED),
        ("CreateRole", 0, DENIED),
    ]);
    let run = apply(&repository, &server).ends(7);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_more create failed", "k8s-sa_bar_wrong held"]
    );
    assert!(run.codes().contains(&"order-not-proven".to_owned()));
}

#[test]
fn c12_what_an_entry_stands_for_may_stay() {
    let repository = Repository::with(&[("apps/a.yaml", &service_account("bar", "a"))]);
    let server = IamServer::empty();
    let arguments = ["apply", "--path", "apps", "--format", "json"];
    let one = Cli::new(repository.path(), &arguments).endpoint(&server.url);
    one.run().ends(0);
    repository.write("apps/b.yaml", service_account("bar", "b"));
    repository.commit("another");
    server.script(vec![("UntagRole record", 0, DENIED)]);
    let run = apply(&repository, &server).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_b create done"]);
    found(&run, "order-not-proven");
    assert_eq!(server.recorded(), Some(repository.head()));
}

#[test]
fn c13_a_record_that_is_refused_keeps_everything_else_from_being_written() {
    let refusals = [
        (403, "ExpiredToken"),
        (409, "LimitExceeded"),
        (400, "UnmodifiableEntity"),
    ];
    for (status, code) in refusals {
        for (world, action) in [
            (unapplied as fn() -> _, "CreateRole record"),
            (applied, "TagRole record"),
        ] {
            let (repository, server) = world();
            let before = server.recorded();
            server.script(vec![(action, 0, Fault::Refused(status, code))]);
            let said = writes_nothing_else(&repository, &server, 7);
            assert!(
                said.contains("was not written, so nothing else was"),
                "{said}"
            );
            assert_eq!(server.recorded(), before);
            converges(&repository, &server);
        }
    }
}

#[test]
fn c13_a_run_with_nothing_else_to_do_fails_as_well() {
    let (repository, server) = unapplied();
    apply(&repository, &server).ends(0);
    repository.commit("nothing of ours");
    server.script(vec![(
        "TagRole record",
        0,
        Fault::Refused(409, "LimitExceeded"),
    )]);
    let run = apply(&repository, &server).ends(7);
    found(&run, "record-not-written");
    converges(&repository, &server);
}

/// The reads of the record from the n-th on are refused.
fn unreadable(from: usize) -> Script {
    let refused = |n| ("GetRole record", n, DENIED);
    (from..from + 40).map(refused).collect()
}

#[test]
fn c13_a_lost_reply_that_cannot_be_settled_is_unknown() {
    // A record that is made is not read for the plans; one that is there is, and before the write.
    for (world, action, reads) in [
        (unapplied as fn() -> _, "CreateRole record", 0),
        (applied, "TagRole record", 3),
    ] {
        for fault in [Fault::LostReply, Fault::NotSent, Fault::Garbage(200, "<p>")] {
            let (repository, server) = world();
            let mut script = unreadable(reads + 1);
            script.push((action, 0, fault));
            server.script(script);
            let said = writes_nothing_else(&repository, &server, 8);
            assert!(said.contains("is not known, so nothing else was"), "{said}");
            converges(&repository, &server);
        }
    }
}

#[test]
fn c13_a_record_that_never_shows_is_unknown() {
    for (world, action) in [
        (unapplied as fn() -> _, "CreateRole record"),
        (applied, "TagRole record"),
    ] {
        let (repository, server) = world();
        let before = server.recorded();
        server.script(vec![(action, 0, Fault::Refused(500, "ServiceFailure"))]);
        writes_nothing_else(&repository, &server, 8);
        assert_eq!(server.recorded(), before);
        converges(&repository, &server);
    }
}

#[test]
fn c13_a_lost_reply_that_is_settled_is_no_failure() {
    for (world, action) in [
        (unapplied as fn() -> _, "CreateRole record"),
        (applied, "TagRole record"),
    ] {
        for (fault, sent) in [(Fault::LostReply, 1), (Fault::NotSent, 2)] {
            let (repository, server) = world();
            server.script(vec![(action, 1, fault)]);
            let run = apply(&repository, &server).ends(0);
            assert_eq!(run.codes(), Vec::<String>::new());
            let written = server.writes();
            let written = written.iter().filter(|call| call.ends_with(RECORD));
            assert_eq!(written.count(), sent, "{action}");
            converges(&repository, &server);
        }
    }
}

/// What a run of another commit leaves in the record.
fn anothers(state: &mut State) {
    let value = format!("{}@2026-11-24T12:00:00Z", "e".repeat(40));
    let role = serde_json::json!({ "name": RECORD, "id": "AROARECORD", "trustPolicy": {} });
    if state.role(RECORD).is_err() {
        let role = serde_json::from_value(role).expect("a role");
        state.roles.push(role);
        entry(
            state,
            "role.k8s.aws/managed-by",
            "iam-service-account-controller",
        );
        entry(state, "role.k8s.aws/cluster", "prod");
    }
    entry(state, APPLIED, &value);
}

/// What a run of other paths leaves there.
fn of_other_paths(state: &mut State) {
    let value = format!("{}@2026-11-24T12:00:00Z", "e".repeat(40));
    entry(state, &format!("{APPLIED}-0123456789ab"), &value);
}

fn entry(state: &mut State, key: &str, value: &str) {
    let mut roles = state.roles.iter_mut();
    let record = roles.find(|role| role.name == RECORD).expect("the record");
    record.tags.retain(|tag| tag.key != key);
    record.tags.push(Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    });
}

fn deleted(state: &mut State) {
    state.roles.retain(|role| role.name != RECORD);
}

fn made_again(state: &mut State) {
    deleted(state);
    anothers(state);
}

/// What may happen to the record, and how a run ends that sees it: the commit is unknown.
const MEANWHILE: [(Change, i32); 4] = [
    (anothers, 9),
    (of_other_paths, 9),
    (deleted, 7),
    (made_again, 7),
];

#[test]
fn c14_a_record_that_another_run_made_meanwhile_is_left() {
    let (repository, server) = unapplied();
    server.script(vec![("CreateRole record", 1, Fault::Before(anothers))]);
    writes_nothing_else(&repository, &server, 9);
    assert_eq!(server.recorded(), Some("e".repeat(40)));
    assert_eq!(server.writes(), [format!("CreateRole {RECORD}")]);
}

#[test]
fn c14_a_record_that_another_run_wrote_meanwhile_is_left() {
    for (change, code) in MEANWHILE {
        let (repository, server) = applied();
        // Planned from the first two, and looked at by the third before the write.
        server.script(vec![("GetRole record", 3, Fault::Before(change))]);
        writes_nothing_else(&repository, &server, code);
        assert_eq!(server.writes(), Vec::<String>::new());
        assert_ne!(server.recorded(), Some(repository.head()));
    }
}

#[test]
fn c14_another_run_has_the_last_word_after_a_lost_reply() {
    for (change, code) in MEANWHILE {
        let (repository, server) = applied();
        server.script(vec![
            ("TagRole record", 1, Fault::NotSent),
            ("GetRole record", 4, Fault::Before(change)),
        ]);
        writes_nothing_else(&repository, &server, code);
        assert_eq!(server.writes(), [format!("TagRole {RECORD}")]);
        assert_ne!(server.recorded(), Some(repository.head()));
    }
}

/// What a run of the commit leaves there that the tag of a role of somebody else names.
fn of_that_commit(state: &mut State) {
    let theirs = state.role("theirs").expect("made by the test");
    let value = format!("{}@2026-11-24T12:00:00Z", theirs.tags[0].value);
    anothers(state);
    entry(state, APPLIED, &value);
}

/// Our run, while one of another commit writes the record before our n-th call of an action.
fn beside(
    world: Start,
    (action, nth): (&'static str, usize),
    other: &str,
    flags: &[&str],
) -> (Run, IamServer, String) {
    let (repository, server) = world();
    let older = repository.head();
    let ours = repository.commit("ours");
    let newer = repository.commit("newer");
    repository.git(&["checkout", "--quiet", "-b", "side", &older]);
    let elsewhere = repository.commit("elsewhere");
    let commit = match other {
        "older" => &older,
        "ours" => &ours,
        "newer" => &newer,
        _ => &elsewhere,
    };
    let tags = serde_json::json!([{ "key": "commit", "value": commit }]);
    let theirs =
        serde_json::json!({ "name": "theirs", "id": "AROA1", "trustPolicy": {}, "tags": tags });
    let theirs = serde_json::from_value(theirs).expect("a role");
    server.state(|state| state.roles.push(theirs));
    server.script(vec![
        ("TagRole record", 1, Fault::NotSent),
        (action, nth, Fault::Before(of_that_commit)),
    ]);
    let arguments = [&["apply", "--format", "json", "--revision", &ours], flags].concat();
    let run = Cli::new(repository.path(), &arguments)
        .endpoint(&server.url)
        .run();
    (run, server, ours)
}

/// The moments at which another run may write the record: before it is made, before it is tagged, and
/// after a lost reply.
const MOMENTS: [(Start, (&str, usize)); 3] = [
    (unapplied, ("CreateRole record", 1)),
    (applied, ("GetRole record", 3)),
    (applied, ("GetRole record", 4)),
];

#[test]
fn c50_an_older_run_that_writes_the_record_meanwhile_does_not_stop_a_newer_one() {
    for (world, moment) in MOMENTS {
        for other in ["older", "ours"] {
            let (run, server, ours) = beside(world, moment, other, &[]);
            let run = run.ends(0);
            let changes = run.changes();
            let is_done = |change: &String| change.ends_with(" create done");
            assert!(
                !changes.is_empty() && changes.iter().all(is_done),
                "{changes:?}"
            );
            assert_eq!(run.codes(), Vec::<String>::new(), "{moment:?} {other}");
            assert_eq!(server.recorded(), Some(ours), "{moment:?} {other}");
        }
    }
}

#[test]
fn c50_an_older_run_leaves_what_a_newer_one_wrote_to_the_record() {
    for (world, moment) in MOMENTS {
        for (other, is) in [
            ("newer", "newer than this run's"),
            ("elsewhere", "on another line"),
        ] {
            let (run, server, ours) = beside(world, moment, other, &[]);
            let said = found(&run.ends(9), "record-not-written");
            assert!(said.contains(is), "{moment:?} {other}: {said}");
            assert_ne!(server.recorded(), Some(ours), "{moment:?} {other}");
            assert_eq!(server.role_writes(), Vec::<String>::new());
        }
        let (run, server, ours) = beside(world, moment, "else", &["--accept-history-rewrite"]);
        run.ends(0);
        assert_eq!(server.recorded(), Some(ours), "{moment:?}");
    }
}

#[test]
fn c19_a_role_that_has_the_name_of_the_record_is_left() {
    let elsewhere: fn(&mut State) = |state| {
        anothers(state);
        state.roles[0].path = "/theirs/".to_owned();
    };
    let disowned: fn(&mut State) = |state| {
        anothers(state);
        state.roles[0].tags.clear();
    };
    let upper_case: fn(&mut State) = |state| {
        anothers(state);
        state.roles[0].name = RECORD.to_uppercase();
    };
    for change in [elsewhere, disowned, upper_case] {
        let (repository, server) = unapplied();
        server.state(change);
        let theirs = server.state(|state| state.roles[0].clone());
        let run = apply(&repository, &server).ends(0);
        let done =
            ["k8s-sa_bar_app-0", "k8s-sa_bar_app-1"].map(|name| format!("{name} create done"));
        assert_eq!(run.changes(), done);
        let said = found(&run, "order-not-proven");
        assert!(
            said.starts_with("warning ") && said.contains(&theirs.name),
            "{said}"
        );
        assert_eq!(server.state(|state| state.roles[0].clone()), theirs);
        assert_eq!(server.unowned_writes(), Vec::<String>::new());
    }
}

#[test]
fn p2_p3_a_signal_while_the_record_is_written_stops_before_the_roles() {
    for (delay, signals, code) in [(1, 1, 143), (60, 2, 143)] {
        let (repository, server) = unapplied();
        let delay = Fault::Delayed(Duration::from_secs(delay));
        server.script(vec![("CreateRole record", 0, delay)]);
        let child = Cli::new(repository.path(), &["apply", "--format", "json"])
            .endpoint(&server.url)
            .start();
        let start = Instant::now();
        while server.writes().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(30), "nothing is sent");
            std::thread::sleep(Duration::from_millis(5));
        }
        let start = Instant::now();
        for _ in 0..signals {
            let kill = std::process::Command::new("kill")
                .args(["-s", "TERM", &child.id().to_string()])
                .status();
            assert!(kill.expect("kill can be run").success());
            std::thread::sleep(Duration::from_millis(200));
        }
        let output = child.wait_with_output().expect("it ends");
        assert!(start.elapsed() < Duration::from_secs(9), "it waited");
        let run = Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        let changes = run.ends(code).changes();
        let done = changes.iter().filter(|c| c.ends_with("not-attempted"));
        assert_eq!(done.count(), 2, "{changes:?}");
        assert_eq!(server.role_writes(), Vec::<String>::new());
    }
}
