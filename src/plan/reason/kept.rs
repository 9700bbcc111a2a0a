//! Why an owned role that nobody declares is left: most of these end with a commit, some never do.

use std::fmt;

use jiff::Timestamp;

use super::super::quarantine::Note;
use crate::model::commit::CommitId;
use crate::model::history::{CommitInfo, Unfit, UnfitBase};
use crate::model::location::{Location, RepoPath};
use crate::model::shell::quoted;

/// Why an owned role that is not declared is not retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The mode of the run is not sync.
    Mode {
        /// The quarantine of the role, if it is in one.
        quarantine: Option<Note>,
    },
    /// The manifests stand for no commit.
    NoCommit,
    /// A file that the run does not read declares the ServiceAccount.
    DeclaredElsewhere(RepoPath),
    /// A file out of the cluster's paths may declare the ServiceAccount: it has a fault.
    BrokenElsewhere {
        /// The file.
        path: RepoPath,
        /// What is wrong with it.
        fault: String,
        /// Whether the run reads it for another cluster.
        is_read: bool,
    },
    /// Another pipeline of the cluster reads this file, which declares the ServiceAccount or did.
    OtherPaths(String),
    /// The annotation of a ServiceAccount that is held, or not understood, names the role: there.
    Named(Location),
    /// The tag with the commit that last wrote the role was spoiled.
    LastCommitSpoiled,
    /// The history back to the commit that last wrote the role is not in this clone.
    HistoryMissing,
    /// A file that has changed since the role was last written cannot be read whole.
    ChangeUnreadable {
        /// The file.
        path: RepoPath,
        /// Why not.
        fault: String,
        /// Whether it is the file that had held the ServiceAccount.
        lost_it: bool,
    },
    /// The trust policy is that of a quarantine, and the tags of it are gone.
    QuarantineUntagged,
    /// A commit removed the ServiceAccount, and the one that last wrote the role is not older.
    RemovedEarlier(CommitInfo),
    /// The commit that last wrote the role came in by a merge whose first parents never had the
    /// ServiceAccount.
    OnSideBranch,
    /// The commit that the role was made for is not in this history.
    MadeElsewhere(CommitId),
    /// No commit removed the ServiceAccount.
    Unexplained,
    /// The manifests are plain files, which are compared with none.
    NoBase,
    /// What the plain files are compared with does not declare the ServiceAccount either.
    NotInBase(CommitId),
    /// What the plain files are compared with proves nothing.
    UnfitBase(UnfitBase),
    /// The role does not say since when it is quarantined.
    QuarantineUndated,
    /// The commit that quarantined the role is not in this history.
    QuarantineForeign(CommitId),
    /// The role does not say by which commit it is quarantined.
    QuarantineUnsigned,
    /// The quarantine of the role is not over.
    Quarantined {
        /// Since when, and by which commit.
        quarantine: Note,
        /// Until when; `None` for a time beyond the calendar.
        until: Option<Timestamp>,
    },
    /// The quarantine of the role is over, but something is attached to it.
    Attached {
        /// Since when it is quarantined, and by which commit.
        quarantine: Note,
        /// What is attached to it.
        names: Vec<String>,
    },
    /// What is attached to the role could not be read.
    AttachmentsUnread,
}

impl Kept {
    /// Whether no commit and no correction of a manifest ends it, as what history says of the role
    /// stays as it is.
    pub fn is_for_ever(&self) -> bool {
        match self {
            Self::LastCommitSpoiled
            | Self::QuarantineUntagged
            | Self::RemovedEarlier(_)
            | Self::OnSideBranch
            | Self::MadeElsewhere(_)
            | Self::Unexplained
            | Self::NotInBase(_)
            | Self::QuarantineUndated
            | Self::QuarantineUnsigned
            | Self::QuarantineForeign(_) => true,
            Self::Mode { .. }
            | Self::NoCommit
            | Self::DeclaredElsewhere(_)
            | Self::BrokenElsewhere { .. }
            | Self::OtherPaths(_)
            | Self::Named(_)
            | Self::HistoryMissing
            | Self::NoBase
            | Self::UnfitBase(_)
            | Self::ChangeUnreadable { .. }
            | Self::Quarantined { .. }
            | Self::Attached { .. }
            | Self::AttachmentsUnread => false,
        }
    }
}

/// The half of a sentence that follows an [`Undeclared`](super::Undeclared).
impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode { quarantine: None } => f.write_str("; the role is left in place"),
            Self::Mode {
                quarantine: Some(quarantine),
            } => write!(
                f,
                "; {quarantine}, so nobody can assume the role; only mode sync deletes it"
            ),
            Self::NoCommit => f.write_str(
                ", but the manifests stand for no commit, so nothing is pruned: read the repository itself",
            ),
            Self::DeclaredElsewhere(path) => write!(
                f,
                ", but `{path}` declares it now, which this run does not read, so nothing is pruned: correct --path if this run is to read it, list the cluster it moved to in --config, or, if that is nobody's, leave it out: {}",
                excluding(path)
            ),
            Self::BrokenElsewhere {
                path,
                fault,
                is_read: false,
            } => write!(
                f,
                ", but `{path}`, which this run does not read, may declare it ({fault}), so nothing is pruned: correct it, list the cluster whose it is in --config, or, if it is nobody's, leave it out: {}",
                excluding(path)
            ),
            Self::BrokenElsewhere {
                path,
                fault,
                is_read: true,
            } => write!(
                f,
                ", but `{path}`, which this run reads for another cluster, may declare it ({fault}), so nothing is pruned: correct it there, or, if it has nothing to do with this cluster, leave it out in this one's entry of --config: ignore: ['/{}']",
                pattern(path)
            ),
            Self::OtherPaths(path) => write!(
                f,
                " here; its manifest `{path}` is another pipeline's, which the cluster's record knows, so this one leaves the role alone"
            ),
            Self::Named(at) => write!(
                f,
                ", but the ServiceAccount at {at} names it in its role-arn annotation and has errors, so it is not pruned: correct that one first, or delete it"
            ),
            Self::LastCommitSpoiled => f.write_str(
                ", but its tag `role.k8s.aws/last-commit` is no commit id, so nothing is pruned: somebody changed it by hand",
            ),
            Self::HistoryMissing => f.write_str(
                ", but the history back to the commit that last wrote it is not here, so nothing is pruned: fetch full history (fetch-depth: 0, or git fetch --unshallow) and read the repository itself; beside --directory, give REPO and --base-directory",
            ),
            Self::NoBase => f.write_str(
                ", but plain files do not show that it was removed, so nothing is pruned: give what the commit that was applied last was rendered to (--base-directory DIR --base-commit ID)",
            ),
            Self::NotInBase(base) => write!(
                f,
                ", but --base-directory, of commit {}, does not declare it either, so its removal is not proven and nothing is pruned: check --path, or give what a commit that declared it was rendered to",
                base.short()
            ),
            Self::UnfitBase(UnfitBase { base, other, why }) => {
                let (base, other) = (base.short(), other.as_str());
                match why {
                    Unfit::NotBefore => write!(
                        f,
                        ", but --base-commit {base} is not before --commit {other}, so the two prove no removal and nothing is pruned"
                    ),
                    Unfit::BeforeRole => write!(
                        f,
                        ", but the role was written for a commit that is not in the history of --base-commit {base}, so nothing is pruned: give what that one, or a later one, was rendered to (--base-commit {other})"
                    ),
                    Unfit::NotApplied => write!(
                        f,
                        ", but --base-commit {base} is not what was applied last, nor before it, so nothing is pruned: give what that one was rendered to (--base-commit {other})"
                    ),
                }
            }
            Self::ChangeUnreadable {
                path,
                fault,
                lost_it,
            } => {
                write!(
                    f,
                    ", but `{path}` may hold it now and cannot be read whole ({fault}), so the role stays: commit it whole and rendered, "
                )?;
                match lost_it {
                    true => f.write_str(
                        "or delete it; it held the ServiceAccount, so to leave it out proves no removal",
                    ),
                    false => write!(
                        f,
                        "delete it, or, if nothing there is this cluster's, leave it out: {}",
                        excluding(path)
                    ),
                }
            }
            Self::Unexplained => f.write_str(
                ", but no commit since the one that last wrote it removed it, so nothing is pruned: check --path, and whether its directory moved",
            ),
            Self::QuarantineUntagged => f.write_str(
                "; nobody can assume it, as in a quarantine, but the tags that say since when and by which commit are gone, so nothing is pruned",
            ),
            Self::RemovedEarlier(commit) => write!(
                f,
                " since commit {commit}; but the commit that last wrote the role is not older than that, as after a rewritten history, so it is no witness and nothing is pruned"
            ),
            Self::OnSideBranch => f.write_str(
                ", but the commit that last wrote it came in by a merge, and no first parent ever declared it, so no commit removed it and nothing is pruned",
            ),
            Self::MadeElsewhere(commit) => write!(
                f,
                ", but commit {}, which made it, is not in this history, and no commit of it removed it, so nothing is pruned",
                commit.short()
            ),
            Self::QuarantineUnsigned => f.write_str(
                "; quarantined, but its tag does not say by which commit, so it is not deleted",
            ),
            Self::QuarantineUndated => f.write_str(
                "; quarantined, but its tag does not say since when, so it is not deleted",
            ),
            Self::QuarantineForeign(by) => write!(
                f,
                "; quarantined by commit {}, which is not in this history, so it is not deleted",
                by.short()
            ),
            Self::Quarantined { quarantine, until } => {
                write!(f, "; {quarantine}, ")?;
                match until {
                    Some(until) => write!(f, "to be deleted after {until}"),
                    None => f.write_str("never to be deleted"),
                }
            }
            Self::Attached { quarantine, names } => write!(
                f,
                "; {quarantine} and {}",
                super::kept_by(names)
            ),
            Self::AttachmentsUnread => {
                f.write_str("; what is attached to it could not be read")
            }
        }
    }
}

/// The ignore rule that leaves out a file and nothing else.
fn excluding(path: &RepoPath) -> String {
    format!("--exclude {}", quoted(&format!("/{}", pattern(path))))
}

/// The pattern of a file, below the root.
fn pattern(path: &RepoPath) -> String {
    let path = path.to_string();
    // A comma would separate two patterns.
    let pattern = path.chars().map(|c| match c {
        '*' | '?' | '[' | ']' | '{' | '}' | '\\' | ',' | '\'' => '?',
        c => c,
    });
    pattern.collect()
}
