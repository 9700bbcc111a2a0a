//! What was looked at: every file in scope, whether it can hold the annotation or not.

use std::collections::BTreeMap;

use super::manifests::Origin;
use super::place::scope;
use super::{Error, Manifests};
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
    pub fn checked(&self, cluster: &ClusterSettings) -> Result<Checked, Error> {
        let scope = scope(&cluster.paths, &cluster.naming().conventions.ignore);
        let known = |path: &RepoPath| self.counted.get(path);
        let files: Vec<(RepoPath, usize)> = match self.origin() {
            Origin::Commit(repository, commit) => {
                // What the cache knows to hold nothing was not read: the cache knows its count as well.
                let remembered = Remembered {
                    facts: self.cache.as_ref().map(|cache| cache.counts()),
                    known: &known,
                    write: |count| Some(u64::try_from(*count).ok()?.to_le_bytes().to_vec()),
                    read: |_, bytes| {
                        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
                    },
                };
                let count = |_: &RepoPath, bytes: &[u8]| Some(manifest::count_documents(bytes));
                let read = repository.read(commit, &scope, None, Some(&remembered), &count)?;
                if let Some(facts) = remembered.facts {
                    facts.save();
                }
                read.files
            }
            // All of them were read.
            Origin::Directory(place) => {
                let names = directory::names(place, &scope)?.into_iter();
                let counted = names.map(|path| known(&path).map(|count| (path, count)));
                counted.flatten().collect()
            }
        };
        // One that stands in several files counts in each of them.
        let found = self.snapshot.files.iter();
        let accounts = found.map(|(path, extract)| (path, extract.declarations.len()));
        let accounts: BTreeMap<&RepoPath, usize> = accounts.collect();
        let files = files.into_iter().filter(|(path, _)| scope.covers(path));
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
