//! One walk back through history that looks for the commits which took ServiceAccounts away.
//!
//! First only names and ids are compared, commit by commit; then what those commits changed is looked at,
//! many files at a time on all processors, and only a file in which one of the names is written is parsed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use super::doubts::Doubts;
use super::mentions::mentions_any;
use super::successors::Successors;
use crate::manifest::{Compared, Extractor, Management, Names, Relation};
use crate::model::commit::CommitId;
use crate::model::conventions::{IgnoreRules, NamespaceRules};
use crate::model::history::{Absence, Removal};
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::source::{self, Blob, Changed, Content, Repository, Scope};

mod fate;

use fate::{Broken, Fate, Gone, Held, Now};

/// How many versions of files are looked at together at first, and at most: a removal is mostly recent.
const FIRST: usize = 256;
const MOST: usize = 32 * 1024;

/// What a walk back through history has seen of ServiceAccounts that are not declared any more.
pub(super) struct Search<'a> {
    repository: &'a Repository,
    ours: &'a CommitId,
    extractor: &'a Extractor,
    rules: &'a NamespaceRules,
    /// What counts for nothing, wherever it is.
    ignore: IgnoreRules,
    names: Names,
    /// Those whose loss was not seen yet.
    open: BTreeSet<&'a ServiceAccountRef>,
    /// The commits that the roles were made for, and that were not come to yet.
    ahead: BTreeSet<&'a CommitId>,
    /// The commit that the role of each was made for, or else last written, if that is known.
    since: BTreeMap<&'a ServiceAccountRef, &'a CommitId>,
    losses: BTreeMap<ServiceAccountRef, Loss>,
    /// The commits that were come to, the newest first.
    commits: Vec<CommitId>,
    /// What became of every file in scope, the newest first.
    files: BTreeMap<RepoPath, Vec<Change>>,
    /// What still has to be looked at, the newest first.
    unread: Vec<Version>,
    /// Files that were looked at and declare none of the ServiceAccounts.
    empty: HashSet<Blob>,
    /// How many are looked at together.
    batch: usize,
    /// The files that changed, hold one of the names, and cannot be parsed now.
    broken: Vec<(RepoPath, Vec<u8>)>,
    /// What became of files that held ServiceAccounts: it is the same for all that they held.
    now: RefCell<HashMap<Held, Now>>,
    compared: RefCell<HashMap<(Held, Blob), Rc<Compared>>>,
    /// What came with the commits that took ServiceAccounts away.
    came: RefCell<HashMap<usize, Rc<Successors>>>,
}

/// A file as it was before a commit, which is told by its number among those that were seen.
struct Version {
    path: RepoPath,
    before: Blob,
    commit: usize,
}

/// The commit with which a ServiceAccount went, rightly or not, by its number.
struct Loss {
    commit: usize,
    /// The files that held it, when they still did: it may have stood in more than one.
    files: Vec<Held>,
    /// Those that had lost it before, while it still stood elsewhere, and the commits with which they did.
    earlier: Vec<(usize, Held)>,
}

impl Loss {
    fn new(commit: usize) -> Self {
        Self {
            commit,
            files: Vec::new(),
            earlier: Vec::new(),
        }
    }

    /// Adds a version of a file that held it. The newest one counts: what is older was edited with it.
    fn add(&mut self, version: &Version) {
        let mut known = self
            .files
            .iter()
            .chain(self.earlier.iter().map(|(_, held)| held));
        if known.any(|held| held.path == version.path) {
            return;
        }
        let held = Held {
            path: version.path.clone(),
            before: version.before,
            relation: Relation::Same,
        };
        match version.commit == self.commit {
            true => self.files.push(held),
            false => self.earlier.push((version.commit, held)),
        }
    }
}

/// A change of one file.
struct Change {
    commit: usize,
    before: Option<Blob>,
    after: Option<Blob>,
}

impl<'a> Search<'a> {
    /// Goes back from a commit until the loss of every ServiceAccount was seen, and the oldest of the commits
    /// that wrote its role, as far as they are given: what a file lost in between may have been cut off.
    pub(super) fn new(
        repository: &'a Repository,
        ours: &'a CommitId,
        scope: &Scope,
        (extractor, rules): (&'a Extractor, &'a NamespaceRules),
        whose: BTreeMap<&'a ServiceAccountRef, Vec<&'a CommitId>>,
    ) -> Result<Self, source::Error> {
        let written = whose.values().flatten().copied().cloned();
        // What came in by a merge is not come to.
        let places = repository.first_parents(ours, written.collect());
        let since = whose.iter().filter_map(|(whose, written)| {
            let written = written
                .iter()
                .filter(|commit| places.contains_key(**commit));
            Some((*whose, *written.max_by_key(|commit| places[**commit])?))
        });
        let since: BTreeMap<_, _> = since.collect();
        let mut search = Self {
            repository,
            ours,
            extractor,
            rules,
            ignore: scope.ignore.clone(),
            names: Names::new(whose.keys().map(|whose| whose.name.as_str())),
            open: whose.into_keys().collect(),
            ahead: since.values().copied().collect(),
            since,
            losses: BTreeMap::new(),
            commits: Vec::new(),
            files: BTreeMap::new(),
            unread: Vec::new(),
            empty: HashSet::new(),
            batch: FIRST,
            broken: Vec::new(),
            now: RefCell::default(),
            compared: RefCell::default(),
            came: RefCell::default(),
        };
        let mut visit = |commit: &CommitId, changed| search.visit(commit, changed);
        let walked = repository.changes(ours, scope, &mut visit);
        search.look()?;
        // What is beyond the last loss is not needed.
        if !search.open.is_empty() {
            walked?;
        }
        search.find_broken()?;
        Ok(search)
    }

    fn visit(
        &mut self,
        commit: &CommitId,
        changed: Vec<Changed>,
    ) -> Result<ControlFlow<()>, source::Error> {
        let number = self.commits.len();
        self.commits.push(commit.clone());
        for Changed {
            path,
            before,
            after,
        } in changed
        {
            if let Some(before) = before.filter(|before| !self.empty.contains(before)) {
                self.unread.push(Version {
                    path: path.clone(),
                    before,
                    commit: number,
                });
            }
            let change = Change {
                commit: number,
                before,
                after,
            };
            self.files.entry(path).or_default().push(change);
        }
        if self.unread.len() >= self.batch {
            self.look()?;
            self.batch = (4 * self.batch).min(MOST);
        }
        self.ahead.remove(commit);
        Ok(match self.open.is_empty() && self.ahead.is_empty() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }

    /// Looks at what is unread.
    fn look(&mut self) -> Result<(), source::Error> {
        let unread = std::mem::take(&mut self.unread);
        self.look_at(&unread)
    }

    /// Looks at versions of files. Those beyond the last loss are not needed, and may be unreadable: then the
    /// newer half is looked at first.
    fn look_at(&mut self, versions: &[Version]) -> Result<(), source::Error> {
        if versions.is_empty() {
            return Ok(());
        }
        let error = match self.declaring(versions) {
            Ok(found) => {
                self.note(versions, &found);
                return Ok(());
            }
            Err(error) => error,
        };
        let middle = versions[versions.len() / 2].commit;
        // What one commit changed stays together.
        let starts = [middle, middle + 1]
            .map(|commit| versions.partition_point(|version| version.commit < commit));
        let mut splits = starts
            .into_iter()
            .filter(|at| (1..versions.len()).contains(at));
        let (newer, older) = versions.split_at(splits.next().ok_or(error)?);
        self.look_at(newer)?;
        if self.open.is_empty() {
            return Ok(());
        }
        self.look_at(older)
    }

    /// What those of the versions declare in which a name is written.
    fn declaring(
        &self,
        versions: &[Version],
    ) -> Result<HashMap<(RepoPath, Blob), BTreeSet<ServiceAccountRef>>, source::Error> {
        let files: HashSet<_> = versions.iter().map(|v| (&v.path, v.before)).collect();
        let files = files.into_iter().map(|(path, blob)| (path.clone(), blob));
        let (extractor, rules, names) = (self.extractor, self.rules, &self.names);
        let look = |path: &RepoPath, bytes: &[u8]| {
            let may_declare = names.may_be_in(bytes) && extractor.may_declare(bytes);
            may_declare.then(|| declared(extractor, rules, path, bytes))
        };
        let found = self.repository.look(files.collect(), &look)?.into_iter();
        Ok(found.map(|(p, b, declared)| ((p, b), declared)).collect())
    }

    /// Notes what the versions have declared, and is not declared any more.
    fn note(
        &mut self,
        versions: &[Version],
        found: &HashMap<(RepoPath, Blob), BTreeSet<ServiceAccountRef>>,
    ) {
        for version in versions {
            let (file, commit) = ((version.path.clone(), version.before), version.commit);
            let Some(declared) = found.get(&file) else {
                self.empty.insert(version.before);
                continue;
            };
            for service_account in declared {
                self.open.remove(service_account);
                let losses = self.losses.entry(service_account.clone());
                losses.or_insert_with(|| Loss::new(commit)).add(version);
            }
        }
    }

    /// Finds the files that changed as far as the oldest loss, and that hold a name and no sense now.
    fn find_broken(&mut self) -> Result<(), source::Error> {
        let Some(oldest) = self.losses.values().map(|loss| loss.commit).max() else {
            return Ok(());
        };
        let newest = |(path, changes): (&RepoPath, &Vec<Change>)| {
            let newest = changes.first().filter(|change| change.commit <= oldest)?;
            Some((path.clone(), newest.after?))
        };
        let now = self.files.iter().filter_map(newest).collect();
        let (extractor, names) = (self.extractor, &self.names);
        let look = |_: &RepoPath, bytes: &[u8]| {
            let is_broken = names.may_be_in(bytes) && !extractor.is_readable(bytes);
            is_broken.then(|| bytes.to_vec())
        };
        let broken = self.repository.look(now, &look)?.into_iter();
        self.broken = broken.map(|(path, _, bytes)| (path, bytes)).collect();
        self.broken.sort();
        Ok(())
    }

    /// What is broken, with the commit since which it is so.
    fn unreadable(
        &self,
        service_account: &ServiceAccountRef,
        Broken { path, fault, file }: Broken,
        doubts: &Doubts<'_>,
    ) -> Result<Absence, source::Error> {
        let is_so = |bytes: &[u8]| {
            let compared = self.compare(&file, bytes);
            compared.is_ok_and(|compared| compared.check(service_account).is_err())
        };
        Ok(Absence::Unreadable {
            fault: doubts.dated(&path, &fault, &is_so)?,
            path,
            lost_it: file.relation == Relation::Same,
        })
    }

    /// The commit that took a ServiceAccount away, if one was seen.
    pub(super) fn lost_by(&self, service_account: &ServiceAccountRef) -> Option<&CommitId> {
        let loss = self.losses.get(service_account)?;
        Some(&self.commits[loss.commit])
    }

    /// Why a ServiceAccount is not there, if a commit that took it away was seen.
    ///
    /// A commit that left its file broken removed nothing: the first one does after which the file
    /// is whole without it, or gone; of several files, the last one.
    pub(super) fn absence(
        &self,
        service_account: &ServiceAccountRef,
        doubts: &Doubts<'_>,
    ) -> Result<Absence, source::Error> {
        let Some(loss) = self.losses.get(service_account) else {
            return Ok(Absence::Unexplained);
        };
        let mut removal: Option<Gone> = None;
        let mut fault = None;
        // With any of these it may have gone elsewhere.
        let mut lost_with = BTreeSet::from([loss.commit]);
        for file in &loss.files {
            fault = fault.or(self.fault_now(file)?);
            match self.fate(service_account, file, loss.commit)? {
                Fate::Gone(gone) => {
                    lost_with.insert(gone.commit);
                    // The smaller the number, the newer the commit.
                    removal = match removal {
                        Some(other) if other.commit <= gone.commit => Some(other),
                        _ => Some(gone),
                    };
                }
                Fate::Broken(broken) => fault = fault.or(Some(broken)),
            }
        }
        if let Some(broken) = fault {
            return self.unreadable(service_account, broken, doubts);
        }
        for (commit, file) in self.earlier(service_account, loss) {
            match self.torn(service_account, file, *commit)? {
                Some(Fate::Gone(gone))
                    if removal.as_ref().is_some_and(|r| gone.commit < r.commit) =>
                {
                    lost_with.insert(gone.commit);
                    removal = Some(gone);
                }
                Some(Fate::Broken(broken)) => {
                    return self.unreadable(service_account, broken, doubts);
                }
                Some(Fate::Gone(_)) | None => {}
            }
        }
        for (path, now) in &self.broken {
            if self.is_new_place(service_account, &lost_with, (path, now))? {
                let name = BTreeSet::from([service_account.name.as_str()]);
                let is_so =
                    |bytes: &[u8]| mentions_any(bytes, &name) && !self.extractor.is_readable(bytes);
                return Ok(Absence::Unreadable {
                    path: path.clone(),
                    fault: doubts.dated(path, "it does not parse", &is_so)?,
                    lost_it: false,
                });
            }
        }
        let lost_by = &self.commits[loss.commit];
        let before = self.repository.parent(lost_by);
        let gone_by = removal.as_ref().map_or(loss.commit, |gone| gone.commit);
        let gone_by = &self.commits[gone_by];
        if let Some((path, fault)) = doubts.hiding(service_account, before.as_ref(), gone_by)? {
            return Ok(Absence::Unreadable {
                path,
                fault,
                lost_it: false,
            });
        }
        let Some(Gone {
            commit,
            path,
            remains,
        }) = removal
        else {
            return Ok(Absence::Unexplained);
        };
        Ok(Absence::Removed(Removal {
            commit: self.repository.commit(&self.commits[commit])?,
            since: None,
            path,
            remains,
        }))
    }

    /// The files that lost a ServiceAccount before the last ones did, since its role was made.
    fn earlier<'l>(
        &self,
        service_account: &ServiceAccountRef,
        loss: &'l Loss,
    ) -> impl Iterator<Item = &'l (usize, Held)> {
        let since = self.since.get(service_account);
        let since = since.filter(|_| !loss.earlier.is_empty());
        let since = since.and_then(|since| self.commits.iter().position(|c| c == *since));
        let earlier = loss.earlier.iter();
        earlier.filter(move |(commit, _)| since.is_some_and(|since| *commit <= since))
    }

    /// Whether a file that cannot be read may be where a ServiceAccount went when it was lost.
    ///
    /// What does not hold the name cannot; nor can what does not hold the annotation, unless it changed with
    /// the loss, or with what made that final, however it was edited since: the annotation may have been lost
    /// on the way. A file that could not be read before either must have got the name then.
    fn is_new_place(
        &self,
        service_account: &ServiceAccountRef,
        lost_with: &BTreeSet<usize>,
        (path, now): (&RepoPath, &[u8]),
    ) -> Result<bool, source::Error> {
        let name = BTreeSet::from([service_account.name.as_str()]);
        if !mentions_any(now, &name)
            || !matches!(self.repository.content(self.ours, path)?, Content::File(_))
        {
            return Ok(false);
        }
        let may_declare = self.extractor.may_declare(now);
        let changes = self.files.get(path).map_or(&[][..], Vec::as_slice);
        let first = lost_with.last().copied().unwrap_or_default();
        for change in changes.iter().filter(|c| c.commit <= first) {
            let came_with_loss = lost_with.contains(&change.commit);
            if !came_with_loss && !may_declare {
                continue;
            }
            let before = change.before.map(|blob| self.repository.blob(blob, path));
            let before = before.transpose()?;
            let could_hold_it_before = |before: &[u8]| {
                let may_hold_it = !came_with_loss || mentions_any(before, &name);
                may_hold_it && !self.extractor.is_readable(before)
            };
            if !before.as_deref().is_some_and(could_hold_it_before) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The ServiceAccounts that a file asks for roles for, rightly or not.
pub(super) fn declared(
    extractor: &Extractor,
    rules: &NamespaceRules,
    path: &RepoPath,
    bytes: &[u8],
) -> BTreeSet<ServiceAccountRef> {
    let extract = extractor.declarations(path, bytes);
    let extract = extract.map(|extract| extract.placed(path, rules));
    let declarations = extract.into_iter().flat_map(|extract| extract.declarations);
    declarations
        .filter(|declaration| declaration.management != Management::Unmanaged)
        .map(|declaration| declaration.service_account)
        .collect()
}
