//! Where a repository differs from the usual: namespaces that something else sets, annotation keys of
//! one's own, long names, and directories that are not rendered.

use serde_json::json;

use crate::support::cli::Cli;
use crate::support::repository::{Repository, service_account};
use crate::support::world::World;

/// The ServiceAccount without its namespace.
fn bare(namespace: &str, name: &str) -> String {
    service_account(namespace, name).replace(&format!("  namespace: {namespace}\n"), "")
}

#[test]
fn m41_advice_about_a_namespace_names_what_sets_it() {
    let repository = Repository::with(&[("foo.yaml", &bare("bar", "foo"))]);
    let run = Cli::new(repository.path(), &["lint"]).run().ends(4);
    assert!(
        run.stdout.contains("`namespace:` in a kustomization"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("only if its templates write it"),
        "{}",
        run.stdout
    );
}

const OWN: [&str; 4] = [
    "--managed-annotation",
    "irsa.acme.io/managed-role",
    "--annotation-prefix",
    "irsa.acme.io",
];

/// The ServiceAccount with annotation keys of its own.
fn own(namespace: &str, name: &str) -> String {
    service_account(namespace, name)
        .replace(
            "security.kaluza.com/iam-role-managed",
            "irsa.acme.io/managed-role",
        )
        .replace("eks.amazonaws.com/", "irsa.acme.io/")
}

#[test]
fn m42_annotation_keys_of_ones_own_are_read_by_every_verb() {
    let world = World::new(&[]);
    let write = |text: String| world.repository.write("apps/a.yaml", text);
    write(own("bar", "a"));
    world.declare("b");
    let old = world.repository.commit("first");
    let run = |arguments: &[&str]| world.run(&[arguments, &OWN].concat());
    // The controller's own annotation means nothing here.
    assert_eq!(run(&["plan"]).ends(0).changes(), ["k8s-sa_bar_a create"]);
    assert_eq!(run(&["apply", "--mode", "sync"]).ends(0).code, 0);
    assert_ne!(world.role("a"), json!(null));
    let explained = run(&["explain", "bar/a"]).ends(0);
    assert_eq!(explained.json()["state"], "in-sync", "{}", explained.stdout);
    // A typo holds the role, and says which key was meant.
    write(own("bar", "a").replace("managed-role", "manged-role"));
    world.repository.commit("a typo");
    let lint = run(&["lint"]).ends(4);
    assert_eq!(lint.codes(), ["misspelled"]);
    assert!(
        lint.stdout
            .contains("did you mean `irsa.acme.io/managed-role`?"),
        "{}",
        lint.stdout
    );
    let held = run(&["apply", "--mode", "sync"]).ends(7);
    assert_eq!(held.changes(), ["k8s-sa_bar_a held"]);
    // What is missing is told by its key.
    write(own("bar", "a").replace("irsa.acme.io/role-arn: ", "irsa.acme.io/other: "));
    world.repository.commit("no ARN");
    let lint = run(&["lint"]).ends(4);
    assert!(
        lint.stdout
            .contains("add `irsa.acme.io/role-arn: arn:aws:iam::"),
        "{}",
        lint.stdout
    );
    // A removal is proven by earlier commits, read by the same keys.
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let changes = run(&["diff", &old]).changes();
    assert_eq!(changes.len(), 1, "{changes:?}");
    let gone = run(&["apply", "--mode", "sync", "--allow-empty"]).ends(0);
    assert_eq!(gone.changes(), ["k8s-sa_bar_a quarantine done"]);
}

#[test]
fn m42_a_cache_of_other_keys_hides_nothing() {
    let world = World::new(&["b"]);
    world.repository.write("apps/a.yaml", own("bar", "a"));
    world.repository.commit("a");
    let cache = world.directory.path().join("cache");
    let plan = |more: &[&str]| {
        let arguments = [&["plan", "--format", "json"], more].concat();
        let cli = Cli::new(world.repository.path(), &arguments).sandbox(&world.iam());
        let run = cli
            .env("IRSA_GITOPS_NO_CACHE", "")
            .env("IRSA_GITOPS_CACHE_DIR", &cache)
            .run();
        run.ends(0).changes()
    };
    for _ in 0..2 {
        assert_eq!(plan(&[]), ["k8s-sa_bar_b create"]);
        assert_eq!(plan(&OWN), ["k8s-sa_bar_a create"]);
    }
}

#[test]
fn m42_what_is_no_key_is_refused_at_the_start() {
    let repository = Repository::with(&[("foo.yaml", &service_account("bar", "foo"))]);
    for (flag, value) in [
        ("--managed-annotation", "a b"),
        ("--managed-annotation", "Acme.io/x"),
        ("--managed-annotation", "eks.amazonaws.com/role-arn"),
        ("--annotation-prefix", "acme.io/"),
        ("--annotation-prefix", "acme_io"),
    ] {
        let run = Cli::new(repository.path(), &["lint", flag, value])
            .run()
            .ends(2);
        assert!(run.stderr.contains(flag), "{value}: {}", run.stderr);
    }
    let two = "[{name: a, managedAnnotation: acme.io/x}, {name: b}]";
    let file = repository.write("clusters.yaml", two);
    let file = file.to_str().expect("text");
    let lint = |name: &str| {
        let arguments = ["lint", "--config", file, "--cluster-name", name];
        Cli::new(repository.path(), &arguments).run()
    };
    let refused = lint("*").ends(2);
    assert!(
        refused.stderr.contains("different annotation keys"),
        "{}",
        refused.stderr
    );
    lint("b").ends(0);
}

#[test]
fn m43_a_bare_role_name_is_checked_where_the_webhook_composes_arns() {
    let arn = "arn:aws:iam::123456789012:role/k8s-sa_bar_foo";
    let with = |value: &str| service_account("bar", "foo").replace(arn, value);
    let lint = |value: &str, more: &[&str]| {
        let repository = Repository::with(&[("foo.yaml", &with(value))]);
        let arguments = [
            &["lint", "--account", "123456789012", "--format", "json"],
            more,
        ]
        .concat();
        Cli::new(repository.path(), &arguments).run()
    };
    let compose = ["--compose-role-arn"];
    let path = ["--compose-role-arn", "--role-path", "/team/"];
    lint("k8s-sa_bar_foo", &compose).ends(0);
    lint(arn, &compose).ends(0);
    lint("team/k8s-sa_bar_foo", &path).ends(0);
    for (value, flags, says) in [
        ("k8s-sa_bar_fooo", &compose[..], "use `k8s-sa_bar_foo`"),
        ("k8s-sa_bar_foo", &path[..], "use `team/k8s-sa_bar_foo`"),
        (
            "/team/k8s-sa_bar_foo",
            &path[..],
            "use `team/k8s-sa_bar_foo`",
        ),
        ("k8s-sa_bar_foo", &[][..], "or --compose-role-arn"),
    ] {
        let run = lint(value, flags).ends(4);
        assert!(run.stdout.contains(says), "{value}: {}", run.stdout);
    }
}
