//! Principals that IAM shows by their ids: somebody who is new for a moment, somebody who is gone for
//! ever.

use irsa_gitops::iam::sandbox::State;
use serde_json::json;

use crate::support::cli::{Cli, Run, apply};
use crate::support::iam_server::{Fault, IamServer, roles};
use crate::support::repository::{Repository, accounts};

const ID: &str = "AROAJQABLZS4A3QDU576Q";

/// Applied roles, each of which somebody let a principal in by hand.
fn let_in(count: usize, principal: &str) -> (Repository, IamServer) {
    let repository = accounts(count);
    let server = IamServer::empty();
    apply(&repository, &server).ends(0);
    server.state(|state| {
        for role in roles(state) {
            role.trust_policy["Statement"][0]["Principal"] = json!({ "AWS": principal });
        }
    });
    server.script(vec![]);
    (repository, server)
}

fn run(repository: &Repository, server: &IamServer, arguments: &[&str]) -> Run {
    let all = [arguments, &["--format", "json"]].concat();
    Cli::new(repository.path(), &all)
        .endpoint(&server.url)
        .run()
}

/// How often each role of a ServiceAccount was read by itself, at most.
fn most_reads(server: &IamServer) -> usize {
    let calls = server.calls();
    let reads = calls.iter().filter(|call| call.starts_with("GetRole "));
    let times = |read: &String| calls.iter().filter(|call| *call == read).count();
    reads.map(times).max().unwrap_or_default()
}

#[test]
fn a28_nobody_waits_for_principals_of_roles_that_are_not_written_to() {
    for count in [3, 48] {
        let (repository, server) = let_in(count, ID);
        // Held by the mode, then foreign.
        let held = ["plan", "--mode", "create-only"];
        run(&repository, &server, &held).ends(7);
        assert!(most_reads(&server) <= 1, "{count}: {:?}", server.calls());
        server.state(|state| {
            for role in roles(state) {
                role.tags.clear();
            }
        });
        server.script(vec![]);
        let foreign = run(&repository, &server, &["plan"]).ends(7);
        assert!(foreign.codes().contains(&"foreign-role".to_owned()));
        assert!(most_reads(&server) <= 1, "{count}: {:?}", server.calls());
    }
}

#[test]
fn a28_somebody_who_was_deleted_is_drift_and_waited_for_once_for_all_roles() {
    let (repository, server) = let_in(14, ID);
    let run = run(&repository, &server, &["plan"]).ends(0);
    assert_eq!(run.changes().len(), 14);
    assert!(run.codes().contains(&"security-drift".to_owned()));
    // More than one at a time: all of them are read again in the same rounds.
    assert!(
        (2..=6).contains(&most_reads(&server)),
        "{:?}",
        server.calls()
    );
    let rounds: Vec<String> = server.calls();
    let last = rounds.iter().rposition(|call| call.starts_with("GetRole "));
    let last_round = &rounds[..=last.expect("they were read")][last.expect("read") - 13..];
    assert!(
        last_round.iter().all(|call| call.starts_with("GetRole ")),
        "{rounds:?}"
    );
}

#[test]
fn a28_somebody_who_is_new_is_shown_by_name() {
    let (repository, server) = let_in(2, ID);
    let arn = "arn:aws:iam::123456789012:role/new";
    let resolve = |state: &mut State| {
        for role in roles(state) {
            let principal = &mut role.trust_policy["Statement"][0]["Principal"];
            *principal = json!({ "AWS": "arn:aws:iam::123456789012:role/new" });
        }
    };
    server.script(vec![("GetRole", 4, Fault::Before(resolve))]);
    let run = run(&repository, &server, &["apply"]).ends(0);
    assert_eq!(run.changes().len(), 2);
    assert!(
        run.stdout.contains(arn) && run.stdout.contains("update"),
        "{}",
        run.stdout
    );
    assert!(server.state(|state| !format!("{:?}", roles(state)).contains(arn)));
}
