//! What the history of the manifests says: who removed a ServiceAccount, and who declared it how.
//!
//! Git shows which files a commit changed; here they are read as manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::error::Error;
use super::input::Manifests;
use crate::manifest::{self, Declaration, Management};
use crate::model::arn::RoleArn;
use crate::model::commit::CommitId;
use crate::model::history::{Absence, Ancestry, CommitInfo, Removal};
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::plan::History;
use crate::plan::history::Questions;
use crate::source::{self, Blob, Changed, Repository, Scope};

/// A commit that changed what is declared of a ServiceAccount.
pub(super) struct Version {
    pub(super) commit: CommitInfo,
    pub(super) before: Option<Declaration>,
    pub(super) after: Option<Declaration>,
}

impl Version {
    /// Whether the declaration has only changed its line within a file.
    fn is_only_a_move(&self) -> bool {
        let place = |side: &Option<Declaration>| side.as_ref().map(|d| d.location.path.clone());
        let (before, after) = (self.before.as_ref(), self.after.as_ref());
        before.map(essence) == after.map(essence) && place(&self.before) == place(&self.after)
    }
}

/// What a declaration asks for, wherever it stands.
pub(super) fn essence(declaration: &Declaration) -> (Management, Option<String>, Option<String>) {
    let value = |annotation: &Option<manifest::Annotation>| {
        let annotation = annotation.as_ref();
        annotation.map(|annotation| annotation.value.clone())
    };
    let Declaration {
        management,
        role_arn,
        audience,
        ..
    } = declaration;
    (*management, value(role_arn), value(audience))
}

/// What a walk back through history has seen of ServiceAccounts that are not declared any more.
struct Search<'a> {
    repository: &'a Repository,
    /// Those whose removal was not seen yet.
    open: BTreeSet<&'a ServiceAccountRef>,
    removals: BTreeMap<ServiceAccountRef, Removal>,
    /// Every file in scope that could be read before it changed, or is new, and after how many
    /// commits, counted back from the newest, its last change was seen.
    touched: BTreeMap<RepoPath, usize>,
    /// After how many commits each removal was seen.
    seen: BTreeMap<ServiceAccountRef, usize>,
    commits: usize,
    current: Option<CommitId>,
    /// The commit that removed the last one; what else it did still has to be looked at.
    last: Option<CommitId>,
}

impl Search<'_> {
    fn visit(&mut self, changed: &Changed<'_>) -> Result<ControlFlow<()>, source::Error> {
        let commit = &changed.commit.id;
        if self.last.as_ref().is_some_and(|last| last != commit) {
            return Ok(ControlFlow::Break(()));
        }
        if self.current.as_ref() != Some(commit) {
            self.current = Some(commit.clone());
            self.commits += 1;
        }
        let path = changed.path;
        let before = changed.before.map(|blob| self.repository.blob(blob, path));
        let before = before.transpose()?;
        if before
            .as_ref()
            .is_none_or(|before| manifest::is_readable(before))
        {
            self.touched.entry(path.clone()).or_insert(self.commits);
        }
        for service_account in before.iter().flat_map(|before| declared(path, before)) {
            if self.open.remove(&service_account) {
                let after = changed.after.map(|blob| self.repository.blob(blob, path));
                let after = after.transpose()?;
                let removal = Removal {
                    commit: changed.commit.clone(),
                    path: path.clone(),
                    remains: after.is_some_and(|after| manifest::holds(&after, &service_account)),
                };
                self.seen.insert(service_account.clone(), self.commits);
                self.removals.insert(service_account, removal);
            }
        }
        if self.open.is_empty() {
            self.last.get_or_insert_with(|| commit.clone());
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Why a ServiceAccount is not there, if a commit that removed it was seen.
    fn absence(&self, service_account: &ServiceAccountRef, ours: &CommitId) -> Absence {
        let Some(removal) = self.removals.get(service_account) else {
            return Absence::Unexplained;
        };
        let now = |path: &RepoPath| self.repository.content(ours, path);
        let left = now(&removal.path);
        if left.is_some_and(|left| !manifest::is_whole(&removal.path, &left)) {
            return Absence::Unreadable(removal.path.clone());
        }
        let seen = self.seen.get(service_account);
        let mut since = self
            .touched
            .iter()
            .filter(|(_, at)| seen.is_some_and(|seen| *at <= seen));
        let broken =
            since.find(|(path, _)| now(path).is_some_and(|bytes| !manifest::is_readable(&bytes)));
        match broken {
            Some((path, _)) => Absence::Unreadable(path.clone()),
            None => Absence::Removed(removal.clone()),
        }
    }
}

/// The ServiceAccounts that a file asks for roles for, rightly or not.
fn declared(path: &RepoPath, bytes: &[u8]) -> BTreeSet<ServiceAccountRef> {
    let extract = manifest::extract(path, bytes);
    let declarations = extract.into_iter().flat_map(|extract| extract.declarations);
    declarations
        .filter(|declaration| declaration.management != Management::Unmanaged)
        .map(|declaration| declaration.service_account)
        .collect()
}

impl Manifests {
    /// Which of some commits are in the history of the one that was read.
    pub(super) fn ancestry(&self, commits: &BTreeSet<CommitId>) -> BTreeMap<CommitId, Ancestry> {
        let (Some(repository), Some(ours)) = (&self.repository, self.commit()) else {
            return BTreeMap::new();
        };
        let answer = |commit: &CommitId| (commit.clone(), repository.ancestry(commit, ours));
        commits.iter().map(answer).collect()
    }

    /// Which files that are not read ask for one of these roles: their directory may have moved.
    fn asked_for_elsewhere(
        &self,
        roles: &BTreeMap<ServiceAccountRef, RoleArn>,
        repository: &Repository,
        ours: &CommitId,
    ) -> Result<BTreeMap<ServiceAccountRef, RepoPath>, Error> {
        if roles.is_empty() || self.scope.paths.is_empty() {
            return Ok(BTreeMap::new());
        }
        let everything = repository.read(ours, &Scope::default(), None, &manifest::extract)?;
        let mut found = BTreeMap::new();
        for (path, extract) in everything.files {
            let declarations = extract.declarations.into_iter().filter(|declaration| {
                let given = declaration.role_arn.as_ref().map(|arn| arn.value.as_str());
                let role = roles
                    .get(&declaration.service_account)
                    .map(ToString::to_string);
                declaration.management != Management::Unmanaged
                    && role.is_some()
                    && role.as_deref() == given
            });
            if !self.scope.covers(&path) {
                found.extend(declarations.map(|d| (d.service_account, path.clone())));
            }
        }
        Ok(found)
    }

    /// Answers the planner's questions about history; without one, everything is unknown.
    pub(super) fn history(
        &self,
        questions: &Questions,
        paths: &[RepoPath],
    ) -> Result<History, Error> {
        let mut history = History::default();
        let (Some(repository), Some(ours)) = (&self.repository, self.commit()) else {
            return Ok(history);
        };
        history.ancestry = self.ancestry(&questions.commits);
        history.moved = self.asked_for_elsewhere(&questions.retiring, repository, ours)?;
        if questions.absent.is_empty() {
            return Ok(history);
        }
        let known = |commit: &&CommitId| history.ancestry.get(commit) == Some(&Ancestry::Ancestor);
        let since = questions.absent.values();
        let since: Option<Vec<CommitId>> = since
            .map(|since| since.as_ref().filter(known).cloned())
            .collect();
        let scope = Scope {
            paths: paths.to_vec(),
        };
        let mut search = Search {
            repository,
            open: questions.absent.keys().collect(),
            removals: BTreeMap::new(),
            touched: BTreeMap::new(),
            seen: BTreeMap::new(),
            commits: 0,
            current: None,
            last: None,
        };
        let mut visit = |changed: &Changed<'_>| search.visit(changed);
        repository.changes(ours, &since.unwrap_or_default(), &scope, &mut visit)?;
        for (service_account, since) in &questions.absent {
            let since = since.as_ref().filter(known);
            let removed_by = search.removals.get(service_account).map(|r| &r.commit.id);
            let in_time = removed_by.zip(since).is_none_or(|(removed_by, since)| {
                since != removed_by && repository.ancestry(since, removed_by) == Ancestry::Ancestor
            });
            let absence = if in_time {
                search.absence(service_account, ours)
            } else {
                Absence::Unexplained
            };
            history.absences.insert(service_account.clone(), absence);
        }
        Ok(history)
    }

    /// Every commit that changed what is declared of a ServiceAccount, the newest first.
    pub(super) fn versions(
        &self,
        service_account: &ServiceAccountRef,
        paths: &[RepoPath],
    ) -> Result<Vec<Version>, Error> {
        let (Some(repository), Some(ours)) = (&self.repository, self.commit()) else {
            return Ok(vec![]);
        };
        let scope = Scope {
            paths: paths.to_vec(),
        };
        let mut versions: Vec<Version> = Vec::new();
        let declared = |blob: Option<Blob>, path: &RepoPath| -> Result<_, source::Error> {
            let Some(blob) = blob else {
                return Ok(None);
            };
            let extract = manifest::extract(path, &repository.blob(blob, path)?);
            let mut declarations = extract.into_iter().flat_map(|extract| extract.declarations);
            Ok(declarations.find(|declaration| declaration.service_account == *service_account))
        };
        let mut visit = |changed: &Changed<'_>| {
            let before = declared(changed.before, changed.path)?;
            let after = declared(changed.after, changed.path)?;
            if before.is_none() && after.is_none() {
                return Ok(ControlFlow::Continue(()));
            }
            // A declaration that moves from file to file shows up twice in one commit.
            match versions
                .last_mut()
                .filter(|last| last.commit.id == changed.commit.id)
            {
                Some(last) => {
                    last.before = last.before.take().or(before);
                    last.after = last.after.take().or(after);
                }
                None => {
                    let commit = changed.commit.clone();
                    versions.push(Version {
                        commit,
                        before,
                        after,
                    });
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        repository.changes(ours, &[], &scope, &mut visit)?;
        versions.retain(|version| !version.is_only_a_move());
        Ok(versions)
    }
}
