//! Names with two meanings: whoever may push a tag must not choose what is read or applied.

use crate::support::cli::{Cli, Run};
use crate::support::repository::git;
use crate::support::world::World;

/// `main` with one ServiceAccount, and `topic`, one commit further, with another one.
fn world() -> World {
    let world = World::new(&["a"]);
    world
        .repository
        .git(&["checkout", "--quiet", "-b", "topic"]);
    world.declare("b");
    world.repository.commit("topic");
    world.repository.git(&["checkout", "--quiet", "main"]);
    world
}

fn lint(world: &World, repository: &str, revision: &str) -> Run {
    let arguments = [
        "lint",
        repository,
        "--revision",
        revision,
        "--format",
        "json",
    ];
    Cli::new(world.repository.path(), &arguments).run()
}

#[track_caller]
fn refused(run: Run, names: &[&str]) {
    let run = run.ends(4);
    for name in names {
        assert!(run.stderr.contains(name), "{name}: {}", run.stderr);
    }
}

#[test]
fn g27_a_tag_with_a_branchs_name_is_never_read_in_its_place() {
    let world = world();
    let git = |arguments: &[&str]| world.repository.git(arguments);
    git(&["tag", "main", "topic"]);
    git(&["tag", "same", "topic"]);
    git(&["branch", "same", "topic"]);
    let url = format!("file://{}", world.repository.path().display());
    let commits = [
        git(&["rev-parse", "refs/heads/main"]),
        git(&["rev-parse", "topic"]),
    ];
    for repository in [".", &url] {
        for suffix in ["", "~0", "^{}", "^{commit}"] {
            let full = [
                format!("refs/heads/main{suffix}"),
                format!("refs/tags/main{suffix}"),
            ];
            let run = lint(&world, repository, &format!("main{suffix}"));
            refused(run, &[&full[0], &full[1], "--revision"]);
            for (name, commit) in full.iter().zip(&commits) {
                let run = lint(&world, repository, name).ends(0);
                assert_eq!(run.json()["commit"], commit.as_str(), "{name}");
            }
        }
        // That both are one commit today says nothing of tomorrow.
        refused(
            lint(&world, repository, "same"),
            &["refs/heads/same", "refs/tags/same"],
        );
        lint(&world, repository, "topic").ends(0);
        lint(&world, repository, "HEAD").ends(0);
    }
    refused(lint(&world, ".", "main@{0}"), &["refs/heads/main@{0}"]);
    refused(
        world.run(&["plan", "--base", "main"]),
        &["--base refs/heads/main", "refs/tags/main"],
    );
    let command = "irsa-gitops diff refs/heads/main..topic";
    refused(world.run(&["diff", "main..topic"]), &[command]);
    let command = "irsa-gitops diff topic...refs/tags/main";
    refused(world.run(&["diff", "topic...main"]), &[command]);
    let run = world
        .run(&["explain", "bar/a", "--revision", "main"])
        .ends(4);
    assert!(run.stderr.contains("refs/tags/main"), "{}", run.stderr);
}

#[test]
fn g27_every_kind_of_name_has_one_meaning_or_is_refused() {
    let world = world();
    let git = |arguments: &[&str]| world.repository.git(arguments);
    let (main, topic) = (git(&["rev-parse", "main"]), git(&["rev-parse", "topic"]));
    let reference = |name: &str| git(&["update-ref", name, &topic]);
    reference("refs/remotes/origin/main");
    reference("refs/remotes/origin/only");
    reference("refs/remotes/pull/5/merge");
    let short = &main[..9];
    // One meaning each: these must go on to work.
    git(&["tag", "--annotate", "--message", "x", "v1.2", "topic"]);
    git(&["tag", "2024"]);
    git(&["branch", "deadbeef"]);
    for (name, commit) in [
        ("v1.2", &topic),
        ("tags/v1.2", &topic),
        ("2024", &main),
        ("deadbeef", &main),
        ("main", &main),
        ("heads/main", &main),
        ("refs/heads/main", &main),
        ("origin/main", &topic),
        ("origin/only", &topic),
        ("pull/5/merge", &topic),
        ("topic~1", &main),
        ("@", &main),
        (short, &main),
        (&main, &main),
        (&main.to_uppercase(), &main),
    ] {
        assert_eq!(
            lint(&world, ".", name).ends(0).json()["commit"],
            commit.as_str(),
            "{name}"
        );
    }
    // A full name is looked for in one place.
    reference("refs/tags/refs/heads/nowhere");
    lint(&world, ".", "refs/heads/nowhere").ends(4);
    for (second, name) in [
        ("refs/tags/origin/main", "origin/main"),
        ("refs/heads/origin/only", "origin/only"),
        ("refs/tags/heads/main", "heads/main"),
        // The tag of a checkout that has the branch as the remote's only.
        ("refs/tags/only", "only"),
        (&format!("refs/tags/{main}"), &main),
        (&format!("refs/heads/{short}"), short),
        ("refs/tags/HEAD", "HEAD"),
    ] {
        reference(second);
        refused(lint(&world, ".", name), &[second]);
        refused(lint(&world, ".", &format!("{name}^0")), &[second]);
        git(&["update-ref", "-d", second]);
    }
    let described = format!("v1.2-0-g{}", &main[..9]);
    assert_eq!(
        lint(&world, ".", &described).ends(0).json()["commit"],
        main.as_str()
    );
    reference(&format!("refs/tags/{described}"));
    refused(
        lint(&world, ".", &described),
        &[&main, "refs/tags/v1.2-0-g"],
    );
    // A tag that has the id of a commit that was not fetched is not that commit.
    let absent = "0123456789012345678901234567890123456789";
    reference(&format!("refs/tags/{absent}"));
    lint(&world, ".", absent).ends(4);
}

#[test]
fn g31_a_saved_plan_is_let_through_by_branches_and_by_full_names_only() {
    let world = world();
    let git = |arguments: &[&str]| world.repository.git(arguments);
    let file = world
        .directory
        .path()
        .join("plan.json")
        .display()
        .to_string();
    world
        .run(&["plan", "--revision", "topic", "--out", &file])
        .ends(0);
    let apply = |reference: &str| {
        world.run(&[
            "apply",
            "--plan",
            &file,
            "--require-reachable-from",
            reference,
        ])
    };
    apply("main").ends(5);
    // Whoever may push tags, or open a pull request, has no say.
    git(&["tag", "main", "topic"]);
    refused(apply("main"), &["--require-reachable-from refs/heads/main"]);
    git(&["tag", "v1", "topic"]);
    git(&["update-ref", "refs/pull/5/head", "topic"]);
    git(&["tag", "--delete", "main"]);
    for name in ["v1", "v1~0", "tags/v1", "pull/5/head", ":/topic"] {
        refused(apply(name), &["--require-reachable-from"]);
    }
    // A checkout of CI: no branch of its own, and those of the remote.
    git(&["checkout", "--quiet", "--detach"]);
    git(&["update-ref", "refs/remotes/origin/main", "main"]);
    git(&["branch", "--quiet", "--delete", "--force", "main"]);
    apply("main").ends(5);
    apply("origin/main").ends(5);
    git(&["tag", "main", "topic"]);
    refused(
        apply("main"),
        &["refs/remotes/origin/main", "refs/tags/main"],
    );
    git(&["tag", "--delete", "main"]);
    assert!(world.role("b").is_null());
    git(&["update-ref", "refs/remotes/origin/main", "topic"]);
    let tip = git(&["rev-parse", "topic"]);
    for name in [
        "main",
        "origin/main",
        "topic",
        "refs/tags/v1",
        "refs/heads/topic",
        &tip,
    ] {
        apply(name).ends(0);
        crate::support::cli::sandbox(world.directory.path());
    }
}

#[test]
fn g31_a_clone_asks_the_same_of_a_branch() {
    let world = world();
    let url = format!("file://{}", world.repository.path().display());
    let file = world
        .directory
        .path()
        .join("plan.json")
        .display()
        .to_string();
    world
        .run(&["plan", &url, "--revision", "topic", "--out", &file])
        .ends(0);
    git(world.repository.path(), &["tag", "main", "topic"]);
    git(world.repository.path(), &["tag", "v1", "topic"]);
    let apply = |reference: &str| {
        world.run(&[
            "apply",
            &url,
            "--plan",
            &file,
            "--require-reachable-from",
            reference,
        ])
    };
    refused(apply("main"), &["refs/heads/main", "refs/tags/main"]);
    refused(apply("v1"), &["refs/tags/v1"]);
    apply("refs/heads/main").ends(5);
    apply("topic").ends(0);
    assert!(!world.role("b").is_null());
}
