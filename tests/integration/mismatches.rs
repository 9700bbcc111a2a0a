//! Role-arn annotations that differ from the settings, all in the same way or each in its own.

use crate::support::cli::{ISSUER, Run};
use crate::support::repository::service_account;
use crate::support::world::World;

/// A ServiceAccount with the ARN that a cluster in another account and with another prefix would have.
fn of_green(name: &str) -> String {
    let text = service_account("shop", name);
    let ours = format!("123456789012:role/k8s-sa_shop_{name}");
    let theirs = format!("210987654321:role/green_shop_{name}");
    assert!(text.contains(&ours));
    text.replace(&ours, &theirs)
}

/// Two clusters of one repository.
fn world() -> World {
    World::with(&[
        ("clusters/blue/a.yaml", &service_account("bar", "a")),
        ("clusters/blue/b.yaml", &service_account("bar", "b")),
        ("clusters/green/cart.yaml", &of_green("cart")),
        ("clusters/green/pay.yaml", &of_green("pay")),
    ])
}

fn hint(run: &Run) -> String {
    let document = run.json();
    let hint = document["clusters"][0]["diagnostics"][0]["hint"].as_str();
    hint.unwrap_or_default().to_owned()
}

#[test]
fn i70_a_forgotten_path_is_one_finding_that_names_it() {
    let world = world();
    let account = ["--account", "123456789012"];
    let lint = world.run(&[&["lint"], &account[..]].concat()).ends(4);
    assert_eq!(lint.codes(), ["role-arn-setting"]);
    assert!(
        hint(&lint).contains("--path clusters/blue;"),
        "{}",
        hint(&lint)
    );
    let apply = world.run(&["apply"]).ends(7);
    assert_eq!(apply.codes(), ["role-arn-setting"]);
    assert_eq!(
        apply.changes(),
        [
            "k8s-sa_bar_a create done",
            "k8s-sa_bar_b create done",
            "k8s-sa_shop_cart held",
            "k8s-sa_shop_pay held"
        ]
    );
    // What the hint says is enough.
    world.run(&["apply", "--path", "clusters/blue"]).ends(0);
}

/// The same applications in the directory of each cluster.
#[test]
fn i70_the_same_service_accounts_of_two_clusters_are_one_finding() {
    let world = World::with(&[
        ("clusters/blue/cart.yaml", &service_account("shop", "cart")),
        ("clusters/blue/pay.yaml", &service_account("shop", "pay")),
        ("clusters/green/cart.yaml", &of_green("cart")),
        ("clusters/green/pay.yaml", &of_green("pay")),
    ]);
    let lint = world.run(&["lint"]).ends(4);
    assert_eq!(lint.codes(), ["duplicate-service-account"]);
    let expected = "--path clusters/blue or --path clusters/green;";
    assert!(hint(&lint).contains(expected), "{}", hint(&lint));
    let held = ["k8s-sa_shop_cart held", "k8s-sa_shop_pay held"];
    assert_eq!(world.run(&["apply"]).ends(7).changes(), held);
    world.run(&["apply", "--path", "clusters/blue"]).ends(0);
    // One alone, or each between other directories, is a mistake in a manifest.
    world.repository.remove("clusters/green/pay.yaml");
    world.repository.write("apps/pay.yaml", of_green("pay"));
    world.repository.commit("Elsewhere");
    let codes = world.run(&["lint"]).ends(4).codes();
    assert_eq!(codes, ["duplicate-service-account"; 4]);
}

#[test]
fn i70_a_wrong_setting_is_one_finding_and_what_it_says_can_be_given() {
    let world = world();
    let lint = |arguments: &[&str]| {
        let path = ["lint", "--path", "clusters/green"];
        world.run(&[&path, arguments].concat())
    };
    let wrong = lint(&["--account", "123456789012"]).ends(4);
    assert_eq!(wrong.codes(), ["role-arn-setting"]);
    let flags = "set --account 210987654321 --role-prefix green;";
    assert!(hint(&wrong).contains(flags), "{}", hint(&wrong));
    lint(&["--account", "210987654321", "--role-prefix", "green"]).ends(0);
    // Offline, any account will do, so the prefix alone is told.
    assert!(hint(&lint(&[]).ends(4)).contains("set --role-prefix green;"));
}

#[test]
fn i70_annotations_that_were_copied_keep_their_own_findings() {
    let world = world();
    let copied = service_account("bar", "c").replace("123456789012", "210987654321");
    world.repository.write("clusters/blue/c.yaml", copied);
    let copied = service_account("bar", "d").replace("123456789012", "210987654321");
    world.repository.write("clusters/blue/d.yaml", copied);
    world.repository.commit("Copied from another account");
    let lint = [
        "lint",
        "--path",
        "clusters/blue",
        "--account",
        "123456789012",
    ];
    let lint = world.run(&lint).ends(4);
    assert_eq!(lint.codes(), ["role-arn-mismatch", "role-arn-mismatch"]);
    assert_eq!(
        hint(&lint),
        "use `arn:aws:iam::123456789012:role/k8s-sa_bar_c`"
    );
}

#[test]
fn i96_what_a_hint_takes_from_manifests_is_quoted() {
    let of = |place: &str, path: &str| {
        let text = service_account("shop", "cart");
        let text = text.replace(":role/k8s-sa_", &format!(":role/{path}k8s-sa_"));
        World::with(&[(place, &text)])
    };
    let hostile = of("a.yaml", "a;`id`'b/");
    let lint = hostile.run(&["lint"]).ends(4);
    let flags = r"set --role-path '/a;`id`'\''b/'";
    assert!(hint(&lint).contains(flags), "{}", hint(&lint));
    let given = hostile.run(&["lint", "--role-path", "/a;`id`'b/"]);
    given.ends(0);
    let plain = of("a.yaml", "team-a/");
    let lint = plain.run(&["lint"]).ends(4);
    assert!(hint(&lint).contains("set --role-path /team-a/"));
}

#[test]
fn i96_a_directory_in_a_hint_is_quoted() {
    let world = World::with(&[
        ("blue & co/a.yaml", &service_account("bar", "a")),
        ("green/cart.yaml", &of_green("cart")),
        ("green/pay.yaml", &of_green("pay")),
    ]);
    let lint = world.run(&["lint", "--account", "123456789012"]).ends(4);
    let advice = "--path 'blue & co';";
    assert!(hint(&lint).contains(advice), "{}", hint(&lint));
}

/// A wrong prefix is no wish for other roles.
#[test]
fn i70_where_the_setting_is_doubted_nobody_is_told_to_make_other_roles() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    let run = world.run(&["plan", "--role-prefix", "irsa"]).ends(7);
    assert_eq!(run.codes(), ["role-arn-setting"]);
    // One that has a mistake of its own is told of the role that it names.
    let own = service_account("bar", "c").replace("k8s-sa_bar_c", "k8s-sa_bar_a");
    world.repository.write("apps/c.yaml", own);
    world.edit(|state| {
        let mut roles = state["roles"].as_array_mut().expect("roles").iter_mut();
        let role = roles.find(|role| role["name"] == "k8s-sa_bar_a");
        let trust = &mut role.expect("applied")["trustPolicy"]["Statement"][0];
        let both = ["system:serviceaccount:bar:a", "system:serviceaccount:bar:c"];
        trust["Condition"]["StringEquals"][format!("{ISSUER}:sub")] = both.to_vec().into();
    });
    world.repository.commit("A name of another one");
    let codes = world
        .run(&["plan", "--role-prefix", "irsa"])
        .ends(7)
        .codes();
    assert!(codes.contains(&"existing-role".to_owned()), "{codes:?}");
}
