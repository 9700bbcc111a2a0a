//! Links, submodules and files where a directory of manifests was or could be: what is not read.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use crate::support::cli::{Cli, Run, sandbox};
use crate::support::repository::{Repository, service_account};
use crate::support::world::{World, reason};

/// `bar/a` below `clusters/prod`, `bar/b` beside it, a directory without and one with manifests.
fn world() -> World {
    let world = World::new(&["b"]);
    let repository = &world.repository;
    repository.write("clusters/prod/a.yaml", service_account("bar", "a"));
    repository.write("docs/README.md", "read me");
    repository.write("other/x.yaml", "kind: Note\n");
    repository.commit("a");
    world.sync(&[]).ends(0);
    world
}

fn link(repository: &Repository, target: &str, path: &str) {
    symlink(target, repository.path().join(path)).expect("a link");
}

fn remove_all(repository: &Repository, path: &str) {
    fs::remove_dir_all(repository.path().join(path)).expect("a directory");
}

/// Commits a submodule, which has no files in the work tree.
fn submodule(repository: &Repository, path: &str) {
    repository.commit("without what was there");
    let entry = format!("160000,{},{path}", repository.head());
    repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
    repository.git(&["commit", "--quiet", "--message", "a submodule"]);
}

/// Asserts that the role of `bar/a` is held, and that a path is named.
fn is_held(run: Run, path: &str) {
    let run = run.ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{path}");
    let codes = run.codes();
    let is_told = codes.contains(&"not-read".to_owned()) || reason(&run, 0).contains(path);
    assert!(is_told && run.stdout.contains(path), "{}", run.stdout);
}

#[test]
fn g28_what_took_the_place_of_a_directory_is_no_removal() {
    for (place, target) in [
        ("clusters/prod", "../other"),
        ("clusters/prod", "../docs"),
        ("clusters/prod", "../docs/README.md"),
        ("clusters/prod", "../nowhere"),
        ("clusters/prod", "/elsewhere/prod"),
        ("clusters/prod", "/elsewhere/prod.md"),
        ("clusters", "other"),
        ("clusters/prod/a.yaml", "../../other"),
    ] {
        for later in [false, true] {
            let world = world();
            let repository = &world.repository;
            if place.ends_with(".yaml") {
                repository.remove(place);
            } else {
                remove_all(repository, place);
            }
            if later {
                repository.commit("Remove it");
            }
            fs::create_dir_all(repository.path().join(place).parent().expect("one"))
                .expect("a directory");
            link(repository, target, place);
            repository.commit("a link");
            is_held(world.sync(&[]), place);
        }
    }
}

#[test]
fn g28_a_submodule_or_a_file_in_the_place_of_a_directory_is_no_removal() {
    for (place, with) in [
        ("clusters/prod", "a file"),
        ("clusters", "a file"),
        ("clusters/prod/a.yaml", "a directory"),
        ("clusters/prod", "a submodule"),
        ("clusters", "a submodule"),
        ("clusters/prod/a.yaml", "a submodule"),
    ] {
        let world = world();
        let repository = &world.repository;
        remove_all(repository, "clusters");
        match with {
            "a file" => drop(repository.write(place, "generated elsewhere\n")),
            "a directory" => drop(repository.write(&format!("{place}/x.yaml"), "kind: Note\n")),
            _ => submodule(repository, place),
        }
        if with != "a submodule" {
            repository.commit(with);
        }
        let run = world.sync(&[]);
        if with != "a submodule" {
            assert!(reason(&run, 0).contains(with), "{}", reason(&run, 0));
        }
        is_held(run, place);
    }
}

#[test]
fn g28_a_directory_that_is_gone_is_a_removal_whatever_harmless_link_there_is() {
    let world = world();
    let repository = &world.repository;
    link(repository, "docs/README.md", "README");
    link(repository, "README", "README.txt");
    link(repository, "docs", "manual");
    link(repository, "other", "again");
    link(repository, "./docs/../other/", "other-again");
    link(repository, "..", "docs/up");
    link(repository, "missing.md", "notes");
    link(repository, "/usr/local/bin/render.sh", "render");
    remove_all(repository, "clusters/prod");
    repository.commit("Remove a");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    assert_eq!(run.codes(), Vec::<String>::new());
}

#[test]
fn g28_a_directory_that_was_renamed_keeps_its_roles() {
    let world = world();
    let repository = &world.repository;
    repository.git(&["mv", "clusters/prod", "clusters/live"]);
    link(repository, "live", "clusters/prod");
    repository.commit("rename");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), Vec::<String>::new());
}

#[test]
fn g28_a_link_that_could_lead_to_manifests_is_listed() {
    for target in [
        "../../other",
        "../..",
        "/elsewhere",
        "../missing",
        "../../../x",
        "loop",
    ] {
        let world = world();
        let repository = &world.repository;
        link(repository, target, "clusters/prod/loop");
        repository.remove("clusters/prod/a.yaml");
        repository.commit("Remove a, and add a link");
        let scope = ["--path", "clusters/prod", "--path", "apps"];
        let lint = world.run(&[&["lint"][..], &scope].concat()).ends(4);
        assert_eq!(lint.codes(), ["not-read"], "{target}");
        let plan = [&["plan", "--mode", "sync"][..], &scope].concat();
        let run = world.run(&plan).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{target}");
        assert!(run.stdout.contains("clusters/prod/loop"), "{}", run.stdout);
    }
    // What is read at its own path, or holds no manifest, hides nothing.
    for target in ["../../other", "../../docs", "../../docs/README.md"] {
        let world = world();
        let repository = &world.repository;
        link(repository, target, "clusters/prod/link");
        repository.remove("clusters/prod/a.yaml");
        repository.commit("Remove a, and add a link");
        let paths = ["--path", "clusters", "--path", "other", "--path", "apps"];
        world.run(&[&["lint"][..], &paths].concat()).ends(0);
        let run = world.sync(&paths).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"], "{target}");
    }
}

#[test]
fn g28_a_cache_remembers_no_directory_with_a_link() {
    let repository = Repository::with(&[("docs/a.md", "read me")]);
    repository.write("apps/b.yaml", service_account("bar", "b"));
    fs::create_dir(repository.path().join("apps/x")).expect("a directory");
    link(&repository, "../../docs", "apps/x/link");
    repository.commit("a link");
    let cache = TempDir::new().expect("a directory");
    let lint = || {
        let arguments = ["lint", "--path", "apps", "--format", "json"];
        Cli::new(repository.path(), &arguments)
            .env("IRSA_GITOPS_NO_CACHE", "false")
            .env("IRSA_GITOPS_CACHE_DIR", cache.path())
            .run()
    };
    lint().ends(0);
    repository.write("docs/a.yaml", "kind: Note\n");
    repository.commit("a manifest");
    assert_eq!(lint().ends(4).codes(), ["not-read"]);
}

#[test]
fn g30_a_linked_directory_of_plain_files_is_not_read() {
    let elsewhere = TempDir::new().expect("a directory");
    fs::write(elsewhere.path().join("a.yaml"), service_account("bar", "a")).expect("a file");
    fs::write(elsewhere.path().join("notes"), "text").expect("a file");
    let outside = elsewhere.path().to_str().expect("UTF-8");
    let run = |target: &str, arguments: &[&str]| {
        let repository = Repository::new();
        repository.write("rendered/own/b.yaml", service_account("bar", "b"));
        repository.write("rendered/own/README", "text");
        link(&repository, target, "rendered/apps");
        // The argument itself may be a link.
        link(&repository, "rendered", "out");
        let iam = sandbox(elsewhere.path());
        let all = [arguments, &["--directory", "out", "--format", "json"]].concat();
        Cli::new(repository.path(), &all).sandbox(&iam).run()
    };
    let not_read = |run: Run| {
        let codes = run.codes();
        let is_it = run.stdout.contains("\"path\": \"apps\"");
        codes.iter().any(|code| code == "not-read") && is_it
    };
    for target in [outside, "..", "../nowhere", "/nowhere/at/all", "apps"] {
        assert!(not_read(run(target, &["lint"]).ends(4)), "{target}");
        assert!(not_read(run(target, &["plan"]).ends(7)), "{target}");
    }
    let scope = ["--path", "apps", "--path", "own"];
    assert!(not_read(
        run("own", &[&["lint"][..], &scope].concat()).ends(4)
    ));
    let notes = format!("{outside}/notes");
    for target in ["own", "own/README", &notes, "own/..", "missing.txt"] {
        assert!(!not_read(run(target, &["lint"]).ends(0)), "{target}");
        let plan = run(target, &["plan"]).ends(0);
        assert_eq!(plan.changes(), ["k8s-sa_bar_b create"], "{target}");
    }
}
