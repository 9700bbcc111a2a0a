//! Which clusters are one and the same to IAM.

use std::collections::BTreeSet;

use super::Error;
use crate::model::arn::AwsAccountId;
use crate::model::cluster::{Cluster, ClusterName, RolePrefix};
use crate::model::role::RolePath;

/// What tells a cluster's roles from those of others: two of the same own each other's roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity<'a> {
    /// The account; that of the default credentials where nobody said.
    pub(super) account: Option<&'a AwsAccountId>,
    pub(super) name: &'a ClusterName,
    pub(super) prefix: &'a RolePrefix,
    pub(super) path: &'a RolePath,
}

impl<'a> From<&'a Cluster> for Identity<'a> {
    fn from(cluster: &'a Cluster) -> Self {
        Self {
            account: Some(&cluster.account),
            name: &cluster.name,
            prefix: &cluster.prefix,
            path: &cluster.path,
        }
    }
}

/// Refuses two clusters that would take each other's roles for their own.
///
/// # Errors
///
/// [`Error::SameCluster`].
pub fn distinct<'a>(clusters: impl IntoIterator<Item = Identity<'a>>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for cluster in clusters {
        if !seen.insert(cluster) {
            return Err(Error::SameCluster {
                name: cluster.name.clone(),
                prefix: cluster.prefix.clone(),
                path: cluster.path.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ClusterInput, ClusterSettings};

    #[test]
    fn s3_two_clusters_that_own_each_others_roles_are_refused() {
        let cluster = |change: fn(&mut ClusterInput)| {
            let mut input = ClusterInput {
                name: Some("prod".to_owned()),
                oidc_providers: vec!["oidc.example.com".to_owned()],
                ..ClusterInput::default()
            };
            change(&mut input);
            input.validate().expect("valid")
        };
        let first = cluster(|_| {});
        let together = |other: &ClusterSettings| distinct([first.identity(), other.identity()]);
        assert!(together(&cluster(|i| i.paths = vec!["b".into()])).is_err());
        for distinct in [
            cluster(|i| i.name = Some("other".into())),
            cluster(|i| i.role_prefix = Some("other".into())),
            cluster(|i| i.role_path = Some("/other/".into())),
            cluster(|i| i.account = Some("210987654321".into())),
            cluster(|i| i.assume_role = Some("arn:aws:iam::210987654321:role/x".into())),
        ] {
            assert!(together(&distinct).is_ok(), "{distinct:?}");
        }
    }
}
