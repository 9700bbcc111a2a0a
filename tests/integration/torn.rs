//! Half a file is no removal, whatever else happened to it: in the same commit, in a later one, or on its
//! way to another place.

use crate::support::cli::{Run, role};
use crate::support::repository::service_account;
use crate::support::world::{World, reason};

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: bar\ndata:\n  one: first\n  two: second\n  three: third\n";

/// Two ServiceAccounts of which `a` stands behind a ConfigMap, with roles.
fn applied() -> (World, String) {
    let text = format!("{CONFIG}---\n{}", service_account("bar", "a"));
    let world = World::new(&["b"]);
    world.repository.write("apps/all.yaml", &text);
    world.repository.commit("all");
    world.sync(&[]).ends(0);
    (world, text)
}

/// What of the file is left, cut off within a line or behind one.
fn cuts(text: &str) -> Vec<String> {
    ["ond\n", "  three", ": third"]
        .iter()
        .map(|at| text.split(at).next().expect("the part before").to_owned())
        .collect()
}

#[track_caller]
fn is_held(world: &World, path: &str) {
    let before = world.role("a");
    let run = world.sync(&["--prune-after", "0"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    assert!(reason(&run, 0).contains(path), "{}", reason(&run, 0));
    assert_eq!(world.role("a"), before);
}

#[track_caller]
fn is_removed(world: &World) -> Run {
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    run
}

#[test]
fn m33_a_cut_file_that_is_edited_later_removed_nothing() {
    let (_, text) = applied();
    for cut in cuts(&text) {
        let (world, _) = applied();
        world.repository.write("apps/all.yaml", &cut);
        world.repository.commit("half of it");
        is_held(&world, "apps/all.yaml");
        // As an editor does it, and as a bot does that knows of nothing.
        let ended = format!("{}\n", cut.trim_end());
        for edited in [ended.clone(), ended.replace("first", "1st")] {
            world.repository.write("apps/all.yaml", &edited);
            world.repository.commit("edited");
            is_held(&world, "apps/all.yaml");
        }
        // Whole again and without it: that is a removal, however it is edited since.
        world.repository.write("apps/all.yaml", CONFIG);
        world.repository.commit("Remove a");
        let less = CONFIG.replace("  three: third\n", "");
        world.repository.write("apps/all.yaml", &less);
        world.repository.commit("one setting less");
        is_removed(&world);
    }
}

#[test]
fn m33_a_cut_and_an_edit_in_one_commit_removed_nothing() {
    let (_, text) = applied();
    for cut in cuts(&text.replace("first", "1st")) {
        for left in [cut.clone(), format!("{}\n", cut.trim_end())] {
            let (world, _) = applied();
            world.repository.write("apps/all.yaml", &left);
            world.repository.commit("half of it, edited");
            is_held(&world, "apps/all.yaml");
        }
    }
}

/// What is left of the ServiceAccount itself: up to its name, and before that.
fn halves(text: &str) -> Vec<String> {
    [
        "  namespace: bar\n  annotations",
        "  name: a\n",
        "metadata:\n  name: a\n",
    ]
    .iter()
    .map(|at| text.split(at).next().expect("the part before").to_owned())
    .collect()
}

#[test]
fn m33_a_file_that_was_cut_while_another_one_declared_it_removed_nothing() {
    let (_, text) = applied();
    for left in cuts(&text).into_iter().chain(halves(&text)) {
        // The other one was there when the role was made, or came when it had one.
        for is_copy in [false, true] {
            let world = World::new(&["b"]);
            world.repository.write("apps/all.yaml", &text);
            if is_copy {
                world.repository.commit("all");
                world.sync(&[]).ends(0);
            }
            world.declare("a");
            world.repository.commit("a, twice");
            world.sync(&[]).ends(0);
            world.repository.write("apps/all.yaml", &left);
            world.repository.commit("half of it");
            let run = world.sync(&[]);
            assert!(run.changes().is_empty(), "{left}: {:?}", run.changes());
            if is_copy {
                // Whoever writes to the role meanwhile has seen the other one.
                world.edit(|state| role(state, 0)["trustPolicy"] = serde_json::json!({}));
                world.repository.write("notes.md", &left);
                world.repository.commit("notes");
                let run = world.sync(&[]).ends(0);
                assert_eq!(run.changes(), ["k8s-sa_bar_a update done"]);
            }
            world.repository.remove("apps/a.yaml");
            world.repository.commit("Remove the other one");
            is_held(&world, "apps/all.yaml");
            // Whole without it, or gone.
            match is_copy {
                true => world.repository.remove("apps/all.yaml"),
                false => drop(world.repository.write("apps/all.yaml", CONFIG)),
            }
            let removal = world.repository.commit("Remove a");
            let run = is_removed(&world);
            let reason = reason(&run, 0);
            assert!(reason.contains(&removal[..12]), "{reason}");
        }
    }
}

#[test]
fn m33_a_file_that_was_whole_without_it_before_another_one_went_holds_nothing() {
    let (_, text) = applied();
    let bare = text.replace("  namespace: bar\n  annotations", "  annotations");
    // That role is another one's; one that is named is claimed.
    let bare = bare.replace("k8s-sa_bar_a", "k8s-sa_web_a");
    let less = CONFIG.replace("  three: third\n", "");
    for steps in [
        // It moved to the other file for good.
        &[CONFIG][..],
        &[CONFIG, &less],
        // It was cut, and mended.
        &[&*cuts(&text)[0], CONFIG],
        &[&*halves(&text)[0], &text, CONFIG],
        // It was made what something else completes.
        &[&bare],
    ] {
        let world = World::new(&["a", "b"]);
        world.repository.write("apps/all.yaml", &text);
        world.repository.commit("a, twice");
        world.sync(&[]).ends(0);
        for step in steps {
            world.repository.write("apps/all.yaml", step);
            world.repository.commit("another step");
        }
        world.repository.remove("apps/a.yaml");
        world.repository.commit("Remove a");
        let run = world.sync(&[]);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"], "{steps:?}");
    }
}

#[test]
fn m110_a_file_that_was_cut_or_emptied_on_its_way_is_no_removal() {
    let (_, text) = applied();
    let status = "apiVersion: v1\nkind: Status\nstatus: Failure\n".to_owned();
    let account = "kind: ServiceAccount\napiVersion: v1\nmetadata:\n";
    let heads = [
        "apiVersion: v1\nkind: Conf".to_owned(),
        format!("# Rendered\n{account}  labels:\n    a: b\n"),
        format!("{account}  name: a\n"),
        r#"{"kind": "ServiceAccount", "meta"#.to_owned(),
    ];
    let lost = [String::new(), status];
    let new = cuts(&text)
        .into_iter()
        .chain(heads)
        .map(|left| ("apps/new.yaml", left));
    let named = lost.into_iter().map(|left| ("apps/x/all.yaml", left));
    for (path, left) in new.chain(named) {
        // At once, and as a second step.
        for steps in [1, 2] {
            let (world, _) = applied();
            if steps == 2 {
                world.repository.write("apps/all.yaml", &left);
                world.repository.commit("half of it");
            }
            world.repository.remove("apps/all.yaml");
            world.repository.write(path, &left);
            world.repository.commit("move");
            is_held(&world, path);
            // Once more, as it is.
            let again = path.replace("apps/", "apps/again/");
            world.repository.remove(path);
            world.repository.write(&again, &left);
            world.repository.commit("move again");
            is_held(&world, &again);
            // Whole without it, that is a removal.
            world.repository.write(&again, CONFIG);
            world.repository.commit("Remove a");
            is_removed(&world);
        }
    }
}

#[test]
fn m110_a_file_that_moved_out_of_the_paths_and_was_cut_is_no_removal() {
    let (_, text) = applied();
    for left in cuts(&text) {
        let (world, _) = applied();
        world.repository.remove("apps/all.yaml");
        world.repository.write("other/new.yaml", &left);
        world.repository.commit("move out of the paths");
        let run = world.sync(&["--path", "apps"]).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
        world.repository.remove("other/new.yaml");
        world.repository.commit("gone");
        let run = world.sync(&["--path", "apps"]).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    }
}

#[test]
fn m110_what_went_into_another_file_and_was_cut_there_is_no_removal() {
    let half = service_account("bar", "a");
    let nameless = half.split("  name:").next().expect("the part before");
    let bare = half.split("  namespace:").next().expect("the part before");
    let b = service_account("bar", "b");
    let (_, text) = applied();
    let cut = cuts(&text).swap_remove(0);
    for (file_goes, path, left) in [
        // All of it, to the end of a file that was there.
        (true, "apps/b.yaml", format!("{b}---\n{cut}")),
        // The ServiceAccount alone, to a file of its own, or to the end of another one.
        (false, "apps/a.yaml", nameless.to_owned()),
        (false, "apps/a.yaml", bare.to_owned()),
        (false, "apps/b.yaml", format!("{b}---\n{bare}")),
    ] {
        let (world, _) = applied();
        match file_goes {
            true => world.repository.remove("apps/all.yaml"),
            false => drop(world.repository.write("apps/all.yaml", CONFIG)),
        }
        world.repository.write(path, &left);
        world.repository.commit("move");
        is_held(&world, path);
    }
    // Whole there, and without the ServiceAccount: that is a removal.
    for (path, left) in [
        ("apps/b.yaml", format!("{b}---\n{CONFIG}")),
        ("apps/settings.yaml", CONFIG.to_owned()),
    ] {
        let (world, _) = applied();
        world.repository.remove("apps/all.yaml");
        world.repository.write(path, &left);
        world.repository.commit("move, and remove a");
        is_removed(&world);
    }
}

/// A file of its own, or beside a ConfigMap, with a ServiceAccount that is removed while something else comes.
fn replaced(path: &str, left: &str, is_alone: bool) -> Run {
    let text = service_account("bar", "web-server");
    let before = match is_alone {
        true => text,
        false => format!("{CONFIG}---\n{text}"),
    };
    let world = World::new(&["b"]);
    world.repository.write("apps/all.yaml", before);
    world.repository.commit("all");
    world.sync(&[]).ends(0);
    match is_alone {
        true => world.repository.remove("apps/all.yaml"),
        false => drop(world.repository.write("apps/all.yaml", CONFIG)),
    }
    world.repository.write(path, left);
    world.repository.commit("move");
    world.sync(&["--prune-after", "0"])
}

#[test]
fn m110_what_came_as_a_half_under_half_of_its_name_is_no_removal() {
    let annotations = "  annotations:\n    eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/k8s-sa_bar_web-server\n    security.kaluza.com/iam-role-managed: \"true\"\n";
    let head = "kind: ServiceAccount\nmetadata:\n";
    let b = service_account("bar", "b");
    for (path, left) in [
        // In another order than in the file that went, and cut within the name or the namespace.
        (
            "apps/new.yaml",
            format!("{head}{annotations}  name: web-se"),
        ),
        (
            "apps/new.yaml",
            format!("{head}{annotations}  namespace: bar\n  name: web-"),
        ),
        (
            "apps/new.yaml",
            format!("{head}  name: web-server\n  namespace: b"),
        ),
        (
            "apps/new.yaml",
            format!("apiVersion: v1\n{head}  labels:\n    x: y\n  name: w"),
        ),
        (
            "apps/new.yaml",
            format!("metadata:\n{annotations}  name: web-serve"),
        ),
        (
            "apps/b.yaml",
            format!("{b}---\n{head}{annotations}  name: web-se"),
        ),
    ] {
        for is_alone in [true, false] {
            let run = replaced(path, &left, is_alone).ends(7);
            assert_eq!(run.changes(), ["k8s-sa_bar_web-server held"], "{left}");
            assert!(reason(&run, 0).contains(path), "{}", reason(&run, 0));
        }
    }
}

#[test]
fn m110_what_came_under_another_name_is_no_move() {
    let head = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  labels:\n    x: y\n";
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  namespace: bar\n  name: web-se";
    for left in [
        // Another one, whose name is the beginning of this one's, in a file that somebody wrote to its end.
        format!("{head}  name: web\n"),
        format!("{head}  namespace: bar\n  name: web-se\n"),
        // One that cannot be this one, or is none.
        format!("{head}  name: api"),
        format!("{head}  namespace: shop\n  name: web-se"),
        format!("{head}  name: web-servers"),
        config.to_owned(),
    ] {
        for is_alone in [true, false] {
            let run = replaced("apps/new.yaml", &left, is_alone);
            let expected = ["k8s-sa_bar_web-server delete done"];
            assert_eq!(run.changes(), expected, "{left}");
        }
    }
}

#[test]
fn m110_what_came_beside_a_removal_is_no_move() {
    let values = "replicas: 2\n";
    let kustomization = "resources:\n- settings.yaml\n";
    let bare = CONFIG.replace("  namespace: bar\n", "");
    let other = CONFIG.replace("settings", "other");
    let half = other.replace("  three: third\n", "");
    for (path, text) in [
        // The rest of it, whole, in another place, also without what its directory gives it.
        ("apps/settings.yaml", CONFIG),
        ("apps/x/all.yaml", CONFIG),
        ("apps/base/all.yaml", &bare),
        // What has nothing to do with it, but maybe its name.
        ("apps/x/all.yaml", values),
        ("apps/kustomization.yaml", kustomization),
        ("apps/other.yaml", &half),
        ("apps/placeholder.yaml", ""),
        (
            "apps/templates/sa.yaml",
            "kind: ServiceAccount\nmetadata:\n  name: {{ .name }}\n",
        ),
    ] {
        let (world, _) = applied();
        world.repository.remove("apps/all.yaml");
        world.repository.write(path, text);
        world.repository.commit("Remove a, add another file");
        is_removed(&world);
    }
}

#[test]
fn m21_a_service_account_in_utf_16_is_there_with_a_mark_and_without() {
    let text = service_account("bar", "a");
    let units: Vec<u16> = text.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for bytes in [little, big] {
        for path in ["apps/new.yaml", "other/new.yaml"] {
            let world = World::new(&["a", "b"]);
            world.sync(&["--path", "apps"]).ends(0);
            world.repository.remove("apps/a.yaml");
            world.repository.write(path, &bytes);
            world.repository.commit("saved by another editor");
            let run = world.sync(&["--path", "apps"]).ends(7);
            assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{path}");
            world.run(&["lint"]).ends(4);
        }
    }
}
