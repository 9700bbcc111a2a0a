//! What somebody on call asks: can the pod assume its role now, and if not, whose commit was it.

use crate::support::world::{World, reason};

/// A role that a run in mode sync quarantined, and the commit of that run.
fn quarantined() -> (World, String) {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world.repository.remove("apps/a.yaml");
    let commit = world.repository.commit("Remove a");
    world.sync(&[]).ends(0);
    (world, commit)
}

#[test]
fn a71_by_which_commit_a_role_is_quarantined_is_told_everywhere() {
    let (world, commit) = quarantined();
    let short = &commit[..12];
    for arguments in [&["plan"][..], &["plan", "--mode", "sync"], &["apply"]] {
        let run = world.run(arguments).ends(0);
        let told = reason(&run, 0);
        assert!(told.contains("quarantined since"), "{told}");
        assert!(told.contains(&format!("by commit {short}")), "{told}");
        let quarantine = &run.json()["clusters"][0]["changes"][0]["quarantine"];
        assert_eq!(quarantine["by"], commit.as_str(), "{}", run.stdout);
        assert!(quarantine["since"].is_string());
    }
    for format in ["human", "markdown", "github", "sarif"] {
        let run = world.print(&["plan", "--format", format]).ends(0);
        assert!(run.stdout.contains(short), "{format}: {}", run.stdout);
    }
    let roles = world.run(&["roles"]).ends(0).json();
    let role = &roles["clusters"][0]["roles"][0];
    assert_eq!(role["quarantinedBy"], commit.as_str(), "{roles:#}");
    for format in ["human", "markdown", "html"] {
        let run = world.print(&["roles", "--format", format]).ends(0);
        assert!(
            run.stdout.contains(&format!("by {short}")),
            "{format}: {}",
            run.stdout
        );
    }
    let explained = world.run(&["explain", "bar/a"]).ends(0).json();
    assert_eq!(explained["current"]["quarantinedBy"], commit.as_str());
    // It is declared again: the plan still says what ends.
    world.declare("a");
    world.repository.commit("Bring a back");
    let run = world.run(&["plan"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a restore"]);
    assert!(reason(&run, 0).contains(short), "{}", reason(&run, 0));
}

#[test]
fn a71_a_role_that_is_not_quarantined_says_nothing_of_it() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let run = world.run(&["plan"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a orphan"]);
    assert!(
        run.json()["clusters"][0]["changes"][0]
            .get("quarantine")
            .is_none()
    );
    let roles = world.run(&["roles"]).ends(0).json();
    assert!(roles["clusters"][0]["roles"][0]["quarantinedBy"].is_null());
    // A role without a witness says so itself.
    let (world, _) = quarantined();
    world.set_tag("a", "role.k8s.aws/quarantined-by", "nobody");
    let run = world.run(&["plan"]).ends(0);
    assert!(
        !reason(&run, 0).contains("by commit"),
        "{}",
        reason(&run, 0)
    );
}

#[test]
fn a71_a_quarantine_of_another_history_names_its_commit() {
    let (world, _) = quarantined();
    let elsewhere = "7".repeat(40);
    world.set_tag("a", "role.k8s.aws/quarantined-by", &elsewhere);
    let run = world.run(&["plan", "--mode", "sync", "--prune-after", "0s"]);
    assert!(
        reason(&run, 0).contains("quarantined by commit 777777777777"),
        "{}",
        run.stdout
    );
}
