//! How files are cut into documents, and what documents hold.

use super::*;

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
            "M20 tagged as a merge key",
            merged("    !!merge <<: *a\n"),
            GOOD,
        ),
        (
            "two merge keys",
            merged("    <<: *a\n    <<: *b\n"),
            "bar/foo Invalid, duplicate-key@10:5",
        ),
        (
            "own key that kubectl overwrites",
            merged("    security.kaluza.com/iam-role-managed: \"false\"\n    <<: *a\n"),
            "bar/foo Invalid, duplicate-key@9:5",
        ),
        (
            "own key that is overwritten by the same",
            merged("    security.kaluza.com/iam-role-managed: \"true\"\n    <<: [*a, *b]\n"),
            GOOD,
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
            "bar/foo Managed, invalid-yaml@1:1, partial",
        ),
        (
            "directive below a comment",
            format!("# c\n%TAG ! tag:a,2000:\n---\n{one}"),
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
            "unrendered-template@9:12, partial",
        ),
        (
            "kind",
            service_account(&["kind: {{ .Values.kind }}"]),
            "unrendered-template@2:8, partial",
        ),
        (
            "metadata",
            format!(
                "{}---\nkind: ServiceAccount\nmetadata: {{{{ x }}}}\n",
                service_account(&[])
            ),
            "bar/foo Managed, unrendered-template@11:12, partial",
        ),
        (
            "alone",
            format!("{{{{ .Values.x }}}}\n---\n{}", service_account(&[])),
            "bar/foo Managed, unrendered-template@1:2, partial",
        ),
        (
            "control line in another document",
            format!(
                "{}---\n{{{{ if .x }}}}\nkind: Secret\n{{{{ end }}}}\n",
                service_account(&[])
            ),
            "bar/foo Managed, unrendered-template@10:2, partial",
        ),
        (
            "text that is none",
            format!(
                "{}---\nkind: ConfigMap\ndata: {{a: \"{{{{ b }}}}\"}}\n",
                service_account(&[])
            ),
            GOOD,
        ),
        (
            "a key that is a list",
            service_account(&["x: {[a]: b}"]),
            "invalid-yaml@9:5, partial",
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
    assert_eq!(summary(&found), "invalid-encoding@9:14, partial");
    let utf16: Vec<u8> = format!("\u{feff}{}", service_account(&[]))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let found = extract(&"a.yaml".into(), &utf16).expect("it holds the annotation");
    assert_eq!(summary(&found), "invalid-encoding@1:1, partial");
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
    let keys: String = (0..1500).map(|n| format!("k{n}:, ")).collect();
    let merges = format!(
        "{key}x: &a {{{keys}}}\ny: {{<<: [{}]}}\n",
        vec!["*a"; 990].join(",")
    );
    let doubled: String = (1..25)
        .map(|n| format!("a{n}: &a{n} {{<<: [*a{}, *a{}], k{n}: }}\n", n - 1, n - 1))
        .collect();
    let doubled = format!("{key}a0: &a0 {{k: }}\n{doubled}");
    let chain: String = (1..40)
        .map(|n| format!("a{n}: &a{n} [[*a{}]]\n", n - 1))
        .collect();
    let chain = format!("{key}a0: &a0 []\n{chain}");
    for (row, text) in [
        ("billion laughs", format!("{key}a0: &a0 [x]\n{laughs}")),
        ("alias blow-up", blow_up),
        ("flow nesting", flow),
        ("block nesting", format!("{key}{block}")),
        ("JSON nesting", json),
        ("merge keys", merges),
        ("merge keys, doubled", doubled),
        ("nesting by aliases", chain),
    ] {
        let found = read(&text);
        assert!(!found.is_whole(), "{row}");
        let codes: Vec<_> = found.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(codes, [Code::LimitExceeded], "{row}");
    }
}

#[test]
fn m23_m60_lists_and_json_are_read() {
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
        ("M60: a document behind JSON", format!("{item}\n---\n{}", item.replace("foo", "two")), "bar/foo Managed, invalid-json@3:1, partial"),
        ("M60: a document behind flow YAML", format!("{{a: b}}\n---\n{item}"), "invalid-json@1:2, invalid-json@3:1, partial"),
        ("M60: the same behind a comment", format!("# c\n{{a: b}}\n---\n{item}").replace("\\ud83d\\ude00", "x"), GOOD),
        ("M60: what cannot be ours behind JSON", format!("{item}\n---\na: b\n"), GOOD),
        ("M60: an end without a document", format!("...\n---\n{item}").replace("\\ud83d\\ude00", "x"), "bar/foo Managed, invalid-yaml@1:1, partial"),
        ("M60: the same behind a comment", format!("---\n# c\n...\n---\n{item}").replace("\\ud83d\\ude00", "x"), "bar/foo Managed, invalid-yaml@3:1, partial"),
        ("M60: an end behind a document", format!("a: b\n...\n---\n{item}").replace("\\ud83d\\ude00", "x"), GOOD),
        ("M60: jsonnet -y", format!("---\n{item}\n---\n{}\n...\n", item.replace("foo", "two")).replace("\\ud83d\\ude00", "x"), "bar/foo Managed, bar/two Managed"),
        ("M60: a comment behind a later value", format!("---\n{item} # c\n").replace("\\ud83d\\ude00", "x"), GOOD),
        ("M60: a later document of two values", format!("---\n{item}\n{}", item.replace("foo", "two")).replace("\\ud83d\\ude00", "x"), "invalid-yaml@3:1, partial"),
        ("M60: text behind a later value", format!("---\n{item}\nx: 1\n").replace("\\ud83d\\ude00", "x"), "invalid-yaml@3:1, partial"),
        ("escaped key", item.replace("com/iam", "com\\/iam"), GOOD),
        ("broken JSON", item.replace("\"kind\":", "\"kind\""), "invalid-json@1:26, partial"),
        ("broken second object", format!("{item}\n{{\"a\":}}"), "bar/foo Managed, invalid-json@2:6, partial"),
        ("flow YAML", "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: foo, namespace: bar, annotations: {security.kaluza.com/iam-role-managed: 'true'}}}".to_owned(), GOOD),
        ("flow YAML where kubectl expects JSON", "{apiVersion: v1, kind: ServiceAccount} # security.kaluza.com/iam-role-managed".to_owned(), "invalid-json@1:2, partial"),
        ("trailing comma in a later document, which kubectl takes for YAML", format!("---\n{}", item.replace("}}}", "}},}").replace("\\ud83d\\ude00", "x")), GOOD),
        ("trailing comma", item.replace("}}}", "}},}"), "invalid-json@1:172, partial"),
        ("key without quotes", item.replace("\"kind\"", "kind"), "invalid-json@1:20, partial"),
        ("List", list("List", item), GOOD),
        ("PodList", list("PodList", item), GOOD),
        ("other case", list("list", item), GOOD),
        ("custom list", list("Foo", &format!("{item},5")).replace("v1\",\"kind\":\"Foo", "example.com/v1\",\"kind\":\"Foo"), GOOD),
        ("list of no kind", list("", item), "invalid-list@1:1, partial"),
        ("YAML list of another kind", format!("apiVersion: foo/v1\nkind: FooList\nitems:\n- {yaml_item}"), GOOD),
        ("item for items", format!("apiVersion: v1\nkind: List\nitem:\n- {yaml_item}"), "invalid-list@1:1, partial"),
        ("items that cannot be ours", list("List", &format!("{{\"a\":[]}},{item}")), GOOD),
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
        ("repeated key in another object", list("List", &format!("{item},{{\"a\":[{{\"b\":1,\"b\":2}}]}}")), "bar/foo Managed, duplicate-key@1:228, partial"),
        ("repeated key in one item", list("List", &format!("{},{repeated}", item.replace("foo", "two"))), "bar/two Managed, bar/foo Invalid, duplicate-key@1:283, partial"),
    ]);
}

#[test]
fn m24_m29_what_is_no_service_account_is_none() {
    let config_map = "kind: ConfigMap\napiVersion: v1\ndata:\n  a: |\n    security.kaluza.com/iam-role-managed: \"true\"\n".to_owned();
    check(&[
        ("text in a ConfigMap", config_map, "wrong-kind?@5:5"),
        (
            "other apiVersion",
            service_account(&["apiVersion: core/v1"]),
            "wrong-kind?@7:43, partial",
        ),
        (
            "other case",
            service_account(&["kind: serviceaccount"]),
            "wrong-kind?@7:43, partial",
        ),
        (
            "another kind altogether",
            service_account(&["kind: Deployment"]),
            "wrong-kind?@7:43",
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
    assert_eq!(summary(&found), "bar/foo Managed, trailing-newline?@9:7");
    assert_eq!(arn(&found), Some("arn:aws:iam::123456789012:role/x"));
    // In quotes it was meant.
    let text = service_account(&["    eks.amazonaws.com/role-arn: \"x\\n\""]);
    let found = read(&text);
    assert_eq!(summary(&found), GOOD);
    assert_eq!(arn(&found), Some("x\n"));
}

fn arn(found: &Extract) -> Option<&str> {
    let arn = found.declarations[0].role_arn.as_ref();
    arn.map(|arn| arn.value.as_str())
}

#[test]
fn m9_a_role_arn_that_is_no_text_is_kept_as_it_is_written() {
    for value in ["123456789012", "~", "", "[a]", "{a: b}", "yes"] {
        let found = read(&service_account(&[&format!(
            "    eks.amazonaws.com/role-arn: {value}"
        )]));
        assert_eq!(summary(&found), "bar/foo Invalid", "{value}");
        assert_eq!(arn(&found), Some(value));
    }
}

#[test]
fn m25_documents_that_cannot_be_ours_are_read_up_to_a_limit() {
    let filler = format!("---\na: {}\n", "b".repeat(100)).repeat(50_000);
    let two = service_account(&["  name: two"]);
    let broken = "---\na: [\n";
    let text = format!(
        "{}{broken}{filler}{broken}---\n{{{{ x }}}}\n---\n{two}",
        service_account(&[])
    );
    assert_eq!(
        summary(&read(&text)),
        "bar/foo Managed, bar/two Managed, invalid-yaml@10:4, unrendered-template@100014:2, partial"
    );
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

#[test]
fn a_document_that_is_in_order_and_not_ours_is_parsed_once() {
    struct Log(std::cell::RefCell<Vec<String>>);
    impl Memory for Log {
        fn knows(&self, document: &str) -> bool {
            document == "a: [known\n"
        }
        fn learn(&self, document: &str) {
            self.0.borrow_mut().push(document.to_owned());
        }
    }
    let one = service_account(&[]);
    let text = format!("{one}---\nb: 1\n---\nc: [\n---\na: [known\n---\n{{\"d\": 1}}\n");
    let log = Log(std::cell::RefCell::default());
    let extract = Extractor::default()
        .extract_with(&"a.yaml".into(), text.as_bytes(), Extent::Whole, &log)
        .expect("it is ours");
    assert_eq!(log.0.into_inner(), ["b: 1\n"], "learned");
    assert_eq!(
        summary(&extract),
        format!("{GOOD}, invalid-yaml@12:4, partial")
    );
}
