//! A Git repository: objects at one commit, straight from the object database.
//!
//! The work tree, hooks, filters and the repository's own configuration change nothing of what is read.
//! libgit2 does not apply replace refs, and an object database without a repository has no grafts. Not
//! gix: libgit2 does everything a clone needs, gix has no ssh of its own.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid};
use tempfile::TempDir;

use super::blobs::{self, Read, read_content};
use super::credentials::Credentials;
use super::error::{damaged, reason};
use super::listing::{self, Listing, Named};
use super::remote::{self, Address, Phase};
use super::tree::directories_above;
use super::trees::{Check, Tree, Trees};
use super::user_config::UserConfig;
use super::{Cache, Error, Remembered, Scope, Snapshot, link, pack, trusted};
use crate::model::commit::{CommitId, TrailerKey};
use crate::model::history::Ancestry;
use crate::model::location::RepoPath;
use crate::model::redact;

/// An open repository: one on this machine, or a temporary clone.
pub struct Repository {
    /// References and the work tree.
    pub(super) git: git2::Repository,
    /// The object database alone, without references, work tree and configuration.
    objects: git2::Repository,
    /// The directories of its history.
    pub(super) trees: RefCell<Option<Trees>>,
    /// What commits are to each other, as far as that was asked: to find out is to walk from both.
    pub(super) ancestries: RefCell<BTreeMap<(CommitId, CommitId), Ancestry>>,
    /// Whether a part of the history is missing.
    is_shallow: bool,
    /// The repository for people: a URL without credentials, or a path.
    label: String,
    /// Where its files are checked out, as that was named.
    checkout: Option<PathBuf>,
    /// Which trailer says what a commit was rendered from.
    pub(super) trailer: Option<TrailerKey>,
    /// The directory of a clone, or that by which a repository of another user is open; deleted with
    /// this value.
    _place: Option<TempDir>,
}

impl Repository {
    /// Opens a path (work tree or bare), also one that is written as a `file` URL, or clones a URL into a
    /// temporary directory.
    ///
    /// `progress` is called with how far a clone is.
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
        let user = UserConfig::read(&credentials.config, credentials.home.as_deref());
        let rewritten = match Path::new(address).exists() {
            true => None,
            false => user.rewritten(address),
        };
        let meant = rewritten.as_deref().unwrap_or(address);
        let found = remote::address(meant).map_err(|error| match &rewritten {
            Some(_) => error.rewritten_from(address),
            None => error,
        })?;
        let url = match found {
            Address::Path(path) => return Self::local(&path, alternates, &user),
            Address::Url(url) => url,
        };
        // The repository is called what it was called by the user.
        let label = match remote::address(address) {
            Ok(Address::Url(given)) => remote::label(&given),
            _ => remote::label(&url),
        };
        // A clone of what is on this machine would be a copy of it, and take as long as that takes.
        if url.scheme() == "file"
            && let Ok(path) = url.to_file_path()
        {
            let local = Self::local(&path, alternates, &user);
            let local = local.map_err(|error| error.at_url(&url))?;
            return Ok(Self { label, ..local });
        }
        let (clone, git) = remote::clone(&url, revision, credentials, &user, progress)?;
        let mut repository = Self::new(git, label)?;
        repository._place = Some(clone);
        Ok(repository)
    }

    fn local(path: &Path, alternates: Alternates, user: &UserConfig) -> Result<Self, Error> {
        // Before git2 does it: that would read all of this machine's certificates for https first.
        libgit2_sys::init();
        let (git, place) = match git2::Repository::open(path) {
            Ok(git) => (git, None),
            Err(error) if error.code() == ErrorCode::Owner && user.trusts(&root(path)) => {
                let (git, place) = trusted::open(&root(path))?;
                (git, Some(place))
            }
            Err(error) if error.code() == ErrorCode::Owner => {
                return Err(Error::Owner { path: root(path) });
            }
            Err(error) => {
                return Err(
                    enclosing(path, user).unwrap_or_else(|| Error::NotARepository {
                        path: path.to_owned(),
                        reason: reason(&error),
                    }),
                );
            }
        };
        let borrowed = git.commondir().join("objects/info/alternates");
        if alternates == Alternates::Refused && names_a_place(&borrowed) {
            return Err(Error::Alternates {
                alternates: borrowed,
            });
        }
        pack::check_indexes(&pack::packs(&git))?;
        // As it is written: `url.….insteadOf` is not applied.
        let config = git.config().and_then(|mut config| config.snapshot());
        let origin = config.and_then(|config| config.get_string("remote.origin.url"));
        let url = origin.ok().map(|url| redact::address(&url));
        let shown = git.workdir().unwrap_or(match &place {
            Some(_) => git.commondir(),
            None => git.path(),
        });
        let label = url.unwrap_or_else(|| shown.display().to_string());
        let label = label.trim_end_matches('/').to_owned();
        let checkout = git.workdir().map(|_| path.to_owned());
        Ok(Self {
            _place: place,
            checkout,
            ..Self::new(git, label)?
        })
    }

    /// The same, in which a trailer says what commits were rendered from.
    #[must_use]
    pub fn with_trailer(self, trailer: Option<TrailerKey>) -> Self {
        Self { trailer, ..self }
    }

    fn new(git: git2::Repository, label: String) -> Result<Self, Error> {
        let objects = git.odb().and_then(git2::Repository::from_odb);
        let objects = objects.map_err(|error| Error::NotARepository {
            path: git.path().to_owned(),
            reason: reason(&error),
        })?;
        // libgit2 inspects the work tree's own directory only.
        let shallow = git.commondir().join("shallow");
        let is_shallow = git.is_shallow() || shallow.metadata().is_ok_and(|file| file.len() > 0);
        Ok(Self {
            git,
            objects,
            trees: RefCell::default(),
            ancestries: RefCell::default(),
            is_shallow,
            label,
            checkout: None,
            trailer: None,
            _place: None,
        })
    }

    /// Where commits and what they hold are read.
    pub(super) fn objects(&self) -> &git2::Repository {
        &self.objects
    }

    /// Whether a part of the history is missing here.
    pub fn is_shallow(&self) -> bool {
        self.is_shallow
    }

    /// The repository for people: a URL without credentials, or a path.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Where it is looked for something: a directory of this machine, or the URL of a clone.
    pub(super) fn place(&self) -> String {
        let checkout = self.git.workdir().filter(|_| self.checkout.is_some());
        checkout.map_or_else(
            || self.label.clone(),
            |place| place.display().to_string().trim_end_matches('/').to_owned(),
        )
    }

    /// Where its files are checked out, as that was named; `None` for a bare one, or a clone of a URL.
    pub fn checkout(&self) -> Option<&Path> {
        self.checkout.as_deref()
    }

    /// Reads every manifest in scope at one commit, on all processors; what a cache knows to hold
    /// nothing is not read, and what is remembered is not read again.
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
        remembered: Option<&Remembered<'_, T>>,
        extract: &(impl Fn(&RepoPath, &[u8]) -> Option<T> + Sync),
    ) -> Result<Snapshot<T>, Error> {
        let is_empty = |id: &Oid| cache.is_some_and(|cache| cache.holds_nothing(id));
        let (listing, root) = self.list(commit, scope, &is_empty)?;
        let mut snapshot = Snapshot {
            repository: self.label.clone(),
            commit: Some(commit.clone()),
            files: vec![],
            unread: listing.unread,
            files_seen: listing.blobs.len(),
        };
        let links = &listing.links;
        let (linked, unread) = link::resolve(&self.objects, root, links, scope);
        snapshot.unread.extend(unread);
        let mut blobs = Vec::new();
        for (path, id) in listing.blobs.into_iter().chain(linked) {
            match remembered.and_then(|it| it.recall(&path, &id)) {
                Some(found) => snapshot.files.push((path, found)),
                None => blobs.push((path, id)),
            }
        }
        let read_blob = |path: &RepoPath, id: &Oid, content: &[u8]| {
            let with_id = |path: &RepoPath, content: &[u8]| Some((*id, extract(path, content)?));
            let read = read_content(path, content, &with_id);
            if let (None, Some(cache)) = (&read, cache) {
                cache.add(id);
            }
            read
        };
        for read in blobs::read(&self.git, blobs, &read_blob)? {
            snapshot.add(match read {
                Read::Unread(unread) => Read::Unread(unread),
                Read::Found(path, (id, found)) => {
                    // Only now is it known that the content has this id.
                    if let Some(remembered) = remembered {
                        remembered.note(&id, &found);
                    }
                    Read::Found(path, found)
                }
            });
        }
        snapshot.sort();
        if let Some(cache) = cache {
            learn_directories(cache, &listing.directories, links, &snapshot);
            cache.save();
        }
        Ok(snapshot)
    }

    /// Reads some of the manifests in scope at one commit again, in the order of the paths.
    ///
    /// # Errors
    ///
    /// As [`Repository::read`].
    pub fn read_again<T: Send>(
        &self,
        commit: &CommitId,
        scope: &Scope,
        is_needed: &dyn Fn(&RepoPath) -> bool,
        extract: &(impl Fn(&RepoPath, &[u8]) -> Option<T> + Sync),
    ) -> Result<Vec<(RepoPath, T)>, Error> {
        let (listing, root) = self.list(commit, scope, &|_| false)?;
        let (linked, _) = link::resolve(&self.objects, root, &listing.links, scope);
        let mut blobs: Vec<Named> = listing.blobs.into_iter().chain(linked).collect();
        blobs.retain(|(path, _)| is_needed(path));
        let read_blob =
            |path: &RepoPath, _: &Oid, content: &[u8]| read_content(path, content, extract);
        let mut snapshot = Snapshot {
            repository: self.label.clone(),
            commit: Some(commit.clone()),
            files: vec![],
            unread: vec![],
            files_seen: blobs.len(),
        };
        for read in blobs::read(&self.git, blobs, &read_blob)? {
            snapshot.add(read);
        }
        snapshot.sort();
        Ok(snapshot.files)
    }

    /// Every manifest in scope at one commit, ignored or not, in the order of the paths.
    ///
    /// # Errors
    ///
    /// As [`Repository::read`], but that no blob is opened.
    pub fn names(&self, commit: &CommitId, scope: &Scope) -> Result<Vec<RepoPath>, Error> {
        let (listing, _) = self.list(commit, scope, &|_| false)?;
        let mut names: Vec<RepoPath> = listing.blobs.into_iter().map(|(path, _)| path).collect();
        names.sort();
        Ok(names)
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

    /// Reads a directory of history.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(super) fn directory(&self, id: Oid, path: &[u8]) -> Result<Tree, Error> {
        let mut trees = self.trees.borrow_mut();
        let packs = || Trees::new(&pack::packs(&self.git), Check::Checksums);
        self.directory_of(trees.get_or_insert_with(packs), id, path)
    }

    fn directory_of(&self, trees: &mut Trees, id: Oid, path: &[u8]) -> Result<Tree, Error> {
        if let Some(tree) = trees.read(id) {
            return Ok(tree);
        }
        let broken = |error: git2::Error| damaged(id, path, &error);
        // libgit2 says what is wrong with a directory that is none.
        self.objects.find_tree(id).map_err(broken)?;
        let odb = self.objects.odb().map_err(broken)?;
        Ok(Tree::new(id, odb.read(id).map_err(broken)?.data()))
    }

    /// What is in scope at one commit, and the root directory of that.
    fn list(
        &self,
        commit: &CommitId,
        scope: &Scope,
        is_empty: &impl Fn(&Oid) -> bool,
    ) -> Result<(Listing, Oid), Error> {
        let root = self.tree(commit)?;
        let mut trees = Trees::new(&pack::packs(&self.git), Check::Ids);
        let mut read = |id, path: &[u8]| self.directory_of(&mut trees, id, path);
        let listing = listing::list(&mut read, (commit, root), scope, is_empty)?;
        Ok((listing, root))
    }
}

/// Whether a repository may read objects from a place outside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alternates {
    /// It may not: another user may write to that place.
    Refused,
    /// It may: the user said so with `--allow-alternates`.
    Allowed,
}

/// Whether a file of alternates names any place: as libgit2 reads it, a line each, also at a lone
/// carriage return, comments and blank lines left out. What is no file that can be read may name one.
fn names_a_place(alternates: &Path) -> bool {
    let is_place = |line: &[u8]| !line.trim_ascii().is_empty() && !line.starts_with(b"#");
    match alternates.metadata() {
        Ok(file) if file.is_file() => std::fs::read(alternates).map_or(true, |text| {
            text.split(|byte| b"\r\n".contains(byte)).any(is_place)
        }),
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// The repository that a path is in, in the form that Git's `safe.directory` takes.
fn root(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let is_root = |path: &&Path| path.join(".git").exists() || path.join("objects").is_dir();
    path.ancestors().find(is_root).unwrap_or(&path).to_owned()
}

/// What to say of a path that is no repository but inside one. Git would go up to that one, and all
/// of it would be read where a part of it, or another repository, was meant.
fn enclosing(path: &Path, user: &UserConfig) -> Option<Error> {
    let place = path.canonicalize().ok()?;
    let is_directory = place.is_dir();
    let from = if is_directory {
        &place
    } else {
        place.parent()?
    };
    let git = match git2::Repository::discover(from) {
        Ok(git) => git,
        Err(error) if error.code() == ErrorCode::Owner && user.trusts(&root(path)) => {
            trusted::open(&root(path)).ok()?.0
        }
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

/// Remembers the directories in which nothing was found at any depth.
fn learn_directories<T>(
    cache: &Cache,
    directories: &[Named],
    links: &[Named],
    snapshot: &Snapshot<T>,
) {
    let files = snapshot.files.iter().map(|(path, _)| path);
    let unread = snapshot.unread.iter().map(|unread| &unread.path);
    // What a link hides depends on more than the directory that it is in.
    let links = links.iter().map(|(path, _)| path);
    let found = files.chain(unread).chain(links);
    let holding: HashSet<&[u8]> = found
        .flat_map(|path| directories_above(path.as_bytes()))
        .collect();
    for (path, id) in directories {
        if !holding.contains(path.as_bytes()) {
            cache.add(id);
        }
    }
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}
