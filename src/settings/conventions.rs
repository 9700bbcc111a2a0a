//! How manifests are read and roles are named, where a repository differs from the usual.

use super::values::long_names;
use super::{ClusterInput, ClusterSettings, Error, optional};
use crate::model::conventions::{
    AnnotationKeys, AnnotationPrefix, Conventions, IgnoreRules, ManagedAnnotation, NamespaceRule,
    NamespaceRules, RoleArnForm, Substitutions,
};

impl ClusterInput {
    pub(super) fn conventions(&self) -> Result<Conventions, Error> {
        let (key, prefix) = ("--managed-annotation", "--annotation-prefix");
        let managed = optional(&self.managed_annotation, key, ManagedAnnotation::new)?;
        let prefix = optional(&self.annotation_prefix, prefix, AnnotationPrefix::new)?;
        let keys = AnnotationKeys::new(&managed.unwrap_or_default(), &prefix.unwrap_or_default());
        let enforced = self.namespace_enforce == Some(true);
        if enforced && self.namespaces.is_empty() {
            return Err(Error::Alone("--namespace-enforce", "--namespace-from"));
        }
        let rules = self.namespaces.iter();
        let rules = rules.map(|rule| NamespaceRule::new(rule, enforced));
        let rules = rules.collect::<Result<_, _>>();
        let substitutions = Substitutions::new(&self.substitute);
        Ok(Conventions {
            substitutions: substitutions.map_err(Error::invalid("--substitute"))?,
            namespaces: NamespaceRules::new(rules.map_err(Error::invalid("--namespace-from"))?),
            ignore: IgnoreRules::new(&self.ignore).map_err(Error::invalid("--exclude"))?,
            annotations: keys.map_err(Error::invalid(key))?,
            long_names: optional(&self.long_names, "--long-names", long_names)?.unwrap_or_default(),
            role_arns: match self.compose_role_arn {
                Some(true) => RoleArnForm::Composed,
                Some(false) | None => RoleArnForm::Whole,
            },
        })
    }
}

/// The conventions by which the manifests of some clusters are read, all at once.
///
/// # Errors
///
/// [`Error::DifferentKeys`]: a manifest is read once, with one set of keys.
pub fn shared(clusters: &[ClusterSettings]) -> Result<Conventions, Error> {
    let Some((first, others)) = clusters.split_first() else {
        return Ok(Conventions::default());
    };
    let conventions = |cluster: &ClusterSettings| cluster.naming().conventions.clone();
    let mut shared = conventions(first);
    let keys = &shared.annotations.clone();
    let differs = |other: &&ClusterSettings| conventions(other).annotations != *keys;
    let other = others.iter().find(differs);
    if others
        .iter()
        .any(|other| conventions(other).ignore != shared.ignore)
    {
        // What is left out of one cluster may be another one's.
        shared.ignore = IgnoreRules::default();
    }
    match other {
        None => Ok(shared),
        Some(other) => Err(Error::DifferentKeys(
            first.name().clone(),
            other.name().clone(),
        )),
    }
}
