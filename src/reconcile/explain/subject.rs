//! Which ServiceAccount of which cluster is meant: by its name, its subject, its role or the ARN of that.

use std::collections::BTreeSet;

use crate::desired::role_name;
use crate::iam::{self, IamReader};
use crate::model::arn::{AwsAccountId, InvalidArn, RoleArn};
use crate::model::cluster::Cluster;
use crate::model::redact;
use crate::model::role::{CurrentRoles, RoleName};
use crate::model::service_account::{ServiceAccountName, ServiceAccountRef};
use crate::plan::ownership::{self, Ownership};
use crate::reconcile::{Declarations, Error, Manifests};
use crate::settings::{ClusterSettings, closest};

/// What Kubernetes writes before namespace and name in the subject of a token.
const SUBJECT: &str = "system:serviceaccount:";

/// What the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    ServiceAccount(ServiceAccountRef),
    /// A role, and the account of its ARN.
    Role(RoleName, Option<AwsAccountId>),
}

/// A ServiceAccount and the cluster it is of.
pub(super) type Meant<'a> = (&'a ClusterSettings, ServiceAccountRef);

/// Takes apart what the user wrote.
fn parse(what: &str) -> Result<Subject, Error> {
    if let Some(pair) = what.strip_prefix(SUBJECT) {
        let parsed = ServiceAccountRef::parse(&pair.replacen(':', "/", 1));
        return parsed
            .map(Subject::ServiceAccount)
            .map_err(Error::ServiceAccount);
    }
    if what.starts_with("arn:") {
        let (role, account) = role_of_arn(what).map_err(Error::Arn)?;
        return Ok(Subject::Role(role, Some(account)));
    }
    if what.contains('/') {
        // An address that was given instead would be told part by part, a password among them.
        let what = redact::sentence(what);
        let parsed = ServiceAccountRef::parse(&what);
        return parsed
            .map(Subject::ServiceAccount)
            .map_err(Error::ServiceAccount);
    }
    let role = RoleName::new(what).map_err(Error::Role)?;
    Ok(Subject::Role(role, None))
}

/// The role of an ARN: its own, or that of a session, as error messages of AWS show it.
fn role_of_arn(text: &str) -> Result<(RoleName, AwsAccountId), InvalidArn> {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    if let ["arn", _, "sts", _, account, resource] = fields[..]
        && let Some(session) = resource.strip_prefix("assumed-role/")
    {
        let name = session.split('/').next().unwrap_or_default();
        return Ok((RoleName::new(name)?, AwsAccountId::new(account)?));
    }
    let arn = RoleArn::parse(text)?;
    Ok((arn.name, arn.account))
}

/// The ServiceAccounts that may be meant, as far as manifests and history tell.
///
/// # Errors
///
/// If nothing can be meant, or history cannot be read.
pub(super) fn candidates<'a>(
    what: &str,
    clusters: &'a [ClusterSettings],
    manifests: &Manifests,
) -> Result<Vec<Meant<'a>>, Error> {
    let subject = parse(what)?;
    let mut possible: Vec<Meant<'a>> = Vec::new();
    let mut declaring: Vec<Meant<'a>> = Vec::new();
    let mut refused = None;
    for cluster in clusters {
        let naming = cluster.naming();
        let declared = manifests.declared(&cluster.paths, naming).resolved.declared;
        let found = match &subject {
            Subject::ServiceAccount(service_account) => vec![service_account.clone()],
            Subject::Role(_, Some(account))
                if naming.account.as_ref().is_some_and(|ours| ours != account) =>
            {
                refused = Some(Error::OtherAccount(account.clone(), cluster.name().clone()));
                continue;
            }
            Subject::Role(role, _) => match role_name::parse(&naming.prefix, role) {
                Some(service_account) => vec![service_account],
                None => {
                    // Its bare name, or a role name that was cut.
                    let named = declared.iter().filter(|(one, declared)| {
                        [one.name.as_str(), declared.role.as_str()].contains(&role.as_str())
                    });
                    named.map(|(one, _)| one.clone()).collect()
                }
            },
        };
        for service_account in found {
            if declared.contains_key(&service_account) {
                declaring.push((cluster, service_account.clone()));
            }
            possible.push((cluster, service_account));
        }
    }
    if let (true, Some(refused)) = (possible.is_empty(), refused) {
        return Err(refused);
    }
    if declaring.len() > 1 {
        return Err(ambiguous(&declaring));
    }
    if !declaring.is_empty() {
        return Ok(declaring);
    }
    if possible.len() > 1 {
        // One that was removed is known to the history of its own cluster's paths.
        let mut past = Vec::new();
        for (cluster, service_account) in &possible {
            if !manifests.versions(service_account, cluster)?.is_empty() {
                past.push((*cluster, service_account.clone()));
            }
        }
        if !past.is_empty() {
            return Ok(past);
        }
    }
    Ok(possible)
}

/// The only one that is meant; what manifests leave open, the roles of the accounts decide.
///
/// # Errors
///
/// If none or several can be meant, or IAM cannot be asked.
pub(super) async fn only_one<'a, R: IamReader>(
    what: &str,
    clusters: &'a [ClusterSettings],
    manifests: &Manifests,
    candidates: Vec<Meant<'a>>,
    connect: impl AsyncFn(&ClusterSettings) -> Result<R, iam::Error>,
) -> Result<Meant<'a>, Error> {
    let account = match parse(what)? {
        Subject::Role(_, account) => account,
        Subject::ServiceAccount(_) => None,
    };
    if let [(cluster, only)] = &candidates[..] {
        if let Some(account) = account
            && connect(cluster).await?.caller().await?.account != account
        {
            return Err(Error::OtherAccount(account, cluster.name().clone()));
        }
        return Ok((cluster, only.clone()));
    }
    let mut owned: Vec<Meant<'a>> = Vec::new();
    for cluster in clusters {
        let asked: Vec<&ServiceAccountRef> = candidates
            .iter()
            .filter(|(of, _)| of.name() == cluster.name())
            .map(|(_, service_account)| service_account)
            .collect();
        if asked.is_empty() && !candidates.is_empty() {
            continue;
        }
        let iam = connect(cluster).await?;
        let caller = iam.caller().await?;
        if account
            .as_ref()
            .is_some_and(|account| *account != caller.account)
        {
            continue;
        }
        let of = cluster.for_caller(&caller.account, &caller.partition)?;
        let found = owned_by(&of, what, &asked, &iam).await?;
        owned.extend(found.into_iter().map(|one| (cluster, one)));
    }
    match (&owned[..], &candidates[..]) {
        ([only], _) => Ok(only.clone()),
        ([], []) => Err(unknown(what, clusters, manifests)),
        ([], several) | (several, _) => Err(ambiguous(several)),
    }
}

/// That several are meant: clusters of one ServiceAccount, or several of those.
fn ambiguous(meant: &[Meant<'_>]) -> Error {
    let accounts: BTreeSet<&ServiceAccountRef> = meant.iter().map(|(_, one)| one).collect();
    if accounts.len() > 1 {
        return Error::WhichServiceAccount(accounts.into_iter().cloned().collect());
    }
    Error::WhichCluster(meant.iter().map(|(of, _)| of.name().clone()).collect())
}

/// The owned roles of a cluster that are asked for: these, or those of ServiceAccounts of a name.
async fn owned_by(
    of: &Cluster,
    what: &str,
    asked: &[&ServiceAccountRef],
    iam: &impl IamReader,
) -> Result<Vec<ServiceAccountRef>, Error> {
    let current = CurrentRoles::new(iam.list_roles().await?);
    let is_asked = |service_account: &ServiceAccountRef| match asked.is_empty() {
        true => service_account.name.as_str() == what,
        false => asked.contains(&service_account),
    };
    let mut owned = Vec::new();
    for name in ownership::candidates(&current, of) {
        // Of a name that was cut only the role itself tells whose it is.
        if role_name::parse(&of.prefix, &name).is_some_and(|one| !is_asked(&one)) {
            continue;
        }
        if let Some(role) = iam.role(&name).await?
            && let Ownership::Owned(service_account) = ownership::of(&role, of)
            && (name.as_str() == what || is_asked(&service_account))
        {
            owned.push(service_account);
        }
    }
    Ok(owned)
}

/// That nothing is called so, and what is called like it.
fn unknown(what: &str, clusters: &[ClusterSettings], manifests: &Manifests) -> Error {
    if ServiceAccountName::new(what).is_err()
        && let (Ok(role), Some(cluster)) = (RoleName::new(what), clusters.first())
        && near(what, clusters, manifests).is_empty()
    {
        return Error::NoServiceAccount(role, cluster.naming().prefix.clone());
    }
    Error::UnknownName(what.to_owned(), near(what, clusters, manifests))
}

/// Declared ServiceAccounts whose name, pair or role is most like a text.
pub(super) fn near(
    what: &str,
    clusters: &[ClusterSettings],
    manifests: &Manifests,
) -> Vec<ServiceAccountRef> {
    let mut near = BTreeSet::new();
    for cluster in clusters {
        let naming = cluster.naming();
        let declared = manifests.declared(&cluster.paths, naming).resolved.declared;
        let forms = |one: &ServiceAccountRef| {
            let role = role_name::label(naming, one);
            [
                one.to_string(),
                one.name.to_string(),
                role.as_str().to_owned(),
            ]
        };
        let all: Vec<(String, &ServiceAccountRef)> = declared
            .keys()
            .flat_map(|one| forms(one).map(|form| (form, one)))
            .collect();
        let like = closest(what, all.iter().map(|(form, _)| form.as_str()));
        let such = all.iter().filter(|(form, _)| Some(form.as_str()) == like);
        near.extend(such.map(|(_, one)| (*one).clone()));
    }
    near.into_iter().take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i44_every_form_of_a_name_is_taken_apart() {
        let role = |name: &str, account: Option<&str>| {
            let account = account.map(|text| AwsAccountId::new(text).expect("valid"));
            Subject::Role(RoleName::new(name).expect("valid"), account)
        };
        let pair = || Subject::ServiceAccount(ServiceAccountRef::parse("bar/foo").expect("valid"));
        for (what, expected) in [
            ("bar/foo", pair()),
            ("system:serviceaccount:bar:foo", pair()),
            ("foo", role("foo", None)),
            ("k8s-sa_bar_foo", role("k8s-sa_bar_foo", None)),
            (
                "arn:aws-cn:iam::123456789012:role/a/k8s-sa_bar_foo",
                role("k8s-sa_bar_foo", Some("123456789012")),
            ),
            (
                "arn:aws:sts::123456789012:assumed-role/k8s-sa_bar_foo/botocore-1",
                role("k8s-sa_bar_foo", Some("123456789012")),
            ),
        ] {
            assert_eq!(parse(what).expect(what), expected);
        }
        for wrong in [
            "arn:aws:s3:::bucket",
            "system:serviceaccount:bar",
            "a/b/c",
            "x y",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
