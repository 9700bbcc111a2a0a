//! What was looked at: every file in scope, whether it can hold the annotation or not.

use std::collections::BTreeMap;

use super::manifests::{Origin, scope};
use super::{ClusterManifests, Error, Manifests};
use crate::manifest;
use crate::model::location::RepoPath;
use crate::report::checked::{Checked, Counts};
use crate::settings::ClusterSettings;
use crate::source::{Remembered, directory};

impl Manifests {
    /// Counts what a cluster's run looked at, with what it found declared there.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn checked(
        &self,
        cluster: &ClusterSettings,
        found: &ClusterManifests,
    ) -> Result<Checked, Error> {
        let scope = scope(&cluster.paths, &cluster.naming().conventions.ignore);
        let count = |_: &RepoPath, bytes: &[u8]| Some(manifest::count_documents(bytes));
        let all = match self.origin() {
            Origin::Commit(repository, commit) => {
                let remembered = self.cache.as_ref().map(|cache| Remembered {
                    facts: cache.counts(),
                    write: |count| Some(u64::try_from(*count).ok()?.to_le_bytes().to_vec()),
                    read: |_, bytes| {
                        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
                    },
                });
                let read = repository.read(commit, &scope, None, remembered.as_ref(), &count)?;
                if let Some(remembered) = remembered {
                    remembered.facts.save();
                }
                read
            }
            Origin::Directory(directory) => directory::read(directory, &scope, None, &count)?,
        };
        let mut accounts: BTreeMap<&RepoPath, usize> = BTreeMap::new();
        for declared in found.resolved.declared.values() {
            *accounts.entry(&declared.location.path).or_default() += 1;
        }
        let files = all.files.into_iter().filter(|(path, _)| scope.covers(path));
        let files: Vec<(RepoPath, Counts)> = files
            .map(|(path, documents)| {
                let counts = Counts {
                    files: 1,
                    documents,
                    service_accounts: accounts.get(&path).copied().unwrap_or(0),
                };
                (path, counts)
            })
            .collect();
        Ok(Checked::new(&files))
    }
}
