//! What `explain` advises, and what it does not.

use super::{OLD, answer, applied, edit_trust, lines, says};
use crate::support::cli::ISSUER;
use crate::support::repository::service_account;
use crate::support::world::World;

fn hint(answer: &serde_json::Value) -> String {
    answer["hint"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn i43_a_command_that_would_be_refused_is_not_advised() {
    let world = World::new(&["a"]);
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "no-role");
    assert!(
        lines(&told, "run").contains("irsa-gitops apply"),
        "{told:#}"
    );
    world.edit(|state| state["oidcProviders"] = serde_json::json!([]));
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "no-role");
    assert!(
        !lines(&told, "run").contains("irsa-gitops apply"),
        "{told:#}"
    );
    assert!(
        hint(&told).contains("no run writes anything now"),
        "{told:#}"
    );
}

#[test]
fn i43_a_service_account_that_is_declared_no_more_is_told_as_that() {
    let world = applied(&["a", "b"]);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let told = answer(&world, &["bar/a"]);
    says(&told, true, "let-in");
    assert!(hint(&told).contains("no manifest declares"), "{told:#}");
    let told = answer(&world, &["bar/b"]);
    assert!(!hint(&told).contains("no manifest declares"), "{told:#}");
}

#[test]
fn i43_who_took_the_annotation_away_is_the_one_to_ask() {
    let world = applied(&["a", "b"]);
    let text = service_account("bar", "a").replace("\"true\"", "\"false\"");
    world.repository.write("apps/a.yaml", text);
    let commit = world.repository.commit("No role for a");
    world.repository.commit("Something else");
    world.sync(&[]).ends(0);
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "quarantined");
    assert_eq!(told["by"]["commit"], commit.as_str(), "{told:#}");
}

#[test]
fn i43_only_who_names_the_role_may_be_it_mistyped() {
    let world = applied(&["a", "b"]);
    world.repository.remove("apps/a.yaml");
    // It names the role of another one.
    let typo = service_account("bar", "aa").replace("k8s-sa_bar_aa", "k8s-sa_bar_b");
    world.repository.write("apps/aa.yaml", typo);
    world.repository.commit("Rename a");
    let notes = |whose: &str| lines(&answer(&world, &[whose]), "notes");
    assert!(!notes("bar/a").contains("mistyped"), "{}", notes("bar/a"));
    assert!(notes("bar/b").contains("`bar/aa`"), "{}", notes("bar/b"));
}

#[test]
fn i46_a_changed_issuer_is_accepted_only_where_that_changes_something() {
    let world = applied(&["a", "b"]);
    edit_trust(&world, |trust| {
        *trust = serde_json::from_str(&trust.to_string().replace(ISSUER, OLD)).expect("JSON");
    });
    let told = answer(&world, &["bar/a"]);
    assert!(lines(&told, "run").contains("--allow-issuer-change"));
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "other-issuer");
    assert!(
        !lines(&told, "run").contains("--allow-issuer-change"),
        "{told:#}"
    );
}

#[test]
fn i96_an_issuer_of_a_trust_policy_is_quoted_in_commands() {
    let world = applied(&["a"]);
    edit_trust(&world, |trust| {
        *trust = serde_json::from_str(&trust.to_string().replace(ISSUER, "x;id")).expect("JSON");
    });
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "other-issuer");
    assert!(
        lines(&told, "run").contains("--allow-issuer-change 'x;id'"),
        "{told:#}"
    );
}

#[test]
fn i43_what_is_wrong_with_others_is_not_told() {
    let world = applied(&["a", "b", "c"]);
    edit_trust(&world, |trust| {
        trust["Statement"][0]["Principal"]["AWS"] = "arn:aws:iam::123456789012:root".into();
    });
    let wrong = service_account("bar", "b").replace("role/k8s-sa_bar_b", "role/k8s-sa_bar_x");
    world.repository.write("apps/b.yaml", wrong);
    world.repository.commit("A typo");
    let told = |whose: &str| world.run(&["explain", whose]).ends(0).json();
    assert_ne!(told("bar/a")["others"].to_string(), "[]");
    assert!(told("bar/b").to_string().contains("role-arn-mismatch"));
    let told = told("bar/c");
    assert_eq!(told["others"].to_string(), "[]", "{told:#}");
    assert_eq!(told["diagnostics"].to_string(), "[]", "{told:#}");
    // What hangs on the role's id is told of every one that lets in.
    let id = world.role("c")["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(lines(&told["answer"], "notes").contains(&id), "{told:#}");
}
