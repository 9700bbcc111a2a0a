//! The content of blobs, on all processors: what is in packs along their delta trees, and what is left
//! object by object.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use git2::{ObjectType, Odb, Oid};

use super::git::{damaged, packs, reason};
use super::{Error, LFS_POINTER, MAX_FILE_SIZE, Repository, pack};
use crate::model::location::RepoPath;

/// How many blobs a thread takes at a time.
const PIECE: usize = 256;
/// The most threads that read; each has caches of its own.
const MAX_THREADS: usize = 8;

/// What was found in a blob.
pub(super) enum Read<T> {
    Found(RepoPath, T),
    LfsPointer(RepoPath),
}

impl Repository {
    /// Reads blobs: what is in packs along their delta trees, and what is left object by object.
    pub(super) fn read_blobs<T: Send>(
        &self,
        mut blobs: Vec<(RepoPath, Oid)>,
        look: &(impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>> + Sync),
    ) -> Result<Vec<Read<T>>, Error> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(MAX_THREADS);
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
        let seen = pack::read(&packs(&self.git), &ids, threads, &see)?;
        let left = seen.iter().zip(&places).filter(|(seen, _)| !**seen);
        let mut left: Vec<_> = left.flat_map(|(_, places)| *places).cloned().collect();
        left.sort();
        let mut reads = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        reads.extend(self.read_objects(&left, threads, look)?);
        Ok(reads)
    }

    /// Reads blobs in pieces, as many at a time as there are threads; each thread has its own
    /// handle, because libgit2's caches cannot be shared.
    fn read_objects<T: Send>(
        &self,
        blobs: &[(RepoPath, Oid)],
        threads: usize,
        look: &(impl Fn(&RepoPath, &Oid, &[u8]) -> Option<Read<T>> + Sync),
    ) -> Result<Vec<Read<T>>, Error> {
        let pieces: Vec<_> = blobs.chunks(PIECE).collect();
        let next = AtomicUsize::new(0);
        let work = |git: &git2::Repository| -> Vec<_> {
            let take = || {
                let index = next.fetch_add(1, Ordering::Relaxed);
                pieces
                    .get(index)
                    .map(|piece| (index, read_piece(git, piece, look)))
            };
            std::iter::from_fn(take).collect()
        };
        let helpers = threads.min(pieces.len()).saturating_sub(1);
        let path = self.git.path();
        let mut results = std::thread::scope(|scope| {
            // A handle or a thread that cannot be had is one helper less.
            let help = || git2::Repository::open(path).map_or_else(|_| vec![], |git| work(&git));
            let start = |_| std::thread::Builder::new().spawn_scoped(scope, help).ok();
            let helpers: Vec<_> = (0..helpers).filter_map(start).collect();
            let mut results = work(&self.git);
            for helper in helpers {
                match helper.join() {
                    Ok(more) => results.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            results
        });
        results.sort_by_key(|(index, _)| *index);
        let pieces: Result<Vec<_>, Error> = results.into_iter().map(|(_, read)| read).collect();
        Ok(pieces?.into_iter().flatten().collect())
    }
}

/// Reads some blobs, one after the other.
fn read_piece<T>(
    git: &git2::Repository,
    blobs: &[(RepoPath, Oid)],
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

/// Looks at what a blob holds.
pub(super) fn read_content<T>(
    path: &RepoPath,
    content: &[u8],
    look: &impl Fn(&RepoPath, &[u8]) -> Option<T>,
) -> Option<Read<T>> {
    if content.starts_with(LFS_POINTER) {
        return Some(Read::LfsPointer(path.clone()));
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
