//! What is in scope at one commit, told by names and kinds alone: no blob is opened here.

use git2::Oid;

use super::tree::{DIRECTORY, SUBMODULE, SYMLINK, joined, kind_of};
use super::trees::{Entry, Tree};
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

/// Reads a directory, of which it is given the id and the path.
pub(super) type ReadTree<'r> = &'r mut dyn FnMut(Oid, &[u8]) -> Result<Tree, Error>;

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
    read: ReadTree<'_>,
    (commit, root): (&CommitId, Oid),
    scope: &Scope,
    is_empty: &impl Fn(&Oid) -> bool,
) -> Result<Listing, Error> {
    let start = |path: RepoPath| find(read, (commit, root), &path);
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
                enter(read, &entry, is_empty, &mut pending)?;
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
    read: ReadTree<'_>,
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
        let tree = read(at.id, at.path.as_bytes())?;
        let entry = tree.entry(part, at.path.as_bytes())?;
        let entry = entry.ok_or_else(missing)?;
        at = at.entry(&entry);
    }
    Ok(at)
}

/// Adds what is in a directory, without what is known to be empty.
fn enter(
    read: ReadTree<'_>,
    directory: &Pending,
    is_empty: &impl Fn(&Oid) -> bool,
    pending: &mut Vec<Pending>,
) -> Result<(), Error> {
    let path = &directory.path;
    if directory.depth >= MAX_TREE_DEPTH {
        let (path, limit) = (path.clone(), MAX_TREE_DEPTH);
        return Err(Error::TooDeep { path, limit });
    }
    let tree = read(directory.id, path.as_bytes())?;
    let mut left = tree.content();
    while let Some(entry) = tree.first(left, path.as_bytes())? {
        left = &left[entry.length..];
        // The cache knows nothing of submodules and links, whatever has their ids.
        let is_other = matches!(kind_of(entry.mode), SUBMODULE | SYMLINK);
        if is_other || !is_empty(&entry.id) {
            pending.push(directory.entry(&entry));
        }
    }
    Ok(())
}

impl Pending {
    /// What a directory holds.
    fn entry(&self, entry: &Entry<'_>) -> Self {
        Self {
            path: RepoPath::new(joined(self.path.as_bytes(), entry.name)),
            id: entry.id,
            mode: entry.mode,
            depth: self.depth + 1,
        }
    }
}
