//! Runs that write to one role at the same time: the newest commit has the last word.

use irsa_gitops::iam::sandbox::{Role, State, Tag};

use crate::support::cli::{Cli, Run, apply};
use crate::support::iam_server::{Fault, IamServer, first};
use crate::support::repository::{Repository, accounts};

const LAST_COMMIT: &str = "role.k8s.aws/last-commit";

/// The reads of the role, after those of the two plans: without the lock, and with it.
const BEFORE_WRITES: (&str, usize) = ("GetRole", 3);
const BETWEEN_WRITES: (&str, usize) = ("GetRole", 4);
const AFTER_WRITES: (&str, usize) = ("GetRole", 5);

fn set(role: &mut Role, key: &str, value: &str) {
    role.tags.retain(|tag| tag.key != key);
    role.tags.push(Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    });
}

fn value(role: &Role, key: &str) -> Option<String> {
    let tag = role.tags.iter().find(|tag| tag.key == key);
    tag.map(|tag| tag.value.clone())
}

/// Another run, of the commit that the tag `other` names, writes to the role.
fn another_run(state: &mut State) {
    let role = first(state);
    let commit = value(role, "other").expect("set by the test");
    set(role, LAST_COMMIT, &commit);
}

/// Another run quarantines it.
fn quarantined(state: &mut State) {
    another_run(state);
    let role = first(state);
    let by = value(role, LAST_COMMIT).expect("just set");
    set(role, "role.k8s.aws/quarantined-at", "2026-01-01T00:00:00Z");
    set(role, "role.k8s.aws/quarantined-by", &by);
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:*"}]}"#;
    role.trust_policy = serde_json::from_str(deny).expect("JSON");
}

/// Another run has done all that this one is about to do.
fn repaired(state: &mut State) {
    another_run(state);
    first(state).trust_policy["Statement"][0]["Action"] = "sts:AssumeRoleWithWebIdentity".into();
}

/// Our commit, and what others are to it.
struct Commits {
    older: String,
    ours: String,
    newer: String,
    elsewhere: String,
}

/// A role that has drifted, and the commits of runs that may write to it.
fn drifted() -> (Repository, IamServer, Commits) {
    let (repository, server) = (accounts(1), IamServer::empty());
    apply(&repository, &server).ends(0);
    let root = repository.head();
    let older = repository.commit("older");
    let ours = repository.commit("ours");
    let newer = repository.commit("newer");
    repository.git(&["checkout", "--quiet", "-b", "side", &root]);
    let elsewhere = repository.commit("elsewhere");
    repository.git(&["checkout", "--quiet", "main"]);
    server.state(|state| {
        first(state).trust_policy["Statement"][0]["Action"] = "sts:AssumeRole".into();
    });
    let commits = Commits {
        older,
        ours,
        newer,
        elsewhere,
    };
    (repository, server, commits)
}

/// Ours, while a run of another commit does something before a call.
fn beside(
    repository: &Repository,
    server: &IamServer,
    commits: &Commits,
    other: &str,
    (call, nth): (&'static str, usize),
    change: fn(&mut State),
) -> Run {
    server.state(|state| set(first(state), "other", other));
    server.script(vec![(call, nth, Fault::Before(change))]);
    let arguments = ["apply", "--format", "json", "--revision", &commits.ours];
    Cli::new(repository.path(), &arguments)
        .endpoint(&server.url)
        .run()
}

#[test]
fn c20_a_late_run_of_an_older_commit_does_not_stop_a_newer_one() {
    for call in [BEFORE_WRITES, BETWEEN_WRITES] {
        for (change, is_quarantine) in [
            (another_run as fn(&mut State), false),
            (quarantined, true),
            (repaired, false),
        ] {
            // A run of our own commit quarantines nothing that ours declares.
            let both = [false, true];
            let whose = if is_quarantine { &both[..1] } else { &both };
            for of_ours in whose.iter().copied() {
                let (repository, server, commits) = drifted();
                let other = if of_ours {
                    &commits.ours
                } else {
                    &commits.older
                };
                let run = beside(&repository, &server, &commits, other, call, change).ends(0);
                assert_eq!(run.changes(), ["k8s-sa_bar_app-0 update done"], "{call:?}");
                let arguments = [
                    "plan",
                    "--full",
                    "--format",
                    "json",
                    "--revision",
                    &commits.ours,
                ];
                let plan = Cli::new(repository.path(), &arguments)
                    .endpoint(&server.url)
                    .run()
                    .ends(0);
                assert_eq!(plan.changes(), Vec::<String>::new(), "{call:?}");
            }
        }
    }
}

#[test]
fn c20_a_run_whose_commit_is_not_in_our_history_has_the_last_word() {
    let unknown = "0123456789012345678901234567890123456789".to_owned();
    for call in [BEFORE_WRITES, BETWEEN_WRITES] {
        for (words, other) in [
            ("newer than", None),
            ("elsewhere", Some(false)),
            ("unknown", Some(true)),
        ] {
            let (repository, server, commits) = drifted();
            let other = match other {
                None => &commits.newer,
                Some(false) => &commits.elsewhere,
                Some(true) => &unknown,
            };
            let run = beside(&repository, &server, &commits, other, call, quarantined).ends(9);
            let change = run.json()["clusters"][0]["changes"][0].to_string();
            assert!(change.contains(words) && change.contains(other), "{change}");
            let role = server.state(|state| first(state).clone());
            assert_eq!(value(&role, LAST_COMMIT).as_ref(), Some(other));
            assert_eq!(role.trust_policy["Statement"][0]["Effect"], "Deny");
        }
    }
}

/// Another run, of whatever commit, writes its trust policy last.
fn late_trust(state: &mut State) {
    first(state).trust_policy["Statement"][0]["Action"] = "sts:AssumeRole".into();
}

fn late_trust_of_another_commit(state: &mut State) {
    another_run(state);
    late_trust(state);
}

#[test]
fn c21_a_write_that_an_older_run_undid_is_written_again() {
    for change in [late_trust, late_trust_of_another_commit] {
        let (repository, server, commits) = drifted();
        let call = AFTER_WRITES;
        let run = beside(&repository, &server, &commits, &commits.older, call, change).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_app-0 update done"]);
        let sent = server.role_writes().into_iter();
        let trusts = sent.filter(|call| call.starts_with("UpdateAssumeRolePolicy"));
        assert_eq!(trusts.count(), 2, "written, undone and written again");
        let role = server.state(|state| first(state).clone());
        let action = &role.trust_policy["Statement"][0]["Action"];
        assert_eq!(action, "sts:AssumeRoleWithWebIdentity");
        assert_eq!(value(&role, LAST_COMMIT), Some(commits.ours));
    }
}

/// The run of the commit that made the role, later than all others.
fn late_trust_of_the_first_commit(state: &mut State) {
    let role = first(state);
    let commit = value(role, "role.k8s.aws/commit").expect("made by this program");
    set(role, LAST_COMMIT, &commit);
    late_trust(state);
}

#[test]
fn c21_a_write_that_is_undone_again_and_again_is_not_done() {
    let (repository, server, commits) = drifted();
    server.state(|state| set(first(state), "other", &commits.older));
    let undo = |nth, change| ("GetRole", nth, Fault::Before(change));
    // Between two looks after the last write the role is planned again and read before each write.
    server.script(vec![
        undo(5, late_trust_of_another_commit),
        undo(9, late_trust_of_the_first_commit),
        undo(13, late_trust_of_another_commit),
        undo(17, late_trust_of_the_first_commit),
    ]);
    let arguments = ["apply", "--format", "json", "--revision", &commits.ours];
    let run = Cli::new(repository.path(), &arguments)
        .endpoint(&server.url)
        .run()
        .ends(8);
    assert_eq!(run.changes(), ["k8s-sa_bar_app-0 update unknown"]);
    let change = run.json()["clusters"][0]["changes"][0].to_string();
    assert!(change.contains("at the same time"), "{change}");
}
