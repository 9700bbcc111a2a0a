//! Drift that let somebody else in: an owned role whose trust policy serves more than its own
//! ServiceAccount is not an ordinary difference, and whoever reads the plan should see that.

use crate::desired::DesiredRole;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::cluster::{Cluster, Issuer};
use crate::model::role::CurrentRole;
use crate::model::service_account::ServiceAccountRef;
use crate::model::trust_policy::{Principal, StatementView, TrustDocument};

/// Names the first statement that lets anybody in but the role's own ServiceAccount.
pub(super) fn finding(
    desired: &DesiredRole,
    role: &CurrentRole,
    cluster: &Cluster,
) -> Option<Diagnostic> {
    let statements = role.listed.trust_policy.statements()?;
    let subject = desired.service_account.subject();
    let intruder = statements
        .iter()
        .find(|statement| !statement.denies() && !serves_only(statement, &subject, cluster))?;
    let principal = &intruder.principal;
    let message = format!(
        "trust policy of role `{}` let in more than its ServiceAccount: principal `{principal}`",
        role.listed.name
    );
    Some(
        Diagnostic::warning(Code::SecurityDrift, message)
            .on(&desired.service_account)
            .at(desired.location.clone())
            .with_hint("apply puts the declared trust policy back; look for UpdateAssumeRolePolicy on this role in CloudTrail, and remember that sessions that run are not ended"),
    )
}

/// Whether the trust policy lets the ServiceAccount in through this cluster's OIDC provider.
pub(super) fn serves(
    role: &CurrentRole,
    service_account: &ServiceAccountRef,
    cluster: &Cluster,
) -> bool {
    let statements = role.listed.trust_policy.statements().unwrap_or_default();
    let subject = service_account.subject();
    statements.iter().any(|statement| {
        statement.allows_web_identity()
            && !statement.principal.federated().is_empty()
            && serves_only(statement, &subject, cluster)
    })
}

/// Whether a trust policy is that of another cluster's role of the same name: it lets in exactly this
/// ServiceAccount, by providers that are none of this cluster's. Anybody else in it, or nobody, means
/// that it was changed by hand.
pub(super) fn serves_another_cluster(
    document: &TrustDocument,
    service_account: &ServiceAccountRef,
    cluster: &Cluster,
) -> bool {
    let statements = document.statements().unwrap_or_default();
    let subject = service_account.subject();
    let is_anothers = |statement: &StatementView| {
        let Principal::Federated(providers) = &statement.principal else {
            return false;
        };
        let provider = providers.only();
        provider.is_some_and(|provider| match provider.split_once(":oidc-provider/") {
            Some((_, issuer)) => {
                issuer_of(provider, cluster).is_none()
                    && statement.demands(&format!("{issuer}:sub"), &subject)
            }
            None => false,
        })
    };
    !statements.is_empty() && statements.iter().all(is_anothers)
}

/// Whether a statement lets in nobody but the subject, through the cluster's providers.
fn serves_only(statement: &StatementView, subject: &str, cluster: &Cluster) -> bool {
    let Principal::Federated(providers) = &statement.principal else {
        return false;
    };
    let mut issuers = providers.iter().map(|arn| issuer_of(arn, cluster));
    issuers.all(|issuer| {
        issuer.is_some_and(|issuer| statement.demands(&format!("{issuer}:sub"), subject))
    })
}

/// The issuer of the cluster whose provider has that ARN.
fn issuer_of<'a>(arn: &str, cluster: &'a Cluster) -> Option<&'a Issuer> {
    let mut issuers = cluster.issuers.iter();
    issuers.find(|issuer| arn == cluster.oidc_provider(issuer).to_string())
}
