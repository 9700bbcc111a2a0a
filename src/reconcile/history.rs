//! What the history of the manifests says: who removed a ServiceAccount, and who declared it how.
//!
//! Git shows which files a commit changed; here they are read as manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::doubts::Doubts;
use super::manifests::scope;
use super::{Declarations, Error, Manifests, elsewhere};
use crate::manifest::{Declaration, Extractor, Management};
use crate::model::commit::CommitId;
use crate::model::conventions::NamespaceRules;
use crate::model::history::{Absence, Ancestry, CommitInfo, Elsewhere, Place, Removal};
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::plan::History;
use crate::plan::history::Questions;
use crate::settings::ClusterSettings;
use crate::source::{self, Blob, Changed, Content, Repository, Scope};

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

/// What a walk back through history has seen of ServiceAccounts that are not declared any more.
struct Search<'a> {
    extractor: &'a Extractor,
    rules: &'a NamespaceRules,
    /// Those whose loss was not seen yet.
    open: BTreeSet<&'a ServiceAccountRef>,
    losses: BTreeMap<ServiceAccountRef, Loss>,
    /// The commits that changed manifests in scope, the newest first.
    commits: Vec<CommitInfo>,
    /// What became of every file in scope, the newest first.
    files: BTreeMap<RepoPath, Vec<Change>>,
    /// The commit of the last loss; what else it did still has to be looked at.
    last: Option<CommitId>,
}

/// A file from which a ServiceAccount went, rightly or not.
struct Loss {
    path: RepoPath,
    /// The file when it still held the ServiceAccount.
    before: Blob,
    /// Which of the commits that were seen did it.
    commit: usize,
}

/// A change of one file.
struct Change {
    commit: usize,
    before: Option<Blob>,
    after: Option<Blob>,
    /// Whether it could be read before, or is new.
    was_readable: bool,
}

impl<'a> Search<'a> {
    fn new(
        extractor: &'a Extractor,
        rules: &'a NamespaceRules,
        open: BTreeSet<&'a ServiceAccountRef>,
    ) -> Self {
        Self {
            extractor,
            rules,
            open,
            losses: BTreeMap::new(),
            commits: Vec::new(),
            files: BTreeMap::new(),
            last: None,
        }
    }

    fn visit(
        &mut self,
        repository: &Repository,
        changed: &Changed<'_>,
    ) -> Result<ControlFlow<()>, source::Error> {
        let id = &changed.commit.id;
        if self.last.as_ref().is_some_and(|last| last != id) {
            return Ok(ControlFlow::Break(()));
        }
        if self.commits.last().is_none_or(|last| last.id != *id) {
            self.commits.push(changed.commit.clone());
        }
        let (path, commit) = (changed.path, self.commits.len() - 1);
        let before = changed.before.map(|blob| repository.blob(blob, path));
        let before = before.transpose()?;
        let was_readable = before
            .as_deref()
            .is_none_or(|before| self.extractor.is_readable(before));
        let changes = self.files.entry(path.clone()).or_default();
        changes.push(Change {
            commit,
            before: changed.before,
            after: changed.after,
            was_readable,
        });
        for service_account in before
            .iter()
            .flat_map(|before| declared(self.extractor, self.rules, path, before))
        {
            if let (true, Some(before)) = (self.open.remove(&service_account), changed.before) {
                let path = path.clone();
                let loss = Loss {
                    path,
                    before,
                    commit,
                };
                self.losses.insert(service_account, loss);
            }
        }
        if self.open.is_empty() {
            self.last.get_or_insert_with(|| id.clone());
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The commit that took a ServiceAccount away, if one was seen.
    fn lost_by(&self, service_account: &ServiceAccountRef) -> Option<&CommitId> {
        let loss = self.losses.get(service_account)?;
        Some(&self.commits[loss.commit].id)
    }

    /// Why a ServiceAccount is not there, if a commit that took it away was seen.
    ///
    /// A commit that left its file broken removed nothing: the first one does after which the file
    /// is whole without it, or gone.
    fn absence(
        &self,
        repository: &Repository,
        service_account: &ServiceAccountRef,
        ours: &CommitId,
        doubts: &Doubts<'_>,
    ) -> Result<Absence, source::Error> {
        let Some(loss) = self.losses.get(service_account) else {
            return Ok(Absence::Unexplained);
        };
        let path = &loss.path;
        let before = repository.blob(loss.before, path)?;
        let default = self.rules.of(path).and_then(Result::ok);
        let check = |after: &[u8]| {
            let default = default.as_ref();
            self.extractor
                .check_whole(path, &before, after, service_account, default)
        };
        let unreadable = |path: &RepoPath, fault: &dyn std::fmt::Display| Absence::Unreadable {
            path: path.clone(),
            fault: fault.to_string(),
        };
        match repository.content(ours, path)? {
            Content::Absent => {}
            Content::Obstructed { path, by } => {
                return Ok(unreadable(&path, &format_args!("it is {by} now")));
            }
            Content::File(now) => {
                if let Err(defect) = check(&now) {
                    return Ok(unreadable(path, &defect));
                }
            }
        }
        for (path, changes) in &self.files {
            if self.is_new_place(repository, service_account, ours, loss, (path, changes))? {
                return Ok(unreadable(path, &"it does not parse"));
            }
        }
        let lost_by = &self.commits[loss.commit].id;
        let before = repository.parent(lost_by);
        if let Some((path, fault)) = doubts.hiding(service_account, before.as_ref(), lost_by)? {
            return Ok(Absence::Unreadable { path, fault });
        }
        let changes = self.files.get(path).map_or(&[][..], Vec::as_slice);
        let since = changes.iter().rev().filter(|c| c.commit <= loss.commit);
        for change in since {
            let after = change.after.map(|blob| repository.blob(blob, path));
            let after = after.transpose()?;
            if after.as_deref().is_none_or(|after| check(after).is_ok()) {
                return Ok(Absence::Removed(Removal {
                    commit: self.commits[change.commit].clone(),
                    since: None,
                    path: path.clone(),
                    remains: after.is_some_and(|after| {
                        let default = default.as_ref();
                        self.extractor.holds(&after, service_account, default)
                    }),
                }));
            }
        }
        Ok(Absence::Unexplained)
    }
}

impl Search<'_> {
    /// Whether a file that cannot be read may be where a ServiceAccount went when it was lost.
    ///
    /// What does not hold the name cannot; nor can what does not hold the annotation, unless it changed with
    /// the loss, however it was edited since: the annotation may have been lost on the way. A file that could
    /// not be read before either must have got the name then.
    fn is_new_place(
        &self,
        repository: &Repository,
        service_account: &ServiceAccountRef,
        ours: &CommitId,
        loss: &Loss,
        (path, changes): (&RepoPath, &[Change]),
    ) -> Result<bool, source::Error> {
        let mut since = changes.iter().filter(|c| c.commit <= loss.commit);
        let came_with_loss = changes.iter().find(|c| c.commit == loss.commit);
        if came_with_loss.is_none() && !since.any(|change| change.was_readable) {
            return Ok(false);
        }
        let Content::File(now) = repository.content(ours, path)? else {
            return Ok(false);
        };
        let name = BTreeSet::from([service_account.name.as_str()]);
        if !elsewhere::mentions_any(&now, &name) || self.extractor.is_readable(&now) {
            return Ok(false);
        }
        match came_with_loss {
            Some(change) if !change.was_readable => {
                let before = change.before.map(|blob| repository.blob(blob, path));
                let before = before.transpose()?;
                Ok(before.is_none_or(|before| !elsewhere::mentions_any(&before, &name)))
            }
            Some(_) => Ok(true),
            None => Ok(self.extractor.may_declare(&now)),
        }
    }
}

/// The ServiceAccounts that a file asks for roles for, rightly or not.
fn declared(
    extractor: &Extractor,
    rules: &NamespaceRules,
    path: &RepoPath,
    bytes: &[u8],
) -> BTreeSet<ServiceAccountRef> {
    let extract = extractor.extract(path, bytes);
    let extract = extract.map(|extract| extract.placed(path, rules));
    let declarations = extract.into_iter().flat_map(|extract| extract.declarations);
    declarations
        .filter(|declaration| declaration.management != Management::Unmanaged)
        .map(|declaration| declaration.service_account)
        .collect()
}

impl Manifests {
    /// Which of some commits are in the history of the one that was read.
    pub(super) fn ancestry(&self, commits: &BTreeSet<CommitId>) -> BTreeMap<CommitId, Ancestry> {
        let (Some(repository), Some(ours)) = (self.graph(), self.commit()) else {
            return BTreeMap::new();
        };
        let answer = |commit: &CommitId| (commit.clone(), repository.ancestry(commit, ours));
        commits.iter().map(answer).collect()
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
        history.moved = self.elsewhere(questions, paths)?;
        let scope = scope(paths, &questions.ignore);
        let rules = &questions.namespaces;
        let doubts = self.doubts(repository, ours, &scope, rules);
        for (whose, role) in &questions.retiring {
            if questions.absent.contains_key(whose) {
                continue;
            }
            // What a doubt was at a commit that is not here is not known.
            let is_here =
                |since: &&CommitId| repository.ancestry(since, ours) == Ancestry::Ancestor;
            let since = role.since.as_ref().filter(is_here);
            let hiding = doubts.hiding(whose, since, since.unwrap_or(ours))?;
            if let Some((path, fault)) = hiding {
                let fault = doubts.dated(&path, &fault)?;
                history.hidden.insert(whose.clone(), (path, fault));
            }
        }
        for Elsewhere { path, place } in history.moved.values_mut() {
            if let Place::Broken(fault) = place {
                *fault = doubts.dated(path, fault)?;
            }
        }
        if questions.absent.is_empty() {
            return Ok(history);
        }
        let known = |commit: &&CommitId| history.ancestry.get(commit) == Some(&Ancestry::Ancestor);
        let since = questions.absent.values();
        let since: Option<Vec<CommitId>> = since
            .map(|since| since.as_ref().filter(known).cloned())
            .collect();
        let open = questions.absent.keys().collect();
        let mut search = Search::new(&self.extractor, rules, open);
        let mut visit = |changed: &Changed<'_>| search.visit(repository, changed);
        repository.changes(ours, &since.unwrap_or_default(), &scope, &mut visit)?;
        let mut unseen = Vec::new();
        for (service_account, since) in &questions.absent {
            let since = since.as_ref().filter(known);
            let in_time =
                search
                    .lost_by(service_account)
                    .zip(since)
                    .is_none_or(|(lost_by, since)| {
                        since != lost_by
                            && repository.ancestry(since, lost_by) == Ancestry::Ancestor
                    });
            let absence = if in_time {
                search.absence(repository, service_account, ours, &doubts)?
            } else {
                Absence::Unexplained
            };
            if !in_time || search.lost_by(service_account).is_none() {
                unseen.push((service_account, since));
            }
            // Where no commit removed it, it may be in what is not understood.
            let absence = match (&absence, doubts.hiding(service_account, None, ours)?) {
                (Absence::Unexplained, Some((path, fault))) => Absence::Unreadable { path, fault },
                _ => absence,
            };
            let absence = match absence {
                Absence::Unreadable { path, fault } => {
                    let fault = doubts.dated(&path, &fault)?;
                    Absence::Unreadable { path, fault }
                }
                other => other,
            };
            history.absences.insert(service_account.clone(), absence);
        }
        let absences = self.unexplained(&unseen, &scope, rules)?;
        history.absences.extend(absences);
        Ok(history)
    }

    /// What all of history says of ServiceAccounts that were not seen to be removed in time. It is
    /// no witness, and tells whoever has to find out why no role of theirs is retired.
    fn unexplained(
        &self,
        unseen: &[(&ServiceAccountRef, Option<&CommitId>)],
        scope: &Scope,
        rules: &NamespaceRules,
    ) -> Result<BTreeMap<ServiceAccountRef, Absence>, Error> {
        let (Some(repository), Some(ours), false) =
            (&self.repository, self.commit(), unseen.is_empty())
        else {
            return Ok(BTreeMap::new());
        };
        let open = unseen.iter().map(|(whose, _)| *whose).collect();
        let mut search = Search::new(&self.extractor, rules, open);
        let mut visit = |changed: &Changed<'_>| search.visit(repository, changed);
        repository.changes(ours, &[], scope, &mut visit)?;
        let absence = |(whose, since): &(&ServiceAccountRef, Option<&CommitId>)| {
            let absence = match (search.losses.get(whose), since) {
                (Some(loss), Some(_)) => Absence::Earlier(search.commits[loss.commit].clone()),
                (None, Some(since)) if !repository.is_first_parent(since, ours) => {
                    Absence::OnSideBranch
                }
                _ => Absence::Unexplained,
            };
            ((*whose).clone(), absence)
        };
        Ok(unseen.iter().map(absence).collect())
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
        let since: Vec<CommitId> = repository.parent(id).into_iter().collect();
        if since.is_empty() {
            return Ok(None);
        }
        let scope = scope(&settings.paths, &settings.naming().conventions.ignore);
        let rules = &settings.naming().conventions.namespaces;
        let mut gone: BTreeMap<ServiceAccountRef, RepoPath> = BTreeMap::new();
        let mut come: BTreeMap<ServiceAccountRef, RepoPath> = BTreeMap::new();
        let mut visit = |changed: &Changed<'_>| {
            for (side, found) in [(changed.before, &mut gone), (changed.after, &mut come)] {
                let Some(blob) = side else { continue };
                let bytes = repository.blob(blob, changed.path)?;
                let declared = declared(&self.extractor, rules, changed.path, &bytes);
                found.extend(declared.into_iter().map(|one| (one, changed.path.clone())));
            }
            Ok(ControlFlow::Continue(()))
        };
        repository.changes(id, &since, &scope, &mut visit)?;
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
        let declared = |blob: Option<Blob>, path: &RepoPath| -> Result<_, source::Error> {
            let Some(blob) = blob else {
                return Ok(None);
            };
            let extract = self.extractor.extract(path, &repository.blob(blob, path)?);
            let extract = extract.map(|extract| extract.placed(path, rules));
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
