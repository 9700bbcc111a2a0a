//! Names that several clusters of one account would give to a role of theirs, as far as manifests tell.

use std::collections::BTreeMap;

use super::{Declared, Resolved, Verdict};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::arn::{AwsAccountId, RoleArn};
use crate::model::cluster::{ClusterName, Naming};
use crate::model::service_account::ServiceAccountRef;

/// What one cluster declares.
#[derive(Clone, Copy, Debug)]
pub struct Declares<'a> {
    /// The cluster.
    pub cluster: &'a ClusterName,
    /// How its roles are named.
    pub naming: &'a Naming,
    /// What it declares.
    pub resolved: &'a Resolved,
}

/// A cluster by its number, and what it declares.
type Claim<'a> = (usize, &'a ServiceAccountRef, &'a Declared);

/// What is wrong in each cluster with names that another one of its account gives, too. IAM has one role of
/// a name in an account, whatever its path and letter case, so only one of them can have it.
pub fn shared_names(all: &[Declares<'_>]) -> Vec<Vec<Diagnostic>> {
    let mut claims: BTreeMap<(AwsAccountId, String), Vec<Claim<'_>>> = BTreeMap::new();
    for (number, one) in all.iter().enumerate() {
        for (service_account, declared) in &one.resolved.declared {
            let Verdict::Managed(accepted) = &declared.verdict else {
                continue;
            };
            // Where nobody said which account it is, the annotation does.
            let arn = declared.role_arn.as_deref().map(RoleArn::parse);
            let given = arn.and_then(Result::ok).map(|arn| arn.account);
            let Some(account) = one.naming.account.clone().or(given) else {
                continue;
            };
            let claim = (number, service_account, declared);
            let key = (account, accepted.role.collision_key());
            claims.entry(key).or_default().push(claim);
        }
    }
    let mut found = vec![vec![]; all.len()];
    for claim in claims.values() {
        for (number, service_account, declared) in claim {
            let others = claim.iter().filter(|(other, ..)| other != number);
            let others = others.map(|(other, ..)| format!("`{}`", all[*other].cluster));
            let mut others: Vec<String> = others.collect();
            others.dedup();
            if others.is_empty() {
                continue;
            }
            let message = format!(
                "clusters `{}` and {} ask for role name `{}` in one account",
                all[*number].cluster,
                others.join(", "),
                declared.role
            );
            let diagnostic = Diagnostic::error(Code::RoleNameCollision, message)
                .on(service_account)
                .at(declared.location.clone())
                .with_hint("if they are one on its way to the other, make them one entry with both issuers (oidcProviders), which the role then trusts; otherwise give each its own --role-prefix");
            found[*number].push(diagnostic);
        }
    }
    found
}
