//! What a run has to know about one cluster.

use super::arn::{AwsAccountId, OidcProviderArn, Partition, RoleArn};
use super::conventions::Conventions;
use super::identifier::{RoleName, RolePath, SessionDuration};
use super::tags::{TagKey, TagValue};
use super::trust_policy::TrustDocument;

pub use super::identifier::{Audience, ClusterName, InvalidCluster, Issuer, RolePrefix};

/// How a ServiceAccount's role is named: all that can be checked without an AWS account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// What role names start with.
    pub prefix: RolePrefix,
    /// The path of every role.
    pub path: RolePath,
    /// The partition roles are in; unknown to an offline check that was not told.
    pub partition: Option<Partition>,
    /// The account roles are in; unknown to an offline check that was not told.
    pub account: Option<AwsAccountId>,
    /// How manifests are read and roles are named.
    pub conventions: Conventions,
}

/// One cluster and how its roles are to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its name, for the cluster tag.
    pub name: ClusterName,
    /// What role names start with.
    pub prefix: RolePrefix,
    /// The path of every role.
    pub path: RolePath,
    /// The partition of the account.
    pub partition: Partition,
    /// The account the roles are in.
    pub account: AwsAccountId,
    /// Its OIDC issuers; several while a cluster is being replaced. Never empty.
    pub issuers: Vec<Issuer>,
    /// The audience that trust policies require; `None` leaves `aud` out, as the controller did.
    pub audience: Option<Audience>,
    /// The ARN of the permissions boundary that new roles get.
    pub permissions_boundary: Option<String>,
    /// How long sessions may last; unset leaves it as it is.
    pub max_session_duration: Option<SessionDuration>,
    /// The value of the managed-by tag.
    pub managed_by: TagValue,
    /// The user's own tags.
    pub tags: Vec<(TagKey, TagValue)>,
    /// What becomes of statements for EKS Pod Identity.
    pub pod_identity: PodIdentity,
    /// How manifests are read and roles are named.
    pub conventions: Conventions,
}

/// What becomes of a statement for EKS Pod Identity in the trust policy of an owned role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodIdentity {
    /// It is somebody's migration, and kept.
    #[default]
    Keep,
    /// It is removed.
    Refuse,
}

impl Cluster {
    /// The trust policy that a role is to have which has another one now: what is declared, and what
    /// is kept beside it.
    pub fn trust_policy_over(
        &self,
        declared: &TrustDocument,
        current: &TrustDocument,
    ) -> TrustDocument {
        match self.pod_identity {
            PodIdentity::Keep => declared.with_pod_identity_of(current),
            PodIdentity::Refuse => declared.clone(),
        }
    }

    /// The naming rules, with account and partition known.
    pub fn naming(&self) -> Naming {
        Naming {
            prefix: self.prefix.clone(),
            path: self.path.clone(),
            partition: Some(self.partition.clone()),
            account: Some(self.account.clone()),
            conventions: self.conventions.clone(),
        }
    }

    /// The ARN of a role of this cluster.
    pub fn role_arn(&self, name: &RoleName) -> RoleArn {
        RoleArn {
            partition: self.partition.clone(),
            account: self.account.clone(),
            path: self.path.clone(),
            name: name.clone(),
        }
    }

    /// The ARN of the OIDC provider that stands for an issuer.
    pub fn oidc_provider(&self, issuer: &Issuer) -> OidcProviderArn {
        OidcProviderArn {
            partition: self.partition.clone(),
            account: self.account.clone(),
            issuer: issuer.clone(),
        }
    }
}
