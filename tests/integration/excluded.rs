//! Ignore rules, and what a run says of what it looked at.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::support::cli::{Cli, Run};
use crate::support::repository::{git, service_account};
use crate::support::world::{World, reason};

const KEY: &str = "security.kaluza.com/iam-role-managed";

/// A template of a ServiceAccount, which may be anybody's.
fn template() -> String {
    format!("{{{{ if x }}}}\nmetadata:\n  annotations: {{{KEY}: \"true\"}}\n{{{{ end }}}}\n")
}

#[test]
fn m80_what_a_rule_ignores_counts_for_nothing_and_hides_nothing() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.write("charts/x/sa.yaml", template());
    world.repository.write("charts/x/other.yaml", "a: 1\n");
    world.repository.commit("Remove a, add a chart");
    let ends = |rules: &[&str], code| {
        let run = world.run(&[&["plan", "--mode", "sync"], rules].concat());
        run.ends(code)
    };
    let run = ends(&[], 7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    // The reason names file, commit and what lifts it.
    let said = reason(&run, 0);
    let since = format!("since commit {}", &world.repository.head()[..12]);
    for part in ["charts/x/sa.yaml", &since, "--exclude /charts/x/sa.yaml"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for rules in [
        &["--exclude", "/charts/x/sa.yaml"][..],
        &["--exclude", "charts/**"],
        &["--exclude", "charts/"],
        &["--exclude", "nothing", "--exclude", "x/sa.*,charts/x"],
        &["--exclude", "**/*.yaml,!apps/*"],
    ] {
        let run = ends(rules, 0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine"], "{rules:?}");
    }
    // What is taken back counts again.
    let run = ends(&["--exclude", "charts/x/*,!sa.yaml"], 7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    let lint = world.run(&["lint", "--exclude", "charts/"]).ends(0);
    assert_eq!(lint.json()["clusters"][0]["ignored"], 2);
    let lint = world.print(&["lint", "--exclude", "charts/", "-v"]).ends(0);
    assert!(lint.stdout.contains("2 files left out"), "{}", lint.stdout);
    let told: Vec<&str> = lint
        .stderr
        .lines()
        .filter(|l| l.contains("ignored"))
        .collect();
    assert_eq!(told.len(), 1, "{}", lint.stderr);
    assert!(told[0].contains("path=charts") && told[0].contains("files=2"));
    // Without rules there is nothing to tell.
    let lint = world.run(&["lint"]).ends(4);
    assert_eq!(lint.json()["clusters"][0]["ignored"], json!(null));
}

#[test]
fn m81_ignoring_what_declares_a_role_is_an_error_and_holds_it() {
    let world = World::new(&["a", "b", "c"]);
    world.sync(&[]).ends(0);
    let rule = ["--exclude", "apps/[ab].yaml"];
    let lint = world.run(&[&["lint"], &rule[..]].concat()).ends(4);
    assert_eq!(lint.codes(), ["ignored-service-account"]);
    for part in ["`apps/[ab].yaml`", "bar/a", "apps/b.yaml:1:1", "orphans"] {
        assert!(lint.stdout.contains(part), "{part}: {}", lint.stdout);
    }
    let run = world.sync(&rule).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held", "k8s-sa_bar_b held"]);
    assert!(
        reason(&run, 0).contains("apps/[ab].yaml"),
        "{}",
        reason(&run, 0)
    );
    // So is a move into a place that is ignored: no removal.
    world.repository.remove("apps/c.yaml");
    let moved = service_account("bar", "c");
    world.repository.write("old/c.yaml", &moved);
    world.repository.commit("Move c");
    let run = world.sync(&["--exclude", "old/"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_c held"]);
    // A fixture of what is declared elsewhere is nobody's, and no second declaration.
    let fixture = service_account("bar", "b").replace("123456789012", "210987654321");
    world.repository.write("tests/b.yaml", fixture);
    world.repository.write(
        "old/idle.yaml",
        service_account("bar", "idle").replace("\"true\"", "\"false\""),
    );
    world.repository.remove("old/c.yaml");
    world.repository.write("apps/c.yaml", &moved);
    world.repository.commit("A fixture");
    assert_eq!(world.run(&["lint"]).ends(4).code, 4);
    let rules = ["--exclude", "tests/,old/"];
    assert_eq!(world.run(&[&["lint"], &rules[..]].concat()).ends(0).code, 0);
    assert_eq!(world.sync(&rules).ends(0).changes(), Vec::<String>::new());
}

#[test]
fn m82_rules_count_for_urls_directories_bases_and_the_past() {
    let world = World::new(&["a"]);
    world.repository.write("charts/sa.yaml", template());
    let base = world.repository.commit("a chart");
    world.declare("b");
    world.repository.commit("b");
    let root = world.repository.path().display().to_string();
    let url = format!("file://{root}");
    let exclude = ["--exclude", "charts/"];
    let ends = |arguments: &[&str]| {
        let run = world.run(&[arguments, &exclude[..]].concat());
        run.ends(0).codes()
    };
    let none = Vec::<String>::new();
    assert_eq!(ends(&["lint", &url]), none);
    assert_eq!(
        ends(&["lint", "--directory", &root, "--commit", &base]),
        none
    );
    assert_eq!(ends(&["lint", "--path", "charts,apps"]), none);
    assert_eq!(ends(&["diff", &base]), none);
    assert_eq!(ends(&["plan", "--base", &base]), none);
    assert_eq!(ends(&["explain", "bar/a"]), none);
    // The past: nothing there was ever a ServiceAccount's place.
    world.repository.remove("charts/sa.yaml");
    world
        .repository
        .write("charts/sa.yaml", service_account("bar", "x"));
    world.repository.commit("x");
    world.sync(&[]).ends(0);
    world.repository.remove("charts/sa.yaml");
    world.repository.commit("Remove x");
    let run = world.sync(&exclude).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_x held"]);
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_x quarantine done"]);
}

#[test]
fn m82_out_of_the_paths_a_rule_lifts_what_may_be_anybodys() {
    for (text, key) in [
        (template().replace("x }}", "a }}"), "broken-elsewhere"),
        (service_account("bar", "a"), "declared-elsewhere"),
    ] {
        let world = World::new(&["a", "b"]);
        world.sync(&["--path", "apps"]).ends(0);
        world.repository.remove("apps/a.yaml");
        world.repository.write("tests/fixture.yaml", &text);
        world.repository.commit("Remove a");
        let run = world.sync(&["--path", "apps"]).ends(7);
        let said = reason(&run, 0);
        assert_eq!(run.json()["clusters"][0]["changes"][0]["reasonCode"], key);
        assert!(said.contains("--exclude /tests/fixture.yaml"), "{said}");
        assert!(!said.contains("widen"), "{said}");
        let exclude = ["--path", "apps", "--exclude", "/tests/fixture.yaml"];
        let run = world.sync(&exclude).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    }
}

#[test]
fn m82_a_link_to_what_is_ignored_is_that_manifest() {
    let world = World::new(&[]);
    world
        .repository
        .write("base/a.yaml", service_account("bar", "a"));
    world
        .repository
        .write("apps/b.yaml", service_account("bar", "b"));
    let link = world.repository.path().join("apps/linked.yaml");
    symlink("../base/a.yaml", link).expect("a link");
    world.repository.commit("a link");
    let run = world.run(&["plan", "--exclude", "base/"]).ends(0);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_a create", "k8s-sa_bar_b create"]
    );
}

#[test]
fn i60_rules_come_from_flags_variables_and_the_configuration_never_from_the_revision() {
    let world = World::new(&["a"]);
    world.repository.write("charts/sa.yaml", template());
    for name in [
        ".gitignore",
        ".ignore",
        ".irsa-gitops-ignore",
        "charts/.gitignore",
    ] {
        world.repository.write(name, "*\n");
    }
    world.repository.git(&["add", "--force", "."]);
    world
        .repository
        .git(&["commit", "--quiet", "--message", "x"]);
    world.run(&["lint"]).ends(4);
    let cli = world.cli(&["lint"]).env("IRSA_GITOPS_EXCLUDE", "x,charts/");
    cli.run().ends(0);
    let file = world.write(
        "clusters.yaml",
        "clusters: [{name: prod, ignore: [\"charts/**\"]}]\n",
    );
    let config = ["lint", "--config", &file];
    world.run(&config).ends(0);
    let run = world.run(&[&config[..], &["--exclude", "charts/**"]].concat());
    run.ends(0);
    let run = world.run(&[&config[..], &["--exclude", "apps/**"]].concat());
    assert!(run.ends(2).stderr.contains("--exclude is `apps/**`"));
    for rule in ["", " ", "# x", "[z-a]", "!"] {
        let run = world.run(&["lint", "--exclude", rule]).ends(2);
        assert!(run.stderr.contains("--exclude"), "`{rule}`: {}", run.stderr);
    }
    // Several clusters have rules of their own.
    let two = "[{name: a, paths: apps, ignore: charts}, {name: b, paths: charts}]";
    let file = world.write("two.yaml", two);
    let cli = world.cli(&["lint", "--config", &file, "--format", "json"]);
    let run = cli.env("IRSA_GITOPS_CLUSTER_NAME", "").run().ends(4);
    let codes = |n: usize| {
        run.json()["clusters"][n]["diagnostics"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!((codes(0), codes(1)), (Some(0), Some(1)), "{}", run.stdout);
}

#[test]
fn i60_a_saved_plan_is_bound_to_its_rules() {
    let world = World::new(&["a"]);
    let file = world.file("plan.json").display().to_string();
    world
        .run(&["plan", "--out", &file, "--exclude", "x"])
        .ends(0);
    let run = world.run(&["apply", "--plan", &file]).ends(5);
    assert!(run.stdout.contains("another --exclude"), "{}", run.stdout);
    world
        .run(&["apply", "--plan", &file, "--exclude", "x"])
        .ends(0);
}

#[test]
fn m84_lint_says_what_it_checked() {
    let world = World::new(&["a", "b"]);
    let two = format!(
        "{}---\n# nothing\n---\nkind: Note\n",
        service_account("bar", "c")
    );
    world.repository.write("infra/x/c.yaml", two);
    world.repository.write("readme.md", "no manifest");
    world.repository.write("old/d.yaml", "kind: Note\n");
    world.repository.commit("more");
    let root = world.repository.path().display().to_string();
    let all = json!({
        "files": 4, "documents": 5, "serviceAccounts": 3,
        "directories": [
            { "path": "apps", "files": 2, "documents": 2, "serviceAccounts": 2 },
            { "path": "infra/x", "files": 1, "documents": 2, "serviceAccounts": 1 },
            { "path": "old", "files": 1, "documents": 1, "serviceAccounts": 0 },
        ],
    });
    for more in [&[][..], &["--directory", &root, "--commit", "HEAD"]] {
        let mut arguments = [&["lint"], more].concat();
        let head = world.repository.head();
        arguments
            .iter_mut()
            .filter(|a| **a == "HEAD")
            .for_each(|a| *a = &head);
        let run = world.run(&arguments).ends(0);
        assert_eq!(run.json()["clusters"][0]["checked"], all);
    }
    // What a cache knows to hold nothing was checked all the same.
    let cache = world.directory.path().join("cache");
    for _ in 0..2 {
        let cli = world.cli(&["lint", "--format", "json"]);
        let cli = cli
            .env("IRSA_GITOPS_NO_CACHE", "")
            .env("IRSA_GITOPS_CACHE_DIR", &cache);
        assert_eq!(cli.run().ends(0).json()["clusters"][0]["checked"], all);
    }
    let run = world.print(&["lint"]).ends(0);
    assert!(
        run.stdout
            .contains("checked 4 files, 5 documents, 3 ServiceAccounts\n"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.ends_with("no problem found\n"), "{}", run.stdout);
    assert!(!run.stdout.contains("nothing to do"), "{}", run.stdout);
    // A copy counts where it stands.
    let copy = service_account("bar", "a");
    world.repository.write("old/d.yaml", copy);
    world.repository.commit("a copy");
    let checked = &world.run(&["lint"]).ends(0).json()["clusters"][0]["checked"];
    assert_eq!(checked["directories"][0]["serviceAccounts"], 2);
    assert_eq!(checked["directories"][2]["serviceAccounts"], 1);
    // What is out of scope or ignored is no part of it.
    let run = world.run(&["lint", "--path", "apps,old", "--exclude", "old"]);
    let checked = &run.ends(0).json()["clusters"][0]["checked"];
    assert_eq!(
        (&checked["files"], &checked["documents"]),
        (&json!(2), &json!(2))
    );
    // A repository without manifests says so.
    let world = World::with(&[("readme.md", "x")]);
    let run = world.print(&["lint"]).ends(0);
    assert!(run.stdout.contains("checked 0 files"), "{}", run.stdout);
}

#[test]
fn m84_every_file_counts_whatever_it_is_and_however_it_is_read() {
    let world = World::new(&["a"]);
    for (path, content) in [
        ("apps/latin.yaml", &b"kind: Caf\xe9\n---\nkind: Note\n"[..]),
        ("apps/blank.yaml", b"# nothing\n"),
        ("apps/copy.yml", b"kind: Note\n"),
        ("apps/same.json", b"kind: Note\n"),
        (
            "apps/large.yaml",
            b"version https://git-lfs.github.com/spec/v1\n",
        ),
        ("apps/text.txt", b"kind: Note\n---\nkind: Note\n"),
    ] {
        world.repository.write(path, content);
    }
    let link = world.repository.path().join("apps/link.yaml");
    symlink("text.txt", link).expect("a link");
    world.repository.commit("more");
    let counts = |run: &Run| {
        let total = &run.json()["clusters"][0]["checked"];
        [&total["files"], &total["documents"]].map(|count| count.as_u64().expect("a number"))
    };
    let root = world.repository.path().display().to_string();
    // The link is the file that it leads to; the pointer to another place is counted as nothing.
    assert_eq!(counts(&world.run(&["lint"]).ends(4)), [6, 7]);
    assert_eq!(
        counts(&world.run(&["lint", "--directory", &root]).ends(4)),
        [5, 5]
    );
    let cache = world.directory.path().join("cache");
    let cached = |more: &[&str]| {
        let cli = world.cli(&[&["lint", "--format", "json"], more].concat());
        let cli = cli
            .env("IRSA_GITOPS_NO_CACHE", "")
            .env("IRSA_GITOPS_CACHE_DIR", &cache);
        counts(&cli.run().ends(4))
    };
    for _ in 0..2 {
        assert_eq!(cached(&[]), [6, 7]);
        assert_eq!(cached(&["--directory", &root]), [5, 5]);
    }
    // One more file, and all the others as the cache knows them.
    world
        .repository
        .write("apps/new.yaml", "kind: Note\n---\nkind: Note\n");
    world.repository.commit("one more");
    assert_eq!(cached(&[]), [7, 9]);
    assert_eq!(cached(&[]), [7, 9]);
}

#[test]
fn g75_a_submodule_is_a_note() {
    let world = World::new(&["a"]);
    let entry = format!("160000,{},vendor", "1".repeat(40));
    let root = world.repository.path();
    git(root, &["update-index", "--add", "--cacheinfo", &entry]);
    git(root, &["commit", "--quiet", "--message", "a submodule"]);
    symlink("apps", root.join("again")).expect("a link");
    symlink("apps/a.yaml", root.join("same.yaml")).expect("a link");
    git(root, &["add", "again", "same.yaml"]);
    git(root, &["commit", "--quiet", "--message", "links"]);
    let run = world.run(&["lint"]).ends(0);
    assert_eq!(run.codes(), ["not-read"]);
    assert_eq!(
        run.json()["clusters"][0]["diagnostics"][0]["severity"],
        "note"
    );
    let none = world.run(&["lint", "--exclude", "vendor/"]).ends(0);
    assert_eq!(none.codes(), Vec::<String>::new());
    world.sync(&[]).ends(0);
    // What leads out of the commit is not known, and stays an error.
    symlink("/elsewhere", root.join("out")).expect("a link");
    git(root, &["add", "out"]);
    git(root, &["commit", "--quiet", "--message", "a link out"]);
    world.run(&["lint"]).ends(4);
    world.run(&["lint", "--exclude", "/out"]).ends(0);
    let cli = Cli::new(root, &["lint", "--exclude", "/out", "--directory", "."]);
    cli.run().ends(0);
}

#[cfg(target_os = "linux")]
#[test]
fn g76_a_directory_of_any_bytes_is_counted_and_recognised() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::new(&[]);
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    let directory = world.directory.path().join(name);
    std::fs::create_dir_all(directory.join("base")).expect("a directory");
    let write = |path: &str, text: &str| {
        std::fs::write(directory.join(path), text).expect("written");
    };
    write("a.yaml", &service_account("bar", "a"));
    let bare = service_account("bar", "b").replace("  namespace: bar\n", "");
    let (bare, _) = bare
        .rsplit_once("    eks")
        .expect("the role-arn annotation");
    write("base/b.yaml", bare);
    write("base/kustomization.yaml", "resources: [b.yaml]\n");
    let lint = |more: &[&str]| {
        let cli = world.cli(&[&["lint", "--format", "json"], more].concat());
        cli.env("IRSA_GITOPS_DIRECTORY", &directory).run()
    };
    let run = lint(&[]).ends(4);
    assert_eq!(run.codes(), ["commit-unknown", "not-rendered"]);
    let run = lint(&["--exclude", "base/"]).ends(0);
    let section = &run.json()["clusters"][0];
    assert_eq!(section["ignored"], 2);
    assert_eq!(section["checked"]["files"], 1);
}
