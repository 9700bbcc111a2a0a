//! What the history of the manifests says: who removed a ServiceAccount, and who declared it how.
//!
//! Git shows which files a commit changed; here they are read as manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::place::scope;
use super::search::{Search, declared};
use super::{Declarations, Error, Manifests};
use crate::manifest::{Declaration, Names};
use crate::model::commit::CommitId;
use crate::model::history::{Absence, Ancestry, CommitInfo};
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::plan::History;
use crate::plan::history::{Absent, Questions};
use crate::settings::ClusterSettings;
use crate::source::{self, Blob, Changed};

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
        before.map(Declaration::declares) == after.map(Declaration::declares)
            && place(&self.before) == place(&self.after)
    }
}

impl Manifests {
    /// Which of some commits are in the history of the one that was read.
    pub(super) fn ancestry(&self, commits: &BTreeSet<CommitId>) -> BTreeMap<CommitId, Ancestry> {
        let (Some(repository), Some(ours)) = (self.graph(), self.commit()) else {
            return BTreeMap::new();
        };
        repository.ancestries(commits, ours)
    }

    /// Answers the planner's questions about history; without one, everything is unknown.
    pub(super) fn answer(
        &self,
        questions: &Questions,
        paths: &[RepoPath],
    ) -> Result<History, Error> {
        let mut history = History::default();
        if let (Some(rendered), Some(ours)) = (&self.rendered, self.commit()) {
            return self.compared(rendered, ours, questions, paths);
        }
        let (Some(repository), Some(ours)) = (&self.repository, self.commit()) else {
            return Ok(history);
        };
        history.ancestry = self.ancestry(&questions.commits);
        if questions.absent.is_empty() {
            history.moved = self.elsewhere(questions, paths, &BTreeMap::new())?;
        }
        if questions.retiring.is_empty() && questions.absent.is_empty() {
            return Ok(history);
        }
        let scope = scope(paths, &questions.ignore);
        let rules = &questions.namespaces;
        let doubts = self.doubts(repository, ours, &scope, rules)?;
        let retiring = questions.retiring.iter();
        for (whose, role) in retiring.filter(|(_, role)| role.is_quarantined) {
            // What a doubt was at a commit that is not here is not known.
            let is_here = |since: &&CommitId| {
                let known = history.ancestry.get(*since).copied();
                known.unwrap_or_else(|| repository.ancestry(since, ours)) == Ancestry::Ancestor
            };
            let since = role.since.as_ref().filter(is_here);
            let hiding = doubts.hiding(whose, since, ours)?;
            history
                .hidden
                .extend(hiding.map(|hidden| (whose.clone(), hidden)));
        }
        history.named = doubts.naming(questions.retiring.keys())?;
        if questions.absent.is_empty() {
            return Ok(history);
        }
        let is_same = |(asked, below, _): &&(Questions, Vec<RepoPath>, History)| {
            (asked, below.as_slice()) == (questions, paths)
        };
        if let Some((_, _, found)) = self.searched.borrow().iter().find(is_same) {
            return Ok(found.clone());
        }
        let known = |commit: &&CommitId| history.ancestry.get(commit) == Some(&Ancestry::Ancestor);
        let read = (&*self.extractor, rules);
        let absent = questions.absent.iter();
        let whose = absent.map(|(whose, Absent { since, made })| {
            let written = [made, since].into_iter().flatten();
            (whose, written.filter(known).collect())
        });
        let search = Search::new(repository, ours, &scope, read, whose.collect())?;
        let whose = questions.absent.keys();
        let lost = whose.filter_map(|whose| Some((whose.clone(), search.lost_by(whose)?.clone())));
        let lost: BTreeMap<_, _> = lost.collect();
        history.moved = self.elsewhere(questions, paths, &lost)?;
        let since = questions.absent.values();
        let since = since.filter_map(|absent| absent.since.as_ref());
        let commits = since.chain(lost.values());
        let places = repository.first_parents(ours, commits.cloned().collect());
        for (service_account, Absent { since, .. }) in &questions.absent {
            let since = since.as_ref().filter(known);
            let lost_by = search.lost_by(service_account);
            let in_time = lost_by.zip(since).is_none_or(|(lost_by, since)| {
                match (places.get(lost_by), places.get(since)) {
                    (Some(lost_by), Some(since)) => lost_by < since,
                    // It came in by a merge.
                    _ => {
                        since != lost_by
                            && repository.ancestry(since, lost_by) == Ancestry::Ancestor
                    }
                }
            });
            // What is no witness tells whoever has to find out why no role of theirs is retired.
            let absence = match (lost_by, since) {
                (Some(_), _) if in_time => match search.absence(service_account, &doubts)? {
                    // Where no commit removed it, it may be in what is not understood.
                    Absence::Unexplained => doubts.hiding(service_account, None, ours)?.map_or(
                        Absence::Unexplained,
                        |(path, fault)| Absence::Unreadable {
                            path,
                            fault,
                            lost_it: false,
                        },
                    ),
                    absence => absence,
                },
                (Some(lost_by), Some(_)) => Absence::Earlier(repository.commit(lost_by)?),
                (None, Some(since)) if !places.contains_key(since) => Absence::OnSideBranch,
                _ => Absence::Unexplained,
            };
            history.absences.insert(service_account.clone(), absence);
        }
        let asked = (questions.clone(), paths.to_vec(), history.clone());
        self.searched.borrow_mut().push(asked);
        Ok(history)
    }

    /// The ServiceAccount that came where a commit took another one away, or that went where it brought
    /// one in: in the same file, or the only one of the whole commit.
    pub(super) fn counterpart(
        &self,
        service_account: &ServiceAccountRef,
        version: &Version,
        settings: &ClusterSettings,
    ) -> Result<Option<ServiceAccountRef>, Error> {
        let Some(repository) = &self.repository else {
            return Ok(None);
        };
        let id = &version.commit.id;
        if repository.parent(id).is_none() {
            return Ok(None);
        }
        let scope = scope(&settings.paths, &settings.naming().conventions.ignore);
        let rules = &settings.naming().conventions.namespaces;
        let mut gone: BTreeMap<ServiceAccountRef, RepoPath> = BTreeMap::new();
        let mut come: BTreeMap<ServiceAccountRef, RepoPath> = BTreeMap::new();
        let mut visit = |_: &CommitId, changed: Vec<Changed>| {
            for changed in &changed {
                for (side, found) in [(changed.before, &mut gone), (changed.after, &mut come)] {
                    let Some(blob) = side else { continue };
                    let bytes = repository.blob(blob, &changed.path)?;
                    let declared = declared(&self.extractor, rules, &changed.path, &bytes);
                    found.extend(declared.into_iter().map(|one| (one, changed.path.clone())));
                }
            }
            Ok(ControlFlow::Break(()))
        };
        repository.changes(id, &scope, &mut visit)?;
        let stayed: Vec<_> = gone
            .keys()
            .filter(|one| come.contains_key(one))
            .cloned()
            .collect();
        for one in &stayed {
            gone.remove(one);
            come.remove(one);
        }
        let (own, others) = match gone.contains_key(service_account) {
            true => (&gone, &come),
            false => (&come, &gone),
        };
        let Some(path) = own.get(service_account) else {
            return Ok(None);
        };
        let mut beside = others.iter().filter(|(_, at)| *at == path);
        let only = match (own.len(), others.len()) {
            (1, 1) => others.keys().next(),
            _ => beside
                .next()
                .map(|(one, _)| one)
                .filter(|_| beside.next().is_none()),
        };
        Ok(only.cloned())
    }

    /// Every commit that changed what is declared of a ServiceAccount, the newest first.
    pub(super) fn versions(
        &self,
        service_account: &ServiceAccountRef,
        settings: &ClusterSettings,
    ) -> Result<Vec<Version>, Error> {
        let (Some(repository), Some(ours)) = (&self.repository, self.commit()) else {
            return Ok(vec![]);
        };
        let conventions = &settings.naming().conventions;
        let scope = scope(&settings.paths, &conventions.ignore);
        let rules = &conventions.namespaces;
        let mut versions: Vec<Version> = Vec::new();
        let names = Names::new([service_account.name.as_str()].into_iter());
        let declared = |blob: Option<Blob>, path: &RepoPath| -> Result<_, source::Error> {
            let Some(blob) = blob else {
                return Ok(None);
            };
            let bytes = repository.blob(blob, path)?;
            if !names.may_be_in(&bytes) {
                return Ok(None);
            }
            let extract = self.extractor.declarations(path, &bytes);
            let extract = extract.map(|extract| extract.placed(path, rules));
            let mut declarations = extract.into_iter().flat_map(|extract| extract.declarations);
            Ok(declarations.find(|declaration| declaration.service_account == *service_account))
        };
        let mut visit = |commit: &CommitId, changed: Vec<Changed>| {
            let (mut before, mut after) = (None, None);
            // A declaration that moves from file to file shows up in both.
            for changed in &changed {
                before = before.or(declared(changed.before, &changed.path)?);
                after = after.or(declared(changed.after, &changed.path)?);
            }
            if before.is_some() || after.is_some() {
                let commit = repository.commit(commit)?;
                versions.push(Version {
                    commit,
                    before,
                    after,
                });
            }
            Ok(ControlFlow::Continue(()))
        };
        repository.changes(ours, &scope, &mut visit)?;
        versions.retain(|version| !version.is_only_a_move());
        Ok(versions)
    }
}
