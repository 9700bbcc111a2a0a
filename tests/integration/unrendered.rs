//! What something else renders before it is applied: charts, kustomizations, values, patches.

use crate::support::repository::service_account;
use crate::support::world::{World, reason};

const KEY: &str = "security.kaluza.com/iam-role-managed";

/// Severity, code, place and message of each finding of a lint.
fn findings(files: &[(&str, &str)], code: i32) -> Vec<String> {
    let world = World::with(files);
    let run = world.run(&["lint"]).ends(code);
    let found = run.json()["clusters"][0]["diagnostics"].clone();
    let found = found.as_array().cloned().unwrap_or_default();
    let text = |found: &serde_json::Value| {
        let part = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        let at = &found["location"];
        let place = format!("{}:{}", at["path"].as_str().unwrap_or_default(), at["line"]);
        let parts = ["severity", "code", "message", "hint"].map(part);
        format!("{place} {}", parts.join(" "))
    };
    found.iter().map(text).collect()
}

#[test]
fn m83_the_annotation_where_it_does_not_count_is_a_note() {
    let release = format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: x\nspec:\n  values:\n    serviceAccount:\n      annotations:\n        {KEY}: \"true\"\n"
    );
    let application = |helm: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: x\nspec:\n  source:\n    helm:\n{helm}"
        )
    };
    let values = format!(
        "      values: |\n        serviceAccount:\n          annotations:\n            {KEY}: \"true\"\n"
    );
    let escaped = KEY.replace('.', "\\.");
    let parameters = format!(
        "      parameters:\n      - name: serviceAccount.annotations.{escaped}\n        value: \"true\"\n"
    );
    let inline = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches:\n- target: {{kind: ServiceAccount}}\n  patch: |-\n    - op: add\n      path: /metadata/annotations/{}\n      value: \"true\"\n",
        KEY.replace('/', "~1")
    );
    let common = format!("kind: Kustomization\ncommonAnnotations:\n  {KEY}: \"true\"\n");
    let chart = format!("serviceAccount:\n  annotations: {{{KEY}: \"true\"}}\n");
    let patch = format!(
        "- op: add\n  path: /metadata/annotations/{}\n  value: \"true\"\n",
        KEY.replace('/', "~1")
    );
    let whole = format!("- op: add\n  path: /metadata/annotations\n  value: {{{KEY}: \"true\"}}\n");
    let json =
        format!(r#"[{{"op":"add","path":"/metadata/annotations","value":{{"{KEY}":"true"}}}}]"#);
    for (text, what) in [
        (release, ":9 note wrong-kind"),
        (application(&values), "`Application`"),
        (application(&parameters), "`Application`"),
        (inline, "`Kustomization`"),
        (common, "`Kustomization`"),
        (chart, "without a kind"),
        (patch, "JSON patch"),
        (whole, "JSON patch"),
        (format!("---\n{json}"), "JSON patch"),
    ] {
        let found = findings(&[("apps/x.yaml", &text)], 0);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        for part in [what, "note wrong-kind", "only what is rendered counts"] {
            assert!(found[0].contains(part), "{part}: {found:?}");
        }
    }
}

#[test]
fn m83_what_only_speaks_of_the_annotation_is_no_note() {
    let config =
        format!("kind: ConfigMap\napiVersion: v1\ndata:\n  x: the {KEY} annotation of a team\n");
    let list = format!("- {KEY}\n- b\n");
    assert_eq!(findings(&[("a.yaml", &config)], 0), Vec::<String>::new());
    // A list that is no patch is not understood, as ever.
    let found = findings(&[("a.yaml", &list)], 4);
    assert!(found[0].contains("error invalid-yaml"), "{found:?}");
}

#[test]
fn m83_a_patch_holds_nobodys_role() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    let patch = format!("- op: add\n  path: /metadata/annotations\n  value: {{{KEY}: \"true\"}}\n");
    world.repository.write("apps/patch.yaml", patch);
    world.repository.commit("Remove a, patch another");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
}

#[test]
fn m85_duplicates_in_many_places_are_one_note() {
    let text = service_account("bar", "a");
    let files: Vec<String> = (0..9).map(|n| format!("apps/{n}/a.yaml")).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|f| (f.as_str(), text.as_str())).collect();
    let found = findings(&files, 0);
    assert_eq!(found.len(), 1, "{found:?}");
    let said = "apps/0/a.yaml:1 note duplicate-service-account ServiceAccount `bar/a` is declared identically at apps/1/a.yaml:1:1, ";
    assert!(found[0].starts_with(said), "{found:?}");
    assert!(found[0].contains(", and 3 more"), "{found:?}");
}

#[test]
fn i61_two_clusters_that_ask_for_one_name_are_told_how_to_migrate() {
    let world = World::with(&[
        ("blue/a.yaml", &service_account("bar", "a")),
        ("green/a.yaml", &service_account("bar", "a")),
    ]);
    let issuer = crate::support::cli::ISSUER;
    let file = world.write(
        "clusters.yaml",
        &format!("[{{name: prod, paths: blue, oidcProvider: {issuer}}}, {{name: green, paths: green, oidcProvider: {issuer}}}]"),
    );
    let cli = world.cli(&["plan", "--config", &file, "--format", "json"]);
    let cli = cli
        .env("IRSA_GITOPS_CLUSTER_NAME", "")
        .env("IRSA_GITOPS_OIDC_PROVIDER", "");
    let run = cli.run().ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held", "k8s-sa_bar_a held"]);
    let said = reason(&run, 0);
    assert!(said.contains("one entry with both issuers"), "{said}");
}
