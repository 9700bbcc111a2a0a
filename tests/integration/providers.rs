//! The OIDC provider of a cluster is looked at in every run: without it no pod gets in, whatever the
//! roles say.

use serde_json::json;

use crate::support::cli::{Cli, ISSUER, Run, apply};
use crate::support::iam_server::{Fault, IamServer};
use crate::support::repository::{Repository, service_account};
use crate::support::world::World;

/// Every verb that looks at the account as a whole.
const VERBS: [&[&str]; 5] = [
    &["plan"],
    &["plan", "--full", "--exit-code"],
    &["apply"],
    &["explain", "bar/a"],
    &["roles"],
];

fn provider() -> String {
    format!("arn:aws:iam::123456789012:oidc-provider/{ISSUER}")
}

fn applied() -> World {
    let world = World::new(&["a"]);
    world.run(&["apply"]).ends(0);
    world
}

/// The findings of a code in whatever document a verb prints.
fn found(run: &Run, code: &str) -> Vec<serde_json::Value> {
    let document = run.json();
    let clusters = document["clusters"].as_array().cloned();
    let places = clusters.unwrap_or_else(|| vec![document.clone()]);
    let all = places.iter().flat_map(|place| {
        let found = place["diagnostics"].as_array().cloned();
        found.unwrap_or_else(|| panic!("{place:#}"))
    });
    all.filter(|finding| finding["code"] == code).collect()
}

#[test]
fn i40_a_provider_that_is_gone_is_an_error_of_the_cluster_in_every_verb() {
    let world = applied();
    world.edit(|state| state["oidcProviders"] = json!([]));
    for verb in VERBS {
        let run = world.run(verb).ends(7);
        let found = found(&run, "oidc-provider");
        assert_eq!(found.len(), 1, "{verb:?}: {}", run.stdout);
        assert_eq!(found[0]["severity"], "error");
        let hint = found[0]["hint"].as_str().unwrap_or_default();
        let command = format!(
            "aws iam create-open-id-connect-provider --url https://{ISSUER} --client-id-list sts.amazonaws.com"
        );
        assert!(hint.contains(&command), "{hint}");
    }
    // In all that people read.
    for (verb, formats) in [
        (
            "plan",
            &["human", "markdown", "github", "sarif", "gitlab"][..],
        ),
        ("roles", &["human", "markdown", "html"][..]),
    ] {
        for format in formats {
            let run = world.print(&[verb, "--format", format]).ends(7);
            assert!(
                run.stdout.contains("is not registered"),
                "{verb} {format}: {}",
                run.stdout
            );
        }
    }
    let said = world.print(&["explain", "bar/a"]).ends(7).stdout;
    assert!(
        said.contains("aws iam create-open-id-connect-provider"),
        "{said}"
    );
}

#[test]
fn i40_a_provider_that_refuses_the_audience_is_one_and_another_audience_is_none() {
    let world = applied();
    world.edit(|state| state["oidcProviders"][0]["audiences"] = json!(["other"]));
    for verb in VERBS {
        let run = world.run(verb).ends(7);
        let found = found(&run, "oidc-provider");
        let hint = found[0]["hint"].as_str().unwrap_or_default();
        let command = format!(
            "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id sts.amazonaws.com",
            provider()
        );
        assert!(hint.contains(&command), "{verb:?}: {hint}");
    }
    // A second one beside it is nobody's fault, and neither is one that no trust policy demands.
    world.edit(|state| {
        state["oidcProviders"][0]["audiences"] = json!(["other", "sts.amazonaws.com"])
    });
    for verb in VERBS {
        world.run(verb).ends(0);
    }
    let world = World::new(&["a"]);
    world.edit(|state| state["oidcProviders"][0]["audiences"] = json!(["other"]));
    for verb in [&["apply"][..], &["plan"], &["roles"]] {
        world.run(&[verb, &["--audience", "none"]].concat()).ends(0);
    }
}

#[test]
fn i40_the_command_names_the_audience_of_the_settings_and_each_issuer_is_looked_at() {
    let world = applied();
    world.edit(|state| state["oidcProviders"] = json!([]));
    let run = world.run(&["roles", "--audience", "vault"]).ends(7);
    assert!(
        run.stdout.contains("--client-id-list vault"),
        "{}",
        run.stdout
    );
    let world = applied();
    let both = format!("{ISSUER},oidc.example.com/id/2");
    world.edit(|state| {
        let providers = state["oidcProviders"].as_array_mut().expect("providers");
        providers
            .push(json!({ "issuer": "oidc.example.com/id/2", "audiences": ["sts.amazonaws.com"] }));
    });
    world.run(&["apply", "--oidc-provider", &both]).ends(0);
    world.edit(|state| {
        state["oidcProviders"]
            .as_array_mut()
            .expect("providers")
            .pop();
    });
    let run = world.run(&["plan", "--oidc-provider", &both]).ends(7);
    let found = found(&run, "oidc-provider");
    assert_eq!(found.len(), 1, "{}", run.stdout);
    assert!(
        found[0]["message"]
            .as_str()
            .unwrap_or_default()
            .contains("oidc.example.com/id/2")
    );
}

#[test]
fn i40_what_is_to_be_written_is_refused_as_ever_and_a_removal_goes_on() {
    let world = applied();
    world.edit(|state| state["oidcProviders"] = json!([]));
    world.declare("b");
    world.repository.commit("Add b");
    for verb in ["plan", "apply"] {
        world.run(&[verb]).ends(5);
    }
    world.repository.remove("apps/b.yaml");
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove both");
    let run = world.sync(&["--allow-empty"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
}

#[test]
fn i41_an_own_audience_that_the_provider_refuses_by_now_holds_the_role() {
    let own = service_account("bar", "b") + "    eks.amazonaws.com/audience: vault\n";
    let world = World::with(&[
        ("apps/a.yaml", &service_account("bar", "a")),
        ("apps/b.yaml", &own),
    ]);
    let accepts = |audiences: serde_json::Value| {
        world.edit(|state| state["oidcProviders"][0]["audiences"] = audiences);
    };
    accepts(json!(["sts.amazonaws.com", "vault"]));
    world.run(&["apply"]).ends(0);
    world.run(&["plan", "--exit-code"]).ends(0);
    accepts(json!(["sts.amazonaws.com"]));
    for verb in ["plan", "apply"] {
        let run = world.run(&[verb]).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_b held"]);
        assert!(run.stdout.contains("--client-id vault"), "{}", run.stdout);
    }
}

#[test]
fn i42_a_job_that_may_not_look_at_the_provider_hears_of_it_once() {
    let repository = Repository::with(&[("a.yaml", &service_account("bar", "a"))]);
    let server = IamServer::empty();
    apply(&repository, &server).ends(0);
    let denied = || {
        vec![(
            "GetOpenIDConnectProvider",
            0,
            Fault::Refused(403, "AccessDenied"),
        )]
    };
    let run = |arguments: &[&str]| {
        server.script(denied());
        let arguments = [arguments, &["--format", "json"]].concat();
        Cli::new(repository.path(), &arguments)
            .endpoint(&server.url)
            .run()
    };
    for verb in VERBS {
        let run = run(verb).ends(0);
        let found = found(&run, "oidc-provider-unread");
        assert_eq!(found.len(), 1, "{verb:?}: {}", run.stdout);
        assert_eq!(found[0]["severity"], "warning");
        let hint = found[0]["hint"].as_str().unwrap_or_default();
        let command = "irsa-gitops iam-policy --for plan --account 123456789012 --cluster-name prod --oidc-provider";
        let command = hint.replace("--for apply", "--for plan").contains(command);
        assert!(command && !hint.contains('…'), "{verb:?}: {hint}");
    }
    // What is to be written rests on it.
    repository.write("b.yaml", service_account("bar", "b"));
    repository.commit("Add b");
    run(&["apply"]).ends(6);
    assert_eq!(server.roles().len(), 1);
}

#[test]
fn i42_an_idle_run_asks_once_for_each_issuer() {
    let repository = Repository::with(&[("a.yaml", &service_account("bar", "a"))]);
    let server = IamServer::empty();
    apply(&repository, &server).ends(0);
    server.script(vec![]);
    apply(&repository, &server).ends(0);
    let calls = server.calls();
    let asked = calls
        .iter()
        .filter(|call| call.starts_with("GetOpenIDConnectProvider"));
    assert_eq!(asked.count(), 1, "{calls:?}");
}
