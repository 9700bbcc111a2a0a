//! The record of a cluster: what was applied last, whether it wrote to a role or not.

use crate::support::cli::{Cli, Run, record, role, roles, state};
use crate::support::repository::{git, service_account};
use crate::support::world::{World, message, reason};

/// Commit A declares foo, B removes it, C reverts B; A and C are applied, and C finds nothing to do.
/// Besides the commits, a plan of B that was saved before C was applied.
fn reverted(world: &World) -> ([String; 3], String) {
    let a = world.repository.head();
    world.run(&["apply"]).ends(0);
    world.repository.remove("apps/foo.yaml");
    let b = world.repository.commit("Remove foo");
    let plan = world.directory.path().join("plan.json");
    let plan = plan.to_str().expect("UTF-8").to_owned();
    let saved = world.run(&[
        "plan",
        "--mode",
        "sync",
        "--prune-after",
        "0",
        "--out",
        &plan,
    ]);
    assert_eq!(saved.ends(0).changes(), ["k8s-sa_bar_foo delete"]);
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    let c = world.repository.head();
    assert_eq!(world.sync(&[]).ends(0).changes(), Vec::<String>::new());
    ([a, b, c], plan)
}

#[test]
fn c15_a_late_run_of_a_removal_that_was_reverted_is_superseded() {
    let world = World::new(&["foo", "other"]);
    let ([a, b, c], plan) = reverted(&world);
    let before = state(&world.iam());
    let now = ["--prune-after", "0"];
    let saved = ["--plan", &plan, "--require-reachable-from", "main"];
    for flags in [
        &["--revision", &b][..],
        &["--revision", &b, "--prune-after", "0"],
        &["--revision", &b, "--full"],
        &["--revision", &b, "--path", "apps"],
        &["--revision", &b, "--path", "apps/other.yaml"],
        &["--revision", &b, "--accept-history-rewrite"],
        &["--revision", &a],
        &[&saved[..], &now[..]].concat(),
    ] {
        let run = world.sync(flags).ends(9);
        let text = message(&run);
        assert!(
            text.contains("is newer than") && text.contains(&c),
            "{text}"
        );
        assert!(
            text.contains("what was applied to cluster `prod` last"),
            "{text}"
        );
        assert_eq!(state(&world.iam()), before, "{flags:?}");
    }
    world.run(&["plan", "--revision", &b]).ends(9);
}

#[test]
fn c15_what_is_not_late_goes_on_after_a_revert() {
    let world = World::new(&["foo", "other"]);
    reverted(&world);
    let before = state(&world.iam());
    assert_eq!(world.sync(&[]).ends(0).changes(), Vec::<String>::new());
    assert_eq!(
        state(&world.iam()),
        before,
        "the same commit writes nothing"
    );
    world.repository.remove("apps/foo.yaml");
    world.repository.commit("Remove foo for good");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_foo quarantine done"]);
    // What was in order is applied, also if the record is new to the cluster.
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        roles.retain(|role| role["name"] != "k8s-sa_=prod");
    });
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_foo restore done"]);
    assert!(!record(&state(&world.iam())).is_null());
}

/// One cluster, two pipelines: each reads a directory of its own.
fn two_pipelines() -> World {
    let world = World::new(&[]);
    for (directory, name) in [("a", "ant"), ("a", "asp"), ("b", "bee"), ("b", "bug")] {
        let file = format!("{directory}/{name}.yaml");
        world.repository.write(&file, service_account("bar", name));
    }
    world.repository.commit("both");
    world
}

fn pipeline(world: &World, path: &str, revision: &str, flags: &[&str]) -> Run {
    let path = ["--path", path, "--revision", revision, "--mode", "sync"];
    world.run(&[&["apply"], &path[..], flags].concat())
}

#[test]
fn c16_pipelines_of_separate_paths_do_not_supersede_each_other() {
    let world = two_pipelines();
    let first = world.repository.head();
    let second = world.repository.commit("second");
    for name in ["cow", "cub"] {
        let file = format!("b/{name}.yaml");
        world.repository.write(&file, service_account("bar", name));
    }
    let third = world.repository.commit("third");
    // The newer commit first, and every role read in full.
    pipeline(&world, "b", &third, &[]).ends(0);
    for revision in [&first, &second] {
        let run = pipeline(&world, "a", revision, &["--full"]).ends(0);
        let foreign = run
            .changes()
            .into_iter()
            .filter(|c| !c.starts_with("k8s-sa_bar_a"));
        assert!(
            foreign.clone().all(|c| c.ends_with(" orphan")),
            "{:?}",
            run.changes()
        );
        assert_eq!(foreign.count(), 4);
        assert_eq!(run.codes(), Vec::<String>::new());
    }
    pipeline(&world, "b", &third, &["--full"]).ends(0);
    // In itself each is in order.
    for (path, late) in [("a", &first), ("b", &second), ("b/bee.yaml", &second)] {
        let text = message(&pipeline(&world, path, late, &[]).ends(9));
        assert!(text.contains("is newer than"), "{text}");
    }
    // One that reads everything is late for both, and supersedes both.
    world.sync(&["--revision", &second]).ends(9);
    let fourth = world.repository.commit("fourth");
    world.sync(&[]).ends(0);
    for path in ["a", "b"] {
        pipeline(&world, path, &third, &[]).ends(9);
        let ours = ["apply", "--path", path, "--revision", &fourth];
        world.run(&ours).ends(0);
    }
}

#[test]
fn c16_a_pipeline_never_retires_what_is_anothers() {
    let world = two_pipelines();
    pipeline(&world, "a", "HEAD", &[]).ends(0);
    pipeline(&world, "b", "HEAD", &[]).ends(0);
    world.repository.remove("b/bee.yaml");
    world.repository.commit("Remove bee");
    let now = ["--prune-after", "0"];
    let run = pipeline(&world, "a", "HEAD", &now).ends(0);
    let expected = ["k8s-sa_bar_bee orphan", "k8s-sa_bar_bug orphan"];
    assert_eq!(run.changes(), expected);
    assert!(
        reason(&run, 0).contains("`b/bee.yaml`"),
        "{}",
        reason(&run, 0)
    );
    let run = pipeline(&world, "b", "HEAD", &[]).ends(0);
    assert_eq!(run.changes()[0], "k8s-sa_bar_ant orphan");
    assert_eq!(run.changes()[2], "k8s-sa_bar_bee quarantine done");
    // Nor does it delete what the other one has quarantined.
    world.set_tag("bee", "role.k8s.aws/quarantined-at", "2020-01-01T00:00:00Z");
    let run = pipeline(&world, "a", "HEAD", &now).ends(0);
    assert_eq!(run.changes(), expected);
    let run = pipeline(&world, "b", "HEAD", &[]).ends(0);
    assert_eq!(run.changes()[2], "k8s-sa_bar_bee delete done");
    // One that reads everything retires everything.
    world.repository.remove("b/bug.yaml");
    world.repository.commit("Remove bug");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_bug quarantine done"]);
}

#[test]
fn c16_a_manifest_that_moves_to_another_pipeline_takes_its_role_along() {
    let world = two_pipelines();
    let first = world.repository.head();
    pipeline(&world, "a", "HEAD", &[]).ends(0);
    pipeline(&world, "b", "HEAD", &[]).ends(0);
    world.repository.git(&["mv", "a/ant.yaml", "b/ant.yaml"]);
    world.repository.commit("ant moves to b");
    for path in ["a", "b", "a"] {
        let run = pipeline(&world, path, "HEAD", &["--prune-after", "0"]).ends(0);
        let of_ant = run
            .changes()
            .into_iter()
            .filter(|c| c.starts_with("k8s-sa_bar_ant "));
        let expected: &[&str] = if path == "a" {
            &["k8s-sa_bar_ant orphan"]
        } else {
            &[]
        };
        assert_eq!(of_ant.collect::<Vec<_>>(), expected);
    }
    // The role that the other one has written to since is declared where it was, so order counts.
    world.edit(|state| {
        role(state, 0)["trustPolicy"]["Statement"][0]["Action"] = "sts:AssumeRole".into();
    });
    pipeline(&world, "b", "HEAD", &[]).ends(0);
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        roles.retain(|role| role["name"] != "k8s-sa_=prod");
    });
    let run = pipeline(&world, "a", &first, &["--full"]).ends(9);
    assert!(
        message(&run).contains("role `k8s-sa_bar_ant`"),
        "{}",
        message(&run)
    );
}

/// What another pipeline declares, too, is not retired: it may be any of several files, and what the other
/// one reads may not be known.
#[test]
fn c70_a_pipeline_never_retires_what_another_one_declares_too() {
    let long = format!("{}/k.yaml", "x".repeat(250));
    let many = [
        "--path",
        "b",
        "--path",
        long.split('/').next().expect("a part"),
    ];
    let everything: [&str; 0] = [];
    let b = ["--path", "b"];
    for (others, third) in [
        (&b[..], "ab/ant.yaml"),
        (&b[..], "z/ant.yaml"),
        (&everything[..], "z/ant.yaml"),
        (&many[..], "z/ant.yaml"),
    ] {
        let world = two_pipelines();
        for path in ["b/ant.yaml", third] {
            world.repository.write(path, service_account("bar", "ant"));
        }
        world.repository.write(&long, service_account("bar", "k"));
        world.repository.commit("ant is declared three times");
        world.sync(others).ends(0);
        pipeline(&world, "a", "HEAD", &[]);
        let before = world.role("ant");
        world.repository.remove("a/ant.yaml");
        world.repository.commit("Remove ant from a");
        for _ in 0..2 {
            let run = pipeline(&world, "a", "HEAD", &["--prune-after", "0"]);
            assert_eq!(
                run.changes()[0],
                "k8s-sa_bar_ant orphan",
                "{others:?} {third}"
            );
            assert_eq!(world.role("ant"), before);
            world.sync(others);
        }
        // Once nobody else declares it, it goes.
        world.repository.remove("b/ant.yaml");
        world.repository.remove(third);
        world.repository.commit("Remove ant");
        world.sync(others);
        let run = pipeline(&world, "a", "HEAD", &[]);
        let is_gone = |change: &String| *change == "k8s-sa_bar_ant quarantine done";
        let went = run.changes().iter().any(is_gone)
            || world.role("ant")["trustPolicy"] != before["trustPolicy"];
        assert!(went, "{others:?} {third} {:?}", run.changes());
    }
}

/// What nobody declares any more, and another pipeline read, is that one's to retire, also where the record
/// only tells of one that reads everything.
#[test]
fn c16_what_another_pipeline_lost_is_its_own_whoever_was_recorded_last() {
    let world = two_pipelines();
    world.repository.write("b/notes.yaml", "kind: Note\n");
    world.repository.commit("notes");
    for path in ["a", "b"] {
        pipeline(&world, path, "HEAD", &[]).ends(0);
    }
    world.repository.remove("b/bee.yaml");
    world.repository.commit("Remove bee");
    world.run(&["apply"]).ends(0);
    world.repository.remove("b/bug.yaml");
    world.repository.commit("Remove bug");
    let before = (world.role("bee"), world.role("bug"));
    for _ in 0..2 {
        let run = pipeline(&world, "a", "HEAD", &["--prune-after", "0"]).ends(0);
        let expected = ["k8s-sa_bar_bee orphan", "k8s-sa_bar_bug orphan"];
        assert_eq!(run.changes(), expected);
        let reason = reason(&run, 0);
        assert!(reason.contains("`b/bee.yaml`"), "{reason}");
    }
    assert_eq!((world.role("bee"), world.role("bug")), before);
    // Where no other pipeline is known, somebody has to look.
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        roles.retain(|role| role["name"] != "k8s-sa_=prod");
    });
    let run = pipeline(&world, "a", "HEAD", &[]).ends(7);
    let held = ["k8s-sa_bar_bee held", "k8s-sa_bar_bug held"];
    assert_eq!(run.changes(), held);
    let run = pipeline(&world, "b", "HEAD", &["--allow-empty"]).ends(0);
    let retired = [
        "k8s-sa_bar_bee quarantine done",
        "k8s-sa_bar_bug quarantine done",
    ];
    assert_eq!(run.changes()[2..], retired);
}

/// A path that no pipeline of the record reads is a mistake, as before.
#[test]
fn c16_a_path_that_is_wrong_is_still_held() {
    let world = two_pipelines();
    world.sync(&[]).ends(0);
    let run = pipeline(&world, "a", "HEAD", &[]).ends(7);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_bee held", "k8s-sa_bar_bug held"]
    );
    assert_eq!(roles(&state(&world.iam())).len(), 4);
}

/// Order is not proven: what is missing or has drifted is put right, and nothing else is done.
fn not_proven(world: &World, apply: impl Fn() -> Run) {
    let before = record(&state(&world.iam()));
    assert!(!before.is_null());
    let closed = world.role("back");
    world.edit(|state| {
        let statement = &mut role(state, 1)["trustPolicy"]["Statement"][0];
        statement["Action"] = "sts:AssumeRole".into();
    });
    let run = apply().ends(7);
    let expected = [
        "k8s-sa_bar_back held",
        "k8s-sa_bar_drifted update done",
        "k8s-sa_bar_gone held",
        "k8s-sa_bar_new create done",
    ];
    assert_eq!(run.changes(), expected);
    let change = &run.json()["clusters"][0]["changes"][0];
    assert_eq!(change["reasonCode"], "order-unproven");
    assert!(
        reason(&run, 0).contains("fetch-depth: 0"),
        "{}",
        reason(&run, 0)
    );
    assert!(
        run.codes().contains(&"order-not-proven".to_owned()),
        "{:?}",
        run.codes()
    );
    assert_eq!(world.role("back"), closed);
    assert_eq!(
        record(&state(&world.iam())),
        before,
        "an unproven run leaves it"
    );
    // With the whole history it is restored.
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes()[0], "k8s-sa_bar_back restore done");
    assert!(!run.codes().contains(&"order-not-proven".to_owned()));
    assert_ne!(record(&state(&world.iam())), before);
}

/// `back` is quarantined and declared again, `drifted` is there, `gone` was removed, `new` is new.
fn to_be_put_right() -> World {
    let world = World::new(&["back", "drifted", "gone", "left"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/back.yaml");
    world.repository.commit("Remove back");
    world.sync(&[]).ends(0);
    world.declare("back");
    world.declare("new");
    world.repository.remove("apps/gone.yaml");
    world.repository.commit("The rest");
    world
}

#[test]
fn c17_a_shallow_clone_ends_no_quarantine_and_leaves_the_record() {
    let world = to_be_put_right();
    let clone = world.directory.path().join("clone");
    let url = format!("file://{}", world.repository.path().display());
    let depth = ["clone", "--quiet", "--depth", "1", &url, "clone"];
    git(world.directory.path(), &depth);
    not_proven(&world, || {
        let all = ["apply", "--mode", "sync", "--format", "json"];
        Cli::new(&clone, &all).sandbox(&world.iam()).run()
    });
}

#[test]
fn c17_a_directory_ends_no_quarantine_and_leaves_the_record() {
    let world = to_be_put_right();
    let commit = world.repository.head();
    not_proven(&world, || {
        world.sync(&["--directory", ".", "--commit", &commit])
    });
}

#[test]
fn c17_the_commit_that_was_applied_last_is_in_order_without_history() {
    let world = World::new(&["a"]);
    let commit = world.repository.head();
    let apply = || world.run(&["apply", "--directory", ".", "--commit", &commit]);
    apply().ends(0);
    let made = state(&world.iam());
    assert!(record(&made).to_string().contains(&commit), "{made}");
    assert_eq!(apply().ends(0).codes(), Vec::<String>::new());
    assert_eq!(state(&world.iam()), made);
}

#[test]
fn c18_roles_and_explain_show_the_record_and_count_it_nowhere() {
    let world = two_pipelines();
    let first = world.repository.head();
    pipeline(&world, "a", &first, &[]).ends(0);
    let dog = service_account("bar", "dog");
    world.repository.write("c d/dog.yaml", dog);
    let head = world.repository.commit("a path with a space");
    let two = ["apply", "--path", "b", "--path", "c d"];
    world.run(&two).ends(0);
    for command in [&["roles"][..], &["explain", "bar/ant"]] {
        let shown = |format: &str| {
            let all = [command, &["--format", format]].concat();
            let cli = Cli::new(world.repository.path(), &all).sandbox(&world.iam());
            cli.run().ends(0)
        };
        let document = shown("json").json();
        let place = match command[0] {
            "roles" => &document["clusters"][0],
            _ => &document,
        };
        assert_eq!(place["record"]["role"], "k8s-sa_=prod");
        let applied = place["record"]["applied"].as_array().expect("entries");
        let mut entries: Vec<_> = applied
            .iter()
            .map(|entry| (entry["paths"].to_string(), entry["commit"].as_str()))
            .collect();
        entries.sort();
        let expected = [
            ("[\"a\"]".to_owned(), Some(first.as_str())),
            ("[\"b\",\"c d\"]".to_owned(), Some(head.as_str())),
        ];
        assert_eq!(entries, expected);
        assert!(applied.iter().all(|entry| {
            let since = entry["since"].as_str().expect("a time");
            since.parse::<jiff::Timestamp>().is_ok()
        }));
        for format in ["human", "markdown"] {
            let text = shown(format).stdout;
            assert!(text.contains("applied last"), "{text}");
            for part in [&head[..12], &first[..12], "b, c d"] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
    let listed = world.run(&["roles"]).ends(0);
    let listed = listed.json()["clusters"][0]["roles"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(5));
    assert!(!listed.to_string().contains('='), "{listed}");
    let planned = world.run(&["plan", "--full", "--all"]).ends(0);
    let changes = planned.changes();
    assert_eq!(changes.len(), 5, "{changes:?}");
    // What somebody writes into the record shows harmlessly.
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles").iter_mut();
        let mut record = roles.filter(|role| role["name"] == "k8s-sa_=prod");
        let tags = record.next().expect("it")["tags"]
            .as_array_mut()
            .expect("tags");
        tags.push(serde_json::json!({
            "key": "role.k8s.aws/applied", "value": format!("{head}@<b>|\u{1b}[31m"),
        }));
    });
    let all = ["roles", "--format", "html"];
    let cli = Cli::new(world.repository.path(), &all).sandbox(&world.iam());
    let page = cli.run().ends(0).stdout;
    assert!(!page.contains("<b>") && !page.contains('\u{1b}'), "{page}");
}
