//! The OIDC providers of a cluster: what is known of each, and what is to be said of it.
//!
//! A provider that is gone, or that refuses the audience, shuts every pod out while each role looks as
//! declared. So each is looked at in every run, whether there is anything to write or not.

use std::collections::BTreeMap;

use super::guard;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::arn::OidcProviderArn;
use crate::model::cluster::Cluster;
use crate::model::shell;

/// What is known of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The credentials may not look at it.
    Unread,
    /// It is not registered.
    Missing,
    /// It is registered, and accepts these audiences.
    Accepts(Vec<String>),
}

/// The providers of a cluster, as far as they were looked at.
pub type Providers = BTreeMap<OidcProviderArn, Provider>;

/// What keeps pods from assuming the roles of a cluster, whatever the roles say; and once, if that
/// could not be looked at.
pub fn findings(cluster: &Cluster, providers: &Providers) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut unread = Vec::new();
    for (arn, provider) in providers {
        if *provider == Provider::Unread {
            unread.push(format!("`{arn}`"));
        } else if let Err(refusal) = guard::check_provider(arn, provider, cluster) {
            let message = refusal.to_string();
            found.push(Diagnostic::error(Code::OidcProvider, message).with_hint(refusal.hint()));
        }
    }
    if !unread.is_empty() {
        let message = format!(
            "whether pods can assume the roles by OIDC provider {} was not checked: iam:GetOpenIDConnectProvider is denied",
            unread.join(", ")
        );
        let account = &cluster.account;
        let prints = shell::command(&format!("iam-policy --for plan --account {account}"));
        let hint = format!("{prints} prints what the job needs");
        found.push(Diagnostic::warning(Code::OidcProviderUnread, message).with_hint(hint));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::arn::{AwsAccountId, Partition};
    use crate::model::cluster::{Audience, ClusterName, Issuer, PodIdentity, RolePrefix};
    use crate::model::role::RolePath;
    use crate::model::tags::TagValue;

    fn cluster(audience: Option<&str>) -> Cluster {
        Cluster {
            name: ClusterName::new("prod").expect("valid"),
            prefix: RolePrefix::default(),
            path: RolePath::default(),
            partition: Partition::new("aws").expect("valid"),
            account: AwsAccountId::new("123456789012").expect("valid"),
            issuers: vec![Issuer::new("oidc.example.com").expect("valid")],
            audience: audience.map(|text| Audience::new(text).expect("valid")),
            permissions_boundary: None,
            max_session_duration: None,
            managed_by: TagValue::new("m").expect("valid"),
            tags: vec![],
            pod_identity: PodIdentity::Keep,
            conventions: Default::default(),
        }
    }

    fn found(audience: Option<&str>, provider: Provider) -> Vec<(Code, String)> {
        let cluster = cluster(audience);
        let arn = cluster.oidc_provider(&cluster.issuers[0]);
        let providers = Providers::from([(arn, provider)]);
        let found = findings(&cluster, &providers).into_iter();
        found
            .map(|found| (found.code, found.hint.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn i2_i40_i56_what_shuts_every_pod_out_is_found_and_the_hint_mends_it() {
        let accepts = |audience: &str| Provider::Accepts(vec![audience.to_owned()]);
        assert_eq!(found(Some("vault"), accepts("vault")), []);
        assert_eq!(found(None, accepts("whatever")), []);
        let missing = found(Some("vault"), Provider::Missing);
        assert_eq!(missing[0].0, Code::OidcProvider);
        assert!(
            missing[0]
                .1
                .contains("--url https://oidc.example.com --client-id-list vault")
        );
        let refusing = found(Some("vault"), accepts("sts.amazonaws.com"));
        assert!(refusing[0].1.contains("--client-id vault"));
        let unread = found(Some("vault"), Provider::Unread);
        assert_eq!(unread[0].0, Code::OidcProviderUnread);
        assert_eq!(unread.len(), 1);
        assert!(unread[0].1.contains(" --account 123456789012"));
    }
}
