//! Repositories as Git makes them today: sparse, partial, with other formats.

use tempfile::TempDir;

use crate::support::cli::{Cli, Run};
use crate::support::repository::{Repository, git, service_account};

/// A repository of `apps/a.yaml` and `other/b.yaml`, and a place for clones of it.
fn origin() -> (Repository, TempDir) {
    let repository = Repository::with(&[
        ("apps/a.yaml", &service_account("bar", "a")),
        ("other/b.yaml", &service_account("bar", "b")),
    ]);
    repository.git(&["config", "uploadpack.allowFilter", "true"]);
    (repository, TempDir::new().expect("a directory"))
}

fn clone(origin: &Repository, place: &TempDir, flags: &[&str]) {
    let url = format!("file://{}", origin.path().display());
    let all = [&["clone", "--quiet"], flags, &[&url, "clone"]].concat();
    git(place.path(), &all);
}

fn lint(place: &TempDir) -> Run {
    Cli::new(place.path(), &["lint", "clone"]).run()
}

/// The hint of a run that ended so.
#[track_caller]
fn hint(run: Run) -> String {
    let run = run.ends(4);
    let hint = run
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("hint: "));
    hint.unwrap_or_default().to_owned()
}

#[test]
fn g63_a_partial_clone_is_completed_by_the_command_that_the_hint_prints() {
    let (origin, place) = origin();
    clone(&origin, &place, &["--filter=blob:none", "--no-checkout"]);
    let hint = hint(lint(&place));
    let (_, rest) = hint.split_once("to have all of them: ").expect("commands");
    let (commands, _) = rest.split_once(" (").expect("their end");
    for command in commands.split("; ") {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        git(&place.path().join("clone"), &words);
    }
    lint(&place).ends(0);
}

#[test]
fn g63_references_in_a_table_are_told_how_to_become_files() {
    let (origin, place) = origin();
    let made = std::process::Command::new("git")
        .args(["init", "--quiet", "--ref-format=reftable", "clone"])
        .current_dir(place.path())
        .output()
        .expect("git can be run");
    if !made.status.success() {
        return crate::support::cli::not_run("this git knows no reftable");
    }
    let clone = place.path().join("clone");
    let from = origin.path().to_str().expect("UTF-8");
    git(&clone, &["fetch", "--quiet", from, "main"]);
    git(&clone, &["checkout", "--quiet", "-B", "main", "FETCH_HEAD"]);
    let hint = hint(lint(&place));
    assert!(hint.contains("reftable"), "{hint}");
    let (_, rest) = hint.split_once("does not read: ").expect("a command");
    let (command, _) = rest.split_once(" makes").expect("its end");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    git(place.path(), &words);
    Cli::new(place.path(), &["lint", "DIR"]).run().ends(0);
}

#[test]
fn g63_other_objects_are_told_to_be_given_as_plain_files() {
    let place = TempDir::new().expect("a directory");
    git(
        place.path(),
        &["init", "--quiet", "--object-format=sha256", "clone"],
    );
    let clone = place.path().join("clone");
    std::fs::write(clone.join("a.yaml"), service_account("bar", "a")).expect("written");
    git(&clone, &["add", "--all"]);
    git(&clone, &["commit", "--quiet", "--message", "first"]);
    let hint = hint(lint(&place));
    assert!(hint.contains("SHA-256"), "{hint}");
    assert!(hint.contains("--directory DIR --commit"), "{hint}");
    let id = git(&clone, &["rev-parse", "HEAD"]);
    let arguments = ["lint", "--directory", "clone", "--commit", &id];
    Cli::new(place.path(), &arguments).run().ends(0);
}

#[test]
fn g64_what_a_sparse_checkout_leaves_out_is_no_change() {
    let (origin, place) = origin();
    clone(&origin, &place, &["--sparse"]);
    let clone = place.path().join("clone");
    git(&clone, &["sparse-checkout", "set", "apps"]);
    assert!(!clone.join("other").exists());
    let run = lint(&place).ends(0);
    assert!(!run.stdout.contains("dirty"), "{}", run.stdout);
    // What is there and differs is one, and so is what somebody removed.
    let manifest = service_account("bar", "a") + "    x: y\n";
    std::fs::write(clone.join("apps/a.yaml"), manifest).expect("written");
    let run = lint(&place).ends(0);
    assert!(
        run.stdout.contains("`apps/a.yaml` differs"),
        "{}",
        run.stdout
    );
    std::fs::remove_file(clone.join("apps/a.yaml")).expect("removed");
    let run = lint(&place).ends(0);
    assert!(
        run.stdout.contains("`apps/a.yaml` differs"),
        "{}",
        run.stdout
    );
}

#[test]
fn g89_edits_of_every_kind_are_told_and_what_cannot_matter_is_not() {
    type Edit = fn(&Repository);
    let edits: [(&str, Edit); 12] = [
        ("`apps/a.yaml` differs", |it| {
            it.write("apps/a.yaml", service_account("bar", "z"));
        }),
        ("`apps/a.yaml` and 1 more differ", |it| {
            it.git(&["mv", "apps/a.yaml", "apps/z.yaml"]);
        }),
        ("`apps/a.yaml` differs", |it| {
            it.write("apps/a.yaml", service_account("bar", "z"));
            it.git(&["add", "--all"]);
            it.write("apps/a.yaml", service_account("bar", "a"));
        }),
        ("`apps/a.yaml` differs", |it| {
            it.git(&["rm", "--quiet", "--cached", "apps/a.yaml"]);
        }),
        ("`new/dir/n.json` differs", |it| {
            it.write("new/dir/n.json", service_account("bar", "n"));
        }),
        ("`apps/n.yaml` differs", |it| {
            it.git(&["init", "--quiet", "apps"]);
            it.write("apps/n.yaml", service_account("bar", "n"));
        }),
        ("", |it| {
            it.write("nested/n.yaml", service_account("bar", "n"));
            it.git(&["init", "--quiet", "nested"]);
        }),
        ("", |it| {
            it.write("build/n.yaml", service_account("bar", "n"));
            it.write(".gitignore", "build/\n*.local.yaml\n");
            it.write("apps/n.local.yaml", service_account("bar", "n"));
        }),
        ("", |it| {
            it.write("apps/plain.yaml", "a: 1\n");
            it.write("apps/notes.txt", service_account("bar", "n"));
        }),
        ("", |it| {
            it.write("apps/a.yaml", service_account("bar", "a"));
        }),
        ("", |it| {
            it.git(&["update-index", "--assume-unchanged", "apps/a.yaml"]);
            it.write("apps/a.yaml", service_account("bar", "z"));
        }),
        ("", |it| {
            it.write("left-out/n.yaml", service_account("bar", "n"));
        }),
    ];
    for (number, (told, edit)) in edits.into_iter().enumerate() {
        let repository = Repository::with(&[("apps/a.yaml", &service_account("bar", "a"))]);
        edit(&repository);
        let arguments = ["lint", "--exclude", "left-out"];
        let shown = Cli::new(repository.path(), &arguments).run().ends(0).stdout;
        let is_told = shown.contains("in the work tree from commit");
        assert_eq!(is_told, !told.is_empty(), "{number}: {shown}");
        assert!(shown.contains(told), "{number}: {shown}");
    }
}
