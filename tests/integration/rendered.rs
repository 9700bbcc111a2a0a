//! Manifests that a job renders: plain files, the repository of their commit, and what the commit
//! that was applied last was rendered to.

use std::path::{Path, PathBuf};

use crate::support::cli::{Run, state};
use crate::support::repository::{git, service_account};
use crate::support::world::{World, reason};

mod hidden;

/// A repository of sources, and what its commits were rendered to beside it.
struct Job {
    world: World,
}

impl Job {
    /// A first commit, rendered to `first` with these ServiceAccounts and applied.
    fn new(accounts: &[&str]) -> (Self, String) {
        Self::of(accounts, &[])
    }

    /// The same of a job that reads these paths.
    fn of(accounts: &[&str], paths: &[&str]) -> (Self, String) {
        let job = Self {
            world: World::with(&[("values.yaml", "replicas: 1\n")]),
        };
        let first = job.world.repository.head();
        job.render("first", accounts);
        let place = job.place("first");
        let rendered = ["--directory", &place, "--commit", &first];
        job.run(&[&rendered, paths].concat()).ends(0);
        (job, first)
    }

    fn place(&self, name: &str) -> String {
        self.world.file(name).display().to_string()
    }

    fn write(&self, name: &str, path: &str, text: &str) -> PathBuf {
        let file = self.world.file(name).join(path);
        std::fs::create_dir_all(file.parent().expect("below")).expect("a directory");
        std::fs::write(&file, text).expect("a file");
        file
    }

    fn render(&self, name: &str, accounts: &[&str]) {
        let all = accounts.iter().map(|name| service_account("bar", name));
        let all: Vec<String> = all.collect();
        self.write(name, "apps/all.yaml", &all.join("---\n"));
    }

    fn commit(&self, message: &str) -> String {
        self.world.repository.write("values.yaml", message);
        self.world.repository.commit(message)
    }

    /// A run in mode sync with the repository that the job is in.
    fn run(&self, arguments: &[&str]) -> Run {
        let all = ["apply", "--mode", "sync", "--format", "json", "."];
        self.world.print(&[&all, arguments].concat())
    }

    /// One of what a commit was rendered to, compared with another.
    fn compared(&self, new: (&str, &str), base: (&str, &str)) -> Run {
        self.run(&[
            "--directory",
            &self.place(new.0),
            "--commit",
            new.1,
            "--base-directory",
            &self.place(base.0),
            "--base-commit",
            base.1,
        ])
    }
}

fn code(run: &Run, index: usize) -> String {
    let code = &run.json()["clusters"][0]["changes"][index]["reasonCode"];
    code.as_str().unwrap_or_default().to_owned()
}

#[test]
fn g80_what_the_last_render_has_and_the_new_one_has_not_is_retired() {
    let (job, first) = Job::new(&["a", "b"]);
    let second = job.commit("drop a");
    job.render("second", &["b"]);
    let run = job.compared(("second", &second), ("first", &first)).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    let said = reason(&run, 0);
    assert!(said.contains(&second[..12]), "{said}");
    assert!(
        said.contains("Ann Author") && said.contains("drop a"),
        "{said}"
    );
    // The repository is what the roles tell of, not a directory of the job.
    let source = job
        .world
        .tag("b", "role.k8s.aws/source")
        .unwrap_or_default();
    assert!(source.ends_with("/apps/all.yaml"), "{source}");
    assert!(!source.contains("first"), "{source}");
    // The same again finds it done, whatever it is compared with.
    let run = job.compared(("second", &second), ("second", &second));
    assert_eq!(run.ends(0).changes(), ["k8s-sa_bar_a orphan"]);
    // Its quarantine ends with the witness of the repository.
    let third = job.commit("three");
    job.render("third", &["b"]);
    let run = job.run(&[
        "--directory",
        &job.place("third"),
        "--commit",
        &third,
        "--prune-after",
        "0",
    ]);
    assert_eq!(run.ends(0).changes(), ["k8s-sa_bar_a delete done"]);
}

#[test]
fn g80_a_render_of_several_commits_names_the_first_and_the_last() {
    let (job, first) = Job::new(&["a", "b"]);
    job.commit("between");
    let third = job.commit("three");
    job.render("third", &["b"]);
    let run = job.compared(("third", &third), ("first", &first)).ends(0);
    let said = reason(&run, 0);
    let between = format!("removed after commit {} and by commit", &first[..12]);
    assert!(said.contains(&between), "{said}");
}

#[test]
fn g80_a_false_annotation_and_none_retire_as_they_do_in_a_repository() {
    let ours = service_account("bar", "a");
    let unmanaged = ours.replace("\"true\"", "\"false\"");
    let (bare, _) = ours.split_once("  annotations:").expect("annotations");
    for text in [&*unmanaged, bare] {
        let (job, first) = Job::new(&["a", "b"]);
        let second = job.commit("two");
        let both = format!("{text}---\n{}", service_account("bar", "b"));
        job.write("second", "apps/all.yaml", &both);
        let run = job.compared(("second", &second), ("first", &first)).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
        assert_eq!(code(&run, 0), "unmanaged", "{text}");
    }
}

#[test]
fn g80_what_may_hide_the_service_account_holds_its_role() {
    // What names the role would hold it whatever was there before.
    let ours = service_account("bar", "a").replace("bar_a", "bar_z");
    let other = service_account("bar", "b");
    let templated = ours.replace("name: a\n", "name: {{ .name }}\n");
    for (path, text) in [
        // Broken in its place, and elsewhere.
        ("apps/all.yaml", format!("{other}---\n{templated}")),
        ("moved.yaml", templated.clone()),
        ("moved.yaml", "kind: [ServiceAccount\nname: a\n".to_owned()),
        (
            "moved.yaml",
            ours.replace("  namespace: bar\n", "").to_owned(),
        ),
        (
            "moved.yaml",
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".to_owned(),
        ),
    ] {
        let (job, first) = Job::new(&["a", "b"]);
        let second = job.commit("two");
        job.render("second", &["b"]);
        job.write("second", path, &text);
        let run = job.compared(("second", &second), ("first", &first));
        assert_eq!(code(&run, 0), "change-unreadable", "{path}: {text}");
        // As it was before, it hides nothing.
        if path == "moved.yaml" {
            job.write("first", path, &text);
            let run = job.compared(("second", &second), ("first", &first));
            assert_eq!(run.changes()[0], "k8s-sa_bar_a quarantine done", "{text}");
        }
    }
}

#[test]
fn g80_what_moved_out_of_the_paths_of_a_render_was_not_removed() {
    let (job, first) = Job::of(&["a", "b"], &["--path", "apps"]);
    let second = job.commit("two");
    job.render("second", &["b"]);
    job.write("second", "other/a.yaml", &service_account("bar", "a"));
    let paths = |base: &str| {
        job.run(&[
            "--path",
            "apps",
            "--directory",
            &job.place("second"),
            "--commit",
            &second,
            "--base-directory",
            &job.place(base),
            "--base-commit",
            &first,
        ])
    };
    assert_eq!(code(&paths("first").ends(7), 0), "declared-elsewhere");
    // A fixture that was there all along is no new place.
    job.write("first", "other/a.yaml", &service_account("bar", "a"));
    assert_eq!(
        paths("first").ends(0).changes(),
        ["k8s-sa_bar_a quarantine done"]
    );
}

/// As in a repository: half a file is no removal, wherever it is.
#[test]
fn g80_half_a_file_of_a_render_is_no_removal() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: bar\ndata:\n  one: x\n  two: y\n";
    let a = service_account("bar", "a");
    let half = config.replace("  two: y\n", "");
    for (left, path, text, code_of) in [
        // Renamed and cut, or emptied.
        (None, "apps/new.yaml", half.as_str(), Some("apps/new.yaml")),
        (None, "apps/x/first.yaml", "", Some("apps/x/first.yaml")),
        // One of two files that declare it is gone, the other one cut.
        (
            Some(half.as_str()),
            "apps/z.yaml",
            "",
            Some("apps/first.yaml"),
        ),
        (Some(config), "apps/z.yaml", config, None),
    ] {
        let (job, first) = Job::new(&["b"]);
        job.write("first", "apps/first.yaml", &format!("{config}---\n{a}"));
        job.write("first", "apps/own.yaml", &a);
        let place = job.place("first");
        job.run(&["--directory", &place, "--commit", &first])
            .ends(0);
        let second = job.commit("two");
        job.render("second", &["b"]);
        if let Some(left) = left {
            job.write("second", "apps/first.yaml", left);
        }
        job.write("second", path, text);
        let run = job.run(&[
            "--directory",
            &job.place("second"),
            "--commit",
            &second,
            "--base-directory",
            &place,
            "--base-commit",
            &first,
        ]);
        match code_of {
            Some(path) => {
                assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{path}");
                assert!(reason(&run, 0).contains(path), "{}", reason(&run, 0));
            }
            None => assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]),
        }
    }
}

#[test]
fn g81_a_base_that_proves_nothing_retires_nothing() {
    let (job, first) = Job::new(&["a", "b"]);
    let second = job.commit("two");
    job.render("second", &["b"]);
    job.render("empty", &["b"]);
    let before = state(&job.world.iam())["roles"].clone();
    let held = |run: Run, why: &str, said: &str| {
        let run = run.ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
        assert_eq!(code(&run, 0), why);
        assert!(reason(&run, 0).contains(said), "{}", reason(&run, 0));
    };
    // None, the commit itself, and one that did not have it.
    let alone = ["--directory", &job.place("second"), "--commit", &second];
    held(job.run(&alone), "no-base", "--base-directory");
    held(
        job.compared(("second", &second), ("first", &second)),
        "unfit-base",
        "is not before",
    );
    held(
        job.compared(("second", &second), ("empty", &first)),
        "not-in-base",
        "does not declare it either",
    );
    let unmanaged = service_account("bar", "a").replace("\"true\"", "\"false\"");
    job.write("unmanaged", "apps/all.yaml", &unmanaged);
    held(
        job.compared(("second", &second), ("unmanaged", &first)),
        "not-in-base",
        "does not declare it either",
    );
    // A commit of nobody's history.
    let unknown = "1".repeat(40);
    held(
        job.compared(("second", &second), ("first", &unknown)),
        "unfit-base",
        "is not before",
    );
    let roles = state(&job.world.iam())["roles"].clone();
    assert_eq!(roles[1], before[1], "the role is as it was");
}

#[test]
fn g81_the_base_must_be_what_was_applied_and_hold_each_roles_last_commit() {
    let (job, first) = Job::new(&["b"]);
    let second = job.commit("two");
    job.render("second", &["a", "b"]);
    let with = ["--directory", &job.place("second"), "--commit", &second];
    job.run(&with).ends(0);
    let third = job.commit("three");
    job.render("third", &["b"]);
    // The role was written after that.
    job.render("first", &["a", "b"]);
    let run = job.compared(("third", &third), ("first", &first)).ends(7);
    assert_eq!(code(&run, 0), "unfit-base");
    assert!(reason(&run, 0).contains(&second), "{}", reason(&run, 0));
    // What never was applied is no base, although it is in order.
    let fourth = job.commit("four");
    job.render("fourth", &["b"]);
    job.world.edit(|state| {
        let text = state.to_string();
        let applied = text.replace(&format!("{third}@"), &format!("{second}@"));
        *state = serde_json::from_str(&applied).expect("JSON");
    });
    job.render("never", &["a", "b"]);
    let run = job.compared(("fourth", &fourth), ("never", &third)).ends(7);
    assert_eq!(code(&run, 0), "unfit-base");
    assert!(
        reason(&run, 0).contains("applied last"),
        "{}",
        reason(&run, 0)
    );
    let run = job.compared(("fourth", &fourth), ("second", &second));
    assert_eq!(run.ends(0).changes(), ["k8s-sa_bar_a quarantine done"]);
}

#[test]
fn g82_the_repository_beside_a_directory_tells_the_order_of_commits() {
    let (job, first) = Job::new(&["a"]);
    let second = job.commit("two");
    job.render("second", &["a", "b"]);
    job.run(&["--directory", &job.place("second"), "--commit", &second])
        .ends(0);
    // A late run of an older commit is late, although only files are read.
    let run = job.run(&["--directory", &job.place("first"), "--commit", &first]);
    assert!(run.ends(9).stdout.contains("is newer than"));
    // A commit that the repository does not have is an error, as it is one to read.
    let unknown = "1".repeat(40);
    let run = job.run(&["--directory", &job.place("first"), "--commit", &unknown]);
    assert!(run.ends(4).stdout.contains(&unknown));
    // Without a commit it is not looked at, and that is said.
    let lint = ["lint", ".", "--directory", &job.place("first")];
    let run = job.world.run(&lint).ends(0);
    assert!(
        run.stdout.contains("REPO is not looked at"),
        "{}",
        run.stdout
    );
    // A variable is as good as an argument.
    let all = [
        "plan",
        "--directory",
        &job.place("first"),
        "--commit",
        &first,
    ];
    let cli = job.world.cli(&all).env("IRSA_GITOPS_REPO", ".");
    assert!(cli.run().ends(9).stderr.contains("is newer than"));
    // Without one, there is no order to be known.
    let run = job.world.print(&all).ends(0);
    assert!(run.stdout.contains("order-not-proven"), "{}", run.stdout);
}

#[test]
fn g82_a_clone_without_history_retires_nothing_from_a_render() {
    let (job, first) = Job::new(&["a", "b"]);
    let second = job.commit("two");
    job.render("second", &["b"]);
    let url = format!("file://{}", job.world.repository.path().display());
    let clone = job.world.file("clone");
    let depth = ["clone", "--quiet", "--depth", "1", &url, "clone"];
    git(Path::new(job.world.directory.path()), &depth);
    let clone = clone.display().to_string();
    let run = job.world.sync(&[
        &clone,
        "--directory",
        &job.place("second"),
        "--commit",
        &second,
        "--base-directory",
        &job.place("first"),
        "--base-commit",
        &first,
    ]);
    assert_eq!(code(&run.ends(7), 0), "history-missing");
}

#[test]
fn g83_half_a_base_is_refused_before_anything_is_read() {
    let (job, first) = Job::new(&["a"]);
    let place = job.place("first");
    let place = place.as_str();
    for (arguments, said) in [
        (
            &[
                ".",
                "--directory",
                place,
                "--commit",
                &first,
                "--base-directory",
                place,
            ][..],
            "--base-directory needs --base-commit",
        ),
        (
            &[
                ".",
                "--directory",
                place,
                "--commit",
                &first,
                "--base-commit",
                &first,
            ],
            "--base-commit needs --base-directory",
        ),
        (
            &[
                "--directory",
                place,
                "--commit",
                &first,
                "--base-directory",
                place,
                "--base-commit",
                &first,
            ],
            "--base-directory needs REPO",
        ),
        (
            &[
                ".",
                "--directory",
                place,
                "--base-directory",
                place,
                "--base-commit",
                &first,
            ],
            "--base-directory needs --commit",
        ),
        (
            &[".", "--base-directory", place],
            "--base-directory goes with --directory only",
        ),
        (
            &[
                ".",
                "--directory",
                place,
                "--commit",
                &first,
                "--base-directory",
                place,
                "--base-commit",
                "HEAD",
            ],
            "not a full commit id",
        ),
    ] {
        let run = job.world.print(&[&["plan"], arguments].concat()).ends(2);
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    }
    // A render that is not there is an error, and not an empty one.
    let missing = job.place("missing");
    let all = [
        "--directory",
        place,
        "--commit",
        &first,
        "--base-directory",
        &missing,
        "--base-commit",
        &first,
    ];
    let run = job.run(&all);
    assert!(run.ends(4).stdout.contains("missing"));
}
