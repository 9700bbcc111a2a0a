//! Flags that several verbs take: each means the same to all of them.

use std::fs;

use crate::support::cli::{Cli, sandbox};
use crate::support::repository::{Repository, service_account};

fn foo() -> Repository {
    Repository::with(&[("apps/foo.yaml", &service_account("bar", "foo"))])
}

#[test]
fn g32_every_verb_that_reads_a_repository_takes_the_same_flags() {
    let origin = foo();
    let borrower = Repository::new();
    let objects = origin.path().join(".git/objects");
    let text = format!("{}\n", objects.display());
    borrower.write(".git/objects/info/alternates", text);
    borrower.git(&["update-ref", "refs/heads/main", &origin.head()]);
    let place = tempfile::tempdir().expect("a directory");
    let iam = sandbox(place.path());
    for verb in [
        &["lint"][..],
        &["diff", "HEAD"],
        &["plan"],
        &["apply"],
        &["explain", "bar/foo"],
        &["adopt", "k8s-sa_bar_foo"],
    ] {
        let run = |variable: &str, flags: &[&str]| {
            Cli::new(borrower.path(), &[verb, flags].concat())
                .sandbox(&iam)
                .env("IRSA_GITOPS_ALLOW_ALTERNATES", variable)
                .run()
        };
        let refused = run("false", &[]).ends(4);
        assert!(refused.stderr.contains("--allow-alternates"), "{verb:?}");
        let cache = place.path().join(verb[0]);
        let cache = cache.to_str().expect("plain");
        run("false", &["--allow-alternates", "--cache-dir", cache]).ends(0);
        run("true", &["--no-cache"]).ends(0);
        let help = run("true", &["--help"]).ends(0).stdout;
        for flag in ["--path", "--ssh-key", "--cache-dir", "--no-cache"] {
            assert!(help.contains(flag), "{verb:?} {flag}");
        }
    }
}

#[test]
fn g32_explain_and_adopt_read_plain_files_and_say_nothing_of_their_history() {
    let plain = tempfile::tempdir().expect("a directory");
    let iam = sandbox(plain.path());
    fs::write(plain.path().join("a.yaml"), service_account("bar", "foo")).expect("written");
    let run = |arguments: &[&str]| {
        let all = [arguments, &["--directory", ".", "--format", "json"]].concat();
        Cli::new(plain.path(), &all).sandbox(&iam).run().ends(0)
    };
    let commit = "1234567890123456789012345678901234567890";
    run(&["apply", "--commit", commit]);
    let text = fs::read_to_string(&iam).expect("a file");
    let edited = text.replace(":aud\": \"sts.amazonaws.com\"", ":aud\": \"somebody\"");
    assert_ne!(edited, text);
    fs::write(&iam, edited).expect("written");
    let explained = run(&["explain", "bar/foo"]).json();
    assert_eq!(explained["state"], "update", "{explained:#}");
    assert_eq!(explained["location"], "a.yaml:1:1", "{explained:#}");
    assert!(explained["drift"].is_null(), "{explained:#}");
}

/// A repository in which `bar/foo` gets another audience, beside files that hold nothing.
fn another_audience() -> Repository {
    let repository = foo();
    repository.write("apps/other.yaml", "a: 1\n");
    repository.write("new/other.yaml", "b: 1\n");
    repository.commit("other");
    let other = "    eks.amazonaws.com/audience: somebody\n";
    repository.write("apps/foo.yaml", service_account("bar", "foo") + other);
    repository.commit("audience");
    repository
}

#[test]
fn g32_diff_remembers_what_holds_nothing_and_says_the_same() {
    let repository = another_audience();
    let cache = tempfile::tempdir().expect("a directory");
    let run = |range: &str, flags: &[&str]| {
        let all = [&["diff", range, "--format", "json"], flags].concat();
        Cli::new(repository.path(), &all)
            .env("IRSA_GITOPS_NO_CACHE", "false")
            .env("IRSA_GITOPS_CACHE_DIR", cache.path())
            .run()
            .ends(0)
    };
    let files = || fs::read_dir(cache.path()).expect("a directory").count();
    for paths in [&[][..], &["--path", "apps"], &["--path", "new"]] {
        for range in ["HEAD~1..HEAD", "HEAD~2...HEAD", "HEAD..HEAD~1"] {
            let without = run(range, &[paths, &["--no-cache"]].concat());
            assert_eq!(run(range, paths).stdout, without.stdout, "cold {range}");
            assert_eq!(run(range, paths).stdout, without.stdout, "warm {range}");
        }
    }
    assert_eq!(files(), 2, "what holds nothing, and what was found");
    fs::remove_dir_all(cache.path()).expect("removed");
    fs::create_dir(cache.path()).expect("a directory");
    run("HEAD~1..HEAD", &["--no-cache"]);
    assert_eq!(files(), 0);
}

#[test]
fn i89_the_repository_is_given_in_one_way_to_every_verb_that_reads_one() {
    let (repository, other) = (foo(), Repository::new());
    let place = tempfile::tempdir().expect("a directory");
    let iam = sandbox(place.path());
    let path = repository.path().to_str().expect("UTF-8");
    let elsewhere = other.path().to_str().expect("UTF-8");
    let run = |arguments: &[&str], variable: &str| {
        let run = Cli::new(place.path(), arguments).sandbox(&iam);
        run.env("IRSA_GITOPS_REPO", variable).run()
    };
    run(&["apply", "--repo", path], "").ends(0);
    let verbs = [
        &["lint"][..],
        &["plan"],
        &["apply"],
        &["diff", "HEAD..HEAD"],
        &["explain", "bar/foo"],
        &["adopt", "k8s-sa_bar_foo"],
        &["retire", "k8s-sa_bar_foo"],
    ];
    for (number, verb) in verbs.iter().enumerate() {
        let by_flag = run(&[verb, &["--repo", path][..]].concat(), "");
        let is_one_of = |other: &crate::support::cli::Run| {
            assert_eq!(other.code, by_flag.code, "{verb:?}: {}", other.stderr);
            assert_eq!(other.stdout, by_flag.stdout, "{verb:?}");
        };
        assert!(
            [0, 7].contains(&by_flag.code),
            "{verb:?}: {}",
            by_flag.stderr
        );
        is_one_of(&run(verb, path));
        // A flag goes before its variable.
        is_one_of(&run(&[verb, &["--repo", path][..]].concat(), elsewhere));
        if number < 4 {
            is_one_of(&run(&[verb, &[path][..]].concat(), ""));
            is_one_of(&run(&[verb, &[path][..]].concat(), elsewhere));
            let twice = run(&[verb, &[path, "--repo", path][..]].concat(), "").ends(2);
            assert!(twice.stderr.contains("is given twice"), "{}", twice.stderr);
        }
    }
    // No other verb reads one, and the rule is said once.
    let help = run(&["--help"], "").ends(0).stdout;
    let (_, listed) = help.split_once("Commands:\n").expect("a list");
    let listed = listed.lines().take_while(|line| !line.is_empty());
    let listed = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for verb in listed.filter(|verb| !["", "help"].contains(verb)) {
        let reads = verbs.iter().any(|known| known[0] == verb);
        let help = run(&[verb, "--help"], "").ends(0).stdout;
        assert_eq!(help.contains("--repo <REPO>"), reads, "{verb}");
    }
    let rule = "Each verb that reads a repository takes it with --repo REPO";
    assert!(help.contains(rule), "{help}");
}
