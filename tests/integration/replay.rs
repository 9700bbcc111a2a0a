//! A history as people have it, replayed by `ci/replay.py` through the real binary, and compared with what an
//! independent reader finds in the same files.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::cli::not_run;
use crate::support::repository::Repository;

/// A ServiceAccount as it is before anybody gives it annotations.
fn plain(name: &str, namespace: Option<&str>) -> String {
    let namespace = namespace.map_or_else(String::new, |n| format!("  namespace: {n}\n"));
    format!("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n{namespace}")
}

/// Rendered manifests beside a chart, a base, an encrypted secret, a submodule and a link: what is declared moves,
/// goes, comes back, and loses its namespace, while the rest changes, too.
fn history() -> Repository {
    let repository = Repository::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        repository.write(&format!("apps/{name}.yaml"), plain(name, Some("shop")));
    }
    let both = format!(
        "{}---\n{}",
        plain("x", Some("shop")),
        plain("z", Some("shop"))
    );
    repository.write("apps/both.yaml", &both);
    repository.write("base/sa.yaml", plain("web", None));
    let template =
        plain("{{ include \"name\" . }}", None) + "{{- if .Values.x }}\n  labels: {}\n{{- end }}\n";
    repository.write("chart/templates/sa.yaml", &template);
    repository.write(
        "chart/templates/config.yaml",
        "{{ if .Values.y }}\nkind: ConfigMap\n{{ end }}\n",
    );
    repository.write("secrets/token.yaml", b"\x00GITCRYPT\x00\x01\x02");
    repository.commit("first");
    let entry = format!("160000,{},vendor", "1".repeat(40));
    repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
    repository.write("secrets/other.yaml", b"\x00GITCRYPT\x00\x03");
    let quietly = |message: &str| {
        repository.git(&["add", "apps", "secrets", "chart", "base"]);
        repository.git(&["commit", "--quiet", "--message", message]);
    };
    quietly("a submodule");
    repository.remove("apps/a.yaml");
    quietly("a goes");
    std::fs::create_dir(repository.path().join("apps/moved")).expect("a directory");
    repository.git(&["mv", "apps/b.yaml", "apps/moved/b.yaml"]);
    quietly("b moves");
    repository.write("apps/both.yaml", plain("x", Some("shop")));
    quietly("z goes");
    repository.write("secrets/token.yaml", b"\x00GITCRYPT\x00\x01\x04");
    repository.remove("apps/c.yaml");
    quietly("c goes while a secret changes");
    repository.write("apps/a.yaml", plain("a", Some("shop")));
    quietly("a is back");
    repository.write("apps/d.yaml", plain("d", None));
    quietly("d loses its namespace");
    for n in 0..12 {
        repository.write("apps/note.yaml", format!("kind: Note\nn: {n}\n"));
        quietly("a note");
    }
    repository
}

/// That of moto's environment, which has PyYAML, or the system's.
fn python() -> PathBuf {
    let target = std::env::var("CARGO_TARGET_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target").to_owned());
    let own = PathBuf::from(target).join("moto/bin/python");
    match own.exists() {
        true => own,
        false => PathBuf::from("python3"),
    }
}

/// What a replay found, and whether it ended with 0; `None`, said loudly, where it cannot be run.
fn replay(repository: &Repository, program: &str) -> Option<(Value, bool)> {
    let python = python();
    let has_yaml = Command::new(&python)
        .args(["-c", "from yaml import CSafeLoader"])
        .output();
    if !has_yaml.is_ok_and(|output| output.status.success()) {
        not_run("the replay of a history, because Python has no PyYAML with libyaml");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ci/replay.py");
    let output = Command::new(&python)
        .args([script, "--json", "--program", program])
        .arg(repository.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("Python can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {error}"));
    Some((found, output.status.success()))
}

/// A program that runs the real one and does something else besides.
fn stand_in(directory: &tempfile::TempDir, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = directory.path().join("program");
    let real = env!("CARGO_BIN_EXE_irsa-gitops");
    std::fs::write(&file, format!("#!/bin/sh\nreal={real}\n{script}\n")).expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    file
}

fn numbers(found: &Value, columns: &[&str]) -> Vec<u64> {
    columns
        .iter()
        .map(|c| found[*c].as_u64().unwrap_or_else(|| panic!("{c}: {found}")))
        .collect()
}

#[test]
fn m70_a_history_as_people_have_it_is_replayed_without_a_fault() {
    let Some((found, is_well)) = replay(&history(), env!("CARGO_BIN_EXE_irsa-gitops")) else {
        return;
    };
    assert!(is_well, "{found:#}");
    let removals = [
        "roles made",
        "removals",
        "retired at once",
        "declared again",
    ];
    // `a`, `z` and `c` went, and `d` is still there without a namespace.
    assert_eq!(numbers(&found, &removals), [8, 4, 3, 0], "{found:#}");
    let held = [
        "held: still there",
        "held: others",
        "untrue reasons",
        "stuck after 10",
    ];
    assert_eq!(numbers(&found, &held), [1, 0, 0, 0], "{found:#}");
    assert_eq!(numbers(&found, &["wrong", "missing"]), [0, 0], "{found:#}");
    assert_eq!(found["holds"][0]["serviceAccount"], "shop/d");
}

#[test]
fn m70_the_replay_sees_what_is_held_retired_or_missing_without_a_reason() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let repository = history();
    for (script, faults) in [
        // It retires nothing.
        (
            "for a; do [ \"$a\" = sync ] && a=upsert-only; set -- \"$@\" \"$a\"; shift; done\nexec \"$real\" \"$@\"",
            ["untrue reasons", "stuck after 10"],
        ),
        // It loses roles.
        (
            "\"$real\" \"$@\"; code=$?\nfor last in \"$@\"; do [ \"$take\" ] && file=$last; take=; [ \"$last\" = --sandbox ] && take=1; done\nsed -i 's/shop\\/x/shop\\/q/' \"$file\"; exit $code",
            ["missing", "wrong"],
        ),
    ] {
        let program = stand_in(&directory, script);
        let Some((found, is_well)) = replay(&repository, &program.display().to_string()) else {
            return;
        };
        assert!(!is_well, "{found:#}");
        assert!(
            numbers(&found, &faults).iter().sum::<u64>() > 0,
            "{found:#}"
        );
    }
}
