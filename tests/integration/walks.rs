//! The one walk back through history in which removals are looked for.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::repository::{Repository, service_account};
use crate::support::world::{World, message, reason};

/// Commits so many versions of one file at once.
fn commit_versions(repository: &Repository, file: &str, count: usize) {
    let mut import = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(repository.path())
        .stdin(Stdio::piped())
        .spawn()
        .expect("git can be run");
    let mut input = import.stdin.take().expect("a pipe");
    for n in 0..count {
        let text =
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  n: '{n}'\n");
        let from = if n == 0 {
            "from refs/heads/main^0\n"
        } else {
            ""
        };
        write!(
            input,
            "commit refs/heads/main\ncommitter A <a@example.com> {} +0000\ndata 1\nv\n{from}M 644 inline {file}\ndata {}\n{text}\n",
            1_700_000_000 + n,
            text.len()
        )
        .expect("git reads");
    }
    drop(input);
    assert!(import.wait().expect("it ends").success());
    repository.git(&["reset", "--quiet", "--hard"]);
}

#[test]
fn g85_one_walk_finds_every_removal_however_far_back_and_however_spelled() {
    // A name that is the beginning of another one, and one that is written with escapes.
    let world = World::new(&["app", "app-1", "kept"]);
    let odd = r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"\u006fdd","namespace":"bar","annotations":{"security.kaluza.com\/iam-role-managed":"true","eks.amazonaws.com\/role-arn":"arn:aws:iam::123456789012:role\/k8s-sa_bar_odd"}}}"#;
    world.repository.write("apps/odd.json", odd);
    world.repository.commit("odd");
    world.sync(&[]).ends(0);
    world.repository.remove("apps/app.yaml");
    let app = world.repository.commit("Remove app");
    world.repository.remove("apps/odd.json");
    let odd = world.repository.commit("Remove odd");
    // More than are looked at together at first.
    commit_versions(&world.repository, "apps/config.yaml", 700);
    world.repository.remove("apps/app-1.yaml");
    let app_1 = world.repository.commit("Remove app-1");
    let run = world.run(&["plan", "--mode", "sync"]).ends(0);
    let document = run.json();
    let changes = document["clusters"][0]["changes"]
        .as_array()
        .expect("changes");
    for (role, commit) in [("app", app), ("app-1", app_1), ("odd", odd)] {
        let name = format!("k8s-sa_bar_{role}");
        let change = changes
            .iter()
            .find(|change| change["role"] == name.as_str());
        let change = change.unwrap_or_else(|| panic!("{role}: {document}"));
        assert_eq!(change["action"], "quarantine", "{change}");
        let reason = change["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(&commit[..12]), "{role}: {reason}");
    }
    world.sync(&[]).ends(0);
}

#[test]
fn g86_what_came_back_elsewhere_and_was_cut_there_is_no_removal() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    let file = std::fs::read_to_string(world.repository.path().join("apps/a.yaml"));
    let file = file.expect("it is there");
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.repository.write("other/a.yaml", &file);
    world.repository.commit("Bring a back");
    commit_versions(&world.repository, "apps/config.yaml", 300);
    // The last commit that had it decides, not the one that took it from its first file.
    let cut = file.split_once("annotations").expect("annotations").0;
    world.repository.write("other/a.yaml", cut.trim_end());
    world.repository.commit("A render that failed");
    let run = world.sync(&[]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{}", run.stdout);
}

#[test]
fn g87_what_stood_twice_is_removed_when_both_files_are_whole_without_it() {
    for cut in ["apps/a.yaml", "apps/z.yaml"] {
        let world = World::new(&["b"]);
        let text = service_account("bar", "a");
        for file in ["apps/a.yaml", "apps/z.yaml"] {
            world.repository.write(file, &text);
        }
        world.repository.commit("a, twice");
        world.sync(&[]).ends(0);
        for file in ["apps/a.yaml", "apps/z.yaml"] {
            world.repository.remove(file);
        }
        // What is left can be parsed, and does not even hold the name.
        let left = text.split_once("  name").expect("a name").0;
        world.repository.write(cut, left);
        world.repository.commit("One is removed, one was cut");
        let run = world.sync(&[]).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{cut}");
        assert!(reason(&run, 0).contains(cut), "{}", reason(&run, 0));
        world.repository.remove(cut);
        let removal = world.repository.commit("Remove a");
        let run = world.sync(&[]).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"], "{cut}");
        let reason = reason(&run, 0);
        assert!(reason.contains(&removal[..8]), "{cut}: {reason}");
    }
}

#[test]
fn g85_what_stands_beside_a_directory_does_not_move_what_is_in_it() {
    let world = World::new(&["a", "b"]);
    // As Git sorts them, between `apps` and `apps/`.
    for file in ["apps-1.yaml", "apps.yaml"] {
        world.repository.write(file, "kind: Note\n");
    }
    world.repository.commit("notes");
    world.sync(&[]).ends(0);
    world.repository.write("apps/a.yaml", "kind: Note\nname: a");
    world.repository.commit("A render that failed");
    world.repository.remove("apps-1.yaml");
    world.repository.remove("apps.yaml");
    world.repository.commit("No notes");
    world.repository.remove("apps/a.yaml");
    let removal = world.repository.commit("Remove a");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    let reason = reason(&run, 0);
    assert!(reason.contains(&removal[..12]), "{reason}");
}

#[test]
fn g88_what_is_beyond_the_last_removal_need_not_be_readable() {
    for (of, is_needed) in [
        ("HEAD~4:apps/config.yaml", false),
        ("HEAD~4:apps", false),
        ("HEAD~4:apps/config.yaml", true),
        ("HEAD~4:apps", true),
    ] {
        let world = World::new(&["a", "b", "c"]);
        world.sync(&[]).ends(0);
        if is_needed {
            world.repository.remove("apps/b.yaml");
            world.repository.commit("Remove b");
        }
        commit_versions(&world.repository, "apps/config.yaml", 8);
        world.repository.remove("apps/a.yaml");
        world.repository.commit("Remove a");
        let id = world.repository.git(&["rev-parse", of]);
        let pack = world.repository.path().join(".git/objects/pack");
        assert!(
            std::fs::read_dir(pack)
                .expect("it is there")
                .next()
                .is_none()
        );
        let object = format!(".git/objects/{}/{}", &id[..2], id[2..].trim());
        std::fs::remove_file(world.repository.path().join(object)).expect("it is loose");
        if is_needed {
            let run = world.sync(&[]).ends(4);
            assert!(message(&run).contains(id.trim()), "{}", run.stdout);
        } else {
            let run = world.sync(&[]).ends(0);
            assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"], "{of}");
        }
    }
}

/// Takes away the directory of what was applied first, so that history cannot be searched as far back.
fn cut_history(world: &World, first: &str) {
    let id = world
        .repository
        .git(&["rev-parse", &format!("{first}:apps")]);
    let object = format!(".git/objects/{}/{}", &id[..2], id[2..].trim());
    std::fs::remove_file(world.repository.path().join(object)).expect("it is loose");
}

#[test]
fn g91_what_cannot_matter_is_not_looked_for_in_history() {
    // Each beside the same without the reason, where history is searched and cannot be read.
    for (case, code) in [
        ("nothing but a removal", 4),
        ("superseded", 9),
        ("nothing is declared", 5),
        ("held whatever history says", 7),
        ("nothing but a removal, planned", 4),
        // A plan tells what removed each of them beside the guard that refuses.
        ("nothing is declared, planned", 4),
    ] {
        let world = World::new(&["a", "b"]);
        let first = world.repository.head();
        world.sync(&[]).ends(0);
        world.repository.remove("apps/a.yaml");
        if case.starts_with("nothing is declared") {
            world.repository.remove("apps/b.yaml");
            world.repository.write("apps/c.yaml", "kind: ConfigMap\n");
        }
        let removal = world.repository.commit("Remove a");
        world.declare("c");
        if case == "superseded" {
            world.repository.commit("newer");
            world.run(&["apply"]).ends(0);
        }
        if case == "held whatever history says" {
            world.set_tag("a", "role.k8s.aws/last-commit", "spoiled");
        }
        cut_history(&world, &first);
        let at_removal = ["--mode", "sync", "--revision", &removal];
        let verb = if case.ends_with("planned") {
            "plan"
        } else {
            "apply"
        };
        let run = world.run(&[&[verb][..], &at_removal].concat()).ends(code);
        assert!(run.stdout.contains('{'), "{case}: {}", run.stdout);
        assert!(!world.role("a").is_null(), "{case}");
    }
}

#[test]
fn g91_a_plan_that_is_superseded_still_shows_what_was_removed() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    let removal = world.repository.commit("Remove a");
    world.declare("c");
    world.repository.commit("newer");
    world.run(&["apply"]).ends(0);
    let run = world
        .run(&["plan", "--mode", "sync", "--revision", &removal])
        .ends(9);
    assert!(
        run.changes()
            .contains(&"k8s-sa_bar_a quarantine".to_owned()),
        "{}",
        run.stdout
    );
    let explained = world.print(&["explain", "bar/a", "--mode", "sync", "--revision", &removal]);
    assert!(
        explained.stdout.contains(&removal[..12]),
        "{}",
        explained.stdout
    );
}
