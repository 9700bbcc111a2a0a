//! What a repository's history says: whether a commit came before another, and which manifests
//! each commit changed or removed.
//!
//! First parents only: what a merge brought in happened at the merge. Unchanged trees are never
//! entered, so a step costs what it changed.

use std::ops::ControlFlow;

use git2::{Oid, Sort, Tree};

use super::git::{damaged, joined};
use super::{Error, MAX_TREE_DEPTH, Repository, Scope, is_manifest};
use crate::model::commit::CommitId;
use crate::model::history::{Ancestry, CommitInfo};
use crate::model::location::RepoPath;

/// A manifest as it was before a commit changed or removed it.
#[derive(Debug)]
pub struct Replaced<'a> {
    /// The commit.
    pub commit: &'a CommitInfo,
    /// The file.
    pub path: &'a RepoPath,
    /// Its content before.
    pub content: &'a [u8],
}

impl Repository {
    /// Whether `earlier` is in the history of `later`, or is `later` itself.
    pub fn ancestry(&self, earlier: &CommitId, later: &CommitId) -> Ancestry {
        if earlier == later {
            return Ancestry::Ancestor;
        }
        let unknown = if self.git().is_shallow() {
            Ancestry::Unknown
        } else {
            // A full history has all ancestors, so what it has not is none.
            Ancestry::NotAncestor
        };
        let (Ok(old), Ok(new)) = (
            Oid::from_str(earlier.as_str()),
            Oid::from_str(later.as_str()),
        ) else {
            return Ancestry::NotAncestor;
        };
        if self.git().find_commit(old).is_err() {
            return unknown;
        }
        match self.git().graph_descendant_of(new, old) {
            Ok(true) => Ancestry::Ancestor,
            Ok(false) if self.git().graph_descendant_of(old, new).unwrap_or(false) => {
                Ancestry::NotAncestor
            }
            Ok(false) => unknown,
            Err(_) => Ancestry::Unknown,
        }
    }

    /// Goes back from a commit along first parents and shows every manifest in scope that a commit
    /// changed or removed, as it was before; the newest first. Goes no further back than to what
    /// all of `since` have in common, if there are any.
    ///
    /// # Errors
    ///
    /// If an object of that history cannot be read.
    pub fn replaced(
        &self,
        from: &CommitId,
        since: &[CommitId],
        scope: &Scope,
        visit: &mut dyn FnMut(&Replaced<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let broken = |error: git2::Error| damaged(Oid::ZERO_SHA1, b"history", &error);
        let start = Oid::from_str(from.as_str()).map_err(broken)?;
        let mut walk = self.git().revwalk().map_err(broken)?;
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
            several => self.git().merge_base_octopus(several).ok(),
        };
        if let Some(base) = base {
            walk.hide(base).map_err(broken)?;
        }
        for id in walk {
            let id = id.map_err(broken)?;
            let commit = self
                .git()
                .find_commit(id)
                .map_err(|e| damaged(id, b"history", &e))?;
            let Ok(parent) = commit.parent(0) else {
                return Ok(());
            };
            if parent.tree_id() == commit.tree_id() {
                continue;
            }
            let before = parent
                .tree()
                .map_err(|e| damaged(parent.tree_id(), b"history", &e))?;
            let after = commit
                .tree()
                .map_err(|e| damaged(commit.tree_id(), b"history", &e))?;
            let mut gone = Vec::new();
            self.compare(&before, Some(&after), &[], 0, scope, &mut gone)?;
            if gone.is_empty() {
                continue;
            }
            let commit = info(&commit);
            for (path, blob) in gone {
                let found = self.git().find_blob(blob);
                let found = found.map_err(|error| damaged(blob, path.as_bytes(), &error))?;
                let replaced = Replaced {
                    commit: &commit,
                    path: &path,
                    content: found.content(),
                };
                if visit(&replaced).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The content of a file at a commit; `None` if it is not there.
    pub fn content(&self, commit: &CommitId, path: &RepoPath) -> Option<Vec<u8>> {
        let commit = self
            .git()
            .find_commit(Oid::from_str(commit.as_str()).ok()?)
            .ok()?;
        let mut tree = commit.tree().ok()?;
        let mut parts = path.as_bytes().split(|byte| *byte == b'/').peekable();
        while let Some(part) = parts.next() {
            let entry = tree
                .iter()
                .find(|entry| entry.name_bytes() == part)?
                .to_owned();
            if parts.peek().is_none() {
                return Some(self.git().find_blob(entry.id()).ok()?.content().to_vec());
            }
            tree = self.git().find_tree(entry.id()).ok()?;
        }
        None
    }

    /// Lists the manifests of one tree that another has otherwise or not at all.
    fn compare(
        &self,
        before: &Tree<'_>,
        after: Option<&Tree<'_>>,
        directory: &[u8],
        depth: usize,
        scope: &Scope,
        gone: &mut Vec<(RepoPath, Oid)>,
    ) -> Result<(), Error> {
        if depth > MAX_TREE_DEPTH {
            let path = RepoPath::new(directory);
            return Err(Error::TooDeep {
                path,
                limit: MAX_TREE_DEPTH,
            });
        }
        for entry in before {
            let now = after.and_then(|tree| tree.get_name_bytes(entry.name_bytes()));
            let now = now.map(|entry| entry.id());
            if now == Some(entry.id()) {
                continue;
            }
            let path = RepoPath::new(joined(directory, entry.name_bytes()));
            match entry.kind() {
                Some(git2::ObjectType::Tree) if scope.touches(&path) => {
                    let tree = |id| self.git().find_tree(id);
                    let below =
                        tree(entry.id()).map_err(|e| damaged(entry.id(), path.as_bytes(), &e))?;
                    let now = now.and_then(|id| tree(id).ok());
                    self.compare(
                        &below,
                        now.as_ref(),
                        path.as_bytes(),
                        depth + 1,
                        scope,
                        gone,
                    )?;
                }
                Some(git2::ObjectType::Blob) if is_manifest(&path) && scope.covers(&path) => {
                    gone.push((path, entry.id()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn info(commit: &git2::Commit<'_>) -> CommitInfo {
    let author = commit.author();
    let seconds = author.when().seconds();
    let date =
        jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |t| t.to_string());
    CommitInfo {
        // libgit2 only has full ids.
        id: CommitId::new(&commit.id().to_string()).expect("an object id is a full id"),
        author: String::from_utf8_lossy(author.name_bytes()).into_owned(),
        date,
        subject: commit.summary_bytes().map_or_else(String::new, |text| {
            String::from_utf8_lossy(text).into_owned()
        }),
    }
}
