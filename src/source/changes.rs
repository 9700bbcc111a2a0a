//! Which manifests each commit of a history changed, and what their versions hold.
//!
//! First parents only: what a merge brought in happened at the merge. Unchanged trees are never
//! entered, so a step costs what it changed.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::rc::Rc;

use git2::{ObjectType, Oid};

use super::blobs::{self, Read};
use super::error::damaged;
use super::history::Blob;
use super::listing::{self, Named};
use super::tree::joined;
use super::trees::{Entry, Tree};
use super::{Error, MAX_TREE_DEPTH, Repository, Scope, is_manifest, link};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;

/// A manifest that a commit added, changed or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The file.
    pub path: RepoPath,
    /// Its content before, unless the commit added it.
    pub before: Option<Blob>,
    /// Its content after, unless the commit removed it.
    pub after: Option<Blob>,
}

/// What was made of the files of one commit or of several.
pub struct Known<T>(HashMap<Named, Option<Rc<T>>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// Sees a commit and what it changed, and says whether to go on.
pub type Visit<'v> = dyn FnMut(&CommitId, Vec<Changed>) -> Result<ControlFlow<()>, Error> + 'v;

impl Repository {
    /// Goes back from a commit along first parents and shows each commit with the manifests in scope that
    /// it added, changed or removed, of which there may be none; the newest first. The first commit of all
    /// adds everything.
    ///
    /// # Errors
    ///
    /// If an object of that history cannot be read.
    pub fn changes(
        &self,
        from: &CommitId,
        scope: &Scope,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let broken = |error: git2::Error| damaged(Oid::ZERO_SHA1, b"history", &error);
        let start = Oid::from_str(from.as_str()).map_err(broken)?;
        let find = |id: Oid| {
            let found = self.objects().find_commit(id);
            found.map_err(|e| damaged(id, b"history", &e))
        };
        let tree = |commit: &git2::Commit<'_>| self.directory(commit.tree_id(), b"history");
        let mut commit = find(start)?;
        // A tree is read once: what is after a commit is before the next one.
        let mut after = None;
        loop {
            let parent = match commit.parent_id(0) {
                Ok(id) => match find(id) {
                    Err(_) if self.is_shallow() => return Ok(()),
                    parent => Some(parent?),
                },
                // Where history is cut off, nobody knows what was before.
                Err(_) if self.is_shallow() => return Ok(()),
                Err(_) => None,
            };
            let is_same = |parent: &git2::Commit<'_>| parent.tree_id() == commit.tree_id();
            let mut changed = Vec::new();
            if !parent.as_ref().is_some_and(is_same) {
                let before = parent.as_ref().map(&tree).transpose()?;
                let now = match after.take() {
                    Some(now) => now,
                    None => tree(&commit)?,
                };
                self.compare((before.as_ref(), Some(&now)), &[], 0, scope, &mut changed)?;
                after = before;
            }
            if visit(&id_of(&commit), changed)?.is_break() {
                return Ok(());
            }
            commit = match parent {
                Some(parent) => parent,
                None => return Ok(()),
            };
        }
    }

    /// Looks at the content of files, on all processors: what `look` makes of each one, in no order. Each
    /// has the limits of files that are read now.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn look<T: Send>(
        &self,
        files: Vec<(RepoPath, Blob)>,
        look: &(impl Fn(&RepoPath, &[u8]) -> Option<T> + Sync),
    ) -> Result<Vec<(RepoPath, Blob, T)>, Error> {
        let files = files
            .into_iter()
            .map(|(path, blob)| (path, blob.0))
            .collect();
        let read_one = |path: &RepoPath, id: &Oid, content: &[u8]| {
            look(path, content).map(|found| Read::Found(path.clone(), (Blob(*id), found)))
        };
        let read = blobs::read(&self.git, files, &read_one)?.into_iter();
        Ok(read
            .filter_map(|read| match read {
                Read::Found(path, (blob, found)) => Some((path, blob, found)),
                Read::Unread(_) => None,
            })
            .collect())
    }

    /// What `look` makes of the manifests in scope at one commit. A file that was the same at a commit that is
    /// known is not read again.
    ///
    /// # Errors
    ///
    /// As [`Repository::read`].
    pub fn look_at<T: Send>(
        &self,
        commit: &CommitId,
        scope: &Scope,
        known: &mut Known<T>,
        look: &(impl Fn(&RepoPath, &[u8]) -> Option<T> + Sync),
    ) -> Result<BTreeMap<RepoPath, Rc<T>>, Error> {
        let root = self.tree(commit)?;
        let mut read = |id, path: &[u8]| self.directory(id, path);
        let listing = listing::list(&mut read, (commit, root), scope, &|_| false)?;
        let (linked, _) = link::resolve(self.objects(), root, &listing.links, scope);
        let files: Vec<Named> = listing.blobs.into_iter().chain(linked).collect();
        let new = files.iter().filter(|file| !known.0.contains_key(*file));
        let new: Vec<Named> = new.cloned().collect();
        let read_one = |path: &RepoPath, id: &Oid, content: &[u8]| {
            let read = blobs::read_content(path, content, look)?;
            match read {
                Read::Found(path, found) => Some(Read::Found(path, (*id, found))),
                Read::Unread(unread) => Some(Read::Unread(unread)),
            }
        };
        let read = blobs::read(&self.git, new.clone(), &read_one)?;
        known.0.extend(new.into_iter().map(|file| (file, None)));
        for read in read {
            if let Read::Found(path, (id, found)) = read {
                known.0.insert((path, id), Some(Rc::new(found)));
            }
        }
        let found = files.into_iter().filter_map(|file| {
            let found = known.0.get(&file)?.clone()?;
            Some((file.0, found))
        });
        Ok(found.collect())
    }

    /// Lists the manifests that two trees do not have in common, with the blobs of both sides.
    fn compare(
        &self,
        (before, after): (Option<&Tree>, Option<&Tree>),
        directory: &[u8],
        depth: usize,
        scope: &Scope,
        changed: &mut Vec<Changed>,
    ) -> Result<(), Error> {
        if depth > MAX_TREE_DEPTH {
            let path = RepoPath::new(directory);
            return Err(Error::TooDeep {
                path,
                limit: MAX_TREE_DEPTH,
            });
        }
        let differences = differences(before, after, directory)?;
        for (old, new) in differences {
            let Some(entry) = old.or(new) else {
                continue;
            };
            let path = RepoPath::new(joined(directory, entry.name));
            let of_kind = |side: Option<Entry<'_>>, kind: ObjectType| {
                let side = side.filter(|entry| entry.kind() == kind);
                side.map(|entry| entry.id)
            };
            let trees = [old, new].map(|side| of_kind(side, ObjectType::Tree));
            if trees != [None, None] && scope.touches(&path) {
                let tree = |id: Oid| self.directory(id, path.as_bytes());
                let [old, new] = trees.map(|id| id.map(tree).transpose());
                let (old, new) = (old?, new?);
                let sides = (old.as_ref(), new.as_ref());
                self.compare(sides, path.as_bytes(), depth + 1, scope, changed)?;
            }
            let blobs = [old, new].map(|side| of_kind(side, ObjectType::Blob).map(Blob));
            if let [before, after] = blobs
                && (before, after) != (None, None)
                && is_manifest(&path)
                && scope.covers(&path)
            {
                changed.push(Changed {
                    path,
                    before,
                    after,
                });
            }
        }
        Ok(())
    }
}

/// What two trees have under a name.
type Sides<'t> = (Option<Entry<'t>>, Option<Entry<'t>>);

/// What two trees do not have in common: the entries of a name on both sides, a file and a directory of
/// one name each by itself.
fn differences<'t>(
    before: Option<&'t Tree>,
    after: Option<&'t Tree>,
    directory: &[u8],
) -> Result<Vec<Sides<'t>>, Error> {
    let first = |tree: Option<&Tree>, left: &'t [u8]| {
        let first = tree.map(|tree| tree.first(left, directory));
        Ok::<_, Error>(first.transpose()?.flatten())
    };
    let content = |tree: Option<&'t Tree>| tree.map_or(&[][..], Tree::content);
    let (mut old_left, mut new_left) = (content(before), content(after));
    let mut found = Vec::new();
    loop {
        let new = first(after, new_left)?;
        // Most entries are the same on both sides.
        if let Some(Entry { length, .. }) = new
            && old_left.get(..length) == new_left.get(..length)
        {
            (old_left, new_left) = (&old_left[length..], &new_left[length..]);
            continue;
        }
        let old = first(before, old_left)?;
        let order = match (&old, &new) {
            (None, None) => return Ok(found),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => in_tree(old).cmp(in_tree(new)),
        };
        let old = old.filter(|_| order.is_le());
        let new = new.filter(|_| order.is_ge());
        old_left = &old_left[old.map_or(0, |old| old.length)..];
        new_left = &new_left[new.map_or(0, |new| new.length)..];
        if let (Some(old), Some(new)) = (&old, &new)
            && (old.id, old.kind()) == (new.id, new.kind())
        {
            continue;
        }
        found.push((old, new));
    }
}

/// By what Git sorts the entries of a tree: their names, those of directories with a slash.
fn in_tree<'e>(entry: &Entry<'e>) -> impl Iterator<Item = u8> + use<'e> {
    let slash = (entry.kind() == ObjectType::Tree).then_some(b'/');
    entry.name.iter().copied().chain(slash)
}

fn id_of(commit: &git2::Commit<'_>) -> CommitId {
    // libgit2 only has full ids.
    CommitId::new(&commit.id().to_string()).expect("an object id is a full id")
}
