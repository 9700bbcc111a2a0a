//! Where manifests come from: revisions, scopes, damaged and hostile repositories.

use std::fs;

use sha2::{Digest, Sha256};

use crate::support::cli::{Cli, Run, sandbox};
use crate::support::repository::{Repository, service_account};

fn lint(repository: &Repository, arguments: &[&str]) -> Run {
    let all = [&["lint", "--format", "json"], arguments].concat();
    Cli::new(repository.path(), &all).run()
}

fn foo() -> Repository {
    Repository::with(&[("apps/foo.yaml", &service_account("bar", "foo"))])
}

fn message(run: &Run) -> String {
    run.json()["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn g6_a_revision_that_is_not_there_is_an_error() {
    let repository = foo();
    for revision in [
        "nobody",
        "0123456789012345678901234567890123456789",
        "HEAD~5",
        "HEAD:apps",
    ] {
        let run = lint(&repository, &["--revision", revision]).ends(4);
        assert!(message(&run).contains(revision), "{}", message(&run));
    }
}

#[test]
fn g21_an_empty_repository_has_no_commit() {
    let run = lint(&Repository::new(), &[]).ends(4);
    assert!(message(&run).contains("has no commit"), "{}", message(&run));
}

#[test]
fn g24_a_path_that_is_not_there_is_an_error() {
    let repository = foo();
    let run = lint(&repository, &["--path", "apps", "--path", "typo"]).ends(4);
    assert!(message(&run).contains("`typo`"), "{}", message(&run));
    lint(&repository, &["--path", "./apps/"]).ends(0);
    let run = Cli::new(repository.path(), &["lint", "--directory", "typo"])
        .run()
        .ends(4);
    assert!(run.stderr.contains("typo"), "{}", run.stderr);
}

#[test]
fn g25_urls_that_could_run_something_are_refused() {
    let repository = foo();
    for url in [
        "ext::sh -c touch% /tmp/x",
        "ssh://-oProxyCommand=x/y",
        "git://example.com/x",
        "http://example.com/x",
        "https://",
    ] {
        let run = lint(&repository, &[url]).ends(2);
        assert!(
            message(&run).contains("is not a repository this program opens"),
            "{url}: {}",
            message(&run)
        );
    }
}

#[test]
fn g11_g12_g13_what_is_not_read_is_named() {
    let repository = foo();
    repository.write(
        "apps/lfs.yaml",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    );
    std::os::unix::fs::symlink("/etc/passwd", repository.path().join("apps/link.yaml"))
        .expect("a link");
    repository.commit("odd things");
    let head = repository.head();
    repository.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{head},apps/module"),
    ]);
    repository.git(&["commit", "--quiet", "--message", "a submodule"]);
    let run = lint(&repository, &[]).ends(4);
    assert_eq!(run.codes(), ["not-read", "not-read", "not-read"]);
    assert!(
        !run.stdout.contains("root:"),
        "nothing outside the repository is read"
    );
    let run = lint(&repository, &["--directory", "."]).ends(4);
    assert_eq!(
        run.codes()
            .iter()
            .filter(|code| *code == "not-read")
            .count(),
        2
    );
}

#[test]
fn g9_a_damaged_object_is_named_and_one_that_is_not_read_does_no_harm() {
    let repository = foo();
    repository.write("README.md", "not a manifest");
    repository.commit("readme");
    let damage = |path: &str| {
        let id = repository.git(&["rev-parse", &format!("HEAD:{path}")]);
        let file = repository
            .path()
            .join(format!(".git/objects/{}/{}", &id[..2], &id[2..]));
        fs::remove_file(&file).expect("a loose object");
        fs::write(&file, "garbage").expect("a file");
        id
    };
    damage("README.md");
    lint(&repository, &[]).ends(0);
    let id = damage("apps/foo.yaml");
    let run = lint(&repository, &[]).ends(4);
    assert!(message(&run).contains(&id), "{}", message(&run));
}

#[test]
fn g9_an_object_with_another_content_is_refused() {
    let repository = foo();
    let id = |path: &str| repository.git(&["rev-parse", &format!("HEAD:{path}")]);
    let object = |id: &str| {
        repository
            .path()
            .join(format!(".git/objects/{}/{}", &id[..2], &id[2..]))
    };
    let wanted = id("apps/foo.yaml");
    repository.write("apps/foo.yaml", "nothing: here\n");
    repository.commit("other");
    let other = id("apps/foo.yaml");
    fs::remove_file(object(&wanted)).expect("a loose object");
    fs::copy(object(&other), object(&wanted)).expect("a copy");
    let run = lint(&repository, &["--revision", "HEAD~1"]).ends(4);
    assert!(message(&run).contains(&wanted), "{}", message(&run));
}

#[test]
fn g16_g17_odd_names_are_read_and_shown_harmless() {
    let repository = Repository::new();
    let bad = service_account("bar", "Foo");
    let odd = std::ffi::OsStr::new("a\u{1b}[2J\nb.yaml");
    fs::write(repository.path().join(odd), &bad).expect("a file");
    fs::write(
        repository.path().join("A.yaml"),
        service_account("bar", "a"),
    )
    .expect("a file");
    fs::write(
        repository.path().join("a.yaml"),
        service_account("bar", "b"),
    )
    .expect("a file");
    repository.commit("odd");
    let run = Cli::new(repository.path(), &["lint"]).run().ends(4);
    assert!(
        run.stdout
            .contains("a\\u{1b}[2J\\nb.yaml:4:9: error[invalid-name]"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains('\u{1b}'), "{}", run.stdout);
}

#[test]
fn g18_the_repositorys_own_configuration_runs_nothing() {
    let repository = foo();
    let marker = repository.path().join("ran");
    let run = format!("touch {}", marker.display());
    repository.git(&["config", "core.fsmonitor", &run]);
    repository.git(&["config", "core.sshCommand", &run]);
    repository.git(&["config", "filter.x.smudge", &run]);
    repository.write(".gitattributes", "*.yaml filter=x\n");
    let hook = repository.write(".git/hooks/post-checkout", format!("#!/bin/sh\n{run}\n"));
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("executable");
    lint(&repository, &[]).ends(0);
    assert!(!marker.exists());
}

#[test]
fn g19_objects_borrowed_from_elsewhere_are_refused_unless_allowed() {
    let origin = foo();
    let borrower = Repository::new();
    let objects = origin.path().join(".git/objects");
    borrower.write(
        ".git/objects/info/alternates",
        format!("{}\n", objects.display()),
    );
    borrower.git(&["update-ref", "refs/heads/main", &origin.head()]);
    lint(&borrower, &[]).ends(4);
    lint(&borrower, &["--allow-alternates"]).ends(0);
}

#[test]
fn g19_a_file_that_names_no_place_borrows_nothing() {
    let repository = foo();
    for (text, code) in [
        ("", 0),
        ("\n", 0),
        (" \t\n\r\n", 0),
        ("# moved\n\n#/somewhere\r\n", 0),
        ("/somewhere", 4),
        ("# moved\n../../other/objects\n", 4),
        (" # a place with a strange name\n", 4),
        ("# libgit2 ends a line here, too\r/somewhere\n", 4),
    ] {
        repository.write(".git/objects/info/alternates", text);
        let run = lint(&repository, &[]);
        assert_eq!(run.code, code, "{text:?}: {}", run.stderr);
    }
    repository.remove(".git/objects/info/alternates");
    repository.write(".git/objects/info/alternates/unexpected", "");
    lint(&repository, &[]).ends(4);
}

#[test]
fn g26_replace_refs_are_ignored() {
    let repository = foo();
    let first = repository.head();
    repository.write("apps/foo.yaml", service_account("bar", "Bad"));
    let second = repository.commit("bad");
    repository.git(&["replace", &first, &second]);
    lint(&repository, &["--revision", &first]).ends(0);
}

#[test]
fn a_bare_repository_and_a_file_url_are_read_like_the_original() {
    let repository = foo();
    let bare = tempfile::tempdir().expect("a directory");
    let bare_path = bare.path().join("x.git");
    repository.git(&[
        "clone",
        "--quiet",
        "--bare",
        ".",
        bare_path.to_str().expect("UTF-8"),
    ]);
    for address in [
        bare_path.display().to_string(),
        format!("file://{}", bare_path.display()),
    ] {
        let iam = sandbox(bare.path());
        let run = Cli::new(bare.path(), &["plan", &address, "--format", "json"])
            .sandbox(&iam)
            .run()
            .ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_foo create"], "{address}");
        assert_eq!(run.json()["commit"], repository.head(), "{address}");
    }
}

#[test]
fn twenty_thousand_files_with_one_unreadable_blob_are_read() {
    let repository = foo();
    for n in 0..20_000 {
        repository.write(&format!("d{}/{n}.yaml", n % 100), format!("a: {n}\n"));
    }
    let unreadable = repository.write("picture.png", "not a manifest");
    repository.commit("many");
    let id = repository.git(&["hash-object", unreadable.to_str().expect("UTF-8")]);
    fs::remove_file(
        repository
            .path()
            .join(format!(".git/objects/{}/{}", &id[..2], &id[2..])),
    )
    .expect("a loose object");
    let iam = sandbox(repository.path());
    let run = Cli::new(repository.path(), &["plan", "--format", "json"])
        .sandbox(&iam)
        .run()
        .ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_foo create"]);
}

#[test]
fn g10_an_object_that_was_never_fetched_is_named() {
    let repository = foo();
    let id = repository.git(&["rev-parse", "HEAD:apps/foo.yaml"]);
    fs::remove_file(
        repository
            .path()
            .join(format!(".git/objects/{}/{}", &id[..2], &id[2..])),
    )
    .expect("a loose object");
    let run = lint(&repository, &[]).ends(4);
    assert!(
        message(&run).contains(&id) && run.stdout.contains("partial clone"),
        "{}",
        run.stdout
    );
}

#[test]
fn g15_directories_that_nest_too_deeply_are_refused() {
    let repository = Repository::new();
    let blob = repository.write("x", "a: 1\n");
    let id = repository.git(&["hash-object", "-w", blob.to_str().expect("UTF-8")]);
    let mut entry = format!("100644 blob {id}\ta.yaml\n");
    for _ in 0..600 {
        let list = repository.write("list", &entry);
        let script = format!("git mktree < {}", list.display());
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(repository.path())
            .output()
            .expect("sh can be run");
        let tree = String::from_utf8(output.stdout).expect("an id");
        entry = format!("040000 tree {}\td\n", tree.trim());
    }
    let root = entry.split_whitespace().nth(2).expect("a tree").to_owned();
    let commit = repository.git(&["commit-tree", &root, "-m", "deep"]);
    repository.git(&["update-ref", "refs/heads/main", &commit]);
    let run = lint(&repository, &[]).ends(4);
    assert!(
        message(&run).contains("nested more than"),
        "{}",
        message(&run)
    );
}

#[test]
fn g20_a_repository_of_another_user_is_explained() {
    let repository = foo();
    if std::os::unix::fs::chown(repository.path(), Some(12345), None).is_err() {
        return crate::support::cli::not_run(
            "a repository of another user, because only root can give one away",
        );
    }
    std::os::unix::fs::chown(repository.path().join(".git"), Some(12345), None).expect("root can");
    let run = lint(&repository, &[]).ends(4);
    assert!(
        run.stdout
            .contains("git config --global --add safe.directory"),
        "{}",
        run.stdout
    );
}

#[test]
fn s13_a_cache_changes_no_result_and_is_not_used_for_retiring_roles() {
    let repository = foo();
    repository.write("other.yaml", "a: 1\n");
    repository.commit("other");
    let cache = tempfile::tempdir().expect("a directory");
    let iam = sandbox(cache.path());
    let run = |arguments: &[&str]| {
        let all = [&["plan", "--format", "json"], arguments].concat();
        Cli::new(repository.path(), &all)
            .sandbox(&iam)
            .env("IRSA_GITOPS_NO_CACHE", "false")
            .env("IRSA_GITOPS_CACHE_DIR", cache.path().join("cache"))
            .run()
            .ends(0)
    };
    let ids = || {
        fs::read_dir(cache.path().join("cache")).map_or(0, |files| {
            files
                .map(|file| file.expect("a file").metadata().expect("its size").len())
                .sum::<u64>()
        })
    };
    run(&["--mode", "sync"]);
    assert_eq!(ids(), 0);
    let cold = run(&[]);
    let remembered = ids();
    assert!(remembered > 0);
    assert_eq!(run(&[]).stdout, cold.stdout);
    repository.write("another.yaml", "b: 1\n");
    repository.commit("another");
    assert_eq!(run(&[]).changes(), ["k8s-sa_bar_foo create"]);
    assert_eq!(ids(), remembered + 20);
}

#[test]
fn p6_a_broken_document_beside_a_service_account_is_never_remembered() {
    let repository = Repository::new();
    let ours = service_account("bar", "foo");
    repository.write("apps/foo.yaml", format!("{ours}---\na: 1\n---\nb: [\n"));
    repository.commit("two others");
    let cache = tempfile::tempdir().expect("a directory");
    let remembered = || {
        let name = format!("nothing-{}.ids", irsa_gitops::manifest::VERSION);
        fs::read(cache.path().join(name)).expect("a cache")
    };
    for source in [
        &[][..],
        &["--directory", ".", "--commit", &repository.head()],
    ] {
        let run = || {
            let all = [&["lint", "--format", "json"], source].concat();
            Cli::new(repository.path(), &all)
                .env("IRSA_GITOPS_NO_CACHE", "false")
                .env("IRSA_GITOPS_CACHE_DIR", cache.path())
                .run()
                .ends(4)
        };
        let first = run();
        assert_eq!(first.codes(), ["invalid-yaml"]);
        let whole = remembered();
        assert_eq!(run().stdout, first.stdout);
        assert_eq!(remembered(), whole, "the good document, and once");
    }
}

#[test]
fn s13_a_poisoned_cache_lifts_no_hold() {
    let ours = service_account("bar", "foo");
    let other = ours.trim_end().to_owned() + "\n    eks.amazonaws.com/audience: somebody\n";
    let repository = Repository::with(&[("a.yaml", &other), ("b.yaml", &ours)]);
    let cache = tempfile::tempdir().expect("a directory");
    let hidden = repository.git(&["rev-parse", "HEAD:a.yaml"]);
    let pairs = hidden.trim().as_bytes().chunks(2);
    let id: Vec<u8> = pairs
        .map(|pair| std::str::from_utf8(pair).expect("hex"))
        .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
        .collect();
    let poisoned = [b"irsa-gitops cache 1\n", &Sha256::digest(&id)[..], &id].concat();
    let name = format!("nothing-{}.ids", irsa_gitops::manifest::VERSION);
    fs::write(cache.path().join(name), poisoned).expect("written");
    let iam = sandbox(cache.path());
    let run = |command: &str| {
        Cli::new(repository.path(), &[command, "--format", "json"])
            .sandbox(&iam)
            .env("IRSA_GITOPS_NO_CACHE", "false")
            .env("IRSA_GITOPS_CACHE_DIR", cache.path())
            .run()
    };
    let plan = run("plan").ends(0);
    assert_eq!(plan.changes(), ["k8s-sa_bar_foo create"], "it hides a.yaml");
    let apply = run("apply").ends(7);
    assert_eq!(apply.changes(), ["k8s-sa_bar_foo held"]);
    assert!(apply.stderr.contains("the cache hides manifests"));
}
