//! The trust policy of a ServiceAccount's role.
//!
//! One statement for each issuer, with exact subject and audience: a wildcard or `StringLike` here
//! would let other ServiceAccounts in. See
//! <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>.

use std::collections::BTreeMap;

use crate::model::cluster::{Audience, Cluster};
use crate::model::service_account::ServiceAccountRef;
use crate::model::trust_policy::{Statement, TrustPolicy};

/// Lets the ServiceAccount, and no other, assume the role; without an audience only the subject
/// is checked, as the controller did.
pub(super) fn trust_policy(
    service_account: &ServiceAccountRef,
    audience: Option<&Audience>,
    cluster: &Cluster,
) -> TrustPolicy {
    let statement = |issuer| {
        let mut equals = BTreeMap::from([(format!("{issuer}:sub"), service_account.subject())]);
        if let Some(audience) = audience {
            equals.insert(format!("{issuer}:aud"), audience.as_str().to_owned());
        }
        Statement::allow_web_identity(cluster.oidc_provider(issuer).to_string(), equals)
    };
    TrustPolicy::new(cluster.issuers.iter().map(statement).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::arn::{AwsAccountId, Partition};
    use crate::model::cluster::{ClusterName, Issuer, RolePrefix};
    use crate::model::role::RolePath;
    use crate::model::tags::TagValue;
    use crate::model::trust_policy::TrustDocument;
    use proptest::prelude::*;

    fn cluster(partition: &str, issuers: &[&str]) -> Cluster {
        Cluster {
            name: ClusterName::new("prod").expect("valid"),
            prefix: RolePrefix::default(),
            path: RolePath::default(),
            partition: Partition::new(partition).expect("valid"),
            account: AwsAccountId::new("123456789012").expect("valid"),
            issuers: issuers
                .iter()
                .map(|i| Issuer::new(i).expect("valid"))
                .collect(),
            audience: Some(Audience::default()),
            permissions_boundary: None,
            max_session_duration: None,
            managed_by: TagValue::default(),
            tags: vec![],
            pod_identity: crate::model::cluster::PodIdentity::Keep,
            conventions: Default::default(),
        }
    }

    fn foo() -> ServiceAccountRef {
        ServiceAccountRef::parse("bar/foo").expect("valid")
    }

    #[test]
    fn the_document_is_the_one_of_the_eks_guide() {
        let cluster = cluster("aws", &["https://oidc.example.com/id/1"]);
        let document = trust_policy(&foo(), cluster.audience.as_ref(), &cluster).to_document();
        let expected = TrustDocument::new(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/1"},
            "Action":"sts:AssumeRoleWithWebIdentity",
            "Condition":{"StringEquals":{"oidc.example.com/id/1:sub":"system:serviceaccount:bar:foo",
            "oidc.example.com/id/1:aud":"sts.amazonaws.com"}}}]}"#,
        );
        assert!(document.same_meaning(&expected), "{}", document.as_str());
    }

    #[test]
    fn without_an_audience_it_is_the_controllers_document() {
        let cluster = cluster("aws", &["oidc.example.com"]);
        let document = trust_policy(&foo(), None, &cluster).to_document();
        assert!(!document.as_str().contains(":aud"));
    }

    #[test]
    fn several_issuers_give_a_statement_each_in_their_partition() {
        let cluster = cluster("aws-cn", &["blue.example.com", "green.example.com"]);
        let document = trust_policy(&foo(), cluster.audience.as_ref(), &cluster).to_document();
        let mut principals = document.federated_principals();
        principals.sort();
        assert_eq!(
            principals,
            [
                "arn:aws-cn:iam::123456789012:oidc-provider/blue.example.com",
                "arn:aws-cn:iam::123456789012:oidc-provider/green.example.com",
            ]
        );
    }

    proptest! {
        #[test]
        fn s14_no_name_can_add_a_statement(audience in "[^*?$\"\\s\\p{C}]{1,40}") {
            let cluster = cluster("aws", &["oidc.example.com"]);
            let audience = Audience::new(&audience).expect("generated valid");
            let document = trust_policy(&foo(), Some(&audience), &cluster).to_document();
            let parsed: serde_json::Value = serde_json::from_str(document.as_str()).expect("JSON");
            prop_assert_eq!(parsed["Statement"].as_array().map(Vec::len), Some(1));
            prop_assert_eq!(
                parsed["Statement"][0]["Condition"]["StringEquals"]["oidc.example.com:aud"].as_str(),
                Some(audience.as_str())
            );
        }
    }
}
