//! What each input must give, row by row; the verdicts are kubectl's, see the table in the README.

use super::*;
use crate::diagnostic::Severity;

/// A ServiceAccount; what is given replaces the line that starts with the same key.
fn service_account(lines: &[&str]) -> String {
    let mut all = vec![
        "apiVersion: v1".to_owned(),
        "kind: ServiceAccount".to_owned(),
        "metadata:".to_owned(),
        "  name: foo".to_owned(),
        "  namespace: bar".to_owned(),
        "  annotations:".to_owned(),
        "    security.kaluza.com/iam-role-managed: \"true\"".to_owned(),
        "    eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/k8s-sa_bar_foo".to_owned(),
    ];
    for line in lines {
        let key = |line: &str| {
            line.trim()
                .split(": ")
                .next()
                .unwrap_or_default()
                .trim_end_matches(':')
                .to_owned()
        };
        match all.iter_mut().find(|old| key(old) == key(line)) {
            Some(old) => (*line).clone_into(old),
            None => all.push((*line).to_owned()),
        }
    }
    all.join("\n") + "\n"
}

fn read(text: &str) -> Extract {
    extract(&"a.yaml".into(), text.as_bytes()).expect("it holds the annotation")
}

/// What is declared, what is wrong and whether all was understood, in one line.
fn gist(extract: &Extract) -> String {
    let mut parts: Vec<String> = Vec::new();
    for declaration in &extract.declarations {
        parts.push(format!(
            "{} {:?}",
            declaration.service_account, declaration.management
        ));
    }
    for diagnostic in &extract.diagnostics {
        let place = diagnostic
            .location
            .as_ref()
            .map_or(String::new(), |l| format!("@{}:{}", l.line, l.column));
        let mark = if diagnostic.severity == Severity::Error {
            ""
        } else {
            "?"
        };
        parts.push(format!("{}{mark}{place}", diagnostic.code));
    }
    if extract.completeness == Completeness::Partial {
        parts.push("partial".to_owned());
    }
    parts.join(", ")
}

fn check(rows: &[(&str, String, &str)]) {
    let mut wrong = Vec::new();
    for (row, text, expected) in rows {
        let found = gist(&read(text));
        if found != *expected {
            wrong.push(format!(
                "{row}\n  expected: {expected}\n  found:    {found}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const GOOD: &str = "bar/foo Managed";

#[test]
fn m7_m9_scalars_are_read_as_kubernetes_reads_them() {
    let managed = |value: &str| {
        service_account(&[&format!(
            "    security.kaluza.com/iam-role-managed: {value}"
        )])
    };
    let other = |value: &str| service_account(&[&format!("    note: {value}")]);
    let mut rows = vec![
        ("quoted", managed("\"true\""), GOOD),
        ("single-quoted", managed("'true'"), GOOD),
        ("tagged as text", managed("!!str true"), GOOD),
        ("false", managed("\"false\""), "bar/foo Unmanaged"),
        (
            "True",
            managed("\"True\""),
            "bar/foo Invalid, invalid-managed@7:43",
        ),
        (
            "empty text",
            managed("\"\""),
            "bar/foo Invalid, invalid-managed@7:43",
        ),
        (
            "null",
            managed("null"),
            "bar/foo Invalid, invalid-managed@7:43",
        ),
        (
            "nothing",
            managed(""),
            "bar/foo Invalid, invalid-managed@7:41",
        ),
        (
            "list",
            managed("[a]"),
            "bar/foo Invalid, invalid-service-account@7:43",
        ),
        (
            "other tag",
            managed("!!binary aGk="),
            "bar/foo Invalid, invalid-service-account@7:52",
        ),
        (
            "CloudFormation tag",
            managed("!Ref foo"),
            "bar/foo Invalid, invalid-service-account@7:48",
        ),
    ];
    for text in [
        "true",
        "True",
        "yes",
        "on",
        "y",
        "n",
        "no",
        "off",
        "1",
        "1.0",
        "1e3",
        "0x1F",
        "0b11",
        "0o14",
        "014",
        "08",
        "123456789012",
        "1_000",
        ".inf",
    ] {
        rows.push((
            "managed, plain",
            managed(text),
            "bar/foo Invalid, unquoted-scalar@7:43",
        ));
        rows.push((
            "any annotation, plain",
            other(text),
            "bar/foo Invalid, unquoted-scalar@9:11",
        ));
    }
    for text in [
        "12:30:45",
        "2001-01-01",
        "=",
        "a#b # c",
        "null",
        "~",
        "",
        "arn:aws:iam::1:role/x",
    ] {
        rows.push(("any annotation, text", other(text), GOOD));
    }
    check(&rows);
}

#[test]
fn names_and_labels_are_checked_like_annotations() {
    check(&[
        (
            "namespace: n",
            service_account(&["  namespace: n"]),
            "n/foo Invalid, unquoted-scalar@5:14",
        ),
        (
            "name: y",
            service_account(&["  name: y"]),
            "bar/y Invalid, unquoted-scalar@4:9",
        ),
        (
            "name: 123",
            service_account(&["  name: 123"]),
            "bar/123 Invalid, unquoted-scalar@4:9",
        ),
        (
            "label",
            service_account(&["  labels: {app: on}"]),
            "bar/foo Invalid, unquoted-scalar@9:17",
        ),
        (
            "key null",
            service_account(&["    ~: x"]),
            "bar/foo Invalid, unquoted-scalar@9:5",
        ),
        (
            "key on",
            service_account(&["    on: x"]),
            "bar/foo Invalid, unquoted-scalar@9:5",
        ),
        ("key 1", service_account(&["    1: x"]), GOOD),
        (
            "apiVersion 1",
            service_account(&["apiVersion: 1"]),
            "invalid-service-account@1:1, partial",
        ),
        (
            "no apiVersion",
            service_account(&["apiVersion: ''"]),
            "invalid-service-account@1:1, partial",
        ),
    ]);
}

#[test]
fn m6_m15_what_has_no_valid_name_is_not_known() {
    let long = format!("  namespace: {}", "n".repeat(64));
    check(&[
        (
            "no name",
            service_account(&["  name: "]),
            "missing-name@1:1, partial",
        ),
        (
            "generated name",
            service_account(&["  name: ", "  generateName: a-"]),
            "missing-name@1:1, partial",
        ),
        (
            "M6",
            service_account(&["  namespace: "]),
            "missing-namespace@1:1, partial",
        ),
        (
            "M15 upper case",
            service_account(&["  name: Foo"]),
            "invalid-name@4:9, partial",
        ),
        (
            "M15 underscore",
            service_account(&["  name: a_b"]),
            "invalid-name@4:9, partial",
        ),
        (
            "M15 not ASCII",
            service_account(&["  name: fö"]),
            "invalid-name@4:9, partial",
        ),
        (
            "M15 long",
            service_account(&[&long]),
            "invalid-name@5:14, partial",
        ),
        (
            "M15 dot",
            service_account(&["  namespace: a.b"]),
            "invalid-name@5:14, partial",
        ),
        (
            "M16 digits and dots",
            service_account(&["  name: app.v2"]),
            "bar/app.v2 Managed",
        ),
        (
            "S14",
            service_account(&["  name: 'x\",\"Effect\":\"Allow'"]),
            "invalid-name@4:9, partial",
        ),
        (
            "template",
            service_account(&["  namespace: {{ .Release.Namespace }}"]),
            "invalid-service-account@5:14, partial",
        ),
    ]);
}

#[test]
fn the_schema_is_kubernetes_own() {
    check(&[
        (
            "boolean as text",
            service_account(&["automountServiceAccountToken: \"true\""]),
            "bar/foo Invalid, invalid-service-account@9:1",
        ),
        (
            "YAML 1.1 boolean",
            service_account(&["automountServiceAccountToken: no"]),
            GOOD,
        ),
        (
            "pull secrets",
            service_account(&["imagePullSecrets: foo"]),
            "bar/foo Invalid, invalid-service-account@9:1",
        ),
        (
            "timestamp null",
            service_account(&["  creationTimestamp: null"]),
            GOOD,
        ),
        (
            "timestamp",
            service_account(&["  creationTimestamp: \"2024-01-01T00:00:00Z\""]),
            GOOD,
        ),
        (
            "date only",
            service_account(&["  creationTimestamp: \"2024-01-01\""]),
            "bar/foo Invalid, invalid-service-account@3:1",
        ),
        ("unknown field", service_account(&["whatever: 1"]), GOOD),
        (
            "null annotation of others",
            service_account(&["    note: null"]),
            GOOD,
        ),
    ]);
}

#[test]
fn m5_repeated_keys_are_an_error_for_us_and_a_warning_for_others() {
    let twice = service_account(&[]) + "    eks.amazonaws.com/role-arn: other\n";
    let metadata = service_account(&[]) + "metadata: {}\n";
    let config =
        "kind: ConfigMap\ndata: {a: 1, a: 2}\n# security.kaluza.com/iam-role-managed\n".to_owned();
    let json = r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"foo","name":"x","namespace":"bar","annotations":{"security.kaluza.com/iam-role-managed":"true"}}}"#;
    check(&[
        ("annotation", twice, "bar/foo Invalid, duplicate-key@9:5"),
        ("metadata", metadata, "bar/foo Invalid, duplicate-key@9:1"),
        (
            "JSON",
            json.to_owned(),
            "bar/foo Invalid, duplicate-key@1:69",
        ),
        ("not ours", config, "duplicate-key?@2:14"),
    ]);
}

#[test]
fn m20_anchors_and_merge_keys_are_resolved() {
    let merged = |value: &str| {
        format!(
            "x-a: &a {{security.kaluza.com/iam-role-managed: \"true\"}}\nx-b: &b {{security.kaluza.com/iam-role-managed: \"false\"}}\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: foo\n  namespace: bar\n  annotations:\n{value}"
        )
    };
    check(&[
        (
            "alias",
            merged("    security.kaluza.com/iam-role-managed: &t \"true\"\n    note: *t\n"),
            GOOD,
        ),
        ("merge", merged("    <<: *a\n"), GOOD),
        ("first wins", merged("    <<: [*a, *b]\n"), GOOD),
        (
            "own key wins",
            merged("    <<: *a\n    security.kaluza.com/iam-role-managed: \"false\"\n"),
            "bar/foo Unmanaged",
        ),
        (
            "not a mapping",
            merged("    <<: 5\n"),
            "invalid-yaml@9:5, partial",
        ),
        (
            "quoted is an ordinary key",
            service_account(&["    \"<<\": x"]),
            GOOD,
        ),
        (
            "unknown alias",
            service_account(&["    note: *nobody"]),
            "invalid-yaml@9:11, partial",
        ),
        (
            "itself",
            service_account(&["  labels: &l {a: *l}"]),
            "invalid-yaml@9:18, partial",
        ),
    ]);
}

#[test]
fn documents_are_cut_as_kubectl_cuts_them() {
    let one = service_account(&[]);
    let two = service_account(&["  name: two"]);
    let both = "bar/foo Managed, bar/two Managed";
    let crlf = format!("{one}---\n{two}").replace('\n', "\r\n");
    check(&[
        ("BOM", format!("\u{feff}{one}"), GOOD),
        (
            "BOM after a separator",
            format!("{one}---\n\u{feff}{two}"),
            both,
        ),
        ("CRLF", crlf, both),
        ("CR only", one.replace('\n', "\r"), GOOD),
        ("comment", format!("{one}--- # c\n{two}"), both),
        ("blanks", format!("{one}---  \t\n{two}"), both),
        ("first line", format!("---\n{one}---\n"), GOOD),
        (
            "inline",
            format!("{one}--- {{a: b}}\n---\n{two}"),
            "bar/foo Managed, bar/two Managed, invalid-yaml@9:1, partial",
        ),
        (
            "no blank",
            format!("{one}---foo\n{two}"),
            "bar/foo Managed, invalid-yaml@9:1, partial",
        ),
        (
            "four dashes",
            format!("{one}----\n"),
            "bar/foo Managed, invalid-yaml@9:1, partial",
        ),
        (
            "indented",
            format!("{one} ---\n{two}"),
            "invalid-yaml@9:2, partial",
        ),
        (
            "end marker and separator",
            format!("{one}...\n---\n{two}"),
            both,
        ),
        (
            "end marker and text",
            format!("{one}...\n{two}"),
            "invalid-yaml@10:1, partial",
        ),
        (
            "cut inside quotes",
            service_account(&["    note: \"a", "---", "b\""]),
            "invalid-yaml@9:11, invalid-yaml@11:1, partial",
        ),
        (
            "directive",
            format!("%YAML 1.2\n---\n{one}"),
            "bar/foo Managed, invalid-yaml@2:1, partial",
        ),
        (
            "empty documents",
            format!("---\n# c\n---\nnull\n---\n{one}"),
            GOOD,
        ),
        (
            "scalar document",
            format!("{one}---\nhello\n---\n{two}"),
            "bar/foo Managed, bar/two Managed, invalid-yaml@10:1, partial",
        ),
        (
            "list document",
            format!("{one}---\n- a\n"),
            "bar/foo Managed, invalid-yaml@10:1, partial",
        ),
        (
            "one bad among good",
            format!("{one}---\na: [\n---\n{two}"),
            "bar/foo Managed, bar/two Managed, invalid-yaml@10:4, partial",
        ),
        (
            "alias to another document",
            format!("{one}---\na: &x 1\n---\nb: *x\n---\n{two}"),
            "bar/foo Managed, bar/two Managed, invalid-yaml@12:4, partial",
        ),
        (
            "tab indent",
            one.replace("    security", "\tsecurity"),
            "invalid-yaml@7:2, partial",
        ),
        ("tab after a colon", one.replace("name: ", "name:\t"), GOOD),
    ]);
}

#[test]
fn m2_templates_are_recognised() {
    check(&[
        (
            "control line",
            format!("{{{{- if .Values.x }}}}\n{}", service_account(&[])),
            "unrendered-template@1:3, partial",
        ),
        (
            "value",
            service_account(&["    note: {{ .Values.x }}y"]),
            "unrendered-template@9:26, partial",
        ),
    ]);
}

#[test]
fn m22_control_characters_and_bad_encodings_are_refused() {
    check(&[
        (
            "NUL",
            service_account(&["    note: \"a\0b\""]),
            "invalid-yaml@9:13, partial",
        ),
        (
            "BEL",
            service_account(&["    note: a\u{7}b"]),
            "invalid-yaml@9:12, partial",
        ),
        (
            "DEL",
            service_account(&["    note: a\u{7f}b"]),
            "invalid-yaml@9:12, partial",
        ),
        (
            "U+2028 in a plain scalar",
            service_account(&["    note: a\u{2028}b: c"]),
            "invalid-yaml@9:14, partial",
        ),
    ]);
    let mut latin1 = service_account(&["    note: caf?"]).into_bytes();
    let at = latin1
        .iter()
        .rposition(|b| *b == b'?')
        .expect("it is there");
    latin1[at] = 0xe9;
    let found = extract(&"a.yaml".into(), &latin1).expect("it holds the annotation");
    assert_eq!(gist(&found), "invalid-encoding@9:14, partial");
    let utf16: Vec<u8> = format!("\u{feff}{}", service_account(&[]))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let found = extract(&"a.yaml".into(), &utf16).expect("it holds the annotation");
    assert_eq!(gist(&found), "invalid-encoding@1:1, partial");
}

#[test]
fn m18_m19_bombs_are_refused_quickly() {
    let key = "# security.kaluza.com/iam-role-managed\n";
    let laughs: String = (1..30)
        .map(|n| {
            format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{}", n - 1); 9].join(",")
            )
        })
        .collect();
    let text = "x".repeat(100_000);
    let blow_up = format!(
        "{key}a: &a \"{text}\"\nb: [{}]\n",
        vec!["*a"; 200].join(",")
    );
    let flow = format!("{key}a: {}\n", "[".repeat(100_000));
    let block: String = (0..3000)
        .map(|n| format!("{}a:\n", " ".repeat(n)))
        .collect();
    let json = format!(
        "{{\"security.kaluza.com/iam-role-managed\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (row, text) in [
        ("billion laughs", format!("{key}a0: &a0 [x]\n{laughs}")),
        ("alias blow-up", blow_up),
        ("flow nesting", flow),
        ("block nesting", format!("{key}{block}")),
        ("JSON nesting", json),
    ] {
        let found = read(&text);
        assert_eq!(found.completeness, Completeness::Partial, "{row}");
        let codes: Vec<_> = found.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(codes, [Code::LimitExceeded], "{row}");
    }
}

#[test]
fn m23_lists_and_json_are_read() {
    let item = r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"foo","namespace":"bar","annotations":{"security.kaluza.com/iam-role-managed":"true","note":"\ud83d\ude00"}}}"#;
    let untyped = item.replace(r#""apiVersion":"v1","kind":"ServiceAccount","#, "");
    let list = |kind: &str, items: &str| {
        format!(r#"{{"apiVersion":"v1","kind":"{kind}","items":[{items}]}}"#)
    };
    let yaml_item = service_account(&[]).replace('\n', "\n  ");
    let bad = item.replace("\"true\"", "true");
    let repeated = item.replace("\"name\":\"foo\"", "\"name\":\"foo\",\"name\":\"x\"");
    check(&[
        ("JSON", item.to_owned(), GOOD),
        ("JSON with tabs", item.replace(',', ",\n\t"), GOOD),
        ("two JSON objects", format!("{item}\n{}", item.replace("foo", "two")), "bar/foo Managed, bar/two Managed"),
        ("JSON documents", format!("{item}\n---\n{}", item.replace("foo", "two")), "bar/foo Managed, bar/two Managed"),
        ("escaped key", item.replace("com/iam", "com\\/iam"), GOOD),
        ("broken JSON", item.replace("\"kind\":", "\"kind\""), "invalid-json@1:26, partial"),
        ("broken second object", format!("{item}\n{{\"a\":}}"), "bar/foo Managed, invalid-json@2:6, partial"),
        ("flow YAML", "{apiVersion: v1, kind: ServiceAccount, metadata: {name: foo, namespace: bar, annotations: {security.kaluza.com/iam-role-managed: 'true'}}}".to_owned(), GOOD),
        ("List", list("List", item), GOOD),
        ("ServiceAccountList", list("ServiceAccountList", &untyped), GOOD),
        ("typed items of a ServiceAccountList", list("ServiceAccountList", item), GOOD),
        ("List in a List", list("List", &list("List", item)), GOOD),
        ("too many Lists", (0..6).fold(item.to_owned(), |inner, _| list("List", &inner)), "invalid-list@1:210, partial"),
        ("YAML List", format!("apiVersion: v1\nkind: List\nitems:\n- {yaml_item}"), GOOD),
        ("items null", format!("apiVersion: v1\nkind: List\nitems: null\n---\n{item}"), GOOD),
        ("items missing", format!("apiVersion: v1\nkind: List\n---\n{item}"), GOOD),
        ("items no list", format!("apiVersion: v1\nkind: List\nitems: x\n---\n{item}"), "bar/foo Managed, invalid-list@3:8, partial"),
        ("item no mapping", list("List", &format!("{item},5")), "bar/foo Managed, invalid-list@1:215, partial"),
        ("one bad item", list("List", &format!("{},{bad}", item.replace("foo", "two"))), "bar/two Managed, bar/foo Invalid, unquoted-scalar@1:355"),
        ("repeated key in one item", list("List", &format!("{},{repeated}", item.replace("foo", "two"))), "bar/two Managed, bar/foo Invalid, duplicate-key@1:283"),
    ]);
}

#[test]
fn m24_m29_what_is_no_service_account_is_none() {
    let config_map = "kind: ConfigMap\napiVersion: v1\ndata:\n  a: |\n    security.kaluza.com/iam-role-managed: \"true\"\n".to_owned();
    check(&[
        ("text in a ConfigMap", config_map, ""),
        (
            "other apiVersion",
            service_account(&["apiVersion: core/v1"]),
            "wrong-kind?@7:43",
        ),
        (
            "other case",
            service_account(&["kind: serviceaccount"]),
            "wrong-kind?@7:43",
        ),
        (
            "misspelled",
            service_account(&["  annotations:"]).replace("annotations", "anotations"),
            "misspelled?@6:3",
        ),
        (
            "capital",
            service_account(&[]).replace("annotations", "Annotations"),
            "misspelled?@6:3",
        ),
        (
            "no annotations",
            service_account(&[]).replace("annotations", "labels"),
            "",
        ),
        (
            "comment",
            "a: b # security.kaluza.com/iam-role-managed\n".to_owned(),
            "",
        ),
    ]);
}

#[test]
fn block_scalars_end_with_a_line_break_that_is_taken_off() {
    let text = service_account(&[
        "    eks.amazonaws.com/role-arn: |\n      arn:aws:iam::123456789012:role/x",
    ]);
    let found = read(&text);
    assert_eq!(gist(&found), "bar/foo Managed, trailing-newline?@9:7");
    let arn = found.declarations[0]
        .role_arn
        .as_ref()
        .map(|arn| arn.value.as_str());
    assert_eq!(arn, Some("arn:aws:iam::123456789012:role/x"));
}

#[test]
fn annotations_carry_their_places() {
    let found = read(&service_account(&[
        "    eks.amazonaws.com/audience: sts.example.com",
    ]));
    let declaration = &found.declarations[0];
    assert_eq!(
        (declaration.location.line, declaration.location.column),
        (1, 1)
    );
    let audience = declaration.audience.as_ref().expect("it is there");
    assert_eq!(
        (
            audience.value.as_str(),
            audience.location.line,
            audience.location.column
        ),
        ("sts.example.com", 9, 33)
    );
    assert_eq!(
        audience.source_line,
        "    eks.amazonaws.com/audience: sts.example.com"
    );
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut text = b"security.kaluza.com/iam-role-managed".to_vec();
            text.extend(bytes);
            let _ = extract(&"a.yaml".into(), &text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-a:{}\\[\\]\"'|>&*!%#,\\n \\\\t~<0.]{0,80}") {
            let _ = extract(&"a.yaml".into(), format!("{text}\n# security.kaluza.com/iam-role-managed").as_bytes());
        }

        #[test]
        fn the_two_yaml_parsers_agree(text in "([ab]: ?(\"[a-z\\\\\\\\n]{0,4}\"|'[a-z ]{0,4}'|[a-z.:0-9]{1,6}|\\[[a-z, ]{0,6}\\]|&x y|\\*x|)\\n|- [a-z]{1,3}\\n){0,6}") {
            let ours = yaml::read(&text, 0);
            let theirs = serde_yaml::from_str::<serde_yaml::Value>(&text);
            if let (Ok(Some(tree)), Ok(value)) = (ours, theirs) && tree.duplicates.is_empty() {
                prop_assert_eq!(flat_tree(&tree, tree.root), flat_value(&value), "{}", text);
            }
        }
    }

    /// All keys and scalars in their order, types aside.
    fn flat_tree(tree: &tree::Tree, id: tree::NodeId) -> Vec<String> {
        match &tree.node(id).content {
            tree::Content::Text(text) => vec![text.clone()],
            tree::Content::Plain(text) => vec![if scalar::read(text) == scalar::Reading::Null {
                String::new()
            } else {
                text.clone()
            }],
            tree::Content::Sequence(items) => items
                .iter()
                .flat_map(|item| flat_tree(tree, *item))
                .collect(),
            tree::Content::Mapping(entries) => entries
                .iter()
                .flat_map(|(k, v)| [flat_tree(tree, *k), flat_tree(tree, *v)].concat())
                .collect(),
        }
    }

    fn flat_value(value: &serde_yaml::Value) -> Vec<String> {
        use serde_yaml::Value;
        match value {
            Value::Null => vec![String::new()],
            Value::Bool(flag) => vec![flag.to_string()],
            Value::Number(number) => vec![number.to_string()],
            Value::String(text) => vec![text.clone()],
            Value::Sequence(items) => items.iter().flat_map(flat_value).collect(),
            Value::Mapping(entries) => entries
                .iter()
                .flat_map(|(k, v)| [flat_value(k), flat_value(v)].concat())
                .collect(),
            Value::Tagged(tagged) => flat_value(&tagged.value),
        }
    }
}
