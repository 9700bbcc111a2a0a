//! ServiceAccounts that go in more than one step, or into a file that was there: what the last step looks like
//! tells least.

use std::os::unix::fs::symlink;

use crate::support::repository::service_account;
use crate::support::world::{World, reason};

const CONFIG: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  namespace: bar\ndata: {}\n";
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";

/// Two ServiceAccounts with roles, `a` in a file of its own, and a file without any.
fn applied() -> World {
    let world = World::new(&["a", "b"]);
    world.repository.write("apps/config.yaml", CONFIG);
    world.repository.commit("a ConfigMap");
    world.sync(&[]).ends(0);
    world
}

#[track_caller]
fn is_held(world: &World, by: &str) {
    let before = world.role("a");
    let run = world.sync(&["--prune-after", "0"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{by}");
    assert!(reason(&run, 0).contains(by), "{by}: {}", reason(&run, 0));
    assert_eq!(world.role("a"), before);
}

#[track_caller]
fn is_removed(world: &World, what: &str) {
    let run = world.sync(&[]);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"], "{what}");
}

/// Two files take in namesakes with the commit that removes a ServiceAccount: each came in the other's place.
#[test]
fn m146_files_that_take_in_namesakes_of_each_other_do_not_go_round() {
    let world = applied();
    let other = |namespace: &str| {
        let own = CONFIG.replace("bar", namespace);
        let plain = service_account(namespace, "a").replace("\"true\"", "\"false\"");
        (own.clone(), format!("{own}---\n{plain}"))
    };
    let teams = ["red", "blue", "green"];
    for team in teams {
        world
            .repository
            .write(&format!("apps/{team}.yaml"), other(team).0);
    }
    world.repository.commit("teams");
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    for team in teams {
        world
            .repository
            .write(&format!("apps/{team}.yaml"), other(team).1);
    }
    world.repository.commit("one for each team");
    for verb in [&["plan", "--mode", "sync"][..], &["diff", "HEAD~1..HEAD"]] {
        world.run(verb).ends(0);
    }
    is_removed(&world, "namesakes");
}

/// Cut before its name, or in its annotations, at the end of a file that was there.
#[test]
fn m110_what_is_cut_off_in_a_file_that_was_there_is_no_removal() {
    let head = "apiVersion: v1\nkind: ServiceAccount\n";
    let named = format!("{head}metadata:\n  name: a\n  annotations:\n    secur");
    let list = "apiVersion: v1\nkind: List\nitems:\n- kind: ServiceAccount\n  apiVersion: v1\n  metadata:\n";
    for left in [
        "apiVers",
        "apiVersion: v1\nkind:",
        head,
        &format!("{head}metadata:\n"),
        &format!("{head}metadata:\n  name:"),
        &format!("{head}metadata:\n  annotations:\n    eks.amaz"),
        &named,
        list,
    ] {
        for goes in [true, false] {
            let world = applied();
            match goes {
                true => world.repository.remove("apps/a.yaml"),
                false => drop(world.repository.write("apps/a.yaml", CONFIG)),
            }
            let text = format!("{CONFIG}---\n{left}");
            world.repository.write("apps/config.yaml", text);
            world.repository.commit("merge into one file");
            is_held(&world, "apps/config.yaml");
            // Whole without it, that is a removal.
            world.repository.write("apps/config.yaml", CONFIG);
            world.repository.commit("whole");
            is_removed(&world, left);
        }
    }
    // What comes there whole, or is something else that is cut, is no half of it.
    let other = service_account("bar", "other").replace("\"true\"", "\"false\"");
    for whole in [
        other.as_str(),
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n",
    ] {
        let world = applied();
        world.repository.remove("apps/a.yaml");
        let text = format!("{CONFIG}---\n{whole}");
        world.repository.write("apps/config.yaml", text);
        world.repository.commit("another object");
        is_removed(&world, whole);
    }
}

/// What only speaks of a ServiceAccount is none, and a kustomization has no name.
#[test]
fn m110_a_kustomization_that_comes_with_a_removal_holds_nobody() {
    let kustomization =
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ../base\n";
    let patch =
        "patches:\n- target:\n    kind: ServiceAccount\n    name: other\n  path: other.yaml\n";
    let vars = "vars:\n- name: x\n  objref:\n    kind: ServiceAccount\n    apiVersion: v1\n";
    for more in [patch, vars] {
        for before in ["a.yaml", "kustomization.yaml"] {
            let world = World::new(&["b"]);
            let from = format!("apps/{before}");
            world.repository.write(&from, service_account("bar", "a"));
            world.repository.commit("a");
            world.sync(&[]).ends(0);
            world.repository.remove(&from);
            let text = format!("{kustomization}{more}");
            world.repository.write("overlay/kustomization.yaml", text);
            world.repository.commit("an overlay");
            is_removed(&world, before);
        }
    }
}

/// What is held is not let go because it is moved once more.
#[test]
fn m147_what_was_held_stays_so_when_it_moves_again() {
    let broken = service_account("bar", "a").replace("  namespace: bar", "  namespace: \"bar");
    let cut = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\n  namespace: bar\n  annotations: {\n";
    // Into Git LFS, and under another name; broken, and into Git LFS; broken, and cut in another file.
    for (first, path, then) in [
        (POINTER, "apps/z.yaml", POINTER.to_owned()),
        (&broken, "apps/z.yaml", POINTER.to_owned()),
        (&broken, "apps/config.yaml", format!("{CONFIG}{cut}")),
    ] {
        let world = applied();
        world.repository.write("apps/a.yaml", first);
        world.repository.commit("the first step");
        is_held(&world, "apps/a.yaml");
        world.repository.remove("apps/a.yaml");
        world.repository.write(path, then);
        world.repository.commit("the second step");
        is_held(&world, path);
    }
    // A pointer that comes when it is gone already hides nobody who went before.
    let world = applied();
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.repository.write("apps/z.yaml", POINTER);
    world.repository.commit("later");
    is_removed(&world, "later");
    // But what is deleted for good could be declared again in one that came since.
    world.repository.write("apps/y.yaml", POINTER);
    world.repository.commit("another one");
    let before = world.role("a");
    let run = world.sync(&["--prune-after", "0"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    assert_eq!(world.role("a"), before);
}

/// Of two files that declare it one becomes something that is not read, and the other goes.
#[test]
fn g28_a_copy_that_became_a_submodule_or_a_link_is_none_that_was_removed() {
    for (with, link) in [("a submodule", false), ("a symbolic link", true)] {
        let world = applied();
        let repository = &world.repository;
        repository.write("copy/a.yaml", service_account("bar", "a"));
        repository.commit("a copy");
        world.sync(&[]).ends(0);
        repository.git(&["rm", "--quiet", "-r", "copy"]);
        match link {
            true => symlink("../elsewhere", repository.path().join("copy")).expect("a link"),
            false => {
                let entry = format!("160000,{},copy", "1".repeat(40));
                repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
            }
        }
        if link {
            repository.git(&["add", "copy"]);
        }
        repository.git(&[
            "commit",
            "--quiet",
            "--message",
            "it becomes something else",
        ]);
        world.sync(&[]);
        repository.git(&["rm", "--quiet", "apps/a.yaml"]);
        repository.git(&["commit", "--quiet", "--message", "the other goes"]);
        let run = world.sync(&[]).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
        assert!(reason(&run, 0).contains(with), "{}", reason(&run, 0));
    }
}

/// A file that became a link to a file of the commit is that file, and what is removed there is removed.
#[test]
fn g51_what_is_removed_behind_a_link_is_removed() {
    for target in ["real.yaml", "real.txt"] {
        let world = applied();
        let root = world.repository.path().join("apps");
        let both = format!("{}---\n{CONFIG}", service_account("bar", "a"));
        world.repository.remove("apps/a.yaml");
        world.repository.write(&format!("apps/{target}"), &both);
        symlink(target, root.join("a.yaml")).expect("a link");
        world.repository.commit("a link");
        assert_eq!(world.sync(&[]).ends(0).changes(), [""; 0], "{target}");
        world.repository.write(&format!("apps/{target}"), CONFIG);
        world.repository.commit("Remove it there");
        let run = world.sync(&[]).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"], "{target}");
        let why = reason(&run, 0);
        assert!(
            why.starts_with("removed by") && why.contains("Remove it there"),
            "{why}"
        );
    }
}
