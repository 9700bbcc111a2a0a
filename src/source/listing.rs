//! What is in scope at one commit, told by names and kinds alone: no blob is opened here.

use git2::{Oid, Repository};

use super::error::damaged;
use super::tree::{DIRECTORY, SUBMODULE, SYMLINK, is_kind, joined, kind_of};
use super::{Error, MAX_ENTRIES, MAX_TREE_DEPTH, Scope, Unread, UnreadReason, is_manifest};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;

/// An object, and the path that it has at the commit.
pub(super) type Named = (RepoPath, Oid);

/// What is in scope at one commit.
#[derive(Default)]
pub(super) struct Listing {
    /// Files with a manifest's ending.
    pub(super) blobs: Vec<Named>,
    /// Directories that were entered.
    pub(super) directories: Vec<Named>,
    /// Symbolic links, which may stand for something or not.
    pub(super) links: Vec<Named>,
    /// What could hold manifests and is never read.
    pub(super) unread: Vec<Unread>,
}

/// An entry of a directory that is still to be sorted into the listing.
struct Pending {
    path: RepoPath,
    id: Oid,
    mode: i32,
    /// How many directories it is in.
    depth: usize,
}

/// Lists what is in scope, without the blobs and directories that are known to be empty: to hold
/// nothing that matters.
///
/// # Errors
///
/// If a path of the scope is missing or is a file that is no manifest, if a directory cannot be read,
/// or if there is more than this program reads.
pub(super) fn list(
    objects: &Repository,
    (commit, root): (&CommitId, Oid),
    scope: &Scope,
    is_empty: &impl Fn(&Oid) -> bool,
) -> Result<Listing, Error> {
    let start = |path: RepoPath| find(objects, (commit, root), &path);
    let starts = scope.roots().into_iter().map(start);
    let mut pending: Vec<Pending> = starts.collect::<Result<_, _>>()?;
    let mut listing = Listing::default();
    let mut entries = 0;
    while let Some(entry) = pending.pop() {
        entries += 1;
        if entries + pending.len() > MAX_ENTRIES {
            let (commit, limit) = (commit.clone(), MAX_ENTRIES);
            return Err(Error::TooMany { commit, limit });
        }
        let is_start = scope.paths.contains(&entry.path);
        match kind_of(entry.mode) {
            SUBMODULE => listing.leave(entry.path, UnreadReason::Submodule),
            SYMLINK if is_start && !is_manifest(&entry.path) => {
                listing.leave(entry.path, UnreadReason::Symlink);
            }
            SYMLINK => listing.links.push((entry.path, entry.id)),
            DIRECTORY if is_empty(&entry.id) => {}
            DIRECTORY => {
                enter(objects, &entry, is_empty, &mut pending)?;
                listing.directories.push((entry.path, entry.id));
            }
            _ if is_manifest(&entry.path) && is_empty(&entry.id) => {}
            _ if is_manifest(&entry.path) => listing.blobs.push((entry.path, entry.id)),
            _ if is_start => return Err(Error::NoManifest { path: entry.path }),
            _ => {}
        }
    }
    Ok(listing)
}

impl Listing {
    fn leave(&mut self, path: RepoPath, reason: UnreadReason) {
        self.unread.push(Unread { path, reason });
    }
}

/// Finds what is at a path.
fn find(
    objects: &Repository,
    (commit, root): (&CommitId, Oid),
    path: &RepoPath,
) -> Result<Pending, Error> {
    let mut at = Pending {
        path: "".into(),
        id: root,
        mode: DIRECTORY,
        depth: 0,
    };
    if path.as_bytes().is_empty() {
        return Ok(at);
    }
    let missing = || Error::MissingPath {
        path: path.clone(),
        commit: commit.clone(),
    };
    for part in path.as_bytes().split(|byte| *byte == b'/') {
        if kind_of(at.mode) != DIRECTORY {
            return Err(missing());
        }
        let tree = objects.find_tree(at.id);
        let tree = tree.map_err(|error| damaged(at.id, at.path.as_bytes(), &error))?;
        let entry = tree.iter().find(|entry| entry.name_bytes() == part);
        let entry = entry.ok_or_else(missing)?;
        at = Pending {
            path: RepoPath::new(joined(at.path.as_bytes(), part)),
            id: entry.id(),
            mode: entry.filemode(),
            depth: at.depth + 1,
        };
    }
    Ok(at)
}

/// Adds what is in a directory, without what is known to be empty.
fn enter(
    objects: &Repository,
    directory: &Pending,
    is_empty: &impl Fn(&Oid) -> bool,
    pending: &mut Vec<Pending>,
) -> Result<(), Error> {
    let Pending { path, id, .. } = directory;
    let depth = directory.depth + 1;
    if depth > MAX_TREE_DEPTH {
        let (path, limit) = (path.clone(), MAX_TREE_DEPTH);
        return Err(Error::TooDeep { path, limit });
    }
    let tree = objects.find_tree(*id);
    let tree = tree.map_err(|error| damaged(*id, path.as_bytes(), &error))?;
    // The cache knows nothing of submodules and links, whatever has their ids.
    let is_listed = |entry: &git2::TreeEntry<'_>| {
        is_kind(entry, SUBMODULE) || is_kind(entry, SYMLINK) || !is_empty(&entry.id())
    };
    pending.extend(tree.iter().filter(is_listed).map(|entry| Pending {
        path: RepoPath::new(joined(path.as_bytes(), entry.name_bytes())),
        id: entry.id(),
        mode: entry.filemode(),
        depth,
    }));
    Ok(())
}
