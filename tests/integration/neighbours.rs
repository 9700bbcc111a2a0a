//! A document that is broken and cannot be ours, beside a ServiceAccount of ours: it is `lint`'s affair, until
//! something is missing.

use crate::support::repository::service_account;
use crate::support::world::{World, reason};

/// Broken in ways that end where the document does.
const BROKEN: [&str; 4] = ["x: [\n", "kind: Note\n\tx: 1\n", "x: \"open\n", "x: *y\n"];
const NOTE: &str = "apiVersion: v1\nkind: Note\nmetadata:\n  name: note\n";

fn beside(accounts: &[&str], neighbour: &str) -> String {
    let accounts = accounts.iter().map(|name| service_account("bar", name));
    let mut documents: Vec<String> = accounts.collect();
    documents.push(neighbour.to_owned());
    documents.join("---\n")
}

/// Two files, applied, and what becomes of `bar/a` once they are other ones.
fn fate(before: [&str; 2], after: [&str; 2]) -> (String, String) {
    let world = World::with(&[("apps/a.yaml", before[0]), ("apps/b.yaml", before[1])]);
    world.run(&["apply", "--mode", "sync"]);
    world.repository.write("apps/a.yaml", after[0]);
    world.repository.write("apps/b.yaml", after[1]);
    world.repository.commit("Remove a");
    let run = world.run(&["plan", "--mode", "sync"]);
    let changes = run.changes();
    let of_a = changes.iter().position(|change| change.contains("bar_a "));
    let of_a = of_a.expect("it is not declared any more");
    let word = changes[of_a].replace("k8s-sa_bar_a ", "");
    (word, reason(&run, of_a))
}

#[test]
fn m97_a_broken_neighbour_is_told_by_lint_and_keeps_no_role_from_being_made() {
    for broken in BROKEN {
        let world = World::with(&[("notes.yaml", NOTE)]);
        let file = beside(&["a"], broken);
        world.repository.write("apps/a.yaml", &file);
        world.repository.commit("Add a");
        let lint = world.print(&["lint", "--format", "json"]).ends(4);
        assert_eq!(lint.codes(), ["invalid-yaml"], "{broken}");
        let diff = ["diff", "HEAD~1..HEAD", "--format", "json"];
        let diff = world.print(&diff).ends(0);
        assert_eq!(diff.changes(), ["k8s-sa_bar_a create"], "{broken}");
        let plan = world.run(&["plan"]).ends(0);
        assert_eq!(plan.changes(), ["k8s-sa_bar_a create"], "{broken}");
        assert!(plan.codes().is_empty(), "{broken}: {}", plan.stdout);
        let apply = world.run(&["apply", "--mode", "sync"]).ends(0);
        assert_eq!(apply.changes(), ["k8s-sa_bar_a create done"], "{broken}");
        world.run(&["apply", "--mode", "sync"]).ends(0);
    }
}

#[test]
fn m97_a_neighbour_that_may_be_ours_or_ends_nobody_knows_where_is_told_by_every_verb() {
    for broken in [
        "a: {{ .Values.a }}: b\n",
        "a: [ # security.kaluza.com/iam-role-managed\n",
        "a: [\n----\nb: 1\n",
    ] {
        let world = World::with(&[("apps/a.yaml", &beside(&["a"], broken))]);
        world.print(&["lint"]).ends(4);
        let apply = world.run(&["apply"]).ends(7);
        assert_eq!(apply.changes(), ["k8s-sa_bar_a create done"], "{broken}");
        assert!(!apply.codes().is_empty(), "{broken}");
    }
}

#[test]
fn m97_a_file_that_lost_a_service_account_has_to_be_whole() {
    let (both, rest) = (beside(&["a", "b"], NOTE), beside(&["b"], NOTE));
    let other = beside(&["c"], NOTE);
    assert_eq!(fate([&both, &other], [&rest, &other]).0, "quarantine");
    for broken in BROKEN {
        let rest = beside(&["b"], broken);
        let (word, reason) = fate([&both, &other], [&rest, &other]);
        assert_eq!(word, "held", "{broken}");
        assert!(reason.contains("apps/a.yaml"), "{reason}");
    }
}

#[test]
fn m97_a_broken_neighbour_in_another_file_holds_a_removal_that_it_may_hide() {
    let (both, rest) = (beside(&["a", "b"], NOTE), beside(&["b"], NOTE));
    for broken in BROKEN {
        let (good, bad) = (beside(&["c"], NOTE), beside(&["c"], broken));
        let (word, reason) = fate([&both, &good], [&rest, &bad]);
        assert_eq!(word, "held", "{broken}");
        assert!(reason.contains("`apps/b.yaml` may hold it now"), "{reason}");
        assert!(reason.contains("(line "), "{reason}");
        // It was there before, so nothing moved to it.
        assert_eq!(
            fate([&both, &bad], [&rest, &bad]).0,
            "quarantine",
            "{broken}"
        );
    }
}

#[test]
fn m97_so_it_does_in_plain_files() {
    let (both, rest) = (beside(&["a", "b"], NOTE), beside(&["b"], NOTE));
    let (good, bad) = (beside(&["c"], NOTE), beside(&["c"], BROKEN[0]));
    for (other, expected) in [(&good, "quarantine"), (&bad, "held")] {
        let world = World::with(&[("apps/a.yaml", &both), ("apps/b.yaml", &good)]);
        let base = world.repository.head();
        world.run(&["apply", "--mode", "sync"]);
        let render = |name: &str, files: [&str; 2]| {
            let place = world.file(name).join("apps");
            std::fs::create_dir_all(&place).expect("a directory");
            for (file, text) in ["a.yaml", "b.yaml"].into_iter().zip(files) {
                std::fs::write(place.join(file), text).expect("written");
            }
            world.file(name).to_str().expect("plain").to_owned()
        };
        let old = render("old", [&both, &good]);
        let new = render("new", [&rest, other]);
        world.repository.write("source", "changed");
        let head = world.repository.commit("Remove a");
        let plan = [
            "plan",
            ".",
            "--mode",
            "sync",
            "--directory",
            &new,
            "--commit",
            &head,
            "--base-directory",
            &old,
            "--base-commit",
            &base,
        ];
        let changes = world.run(&plan).changes();
        let expected = format!("k8s-sa_bar_a {expected}");
        assert!(changes.contains(&expected), "{changes:?}");
    }
}

#[test]
fn m97_diff_tells_what_is_broken_where_something_is_missing() {
    let (both, good) = (beside(&["a", "b"], NOTE), beside(&["c"], NOTE));
    let world = World::with(&[("apps/a.yaml", &both), ("apps/b.yaml", &good)]);
    world
        .repository
        .write("apps/b.yaml", beside(&["c"], BROKEN[0]));
    world.repository.commit("Break c's neighbour");
    let range = "HEAD~1..HEAD";
    let diff = world.print(&["diff", range, "--format", "json"]).ends(0);
    assert!(diff.codes().is_empty(), "nothing is missing");
    world.repository.write("apps/a.yaml", beside(&["b"], NOTE));
    world.repository.commit("Remove a");
    let diff = world.print(&["diff", range, "--format", "json"]);
    assert_eq!(diff.codes(), ["invalid-yaml"]);
}
