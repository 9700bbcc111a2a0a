//! Where a ServiceAccount stands that no manifest declares: in a file with an error, or without the
//! annotation. Whoever declared it again and forgot something is told that, and not that it is nowhere.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Severity};
use crate::manifest::Extractor;
use crate::model::location::{Location, RepoPath};
use crate::model::service_account::ServiceAccountRef;
use crate::reconcile::mentions::mentions_any;
use crate::reconcile::place::scope;
use crate::reconcile::survey::Survey;
use crate::reconcile::{Declarations, Error, Manifests};
use crate::settings::ClusterSettings;
use crate::source::{Content, Known};

/// Where it stands.
pub(super) enum Mention {
    /// A file that names it has an error, so what it declares is not known.
    Broken(Location, Diagnostic),
    /// A file has it without the managed annotation, which has this key.
    Bare(RepoPath, String),
}

impl Mention {
    /// Looks for it in the commit that was read.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub(super) fn of(
        service_account: &ServiceAccountRef,
        (settings, manifests): (&ClusterSettings, &Manifests),
        survey: &Survey,
    ) -> Result<Option<Self>, Error> {
        let (Some(repository), Some(commit)) = (&manifests.repository, manifests.commit()) else {
            return Ok(None);
        };
        let name = BTreeSet::from([service_account.name.as_str()]);
        let is_named = |bytes: &[u8]| mentions_any(bytes, &name);
        for found in &survey.diagnostics {
            let is_of_file = found.severity == Severity::Error && found.service_account.is_none();
            if let Some(at) = found.location.as_ref().filter(|_| is_of_file)
                && let Content::File(bytes) = repository.content(commit, &at.path)?
                && is_named(&bytes)
            {
                return Ok(Some(Self::Broken(at.clone(), found.clone())));
            }
        }
        let conventions = &settings.naming().conventions;
        let extractor: &Extractor = &manifests.extractor;
        let look = |path: &RepoPath, bytes: &[u8]| {
            let default = conventions.namespaces.of(path).and_then(Result::ok);
            let has_it = is_named(bytes) && extractor.has(bytes, service_account, default.as_ref());
            has_it.then_some(())
        };
        let scope = scope(&settings.paths, &conventions.ignore);
        let found = repository.look_at(commit, &scope, &mut Known::default(), &look)?;
        let annotation = conventions.annotations.managed.clone();
        let path = found.into_keys().next();
        Ok(path.map(|path| Self::Bare(path, annotation)))
    }

    /// That, as the beginning of a sentence.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Broken(_, found) => {
                format!(
                    "{}; the file names the ServiceAccount, and whether it declares it is not known",
                    found.in_words()
                )
            }
            Self::Bare(path, key) => format!(
                "`{path}` has the ServiceAccount without annotation {key}: \"true\", so it declares no role: add it"
            ),
        }
    }

    /// What stands where a place of declaration would.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Broken(at, _) => format!("maybe at {at}, which has an error"),
            Self::Bare(path, key) => format!("not declared: {path} has it without {key}"),
        }
    }
}
