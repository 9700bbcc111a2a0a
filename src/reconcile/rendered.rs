//! Plain files beside the repository that they were rendered from: it vouches for the order of
//! commits, and what an earlier commit was rendered to for what was removed.
//!
//! No commit says who removed a ServiceAccount from a render, but two renders do: what the one that
//! was applied last declares and the new one does not is gone, if nothing of the new one hides it.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use super::mentions::mentioned;
use super::place::{Base, Rendered, scope};
use super::successors::Successors;
use super::{Error, Manifests};
use crate::manifest::{Compared, Extract, Extractor, Hides, Management, Relation};
use crate::model::commit::CommitId;
use crate::model::conventions::NamespaceRules;
use crate::model::history::{Absence, Ancestry, Removal, Unfit, UnfitBase};
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::plan::History;
use crate::plan::history::{Absent, Questions};
use crate::source::{Scope, Unread, UnreadReason, directory};

/// Two renders.
struct Comparison<'a> {
    rendered: &'a Rendered,
    ours: &'a CommitId,
    /// The files of the new one that are not understood.
    doubts: Vec<(&'a RepoPath, Extract)>,
    unread: &'a [Unread],
    scope: Scope,
    extractor: &'a Extractor,
    rules: &'a NamespaceRules,
    /// The commits that were applied.
    applied: &'a BTreeSet<CommitId>,
    /// Which files are not what they are in the base, as far as that was asked.
    changed: RefCell<BTreeMap<RepoPath, bool>>,
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
            ..History::default()
        };
        // What is compared is the same for those that are absent.
        if questions.absent.is_empty() {
            history.moved = self.elsewhere(questions, paths, &BTreeMap::new())?;
        }
        if questions.retiring.is_empty() && questions.absent.is_empty() {
            return Ok(history);
        }
        let comparison = Comparison::new(rendered, ours, self, questions, paths)?;
        for (whose, role) in &questions.retiring {
            if role.is_quarantined
                // What was there when the role was quarantined is not known.
                && let Some(hidden) = comparison.hiding(whose, None)
            {
                history.hidden.insert(whose.clone(), hidden);
            }
        }
        for whose in questions.retiring.keys() {
            let naming = comparison.naming(whose);
            history
                .named
                .extend(naming.map(|found| (whose.clone(), found)));
        }
        let before = match (&rendered.base, questions.absent.is_empty()) {
            (Some(base), false) => {
                let names = questions.absent.keys().map(|whose| whose.name.as_str());
                Some(comparison.before(base, &names.collect())?)
            }
            _ => None,
        };
        for (whose, Absent { since, .. }) in &questions.absent {
            let absence = match &before {
                Some(before) => comparison.absence(whose, since.as_ref(), before)?,
                None => Some(Absence::NoBase),
            };
            history
                .absences
                .extend(absence.map(|absence| (whose.clone(), absence)));
        }
        Ok(history)
    }
}

/// What was there before.
struct Before<'a> {
    base: &'a Base,
    /// The files that declare each ServiceAccount.
    declaring: BTreeMap<ServiceAccountRef, Vec<RepoPath>>,
    /// The names of absent ServiceAccounts in files that cannot be parsed now, and were not the same before.
    broken: Vec<(RepoPath, BTreeSet<&'a str>)>,
    /// What became of the files that were asked of; nothing of those that are gone.
    compared: RefCell<BTreeMap<RepoPath, Option<Rc<Compared>>>>,
    /// The files that came since, or took objects in.
    came: OnceCell<Successors>,
}

impl<'a> Comparison<'a> {
    fn new(
        rendered: &'a Rendered,
        ours: &'a CommitId,
        manifests: &'a Manifests,
        questions: &'a Questions,
        paths: &[RepoPath],
    ) -> Result<Self, Error> {
        let scope = scope(paths, &questions.ignore);
        let rules = &questions.namespaces;
        let files = manifests.whole()?.iter();
        let in_doubt = files.filter(|(path, extract)| {
            // Most files are whole, and need not be copied.
            scope.covers(path) && !extract.is_placed_and_whole()
        });
        let doubts = in_doubt.map(|(path, extract)| (path, extract.clone().placed(path, rules)));
        Ok(Self {
            rendered,
            ours,
            doubts: doubts.collect(),
            unread: &manifests.snapshot.unread,
            scope,
            extractor: &manifests.extractor,
            rules,
            applied: &questions.applied,
            changed: RefCell::default(),
        })
    }

    /// What the base declares, and what came of it; a path that is not there yet holds nothing.
    fn before(&self, base: &'a Base, names: &BTreeSet<&'a str>) -> Result<Before<'a>, Error> {
        let mut scope = self.scope.clone();
        scope
            .paths
            .retain(|path| directory::has(&base.directory, path));
        let extract = |path: &RepoPath, bytes: &[u8]| self.extractor.declarations(path, bytes);
        let commit = Some(base.commit.clone());
        let before = directory::read(&base.directory, &scope, commit, &extract)?;
        let mut declaring: BTreeMap<_, Vec<RepoPath>> = BTreeMap::new();
        // No path at all means everything.
        for (path, extract) in before
            .files
            .into_iter()
            .filter(|(p, _)| self.scope.covers(p))
        {
            let declarations = extract.placed(&path, self.rules).declarations.into_iter();
            for declaration in declarations.filter(|d| d.management != Management::Unmanaged) {
                let files = declaring.entry(declaration.service_account).or_default();
                files.push(path.clone());
            }
        }
        let look = |_: &RepoPath, bytes: &[u8]| {
            let mentioned = mentioned(bytes, names);
            let is_broken = !mentioned.is_empty() && !self.extractor.is_readable(bytes);
            is_broken.then_some(mentioned)
        };
        let mut broken = directory::read(&self.rendered.directory, &self.scope, None, &look)?;
        broken
            .files
            .retain(|(path, _)| self.has_changed(path, base));
        Ok(Before {
            base,
            declaring,
            broken: broken.files,
            compared: RefCell::default(),
            came: OnceCell::new(),
        })
    }

    /// Why a ServiceAccount is not there; `None` if history that would tell is missing.
    fn absence(
        &self,
        whose: &ServiceAccountRef,
        since: Option<&CommitId>,
        before: &Before<'_>,
    ) -> Result<Option<Absence>, Error> {
        let base = before.base;
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
        let Some(files) = before.declaring.get(whose) else {
            return Ok(Some(Absence::NotInBase(base.commit.clone())));
        };
        let mut remains = false;
        for path in files {
            match self.fate(path, whose, before)? {
                Ok(is_left) => remains |= is_left,
                Err((path, fault)) => {
                    let lost_it = files.contains(&path);
                    return Ok(Some(Absence::Unreadable {
                        path,
                        fault,
                        lost_it,
                    }));
                }
            }
        }
        let unreadable = |path: RepoPath, fault: String| {
            Ok(Some(Absence::Unreadable {
                path,
                fault,
                lost_it: false,
            }))
        };
        let name = whose.name.as_str();
        if let Some((path, _)) = before.broken.iter().find(|(_, names)| names.contains(name)) {
            return unreadable(path.clone(), "it does not parse".to_owned());
        }
        if let Some((path, fault)) = self.hiding(whose, Some(base)) {
            return unreadable(path, fault);
        }
        let is_next = repository.parent(self.ours).as_ref() == Some(&base.commit);
        Ok(Some(Absence::Removed(Removal {
            commit: repository.commit(self.ours)?,
            since: (!is_next).then(|| base.commit.clone()),
            remains,
            path: files[0].clone(),
        })))
    }

    /// Whether a file of the base still has a ServiceAccount that it declared; or what is not whole of it, or
    /// of where that may have gone, and why.
    fn fate(
        &self,
        path: &RepoPath,
        whose: &ServiceAccountRef,
        before: &Before<'_>,
    ) -> Result<Result<bool, (RepoPath, String)>, Error> {
        let now = self.compare(path, before);
        if let Some(Err(defect)) = now.as_ref().map(|now| now.check(whose)) {
            return Ok(Err((path.clone(), defect.to_string())));
        }
        if now.as_ref().is_some_and(|now| now.holds(whose)) {
            return Ok(Ok(true));
        }
        let came = self.came(before)?;
        let then = directory::content(&before.base.directory, path).unwrap_or_default();
        let successors = match now {
            Some(_) => came.of(whose),
            None => came.of_file(self.extractor, whose, (path, &then)),
        };
        let counts = |new: &RepoPath| new != path && !self.scope.ignore.ignores(new);
        for (new, relation) in successors.into_iter().filter(|(new, _)| counts(new)) {
            let content = directory::content(&self.rendered.directory, new).unwrap_or_default();
            let default = self.rules.of(new).and_then(Result::ok);
            let compared =
                (self.extractor).compare(new, relation, &then, &content, default.as_ref());
            if let Err(defect) = compared.check(whose) {
                return Ok(Err((new.clone(), defect.to_string())));
            }
        }
        Ok(Ok(false))
    }

    /// The files that are new in the render, or took objects in.
    fn came<'b>(&self, before: &'b Before<'_>) -> Result<&'b Successors, Error> {
        if let Some(known) = before.came.get() {
            return Ok(known);
        }
        let mut came = Successors::default();
        for path in directory::names(&self.rendered.directory, &Scope::default())? {
            let then = directory::content(&before.base.directory, &path);
            let now = directory::content(&self.rendered.directory, &path).unwrap_or_default();
            if then.as_ref() != Some(&now) {
                came.add(self.extractor, path, then.as_deref(), now);
            }
        }
        Ok(before.came.get_or_init(|| came))
    }

    /// What became of a file of the base, if it is still there.
    fn compare(&self, path: &RepoPath, before: &Before<'_>) -> Option<Rc<Compared>> {
        if let Some(known) = before.compared.borrow().get(path) {
            return known.clone();
        }
        let compare = |now: Vec<u8>| {
            let then = directory::content(&before.base.directory, path).unwrap_or_default();
            let default = self.rules.of(path).and_then(Result::ok);
            Rc::new((self.extractor).compare(path, Relation::Same, &then, &now, default.as_ref()))
        };
        let compared = directory::content(&self.rendered.directory, path).map(compare);
        let mut known = before.compared.borrow_mut();
        known.insert(path.clone(), compared.clone());
        compared
    }

    /// Whether a file is not what it is in the base.
    fn has_changed(&self, path: &RepoPath, base: &Base) -> bool {
        let content = |directory: &Path| directory::content(directory, path);
        let compare = || {
            let before = content(&base.directory);
            before.is_none() || before != content(&self.rendered.directory)
        };
        let mut changed = self.changed.borrow_mut();
        *changed.entry(path.clone()).or_insert_with(compare)
    }

    /// The first file that is not understood and has the name of a ServiceAccount, and why.
    fn naming(&self, whose: &ServiceAccountRef) -> Option<(RepoPath, String)> {
        let name = BTreeSet::from([whose.name.as_str()]);
        let mentions = |path: &RepoPath| {
            let content = directory::content(&self.rendered.directory, path);
            content.is_some_and(|content| !mentioned(&content, &name).is_empty())
        };
        self.doubts.iter().find_map(|(path, extract)| {
            let mut doubts = extract.doubts.iter();
            let found = doubts.find(|doubt| {
                doubt.hides.names(whose) || (doubt.hides == Hides::Any && mentions(path))
            })?;
            Some(((*path).clone(), extract.fault(found)))
        })
    }

    /// The first file that may hide a ServiceAccount and is not what it is in the base, and why.
    fn hiding(&self, whose: &ServiceAccountRef, base: Option<&Base>) -> Option<(RepoPath, String)> {
        let is_new = |path: &RepoPath| base.is_none_or(|base| self.has_changed(path, base));
        let mut parts = self.doubts.iter().filter_map(|(path, extract)| {
            let mut doubts = extract.doubts.iter();
            let doubt = doubts.find(|doubt| doubt.hides.may_be(whose))?;
            is_new(path).then(|| ((*path).clone(), extract.fault(doubt)))
        });
        let mut unread = self.unread.iter().filter_map(|unread| {
            let fault = match &unread.reason {
                UnreadReason::LfsPointer => "its content is in Git LFS",
                UnreadReason::Submodule => "it is a submodule",
                UnreadReason::Symlink
                | UnreadReason::LinkedDirectory(_)
                | UnreadReason::LinkedSubmodule(_) => "it is a symbolic link",
            };
            // Of a link it is not known what it led to.
            let hides = self.scope.leaves_unknown(unread) && is_new(&unread.path);
            hides.then(|| (unread.path.clone(), fault.to_owned()))
        });
        parts.next().or_else(|| unread.next())
    }
}
