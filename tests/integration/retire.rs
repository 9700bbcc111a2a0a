//! Roles that nothing but their names retires: why they are held, and the way out that the reason shows.

use serde_json::Value;

use crate::support::cli::{Cli, Run, role, state};
use crate::support::repository::service_account;
use crate::support::world::{World, message, reason};

const AT: &str = "role.k8s.aws/quarantined-at";
const BY: &str = "role.k8s.aws/quarantined-by";
const LAST: &str = "role.k8s.aws/last-commit";

/// The first change of a run.
fn first(run: &Run) -> Value {
    run.json()["clusters"][0]["changes"][0].clone()
}

/// Applies, and has history lose the trace of why `a` is not declared.
pub(super) fn quarantined() -> World {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"], "control");
    world
}

pub(super) fn untag(world: &World, keys: &[&str]) {
    world.edit(|state| {
        let tags = role(state, 0)["tags"].as_array_mut().expect("tags");
        tags.retain(|tag| !keys.contains(&tag["key"].as_str().unwrap_or_default()));
    });
}

/// The role of `a` is held for good with this reason. The command that it prints retires the role, as
/// it is: no later run minds, a manifest restores it, and else it is deleted when its time is over.
#[track_caller]
fn is_held_until_retired(world: &World, code: &str) {
    let run = world.sync(&[]).ends(7);
    let change = first(&run);
    assert_eq!(change["role"], "k8s-sa_bar_a", "{change}");
    assert_eq!(change["reasonCode"], code, "{change}");
    let reason = reason(&run, 0);
    assert!(!reason.contains("check --path"), "{reason}");
    let (_, command) = reason.split_once("irsa-gitops ").expect("a command");
    let words: Vec<&str> = command.split(' ').collect();
    let retire = |more: &[&str]| {
        let all = [&words[..], &["--format", "json"], more].concat();
        let cli = Cli::new(world.repository.path(), &all)
            .env("IRSA_GITOPS_CLUSTER_NAME", "")
            .env("IRSA_GITOPS_OIDC_PROVIDER", "");
        cli.sandbox(&world.iam()).run()
    };
    let before = state(&world.iam());
    let id = world.role("a")["id"].clone();
    let shown = retire(&[]).ends(0);
    assert_eq!(shown.changes(), ["k8s-sa_bar_a quarantine"]);
    assert_eq!(state(&world.iam()), before, "only shown");
    let head = world.repository.head();
    let said = first(&shown)["reason"].to_string();
    for part in [
        &head[..12],
        "never used",
        "attached: nothing",
        "mode sync holds it",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let done = retire(&["--yes"]).ends(0);
    assert_eq!(done.changes(), ["k8s-sa_bar_a quarantine done"]);
    assert_eq!(world.tag("a", BY), Some(head.clone()));
    assert_eq!(world.tag("a", LAST), Some(head));
    assert_eq!(
        world.role("a")["trustPolicy"]["Statement"][0]["Effect"],
        "Deny"
    );
    assert_eq!(
        first(&retire(&["--yes", "--all"]).ends(0))["reasonCode"],
        "quarantined-already"
    );
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a orphan"]);
    // It is restored,
    let retired = state(&world.iam());
    world.declare("a");
    world.repository.commit("back");
    assert_eq!(
        world.sync(&[]).ends(0).changes(),
        ["k8s-sa_bar_a restore done"]
    );
    assert_eq!(world.role("a")["id"], id);
    // or deleted when its time is over.
    world
        .repository
        .git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    world.edit(|state| *state = retired);
    world.set_tag("a", AT, "2020-01-01T00:00:00Z");
    assert_eq!(
        world.sync(&[]).ends(0).changes(),
        ["k8s-sa_bar_a delete done"]
    );
}

#[test]
fn m35_a_quarantine_whose_tags_were_removed_by_hand() {
    for (keys, code) in [
        (&[AT, BY][..], "quarantine-untagged"),
        (&[BY], "quarantine-unsigned"),
    ] {
        let world = quarantined();
        untag(&world, keys);
        is_held_until_retired(&world, code);
    }
    let world = quarantined();
    world.set_tag("a", AT, "last week");
    is_held_until_retired(&world, "quarantine-undated");
    let world = quarantined();
    world.set_tag("a", LAST, "yesterday");
    is_held_until_retired(&world, "last-commit-spoiled");
}

/// A branch that declared `a` was applied by hand, removed it again, and was merged after that.
#[test]
fn m36_a_removal_inside_a_merge_whose_first_parents_never_had_it() {
    let world = World::new(&["b"]);
    world.sync(&[]).ends(0);
    world.repository.git(&["checkout", "--quiet", "-b", "side"]);
    world.declare("a");
    world.repository.commit("Add a");
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.repository.git(&["checkout", "--quiet", "main"]);
    world
        .repository
        .git(&["merge", "--quiet", "--no-ff", "--no-edit", "side"]);
    is_held_until_retired(&world, "on-side-branch");
}

#[test]
fn m37_a_quarantine_by_a_commit_that_was_rebased_away() {
    let world = quarantined();
    world
        .repository
        .git(&["commit", "--quiet", "--amend", "--message", "rebased"]);
    world.sync(&[]).ends(9);
    world.sync(&["--accept-history-rewrite"]).ends(7);
    is_held_until_retired(&world, "quarantine-foreign");
}

#[test]
fn m37_a_role_of_a_branch_that_was_never_merged() {
    let world = World::new(&["b"]);
    world.sync(&[]).ends(0);
    world.repository.git(&["checkout", "--quiet", "-b", "side"]);
    world.declare("a");
    world.repository.commit("Add a");
    world.sync(&[]).ends(0);
    world.repository.git(&["checkout", "--quiet", "main"]);
    world.repository.commit("without it");
    world.sync(&[]).ends(9);
    world.sync(&["--accept-history-rewrite"]).ends(7);
    is_held_until_retired(&world, "made-elsewhere");
}

#[test]
fn m37_a_role_that_was_tagged_again_after_its_removal() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world.repository.remove("apps/a.yaml");
    let removal = world.repository.commit("Remove a");
    world.repository.commit("applied");
    world.run(&["apply", "--full"]).ends(0);
    world.set_tag("a", LAST, &world.repository.head());
    let run = world.sync(&[]).ends(7);
    assert!(
        reason(&run, 0).contains(&removal[..12]),
        "{}",
        reason(&run, 0)
    );
    is_held_until_retired(&world, "removed-earlier");
}

/// Retires `a`, and expects that nothing happens.
#[track_caller]
fn refused(world: &World, flags: &[&str], code: &str) {
    for yes in [&[][..], &["--yes"]] {
        let before = state(&world.iam());
        let run = world
            .run(&[&["retire", "k8s-sa_bar_a"], yes, flags].concat())
            .ends(7);
        let change = first(&run);
        assert_eq!(
            (&change["action"], &change["reasonCode"]),
            (&"held".into(), &code.into()),
            "{change}"
        );
        assert_eq!(state(&world.iam()), before);
    }
}

#[test]
fn i17_a_role_that_is_or_may_be_declared_is_not_retired_by_its_name() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world
        .repository
        .write("other/c.yaml", service_account("bar", "c"));
    world.repository.commit("another directory");
    refused(&world, &[], "declared");
    refused(&world, &["--path", "other"], "declared-elsewhere");
    let good = service_account("bar", "a");
    for (text, inside, outside) in [
        (
            good.replace("_bar_a", "_bar_aa"),
            "declared",
            "broken-elsewhere",
        ),
        (
            good.replace("\"true\"", "yes"),
            "declared",
            "broken-elsewhere",
        ),
        (
            format!("{good}x: [\n"),
            "named-by-invalid",
            "broken-elsewhere",
        ),
        (
            good.replace("name: a\n", "name: aa\n"),
            "named-by-invalid",
            "broken-elsewhere",
        ),
    ] {
        world.repository.write("apps/a.yaml", &text);
        world.repository.commit("broken");
        refused(&world, &[], inside);
        refused(&world, &["--path", "other"], outside);
    }
    let clone = world.directory.path().join("plain");
    std::fs::create_dir(&clone).expect("a directory");
    std::fs::write(clone.join("b.yaml"), service_account("bar", "b")).expect("a file");
    let clone = clone.to_str().expect("UTF-8");
    let head = world.repository.head();
    refused(&world, &["--directory", clone], "no-commit");
    refused(
        &world,
        &["--directory", clone, "--commit", &head],
        "history-missing",
    );
}

#[test]
fn i17_foreign_and_missing_roles_and_those_of_the_program_are_not_retired() {
    let world = quarantined();
    untag(&world, &[AT, BY]);
    world.set_tag("a", "role.k8s.aws/cluster", "another");
    refused(&world, &[], "foreign-role");
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        roles.retain(|role| role["name"] != "k8s-sa_bar_a");
    });
    refused(&world, &[], "absent");
    let before = state(&world.iam());
    for name in ["k8s-sa_=prod", "k8s-sa_=prod=1", "Admin"] {
        let run = world.run(&["retire", name, "--yes"]).ends(2);
        let hint = run.json()["error"]["hint"].to_string();
        assert_eq!(
            hint.contains("of the program itself"),
            name != "Admin",
            "{hint}"
        );
    }
    assert_eq!(state(&world.iam()), before);
}

#[test]
fn i18_a_late_retirement_is_superseded() {
    let world = quarantined();
    let older = world.repository.head();
    untag(&world, &[AT, BY]);
    world.repository.commit("newer");
    world.run(&["apply"]).ends(0);
    let before = state(&world.iam());
    for yes in [&[][..], &["--yes"]] {
        let late = ["retire", "k8s-sa_bar_a", "--revision", &older];
        let run = world.run(&[&late[..], yes].concat()).ends(9);
        assert!(message(&run).contains("is newer than"), "{}", message(&run));
    }
    assert_eq!(state(&world.iam()), before);
}

#[test]
fn i18_several_roles_a_file_of_clusters_an_audit_log_and_every_format() {
    let world = quarantined();
    untag(&world, &[AT, BY]);
    world.edit(|state| {
        let a = role(state, 0);
        a["lastUsed"] = "2026-11-24T08:00:00Z".into();
        a["attachedPolicies"] = serde_json::json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
    });
    let place = world.directory.path();
    let file = |name: &str| place.join(name).to_str().expect("UTF-8").to_owned();
    let (config, log) = (file("clusters.yaml"), file("audit.jsonl"));
    let issuer = crate::support::cli::ISSUER;
    let clusters = format!(
        "clusters:\n- {{name: prod, oidcProvider: {issuer}}}\n- {{name: green, rolePrefix: green, oidcProvider: {issuer}}}\n"
    );
    std::fs::write(&config, clusters).expect("a file");
    let run = |flags: &[&str]| {
        let all = [&["retire", "k8s-sa_bar_a", "k8s-sa_bar_b"], flags].concat();
        let cli = Cli::new(world.repository.path(), &all).sandbox(&world.iam());
        cli.env("IRSA_GITOPS_OIDC_PROVIDER", "")
            .env("IRSA_GITOPS_CLUSTER_NAME", "")
            .run()
    };
    run(&["--config", &config]).ends(2);
    let prod = ["--config", &config, "--cluster-name", "prod"];
    for format in ["human", "json", "markdown", "sarif", "github", "gitlab"] {
        let text = run(&[&prod[..], &["--format", format]].concat())
            .ends(7)
            .stdout;
        for part in [
            "k8s-sa_bar_a",
            "k8s-sa_bar_b",
            "ReadOnlyAccess",
            "2026-11-24",
        ] {
            assert!(text.contains(part), "{format} {part}: {text}");
        }
    }
    let done = run(&[
        &prod[..],
        &["--yes", "--format", "json", "--audit-log", &log],
    ]
    .concat());
    let expected = ["k8s-sa_bar_a quarantine done", "k8s-sa_bar_b held"];
    assert_eq!(done.ends(7).changes(), expected);
    let log = std::fs::read_to_string(&log).expect("a log");
    assert!(
        log.contains("k8s-sa_bar_a") && !log.contains("k8s-sa_bar_b"),
        "{log}"
    );
}

#[test]
fn m141_retire_refuses_what_the_commit_may_declare() {
    let own = service_account("bar", "a");
    let bare = own.replace("  namespace: bar\n", "");
    let (unnamed, _) = bare
        .rsplit_once("    eks")
        .expect("the role-arn annotation");
    let template = format!("{{{{- if .Values.x }}}}\n{unnamed}{{{{- end }}}}\n");
    let world = World::with(&[
        ("ns/bar/a.yaml", &bare),
        ("apps/b.yaml", &service_account("bar", "b")),
    ]);
    let rule = ["--namespace-from", "ns/{namespace}/**"];
    world.sync(&rule).ends(0);
    let retire = ["retire", "k8s-sa_bar_a", "--yes"];
    for text in [
        bare.as_str(),
        unnamed,
        &own.replace("namespace: bar", "namespace: ${NS}"),
        &unnamed.replace("name: a", "name: a\n  namespace: ${NS}"),
        &template,
    ] {
        world.repository.write("ns/bar/a.yaml", text);
        world.repository.commit("as it is");
        // The rule was forgotten, so no commit ever declared it: what may declare it stands there.
        let run = world.sync(&[]).ends(7);
        let held = run.changes();
        assert!(held.contains(&"k8s-sa_bar_a held".to_owned()), "{held:?}");
        let said = run.json()["clusters"][0]["changes"][0]["reason"].to_string();
        assert!(said.contains("ns/bar/a.yaml"), "{text}: {said}");
        assert!(!said.contains("irsa-gitops retire"), "{text}: {said}");
        let run = world.run(&retire).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{text}");
    }
    // What has another name is nothing to it, nor is what a rule leaves out and names no role.
    let run = [&retire[..], &["--exclude", "/ns/"]].concat();
    world.repository.write("ns/bar/a.yaml", unnamed);
    world.repository.commit("a base");
    let shown: Vec<&str> = run
        .iter()
        .copied()
        .filter(|word| *word != "--yes")
        .collect();
    assert_eq!(world.run(&shown).changes(), ["k8s-sa_bar_a quarantine"]);
    let other = bare.replace("name: a", "name: z").replace("bar_a", "bar_z");
    world.repository.write("ns/bar/a.yaml", other);
    world.repository.commit("another one");
    let run = world.run(&retire);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
}
