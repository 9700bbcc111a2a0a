//! How the manifests of a cluster are read and its roles are named, where a repository may differ
//! from the usual.

mod annotation;
mod exclude;
mod namespace;
mod substitution;

pub use annotation::{
    AnnotationKeys, AnnotationPrefix, InvalidAnnotation, ManagedAnnotation, RoleArnForm,
};
pub use exclude::{IgnoreRules, Ignored, InvalidIgnore};
pub use namespace::{InvalidRule, NamespaceRule, NamespaceRules, suggestion};
pub use substitution::{InvalidSubstitution, Substitutions, Unknown};

/// What becomes of a ServiceAccount whose role's name would be longer than IAM allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LongNames {
    /// It gets no role, and an error.
    #[default]
    Refuse,
    /// The name is cut, and ends with a digest of namespace and name.
    Digest,
}

/// What a repository may do in its own way; the default is what the controller and the webhook do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conventions {
    /// The keys of the annotations that matter.
    pub annotations: AnnotationKeys,
    /// What the role-arn annotation may hold.
    pub role_arns: RoleArnForm,
    /// Which namespace a path is applied to.
    pub namespaces: NamespaceRules,
    /// Which paths count for nothing.
    pub ignore: IgnoreRules,
    /// The values of variables in annotation values.
    pub substitutions: Substitutions,
    /// What becomes of names that are too long.
    pub long_names: LongNames,
}
