//! What settings are enough, and which are refused.

use super::*;

fn input() -> ClusterInput {
    ClusterInput {
        name: Some("prod".to_owned()),
        oidc_providers: vec!["https://oidc.example.com/id/1".to_owned()],
        ..ClusterInput::default()
    }
}

#[test]
fn two_settings_are_enough() {
    let settings = input().validate().expect("enough");
    let (account, partition) = (AwsAccountId::new("123456789012"), Partition::new("aws"));
    let cluster = settings
        .for_caller(&account.expect("valid"), &partition.expect("valid"))
        .expect("fits");
    assert_eq!(cluster.prefix.as_str(), "k8s-sa");
    assert_eq!(cluster.issuers[0].as_str(), "oidc.example.com/id/1");
    assert_eq!(cluster.audience, Some(Audience::default()));
    assert_eq!(
        cluster.managed_by.as_str(),
        "iam-service-account-controller"
    );
}

#[test]
fn what_cannot_be_used_is_refused_by_its_flag() {
    type Spoil = fn(&mut ClusterInput);
    let cases: [(&str, Spoil); 20] = [
        ("--cluster-name", |i| i.name = None),
        ("--cluster-name", |i| i.name = Some("a b".into())),
        ("--oidc-provider", |i| i.oidc_providers = vec![]),
        ("--oidc-provider", |i| i.oidc_providers = vec!["*".into()]),
        ("--role-prefix", |i| i.role_prefix = Some("a_b".into())),
        ("--role-path", |i| i.role_path = Some("a".into())),
        ("--role-path", |i| i.role_path = Some("//".into())),
        ("--role-path", |i| i.role_path = Some("/*/".into())),
        ("--region", |i| i.region = Some("Ireland".into())),
        ("--region", |i| i.region = Some("eu_west_1".into())),
        ("--region", |i| i.region = Some("https://x-1".into())),
        ("--permissions-boundary", |i| {
            i.permissions_boundary = Some("limit".into());
        }),
        ("--permissions-boundary", |i| {
            i.permissions_boundary = Some("arn:aws:iam::123456789012:role/limit".into());
        }),
        ("--account", |i| i.account = Some("1".into())),
        ("--max-session-duration", |i| {
            i.max_session_duration = Some(60)
        }),
        ("--tag", |i| i.tags = vec!["a".into()]),
        ("--tag", |i| i.tags = vec!["Role.K8s.aws/Cluster=x".into()]),
        ("--tag", |i| {
            i.tags = vec!["Role.K8s.aws/Applied-x=y".into()]
        }),
        ("--tag", |i| i.tags = vec!["a=1".into(), "A=2".into()]),
        ("--role-arn", |i| i.token_path = Some("/token".into())),
    ];
    for (flag, spoil) in cases {
        let mut input = input();
        spoil(&mut input);
        let error = input.validate().expect_err(flag).to_string();
        assert!(error.contains(flag), "{flag}: {error}");
    }
}

#[test]
fn i1_another_account_is_refused() {
    let mut input = input();
    input.account = Some("210987654321".to_owned());
    let settings = input.validate().expect("valid");
    let caller = AwsAccountId::new("123456789012").expect("valid");
    let refused = settings.for_caller(&caller, &Partition::new("aws").expect("valid"));
    assert!(matches!(refused, Err(Error::WrongAccount { .. })));
}

#[test]
fn the_account_is_known_from_the_role_that_is_assumed() {
    let mut input = input();
    assert_eq!(input.validate().expect("valid").account(), None);
    input.assume_role = Some("arn:aws-cn:iam::210987654321:role/x".into());
    let settings = input.validate().expect("valid");
    let (account, partition) = settings.account().expect("known");
    assert_eq!(account.as_str(), "210987654321");
    assert_eq!(partition.map(Partition::as_str), Some("aws-cn"));
}
