//! A file that a cluster's run does not read: what it declares, or may be.

use std::collections::BTreeSet;

use super::{Files, Role};
use crate::manifest::{Declaration, Extractor, Hides, Management};
use crate::model::conventions::NamespaceRules;
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::reconcile::mentions::mentions_any;

/// What such a file says.
#[derive(Default)]
pub(super) struct File {
    declarations: Vec<Declaration>,
    /// Why it cannot be read whole, if it cannot.
    broken: Option<Broken>,
}

/// A file that cannot be read whole.
struct Broken {
    content: Vec<u8>,
    fault: String,
    /// What may be in its parts that are not understood and hold the annotation.
    hides: Vec<Hides>,
}

impl File {
    pub(super) fn new(
        extractor: &Extractor,
        rules: &NamespaceRules,
        path: &RepoPath,
        bytes: &[u8],
        names: &BTreeSet<&str>,
    ) -> Option<Self> {
        let extract = extractor.extract(path, bytes);
        let extract = extract.map(|extract| extract.placed(path, rules));
        let fault = match &extract {
            Some(extract) if !extract.is_whole() => {
                extract.doubts.first().map(|d| extract.fault(d))
            }
            _ if mentions_any(bytes, names) && !extractor.is_readable(bytes) => {
                Some("it does not parse".to_owned())
            }
            _ => None,
        };
        let doubts = extract.iter().flat_map(|extract| &extract.doubts);
        let broken = fault.map(|fault| Broken {
            content: bytes.to_vec(),
            fault,
            hides: doubts.map(|doubt| doubt.hides.clone()).collect(),
        });
        let declarations = extract.map_or_else(Vec::new, |extract| extract.declarations);
        let is_of_use = broken.is_some() || !declarations.is_empty();
        is_of_use.then_some(Self {
            declarations,
            broken,
        })
    }

    /// Whether it declares a role.
    pub(super) fn declares(&self, whose: &ServiceAccountRef, role: &Role<'_>) -> bool {
        let mut declarations = self.declarations.iter();
        declarations.any(|declaration| declares(declaration, whose, role))
    }

    /// Whether it has to be compared with what it was before.
    pub(super) fn is_suspect(&self, whose: &ServiceAccountRef, role: &Role<'_>) -> bool {
        let names = |declaration: &Declaration| {
            declaration.service_account == *whose || names_role(declaration, role)
        };
        self.broken.is_some() || self.declarations.iter().any(names)
    }

    /// Whether the file may be what a role was made for, whatever was before.
    pub(super) fn may_be(
        &self,
        whose: &ServiceAccountRef,
        role: &Role<'_>,
        is_settled: &dyn Fn(&Declaration) -> bool,
    ) -> bool {
        let is_possible = |other: &Declaration| {
            other.management != Management::Unmanaged
                && (other.service_account == *whose || names_role(other, role))
                && !is_settled(other)
        };
        let hides = |broken: &Broken| {
            broken.mentions(whose, role) || broken.hides.iter().any(|hides| hides.may_be(whose))
        };
        self.declarations.iter().any(is_possible) || self.broken.as_ref().is_some_and(hides)
    }

    /// Why the file may be what a role was made for, if it may; `before` are the files of a commit
    /// that had the ServiceAccount. Of some declarations it is known what they are.
    pub(super) fn suspicion(
        &self,
        (path, whose, role): (&RepoPath, &ServiceAccountRef, &Role<'_>),
        is_settled: &dyn Fn(&Declaration) -> bool,
        before: Option<&Files>,
    ) -> Option<String> {
        let others = self.declarations.iter();
        let mut others = others.filter(|other| !is_settled(other));
        let declared = others.find_map(|declaration| {
            let names_role = names_role(declaration, role);
            let is_whose = declaration.service_account == *whose;
            let is_possible = declaration.management != Management::Unmanaged
                && (is_whose || names_role)
                && !before.is_some_and(|before| is_anothers(declaration, before));
            is_possible.then(|| suspicious(declaration, names_role))
        });
        declared.or_else(|| {
            let broken = self.broken.as_ref()?;
            let is_possible = match before {
                Some(before) => broken.is_new(path, whose, role, before),
                None => broken.mentions(whose, role),
            };
            is_possible.then(|| broken.fault.clone())
        })
    }
}

impl Broken {
    fn mentions(&self, whose: &ServiceAccountRef, role: &Role<'_>) -> bool {
        mentions_any(&self.content, &BTreeSet::from([whose.name.as_str()]))
            || memchr::memmem::find(&self.content, role.name.as_bytes()).is_some()
    }

    /// Whether it could hold a ServiceAccount that it could not hold before.
    fn is_new(
        &self,
        path: &RepoPath,
        whose: &ServiceAccountRef,
        role: &Role<'_>,
        before: &Files,
    ) -> bool {
        let mut all = before.values().filter_map(|file| file.broken.as_ref());
        if all.any(|other| other.content == self.content) {
            return false;
        }
        let was_broken = before.get(path).is_some_and(|file| file.broken.is_some());
        let may_hide = || self.hides.iter().any(|hides| hides.may_be(whose));
        self.mentions(whose, role) || (!was_broken && may_hide())
    }
}

/// Whether a declaration is known to be another cluster's: it was there before, or roles named like
/// the one that it names were.
fn is_anothers(declaration: &Declaration, before: &Files) -> bool {
    let mut known = before.values().flat_map(|file| &file.declarations);
    known.any(|other| {
        let is_same = other.service_account == declaration.service_account
            && other.declares() == declaration.declares();
        let is_managed = declaration.management == Management::Managed;
        is_same || (is_managed && family(other).is_some() && family(other) == family(declaration))
    })
}

/// What the roles of a cluster have in common: the ARN before namespace and name.
fn family(declaration: &Declaration) -> Option<&str> {
    let ServiceAccountRef { namespace, name } = &declaration.service_account;
    let family = given(declaration)?.strip_suffix(&format!("{namespace}_{name}"))?;
    family.ends_with(['/', '_']).then_some(family)
}

/// Whether a declaration is the one of a role.
pub(super) fn declares(
    declaration: &Declaration,
    whose: &ServiceAccountRef,
    role: &Role<'_>,
) -> bool {
    declaration.service_account == *whose
        && declaration.management == Management::Managed
        && names_role(declaration, role)
}

/// Whether the role-arn annotation names a role.
pub(super) fn names_role(declaration: &Declaration, role: &Role<'_>) -> bool {
    given(declaration).is_some_and(|given| role.given.iter().any(|own| own == given))
}

fn given(declaration: &Declaration) -> Option<&str> {
    declaration.role_arn.as_ref().map(|arn| arn.value.as_str())
}

fn suspicious(declaration: &Declaration, names_role: bool) -> String {
    let line = declaration.location.line;
    match (declaration.management, given(declaration)) {
        (Management::Invalid, _) => format!("line {line}: its ServiceAccount has errors"),
        (_, Some(_)) if names_role => format!(
            "line {line}: its ServiceAccount `{}` names the role",
            declaration.service_account
        ),
        (_, Some(arn)) => format!("line {line}: its role-arn annotation is `{arn}`"),
        (_, None) => format!("line {line}: it has no role-arn annotation"),
    }
}
