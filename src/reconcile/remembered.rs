//! What a run remembers of the files that it has read, and does not read again.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::manifest::{self, Extent, Extract, Extractor};
use crate::model::conventions::Conventions;
use crate::model::location::RepoPath;
use crate::source::Cache;

/// The cache in a directory of what files hold by some conventions, as far as they are read.
pub fn cache(directory: &Path, conventions: &Conventions, extent: Extent) -> Rc<Cache> {
    let look = match extent {
        Extent::Ours => "",
        Extent::Whole => "-whole",
    };
    let version = manifest::version(conventions);
    Rc::new(Cache::open(directory, &version, look))
}

/// What the cache remembers of the documents of a file.
struct Documents<'a>(&'a Cache);

impl manifest::Memory for Documents<'_> {
    fn knows(&self, document: &str) -> bool {
        self.0.knows(document.as_bytes())
    }

    fn learn(&self, document: &str) {
        self.0.learn(document.as_bytes());
    }
}

/// Reads so much of a file, with what the cache remembers; the documents of whole ones are counted.
pub(super) fn extract<'a>(
    extractor: &'a Extractor,
    extent: Extent,
    cache: Option<&'a Cache>,
    counted: &'a Counted,
) -> impl Fn(&RepoPath, &[u8]) -> Option<Extract> + Sync + 'a {
    move |path, bytes| {
        if extent == Extent::Whole {
            counted.add(path, bytes);
        }
        match cache {
            Some(cache) => extractor.extract_with(path, bytes, extent, &Documents(cache)),
            None => extractor.extract_with(path, bytes, extent, &()),
        }
    }
}

/// How many documents files have, counted while they were read for what they declare: to open them once
/// more would cost as much again.
#[derive(Default)]
pub(super) struct Counted(Mutex<HashMap<RepoPath, usize>>);

impl Counted {
    pub(super) fn add(&self, path: &RepoPath, bytes: &[u8]) {
        let count = manifest::count_documents(bytes);
        self.counts().insert(path.clone(), count);
    }

    pub(super) fn get(&self, path: &RepoPath) -> Option<usize> {
        self.counts().get(path).copied()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<RepoPath, usize>> {
        // A thread that panicked while it held the lock left a usable map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
