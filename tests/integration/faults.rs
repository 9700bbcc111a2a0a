//! Faults of AWS, of the process and of whoever writes text that is shown, through the real binary.

use crate::support::cli::{Cli, Run, apply};
use crate::support::iam_server::{Fault, IamServer, Script, first};
use crate::support::repository::{Repository, accounts, service_account};

/// Applies two ServiceAccounts under a script, then again without; the second run must converge.
#[track_caller]
fn under(script: Script, code: i32) -> Run {
    let repository = accounts(2);
    let server = IamServer::empty();
    server.script(script);
    let run = apply(&repository, &server).ends(code);
    let made = server.roles();
    server.script(vec![]);
    apply(&repository, &server).ends(0);
    let after = server.roles();
    assert_eq!(server.recorded(), Some(repository.head()));
    assert_eq!(after.len(), 2);
    for role in made {
        assert!(after.contains(&role), "{} was made twice", role.name);
    }
    assert_eq!(server.unowned_writes(), Vec::<String>::new());
    run
}

fn error(run: &Run) -> String {
    run.json()["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn failure(run: &Run, index: usize) -> String {
    run.json()["clusters"][0]["changes"][index]["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a2_throttled_calls_are_sent_again() {
    let script = [1, 3, 5].map(|n| ("CreateRole", n, Fault::Refused(400, "Throttling")));
    under(script.to_vec(), 0);
    under(
        vec![
            ("ListRoles", 1, Fault::Refused(400, "Throttling")),
            ("GetCallerIdentity", 1, Fault::Refused(400, "Throttling")),
        ],
        0,
    );
}

#[test]
fn a3_server_errors_on_reads_are_tried_again_and_then_end_the_run() {
    under(
        vec![
            ("ListRoles", 1, Fault::Refused(503, "ServiceUnavailable")),
            ("ListRoles", 2, Fault::NotSent),
        ],
        0,
    );
    let run = under(
        vec![("ListRoles", 0, Fault::Refused(500, "ServiceFailure"))],
        6,
    );
    assert!(error(&run).contains("iam:ListRoles"), "{}", error(&run));
}

#[test]
fn a4_a6_a7_lost_replies_to_a_create_are_settled() {
    let run = under(vec![("CreateRole", 1, Fault::LostReply)], 0);
    assert_eq!(
        run.changes(),
        [
            "k8s-sa_bar_app-0 create done",
            "k8s-sa_bar_app-1 create done"
        ]
    );
    under(vec![("CreateRole", 1, Fault::NotSent)], 0);
    under(
        vec![("CreateRole", 2, Fault::Refused(500, "ServiceFailure"))],
        0,
    );
}

#[test]
fn a8_an_outcome_that_cannot_be_found_out_is_said_to_be_unknown() {
    let script = vec![
        ("CreateRole", 0, Fault::LostReply),
        ("GetRole", 0, Fault::Refused(403, "AccessDenied")),
    ];
    let run = under(script, 8);
    assert_eq!(run.json()["exitCode"], 8);
}

#[test]
fn a9_lost_replies_to_repairs_are_settled() {
    for action in ["TagRole", "UpdateAssumeRolePolicy"] {
        for fault in [Fault::LostReply, Fault::NotSent] {
            let repository = accounts(1);
            let server = IamServer::empty();
            apply(&repository, &server).ends(0);
            let made = server.roles()[0].clone();
            server.state(|state| {
                first(state).trust_policy["Statement"][0]["Action"] = "sts:AssumeRole".into()
            });
            server.script(vec![(action, 1, fault)]);
            assert_eq!(
                apply(&repository, &server).ends(0).changes(),
                ["k8s-sa_bar_app-0 update done"]
            );
            assert_eq!(server.roles()[0].trust_policy, made.trust_policy);
        }
    }
}

#[test]
fn a11_a_role_that_somebody_else_made_first_is_left() {
    let repository = accounts(1);
    let server = IamServer::empty();
    let foreign = |state: &mut irsa_gitops::iam::sandbox::State| {
        let role = serde_json::json!({ "name": "k8s-sa_bar_app-0", "id": "AROAFOREIGN", "trustPolicy": {} });
        state
            .roles
            .push(serde_json::from_value(role).expect("a role"));
    };
    server.script(vec![("CreateRole", 1, Fault::Before(foreign))]);
    let run = apply(&repository, &server).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_app-0 create failed"]);
    assert_eq!(server.roles()[0].id, "AROAFOREIGN");
}

#[test]
fn a12_a13_a14_a_role_that_moved_since_it_was_planned_is_not_written_to() {
    let drifted = || {
        let repository = accounts(1);
        let server = IamServer::empty();
        apply(&repository, &server).ends(0);
        server.state(|state| {
            first(state).trust_policy["Statement"][0]["Action"] = "sts:AssumeRole".into()
        });
        (repository, server)
    };
    // The first two GetRole are the plans', the third the one right before the write.
    let (repository, server) = drifted();
    server.script(vec![(
        "GetRole",
        3,
        Fault::Before(|state| state.roles.clear()),
    )]);
    assert_eq!(
        apply(&repository, &server).ends(0).changes(),
        ["k8s-sa_bar_app-0 update done"]
    );
    for (change, code) in [
        (
            (|state| first(state).id = "AROAOTHER".into())
                as fn(&mut irsa_gitops::iam::sandbox::State),
            7,
        ),
        (
            |state| {
                first(state)
                    .tags
                    .retain(|tag| tag.key != "role.k8s.aws/cluster")
            },
            7,
        ),
        // C3: a newer run has been here.
        (
            |state| {
                first(state)
                    .tags
                    .iter_mut()
                    .filter(|tag| tag.key == "role.k8s.aws/last-commit")
                    .for_each(|tag| tag.value = "f".repeat(40))
            },
            9,
        ),
    ] {
        let (repository, server) = drifted();
        server.script(vec![("GetRole", 3, Fault::Before(change))]);
        assert_eq!(
            apply(&repository, &server).ends(code).changes(),
            ["k8s-sa_bar_app-0 update failed"]
        );
        assert_eq!(server.writes(), Vec::<String>::new());
    }
}

#[test]
fn a16_a17_a18_denied_actions_are_named() {
    let run = under(
        vec![("CreateRole", 1, Fault::Refused(403, "AccessDenied"))],
        7,
    );
    assert!(
        failure(&run, 0).contains("iam:CreateRole on role `k8s-sa_bar_app-")
            || failure(&run, 1).contains("iam:CreateRole on role"),
        "{}",
        run.stdout
    );
    let run = under(
        vec![("ListRoles", 0, Fault::Refused(403, "AccessDenied"))],
        6,
    );
    assert!(error(&run).contains("iam:ListRoles"), "{}", error(&run));
}

#[test]
fn a19_p13_expired_credentials_stop_before_the_next_write() {
    let repository = accounts(40);
    let server = IamServer::empty();
    server.script(
        (3..=60)
            .map(|n| ("CreateRole", n, Fault::Refused(403, "ExpiredToken")))
            .collect(),
    );
    let run = apply(&repository, &server).ends(7);
    let attempted = server.role_writes().len();
    assert!(
        attempted < 40,
        "{attempted} writes were tried with expired credentials"
    );
    assert_eq!(
        run.changes()
            .iter()
            .filter(|change| change.ends_with("create done"))
            .count(),
        2
    );
    server.script(vec![]);
    apply(&repository, &server).ends(0);
    assert_eq!(server.role_writes().len(), 38, "P13: only what is left");
}

#[test]
fn a24_concurrent_modification_is_tried_again() {
    under(
        vec![(
            "CreateRole",
            1,
            Fault::Refused(409, "ConcurrentModification"),
        )],
        0,
    );
    let run = under(
        vec![(
            "CreateRole",
            0,
            Fault::Refused(409, "ConcurrentModification"),
        )],
        7,
    );
    assert!(
        failure(&run, 0).contains("ConcurrentModification"),
        "{}",
        failure(&run, 0)
    );
}

#[test]
fn a26_an_incomplete_listing_writes_nothing() {
    const NO_MARKER: &str = "<ListRolesResponse><ListRolesResult><Roles/><IsTruncated>true</IsTruncated></ListRolesResult></ListRolesResponse>";
    const EMPTY_MARKER: &str = "<ListRolesResponse><ListRolesResult><Roles/><IsTruncated>true</IsTruncated><Marker></Marker></ListRolesResult></ListRolesResponse>";
    const SAME_MARKER: &str = "<ListRolesResponse><ListRolesResult><Roles><member><Path>/</Path><RoleName>a</RoleName><RoleId>AROAX</RoleId><Arn>arn:aws:iam::123456789012:role/a</Arn><CreateDate>2024-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument></member></Roles><IsTruncated>true</IsTruncated><Marker>x</Marker></ListRolesResult></ListRolesResponse>";
    for page in [NO_MARKER, EMPTY_MARKER, SAME_MARKER] {
        let run = under(vec![("ListRoles", 0, Fault::Garbage(200, page))], 6);
        assert!(error(&run).contains("incomplete"), "{}", error(&run));
    }
}

#[test]
fn a31_what_is_not_an_answer_of_iam_is_shown_short_and_harmless() {
    const HTML: &str =
        "<html><body>\u{1b}[2J<h1>Blocked by proxy</h1>\n::error::gotcha</body></html>";
    for status in [200, 403, 502] {
        let run = under(vec![("ListRoles", 0, Fault::Garbage(status, HTML))], 6);
        assert!(error(&run).contains("iam:ListRoles"), "{}", error(&run));
        assert!(
            !run.stderr.contains('\u{1b}') && !run.stderr.contains("\n::error"),
            "{}",
            run.stderr
        );
        assert!(error(&run).chars().count() < 400, "{}", error(&run));
    }
    // A write that was answered so may have been done.
    under(vec![("CreateRole", 1, Fault::Garbage(200, HTML))], 0);
}

#[test]
fn s8_planted_secrets_never_show() {
    let repository = accounts(1);
    let server = IamServer::empty();
    server.script(vec![(
        "ListRoles",
        0,
        Fault::Refused(403, "SignatureDoesNotMatch"),
    )]);
    let run = Cli::new(repository.path(), &["apply", "-vvv"])
        .endpoint(&server.url)
        .env("AWS_SESSION_TOKEN", "planted-session-token")
        .env("GITHUB_TOKEN", "planted-git-token")
        .run()
        .ends(6);
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(
        !all.contains("planted-") && !all.contains("Signature="),
        "{all}"
    );
}

#[test]
fn g1_g2_g4_an_unreachable_host_is_named_and_a_secret_in_its_url_is_not() {
    let repository = accounts(1);
    let url = "https://user:planted-password@127.0.0.1:9/acme/apps";
    let run = Cli::new(repository.path(), &["plan", url, "-vv", "--format", "json"])
        .run()
        .ends(6);
    assert!(
        error(&run).starts_with("cannot reach 127.0.0.1:9"),
        "{}",
        error(&run)
    );
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("planted-password"));
}

#[test]
fn a1_a_storm_of_throttling_is_slowness_and_no_failure() {
    let repository = accounts(60);
    let server = IamServer::empty();
    let storm = (1..200)
        .filter(|n| n % 3 != 0)
        .map(|n| ("CreateRole", n, Fault::Refused(400, "Throttling")));
    server.script(storm.take(100).collect());
    let run = apply(&repository, &server).ends(0);
    assert_eq!(run.json()["summary"]["create"], 60);
    assert_eq!(server.roles().len(), 60);
}

#[test]
fn a5_a_connection_that_is_never_made_writes_nothing() {
    let repository = accounts(1);
    let run = Cli::new(repository.path(), &["apply", "--format", "json"])
        .endpoint("http://127.0.0.1:9")
        .run()
        .ends(6);
    assert!(error(&run).contains("cannot connect"), "{}", error(&run));
}

#[test]
fn a10_a_lost_reply_to_a_delete_is_settled() {
    for fault in [Fault::LostReply, Fault::NotSent] {
        let repository = Repository::with(&[
            ("a.yaml", &service_account("bar", "a")),
            ("b.yaml", &service_account("bar", "b")),
        ]);
        let server = IamServer::empty();
        apply(&repository, &server).ends(0);
        repository.remove("a.yaml");
        repository.commit("Remove a");
        server.script(vec![("DeleteRole", 1, fault)]);
        let arguments = [
            "apply",
            "--mode",
            "sync",
            "--prune-after",
            "0",
            "--format",
            "json",
        ];
        let run = Cli::new(repository.path(), &arguments)
            .endpoint(&server.url)
            .run()
            .ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a delete done"]);
        assert_eq!(server.roles().len(), 1);
    }
}

#[test]
fn a23_a_document_that_iam_refuses_is_not_sent_again() {
    let run = under(
        vec![(
            "CreateRole",
            1,
            Fault::Refused(400, "MalformedPolicyDocument"),
        )],
        7,
    );
    let failed: Vec<_> = run
        .changes()
        .into_iter()
        .filter(|change| change.ends_with("failed"))
        .collect();
    assert_eq!(failed.len(), 1, "{:?}", run.changes());
}

#[test]
fn a25_a_role_that_belongs_to_aws_ends_the_run() {
    let repository = accounts(40);
    let server = IamServer::empty();
    server.script(vec![(
        "CreateRole",
        1,
        Fault::Refused(400, "UnmodifiableEntity"),
    )]);
    let run = apply(&repository, &server).ends(7);
    assert!(
        run.changes()
            .iter()
            .any(|change| change.ends_with("not-attempted")),
        "{:?}",
        run.changes()
    );
}
