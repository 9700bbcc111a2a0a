//! Which ServiceAccount of which cluster `explain` is asked about.

use crate::support::cli::{Cli, Run};
use crate::support::repository::service_account;
use crate::support::world::World;

#[test]
fn i44_every_name_of_a_service_account_and_its_role_is_taken() {
    let world = World::new(&["foo", "other"]);
    world.run(&["apply"]).ends(0);
    for what in [
        "bar/foo",
        "system:serviceaccount:bar:foo",
        "foo",
        "k8s-sa_bar_foo",
        "arn:aws:iam::123456789012:role/k8s-sa_bar_foo",
        "arn:aws:sts::123456789012:assumed-role/k8s-sa_bar_foo/botocore-session-1",
    ] {
        let found = world.run(&["explain", what]).ends(0).json();
        assert_eq!(found["serviceAccount"], "bar/foo", "{what}");
    }
    // One that is declared no more is known by its role.
    world.repository.remove("apps/foo.yaml");
    world.repository.commit("Remove foo");
    let found = world.run(&["explain", "foo"]).ends(0).json();
    assert_eq!(found["serviceAccount"], "bar/foo");
}

#[test]
fn i44_what_nothing_is_called_is_an_error_that_offers_what_is_near() {
    let world = World::new(&["foo", "checkout"]);
    world.run(&["apply"]).ends(0);
    for what in ["chekout", "k8s_bar_checkout"] {
        let run = world.run(&["explain", what]).ends(2);
        assert!(
            run.stderr.contains("did you mean `bar/checkout`?"),
            "{what}: {}",
            run.stderr
        );
    }
    let found = world.run(&["explain", "bar/chekout"]).ends(0).json();
    let hint = found["answer"]["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("did you mean `bar/checkout`?"), "{hint}");
    for what in [
        "zzz",
        "Admin",
        "arn:aws:s3:::bucket",
        "system:serviceaccount:bar",
        "a b",
    ] {
        let run = world.run(&["explain", what]).ends(2);
        assert!(
            !run.stderr.contains("did you mean"),
            "{what}: {}",
            run.stderr
        );
    }
    let other = "arn:aws:iam::999999999999:role/k8s-sa_bar_foo";
    for arguments in [&["--account", "123456789012"][..], &[]] {
        let run = world.run(&[&["explain", other], arguments].concat());
        let run = run.ends(2);
        assert!(run.stderr.contains("999999999999"), "{}", run.stderr);
    }
    // Two of one name.
    world
        .repository
        .write("apps/two.yaml", service_account("baz", "foo"));
    world.repository.commit("Another foo");
    let run = world.run(&["explain", "foo"]).ends(2);
    assert!(
        run.stderr.contains("`bar/foo`, `baz/foo`"),
        "{}",
        run.stderr
    );
}

/// Runs with a configuration file instead of flags.
fn with_config(world: &World, clusters: &str) -> impl Fn(&[&str]) -> Run + use<> {
    let config = world.write("clusters.yaml", clusters);
    let (directory, iam) = (world.repository.path().to_owned(), world.iam());
    move |arguments: &[&str]| {
        let all = [arguments, &["--config", &config, "--format", "json"]].concat();
        let cli = Cli::new(&directory, &all).sandbox(&iam);
        cli.env("IRSA_GITOPS_CLUSTER_NAME", "").run()
    }
}

#[test]
fn i45_a_removed_service_account_is_found_in_the_history_of_its_cluster() {
    let world = World::with(&[
        ("blue/foo.yaml", &service_account("bar", "foo")),
        ("blue/rest.yaml", &service_account("bar", "rest")),
        (
            "green/only.yaml",
            &service_account("bar", "only").replace("k8s-sa_", "green_"),
        ),
    ]);
    let run = with_config(
        &world,
        "- name: blue\n  paths: blue\n- name: green\n  paths: green\n  rolePrefix: green\n",
    );
    run(&["apply"]).ends(0);
    world.repository.remove("blue/foo.yaml");
    let commit = world.repository.commit("Remove foo");
    for what in ["bar/foo", "system:serviceaccount:bar:foo", "foo"] {
        let found = run(&["explain", what]).ends(0).json();
        assert_eq!(found["role"], "k8s-sa_bar_foo", "{what}");
        assert_eq!(found["lastChangedBy"]["commit"], commit.as_str());
    }
    // So it is once its role is gone, too.
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        roles.retain(|role| role["name"] != "k8s-sa_bar_foo");
    });
    let found = run(&["explain", "bar/foo"]).ends(0).json();
    assert_eq!(found["role"], "k8s-sa_bar_foo");
}

#[test]
fn i44_of_clusters_in_several_accounts_an_arn_says_which_one() {
    let world = World::new(&["foo"]);
    let run = with_config(
        &world,
        "- name: blue\n  account: '123456789012'\n- name: green\n  account: '210987654321'\n",
    );
    run(&["explain", "bar/foo"]).ends(2);
    let arn = "arn:aws:iam::123456789012:role/k8s-sa_bar_foo";
    let found = run(&["explain", arn]).ends(0).json();
    assert_eq!(found["serviceAccount"], "bar/foo");
}

#[test]
fn i45_where_history_knows_two_the_account_decides() {
    let world = World::with(&[
        ("foo.yaml", &service_account("bar", "foo")),
        ("rest.yaml", &service_account("bar", "rest")),
    ]);
    let run = with_config(&world, "- name: blue\n- name: green\n  rolePrefix: green\n");
    run(&["apply", "--cluster-name", "blue"]).ends(0);
    world.repository.remove("foo.yaml");
    world.repository.commit("Remove foo");
    let found = run(&["explain", "bar/foo"]).ends(0).json();
    assert_eq!(found["role"], "k8s-sa_bar_foo");
    // And where neither has such a role, both could be meant.
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        roles.retain(|role| role["name"] != "k8s-sa_bar_foo");
    });
    let ambiguous = run(&["explain", "bar/foo"]).ends(2).stderr;
    assert!(ambiguous.contains("`blue`, `green`"), "{ambiguous}");
    // What neither has, nor ever had, is wrong.
    let wrong = run(&["explain", "bar/rset"]).ends(2).stderr;
    assert!(!wrong.contains("several could be meant"), "{wrong}");
    assert!(wrong.contains("did you mean `bar/rest`"), "{wrong}");
}
