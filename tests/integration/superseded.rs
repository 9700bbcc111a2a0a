//! What is said of a run that is superseded: the plan that nobody may carry out, and by what.

use serde_json::Value;

use crate::support::cli::{Cli, Run, state};
use crate::support::repository::service_account;
use crate::support::world::{World, message};

/// What differs in every role of the older commit, so that its plan has something to show.
const DRIFT: [&str; 3] = ["--full", "--tag", "team=a"];

/// Two commits, of which the second one was applied.
fn late() -> (World, [String; 2]) {
    let world = World::new(&["a", "b"]);
    let older = world.repository.head();
    world.declare("c");
    let newer = world.repository.commit("newer");
    world.run(&["apply"]).ends(0);
    (world, [older, newer])
}

fn plan(world: &World, flags: &[&str]) -> Run {
    world.run(&[&["plan"], &DRIFT[..], flags].concat())
}

fn superseded(run: &Run) -> Value {
    run.json()["clusters"][0]["superseded"].clone()
}

#[test]
fn c40_a_plan_that_is_superseded_is_shown_and_says_by_what() {
    let (world, [older, newer]) = late();
    let before = state(&world.iam());
    let run = plan(&world, &["--revision", &older]).ends(9);
    assert_eq!(
        run.changes(),
        [
            "k8s-sa_bar_a update",
            "k8s-sa_bar_b update",
            "k8s-sa_bar_c orphan"
        ]
    );
    let document = run.json();
    assert_eq!(document["exitCode"], 9);
    assert_eq!(document["commit"], older);
    let said = superseded(&run);
    assert_eq!(said["lastCommit"], newer);
    assert_eq!(said["why"], "newer");
    assert_eq!(said["message"], document["error"]["message"]);
    assert!(message(&run).contains("is newer than"), "{}", message(&run));
    assert!(run.stderr.contains(&newer), "{}", run.stderr);
    // The record is the witness where no role that is read is one.
    let run = world.run(&["plan", "--revision", &older, "--path", "apps/a.yaml"]);
    assert_eq!(superseded(&run.ends(9))["witness"], "record");
    let run = plan(&world, &["--revision", &older, "--exit-code"]);
    assert_eq!(superseded(&run.ends(9))["witness"], "role");
    assert_eq!(state(&world.iam()), before);
    // Apply does, and shows, nothing.
    let run = world.run(&["apply", "--revision", &older]).ends(9);
    assert_eq!(run.json()["clusters"], Value::Array(vec![]));
    assert_eq!(state(&world.iam()), before);
}

#[test]
fn c40_every_format_shows_the_plan_and_by_what_it_is_superseded() {
    let (world, [older, newer]) = late();
    for format in ["human", "json", "markdown", "sarif", "github", "gitlab"] {
        let file = world.directory.path().join(format);
        let output = format!("{format}={}", file.display());
        let plan = ["plan", "--revision", &older, "--output", &output];
        let run = Cli::new(
            world.repository.path(),
            &[&plan[..], &DRIFT, &["--format", format]].concat(),
        );
        let run = run.sandbox(&world.iam()).run().ends(9);
        let why = match format {
            "markdown" => "**Superseded:** ``role",
            _ => "superseded: role",
        };
        for said in [why, &newer, "newest commit"] {
            assert!(
                run.stdout.contains(said),
                "{format}, {said}: {}",
                run.stdout
            );
        }
        // A change that goes its way is no problem of code quality.
        let changes = ["update", "orphan", "k8s-sa_bar_c"];
        let shown = |change: &&str| run.stdout.contains(*change);
        assert!(
            format == "gitlab" || changes.iter().all(shown),
            "{format}: {}",
            run.stdout
        );
        let saved = std::fs::read_to_string(&file).expect("a report");
        assert_eq!(saved, run.stdout, "{format}");
    }
}

#[test]
fn c40_what_is_elsewhere_or_unknown_is_shown_with_the_plan_too() {
    let (world, [older, _]) = late();
    world
        .repository
        .git(&["reset", "--quiet", "--hard", &older]);
    world.declare("d");
    world.repository.commit("another second");
    let run = plan(&world, &[]).ends(9);
    assert_eq!(superseded(&run)["why"], "elsewhere");
    assert!(run.changes().contains(&"k8s-sa_bar_d create".to_owned()));
    let accepted = plan(&world, &["--accept-history-rewrite"]).ends(0);
    assert!(superseded(&accepted).is_null());
    let world = World::new(&["a"]);
    world.run(&["apply"]).ends(0);
    let unknown = "0123456789012345678901234567890123456789";
    world.set_tag("a", "role.k8s.aws/last-commit", unknown);
    let run = plan(&world, &[]).ends(9);
    assert_eq!(superseded(&run)["why"], "unknown");
    assert_eq!(superseded(&run)["lastCommit"], unknown);
    assert_eq!(superseded(&run)["role"], "k8s-sa_bar_a");
    assert_eq!(run.changes(), ["k8s-sa_bar_a update"]);
}

#[test]
fn c41_a_plan_that_is_superseded_is_not_saved() {
    let (world, [older, _]) = late();
    let file = world.directory.path().join("plan.json");
    let out = file.display().to_string();
    let run = plan(&world, &["--revision", &older, "--out", &out]).ends(9);
    assert!(!file.exists());
    assert!(run.stderr.contains("nothing was saved"), "{}", run.stderr);
    // What was there stays.
    let run = plan(&world, &["--out", &out]).ends(0);
    assert!(!run.stderr.contains("nothing was saved"), "{}", run.stderr);
    let saved = std::fs::read_to_string(&file).expect("a plan");
    plan(&world, &["--revision", &older, "--out", &out]).ends(9);
    assert_eq!(std::fs::read_to_string(&file).expect("a plan"), saved);
}

#[test]
fn c41_a_plan_for_a_review_is_shown_and_told_to_merge() {
    let (world, [older, newer]) = late();
    let git = |arguments: &[&str]| world.repository.git(arguments);
    git(&["checkout", "--quiet", "-b", "topic", &older]);
    world.declare("mine");
    world.repository.commit("topic");
    let base = ["--revision", "topic", "--base", "main"];
    for flags in [&base[..], &[&base[..], &["--fail-on", "any"]].concat()] {
        let run = plan(&world, flags).ends(9);
        let document = run.json();
        let changes = document["clusters"][0]["changes"].as_array().cloned();
        let mine = changes.into_iter().flatten();
        let mut mine = mine.filter(|change| change["role"] == "k8s-sa_bar_mine");
        assert_eq!(mine.next().expect("shown")["origin"], "this-change");
        assert_eq!(superseded(&run)["lastCommit"], newer);
        let hint = superseded(&run)["hint"].to_string();
        assert!(hint.contains("rebase onto it"), "{hint}");
    }
    git(&["merge", "--quiet", "--no-edit", "main"]);
    let run = plan(&world, &base).ends(0);
    assert!(superseded(&run).is_null() && run.json()["error"].is_null());
}

#[test]
fn c41_of_several_clusters_each_is_superseded_by_itself() {
    let (world, [older, _]) = late();
    let more = service_account("bar", "x").replace("k8s-sa", "more");
    world.repository.write("more/x.yaml", more);
    world.repository.commit("more");
    world.run(&["apply", "--path", "apps"]).ends(0);
    let config = world.directory.path().join("clusters.yaml");
    let text = "- name: more\n  rolePrefix: more\n  paths: [more]\n- name: prod\n  paths: [apps]\n";
    std::fs::write(&config, text).expect("written");
    let config = config.display().to_string();
    let both = ["--config", &config, "--cluster-name", "*"];
    // On a line of its own, which has what was applied to neither.
    let git = |arguments: &[&str]| world.repository.git(arguments);
    git(&["checkout", "--quiet", "-b", "topic", &older]);
    let more = service_account("bar", "x").replace("k8s-sa", "more");
    world.repository.write("more/x.yaml", more);
    world.repository.commit("more, too");
    let run = world.run(&[&["plan"], &both[..]].concat()).ends(9);
    let clusters = &run.json()["clusters"];
    assert!(clusters[0]["superseded"].is_null(), "{}", run.stdout);
    assert_eq!(clusters[1]["superseded"]["why"], "elsewhere");
    assert!(run.changes().contains(&"more_bar_x create".to_owned()));
}

/// A world from which a commit was applied that no other one has.
fn applied() -> World {
    let world = World::new(&["a"]);
    set_origin(&world, "https://github.com/acme/apps");
    world.repository.commit("nowhere else");
    world.run(&["apply"]).ends(0);
    world
}

/// A world over another one's account.
fn beside(first: &World, accounts: &[&str]) -> World {
    let second = World::new(accounts);
    second.repository.commit("beside it");
    std::fs::copy(first.iam(), second.iam()).expect("copied");
    second
}

fn set_origin(world: &World, url: &str) {
    let git = |arguments: &[&str]| world.repository.git(arguments);
    git(&["config", "remote.origin.url", url]);
}

#[test]
fn c42_two_repositories_for_one_cluster_are_said_to_be_two() {
    let first = applied();
    // With, or without, a role of its own that the first one made.
    for accounts in [&["a"][..], &["b"]] {
        let second = beside(&first, accounts);
        set_origin(&second, "git@github.com:acme/infra.git");
        let before = state(&second.iam());
        for verb in ["plan", "apply"] {
            for flags in [
                &[][..],
                &["--full"],
                &["--mode", "sync"],
                &["--path", "apps"],
            ] {
                let run = second.run(&[&[verb], flags].concat()).ends(9);
                let text = message(&run);
                let said = "cluster `prod` is applied from https://github.com/acme/apps; this run reads github.com:acme/infra.git";
                assert!(text.contains(said), "{verb} {flags:?}: {text}");
                let hint = run.json()["error"]["hint"].to_string();
                assert!(hint.contains("--accept-history-rewrite"), "{hint}");
                assert!(hint.contains("one repository"), "{hint}");
            }
        }
        assert_eq!(state(&second.iam()), before);
        let run = second.run(&["plan"]).ends(9);
        assert_eq!(
            superseded(&run)["repository"],
            "https://github.com/acme/apps"
        );
        // What was moved is taken over once, and then is the other one's no more.
        second.run(&["apply", "--accept-history-rewrite"]).ends(0);
        second.run(&["apply"]).ends(0);
        std::fs::copy(second.iam(), first.iam()).expect("copied");
        let text = message(&first.run(&["plan"]).ends(9));
        assert!(
            text.contains("applied from github.com:acme/infra.git"),
            "{text}"
        );
        std::fs::write(first.iam(), before.to_string()).expect("written");
    }
}

#[test]
fn c43_one_repository_in_another_spelling_is_no_other_one() {
    let first = applied();
    for spelling in [
        "https://github.com/acme/apps.git",
        "https://ann@GitHub.com/acme/apps/",
        "ssh://git@github.com/acme/apps.git",
        "git@github.com:acme/apps.git",
    ] {
        // A clone that lacks what was applied.
        let second = beside(&first, &["a"]);
        set_origin(&second, spelling);
        let text = message(&second.run(&["plan"]).ends(9));
        assert!(
            text.contains("is unknown") && !text.contains("is applied from"),
            "{text}"
        );
    }
}

#[test]
fn c43_a_clone_that_has_the_commits_is_in_order_whatever_it_is_called() {
    let world = World::new(&["a"]);
    set_origin(&world, "https://github.com/acme/apps");
    let older = world.repository.head();
    world.repository.commit("newer");
    world.run(&["apply"]).ends(0);
    for name in [
        "/srv/mirror/apps",
        "https://mirror.example.com/apps",
        "../apps",
    ] {
        set_origin(&world, name);
        world.run(&["plan"]).ends(0);
        let text = message(&world.run(&["plan", "--revision", &older]).ends(9));
        assert!(
            text.contains("is newer than") && !text.contains("is applied from"),
            "{text}"
        );
    }
    world.repository.commit("newest");
    world.run(&["apply"]).ends(0);
}
