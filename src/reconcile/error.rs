//! Why a run could not go on.

use std::time::Duration;

use crate::exit::Exit;
use crate::iam;
use crate::model::arn::{AwsAccountId, InvalidArn};
use crate::model::cluster::{ClusterName, RolePrefix};
use crate::model::commit::CommitId;
use crate::model::role::{InvalidRole, RoleName};
use crate::model::service_account::{InvalidName, ServiceAccountRef};
use crate::plan::guard::Refusal;
use crate::plan::{Obstacle, Superseded};
use crate::report::{Report, Section};
use crate::settings;
use crate::source;

/// What a guard refused, as far as it was found out.
#[derive(Debug)]
pub struct Guarded {
    /// Why.
    pub refusal: Refusal,
    /// The repository that was read.
    pub repository: String,
    /// The commit that was read.
    pub commit: Option<CommitId>,
    /// What was found about each cluster.
    pub sections: Vec<Section>,
}

/// A run that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user: flags, environment or configuration file.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// The repository, the transport to it, or whoever named it.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// AWS, the credentials, or the sandbox file.
    #[error(transparent)]
    Iam(#[from] iam::Error),
    /// The state of the account: going on would do harm.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The same, with what is refused and all that was found besides: that may tell why.
    #[error("{}", .0.refusal)]
    Guarded(Box<Guarded>),
    /// Nobody: a newer commit has been applied already.
    #[error(transparent)]
    Superseded(#[from] Box<Superseded>),
    /// The user: pruning without a prefix could take in any role with an underscore in its name.
    #[error(
        "--mode sync needs a --role-prefix: without one, too many roles could be taken for ours"
    )]
    NoPrefix,
    /// The user: a role name that is none.
    #[error("ROLE")]
    Role(#[source] InvalidRole),
    /// The user: a ServiceAccount that is none.
    #[error("NAMESPACE/NAME")]
    ServiceAccount(#[source] InvalidName),
    /// The user: a role whose name is not one that this cluster gives.
    #[error("role `{0}` is not named `{1}_NAMESPACE_NAME`, so it can be no ServiceAccount's role")]
    NoServiceAccount(RoleName, RolePrefix),
    /// The user: an ARN that is not that of a role.
    #[error("ARN")]
    Arn(#[source] InvalidArn),
    /// The user: an ARN of an account that no cluster is in.
    #[error("the ARN is of account {0}, and that is not the account of cluster `{1}`")]
    OtherAccount(AwsAccountId, ClusterName),
    /// The user: an ARN of another role than a cluster's, which may have the same name.
    #[error(
        "the ARN is of {what} `{given}`, and roles of cluster `{cluster}` have {what} `{ours}`: it is another role"
    )]
    OtherArn {
        /// Which part of the ARN.
        what: &'static str,
        /// What it says.
        given: String,
        /// What the cluster's say.
        ours: String,
        /// The cluster.
        cluster: ClusterName,
    },
    /// The user: a name that nothing has.
    #[error("no ServiceAccount and no role of them is called `{0}`")]
    UnknownName(String, Vec<ServiceAccountRef>),
    /// The user: a name that several ServiceAccounts have.
    #[error("several ServiceAccounts could be meant: {}", accounts(.0))]
    WhichServiceAccount(Vec<ServiceAccountRef>),
    /// The user: several clusters where one is meant.
    #[error("this is about one cluster, and several could be meant: {}", list(.0))]
    WhichCluster(Vec<ClusterName>),
    /// The repository: two commits that are compared have nothing in common here.
    #[error("`{0}` and `{1}` have no common commit")]
    NoMergeBase(String, String),
    /// Whoever was asked.
    #[error("the answer was not yes; nothing was written")]
    Declined,
    /// The account: it is not any more what it was when somebody agreed.
    #[error("what was shown is not what is to be done any more, and nothing was written: {0}")]
    MovedSinceShown(String),
    /// Another run that writes.
    #[error("waited {} s for {whose}; nothing was written", waited.as_secs())]
    Busy {
        /// Which run it is.
        whose: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The lock of a cluster was lost while it was planned.
    #[error("the lock of a cluster was lost before the first write to a role; nothing was written")]
    LockLost,
    /// Whoever asked for a stop.
    #[error("stopped by a signal before the first write; nothing was written")]
    Stopped,
}

impl From<Obstacle> for Error {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Superseded(superseded) => Self::Superseded(superseded),
            Obstacle::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

fn list(names: &[ClusterName]) -> String {
    let quoted = names.iter().map(|name| format!("`{name}`"));
    quoted.collect::<Vec<_>>().join(", ")
}

fn accounts(all: &[ServiceAccountRef]) -> String {
    let quoted = all.iter().map(|one| format!("`{one}`"));
    quoted.collect::<Vec<_>>().join(", ")
}

impl Error {
    /// How a run ends that this stopped.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Settings(_)
            | Self::NoPrefix
            | Self::Role(_)
            | Self::ServiceAccount(_)
            | Self::NoServiceAccount(..)
            | Self::Arn(_)
            | Self::OtherAccount(..)
            | Self::OtherArn { .. }
            | Self::UnknownName(..)
            | Self::WhichServiceAccount(_)
            | Self::WhichCluster(_)
            | Self::NoMergeBase(..) => Exit::Usage,
            Self::Superseded(_) => Exit::Superseded,
            Self::Source(error) => match error.class() {
                source::Class::Usage => Exit::Usage,
                source::Class::Rejected => Exit::InputRejected,
                source::Class::Unavailable => Exit::Unavailable,
            },
            Self::Iam(error) if error.kind == iam::Kind::Sandbox => Exit::Usage,
            Self::Iam(_) | Self::Busy { .. } | Self::LockLost => Exit::Unavailable,
            Self::Refused(_) | Self::Guarded(..) | Self::Declined | Self::MovedSinceShown(_) => {
                Exit::Refused
            }
            Self::Stopped => Exit::Interrupted,
        }
    }

    /// The report of the error, with what was found before it.
    pub fn fill(&self, report: Report) -> Report {
        match self {
            Self::Guarded(guarded) => Report {
                repository: Some(guarded.repository.clone()),
                commit: guarded.commit.clone(),
                clusters: guarded.sections.clone(),
                ..report
            },
            _ => report,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(error) => error.hint(),
            Self::Source(error) => error.hint(),
            Self::Iam(error) => error.hint(),
            Self::Refused(refusal) => Some(refusal.hint()),
            Self::Guarded(guarded) => Some(guarded.refusal.hint()),
            Self::Superseded(superseded) => Some(superseded.hint()),
            Self::NoServiceAccount(role, _) if role.as_str().contains('=') => Some(
                "this is a role of the program itself, which says what was applied to a cluster: no verb changes it by name".to_owned(),
            ),
            Self::NoServiceAccount(..) => {
                Some("rename the ServiceAccount's role, or check --role-prefix".to_owned())
            }
            Self::NoMergeBase(..) => Some(
                "fetch the full history (git fetch --unshallow), or compare the two with BASE..HEAD"
                    .to_owned(),
            ),
            Self::WhichCluster(_) => {
                Some("say which one with --cluster-name; two of one name need two names".to_owned())
            }
            Self::Busy { .. } => Some(
                "run again when it has ended; --lock-timeout waits longer, and a run that died is passed when its lease is over".to_owned(),
            ),
            Self::LockLost => Some(
                "run again; if it happens again, a longer --lock-lease bears slower calls".to_owned(),
            ),
            Self::MovedSinceShown(_) => Some("run again: it shows what is to be done now".to_owned()),
            Self::OtherAccount(..) => Some("name the cluster of that account with --cluster-name, or use its credentials".to_owned()),
            Self::OtherArn { .. } => Some("give NAMESPACE/NAME or the role's bare name for the role of the cluster; if the ARN is right, check --role-path and the credentials".to_owned()),
            Self::UnknownName(_, near) if near.is_empty() => {
                Some("give it as NAMESPACE/NAME, or check --path and --role-prefix".to_owned())
            }
            Self::UnknownName(_, near) => Some(format!("did you mean {}?", accounts(near))),
            Self::WhichServiceAccount(_) => Some("give it as NAMESPACE/NAME".to_owned()),
            Self::Arn(_) | Self::NoPrefix | Self::Role(_) | Self::ServiceAccount(_) | Self::Declined | Self::Stopped => None,
        }
    }
}
