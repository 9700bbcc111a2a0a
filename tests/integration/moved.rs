//! What moved out of the paths of a run was not removed, also if it was broken on the way.

use crate::support::cli::ISSUER;
use crate::support::repository::service_account;
use crate::support::world::{World, reason};

/// Runs that read `apps` alone.
const APPS: [&str; 2] = ["--path", "apps"];

/// Two ServiceAccounts whose roles a pipeline of `apps` has made.
fn applied() -> World {
    let world = World::new(&["a", "b"]);
    world.sync(&APPS).ends(0);
    world
}

/// The manifest of `a` with a fault that keeps it from declaring its role.
fn broken() -> Vec<(&'static str, String)> {
    let good = service_account("bar", "a");
    vec![
        (
            "another account",
            good.replace("123456789012", "123456789013"),
        ),
        (
            "another prefix",
            good.replace("k8s-sa_bar_a", "k8ssa_bar_a"),
        ),
        (
            "another role",
            good.replace("k8s-sa_bar_a", "k8s-sa_bar_aa"),
        ),
        (
            "no role-arn",
            good.split("    eks").next().expect("a part").to_owned(),
        ),
        ("an unquoted value", good.replace("\"true\"", "yes")),
        (
            "a typo in the name",
            good.replace("name: a\n", "name: aa\n"),
        ),
        ("no namespace", good.replace("  namespace: bar\n", "")),
        (
            "a key twice",
            good.replace("  annotations:\n", "  annotations: {}\n  annotations:\n"),
        ),
        ("a syntax error", format!("{good}x: [\n")),
        (
            "a template",
            good.replace("name: a\n", "name: {{ .Values.name }}\n"),
        ),
        (
            "cut before the annotations",
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a".to_owned(),
        ),
    ]
}

#[test]
fn m34_what_moved_out_of_the_paths_and_broke_is_held() {
    for (fault, text) in broken() {
        let world = applied();
        world.repository.remove("apps/a.yaml");
        world.repository.write("other/sa.yaml", &text);
        world.repository.commit("move and break");
        let run = world.sync(&APPS).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{fault}");
        assert!(
            reason(&run, 0).contains("`other/sa.yaml`"),
            "{fault}: {}",
            reason(&run, 0)
        );
        let code = &run.json()["clusters"][0]["changes"][0]["reasonCode"];
        assert_eq!(code, "broken-elsewhere", "{fault}");
        // It is corrected by taking it away for good.
        world.repository.remove("other/sa.yaml");
        world.repository.commit("Remove a");
        let run = world.sync(&APPS).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"], "{fault}");
    }
}

#[test]
fn m34_what_was_copied_first_and_broke_is_held() {
    for (fault, text) in broken() {
        let world = applied();
        world.repository.write("other/sa.yaml", &text);
        world.repository.commit("copy and break");
        world.sync(&APPS).ends(0);
        world.repository.remove("apps/a.yaml");
        world.repository.commit("remove the old one");
        let run = world.sync(&APPS).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{fault}");
    }
}

#[test]
fn m34_a_role_whose_quarantine_is_over_is_not_deleted_for_what_came_back_broken() {
    let world = applied();
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.sync(&APPS).ends(0);
    let typo = service_account("bar", "a").replace("123456789012", "123456789013");
    world.repository.write("other/sa.yaml", typo);
    world.repository.commit("back, elsewhere");
    world.set_tag("a", "role.k8s.aws/quarantined-at", "2020-01-01T00:00:00Z");
    let run = world.sync(&APPS).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
}

#[test]
fn m34_what_was_there_before_or_is_about_others_holds_nothing() {
    let world = World::new(&["a", "b"]);
    let green = service_account("bar", "a").replace("k8s-sa_bar", "green_bar");
    world.repository.write("green/a.yaml", &green);
    world.repository.write("green/c.yaml", "name: a\nx: [\n");
    world.repository.write(
        "charts/sa.yaml",
        "a: {{ .Values.x }} # security.kaluza.com/iam-role-managed\n",
    );
    world.repository.commit("another cluster, and charts");
    world.sync(&APPS).ends(0);
    // All of it moves or changes with the removal, and something else breaks.
    world.repository.remove("apps/a.yaml");
    world.repository.write(
        "charts/sa.yaml",
        "b: {{ .Values.y }} # security.kaluza.com/iam-role-managed\n",
    );
    world.repository.write(
        "green/new.yaml",
        service_account("bar", "z").replace("k8s-sa", "green"),
    );
    world
        .repository
        .write("other/broken.yaml", "name: somebody-else\nx: [\n");
    world
        .repository
        .git(&["mv", "green/a.yaml", "green/c.yaml", "charts"]);
    world.repository.commit("Remove a from apps");
    let run = world.sync(&APPS).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    // A revert restores it.
    world.declare("a");
    world.repository.commit("back");
    let run = world.sync(&APPS).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a restore done"]);
}

#[test]
fn m99_what_came_out_of_the_paths_and_may_be_the_serviceaccount_holds_it() {
    let key = "security.kaluza.com/iam-role-managed: \"true\"\n";
    let named =
        |name: &str| service_account("bar", "x").replace("name: x\n", &format!("name: {name}\n"));
    let broken = format!("{key}x: [\n");
    for (what, before, now, is_held) in [
        ("a name that is put in later", None, named("${NAME}"), true),
        ("a part of a name", None, named("a${X}"), true),
        (
            "what cannot be parsed beside the annotation",
            None,
            broken.clone(),
            true,
        ),
        ("another name", None, named("b${X}"), false),
        (
            "a name of another namespace",
            None,
            named("${X}").replace("namespace: bar", "namespace: shop"),
            false,
        ),
        (
            "what was broken before",
            Some(broken.clone()),
            format!("{broken}# more\n"),
            false,
        ),
        (
            "what does not hold the annotation",
            None,
            "x: [\n".to_owned(),
            false,
        ),
    ] {
        let world = World::new(&["a", "b"]);
        if let Some(before) = before {
            world.repository.write("other/x.yaml", before);
            world.repository.commit("before");
        }
        world.sync(&APPS).ends(0);
        world.repository.remove("apps/a.yaml");
        world.repository.write("other/x.yaml", now);
        world.repository.commit("Remove a");
        let run = world.sync(&APPS);
        let expected = match is_held {
            true => "k8s-sa_bar_a held",
            false => "k8s-sa_bar_a quarantine done",
        };
        assert_eq!(run.changes(), [expected], "{what}");
        if is_held {
            assert!(
                reason(&run, 0).contains("`other/x.yaml`"),
                "{}",
                reason(&run, 0)
            );
        }
    }
}

#[test]
fn g92_each_role_is_compared_with_what_was_there_when_it_was_written() {
    let world = World::new(&["kept"]);
    for name in ["a", "b", "c", "d"] {
        // What cannot be parsed holds the names of one role that is there, and of one that is not.
        if name == "c" {
            let broken = "name: b\nname: d\nx: [\n";
            world.repository.write("other/x.yaml", broken);
        }
        world.declare(name);
        world.repository.commit(name);
        world.sync(&APPS).ends(0);
    }
    for name in ["a", "b", "c", "d"] {
        world.repository.remove(&format!("apps/{name}.yaml"));
    }
    world.repository.commit("Remove all");
    let run = world.sync(&APPS).ends(7);
    let expected = [
        "a quarantine done",
        "b held",
        "c quarantine done",
        "d quarantine done",
    ];
    assert_eq!(
        run.changes(),
        expected.map(|change| format!("k8s-sa_bar_{change}"))
    );
}

#[test]
fn m34_c16_a_manifest_that_moves_to_another_pipeline_and_breaks_keeps_its_role() {
    for (fault, text) in broken() {
        let world = World::new(&["a", "b"]);
        world
            .repository
            .write("b/c.yaml", service_account("bar", "c"));
        world.repository.commit("two pipelines");
        world.sync(&APPS).ends(0);
        world.sync(&["--path", "b"]).ends(0);
        let before = world.role("a");
        world.repository.remove("apps/a.yaml");
        world.repository.write("b/a.yaml", &text);
        world.repository.commit("move to b and break");
        let run = world
            .sync(&[&APPS[..], &["--prune-after", "0"]].concat())
            .ends(0);
        assert_eq!(run.changes()[0], "k8s-sa_bar_a orphan", "{fault}");
        assert_eq!(world.role("a"), before, "{fault}");
    }
}

#[test]
fn m111_what_moved_to_another_cluster_of_the_run_and_names_the_old_role_is_held() {
    for (text, changes) in [
        // As it was: the other cluster has no such role.
        (service_account("bar", "a"), vec!["k8s-sa_bar_a held"]),
        // As the other cluster has it, which has roles like that: it moved for good.
        (
            service_account("bar", "a").replace("k8s-sa_", "k8s-green_"),
            vec![
                "k8s-sa_bar_a quarantine done",
                "k8s-green_bar_a create done",
            ],
        ),
    ] {
        let mut world = World::new(&[]);
        let unset = ["IRSA_GITOPS_CLUSTER_NAME", "IRSA_GITOPS_OIDC_PROVIDER"];
        world.environment = unset.map(|name| (name, "")).to_vec();
        let cluster = |name: &str, prefix: &str| {
            format!(
                "- name: {name}\n  paths: [{name}]\n  rolePrefix: {prefix}\n  oidcProvider: {ISSUER}\n"
            )
        };
        let clusters = cluster("blue", "k8s-sa") + &cluster("green", "k8s-green");
        let config = world.write("clusters.yaml", &clusters);
        world
            .repository
            .write("blue/a.yaml", service_account("bar", "a"));
        world
            .repository
            .write("blue/b.yaml", service_account("bar", "b"));
        world.repository.write(
            "green/g.yaml",
            service_account("bar", "g").replace("k8s-sa_", "k8s-green_"),
        );
        world.repository.commit("two clusters");
        let apply = || world.sync(&["--config", &config]);
        apply().ends(0);
        world.repository.remove("blue/a.yaml");
        world.repository.write("green/a.yaml", &text);
        world.repository.commit("move");
        let run = apply();
        for change in changes {
            assert!(
                run.changes().contains(&change.to_owned()),
                "{change} {:?}",
                run.changes()
            );
        }
    }
}

/// Files are read once for all that they lost, and each ServiceAccount gets the answer of its own.
#[test]
fn i86_of_many_that_went_at_once_only_the_one_that_moved_is_held() {
    let names: Vec<String> = (0..40).map(|index| format!("sa-{index}")).collect();
    let declared: Vec<String> = names
        .iter()
        .map(|name| service_account("bar", name))
        .collect();
    let own = |index: usize| format!("apps/own/{index}.yaml");
    let world = World::with(&[("apps/all.yaml", &declared[..20].join("---\n"))]);
    for (index, text) in declared.iter().enumerate().skip(20) {
        world.repository.write(&own(index), text);
    }
    world.repository.commit("20 in one file, 20 in their own");
    world.sync(&[]).ends(0);
    // One is left of each, and one of each goes to where it is not understood.
    world.repository.write("apps/all.yaml", &declared[0]);
    for index in 21..40 {
        world.repository.remove(&own(index));
    }
    for index in [5, 25] {
        let twice = "  annotations: {}\n  annotations:\n";
        let text = declared[index].replace("  annotations:\n", twice);
        world
            .repository
            .write(&format!("apps/new/{index}.yaml"), text);
    }
    let removed_by = world.repository.commit("Remove nearly all");
    let run = world.sync(&["--allow-removals", "36"]).ends(7);
    let changes = run.changes();
    let expected = |index: &usize| match index {
        0 | 20 => None,
        5 | 25 => Some(format!("k8s-sa_bar_sa-{index} held")),
        _ => Some(format!("k8s-sa_bar_sa-{index} quarantine done")),
    };
    let mut expected: Vec<String> = (0..40).filter_map(|index| expected(&index)).collect();
    expected.sort();
    let is_listed = |change: &&String| !change.contains("in-sync");
    let mut found: Vec<String> = changes.iter().filter(is_listed).cloned().collect();
    found.sort();
    assert_eq!(found, expected);
    let by = world.tag("sa-7", "role.k8s.aws/quarantined-by");
    assert_eq!(by, Some(removed_by));
}
