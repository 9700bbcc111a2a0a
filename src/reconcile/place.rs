//! Where manifests are: a repository at one revision, or plain files with all that is known of them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Error, Event, Observer};
use crate::model::commit::{CommitId, TrailerKey};
use crate::model::conventions::IgnoreRules;
use crate::model::history::Ancestry;
use crate::model::location::RepoPath;
use crate::settings;
use crate::source::{self, Alternates, Credentials, Phase, Repository, Scope, directory};

/// Where manifests are read.
#[derive(Clone)]
pub enum Place {
    /// A repository at one revision.
    Repository(Address),
    /// Plain files.
    Directory(Files),
}

/// How a repository is reached.
#[derive(Clone)]
pub struct Address {
    /// A path or a URL.
    pub repository: String,
    /// A branch, tag or commit.
    pub revision: String,
    /// What may be shown to hosts.
    pub credentials: Credentials,
    /// Whether it may borrow objects from another place.
    pub alternates: Alternates,
    /// Which trailer of a message says what a commit was rendered from.
    pub trailer: Option<TrailerKey>,
}

impl Address {
    /// Opens or clones the repository.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, or is none.
    pub fn open(&self, observe: Observer<'_>) -> Result<Repository, Error> {
        observe(Event::Connecting);
        let report = |phase| match phase {
            Phase::Connecting => {}
            Phase::Receiving(done, of) => observe(Event::Receiving(done, of)),
        };
        let repository = Repository::open(
            &self.repository,
            &self.revision,
            &self.credentials,
            self.alternates,
            &report,
        )?;
        Ok(repository.with_trailer(self.trailer.clone()))
    }
}

/// What is read of some paths, where these rules ignore a part of it.
pub(super) fn scope(paths: &[RepoPath], ignore: &IgnoreRules) -> Scope {
    Scope {
        paths: paths.to_vec(),
        ignore: ignore.clone(),
    }
}

/// Plain files, and what is known of them.
#[derive(Clone)]
pub struct Files {
    /// Where they are.
    pub directory: PathBuf,
    /// The commit that they stand for.
    pub commit: Option<CommitId>,
    /// The repository of that commit.
    pub repository: Option<Address>,
    /// What they are compared with.
    pub base: Option<Base>,
}

/// What the commit that was applied last was rendered to.
#[derive(Clone)]
pub struct Base {
    /// Where it is.
    pub directory: PathBuf,
    /// The commit.
    pub commit: CommitId,
}

/// What vouches for plain files.
pub(super) struct Rendered {
    pub(super) directory: PathBuf,
    pub(super) repository: Rc<Repository>,
    pub(super) base: Option<Base>,
}

impl Files {
    /// Those of a directory; the directory and the commit of a base go together, and with a commit and a
    /// repository that has both.
    ///
    /// # Errors
    ///
    /// [`settings::Error::Alone`] if one is there without another.
    pub fn new(
        directory: PathBuf,
        commit: Option<CommitId>,
        repository: Option<Address>,
        base: (Option<PathBuf>, Option<CommitId>),
    ) -> Result<Self, settings::Error> {
        const BASE: &str = "--base-directory";
        let alone = |missing| Err(settings::Error::Alone(BASE, missing));
        let base = match base {
            (None, None) => None,
            (None, Some(_)) => return Err(settings::Error::Alone("--base-commit", BASE)),
            (Some(_), None) => return alone("--base-commit"),
            (Some(_), Some(_)) if commit.is_none() => return alone("--commit"),
            (Some(_), Some(_)) if repository.is_none() => {
                return alone("REPO, which has both commits");
            }
            (Some(directory), Some(commit)) => Some(Base { directory, commit }),
        };
        Ok(Self {
            directory,
            commit,
            repository,
            base,
        })
    }

    /// Opens the repository that vouches for them, if there is one.
    ///
    /// # Errors
    ///
    /// If it cannot be reached or does not have the commit, or the base is no directory.
    pub(super) fn vouched(&self, observe: Observer<'_>) -> Result<Option<Rendered>, Error> {
        let (Some(address), Some(commit)) = (&self.repository, &self.commit) else {
            return Ok(None);
        };
        let repository = address.open(observe)?;
        repository.resolve(commit.as_str())?;
        if let Some(base) = &self.base {
            directory::check(&base.directory)?;
        }
        Ok(Some(Rendered {
            directory: self.directory.clone(),
            repository: Rc::new(repository),
            base: self.base.clone(),
        }))
    }
}

impl Rendered {
    /// Where a commit was rendered to, if that is known.
    fn directory_of(&self, commit: &CommitId, ours: &CommitId) -> Option<&Path> {
        if commit == ours {
            return Some(&self.directory);
        }
        let base = self.base.as_ref().filter(|base| base.commit == *commit)?;
        Some(&base.directory)
    }

    /// The commit whose render tells what was there when a role was written, if there is one.
    pub(super) fn standing_for(&self, since: &CommitId, ours: &CommitId) -> Option<&CommitId> {
        let base = &self.base.as_ref()?.commit;
        let is_before = |a, b| self.repository.ancestry(a, b) == Ancestry::Ancestor;
        (base != ours && is_before(since, base) && is_before(base, ours)).then_some(base)
    }
}

/// Reads the files of a commit that was rendered.
pub(super) fn read_at<T: Send>(
    rendered: &Rendered,
    (commit, ours): (&CommitId, &CommitId),
    look: &(impl Fn(&RepoPath, &[u8]) -> Option<T> + Sync),
) -> Result<Vec<(RepoPath, T)>, source::Error> {
    let Some(directory) = rendered.directory_of(commit, ours) else {
        return Ok(vec![]);
    };
    Ok(directory::read(directory, &Scope::default(), None, look)?.files)
}
