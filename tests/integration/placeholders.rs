//! Manifests that hold what something else replaces later, and the values that Flux would give.

use crate::support::repository::service_account;
use crate::support::world::World;

const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/k8s-sa_bar_foo";

fn world(text: &str) -> World {
    World::with(&[("apps/foo.yaml", text)])
}

/// A ServiceAccount whose role-arn annotation is something else.
fn with_arn(arn: &str) -> String {
    service_account("bar", "foo").replace(ROLE_ARN, arn)
}

#[test]
fn m94_a_value_that_something_renders_later_is_told_with_what_renders_it() {
    let account = |placeholder: &str| with_arn(&ROLE_ARN.replace("123456789012", placeholder));
    let foo = service_account("bar", "foo");
    let audience = |value: &str| format!("{foo}    eks.amazonaws.com/audience: {value}\n");
    for (text, line, renderer) in [
        (account("${ACCOUNT_ID}"), 8, "--substitute KEY=VALUE"),
        (account("${ACCOUNT_ID:=1}"), 8, "--substitute KEY=VALUE"),
        (account("<path:aws#account>"), 8, "argocd-vault-plugin"),
        (account("<ACCOUNT_ID>"), 8, "argocd-vault-plugin"),
        (account("<no value>"), 8, "had no value"),
        (account("$(ACCOUNT)"), 8, "kustomize build"),
        (with_arn("\"{{ .Values.arn }}\""), 8, "helm template"),
        (
            with_arn("ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]"),
            8,
            "sops",
        ),
        // A path may hold nearly anything, and so may an audience.
        (
            with_arn("arn:aws:iam::123456789012:role/${ENV}/k8s-sa_bar_foo"),
            8,
            "--substitute",
        ),
        (audience("<path:aws#audience>"), 9, "argocd-vault-plugin"),
        (
            audience("ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]"),
            9,
            "sops",
        ),
        (audience("${AUDIENCE}"), 9, "--substitute"),
        (foo.replace("name: foo", "name: foo-${ENV}"), 4, "Flux"),
        (
            foo.replace("namespace: bar", "namespace: <no value>"),
            5,
            "had no value",
        ),
        (
            foo.replace("namespace: bar", "namespace: \"{{ .Release.Namespace }}\""),
            5,
            "helm template",
        ),
        (foo.replace("\"true\"", "${MANAGED:=true}"), 7, "Flux"),
        (
            foo.replace("kind: ServiceAccount", "kind: ENC[AES256_GCM,data:x]"),
            1,
            "sops",
        ),
    ] {
        let world = world(&text);
        let run = world.run(&["lint"]).ends(4);
        let found = run.json()["clusters"][0]["diagnostics"].clone();
        assert_eq!(run.codes(), ["unrendered-template"], "{text}");
        assert_eq!(found[0]["location"]["line"], line, "{text}");
        let hint = found[0]["hint"].as_str().unwrap_or_default();
        assert!(hint.contains(renderer), "{text}: {hint}");
        // Nothing is made of it.
        let run = world.run(&["apply"]).ends(7);
        assert!(
            !run.changes().iter().any(|change| change.ends_with("done")),
            "{text}"
        );
    }
    // What only looks like one is what it is.
    for (text, code) in [
        (account("ACCOUNT_ID"), "invalid-role-arn"),
        (
            foo.replace("namespace: bar", "namespace: b_r"),
            "invalid-name",
        ),
        (foo.replace("\"true\"", "\"yes\""), "invalid-managed"),
    ] {
        assert_eq!(
            world(&text).run(&["lint"]).ends(4).codes(),
            [code],
            "{text}"
        );
    }
}

#[test]
fn m96_substituted_values_are_those_that_count() {
    let audience = "    eks.amazonaws.com/audience: ${AUDIENCE:=aud.example.com}\n";
    let arn = "arn:${PARTITION:-aws}:iam::${ACCOUNT_ID}:role/k8s-sa_bar_foo";
    let world = world(&(with_arn(arn) + audience));
    let given = ["--substitute", "ACCOUNT_ID=123456789012"];
    world.run(&[&["lint"][..], &given].concat()).ends(0);
    world.edit(|state| {
        let providers = state["oidcProviders"].as_array_mut().expect("providers");
        providers[0]["audiences"] = serde_json::json!(["aud.example.com"]);
    });
    let all = [&["--audience", "aud.example.com"][..], &given].concat();
    let run = world.sync(&all).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_foo create done"]);
    assert!(world.role("foo").to_string().contains("aud.example.com"));
    let explain = [&["explain", "bar/foo"][..], &all].concat();
    assert_eq!(world.run(&explain).ends(0).json()["state"], "in-sync");
    // The variable and the file of the settings say the same.
    let lint = world
        .cli(&["lint"])
        .env("IRSA_GITOPS_SUBSTITUTE", "X=1,ACCOUNT_ID=123456789012");
    lint.run().ends(0);
    let config = "- name: prod\n  substitute: [\"ACCOUNT_ID=123456789012\"]\n";
    let config = world.write("clusters.yaml", config);
    world.run(&["lint", "--config", &config]).ends(0);
    // Another value is another account, and says which it should be.
    let wrong = [
        "lint",
        "--account",
        "123456789012",
        "--substitute",
        "ACCOUNT_ID=210987654321",
    ];
    let run = world.run(&wrong).ends(4);
    assert_eq!(run.codes(), ["role-arn-mismatch"]);
    assert!(run.stdout.contains("got `210987654321`"), "{}", run.stdout);
    // What has no value is named, and not guessed to be nothing.
    let run = world.run(&["lint", "--substitute", "ACCOUNT=1"]).ends(4);
    assert_eq!(run.codes(), ["unrendered-template"]);
    assert!(
        run.stdout.contains("--substitute ACCOUNT_ID=VALUE"),
        "{}",
        run.stdout
    );
    for bad in ["ACCOUNT_ID", "1=2", "A-B=1"] {
        let run = world.print(&["lint", "--substitute", bad]).ends(2);
        assert!(run.stderr.contains("is not KEY=VALUE"), "{}", run.stderr);
    }
    // A removal is one, whatever the annotation held.
    world
        .repository
        .write("other.yaml", service_account("bar", "other"));
    world.repository.remove("apps/foo.yaml");
    world.repository.commit("remove foo");
    let run = world.sync(&all).ends(0);
    assert_eq!(run.changes()[0], "k8s-sa_bar_foo quarantine done");
}

#[test]
fn m96_names_and_other_fields_are_never_substituted() {
    let foo = service_account("bar", "foo");
    let world = world(&foo.replace("name: foo", "name: ${NAME}"));
    let run = world.run(&["lint", "--substitute", "NAME=foo"]).ends(4);
    assert_eq!(run.codes(), ["unrendered-template"]);
    // Two clusters give one manifest different values.
    let arn = "arn:aws:iam::${ACCOUNT_ID}:role/k8s-sa_bar_foo";
    world.repository.write("apps/foo.yaml", with_arn(arn));
    world.repository.commit("foo");
    let cluster = |name: &str, account: &str| {
        format!(
            "- name: {name}\n  oidcProviders: [{name}.example.com]\n  account: \"{account}\"\n  substitute: [ACCOUNT_ID={account}]\n"
        )
    };
    let config = cluster("blue", "123456789012") + &cluster("green", "210987654321");
    let config = world.write("clusters.yaml", &config);
    let lint = world
        .cli(&["lint", "--config", &config])
        .env("IRSA_GITOPS_CLUSTER_NAME", "")
        .env("IRSA_GITOPS_OIDC_PROVIDER", "");
    lint.run().ends(0);
}
