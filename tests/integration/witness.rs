//! What counts as the removal of a ServiceAccount: a commit that took it away, and nothing else.

use serde_json::json;

use crate::support::cli::role;
use crate::support::repository::service_account;
use crate::support::world::{World, message, reason};

#[test]
fn an_absence_without_a_witness_is_held() {
    let world = World::new(&["a", "b"]);
    world
        .repository
        .write("other/c.yaml", service_account("bar", "c"));
    world.repository.commit("c");
    world.sync(&[]).ends(0);
    // A wrong --path.
    let run = world.sync(&["--path", "other"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held", "k8s-sa_bar_b held"]);
    // A file that a failed render left empty, or broken.
    for left in ["", "Error: something failed\n  at: [\n"] {
        world.repository.write("apps/a.yaml", left);
        world.repository.commit("a failed render");
        let run = world.sync(&[]).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{left:?}");
        assert!(
            reason(&run, 0).contains("apps/a.yaml"),
            "{}",
            reason(&run, 0)
        );
    }
    // A directory that moved within it.
    world.declare("a");
    world.repository.commit("back");
    world.repository.git(&["mv", "apps", "moved"]);
    world.repository.commit("move");
    assert_eq!(world.sync(&[]).ends(0).changes(), Vec::<String>::new());
}

#[test]
fn m1_a_file_that_does_not_parse_stops_all_pruning_and_nothing_else() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.write(
        "broken.yaml",
        "# security.kaluza.com/iam-role-managed\na: [\n",
    );
    world.declare("new");
    world.repository.commit("Remove a, break a file, add new");
    let run = world.sync(&[]).ends(7);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_a held", "k8s-sa_bar_new create done"]
    );
}

#[test]
fn a_directory_that_moved_out_of_scope_is_not_a_removal() {
    let world = World::new(&["a", "b"]);
    world
        .repository
        .write("apps/team/c.yaml", service_account("bar", "c"));
    world.repository.commit("c");
    world.sync(&["--path", "apps"]).ends(0);
    world.repository.git(&["mv", "apps/team", "team"]);
    world.repository.commit("move");
    let run = world.sync(&["--path", "apps"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_c held"]);
    assert!(
        reason(&run, 0).contains("team/c.yaml"),
        "{}",
        reason(&run, 0)
    );
    // Gone from there, too: now it is one.
    world.repository.remove("team/c.yaml");
    world.repository.commit("Remove c");
    let run = world.sync(&["--path", "apps"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_c quarantine done"]);
}

#[test]
fn m1_a_file_that_broke_with_the_removal_and_holds_its_name_stops_it() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    world
        .repository
        .write("apps/new.yaml", "metadata:\n  name: a\nkind: [\n");
    world.repository.commit("Remove a, and break another file");
    let run = world.sync(&[]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    assert!(
        reason(&run, 0).contains("apps/new.yaml"),
        "{}",
        reason(&run, 0)
    );
}

#[test]
fn p1_a_quarantine_that_was_cut_short_is_finished() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    let open = world.role("a")["trustPolicy"].clone();
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.sync(&[]).ends(0);
    // As after a kill between the tags and the trust policy, or as somebody opened it again.
    world.edit(|state| role(state, 0)["trustPolicy"] = open.clone());
    world.repository.write("notes.yaml", "kind: Note\n");
    world.repository.commit("something else");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    assert_eq!(
        world.role("a")["trustPolicy"]["Statement"][0]["Effect"],
        "Deny"
    );
    // It is no witness for a path that never had the ServiceAccount.
    world.edit(|state| role(state, 0)["trustPolicy"] = open);
    world
        .repository
        .write("other/c.yaml", service_account("bar", "c"));
    world.repository.commit("c");
    let run = world.sync(&["--path", "other"]).ends(7);
    assert_eq!(run.changes()[0], "k8s-sa_bar_a held");
}

#[test]
fn tags_of_a_quarantine_that_is_over_are_taken_away() {
    let world = World::new(&["a"]);
    world.sync(&[]).ends(0);
    world.set_tag("a", "role.k8s.aws/quarantined-at", "2026-01-01T00:00:00Z");
    let run = world.sync(&["--full"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a update done"]);
    assert_eq!(world.tag("a", "role.k8s.aws/quarantined-at"), None);
    assert_eq!(
        world.sync(&["--full"]).ends(0).changes(),
        Vec::<String>::new()
    );
}

#[test]
fn s19_a_removed_service_account_whose_role_was_opened_to_others_is_quarantined() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    for principal in [
        json!({ "AWS": "arn:aws:iam::999999999999:root" }),
        json!("*"),
    ] {
        world.edit(|state| {
            role(state, 0)["trustPolicy"]["Statement"][0]["Principal"] = principal.clone();
        });
        world.repository.remove("apps/a.yaml");
        world.repository.commit("Remove a");
        let run = world.run(&["plan", "--mode", "sync"]).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine"], "{principal}");
        world.declare("a");
        world.repository.commit("back");
    }
}

#[test]
fn a_last_commit_that_is_none_proves_nothing() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.set_tag("a", "role.k8s.aws/last-commit", "yesterday");
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let run = world.sync(&[]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    assert!(
        reason(&run, 0).contains("last-commit"),
        "{}",
        reason(&run, 0)
    );
}

#[test]
fn a_quarantine_may_last_for_longer_than_the_calendar() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.sync(&[]).ends(0);
    let run = world.sync(&["--prune-after", "5000000d"]).ends(0);
    assert!(reason(&run, 0).contains("never"), "{}", reason(&run, 0));
    world.set_tag("a", "role.k8s.aws/quarantined-at", "9999-12-30T00:00:00Z");
    let run = world.sync(&[]).ends(0);
    assert!(reason(&run, 0).contains("never"), "{}", reason(&run, 0));
}

#[test]
fn g7_a_rewritten_history_shows_in_roles_that_are_in_sync() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.declare("new");
    world.repository.git(&["add", "--all"]);
    world
        .repository
        .git(&["commit", "--quiet", "--amend", "--message", "rewritten"]);
    let run = world.run(&["apply"]).ends(9);
    assert!(message(&run).contains("superseded"), "{}", message(&run));
    assert!(world.role("new").is_null());
    world.run(&["apply", "--accept-history-rewrite"]).ends(0);
    assert!(!world.role("new").is_null());
}

#[test]
fn a_directory_that_was_copied_first_and_removed_later_is_not_a_removal() {
    let world = World::new(&["a", "b"]);
    world.sync(&["--path", "apps"]).ends(0);
    world
        .repository
        .write("new/a.yaml", service_account("bar", "a"));
    world.repository.commit("copy");
    world.repository.remove("apps/a.yaml");
    world.repository.commit("remove the old one");
    let run = world.sync(&["--path", "apps"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    assert!(
        reason(&run, 0).contains("new/a.yaml"),
        "{}",
        reason(&run, 0)
    );
}

#[test]
fn a_quarantined_role_that_is_asked_for_elsewhere_is_not_deleted() {
    let world = World::new(&["a", "b"]);
    world.sync(&["--path", "apps"]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.sync(&["--path", "apps"]).ends(0);
    world
        .repository
        .write("new/a.yaml", service_account("bar", "a"));
    world.repository.commit("back, elsewhere");
    world.set_tag("a", "role.k8s.aws/quarantined-at", "2020-01-01T00:00:00Z");
    let run = world.sync(&["--path", "apps"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
}

#[test]
fn another_clusters_role_of_the_same_name_keeps_nothing() {
    let world = World::new(&["a", "b"]);
    let green = service_account("bar", "a").replace("k8s-sa_bar_a", "green_bar_a");
    world.repository.write("green/a.yaml", &green);
    world.repository.commit("green");
    world.sync(&["--path", "apps"]).ends(0);
    world.repository.remove("apps/a.yaml");
    world
        .repository
        .git(&["mv", "green/a.yaml", "green/a2.yaml"]);
    world.repository.commit("Remove a from blue");
    let run = world.sync(&["--path", "apps"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
}

#[test]
fn s19_a_role_that_was_given_to_another_provider_is_retired_like_any_other() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.edit(|state| {
        role(state, 0)["trustPolicy"]["Statement"][0]["Principal"] = json!({
            "Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        });
    });
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
}

#[test]
fn m7_a_typo_in_a_name_does_not_retire_the_role() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    let typo = service_account("bar", "a").replace("name: a\n", "name: aa\n");
    world.repository.write("apps/a.yaml", typo);
    world.repository.commit("a typo");
    let run = world.sync(&[]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held", "k8s-sa_bar_aa held"]);
}

#[test]
fn a_file_that_never_could_be_read_proves_nothing() {
    let world = World::new(&["a", "b"]);
    world
        .repository
        .write("charts/x.yaml", "a: {{ .Values.x }}\n");
    world.repository.commit("a chart");
    world.sync(&[]).ends(0);
    world
        .repository
        .write("charts/x.yaml", "a: {{ .Values.y }}\n");
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a, and change the chart");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
}

#[test]
fn m31_m32_m33_a_file_that_is_not_whole_witnesses_no_removal() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    let good = service_account("bar", "a");
    let list = |item: &str| format!("apiVersion: v1\nkind: List\nitems: [{item}]\n");
    let bare = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n";
    for (left, why) in [
        (format!("{bare}  name:\n  namespace: bar\n"), "has no name"),
        (
            format!("{bare}  name: ~\n  namespace: bar\n"),
            "has no name",
        ),
        (
            format!("{bare}  name: <no value>\n"),
            "`<no value>` is no name",
        ),
        (format!("{bare}  name: ${{name}}\n"), "`${name}` is no name"),
        (format!("{bare}  name: web-\n"), "`web-` is no name"),
        (format!("{bare}  name: a\n"), "has no namespace"),
        (
            format!("{bare}  name: a\n  namespace:\n"),
            "has no namespace",
        ),
        (
            "apiVersion: v1\nkind: Status\nmetadata: {name: a}\n".to_owned(),
            "a Status",
        ),
        (list("{}"), "has no name"),
        (
            list("{apiVersion: v1, kind: ConfigMap, metadata: {}}"),
            "has no name",
        ),
        ("\u{feff}".to_owned(), "it is empty"),
        (good[..20].to_owned(), "has no kind"),
        (good[..70].to_owned(), "line break"),
    ] {
        world.repository.write("apps/a.yaml", &left);
        world.repository.commit("a broken render");
        let run = world.sync(&[]).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{left}");
        let reason = reason(&run, 0);
        let is_told = reason.contains("apps/a.yaml") && reason.contains(why);
        assert!(is_told, "{left}: {reason}");
    }
    // The file is whole again, without it: that is a removal, by the commit that made it whole.
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: bar\n";
    world.repository.write("apps/a.yaml", config);
    let repair = world.repository.commit("Remove a");
    world.repository.write("apps/a.yaml", "");
    world.repository.commit("broken again");
    assert_eq!(world.sync(&[]).ends(7).changes(), ["k8s-sa_bar_a held"]);
    world.repository.write("apps/a.yaml", config);
    world.repository.commit("and whole");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    let reason = reason(&run, 0);
    assert!(reason.contains(&repair[..8]), "{repair}: {reason}");
}

#[test]
fn m31_a_broken_render_that_was_repaired_removed_nothing() {
    let world = World::new(&["a", "b", "c"]);
    let three = |middle: &str| {
        let (first, last) = (service_account("bar", "d"), service_account("bar", "f"));
        format!("{first}---\n{middle}---\n{last}")
    };
    let whole = three(&service_account("bar", "e"));
    world.repository.write("apps/three.yaml", &whole);
    world.repository.commit("three in a file");
    world.sync(&[]).ends(0);
    // Cut, repaired, and then e is removed from the middle.
    let without = three("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: e}\n");
    for text in [&whole[..whole.len() - 40], &whole, &without] {
        world.repository.write("apps/three.yaml", text);
        world.repository.commit("another render");
    }
    world.repository.write("apps/c.yaml", "kind: Serv");
    world.repository.commit("a broken render");
    let run = world.sync(&[]).ends(7);
    let changes = ["k8s-sa_bar_c held", "k8s-sa_bar_e quarantine done"];
    assert_eq!(run.changes(), changes);
    // What broke is gone altogether.
    world.repository.remove("apps/c.yaml");
    let removal = world.repository.commit("Remove c");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes()[0], "k8s-sa_bar_c quarantine done");
    let reason = reason(&run, 0);
    assert!(reason.contains(&removal[..8]), "{removal}: {reason}");
}

#[test]
fn m31_m32_m33_a_whole_file_without_it_is_a_removal() {
    let good = service_account("bar", "a");
    let commented: String = good.lines().map(|line| format!("# {line}\n")).collect();
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: system:a\nrules: []\n";
    let unmanaged = good.split("  annotations:").next().expect("a beginning");
    for (before, after) in [
        (good.clone(), role),
        (good.clone(), &commented),
        (good.clone(), unmanaged),
        (format!("{role}---\n{good}"), role),
        (good.trim_end().to_owned(), role.trim_end()),
        (good.replace('\n', "\r\n"), &role.replace('\n', "\r\n")),
    ] {
        let world = World::new(&["b"]);
        world.repository.write("apps/a.yaml", &before);
        world.repository.commit("a");
        world.sync(&[]).ends(0);
        world.repository.write("apps/a.yaml", after);
        world.repository.commit("Remove a");
        let run = world.sync(&[]).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"], "{after}");
    }
}
