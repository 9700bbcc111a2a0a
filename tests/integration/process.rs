//! Faults of the process: kills, signals, and places that nothing can be written to.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::support::cli::{Cli, Run, apply};
use crate::support::iam_server::{Fault, IamServer, LOCK, RECORD, first};
use crate::support::repository::accounts;

#[test]
fn p2_a_signal_stops_safely() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let repository = accounts(30);
        let server = IamServer::empty();
        server.script(vec![(
            "CreateRole",
            0,
            Fault::Delayed(Duration::from_millis(400)),
        )]);
        let child = Cli::new(repository.path(), &["apply", "--format", "json"])
            .endpoint(&server.url)
            .start();
        wait_for(|| !server.role_writes().is_empty());
        let kill = std::process::Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        assert!(kill.expect("kill can be run").success());
        std::thread::sleep(Duration::from_millis(150));
        let sent = server.role_writes().len();
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(
            server.role_writes().len(),
            sent,
            "no write starts after the signal"
        );
        let run = Run {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::new(),
        };
        let count = |end: &str| {
            run.changes()
                .iter()
                .filter(|change| change.ends_with(end))
                .count()
        };
        assert_eq!(count("create done"), sent, "what was sent was waited for");
        assert_eq!(count("not-attempted"), 30 - sent);
        server.script(vec![]);
        apply(&repository, &server).ends(0);
        assert_eq!(server.roles().len(), 30);
    }
}

#[test]
fn p2_an_adoption_that_is_stopped_ends_as_an_apply_does() {
    let repository = accounts(30);
    let server = IamServer::empty();
    apply(&repository, &server).ends(0);
    let names = server.state(|state| {
        let roles = state.roles.iter_mut();
        let accounts = roles.filter(|role| !role.name.contains('='));
        let untagged = accounts.map(|role| {
            role.tags.clear();
            role.name.clone()
        });
        untagged.collect::<Vec<_>>()
    });
    let delayed = Fault::Delayed(Duration::from_millis(400));
    server.script(vec![("TagRole", 0, delayed)]);
    let mut arguments = vec!["adopt", "--yes", "--format", "json"];
    arguments.extend(names.iter().map(String::as_str));
    let child = Cli::new(repository.path(), &arguments)
        .endpoint(&server.url)
        .start();
    wait_for(|| !server.writes().is_empty());
    let kill = std::process::Command::new("kill")
        .args(["-s", "TERM", &child.id().to_string()])
        .status();
    assert!(kill.expect("kill can be run").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(143));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\"not-attempted\""), "{text}");
}

/// Killed while a call is under way, the lock in hand: the next run waits until it may be sure that
/// nobody is at work any more.
#[test]
fn p1_c61_a_killed_run_is_finished_by_the_next() {
    let actions = [
        ("CreateRole lock", 1),
        ("GetRole lock", 1),
        ("CreateRole", 1),
        ("CreateRole", 3),
        ("TagRole", 1),
        ("UpdateAssumeRolePolicy", 1),
        ("CreateRole record", 1),
        ("TagRole record", 1),
        ("DeleteRole lock", 1),
    ];
    std::thread::scope(|scope| {
        for (action, nth) in actions {
            scope.spawn(move || killed_at(action, nth));
        }
    });
}

fn killed_at(action: &'static str, nth: usize) {
    let repository = accounts(3);
    let server = IamServer::empty();
    if !action.starts_with("CreateRole") {
        apply(&repository, &server).ends(0);
        repository.commit("another, so that it is recorded");
        server.state(|state| {
            first(state).trust_policy["Statement"][0]["Action"] = "sts:AssumeRole".into()
        });
    }
    server.script(vec![(action, nth, Fault::Delayed(Duration::from_secs(2)))]);
    let mut child = Cli::new(repository.path(), &["apply", "--lock-lease", "5s"])
        .endpoint(&server.url)
        .start();
    let is_it = |call: &String| {
        let (verb, name) = call.split_once(' ').unwrap_or((call, ""));
        let whose = match name {
            RECORD => " record",
            lock if lock.starts_with(LOCK) => " lock",
            _ => "",
        };
        format!("{verb}{whose}") == action
    };
    wait_for(|| server.calls().into_iter().filter(is_it).count() >= nth);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    server.script(vec![]);
    // Of the last call it was the reply alone that was killed.
    let is_left = !server.locks().is_empty() && action != "DeleteRole lock";
    let run = apply(&repository, &server).ends(0);
    let waited = run.stderr.contains("waiting for the run that writes");
    assert!(waited || !is_left, "{action} {nth}: {}", run.stderr);
    assert_eq!(server.roles().len(), 3, "{action} {nth}");
    assert_eq!(server.recorded(), Some(repository.head()), "{action} {nth}");
    server.script(vec![]);
    apply(&repository, &server).ends(0);
    assert_eq!(server.writes(), Vec::<String>::new(), "{action} {nth}");
    assert_eq!(server.unowned_writes(), Vec::<String>::new());
    // What is left of an idle run's predecessor is passed by the next run that writes.
    repository.commit("yet another");
    apply(&repository, &server).ends(0);
    assert_eq!(server.locks(), [], "{action} {nth}");
}

#[track_caller]
fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "it does not happen"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn p7_a_reader_that_has_gone_away_stops_nothing() {
    let repository = accounts(3);
    let server = IamServer::empty();
    let mut child = Cli::new(repository.path(), &["apply"])
        .endpoint(&server.url)
        .start();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut stderr)
        .expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{stderr}");
    assert_eq!(server.roles().len(), 3);
}

#[test]
fn p5_a_report_that_cannot_be_saved_is_said_on_standard_error() {
    let repository = accounts(1);
    let server = IamServer::empty();
    let run = Cli::new(repository.path(), &["apply", "--output", "json=/dev/full"])
        .endpoint(&server.url)
        .run()
        .ends(7);
    assert!(
        run.stderr.contains("report not saved") && run.stderr.contains("irsa-gitops/report/v1"),
        "{}",
        run.stderr
    );
    assert_eq!(server.roles().len(), 1);
}

#[test]
fn p8_p11_it_runs_with_little() {
    let repository = accounts(2);
    let server = IamServer::empty();
    let program = env!("CARGO_BIN_EXE_irsa-gitops");
    let script = format!("ulimit -n 64; unset HOME TMPDIR; exec {program} apply --format json");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(repository.path())
        .env("AWS_ENDPOINT_URL", &server.url)
        .envs([
            ("AWS_ACCESS_KEY_ID", "x"),
            ("AWS_SECRET_ACCESS_KEY", "y"),
            ("AWS_REGION", "eu-west-1"),
        ])
        .envs([
            ("IRSA_GITOPS_CLUSTER_NAME", "prod"),
            ("IRSA_GITOPS_OIDC_PROVIDER", crate::support::cli::ISSUER),
        ])
        .output()
        .expect("sh can be run");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(server.roles().len(), 2);
}

#[test]
fn p3_a_second_signal_leaves_at_once() {
    let repository = accounts(3);
    let server = IamServer::empty();
    server.script(vec![(
        "CreateRole",
        0,
        Fault::Delayed(Duration::from_secs(60)),
    )]);
    let mut child = Cli::new(repository.path(), &["apply"])
        .endpoint(&server.url)
        .start();
    wait_for(|| !server.role_writes().is_empty());
    let interrupt = || {
        std::process::Command::new("kill")
            .args(["-s", "INT", &child.id().to_string()])
            .status()
    };
    assert!(interrupt().expect("kill can be run").success());
    std::thread::sleep(Duration::from_millis(200));
    assert!(interrupt().expect("kill can be run").success());
    let start = Instant::now();
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "it waited for the calls"
    );
}
