//! What is given for a repository and is only a part of one, or none yet.

use std::path::Path;

use crate::support::cli::{Cli, Run, sandbox};
use crate::support::repository::{Repository, git, service_account};

/// Two clusters in one repository.
fn clusters() -> Repository {
    Repository::with(&[
        ("clusters/prod/a.yaml", &service_account("bar", "a")),
        ("clusters/it's new/b.yaml", &service_account("bar", "b")),
        ("clusters/staging/c.yaml", &service_account("bar", "c")),
    ])
}

fn run(directory: &Path, arguments: &[&str]) -> Run {
    let outside = tempfile::tempdir().expect("a directory");
    let iam = sandbox(outside.path());
    Cli::new(directory, arguments).sandbox(&iam).run()
}

#[track_caller]
fn meant(run: Run, command: &str) {
    let run = run.ends(4);
    let line = run.stderr.lines().find(|line| line.starts_with("hint: "));
    let line = line.unwrap_or_default();
    assert!(
        line.contains(&format!(": {command} --cluster-name prod")),
        "{command}\n{}",
        run.stderr
    );
}

#[test]
fn g29_a_part_of_a_repository_is_not_taken_for_all_of_it() {
    let repository = clusters();
    let root = repository.path().canonicalize().expect("a directory");
    let root = root.display();
    let at = |arguments: &[&str]| run(repository.path(), arguments);
    for verb in ["lint", "plan", "apply"] {
        let part = format!("irsa-gitops {verb} --repo {root} --path clusters/prod");
        meant(at(&[verb, "clusters/prod"]), &part);
        meant(at(&[verb, &format!("{root}/clusters/prod/")]), &part);
        meant(
            at(&[verb, &format!("file://{root}/clusters/prod")]),
            &part.replacen(&format!("{root}"), &format!("file://{root}"), 1),
        );
        // The default is no exception.
        meant(
            run(&repository.path().join("clusters/prod"), &[verb]),
            &part,
        );
        meant(at(&[verb, "clusters", "--path", "./prod/"]), &part);
        meant(at(&[verb, "clusters", "--path", "clusters/prod"]), &part);
        meant(
            at(&[verb, "clusters", "--path", "prod", "--path", "staging"]),
            &format!("{part} --path clusters/staging"),
        );
        meant(
            at(&[verb, "clusters/prod/a.yaml"]),
            &format!("{part}/a.yaml"),
        );
        meant(
            at(&[verb, "clusters/it's new"]),
            &format!(r"irsa-gitops {verb} --repo {root} --path 'clusters/it'\''s new'"),
        );
        meant(
            at(&[verb, ".git/refs"]),
            &format!("irsa-gitops {verb} --repo {root}"),
        );
    }
    let part = format!("{root} --path clusters/prod");
    meant(
        at(&["diff", "HEAD..HEAD", "clusters/prod"]),
        &format!("irsa-gitops diff HEAD..HEAD --repo {part}"),
    );
    meant(
        at(&["explain", "bar/a", "--repo", "clusters/prod"]),
        &format!("irsa-gitops explain bar/a --repo {part}"),
    );
    meant(
        at(&[
            "adopt",
            "k8s-sa_bar_a",
            "k8s-sa_bar_b",
            "--repo",
            "clusters/prod",
        ]),
        &format!("irsa-gitops adopt k8s-sa_bar_a k8s-sa_bar_b --repo {part}"),
    );
    std::os::unix::fs::symlink("clusters/prod", repository.path().join("link")).expect("a link");
    meant(
        at(&["lint", "link"]),
        &format!("irsa-gitops lint --repo {part}"),
    );
    at(&["lint", "nowhere"]).ends(4);
    // What was meant works.
    let run = at(&[
        "plan",
        &root.to_string(),
        "--path",
        "clusters/prod",
        "--format",
        "json",
    ]);
    assert_eq!(run.ends(0).changes(), ["k8s-sa_bar_a create"]);
}

#[test]
fn g29_where_a_checkout_failed_the_repository_around_it_is_not_read() {
    let repository = clusters();
    let directory = repository.path().join("vendor/apps");
    std::fs::create_dir_all(&directory).expect("a directory");
    for broken in [false, true] {
        if broken {
            std::fs::create_dir(directory.join(".git")).expect("a directory");
        }
        let run = run(repository.path(), &["apply", "vendor/apps"]).ends(4);
        assert!(run.stderr.contains("its checkout failed"), "{}", run.stderr);
    }
    let run = run(repository.path(), &["apply", "clusters/prod"]).ends(4);
    assert!(!run.stderr.contains("checkout failed"), "{}", run.stderr);
}

#[test]
fn g29_every_kind_of_root_is_one() {
    let repository = clusters();
    let outside = tempfile::tempdir().expect("a directory");
    let path = |name: &str| outside.path().join(name).display().to_string();
    let here = repository.path().display().to_string();
    git(
        outside.path(),
        &["clone", "--quiet", "--bare", &here, "bare.git"],
    );
    repository.git(&["worktree", "add", "--quiet", "--detach", &path("tree")]);
    std::os::unix::fs::symlink(repository.path(), path("link")).expect("a link");
    let outer = Repository::with(&[("README.md", "text")]);
    outer.git(&["submodule", "--quiet", "add", &here, "inner"]);
    let inner = outer.path().join("inner").display().to_string();
    let roots = [
        here.clone(),
        format!("{here}/"),
        format!("{here}/clusters/.."),
        format!("{here}/.git"),
        format!("file://{here}"),
        path("bare.git"),
        path("tree"),
        path("link"),
        inner,
        ".".to_owned(),
    ];
    for root in roots {
        let run = run(repository.path(), &["plan", &root, "--format", "json"]).ends(0);
        assert_eq!(run.json()["summary"]["create"], 3, "{root}");
    }
}

#[test]
fn g20_g29_a_part_of_somebody_elses_repository_is_theirs() {
    let repository = clusters();
    for path in [".", ".git"] {
        let path = repository.path().join(path);
        if std::os::unix::fs::chown(path, Some(12345), None).is_err() {
            return crate::support::cli::not_run(
                "a repository of another user, because only root can give one away",
            );
        }
    }
    let run = run(repository.path(), &["lint", "clusters/prod"]).ends(4);
    assert!(run.stderr.contains("safe.directory"), "{}", run.stderr);
}
