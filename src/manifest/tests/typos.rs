//! A typo is never taken for a removal: whoever was meant keeps the role, or nothing is pruned.

use super::*;

const KEY: &str = "security.kaluza.com/iam-role-managed";
const ARN: &str = "eks.amazonaws.com/role-arn";

/// The good ServiceAccount with one piece replaced.
fn with(from: &str, to: &str) -> String {
    let good = service_account(&[]);
    assert!(good.contains(from), "{from}");
    good.replace(from, to)
}

#[test]
fn m7_a_misspelled_managed_annotation_holds_the_role() {
    for key in [
        "security.kaluza.com/iam-role-manged",
        "security.kaluza.com/iam-role-Managed",
        "security.kaluza.com/iam_role_managed",
        "security.kalusa.com/iam-role-managed",
        "security.kaluza.io/iam-role-managed",
        "security.kaluza.com/managed",
    ] {
        let found = read(&with(KEY, key));
        assert_eq!(summary(&found), "bar/foo Invalid, misspelled@7:5", "{key}");
        let message = &found.diagnostics[0].message;
        assert!(
            message.contains(&format!("did you mean `{KEY}`?")),
            "{message}"
        );
    }
}

#[test]
fn m7_misspelled_annotations_beside_the_managed_one_hold_the_role() {
    let held = "bar/foo Invalid, misspelled@8:5";
    check(&[
        ("role_arn", with(ARN, "eks.amazonaws.com/role_arn"), held),
        ("role-ARN", with(ARN, "eks.amazonaws.com/role-ARN"), held),
        ("rolearn", with(ARN, "eks.amazonaws.com/rolearn"), held),
        ("host", with(ARN, "eks.amazonaw.com/role-arn"), held),
        (
            "audience",
            service_account(&["    eks.amazonaws.com/audiance: x"]),
            "bar/foo Invalid, misspelled@9:5",
        ),
        (
            "others of the same host",
            service_account(&["    eks.amazonaws.com/sts-regional-endpoints: \"true\""]),
            GOOD,
        ),
    ]);
}

#[test]
fn m7_annotations_in_the_wrong_place_hold_the_role() {
    let top = with("  annotations:\n    ", "annotations:\n  ").replace("    eks", "  eks");
    check(&[
        (
            "anotations",
            with("annotations", "anotations"),
            "bar/foo Invalid, misspelled@6:3",
        ),
        (
            "Annotations",
            with("annotations", "Annotations"),
            "bar/foo Invalid, misspelled@6:3",
        ),
        (
            "annotatoins",
            with("annotations", "annotatoins"),
            "bar/foo Invalid, misspelled@6:3",
        ),
        (
            "labels",
            with("annotations", "labels"),
            "bar/foo Invalid, misspelled@6:3",
        ),
        ("top level", top, "bar/foo Invalid, misspelled@6:1"),
        (
            "metdata",
            with("metadata", "metdata"),
            "misspelled@3:1, partial",
        ),
        (
            "without a mapping",
            with("  annotations:\n    ", "").replace("    eks", "eks"),
            "bar/foo Invalid, misspelled@6:1",
        ),
    ]);
}

#[test]
fn m17_a_name_in_another_letter_case_stands_for_the_right_one() {
    let both = format!(
        "{}---\n{}",
        service_account(&[]),
        with("name: foo", "name: Foo")
    );
    check(&[
        (
            "both",
            both,
            "bar/foo Managed, bar/foo Invalid, invalid-name@13:9, partial",
        ),
        (
            "namespace",
            with("namespace: bar", "namespace: Bar"),
            "bar/foo Invalid, invalid-name@5:14, partial",
        ),
    ]);
}

#[test]
fn m30_metadata_that_is_no_mapping_holds_the_role() {
    let key = format!("# {KEY}\n");
    let with = |metadata: &str| format!("{key}apiVersion: v1\nkind: ServiceAccount\n{metadata}\n");
    let named = "metadata:\n  name: foo\n  namespace: bar\n  annotations:";
    check(&[
        (
            "a list",
            with(&format!("{named} []")),
            "bar/foo Invalid, invalid-service-account@7:16, partial",
        ),
        (
            "empty text",
            with(&format!("{named} \"\"")),
            "bar/foo Invalid, invalid-service-account@7:16, partial",
        ),
        (
            "an include",
            with(&format!("{named} !include x.yaml")),
            "bar/foo Invalid, invalid-service-account@7:25, partial",
        ),
        (
            "a list of what belongs there",
            with(&format!("{named} [{{{KEY}: \"true\"}}]")),
            "bar/foo Invalid, invalid-service-account@7:16, partial",
        ),
        ("nothing", with(named), ""),
        (
            "metadata included",
            with("metadata: !include x.yaml"),
            "invalid-service-account@4:20, partial",
        ),
        (
            "a tag on annotations",
            service_account(&["  annotations: !Foo"]),
            "bar/foo Invalid, invalid-service-account@7:5",
        ),
        (
            "a tag on the kind",
            service_account(&[]).replace("kind: ServiceAccount", "kind: !custom ServiceAccount"),
            "bar/foo Invalid, invalid-service-account@2:15",
        ),
        (
            "a tag on the version",
            service_account(&[])
                .replace("apiVersion: v1", "apiVersion: !!python/object:os.system v1"),
            "bar/foo Invalid, invalid-service-account@1:39",
        ),
        (
            "the tag of what it is",
            service_account(&[]).replace("kind: ServiceAccount", "kind: !!str ServiceAccount"),
            "bar/foo Managed",
        ),
        (
            "a tag on the object",
            format!("--- # c\n!!python/object:a\n{}", service_account(&[])),
            "bar/foo Invalid, invalid-service-account@3:1",
        ),
    ]);
}

#[test]
fn m29_what_was_meant_to_be_a_service_account_stops_pruning() {
    let partial = "wrong-kind?@7:43, partial";
    check(&[
        (
            "case",
            with("kind: ServiceAccount", "kind: serviceaccount"),
            partial,
        ),
        (
            "typo",
            with("kind: ServiceAccount", "kind: ServiceAcount"),
            partial,
        ),
        (
            "core/v1",
            with("apiVersion: v1", "apiVersion: core/v1"),
            partial,
        ),
        (
            "v1beta1",
            with("apiVersion: v1", "apiVersion: v1beta1"),
            partial,
        ),
        ("V1", with("apiVersion: v1", "apiVersion: V1"), partial),
        ("Kind", with("kind:", "Kind:"), partial),
        (
            "encoded",
            with(
                "kind: ServiceAccount",
                "kind: !!binary U2VydmljZUFjY291bnQ=",
            ),
            partial,
        ),
        (
            "cut in two",
            with("  annotations:\n", "  annotations:\n---\n"),
            "wrong-kind?@8:5, partial",
        ),
        (
            "two misspelled keys",
            with("kind:", "knid:").replace("annotations", "anotations"),
            "wrong-kind?@1:1, partial",
        ),
        (
            "values of a chart",
            format!("serviceAccount:\n  annotations:\n    {KEY}: \"true\"\n"),
            "wrong-kind?@3:5",
        ),
        (
            "two typos",
            with("kind: ServiceAccount", "kind: ServiceAcount").replace("-managed", "-manged"),
            "wrong-kind?@1:1, partial",
        ),
        (
            "no kind",
            with("kind: ServiceAccount\n", ""),
            "wrong-kind?@6:43, partial",
        ),
        (
            "another kind",
            with("kind: ServiceAccount", "kind: Pod"),
            "wrong-kind?@7:43",
        ),
    ]);
}

#[test]
fn m5_repeated_keys_count_wherever_aliases_lead_to_them() {
    let list = |metadata: &str| {
        format!(
            "apiVersion: v1\nkind: List\nx: &m\n  name: foo\n  namespace: bar\n  annotations: &a\n    {KEY}: \"true\"\n    {KEY}: \"false\"\nitems:\n- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {metadata}\n"
        )
    };
    check(&[
        ("aliased", list("*m"), "bar/foo Invalid, duplicate-key@8:5"),
        (
            "merged",
            list("{name: two, namespace: bar, annotations: {<<: *a}}"),
            "bar/two Invalid, duplicate-key@8:5",
        ),
        (
            "a name that a merge key overwrites",
            format!(
                "x: &n {{name: other}}\n{}",
                with("  name: foo\n", "  name: foo\n  <<: *n\n")
            ),
            "bar/foo Invalid, duplicate-key@5:3, partial",
        ),
        (
            "in the middle",
            with("  annotations:", "  annotations: {a: b}\n  annotations:"),
            "bar/foo Invalid, duplicate-key@7:3",
        ),
        (
            "metadata twice",
            with("metadata:", "metadata: {name: x}\nmetadata:"),
            "duplicate-key@4:1, missing-namespace@1:1, partial",
        ),
        (
            "a ServiceAccount by its second kind",
            with("kind:", "kind: ConfigMap\nkind:"),
            "wrong-kind?@8:43, duplicate-key@3:1, partial",
        ),
        (
            "items twice",
            format!(
                "{}items: []\n",
                list("{name: two, namespace: bar, annotations: {{}}}")
                    .replace("{{}}", &format!("{{{KEY}: 'true'}}"))
            ),
            "bar/two Invalid, duplicate-key@8:5, duplicate-key@13:1, partial",
        ),
        (
            "they do not keep the second parser from reading",
            format!(
                "{}x: {{a: 1, a: 2}}\ny: a\u{2028}b: c\n",
                service_account(&[])
            ),
            "invalid-yaml@10:7, partial",
        ),
    ]);
}

#[test]
fn m61_an_encoded_key_is_refused_however_its_tag_is_written() {
    for tag in [
        "!!binary",
        "!<tag:yaml.org,2002:binary>",
        "!<tag:yaml.org,2002:%62inary>",
        "!<%74ag:yaml.org,2002:binary>",
    ] {
        let key = format!("? {tag} c2VjdXJpdHkua2FsdXphLmNvbS9pYW0tcm9sZS1tYW5hZ2Vk\n    ");
        let expected = format!("invalid-yaml@7:{}, partial", tag.len() + 8);
        check(&[(tag, with(KEY, &key), &expected)]);
    }
    // The tag of a text changes nothing.
    for tag in ["!!str", "!<tag:yaml.org,2002:str>"] {
        check(&[(tag, with(KEY, &format!("{tag} {KEY}")), GOOD)]);
    }
}

#[test]
fn files_of_other_makers_are_not_ours() {
    let path = "a.yaml".into();
    let others = service_account(&[]).replace(&format!("    {KEY}: \"true\"\n"), "");
    for text in [
        others.clone(),
        others.replace("v1", "{{ .x }}"),
        format!("{others}---\na: [\n"),
        others.replace("  annotations:", "  annotations: {}\n  annotations:"),
        "serviceAccount:\n  annotations:\n    eks.amazonaws.com/role-arn: x\n".to_owned(),
    ] {
        assert_eq!(extract(&path, text.as_bytes()), None, "{text}");
    }
}
