//! The README's tables say what the program does, and its examples what it prints.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use irsa_gitops::diagnostic::Code;
use irsa_gitops::exit::Exit;
use serde_json::json;
use tempfile::TempDir;

use crate::support::cli::{Cli, ISSUER, sandbox, state};
use crate::support::repository::service_account;

const README: &str = include_str!("../../README.md");

#[test]
fn every_diagnostic_is_in_its_table() {
    for code in Code::ALL {
        let row = format!("| `{code}` | {} |", code.description());
        assert!(README.contains(&row), "{row}");
    }
}

#[test]
fn every_exit_code_is_in_its_table() {
    for exit in Exit::ALL {
        let code = exit.code().to_string();
        let row = |line: &str| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            cells
                .next()
                .is_some_and(|first| first.split(", ").any(|number| number == code))
        };
        assert!(
            README
                .lines()
                .any(|line| line.starts_with("| ") && row(line)),
            "{code}"
        );
    }
}

#[test]
fn every_flag_has_a_variable_but_for_those_that_are_named() {
    let sentence = README
        .split("Every setting has an environment variable")
        .nth(1);
    let sentence = sentence.and_then(|text| text.split(')').next());
    let flag = |text: &'static str| text.starts_with("--").then(|| text.to_owned());
    let words = sentence.expect("the sentence").split('`').filter_map(flag);
    let mut named: BTreeSet<String> = words.collect();
    named.remove("--help");
    let mut without = BTreeSet::new();
    for verb in [
        "lint",
        "diff",
        "plan",
        "apply",
        "roles",
        "explain",
        "adopt",
        "iam-policy",
    ] {
        let help = Cli::new(&std::env::temp_dir(), &[verb, "--help"])
            .run()
            .ends(0)
            .stdout;
        let mut flag = None;
        for line in help.lines() {
            let indent = line.len() - line.trim_start().len();
            if indent <= 6 && line.trim_start().starts_with('-') {
                without.extend(flag);
                let words = line.split([' ', '.']).find(|word| word.starts_with("--"));
                flag = words.map(str::to_owned);
            } else if line.contains("[env:") {
                flag = None;
            }
        }
        without.extend(flag);
    }
    for ours in ["--help", "--version", "--for"] {
        without.remove(ours);
    }
    assert_eq!(without, named);
}

/// The examples of the README that are marked as such: the command and what it prints.
fn examples() -> Vec<(Vec<&'static str>, &'static str)> {
    const MARK: &str =
        "<!-- held true by tests/integration/readme.rs -->\n```console\n$ irsa-gitops ";
    let example = |text: &'static str| {
        let text = text.split("```").next().unwrap_or_default();
        let (command, output) = text.split_once('\n').expect("a command and what it prints");
        (command.split_whitespace().collect(), output)
    };
    README.split(MARK).skip(1).map(example).collect()
}

/// Git with a clock that stands still, so that commits have the ids that the README shows.
fn git(directory: &Path, day: u8, arguments: &[&str]) {
    let date = format!("2026-03-{day:02}T12:00:00Z");
    let done = Command::new("git")
        .current_dir(directory)
        .args([
            "-c",
            "user.name=Ann Author",
            "-c",
            "user.email=ann@example.com",
        ])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date)
        .output();
    let done = done.expect("git can be run");
    assert!(done.status.success(), "{arguments:?}: {done:?}");
}

#[test]
fn the_examples_are_what_the_program_prints() {
    let directory = TempDir::new().expect("a directory");
    let apps = directory.path().join("apps");
    let iam = sandbox(directory.path());
    std::fs::create_dir(&apps).expect("a directory");
    let write = |name: &str, text: String| {
        std::fs::write(apps.join(format!("{name}.yaml")), text).expect("a file");
    };
    git(&apps, 1, &["init", "--quiet", "--initial-branch", "main"]);
    git(
        &apps,
        1,
        &["remote", "add", "origin", "https://github.com/acme/apps"],
    );
    let commit = |day: u8, message: &str| {
        git(&apps, day, &["add", "."]);
        git(&apps, day, &["commit", "--quiet", "--message", message]);
    };
    write("foo", service_account("bar", "foo"));
    write("cart", service_account("shop", "cart"));
    commit(1, "Roles for bar/foo and shop/cart");
    let run = |arguments: &[&str]| Cli::new(&apps, arguments).sandbox(&iam).run();
    run(&["apply", "--tag", "team=apps"]).ends(0);
    let mut account = state(&iam);
    // Somebody changed a tag, and the controller had made another role.
    account["roles"][1]["id"] = "AROAEXAMPLECART".into();
    account["roles"][1]["attachedPolicies"] = json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
    let tags = account["roles"][0]["tags"].as_array_mut().expect("tags");
    let team = tags.iter_mut().find(|tag| tag["key"] == "team");
    team.expect("its own tag")["value"] = "somebody".into();
    let mut legacy = account["roles"][1].clone();
    legacy["name"] = "k8s-sa_bar_legacy".into();
    legacy["id"] = "AROAEXAMPLELEGACY".into();
    legacy["tags"] = json!([
        { "key": "role.k8s.aws/managed-by", "value": "iam-service-account-controller" },
        { "key": "serviceaccount.k8s.aws/stack", "value": "bar/legacy" },
        { "key": "role.k8s.aws/cluster", "value": "cluster" },
    ]);
    let equals = &mut legacy["trustPolicy"]["Statement"][0]["Condition"]["StringEquals"];
    *equals = json!({ format!("{ISSUER}:sub"): "system:serviceaccount:bar:legacy" });
    account["roles"].as_array_mut().expect("roles").push(legacy);
    std::fs::write(&iam, account.to_string()).expect("a file");
    git(&apps, 2, &["checkout", "--quiet", "-b", "topic"]);
    write("new", service_account("bar", "new"));
    write("legacy", service_account("bar", "legacy"));
    std::fs::remove_file(apps.join("cart.yaml")).expect("a file that is there");
    commit(2, "Add bar/new and bar/legacy, remove shop/cart");
    let examples = examples();
    let verbs: Vec<&str> = examples.iter().map(|(command, _)| command[0]).collect();
    assert_eq!(verbs, ["diff", "plan", "explain", "adopt", "iam-policy"]);
    let mut page = README.to_owned();
    for (command, shown) in examples {
        let line = format!("$ irsa-gitops {}\n", command.join(" "));
        let printed = run(&command).stdout;
        page = page.replacen(&format!("{line}{shown}"), &format!("{line}{printed}"), 1);
    }
    if std::env::var_os("UPDATE_README").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        std::fs::write(file, &page).expect("a file");
    } else {
        let differing = page
            .lines()
            .zip(README.lines())
            .find(|(now, shown)| now != shown);
        let hint = "UPDATE_README=1 cargo test readme writes what is printed now";
        assert!(page == README, "{differing:?}: {hint}");
    }
}
