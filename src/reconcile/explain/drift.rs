//! Where a trust policy comes from that is not the declared one.

use crate::desired;
use crate::model::cluster::Issuer;
use crate::model::role::RoleLabel;
use crate::model::service_account::ServiceAccountRef;
use crate::model::trust_policy::TrustDocument;
use crate::plan::{Action, Difference};
use crate::reconcile::history::Version;
use crate::reconcile::survey::Survey;

/// Where it comes from.
pub(super) enum Drift {
    /// A commit declared it, the so-manieth of all, the newest first.
    Earlier(usize),
    /// It is the declared one, but for the issuer.
    Issuer,
    /// No commit declared it.
    ByHand,
}

impl Drift {
    /// Finds out where the trust policy of a role that is to be repaired comes from.
    pub(super) fn of(
        survey: &Survey,
        label: &RoleLabel,
        service_account: &ServiceAccountRef,
        versions: &[Version],
    ) -> Option<Self> {
        let Action::Update(update) = &survey.plan.changes.get(label)?.action else {
            return None;
        };
        let mut differences = update.differences.iter();
        let current = differences.find_map(|difference| match difference {
            Difference::TrustPolicy { current, .. } => Some(current),
            Difference::Tag { .. } | Difference::SessionDuration { .. } => None,
        })?;
        let cluster = survey.cluster();
        let prefix = format!(
            "arn:{}:iam::{}:oidc-provider/",
            cluster.partition, cluster.account
        );
        let trusted = current.federated_principals().into_iter();
        let trusted = trusted.map(|arn| Issuer::new(arn.strip_prefix(&prefix)?).ok());
        let trusted: Option<Vec<Issuer>> = trusted.collect();
        let is_declared = |version: &Version, issuers: Vec<Issuer>| {
            let Some(declaration) = &version.after else {
                return false;
            };
            let resolved = desired::resolve([declaration], &cluster.naming());
            let repository = &survey.facts.run.repository;
            let roles = desired::for_cluster(&resolved, cluster, repository);
            let is_same = |declared: &TrustDocument| {
                let declared = cluster.trust_policy_over(declared, current);
                declared.same_meaning(current)
            };
            let role = roles.get(service_account);
            role.is_some_and(|role| is_same(&role.trust_policy_with(cluster, issuers)))
        };
        let ours = || cluster.issuers.clone();
        if let Some(at) = versions.iter().position(|one| is_declared(one, ours())) {
            return Some(Self::Earlier(at));
        }
        let is_of_others = |issuers: &Vec<Issuer>| {
            !issuers.is_empty() && versions.iter().any(|one| is_declared(one, issuers.clone()))
        };
        Some(match trusted.filter(is_of_others) {
            Some(_) => Self::Issuer,
            None => Self::ByHand,
        })
    }

    /// The same in words.
    pub(super) fn in_words(&self, versions: &[Version]) -> String {
        match self {
            Self::Earlier(at) => format!(
                "the trust policy is the one that commit {} declared",
                versions[*at].commit.id.short()
            ),
            Self::Issuer => {
                "the trust policy is the declared one for another issuer: the issuer of the cluster or of the settings changed"
                    .to_owned()
            }
            Self::ByHand => {
                "an out-of-band edit: no commit declared this trust policy".to_owned()
            }
        }
    }
}
