//! The IAM permissions that a job needs to run this program, and no more.
//!
//! Pure: a cluster in, a policy document out. Reads cannot be limited further than AWS allows: the
//! lists and the summary take no resource. Writes are limited to role names with our prefix and
//! path, and beyond that by tags: what exists must carry ours, what is made must get them. See
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::cluster::Cluster;
use crate::model::tags;
use crate::plan::Mode;

/// Which job the policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// One that only plans.
    Plan,
    /// One that applies in a mode.
    Apply(Mode),
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
    sid: &'static str,
    effect: &'static str,
    action: Vec<&'static str>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<String, Vec<String>>>,
}

/// The policy for a job on one cluster.
pub fn policy(cluster: &Cluster, job: Job) -> Policy {
    let Cluster {
        partition,
        account,
        path,
        prefix,
        ..
    } = cluster;
    let prefix = match prefix.as_str() {
        "" => String::new(),
        prefix => format!("{prefix}_"),
    };
    let roles = vec![format!(
        "arn:{partition}:iam::{account}:role{path}{prefix}*"
    )];
    let providers = cluster
        .issuers
        .iter()
        .map(|issuer| cluster.oidc_provider(issuer).to_string());
    let mut statement = vec![
        allow(
            "ReadAccount",
            &["iam:ListRoles", "iam:GetAccountSummary"],
            vec!["*".to_owned()],
        ),
        allow(
            "ReadRoles",
            &[
                "iam:GetRole",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:ListInstanceProfilesForRole",
            ],
            roles.clone(),
        ),
        allow(
            "ReadOidcProviders",
            &["iam:GetOpenIDConnectProvider"],
            providers.collect(),
        ),
    ];
    if let Job::Apply(mode) = job {
        statement.extend(writes(cluster, &roles, mode));
    }
    Policy {
        version: "2012-10-17",
        statement,
    }
}

fn writes(cluster: &Cluster, roles: &[String], mode: Mode) -> Vec<Statement> {
    let managed_by = (tags::MANAGED_BY, cluster.managed_by.to_string());
    let ours = [managed_by, (tags::CLUSTER, cluster.name.to_string())];
    let tagged = |kind: &str| -> BTreeMap<String, Vec<String>> {
        let entry =
            |(key, value): &(&str, String)| (format!("aws:{kind}/{key}"), vec![value.clone()]);
        ours.iter().map(entry).collect()
    };
    let owned = || ("StringEquals", tagged("ResourceTag"));
    let mut create = allow("CreateRoles", &["iam:CreateRole"], roles.to_vec());
    let mut given = tagged("RequestTag");
    if let Some(boundary) = &cluster.permissions_boundary {
        given.insert("iam:PermissionsBoundary".to_owned(), vec![boundary.clone()]);
    }
    create.condition.insert("StringEquals", given);
    // CreateRole asks for TagRole, too, while the role has no tags that could be looked at.
    let mut tag_new = allow("TagNewRoles", &["iam:TagRole"], roles.to_vec());
    tag_new
        .condition
        .insert("StringEquals", tagged("RequestTag"));
    let unset = ours
        .iter()
        .map(|(key, _)| (format!("aws:ResourceTag/{key}"), vec!["true".to_owned()]));
    tag_new.condition.insert("Null", unset.collect());
    let mut all = vec![create, tag_new];
    if mode == Mode::CreateOnly {
        return all;
    }
    let mut change = allow(
        "ChangeOwnedRoles",
        &["iam:UpdateAssumeRolePolicy", "iam:UpdateRole"],
        roles.to_vec(),
    );
    change.condition.extend([owned()]);
    let mut tag = allow("TagOwnedRoles", &["iam:TagRole"], roles.to_vec());
    // Tags that say whose a role is can be written again, but not to another value.
    tag.condition
        .extend([owned(), ("StringEqualsIfExists", tagged("RequestTag"))]);
    let mut untag = allow("EndQuarantine", &["iam:UntagRole"], roles.to_vec());
    let keys = [tags::QUARANTINED_AT, tags::QUARANTINED_BY]
        .map(str::to_owned)
        .to_vec();
    let keys = BTreeMap::from([("aws:TagKeys".to_owned(), keys)]);
    untag
        .condition
        .extend([owned(), ("ForAllValues:StringEquals", keys)]);
    all.extend([change, tag, untag]);
    if mode == Mode::Sync {
        let mut delete = allow("DeleteOwnedRoles", &["iam:DeleteRole"], roles.to_vec());
        delete.condition.extend([owned()]);
        all.push(delete);
    }
    all
}

fn allow(sid: &'static str, action: &[&'static str], resource: Vec<String>) -> Statement {
    Statement {
        sid,
        effect: "Allow",
        action: action.to_vec(),
        resource,
        condition: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::arn::{AwsAccountId, Partition};
    use crate::model::cluster::{ClusterName, Issuer, RolePrefix};
    use crate::model::role::RolePath;
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
        }
    }

    fn actions(job: Job) -> Vec<&'static str> {
        policy(&cluster(), job)
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
        assert!(!actions(Job::Apply(Mode::UpsertOnly)).contains(&"iam:DeleteRole"));
        assert!(actions(Job::Apply(Mode::Sync)).contains(&"iam:DeleteRole"));
    }

    #[test]
    fn every_write_is_limited_by_name_and_by_tags() {
        for statement in policy(&cluster(), Job::Apply(Mode::Sync)).statement {
            if statement.sid.starts_with("Read") {
                continue;
            }
            assert_eq!(
                statement.resource,
                ["arn:aws-cn:iam::123456789012:role/k8s-sa_*"],
                "{}",
                statement.sid
            );
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
}
