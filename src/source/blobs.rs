//! The content of blobs, on all processors: what is in packs along their delta trees, and what is left
//! object by object.

use std::sync::{Mutex, PoisonError};

use git2::{ObjectType, Odb, Oid};

use super::error::{damaged, reason};
use super::listing::Named;
use super::{
    Error, LFS_POINTER, MAX_FILE_SIZE, Snapshot, Unread, UnreadReason, pack, packed, threads,
};
use crate::model::location::RepoPath;

/// How many files a thread takes at a time.
pub(super) const PIECE: usize = 256;

/// What came of reading a file.
pub(super) enum Read<T> {
    Found(RepoPath, T),
    Unread(Unread),
}

impl<T> Snapshot<T> {
    /// Adds what came of reading a file; the order is made by `sort`.
    pub(super) fn add(&mut self, read: Read<T>) {
        match read {
            Read::Found(path, found) => self.files.push((path, found)),
            Read::Unread(unread) => self.unread.push(unread),
        }
    }
}

/// Reads the blobs of a repository, in no order: what is in packs along their delta trees, and what is
/// left object by object. A blob is read once, whatever number of paths it has: `read_one` makes something
/// of it for each of them, or nothing.
///
/// # Errors
///
/// If any blob cannot be read; of several that are left, the first by path.
pub(super) fn read<T: Send>(
    git: &git2::Repository,
    mut blobs: Vec<Named>,
    read_one: &(impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>> + Sync),
) -> Result<Vec<Read<T>>, Error> {
    blobs.sort_by(|(a_path, a), (b_path, b)| (a, a_path).cmp(&(b, b_path)));
    let places: Vec<_> = blobs.chunk_by(|(_, a), (_, b)| a == b).collect();
    let ids: Vec<Oid> = places.iter().map(|places| places[0].1).collect();
    let found = Mutex::new(Vec::new());
    let take = |place: usize, content: &[u8], is_it: &dyn Fn() -> bool| {
        let reads = read_names(places[place], content, read_one);
        if !reads.is_empty() && !is_it() {
            return false;
        }
        // A thread that panicked while it held the lock left a complete list: `extend` is the last step.
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.extend(reads);
        true
    };
    let taken = packed::read(&pack::packs(git), &ids, &take)?;
    let left = taken.iter().zip(&places).filter(|(taken, _)| !**taken);
    let mut left: Vec<_> = left.map(|(_, places)| *places).collect();
    left.sort();
    let mut reads = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    reads.extend(read_objects(git, &left, read_one)?);
    Ok(reads)
}

/// Reads blobs on all processors; each thread has its own handle, because libgit2's caches cannot
/// be shared.
fn read_objects<T: Send>(
    git: &git2::Repository,
    blobs: &[&[Named]],
    read_one: &(impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>> + Sync),
) -> Result<Vec<Read<T>>, Error> {
    let path = git.path();
    let open = || git2::Repository::open(path).ok();
    let work = |git: &git2::Repository, piece: Vec<_>| read_piece(git, piece, read_one);
    let pieces = threads::in_pieces(git, open, blobs.iter().copied(), PIECE, work);
    let pieces: Result<Vec<_>, Error> = pieces.into_iter().collect();
    Ok(pieces?.into_iter().flatten().collect())
}

/// Reads some blobs, one after the other.
fn read_piece<T>(
    git: &git2::Repository,
    blobs: Vec<&[Named]>,
    read_one: &impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>>,
) -> Result<Vec<Read<T>>, Error> {
    let odb = git.odb().map_err(|error| Error::NotARepository {
        path: git.path().to_owned(),
        reason: reason(&error),
    })?;
    let mut read = Vec::new();
    for names in blobs {
        let (path, id) = &names[0];
        let blob = read_blob(&odb, *id, path, names.len())?;
        read.extend(read_names(names, blob.data(), read_one));
    }
    Ok(read)
}

/// Makes something of a blob under each of its names: a name may decide what it is.
fn read_names<T>(
    names: &[Named],
    content: &[u8],
    read_one: &impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>>,
) -> Vec<Read<T>> {
    let read = |(path, id): &Named| read_one(path, id, content);
    names.iter().filter_map(read).collect()
}

/// Makes something of what a file holds; a Git LFS pointer only stands for a file.
pub(super) fn read_content<T>(
    path: &RepoPath,
    content: &[u8],
    extract: &impl Fn(&RepoPath, &[u8]) -> Option<T>,
) -> Option<Read<T>> {
    if content.starts_with(LFS_POINTER) {
        let (path, reason) = (path.clone(), UnreadReason::LfsPointer);
        return Some(Read::Unread(Unread { path, reason }));
    }
    extract(path, content).map(|found| Read::Found(path.clone(), found))
}

/// Reads a blob that stands under so many names; its size is known before it is unpacked.
pub(super) fn read_blob<'odb>(
    odb: &'odb Odb<'_>,
    id: Oid,
    path: &RepoPath,
    names: usize,
) -> Result<git2::OdbObject<'odb>, Error> {
    let broken = |error: git2::Error| damaged(id, path.as_bytes(), &error);
    let (size, kind) = odb.read_header(id).map_err(broken)?;
    if size as u64 > MAX_FILE_SIZE {
        return Err(Error::TooLarge {
            path: path.clone(),
            names,
            size: size as u64,
            limit: MAX_FILE_SIZE,
        });
    }
    if kind != ObjectType::Blob {
        let reason = format!("it is a {kind}, not a blob");
        return Err(Error::Object {
            id: id.to_string(),
            path: path.clone(),
            reason,
        });
    }
    odb.read(id).map_err(broken)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn g38_a_blob_is_looked_at_under_each_of_its_names() {
        let directory = tempfile::tempdir().expect("a directory");
        let git = git2::Repository::init_bare(directory.path()).expect("a repository");
        let ids = [b"nothing", b"present"].map(|text| git.blob(text).expect("a blob"));
        let name = |n: usize| (RepoPath::from(format!("{n}.yaml").as_str()), ids[n % 2]);
        let looks = AtomicUsize::new(0);
        let look = |path: &RepoPath, _: &Oid, content: &[u8]| {
            looks.fetch_add(1, Ordering::Relaxed);
            let is_found = content == b"present" && *path != RepoPath::from("1.yaml");
            is_found.then(|| Read::Found(path.clone(), ()))
        };
        let reads = read(&git, (0..2 * PIECE).map(name).collect(), &look).expect("all are there");
        assert_eq!(reads.len(), PIECE - 1, "what a name decides is its own");
        assert_eq!(looks.into_inner(), 2 * PIECE, "each name is looked at");
    }
}
