//! What something else renders before it is applied: charts, kustomizations, values, patches.

use crate::support::repository::{Repository, service_account};
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
fn m86_a_chart_that_is_not_rendered_is_one_finding() {
    let template = |name: &str| {
        format!(
            "{{{{- if .Values.{name} }}}}\nmetadata:\n  annotations:\n    {KEY}: \"true\"\n{{{{ end }}}}\n"
        )
    };
    let bare = service_account("bar", "a").replace("  namespace: bar\n", "");
    let (bare, _) = bare
        .rsplit_once("    eks")
        .expect("the role-arn annotation");
    let values = format!("serviceAccount:\n  annotations: {{{KEY}: \"true\"}}\n");
    let (one, two) = (template("one"), template("two"));
    let files = [
        ("charts/x/Chart.yaml", "name: x\n"),
        ("charts/x/values.yaml", &values),
        ("charts/x/templates/a/one.yaml", &one),
        ("charts/x/templates/two.yaml", &two),
        ("charts/x/templates/three.yaml", bare),
        ("other/templates/sa.yaml", &one),
        ("apps/sa.yaml", &one),
    ];
    let found = findings(&files, 4);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].contains("apps/sa.yaml"), "{found:?}");
    assert!(found[0].contains("unrendered-template"), "{found:?}");
    for part in [
        "charts/x/templates/a/one.yaml:",
        "error not-rendered chart `charts/x` is not rendered",
        "and 1 more",
        "`helm template NAME charts/x --namespace NAMESPACE`",
        "--exclude /charts/x/",
    ] {
        assert!(found[1].contains(part), "{part}: {found:?}");
    }
    assert!(found[2].contains("chart `other` is not"), "{found:?}");
    // The rule of the hint is the end of it.
    let world = World::with(&files[..5]);
    world.run(&["lint", "--exclude", "/charts/x/"]).ends(0);
    // A ServiceAccount of a chart that needs no rendering is one like any other.
    let whole = service_account("bar", "a").replace("bar_a", "bar_b");
    let found = findings(&[files[0], ("charts/x/templates/a.yaml", &whole)], 4);
    assert!(found[0].contains("role-arn-mismatch"), "{found:?}");
    let bare = service_account("bar", "a").replace("\"true\"", "true");
    let found = findings(&[files[0], ("charts/x/templates/a.yaml", &bare)], 4);
    assert!(found[0].contains("unquoted-scalar"), "{found:?}");
    // What it says is no worse than what it stands for, and can be pasted.
    let found = findings(
        &[
            ("my chart/Chart.yaml", files[0].1),
            ("my chart/values.yaml", &values),
        ],
        0,
    );
    for part in [
        "note not-rendered",
        "helm template NAME 'my chart' --namespace",
        "--exclude '/my chart/'",
    ] {
        assert!(found[0].contains(part), "{part}: {found:?}");
    }
}

#[test]
fn m86_a_kustomization_that_is_not_rendered_is_one_finding() {
    let bare = |name: &str| service_account("bar", name).replace("  namespace: bar\n", "");
    let (a, b, c) = (bare("a"), bare("b"), bare("c"));
    let files = [
        (
            "base/kustomization.yaml",
            "resources: [a.yaml, rbac/b.yaml]\n",
        ),
        ("base/a.yaml", &a),
        ("base/rbac/b.yaml", &b),
        ("apps/c.yaml", &c),
    ];
    let found = findings(&files, 4);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].contains("apps/c.yaml:1 error missing-namespace"),
        "{found:?}"
    );
    for part in [
        "base/a.yaml:1 error not-rendered kustomization `base` is not rendered",
        "`base/a.yaml`, `base/rbac/b.yaml`",
        "`kubectl kustomize base`",
        "--namespace-from",
    ] {
        assert!(found[1].contains(part), "{part}: {found:?}");
    }
    // So it is in a directory of plain files.
    let repository = Repository::with(&files);
    let world = World::new(&[]);
    let directory = repository.path().display().to_string();
    let run = world.run(&["lint", "--directory", &directory]).ends(4);
    assert!(
        run.codes().contains(&"not-rendered".to_owned()),
        "{}",
        run.stdout
    );
    // Where a rule gives the namespace, nothing is missing.
    let rule = ["lint", "--namespace-from", "**=bar"];
    let world = World::with(&files);
    assert_eq!(world.run(&rule).ends(0).codes(), Vec::<String>::new());
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

#[test]
fn m142_a_chart_that_names_a_role_cannot_be_left_out() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    let chart = |text: &str| {
        world.repository.write("chart/templates/sa.yaml", text);
        world.repository.commit("a is in a chart now");
    };
    world.repository.write("chart/Chart.yaml", "name: x\n");
    let own = service_account("bar", "a");
    let own = own.replace("namespace: bar", "namespace: {{ .Release.Namespace }}");
    let plan = ["plan", "--mode", "sync", "--exclude", "/chart/"];
    for text in [own.clone(), format!("{{{{ if x }}}}\n{own}{{{{ end }}}}\n")] {
        chart(&text);
        let run = world.run(&["lint"]).ends(4);
        assert_eq!(run.codes(), ["not-rendered"]);
        assert!(!run.stdout.contains("--exclude"), "{}", run.stdout);
        let run = world.run(&["lint", "--exclude", "/chart/"]).ends(4);
        assert_eq!(run.codes(), ["ignored-service-account"]);
        let run = world.run(&plan).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
        let retire = ["retire", "k8s-sa_bar_a", "--yes", "--exclude", "/chart/"];
        assert_eq!(world.run(&retire).ends(7).changes(), ["k8s-sa_bar_a held"]);
    }
    // What names none of this cluster's roles can be, and it is said what that means.
    for arn in [
        "'{{ .Values.arn }}'",
        "arn:aws:iam::210987654321:role/k8s-sa_bar_a",
    ] {
        chart(&own.replace("arn:aws:iam::123456789012:role/k8s-sa_bar_a", arn));
        let run = world.run(&["lint"]).ends(4);
        let said = ["--exclude /chart/", "declares nothing"];
        if arn.contains("Values") {
            assert!(
                said.iter().all(|part| run.stdout.contains(part)),
                "{}",
                run.stdout
            );
        }
        let run = world.run(&plan);
        assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine"], "{arn}");
    }
    // Nor does it matter where what it is rendered to is read.
    chart(&own);
    world.declare("a");
    world.repository.commit("rendered");
    world.run(&["lint", "--exclude", "/chart/"]).ends(0);
}

#[test]
fn m144_what_a_hold_names_lifts_it() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    let own = service_account("bar", "a");
    let (unnamed, _) = own.rsplit_once("    eks").expect("the role-arn annotation");
    let plan = |more: &[&str]| world.run(&[&["plan", "--mode", "sync"][..], more].concat());
    for namespace in ["", "  namespace: ${NS}\n"] {
        let text = unnamed.replace("  namespace: bar\n", namespace);
        world.repository.write("x/o.yaml", text);
        world.repository.commit("it may be here");
        for paths in [&[][..], &["--path", "apps"]] {
            let run = plan(paths).ends(7);
            assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
            let said = reason(&run, 0);
            assert!(said.contains("--exclude /x/o.yaml"), "{said}");
            let run = plan(&[paths, &["--exclude", "/x/o.yaml"]].concat());
            assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine"], "{paths:?}");
        }
    }
    // What names the role cannot be left out, so that is not advised.
    let text = own.replace("  namespace: bar\n", "");
    world.repository.write("x/o.yaml", text);
    world.repository.commit("it names the role");
    let said = reason(&plan(&[]).ends(7), 0).to_owned();
    assert!(
        said.contains("x/o.yaml:1") && !said.contains("--exclude"),
        "{said}"
    );
}

#[test]
fn i116_names_that_two_clusters_give_are_told_without_credentials() {
    let world = World::with(&[
        ("blue/a.yaml", &service_account("bar", "a")),
        ("green/a.yaml", &service_account("bar", "a")),
    ]);
    let issuer = crate::support::cli::ISSUER;
    let ends = |file: &str, code: i32| {
        let file = world.write("clusters.yaml", file);
        let lint = ["lint", "--config", &file, "--format", "json"];
        let diff = ["diff", "HEAD", "--config", &file, "--format", "json"];
        let run = |arguments: &[&str]| {
            let cli = world.cli(arguments);
            let cli = cli.env("IRSA_GITOPS_CLUSTER_NAME", "");
            cli.env("IRSA_GITOPS_OIDC_PROVIDER", "").run()
        };
        let (lint, diff) = (run(&lint).ends(code), run(&diff));
        assert_eq!(lint.codes(), diff.codes(), "{}", diff.stdout);
        lint
    };
    let two = |more: &str| {
        format!(
            "[{{name: prod, paths: blue, oidcProvider: {issuer}}}, {{name: green, paths: green, oidcProvider: {issuer}{more}}}]"
        )
    };
    let run = ends(&two(""), 4);
    assert_eq!(run.codes(), ["role-name-collision"; 2]);
    for part in [
        "`prod` and `green`",
        "k8s-sa_bar_a",
        "one entry with both issuers",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    // Another account has roles of its own, and one entry is one cluster.
    let arn = service_account("bar", "a").replace("123456789012", "210987654321");
    world.repository.write("green/a.yaml", arn);
    world.repository.commit("another account");
    assert_eq!(ends(&two(""), 0).codes(), Vec::<String>::new());
    let one =
        format!("[{{name: prod, paths: [blue], oidcProviders: [{issuer}, oidc.example.com]}}]");
    assert_eq!(ends(&one, 0).codes(), Vec::<String>::new());
}

#[test]
fn c91_a_guard_tells_what_was_found_besides() {
    let text = service_account("bar", "a").replace("  namespace: bar\n", "");
    let world = World::with(&[("ns/bar/a.yaml", &text)]);
    world
        .sync(&["--namespace-from", "ns/{namespace}/**"])
        .ends(0);
    for verb in ["plan", "apply"] {
        let run = world.run(&[verb, "--mode", "sync"]).ends(5);
        assert_eq!(run.codes(), ["missing-namespace"], "{verb}");
        assert!(run.json()["error"].is_object(), "{verb}");
        let run = world.print(&[verb, "--mode", "sync"]).ends(5);
        assert!(
            run.stdout.contains("error[missing-namespace]"),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn i126_a_diff_does_not_promise_an_end_that_sync_would_hold() {
    let world = World::new(&["a", "b"]);
    let gone = |with: &[(&str, &str)]| {
        world.repository.remove("apps/a.yaml");
        for (path, text) in with {
            world.repository.write(path, text);
        }
        world.repository.commit("Remove a");
        let run = world.run(&["diff", "HEAD~1..HEAD"]);
        world
            .repository
            .git(&["reset", "--quiet", "--hard", "HEAD~1"]);
        run
    };
    let bare = service_account("bar", "a")
        .replace("  namespace: bar\n", "")
        .replace("bar_a", "bar_z");
    for (path, text) in [
        ("values.yaml", "sa: a\nb: {\n"),
        ("x/o.yaml", bare.as_str()),
    ] {
        let run = gone(&[(path, text)]).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"], "{path}");
        assert!(reason(&run, 0).contains(path), "{}", reason(&run, 0));
    }
    for with in [&[][..], &[("values.yaml", "sa: z\nb: {\n")]] {
        let run = gone(with).ends(0);
        assert_eq!(run.changes(), ["k8s-sa_bar_a orphan"]);
        assert!(
            reason(&run, 0).contains("mode sync retires"),
            "{}",
            reason(&run, 0)
        );
    }
}
