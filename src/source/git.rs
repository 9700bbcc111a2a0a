//! A Git repository: objects at one commit, straight from the object database.
//!
//! The work tree, hooks, filters and the repository's own configuration have no say. Replace refs
//! are not looked at by libgit2, and grafts cannot be where there is no path. Not gix: libgit2 does everything a clone needs, gix has no ssh of its own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, StatusOptions};
use tempfile::TempDir;

use super::blobs::read_content;
use super::credentials::Credentials;
use super::link::Links;
use super::remote::{self, Address, Phase};
use super::{
    Cache, Error, MAX_ENTRIES, MAX_TREE_DEPTH, Scope, Snapshot, Unread, UnreadReason, directory,
    is_manifest, pack,
};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;

pub(super) const SYMLINK: i32 = 0o120_000;
const SUBMODULE: i32 = 0o160_000;
const DIRECTORY: i32 = 0o040_000;
const KIND_OF_ENTRY: i32 = 0o170_000;

/// An open repository: one on this machine, or a temporary clone.
pub struct Repository {
    /// References and the work tree.
    pub(super) git: git2::Repository,
    /// The objects alone.
    objects: git2::Repository,
    /// Whether a part of the history is missing.
    is_shallow: bool,
    label: String,
    /// Deleted with the clone in it.
    _clone: Option<TempDir>,
}

/// An entry of a tree that is still to be looked at.
struct Pending {
    path: RepoPath,
    id: Oid,
    mode: i32,
    depth: usize,
}

impl Repository {
    /// Opens a path (work tree or bare), or clones a URL into a temporary directory.
    ///
    /// `progress` hears how far a clone is.
    ///
    /// # Errors
    ///
    /// See [`Error`]; text in it never holds a credential.
    pub fn open(
        address: &str,
        revision: &str,
        credentials: &Credentials,
        alternates: Alternates,
        progress: &dyn Fn(Phase),
    ) -> Result<Self, Error> {
        match remote::address(address)? {
            Address::Path(path) => Self::local(&path, alternates),
            Address::Url(url) => {
                let mut is_shallow = false;
                if url.scheme() == "file"
                    && let Ok(path) = url.to_file_path()
                {
                    let local = Self::local(&path, alternates);
                    is_shallow = local.map_err(|error| error.at_url(&url))?.is_shallow;
                }
                let (clone, git) = remote::clone(&url, revision, credentials, progress)?;
                let label = remote::without_credentials(url.as_str());
                let mut repository = Self::new(git, label)?;
                repository.is_shallow |= is_shallow;
                repository._clone = Some(clone);
                Ok(repository)
            }
        }
    }

    fn local(path: &Path, alternates: Alternates) -> Result<Self, Error> {
        // Before git2 does it: that would read all of this machine's certificates for https first.
        libgit2_sys::init();
        let git = git2::Repository::open(path).map_err(|error| match error.code() {
            ErrorCode::Owner => Error::Owner { path: root(path) },
            _ => enclosing(path).unwrap_or_else(|| Error::NotARepository {
                path: path.to_owned(),
                reason: reason(&error),
            }),
        })?;
        let borrowed = git.commondir().join("objects/info/alternates");
        if alternates == Alternates::Refused && borrowed.exists() {
            return Err(Error::Alternates {
                alternates: borrowed,
            });
        }
        pack::check_indexes(&packs(&git))?;
        // As it is written: whom Git would ask instead is the affair of whoever runs it.
        let config = git.config().and_then(|mut config| config.snapshot());
        let origin = config.and_then(|config| config.get_string("remote.origin.url"));
        let url = origin.ok().map(|url| remote::without_credentials(&url));
        let place = git.workdir().unwrap_or(git.path());
        let label = url.unwrap_or_else(|| place.display().to_string());
        let label = label.trim_end_matches('/').to_owned();
        Self::new(git, label)
    }

    fn new(git: git2::Repository, label: String) -> Result<Self, Error> {
        let objects = git.odb().and_then(git2::Repository::from_odb);
        let objects = objects.map_err(|error| Error::NotARepository {
            path: git.path().to_owned(),
            reason: reason(&error),
        })?;
        // libgit2 looks into the work tree's own directory only.
        let shallow = git.commondir().join("shallow");
        let is_shallow = git.is_shallow() || shallow.metadata().is_ok_and(|file| file.len() > 0);
        Ok(Self {
            git,
            objects,
            is_shallow,
            label,
            _clone: None,
        })
    }

    /// Where commits and what they hold are read.
    pub(super) fn objects(&self) -> &git2::Repository {
        &self.objects
    }

    /// Whether a part of the history is missing here.
    pub(super) fn is_shallow(&self) -> bool {
        self.is_shallow
    }

    /// The repository for people: a URL without credentials, or a path.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Reads every manifest in scope at one commit, on all processors; what a cache knows to hold
    /// nothing is not read.
    ///
    /// # Errors
    ///
    /// If a path of the scope is missing, or any object in scope cannot be read; of several such
    /// objects, the first by path.
    pub fn read<T: Send>(
        &self,
        commit: &CommitId,
        scope: &Scope,
        cache: Option<&Cache>,
        look: &(impl Fn(&RepoPath, &[u8]) -> Option<T> + Sync),
    ) -> Result<Snapshot<T>, Error> {
        let mut snapshot = Snapshot {
            repository: self.label.clone(),
            commit: Some(commit.clone()),
            files: vec![],
            unread: vec![],
            files_seen: 0,
        };
        let mut blobs: Vec<(RepoPath, Oid)> = Vec::new();
        let mut directories: Vec<(RepoPath, Oid)> = Vec::new();
        let mut links: Vec<(RepoPath, Oid)> = Vec::new();
        let known = |id: &Oid| cache.is_some_and(|cache| cache.holds_nothing(id));
        let mut pending = self.starts(commit, scope)?;
        let mut entries = 0;
        while let Some(entry) = pending.pop() {
            entries += 1;
            if entries + pending.len() > MAX_ENTRIES {
                let (commit, limit) = (commit.clone(), MAX_ENTRIES);
                return Err(Error::TooMany { commit, limit });
            }
            let is_start = scope.paths.contains(&entry.path);
            match entry.mode & KIND_OF_ENTRY {
                SUBMODULE => {
                    let (path, reason) = (entry.path, UnreadReason::Submodule);
                    snapshot.unread.push(Unread { path, reason });
                }
                SYMLINK if is_manifest(&entry.path) || is_start => {
                    let (path, reason) = (entry.path, UnreadReason::Symlink);
                    snapshot.unread.push(Unread { path, reason });
                }
                SYMLINK => links.push((entry.path, entry.id)),
                kind if kind != DIRECTORY && !is_manifest(&entry.path) => {
                    if is_start {
                        return Err(Error::NoManifest { path: entry.path });
                    }
                }
                _ if known(&entry.id) => {}
                DIRECTORY => {
                    self.list(&entry, &known, &mut pending)?;
                    directories.push((entry.path, entry.id));
                }
                _ => blobs.push((entry.path, entry.id)),
            }
        }
        if !links.is_empty() {
            let mut of_commit = Links::new(&self.objects, self.tree(commit)?);
            snapshot
                .unread
                .extend(links.iter().filter_map(|(path, id)| {
                    let reason = of_commit.reason(path, *id)?;
                    let path = path.clone();
                    Some(Unread { path, reason })
                }));
        }
        snapshot.files_seen = blobs.len();
        let look = |path: &RepoPath, id: &Oid, content: &[u8]| {
            let read = read_content(path, content, look);
            if let (None, Some(cache)) = (&read, cache) {
                cache.add(id);
            }
            read
        };
        for read in self.read_blobs(blobs, &look)? {
            snapshot.add(read);
        }
        snapshot.sort();
        if let Some(cache) = cache {
            let something = snapshot.files.iter().map(|(path, _)| path);
            let something = something.chain(snapshot.unread.iter().map(|unread| &unread.path));
            // What a link hides depends on more than the directory that it is in.
            let something = something.chain(links.iter().map(|(path, _)| path));
            let above: HashSet<&[u8]> = something
                .flat_map(|path| directories_above(path.as_bytes()))
                .collect();
            let empty = directories
                .iter()
                .filter(|(path, _)| !above.contains(path.as_bytes()));
            empty.for_each(|(_, id)| cache.add(id));
            cache.save();
        }
        Ok(snapshot)
    }

    /// The root directory of a commit.
    pub(super) fn tree(&self, commit: &CommitId) -> Result<Oid, Error> {
        let id = Oid::from_str(commit.as_str()).map_err(|_| Error::Revision {
            revision: commit.to_string(),
            repository: self.label.clone(),
            shallow: self.is_shallow,
        })?;
        let found = self.objects.find_commit(id);
        Ok(found.map_err(|e| damaged(id, b"", &e))?.tree_id())
    }

    /// Where a walk over the scope starts.
    fn starts(&self, commit: &CommitId, scope: &Scope) -> Result<Vec<Pending>, Error> {
        let root = Pending {
            path: "".into(),
            id: self.tree(commit)?,
            mode: DIRECTORY,
            depth: 0,
        };
        let roots = scope.roots().into_iter().map(|path| {
            let mut at = Pending {
                path: root.path.clone(),
                ..root
            };
            if path.as_bytes().is_empty() {
                return Ok(at);
            }
            for part in path.as_bytes().split(|byte| *byte == b'/') {
                let missing = || Error::MissingPath {
                    path: path.clone(),
                    commit: commit.clone(),
                };
                if at.mode & KIND_OF_ENTRY != DIRECTORY {
                    return Err(missing());
                }
                let tree = self
                    .objects
                    .find_tree(at.id)
                    .map_err(|e| damaged(at.id, at.path.as_bytes(), &e))?;
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
        });
        roots.collect()
    }

    /// Finds what is in a directory, without the files and directories that are known to hold nothing.
    fn list(
        &self,
        directory: &Pending,
        known: &impl Fn(&Oid) -> bool,
        pending: &mut Vec<Pending>,
    ) -> Result<(), Error> {
        let Pending { path, id, .. } = directory;
        let depth = directory.depth + 1;
        if depth > MAX_TREE_DEPTH {
            let (path, limit) = (path.clone(), MAX_TREE_DEPTH);
            return Err(Error::TooDeep { path, limit });
        }
        let tree = self.objects.find_tree(*id);
        let tree = tree.map_err(|error| damaged(*id, path.as_bytes(), &error))?;
        let is_read = |entry: &git2::TreeEntry<'_>| {
            is_kind(entry, SUBMODULE) || is_kind(entry, SYMLINK) || !known(&entry.id())
        };
        pending.extend(tree.iter().filter(is_read).map(|entry| Pending {
            path: RepoPath::new(joined(path.as_bytes(), entry.name_bytes())),
            id: entry.id(),
            mode: entry.filemode(),
            depth,
        }));
        Ok(())
    }

    /// Files in scope that the work tree has otherwise than the commit that is checked out, as far
    /// as they are missing there or `matters` says so of their content. Empty for a bare repository,
    /// a clone, or if the work tree cannot be examined.
    pub fn uncommitted(
        &self,
        scope: &Scope,
        matters: &impl Fn(&RepoPath, &[u8]) -> bool,
    ) -> Vec<RepoPath> {
        let elsewhere = self
            .git
            .config()
            .and_then(|config| config.get_path("core.worktree"));
        let (Some(directory), Err(_)) = (self.git.workdir(), elsewhere) else {
            return vec![];
        };
        let mut options = StatusOptions::new();
        options
            .include_untracked(true)
            .recurse_untracked_dirs(true)
            .exclude_submodules(true);
        options.no_refresh(true).update_index(false);
        let Ok(statuses) = self.git.statuses(Some(&mut options)) else {
            return vec![];
        };
        let paths = statuses
            .iter()
            .map(|status| RepoPath::new(status.path_bytes()));
        let concerns_us = |path: &RepoPath| {
            is_manifest(path)
                && scope.covers(path)
                && directory::content(directory, path).is_none_or(|bytes| matters(path, &bytes))
        };
        paths.filter(concerns_us).collect()
    }
}

/// Whether an entry of a tree is of a kind, whatever its permissions.
pub(super) fn is_kind(entry: &git2::TreeEntry<'_>, kind: i32) -> bool {
    entry.filemode() & KIND_OF_ENTRY == kind
}

/// Whether a repository may read objects from a place outside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alternates {
    /// It may not: the place may be anybody's.
    Refused,
    /// The user said so.
    Allowed,
}

/// The repository that a path is in, as `safe.directory` wants it.
fn root(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let is_root = |path: &&Path| path.join(".git").exists() || path.join("objects").is_dir();
    path.ancestors().find(is_root).unwrap_or(&path).to_owned()
}

/// What to say of a path that is no repository but inside one. Git would go up to that one, and all
/// of it would be read where a part of it, or another repository, was meant.
fn enclosing(path: &Path) -> Option<Error> {
    let place = path.canonicalize().ok()?;
    let is_directory = place.is_dir();
    let from = if is_directory {
        &place
    } else {
        place.parent()?
    };
    let git = match git2::Repository::discover(from) {
        Ok(git) => git,
        Err(error) if error.code() == ErrorCode::Owner => {
            return Some(Error::Owner { path: root(path) });
        }
        Err(_) => return None,
    };
    let root = git.workdir().unwrap_or(git.path()).canonicalize().ok()?;
    let inner = git.workdir().and_then(|_| place.strip_prefix(&root).ok());
    let inner = inner.filter(|inner| !inner.starts_with(".git"));
    let is_empty = || {
        place
            .read_dir()
            .is_ok_and(|mut entries| entries.next().is_none())
    };
    Some(Error::Inside {
        given: path.display().to_string(),
        root: root.display().to_string(),
        inner: inner.map(|inner| inner.display().to_string()),
        is_failed: is_directory && (place.join(".git").exists() || is_empty()),
    })
}

pub(super) fn packs(git: &git2::Repository) -> PathBuf {
    git.commondir().join("objects/pack")
}

/// The directories that a path is in, the root last.
fn directories_above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = (0..path.len()).rev().filter(|at| path[*at] == b'/');
    ends.chain([0]).map(|end| &path[..end])
}

pub(super) fn damaged(id: Oid, path: &[u8], error: &git2::Error) -> Error {
    Error::Object {
        id: id.to_string(),
        path: RepoPath::new(path),
        reason: reason(error),
    }
}

/// Git's own words.
pub(super) fn reason(error: &git2::Error) -> String {
    error.message().trim().to_owned()
}

pub(super) fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        name.to_vec()
    } else {
        [directory, b"/", name].concat()
    }
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}
