//! Repositories that say one thing and mean another.

use std::process::Command;

use crate::support::cli::{Cli, Run};
use crate::support::repository::{Repository, git, service_account};
use crate::support::world::World;

fn lint(repository: &str) -> Run {
    Cli::new(
        std::path::Path::new("/"),
        &["lint", repository, "--format", "json"],
    )
    .run()
}

fn url(repository: &Repository) -> String {
    format!("file://{}", repository.path().display())
}

#[test]
fn g6_g21_the_head_of_a_url_is_the_hosts_and_no_other_commit() {
    let repository = Repository::with(&[("a.yaml", &service_account("bar", "a"))]);
    let first = repository.head();
    repository.commit("second");
    repository.git(&["checkout", "--quiet", "--detach", &first]);
    assert_eq!(
        lint(&url(&repository)).ends(0).json()["commit"],
        first.as_str()
    );
    repository.git(&["checkout", "--quiet", "--orphan", "nothing-yet"]);
    lint(&url(&repository)).ends(4);
    repository.git(&["checkout", "--quiet", "--force", "main"]);
    let head = repository.head();
    assert_eq!(
        lint(&url(&repository)).ends(0).json()["commit"],
        head.as_str()
    );
}

#[test]
fn p18_a_url_of_a_path_is_read_as_that_path() {
    let repository = Repository::with(&[("a.yaml", &service_account("bar", "a"))]);
    let url = url(&repository);
    let run = Cli::new(
        std::path::Path::new("/"),
        &["lint", &url, "--format", "json"],
    );
    // Nowhere is a place for a copy.
    let run = run.env("TMPDIR", "/dev/null").run().ends(0);
    assert_eq!(run.json()["commit"], repository.head());
    assert_eq!(run.json()["repository"], url);
    let elsewhere = url.replacen("file://", "file://elsewhere.example", 1);
    lint(&elsewhere).ends(6);
}

#[test]
fn g19_borrowed_objects_are_refused_by_url_too() {
    let lender = Repository::with(&[("a.yaml", &service_account("bar", "a"))]);
    let borrower = tempfile::tempdir().expect("a directory");
    let (from, to) = (
        lender.path().display().to_string(),
        borrower.path().display().to_string(),
    );
    git(lender.path(), &["clone", "--quiet", "--shared", &from, &to]);
    lint(&to).ends(4);
    lint(&format!("file://{to}")).ends(4);
}

#[test]
fn g26_a_graft_is_no_history() {
    let world = World::new(&["a", "b"]);
    let first = world.repository.head();
    world.sync(&[]).ends(0);
    world
        .repository
        .git(&["checkout", "--quiet", "--orphan", "other"]);
    world.repository.remove("apps/a.yaml");
    let orphan = world.repository.commit("an orphan");
    let graft = format!("{orphan} {first}\n");
    let file = world.repository.path().join(".git/info/grafts");
    std::fs::create_dir_all(file.parent().expect("below .git")).expect("a directory");
    std::fs::write(file, graft).expect("written");
    world.sync(&[]).ends(9);
}

#[test]
fn g5_a_work_tree_of_a_shallow_clone_is_shallow() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.declare("new");
    world.repository.commit("Remove a, add new");
    let directory = tempfile::tempdir().expect("a directory");
    let (shallow, tree) = (
        directory.path().join("shallow"),
        directory.path().join("tree"),
    );
    let paths = [&shallow, &tree].map(|path| path.display().to_string());
    let from = url(&world.repository);
    git(
        directory.path(),
        &["clone", "--quiet", "--depth=1", &from, &paths[0]],
    );
    git(
        &shallow,
        &["worktree", "add", "--quiet", "--detach", &paths[1]],
    );
    let by_url = format!("file://{}", paths[0]);
    for repository in [&paths[0], &paths[1], &by_url] {
        let iam = directory.path().join("iam.json");
        std::fs::copy(world.iam(), &iam).expect("copied");
        let run = Cli::new(
            directory.path(),
            &["apply", "--mode", "sync", "--format", "json", repository],
        )
        .sandbox(&iam)
        .run()
        .ends(7);
        let expected = ["k8s-sa_bar_a held", "k8s-sa_bar_new create done"];
        assert_eq!(run.changes(), expected, "{repository}");
        assert!(run.stdout.contains("fetch-depth: 0"), "{}", run.stdout);
    }
}

#[test]
#[cfg(unix)]
fn g12_g24_a_path_that_is_no_directory_is_never_an_empty_one() {
    let world = World::new(&["a", "b"]);
    world
        .repository
        .write("other/c.yaml", service_account("bar", "c"));
    world.repository.write("README.md", "text");
    world.repository.commit("more");
    world.sync(&[]).ends(0);
    let root = world.repository.path();
    std::fs::create_dir(root.join("real")).expect("a directory");
    world.repository.git(&["mv", "apps", "real/apps"]);
    std::os::unix::fs::symlink("real/apps", root.join("apps")).expect("a link");
    world.repository.commit("apps becomes a link");
    let run = world.sync(&["--path", "apps", "--path", "other"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held", "k8s-sa_bar_b held"]);
    world.run(&["plan", "--path", "README.md"]).ends(4);
}

#[test]
#[cfg(unix)]
fn g12_a_plain_directory_is_not_left() {
    let outside = Repository::with(&[("secret/a.yaml", &service_account("bar", "a"))]);
    let inside = outside.path().join("inside");
    std::fs::create_dir(&inside).expect("a directory");
    std::os::unix::fs::symlink("../secret", inside.join("link")).expect("a link");
    let lint = |path: &str| {
        let arguments = [
            "lint",
            "--directory",
            "inside",
            "--path",
            path,
            "--format",
            "json",
        ];
        Cli::new(outside.path(), &arguments).run()
    };
    for path in ["../secret", "x/../../secret"] {
        lint(path).ends(4);
    }
    for path in ["link", "link/a.yaml"] {
        assert!(lint(path).ends(4).stdout.contains("not-read"), "{path}");
    }
}

#[test]
fn g4_s8_what_looks_like_a_url_and_what_help_shows_hold_no_secret() {
    for address in [
        "https:/u:s3cr3t@127.0.0.1/x",
        "u:s3cr3t@127.0.0.1:x",
        "https//u:s3cr3t@h/x",
    ] {
        let run = lint(address);
        assert!(
            !format!("{}{}", run.stdout, run.stderr).contains("s3cr3t"),
            "{address}"
        );
    }
    for arguments in [
        &["roles", "https://u:s3cr3t@h/x"][..],
        &["lint", "--config", "https://u:s3cr3t@h/x"],
        &["lint", "--revision", "https://u:s3cr3t@h/x"],
    ] {
        let run = Cli::new(std::path::Path::new("/"), arguments).run();
        assert!(
            !format!("{}{}", run.stdout, run.stderr).contains("s3cr3t"),
            "{arguments:?}"
        );
    }
    let output = Command::new(env!("CARGO_BIN_EXE_irsa-gitops"))
        .args(["plan", "--help"])
        .env("IRSA_GITOPS_REPO", "https://u:s3cr3t@h/x")
        .output()
        .expect("it can be run");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(help.contains("IRSA_GITOPS_REPO") && !help.contains("s3cr3t"));
}

#[test]
fn s2_s3_arguments_that_are_refused_give_no_commands() {
    let run = Cli::new(
        std::path::Path::new("/"),
        &["lint", "a", "b\n::error::x", "\n##[error]y"],
    )
    .run();
    let run = run.ends(2);
    assert!(
        !run.stderr.lines().any(|line| line.starts_with("::")),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("##["), "{}", run.stderr);
}

#[test]
fn p4_a_line_that_was_cut_short_does_not_swallow_the_next() {
    let world = World::new(&["a"]);
    let log = world.directory.path().join("audit.jsonl");
    std::fs::write(&log, "{\"event\":\"beg").expect("written");
    world
        .run(&["apply", "--audit-log", log.to_str().expect("UTF-8")])
        .ends(0);
    let text = std::fs::read_to_string(&log).expect("a log");
    let whole = text.lines().skip(1);
    assert!(whole.clone().count() >= 2);
    for line in whole {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
    world.declare("b");
    world.repository.commit("b");
    world.run(&["apply", "--audit-log", "/dev/null"]).ends(0);
}
