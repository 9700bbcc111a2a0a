//! The content of blobs, on all processors: what is in packs along their delta trees, and what is left
//! object by object.

use std::sync::{Mutex, PoisonError};

use git2::{ObjectType, Odb, Oid};

use super::git::{damaged, packs, reason};
use super::{Error, LFS_POINTER, MAX_FILE_SIZE, Repository, Unread, UnreadReason, pack, threads};
use crate::model::location::RepoPath;

/// How many files a thread takes at a time.
pub(super) const PIECE: usize = 256;

/// What was found in a file.
pub(super) enum Read<T> {
    Found(RepoPath, T),
    Unread(Unread),
}

impl Repository {
    /// Reads blobs: what is in packs along their delta trees, and what is left object by object.
    pub(super) fn read_blobs<T: Send>(
        &self,
        mut blobs: Vec<(RepoPath, Oid)>,
        look: &(impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>> + Sync),
    ) -> Result<Vec<Read<T>>, Error> {
        // The same content may be in several places.
        blobs.sort_by(|(a_path, a), (b_path, b)| (a, a_path).cmp(&(b, b_path)));
        let places: Vec<_> = blobs.chunk_by(|(_, a), (_, b)| a == b).collect();
        let ids: Vec<Oid> = places.iter().map(|places| places[0].1).collect();
        let found = Mutex::new(Vec::new());
        let see = |place: usize, content: &[u8], is_it: &dyn Fn() -> bool| {
            let read = |(path, id): &(RepoPath, Oid)| look(path, id, content);
            let reads: Vec<_> = places[place].iter().filter_map(read).collect();
            if !reads.is_empty() && !is_it() {
                return false;
            }
            // Whoever panicked while holding it left a whole list.
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.extend(reads);
            true
        };
        let seen = pack::read(&packs(&self.git), &ids, &see)?;
        let left = seen.iter().zip(&places).filter(|(seen, _)| !**seen);
        let mut left: Vec<_> = left.flat_map(|(_, places)| *places).cloned().collect();
        left.sort();
        let mut reads = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        reads.extend(self.read_objects(&left, look)?);
        Ok(reads)
    }

    /// Reads blobs on all processors; each thread has its own handle, because libgit2's caches cannot
    /// be shared.
    fn read_objects<T: Send>(
        &self,
        blobs: &[(RepoPath, Oid)],
        look: &(impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>> + Sync),
    ) -> Result<Vec<Read<T>>, Error> {
        let path = self.git.path();
        let open = || git2::Repository::open(path).ok();
        let work = |git: &git2::Repository, piece: Vec<_>| read_piece(git, piece, look);
        let pieces = threads::in_pieces(&self.git, open, blobs.iter(), PIECE, work);
        let pieces: Result<Vec<_>, Error> = pieces.into_iter().collect();
        Ok(pieces?.into_iter().flatten().collect())
    }
}

/// Reads some blobs, one after the other.
fn read_piece<T>(
    git: &git2::Repository,
    blobs: Vec<&(RepoPath, Oid)>,
    look: &impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>>,
) -> Result<Vec<Read<T>>, Error> {
    let odb = git.odb().map_err(|error| Error::NotARepository {
        path: git.path().to_owned(),
        reason: reason(&error),
    })?;
    let mut read = Vec::new();
    for (path, id) in blobs {
        let blob = read_blob(&odb, *id, path)?;
        read.extend(look(path, id, blob.data()));
    }
    Ok(read)
}

/// Looks at what a file holds.
pub(super) fn read_content<T>(
    path: &RepoPath,
    content: &[u8],
    look: &impl Fn(&RepoPath, &[u8]) -> Option<T>,
) -> Option<Read<T>> {
    if content.starts_with(LFS_POINTER) {
        let (path, reason) = (path.clone(), UnreadReason::LfsPointer);
        return Some(Read::Unread(Unread { path, reason }));
    }
    look(path, content).map(|found| Read::Found(path.clone(), found))
}

/// Reads a blob; its size is known before it is unpacked.
fn read_blob<'odb>(
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
