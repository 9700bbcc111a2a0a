//! The order of runs: an older commit never undoes a newer one, and a rewritten history is said once.

use crate::support::cli::state;
use crate::support::world::{World, message};

/// Runs that follow a rewrite: with the flag once, the roles carry a commit of the new history, and
/// no later run needs it.
fn heals(world: &World, roles: &[&str]) {
    world.declare("later");
    world.repository.commit("later");
    let run = world.run(&["plan"]).ends(9);
    let message = message(&run);
    assert!(message.contains("nothing was written"), "{message}");
    let planned = world.run(&["plan", "--accept-history-rewrite"]).ends(0);
    let updated = |run: &crate::support::cli::Run| {
        let changes = run.changes();
        let all = roles.iter().map(|name| format!("k8s-sa_bar_{name} update"));
        let missing: Vec<_> = all
            .filter(|line| !changes.iter().any(|change| change.starts_with(line)))
            .collect();
        assert!(missing.is_empty(), "{missing:?} of {changes:?}");
    };
    updated(&planned);
    updated(&world.run(&["apply", "--accept-history-rewrite"]).ends(0));
    let head = world.repository.head();
    for name in roles {
        let tag = world.tag(name, "role.k8s.aws/last-commit");
        assert_eq!(tag.as_deref(), Some(head.as_str()), "{name}");
    }
    assert!(!world.role("later").is_null());
    let run = world.run(&["apply", "--accept-history-rewrite"]).ends(0);
    let written: Vec<_> = run
        .changes()
        .into_iter()
        .filter(|change| change.ends_with("done"))
        .collect();
    assert_eq!(written, Vec::<String>::new(), "once");
    world.declare("last");
    world.repository.commit("last");
    world.run(&["apply"]).ends(0);
    world.run(&["plan", "--full"]).ends(0);
}

#[test]
fn c10_accepting_a_rewrite_heals_what_a_forced_push_left() {
    let world = World::new(&["a", "b"]);
    world.repository.commit("applied");
    world.run(&["apply"]).ends(0);
    let parent = world.repository.git(&["rev-parse", "HEAD~1"]);
    world
        .repository
        .git(&["reset", "--quiet", "--hard", &parent]);
    heals(&world, &["a", "b"]);
}

#[test]
fn c10_accepting_a_rewrite_heals_what_an_orphan_branch_left() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world
        .repository
        .git(&["checkout", "--quiet", "--orphan", "new"]);
    world.repository.commit("a new beginning");
    heals(&world, &["a", "b"]);
}

#[test]
fn c10_accepting_a_rewrite_heals_what_a_squash_merge_after_apply_left() {
    let world = World::new(&["a"]);
    world
        .repository
        .git(&["checkout", "--quiet", "-b", "feature"]);
    world.declare("b");
    world.repository.commit("on the branch");
    world.run(&["apply"]).ends(0);
    world.repository.git(&["checkout", "--quiet", "main"]);
    world
        .repository
        .git(&["merge", "--quiet", "--squash", "feature"]);
    world.repository.commit("squashed");
    heals(&world, &["a", "b"]);
}

#[test]
fn c10_accepting_a_rewrite_tags_roles_that_nobody_declares_and_leaves_foreign_ones() {
    let world = World::new(&["a", "gone", "foreign"]);
    world.run(&["apply"]).ends(0);
    world
        .repository
        .git(&["checkout", "--quiet", "--orphan", "new"]);
    world.repository.remove("apps/gone.yaml");
    world.repository.commit("a new beginning");
    world.set_tag("foreign", "role.k8s.aws/cluster", "another");
    let before = world.role("foreign");
    let run = world.run(&["apply", "--accept-history-rewrite"]).ends(7);
    assert_eq!(
        run.changes(),
        [
            "k8s-sa_bar_a update done",
            "k8s-sa_bar_foreign held",
            "k8s-sa_bar_gone update done"
        ]
    );
    assert_eq!(world.role("foreign"), before);
    world.declare("later");
    world.repository.commit("later");
    world.run(&["apply"]).ends(0);
}

#[test]
fn c10_a_role_that_is_held_is_so_in_the_run_that_tags_it_as_well() {
    for (mode, code) in [("sync", 7), ("upsert-only", 0)] {
        let world = World::new(&["a", "gone"]);
        world.run(&["apply"]).ends(0);
        world
            .repository
            .git(&["checkout", "--quiet", "--orphan", "new"]);
        world.repository.remove("apps/gone.yaml");
        world.repository.commit("a new beginning");
        let accepts = ["--mode", mode, "--accept-history-rewrite"];
        world.run(&[&["plan"], &accepts[..]].concat()).ends(code);
        let run = world.run(&[&["apply"], &accepts[..]].concat()).ends(code);
        let tagged = ["k8s-sa_bar_a update done", "k8s-sa_bar_gone update done"];
        assert_eq!(run.changes(), tagged);
        world.run(&["apply", "--mode", mode]).ends(code);
    }
}

/// A new repository with the same manifests, into which the old one was never fetched.
#[test]
fn c10_accepting_a_rewrite_heals_what_a_new_repository_left() {
    let old = World::new(&["a", "b"]);
    old.run(&["apply"]).ends(0);
    let mut world = World::new(&["a", "b"]);
    let rename = ["commit", "--quiet", "--amend", "--message", "imported"];
    world.repository.git(&rename);
    world.directory = old.directory;
    heals(&world, &["a", "b"]);
}

#[test]
fn c9_no_flag_lets_an_older_commit_pass() {
    let world = World::new(&["a", "b"]);
    let older = world.repository.head();
    world.declare("c");
    world.repository.commit("newer");
    world.sync(&[]).ends(0);
    let before = state(&world.iam());
    for flags in [
        &["--mode", "sync", "--prune-after", "0"][..],
        &["--full"],
        &["--mode", "sync", "--path", "apps/a.yaml"],
    ] {
        let all = [
            &["apply", "--accept-history-rewrite", "--revision", &older],
            flags,
        ]
        .concat();
        let run = world.run(&all).ends(9);
        let text = message(&run);
        assert!(text.contains("is newer than"), "{text}");
        let hint = run.json()["error"]["hint"].to_string();
        assert!(!hint.contains("--accept-history-rewrite"), "{hint}");
    }
    assert_eq!(state(&world.iam()), before);
}

#[test]
fn c9_a_newer_commit_counts_beside_one_that_is_elsewhere() {
    let world = World::new(&["a", "b"]);
    let first = world.repository.head();
    world.repository.commit("newer");
    world.run(&["apply"]).ends(0);
    let elsewhere = "0123456789012345678901234567890123456789";
    world.set_tag("a", "role.k8s.aws/last-commit", elsewhere);
    let flags = ["apply", "--revision", &first, "--accept-history-rewrite"];
    let run = world.run(&flags).ends(9);
    assert!(message(&run).contains("is newer than"), "{}", message(&run));
}

#[test]
fn g7_the_three_kinds_of_a_commit_outside_our_history_have_their_own_words() {
    let world = World::new(&["a"]);
    let first = world.repository.head();
    world.repository.commit("second");
    let second = world.repository.head();
    world.run(&["apply"]).ends(0);
    world
        .repository
        .git(&["reset", "--quiet", "--hard", &first]);
    world.declare("b");
    world.repository.commit("another second");
    let unknown = "0123456789012345678901234567890123456789";
    for (last_commit, revision, words, next) in [
        (
            second.as_str(),
            first.as_str(),
            "is newer than",
            "newest commit",
        ),
        (&second, "HEAD", "is elsewhere", "squashed, rebased"),
        (unknown, "HEAD", "is unknown", "git fetch --all"),
    ] {
        world.set_tag("a", "role.k8s.aws/last-commit", last_commit);
        world.set_applied(last_commit);
        let run = world
            .run(&["plan", "--full", "--revision", revision])
            .ends(9);
        let hint = run.json()["error"]["hint"].to_string();
        let text = message(&run);
        assert!(text.contains(words) && hint.contains(next), "{text} {hint}");
    }
}

/// A pipeline with a path of its own takes back what was applied for everything.
#[test]
fn c10_accepting_a_rewrite_heals_the_record_of_other_paths() {
    let world = World::new(&["a"]);
    world.run(&["apply"]).ends(0);
    world
        .repository
        .git(&["checkout", "--quiet", "--orphan", "new"]);
    world.repository.commit("a new beginning");
    let apply = ["apply", "--path", "apps"];
    world.run(&apply).ends(9);
    let accepted = [&apply[..], &["--accept-history-rewrite"]].concat();
    world.run(&accepted).ends(0);
    world.declare("later");
    world.repository.commit("later");
    world.run(&apply).ends(0);
    world.run(&["apply"]).ends(0);
}
