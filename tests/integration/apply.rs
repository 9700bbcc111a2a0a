//! plan and apply, against the sandbox and through the SDK.

use irsa_gitops::iam::sandbox::State;
use serde_json::{Value, json};

use crate::support::cli::{self, Cli, ISSUER, sandbox, state};
use crate::support::iam_server::{self, Fault, IamServer};
use crate::support::repository::{Repository, service_account};

fn foo() -> Repository {
    Repository::with(&[("apps/foo.yaml", &service_account("bar", "foo"))])
}

#[test]
fn the_controllers_example_yields_its_role_with_exactly_its_tags() {
    let repository = foo();
    let iam = sandbox(repository.path());
    let run = Cli::new(repository.path(), &["apply", "--format", "json"])
        .sandbox(&iam)
        .run()
        .ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_foo create done"]);
    let role = &cli::roles(&state(&iam))[0];
    assert_eq!(role["name"], "k8s-sa_bar_foo");
    assert_eq!(
        role["trustPolicy"],
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{ISSUER}") },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": { "StringEquals": {
                    format!("{ISSUER}:sub"): "system:serviceaccount:bar:foo",
                    format!("{ISSUER}:aud"): "sts.amazonaws.com",
                } },
            }],
        })
    );
    let tags: Vec<(&str, &str)> = role["tags"]
        .as_array()
        .expect("tags")
        .iter()
        .map(pair)
        .collect();
    let head = repository.head();
    let source = format!("{}/apps/foo.yaml", repository.path().display());
    assert_eq!(
        tags,
        [
            ("role.k8s.aws/cluster", "prod"),
            ("role.k8s.aws/commit", head.as_str()),
            ("role.k8s.aws/last-commit", head.as_str()),
            ("role.k8s.aws/managed-by", "iam-service-account-controller"),
            ("role.k8s.aws/source", source.as_str()),
            ("serviceaccount.k8s.aws/stack", "bar/foo"),
        ]
    );
}

fn pair(tag: &Value) -> (&str, &str) {
    (
        tag["key"].as_str().unwrap_or_default(),
        tag["value"].as_str().unwrap_or_default(),
    )
}

#[test]
fn g22_an_uncommitted_edit_has_no_effect() {
    let repository = foo();
    let iam = sandbox(repository.path());
    repository.write("apps/foo.yaml", service_account("bar", "other"));
    let run = Cli::new(repository.path(), &["apply", "--format", "json"])
        .sandbox(&iam)
        .run()
        .ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_foo create done"]);
    assert_eq!(run.codes(), ["dirty-work-tree"]);
}

#[test]
fn the_second_apply_makes_no_write_and_drift_is_repaired_in_place() {
    let repository = foo();
    let server = IamServer::empty();
    let apply = || {
        Cli::new(repository.path(), &["apply", "--format", "json"])
            .endpoint(&server.url)
            .run()
            .ends(0)
    };
    apply();
    let made = server.state(|state| iam_server::roles(state)[0].clone());
    server.script(vec![]);
    assert_eq!(apply().changes(), Vec::<String>::new());
    assert_eq!(
        server.calls(),
        [
            "GetCallerIdentity",
            "ListRoles",
            "GetRole k8s-sa_=prod",
            "GetOpenIDConnectProvider"
        ]
    );
    server.state(|state| {
        let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
        let role = &mut iam_server::roles(state)[0];
        role.trust_policy = serde_json::from_str(open).expect("JSON");
        role.attached_policies.push("arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned());
    });
    let run = apply();
    assert_eq!(run.changes(), ["k8s-sa_bar_foo update done"]);
    assert_eq!(run.codes(), ["security-drift"]);
    let repaired = server.state(|state| iam_server::roles(state)[0].clone());
    assert_eq!(repaired.trust_policy, made.trust_policy);
    assert_eq!(repaired.id, made.id);
    assert_eq!(repaired.attached_policies.len(), 1);
    assert_eq!(server.unowned_writes(), Vec::<String>::new());
}

#[test]
fn s9_plan_writes_nothing() {
    let repository = foo();
    let server = IamServer::empty();
    let plan = |arguments: &[&str]| {
        Cli::new(repository.path(), arguments)
            .endpoint(&server.url)
            .run()
    };
    assert_eq!(
        plan(&["plan", "--format", "json"]).ends(0).changes(),
        ["k8s-sa_bar_foo create"]
    );
    plan(&["plan", "--exit-code"]).ends(3);
    assert_eq!(server.writes(), Vec::<String>::new());
}

#[test]
fn an_idle_run_over_five_thousand_roles_makes_at_most_ten_calls() {
    let many: String = (0..5000)
        .map(|n| format!("---\n{}", service_account("bar", &format!("app-{n}"))))
        .collect();
    let repository = Repository::with(&[("all.yaml", &many)]);
    let iam = sandbox(repository.path());
    let mut first = state(&iam);
    first["quotas"] = json!({ "roles": 10_000 });
    std::fs::write(&iam, first.to_string()).expect("written");
    let commit = repository.head();
    let roles: Vec<Value> = (0..5000)
        .map(|n| role(&format!("app-{n}"), &commit))
        .collect();
    first["roles"] = roles.into();
    let server = IamServer::start(serde_json::from_value(first).expect("a state"));
    for (arguments, most) in [
        // The first makes the record, for which it takes the lock and plans again.
        (&["apply"][..], 20),
        (&["apply"], 10),
        (&["plan", "--full"], 20),
    ] {
        let before = server.calls().len();
        let all = [arguments, &["--format", "json"]].concat();
        let run = Cli::new(repository.path(), &all)
            .endpoint(&server.url)
            .run();
        assert_eq!(run.ends(0).json()["summary"]["inSync"], 5000);
        let calls = &server.calls()[before..];
        assert!(calls.len() <= most, "{arguments:?}: {calls:?}");
    }
    assert_eq!(server.writes(), ["CreateRole k8s-sa_=prod"], "once");
}

#[test]
fn a_full_run_reads_roles_one_by_one_where_it_may_not_read_all_at_once() {
    let many: String = (0..25)
        .map(|n| format!("---\n{}", service_account("bar", &format!("app-{n}"))))
        .collect();
    let repository = Repository::with(&[("all.yaml", &many)]);
    let server = IamServer::empty();
    let run = |arguments: &[&str]| {
        let all = [arguments, &["--format", "json"]].concat();
        Cli::new(repository.path(), &all)
            .endpoint(&server.url)
            .run()
    };
    run(&["apply"]).ends(0);
    let foreign_tag = |state: &mut State| {
        let tags = &mut iam_server::roles(state)[7].tags;
        tags.retain(|tag| tag.key != "serviceaccount.k8s.aws/stack");
    };
    server.state(foreign_tag);
    let all_at_once = run(&["plan", "--full"]).ends(7).changes();
    let denied = Fault::Refused(403, "AccessDenied");
    server.script(vec![("GetAccountAuthorizationDetails", 0, denied)]);
    let before = server.calls().len();
    assert_eq!(run(&["plan", "--full"]).ends(7).changes(), all_at_once);
    let calls = server.calls().split_off(before);
    let reads = calls.iter().filter(|call| call.starts_with("GetRole"));
    assert_eq!(reads.count(), 25 + 1, "every role, and the record");
}

/// A role as this program makes it, for `bar/NAME`.
fn role(name: &str, commit: &str) -> Value {
    let tag = |key: &str, value: &str| json!({ "key": key, "value": value });
    json!({
        "name": format!("k8s-sa_bar_{name}"),
        "id": format!("AROA{name}"),
        "trustPolicy": { "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{ISSUER}") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": {
                format!("{ISSUER}:sub"): format!("system:serviceaccount:bar:{name}"),
                format!("{ISSUER}:aud"): "sts.amazonaws.com",
            } },
        }] },
        "tags": [
            tag("role.k8s.aws/cluster", "prod"),
            tag("role.k8s.aws/commit", commit),
            tag("role.k8s.aws/last-commit", commit),
            tag("role.k8s.aws/managed-by", "iam-service-account-controller"),
            tag("serviceaccount.k8s.aws/stack", &format!("bar/{name}")),
        ],
    })
}

#[test]
fn one_bad_service_account_is_held_and_the_others_get_their_roles() {
    let bad = service_account("bar", "bad").replace("123456789012", "210987654321");
    let repository = Repository::with(&[
        ("a.yaml", &bad),
        ("b.yaml", &service_account("bar", "good")),
    ]);
    let iam = sandbox(repository.path());
    let run = Cli::new(repository.path(), &["apply", "--format", "json"])
        .sandbox(&iam)
        .run()
        .ends(7);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_bad held", "k8s-sa_bar_good create done"]
    );
    let document = run.json();
    let found = &document["clusters"][0]["diagnostics"][0];
    assert_eq!(found["code"], "role-arn-mismatch");
    assert_eq!(found["serviceAccount"], "bar/bad");
    assert_eq!(
        found["location"],
        json!({ "path": "a.yaml", "line": 8, "column": 33 })
    );
    assert_eq!(
        found["hint"],
        "use `arn:aws:iam::123456789012:role/k8s-sa_bar_bad`"
    );
    assert_eq!(document["exitCode"], 7);
}

#[test]
fn a_directory_and_the_same_files_committed_give_the_same_plan() {
    let repository = foo();
    repository.write(
        "more/list.json",
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[]}} {}",
            ""
        ),
    );
    repository.write("more/two.yml", service_account("a", "b.c"));
    let commit = repository.commit("more");
    let iam = sandbox(std::path::Path::new(&std::env::temp_dir()));
    let run = |arguments: &[&str]| {
        let run = Cli::new(repository.path(), arguments)
            .sandbox(&iam)
            .run()
            .ends(0);
        run.json()["clusters"][0]["changes"].clone()
    };
    let committed = run(&["plan", "--format", "json"]);
    let directory = run(&[
        "plan",
        "--format",
        "json",
        "--directory",
        ".",
        "--commit",
        &commit,
    ]);
    assert_eq!(committed, directory);
    assert_eq!(committed.as_array().map(Vec::len), Some(2));
}
