//! What Git history says: who made a commit, whether one came before another, who removed what.

use std::fmt;

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
    /// The commit that it was rendered from, if a trailer of its message says so.
    pub source: Option<Box<SourceCommit>>,
}

/// The commit that people know, where every commit of a branch is rendered from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCommit {
    /// Its full id.
    pub id: CommitId,
    /// Who wrote it, where that is known.
    pub author: Option<String>,
}

impl fmt::Display for SourceCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id.short())?;
        match &self.author {
            Some(author) => write!(f, " of {author}"),
            None => Ok(()),
        }
    }
}

/// The commit and author that people know, and what was committed.
impl fmt::Display for CommitInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            author,
            date,
            subject,
            source,
        } = self;
        match source {
            None => write!(f, "{} of {author} ({date}): {subject}", id.short()),
            Some(source) => write!(
                f,
                "{source}, rendered as {} ({date}): {subject}",
                id.short()
            ),
        }
    }
}

/// What a commit, such as the one on a role, is to the commit of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ancestry {
    /// It is the run's own commit, or came before it.
    Ancestor,
    /// It came after the run's commit, which is in its history: a descendant.
    Newer,
    /// It is known, and on another line of history: squashed, rebased, or not merged.
    Elsewhere,
    /// It is not in this clone, although nothing of our own history is missing.
    Unknown,
    /// A part of our own history is missing, as in a shallow clone, so it is not known.
    Unproven,
}

/// Why a ServiceAccount that a role was made for is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// A commit removed it.
    Removed(Removal),
    /// A commit removed it, but something that changed then or later cannot be read whole.
    Unreadable {
        /// What cannot.
        path: RepoPath,
        /// Why not.
        fault: String,
        /// Whether it is the file that had held it.
        lost_it: bool,
    },
    /// No commit since the role was last written removed it, and this one did before.
    Earlier(CommitInfo),
    /// No first parent ever had it, and the commit that last wrote the role came in by a merge.
    OnSideBranch,
    /// No commit that was seen removed it.
    Unexplained,
    /// Plain files do not say who removed it, and are compared with none.
    NoBase,
    /// What this commit was rendered to does not declare it either.
    NotInBase(CommitId),
    /// What plain files are compared with proves nothing.
    UnfitBase(UnfitBase),
}

/// A base of plain files that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfitBase {
    /// The commit that the base was rendered from.
    pub base: CommitId,
    /// The commit that speaks against it.
    pub other: CommitId,
    /// What it says.
    pub why: Unfit,
}

/// What speaks against a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is not before the commit of the run.
    NotBefore,
    /// The role was written for this commit, which is not in its history.
    BeforeRole,
    /// This commit was applied last, and it is not in the history of that.
    NotApplied,
}

/// A file out of a cluster's paths that declares a role which would be retired, or may do so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The file.
    pub path: RepoPath,
    /// What it is to the role.
    pub place: Place,
    /// Whether the run reads it for another cluster.
    pub is_read: bool,
    /// All files that declare the role, this one among them if it does.
    pub declaring: Vec<RepoPath>,
}

/// What a file out of a cluster's paths is to a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It declares the role, and did not when the role was last written.
    New,
    /// It declares the role, and did so when the role was last written: it is no new place.
    Known,
    /// Something keeps it from being known whether it declares the role.
    Broken(String),
}

/// The commit that removed a ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The commit.
    pub commit: CommitInfo,
    /// The commit before, where only two renders are compared and others lie between.
    pub since: Option<CommitId>,
    /// The file that had held it.
    pub path: RepoPath,
    /// Whether the ServiceAccount is still in that file, and only asks for no role any more.
    pub remains: bool,
}
