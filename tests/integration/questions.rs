//! The question before the first write, which is asked of people at a terminal and of nobody else.

use serde_json::json;

use super::retire::{quarantined, untag};
use crate::support::cli::{Cli, Run, role, roles, state};
use crate::support::repository::service_account;
use crate::support::terminal::Terminal;
use crate::support::world::World;

const QUESTION: &str = "[yes/no]";

/// Everything that is in the account.
fn account(world: &World) -> serde_json::Value {
    state(&world.iam())
}

/// Starts a run at a terminal, and waits until it asks.
#[track_caller]
fn asked(cli: Cli) -> Terminal {
    let mut terminal = Terminal::run(cli);
    terminal.wait_for(QUESTION);
    terminal
}

#[track_caller]
fn is_not_asked(run: &Run) {
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(!said.contains(QUESTION), "{said}");
}

#[test]
fn i80_apply_at_a_terminal_shows_the_plan_and_asks() {
    for (keys, is_yes) in [
        ("yes\n", true),
        ("y\n", true),
        ("no\n", false),
        ("\n", false),
        ("yes, but\n", false),
        ("apply\n", false),
        // The end of input.
        ("\u{4}", false),
    ] {
        let world = World::new(&["a", "b"]);
        let before = account(&world);
        let terminal = asked(world.cli(&["apply"]));
        for shown in [
            "plan for cluster prod",
            "create",
            "k8s-sa_bar_a",
            "2 to create",
            "these 2 changes",
        ] {
            assert!(
                terminal.screen.contains(shown),
                "{shown}: {}",
                terminal.screen
            );
        }
        assert_eq!(account(&world), before, "no lock is taken yet");
        let run = terminal.answer(keys);
        match is_yes {
            true => {
                let run = run.ends(0);
                assert!(run.stdout.contains("2 done"), "{}", run.stdout);
                assert_eq!(roles(&account(&world)).len(), 2);
            }
            false => {
                let run = run.ends(5);
                assert!(run.stderr.contains("nothing was written"), "{}", run.stderr);
                assert_eq!(account(&world), before, "{keys:?}");
            }
        }
    }
}

#[test]
fn i80_commands_that_are_shown_with_the_question_can_be_pasted() {
    let world = adoptable();
    world.declare("c");
    world.repository.commit("Add c");
    let screen = asked(world.cli(&["apply", "--full"]))
        .answer("no\n")
        .ends(5)
        .stdout;
    assert!(screen.contains("irsa-gitops adopt k8s-sa_bar_"), "{screen}");
    assert!(screen.contains("--cluster-name prod"), "{screen}");
    assert!(!screen.contains('…'), "{screen}");
}

#[test]
fn i80_a_saved_plan_is_shown_and_asked_about_as_well() {
    let world = World::new(&["a"]);
    let file = world.file("plan.json");
    let file = file.to_str().expect("plain");
    world.run(&["plan", "--out", file]).ends(0);
    let before = account(&world);
    asked(world.cli(&["apply", "--plan", file]))
        .answer("no\n")
        .ends(5);
    assert_eq!(account(&world), before);
    asked(world.cli(&["apply", "--plan", file]))
        .answer("yes\n")
        .ends(0);
    assert_eq!(roles(&account(&world)).len(), 1);
}

#[test]
fn i80_a_refusal_is_told_in_every_format() {
    let world = World::new(&["a"]);
    let report = world.file("report.json");
    let output = format!("json={}", report.display());
    let run = asked(world.cli(&["apply", "--output", &output]))
        .answer("no\n")
        .ends(5);
    assert!(run.stderr.contains("error: "), "{}", run.stderr);
    let told = state(&report);
    assert_eq!(told["exitCode"], 5, "{told}");
    let message = told["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("nothing was written"), "{told}");
}

#[test]
fn i81_nobody_is_asked_who_is_not_there_or_said_yes() {
    let world = || World::new(&["a"]);
    let is_made = |world: &World, run: Run| {
        is_not_asked(&run.ends(0));
        assert_eq!(roles(&account(world)).len(), 1);
    };
    let place = world();
    is_made(&place, Terminal::run(place.cli(&["apply", "--yes"])).end());
    let place = world();
    is_made(
        &place,
        Terminal::run(place.cli(&["apply"]).env("CI", "true")).end(),
    );
    for (stdin, stdout) in [(true, false), (false, true)] {
        let place = world();
        is_made(
            &place,
            Terminal::run_with(place.cli(&["apply"]), stdin, stdout).end(),
        );
    }
    let place = world();
    is_made(&place, place.print(&["apply"]));
    // There is nothing to ask about.
    let run = Terminal::run(place.cli(&["apply"])).end().ends(0);
    is_not_asked(&run);
    // Nor where a commit changes no role, and only the record is written.
    place.repository.write("notes.md", "nothing of ours\n");
    let commit = place.repository.commit("Notes");
    let run = Terminal::run(place.cli(&["apply"])).end().ends(0);
    is_not_asked(&run);
    assert!(account(&place).to_string().contains(&commit));
    // A variable that is empty is one that is not set, and whoever sets this one to no is no CI.
    for unset in ["", "false", "0"] {
        let place = world();
        asked(place.cli(&["apply"]).env("CI", unset))
            .answer("no\n")
            .ends(5);
    }
}

/// A role that is there and trusts the ServiceAccount, but is not ours.
fn adoptable() -> World {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world.edit(|state| {
        for index in 0..2 {
            let tags = role(state, index)["tags"].as_array_mut().expect("tags");
            tags.retain(|tag| tag["key"] != "role.k8s.aws/cluster");
        }
    });
    world
}

#[test]
fn i82_adopt_and_retire_ask_instead_of_ending() {
    type Place = fn() -> World;
    let retirable: Place = || {
        let world = quarantined();
        untag(&world, &["role.k8s.aws/quarantined-by"]);
        world
    };
    for (place, arguments) in [
        (adoptable as Place, &["adopt", "k8s-sa_bar_a"][..]),
        (adoptable, &["adopt", "--all-matching"]),
        (retirable, &["retire", "k8s-sa_bar_a"]),
    ] {
        let world = place();
        let before = account(&world);
        // Whoever is not there is shown what would be done, as ever.
        is_not_asked(&world.print(arguments).ends(0));
        assert_eq!(account(&world), before);
        let terminal = asked(world.cli(arguments));
        assert!(
            terminal.screen.contains("k8s-sa_bar_a"),
            "{}",
            terminal.screen
        );
        assert_eq!(account(&world), before);
        terminal.answer("no\n").ends(5);
        assert_eq!(account(&world), before, "{arguments:?}");
        let run = asked(world.cli(arguments)).answer("yes\n").ends(0);
        assert!(run.stdout.contains("done"), "{}", run.stdout);
        assert_ne!(account(&world), before);
        let world = place();
        let before = account(&world);
        let all = [arguments, &["--yes"]].concat();
        let run = Terminal::run(world.cli(&all)).end().ends(0);
        is_not_asked(&run);
        assert_ne!(account(&world), before);
    }
}

/// Two roles whose trust policies are to be repaired.
fn drifted() -> World {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    for index in 0..2 {
        set_action(&world, index, "sts:AssumeRole");
    }
    world
}

fn set_action(world: &World, index: usize, action: &str) {
    world.edit(|state| role(state, index)["trustPolicy"]["Statement"][0]["Action"] = json!(action));
}

fn action(world: &World, name: &str) -> serde_json::Value {
    world.role(name)["trustPolicy"]["Statement"][0]["Action"].clone()
}

#[test]
fn i83_what_was_not_shown_is_not_done() {
    let right = "sts:AssumeRoleWithWebIdentity";
    let world = drifted();
    let terminal = asked(world.cli(&["apply"]));
    set_action(&world, 0, "sts:TagSession");
    let run = terminal.answer("yes\n").ends(7);
    assert!(run.stdout.contains("1 held"), "{}", run.stdout);
    assert_eq!(action(&world, "a"), "sts:TagSession", "as somebody left it");
    assert_eq!(action(&world, "b"), right);
    // Nothing is left of what was shown: nothing is done, and the lock is given back.
    let world = drifted();
    let terminal = asked(world.cli(&["apply"]));
    for index in 0..2 {
        set_action(&world, index, "sts:TagSession");
    }
    let before = account(&world);
    let run = terminal.answer("yes\n").ends(5);
    assert!(run.stderr.contains("run again"), "{}", run.stderr);
    assert_eq!(account(&world), before);
    // A role that is new is not made, where a role was to be repaired.
    let world = drifted();
    let terminal = asked(world.cli(&["apply"]));
    world.edit(|state| {
        let all = state["roles"].as_array_mut().expect("roles");
        all.retain(|role| role["name"] != "k8s-sa_bar_b");
    });
    terminal.answer("yes\n").ends(7);
    assert_eq!(
        (action(&world, "a"), world.role("b")),
        (json!(right), json!(null))
    );
    // What is as it was is done.
    let world = drifted();
    asked(world.cli(&["apply"])).answer("yes\n").ends(0);
    assert_eq!(
        (action(&world, "a"), action(&world, "b")),
        (json!(right), json!(right))
    );
}

#[test]
fn i83_an_adoption_is_bound_to_what_was_shown() {
    let world = adoptable();
    let terminal = asked(world.cli(&["adopt", "k8s-sa_bar_a", "k8s-sa_bar_b"]));
    world.set_tag("a", "owner", "somebody");
    let run = terminal.answer("yes\n").ends(7);
    assert!(run.stdout.contains("1 held"), "{}", run.stdout);
    assert_eq!(world.tag("a", "role.k8s.aws/cluster"), None);
    assert_eq!(
        world.tag("b", "role.k8s.aws/cluster").as_deref(),
        Some("prod")
    );
}

#[test]
fn i84_a_signal_ends_the_waiting() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let world = World::new(&["a"]);
        let before = account(&world);
        let terminal = asked(world.cli(&["apply"]));
        terminal.signal(signal);
        let run = terminal.end().ends(code);
        assert!(run.stderr.contains("nothing was written"), "{}", run.stderr);
        assert_eq!(account(&world), before);
    }
}

#[test]
fn i85_a_revision_beside_a_directory_is_not_ignored_without_a_word() {
    let world = World::new(&["a"]);
    let directory = world.file("rendered");
    std::fs::create_dir(&directory).expect("a directory");
    std::fs::write(directory.join("b.yaml"), service_account("bar", "b")).expect("a file");
    let directory = directory.to_str().expect("plain");
    for verb in ["lint", "plan", "apply"] {
        let both = [verb, "--directory", directory, "--revision", "HEAD"];
        let run = world.print(&both).ends(2);
        assert!(run.stderr.contains("--revision"), "{}", run.stderr);
        let by_variable = world.cli(&[verb, "--revision", "HEAD"]);
        by_variable
            .env("IRSA_GITOPS_DIRECTORY", directory)
            .run()
            .ends(2);
    }
    let plan = ["plan", "--directory", directory];
    let run = world
        .cli(&plan)
        .env("IRSA_GITOPS_REVISION", "HEAD")
        .run()
        .ends(0);
    assert!(
        run.stderr.contains("note: IRSA_GITOPS_REVISION"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.contains("k8s-sa_bar_b"), "{}", run.stdout);
    let run = world.print(&plan).ends(0);
    assert!(!run.stderr.contains("REVISION"), "{}", run.stderr);
    let run = world
        .cli(&["plan"])
        .env("IRSA_GITOPS_REVISION", "HEAD")
        .run()
        .ends(0);
    assert!(!run.stderr.contains("note"), "{}", run.stderr);
    world.print(&["plan", "--revision", "HEAD"]).ends(0);
}
