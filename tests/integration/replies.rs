//! Replies that are not what they seem, and what happens to a role between two writes to it.

use irsa_gitops::iam::sandbox::State;

use crate::support::cli::{Cli, apply};
use crate::support::iam_server::{Fault, IamServer, first};
use crate::support::repository::{Repository, accounts, service_account};

/// One role of ours whose trust policy was changed by hand.
fn drifted() -> (Repository, IamServer) {
    let repository = accounts(1);
    let server = IamServer::empty();
    apply(&repository, &server).ends(0);
    server.state(|state| {
        first(state).trust_policy["Statement"][0]["Action"] = "sts:AssumeRole".into();
    });
    (repository, server)
}

const PAGE: &str = "<ListRolesResponse><ListRolesResult><Roles><member><Path>/</Path>\
    <RoleName>other</RoleName><RoleId>AROA1</RoleId><Arn>arn:aws:iam::123456789012:role/other</Arn>\
    <CreateDate>2024-01-01T00:00:00Z</CreateDate>\
    <AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument></member></Roles>\
    <IsTruncated>true</IsTruncated><Marker>again</Marker></ListRolesResult></ListRolesResponse>";

#[test]
fn a26_a31_a_listing_that_may_lack_something_writes_nothing() {
    let repository = accounts(2);
    for (reply, says) in [
        (
            "<ListRolesResponse><ListRolesResult><Roles><member><Path>/</Path>",
            "whole",
        ),
        (
            "<ListRolesResponse><ListRolesResult/></ListRolesResponse>",
            "whole",
        ),
        ("<html>sign in</html>", "whole"),
        (PAGE, "listed twice"),
    ] {
        let server = IamServer::empty();
        server.script(vec![("ListRoles", 0, Fault::Garbage(200, reply))]);
        let run = apply(&repository, &server).ends(6);
        let message = run.json()["error"]["message"].to_string();
        assert!(message.contains(says), "{message}");
        assert_eq!(server.writes(), Vec::<String>::new());
    }
}

#[test]
fn a31_a_page_of_somebody_else_is_no_answer_to_a_write() {
    for action in ["TagRole", "UpdateAssumeRolePolicy"] {
        let (repository, server) = drifted();
        repository.commit("another, so that the tags change");
        server.script(vec![(action, 0, Fault::Garbage(200, "<html>ok</html>"))]);
        let run = apply(&repository, &server).ends(8);
        assert_eq!(
            run.changes(),
            ["k8s-sa_bar_app-0 update unknown"],
            "{action}"
        );
        repository.commit("and another");
        server.script(vec![(action, 1, Fault::Garbage(200, "<html>ok</html>"))]);
        let run = apply(&repository, &server).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_app-0 update done"], "{action}");
    }
}

#[test]
fn c3_a14_a_role_that_moves_between_two_writes_is_left() {
    let newer: fn(&mut State) = |state| {
        let tags = &mut first(state).tags;
        let last = tags
            .iter_mut()
            .find(|tag| tag.key == "role.k8s.aws/last-commit");
        last.expect("tagged").value = "f".repeat(40);
    };
    let disowned: fn(&mut State) = |state| {
        first(state)
            .tags
            .retain(|tag| tag.key != "role.k8s.aws/cluster");
    };
    let replaced: fn(&mut State) = |state| first(state).id = "AROAOTHER".to_owned();
    for (change, code) in [(newer, 9), (disowned, 7), (replaced, 7)] {
        let (repository, server) = drifted();
        // Planned from the first two, written to after the third, looked at again by the fourth.
        server.script(vec![("GetRole", 4, Fault::Before(change))]);
        let run = apply(&repository, &server).ends(code);
        assert_eq!(run.changes(), ["k8s-sa_bar_app-0 update failed"]);
        assert_eq!(server.writes(), ["TagRole k8s-sa_bar_app-0"]);
        assert_eq!(server.unowned_writes(), Vec::<String>::new());
    }
}

#[test]
fn c3_a_newer_run_has_the_last_word_after_a_lost_reply() {
    let newer: fn(&mut State) = |state| {
        let role = first(state);
        let last = role
            .tags
            .iter_mut()
            .find(|tag| tag.key == "role.k8s.aws/last-commit");
        last.expect("tagged").value = "e".repeat(40);
    };
    let (repository, server) = drifted();
    // The first call is lost, and the fifth look finds what a newer run has done meanwhile.
    server.script(vec![
        ("UpdateAssumeRolePolicy", 1, Fault::NotSent),
        ("GetRole", 5, Fault::Before(newer)),
    ]);
    apply(&repository, &server).ends(9);
    let sent = server
        .writes()
        .into_iter()
        .filter(|call| call.starts_with("Update"));
    assert_eq!(sent.count(), 1);
}

#[test]
fn a21_a_used_up_quota_stops_creates_and_nothing_else() {
    let (repository, server) = drifted();
    for n in 1..60 {
        let text = service_account("bar", &format!("app-{n}"));
        repository.write(&format!("{n}.yaml"), text);
    }
    repository.commit("many more");
    server.script(vec![(
        "CreateRole",
        0,
        Fault::Refused(409, "LimitExceeded"),
    )]);
    let run = apply(&repository, &server).ends(7);
    let count = |word: &str| run.changes().iter().filter(|c| c.ends_with(word)).count();
    assert_eq!(count("update done"), 1);
    assert!(count("create not-attempted") > 40, "{:?}", run.changes());
}

#[test]
fn a44_the_limit_of_one_role_does_not_stop_the_creates_of_others() {
    let full = "Cannot exceed quota for RolesPerAccount: 1000";
    for (message, stops, hint) in [
        (full, true, "Roles per account"),
        (
            "Cannot exceed quota for ACLSizePerRole: 2048",
            false,
            "Role trust policy length",
        ),
        (
            "The number of tags has reached the maximum limit.",
            false,
            "list-role-tags",
        ),
    ] {
        let repository = Repository::new();
        for n in 0..40 {
            let text = service_account("bar", &format!("app-{n}"));
            repository.write(&format!("{n}.yaml"), text);
        }
        repository.commit("many");
        let server = IamServer::empty();
        let refused = format!(
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type><Code>LimitExceeded</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        let refused = Fault::Garbage(409, refused.leak());
        server.script(vec![("CreateRole", 1, refused)]);
        let run = apply(&repository, &server).ends(7);
        let count = |word: &str| run.changes().iter().filter(|c| c.ends_with(word)).count();
        assert_eq!(count("create failed"), 1, "{message}");
        assert_eq!(count("create not-attempted") > 0, stops, "{message}");
        assert!(run.stdout.contains(hint), "{message}: {}", run.stdout);
    }
}

#[test]
fn a23_a_refused_document_is_shown() {
    let repository = accounts(1);
    let server = IamServer::empty();
    let refused = Fault::Refused(400, "MalformedPolicyDocument");
    server.script(vec![("CreateRole", 0, refused)]);
    let run = apply(&repository, &server).ends(7);
    let error = run.json()["clusters"][0]["changes"][0]["error"]["message"].to_string();
    assert!(error.contains("system:serviceaccount:bar:app-0"), "{error}");
}

#[test]
fn s8_a_secret_that_comes_back_in_a_reply_is_not_shown() {
    let repository = accounts(1);
    let echo = "<html>authorization: AKIAPLANTEDKEY planted-secret-key</html>";
    for action in ["ListRoles", "CreateRole"] {
        let server = IamServer::empty();
        server.script(vec![(action, 0, Fault::Garbage(502, echo))]);
        let run = Cli::new(repository.path(), &["apply", "-vv"])
            .endpoint(&server.url)
            .run();
        for text in [&run.stdout, &run.stderr] {
            assert!(
                !text.contains("PLANTED") && !text.contains("planted"),
                "{text}"
            );
        }
    }
}
