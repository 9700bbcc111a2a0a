//! The decision table, row by row.

use super::*;
use jiff::SignedDuration;

use crate::desired::{Declared, Managed, Resolved, Verdict, desired_role, role_name};
use crate::diagnostic::Code;
use crate::model::arn::{AwsAccountId, Partition};
use crate::model::cluster::{Audience, Cluster, ClusterName, Issuer, RolePrefix};
use crate::model::history::Ancestry;
use crate::model::last_use::LastUse;
use crate::model::role::{CurrentRole, ListedRole, RoleId, RoleName, RolePath, SessionDuration};
use crate::model::tags::{self, TagKey, TagValue, Tags};
use crate::model::trust_policy::TrustDocument;

mod ownership;

const THEN: &str = "1111111111111111111111111111111111111111";
const NOW: &str = "2222222222222222222222222222222222222222";

fn cluster() -> Cluster {
    Cluster {
        name: ClusterName::new("prod").expect("valid"),
        prefix: RolePrefix::default(),
        path: RolePath::default(),
        partition: Partition::new("aws").expect("valid"),
        account: AwsAccountId::new("123456789012").expect("valid"),
        issuers: vec![Issuer::new("oidc.example.com/id/1").expect("valid")],
        audience: Some(Audience::default()),
        permissions_boundary: None,
        max_session_duration: None,
        managed_by: TagValue::new("iam-service-account-controller").expect("valid"),
        pod_identity: crate::model::cluster::PodIdentity::Keep,
        tags: vec![(
            TagKey::new("team").expect("valid"),
            TagValue::new("a").expect("valid"),
        )],
        conventions: Default::default(),
    }
}

fn run() -> Run {
    Run {
        repository: "github.com/acme/apps".to_owned(),
        paths: vec![],
        commit: CommitId::new(NOW).ok(),
        source: None,
        mode: Mode::UpsertOnly,
        depth: Depth::Listing,
        prune: Prune {
            after: SignedDuration::from_hours(7 * 24),
            now: "2026-11-24T12:00:00Z".parse().expect("valid"),
        },
        rewrite: Rewrite::Refused,
    }
}

/// A history in which everything came before.
fn history(roles: &[CurrentRole]) -> History {
    let tags = [tags::LAST_COMMIT, tags::QUARANTINED_BY];
    let commits = roles
        .iter()
        .flat_map(|role| tags.map(|key| role.commit(key)));
    History {
        ancestry: commits
            .flatten()
            .map(|commit| (commit, Ancestry::Ancestor))
            .collect(),
        absences: BTreeMap::new(),
        ..History::default()
    }
}

fn pair(text: &str) -> ServiceAccountRef {
    ServiceAccountRef::parse(text).expect("valid")
}

fn resolved(declared: &[(&str, Verdict)]) -> Resolved {
    let one = |(text, verdict): &(&str, Verdict)| {
        let service_account = pair(text);
        let role = role_name::label(&cluster().naming(), &service_account);
        let location = Location {
            path: "a.yaml".into(),
            line: 1,
            column: 1,
        };
        (
            service_account,
            Declared {
                role,
                location,
                role_arn: None,
                own_audience: None,
                verdict: verdict.clone(),
            },
        )
    };
    Resolved {
        declared: declared.iter().map(one).collect(),
        ..Resolved::default()
    }
}

fn managed(text: &str) -> (&str, Verdict) {
    let role = role_name::of(&cluster().naming(), &pair(text)).expect("short");
    (
        text,
        Verdict::Managed(Managed {
            role,
            audience: None,
        }),
    )
}

/// The role of a ServiceAccount exactly as a run at an earlier commit left it.
fn role(text: &str) -> CurrentRole {
    let (_, Verdict::Managed(managed)) = managed(text) else {
        unreachable!("`managed` returns a managed role");
    };
    let location = Location {
        path: "a.yaml".into(),
        line: 1,
        column: 1,
    };
    let desired = desired_role(
        &pair(text),
        &managed,
        &location,
        &cluster(),
        "github.com/acme/apps",
    );
    let mut tags = desired.tags.clone();
    tags.set(tags::COMMIT, THEN);
    tags.set(tags::LAST_COMMIT, THEN);
    CurrentRole {
        listed: ListedRole {
            name: desired.arn.name.clone(),
            id: RoleId::new("AROA1"),
            path: desired.arn.path.clone(),
            trust_policy: desired.trust_policy.clone(),
            max_session_seconds: Some(3600),
        },
        tags,
        permissions_boundary: None,
        created: None,
        last_use: LastUse::Unknown,
    }
}

fn with_trust(mut role: CurrentRole, document: &str) -> CurrentRole {
    role.listed.trust_policy = TrustDocument::new(document);
    role
}

fn with_tag(mut role: CurrentRole, key: &str, value: &str) -> CurrentRole {
    role.tags.set(key, value);
    role
}

/// Answers what the planner needs from roles that are there, until it can decide.
fn facts_over(resolved: &Resolved, roles: &[CurrentRole], cluster: &Cluster, run: &Run) -> Facts {
    let (resolved, cluster) = (resolved.clone(), cluster.clone());
    let mut facts = Facts::new(resolved, cluster, run.clone(), guard::Allowed::default());
    while let Some(need) = facts.missing() {
        facts.add(match need {
            Need::Listing => {
                Answer::Listing(roles.iter().map(|role| role.listed.clone()).collect())
            }
            Need::Roles(names) => {
                let role = |name: &RoleName| roles.iter().find(|role| role.listed.name == *name);
                let full = names.iter().map(|name| (name.clone(), role(name).cloned()));
                Answer::Roles(full.collect())
            }
            Need::History(_) => Answer::History(history(roles)),
            Need::Principals(_) => Answer::Roles(vec![]),
            Need::Existing(_) => Answer::Existing(vec![]),
            Need::Attachments(_) => Answer::Attachments(vec![]),
            Need::Provider(arn) => {
                Answer::Provider(arn, Provider::Accepts(vec!["sts.amazonaws.com".to_owned()]))
            }
            Need::Quotas => Answer::Quotas(None),
        });
    }
    facts
}

fn plan_over(resolved: &Resolved, roles: &[CurrentRole], cluster: &Cluster, run: &Run) -> Plan {
    facts_over(resolved, roles, cluster, run).plan().clone()
}

/// What is known once the account was listed, and nothing else.
fn listed(resolved: &Resolved, roles: &[CurrentRole]) -> Facts {
    let resolved = resolved.clone();
    let mut facts = Facts::new(resolved, cluster(), run(), guard::Allowed::default());
    facts.add(Answer::Listing(
        roles.iter().map(|role| role.listed.clone()).collect(),
    ));
    facts
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Create(_) => "create",
        Action::Update(_) => "update",
        Action::InSync => "in-sync",
        Action::Restore(_) => "restore",
        Action::Quarantine(_) => "quarantine",
        Action::Delete(_) => "delete",
        Action::Orphan => "orphan",
        Action::Held => "held",
    }
}

fn words(plan: &Plan) -> Vec<(&str, &str)> {
    plan.changes
        .values()
        .map(|c| (c.role.as_str(), word(&c.action)))
        .collect()
}

const FOO: &str = "k8s-sa_bar_foo";
const OPEN: &str = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"sts:AssumeRole"}]}"#;

#[test]
fn the_decision_table() {
    let held = (
        "bar/foo",
        Verdict::Held {
            reason: "bad".to_owned(),
        },
    );
    let drifted = with_trust(role("bar/foo"), OPEN);
    let foreign = with_tag(drifted.clone(), tags::CLUSTER, "other");
    let upper = {
        let mut role = drifted.clone();
        role.listed.name = RoleName::new("K8S-sa_bar_foo").expect("valid");
        role
    };
    type Case = (
        &'static str,
        Resolved,
        Vec<CurrentRole>,
        Vec<(&'static str, &'static str)>,
    );
    let cases: Vec<Case> = vec![
        (
            "absent",
            resolved(&[managed("bar/foo")]),
            vec![],
            vec![(FOO, "create")],
        ),
        (
            "equal",
            resolved(&[managed("bar/foo")]),
            vec![role("bar/foo")],
            vec![(FOO, "in-sync")],
        ),
        (
            "drifted",
            resolved(&[managed("bar/foo")]),
            vec![drifted.clone()],
            vec![(FOO, "update")],
        ),
        (
            "foreign",
            resolved(&[managed("bar/foo")]),
            vec![foreign.clone()],
            vec![(FOO, "held")],
        ),
        (
            "other case",
            resolved(&[managed("bar/foo")]),
            vec![upper],
            vec![(FOO, "held")],
        ),
        (
            "held",
            resolved(&[held]),
            vec![drifted],
            vec![(FOO, "held")],
        ),
        (
            "unmanaged",
            resolved(&[("bar/foo", Verdict::Unmanaged)]),
            vec![role("bar/foo")],
            vec![(FOO, "orphan")],
        ),
        (
            "unmanaged, absent",
            resolved(&[("bar/foo", Verdict::Unmanaged)]),
            vec![],
            vec![],
        ),
        (
            "undeclared",
            resolved(&[]),
            vec![role("bar/foo")],
            vec![(FOO, "orphan")],
        ),
        ("undeclared, foreign", resolved(&[]), vec![foreign], vec![]),
    ];
    for (name, resolved, roles, expected) in cases {
        let plan = plan_over(&resolved, &roles, &cluster(), &run());
        assert_eq!(words(&plan), expected, "{name}");
    }
}

#[test]
fn a_new_role_has_every_tag_of_the_design() {
    let plan = plan_over(&resolved(&[managed("bar/foo")]), &[], &cluster(), &run());
    let Some(Action::Create(new)) = plan.changes.values().next().map(|c| &c.action) else {
        panic!("a role to be made: {plan:?}");
    };
    let tags: Vec<_> = new.tags.iter().collect();
    assert_eq!(
        tags,
        [
            (tags::CLUSTER, "prod"),
            (tags::COMMIT, NOW),
            (tags::LAST_COMMIT, NOW),
            (tags::MANAGED_BY, "iam-service-account-controller"),
            (tags::SOURCE, "github.com/acme/apps/a.yaml"),
            (tags::STACK, "bar/foo"),
            ("team", "a"),
        ]
    );
}

#[test]
fn an_update_keeps_the_creating_commit_and_sets_the_last() {
    let drifted = with_trust(role("bar/foo"), OPEN);
    let controllers = {
        let mut role = drifted.clone();
        role.tags.remove(tags::COMMIT);
        role.tags.remove(tags::LAST_COMMIT);
        role
    };
    for (role, commit) in [(drifted, None), (controllers, Some(NOW))] {
        let plan = plan_over(
            &resolved(&[managed("bar/foo")]),
            &[role],
            &cluster(),
            &run(),
        );
        let Some(Action::Update(update)) = plan.changes.values().next().map(|c| &c.action) else {
            panic!("an update: {plan:?}");
        };
        assert_eq!(update.tags.get(tags::COMMIT), commit);
        assert_eq!(update.tags.get(tags::LAST_COMMIT), Some(NOW));
    }
}

#[test]
fn a34_tags_and_boundary_are_compared_only_in_full() {
    let mut configured = cluster();
    configured.permissions_boundary = Some("arn:aws:iam::123456789012:policy/limit".to_owned());
    let drifted = with_tag(role("bar/foo"), "team", "b");
    let resolved = resolved(&[managed("bar/foo")]);
    let shallow = plan_over(
        &resolved,
        std::slice::from_ref(&drifted),
        &configured,
        &run(),
    );
    assert_eq!(words(&shallow), [(FOO, "in-sync")]);
    let full = Run {
        depth: Depth::Full,
        ..run()
    };
    let deep = plan_over(&resolved, &[drifted], &configured, &full);
    assert_eq!(words(&deep), [(FOO, "update")]);
    let codes: Vec<_> = deep.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, [Code::BoundaryDiffers]);
}

#[test]
fn an_unset_session_duration_is_not_a_difference() {
    let resolved = resolved(&[managed("bar/foo")]);
    let mut configured = cluster();
    let roles = [role("bar/foo")];
    assert_eq!(
        words(&plan_over(&resolved, &roles, &configured, &run())),
        [(FOO, "in-sync")]
    );
    configured.max_session_duration = SessionDuration::from_seconds(7200).ok();
    assert_eq!(
        words(&plan_over(&resolved, &roles, &configured, &run())),
        [(FOO, "update")]
    );
}

#[test]
fn create_only_repairs_nothing() {
    let create_only = Run {
        mode: Mode::CreateOnly,
        ..run()
    };
    let roles = [with_trust(role("bar/foo"), OPEN)];
    let resolved = resolved(&[managed("bar/foo"), managed("bar/new")]);
    let plan = plan_over(&resolved, &roles, &cluster(), &create_only);
    assert_eq!(words(&plan), [(FOO, "held"), ("k8s-sa_bar_new", "create")]);
}

#[test]
fn a27_a_role_that_the_listing_shows_and_get_role_does_not_is_absent() {
    let resolved = resolved(&[managed("bar/foo")]);
    let mut facts = listed(&resolved, &[with_trust(role("bar/foo"), OPEN)]);
    let Some(Need::Roles(names)) = facts.missing() else {
        panic!("a role that differs is to be read");
    };
    assert_eq!(names.len(), 1);
    facts.add(Answer::Roles(vec![(names[0].clone(), None)]));
    assert_eq!(words(facts.plan()), [(FOO, "create")]);
}

/// Another run may delete a role while this one asks what is attached to it.
#[test]
fn a27_a_role_that_is_gone_when_it_is_looked_at_is_no_change() {
    let roles = [role("bar/foo"), role("bar/other")];
    let mut facts = facts_over(&resolved(&[]), &roles, &cluster(), &run());
    let name = roles[0].listed.name.clone();
    facts.add(Answer::Attachments(vec![(name, None)]));
    let plan = words(facts.plan());
    assert!(!plan.iter().any(|(name, _)| *name == FOO), "{plan:?}");
    assert_eq!(plan.len(), 1);
}

#[test]
fn an_idle_run_examines_nothing() {
    let names: Vec<String> = (0..50).map(|n| format!("bar/app-{n}")).collect();
    let declared: Vec<_> = names.iter().map(|name| managed(name)).collect();
    let roles: Vec<_> = names.iter().map(|name| role(name)).collect();
    let mut facts = listed(&resolved(&declared), &roles);
    // The provider is looked at, whatever the roles are.
    let Some(Need::Provider(arn)) = facts.missing() else {
        panic!("no role is to be read");
    };
    facts.add(Answer::Provider(arn, Provider::Accepts(vec![])));
    assert_eq!(facts.missing(), None);
}

#[test]
fn the_origin_of_what_is_held_is_told_by_the_facts_and_not_by_the_words() {
    let create_only = Run {
        mode: Mode::CreateOnly,
        ..run()
    };
    let declared = resolved(&[managed("bar/foo")]);
    let other_audience = {
        let mut resolved = declared.clone();
        for declared in resolved.declared.values_mut() {
            if let Verdict::Managed(managed) = &mut declared.verdict {
                managed.audience = Audience::new("other").ok();
            }
        }
        resolved
    };
    let facts = facts_over(
        &declared,
        &[with_trust(role("bar/foo"), OPEN)],
        &cluster(),
        &create_only,
    );
    let plan = facts.plan();
    for (base, origin) in [
        (declared, Origin::PendingOnBase),
        (other_audience, Origin::ThisChange),
    ] {
        let base = facts.plan_for(base);
        let role = RoleLabel::new(FOO);
        let words = |plan: &Plan| plan.changes[&role].reason.to_string();
        assert_eq!(words(plan), words(&base));
        assert_eq!(origins(plan, &base, |_| true)[&role], origin);
    }
}

#[test]
fn p37_a_role_alone_is_planned_as_it_is_among_all() {
    let held = Verdict::Held {
        reason: "wrong".to_owned(),
    };
    let declared = resolved(&[managed("bar/foo"), managed("bar/new"), ("bar/held", held)]);
    let roles = [with_trust(role("bar/foo"), OPEN), role("bar/gone")];
    let facts = facts_over(&declared, &roles, &cluster(), &run());
    let all = &facts.plan().changes;
    assert_eq!(all.len(), 4);
    for (role, change) in all {
        assert_eq!(decide::change(&facts, role.clone()).as_ref(), Some(change));
    }
    let nobodys = RoleLabel::new("k8s-sa_bar_nobody");
    assert_eq!(decide::change(&facts, nobodys), None);
}
