//! A commit that is checked out, read together with what its work tree has otherwise.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::findings::uncommitted;
use super::manifests::Reading;
use super::place::scope;
use super::{Error, Manifests};
use crate::manifest::Extractor;
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;
use crate::source::{Repository, WorkTree};

impl Manifests {
    /// Reads everything below the paths at one commit, and says what the work tree has otherwise if that
    /// commit is checked out there. Both are done at once.
    pub(super) fn at_checkout(
        repository: &Rc<Repository>,
        commit: &CommitId,
        paths: &[RepoPath],
        reading: Reading<'_>,
    ) -> Result<Self, Error> {
        let extractor = Extractor::new(reading.conventions);
        let scope = scope(paths, &reading.conventions.ignore);
        let stop = AtomicBool::new(false);
        let check = |tree: WorkTree| {
            let matters = |path: &RepoPath, bytes: &[u8]| extractor.extract(path, bytes).is_some();
            tree.uncommitted(&scope, &matters, &stop)
        };
        let (mut manifests, changed) = std::thread::scope(|threads| {
            let beside = repository.work_tree(commit).and_then(|tree| {
                let check = || check(tree);
                std::thread::Builder::new()
                    .spawn_scoped(threads, check)
                    .ok()
            });
            let read = Self::at(repository, commit, paths, reading);
            stop.store(read.is_err(), Ordering::Relaxed);
            let changed = match beside.map(|beside| beside.join()) {
                Some(Ok(changed)) => changed,
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                // Where no thread can be had it is done now.
                None => repository.work_tree(commit).map(check).unwrap_or_default(),
            };
            read.map(|read| (read, changed))
        })?;
        manifests.diagnostics.extend(uncommitted(commit, &changed));
        Ok(manifests)
    }
}
