//! Why something becomes of a role: a value that can be compared, a stable code, and a line of text.
//!
//! Every reason is made from facts where the decision is made. Only its `Display` knows the words,
//! so that two reasons are the same if they rest on the same facts, whatever the words are.

use std::fmt;

use super::fence::Why;
use super::ownership::Foreign;
use super::quarantine::Note;
use super::{Difference, diff};
use crate::model::arn::OidcProviderArn;
use crate::model::cluster::{Audience, ClusterName};
use crate::model::commit::CommitId;
use crate::model::history::CommitInfo;
use crate::model::last_use::LastUse;
use crate::model::role::{RoleName, RolePath};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags;

mod code;
mod kept;

pub use code::ReasonCode;
pub use kept::Kept;

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
        /// What the role says of its quarantine.
        quarantine: Note,
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
        /// When the role was last used.
        last_use: LastUse,
        /// What is attached to it, if that is known.
        attached: Option<Vec<String>>,
    },
    /// A role that is to be retired is quarantined already.
    QuarantinedAlready {
        /// What the role says of its quarantine.
        quarantine: Note,
    },
    /// A role that is to be retired is declared.
    Declared(ServiceAccountRef),
    /// A commit removed the ServiceAccount, so the role is retired.
    Removed {
        /// What the commit did.
        undeclared: Undeclared,
        /// The commit.
        commit: CommitInfo,
        /// The commit before, where two renders show it and others lie between.
        since: Option<CommitId>,
        /// When the role was last used.
        last_use: LastUse,
        /// What is attached to it, if it was to be deleted at once and is not for that.
        attached: Vec<String>,
    },
    /// The quarantine of the role is over, so the role is deleted.
    QuarantineOver {
        /// Why the role is not declared.
        undeclared: Undeclared,
        /// Since when it is quarantined, and by which commit.
        quarantine: Note,
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
        /// Whether the role would be held otherwise: for that reason it still is, but for its tag.
        is_held: bool,
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

impl Reason {
    /// Completes the commands that it prints.
    pub fn complete(&mut self, complete: &dyn Fn(&str) -> String) {
        match self {
            Self::HeldForEver { command, .. } => *command = complete(command),
            Self::CreateOnly(reason)
            | Self::MovedSincePlan(reason)
            | Self::NotInPlan(reason)
            | Self::NoLongerDue(Some(reason))
            | Self::HistoryRewritten { reason, .. } => reason.complete(complete),
            _ => {}
        }
    }

    /// Whether a part of what is to become of the role is not done, whatever else is.
    pub fn leaves_undone(&self) -> bool {
        match self {
            Self::Removed { attached, .. } => !attached.is_empty(),
            Self::HistoryRewritten {
                reason, is_held, ..
            } => *is_held || reason.leaves_undone(),
            _ => false,
        }
    }

    /// What the role says of its quarantine, where that is a part of the reason.
    pub fn quarantine(&self) -> Option<&Note> {
        match self {
            Self::DeclaredAgain { quarantine }
            | Self::QuarantinedAlready { quarantine }
            | Self::QuarantineOver { quarantine, .. } => Some(quarantine),
            Self::Kept { kept, .. } | Self::HeldForEver { kept, .. } => match kept {
                Kept::Mode { quarantine } => quarantine.as_ref(),
                Kept::Quarantined { quarantine, .. } | Kept::Attached { quarantine, .. } => {
                    Some(quarantine)
                }
                _ => None,
            },
            Self::CreateOnly(inner)
            | Self::MovedSincePlan(inner)
            | Self::NotInPlan(inner)
            | Self::NoLongerDue(Some(inner))
            | Self::HistoryRewritten { reason: inner, .. } => inner.quarantine(),
            _ => None,
        }
    }
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
            Self::DeclaredAgain { quarantine } => write!(f, "declared again; {quarantine}"),
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
                last_use,
                attached,
            } => {
                write!(
                    f,
                    "to carry commit {}; {last_use}; attached: ",
                    commit.short()
                )?;
                match attached.as_deref() {
                    None => f.write_str("unknown")?,
                    Some([]) => f.write_str("nothing")?,
                    Some(names) => f.write_str(&names.join(", "))?,
                }
                write!(f, "; mode sync holds it: {undeclared}{kept}")
            }
            Self::QuarantinedAlready { quarantine } => write!(f, "already {quarantine}"),
            Self::Declared(service_account) => write!(
                f,
                "ServiceAccount `{service_account}` is declared, so its role is not retired: remove the manifest first"
            ),
            Self::Removed {
                undeclared,
                commit,
                since,
                last_use,
                attached,
            } => {
                let done = match undeclared {
                    Undeclared::Gone => "removed",
                    Undeclared::Unmanaged => "un-managed",
                };
                let by = since.as_ref().map_or_else(
                    || "by".to_owned(),
                    |since| format!("after commit {} and by", since.short()),
                );
                write!(f, "{done} {by} commit {commit}; {last_use}")?;
                match attached.as_slice() {
                    [] => Ok(()),
                    names => write!(f, "; {}", kept_by(names)),
                }
            }
            Self::QuarantineOver {
                undeclared,
                quarantine,
            } => write!(f, "{undeclared}; {quarantine}"),
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
                    "clusters {} ask for this name in one account: if they are one on its way to the other, make them one entry with both issuers (oidcProviders), which the role then trusts; otherwise give each its own role prefix",
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
                ..
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

/// What keeps a role from being deleted.
pub(super) fn kept_by(attached: &[String]) -> String {
    format!(
        "not deleted while this is attached: {}",
        attached.join(", ")
    )
}

impl fmt::Display for Undeclared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "no manifest declares its ServiceAccount",
            Self::Unmanaged => "the managed annotation is \"false\"",
        })
    }
}

#[cfg(test)]
mod tests;
