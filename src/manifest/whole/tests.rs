//! What a broken render leaves behind, and what a removal leaves.

use super::*;

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: bar\ndata:\n  a: \"1\"\n  b: \"2\"\n";
const FOO: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: foo\n  namespace: bar\n  annotations:\n    security.kaluza.com/iam-role-managed: \"true\"\n    eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/k8s-sa_bar_foo\n";
const ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: system:foo\nrules: []\n";

fn foo() -> ServiceAccountRef {
    ServiceAccountRef::parse("bar/foo").expect("it is one")
}

fn check(before: &str, after: impl AsRef<[u8]>) -> Result<(), Defect> {
    let (path, before, after) = ("a.yaml".into(), before.as_bytes(), after.as_ref());
    let compared = Extractor::default().compare(&path, Relation::Same, before, after, None);
    compared.check(&foo())
}

fn is_whole(after: &str) -> bool {
    check(FOO, after).is_ok()
}

fn list(items: &[&str]) -> String {
    let item = |text: &&str| format!("- {}\n", text.trim_end().replace('\n', "\n  "));
    let items: String = items.iter().map(item).collect();
    format!("apiVersion: v1\nkind: List\nitems:\n{items}")
}

/// Whether the role of `bar/foo` would be retired: the file does not declare it and is whole.
fn is_removal(before: &str, after: &[u8]) -> bool {
    let path = RepoPath::from("a.yaml");
    let extract = Extractor::default()
        .extract(&path, after)
        .unwrap_or_default();
    extract.declarations.is_empty()
        && extract.unplaced.is_empty()
        && extract.is_whole()
        && check(before, after).is_ok()
}

/// Where a file can be cut so that it looks like a removal.
fn undetected(text: &str) -> Vec<usize> {
    let cut = |at: &usize| is_removal(text, &text.as_bytes()[..*at]);
    (0..text.len()).filter(cut).collect()
}

#[test]
fn m31_what_a_failed_render_leaves_behind_is_not_whole() {
    for text in [
        "",
        "---\n\n",
        "\u{feff}",
        "\u{feff}\n---\n\u{feff}",
        "---\n...\n",
        "null\n",
        "{}\n",
        "[]\n",
        "fatal: not a repo\n",
        "404: Not Found\n",
        "apiVersion: v1\nkind: [\n",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: !include x\n",
        "apiVersion: v1\nkind: X\nmetadata: {name: x}\n---\n{{- if .x }}\n",
        "apiVersion: v1\nkind: {{ .x }}\n",
        "apiVersion: v1\nkind: List\nmetadata: {name: x}\n",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n",
        "apiVersion: v1\nkind: Status\nstatus: Failure\n",
        "apiVersion: v1\nkind: Status\nmetadata: {name: x}\nstatus: Failure\n",
        "apiVersion: v1\nkind: List\n",
        "apiVersion: v1\nkind: List\nitems:\n",
        "apiVersion: v1\nkind: List\nitems: {}\n",
        "apiVersion: v1\nkind: ConfigMapList\n",
        &list(&["{}"]),
        &list(&["&a {}"]),
        &list(&["~"]),
        &list(&["apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", CONFIG]),
        &list(&[CONFIG, "metadata: {name: x}\n"]),
        &list(&[&list(&["{}"])]),
        "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{}]}\n",
        &format!("{CONFIG}---\nkind: X\n"),
        &FOO.replace("role-managed", "role-manged"),
        &FOO.replace("kind: S", "kind: s"),
        &CONFIG.replace("apiVersion: v1", "apiVersion: <no value>"),
        &CONFIG.replace("apiVersion: v1", "apiVersion: ${version}"),
        &CONFIG.replace("apiVersion: v1", "apiVersion:"),
        &CONFIG.replace("kind: ConfigMap", "kind: <no value>"),
    ] {
        assert!(!is_whole(text), "{text}");
    }
    assert!(check(FOO, b"\xff\xfea\0").is_err());
}

#[test]
fn m31_names_are_those_that_kubernetes_takes() {
    for name in [
        "",
        "null",
        "~",
        "\"\"",
        "<no value>",
        "\"<no value>\"",
        "${name}",
        "$(name)",
        "web-",
        "web.",
        "-web",
        "Web",
        "a_b",
        "a b",
        "a:b",
        "1",
        "true",
        "[a]",
        "{a: b}",
        "%s",
        "a/b",
    ] {
        for object in [CONFIG.replace("settings", name), FOO.replace("foo", name)] {
            assert!(!is_whole(&object), "{object}");
        }
        let blank = ["", "null", "~", "\"\""].contains(&name);
        let within = CONFIG.replace("namespace: bar", &format!("namespace: {name}"));
        assert!(!is_whole(&within), "{within}");
        let role = ROLE.replace("system:foo", name);
        let is_segment = ["-web", "Web", "a_b", "a:b"].contains(&name);
        assert_eq!(is_whole(&role), is_segment && !blank, "{role}");
    }
    for name in ["a", "a.b", "0a", "kube-root-ca.crt", "\"1\""] {
        assert!(is_whole(&CONFIG.replace("settings", name)), "{name}");
    }
    let generated = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: migrate-\n";
    assert!(is_whole(generated));
    assert!(!is_whole(&format!("{generated}  name:\n")));
    assert!(!is_whole(&generated.replace("migrate-", "<no value>")));
}

#[test]
fn m32_an_object_does_not_lose_its_namespace() {
    let both = format!("{CONFIG}---\n{FOO}");
    let bare = CONFIG.replace("  namespace: bar\n", "");
    for lost in [
        bare.clone(),
        CONFIG.replace("namespace: bar", "namespace:"),
        CONFIG.replace("namespace: bar", "namespace: ~"),
        CONFIG.replace("namespace: bar", "namespace: \"\""),
        list(&[&bare]),
    ] {
        assert!(check(&both, &lost).is_err(), "{lost}");
        let other = lost.replace("settings", "other");
        assert_eq!(check(&both, &other).is_ok(), !other.contains("namespace"));
        let always = format!("{lost}---\n{FOO}");
        assert_eq!(check(&always, &lost), Ok(()), "as it was before");
    }
    let other = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: other\n";
    assert!(check(&both, other).is_err());
    assert_eq!(check(&format!("{FOO}---\n{other}"), other), Ok(()));
}

#[test]
fn m31_m32_m33_what_a_removal_leaves_is_whole() {
    let unmanaged = FOO
        .split("  annotations:")
        .next()
        .expect("it has a beginning");
    let commented: String = FOO.lines().map(|line| format!("# {line}\n")).collect();
    let shorter = "apiVersion: v1\nkind: List\nitems: []\n";
    for (before, after) in [
        (format!("{FOO}---\n{CONFIG}"), CONFIG),
        (format!("{CONFIG}---\n{FOO}"), CONFIG),
        (format!("{CONFIG}---\n{FOO}---\n{ROLE}"), &format!("{CONFIG}---\n{ROLE}")),
        (format!("{ROLE}---\n{FOO}"), ROLE),
        (FOO.to_owned(), &commented),
        (FOO.to_owned(), "# nothing here any more\n"),
        (FOO.to_owned(), CONFIG),
        (FOO.to_owned(), ROLE),
        (FOO.to_owned(), unmanaged),
        (format!("{CONFIG}---\n{FOO}"), &format!("{CONFIG}---\n{unmanaged}")),
        (FOO.to_owned(), &FOO.replace("\"true\"", "\"false\"")),
        (FOO.trim_end().to_owned(), CONFIG.trim_end()),
        (FOO.trim_end().to_owned(), unmanaged.trim_end()),
        (FOO.trim_end().to_owned(), CONFIG),
        (FOO.replace('\n', "\r\n"), &CONFIG.replace('\n', "\r\n")),
        (FOO.replace('\n', "\r\n"), CONFIG),
        (list(&[CONFIG, FOO]), &list(&[CONFIG])),
        (list(&[FOO, CONFIG]), &list(&[CONFIG])),
        (list(&[FOO]), shorter),
        (format!("\u{feff}{FOO}---\n{CONFIG}"), &format!("\u{feff}{CONFIG}")),
        (
            "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccountList\",\"items\":[{\"metadata\":{\"name\":\"foo\",\"namespace\":\"bar\"}},{\"metadata\":{\"name\":\"b\",\"namespace\":\"bar\"}}]}".to_owned(),
            "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccountList\",\"items\":[{\"metadata\":{\"name\":\"b\",\"namespace\":\"bar\"}}]}",
        ),
    ] {
        assert_eq!(check(&before, after), Ok(()), "{before}\nto\n{after}");
    }
}

#[test]
fn m33_a_file_that_is_cut_anywhere_is_no_removal() {
    let behind_namespace = |text: &str| text.find("  annotations").expect("it is there");
    assert_eq!(undetected(FOO), [behind_namespace(FOO)]);
    // Between documents a cut is what a removal of the later ones is.
    let documents = format!("{ROLE}---\n{CONFIG}---\n{FOO}");
    let first = ROLE.len();
    let second = first + 4 + CONFIG.len();
    let last = behind_namespace(&documents);
    assert_eq!(
        undetected(&documents),
        [first, first + 4, second, second + 4, last]
    );
    let documents = format!("{ROLE}---\n{FOO}---\n{CONFIG}");
    assert_eq!(undetected(&documents), [first, first + 4]);
    // Without a final line break there, its loss says nothing.
    let bare = documents.trim_end();
    assert_eq!(undetected(bare), [first - 1, first, first + 3, first + 4]);
    // Nor does that of a line which is cut.
    let last = format!("{CONFIG}---\n{FOO}");
    let behind = CONFIG.len() + 4 + behind_namespace(FOO);
    let between = [-1, 0, 3, 4].map(|at| CONFIG.len().strict_add_signed(at));
    assert_eq!(
        undetected(last.trim_end()),
        [&between[..], &[behind - 1, behind]].concat()
    );
    let windows = FOO.replace('\n', "\r\n");
    assert_eq!(undetected(&windows), [behind_namespace(&windows)]);
}

#[test]
fn m33_a_list_that_is_cut_anywhere_is_no_removal() {
    let items = list(&[CONFIG, FOO]);
    let second = items.rfind("- apiVersion").expect("it has two");
    let behind_namespace = items.rfind("    annotations").expect("it is there");
    assert_eq!(undetected(&items), [second, behind_namespace]);
    let items = list(&[FOO, CONFIG]);
    assert_eq!(undetected(&items), Vec::<usize>::new());
    let json = serde_json::json!({
        "apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "bar"}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
                "name": "foo", "namespace": "bar",
                "annotations": {crate::model::conventions::ManagedAnnotation::DEFAULT: "true"}}},
        ]
    });
    for json in [json.to_string(), format!("{json:#}\n")] {
        assert_eq!(undetected(&json), Vec::<usize>::new());
    }
}

#[test]
fn i86_one_comparison_answers_for_all_that_were_lost() {
    let of = |name: &str| FOO.replace("foo", name);
    let whose = |name: &str| ServiceAccountRef::parse(&format!("bar/{name}")).expect("it is one");
    let compare = |before: &str, after: &str| {
        let (before, after) = (before.as_bytes(), after.as_bytes());
        Extractor::default().compare(&"a.yaml".into(), Relation::Same, before, after, None)
    };
    let before = format!("{}---\n{}---\n{}", of("a"), of("b"), of("c"));
    let compared = compare(&before, &of("a"));
    for (name, is_held) in [("a", true), ("b", false), ("c", false)] {
        assert_eq!(compared.check(&whose(name)), Ok(()), "{name}");
        assert_eq!(compared.holds(&whose(name)), is_held, "{name}");
    }
    // Cut off inside the last one: only of that one it may be a removal.
    let (rest, _) = before.rsplit_once("  annotations").expect("the last one's");
    let compared = compare(&before, rest);
    assert_eq!(compared.check(&whose("c")), Ok(()));
    assert!(matches!(
        compared.check(&whose("b")),
        Err(Defect::Cut { .. })
    ));
    // Cut off inside a line it is nobody's.
    let compared = compare(&before, &before[..before.len() - 3]);
    assert!(
        ["a", "b", "c"]
            .iter()
            .all(|name| compared.check(&whose(name)).is_err())
    );
}

/// A Deployment that ends with a field which a removal takes off as well.
fn web(last: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: bar\nspec:\n  replicas: 2\n  template:\n    spec:\n      containers:\n      - name: web\n        ports:\n        - port: 1\n          protocol: TCP\n        - port: 2\n          protocol: TCP\n{last}"
    )
}

/// Whoever cuts a file may edit it as well, in the same commit or a later one.
#[test]
fn m33_a_cut_is_one_whatever_was_edited_besides() {
    let before = format!("{}---\n{}---\n{FOO}", web(""), CONFIG);
    let edited = before.replace("replicas: 2", "replicas: 3");
    let windows = before.replace('\n', "\r\n");
    // A cut between two objects is what a removal of the later ones is, and one behind a namespace what a
    // removal of the annotations is.
    let is_between = |cut: &str| {
        let cut = cut.trim_end().trim_end_matches("---").trim_end();
        let rest = edited.strip_prefix(cut).unwrap_or_default().trim_start();
        rest.starts_with("---") || rest.starts_with("annotations") || rest.is_empty()
    };
    for at in (1..edited.len()).step_by(5) {
        let cut = &edited[..at];
        if is_between(cut) || is_between(&edited[..at.max(2) - 1]) {
            continue;
        }
        for (before, after) in [
            (&before, cut.to_owned()),
            (&before, format!("{cut}\n")),
            (&before, format!("{}\n", cut.trim_end())),
            (&windows, format!("{cut}\n")),
            (&before.trim_end().to_owned(), cut.to_owned()),
        ] {
            assert!(
                !is_removal(before, after.as_bytes()),
                "{before:?} -> {after:?}"
            );
        }
    }
    // Of a mapping, of a list with items that look the same, of a text of several lines.
    let script = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: s\n  namespace: bar\ndata:\n  one: x\n  run: |\n    first\n    second\n    third\n";
    for (object, rest) in [
        (web(""), "  \"b\": \"2\"\n"),
        (web(""), "        - port: 2\n          protocol: TCP\n"),
        (script.to_owned(), "    third\n"),
        (script.to_owned(), "    second\n    third\n"),
    ] {
        let before = format!("# 1\n{object}---\n{FOO}");
        let after = format!("# 2\n{}", object.trim_end_matches(rest));
        assert_eq!(
            is_removal(&before, after.as_bytes()),
            !object.ends_with(rest),
            "{after}"
        );
    }
}

/// What people take away together with a ServiceAccount is no cut.
#[test]
fn m33_what_is_edited_beside_a_removal_is_no_cut() {
    let user = "      serviceAccountName: foo\n";
    let other = CONFIG.replace("settings", "other");
    for (before, after) in [
        // In front of what lost its end, or with more behind it.
        (format!("{FOO}---\n{}", web(user)), web("")),
        (
            format!("{}---\n{FOO}---\n{CONFIG}", web(user)),
            format!("{}---\n{CONFIG}", web("")),
        ),
        // The end is another one, or something came behind it.
        (
            format!("# 1\n{CONFIG}---\n{FOO}"),
            format!("# 2\n{}", CONFIG.replace("\"2\"", "\"3\"")),
        ),
        (
            format!("# 1\n{CONFIG}---\n{FOO}"),
            format!("# 2\n{}", CONFIG.replace("  b:", "  c:")),
        ),
        (
            format!("# 1\n{CONFIG}---\n{FOO}"),
            format!("# 2\n{CONFIG}---\n{other}"),
        ),
        (
            format!("{}---\n{FOO}", web(user)),
            format!("{}---\n{other}", web("")),
        ),
        // Its fields stand in another order, or it is as it was.
        (
            format!("# 1\n{}---\n{FOO}", web("")),
            format!("# 2\n{}", web("")),
        ),
        (
            format!("# 1\n{CONFIG}---\n{FOO}"),
            format!(
                "# 2\n{}",
                CONFIG.replace("  a: \"1\"\n  b: \"2\"\n", "  b: \"2\"\n  a: \"1\"\n")
            ),
        ),
    ] {
        assert!(is_removal(&before, after.as_bytes()), "{after}");
    }
}

#[test]
fn m44_a_namespace_that_a_rule_gives_is_the_same_written_or_not() {
    let bar = Namespace::new("bar").expect("it is one");
    let compare = |before: &str, after: &str| {
        let (before, after) = (before.as_bytes(), after.as_bytes());
        Extractor::default().compare(&"a.yaml".into(), Relation::Same, before, after, Some(&bar))
    };
    let bare = |text: &str| text.replace("  namespace: bar\n", "");
    let before = format!("{CONFIG}---\n{FOO}");
    assert_eq!(compare(&before, &bare(CONFIG)).check(&foo()), Ok(()));
    // A ServiceAccount that is only un-managed remains.
    let (unmanaged, _) = FOO.split_once("  annotations").expect("annotations");
    assert!(compare(FOO, &bare(unmanaged)).holds(&foo()));
    // One that is no text is none, whatever a rule gives.
    let list = CONFIG.replace("namespace: bar", "namespace: [bar]");
    assert!(compare(&before, &list).check(&foo()).is_err());
}
