//! Why a run could not go on, and with which exit code it therefore ends.

use std::io;
use std::path::PathBuf;

use super::args::RepositoryArgs;
use super::console::Console;
use crate::exit::Exit;
use crate::iam;
use crate::model::cluster::{ClusterName, RolePrefix};
use crate::model::location::RepoPath;
use crate::model::role::{InvalidRole, RoleName};
use crate::model::service_account::InvalidName;
use crate::plan::fence::Why;
use crate::plan::guard::Refusal;
use crate::plan::{Obstacle, Superseded};
use crate::report::Stopped;
use crate::report::sanitize::{line, without_userinfo};
use crate::settings;
use crate::source;

/// A run that cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
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
    /// Nobody: a newer commit has been applied already.
    #[error(transparent)]
    Superseded(#[from] Superseded),
    /// The user: an issuer that is none.
    #[error("--allow-issuer-change")]
    Issuer(#[source] crate::model::cluster::InvalidCluster),
    /// The user: pruning without a prefix could take in any role with an underscore in its name.
    #[error(
        "--mode sync needs a --role-prefix: without one, too many roles could be taken for ours"
    )]
    NoPrefix,
    /// The user: a commit id that is none.
    #[error("--commit")]
    Commit(#[from] crate::model::commit::InvalidCommitId),
    /// The user or the file system: a file that was named cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The user: a role name that is none.
    #[error("ROLE")]
    Role(#[source] InvalidRole),
    /// The user: a ServiceAccount that is none.
    #[error("NAMESPACE/NAME")]
    ServiceAccount(#[source] InvalidName),
    /// The user: a role whose name is not one that this cluster gives.
    #[error("role `{0}` is not named `{1}_NAMESPACE_NAME`, so it can be no ServiceAccount's role")]
    Nobodys(RoleName, RolePrefix),
    /// The user: several clusters where one is meant.
    #[error("this is about one cluster, and several could be meant: {}", list(.0))]
    WhichCluster(Vec<ClusterName>),
    /// The user: a revision that is not there, given in another place than --revision.
    #[error("{place}")]
    Revision {
        /// Where it was given.
        place: &'static str,
        /// What is wrong with it.
        #[source]
        source: source::Error,
        /// The arguments that say the same of each of its meanings, if it has several.
        instead: Vec<String>,
    },
    /// The user: a part of a repository was given for the repository.
    #[error("{part}")]
    Inside {
        /// Which part of which.
        part: source::Error,
        /// The command that was meant.
        command: String,
    },
    /// The repository: two commits that are compared have nothing in common here.
    #[error("`{0}` and `{1}` have no common commit")]
    NoMergeBase(String, String),
    /// The user: an account that has to be known and is not.
    #[error("cluster `{0}` has no account, and the policy names roles by their ARNs")]
    NoAccount(ClusterName),
    /// The user: the file with the web identity token cannot be read.
    #[error("--token-path: cannot open {}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Nobody: a plan for a review, of a branch that lacks commits which are applied already.
    #[error(transparent)]
    Behind(Superseded),
    /// Whoever sent a signal.
    #[error("stopped by a signal before the first write; nothing was written")]
    Stopped(Exit),
    /// The machine: standard output cannot be written to.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// The machine: no thread or timer could be had.
    #[error("cannot start the asynchronous runtime")]
    Runtime(#[source] io::Error),
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

impl Error {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Settings(_)
            | Self::Commit(_)
            | Self::Issuer(_)
            | Self::NoPrefix
            | Self::Role(_)
            | Self::ServiceAccount(_)
            | Self::Nobodys(..)
            | Self::WhichCluster(_)
            | Self::NoAccount(_)
            | Self::NoMergeBase(..)
            | Self::TokenFile { .. }
            | Self::Open { .. } => Exit::Usage,
            Self::Superseded(_) | Self::Behind(_) => Exit::Superseded,
            Self::Source(error)
            | Self::Revision { source: error, .. }
            | Self::Inside { part: error, .. } => match error.class() {
                source::Class::Usage => Exit::Usage,
                source::Class::Rejected => Exit::InputRejected,
                source::Class::Unavailable => Exit::Unavailable,
            },
            Self::Iam(error) if error.kind == iam::Kind::Sandbox => Exit::Usage,
            Self::Iam(_) | Self::Runtime(_) | Self::Output(_) => Exit::Unavailable,
            Self::Refused(_) => Exit::Refused,
            Self::Stopped(exit) => *exit,
        }
    }

    /// Names the variable where a value that is wrong came from the environment.
    pub(super) fn given_by(self, variable: impl Fn(&str) -> Option<String>) -> Self {
        match self {
            Self::Settings(error) => Self::Settings(error.given_by(variable)),
            other => other,
        }
    }

    /// Says where a revision was given that does not name a commit.
    pub(super) fn about(self, place: &'static str) -> Self {
        self.about_as(place, |full| format!("{place} {full}"))
    }

    /// The same; `spell` gives the arguments that name a revision there.
    pub(super) fn about_as(self, place: &'static str, spell: impl Fn(&str) -> String) -> Self {
        let Self::Source(source) = self else {
            return self;
        };
        let instead = match &source {
            source::Error::Ambiguous { meanings, .. } => meanings
                .iter()
                .map(|full| spell(&source::quoted(full)))
                .collect(),
            source::Error::Revision { .. } | source::Error::NotABranch { .. } => vec![],
            _ => return Self::Source(source),
        };
        Self::Revision {
            place,
            source,
            instead,
        }
    }

    /// Says which command was meant by one whose repository is a part of another one: `before` is
    /// what comes before the repository, `paths` are the parts of it that are read.
    pub(super) fn at_root(
        self,
        before: &str,
        repository: &RepositoryArgs,
        paths: &[RepoPath],
    ) -> Self {
        let Self::Source(source) = self else {
            return self;
        };
        let source::Error::Inside { root, inner, .. } = &source else {
            return Self::Source(source);
        };
        let mut command = format!("irsa-gitops {before} {}", source::quoted(root));
        // Where a configuration file has the paths, a flag could only contradict it.
        let are_in_file = repository.paths.is_empty() && !paths.is_empty();
        if let (Some(inner), false) = (inner, are_in_file) {
            let mut below: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
            if below.is_empty() {
                below.push(String::new());
            }
            for path in below {
                let is_whole = path == *inner || path.starts_with(&format!("{inner}/"));
                let path = match path.as_str() {
                    "" => inner.clone(),
                    _ if is_whole => path,
                    _ => format!("{inner}/{path}"),
                };
                command = format!("{command} --path {}", source::quoted(&path));
            }
        }
        let part = source;
        Self::Inside { part, command }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(error) => error.hint(),
            Self::Source(error) => error.hint(),
            Self::Iam(error) => error.hint(),
            Self::Refused(refusal) => Some(refusal.hint()),
            Self::Commit(_) => {
                Some("give the full id, such as the output of: git rev-parse HEAD".to_owned())
            }
            Self::Superseded(superseded) => Some(superseded.hint()),
            Self::Nobodys(..) => {
                Some("rename the ServiceAccount's role, or check --role-prefix".to_owned())
            }
            Self::Behind(superseded) if superseded.why == Why::Unknown => Some(superseded.hint()),
            Self::Behind(_) => Some(
                "merge the branch that was applied into this one, or rebase onto it, and plan again"
                    .to_owned(),
            ),
            Self::Revision { instead, .. } if !instead.is_empty() => {
                Some(source::which(instead, str::to_owned))
            }
            Self::Revision { place, source, .. } => {
                let hint = source.hint()?;
                Some(hint.replace("--revision", place))
            }
            Self::Inside { part, command } => {
                let meant = format!("what was meant, with the other flags as they are: {command}");
                Some(match part {
                    source::Error::Inside {
                        is_failed: true,
                        given,
                        ..
                    } => format!(
                        "if a repository was to be at `{given}`, its checkout failed: check that step; else {meant}"
                    ),
                    _ => meant,
                })
            }
            Self::NoMergeBase(..) => Some(
                "fetch the full history (git fetch --unshallow), or compare the two with BASE..HEAD"
                    .to_owned(),
            ),
            Self::NoAccount(_) => {
                Some("give --account (`account` in the file), or --assume-role".to_owned())
            }
            Self::WhichCluster(_) => {
                Some("say which one with --cluster-name; two of one name need two names".to_owned())
            }
            Self::TokenFile { .. } => {
                Some("give the file that the CI system or Kubernetes puts the token in".to_owned())
            }
            Self::Open { .. }
            | Self::Role(_)
            | Self::ServiceAccount(_)
            | Self::Runtime(_)
            | Self::Output(_)
            | Self::Issuer(_)
            | Self::Stopped(_)
            | Self::NoPrefix => None,
        }
    }

    /// Says it on standard error.
    pub(super) fn print(&self, console: &Console) {
        let stopped = self.stopped();
        console.print_error(&format!("error: {}\n", stopped.message));
        if let Some(hint) = &stopped.hint {
            console.print_error(&format!("hint: {hint}\n"));
        }
    }

    /// The error with all its causes in one line, made safe to show.
    pub(super) fn stopped(&self) -> Stopped {
        let mut message = self.to_string();
        let mut cause = match self {
            // Says all its causes itself.
            Self::Iam(_) => None,
            _ => std::error::Error::source(self),
        };
        while let Some(error) = cause {
            let text = error.to_string();
            // Libraries repeat their causes; saying it twice helps nobody.
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Stopped {
            message: line(&without_userinfo(&message)).into_owned(),
            hint: self.hint().map(|hint| line(&hint).into_owned()),
        }
    }
}
