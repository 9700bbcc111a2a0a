//! ServiceAccounts whose roles would have longer names than IAM allows.

use serde_json::{Value, json};

use crate::support::cli::{Run, state};
use crate::support::world::World;

const NAMESPACE: &str = "team-payments-production";
const NAME: &str = "billing-reconciliation-worker-eu-central-1";
const PAIR: &str = "team-payments-production/billing-reconciliation-worker-eu-central-1";
const ROLE: &str = "k8s-sa_team-payments-production_billing-reconciliation-_227711ec";

fn manifest(namespace: &str, name: &str, role: &str) -> String {
    crate::support::repository::service_account(namespace, name)
        .replace(&format!("k8s-sa_{namespace}_{name}"), role)
}

/// A repository with one long pair and a short one, both right.
fn world() -> World {
    let long = manifest(NAMESPACE, NAME, ROLE);
    let short = crate::support::repository::service_account("bar", "foo");
    World::with(&[("long.yaml", &long), ("short.yaml", &short)])
}

fn sync(world: &World, arguments: &[&str]) -> Run {
    world.sync(&[&["--long-names", "digest"], arguments].concat())
}

fn the_role(world: &World) -> Value {
    let state = state(&world.iam());
    let mut roles = state["roles"]
        .as_array()
        .cloned()
        .unwrap_or_default()
        .into_iter();
    roles.find(|role| role["name"] == ROLE).unwrap_or_default()
}

fn set_tag(world: &World, key: &str, value: Option<&str>) {
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        let mut roles = roles.iter_mut();
        let role = roles.find(|role| role["name"] == ROLE).expect("the role");
        let tags = role["tags"].as_array_mut().expect("tags");
        tags.retain(|tag| tag["key"] != key);
        tags.extend(value.map(|value| json!({ "key": key, "value": value })));
    });
}

#[test]
fn m91_by_default_a_long_name_is_an_error_that_names_the_way_out() {
    let world = world();
    let run = world.run(&["lint"]).ends(4);
    assert_eq!(run.codes(), ["role-name-too-long"]);
    let arn = format!("arn:aws:iam::123456789012:role/{ROLE}");
    assert!(run.stdout.contains("--long-names digest"), "{}", run.stdout);
    assert!(run.stdout.contains(&arn), "{}", run.stdout);
    let run = sync(&world, &["--long-names", "cut"]);
    assert_eq!(run.code, 2, "given twice");
    let run = world.print(&["lint", "--long-names", "cut"]).ends(2);
    assert!(run.stderr.contains("neither `refuse` nor `digest`"));
}

#[test]
fn m91_with_a_digest_the_annotation_has_to_be_its_arn() {
    let world = world();
    let lint = || world.run(&["lint", "--long-names", "digest"]);
    assert_eq!(lint().ends(0).codes(), Vec::<String>::new());
    for (given, code) in [
        (ROLE.replace("227711ec", "227711ed"), "role-arn-mismatch"),
        (ROLE[..55].to_owned(), "role-arn-mismatch"),
        (format!("k8s-sa_{NAMESPACE}_{NAME}"), "invalid-role-arn"),
    ] {
        let text = manifest(NAMESPACE, NAME, &given);
        world.repository.write("long.yaml", text);
        world.repository.commit("another");
        let run = lint().ends(4);
        assert_eq!(run.codes(), [code], "{given}");
        let arn = format!("use `arn:aws:iam::123456789012:role/{ROLE}`");
        assert!(run.stdout.contains(&arn), "{}", run.stdout);
    }
    // A file of the settings says the same, and a variable.
    world
        .repository
        .write("long.yaml", manifest(NAMESPACE, NAME, ROLE));
    world.repository.commit("right");
    let config = world.write("clusters.yaml", "- name: prod\n  longNames: digest\n");
    world.run(&["lint", "--config", &config]).ends(0);
    let lint = world.cli(&["lint"]).env("IRSA_GITOPS_LONG_NAMES", "digest");
    lint.run().ends(0);
}

#[test]
fn m91_such_a_role_lives_and_ends_as_others_do() {
    let world = world();
    let run = sync(&world, &[]).ends(0);
    assert!(run.changes().contains(&format!("{ROLE} create done")));
    let stack = json!({ "key": "serviceaccount.k8s.aws/stack", "value": PAIR });
    let tags = the_role(&world)["tags"].clone();
    assert!(tags.as_array().is_some_and(|tags| tags.contains(&stack)));
    let plan = world.run(&["plan", "--long-names", "digest", "--exit-code"]);
    assert_eq!(plan.ends(0).changes(), Vec::<String>::new());
    // It is drift that is repaired, in every depth.
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        let mut roles = roles.iter_mut();
        let role = roles.find(|role| role["name"] == ROLE).expect("the role");
        role["trustPolicy"]["Statement"][0]["Action"] = "sts:AssumeRole".into();
    });
    let apply = world.run(&["apply", "--long-names", "digest"]).ends(0);
    assert_eq!(apply.changes(), [format!("{ROLE} update done")]);
    // Inventory and explanation know it by both of its names, with the flag and without.
    let roles = world.run(&["roles"]).ends(0);
    assert!(roles.stdout.contains(ROLE) && roles.stdout.contains(PAIR));
    for what in [ROLE, PAIR] {
        let explained = world.run(&["explain", what, "--long-names", "digest"]);
        let explained = explained.ends(0).json();
        assert_eq!(explained["serviceAccount"], PAIR);
        assert_eq!(explained["role"], ROLE);
        assert_eq!(explained["state"], "in-sync");
    }
    // It is retired with its witness, and restored.
    world.repository.remove("long.yaml");
    world.repository.commit("remove it");
    let run = sync(&world, &[]).ends(0);
    assert_eq!(run.changes(), [format!("{ROLE} quarantine done")]);
    let explained = world.run(&["explain", ROLE, "--long-names", "digest"]);
    assert_eq!(explained.ends(0).json()["serviceAccount"], PAIR);
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    let run = sync(&world, &[]).ends(0);
    assert_eq!(run.changes(), [format!("{ROLE} restore done")]);
}

#[test]
fn m91_without_the_flag_again_nothing_is_lost() {
    let world = world();
    sync(&world, &[]).ends(0);
    let made = the_role(&world);
    let run = world.sync(&[]).ends(7);
    assert_eq!(run.codes(), ["role-name-too-long"]);
    assert_eq!(the_role(&world), made);
    // It is ours whoever looks, so a removal is still one.
    world.repository.remove("long.yaml");
    world.repository.commit("remove it");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), [format!("{ROLE} quarantine done")]);
}

#[test]
fn m92_tag_and_digest_together_prove_whose_it_is() {
    let world = world();
    sync(&world, &[]).ends(0);
    let stack = "serviceaccount.k8s.aws/stack";
    world.repository.remove("long.yaml");
    world.repository.commit("remove it");
    for other in [
        None,
        Some("bar/foo"),
        Some("x"),
        Some("team-payments-production/billing"),
    ] {
        set_tag(&world, stack, other);
        let run = sync(&world, &[]).ends(0);
        assert_eq!(run.changes(), Vec::<String>::new(), "{other:?}");
        let roles = world.run(&["roles"]).ends(0);
        assert!(!roles.stdout.contains(ROLE), "{other:?}");
    }
    // While it is declared, a role without the tag is foreign and can be adopted.
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    set_tag(&world, stack, None);
    let run = sync(&world, &[]).ends(7);
    assert_eq!(run.codes(), ["foreign-role"]);
    assert!(run.stdout.contains(&format!("adopt {ROLE}")));
    let adopt = ["adopt", ROLE, "--long-names", "digest", "--yes"];
    let run = world.run(&adopt).ends(0);
    assert_eq!(run.changes(), [format!("{ROLE} update done")]);
    assert!(the_role(&world).to_string().contains(PAIR));
}

#[test]
fn m92_such_a_role_is_retired_by_its_name() {
    let world = world();
    sync(&world, &[]).ends(0);
    let retire = ["retire", ROLE, "--yes", "--long-names", "digest"];
    let run = world.run(&retire).ends(7);
    assert!(run.stdout.contains("is declared"), "{}", run.stdout);
    world.repository.remove("long.yaml");
    world.repository.commit("remove it");
    set_tag(&world, "role.k8s.aws/last-commit", Some("spoiled"));
    let run = sync(&world, &[]).ends(7);
    assert!(run.stdout.contains(&format!("irsa-gitops retire {ROLE}")));
    let run = world.run(&["retire", ROLE, "--yes"]).ends(0);
    assert_eq!(run.changes(), [format!("{ROLE} quarantine done")]);
    // A name that only looks like one is nobody's.
    let other = ROLE.replace("227711ec", "227711ed");
    world.run(&["retire", &other]).ends(2);
}

#[test]
fn m93_two_pairs_of_one_digest_are_held_and_both_are_named() {
    // Both have the digest b402e05b.
    let start = "a".repeat(44);
    let names = ["173041", "180564"].map(|number| format!("{start}{number}xxxx"));
    let role = format!("k8s-sa_bar_{start}_b402e05b");
    let world = World::with(&[
        ("a.yaml", &manifest("bar", &names[0], &role)),
        ("b.yaml", &manifest("bar", &names[1], &role)),
    ]);
    let run = sync(&world, &[]).ends(7);
    assert_eq!(run.codes(), ["role-name-collision", "role-name-collision"]);
    for name in &names {
        assert!(
            run.stdout
                .contains(&format!("also that of ServiceAccount `bar/{name}`"))
        );
    }
    assert_eq!(
        state(&world.iam())["roles"].as_array().map(Vec::len),
        Some(1)
    );
    // One after the other does not take over what is the other's.
    world.repository.remove("b.yaml");
    world.repository.commit("one");
    sync(&world, &[]).ends(0);
    world.repository.remove("a.yaml");
    world
        .repository
        .write("b.yaml", manifest("bar", &names[1], &role));
    world.repository.commit("the other");
    let run = sync(&world, &[]);
    assert_eq!(run.codes(), ["foreign-role"]);
    let stack = format!("bar/{}", names[0]);
    assert!(state(&world.iam())["roles"].to_string().contains(&stack));
}
