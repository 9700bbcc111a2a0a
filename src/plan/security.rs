//! Drift that let somebody else in: an owned role whose trust policy serves more than its own
//! ServiceAccount is not an ordinary difference, and whoever reads the plan should see that.

use serde_json::Value;

use crate::desired::DesiredRole;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::cluster::Cluster;
use crate::model::role::CurrentRole;
use crate::model::service_account::ServiceAccountRef;
use crate::model::trust_policy::TrustDocument;

/// Names the first statement that lets anybody in but the role's own ServiceAccount.
pub(super) fn finding(
    desired: &DesiredRole,
    role: &CurrentRole,
    cluster: &Cluster,
) -> Option<Diagnostic> {
    let document: Value = serde_json::from_str(role.listed.trust_policy.as_str()).ok()?;
    let subject = desired.service_account.subject();
    let intruder = statements(&document)
        .find(|statement| !is_deny(statement) && !serves_only(statement, &subject, cluster))?;
    let principal = intruder.get("Principal").unwrap_or(&Value::Null);
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
    let document: Option<Value> = serde_json::from_str(role.listed.trust_policy.as_str()).ok();
    let subject = service_account.subject();
    document.iter().flat_map(statements).any(|statement| {
        let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        let mut actions = one_or_many(statement.get("Action")).filter_map(Value::as_str);
        let names_somebody =
            one_or_many(statement.get("Principal").and_then(|p| p.get("Federated")));
        allows
            && actions.any(|action| action == "sts:AssumeRoleWithWebIdentity")
            && names_somebody.count() > 0
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
    let document: Option<Value> = serde_json::from_str(document.as_str()).ok();
    let subject = service_account.subject();
    let ours = |provider: &str| {
        let mut issuers = cluster.issuers.iter();
        issuers.any(|issuer| provider == cluster.oidc_provider(issuer).to_string())
    };
    let is_anothers = |statement: &Value| {
        let principal = statement.get("Principal").and_then(Value::as_object)?;
        let provider = principal
            .get("Federated")
            .filter(|_| principal.len() == 1)?;
        let (_, issuer) = provider.as_str()?.split_once(":oidc-provider/")?;
        let equals = statement.get("Condition")?.get("StringEquals")?;
        let sub = equals.get(format!("{issuer}:sub"))?.as_str()?;
        Some(!ours(provider.as_str()?) && sub == subject)
    };
    let mut statements = document.iter().flat_map(statements).peekable();
    statements.peek().is_some() && statements.all(|statement| is_anothers(statement) == Some(true))
}

fn statements(document: &Value) -> impl Iterator<Item = &Value> {
    one_or_many(document.get("Statement"))
}

fn is_deny(statement: &Value) -> bool {
    statement.get("Effect").and_then(Value::as_str) == Some("Deny")
}

fn serves_only(statement: &Value, subject: &str, cluster: &Cluster) -> bool {
    let Some(Value::Object(principal)) = statement.get("Principal") else {
        return false;
    };
    let only_federated = principal.keys().all(|kind| kind == "Federated");
    let mut providers = one_or_many(principal.get("Federated")).filter_map(Value::as_str);
    let equals = statement
        .get("Condition")
        .and_then(|c| c.get("StringEquals"));
    only_federated
        && providers.all(|provider| {
            cluster.issuers.iter().any(|issuer| {
                let sub = equals.and_then(|e| e.get(format!("{issuer}:sub")));
                provider == cluster.oidc_provider(issuer).to_string()
                    && sub.is_some()
                    && one_or_many(sub).all(|value| value.as_str() == Some(subject))
            })
        })
}

/// IAM writes a list of one as the element itself.
fn one_or_many(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    match value {
        Some(Value::Array(items)) => items.iter(),
        Some(single) => std::slice::from_ref(single).iter(),
        None => [].iter(),
    }
}
