//! What was found in blobs, so that it need not be found again: bytes by the id of a blob, in one file.
//!
//! A sorted index and, behind it, the facts in the same order. Both are searched where they are; a fact is
//! made sense of only when somebody asks for it, and by whoever asks. The file is read and not mapped into
//! memory: one that somebody cuts while it is mapped would end the process, and this one may have come
//! from anywhere.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::summed;
use crate::model::location::RepoPath;

/// The most bytes that are kept; beyond it, what is new replaces everything.
const MOST: usize = 32 * 1024 * 1024;
/// How the file starts; the version is that of the format.
const MAGIC: &[u8] = b"irsa-gitops facts 1\n";
/// Bytes of a number in the file, which is little-endian.
const NUMBER: usize = 4;
/// An entry of the index: an id, and where its fact ends among the facts.
const ENTRY: usize = size_of::<Id>() + NUMBER;

/// The id of a blob.
type Id = [u8; 20];
type Entry = [u8; ENTRY];

/// The facts of one kind, by one version of their reader: what the file knew when it was opened, and what was
/// found since.
#[derive(Debug)]
pub struct Facts {
    path: PathBuf,
    /// The file of the run before; empty if there is none that can be used.
    file: Vec<u8>,
    fresh: Mutex<HashMap<Id, Vec<u8>>>,
}

/// Facts, and how what is found in a file becomes one and back.
pub struct Remembered<'a, T> {
    /// Where they are; a run without a cache has none.
    pub facts: Option<&'a Facts>,
    /// What was found in the file with this name already, in this run. Nobody proves that the content had
    /// its id: it must be nothing that a role hangs on.
    pub known: &'a dyn Fn(&RepoPath) -> Option<T>,
    /// The fact of what was found; `None` if it is better looked at again.
    pub write: fn(&T) -> Option<Vec<u8>>,
    /// What was found in the file with this name; `None` if the fact makes no sense.
    pub read: fn(&RepoPath, &[u8]) -> Option<T>,
}

impl Facts {
    /// Opens a file of facts; it is empty if there is none that can be used.
    pub(super) fn open(path: PathBuf) -> Self {
        let file = summed::read(&path, |file| parse(file).is_some());
        let fresh = Mutex::default();
        Self { path, file, fresh }
    }

    /// Whether anything is known from another run.
    pub(super) fn is_known(&self) -> bool {
        !self.file.is_empty()
    }

    /// The path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn get(&self, id: &git2::Oid) -> Option<&[u8]> {
        let (index, facts) = parts(&self.file)?;
        let id: Id = id.as_bytes().try_into().ok()?;
        let place = index.binary_search_by(|entry| entry[..id.len()].cmp(&id));
        fact(index, facts, place.ok()?)
    }

    pub(super) fn add(&self, id: &git2::Oid, fact: Vec<u8>) {
        if let Ok(id) = Id::try_from(id.as_bytes()) {
            self.fresh().insert(id, fact);
        }
    }

    fn fresh(&self) -> MutexGuard<'_, HashMap<Id, Vec<u8>>> {
        // A thread that panicked while it held the lock left a usable map.
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is new, replacing the file whole. One that cannot be written is no fault.
    pub fn save(&self) {
        let fresh = self.fresh();
        if fresh.is_empty() {
            return;
        }
        let size = |(_, fact): (&Id, &Vec<u8>)| ENTRY + fact.len();
        let new: usize = fresh.iter().map(size).sum();
        let is_room = self.file.len() + new <= MOST;
        let (index, facts) = parts(&self.file).filter(|_| is_room).unwrap_or_default();
        let known = index.iter().enumerate().filter_map(|(place, entry)| {
            let id: Id = *entry.first_chunk()?;
            Some((id, fact(index, facts, place)?))
        });
        let mut all: Vec<(Id, &[u8])> = known.filter(|(id, _)| !fresh.contains_key(id)).collect();
        all.extend(fresh.iter().map(|(id, fact)| (*id, fact.as_slice())));
        // Mostly one sorted run behind which a few others are, which a stable sort merges.
        all.sort();
        // As much as fits, should it be more.
        let mut room = MOST;
        all.retain(|(_, fact)| {
            let size = ENTRY + fact.len();
            let fits = size <= room;
            room -= if fits { size } else { 0 };
            fits
        });
        summed::replace(&self.path, MAGIC, &laid_out(&all));
    }
}

impl<T> Remembered<'_, T> {
    /// What was found in a blob before.
    pub(super) fn recall(&self, path: &RepoPath, id: &git2::Oid) -> Option<T> {
        if let Some(known) = (self.known)(path) {
            self.note(id, &known);
            return Some(known);
        }
        (self.read)(path, self.facts?.get(id)?)
    }

    /// Remembers what was found in a blob.
    pub(super) fn note(&self, id: &git2::Oid, found: &T) {
        if let Some((facts, fact)) = self.facts.zip((self.write)(found)) {
            facts.add(id, fact);
        }
    }
}

/// The count of the facts, the index and the facts, which are sorted.
fn laid_out(all: &[(Id, &[u8])]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let mut content = number(all.len()).to_vec();
    let mut end = 0;
    for (id, fact) in all {
        end += fact.len();
        content.extend(id);
        content.extend(number(end));
    }
    all.iter().for_each(|(_, fact)| content.extend(*fact));
    content
}

/// The index and the facts of a file that was parsed.
fn parts(file: &[u8]) -> Option<(&[Entry], &[u8])> {
    let content = summed::content(file, MAGIC)?;
    let (count, rest) = content.split_first_chunk::<NUMBER>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (index, facts) = rest.split_at_checked(count.checked_mul(ENTRY)?)?;
    Some((index.as_chunks().0, facts))
}

/// The fact of an entry of the index.
fn fact<'f>(index: &[Entry], facts: &'f [u8], place: usize) -> Option<&'f [u8]> {
    let end = |place: usize| {
        let end = index.get(place)?.last_chunk::<NUMBER>()?;
        usize::try_from(u32::from_le_bytes(*end)).ok()
    };
    let start = place.checked_sub(1).map_or(Some(0), end)?;
    facts.get(start..end(place)?)
}

/// The parts of a file; `None` if it is cut, changed or of another format.
fn parse(file: &[u8]) -> Option<(&[Entry], &[u8])> {
    let (index, facts) = parts(file).filter(|_| summed::is_intact(file, MAGIC))?;
    let id = |entry: &Entry| -> Option<Id> { entry.first_chunk().copied() };
    index.is_sorted_by_key(id).then_some((index, facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(byte: u8) -> git2::Oid {
        git2::Oid::from_bytes(&[byte; 20]).expect("twenty bytes")
    }

    fn open(directory: &tempfile::TempDir) -> Facts {
        Facts::open(directory.path().join("a.facts"))
    }

    #[test]
    fn s37_what_was_found_is_known_to_the_next_run_and_to_the_one_after() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = open(&directory);
        for byte in [7, 3, 5] {
            first.add(&oid(byte), vec![byte; usize::from(byte)]);
        }
        assert_eq!(first.get(&oid(3)), None, "what is new was just found");
        first.save();
        let second = open(&directory);
        assert_eq!(second.get(&oid(5)), Some(&[5; 5][..]));
        second.add(&oid(5), vec![]);
        second.add(&oid(4), vec![4]);
        second.save();
        let third = open(&directory);
        for (byte, fact) in [(3, &[3; 3][..]), (4, &[4]), (5, &[]), (7, &[7; 7])] {
            assert_eq!(third.get(&oid(byte)), Some(fact), "{byte}");
        }
        assert_eq!(third.get(&oid(6)), None);
    }

    #[test]
    fn s37_there_is_a_limit_to_what_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let large = |byte| (oid(byte), vec![byte; MOST / 3]);
        for byte in 1..=4 {
            let facts = open(&directory);
            let (id, fact) = large(byte);
            facts.add(&id, fact);
            facts.save();
        }
        let facts = open(&directory);
        assert!(facts.file.len() < MOST);
        assert!(facts.get(&oid(4)).is_some(), "the newest is there");
        for byte in 5..10 {
            let (id, fact) = large(byte);
            facts.add(&id, fact);
        }
        facts.save();
        assert!(open(&directory).file.len() < MOST + 100);
    }

    #[test]
    fn s37_facts_that_are_damaged_are_not_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let facts = open(&directory);
        facts.add(&oid(3), b"fact".to_vec());
        facts.save();
        let whole = std::fs::read(&facts.path).expect("a file");
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            for damaged in [&whole[..at], &flipped] {
                std::fs::write(&facts.path, damaged).expect("written");
                assert_eq!(open(&directory).get(&oid(3)), None, "{at}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn s37_any_bytes_are_facts_or_none(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for content in [&bytes[..], &[&[2, 0, 0, 0], &bytes[..]].concat()] {
                let directory = tempfile::tempdir().expect("a directory");
                let path = directory.path().join("a.facts");
                // Whoever writes a cache can sum it up as well.
                summed::replace(&path, MAGIC, content);
                let facts = Facts::open(path);
                facts.get(&oid(bytes.first().copied().unwrap_or_default()));
                facts.add(&oid(1), vec![1]);
                facts.save();
                let facts = open(&directory);
                proptest::prop_assert_eq!(facts.get(&oid(1)), Some(&[1][..]));
            }
        }
    }
}
