//! Flags, environment and configuration files, as users get them wrong.

use crate::support::cli::{Cli, ISSUER, Run, state};
use crate::support::repository::service_account;
use crate::support::world::World;

fn foo() -> World {
    World::with(&[("foo.yaml", &service_account("bar", "foo"))])
}

#[test]
fn an_empty_variable_is_not_set_and_one_without_meaning_is_ignored() {
    let mut world = foo();
    let empty = [
        "BASE",
        "MANAGED_BY",
        "ROLE_PREFIX",
        "ROLE_PATH",
        "ACCOUNT",
        "REGION",
        "CONFIG",
        "AUDIENCE",
        "PERMISSIONS_BOUNDARY",
        "MAX_SESSION_DURATION",
        "TAG",
        "TOKEN_PATH",
        "ROLE_ARN",
        "ASSUME_ROLE",
        "MODE",
        "PRUNE_AFTER",
        "FORMAT",
        "LOG_FORMAT",
        "DIRECTORY",
        "COMMIT",
        "REVISION",
        "REPO",
        "PATH",
        "SSH_KEY",
        "CACHE_DIR",
        "NO_CACHE",
        "FULL",
        "ALLOW_ALTERNATES",
    ];
    let names: Vec<String> = empty
        .iter()
        .map(|name| format!("IRSA_GITOPS_{name}"))
        .collect();
    let mut cli = Cli::new(world.repository.path(), &["plan"]).sandbox(&world.iam());
    for name in &names {
        cli = cli.env(name, "");
    }
    let run = cli.run().ends(0);
    assert!(run.stdout.contains("k8s-sa_bar_foo"), "{}", run.stdout);
    for no_cache in ["1", "yes", "true", "0", "off"] {
        world.environment = vec![("IRSA_GITOPS_NO_CACHE", no_cache)];
        world.print(&["plan"]).ends(0);
    }
    // A pipeline may set the commit for all its jobs; a flag is meant.
    world.environment = vec![("IRSA_GITOPS_COMMIT", "abc")];
    world.print(&["plan"]).ends(0);
    world.environment = vec![];
    let id = world.repository.head();
    let run = world.print(&["plan", "--commit", &id]).ends(2);
    assert!(run.stderr.contains("--directory"), "{}", run.stderr);
    world
        .print(&["plan", "--directory", ".", "--commit", &id])
        .ends(0);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_read() {
    let world = foo();
    for (arguments, said) in [
        (
            ["--permissions-boundary", "limit"],
            "not the ARN of an IAM policy",
        ),
        (["--region", "Ireland"], "not an AWS region"),
        (["--role-path", "//"], "not a path of roles"),
        (["--prune-after", "1y"], "such as 7d, 36h"),
        (["--prune-after", "soon"], "such as 7d, 36h"),
    ] {
        let run = world.print(&[&["plan"], &arguments[..]].concat()).ends(2);
        assert!(run.stderr.contains(said), "{}", run.stderr);
        for library in ["Span", "jiff", "serde"] {
            assert!(!run.stderr.contains(library), "{}", run.stderr);
        }
    }
    let role = "arn:aws:iam::123456789012:role/x";
    let token = ["plan", "--token-path", "/nope", "--role-arn", role];
    let run = Cli::new(world.repository.path(), &token).run().ends(2);
    assert!(run.stderr.contains("/nope: No such file"), "{}", run.stderr);
    // A sandbox needs no token.
    world.print(&token).ends(0);
}

#[test]
fn two_entries_for_one_cluster_are_refused_before_any_write() {
    let world = foo();
    let same =
        format!("- name: prod\n  paths: a\n  oidcProvider: {ISSUER}\n- name: prod\n  paths: b\n");
    let config = world.write("clusters.yaml", &same);
    let run = world
        .print(&["apply", "--mode", "sync", "--config", &config])
        .ends(2);
    assert!(
        run.stderr.contains("list both paths in one entry"),
        "{}",
        run.stderr
    );
    // Who the account belongs to is known only when it has been asked.
    let later = "- name: prod\n- name: prod\n  account: '123456789012'\n";
    let config = world.write("clusters.yaml", later);
    let run = world
        .print(&["apply", "--mode", "sync", "--config", &config])
        .ends(2);
    assert!(run.stderr.contains("configured twice"), "{}", run.stderr);
    assert!(state(&world.iam())["roles"].is_null());
}

#[test]
fn c6_a_name_that_two_clusters_would_give_is_given_to_neither() {
    let upper = service_account("bar", "foo").replace("k8s-sa_", "K8S-SA_");
    let mut world = World::with(&[
        ("blue/foo.yaml", &service_account("bar", "foo")),
        ("blue/only.yaml", &service_account("bar", "only")),
        ("green/foo.yaml", &upper),
    ]);
    let clusters =
        "- name: blue\n  paths: blue\n- name: green\n  paths: green\n  rolePrefix: K8S-SA\n";
    let config = world.write("clusters.yaml", clusters);
    world.environment = vec![("IRSA_GITOPS_CLUSTER_NAME", "")];
    let apply = ["apply", "--config", &config, "--format", "json"];
    assert_eq!(
        world.print(&apply).ends(7).changes(),
        [
            "k8s-sa_bar_foo held",
            "k8s-sa_bar_only create done",
            "K8S-SA_bar_foo held"
        ]
    );
}

#[test]
fn explain_and_adopt_choose_one_of_several_clusters() {
    let mut world = World::with(&[
        ("blue/foo.yaml", &service_account("bar", "foo")),
        (
            "green/foo.yaml",
            &service_account("bar", "foo").replace("k8s-sa_", "green_"),
        ),
        (
            "green/only.yaml",
            &service_account("bar", "only").replace("k8s-sa_", "green_"),
        ),
    ]);
    let clusters =
        "- name: blue\n  paths: blue\n- name: green\n  paths: green\n  rolePrefix: green\n";
    let config = world.write("clusters.yaml", clusters);
    // The harness sets a name for all tests, which would select.
    world.environment = vec![("IRSA_GITOPS_CLUSTER_NAME", "")];
    let explain = |arguments: &[&str]| {
        let all = [
            &["explain", "--config", &config, "--format", "json"],
            arguments,
        ]
        .concat();
        world.print(&all)
    };
    let role = |run: Run| run.ends(0).json()["role"].clone();
    assert_eq!(role(explain(&["bar/only"])), "green_bar_only");
    assert_eq!(role(explain(&["k8s-sa_bar_foo"])), "k8s-sa_bar_foo");
    assert_eq!(
        role(explain(&["bar/foo", "--cluster-name", "green"])),
        "green_bar_foo"
    );
    let run = explain(&["bar/foo"]).ends(2);
    assert!(run.stderr.contains("`blue`, `green`"), "{}", run.stderr);
    let run = explain(&["bar/foo", "--cluster-name", "gren"]).ends(2);
    assert!(
        run.stderr.contains("did you mean `green`?"),
        "{}",
        run.stderr
    );
    let adopt = |arguments: &[&str]| {
        let all = [&["adopt", "green_bar_foo", "--config", &config], arguments].concat();
        world.print(&all)
    };
    adopt(&[]).ends(2);
    adopt(&["--cluster-name", "green"]).ends(7);
}

#[test]
fn a_dash_is_standard_output_also_for_further_reports() {
    let world = foo();
    let run = world.print(&["plan", "--output", "json=-"]).ends(0);
    assert!(run.stdout.contains("1 to create"), "{}", run.stdout);
    assert!(
        run.stdout.contains("irsa-gitops/report/v1"),
        "{}",
        run.stdout
    );
    assert!(!world.repository.path().join("-").exists());
}

#[test]
fn mistakes_in_a_file_name_the_file_and_the_cluster() {
    let mut world = foo();
    world.environment = vec![("IRSA_GITOPS_CLUSTER_NAME", "")];
    for (text, said) in [
        (
            "- name: blue\n  account: '1'\n",
            "clusters.yaml, cluster `blue`: --account: `1`",
        ),
        ("- oidcProvders: x\n", "did you mean `oidcProviders`?"),
    ] {
        let config = world.write("clusters.yaml", text);
        for verb in ["plan", "lint"] {
            let run = world.print(&[verb, "--config", &config]);
            assert!(run.ends(2).stderr.contains(said), "{said}");
        }
    }
}

/// A section of the guide.
fn guide(heading: &str) -> &'static str {
    let guide = include_str!("../../docs/guide.md");
    let section = guide.split(heading).nth(1).expect("a section");
    section.split("\n## ").next().unwrap_or_default()
}

/// Every key of a document, of what is in it as well.
fn keys(document: &serde_json::Value) -> Vec<String> {
    match document {
        serde_json::Value::Object(fields) => {
            let within = fields.values().flat_map(keys);
            fields.keys().cloned().chain(within).collect()
        }
        serde_json::Value::Array(items) => items.iter().flat_map(keys).collect(),
        _ => vec![],
    }
}

#[test]
fn i100_the_guide_has_every_key_of_the_configuration_and_of_the_sandbox() {
    let input = irsa_gitops::settings::ClusterInput::default();
    let configuration = serde_json::to_value(input).expect("JSON");
    let role = serde_json::json!({
        "name": "a", "id": "AROA1", "trustPolicy": [], "tags": [{ "key": "a", "value": "b" }],
        "permissionsBoundary": "a", "attachedPolicies": ["a"], "inlinePolicies": ["a"],
        "instanceProfiles": ["a"], "lastUsed": "",
    });
    let provider = serde_json::json!({ "issuer": "a" });
    let account =
        serde_json::json!({ "account": "1", "oidcProviders": [provider], "roles": [role] });
    let state: irsa_gitops::iam::sandbox::State = serde_json::from_value(account).expect("a state");
    let sandbox = serde_json::to_value(state).expect("JSON");
    for (document, heading, most) in [
        (configuration, "\n### Several clusters\n", 24),
        (sandbox, "\n## The sandbox\n", 18),
    ] {
        let keys = keys(&document);
        assert!(keys.len() >= most, "{keys:?}");
        for key in keys {
            assert!(guide(heading).contains(&format!("`{key}`")), "{key}");
        }
    }
}
