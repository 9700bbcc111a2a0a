//! IAM's rules, one by one.

use super::*;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.example.com"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#;

fn state() -> State {
    serde_json::from_str(r#"{"account":"123456789012","quotas":{"roles":3}}"#).expect("a state")
}

fn new(name: &str) -> CreateRole {
    CreateRole {
        name: name.to_owned(),
        trust_policy: TRUST.to_owned(),
        ..CreateRole::default()
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|refused| refused.kind)
}

#[test]
fn what_iam_refuses_is_refused() {
    let create = |change: &dyn Fn(&mut CreateRole)| {
        let mut role = new("a");
        change(&mut role);
        kind(state().create_role(role))
    };
    assert_eq!(create(&|_| {}), None);
    let malformed = Some(Kind::MalformedPolicyDocument);
    let invalid = Some(Kind::InvalidInput);
    assert_eq!(create(&|r| r.name = "a b".into()), invalid);
    assert_eq!(create(&|r| r.name = "a".repeat(65)), invalid);
    assert_eq!(create(&|r| r.path = Some("x".into())), invalid);
    assert_eq!(create(&|r| r.max_session_duration = Some(60)), invalid);
    assert_eq!(
        create(&|r| r.permissions_boundary = Some("x".into())),
        invalid
    );
    assert_eq!(create(&|r| r.tags = vec![tag("aws:x", "y")]), invalid);
    assert_eq!(create(&|r| r.tags = vec![tag("x", "a*b")]), invalid);
    assert_eq!(
        create(&|r| r.tags = vec![tag("x", "1"), tag("X", "2")]),
        invalid
    );
    let many = (0..51)
        .map(|n| tag(&format!("k{n}"), "v"))
        .collect::<Vec<_>>();
    assert_eq!(
        create(&|r| r.tags.clone_from(&many)),
        Some(Kind::LimitExceeded)
    );
    assert_eq!(
        create(&|r| r.trust_policy = format!("{TRUST}\u{4e2d}")),
        invalid
    );
    for broken in [
        "{",
        "[]",
        r#"{"Version":"2012-10-17"}"#,
        r#"{"Version":"1999-01-01","Statement":[]}"#,
        r#"{"Version":"2012-10-17","Statement":[]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"x","Action":"sts:AssumeRole"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"allow","Principal":"*","Action":"sts:AssumeRole"}]}"#,
    ] {
        assert_eq!(
            create(&|r| r.trust_policy = broken.into()),
            malformed,
            "{broken}"
        );
    }
    let long = TRUST.replace("oidc.example.com", &"o".repeat(2000));
    assert_eq!(
        create(&|r| r.trust_policy.clone_from(&long)),
        Some(Kind::LimitExceeded)
    );
}

#[test]
fn a42_a_role_has_room_for_fifty_tags_and_those_of_aws_do_not_count() {
    let mut state = state();
    let mut role = new("full");
    role.tags = (0..50).map(|n| tag(&format!("k{n}"), "v")).collect();
    state.create_role(role).expect("fifty");
    let theirs = tag("aws:cloudformation:stack-name", "apps");
    state.roles[0].tags.push(theirs);
    let full = Some(Kind::LimitExceeded);
    assert_eq!(kind(state.tag_role("full", &[tag("new", "v")])), full);
    let known = [tag("K7", "other")];
    state.tag_role("full", &known).expect("it is there already");
    state.untag_role("full", &["k1".to_owned()]).expect("gone");
    let new = [tag("new", "v")];
    state.tag_role("full", &new).expect("there is room");
}

#[test]
fn names_are_unique_without_regard_to_case() {
    let mut state = state();
    state.create_role(new("Ab")).expect("the first");
    assert_eq!(
        kind(state.create_role(new("aB"))),
        Some(Kind::EntityAlreadyExists)
    );
    assert_eq!(state.role("AB").map(|role| role.name.as_str()), Ok("Ab"));
    assert_eq!(kind(state.role("other").cloned()), Some(Kind::NoSuchEntity));
}

#[test]
fn the_quota_of_roles_holds() {
    let mut state = state();
    for name in ["a", "b", "c"] {
        state.create_role(new(name)).expect("below the quota");
    }
    assert_eq!(kind(state.create_role(new("d"))), Some(Kind::LimitExceeded));
}

#[test]
fn pages_follow_each_other_and_bad_markers_are_refused() {
    let mut state = state();
    for name in ["c", "a", "b"] {
        state.create_role(new(name)).expect("below the quota");
    }
    let (page, marker) = state.list_roles(None, 2).expect("a page");
    assert_eq!(
        page.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    let (page, end) = state.list_roles(marker.as_deref(), 2).expect("a page");
    assert_eq!(
        page.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(),
        ["c"]
    );
    assert_eq!(end, None);
    assert!(state.list_roles(Some("nonsense"), 2).is_err());
}

#[test]
fn a_role_that_something_is_attached_to_stays() {
    let mut state = state();
    for (name, attach) in [
        (
            "a",
            (|r| r.attached_policies.push("p".into())) as fn(&mut Role),
        ),
        ("b", |r| r.inline_policies.push("p".into())),
        ("c", |r| r.instance_profiles.push("p".into())),
    ] {
        state.create_role(new(name)).expect("a role");
        state
            .roles
            .iter_mut()
            .filter(|r| r.name == name)
            .for_each(attach);
        assert_eq!(
            kind(state.delete_role(name)),
            Some(Kind::DeleteConflict),
            "{name}"
        );
    }
    state.roles[0].attached_policies.clear();
    assert_eq!(kind(state.delete_role("a")), None);
    assert_eq!(kind(state.delete_role("a")), Some(Kind::NoSuchEntity));
}

#[test]
fn a_role_made_again_is_another_role() {
    let mut state = state();
    let first = state.create_role(new("a")).expect("a role").id;
    state.delete_role("a").expect("deleted");
    assert_ne!(state.create_role(new("a")).expect("a role").id, first);
}

#[test]
fn tag_keys_ignore_case_when_tags_are_changed() {
    let mut state = state();
    state
        .create_role(CreateRole {
            tags: vec![tag("Team", "a")],
            ..new("a")
        })
        .expect("a role");
    state.tag_role("a", &[tag("team", "b")]).expect("tagged");
    assert_eq!(state.role("a").expect("there").tags, [tag("team", "b")]);
    state
        .untag_role("a", &["TEAM".to_owned(), "none".to_owned()])
        .expect("untagged");
    assert_eq!(state.role("a").expect("there").tags, []);
}

#[test]
fn roles_of_aws_services_cannot_be_changed() {
    let mut state = state();
    let path = Some("/aws-service-role/x/".to_owned());
    state
        .create_role(CreateRole { path, ..new("a") })
        .expect("a role");
    assert_eq!(
        kind(state.update_trust_policy("a", TRUST)),
        Some(Kind::UnmodifiableEntity)
    );
}
