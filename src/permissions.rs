//! The IAM permissions that a job needs to run this program, and no more.
//!
//! Pure: clusters in, one policy document out. Reads cannot be limited further than AWS allows: the
//! lists and the summary take no resource, and a role whose name is ours lies under whatever path
//! somebody made it. Writes are limited to role names with our prefix under our path, and beyond
//! that by tags: what exists must carry ours, what is made must get them. See
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>.
//!
//! Left out is `iam:GetAccountAuthorizationDetails`, which `--full` uses where it may: it shows every
//! user and policy of the account, and roles can be read one by one.
//!
//! What IAM cannot tell apart: it asks for `iam:TagRole` when CreateRole comes with tags, and there
//! is nothing in that request that a TagRole call on an untagged role would not have, as IAM has no
//! counterpart of `ec2:CreateAction`. So whoever has the job's credentials can tag as ours an
//! existing role that has our prefix and path and neither ownership tag, and then change it.
//! Whoever keeps the prefix for this program's roles has none such.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::cluster::Cluster;
use crate::model::tags;
use crate::plan::{Mode, lock, record};

/// Which job the policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// One that only plans.
    Plan,
    /// One that applies in a mode.
    Apply(Mode),
    /// A person or job that takes existing roles over.
    Adopt,
    /// A person or job that retires roles by their names.
    Retire,
}

/// A permissions policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: &'static str,
    action: Vec<&'static str>,
    resource: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<String, BTreeSet<String>>>,
}

/// The policy for a job on some clusters: one document, whatever their number.
pub fn policy<'a>(clusters: impl IntoIterator<Item = &'a Cluster>, job: Job) -> Policy {
    let mut merged: Vec<Statement> = Vec::new();
    for statement in clusters
        .into_iter()
        .flat_map(|cluster| statements(cluster, job))
    {
        let same = |other: &&mut Statement| {
            other.action == statement.action && other.condition == statement.condition
        };
        match merged.iter_mut().find(same) {
            Some(other) => other.resource.extend(statement.resource),
            None => merged.push(statement),
        }
    }
    // A document must not have one Sid twice.
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for statement in &mut merged {
        let count = seen.entry(statement.sid.clone()).or_default();
        *count += 1;
        if *count > 1 {
            statement.sid.push_str(&count.to_string());
        }
    }
    Policy {
        version: "2012-10-17",
        statement: merged,
    }
}

fn statements(cluster: &Cluster, job: Job) -> Vec<Statement> {
    let Cluster {
        partition,
        account,
        path,
        ..
    } = cluster;
    let names = match cluster.prefix.as_str() {
        // Every name that could be NAMESPACE_NAME.
        "" => "*_*".to_owned(),
        prefix => format!("{prefix}_*"),
    };
    let anywhere = match cluster.prefix.as_str() {
        "" => names.clone(),
        _ => format!("*{names}"),
    };
    let ours = format!("arn:{partition}:iam::{account}:role{path}{names}");
    let mut anybodys = vec![anywhere];
    // With a prefix the names of the record and the locks are of ours; without one they are not.
    if cluster.prefix.as_str().is_empty() {
        let record = record::name(cluster);
        anybodys.extend([format!("*{record}"), format!("*{}", lock::names(cluster))]);
    }
    let anybodys = anybodys.into_iter();
    let anybodys = anybodys.map(|name| format!("arn:{partition}:iam::{account}:role/{name}"));
    let providers = cluster.issuers.iter();
    let providers = providers.map(|issuer| cluster.oidc_provider(issuer).to_string());
    let reads = [
        allow(
            "ReadAccount",
            &["iam:ListRoles", "iam:GetAccountSummary"],
            ["*".to_owned()],
        ),
        allow(
            "ReadRoles",
            &[
                "iam:GetRole",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:ListInstanceProfilesForRole",
            ],
            anybodys,
        ),
        allow(
            "ReadOidcProviders",
            &["iam:GetOpenIDConnectProvider"],
            providers,
        ),
    ];
    let writes = match job {
        Job::Plan => vec![],
        Job::Apply(mode) => writes(cluster, &ours, mode),
        // To whatever it is tagged now: the proof is in its trust policy, which IAM does not read.
        Job::Adopt => {
            let locks = [locks(cluster)];
            let both = [ours, locks[0].clone()];
            let adopt = allow("AdoptRoles", &["iam:TagRole"], both)
                .given("StringEquals", tagged(cluster, "RequestTag"));
            vec![
                adopt,
                create(cluster, "TakeLock", locks.clone()),
                allow("RenewLock", &["iam:TagRole"], locks)
                    .given("StringEquals", tagged(cluster, "ResourceTag"))
                    .given("StringEqualsIfExists", tagged(cluster, "RequestTag")),
                give_back(cluster),
            ]
        }
        Job::Retire => {
            let locks = [locks(cluster)];
            let both = [ours.clone(), locks[0].clone()];
            vec![
                allow("TagOwnedRoles", &["iam:TagRole"], both)
                    .given("StringEquals", tagged(cluster, "ResourceTag"))
                    .given("StringEqualsIfExists", tagged(cluster, "RequestTag")),
                allow("ChangeOwnedRoles", &["iam:UpdateAssumeRolePolicy"], [ours])
                    .given("StringEquals", tagged(cluster, "ResourceTag")),
                create(cluster, "TakeLock", locks.clone()),
                tag_new(cluster, "TagNewLock", locks),
                give_back(cluster),
            ]
        }
    };
    reads.into_iter().chain(writes).collect()
}

/// The locks of a cluster, as a resource.
fn locks(cluster: &Cluster) -> String {
    let Cluster {
        partition,
        account,
        path,
        ..
    } = cluster;
    let names = lock::names(cluster);
    format!("arn:{partition}:iam::{account}:role{path}{names}")
}

/// Making roles that come with our tags and boundary.
fn create(cluster: &Cluster, sid: &str, resource: impl IntoIterator<Item = String>) -> Statement {
    let mut made = tagged(cluster, "RequestTag");
    if let Some(boundary) = &cluster.permissions_boundary {
        made.insert("iam:PermissionsBoundary".to_owned(), only(boundary));
    }
    allow(sid, &["iam:CreateRole"], resource).given("StringEquals", made)
}

/// CreateRole asks for TagRole, too, while the role has no tags that could be looked at.
fn tag_new(cluster: &Cluster, sid: &str, resource: impl IntoIterator<Item = String>) -> Statement {
    let unset = tagged(cluster, "ResourceTag").into_keys();
    let unset = unset.map(|key| (key, only("true"))).collect();
    allow(sid, &["iam:TagRole"], resource)
        .given("StringEquals", tagged(cluster, "RequestTag"))
        .given("Null", unset)
}

/// Giving a lock back.
fn give_back(cluster: &Cluster) -> Statement {
    allow("GiveLockBack", &["iam:DeleteRole"], [locks(cluster)])
        .given("StringEquals", tagged(cluster, "ResourceTag"))
}

fn writes(cluster: &Cluster, roles: &str, mode: Mode) -> Vec<Statement> {
    let record = cluster.role_arn(&record::name(cluster)).to_string();
    let own = [record.clone(), locks(cluster)];
    let roles_and_own = || match cluster.prefix.as_str() {
        "" => [vec![roles.to_owned()], own.to_vec()].concat(),
        _ => vec![roles.to_owned()],
    };
    let roles = || [roles.to_owned()];
    let requested = || tagged(cluster, "RequestTag");
    let carried = || tagged(cluster, "ResourceTag");
    let entries = BTreeSet::from([format!("{}*", record::APPLIED)]);
    let mut all = vec![
        // Tags that say whose a role is can be written again, but not to another value. What was
        // applied last is written to the record before anything else is written.
        match mode {
            Mode::CreateOnly => allow("WriteRecord", &["iam:TagRole"], own.clone()),
            _ => allow("TagOwnedRoles", &["iam:TagRole"], roles_and_own()),
        }
        .given("StringEquals", carried())
        .given("StringEqualsIfExists", requested()),
        allow("MergeRecord", &["iam:UntagRole"], [record.clone()])
            .given("StringEquals", carried())
            .given(
                "ForAllValues:StringLike",
                BTreeMap::from([("aws:TagKeys".to_owned(), entries)]),
            )
            .given(
                "Null",
                BTreeMap::from([("aws:TagKeys".to_owned(), only("false"))]),
            ),
        create(cluster, "CreateRoles", roles_and_own()),
        tag_new(cluster, "TagNewRoles", roles_and_own()),
        match (mode, cluster.prefix.as_str()) {
            // Locks are among them.
            (Mode::Sync, prefix) if !prefix.is_empty() => {
                allow("DeleteOwnedRoles", &["iam:DeleteRole"], roles())
                    .given("StringEquals", carried())
            }
            _ => give_back(cluster),
        },
    ];
    if mode == Mode::CreateOnly {
        return all;
    }
    let change: &[&'static str] = match cluster.max_session_duration {
        None => &["iam:UpdateAssumeRolePolicy"],
        Some(_) => &["iam:UpdateAssumeRolePolicy", "iam:UpdateRole"],
    };
    let quarantine = [tags::QUARANTINED_AT, tags::QUARANTINED_BY].map(str::to_owned);
    let keys = "aws:TagKeys".to_owned();
    all.extend([
        allow("ChangeOwnedRoles", change, roles()).given("StringEquals", carried()),
        // ForAllValues lets no keys at all pass.
        allow("EndQuarantine", &["iam:UntagRole"], roles())
            .given("StringEquals", carried())
            .given(
                "ForAllValues:StringEquals",
                BTreeMap::from([(keys.clone(), BTreeSet::from(quarantine))]),
            )
            .given("Null", BTreeMap::from([(keys, only("false"))])),
    ]);
    all
}

/// The tags that make a role this cluster's, as the keys of a condition on a request or a role.
fn tagged(cluster: &Cluster, kind: &str) -> BTreeMap<String, BTreeSet<String>> {
    let tag = |key: &str, value: &str| (format!("aws:{kind}/{key}"), only(value));
    BTreeMap::from([
        tag(tags::MANAGED_BY, cluster.managed_by.as_str()),
        tag(tags::CLUSTER, cluster.name.as_str()),
    ])
}

fn only(value: &str) -> BTreeSet<String> {
    BTreeSet::from([value.to_owned()])
}

fn allow(
    sid: &str,
    action: &[&'static str],
    resource: impl IntoIterator<Item = String>,
) -> Statement {
    Statement {
        sid: sid.to_owned(),
        effect: "Allow",
        action: action.to_vec(),
        resource: resource.into_iter().collect(),
        condition: BTreeMap::new(),
    }
}

impl Statement {
    fn given(mut self, operator: &'static str, keys: BTreeMap<String, BTreeSet<String>>) -> Self {
        self.condition.insert(operator, keys);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::arn::{AwsAccountId, Partition};
    use crate::model::cluster::{ClusterName, Issuer, RolePrefix};
    use crate::model::role::{RolePath, SessionDuration};
    use crate::model::tags::TagValue;

    fn cluster() -> Cluster {
        Cluster {
            name: ClusterName::new("prod").expect("valid"),
            prefix: RolePrefix::default(),
            path: RolePath::default(),
            partition: Partition::new("aws-cn").expect("valid"),
            account: AwsAccountId::new("123456789012").expect("valid"),
            issuers: vec![Issuer::new("oidc.example.com").expect("valid")],
            audience: None,
            permissions_boundary: Some("arn:aws-cn:iam::123456789012:policy/limit".to_owned()),
            max_session_duration: None,
            managed_by: TagValue::new("m").expect("valid"),
            tags: vec![],
            pod_identity: crate::model::cluster::PodIdentity::Keep,
            conventions: Default::default(),
        }
    }

    fn actions(job: Job) -> Vec<&'static str> {
        policy([&cluster()], job)
            .statement
            .into_iter()
            .flat_map(|s| s.action)
            .collect()
    }

    #[test]
    fn a_job_that_plans_may_change_nothing() {
        for action in actions(Job::Plan) {
            let (_, verb) = action.split_once(':').expect("SERVICE:ACTION");
            assert!(
                verb.starts_with("Get") || verb.starts_with("List"),
                "{action}"
            );
        }
    }

    #[test]
    fn only_sync_may_delete_and_only_create_only_may_not_change() {
        assert!(!actions(Job::Apply(Mode::CreateOnly)).contains(&"iam:UpdateAssumeRolePolicy"));
        // Of locks every job that writes may delete its own.
        let deletes = |job| {
            let statements = policy([&cluster()], job).statement.into_iter();
            let deletes = statements.filter(|s| s.action.contains(&"iam:DeleteRole"));
            deletes.flat_map(|s| s.resource).collect::<Vec<_>>()
        };
        let (ours, locks) = ("k8s-sa_*", "k8s-sa_=prod=*");
        let of = |name: &str| format!("arn:aws-cn:iam::123456789012:role/{name}");
        assert_eq!(deletes(Job::Apply(Mode::UpsertOnly)), [of(locks)]);
        assert_eq!(deletes(Job::Adopt), [of(locks)]);
        assert_eq!(deletes(Job::Apply(Mode::Sync)), [of(ours)]);
    }

    #[test]
    fn c11_every_write_is_limited_by_name_and_by_tags() {
        for statement in policy([&cluster()], Job::Apply(Mode::Sync)).statement {
            if statement.sid.starts_with("Read") {
                continue;
            }
            let resources: Vec<&String> = statement.resource.iter().collect();
            let names = match statement.sid.as_str() {
                "MergeRecord" => "=prod",
                "GiveLockBack" => "=prod=*",
                _ => "*",
            };
            let expected = format!("arn:aws-cn:iam::123456789012:role/k8s-sa_{names}");
            assert_eq!(resources, [&expected], "{}", statement.sid);
            let keys: Vec<&String> = statement.condition["StringEquals"].keys().collect();
            for tag in [tags::MANAGED_BY, tags::CLUSTER] {
                assert!(
                    keys.iter().any(|key| key.ends_with(tag)),
                    "{}",
                    statement.sid
                );
            }
        }
    }

    #[test]
    fn several_clusters_are_one_document_with_a_sid_only_once() {
        let other = Cluster {
            name: ClusterName::new("other").expect("valid"),
            prefix: RolePrefix::new("").expect("valid"),
            path: RolePath::new("/a/").expect("valid"),
            ..cluster()
        };
        let policy = policy([&cluster(), &other], Job::Apply(Mode::Sync));
        let sids: BTreeSet<&String> = policy.statement.iter().map(|s| &s.sid).collect();
        assert_eq!(sids.len(), policy.statement.len(), "{sids:?}");
        let of = |sid: &str| {
            let statement = policy.statement.iter().find(|s| s.sid == sid);
            statement.map(|s| s.resource.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert_eq!(of("ReadAccount"), Some(vec!["*"]));
        assert_eq!(of("ReadAccount2"), None);
        assert_eq!(
            of("ReadRoles"),
            Some(vec![
                "arn:aws-cn:iam::123456789012:role/*=other",
                "arn:aws-cn:iam::123456789012:role/*=other=*",
                "arn:aws-cn:iam::123456789012:role/*_*",
                "arn:aws-cn:iam::123456789012:role/*k8s-sa_*",
            ])
        );
        assert_eq!(
            of("CreateRoles2"),
            Some(vec![
                "arn:aws-cn:iam::123456789012:role/a/*_*",
                "arn:aws-cn:iam::123456789012:role/a/=other",
                "arn:aws-cn:iam::123456789012:role/a/=other=*",
            ])
        );
    }

    #[test]
    fn update_role_is_for_session_durations_only() {
        let job = Job::Apply(Mode::Sync);
        assert!(!actions(job).contains(&"iam:UpdateRole"));
        let timed = Cluster {
            max_session_duration: SessionDuration::from_seconds(7200).ok(),
            ..cluster()
        };
        let mut statements = policy([&timed], job).statement.into_iter();
        assert!(statements.any(|s| s.action.contains(&"iam:UpdateRole")));
    }
}
