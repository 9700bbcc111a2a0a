//! Plain files beside the repository that they were rendered from: it vouches for the order of
//! commits, and what an earlier commit was rendered to for what was removed.
//!
//! No commit says who removed a ServiceAccount from a render, but two renders do: what the one that
//! was applied last declares and the new one does not is gone, if nothing of the new one hides it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::elsewhere::mentions_any;
use super::manifests::{Address, scope};
use super::{Error, Manifests, Observer};
use crate::manifest::{Extract, Extractor, Management};
use crate::model::commit::CommitId;
use crate::model::conventions::NamespaceRules;
use crate::model::history::{Absence, Ancestry, Removal, Unfit, UnfitBase};
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::plan::History;
use crate::plan::history::Questions;
use crate::source::{self, Repository, Scope, Snapshot, Unread, UnreadReason, directory};

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
    pub(super) fn directory_of(&self, commit: &CommitId, ours: &CommitId) -> Option<&Path> {
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

/// Two renders.
struct Comparison<'a> {
    rendered: &'a Rendered,
    ours: &'a CommitId,
    /// What is in the new one, read to its end.
    files: &'a [(RepoPath, Extract)],
    unread: &'a [Unread],
    scope: Scope,
    extractor: &'a Extractor,
    rules: &'a NamespaceRules,
    /// The commits that were applied.
    applied: &'a BTreeSet<CommitId>,
}

impl Manifests {
    /// What is known of history where plain files are compared.
    pub(super) fn compared(
        &self,
        rendered: &Rendered,
        ours: &CommitId,
        questions: &Questions,
        paths: &[RepoPath],
    ) -> Result<History, Error> {
        let mut history = History {
            ancestry: self.ancestry(&questions.commits),
            moved: self.elsewhere(questions, paths)?,
            ..History::default()
        };
        if questions.retiring.is_empty() && questions.absent.is_empty() {
            return Ok(history);
        }
        let comparison = Comparison {
            rendered,
            ours,
            files: self.whole()?,
            unread: &self.snapshot.unread,
            scope: scope(paths, &questions.ignore),
            extractor: &self.extractor,
            rules: &questions.namespaces,
            applied: &questions.applied,
        };
        for (whose, role) in &questions.retiring {
            if role.is_quarantined
                // What was there when the role was quarantined is not known.
                && let Some(hidden) = comparison.hiding(whose, None)
            {
                history.hidden.insert(whose.clone(), hidden);
            }
        }
        let before = match (&rendered.base, questions.absent.is_empty()) {
            (Some(base), false) => Some((base, comparison.before(base)?)),
            _ => None,
        };
        let names = questions.absent.keys().map(|whose| whose.name.as_str());
        let broken = comparison.unreadable(&names.collect())?;
        for (whose, since) in &questions.absent {
            let absence = match &before {
                Some((base, before)) => {
                    comparison.absence(whose, since.as_ref(), base, before, &broken)?
                }
                None => Some(Absence::NoBase),
            };
            history
                .absences
                .extend(absence.map(|absence| (whose.clone(), absence)));
        }
        Ok(history)
    }
}

impl Comparison<'_> {
    /// What the base declares; a path that is not there yet holds nothing.
    fn before(&self, base: &Base) -> Result<Snapshot<Extract>, Error> {
        let mut scope = self.scope.clone();
        scope
            .paths
            .retain(|path| directory::has(&base.directory, path));
        let extract = |path: &RepoPath, bytes: &[u8]| self.extractor.declarations(path, bytes);
        let commit = Some(base.commit.clone());
        let mut before = directory::read(&base.directory, &scope, commit, &extract)?;
        // No path at all means everything.
        before.files.retain(|(path, _)| self.scope.covers(path));
        Ok(before)
    }

    /// The files that mention one of these names and cannot be parsed.
    fn unreadable(&self, names: &BTreeSet<&str>) -> Result<Vec<(RepoPath, Vec<u8>)>, Error> {
        if names.is_empty() {
            return Ok(vec![]);
        }
        let look = |_: &RepoPath, bytes: &[u8]| {
            let is_broken = mentions_any(bytes, names) && !self.extractor.is_readable(bytes);
            is_broken.then(|| bytes.to_vec())
        };
        let found = directory::read(&self.rendered.directory, &self.scope, None, &look)?;
        Ok(found.files)
    }

    /// Why a ServiceAccount is not there; `None` if history that would tell is missing.
    fn absence(
        &self,
        whose: &ServiceAccountRef,
        since: Option<&CommitId>,
        base: &Base,
        before: &Snapshot<Extract>,
        broken: &[(RepoPath, Vec<u8>)],
    ) -> Result<Option<Absence>, Error> {
        let repository = &self.rendered.repository;
        let ancestry = |a: &CommitId, b: &CommitId| repository.ancestry(a, b);
        let unfit = |other: &CommitId, why: Unfit| {
            let (base, other) = (base.commit.clone(), other.clone());
            Ok(Some(Absence::UnfitBase(UnfitBase { base, other, why })))
        };
        match ancestry(&base.commit, self.ours) {
            Ancestry::Ancestor if base.commit != *self.ours => {}
            Ancestry::Unproven => return Ok(None),
            _ => return unfit(self.ours, Unfit::NotBefore),
        }
        if let Some(since) = since {
            match ancestry(since, &base.commit) {
                Ancestry::Ancestor => {}
                Ancestry::Unproven => return Ok(None),
                _ => return unfit(since, Unfit::BeforeRole),
            }
        }
        // An older one than that which was applied last proves as much: what it declares is gone.
        let was_applied =
            |applied: &&CommitId| ancestry(&base.commit, applied) == Ancestry::Ancestor;
        if let (Some(applied), None) = (self.applied.first(), self.applied.iter().find(was_applied))
        {
            return unfit(applied, Unfit::NotApplied);
        }
        let Some(path) = self.declaring(before, whose) else {
            return Ok(Some(Absence::NotInBase(base.commit.clone())));
        };
        let then = directory::content(&base.directory, &path).unwrap_or_default();
        let now = directory::content(&self.rendered.directory, &path);
        let default = self.rules.of(&path).and_then(Result::ok);
        let default = default.as_ref();
        if let Some(now) = &now
            && let Err(defect) = (self.extractor).check_whole(&path, &then, now, whose, default)
        {
            let fault = defect.to_string();
            return Ok(Some(Absence::Unreadable { path, fault }));
        }
        let new = broken.iter().find(|(path, now)| {
            mentions_any(now, &BTreeSet::from([whose.name.as_str()]))
                && directory::content(&base.directory, path).as_ref() != Some(now)
        });
        if let Some((path, _)) = new {
            let (path, fault) = (path.clone(), "it does not parse".to_owned());
            return Ok(Some(Absence::Unreadable { path, fault }));
        }
        if let Some((path, fault)) = self.hiding(whose, Some(base)) {
            return Ok(Some(Absence::Unreadable { path, fault }));
        }
        let is_next = repository.parent(self.ours).as_ref() == Some(&base.commit);
        Ok(Some(Absence::Removed(Removal {
            commit: repository.commit(self.ours)?,
            since: (!is_next).then(|| base.commit.clone()),
            remains: now.is_some_and(|now| self.extractor.holds(&now, whose, default)),
            path,
        })))
    }

    /// The file of a render that declares a ServiceAccount.
    fn declaring(
        &self,
        snapshot: &Snapshot<Extract>,
        whose: &ServiceAccountRef,
    ) -> Option<RepoPath> {
        let files = snapshot.files.iter();
        let mut declaring = files.filter(|(path, extract)| {
            let declarations = extract.clone().placed(path, self.rules).declarations;
            declarations.iter().any(|declaration| {
                declaration.service_account == *whose
                    && declaration.management != Management::Unmanaged
            })
        });
        declaring.next().map(|(path, _)| path.clone())
    }

    /// The first file that may hide a ServiceAccount and is not what it is in the base, and why.
    fn hiding(&self, whose: &ServiceAccountRef, base: Option<&Base>) -> Option<(RepoPath, String)> {
        let is_new = |path: &RepoPath| {
            let content = |directory: &Path| directory::content(directory, path);
            let before = base.and_then(|base| content(&base.directory));
            before.is_none() || before != content(&self.rendered.directory)
        };
        let files = self.files.iter();
        let mut parts = files.filter_map(|(path, extract)| {
            if !self.scope.covers(path) || extract.is_placed_and_whole() {
                return None;
            }
            let extract = extract.clone().placed(path, self.rules);
            let mut doubts = extract.doubts.iter();
            let doubt = doubts.find(|doubt| doubt.hides.may_be(whose))?;
            is_new(path).then(|| (path.clone(), extract.fault(doubt)))
        });
        let mut unread = self.unread.iter().filter_map(|unread| {
            let fault = match &unread.reason {
                UnreadReason::LfsPointer => "its content is in Git LFS",
                UnreadReason::Submodule => "it is a submodule",
                UnreadReason::Symlink | UnreadReason::LinkedDirectory(_) => "it is a symbolic link",
            };
            // Of a link it is not known what it led to.
            let hides = self.scope.leaves_unknown(unread) && is_new(&unread.path);
            hides.then(|| (unread.path.clone(), fault.to_owned()))
        });
        parts.next().or_else(|| unread.next())
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
