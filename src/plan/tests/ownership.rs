//! Whose a role is, and whom it lets in.

use super::*;
use crate::plan::ownership::{self, Ownership};

#[test]
fn i6_i7_i8_i9_i10_c6_ownership_is_the_whole_tuple() {
    let drifted = with_trust(role("bar/foo"), OPEN);
    let untagged = CurrentRole {
        tags: Tags::new(),
        ..drifted.clone()
    };
    let elsewhere = {
        let mut role = drifted.clone();
        role.listed.path = RolePath::new("/x/").expect("valid");
        role
    };
    let other_case = {
        let mut role = drifted.clone();
        role.tags.remove(tags::STACK);
        with_tag(role, &tags::STACK.to_uppercase(), "bar/foo")
    };
    let cases = [
        ("i6", untagged, "held", "no tag"),
        (
            "i7",
            with_tag(drifted.clone(), tags::CLUSTER, "other"),
            "held",
            "`other`, not `prod`",
        ),
        (
            "i8",
            with_tag(drifted.clone(), tags::STACK, "bar/baz"),
            "held",
            "`bar/baz`",
        ),
        ("i9", elsewhere, "held", "path is `/x/`"),
        (
            "value case",
            with_tag(drifted, tags::CLUSTER, "Prod"),
            "held",
            "`Prod`",
        ),
        ("i10", other_case, "update", "trust policy differs"),
    ];
    for (id, role, expected, says) in cases {
        let plan = plan_over(
            &resolved(&[managed("bar/foo")]),
            &[role],
            &cluster(),
            &run(),
        );
        let change = &plan.changes[&RoleLabel::new(FOO)];
        assert_eq!(word(&change.action), expected, "{id}");
        assert!(
            change.reason.to_string().contains(says),
            "{id}: {}",
            change.reason
        );
        let foreign = plan.diagnostics.iter().any(|d| d.code == Code::ForeignRole);
        assert_eq!(foreign, expected == "held", "{id}");
    }
}

#[test]
fn i9_a_role_that_the_listing_shows_to_be_foreign_is_not_read() {
    let mut elsewhere = role("bar/foo");
    elsewhere.listed.path = RolePath::new("/other/").expect("valid");
    for managed in [resolved(&[managed("bar/foo")]), resolved(&[])] {
        let mut facts = listed(&managed, std::slice::from_ref(&elsewhere));
        assert!(!matches!(facts.missing(), Some(Need::Roles(_))));
    }
    let plan = plan_over(
        &resolved(&[managed("bar/foo")]),
        &[elsewhere],
        &cluster(),
        &run(),
    );
    assert_eq!(words(&plan), [(FOO, "held")]);
    assert!(
        plan.changes
            .values()
            .all(|change| change.reason.to_string().contains("path is `/other/`"))
    );
}

#[test]
fn s18_spoofed_tags_do_not_make_a_foreign_name_ours() {
    let mut admin = role("bar/foo");
    admin.listed.name = RoleName::new("Admin").expect("valid");
    assert_eq!(
        ownership::of(&admin, &cluster()),
        Ownership::Foreign(ownership::Foreign::Name)
    );
    let plan = plan_over(&resolved(&[]), &[admin], &cluster(), &run());
    assert_eq!(words(&plan), []);
}

#[test]
fn s19_a_trust_policy_that_lets_others_in_is_security_drift() {
    let intruder = with_trust(role("bar/foo"), OPEN);
    let wildcard = with_trust(
        role("bar/foo"),
        r#"{"Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/1"},
            "Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"oidc.example.com/id/1:sub":"system:serviceaccount:bar:*"}}}]}"#,
    );
    let without_audience = with_trust(
        role("bar/foo"),
        r#"{"Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/1"},
            "Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.example.com/id/1:sub":"system:serviceaccount:bar:foo"}}}]}"#,
    );
    let statement = |body: &str| with_trust(role("bar/foo"), &format!(r#"{{"Statement":{body}}}"#));
    let web_identity = |rest: &str| {
        statement(&format!(
            r#"{{"Principal":{{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/1"}},{rest}}}"#
        ))
    };
    let exact = r#""Condition":{"StringEquals":{"OIDC.example.com/id/1:SUB":["system:serviceaccount:bar:foo"]}}"#;
    for (role, security) in [
        (intruder, true),
        (wildcard, true),
        (without_audience, true),
        (
            web_identity(&format!(r#""Effect":"Allow","Action":"sts:*",{exact}"#)),
            true,
        ),
        (
            web_identity(&format!(r#""NotAction":"sts:TagSession",{exact}"#)),
            true,
        ),
        (web_identity(r#""Effect":"Allow""#), true),
        (web_identity(r#""Effect":"Deny""#), false),
        (
            statement(&format!(r#"{{"Effect":"Allow","Principal":"*",{exact}}}"#)),
            true,
        ),
        (
            statement(&format!(
                r#"{{"Effect":"Allow","Principal":{{"AWS":"*"}},{exact}}}"#
            )),
            true,
        ),
        (
            statement(r#"{"Effect":"Allow","NotPrincipal":{"AWS":"a"}}"#),
            true,
        ),
        (statement(r#"{"Action":"sts:AssumeRole"}"#), true),
        (
            statement(
                r#"[{"Effect":"Deny","Principal":"*"},{"Effect":"Allow","Principal":{"Service":"s"}}]"#,
            ),
            true,
        ),
        (statement("[]"), false),
        (with_trust(role("bar/foo"), "<html>"), false),
    ] {
        let plan = plan_over(
            &resolved(&[managed("bar/foo")]),
            &[role],
            &cluster(),
            &run(),
        );
        assert_eq!(words(&plan), [(FOO, "update")]);
        let found = plan
            .diagnostics
            .iter()
            .any(|d| d.code == Code::SecurityDrift);
        assert_eq!(found, security, "{plan:?}");
    }
}
