//! Why a run could not go on, and with which exit code it therefore ends.

use std::io;
use std::path::{Path, PathBuf};

use super::invocation::Invocation;
use crate::exit::Exit;
use crate::iam;
use crate::manual::advice;
use crate::model::location::RepoPath;
use crate::model::shell::REST;
use crate::plan::Superseded;
use crate::plan::guard::Refusal;
use crate::reconcile;
use crate::report::ending::Caught;
use crate::report::{Command, Report, Stopped};
use crate::settings;
use crate::source;

/// What names the file with the web identity token.
const TOKEN_PATH: [&str; 2] = ["--token-path", "IRSA_GITOPS_TOKEN_PATH"];

/// A run that cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Whatever stopped the run itself.
    #[error(transparent)]
    Run(#[from] reconcile::Error),
    /// The user or the file system: a file that was named cannot be opened.
    #[error("{flag}: cannot open {}", path.display())]
    Open {
        /// The flag or variable that names it.
        flag: String,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
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
    /// The user: a directory of manifests that is not there.
    #[error("{flag}")]
    Directory {
        /// The flag or variable that names it.
        flag: String,
        /// What is wrong with it.
        #[source]
        source: source::Error,
    },
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

/// What stops a run may come from any of its stages.
macro_rules! of_the_run {
    ($($error:ty),*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Run(error.into())
            }
        }
    )*};
}
of_the_run!(
    settings::Error,
    source::Error,
    iam::Error,
    Refusal,
    Box<Superseded>
);

impl Error {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Run(error) => error.exit(),
            Self::Open { .. } => Exit::Usage,
            Self::Revision { source: error, .. }
            | Self::Inside { part: error, .. }
            | Self::Directory { source: error, .. } => match error.class() {
                source::Class::Usage => Exit::Usage,
                source::Class::Rejected => Exit::InputRejected,
                source::Class::Unavailable => Exit::Unavailable,
            },
            Self::Runtime(_) | Self::Output(_) => Exit::Unavailable,
            Self::Stopped(exit) => *exit,
        }
    }

    /// What stopped a run: the signal, if one was caught.
    pub(super) fn or_signal(error: reconcile::Error, caught: Option<Caught>) -> Self {
        match (error, caught) {
            (reconcile::Error::Stopped, Some(signal)) => Self::Stopped(signal.exit),
            (error, _) => error.into(),
        }
    }

    /// What to say of a file that a flag names.
    pub(super) fn open(flag: &str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Open {
            flag: flag.to_owned(),
            path: path.to_owned(),
            source,
        }
    }

    /// Names the variable where a value that is wrong came from the environment.
    pub(super) fn named(mut self, run: &Invocation) -> Self {
        if let Self::Open { flag, .. } | Self::Directory { flag, .. } = &mut self
            && let Some(name) = run.variable(flag)
        {
            *flag = name;
        }
        match self {
            Self::Run(reconcile::Error::Settings(error)) => {
                error.given_by(|flag| run.variable(flag)).into()
            }
            other => other,
        }
    }

    /// Says where a revision was given that does not name a commit.
    pub(super) fn about(self, place: &'static str) -> Self {
        self.about_as(place, |full| format!("{place} {full}"))
    }

    /// The same; `spell` gives the arguments that name a revision there.
    pub(super) fn about_as(self, place: &'static str, spell: impl Fn(&str) -> String) -> Self {
        let Self::Run(reconcile::Error::Source(source)) = self else {
            return self;
        };
        let instead = match &source {
            source::Error::Ambiguous { meanings, .. } => meanings
                .iter()
                .map(|full| spell(&source::quoted(full)))
                .collect(),
            source::Error::Revision { .. } | source::Error::NotABranch { .. } => vec![],
            _ => return source.into(),
        };
        Self::Revision {
            place,
            source,
            instead,
        }
    }

    /// Says which command was meant by one whose repository is a part of another one: `before` is
    /// what comes before the repository, `given` are the values of `--path`, `paths` all parts that are read.
    pub(super) fn at_root(self, before: &str, given: &[String], paths: &[RepoPath]) -> Self {
        let Self::Run(reconcile::Error::Source(source)) = self else {
            return self;
        };
        // Where a configuration file has the paths, a flag could only contradict it.
        let are_in_file = given.is_empty() && !paths.is_empty();
        let Some(command) = source.command_at_root(before, (!are_in_file).then_some(paths)) else {
            return source.into();
        };
        let part = source;
        Self::Inside { part, command }
    }

    /// Its report, with what was found before it.
    pub(super) fn report(&self, command: Command, run: &Invocation) -> Report {
        let report = Report::of_error(command, self.exit(), self.stopped(run));
        match self {
            Self::Run(error) => error.fill(report),
            _ => report,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) => error.hint(),
            Self::Revision { instead, .. } if !instead.is_empty() => {
                Some(source::which(instead, str::to_owned))
            }
            Self::Revision { place, source, .. } => {
                let hint = source.hint()?;
                Some(hint.replace("--revision", place))
            }
            Self::Inside { part, command } => {
                let meant = format!("what was meant: {command}{REST}");
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
            Self::Open { flag, .. } if TOKEN_PATH.contains(&flag.as_str()) => {
                Some("give the file that the CI system or Kubernetes puts the token in".to_owned())
            }
            Self::Directory { flag, .. } => Some(match flag.starts_with("--") {
                true => {
                    "give a directory with manifests, or leave the flag out to read the repository"
                        .to_owned()
                }
                false => format!(
                    "set it to a directory with manifests, or unset {flag} to read the repository"
                ),
            }),
            Self::Open { .. } | Self::Runtime(_) | Self::Output(_) | Self::Stopped(_) => None,
        }
    }

    /// The error with all its causes, and what to do about it.
    pub(super) fn stopped(&self, run: &Invocation) -> Stopped {
        let cause = match self {
            // Says all its causes itself.
            Self::Run(reconcile::Error::Iam(_)) => None,
            _ => std::error::Error::source(self),
        };
        let blaming = |text: &str| advice::blaming(text, |flag| run.variable(flag));
        let hint = self.hint().map(|hint| blaming(&run.complete(&hint, None)));
        Stopped::new(blaming(&self.to_string()), cause, hint)
    }
}
