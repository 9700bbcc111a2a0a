//! A role has room for fifty tags, ours and those of others.

use serde_json::{Value, json};

use crate::support::cli::{Run, role, state};
use crate::support::world::{World, reason};

/// Fills a role of a world up to so many tags, after taking some away.
fn fill(world: &World, name: &str, taken: &[&str], count: usize) {
    world.edit(|state| {
        let all = state["roles"].as_array_mut().expect("roles").iter_mut();
        let role = all.filter(|role| role["name"] == format!("k8s-sa_bar_{name}"));
        for role in role {
            let tags = role["tags"].as_array_mut().expect("tags");
            tags.retain(|tag| !taken.contains(&tag["key"].as_str().expect("a key")));
            tags.push(json!({ "key": "aws:cloudformation:stack-name", "value": "theirs" }));
            for n in 0.. {
                if tags.len() == count + 1 {
                    break;
                }
                tags.push(json!({ "key": format!("theirs-{n}"), "value": "x" }));
            }
        }
    });
}

fn count(world: &World, name: &str) -> usize {
    let role = world.role(name);
    let tags = role["tags"].as_array().expect("tags");
    let is_ours = |tag: &&Value| !tag["key"].as_str().expect("a key").starts_with("aws:");
    tags.iter().filter(is_ours).count()
}

fn effect(world: &World, name: &str) -> Value {
    world.role(name)["trustPolicy"]["Statement"][0]["Effect"].clone()
}

/// The hint of the first diagnostic of a kind.
fn hint(run: &Run, code: &str) -> String {
    let document = run.json();
    let found = document["clusters"][0]["diagnostics"].as_array().cloned();
    let mut found = found.unwrap_or_default().into_iter();
    let found = found.find(|diagnostic| diagnostic["code"] == code);
    found.unwrap_or_default()["hint"].to_string()
}

const COMMITS: [&str; 2] = ["role.k8s.aws/commit", "role.k8s.aws/last-commit"];

#[test]
fn a42_a_removal_ends_access_whatever_room_for_tags_there_is() {
    for (tags, taken, has_tags) in [
        (47, &[][..], true),
        (48, &[], true),
        (49, &[], false),
        (50, &[], false),
        (48, &COMMITS, false),
        (50, &COMMITS, false),
    ] {
        let world = World::new(&["a", "b"]);
        world.sync(&[]).ends(0);
        let before = world.role("a");
        fill(&world, "a", taken, tags);
        world.repository.remove("apps/a.yaml");
        let removed = world.repository.commit("Remove a");
        let quarantine = ["k8s-sa_bar_a quarantine done"];
        assert_eq!(world.sync(&[]).ends(0).changes(), quarantine, "{tags}");
        assert_eq!(effect(&world, "a"), "Deny");
        let by = world.tag("a", "role.k8s.aws/quarantined-by");
        assert_eq!(by.is_some(), has_tags, "{tags}");
        let last_commit = world.tag("a", "role.k8s.aws/last-commit");
        if tags < 50 || taken.is_empty() {
            assert_eq!(last_commit.as_ref(), Some(&removed), "{tags}");
        }
        assert!(world.tag("a", "theirs-9").is_some() && count(&world, "a") <= 50);
        // It is known to be quarantined, and waits.
        assert_eq!(world.sync(&[]).ends(0).changes(), ["k8s-sa_bar_a orphan"]);
        let roles = world.run(&["roles"]).ends(0).json();
        let listed = &roles["clusters"][0]["roles"][0];
        assert_eq!(listed["state"], "quarantined", "{listed}");
        assert!(listed["quarantinedAt"].is_string(), "{listed}");
        // What came before it does not open it again.
        world.run(&["apply", "--revision", "HEAD~1"]).ends(9);
        assert_eq!(effect(&world, "a"), "Deny");
        // A revert restores it.
        world.repository.git(&["revert", "--no-edit", "HEAD"]);
        let run = world.sync(&[]);
        assert_eq!(run.changes(), ["k8s-sa_bar_a restore done"], "{tags}");
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(world.role("a")["trustPolicy"], before["trustPolicy"]);
        assert_eq!(
            world.sync(&["--full"]).ends(0).changes(),
            Vec::<String>::new()
        );
    }
}

#[test]
fn a42_a_quarantine_without_tags_is_the_witness_of_the_delete() {
    for attached in [json!([]), json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"])] {
        let world = World::new(&["a", "b"]);
        world.sync(&[]).ends(0);
        fill(&world, "a", &[], 50);
        world.repository.remove("apps/a.yaml");
        world.repository.commit("Remove a");
        world.sync(&[]).ends(0);
        world.edit(|state| role(state, 0)["attachedPolicies"] = attached.clone());
        let run = world.sync(&["--prune-after", "0"]);
        if attached == json!([]) {
            assert_eq!(run.ends(0).changes(), ["k8s-sa_bar_a delete done"]);
            assert!(world.role("a").is_null());
        } else {
            let run = run.ends(7);
            assert!(
                reason(&run, 0).contains("ReadOnlyAccess"),
                "{}",
                reason(&run, 0)
            );
        }
    }
}

#[test]
fn a42_a_full_role_that_somebody_opened_is_closed_again() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    let open = world.role("a")["trustPolicy"].clone();
    fill(&world, "a", &[], 50);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.sync(&[]).ends(0);
    world.edit(|state| role(state, 0)["trustPolicy"] = open.clone());
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    // A statement's id that tells of no quarantine is no witness.
    world.edit(|state| role(state, 0)["trustPolicy"]["Statement"][0]["Sid"] = "Quarantine7".into());
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
}

#[test]
fn a43_what_does_not_fit_is_told_before_any_write_and_the_rest_is_done() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    let trusted = world.role("a")["trustPolicy"].clone();
    fill(&world, "a", &[], 49);
    world.edit(|state| role(state, 0)["trustPolicy"]["Statement"][0]["Principal"] = "*".into());
    let two = ["--full", "--tag", "team=apps", "--tag", "tier=1"];
    let before = state(&world.iam());
    let plan = world.run(&[&["plan"], &two[..]].concat()).ends(7);
    assert!(
        plan.codes().contains(&"tags-full".to_owned()),
        "{}",
        plan.stdout
    );
    let hint = hint(&plan, "tags-full");
    let command = "aws iam untag-role --role-name k8s-sa_bar_a --tag-keys";
    assert!(hint.contains(command), "{hint}");
    assert_eq!(state(&world.iam()), before);
    let run = world.run(&[&["apply"], &two[..]].concat()).ends(7);
    let done = ["k8s-sa_bar_a update done", "k8s-sa_bar_b update done"];
    assert_eq!(run.changes(), done);
    assert_eq!(world.role("a")["trustPolicy"], trusted);
    assert_eq!(world.tag("b", "tier").as_deref(), Some("1"));
    assert_eq!(count(&world, "a"), 50);
    // What is left of it is held, with the tag that it is about, and nothing is written in vain.
    let run = world.run(&[&["apply"], &two[..]].concat()).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    assert!(reason(&run, 0).contains("`tier`"), "{}", reason(&run, 0));
    // With room it is done, and nothing is left.
    world.edit(|state| {
        let tags = role(state, 0)["tags"].as_array_mut().expect("tags");
        tags.retain(|tag| tag["key"] != "theirs-3");
    });
    world.run(&[&["apply"], &two[..]].concat()).ends(0);
    assert_eq!(world.tag("a", "tier").as_deref(), Some("1"));
}

#[test]
fn a43_a_role_that_is_full_and_has_what_is_declared_is_repaired_without_a_word() {
    let world = World::new(&["a"]);
    world.run(&["apply"]).ends(0);
    fill(&world, "a", &[], 50);
    world.set_tag("a", "role.k8s.aws/source", "somewhere");
    world.edit(|state| role(state, 0)["trustPolicy"]["Statement"][0]["Principal"] = "*".into());
    let run = world.run(&["apply"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a update done"]);
    assert!(
        !run.codes().contains(&"tags-full".to_owned()),
        "{}",
        run.stdout
    );
}

#[test]
fn a43_what_is_taken_away_makes_room() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.sync(&[]).ends(0);
    fill(&world, "a", &[], 50);
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    let run = world
        .sync(&["--tag", "team=apps", "--tag", "tier=1"])
        .ends(0);
    // Mode sync compares tags, so the other role gets them as well.
    let changes = ["k8s-sa_bar_a restore done", "k8s-sa_bar_b update done"];
    assert_eq!(run.changes(), changes);
    assert_eq!(world.tag("a", "tier").as_deref(), Some("1"));
}

#[test]
fn a43_adopt_leaves_a_role_without_room_and_takes_the_others() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    let ours = [
        "role.k8s.aws/managed-by",
        "role.k8s.aws/cluster",
        "serviceaccount.k8s.aws/stack",
        "role.k8s.aws/commit",
        "role.k8s.aws/last-commit",
        "role.k8s.aws/source",
    ];
    fill(&world, "a", &ours, 45);
    fill(&world, "b", &ours, 44);
    let before = world.role("a");
    let run = world
        .run(&["adopt", "k8s-sa_bar_a", "k8s-sa_bar_b"])
        .ends(7);
    let changes = run.changes();
    assert_eq!(changes[0], "k8s-sa_bar_a held", "{changes:?}");
    assert!(changes[1].starts_with("k8s-sa_bar_b update"), "{changes:?}");
    assert!(
        hint(&run, "tags-full").contains("k8s-sa_bar_a"),
        "{}",
        run.stdout
    );
    assert_eq!(world.role("a"), before);
}
