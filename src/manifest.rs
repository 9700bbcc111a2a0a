//! What manifests say of ServiceAccounts: bytes of one file in, [`Declaration`]s and diagnostics out.
//!
//! Pure. Reads YAML and JSON as Kubernetes does (`document`), looks for our annotations before it
//! parses anything (`scan`), and knows what fields a ServiceAccount has (`service_account`). Does
//! not know how roles are named or where files come from; `serde_yaml`, `granit_parser` and
//! `k8s_openapi` stop here.

use crate::diagnostic::Diagnostic;
use crate::model::location::Location;
use crate::model::service_account::ServiceAccountRef;

/// The annotation that asks for a managed role, `"true"` or `"false"`. The controller's key.
pub const MANAGED_ANNOTATION: &str = "security.kaluza.com/iam-role-managed";
/// The annotation that names the role a pod assumes.
/// See <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>.
pub const ROLE_ARN_ANNOTATION: &str = "eks.amazonaws.com/role-arn";
/// The annotation that changes the audience of a pod's token.
/// See <https://github.com/aws/amazon-eks-pod-identity-webhook>.
pub const AUDIENCE_ANNOTATION: &str = "eks.amazonaws.com/audience";

/// One ServiceAccount that carries the managed annotation and is known by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Its namespace and name.
    pub service_account: ServiceAccountRef,
    /// Where the object starts.
    pub location: Location,
    /// What the managed annotation asks for.
    pub management: Management,
    /// The role-arn annotation, where there is one.
    pub role_arn: Option<Annotation>,
    /// The audience annotation, where there is one.
    pub audience: Option<Annotation>,
}

/// What the managed annotation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Management {
    /// `"true"`: there is to be a role.
    Managed,
    /// `"false"`: there is to be none of ours.
    Unmanaged,
    /// Something is wrong with the ServiceAccount, and a diagnostic says what: its role is held.
    Invalid,
}

/// The value of an annotation and the place of that value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The value, as Kubernetes would store it.
    pub value: String,
    /// Where it is written.
    pub location: Location,
    /// The line of source at that place.
    pub source_line: String,
}

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extract {
    /// The ServiceAccounts, in the order of the file.
    pub declarations: Vec<Declaration>,
    /// What is wrong or odd.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether every document that could hold our annotation was understood.
    pub completeness: Completeness,
}

/// Whether a file was understood to the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// Nothing of ours can have been missed.
    #[default]
    Whole,
    /// A document could not be parsed, or a ServiceAccount in it is not known by name: a
    /// ServiceAccount that is not found may still be there, so nothing may be pruned.
    Partial,
}
