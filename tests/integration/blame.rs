//! What a change under review is blamed for, and what it is not.

use serde_json::json;

use super::comments::{comment, drift, verdict, world};
use crate::support::repository::service_account;

const VAULT: &str = "    eks.amazonaws.com/audience: vault\n";

#[test]
fn i97_an_audience_that_the_change_itself_sets_is_no_drift() {
    let world = world();
    world.edit(|state| {
        state["oidcProviders"][0]["audiences"] = json!(["sts.amazonaws.com", "vault"]);
    });
    let own = service_account("bar", "a") + VAULT;
    world.repository.write("apps/a.yaml", own);
    world.repository.commit("An audience of its own");
    let text = comment(&world, &[]);
    let expected = "1 role to update; role of `bar/a`: who may assume it changes";
    assert_eq!(verdict(&text), expected, "{text}");
    assert!(!text.contains("security-drift"), "{text}");
    // What somebody opened by hand is told beside it.
    drift(&world);
    let text = comment(&world, &[]);
    assert!(text.contains("security-drift"), "{text}");
}

#[test]
fn i98_a_provider_that_is_gone_is_no_doing_of_the_change() {
    let world = world();
    world.edit(|state| state["oidcProviders"] = json!([]));
    world.repository.write("README.md", "Nothing of ours.\n");
    world.repository.commit("Another matter");
    assert_eq!(comment(&world, &[]), "");
    // A change of ours is told of it, apart.
    world.repository.remove("apps/cart.yaml");
    world.repository.commit("Remove shop/cart");
    let text = comment(&world, &["--mode", "sync"]);
    let found = text.split("Found before this change, too").nth(1);
    assert!(found.is_some_and(|t| t.contains("oidc-provider")), "{text}");
    assert!(!verdict(&text).contains("error"), "{text}");
}

#[test]
fn i99_a_verdict_says_of_a_quarantined_role_whether_its_pods_get_in() {
    let world = world();
    world.repository.remove("apps/cart.yaml");
    world.repository.commit("Remove shop/cart");
    world.sync(&[]).ends(0);
    // The branch under review is compared with what removes it.
    world.repository.git(&["tag", "--force", "base"]);
    let back = service_account("shop", "cart");
    world.repository.write("apps/cart.yaml", back);
    world.repository.commit("Bring shop/cart back");
    let text = comment(&world, &[]);
    let expected = "1 role to restore; pods of `shop/cart` get their access back on merge";
    assert_eq!(verdict(&text), expected, "{text}");
    world.repository.git(&["tag", "--force", "base"]);
    world.repository.remove("apps/cart.yaml");
    world.repository.commit("Remove it again");
    let text = comment(&world, &[]);
    let expected = "1 role no longer declared; role of `shop/cart`: stays quarantined, so that no pod can assume it";
    assert_eq!(verdict(&text), expected, "{text}");
}
