//! Where manifests come from: a Git repository at one commit, or a plain directory.
//!
//! In: what to read ([`Scope`]) and a function that looks at one blob. Out: a [`Snapshot`] of what
//! that function found, in the order of the paths, and everything in scope that could not be
//! looked at. Knows nothing of YAML, Kubernetes or IAM; `git2` and `walkdir` stop here.

use crate::model::commit::CommitId;
use crate::model::location::RepoPath;

/// Which part of a revision is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Directories or files below the root, `/`-separated; empty means everything.
    pub paths: Vec<RepoPath>,
}

/// What a function made of the blobs in scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot<T> {
    /// The repository for people and tags: a URL without credentials, or a path.
    pub repository: String,
    /// The commit that was read; a plain directory may stand for none.
    pub commit: Option<CommitId>,
    /// What was found, by path.
    pub files: Vec<(RepoPath, T)>,
    /// What is in scope and was not looked at, by path.
    pub unread: Vec<Unread>,
    /// How many files with a manifest's ending were looked at.
    pub files_seen: usize,
}

/// Something in scope that could hold manifests and was not looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// Where.
    pub path: RepoPath,
    /// Why.
    pub reason: UnreadReason,
}

/// Why something was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnreadReason {
    /// A submodule: never fetched.
    Submodule,
    /// A symbolic link with a manifest's ending: never followed.
    Symlink,
    /// A Git LFS pointer where a manifest is expected.
    LfsPointer,
}
