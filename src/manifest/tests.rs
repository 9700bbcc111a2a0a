//! What each input must give, row by row; the verdicts are kubectl's.

use super::*;
use crate::diagnostic::Severity;

mod documents;
mod extents;
mod properties;
mod typos;

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

fn extract(path: &RepoPath, bytes: &[u8]) -> Option<Extract> {
    let extract = Extractor::default().extract(path, bytes)?;
    Some(extract.placed(path, &Conventions::default().namespaces))
}

fn read(text: &str) -> Extract {
    extract(&"a.yaml".into(), text.as_bytes()).expect("it holds the annotation")
}

/// What is declared, what is wrong and whether all was understood, in one line.
fn summary(extract: &Extract) -> String {
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
    if !extract.is_whole() {
        parts.push("partial".to_owned());
    }
    parts.join(", ")
}

fn check(rows: &[(&str, String, &str)]) {
    let mut wrong = Vec::new();
    for (row, text, expected) in rows {
        let found = summary(&read(text));
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
fn m7_m9_m30_scalars_are_read_as_kubernetes_reads_them() {
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
            "n/foo Invalid, unquoted-scalar@5:14, partial",
        ),
        (
            "name: y",
            service_account(&["  name: y"]),
            "bar/y Invalid, unquoted-scalar@4:9, partial",
        ),
        (
            "name: 123",
            service_account(&["  name: 123"]),
            "bar/123 Invalid, unquoted-scalar@4:9, partial",
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
            "bar/foo Invalid, invalid-name@4:9, partial",
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
            "unrendered-template@5:15, partial",
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
            "bar/foo Invalid, invalid-service-account@9:3",
        ),
        (
            "labels are a list",
            service_account(&["  labels: [a]"]),
            "bar/foo Invalid, invalid-service-account@9:3",
        ),
        (
            "a secret without a name",
            service_account(&["secrets: [{name: a}, {name: [5]}]"]),
            "bar/foo Invalid, invalid-service-account@9:23",
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
        (
            "metadata",
            metadata,
            "bar/foo Invalid, duplicate-key@9:1, partial",
        ),
        (
            "JSON",
            json.to_owned(),
            "bar/foo Invalid, duplicate-key@1:69, partial",
        ),
        ("not ours", config, "duplicate-key?@2:14"),
    ]);
}
