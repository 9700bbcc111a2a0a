//! What the roles should be: declarations and the cluster's rules in, desired roles out.
//!
//! Pure. [`resolve`] decides which ServiceAccounts may have a role and under which name, and needs
//! no account; [`desired_role`] says how that role looks. Does not know what IAM has.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::manifest::{Claim, Declaration, Management};
use crate::model::arn::RoleArn;
use crate::model::cluster::{Audience, Cluster, Issuer, Naming};
use crate::model::location::{Location, RepoPath};
use crate::model::role::{RoleLabel, RoleName, SessionDuration};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags::{self, TagValue, Tags};
use crate::model::trust_policy::TrustDocument;

mod check;
mod conflict;
mod ignored;
mod mismatch;
pub mod role_name;
mod shared;
mod trust_policy;

pub use shared::{Declares, shared_names};

/// What the manifests declare, by ServiceAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Every ServiceAccount that carries the managed annotation.
    pub declared: BTreeMap<ServiceAccountRef, Declared>,
    /// The roles that ServiceAccounts name which are not known by name, or in some other way not understood.
    pub claims: Vec<Claim>,
    /// What is wrong or odd about them.
    pub diagnostics: Vec<Diagnostic>,
}

/// What one ServiceAccount declares, and what follows for its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The name of its role.
    pub role: RoleLabel,
    /// Where it is declared.
    pub location: Location,
    /// The role-arn annotation, right or wrong.
    pub role_arn: Option<String>,
    /// The audience that its own annotation names, if that is one.
    pub own_audience: Option<Audience>,
    /// What is to become of the role.
    pub verdict: Verdict,
}

/// What is to become of a ServiceAccount's role, as far as its manifest decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is to be a role.
    Managed(Managed),
    /// There is to be none of ours: the managed annotation is `"false"`.
    Unmanaged,
    /// Something is wrong with the manifest: the role is left exactly as it is.
    Held {
        /// What is wrong, as in the diagnostic.
        reason: String,
    },
}

/// A ServiceAccount whose manifest is right in everything that can be checked without IAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// The name of its role.
    pub role: RoleName,
    /// The audience that its own annotation names.
    pub audience: Option<Audience>,
}

/// A role as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredRole {
    /// Its ARN: partition, account, path and name.
    pub arn: RoleArn,
    /// The ServiceAccount whose pods may assume it.
    pub service_account: ServiceAccountRef,
    /// Where it is declared.
    pub location: Location,
    /// The audience that the ServiceAccount's own annotation names.
    pub own_audience: Option<Audience>,
    /// Who may assume it.
    pub trust_policy: TrustDocument,
    /// The tags that prove ownership and the user's own: a difference in these is drift.
    pub tags: Tags,
    /// Repository and path of the manifest, for the source tag: written along, never a difference.
    pub source: TagValue,
    /// The ARN of the permissions boundary that it is made with.
    pub permissions_boundary: Option<String>,
    /// How long its sessions may last; unset is whatever it is.
    pub max_session_duration: Option<SessionDuration>,
}

/// Decides for every declared ServiceAccount whether it gets a role, and under which name.
///
/// The order of the declarations does not matter.
pub fn resolve<'a>(
    declarations: impl IntoIterator<Item = &'a Declaration>,
    naming: &Naming,
) -> Resolved {
    let mut by_service_account: BTreeMap<&ServiceAccountRef, Vec<&Declaration>> = BTreeMap::new();
    let substitutions = &naming.conventions.substitutions;
    let declarations: Vec<Cow<'_, Declaration>> = declarations
        .into_iter()
        .map(|declaration| declaration.substituted(substitutions))
        .collect();
    for declaration in declarations.iter().map(Cow::as_ref) {
        by_service_account
            .entry(&declaration.service_account)
            .or_default()
            .push(declaration);
    }
    let mut resolved = Resolved::default();
    for (service_account, mut places) in by_service_account {
        places.sort_by(|a, b| a.location.cmp(&b.location));
        let is_allowed = |place: &&Declaration| place.management != Management::NotAllowed;
        if places.iter().any(is_allowed) {
            // Whoever may not declare it has no say in what becomes of its role.
            places.retain(is_allowed);
        }
        let (first, diagnostics) = conflict::settle(&places);
        let conflicting = diagnostics.iter().find(|d| conflict::holds(d));
        let verdict = match (conflicting, first.management) {
            (Some(diagnostic), _) => Verdict::Held {
                reason: diagnostic.message.clone(),
            },
            (None, Management::Unmanaged) => Verdict::Unmanaged,
            (None, Management::NotAllowed) => Verdict::Held {
                reason: "its path may not declare its namespace".to_owned(),
            },
            (None, Management::Invalid) => {
                let fault = check::role_arn_fault(first, naming);
                resolved.diagnostics.extend(fault);
                Verdict::Held {
                    reason: "its manifest has errors".to_owned(),
                }
            }
            (None, Management::Managed) => match check::accept(first, naming) {
                Ok(accepted) => Verdict::Managed(accepted),
                Err(diagnostic) => {
                    let reason = diagnostic.message.clone();
                    resolved.diagnostics.push(*diagnostic);
                    Verdict::Held { reason }
                }
            },
        };
        resolved.diagnostics.extend(diagnostics);
        let declared = Declared {
            role: role_name::label(naming, service_account),
            location: first.location.clone(),
            role_arn: first.role_arn.as_ref().map(|arn| arn.value.clone()),
            own_audience: first
                .audience
                .as_ref()
                .and_then(|audience| Audience::new(&audience.value).ok()),
            verdict,
        };
        resolved.declared.insert(service_account.clone(), declared);
    }
    mismatch::settle(&mut resolved, naming);
    conflict::join(&mut resolved);
    conflict::hold_collisions(&mut resolved);
    resolved
}

/// Says how the role of one ServiceAccount should look.
///
/// `repository` is the repository for people, without credentials.
///
/// ```
/// use irsa_gitops::desired::{Managed, desired_role};
/// use irsa_gitops::model::{arn, cluster, location, role, service_account, tags};
///
/// let cluster = cluster::Cluster {
///     name: cluster::ClusterName::new("prod")?,
///     prefix: cluster::RolePrefix::default(),
///     path: role::RolePath::default(),
///     partition: arn::Partition::new("aws")?,
///     account: arn::AwsAccountId::new("123456789012")?,
///     issuers: vec![cluster::Issuer::new("https://oidc.example.com/id/1")?],
///     audience: Some(cluster::Audience::default()),
///     permissions_boundary: None,
///     max_session_duration: None,
///     managed_by: tags::TagValue::new("iam-service-account-controller")?,
///     tags: vec![],
///     pod_identity: cluster::PodIdentity::Keep,
///     conventions: Default::default(),
/// };
/// let foo = service_account::ServiceAccountRef::parse("bar/foo")?;
/// let accepted = Managed { role: role::RoleName::new("k8s-sa_bar_foo")?, audience: None };
/// let at = location::Location { path: "apps/foo.yaml".into(), line: 1, column: 1 };
///
/// let role = desired_role(&foo, &accepted, &at, &cluster, "github.com/acme/apps");
/// assert_eq!(role.arn.to_string(), "arn:aws:iam::123456789012:role/k8s-sa_bar_foo");
/// assert_eq!(role.tags.get("serviceaccount.k8s.aws/stack"), Some("bar/foo"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn desired_role(
    service_account: &ServiceAccountRef,
    accepted: &Managed,
    location: &Location,
    cluster: &Cluster,
    repository: &str,
) -> DesiredRole {
    let own_audience = accepted.audience.clone();
    let audience = own_audience.as_ref().or(cluster.audience.as_ref());
    let mut tags: Tags = cluster
        .tags
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    for (key, value) in ownership_tags(service_account, cluster) {
        tags.set(key, value);
    }
    DesiredRole {
        arn: cluster.role_arn(&accepted.role),
        service_account: service_account.clone(),
        location: location.clone(),
        trust_policy: trust_policy::trust_policy(service_account, audience, cluster).to_document(),
        own_audience,
        tags,
        source: source_tag(repository, &location.path),
        permissions_boundary: cluster.permissions_boundary.clone(),
        max_session_duration: cluster.max_session_duration,
    }
}

impl DesiredRole {
    /// The trust policy it would have if the cluster had these issuers.
    pub fn trust_policy_with(&self, cluster: &Cluster, issuers: Vec<Issuer>) -> TrustDocument {
        let cluster = Cluster {
            issuers,
            ..cluster.clone()
        };
        let audience = self.own_audience.as_ref().or(cluster.audience.as_ref());
        trust_policy::trust_policy(&self.service_account, audience, &cluster).to_document()
    }
}

/// Every role that a cluster should have, by ServiceAccount.
pub fn for_cluster(
    resolved: &Resolved,
    cluster: &Cluster,
    repository: &str,
) -> BTreeMap<ServiceAccountRef, DesiredRole> {
    let desired = |(service_account, declared): (&ServiceAccountRef, &Declared)| {
        let Verdict::Managed(accepted) = &declared.verdict else {
            return None;
        };
        let at = &declared.location;
        let role = desired_role(service_account, accepted, at, cluster, repository);
        Some((service_account.clone(), role))
    };
    resolved.declared.iter().filter_map(desired).collect()
}

/// The three tags that make a role ours, for one ServiceAccount of one cluster.
pub fn ownership_tags(
    service_account: &ServiceAccountRef,
    cluster: &Cluster,
) -> [(&'static str, String); 3] {
    [
        (tags::MANAGED_BY, cluster.managed_by.to_string()),
        (tags::STACK, service_account.to_string()),
        (tags::CLUSTER, cluster.name.to_string()),
    ]
}

fn source_tag(repository: &str, path: &RepoPath) -> TagValue {
    TagValue::fitted(&format!("{repository}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Severity};
    use crate::manifest::Annotation;

    fn declaration(name: &str, arn: &str, line: u32) -> Declaration {
        let location = Location {
            path: "a.yaml".into(),
            line,
            column: 1,
        };
        Declaration {
            service_account: ServiceAccountRef::parse(name).expect("a valid test name"),
            location: location.clone(),
            management: Management::Managed,
            role_arn: Some(Annotation {
                value: arn.to_owned(),
                location,
                source_line: arn.to_owned(),
            }),
            audience: None,
            namespace_at: None,
        }
    }

    fn verdicts(declarations: &[Declaration]) -> Vec<(String, bool)> {
        let resolved = resolve(declarations, &Naming::default());
        let accepted = |r: &Declared| matches!(r.verdict, Verdict::Managed(_));
        resolved
            .declared
            .iter()
            .map(|(sa, r)| (sa.to_string(), accepted(r)))
            .collect()
    }

    const FOO: &str = "arn:aws:iam::123456789012:role/k8s-sa_bar_foo";
    const OTHER: &str = "arn:aws:iam::210987654321:role/k8s-sa_bar_foo";

    #[test]
    fn one_bad_service_account_leaves_the_others_alone() {
        let declarations = [
            declaration("bar/foo", FOO, 1),
            declaration("bar/baz", "arn:aws:iam::123456789012:role/typo", 9),
        ];
        let expected = vec![("bar/baz".to_owned(), false), ("bar/foo".to_owned(), true)];
        assert_eq!(verdicts(&declarations), expected);
    }

    #[test]
    fn m3_identical_declarations_are_one() {
        let declarations = [
            declaration("bar/foo", FOO, 1),
            declaration("bar/foo", FOO, 9),
        ];
        let resolved = resolve(&declarations, &Naming::default());
        assert!(
            matches!(resolved.declared.values().next(), Some(r) if matches!(r.verdict, Verdict::Managed(_)))
        );
        let notes: Vec<_> = resolved
            .diagnostics
            .iter()
            .map(|d| (d.code, d.severity))
            .collect();
        assert_eq!(notes, [(Code::DuplicateServiceAccount, Severity::Note)]);
    }

    #[test]
    fn m4_conflicting_declarations_hold_the_role() {
        let declarations = [
            declaration("bar/foo", FOO, 1),
            declaration("bar/foo", OTHER, 9),
        ];
        let resolved = resolve(&declarations, &Naming::default());
        assert_eq!(verdicts(&declarations), [("bar/foo".to_owned(), false)]);
        let lines: Vec<_> = resolved
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .filter_map(|d| d.location.as_ref().map(|l| l.line))
            .collect();
        assert_eq!(lines, [1, 9]);
    }

    #[test]
    fn m4_a_conflict_names_five_other_places_and_counts_the_rest() {
        let declarations: Vec<_> = (1..=9)
            .map(|line| declaration("bar/foo", if line == 1 { FOO } else { OTHER }, line))
            .collect();
        let resolved = resolve(&declarations, &Naming::default());
        assert_eq!(
            resolved.diagnostics[0].message,
            "ServiceAccount `bar/foo` is declared differently at a.yaml:2:1, a.yaml:3:1, a.yaml:4:1, a.yaml:5:1, a.yaml:6:1, and 3 more"
        );
        assert_eq!(resolved.diagnostics.len(), 9);
    }

    #[test]
    fn m17_a_name_that_is_wrong_in_its_letter_case_holds_the_right_one() {
        let mut upper_case = declaration("bar/foo", FOO, 9);
        upper_case.management = Management::Invalid;
        let declarations = [declaration("bar/foo", FOO, 1), upper_case];
        assert_eq!(verdicts(&declarations), [("bar/foo".to_owned(), false)]);
    }

    #[test]
    fn m145_what_else_is_wrong_is_told_beside_an_error() {
        let other = "arn:aws:iam::123456789012:role/k8s-sa_bar_other";
        let mut invalid = declaration("bar/foo", other, 1);
        invalid.management = Management::Invalid;
        let codes = |declaration| -> Vec<Code> {
            let resolved = resolve(&[declaration], &Naming::default());
            resolved.diagnostics.iter().map(|d| d.code).collect()
        };
        assert_eq!(codes(invalid.clone()), [Code::RoleArnMismatch]);
        invalid.role_arn = declaration("bar/foo", FOO, 1).role_arn;
        assert_eq!(codes(invalid), []);
    }

    #[test]
    fn the_order_of_declarations_changes_nothing() {
        let mut declarations = vec![
            declaration("bar/foo", FOO, 1),
            declaration("bar/foo", OTHER, 9),
            declaration("a/b", "arn:aws:iam::123456789012:role/k8s-sa_a_b", 20),
        ];
        let forwards = resolve(&declarations, &Naming::default());
        declarations.reverse();
        assert_eq!(resolve(&declarations, &Naming::default()), forwards);
    }

    #[test]
    fn s15_the_source_tag_is_always_a_legal_value() {
        let path = RepoPath::new(b"apps/\xff\x1b[31m,{}.yaml".to_vec());
        let value = source_tag("https://example.com/a?b", &path);
        assert!(TagValue::new(value.as_str()).is_ok(), "{value}");
    }
}
