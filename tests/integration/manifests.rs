//! Manifests from outside: what a typo does to a role, and how long a file may take.

use std::time::{Duration, Instant};

use irsa_gitops::diagnostic::Code;
use irsa_gitops::manifest;
use serde_json::json;
use tempfile::TempDir;

use crate::support::cli::{Cli, roles, sandbox, state};
use crate::support::repository::{Repository, service_account};

const MANAGED: &str = "security.kaluza.com/iam-role-managed";

#[test]
fn m7_a_role_outlives_every_typo_in_its_manifest() {
    let good = service_account("bar", "foo");
    for (from, to) in [
        ("role-managed", "role-manged"),
        ("annotations", "anotations"),
        ("annotations", "labels"),
        ("metadata", "metdata"),
        ("kind: ServiceAccount", "kind: serviceaccount"),
        ("name: foo", "name: 1"),
        ("name: foo", "name: Foo"),
        ("annotations:", "annotations: !include common.yaml #"),
    ] {
        let repository = Repository::with(&[
            ("foo.yaml", &good),
            ("other.yaml", &service_account("bar", "other")),
        ]);
        let directory = TempDir::new().expect("a directory");
        sandbox(directory.path());
        let iam = directory.path().join("iam.json");
        let sync = || {
            let arguments = ["apply", "--mode", "sync", "--format", "json"];
            let run = Cli::new(repository.path(), &arguments).sandbox(&iam).run();
            let roles = roles(&state(&iam));
            (run, roles)
        };
        let (_, before) = sync();
        repository.write("foo.yaml", good.replace(from, to));
        repository.commit("a typo");
        let (run, after) = sync();
        assert_eq!(before, after, "{to}");
        let summary = &run.json()["summary"];
        assert_eq!(summary["quarantine"], json!(0), "{to}");
        assert_ne!(summary["held"], json!(0), "{to}");
    }
}

#[test]
fn m9_the_hint_names_the_arn_whatever_is_there_instead() {
    for value in ["123456789012", "~", "[a]", "{a: b}", "\"x\\n\""] {
        let arn = "arn:aws:iam::123456789012:role/k8s-sa_bar_foo";
        let manifest = service_account("bar", "foo").replace(arn, value);
        let repository = Repository::with(&[("foo.yaml", &manifest)]);
        let arguments = ["lint", "--account", "123456789012", "--format", "json"];
        let run = Cli::new(repository.path(), &arguments).run();
        let found = &run.json()["clusters"][0]["diagnostics"];
        assert_eq!(found[0]["code"], "invalid-role-arn", "{value}: {found}");
        assert_eq!(found[0]["hint"], format!("use `{arn}`"), "{value}");
        assert_eq!(found[1], json!(null), "{value}: {found}");
    }
}

/// Reads a file and says which errors it has, and how long that took.
fn timed(text: &str) -> (Vec<Code>, Duration) {
    let start = Instant::now();
    let extract = manifest::Extractor::default();
    let extract = extract
        .extract(&"a.yaml".into(), text.as_bytes())
        .expect("it is ours");
    let codes = extract.diagnostics.iter().map(|d| d.code);
    (codes.collect(), start.elapsed())
}

#[test]
fn m18_bombs_end_within_a_second() {
    let keys: String = (0..1500).map(|n| format!("k{n}:, ")).collect();
    let many = |alias: &str, count| vec![alias; count].join(",");
    let merges = format!("x: &a {{{keys}}}\ny: {{<<: [{}]}}\n", many("*a", 990));
    let laughs: String = (1..30)
        .map(|n| format!("a{n}: &a{n} [{}]\n", many(&format!("*a{}", n - 1), 9)))
        .collect();
    let text = "x".repeat(100_000);
    let blow_up = format!("a: &a \"{text}\"\nb: [{}]\n", many("*a", 200));
    for (bomb, text) in [
        ("merge keys", merges),
        ("billion laughs", format!("a0: &a0 [x]\n{laughs}")),
        ("alias blow-up", blow_up),
    ] {
        let (codes, time) = timed(&format!("# {MANAGED}\n{text}"));
        assert_eq!(codes, [Code::LimitExceeded], "{bomb}");
        assert!(time < Duration::from_secs(1), "{bomb}: {time:?}");
    }
}

#[test]
fn m25_time_grows_with_the_file_and_not_faster() {
    let item = |n: usize, more: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"ServiceAccount","metadata":{{"name":"s{n}",{more}"namespace":"bar","annotations":{{"{MANAGED}":"true"}}}}}}"#
        )
    };
    let list = |count, more: &str| {
        let items: Vec<String> = (0..count).map(|n| item(n, more)).collect();
        let items = items.join(",");
        format!(r#"{{"apiVersion":"v1","kind":"List","items":[{items}]}}"#)
    };
    for (row, more) in [("one line", ""), ("repeated keys", r#""a":1,"a":2,"#)] {
        let (_, small) = timed(&list(500, more));
        let (_, large) = timed(&list(5000, more));
        assert!(large < small * 40, "{row}: {small:?}, ten times: {large:?}");
    }
}
