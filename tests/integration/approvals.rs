//! What a review rests on: bases, saved plans that fit or do not, explanations of what is held.

use std::collections::BTreeMap;

use super::reviews::world;
use crate::support::cli::role;
use crate::support::repository::service_account;

/// The origin of every change, by role.
fn origins(run: &crate::support::cli::Run) -> BTreeMap<String, String> {
    let document = run.json();
    let changes = document["clusters"][0]["changes"].as_array().cloned();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let changes = changes.unwrap_or_default();
    changes
        .iter()
        .map(|c| (text(&c["role"]), text(&c["origin"])))
        .collect()
}

fn reasons(run: &crate::support::cli::Run) -> String {
    run.json()["clusters"][0]["changes"].to_string()
}

#[test]
fn a_standing_orphan_is_no_pending_change() {
    let world = world();
    world.run(&["apply", "--mode", "sync"]).ends(0);
    world.repository.remove("a.yaml");
    world.repository.commit("Remove a");
    let plan = |base: &str, which: &str| {
        world.run(&["plan", "--base", base, "--fail-on", which, "--exit-code"])
    };
    plan("HEAD~1", "any").ends(3);
    plan("HEAD~1", "this-change").ends(3);
    plan("HEAD", "any").ends(0);
    // Waiting in quarantine is no change either.
    world.run(&["apply", "--mode", "sync"]).ends(0);
    let sync = |base: &str| {
        let plan = ["plan", "--mode", "sync", "--base", base];
        world.run(&[&plan[..], &["--fail-on", "any", "--exit-code"]].concat())
    };
    assert_eq!(sync("HEAD").ends(0).changes(), ["k8s-sa_bar_a orphan"]);
}

#[test]
fn a_comment_does_not_make_drift_a_pending_change() {
    let world = world();
    world.run(&["apply"]).ends(0);
    let commented = format!("# Owned by team bar\n{}", service_account("bar", "a"));
    world.repository.write("a.yaml", commented);
    world.repository.commit("A comment");
    world.edit(|state| {
        role(state, 0)["trustPolicy"]["Statement"][0]["Principal"] =
            serde_json::json!({ "AWS": "*" });
    });
    let run = world.run(&["plan", "--base", "HEAD"]).ends(0);
    assert_eq!(origins(&run)["k8s-sa_bar_a"], "drift");
    assert_eq!(run.codes(), ["security-drift"]);
    // What the manifest asks for is pending until it is applied.
    let audience = "    eks.amazonaws.com/audience: sts.amazonaws.com.cn\n";
    world
        .repository
        .write("a.yaml", service_account("bar", "a") + audience);
    world.repository.commit("Another audience");
    world.edit(|state| {
        let audiences = serde_json::json!(["sts.amazonaws.com", "sts.amazonaws.com.cn"]);
        state["oidcProviders"][0]["audiences"] = audiences;
    });
    let run = world.run(&["plan", "--base", "HEAD"]).ends(0);
    assert_eq!(origins(&run)["k8s-sa_bar_a"], "pending-on-base");
}

#[test]
fn three_dots_compare_with_where_the_branch_left() {
    let world = world();
    let git = |arguments: &[&str]| world.repository.git(arguments);
    git(&["checkout", "--quiet", "-b", "topic"]);
    world
        .repository
        .write("mine.yaml", service_account("bar", "mine"));
    world.repository.commit("mine");
    git(&["checkout", "--quiet", "main"]);
    world
        .repository
        .write("theirs.yaml", service_account("bar", "theirs"));
    world.repository.commit("theirs");
    let diff = |range: &str| world.run(&["diff", range]);
    assert_eq!(
        diff("main...topic").ends(0).changes(),
        ["k8s-sa_bar_mine create"]
    );
    assert_eq!(
        diff("main..topic").ends(0).changes(),
        ["k8s-sa_bar_mine create", "k8s-sa_bar_theirs orphan"]
    );
    git(&["checkout", "--quiet", "--orphan", "alone"]);
    world.repository.commit("alone");
    assert!(
        diff("main...alone")
            .ends(2)
            .stderr
            .contains("no common commit")
    );
    assert!(
        diff("nope..main")
            .ends(4)
            .stderr
            .contains("check BASE..HEAD")
    );
    assert!(diff("main..nope").ends(4).stderr.contains("`nope`"));
    let plan = world.run(&["plan", "--base", "nope"]).ends(4);
    assert!(plan.stderr.contains("check --base"), "{}", plan.stderr);
}

#[test]
fn a_branch_behind_what_was_applied_is_told_to_merge() {
    let world = world();
    world.run(&["apply"]).ends(0);
    world
        .repository
        .git(&["checkout", "--quiet", "-b", "topic"]);
    world
        .repository
        .write("c.yaml", service_account("bar", "c"));
    world.repository.commit("topic");
    world.repository.git(&["checkout", "--quiet", "main"]);
    world
        .repository
        .write("b.yaml", service_account("bar", "b2"));
    world.repository.commit("main");
    world.run(&["apply", "--tag", "team=a", "--full"]).ends(0);
    let plan = [
        "plan",
        "--revision",
        "topic",
        "--tag",
        "team=a",
        "--full",
        "--base",
        "main",
    ];
    let run = world.run(&plan).ends(9);
    assert!(run.stderr.contains("rebase onto it"), "{}", run.stderr);
    let run = world.run(&plan[..6]).ends(9);
    assert!(!run.stderr.contains("rebase onto it"), "{}", run.stderr);
}

#[test]
fn c8_a_saved_plan_is_bound_to_every_setting_and_says_which_differs() {
    let world = world();
    let plan = world.file("plan.json").display().to_string();
    world.run(&["plan", "--out", &plan]).ends(0);
    for (changed, named) in [
        (&["--path", "a.yaml"][..], "--path"),
        (&["--mode", "sync"], "--mode"),
        (&["--full"], "--full"),
        (&["--audience", "none"], "--audience"),
        (&["--tag", "team=a"], "--tag"),
        (&["--role-path", "/a/"], "--role-path"),
        (&["--cluster-name", "other"], "clusters"),
    ] {
        let apply = [&["apply", "--plan", &plan], changed].concat();
        let run = world.run(&apply).ends(5);
        assert!(run.stderr.contains(named), "{changed:?}: {}", run.stderr);
    }
    // Another list of clusters.
    let config = world.file("clusters.yaml").display().to_string();
    let one = "- name: prod\n";
    let two = format!("{one}- name: more\n  rolePrefix: more\n");
    std::fs::write(&config, two).expect("written");
    let apply = ["apply", "--plan", &plan, "--config", &config];
    let run = world
        .run(&[&apply[..], &["--cluster-name", "*"]].concat())
        .ends(5);
    assert!(
        run.stderr.contains("made for the clusters prod"),
        "{}",
        run.stderr
    );
    std::fs::write(&config, one).expect("written");
    world.run(&apply).ends(0);
}

#[test]
fn c8_what_a_saved_plan_cannot_do_any_more_is_held_with_the_reason() {
    let world = world();
    world.run(&["apply"]).ends(0);
    world.edit(|state| {
        for index in 0..2 {
            let statement = &mut role(state, index)["trustPolicy"]["Statement"][0];
            statement["Action"] = "sts:AssumeRole".into();
        }
    });
    world.repository.remove("a.yaml");
    world.repository.commit("Remove a");
    let plan = world.file("plan.json").display().to_string();
    let sync = ["--mode", "sync"];
    let saved = world
        .run(&[&["plan", "--out", &plan], &sync[..]].concat())
        .ends(0);
    assert_eq!(
        saved.changes(),
        ["k8s-sa_bar_a quarantine", "k8s-sa_bar_b update"]
    );
    let apply = || world.run(&[&["apply", "--plan", &plan], &sync[..]].concat());
    let whole = crate::support::cli::state(&world.iam());
    let restore = || std::fs::write(world.iam(), whole.to_string()).expect("written");
    // Somebody deleted the one role, or took it over.
    for spoil in [
        (|state| {
            state["roles"]
                .as_array_mut()
                .expect("roles")
                .retain(|role| role["name"] != "k8s-sa_bar_a")
        }) as fn(&mut serde_json::Value),
        |state| role(state, 0)["tags"] = serde_json::json!([]),
    ] {
        restore();
        world.edit(spoil);
        let run = apply().ends(7);
        assert_eq!(
            run.changes(),
            ["k8s-sa_bar_a held", "k8s-sa_bar_b update done"]
        );
        assert!(
            reasons(&run).contains("not ours any more"),
            "{}",
            run.stdout
        );
    }
    // A role that is as it should be by now needs nothing.
    restore();
    world.edit(|state| {
        role(state, 1)["trustPolicy"]["Statement"][0]["Action"] =
            "sts:AssumeRoleWithWebIdentity".into();
    });
    assert_eq!(apply().ends(0).changes(), ["k8s-sa_bar_a quarantine done"]);
}

#[test]
fn explain_tells_what_a_guard_or_the_fence_holds_back() {
    let world = world();
    world.edit(|state| state["oidcProviders"] = serde_json::json!([]));
    let ends = |code: i32, arguments: &[&str]| {
        let run = world.run(&[&["explain"], arguments].concat());
        run.ends(code).json()
    };
    let explain = |arguments: &[&str]| ends(0, arguments);
    let found = ends(7, &["bar/a"]);
    let reason = |found: &serde_json::Value| found["reason"].to_string();
    assert_eq!(found["state"], "held");
    assert!(reason(&found).contains("is not registered"), "{found}");
    world.edit(|state| {
        let provider = serde_json::json!({
            "issuer": crate::support::cli::ISSUER, "audiences": ["sts.amazonaws.com"] });
        state["oidcProviders"] = serde_json::json!([provider]);
    });
    world
        .repository
        .write("c.yaml", service_account("bar", "c"));
    world.repository.commit("newer");
    world.run(&["apply"]).ends(0);
    let found = explain(&["bar/a", "--revision", "base", "--tag", "team=a"]);
    assert_eq!(found["state"], "held");
    assert!(reason(&found).contains("superseded"), "{found}");
    // Tags are compared, although the listing does not show them.
    let found = explain(&["bar/a", "--tag", "team=a"]);
    assert_eq!(found["state"], "update");
}

#[test]
fn explain_names_the_first_introduction_and_the_end_of_a_quarantine() {
    let world = world();
    let first = world.repository.head();
    world.run(&["apply"]).ends(0);
    world.repository.remove("a.yaml");
    world.repository.commit("Remove a");
    world.run(&["apply", "--mode", "sync"]).ends(0);
    let since = "2026-01-01T00:00:00Z";
    world.edit(|state| {
        let tags = role(state, 0)["tags"].as_array_mut().expect("tags");
        let at = tags
            .iter_mut()
            .find(|tag| tag["key"] == "role.k8s.aws/quarantined-at");
        at.expect("quarantined")["value"] = since.into();
    });
    let found = world
        .run(&["explain", "bar/a", "--prune-after", "36h"])
        .ends(0)
        .json();
    assert_eq!(found["current"]["quarantinedAt"], since);
    assert_eq!(found["current"]["quarantinedUntil"], "2026-01-02T12:00:00Z");
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    let found = world.run(&["explain", "bar/a"]).ends(0).json();
    assert_eq!(found["introducedBy"]["commit"], first);
    assert_eq!(found["lastChangedBy"]["commit"], world.repository.head());
}
