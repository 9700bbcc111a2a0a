//! What a repository's history says: whether a commit came before another, who made it, and what was
//! at a path of it.

use std::collections::{BTreeMap, BTreeSet};

use git2::{ObjectType, Oid};

use super::blobs::read_blob;
use super::error::damaged;
use super::tree::{DIRECTORY, SUBMODULE, SYMLINK, joined, kind_of};
use super::{Error, Repository, is_manifest, link};
use crate::model::commit::CommitId;
use crate::model::history::{Ancestry, CommitInfo, SourceCommit};
use crate::model::location::RepoPath;
use crate::model::text::cut;

/// How many characters of a commit's author and subject are kept.
const SHOWN: usize = 200;

/// How many commits are looked at for the one since which a file is so.
const FAR: usize = 10_000;

/// More commits than this are looked for in one walk through history, not by a walk each.
const FEW: usize = 4;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blob(pub(super) Oid);

impl Repository {
    /// What a commit is to ours: in its history, after it, or neither.
    pub fn ancestry(&self, commit: &CommitId, ours: &CommitId) -> Ancestry {
        if commit == ours {
            return Ancestry::Ancestor;
        }
        let pair = (commit.clone(), ours.clone());
        if let Some(known) = self.ancestries.borrow().get(&pair) {
            return *known;
        }
        let found = self.find_ancestry(commit, ours);
        self.ancestries.borrow_mut().insert(pair, found);
        found
    }

    fn find_ancestry(&self, commit: &CommitId, ours: &CommitId) -> Ancestry {
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

    /// What each of some commits is to ours.
    pub fn ancestries(
        &self,
        commits: &BTreeSet<CommitId>,
        ours: &CommitId,
    ) -> BTreeMap<CommitId, Ancestry> {
        let mut found = BTreeMap::new();
        if commits.len() > FEW {
            let id = |commit: &CommitId| Oid::from_str(commit.as_str()).ok();
            let ids = commits
                .iter()
                .filter_map(|commit| Some((id(commit)?, commit)));
            let mut open: BTreeMap<Oid, &CommitId> = ids.collect();
            // What is not here at all is not looked for.
            open.retain(|id, _| self.objects().find_commit(*id).is_ok());
            let walk = id(ours).and_then(|ours| {
                let mut walk = self.objects().revwalk().ok()?;
                walk.push(ours).ok()?;
                Some(walk)
            });
            for id in walk.into_iter().flatten().map_while(Result::ok) {
                if let Some(commit) = open.remove(&id) {
                    found.insert(commit.clone(), Ancestry::Ancestor);
                }
                if open.is_empty() {
                    break;
                }
            }
        }
        for commit in commits {
            if !found.contains_key(commit) {
                found.insert(commit.clone(), self.ancestry(commit, ours));
            }
        }
        found
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

    /// How far back each of some commits is along first parents, ours being 0; those that are not there
    /// are left out.
    pub fn first_parents(
        &self,
        ours: &CommitId,
        mut commits: BTreeSet<CommitId>,
    ) -> BTreeMap<CommitId, usize> {
        let walk = || {
            let mut walk = self.objects().revwalk()?;
            walk.simplify_first_parent()?;
            walk.push(Oid::from_str(ours.as_str())?)?;
            Ok::<_, git2::Error>(walk)
        };
        let mut places = BTreeMap::new();
        let ids = walk().into_iter().flatten().map_while(Result::ok);
        for (place, id) in ids.enumerate() {
            if commits.is_empty() {
                break;
            }
            let id = CommitId::new(&id.to_string());
            if let Some(commit) = id.ok().and_then(|id| commits.take(&id)) {
                places.insert(commit, place);
            }
        }
        places
    }

    /// The commit from which two went different ways; `None` if none is known.
    pub fn merge_base(&self, a: &CommitId, b: &CommitId) -> Option<CommitId> {
        let id = |commit: &CommitId| Oid::from_str(commit.as_str()).ok();
        let base = self.objects().merge_base(id(a)?, id(b)?).ok()?;
        CommitId::new(&base.to_string()).ok()
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
            let tree = self.directory(id, path.as_bytes())?;
            let Some(entry) = tree.entry(part, &at)? else {
                return Ok(Content::Absent);
            };
            id = entry.id;
            at = joined(&at, part);
            let here = RepoPath::new(at.as_slice());
            let by = match (entry.kind(), parts.peek()) {
                (ObjectType::Tree, Some(_)) => continue,
                (ObjectType::Tree, None) => "a directory",
                (ObjectType::Blob, _) if kind_of(entry.mode) == SYMLINK => "a symbolic link",
                (ObjectType::Blob, None) => {
                    return self.blob(Blob(id), path).map(Content::File);
                }
                // That is read itself.
                (ObjectType::Blob, Some(_)) if is_manifest(&here) => {
                    return Ok(Content::Absent);
                }
                (ObjectType::Blob, Some(_)) => "a file",
                _ => "a submodule",
            };
            return Ok(Content::Obstructed { path: here, by });
        }
        Ok(Content::Absent)
    }

    /// The file of a commit to which a link at a path there leads; `None` if that is no link, or leads
    /// elsewhere.
    ///
    /// # Errors
    ///
    /// If the commit cannot be read.
    pub fn linked(
        &self,
        commit: &CommitId,
        path: &RepoPath,
    ) -> Result<Option<(RepoPath, Blob)>, Error> {
        let followed = link::followed(self.objects(), self.tree(commit)?, path);
        Ok(followed.map(|(target, id)| (target, Blob(id))))
    }

    /// The first parent of a commit; `None` if it has none, or it is not in this clone.
    pub fn parent(&self, commit: &CommitId) -> Option<CommitId> {
        let id = Oid::from_str(commit.as_str()).ok()?;
        let parent = self.objects().find_commit(id).ok()?.parent(0).ok()?;
        CommitId::new(&parent.id().to_string()).ok()
    }

    /// Whether a commit is a merge.
    pub fn is_merge(&self, commit: &CommitId) -> bool {
        let id = Oid::from_str(commit.as_str());
        let commit = id.and_then(|id| self.objects().find_commit(id));
        commit.is_ok_and(|commit| commit.parent_count() > 1)
    }

    /// Whether a branch of a remote has a commit, as these branches were fetched last; `None` if there are
    /// none.
    pub fn is_published(&self, commit: &CommitId) -> Option<bool> {
        let objects = self.objects();
        let branches = self.git.references_glob("refs/remotes/*").ok()?;
        let tips = branches.filter_map(|branch| branch.ok()?.resolve().ok()?.target());
        let tips: Vec<Oid> = tips.collect();
        let id = Oid::from_str(commit.as_str()).ok()?;
        let is_reached = || {
            let mut walk = objects.revwalk()?;
            walk.push(id)?;
            tips.iter().try_for_each(|tip| walk.hide(*tip))?;
            Ok::<_, git2::Error>(walk.next().is_none())
        };
        (!tips.is_empty()).then(|| is_reached().unwrap_or(false))
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
        self.so_since(ours, path, &|_| false)
    }

    /// The commit since which a file is so, however it was edited, seen along first parents; where nothing
    /// says so of it now, the one since which it is what it is. `None` if that is not in this clone, or too
    /// far back.
    ///
    /// # Errors
    ///
    /// If an object on the way there cannot be read.
    pub fn so_since(
        &self,
        ours: &CommitId,
        path: &RepoPath,
        is_so: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Option<CommitInfo>, Error> {
        let mut now = self.entry(ours, path)?;
        let is_file = |mode| ![DIRECTORY, SYMLINK, SUBMODULE].contains(&mode);
        // What cannot be read is another one.
        let is_so = |entry: Option<(i32, Oid)>| {
            let file = entry.filter(|(mode, _)| is_file(*mode));
            let content = file.and_then(|(_, id)| self.blob(Blob(id), path).ok());
            content.is_some_and(|content| is_so(&content))
        };
        let may_differ = is_so(now);
        let mut at = ours.clone();
        for _ in 0..FAR {
            let Some(parent) = self.parent(&at) else {
                break;
            };
            let before = self.entry(&parent, path)?;
            if before != now && !(may_differ && is_so(before)) {
                let commit = Oid::from_str(at.as_str()).ok();
                let commit = commit.and_then(|id| self.objects().find_commit(id).ok());
                return Ok(commit.map(|commit| self.info(&commit)));
            }
            (at, now) = (parent, before);
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
            let tree = self.directory(at.1, path.as_bytes())?;
            let Some(entry) = tree.entry(part, path.as_bytes())? else {
                return Ok(None);
            };
            at = (kind_of(entry.mode), entry.id);
        }
        Ok(Some(at))
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
