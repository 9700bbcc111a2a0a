use super::*;
use crate::desired::{Declared, Managed};
use crate::model::arn::{AwsAccountId, Partition};
use crate::model::cluster::{ClusterName, Issuer, PodIdentity, RolePrefix};
use crate::model::last_use::LastUse;
use crate::model::location::Location;
use crate::model::role::{ListedRole, RoleId, RoleLabel, RoleName, RolePath};
use crate::model::tags::{self, TagValue, Tags};
use crate::model::trust_policy::{self, TrustDocument};

const OURS: &str = "arn:aws:iam::123456789012:oidc-provider/i.example";

fn cluster(issuers: &[&str]) -> Cluster {
    let issuer = |text: &&str| Issuer::new(text).expect("valid");
    Cluster {
        name: ClusterName::new("prod").expect("valid"),
        prefix: RolePrefix::default(),
        path: RolePath::default(),
        partition: Partition::new("aws").expect("valid"),
        account: AwsAccountId::new("123456789012").expect("valid"),
        issuers: issuers.iter().map(issuer).collect(),
        audience: Some(Audience::default()),
        permissions_boundary: None,
        max_session_duration: None,
        managed_by: TagValue::new("m").expect("valid"),
        tags: vec![],
        pod_identity: PodIdentity::Keep,
        conventions: Default::default(),
    }
}

fn role(document: TrustDocument) -> CurrentRole {
    CurrentRole {
        listed: ListedRole {
            name: RoleName::new("k8s-sa_bar_foo").expect("valid"),
            id: RoleId::new("AROA1"),
            path: RolePath::default(),
            trust_policy: document,
            max_session_seconds: None,
        },
        tags: Tags::default(),
        permissions_boundary: None,
        created: None,
        last_use: LastUse::Unknown,
    }
}

/// A statement for a provider and a subject, with more behind it.
fn statement(provider: &str, subject: &str, more: &str) -> String {
    let issuer = provider.rsplit('/').next().unwrap_or_default();
    format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":"{provider}"}},"Action":"sts:AssumeRoleWithWebIdentity",
            "Condition":{{"StringEquals":{{"{issuer}:sub":"system:serviceaccount:{subject}","{issuer}:aud":"sts.amazonaws.com"}}{more}}}}}"#
    )
}

fn documents(statements: &[String]) -> TrustDocument {
    TrustDocument::new(format!(r#"{{"Statement":[{}]}}"#, statements.join(",")))
}

fn declared(verdict: Manifest, role_arn: Option<&str>) -> Declared {
    Declared {
        role: RoleLabel::new("k8s-sa_bar_foo"),
        location: Location {
            path: "a.yaml".into(),
            line: 1,
            column: 1,
        },
        role_arn: role_arn.map(str::to_owned),
        own_audience: None,
        verdict,
    }
}

fn asked(
    cluster: &Cluster,
    role: Option<&CurrentRole>,
    declared: Option<&Declared>,
    providers: &Providers,
) -> (Option<bool>, &'static str) {
    let service_account = ServiceAccountRef::parse("bar/foo").expect("valid");
    let verdict = verdict(&Question {
        service_account: &service_account,
        cluster,
        declared,
        role,
        annotated: None,
        providers,
    });
    assert!(!verdict.cause.to_string().is_empty());
    (verdict.can_assume, verdict.cause.code().as_str())
}

fn by_document(statements: &[String]) -> (Option<bool>, &'static str) {
    let role = role(documents(statements));
    asked(
        &cluster(&["i.example"]),
        Some(&role),
        None,
        &Providers::new(),
    )
}

#[test]
fn i43_the_trust_policy_decides_who_is_let_in() {
    let deny = r#"{"Effect":"Deny","Principal":"*","Action":"sts:*"}"#.to_owned();
    let deny_others = r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}"#.to_owned();
    let narrow = r#","IpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#;
    let fit = || statement(OURS, "bar:foo", "");
    assert_eq!(by_document(&[fit()]), (Some(true), "let-in"));
    assert_eq!(by_document(&[fit(), deny]), (Some(false), "denied"));
    assert_eq!(by_document(&[fit(), deny_others]), (Some(true), "let-in"));
    let deny_there = r#"{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#;
    assert_eq!(
        by_document(&[fit(), deny_there.to_owned()]),
        (None, "conditional")
    );
    assert_eq!(
        by_document(&[statement(OURS, "bar:fo", "")]),
        (Some(false), "not-let-in")
    );
    assert_eq!(
        by_document(&[statement(OURS, "bar:foo", narrow)]),
        (None, "conditional")
    );
    assert_eq!(by_document(&[]), (Some(false), "not-let-in"));
    let other = "arn:aws:iam::123456789012:oidc-provider/old.example";
    assert_eq!(
        by_document(&[statement(other, "bar:foo", "")]),
        (Some(false), "other-issuer")
    );
    // One of ours beside it is no other issuer.
    let both = [
        statement(other, "bar:foo", ""),
        statement(OURS, "bar:fo", ""),
    ];
    assert_eq!(by_document(&both), (Some(false), "not-let-in"));
}

#[test]
fn i43_no_role_and_a_quarantine_come_first() {
    let cluster = cluster(&["i.example"]);
    let none = Providers::new();
    assert_eq!(asked(&cluster, None, None, &none), (Some(false), "no-role"));
    let mut closed = role(trust_policy::quarantine());
    assert_eq!(
        asked(&cluster, Some(&closed), None, &none),
        (Some(false), "denied")
    );
    closed
        .tags
        .set(tags::QUARANTINED_AT, "2026-01-01T00:00:00Z");
    assert_eq!(
        asked(&cluster, Some(&closed), None, &none),
        (Some(false), "quarantined")
    );
}

#[test]
fn i43_i121_the_provider_has_the_last_word_and_one_of_several_is_not_enough() {
    let both = cluster(&["i.example", "new.example"]);
    let new = "arn:aws:iam::123456789012:oidc-provider/new.example";
    let role = role(documents(&[
        statement(OURS, "bar:foo", ""),
        statement(new, "bar:foo", ""),
    ]));
    let ask = |old: Provider, new: Provider| {
        let arns = both.issuers.iter().map(|issuer| both.oidc_provider(issuer));
        let providers = arns.zip([old, new]).collect();
        asked(&both, Some(&role), None, &providers)
    };
    let accepts = |audience: &str| Provider::Accepts(vec![audience.to_owned()]);
    assert_eq!(
        ask(Provider::Missing, Provider::Missing),
        (Some(false), "no-provider")
    );
    assert_eq!(
        ask(accepts("x"), Provider::Missing),
        (Some(false), "audience-refused")
    );
    // Pods of the cluster whose issuer is shut do not get in.
    for open in [accepts("sts.amazonaws.com"), Provider::Unread] {
        assert_eq!(ask(Provider::Missing, open), (None, "some-issuers"));
    }
    let all = || accepts("sts.amazonaws.com");
    assert_eq!(ask(all(), all()), (Some(true), "let-in"));
}

#[test]
fn i43_a_manifest_that_names_another_role_sends_pods_there() {
    let cluster = cluster(&["i.example"]);
    let role = role(documents(&[statement(OURS, "bar:foo", "")]));
    let none = Providers::new();
    let ask = |declared: &Declared| asked(&cluster, Some(&role), Some(declared), &none);
    let held = || Manifest::Held {
        reason: "errors".to_owned(),
    };
    let right = "arn:aws:iam::123456789012:role/k8s-sa_bar_foo";
    assert_eq!(
        ask(&declared(held(), Some("arn:aws:iam::1:role/x"))),
        (Some(false), "other-role")
    );
    assert_eq!(ask(&declared(held(), None)), (Some(false), "other-role"));
    for right in [right, "k8s-sa_bar_foo"] {
        assert_eq!(ask(&declared(held(), Some(right))), (Some(true), "let-in"));
    }
    let unmanaged = declared(Manifest::Unmanaged, None);
    assert_eq!(ask(&unmanaged), (Some(true), "let-in"));
    let managed = Manifest::Managed(Managed {
        role: role.listed.name.clone(),
        audience: Audience::new("vault").ok(),
    });
    assert_eq!(
        ask(&declared(managed, Some(right))),
        (Some(false), "not-let-in")
    );
    let mut of_vault = cluster.clone();
    of_vault.audience = Audience::new("vault").ok();
    assert_eq!(
        asked(&of_vault, Some(&role), None, &none),
        (Some(false), "not-let-in")
    );
}
