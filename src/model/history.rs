//! What Git history says: who made a commit, whether one came before another, who removed what.

use super::commit::CommitId;
use super::location::RepoPath;

/// A commit as people want to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its full id.
    pub id: CommitId,
    /// Who wrote it: the author's name.
    pub author: String,
    /// When it was written (RFC 3339).
    pub date: String,
    /// The first line of its message.
    pub subject: String,
}

/// Whether one commit is in the history of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ancestry {
    /// It is the other one, or came before it.
    Ancestor,
    /// It is not: it came after it, or belongs to another history.
    NotAncestor,
    /// A part of the history is not here, so nobody can say.
    Unknown,
}

/// Why a ServiceAccount that a role was made for is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// A commit removed it.
    Removed(Removal),
    /// A commit removed it, but a file that changed then or later cannot be read whole.
    Unreadable(RepoPath),
    /// No commit since the role was last written removed it.
    Unexplained,
}

/// The commit that removed a ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The commit.
    pub commit: CommitInfo,
    /// The file that had held it.
    pub path: RepoPath,
    /// Whether the ServiceAccount is still in that file, and only asks for no role any more.
    pub remains: bool,
}
