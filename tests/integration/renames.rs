//! Several ServiceAccounts that are renamed at once.

use crate::comments::{comment, verdict};
use crate::support::repository::service_account;
use crate::support::world::World;

/// A file: its path, and what it declares in namespace `shop`.
type File<'a> = (&'a str, &'a [&'a str]);

/// What happens, the files before and after it, and the pairs that it makes.
type Case<'a> = (&'a str, &'a [File<'a>], &'a [File<'a>], &'a [&'a str]);

fn text(names: &[&str]) -> String {
    let documents = names.iter().map(|name| service_account("shop", name));
    documents.collect::<Vec<_>>().join("---\n")
}

/// What was applied, tagged `base`, and a commit that puts other files in the place of all.
fn changed(before: &[File<'_>], after: &[File<'_>]) -> World {
    let texts = |files: &[File<'_>]| -> Vec<(String, String)> {
        let text = |(path, names): &File<'_>| ((*path).to_owned(), text(names));
        files.iter().map(text).collect()
    };
    let (before, after) = (texts(before), texts(after));
    let files: Vec<(&str, &str)> = before.iter().map(|(p, t)| (&**p, &**t)).collect();
    let world = World::with(&files);
    world.run(&["apply"]).ends(0);
    world.repository.git(&["tag", "base"]);
    world.repository.git(&["rm", "--quiet", "-r", "."]);
    for (path, text) in after {
        world.repository.write(&path, text);
    }
    world.repository.commit("Rename");
    world
}

/// `OLD>NEW` of every pair that a plan and `diff` find.
#[track_caller]
fn pairs(before: &[File<'_>], after: &[File<'_>]) -> Vec<String> {
    let world = changed(before, after);
    let found = |arguments: &[&str]| -> Vec<String> {
        let document = world.run(arguments).ends(0).json();
        let changes = document["clusters"][0]["changes"].as_array().cloned();
        let pair = |change: serde_json::Value| {
            let name = |key: &str| {
                let role = change[key].as_str()?;
                Some(role.strip_prefix("k8s-sa_shop_")?.to_owned())
            };
            Some(format!("{}>{}", name("replaces")?, name("role")?))
        };
        changes
            .unwrap_or_default()
            .into_iter()
            .filter_map(pair)
            .collect()
    };
    let planned = found(&["plan", "--base", "base"]);
    assert_eq!(found(&["diff", "base..HEAD"]), planned);
    planned
}

#[test]
fn i73_several_renames_at_once_are_told_apart() {
    let both = ["cart>cart-v2", "pay>pay-v2"];
    let cases: [Case<'_>; 8] = [
        (
            "in their places of one file, whatever they are called",
            &[("a.yaml", &["cart", "pay"])],
            &[("a.yaml", &["basket", "billing"])],
            &["cart>basket", "pay>billing"],
        ),
        (
            "in one file, behind another one that is new",
            &[("a.yaml", &["cart", "pay"])],
            &[("a.yaml", &["new", "pay-v2", "cart-v2"])],
            &both,
        ),
        (
            "in files of other names",
            &[("a/cart.yaml", &["cart"]), ("b/pay.yaml", &["pay"])],
            &[("c/x.yaml", &["cart-v2"]), ("d/y.yaml", &["pay-v2"])],
            &both,
        ),
        (
            "one of two, as the other is only removed",
            &[("a.yaml", &["cart", "pay"])],
            &[("a.yaml", &["pay-v2"])],
            &["pay>pay-v2"],
        ),
        (
            "unlike each other, and nowhere in particular",
            &[("a.yaml", &["cart", "pay"])],
            &[("a.yaml", &["new", "basket", "fee"])],
            &[],
        ),
        (
            "two that are as much like one",
            &[("a.yaml", &["api"])],
            &[("b.yaml", &["api-v1"]), ("c.yaml", &["api-v2"])],
            &[],
        ),
        (
            "two of which one is like both",
            &[("a.yaml", &["api-v1", "api-v2"])],
            &[("b.yaml", &["api-v3"])],
            &[],
        ),
        (
            "unlike each other, of several in one namespace",
            &[("a.yaml", &["cart"]), ("b.yaml", &["pay"])],
            &[("c.yaml", &["basket"])],
            &[],
        ),
    ];
    for (what, before, after, expected) in cases {
        assert_eq!(pairs(before, after), expected, "{what}");
    }
}

#[test]
fn i73_the_verdict_names_all_renames() {
    let world = changed(
        &[("a.yaml", &["cart", "pay"])],
        &[("a.yaml", &["basket", "billing"])],
    );
    let text = comment(&world, &[]);
    let worst = "`k8s-sa_shop_basket` and `k8s-sa_shop_billing` take the places of `k8s-sa_shop_cart` and `k8s-sa_shop_pay` and have none of their policies";
    assert!(verdict(&text).ends_with(worst), "{text}");
    let text = comment(&world, &["--mode", "sync"]);
    let lost = "; the new roles `k8s-sa_shop_basket` and `k8s-sa_shop_billing` have none of the policies of the old ones";
    assert!(verdict(&text).ends_with(lost), "{text}");
}
