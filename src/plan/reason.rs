//! Why something becomes of a role: a value that can be compared, a stable code, and a line of text.
//!
//! Every reason is made from facts where the decision is made. Only its `Display` knows the words,
//! so that two reasons are the same if they rest on the same facts, whatever the words are.

use std::fmt;

use jiff::Timestamp;

use super::fence::Why;
use super::ownership::Foreign;
use super::{Difference, diff};
use crate::model::arn::OidcProviderArn;
use crate::model::cluster::{Audience, ClusterName};
use crate::model::commit::CommitId;
use crate::model::history::CommitInfo;
use crate::model::location::RepoPath;
use crate::model::role::{RoleName, RolePath};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags;

mod code;

pub use code::ReasonCode;

/// Why something becomes of a role, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no such role.
    Absent,
    /// The role is as declared.
    AsDeclared,
    /// The role is not as declared.
    Differs(Vec<Difference>),
    /// The role is as declared, but for the tags of a quarantine that is over.
    QuarantineTagsLeft,
    /// The ServiceAccount of a quarantined role is declared again.
    DeclaredAgain {
        /// Since when the role says that it is quarantined.
        since: Option<String>,
    },
    /// The ServiceAccount of a quarantined role is declared again, and whether the quarantine or this
    /// run is the older one is not known here.
    OrderUnproven {
        /// The commit that the role was last written for.
        last_commit: CommitId,
    },
    /// The role lacks these tags, and has no room for them.
    NoRoom(Vec<String>),
    /// The role would be repaired, which mode create-only does not do.
    CreateOnly(Box<Self>),
    /// A role of that name is somebody else's.
    Foreign {
        /// The name as IAM has it.
        role: RoleName,
        /// Why it is not ours.
        foreign: Foreign,
    },
    /// The role could not be read in full.
    Unread,
    /// The manifest has errors; the text is that of the diagnostic.
    Invalid(String),
    /// An owned role whose ServiceAccount is not declared is not retired.
    Kept {
        /// Why the role is not declared.
        undeclared: Undeclared,
        /// Why it is not retired.
        kept: Kept,
    },
    /// An owned role whose ServiceAccount is not declared is not retired, and no later commit changes
    /// that: its name has to be given.
    HeldForEver {
        /// Why the role is not declared.
        undeclared: Undeclared,
        /// Why it is not retired.
        kept: Kept,
        /// The command that retires it.
        command: String,
    },
    /// The user named an owned role that nothing else would retire.
    Named {
        /// Why the role is not declared.
        undeclared: Undeclared,
        /// Why mode sync does not retire it.
        kept: Kept,
        /// The commit that its tags are to name.
        commit: CommitId,
        /// When the role was last used, if IAM says so.
        last_used: Option<String>,
        /// What is attached to it, if that is known.
        attached: Option<Vec<String>>,
    },
    /// A role that is to be retired is quarantined already.
    QuarantinedAlready {
        /// Since when.
        since: Option<String>,
    },
    /// A role that is to be retired is declared.
    Declared(ServiceAccountRef),
    /// A commit removed the ServiceAccount, so the role is retired.
    Removed {
        /// What the commit did.
        undeclared: Undeclared,
        /// The commit.
        commit: CommitInfo,
        /// When the role was last used, if IAM says so.
        last_used: Option<String>,
    },
    /// The quarantine of the role is over, so the role is deleted.
    QuarantineOver {
        /// Why the role is not declared.
        undeclared: Undeclared,
        /// Since when it is quarantined.
        since: Timestamp,
    },
    /// Between two commits: the second one declares the ServiceAccount.
    NewlyDeclared,
    /// Between two commits: the managed annotation becomes `"true"`.
    NewlyManaged,
    /// Between two commits: the manifest becomes valid.
    NewlyValid,
    /// Between two commits: the managed annotation becomes `"false"`.
    NewlyUnmanaged,
    /// Between two commits: the second one does not declare the ServiceAccount any more.
    NewlyUndeclared,
    /// Several clusters of one account would give that name to a role of theirs.
    SharedName(Vec<ClusterName>),
    /// The OIDC provider does not accept the ServiceAccount's own audience.
    AudienceRefused {
        /// The provider.
        provider: OidcProviderArn,
        /// The audience.
        audience: Audience,
    },
    /// The last commit on the role is not in the history of ours, which the user has accepted.
    HistoryRewritten {
        /// What would be said of the role otherwise.
        reason: Box<Self>,
        /// The commit on the role.
        last_commit: CommitId,
        /// What that commit is to ours.
        why: Why,
    },
    /// The role is not what it was when the plan was saved.
    MovedSincePlan(Box<Self>),
    /// The change is not part of the saved plan.
    NotInPlan(Box<Self>),
    /// The change is part of the saved plan, and is no change any more.
    NoLongerDue(Option<Box<Self>>),
    /// A role that is to be adopted is owned already.
    OwnedAlready,
    /// A role that is to be adopted has another path.
    OtherPath {
        /// Its path.
        found: RolePath,
        /// The path of the cluster's roles.
        expected: RolePath,
    },
    /// A role that is to be adopted is declared by no manifest.
    NotDeclared(ServiceAccountRef),
    /// The trust policy of a role that is to be adopted does not let its ServiceAccount in.
    Unproven(ServiceAccountRef),
    /// The trust policy of a role that is to be adopted proves whose it is.
    Proven,
}

/// Why a role is not declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undeclared {
    /// No manifest declares its ServiceAccount.
    Gone,
    /// The managed annotation of its ServiceAccount is `"false"`.
    Unmanaged,
}

/// Why an owned role that is not declared is not retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The mode of the run is not sync.
    Mode,
    /// The manifests stand for no commit.
    NoCommit,
    /// A file that the run does not read declares the ServiceAccount.
    DeclaredElsewhere(RepoPath),
    /// A file that the run does not read may declare the ServiceAccount: it has a fault.
    BrokenElsewhere {
        /// The file.
        path: RepoPath,
        /// What is wrong with it.
        fault: String,
    },
    /// Another pipeline of the cluster reads this file, which declares the ServiceAccount or did.
    OtherPaths(String),
    /// The annotation of a ServiceAccount that is held names the role.
    Named,
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
    /// The role does not say since when it is quarantined.
    QuarantineUndated,
    /// The commit that quarantined the role is not in this history.
    QuarantineForeign,
    /// The role does not say by which commit it is quarantined.
    QuarantineUnsigned,
    /// The quarantine of the role is not over.
    Quarantined {
        /// Since when.
        since: Timestamp,
        /// Until when; `None` for a time beyond the calendar.
        until: Option<Timestamp>,
    },
    /// The quarantine of the role is over, but something is attached to it.
    Attached {
        /// Since when it is quarantined.
        since: Timestamp,
        /// What is attached to it.
        names: Vec<String>,
    },
    /// What is attached to the role could not be read.
    AttachmentsUnread,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no such role"),
            Self::AsDeclared => f.write_str("as declared"),
            Self::Differs(differences) => f.write_str(&diff::describe(differences)),
            Self::QuarantineTagsLeft => f.write_str("tags of a quarantine that is over are left"),
            Self::OrderUnproven { last_commit } => write!(
                f,
                "declared, but quarantined by a run for commit {}, and whether that is older or newer is not known here: fetch full history (fetch-depth: 0, or git fetch --unshallow) and read the repository itself",
                last_commit.short()
            ),
            Self::DeclaredAgain { since } => {
                let since = since.as_deref().unwrap_or("an unknown time");
                write!(f, "declared again; quarantined since {since}")
            }
            Self::NoRoom(keys) => {
                let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
                let (keys, most) = (keys.join(", "), tags::MAX_TAGS);
                write!(
                    f,
                    "no room for tag {keys}: IAM allows {most} tags on a role"
                )
            }
            Self::CreateOnly(reason) => write!(f, "{reason}; mode create-only repairs nothing"),
            Self::Foreign { role, foreign } => {
                write!(f, "role `{role}` exists and is not ours: {foreign}")
            }
            Self::Unread => f.write_str("the role could not be read in full"),
            Self::Invalid(message) => f.write_str(message),
            Self::Kept { undeclared, kept } => write!(f, "{undeclared}{kept}"),
            Self::HeldForEver {
                undeclared,
                kept,
                command,
            } => write!(
                f,
                "{undeclared}{kept}; if nobody uses it any more, retire it by its name: {command}"
            ),
            Self::Named {
                undeclared,
                kept,
                commit,
                last_used,
                attached,
            } => {
                write!(f, "to carry commit {}; ", commit.short())?;
                match last_used {
                    Some(used) => write!(f, "last used {used}")?,
                    None => f.write_str("last use unknown")?,
                }
                f.write_str("; attached: ")?;
                match attached.as_deref() {
                    None => f.write_str("unknown")?,
                    Some([]) => f.write_str("nothing")?,
                    Some(names) => f.write_str(&names.join(", "))?,
                }
                write!(f, "; mode sync holds it: {undeclared}{kept}")
            }
            Self::QuarantinedAlready { since } => {
                let since = since.as_deref().unwrap_or("an unknown time");
                write!(f, "quarantined already, since {since}")
            }
            Self::Declared(service_account) => write!(
                f,
                "ServiceAccount `{service_account}` is declared, so its role is not retired: remove the manifest first"
            ),
            Self::Removed {
                undeclared,
                commit,
                last_used,
            } => {
                let done = match undeclared {
                    Undeclared::Gone => "removed",
                    Undeclared::Unmanaged => "un-managed",
                };
                let CommitInfo {
                    id,
                    author,
                    date,
                    subject,
                } = commit;
                let id = id.short();
                write!(f, "{done} by commit {id} of {author} ({date}): {subject}")?;
                match last_used {
                    Some(used) => write!(f, "; last used {used}"),
                    None => f.write_str("; last use unknown"),
                }
            }
            Self::QuarantineOver { undeclared, since } => {
                write!(f, "{undeclared}; quarantined since {since}")
            }
            Self::NewlyDeclared => f.write_str("declared by this change"),
            Self::NewlyManaged => f.write_str("its managed annotation becomes \"true\""),
            Self::NewlyValid => f.write_str("its manifest becomes valid"),
            Self::NewlyUnmanaged => {
                f.write_str("its managed annotation becomes \"false\"; mode sync retires the role")
            }
            Self::NewlyUndeclared => f.write_str("no longer declared; mode sync retires the role"),
            Self::SharedName(clusters) => {
                let names: Vec<_> = clusters.iter().map(|name| format!("`{name}`")).collect();
                write!(
                    f,
                    "clusters {} ask for this name in one account: give each its own role prefix",
                    names.join(" and ")
                )
            }
            Self::AudienceRefused { provider, audience } => write!(
                f,
                "OIDC provider `{provider}` does not accept audience `{}`",
                audience.as_str()
            ),
            Self::HistoryRewritten {
                reason,
                last_commit,
                why,
            } => write!(
                f,
                "{reason}; its last commit {} is {why}, so it is tagged with this one",
                last_commit.short()
            ),
            Self::MovedSincePlan(now) => {
                write!(f, "the role has moved since the plan was saved; now: {now}")
            }
            Self::NotInPlan(reason) => write!(f, "not part of the saved plan: {reason}"),
            Self::NoLongerDue(now) => {
                f.write_str("part of the saved plan, but not to be changed now: ")?;
                match now {
                    Some(reason) => write!(f, "{reason}"),
                    None => f.write_str("the role is gone, or is not ours any more"),
                }
            }
            Self::OwnedAlready => f.write_str("it is owned already"),
            Self::OtherPath { found, expected } => {
                write!(f, "its path is `{found}`, not `{expected}`")
            }
            Self::NotDeclared(service_account) => write!(
                f,
                "no manifest asks for a role of ServiceAccount `{service_account}`"
            ),
            Self::Unproven(service_account) => write!(
                f,
                "its trust policy does not let `{}` of this cluster's OIDC provider in, so it is not proven to be its role",
                service_account.subject()
            ),
            Self::Proven => f.write_str(
                "its trust policy proves that it serves the ServiceAccount; it gets our tags",
            ),
        }
    }
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
            | Self::QuarantineUndated
            | Self::QuarantineUnsigned
            | Self::QuarantineForeign => true,
            Self::Mode
            | Self::NoCommit
            | Self::DeclaredElsewhere(_)
            | Self::BrokenElsewhere { .. }
            | Self::OtherPaths(_)
            | Self::Named
            | Self::HistoryMissing
            | Self::ChangeUnreadable { .. }
            | Self::Quarantined { .. }
            | Self::Attached { .. }
            | Self::AttachmentsUnread => false,
        }
    }
}

impl fmt::Display for Undeclared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "no manifest declares its ServiceAccount",
            Self::Unmanaged => "the managed annotation is \"false\"",
        })
    }
}

/// The half of a sentence that follows an [`Undeclared`].
impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode => f.write_str("; the role is left in place"),
            Self::NoCommit => f.write_str(
                ", but the manifests stand for no commit, so nothing is pruned: read the repository itself",
            ),
            Self::DeclaredElsewhere(path) => write!(
                f,
                ", but `{path}` declares it now, which this run does not read, so nothing is pruned: widen --path, or list the cluster it moved to in --config"
            ),
            Self::BrokenElsewhere { path, fault } => write!(
                f,
                ", but `{path}`, which this run does not read, may declare it ({fault}), so nothing is pruned: correct it, or list the cluster whose it is in --config"
            ),
            Self::OtherPaths(path) => write!(
                f,
                " here; its manifest `{path}` is another pipeline's, which the cluster's record knows, so this one leaves the role alone"
            ),
            Self::Named => f.write_str(
                ", but the role-arn annotation of a ServiceAccount with errors names it, so it is not pruned: correct that one first",
            ),
            Self::LastCommitSpoiled => f.write_str(
                ", but its tag `role.k8s.aws/last-commit` is no commit id, so nothing is pruned: somebody changed it by hand",
            ),
            Self::HistoryMissing => f.write_str(
                ", but the history back to the commit that last wrote it is not here, so nothing is pruned: fetch full history (fetch-depth: 0, or git fetch --unshallow) and read the repository itself",
            ),
            Self::ChangeUnreadable { path, fault } => write!(
                f,
                ", but `{path}` may hold it now and cannot be read whole ({fault}), so the role stays: was it rendered? Commit it whole, or delete it"
            ),
            Self::Unexplained => f.write_str(
                ", but no commit since the one that last wrote it removed it, so nothing is pruned: check --path, and whether its directory moved",
            ),
            Self::QuarantineUntagged => f.write_str(
                "; nobody can assume it, as in a quarantine, but the tags that say since when and by which commit are gone, so nothing is pruned",
            ),
            Self::RemovedEarlier(commit) => write!(
                f,
                " since commit {} of {} ({}): {}; but the commit that last wrote the role is not older than that, as after a rewritten history, so it is no witness and nothing is pruned",
                commit.id.short(), commit.author, commit.date, commit.subject
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
            Self::QuarantineForeign => f.write_str(
                "; quarantined by a commit that is not in this history, so it is not deleted",
            ),
            Self::Quarantined { since, until } => {
                write!(f, "; quarantined since {since}, ")?;
                match until {
                    Some(until) => write!(f, "to be deleted after {until}"),
                    None => f.write_str("never to be deleted"),
                }
            }
            Self::Attached { since, names } => write!(
                f,
                "; quarantined since {since} and not deleted while this is attached: {}",
                names.join(", ")
            ),
            Self::AttachmentsUnread => {
                f.write_str("; what is attached to it could not be read")
            }
        }
    }
}

#[cfg(test)]
mod tests;
