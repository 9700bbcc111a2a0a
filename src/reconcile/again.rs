//! What was read once and is read again: files to their ends, where something is missing from them, and
//! everything without a cache, before anything is written.

use std::collections::HashSet;

use super::manifests::Origin;
use super::{Declarations, Error, Manifests};
use crate::manifest::{Extent, Extract, Extractor};
use crate::model::location::RepoPath;
use crate::source::directory;

impl Manifests {
    /// The files that may declare something, each read to its end: a document beside a ServiceAccount that
    /// cannot be parsed may be what is left of another one, which matters where one is missing.
    pub(super) fn whole(&self) -> Result<&[(RepoPath, Extract)], Error> {
        if self.extent == Extent::Whole {
            return Ok(&self.snapshot.files);
        }
        if let Some(known) = self.whole.get() {
            return Ok(known);
        }
        let files = self.snapshot.files.iter();
        let files: HashSet<&RepoPath> = files.map(|(path, _)| path).collect();
        let is_needed = |path: &RepoPath| files.contains(path);
        let extractor: &Extractor = &self.extractor;
        let extract = |path: &RepoPath, bytes: &[u8]| match is_needed(path) {
            true => extractor.extract(path, bytes),
            false => None,
        };
        let whole = match self.origin() {
            _ if files.is_empty() => vec![],
            Origin::Commit(repository, commit) => {
                repository.read_again(commit, &self.scope, &is_needed, &extract)?
            }
            Origin::Directory(place) => directory::read(place, &self.scope, None, &extract)?.files,
        };
        Ok(self.whole.get_or_init(|| whole))
    }

    /// What there is if the cache hid some of it, or made it up: one that somebody tampered with could hide
    /// what speaks against a role.
    pub(super) fn unhidden(&self) -> Result<Option<Self>, Error> {
        let cache = self.cache.as_ref().and_then(|cache| cache.in_use());
        let (Some(repository), Some(commit), Some(cache)) =
            (&self.repository, self.commit(), cache)
        else {
            return Ok(None);
        };
        let scope = self.scope.clone();
        let read = (&self.extractor, self.extent);
        let mut whole = Self::read_at(repository, commit, scope, None, read)?;
        let (all, seen) = (&whole.snapshot, &self.snapshot);
        if (&all.files, &all.unread) == (&seen.files, &seen.unread) {
            return Ok(None);
        }
        tracing::warn!(path = %cache.display(), "the cache hides manifests, or makes some up, and is not used: delete it, and find out who wrote to it");
        whole.diagnostics.clone_from(&self.diagnostics);
        whole.clusters.clone_from(&self.clusters);
        Ok(Some(whole))
    }
}
