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

const BY_PATH: [&str; 2] = ["--namespace-from", "apps/{namespace}/**"];

#[test]
fn m44_a_path_gives_the_namespace_of_what_has_none() {
    let world = World::new(&[]);
    let write = |path: &str, text: &str| world.repository.write(path, text);
    write("apps/bar/a.yaml", &bare("bar", "a"));
    write("apps/bar/b.yaml", &service_account("bar", "b"));
    let old = world.repository.commit("first");
    let run = |arguments: &[&str]| world.run(&[arguments, &BY_PATH].concat());
    // Without a rule the hint names the one for this very file.
    let lint = world.run(&["lint"]).ends(4);
    assert_eq!(lint.codes(), ["missing-namespace"]);
    assert!(
        lint.stdout
            .contains("--namespace-from 'apps/{namespace}/**', which here gives `bar`"),
        "{}",
        lint.stdout
    );
    run(&["lint"]).ends(0);
    let applied = run(&["apply", "--mode", "sync"]).ends(0);
    assert_eq!(
        applied.changes(),
        ["k8s-sa_bar_a create done", "k8s-sa_bar_b create done"]
    );
    let explained = run(&["explain", "bar/a"]).ends(0).json();
    assert_eq!(explained["state"], "in-sync");
    assert!(
        explained["introducedBy"]["commit"].is_string(),
        "{explained}"
    );
    // A file that loses its namespace declares the same.
    write("apps/bar/b.yaml", &bare("bar", "b"));
    world.repository.commit("b without its namespace");
    assert_eq!(
        run(&["apply", "--mode", "sync"]).ends(0).changes(),
        Vec::<String>::new()
    );
    // A removal is proven, by earlier commits under today's rules; beside it something new is no defect.
    write("apps/bar/a.yaml", &bare("bar", "new"));
    world.repository.commit("new for a");
    assert_eq!(run(&["diff", &old]).ends(0).changes().len(), 2);
    let gone = run(&["apply", "--mode", "sync"]).ends(0);
    let changes = ["k8s-sa_bar_a quarantine done", "k8s-sa_bar_new create done"];
    assert_eq!(gone.changes(), changes);
    // Without the rule nothing is retired: nobody is known by name.
    let refused = world.sync(&["--allow-empty"]);
    let changes = refused.changes();
    let is_kept = |change: &String| !change.contains("quarantine") && !change.contains("delete");
    assert!(
        changes.len() > 1 && changes.iter().all(is_kept),
        "{changes:?}"
    );
}

#[test]
fn m44_every_way_to_read_takes_the_rules() {
    let text = bare("bar", "a");
    let world = World::new(&[]);
    let directory = world.directory.path().join("rendered");
    std::fs::create_dir_all(directory.join("bar")).expect("a directory");
    std::fs::write(directory.join("bar/a.yaml"), &text).expect("a file");
    let (directory, rule) = (directory.to_str().expect("text"), "bar=bar");
    let plan = world.run(&["plan", "--directory", directory, "--namespace-from", rule]);
    assert_eq!(plan.changes(), ["k8s-sa_bar_a create"]);
    // Adopted, and by configuration: the first rule that matches counts.
    world.repository.write("apps/x/a.yaml", &text);
    world.repository.commit("a");
    let rules = ["--namespace-from", "apps/x/**=bar,apps/{namespace}/**"];
    world.run(&[&["apply"], &rules[..]].concat()).ends(0);
    let adopted = world
        .run(&[&["adopt", "k8s-sa_bar_a"], &rules[..]].concat())
        .ends(0);
    assert_eq!(adopted.json()["summary"]["held"], json!(0));
    let list = "[{name: prod, namespaces: ['apps/x/**=bar', 'apps/{namespace}/**']}]";
    let file = world.directory.path().join("clusters.yaml");
    std::fs::write(&file, list).expect("a file");
    let plan = world.run(&["plan", "--config", file.to_str().expect("text")]);
    assert_eq!(plan.ends(0).changes(), Vec::<String>::new());
    // What is no rule is refused, and so is a limit without rules.
    for wrong in [
        &["--namespace-from", "apps/**"][..],
        &["--namespace-enforce"],
    ] {
        let run = world.run(&[&["lint"], wrong].concat()).ends(2);
        assert!(run.stderr.contains("--namespace-from"), "{}", run.stderr);
    }
    // A path that holds no namespace is an error, not a guess.
    world
        .repository
        .write("apps/Shop_1/b.yaml", bare("bar", "b"));
    world.repository.commit("b");
    let lint = world.run(&[&["lint"], &rules[..]].concat()).ends(4);
    assert_eq!(lint.codes(), ["invalid-name"]);
}

#[test]
fn m44_what_a_rule_places_hides_nobody_else() {
    let world = World::new(&["a"]);
    world.sync(&[]).ends(0);
    // One of that name in another namespace comes with the removal.
    world.repository.remove("apps/a.yaml");
    world
        .repository
        .write("apps/shop/a.yaml", bare("shop", "a"));
    world.repository.commit("shop/a for bar/a");
    assert_eq!(
        world.sync(&["--allow-empty"]).changes(),
        ["k8s-sa_bar_a held"]
    );
    let elsewhere = ["--allow-empty", "--namespace-from", "lib/{namespace}/**"];
    assert_eq!(world.sync(&elsewhere).changes(), ["k8s-sa_bar_a held"]);
    let placed = world.sync(&BY_PATH).ends(0);
    assert_eq!(
        placed.changes(),
        ["k8s-sa_bar_a quarantine done", "k8s-sa_shop_a create done"]
    );
}

#[test]
fn m44_a_place_that_is_not_read_has_the_namespace_of_its_rule() {
    for (to, expected) in [
        ("lib/bar/b.yaml", "k8s-sa_bar_b held"),
        ("lib/cart/b.yaml", "k8s-sa_bar_b quarantine done"),
    ] {
        let world = World::new(&["a"]);
        let write = |path: &str, name: &str| world.repository.write(path, bare("bar", name));
        write("apps/bar/b.yaml", "b");
        write("notes/bar/c.yaml", "c");
        world.repository.commit("b");
        let rules = ["--namespace-from", "apps/{namespace}/**,lib/{namespace}/**"];
        let sync = || world.sync(&[&["--path", "apps"], &rules[..]].concat());
        sync().ends(0);
        world.repository.remove("apps/bar/b.yaml");
        let text = bare("bar", "b").replace(
            "k8s-sa_bar_b",
            &to.replace("lib/", "k8s-sa_").replace("/b.yaml", "_b"),
        );
        world.repository.write(to, text);
        world.repository.commit("b moves");
        assert_eq!(sync().changes(), [expected], "{to}");
    }
}

#[test]
fn m45_a_path_declares_no_namespace_but_its_own() {
    let world = World::new(&[]);
    world
        .repository
        .write("apps/shop/web.yaml", service_account("shop", "web"));
    world.repository.commit("first");
    let enforced = [&BY_PATH[..], &["--namespace-enforce"]].concat();
    let sync = || world.run(&[&["apply", "--mode", "sync"], &enforced[..]].concat());
    assert_eq!(sync().ends(0).changes(), ["k8s-sa_shop_web create done"]);
    // Another team claims that role and one more; the owner's own declaration goes on.
    world
        .repository
        .write("apps/cart/web.yaml", service_account("shop", "web"));
    world
        .repository
        .write("apps/cart/more.yaml", service_account("shop", "more"));
    world.repository.commit("a claim");
    let lint = world.run(&[&["lint"], &enforced[..]].concat()).ends(4);
    assert_eq!(
        lint.codes(),
        ["namespace-not-allowed", "namespace-not-allowed"]
    );
    let place = &lint.json()["clusters"][0]["diagnostics"][0]["location"];
    assert_eq!(
        (&place["path"], &place["line"]),
        (&json!("apps/cart/more.yaml"), &json!(5))
    );
    assert_eq!(sync().ends(7).changes(), ["k8s-sa_shop_more held"]);
    // When the owner's is gone, the claim retires nothing and takes nothing.
    world.repository.remove("apps/shop/web.yaml");
    world.repository.commit("the owner's is gone");
    assert_eq!(
        sync().changes(),
        ["k8s-sa_shop_more held", "k8s-sa_shop_web held"]
    );
    // Without the limit both are roles like any other.
    world.run(&[&["lint"], &BY_PATH[..]].concat()).ends(0);
}
