//! `adopt --all-matching`: taking over everything that proves whose it is.

use serde_json::json;

use crate::support::cli::{ISSUER, state};
use crate::support::world::World;

/// A role as the controller makes it, or with another value of its cluster tag.
fn controllers_role(name: &str, cluster: &str) -> serde_json::Value {
    let tag = |key: &str, value: &str| json!({ "key": key, "value": value });
    json!({
        "name": format!("k8s-sa_bar_{name}"),
        "id": format!("AROA{name}"),
        "trustPolicy": { "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{ISSUER}") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { format!("{ISSUER}:sub"): format!("system:serviceaccount:bar:{name}") } },
        }] },
        "tags": [
            tag("role.k8s.aws/managed-by", "iam-service-account-controller"),
            tag("serviceaccount.k8s.aws/stack", &format!("bar/{name}")),
            tag("role.k8s.aws/cluster", cluster),
        ],
    })
}

fn world(roles: &[serde_json::Value]) -> World {
    let world = World::new(&["a", "b", "c", "new"]);
    let roles = json!(roles);
    world.edit(|state| state["roles"] = roles);
    world
}

#[test]
fn i78_every_role_that_matches_is_taken_over_and_no_other() {
    let undeclared = controllers_role("gone", "cluster");
    let all = [
        controllers_role("a", "cluster"),
        controllers_role("b", "cluster"),
        controllers_role("c", "green"),
        undeclared,
    ];
    let world = world(&all);
    let before = state(&world.iam());
    let adopt = |arguments: &[&str]| world.run(&[&["adopt", "--all-matching"], arguments].concat());
    assert_eq!(
        adopt(&[]).ends(0).changes(),
        ["k8s-sa_bar_a update", "k8s-sa_bar_b update"]
    );
    assert_eq!(state(&world.iam()), before, "shown only");
    let run = adopt(&["--yes"]).ends(0);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_a update done", "k8s-sa_bar_b update done"]
    );
    assert_eq!(
        world.tag("c", "role.k8s.aws/cluster").as_deref(),
        Some("green")
    );
    assert_eq!(
        world.tag("gone", "role.k8s.aws/cluster").as_deref(),
        Some("cluster")
    );
    assert_eq!(
        world.tag("a", "role.k8s.aws/cluster").as_deref(),
        Some("prod")
    );
    // Nothing is left, and nothing is done twice.
    assert_eq!(adopt(&["--yes"]).ends(0).changes(), [""; 0]);
}

#[test]
fn i78_what_proves_nothing_is_held_and_names_are_not_mixed_with_the_flag() {
    let mut open = controllers_role("b", "cluster");
    open["trustPolicy"]["Statement"][0]["Principal"] = json!({ "AWS": "*" });
    let world = world(&[controllers_role("a", "cluster"), open]);
    let run = world.run(&["adopt", "--all-matching", "--yes"]).ends(7);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_a update done", "k8s-sa_bar_b held"]
    );
    world
        .run(&["adopt", "--all-matching", "k8s-sa_bar_a"])
        .ends(2);
    world.run(&["adopt"]).ends(2);
    world.run(&["retire"]).ends(2);
    world.run(&["retire", "--all-matching"]).ends(2);
}
