//! Which ServiceAccount of which cluster is meant: by its name, its subject, its role or the ARN of that.

use std::collections::BTreeSet;

use crate::desired::role_name;
use crate::iam::{self, Caller, IamReader};
use crate::model::arn::{AwsAccountId, InvalidArn, Partition, RoleArn};
use crate::model::cluster::{Cluster, ClusterName, Naming};
use crate::model::redact;
use crate::model::role::{CurrentRoles, RoleName, RolePath};
use crate::model::service_account::{ServiceAccountName, ServiceAccountRef};
use crate::model::text::closest;
use crate::plan::ownership::{self, Ownership};
use crate::reconcile::{Declarations, Error, Manifests};
use crate::settings::ClusterSettings;

/// What Kubernetes writes before namespace and name in the subject of a token.
const SUBJECT: &str = "system:serviceaccount:";

/// What the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    ServiceAccount(ServiceAccountRef),
    /// A role, and what its ARN says besides.
    Role(RoleName, Option<Scope>),
}

/// What an ARN says of a role beside its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scope {
    partition: Partition,
    account: AwsAccountId,
    /// That of a session does not say it.
    path: Option<RolePath>,
}

impl Scope {
    /// Why a role of a cluster, as far as that is known, is another one.
    fn excludes(&self, naming: &Naming, cluster: &ClusterName) -> Option<Error> {
        let is_other = |ours: Option<&str>, given: &str| ours.is_some_and(|ours| ours != given);
        let account = naming.account.as_ref().map(AwsAccountId::as_str);
        let partition = naming.partition.as_ref().map(Partition::as_str);
        if is_other(account, self.account.as_str()) {
            return Some(Error::OtherAccount(self.account.clone(), cluster.clone()));
        }
        let other = |what, given: &str, ours: &str| Error::OtherArn {
            what,
            given: given.to_owned(),
            ours: ours.to_owned(),
            cluster: cluster.clone(),
        };
        if let Some(ours) = partition.filter(|_| is_other(partition, self.partition.as_str())) {
            return Some(other("partition", self.partition.as_str(), ours));
        }
        let path = self.path.as_ref().filter(|path| **path != naming.path)?;
        Some(other("path", path.as_str(), naming.path.as_str()))
    }
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
        let (role, scope) = role_of_arn(what).map_err(Error::Arn)?;
        return Ok(Subject::Role(role, Some(scope)));
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
fn role_of_arn(text: &str) -> Result<(RoleName, Scope), InvalidArn> {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    if let ["arn", partition, "sts", _, account, resource] = fields[..]
        && let Some(session) = resource.strip_prefix("assumed-role/")
    {
        let name = session.split('/').next().unwrap_or_default();
        let scope = Scope {
            partition: Partition::new(partition)?,
            account: AwsAccountId::new(account)?,
            path: None,
        };
        return Ok((RoleName::new(name)?, scope));
    }
    let RoleArn {
        partition,
        account,
        path,
        name,
    } = RoleArn::parse(text)?;
    let scope = Scope {
        partition,
        account,
        path: Some(path),
    };
    Ok((name, scope))
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
            Subject::Role(_, Some(scope))
                if let Some(other) = scope.excludes(naming, cluster.name()) =>
            {
                refused = Some(other);
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
    let scope = match parse(what)? {
        Subject::Role(_, scope) => scope,
        Subject::ServiceAccount(_) => None,
    };
    let excluded = |cluster: &ClusterSettings, caller: Caller| {
        let naming = Naming {
            account: Some(caller.account),
            partition: Some(caller.partition),
            ..cluster.naming().clone()
        };
        scope.as_ref()?.excludes(&naming, cluster.name())
    };
    if let [(cluster, only)] = &candidates[..] {
        if scope.is_some()
            && let Some(other) = excluded(cluster, connect(cluster).await?.caller().await?)
        {
            return Err(other);
        }
        return Ok((cluster, only.clone()));
    }
    let mut like = Vec::new();
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
        if excluded(cluster, caller.clone()).is_some() {
            continue;
        }
        let of = cluster.for_caller(&caller.account, &caller.partition)?;
        let found = owned_by(&of, what, &asked, &iam).await?;
        if found.is_empty() {
            like.extend(owned_like(&of, what, &iam).await?);
        }
        owned.extend(found.into_iter().map(|one| (cluster, one)));
    }
    match (&owned[..], &candidates[..]) {
        ([only], _) => Ok(only.clone()),
        ([], []) => Err(unknown(what, clusters, manifests, &like)),
        ([], several) => {
            for (cluster, one) in several {
                if !manifests.versions(one, cluster)?.is_empty() {
                    return Err(ambiguous(several));
                }
            }
            // A name that no cluster has, nor ever had, is wrong and not ambiguous.
            Err(unknown(what, clusters, manifests, &like))
        }
        (several, _) => Err(ambiguous(several)),
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

/// The owned role whose name, pair or ServiceAccount is most like a text, declared or not.
async fn owned_like(
    of: &Cluster,
    what: &str,
    iam: &impl IamReader,
) -> Result<Option<ServiceAccountRef>, Error> {
    let current = CurrentRoles::new(iam.list_roles().await?);
    let named = ownership::candidates(&current, of).into_iter();
    let named: Vec<ServiceAccountRef> = named
        .filter_map(|name| role_name::parse(&of.prefix, &name))
        .collect();
    let naming = of.naming();
    let like = most_like(what, named.iter().map(|one| (&naming, one)));
    let Some(name) = like.first().map(|one| role_name::label(&naming, one)) else {
        return Ok(None);
    };
    let Ok(name) = RoleName::new(name.as_str()) else {
        return Ok(None);
    };
    let role = iam.role(&name).await?;
    Ok(role.and_then(|role| match ownership::of(&role, of) {
        Ownership::Owned(service_account) => Some(service_account),
        Ownership::Foreign(_) => None,
    }))
}

/// That nothing is called so, and what is called like it.
fn unknown(
    what: &str,
    clusters: &[ClusterSettings],
    manifests: &Manifests,
    owned: &[ServiceAccountRef],
) -> Error {
    let owned: Vec<&ServiceAccountRef> = owned.iter().collect();
    let near = near(what, clusters, manifests, &owned);

    if ServiceAccountName::new(what).is_err()
        && let (Ok(role), Some(cluster)) = (RoleName::new(what), clusters.first())
        && near.is_empty()
    {
        return Error::NoServiceAccount(role, cluster.naming().prefix.clone());
    }
    Error::UnknownName(what.to_owned(), near)
}

/// ServiceAccounts whose name, pair or role is most like a text: those that are declared, and those of
/// these roles, as what was removed is asked for when it is missed.
pub(super) fn near(
    what: &str,
    clusters: &[ClusterSettings],
    manifests: &Manifests,
    owned: &[&ServiceAccountRef],
) -> Vec<ServiceAccountRef> {
    let mut near = BTreeSet::new();
    for cluster in clusters {
        let naming = cluster.naming();
        let declared = manifests.declared(&cluster.paths, naming).resolved.declared;
        let known = declared.keys().chain(owned.iter().copied());
        near.extend(most_like(what, known.map(|one| (naming, one))));
    }
    near.into_iter().take(3).collect()
}

/// Those of some ServiceAccounts of which one form is most like a text.
fn most_like<'a>(
    what: &str,
    known: impl Iterator<Item = (&'a Naming, &'a ServiceAccountRef)>,
) -> Vec<ServiceAccountRef> {
    let forms = |(naming, one): (&Naming, &'a ServiceAccountRef)| {
        let role = role_name::label(naming, one);
        [
            (one.to_string(), one),
            (one.name.to_string(), one),
            (role.as_str().to_owned(), one),
        ]
    };
    let all: Vec<(String, &ServiceAccountRef)> = known.flat_map(forms).collect();
    let like = closest(what, all.iter().map(|(form, _)| form.as_str()));
    let such = all.iter().filter(|(form, _)| Some(form.as_str()) == like);
    such.map(|(_, one)| (*one).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i44_every_form_of_a_name_is_taken_apart() {
        let role = |name: &str, scope: Option<(&str, Option<&str>)>| {
            let scope = scope.map(|(partition, path)| Scope {
                partition: Partition::new(partition).expect("valid"),
                account: AwsAccountId::new("123456789012").expect("valid"),
                path: path.map(|text| RolePath::new(text).expect("valid")),
            });
            Subject::Role(RoleName::new(name).expect("valid"), scope)
        };
        let pair = || Subject::ServiceAccount(ServiceAccountRef::parse("bar/foo").expect("valid"));
        for (what, expected) in [
            ("bar/foo", pair()),
            ("system:serviceaccount:bar:foo", pair()),
            ("foo", role("foo", None)),
            ("k8s-sa_bar_foo", role("k8s-sa_bar_foo", None)),
            (
                "arn:aws-cn:iam::123456789012:role/a/k8s-sa_bar_foo",
                role("k8s-sa_bar_foo", Some(("aws-cn", Some("/a/")))),
            ),
            (
                "arn:aws:sts::123456789012:assumed-role/k8s-sa_bar_foo/botocore-1",
                role("k8s-sa_bar_foo", Some(("aws", None))),
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
