//! Where a ServiceAccount may have gone, since when, and what lifts the hold that this makes.

use crate::support::cli::{ISSUER, Run};
use crate::support::repository::service_account;
use crate::support::world::{World, reason};

const KEY: &str = "security.kaluza.com/iam-role-managed: \"true\"\n";
const NOTE: &str = "apiVersion: v1\nkind: Note\nmetadata:\n  name: note\n";
/// Runs that read `apps` alone.
const APPS: [&str; 2] = ["--path", "apps"];

/// A copy of `a`'s manifest out of the paths.
const COPY: &str = "tests/a.yaml";

#[test]
fn m131_what_came_back_out_of_the_paths_with_the_removal_or_later_is_a_new_place() {
    let copy = service_account("bar", "a");
    let broken = format!("{copy}x: [\n");
    for (text, is_applied, is_later) in [
        (&copy, true, false),
        (&copy, false, false),
        (&copy, true, true),
        (&broken, true, false),
        (&broken, false, true),
    ] {
        for config in [false, true] {
            let world = World::new(&["a", "b"]);
            let file = world.write("clusters.yaml", "clusters: [{name: prod, paths: [apps]}]\n");
            let arguments = match config {
                true => ["--config", &file],
                false => APPS,
            };
            world.repository.write(COPY, text);
            world.repository.commit("a copy");
            world.sync(&arguments).ends(0);
            world.repository.remove(COPY);
            world.repository.commit("Remove the copy");
            if is_applied {
                world.sync(&arguments).ends(0);
            }
            world.repository.remove("apps/a.yaml");
            if is_later {
                world.repository.commit("Remove a");
            }
            world.repository.write(COPY, text);
            world.repository.commit("to where the copy was");
            let what = format!("applied {is_applied}, later {is_later}, {text}");
            for _ in 0..2 {
                let run = world.sync(&arguments).ends(7);
                assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{what}");
                let said = reason(&run, 0);
                assert!(said.contains("`tests/a.yaml`"), "{what}: {said}");
            }
        }
    }
}

#[test]
fn m131_what_declared_it_all_along_since_an_applied_commit_is_no_new_place() {
    for (came, is_applied, action) in [
        ("with the role", true, "quarantine done"),
        ("later", true, "quarantine done"),
        ("later", false, "held"),
    ] {
        let world = World::new(&["a", "b"]);
        let write = |end: &str| {
            let copy = service_account("bar", "a") + end;
            world.repository.write(COPY, copy);
        };
        if came == "later" {
            world.sync(&APPS).ends(0);
        }
        write("");
        world.repository.commit("a copy");
        if is_applied {
            world.sync(&APPS).ends(0);
        }
        // However it is edited.
        world.repository.remove("apps/a.yaml");
        write("# edited\n");
        world.repository.commit("Remove a");
        let run = world.sync(&APPS);
        let expected = format!("k8s-sa_bar_a {action}");
        assert_eq!(run.changes(), [expected], "{came}, applied {is_applied}");
    }
}

#[test]
fn m131_a_role_is_not_deleted_for_a_copy_that_went_and_came_back_since_its_quarantine() {
    for (comes_back, change) in [(true, "held"), (false, "delete done")] {
        let world = World::new(&["a", "b"]);
        let write = |end: &str| {
            let copy = service_account("bar", "a") + end;
            world.repository.write(COPY, copy);
        };
        write("");
        world.repository.commit("a copy");
        world.sync(&APPS).ends(0);
        world.repository.remove("apps/a.yaml");
        world.repository.commit("Remove a");
        world.sync(&APPS).ends(0);
        if comes_back {
            world.repository.remove(COPY);
            world.repository.commit("Remove the copy");
        }
        write("# edited\n");
        world.repository.commit("the copy");
        world.set_tag("a", "role.k8s.aws/quarantined-at", "2020-01-01T00:00:00Z");
        let run = world.sync(&APPS);
        assert_eq!(run.changes(), [format!("k8s-sa_bar_a {change}")]);
    }
}

/// Two clusters by directory, `b` the other ServiceAccount of the first one; and their configuration.
fn clusters(more: &str) -> (World, String) {
    let mut world = World::new(&[]);
    let unset = ["IRSA_GITOPS_CLUSTER_NAME", "IRSA_GITOPS_OIDC_PROVIDER"];
    world.environment = unset.map(|name| (name, "")).to_vec();
    let cluster = |name: &str, prefix: &str, more: &str| {
        format!(
            "- {{name: {name}, paths: [{name}], rolePrefix: {prefix}, oidcProvider: {ISSUER}{more}}}\n"
        )
    };
    let text = cluster("blue", "k8s-sa", more) + &cluster("green", "k8s-green", "");
    let file = world.write("clusters.yaml", &text);
    for name in ["a", "b"] {
        let path = format!("blue/{name}.yaml");
        world.repository.write(&path, service_account("bar", name));
    }
    world.repository.write("green/note.yaml", "a: 1\n");
    world.repository.commit("two clusters");
    world.sync(&["--config", &file]).ends(0);
    (world, file)
}

fn has(run: &Run, change: &str) -> bool {
    run.changes().iter().any(|found| found == change)
}

#[test]
fn m132_the_first_one_that_goes_to_another_cluster_of_the_run_is_that_ones() {
    let green = service_account("bar", "a").replace("k8s-sa_", "k8s-green_");
    let whole = service_account("bar", "g").replace("k8s-sa_", "k8s-green_");
    for (text, is_copied, is_held) in [
        (green.clone(), false, false),
        (green.clone(), true, false),
        (format!("{green}---\n{whole}"), false, false),
        // It names the old role, or none, or nobody knows what.
        (service_account("bar", "a"), false, true),
        (
            green.replace("k8s-green_bar_a", "k8s-green_bar_b"),
            false,
            true,
        ),
        (format!("{green}x: [\n"), false, true),
        (green.replace("name: a\n", "name: ${A}\n"), false, true),
    ] {
        let (world, file) = clusters("");
        let config = ["--config", file.as_str()];
        world.repository.write("green/web.yaml", &text);
        if is_copied {
            world.repository.commit("to the other one");
            world.sync(&config).ends(0);
        }
        world.repository.remove("blue/a.yaml");
        world.repository.commit("from the first one");
        // What a pull request is told is what comes of it.
        let diff = world.run(&[&["diff", "HEAD~1..HEAD"], &config[..]].concat());
        let promised = if is_held { "held" } else { "orphan" };
        let promised = format!("k8s-sa_bar_a {promised}");
        assert!(has(&diff, &promised), "{text}: {:?}", diff.changes());
        let run = world.sync(&config);
        let change = match is_held {
            true => "k8s-sa_bar_a held",
            false => "k8s-sa_bar_a quarantine done",
        };
        assert!(has(&run, change), "{text}: {:?}", run.changes());
        if is_held {
            assert!(run.stdout.contains("reads for another cluster"), "{text}");
            assert!(!run.stdout.contains("does not read"), "{text}");
        }
    }
}

#[test]
fn m132_what_lifts_a_hold_by_another_clusters_file_is_a_rule_of_its_own_entry() {
    let (world, file) = clusters("");
    world
        .repository
        .write("green/a.yaml", service_account("bar", "a"));
    world.repository.remove("blue/a.yaml");
    world.repository.commit("move");
    let run = world.sync(&["--config", &file]).ends(7);
    let (_, rule) = run.stdout.split_once("--config: ").expect("a rule");
    let rule = rule.split(']').next().expect("its end");
    assert_eq!(rule, "ignore: ['/green/a.yaml'");
    let lifted = std::fs::read_to_string(&file).expect("a file");
    let lifted = lifted.replacen("}\n", &format!(", {rule}]}}\n"), 1);
    let file = world.write("lifted.yaml", &lifted);
    let run = world.sync(&["--config", &file]);
    assert!(
        has(&run, "k8s-sa_bar_a quarantine done"),
        "{:?}",
        run.changes()
    );
}

/// A ServiceAccount of the name without a namespace, and with the ARN of a role that is none of ours.
fn unplaced() -> String {
    let text = service_account("bar", "a").replace("  namespace: bar\n", "");
    text.replace("k8s-sa_bar_a", "custom")
}

/// The arguments that a reason names.
fn cure(said: &str) -> Vec<&str> {
    let (_, cure) = said.split_once("leave it out: ").expect("a cure");
    cure.split_whitespace().collect()
}

#[test]
fn m133_what_a_hold_names_lifts_it() {
    let bare = unplaced();
    for (path, text) in [
        ("other/x.yaml", format!("{KEY}x: [\n")),
        ("other/x.yaml", "name: a\nx: [\n".to_owned()),
        ("other/x.yaml", bare.clone()),
        ("other/x.yaml", bare.replace(KEY, "other: x\n")),
        ("other/a.yaml", String::new()),
    ] {
        for paths in [&[][..], &APPS] {
            let world = World::new(&["a", "b"]);
            world.sync(paths).ends(0);
            world.repository.remove("apps/a.yaml");
            world.repository.write(path, &text);
            world.repository.commit("Remove a");
            let run = world.sync(paths).ends(7);
            let said = reason(&run, 0);
            assert!(!said.contains("--path"), "{text}: {said}");
            let run = world.sync(&[paths, &cure(&said)].concat());
            let expected = ["k8s-sa_bar_a quarantine done"];
            assert_eq!(run.changes(), expected, "{paths:?}: {text}");
        }
    }
}

#[test]
fn m133_the_file_that_lost_it_is_not_to_be_left_out() {
    let cut = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n";
    for text in ["", "x: [\n", cut, "name: {{ .Values.a }}\n"] {
        let world = World::new(&["a", "b"]);
        world.sync(&[]).ends(0);
        world.repository.write("apps/a.yaml", text);
        world.repository.commit("break a");
        let run = world.sync(&[]).ends(7);
        let said = reason(&run, 0);
        assert!(!said.contains("--exclude"), "{text}: {said}");
        // So it proves nothing, and what is named does.
        assert!(said.contains("or delete it"), "{text}: {said}");
        let run = world.sync(&["--exclude", "/apps/a.yaml"]).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{text}");
        world.repository.remove("apps/a.yaml");
        world.repository.commit("Remove a");
        let run = world.sync(&[]).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"], "{text}");
    }
}

#[test]
fn m134_what_a_file_holds_now_decides_whether_it_may_be_the_new_place() {
    let bare = |name: &str| service_account("bar", name).replace("  namespace: bar\n", "");
    let in_a_variable =
        |name: &str| bare(name).replace("metadata:\n", "metadata:\n  namespace: ${NS}\n");
    for (first, then, is_held) in [
        (bare("a"), bare("mail"), false),
        (bare("a"), "x: y: z\n".to_owned(), false),
        (in_a_variable("a"), in_a_variable("mail"), false),
        (in_a_variable("a"), service_account("bar", "ma${X}"), false),
        (bare("a"), bare("a") + "# edited\n", true),
        (bare("a"), format!("{KEY}x: [\n"), true),
        (bare("a"), "name: a\nx: [\n".to_owned(), true),
        (bare("mail"), bare("a"), true),
    ] {
        for is_applied in [false, true] {
            let world = World::new(&["a", "b"]);
            world.sync(&[]).ends(0);
            world.repository.remove("apps/a.yaml");
            world.repository.write("base/x.yaml", &first);
            world.repository.commit("into a base");
            if is_applied && first != bare("mail") {
                let run = world.sync(&[]);
                assert!(has(&run, "k8s-sa_bar_a held"), "{first}");
            }
            world.repository.write("base/x.yaml", &then);
            world.repository.commit("the base is another one's");
            let run = world.sync(&[]);
            let change = match is_held {
                true => "k8s-sa_bar_a held",
                false => "k8s-sa_bar_a quarantine done",
            };
            assert!(has(&run, change), "{first}{then}: {:?}", run.changes());
        }
    }
}

#[test]
fn m135_a_hold_names_the_commit_since_which_its_file_is_so() {
    let broken = format!("{KEY}x: [\n");
    let bare = unplaced();
    for (path, text, paths) in [
        ("other/x.yaml", &broken, &[][..]),
        ("other/x.yaml", &bare, &[]),
        ("other/x.yaml", &broken, &APPS),
        (
            "other/x.yaml",
            &service_account("shop", "x").replace("k8s-sa_shop_x", "k8s-sa_bar_a"),
            &APPS,
        ),
        ("apps/a.yaml", &"x: [\n".to_owned(), &[]),
    ] {
        for is_corrected in [false, true] {
            let world = World::new(&["a", "b"]);
            world.sync(paths).ends(0);
            world.repository.remove("apps/a.yaml");
            world.repository.write(path, text);
            let mut since = world.repository.commit("so");
            if is_corrected {
                world.repository.write(path, NOTE);
                world.repository.commit("not so");
                world.repository.write(path, text);
                since = world.repository.commit("so again");
            }
            world.repository.write(path, format!("# edited\n{text}"));
            let last = world.repository.commit("a comment");
            let run = world.sync(paths);
            let said = reason(&run, 0);
            let named = |commit: &str| said.contains(&format!("since commit {}", &commit[..12]));
            assert!(named(&since) && !named(&last), "{path}: {text}: {said}");
        }
    }
}
