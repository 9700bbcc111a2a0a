//! The content of blobs, on all processors: what is in packs along their delta trees, and what is left
//! object by object.

use std::sync::{Mutex, PoisonError};

use git2::{ObjectType, Odb, Oid};

use super::error::{damaged, reason};
use super::{Error, LFS_POINTER, MAX_FILE_SIZE, Snapshot, Unread, UnreadReason, pack, threads};
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
/// left object by object. `read_one` makes something of each; the same blob may have several paths.
///
/// # Errors
///
/// If any blob cannot be read; of several that are left, the first by path.
pub(super) fn read<T: Send>(
    git: &git2::Repository,
    mut blobs: Vec<(RepoPath, Oid)>,
    read_one: &(impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>> + Sync),
) -> Result<Vec<Read<T>>, Error> {
    blobs.sort_by(|(a_path, a), (b_path, b)| (a, a_path).cmp(&(b, b_path)));
    let places: Vec<_> = blobs.chunk_by(|(_, a), (_, b)| a == b).collect();
    let ids: Vec<Oid> = places.iter().map(|places| places[0].1).collect();
    let found = Mutex::new(Vec::new());
    let take = |place: usize, content: &[u8], is_it: &dyn Fn() -> bool| {
        let read = |(path, id): &(RepoPath, Oid)| read_one(path, id, content);
        let reads: Vec<_> = places[place].iter().filter_map(read).collect();
        if !reads.is_empty() && !is_it() {
            return false;
        }
        // A thread that panicked while it held the lock left a complete list: `extend` is the last step.
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.extend(reads);
        true
    };
    let taken = pack::read(&pack::packs(git), &ids, &take)?;
    let left = taken.iter().zip(&places).filter(|(taken, _)| !**taken);
    let mut left: Vec<_> = left.flat_map(|(_, places)| *places).cloned().collect();
    left.sort();
    let mut reads = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    reads.extend(read_objects(git, &left, read_one)?);
    Ok(reads)
}

/// Reads blobs on all processors; each thread has its own handle, because libgit2's caches cannot
/// be shared.
fn read_objects<T: Send>(
    git: &git2::Repository,
    blobs: &[(RepoPath, Oid)],
    read_one: &(impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>> + Sync),
) -> Result<Vec<Read<T>>, Error> {
    let path = git.path();
    let open = || git2::Repository::open(path).ok();
    let work = |git: &git2::Repository, piece: Vec<_>| read_piece(git, piece, read_one);
    let pieces = threads::in_pieces(git, open, blobs.iter(), PIECE, work);
    let pieces: Result<Vec<_>, Error> = pieces.into_iter().collect();
    Ok(pieces?.into_iter().flatten().collect())
}

/// Reads some blobs, one after the other.
fn read_piece<T>(
    git: &git2::Repository,
    blobs: Vec<&(RepoPath, Oid)>,
    read_one: &impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>>,
) -> Result<Vec<Read<T>>, Error> {
    let odb = git.odb().map_err(|error| Error::NotARepository {
        path: git.path().to_owned(),
        reason: reason(&error),
    })?;
    let mut read = Vec::new();
    for (path, id) in blobs {
        let blob = read_blob(&odb, *id, path)?;
        read.extend(read_one(path, id, blob.data()));
    }
    Ok(read)
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

/// Reads a blob; its size is known before it is unpacked.
pub(super) fn read_blob<'odb>(
    odb: &'odb Odb<'_>,
    id: Oid,
    path: &RepoPath,
) -> Result<git2::OdbObject<'odb>, Error> {
    let broken = |error: git2::Error| damaged(id, path.as_bytes(), &error);
    let (size, kind) = odb.read_header(id).map_err(broken)?;
    if size as u64 > MAX_FILE_SIZE {
        let (path, size) = (path.clone(), size as u64);
        return Err(Error::TooLarge {
            path,
            size,
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
