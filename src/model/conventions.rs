//! How the manifests of a cluster are read and its roles are named, where a repository may differ
//! from the usual.

mod annotation;
mod exclude;
mod namespace;

pub use annotation::{
    AnnotationKeys, AnnotationPrefix, InvalidAnnotation, ManagedAnnotation, RoleArnForm,
};
pub use exclude::{IgnoreRules, Ignored, InvalidIgnore};
pub use namespace::{InvalidRule, NamespaceRule, NamespaceRules, suggestion};

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
}
