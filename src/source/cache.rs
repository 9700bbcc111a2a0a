//! Blobs, parts of blobs and trees that are known to hold nothing, so that they need not be read again.
//!
//! A sorted table of ids in one file, opened by one read; beside it, in files of their own, what was found
//! in other blobs ([`Facts`]). An id names its content, so a table of any age is right. A poisoned one
//! can hide a manifest from a plan, or what that manifest holds; so before a run writes, everything is
//! read again without it, and runs that retire roles do not use it. One that is damaged or of another
//! version is left aside. Parts of files have ids of their own, which are no object's.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use sha2::{Digest, Sha256};

use super::facts::Facts;
use super::summed::{content, is_intact, read, replace};

/// The most ids that are kept: 80 MB on disk.
const MOST: usize = 4_000_000;
/// How the file starts; the version is that of the format.
const MAGIC: &[u8] = b"irsa-gitops cache 1\n";

/// The id of an object, or of a part of a file.
type Id = [u8; 20];

/// The cache of one directory: what the file knew when it was opened, and what was learned since.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    /// The file of the run before; empty if there is none that can be used.
    file: Vec<u8>,
    /// What was learned since.
    fresh: Mutex<HashSet<Id>>,
    found: Facts,
    /// How many documents files have, for whoever asks.
    counts: OnceLock<Facts>,
}

impl Cache {
    /// Opens the cache of a directory for one version of the reader of blobs; it is empty if there is
    /// no file that can be used. What was found besides hangs on how blobs were looked at.
    pub fn open(directory: &Path, version: &str, look: &str) -> Self {
        let path = directory.join(format!("nothing-{version}.ids"));
        Self {
            file: read(&path, |file| parse(file).is_some()),
            path,
            fresh: Mutex::default(),
            found: Facts::open(directory.join(format!("found-{version}{look}.facts"))),
            counts: OnceLock::new(),
        }
    }

    /// A file that something is known from; `None` if this is the first run.
    pub fn in_use(&self) -> Option<&Path> {
        let known = (!self.file.is_empty()).then_some(self.path.as_path());
        known.or_else(|| self.found.is_known().then(|| self.found.path()))
    }

    /// What was found in blobs.
    pub fn found(&self) -> &Facts {
        &self.found
    }

    /// How many documents blobs have, whoever reads them.
    pub fn counts(&self) -> &Facts {
        self.counts
            .get_or_init(|| Facts::open(self.path.with_file_name("documents-1.facts")))
    }

    /// Whether a part of a file is known to hold nothing.
    pub fn knows(&self, part: &[u8]) -> bool {
        self.holds(&part_id(part))
    }

    /// Remembers that a part of a file holds nothing.
    pub fn learn(&self, part: &[u8]) {
        self.remember(part_id(part));
    }

    pub(super) fn holds_nothing(&self, id: &git2::Oid) -> bool {
        Id::try_from(id.as_bytes()).is_ok_and(|id| self.holds(&id))
    }

    pub(super) fn add(&self, id: &git2::Oid) {
        if let Ok(id) = Id::try_from(id.as_bytes()) {
            self.remember(id);
        }
    }

    fn remember(&self, id: Id) {
        let mut fresh = self.fresh();
        if fresh.len() < MOST {
            fresh.insert(id);
        }
    }

    fn holds(&self, id: &Id) -> bool {
        self.known().binary_search(id).is_ok()
    }

    /// The ids in the file, sorted.
    fn known(&self) -> &[Id] {
        content(&self.file, MAGIC).unwrap_or_default().as_chunks().0
    }

    fn fresh(&self) -> MutexGuard<'_, HashSet<Id>> {
        // A thread that panicked while it held the lock left a usable set.
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is new, replacing each file whole. A cache that cannot be written is no fault.
    pub fn save(&self) {
        self.found.save();
        let mut ids: Vec<Id> = self.fresh().iter().copied().collect();
        if ids.is_empty() {
            return;
        }
        if self.known().len() + ids.len() <= MOST {
            ids.extend(self.known());
        }
        // Mostly one sorted run behind a few others, which a stable sort merges.
        ids.sort();
        ids.dedup();
        replace(&self.path, MAGIC, ids.as_flattened());
    }
}

/// The id of a part of a file: not that of a blob with the same content, of which less is known.
fn part_id(part: &[u8]) -> Id {
    let hash = Sha256::digest(part);
    *hash.first_chunk().expect("a hash of 32 bytes")
}

/// The ids in a cache's file; `None` if it is cut, changed or of another format.
fn parse(bytes: &[u8]) -> Option<&[Id]> {
    let (ids, rest) = content(bytes, MAGIC)?.as_chunks();
    let is_whole = rest.is_empty() && is_intact(bytes, MAGIC);
    (is_whole && ids.is_sorted()).then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(byte: u8) -> git2::Oid {
        git2::Oid::from_bytes(&[byte; 20]).expect("twenty bytes")
    }

    #[test]
    fn what_was_saved_is_known_to_the_next_run() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Cache::open(directory.path(), "1", "");
        for byte in [7, 3, 5] {
            first.add(&oid(byte));
        }
        first.save();
        let second = Cache::open(directory.path(), "1", "");
        assert!(second.holds_nothing(&oid(3)) && !second.holds_nothing(&oid(4)));
        assert!(
            !Cache::open(directory.path(), "2", "").holds_nothing(&oid(3)),
            "another version"
        );
    }

    #[test]
    fn a_part_is_not_taken_for_a_file_with_the_same_content() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(directory.path(), "1", "");
        let blob = git2::Oid::hash_object(git2::ObjectType::Blob, b"a: 1").expect("an id");
        cache.add(&blob);
        cache.learn(b"b: 1");
        cache.save();
        let cache = Cache::open(directory.path(), "1", "");
        assert!(cache.knows(b"b: 1") && !cache.knows(b"a: 1"));
    }

    #[test]
    fn p6_a_damaged_cache_is_not_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(directory.path(), "1", "");
        cache.add(&oid(3));
        cache.save();
        let path = directory.path().join("nothing-1.ids");
        let whole = std::fs::read(&path).expect("a file");
        let mut flipped = whole.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        let future = [b"irsa-gitops cache 2\n", &whole[MAGIC.len()..]].concat();
        for damaged in [
            &whole[..whole.len() - 1],
            &flipped,
            &future,
            b"",
            b"garbage",
        ] {
            std::fs::write(&path, damaged).expect("written");
            assert!(!Cache::open(directory.path(), "1", "").holds_nothing(&oid(3)));
        }
    }

    proptest::proptest! {
        #[test]
        fn p6_any_bytes_are_a_cache_or_none(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            proptest::prop_assert_eq!(parse(&bytes), None);
            let behind_the_mark = [MAGIC, &bytes[..]].concat();
            proptest::prop_assert_eq!(parse(&behind_the_mark), None);
        }
    }
}
