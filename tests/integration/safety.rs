//! What a run must never do: retire a role without a witness, come too late, touch a foreign role.

use serde_json::json;

use crate::support::cli::{Cli, role, state};
use crate::support::iam_server::is_own;
use crate::support::repository::{git, service_account};
use crate::support::world::{World, message, reason};

#[test]
fn a15_a_removed_service_account_is_quarantined_restored_and_at_last_deleted() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    let before = world.role("a");
    world.edit(|state| {
        role(state, 0)["attachedPolicies"] = json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"])
    });
    world.repository.remove("apps/a.yaml");
    let removed = world.repository.commit("Remove a");
    // Not in the default mode.
    assert_eq!(
        world.run(&["apply"]).ends(0).changes(),
        ["k8s-sa_bar_a orphan"]
    );
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    assert!(
        reason(&run, 0).contains(&removed[..12]) && reason(&run, 0).contains("Ann Author"),
        "{}",
        reason(&run, 0)
    );
    let removal = &run.json()["clusters"][0]["changes"][0]["removedBy"];
    assert_eq!(removal["commit"], removed);
    let quarantined = world.role("a");
    assert_eq!(quarantined["trustPolicy"]["Statement"][0]["Effect"], "Deny");
    assert_eq!(quarantined["id"], before["id"]);
    assert_eq!(
        world.tag("a", "role.k8s.aws/quarantined-by"),
        Some(removed.clone())
    );
    // Waiting is no change.
    assert_eq!(world.sync(&[]).ends(0).changes(), ["k8s-sa_bar_a orphan"]);
    // A revert restores the same role with its policies.
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    assert_eq!(
        world.sync(&[]).ends(0).changes(),
        ["k8s-sa_bar_a restore done"]
    );
    let restored = world.role("a");
    assert_eq!(restored["id"], before["id"]);
    assert_eq!(restored["trustPolicy"], before["trustPolicy"]);
    assert_eq!(
        restored["attachedPolicies"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(world.tag("a", "role.k8s.aws/quarantined-at"), None);
    // Removed again; when its time is over it stays while a policy is attached.
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a again");
    world.sync(&[]).ends(0);
    world.set_tag("a", "role.k8s.aws/quarantined-at", "2020-01-01T00:00:00Z");
    let run = world.sync(&[]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    assert!(
        reason(&run, 0).contains("ReadOnlyAccess"),
        "A15: {}",
        reason(&run, 0)
    );
    world.edit(|state| role(state, 0)["attachedPolicies"] = json!([]));
    assert_eq!(
        world.sync(&[]).ends(0).changes(),
        ["k8s-sa_bar_a delete done"]
    );
    assert!(world.role("a").is_null());
    assert_eq!(world.sync(&[]).ends(0).changes(), Vec::<String>::new());
}

#[test]
fn a15_prune_after_zero_deletes_at_once_unless_something_is_attached() {
    let world = World::new(&["a", "b", "c"]);
    world.sync(&[]).ends(0);
    world.edit(|state| role(state, 1)["inlinePolicies"] = json!(["p"]));
    world.repository.remove("apps/a.yaml");
    world.repository.remove("apps/b.yaml");
    world.repository.commit("Remove two");
    let now = ["--prune-after", "0"];
    let attached = "not deleted while this is attached: p";
    let planned = world.run(&["plan", "--mode", "sync", "--prune-after", "0"]);
    let planned = reason(&planned.ends(7), 1);
    assert!(planned.contains(attached), "{planned}");
    let run = world.sync(&now).ends(7);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_a delete done", "k8s-sa_bar_b quarantine done"]
    );
    // That it is still there is said with the same code until it can go.
    for _ in 0..2 {
        let run = world.sync(&now).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_b held"]);
        assert!(reason(&run, 0).contains(attached), "{}", reason(&run, 0));
    }
    world.edit(|state| role(state, 0)["inlinePolicies"] = json!([]));
    let run = world.sync(&now).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_b delete done"]);
}

#[test]
fn a15_what_is_attached_is_no_word_where_nothing_was_to_be_deleted() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.edit(|state| role(state, 0)["inlinePolicies"] = json!(["p"]));
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let run = world.sync(&[]).ends(0);
    assert!(!reason(&run, 0).contains("attached"), "{}", reason(&run, 0));
    world.sync(&[]).ends(0);
}

#[test]
fn m8_an_unmanaged_service_account_is_retired_in_its_own_words() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    let line = "    security.kaluza.com/iam-role-managed: \"true\"\n";
    for (left, words) in [
        (line.replace("true", "false"), "un-managed by commit"),
        (String::new(), "un-managed by commit"),
    ] {
        let text = service_account("bar", "a").replace(line, &left);
        world.repository.write("apps/a.yaml", text);
        world.repository.commit("Unmanage a");
        let run = world.run(&["plan", "--mode", "sync"]).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine"]);
        assert!(reason(&run, 0).starts_with(words), "{}", reason(&run, 0));
        world.declare("a");
        world.repository.commit("back");
    }
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let run = world.sync(&[]).ends(0);
    assert!(
        reason(&run, 0).starts_with("removed by commit"),
        "{}",
        reason(&run, 0)
    );
}

#[test]
fn c2_g7_g8_a_run_that_comes_too_late_writes_nothing() {
    let world = World::new(&["a"]);
    let first = world.repository.head();
    world.declare("b");
    world.repository.commit("second");
    world.run(&["apply"]).ends(0);
    let before = state(&world.iam());
    // An older commit, a rewound branch.
    let run = world.run(&["apply", "--revision", &first]).ends(9);
    assert!(message(&run).contains("superseded"), "{}", message(&run));
    world.run(&["plan", "--revision", &first]).ends(9);
    // A rewritten branch.
    world
        .repository
        .git(&["reset", "--quiet", "--hard", &first]);
    world.declare("c");
    world.repository.commit("another second");
    world.sync(&[]).ends(9);
    assert_eq!(state(&world.iam()), before);
    let run = world.sync(&["--accept-history-rewrite"]).ends(7);
    assert_eq!(
        run.changes(),
        [
            "k8s-sa_bar_a update done",
            "k8s-sa_bar_b update done",
            "k8s-sa_bar_c create done"
        ]
    );
    // No commit of the new history removed it.
    let run = world.sync(&[]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_b held"]);
}

#[test]
fn g5_a_shallow_clone_prunes_nothing_and_says_how_to_fetch_history() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.declare("new");
    world.repository.commit("Remove a");
    let clone = world.directory.path().join("clone");
    let url = format!("file://{}", world.repository.path().display());
    git(
        world.directory.path(),
        &["clone", "--quiet", "--depth", "1", &url, "clone"],
    );
    let all = ["apply", "--mode", "sync", "--format", "json"];
    let run = Cli::new(&clone, &all).sandbox(&world.iam()).run().ends(7);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_a held", "k8s-sa_bar_new create done"]
    );
    assert!(
        reason(&run, 0).contains("fetch-depth: 0"),
        "{}",
        reason(&run, 0)
    );
}

#[test]
fn a_directory_prunes_nothing() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    let commit = world.repository.commit("Remove a");
    let run = world
        .sync(&["--directory", ".", "--commit", &commit])
        .ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
}

#[test]
fn m26_finding_nothing_at_all_is_refused() {
    let world = World::new(&["a"]);
    world.sync(&[]).ends(0);
    let before = state(&world.iam());
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove all");
    let run = world.sync(&[]).ends(5);
    assert!(message(&run).contains("k8s-sa_bar_a"), "{}", message(&run));
    assert_eq!(state(&world.iam()), before);
    assert_eq!(
        world.sync(&["--allow-empty"]).ends(0).changes(),
        ["k8s-sa_bar_a quarantine done"]
    );
}

#[test]
fn m28_a_directory_that_vanished_is_named_whatever_becomes_of_its_roles() {
    let world = World::new(&["a", "b", "c", "d", "e", "f", "g"]);
    world.sync(&[]).ends(0);
    for name in ["a", "b", "c", "d", "e", "f"] {
        world.repository.remove(&format!("apps/{name}.yaml"));
    }
    world.repository.commit("Remove six");
    for after in ["7d", "0"] {
        let run = world.sync(&["--prune-after", after]).ends(5);
        assert!(message(&run).contains("6 from `apps`"), "{}", message(&run));
    }
}

#[test]
fn m27_m28_many_removals_need_their_exact_count() {
    let names: Vec<String> = (0..8).map(|n| format!("app-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::new(&names);
    world.sync(&[]).ends(0);
    let before = state(&world.iam());
    for name in &names[..6] {
        world.repository.remove(&format!("apps/{name}.yaml"));
    }
    world.repository.commit("Remove six");
    for arguments in [
        &[][..],
        &["--allow-removals", "5"],
        &["--allow-removals", "7"],
    ] {
        let run = world.sync(arguments).ends(5);
        assert!(
            message(&run).contains("6 of 8 roles") && message(&run).contains("`apps`"),
            "{}",
            message(&run)
        );
    }
    assert_eq!(state(&world.iam()), before);
    assert_eq!(
        world
            .sync(&["--allow-removals", "6"])
            .ends(0)
            .changes()
            .len(),
        6
    );
}

#[test]
fn i4_an_issuer_change_over_existing_roles_is_refused() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world.edit(|state| {
        let providers = state["oidcProviders"].as_array_mut().expect("providers");
        providers
            .push(json!({ "issuer": "new.example.com/id/2", "audiences": ["sts.amazonaws.com"] }));
    });
    let before = state(&world.iam());
    let change = ["apply", "--oidc-provider", "new.example.com/id/2"];
    let run = world.run(&change).ends(5);
    assert!(
        message(&run).contains(crate::support::cli::ISSUER),
        "{}",
        message(&run)
    );
    assert_eq!(state(&world.iam()), before);
    let allowed = [
        &change[..],
        &["--allow-issuer-change", crate::support::cli::ISSUER],
    ]
    .concat();
    assert_eq!(world.run(&allowed).ends(0).changes().len(), 2);
}

#[test]
fn i4_an_issuer_change_hides_behind_no_other_change() {
    let world = World::new(&["a", "b", "c", "d", "e", "f"]);
    world.sync(&[]).ends(0);
    world.edit(|state| {
        let providers = state["oidcProviders"].as_array_mut().expect("providers");
        let mut other = providers[0].clone();
        other["issuer"] = json!("new.example.com");
        providers.push(other);
    });
    let new = [
        "plan",
        "--oidc-provider",
        "new.example.com",
        "--audience",
        "none",
    ];
    let run = world.run(&new).ends(5);
    assert!(message(&run).contains("issuer"), "{}", message(&run));
}

#[test]
fn i2_an_audience_of_its_own_that_the_provider_lacks_holds_one_service_account() {
    let world = World::new(&["a"]);
    let own = service_account("bar", "b") + "    eks.amazonaws.com/audience: vault\n";
    world.repository.write("apps/b.yaml", own);
    world.repository.commit("b");
    let run = world.run(&["apply"]).ends(7);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_a create done", "k8s-sa_bar_b held"]
    );
    assert!(reason(&run, 1).contains("`vault`"), "{}", reason(&run, 1));
    world.edit(|state| {
        let audiences = state["oidcProviders"][0]["audiences"].as_array_mut();
        audiences.expect("audiences").push(json!("vault"));
    });
    let run = world.run(&["apply"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_b create done"]);
}

#[test]
fn i2_a_missing_provider_is_refused_before_the_first_write() {
    let world = World::new(&["a"]);
    let run = world
        .run(&["apply", "--oidc-provider", "nobody.example.com"])
        .ends(5);
    let hint = run.json()["error"]["hint"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        hint.contains("create-open-id-connect-provider --url https://nobody.example.com"),
        "{hint}"
    );
    assert_eq!(state(&world.iam())["roles"], json!(null));
}

#[test]
fn i5_sync_without_a_prefix_is_refused() {
    let world = World::new(&["a"]);
    world.sync(&["--role-prefix", ""]).ends(2);
    world.run(&["plan", "--role-prefix", "a_b"]).ends(2);
    world.run(&["plan", "--role-prefix", "*"]).ends(2);
}

#[test]
fn i6_i7_i8_i11_foreign_roles_are_never_written_to() {
    for (key, value) in [
        ("role.k8s.aws/managed-by", "somebody"),
        ("role.k8s.aws/cluster", "cluster"),
        ("serviceaccount.k8s.aws/stack", "bar/b"),
    ] {
        let world = World::new(&["a", "b"]);
        world.sync(&[]).ends(0);
        world.set_tag("a", key, value);
        world.edit(|state| {
            role(state, 0)["trustPolicy"]["Statement"][0]["Action"] = "sts:AssumeRole".into()
        });
        let before = world.role("a");
        let run = world.sync(&[]).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{key}");
        assert_eq!(run.codes(), ["foreign-role"], "{key}");
        world.repository.remove("apps/a.yaml");
        world.repository.commit("Remove a");
        assert_eq!(
            world.sync(&[]).ends(0).changes(),
            Vec::<String>::new(),
            "{key}"
        );
        assert_eq!(world.role("a"), before, "{key}");
    }
}

#[test]
fn a21_a22_quotas_are_looked_at_before_the_first_write() {
    let world = World::new(&["a", "b"]);
    world.edit(|state| state["quotas"] = json!({ "roles": 1 }));
    let run = world.run(&["apply"]).ends(5);
    assert!(
        message(&run).contains("2 roles are to be made"),
        "{}",
        message(&run)
    );
    world.edit(|state| state["quotas"] = json!({ "trustPolicySize": 100 }));
    let run = world.run(&["apply"]).ends(5);
    assert!(
        message(&run).contains("trust policy of role `k8s-sa_bar_a`"),
        "A22: {}",
        message(&run)
    );
    assert_eq!(state(&world.iam())["roles"], json!(null));
}

#[test]
fn every_write_is_announced_and_concluded_in_the_audit_log() {
    let world = World::new(&["a"]);
    let log = world.directory.path().join("audit.jsonl");
    world
        .run(&["apply", "--audit-log", log.to_str().expect("UTF-8")])
        .ends(0);
    let text = std::fs::read_to_string(&log).expect("a log");
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let events: Vec<_> = lines
        .iter()
        .filter(|line| line["role"].as_str().is_some_and(|role| !is_own(role)))
        .map(|line| {
            (
                line["event"].as_str(),
                line["action"].as_str(),
                line["role"].as_str(),
            )
        })
        .collect();
    let (action, role) = (Some("iam:CreateRole"), Some("k8s-sa_bar_a"));
    assert_eq!(
        events,
        [(Some("begin"), action, role), (Some("done"), action, role)]
    );
    let roles: Vec<_> = lines.iter().map(|line| line["role"].clone()).collect();
    assert_eq!(roles[0], "k8s-sa_=prod=1", "the lock, first of all");
    assert_eq!(roles[2], "k8s-sa_=prod", "the record, before all others");
    assert_eq!(lines[0]["commit"], world.repository.head());
}

#[test]
fn p4_a_write_that_cannot_be_announced_is_not_made() {
    let world = World::new(&["a", "b"]);
    let run = world.run(&["apply", "--audit-log", "/dev/full"]).ends(6);
    let said = "not sent, because the audit log cannot be written";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    assert_eq!(state(&world.iam())["roles"], json!(null));
}
