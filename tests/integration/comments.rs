//! The comment on a pull request, as its reviewer reads it.

use serde_json::json;

use crate::support::cli::role;
use crate::support::repository::service_account;
use crate::support::world::World;

/// What is applied: two ServiceAccounts, of which the tag `base` is the commit.
pub(super) fn world() -> World {
    let mut world = World::with(&[
        ("apps/cart.yaml", &service_account("shop", "cart")),
        ("apps/a.yaml", &service_account("bar", "a")),
    ]);
    world.run(&["apply"]).ends(0);
    world.repository.git(&["tag", "base"]);
    let origin = "https://github.com/acme/apps.git";
    world.repository.git(&["remote", "add", "origin", origin]);
    world.environment = vec![
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "acme/apps"),
        ("GITHUB_RUN_ID", "42"),
    ];
    world
}

fn attach(world: &World) {
    world.edit(|state| {
        for index in 0..2 {
            if role(state, index)["name"] == "k8s-sa_shop_cart" {
                role(state, index)["attachedPolicies"] =
                    json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
                role(state, index)["lastUsed"] = "2026-01-02T03:04:05Z".into();
            }
        }
    });
}

pub(super) fn comment(world: &World, arguments: &[&str]) -> String {
    let plan = ["plan", "--base", "base", "--format", "markdown"];
    world.print(&[&plan, arguments].concat()).stdout
}

/// The heading, which is the second line.
pub(super) fn verdict(comment: &str) -> &str {
    let heading = comment.lines().nth(1).unwrap_or_default();
    heading
        .strip_prefix("### irsa-gitops plan: ")
        .unwrap_or(heading)
}

pub(super) fn drift(world: &World) {
    world.edit(|state| {
        for index in 0..2 {
            if role(state, index)["name"] == "k8s-sa_bar_a" {
                role(state, index)["trustPolicy"]["Statement"][0]["Condition"] = json!({});
            }
        }
    });
}

#[test]
fn i71_a_new_role_shows_whom_it_lets_in_and_links_to_its_file() {
    let world = world();
    world
        .repository
        .write("apps/new.yaml", service_account("bar", "new"));
    let head = world.repository.commit("Add one");
    let text = comment(&world, &[]);
    assert_eq!(verdict(&text), "1 role to create", "{text}");
    let issuer = crate::support::cli::ISSUER;
    for fact in [
        &*format!(
            "lets in `system:serviceaccount:bar:new` of `{issuer}` with audience `sts.amazonaws.com`"
        ),
        &format!("[`apps/new.yaml:1`](https://github.com/acme/apps/blob/{head}/apps/new.yaml#L1)"),
        &format!(
            "[`{}`](https://github.com/acme/apps/commit/{head})",
            &head[..12]
        ),
        "[run](https://github.com/acme/apps/actions/runs/42)",
        "**This change**",
    ] {
        assert!(text.contains(fact), "{fact}: {text}");
    }
    // A job that merged by itself knows a commit that its host does not have.
    let elsewhere = world.cli(&["plan", "--base", "base", "--format", "markdown"]);
    let elsewhere = elsewhere.env("GITHUB_SHA", "0".repeat(40)).run().stdout;
    assert!(elsewhere.contains("<br>`apps/new.yaml:1` |"), "{elsewhere}");
    assert!(!elsewhere.contains("/blob/"), "{elsewhere}");
}

#[test]
fn i71_a_removal_says_who_loses_access_until_when_and_what_is_attached() {
    let world = world();
    attach(&world);
    world.repository.remove("apps/cart.yaml");
    let head = world.repository.commit("Remove the cart");
    let sync = comment(&world, &["--mode", "sync", "--prune-after", "36h"]);
    let expected = "1 role to quarantine; pods of `shop/cart` lose access on merge, a revert restores them until 20";
    assert!(verdict(&sync).starts_with(expected), "{sync}");
    for fact in [
        &*format!(
            "removed by commit [`{}`](https://github.com/acme/apps/commit/{head})",
            &head[..12]
        ),
        "last used `2026-01-02T03:04:05Z`; attached: `arn:aws:iam::aws:policy/ReadOnlyAccess`",
    ] {
        assert!(sync.contains(fact), "{fact}: {sync}");
    }
    // Each fact is told once.
    let human = world
        .print(&["plan", "--base", "base", "--mode", "sync"])
        .stdout;
    assert_eq!(human.matches("last used").count(), 1, "{human}");
    // The file is not there at that commit.
    assert!(!sync.contains("/blob/"), "{sync}");
    // The default mode takes nothing away, and says so.
    let kept = comment(&world, &[]);
    assert_eq!(
        verdict(&kept),
        "1 role no longer declared; role of `shop/cart`: left in place",
        "{kept}"
    );
    assert!(
        kept.contains("attached: `arn:aws:iam::aws:policy/ReadOnlyAccess`"),
        "{kept}"
    );
    // Other formats tell the same.
    let report = world.run(&["plan", "--base", "base"]).ends(0).json();
    let change = &report["clusters"][0]["changes"][0];
    assert_eq!(
        change["attached"],
        json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"])
    );
    assert_eq!(change["lastUsed"], "2026-01-02T03:04:05Z");
    assert_eq!(change["neverUsed"], false);
    let human = world.print(&["plan", "--base", "base"]).stdout;
    assert!(
        human.contains("attached: arn:aws:iam::aws:policy/ReadOnlyAccess"),
        "{human}"
    );
}

#[test]
fn i71_what_somebody_else_did_gets_no_comment_and_stands_apart_in_one() {
    let world = world();
    world
        .repository
        .write("apps/pending.yaml", service_account("bar", "pending"));
    let broken = service_account("bar", "b").replace("\"true\"", "yes");
    world.repository.write("apps/broken.yaml", broken);
    world.repository.commit("On the base");
    world.repository.git(&["tag", "--force", "base"]);
    drift(&world);
    world.repository.write("README.md", "Nothing of ours.\n");
    world.repository.commit("Another matter");
    for arguments in [&[][..], &["--full"], &["--mode", "sync"]] {
        assert_eq!(comment(&world, arguments), "", "{arguments:?}");
    }
    world
        .repository
        .write("apps/new.yaml", service_account("bar", "new"));
    world.repository.commit("Add one");
    let text = comment(&world, &[]);
    assert_eq!(verdict(&text), "1 role to create", "{text}");
    let at = |what: &str| {
        text.find(what)
            .unwrap_or_else(|| panic!("no {what}: {text}"))
    };
    let in_order = [
        "**This change**",
        "| create | `bar/new`<br>",
        "**Pending on the base**",
        "| create | `bar/pending`<br>",
        "<details><summary>Drift: 1 role changed by somebody",
        "| update | `bar/a`<br>",
        "<details><summary>Found before this change, too",
        "unquoted-scalar",
    ];
    assert!(
        in_order.windows(2).all(|pair| at(pair[0]) < at(pair[1])),
        "{text}"
    );
    assert_eq!(
        text.matches("<details>").count(),
        text.matches("</details>").count(),
        "{text}"
    );
    // A mistake of this change is no old one.
    let broken = service_account("bar", "new").replace("\"true\"", "on");
    world.repository.write("apps/new.yaml", broken);
    world.repository.commit("A typo");
    let text = comment(&world, &[]);
    let expected = "1 role held, 1 error; `bar/new`: held until that is put right";
    assert_eq!(verdict(&text), expected, "{text}");
}

#[test]
fn i71_a_mistake_of_the_base_is_no_mistake_of_a_fork() {
    let world = world();
    let broken = service_account("bar", "b").replace("\"true\"", "yes");
    world.repository.write("apps/broken.yaml", broken);
    world.repository.commit("On the base");
    world.repository.git(&["tag", "--force", "base"]);
    world.repository.write("README.md", "Nothing of ours.\n");
    world.repository.commit("Another matter");
    let diff = |range: &str| world.print(&["diff", range, "--format", "markdown"]).stdout;
    assert_eq!(diff("base..HEAD"), "");
    assert!(diff("HEAD~2..HEAD").contains("unquoted-scalar"));
}

#[test]
fn i73_renames_are_paired_also_across_files_and_say_what_is_lost() {
    for (old, new, file) in [
        // In place; moved and renamed; to another namespace, and the file as well.
        ("shop/cart", "shop/basket", "apps/cart.yaml"),
        ("shop/cart", "shop/basket", "teams/basket.yaml"),
        ("shop/cart", "store/cart", "teams/other.yaml"),
        ("shop/cart", "store/basket", "teams/cart.yaml"),
        // To another namespace, in place.
        ("shop/cart", "store/cart", "apps/cart.yaml"),
    ] {
        let world = world();
        attach(&world);
        let (namespace, name) = new.split_once('/').expect("a pair");
        world.repository.remove("apps/cart.yaml");
        world
            .repository
            .write(file, service_account(namespace, name));
        world.repository.commit("Rename");
        let (old, new) = (old.replace('/', "_"), new.replace('/', "_"));
        for arguments in [
            vec!["diff", "base..HEAD"],
            vec!["plan", "--base", "base"],
            vec!["plan", "--base", "base", "--mode", "sync"],
        ] {
            let run = world.run(&arguments).ends(0);
            assert_eq!(run.codes(), ["role-renamed"], "{file} {arguments:?}");
            let document = run.json();
            let changes = document["clusters"][0]["changes"].as_array().cloned();
            let changes = changes.unwrap_or_default();
            let created = changes.iter().find(|change| change["action"] == "create");
            assert_eq!(created.expect("one")["replaces"], format!("k8s-sa_{old}"));
        }
        let text = comment(&world, &[]);
        let place = format!(
            "takes the place of `k8s-sa_{old}`: a new role, with none of the policies of the old one"
        );
        assert!(text.contains(&place), "{text}");
        let worst = format!(
            "`k8s-sa_{new}` takes the place of `k8s-sa_{old}` and has none of its policies"
        );
        assert!(verdict(&text).ends_with(&worst), "{text}");
        let text = comment(&world, &["--mode", "sync"]);
        let lost = format!("; the new role `k8s-sa_{new}` has none of the policies of the old one");
        assert!(verdict(&text).ends_with(&lost), "{text}");
    }
}

#[test]
fn i73_what_only_looks_like_a_rename_is_none() {
    let world = world();
    world.repository.remove("apps/cart.yaml");
    // Two to choose from, and one of another namespace and file.
    for (file, whose) in [
        ("u.yaml", ("shop", "u")),
        ("v.yaml", ("shop", "v")),
        ("w.yaml", ("w", "w")),
    ] {
        world
            .repository
            .write(file, service_account(whose.0, whose.1));
    }
    // A ServiceAccount that only moves is the same one.
    world.repository.git(&["mv", "apps/a.yaml", "a.yaml"]);
    world.repository.commit("Others");
    assert_eq!(world.run(&["diff", "base..HEAD"]).ends(0).codes(), [""; 0]);
    assert_eq!(
        world.run(&["plan", "--base", "base"]).ends(0).codes(),
        [""; 0]
    );
}

#[test]
fn i73_where_several_go_or_come_little_proves_nothing() {
    let is_paired = |change: &dyn Fn(&World)| {
        let world = world();
        change(&world);
        world.repository.commit("Others");
        world.run(&["plan", "--base", "base"]).codes() == ["role-renamed"]
    };
    let add = |world: &World, file: &str, (namespace, name): (&str, &str)| {
        world
            .repository
            .write(file, service_account(namespace, name));
    };
    // Of two that go, one has the namespace of one of two that come.
    assert!(!is_paired(&|world| {
        world.repository.git(&["rm", "--quiet", "-r", "apps"]);
        add(world, "u.yaml", ("shop", "u"));
        add(world, "w.yaml", ("w", "w"));
    }));
    // Two go from files of the same name, and one comes.
    let of_two = |world: &World| {
        add(world, "teams/cart.yaml", ("teams", "cat"));
        world.repository.commit("Add one");
        world.run(&["apply"]).ends(0);
        world.repository.git(&["tag", "--force", "base"]);
        world.repository.remove("apps/cart.yaml");
        world.repository.remove("teams/cart.yaml");
        add(world, "new/cart.yaml", ("new", "new"));
    };
    assert!(!is_paired(&of_two));
    // What was there before, and had no role, takes nobody's place.
    assert!(!is_paired(&|world| {
        let bare = service_account("shop", "basket").replace("\"true\"", "\"false\"");
        world.repository.write("apps/basket.yaml", bare);
        world.repository.commit("Add one");
        world.repository.git(&["tag", "--force", "base"]);
        add(world, "apps/basket.yaml", ("shop", "basket"));
        world.repository.remove("apps/cart.yaml");
    }));
    // One has one new name: the file proves more than the name.
    assert!(is_paired(&|world| {
        add(world, "apps/cart.yaml", ("shop", "basket"));
        add(world, "x.yaml", ("store", "cart"));
    }));
}

#[test]
fn i71_that_a_role_is_deleted_is_the_worst_of_all() {
    let world = world();
    world.repository.remove("apps/cart.yaml");
    world.repository.commit("Remove cart");
    world.sync(&[]).ends(0);
    let plan = [
        "plan",
        "--mode",
        "sync",
        "--format",
        "markdown",
        "--prune-after",
        "0",
    ];
    let text = world.print(&plan).stdout;
    let worst = "roles of `shop/cart`: deleted on apply, and a revert makes new ones without their policies";
    assert!(verdict(&text).ends_with(worst), "{text}");
    // A tag is nothing that lets anybody in.
    let tagged = [
        "plan",
        "--tag",
        "team=shop",
        "--full",
        "--format",
        "markdown",
    ];
    let text = world.print(&tagged).stdout;
    assert!(verdict(&text).contains("to update"), "{text}");
    assert!(!verdict(&text).contains("who may assume"), "{text}");
}

#[test]
fn i72_each_job_has_a_marker_of_its_own_and_a_stopped_run_the_same() {
    let world = world();
    let blue = ["--path", "apps", "--account", "123456789012"];
    let marker = |arguments: &[&str]| {
        let all = [&["plan", "--format", "markdown"], arguments].concat();
        let text = world.print(&all).stdout;
        text.lines().next().unwrap_or_default().to_owned()
    };
    world
        .repository
        .write("apps/new.yaml", service_account("bar", "new"));
    world.repository.commit("Add one");
    let expected = "<!-- irsa-gitops plan cluster=prod path=apps -->";
    assert_eq!(marker(&blue), expected);
    assert_eq!(
        world.run(&[&["plan"], &blue[..]].concat()).json()["marker"],
        expected
    );
    let all = "<!-- irsa-gitops plan cluster=prod -->";
    assert_eq!(marker(&[]), all);
    // Stopped before anything was read, so that the same comment says so.
    assert_eq!(marker(&["--revision", "nowhere"]), all);
    let elsewhere = "<!-- irsa-gitops plan cluster=prod path=nowhere -->";
    assert_eq!(marker(&["--path", "nowhere"]), elsewhere);
    // Nothing to say is said to programs with its marker as well.
    let quiet = ["plan", "--base", "HEAD"];
    assert_eq!(world.run(&quiet).ends(0).json()["marker"], all);
}

#[test]
fn i74_annotations_are_sentences_and_rules_lead_to_the_reference() {
    let world = world();
    world.edit(|state| {
        let statement = &mut role(state, 0)["trustPolicy"]["Statement"][0];
        statement["Action"] = "sts:AssumeRole".into();
    });
    let run = world.print(&["plan", "--format", "github"]).ends(0).stdout;
    let sentence =
        "it has Action `sts:AssumeRole` instead of Action `sts:AssumeRoleWithWebIdentity`";
    assert!(run.contains(sentence), "{run}");
    assert!(!run.contains("- \""), "{run}");
    let sarif = |variables: &[(&str, &str)]| {
        let cli = world.cli(&["plan", "--format", "sarif"]);
        let cli = variables
            .iter()
            .fold(cli, |cli, (key, value)| cli.env(key, value));
        let rules = cli.run().json()["runs"][0]["tool"]["driver"]["rules"].take();
        rules.as_array().cloned().expect("rules")
    };
    let reference = include_str!("../../docs/reference.md");
    for rule in sarif(&[]) {
        let uri = rule["helpUri"].as_str().expect("a link");
        let (page, anchor) = uri.split_once('#').expect("an anchor");
        assert!(
            page.starts_with("https://") && page.ends_with("/docs/reference.md"),
            "{uri}"
        );
        let headings = reference.lines().filter(|line| line.starts_with('#'));
        let mut anchors = headings.map(|line| {
            let words = line.trim_start_matches(['#', ' ']).to_lowercase();
            words.replace('`', "").replace(' ', "-")
        });
        assert!(anchors.any(|found| found == anchor), "{uri}");
    }
    let ours = [
        ("GITHUB_ACTION_REPOSITORY", "infra/irsa-gitops"),
        ("GITHUB_ACTION_REF", "0123abc"),
    ];
    let page = "https://github.com/infra/irsa-gitops/blob/0123abc/docs/reference.md#";
    let rules = sarif(&ours);
    assert!(
        rules[0]["helpUri"]
            .as_str()
            .expect("a link")
            .starts_with(page)
    );
}

#[test]
fn i79_a_role_that_was_made_says_so() {
    let world = World::with(&[("a.yaml", &service_account("bar", "a"))]);
    let planned = world.print(&["plan"]).ends(0).stdout;
    assert!(planned.contains("there is no such role"), "{planned}");
    let made = world.print(&["apply"]).ends(0).stdout;
    assert!(
        made.contains("create: done") && made.contains("made, as there was no such role"),
        "{made}"
    );
    for format in ["json", "markdown", "github", "sarif"] {
        let world = World::with(&[("a.yaml", &service_account("bar", "a"))]);
        let made = world.print(&["apply", "--format", format]).ends(0).stdout;
        assert!(
            !made.contains("there is no such role") && made.contains("made"),
            "{format}: {made}"
        );
    }
    // One that could not be made was not.
    world.edit(|state| role(state, 0)["tags"] = json!([]));
    let held = world.print(&["apply", "--full"]).ends(7).stdout;
    assert!(!held.contains("made, as"), "{held}");
}
