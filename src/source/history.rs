//! What a repository's history says: whether a commit came before another, and which manifests
//! each commit changed or removed.
//!
//! First parents only: what a merge brought in happened at the merge. Unchanged trees are never
//! entered, so a step costs what it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use git2::{ObjectType, Oid, Sort, Tree};

use super::blobs::read_blob;
use super::error::damaged;
use super::tree::{DIRECTORY, SYMLINK, is_kind, joined, kind_of};
use super::{Error, MAX_TREE_DEPTH, Repository, Scope, is_manifest};
use crate::model::commit::CommitId;
use crate::model::history::{Ancestry, CommitInfo, SourceCommit};
use crate::model::location::RepoPath;
use crate::model::text::cut;

/// How many characters of a commit's author and subject are kept.
const SHOWN: usize = 200;

/// How many commits are looked at for the one since which a file is so.
const FAR: usize = 10_000;

/// A manifest that a commit added, changed or removed.
#[derive(Debug)]
pub struct Changed<'a> {
    /// The commit.
    pub commit: &'a CommitInfo,
    /// The file.
    pub path: &'a RepoPath,
    /// Its content before, unless the commit added it.
    pub before: Option<Blob>,
    /// Its content after, unless the commit removed it.
    pub after: Option<Blob>,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Absent,
    /// A file.
    File(Vec<u8>),
    /// Something else, there or in the place of a directory above it, so that nobody can say what is
    /// there.
    Obstructed {
        /// Where it is.
        path: RepoPath,
        /// What it is.
        by: &'static str,
    },
}

/// The content of a file, not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob(Oid);

impl Repository {
    /// What a commit is to ours: in its history, after it, or neither.
    pub fn ancestry(&self, commit: &CommitId, ours: &CommitId) -> Ancestry {
        if commit == ours {
            return Ancestry::Ancestor;
        }
        // Of a full history, what is not found is no ancestor; of a part, it may be one.
        let unless_shallow = |whole| match self.is_shallow() {
            true => Ancestry::Unproven,
            false => whole,
        };
        let id = |commit: &CommitId| Oid::from_str(commit.as_str());
        let (Ok(commit), Ok(ours)) = (id(commit), id(ours)) else {
            return unless_shallow(Ancestry::Unknown);
        };
        let objects = self.objects();
        if objects.find_commit(commit).is_err() {
            return unless_shallow(Ancestry::Unknown);
        }
        match (
            objects.graph_descendant_of(ours, commit),
            objects.graph_descendant_of(commit, ours),
        ) {
            (Ok(true), _) => Ancestry::Ancestor,
            (_, Ok(true)) => Ancestry::Newer,
            (Ok(false), Ok(false)) => unless_shallow(Ancestry::Elsewhere),
            // A parent is missing.
            (Err(_), _) | (_, Err(_)) => Ancestry::Unproven,
        }
    }

    /// A commit as people want to see it.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn commit(&self, commit: &CommitId) -> Result<CommitInfo, Error> {
        let broken = |error| damaged(Oid::ZERO_SHA1, b"history", &error);
        let id = Oid::from_str(commit.as_str()).map_err(broken)?;
        let found = self.objects().find_commit(id);
        Ok(self.info(&found.map_err(|e| damaged(id, b"history", &e))?))
    }

    /// Whether a commit is ours, or one of its first parents.
    pub fn is_first_parent(&self, commit: &CommitId, ours: &CommitId) -> bool {
        let walk = || {
            let mut walk = self.objects().revwalk()?;
            walk.simplify_first_parent()?;
            walk.push(Oid::from_str(ours.as_str())?)?;
            Ok::<_, git2::Error>(walk)
        };
        let Ok(walk) = walk() else { return false };
        let mut ids = walk.map_while(Result::ok);
        ids.any(|id| id.to_string() == commit.as_str())
    }

    /// The commit from which two went different ways; `None` if none is known.
    pub fn merge_base(&self, a: &CommitId, b: &CommitId) -> Option<CommitId> {
        let id = |commit: &CommitId| Oid::from_str(commit.as_str()).ok();
        let base = self.objects().merge_base(id(a)?, id(b)?).ok()?;
        CommitId::new(&base.to_string()).ok()
    }

    /// Goes back from a commit along first parents and shows every manifest in scope that a commit
    /// added, changed or removed; the newest first. Goes no further back than to what all of `since`
    /// have in common, if there are any. The first commit of all adds everything.
    ///
    /// # Errors
    ///
    /// If an object of that history cannot be read.
    pub fn changes(
        &self,
        from: &CommitId,
        since: &[CommitId],
        scope: &Scope,
        visit: &mut dyn FnMut(&Changed<'_>) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let broken = |error: git2::Error| damaged(Oid::ZERO_SHA1, b"history", &error);
        let start = Oid::from_str(from.as_str()).map_err(broken)?;
        let mut walk = self.objects().revwalk().map_err(broken)?;
        walk.set_sorting(Sort::TOPOLOGICAL).map_err(broken)?;
        walk.simplify_first_parent().map_err(broken)?;
        walk.push(start).map_err(broken)?;
        let since: Vec<Oid> = since
            .iter()
            .filter_map(|id| Oid::from_str(id.as_str()).ok())
            .collect();
        let base = match since.as_slice() {
            [] => None,
            [only] => Some(*only),
            several => self.objects().merge_base_octopus(several).ok(),
        };
        if let Some(base) = base {
            walk.hide(base).map_err(broken)?;
        }
        for id in walk {
            let id = match id {
                Err(_) if self.is_shallow() => return Ok(()),
                id => id.map_err(broken)?,
            };
            let commit = self
                .objects()
                .find_commit(id)
                .map_err(|e| damaged(id, b"history", &e))?;
            let tree = |commit: &git2::Commit<'_>| {
                let found = self.objects().find_tree(commit.tree_id());
                found.map_err(|e| damaged(commit.tree_id(), b"history", &e))
            };
            let parent = match commit.parent(0) {
                Ok(parent) => Some(parent),
                Err(_) if self.is_shallow() => return Ok(()),
                Err(_) => None,
            };
            if parent
                .as_ref()
                .is_some_and(|parent| parent.tree_id() == commit.tree_id())
            {
                continue;
            }
            let before = parent.as_ref().map(&tree).transpose()?;
            let mut changed = Vec::new();
            self.compare(
                before.as_ref(),
                Some(&tree(&commit)?),
                &[],
                0,
                scope,
                &mut changed,
            )?;
            if changed.is_empty() {
                continue;
            }
            let commit = self.info(&commit);
            for (path, before, after) in changed {
                let (before, after) = (before.map(Blob), after.map(Blob));
                let changed = Changed {
                    commit: &commit,
                    path: &path,
                    before,
                    after,
                };
                if visit(&changed)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Reads a file's content, which has the limits of files that are read now.
    ///
    /// # Errors
    ///
    /// If the object cannot be read.
    pub fn blob(&self, blob: Blob, path: &RepoPath) -> Result<Vec<u8>, Error> {
        let odb = self.objects().odb();
        let odb = odb.map_err(|error| damaged(blob.0, path.as_bytes(), &error))?;
        Ok(read_blob(&odb, blob.0, path, 1)?.data().to_vec())
    }

    /// What is at a path of a commit.
    ///
    /// # Errors
    ///
    /// If an object on the way there cannot be read.
    pub fn content(&self, commit: &CommitId, path: &RepoPath) -> Result<Content, Error> {
        let mut id = self.tree(commit)?;
        let mut at = Vec::new();
        let mut parts = path.as_bytes().split(|byte| *byte == b'/').peekable();
        while let Some(part) = parts.next() {
            let tree = self.objects().find_tree(id);
            let tree = tree.map_err(|error| damaged(id, path.as_bytes(), &error))?;
            let Some(entry) = tree.iter().find(|entry| entry.name_bytes() == part) else {
                return Ok(Content::Absent);
            };
            id = entry.id();
            at = joined(&at, part);
            let here = RepoPath::new(at.as_slice());
            let by = match (entry.kind(), parts.peek()) {
                (Some(ObjectType::Tree), Some(_)) => continue,
                (Some(ObjectType::Tree), None) => "a directory",
                (Some(ObjectType::Blob), _) if is_kind(&entry, SYMLINK) => "a symbolic link",
                (Some(ObjectType::Blob), None) => {
                    return self.blob(Blob(id), path).map(Content::File);
                }
                // That is read itself.
                (Some(ObjectType::Blob), Some(_)) if is_manifest(&here) => {
                    return Ok(Content::Absent);
                }
                (Some(ObjectType::Blob), Some(_)) => "a file",
                _ => "a submodule",
            };
            return Ok(Content::Obstructed { path: here, by });
        }
        Ok(Content::Absent)
    }

    /// The first parent of a commit; `None` if it has none, or it is not in this clone.
    pub fn parent(&self, commit: &CommitId) -> Option<CommitId> {
        let id = Oid::from_str(commit.as_str()).ok()?;
        let parent = self.objects().find_commit(id).ok()?.parent(0).ok()?;
        CommitId::new(&parent.id().to_string()).ok()
    }

    /// The commit since which what is at a path is what it is, seen along first parents; `None` if it
    /// is not in this clone, or too far back.
    ///
    /// # Errors
    ///
    /// If an object on the way there cannot be read.
    pub fn same_since(
        &self,
        ours: &CommitId,
        path: &RepoPath,
    ) -> Result<Option<CommitInfo>, Error> {
        let now = self.entry(ours, path)?;
        let mut at = ours.clone();
        for _ in 0..FAR {
            let Some(before) = self.parent(&at) else {
                break;
            };
            if self.entry(&before, path)? != now {
                let commit = Oid::from_str(at.as_str()).ok();
                let commit = commit.and_then(|id| self.objects().find_commit(id).ok());
                return Ok(commit.map(|commit| self.info(&commit)));
            }
            at = before;
        }
        Ok(None)
    }

    /// Whether the same is at a path of two commits, byte for byte: a file, a link, a submodule or a
    /// directory with all that is in it.
    ///
    /// # Errors
    ///
    /// If an object on the way there cannot be read.
    pub fn is_same(&self, a: &CommitId, b: &CommitId, path: &RepoPath) -> Result<bool, Error> {
        Ok(self.entry(a, path)? == self.entry(b, path)?)
    }

    /// Mode and id of what is at a path of a commit.
    fn entry(&self, commit: &CommitId, path: &RepoPath) -> Result<Option<(i32, Oid)>, Error> {
        let mut at = (DIRECTORY, self.tree(commit)?);
        let parts = path.as_bytes().split(|byte| *byte == b'/');
        for part in parts.filter(|part| !part.is_empty()) {
            if at.0 != DIRECTORY {
                return Ok(None);
            }
            let tree = self.objects().find_tree(at.1);
            let tree = tree.map_err(|error| damaged(at.1, path.as_bytes(), &error))?;
            let Some(entry) = tree.iter().find(|entry| entry.name_bytes() == part) else {
                return Ok(None);
            };
            at = (kind_of(entry.filemode_raw()), entry.id());
        }
        Ok(Some(at))
    }

    /// Lists the manifests that two trees do not have in common, with the blobs of both sides.
    fn compare(
        &self,
        before: Option<&Tree<'_>>,
        after: Option<&Tree<'_>>,
        directory: &[u8],
        depth: usize,
        scope: &Scope,
        changed: &mut Vec<(RepoPath, Option<Oid>, Option<Oid>)>,
    ) -> Result<(), Error> {
        if depth > MAX_TREE_DEPTH {
            let path = RepoPath::new(directory);
            return Err(Error::TooDeep {
                path,
                limit: MAX_TREE_DEPTH,
            });
        }
        let names = |tree: Option<&Tree<'_>>| -> BTreeMap<Vec<u8>, (Oid, Option<ObjectType>)> {
            let entries = tree.into_iter().flat_map(Tree::iter);
            entries
                .map(|e| (e.name_bytes().to_vec(), (e.id(), e.kind())))
                .collect()
        };
        let (before, after) = (names(before), names(after));
        let all: BTreeSet<&Vec<u8>> = before.keys().chain(after.keys()).collect();
        for name in all {
            let (old, new) = (before.get(name).copied(), after.get(name).copied());
            if old == new {
                continue;
            }
            let path = RepoPath::new(joined(directory, name));
            let of_kind = |side: Option<(Oid, Option<ObjectType>)>, kind: ObjectType| {
                side.filter(|(_, found)| *found == Some(kind))
                    .map(|(id, _)| id)
            };
            let trees = [old, new].map(|side| of_kind(side, ObjectType::Tree));
            if trees != [None, None] && scope.touches(&path) {
                let tree = |id: Oid| {
                    let found = self.objects().find_tree(id);
                    found.map_err(|e| damaged(id, path.as_bytes(), &e))
                };
                let [old, new] = trees.map(|id| id.map(tree).transpose());
                let (old, new) = (old?, new?);
                let below = path.as_bytes();
                self.compare(old.as_ref(), new.as_ref(), below, depth + 1, scope, changed)?;
            }
            let [old, new] = [old, new].map(|side| of_kind(side, ObjectType::Blob));
            if (old, new) != (None, None) && is_manifest(&path) && scope.covers(&path) {
                changed.push((path, old, new));
            }
        }
        Ok(())
    }
}

impl Repository {
    fn info(&self, commit: &git2::Commit<'_>) -> CommitInfo {
        let author = commit.author();
        let seconds = author.when().seconds();
        let date =
            jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |t| t.to_string());
        CommitInfo {
            // libgit2 only has full ids.
            id: CommitId::new(&commit.id().to_string()).expect("an object id is a full id"),
            author: shortened(author.name_bytes()),
            date,
            subject: commit.summary_bytes().map_or_else(String::new, shortened),
            source: self.source_commit(commit).map(Box::new),
        }
    }

    /// What the trailer of a commit's message says that it was rendered from: an id and, behind it,
    /// the author; else the author is that of the commit, if it is here.
    fn source_commit(&self, commit: &git2::Commit<'_>) -> Option<SourceCommit> {
        let key = self.trailer.as_ref()?;
        let message = String::from_utf8_lossy(commit.message_raw_bytes());
        let trailers = git2::message_trailers_strs(&message).ok()?;
        let mut named = trailers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(key.as_str()));
        // Of several, the last one was written last.
        let (_, value) = named.next_back()?;
        let value = value.trim();
        let (id, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
        let id = CommitId::new(id).ok()?;
        let author = rest.split('<').next().unwrap_or_default().trim();
        let known = || {
            let commit = Oid::from_str(id.as_str()).ok()?;
            let commit = self.objects().find_commit(commit).ok()?;
            Some(shortened(commit.author().name_bytes()))
        };
        let author = match author {
            "" => known(),
            author => Some(shortened(author.as_bytes())),
        };
        Some(SourceCommit { id, author })
    }
}

/// As much of a text as tells people what it is about.
fn shortened(text: &[u8]) -> String {
    cut(&String::from_utf8_lossy(text), SHOWN)
}
