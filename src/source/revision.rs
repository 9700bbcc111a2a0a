//! Which commit a revision names: one, or none.
//!
//! Git takes the first of several things that a name may stand for, a tag before a branch, so that a
//! user who may push a tag could choose what is read or applied. Here a name with two meanings is
//! an error that lists both in full; a full name (`refs/heads/main`) means what it says.

use git2::{ErrorCode, Oid};

use super::error::damaged;
use super::revision_name::{FULL_ID, id_of, split};
use super::{Error, Repository};
use crate::model::commit::CommitId;

/// Where Git looks for a name that does not start with `refs/`, before and after that name.
const PLACES: [(&str, &str); 6] = [
    ("", ""),
    ("refs/", ""),
    (BRANCHES, ""),
    (REMOTES, ""),
    (REMOTES, "/HEAD"),
    (TAGS, ""),
];
const BRANCHES: &str = "refs/heads/";
const REMOTES: &str = "refs/remotes/";
const TAGS: &str = "refs/tags/";

impl Repository {
    /// The commit that a revision names.
    ///
    /// # Errors
    ///
    /// [`Error::NoCommit`] in an empty repository, [`Error::Ambiguous`] if the name has two
    /// meanings, even if both are the same commit now, [`Error::Revision`] if it is not there.
    /// There is never a fallback to another revision.
    pub fn resolve(&self, revision: &str) -> Result<CommitId, Error> {
        self.check_commits(revision)?;
        let (name, rest) = split(revision);
        let meaning = self.only(revision, self.meanings(name))?;
        self.commit_of(revision, meaning, rest)
    }

    /// The commit that a branch is at, for rules about what may be applied: a plain name is that of
    /// a local branch or, without one, of a remote's. Other references count by their full names
    /// only, as others than the branch's maintainers may set them; a commit id is a full name.
    ///
    /// # Errors
    ///
    /// As [`Repository::resolve`], and [`Error::NotABranch`].
    pub fn resolve_branch(&self, revision: &str) -> Result<CommitId, Error> {
        self.check_commits(revision)?;
        let (name, rest) = split(revision);
        let mut meanings = self.meanings(name);
        if meanings.is_empty() {
            meanings = self.remote_branches(name);
        }
        let meaning = self.only(revision, meanings)?;
        match &meaning {
            Some(full)
                if full.starts_with("refs/")
                    && full != name
                    && ![BRANCHES, REMOTES]
                        .iter()
                        .any(|kind| full.starts_with(kind)) =>
            {
                return Err(Error::NotABranch {
                    revision: revision.to_owned(),
                    full: format!("{full}{rest}"),
                });
            }
            // A search for a message would go through all references.
            None if rest.starts_with(':') => return Err(self.missing(revision)),
            _ => {}
        }
        self.commit_of(revision, meaning, rest)
    }

    fn check_commits(&self, revision: &str) -> Result<(), Error> {
        let is_unborn = || {
            let head = self.git.head();
            head.is_err_and(|error| error.code() == ErrorCode::UnbornBranch)
        };
        if self.git.is_empty().unwrap_or(false) || (revision == "HEAD" && is_unborn()) {
            return Err(Error::NoCommit {
                repository: self.place(),
            });
        }
        Ok(())
    }

    /// Everything that a name stands for: references by their full names, and a commit by its id.
    fn meanings(&self, name: &str) -> Vec<String> {
        let is_there = |full: &String| self.git.find_reference(full).is_ok();
        if name.starts_with("refs/") {
            return Some(name.to_owned()).filter(is_there).into_iter().collect();
        }
        if name.is_empty() {
            return vec![];
        }
        let places = PLACES.map(|(before, after)| format!("{before}{name}{after}"));
        let mut meanings: Vec<String> = places.into_iter().filter(is_there).collect();
        if meanings.iter().any(|full| full.starts_with(TAGS)) {
            let known = |full: &String| meanings.contains(full);
            let mut branches = self.remote_branches(name);
            branches.retain(|full| !known(full));
            meanings.splice(0..0, branches);
        }
        if let Some(id) = id_of(name) {
            let found = self.git.find_object_by_prefix(id, None);
            let found = found.ok().filter(|object| object.peel_to_commit().is_ok());
            let is_full = id.len() == FULL_ID;
            match found {
                Some(object) => meanings.push(object.id().to_string()),
                // A full id names a commit even if that was not fetched.
                None if is_full && id == name => meanings.push(id.to_owned()),
                None => {}
            }
        }
        meanings
    }

    /// The branches of that name that remotes had when they were last fetched from.
    fn remote_branches(&self, name: &str) -> Vec<String> {
        let Ok(references) = self.git.references_glob(&format!("{REMOTES}*")) else {
            return vec![];
        };
        let is_named = |full: &String| {
            let rest = full.strip_prefix(REMOTES);
            let branch = rest.and_then(|rest| rest.split_once('/'));
            branch.is_some_and(|(_, branch)| branch == name)
        };
        let names =
            references.filter_map(|reference| Some(reference.ok()?.name().ok()?.to_owned()));
        names.filter(is_named).collect()
    }

    /// The only meaning of a name, if it has any.
    fn only(&self, revision: &str, mut meanings: Vec<String>) -> Result<Option<String>, Error> {
        if meanings.len() < 2 {
            return Ok(meanings.pop());
        }
        let (_, rest) = split(revision);
        let spelled = |full: String| match self.git.find_reference(&full) {
            // The one thing that has no longer name: what is checked out.
            Ok(reference) if full == "HEAD" => {
                let branch = reference
                    .symbolic_target()
                    .ok()
                    .flatten()
                    .map(str::to_owned);
                branch.or_else(|| Some(reference.target()?.to_string()))
            }
            _ => Some(full),
        };
        let meanings = meanings.into_iter().filter_map(spelled);
        Err(Error::Ambiguous {
            revision: revision.to_owned(),
            meanings: meanings.map(|full| format!("{full}{rest}")).collect(),
        })
    }

    fn missing(&self, revision: &str) -> Error {
        Error::Revision {
            revision: revision.to_owned(),
            repository: self.place(),
            shallow: self.is_shallow(),
        }
    }

    /// The commit of a name's only meaning, or of a revision that has no name in it.
    fn commit_of(
        &self,
        revision: &str,
        meaning: Option<String>,
        rest: &str,
    ) -> Result<CommitId, Error> {
        let missing = || self.missing(revision);
        let spec = match &meaning {
            Some(full) => format!("{full}{rest}"),
            // libgit2 would go on and search for it below refs/tags.
            None if revision.starts_with("refs/") => return Err(missing()),
            None => revision.to_owned(),
        };
        let named = || -> Option<Oid> {
            let reference = self.git.find_reference(meaning.as_deref()?).ok()?;
            reference.resolve().ok()?.target()
        };
        let object = self.git.revparse_single(&spec);
        let object = object.map_err(|error| match named().filter(|_| rest.is_empty()) {
            // The name is there, and what it names is not.
            Some(id) => damaged(id, b"", &error),
            None => missing(),
        })?;
        let commit = object
            .peel_to_commit()
            .map_err(|error| match error.code() {
                ErrorCode::InvalidSpec | ErrorCode::Peel => missing(),
                _ => damaged(object.id(), b"", &error),
            })?;
        CommitId::new(&commit.id().to_string()).map_err(|_| missing())
    }
}
