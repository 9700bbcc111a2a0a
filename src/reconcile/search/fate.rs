//! What became of a file that held a ServiceAccount: whole without it, gone, or broken.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::super::mentions::mentions_any;
use super::super::successors::has_of;
use super::{Change, Search, Successors};
use crate::manifest::{Compared, Relation};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::source::{self, Blob, Changed, Content, Scope};

/// A file that held ServiceAccounts, or one that came in its place.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) path: RepoPath,
    /// What held them.
    pub(super) before: Blob,
    pub(super) relation: Relation,
}

/// What is in the place of a file now.
#[derive(Clone)]
pub(super) enum Now {
    Nothing,
    /// Something else, there or above it, and what it is.
    Obstructed(RepoPath, &'static str),
    File(Rc<Compared>),
}

/// What became of a file that held a ServiceAccount.
pub(super) enum Fate {
    /// It lost it for good.
    Gone(Gone),
    /// It was never whole since, or what came in its place was not.
    Broken(Broken),
}

/// The files that were looked at, and the commits with which something may have come into them.
type Visited = BTreeSet<(RepoPath, usize)>;

/// What is not whole.
pub(super) struct Broken {
    /// Where that is.
    pub(super) path: RepoPath,
    pub(super) fault: String,
    /// The file that held the ServiceAccount, or came in its place.
    pub(super) file: Held,
}

impl Broken {
    fn new(path: RepoPath, fault: String, file: &Held) -> Self {
        let file = file.clone();
        Self { path, fault, file }
    }
}

/// How a file lost a ServiceAccount for good.
pub(super) struct Gone {
    pub(super) commit: usize,
    pub(super) path: RepoPath,
    /// Whether the file still has it, and only declares no role for it.
    pub(super) remains: bool,
}

impl Search<'_> {
    /// What is wrong now with a file that held a ServiceAccount.
    pub(super) fn fault_now(&self, file: &Held) -> Result<Option<Broken>, source::Error> {
        let fault = match self.now(file)? {
            Now::Nothing => None,
            Now::Obstructed(path, by) => Some((path, format!("it is {by} now"))),
            Now::File(now) => {
                let defect = now.check_edited().err();
                defect.map(|defect| (file.path.clone(), defect.to_string()))
            }
        };
        Ok(fault.map(|(path, fault)| Broken::new(path, fault, file)))
    }

    /// What became of a file from a commit on: the first commit after which it is whole without the
    /// ServiceAccount, or gone, while where that went is whole.
    pub(super) fn fate(
        &self,
        service_account: &ServiceAccountRef,
        file: &Held,
        from: usize,
    ) -> Result<Fate, source::Error> {
        self.fate_beyond(service_account, file, from, &mut Visited::new())
    }

    /// The same, but for what was seen to: files that took in objects of each other come in each other's place.
    fn fate_beyond(
        &self,
        service_account: &ServiceAccountRef,
        file: &Held,
        from: usize,
        visited: &mut Visited,
    ) -> Result<Fate, source::Error> {
        let path = &file.path;
        let unknown = "it is not known what became of it".to_owned();
        let mut broken = Broken::new(path.clone(), unknown, file);
        let changes = self.files.get(path).map_or(&[][..], Vec::as_slice);
        for Change { commit, after, .. } in changes.iter().rev().filter(|c| c.commit <= from) {
            let blob = *after;
            let after = blob.map(|blob| self.left_by(file, *commit, blob));
            let after = after.transpose()?;
            if let Some(Err(defect)) = after.as_ref().map(|after| after.check(service_account)) {
                let content = blob.map(|blob| self.repository.blob(blob, path));
                let content = content.transpose()?.unwrap_or_default();
                if self.may_be_it(service_account, file, &content)? {
                    broken = Broken::new(path.clone(), defect.to_string(), file);
                    continue;
                }
            }
            let is_gone = after.is_none();
            let remains = after.is_some_and(|after| after.holds(service_account));
            if remains && let Some(gone) = self.gone_behind_link(service_account, file)? {
                return Ok(Fate::Gone(gone));
            }
            if !remains {
                visited.insert((path.clone(), *commit));
                match self.successors(service_account, file, (*commit, is_gone), visited)? {
                    Some(Fate::Broken(later)) => {
                        broken = later;
                        continue;
                    }
                    Some(later) => return Ok(later),
                    None => {}
                }
            }
            return Ok(Fate::Gone(Gone {
                commit: *commit,
                path: path.clone(),
                remains,
            }));
        }
        Ok(Fate::Broken(broken))
    }

    /// How a ServiceAccount went from the file to which a link leads, whose changes are not looked at: by the
    /// commit since which that file is what it is.
    fn gone_behind_link(
        &self,
        service_account: &ServiceAccountRef,
        file: &Held,
    ) -> Result<Option<Gone>, source::Error> {
        let (Now::File(now), Some((target, _))) = (
            self.now(file)?,
            self.repository.linked(self.ours, &file.path)?,
        ) else {
            return Ok(None);
        };
        let since = self.repository.same_since(self.ours, &target)?;
        let commit = since.and_then(|since| self.commits.iter().position(|id| *id == since.id));
        Ok(commit
            .filter(|_| !now.holds(service_account))
            .map(|commit| Gone {
                commit,
                path: target,
                remains: false,
            }))
    }

    /// Whether what is in a file now may be what was lost. What came in its place is only that as long as it
    /// has something of it, or cannot be read and may hold it.
    fn may_be_it(
        &self,
        service_account: &ServiceAccountRef,
        file: &Held,
        content: &[u8],
    ) -> Result<bool, source::Error> {
        if matches!(file.relation, Relation::Same | Relation::Namesake) {
            return Ok(true);
        }
        let name = BTreeSet::from([service_account.name.as_str()]);
        let may_hold_it = || self.extractor.may_declare(content) || mentions_any(content, &name);
        if !self.extractor.is_readable(content) && may_hold_it() {
            return Ok(true);
        }
        let half = self.extractor.half(content);
        if half.is_some_and(|half| half.may_be_of(service_account)) {
            return Ok(true);
        }
        let before = self.repository.blob(file.before, &file.path)?;
        Ok(has_of(self.extractor, content, &before))
    }

    /// What became of a file that was cut, or that something else took the place of, while another one still
    /// held the ServiceAccount; nothing of one that was whole without it, or gone, when it lost it.
    pub(super) fn torn(
        &self,
        service_account: &ServiceAccountRef,
        file: &Held,
        lost_by: usize,
    ) -> Result<Option<Fate>, source::Error> {
        let mut changes = self.files.get(&file.path).into_iter().flatten();
        let change = changes.find(|change| change.commit == lost_by);
        let Some(left) = change.and_then(|change| change.after) else {
            return Ok(match self.now(file)? {
                Now::Obstructed(path, by) => {
                    let fault = format!("it is {by} now");
                    Some(Fate::Broken(Broken::new(path, fault, file)))
                }
                Now::Nothing | Now::File(_) => None,
            });
        };
        let left = self.left_by(file, lost_by, left)?;
        match left.is_torn(service_account) {
            true => self.fate(service_account, file, lost_by).map(Some),
            false => Ok(None),
        }
    }

    /// What became of the files to which a ServiceAccount, or its file, may have gone with a commit, if they
    /// were not whole at once.
    fn successors(
        &self,
        service_account: &ServiceAccountRef,
        file: &Held,
        (commit, is_gone): (usize, bool),
        visited: &mut Visited,
    ) -> Result<Option<Fate>, source::Error> {
        let came = self.came(commit)?;
        let successors = match is_gone {
            true => {
                let before = self.repository.blob(file.before, &file.path)?;
                came.of_file(self.extractor, service_account, (&file.path, &before))
            }
            false => came.of(service_account),
        };
        let mut found = None;
        for (path, relation) in successors {
            if self.ignore.ignores(path) || !visited.insert((path.clone(), commit)) {
                continue;
            }
            let new = Held {
                path: path.clone(),
                before: file.before,
                relation,
            };
            let fate = match self.files.contains_key(path) {
                true => self.fate_beyond(service_account, &new, commit, visited)?,
                // Of what is out of scope only what it is now is known.
                false => match self.now(&new)? {
                    Now::File(now)
                        if let Err(defect) = now.check(service_account)
                            && let Content::File(content) =
                                self.repository.content(self.ours, path)?
                            && self.may_be_it(service_account, &new, &content)? =>
                    {
                        Fate::Broken(Broken::new(path.clone(), defect.to_string(), &new))
                    }
                    _ => continue,
                },
            };
            match fate {
                Fate::Broken(..) => return Ok(Some(fate)),
                Fate::Gone(gone) if gone.commit < commit => found = Some(Fate::Gone(gone)),
                Fate::Gone(_) => {}
            }
        }
        Ok(found)
    }

    /// The files that came with a commit, or took objects in.
    fn came(&self, commit: usize) -> Result<Rc<Successors>, source::Error> {
        if let Some(known) = self.came.borrow().get(&commit) {
            return Ok(known.clone());
        }
        let id = &self.commits[commit];
        let mut changed = Vec::new();
        let mut visit = |_: &CommitId, all: Vec<Changed>| {
            changed = all;
            Ok(ControlFlow::Break(()))
        };
        self.repository.changes(id, &Scope::default(), &mut visit)?;
        let mut came = Successors::default();
        for Changed {
            path,
            before,
            after,
        } in changed
        {
            let Some(after) = after else { continue };
            let content = |blob| self.repository.blob(blob, &path);
            let before = before.map(content).transpose()?;
            let after = content(after)?;
            came.add(self.extractor, path.clone(), before.as_deref(), after);
        }
        let came = Rc::new(came);
        self.came.borrow_mut().insert(commit, came.clone());
        Ok(came)
    }

    /// What is now in the place of a file that held ServiceAccounts.
    fn now(&self, file: &Held) -> Result<Now, source::Error> {
        if let Some(known) = self.now.borrow().get(file) {
            return Ok(known.clone());
        }
        let now = match self.repository.content(self.ours, &file.path)? {
            Content::Absent => Now::Nothing,
            Content::Obstructed { path, .. }
                if path == file.path
                    && let Some(content) = self.linked(self.ours, &path)? =>
            {
                Now::File(Rc::new(self.compare(file, &content)?))
            }
            Content::Obstructed { path, by } => Now::Obstructed(path, by),
            Content::File(now) => Now::File(Rc::new(self.compare(file, &now)?)),
        };
        self.now.borrow_mut().insert(file.clone(), now.clone());
        Ok(now)
    }

    /// What a link at a path of a commit leads to: it is that file.
    fn linked(&self, commit: &CommitId, path: &RepoPath) -> Result<Option<Vec<u8>>, source::Error> {
        let linked = self.repository.linked(commit, path)?;
        let content = linked.map(|(target, blob)| self.repository.blob(blob, &target));
        content.transpose()
    }

    /// What a commit left of a file that held ServiceAccounts, through a link that it may have become.
    fn left_by(
        &self,
        file: &Held,
        commit: usize,
        left: Blob,
    ) -> Result<Rc<Compared>, source::Error> {
        let left = self.after(file, left)?;
        if left.check_edited().is_err()
            && let Some(content) = self.linked(&self.commits[commit], &file.path)?
        {
            return Ok(Rc::new(self.compare(file, &content)?));
        }
        Ok(left)
    }

    /// A later version of a file that held ServiceAccounts.
    fn after(&self, file: &Held, after: Blob) -> Result<Rc<Compared>, source::Error> {
        let key = (file.clone(), after);
        if let Some(known) = self.compared.borrow().get(&key) {
            return Ok(known.clone());
        }
        let bytes = self.repository.blob(after, &file.path)?;
        let compared = Rc::new(self.compare(file, &bytes)?);
        self.compared.borrow_mut().insert(key, compared.clone());
        Ok(compared)
    }

    pub(super) fn compare(&self, file: &Held, after: &[u8]) -> Result<Compared, source::Error> {
        let Held {
            path,
            before,
            relation,
        } = file;
        let before = self.repository.blob(*before, path)?;
        let default = self.rules.of(path).and_then(Result::ok);
        let default = default.as_ref();
        let compared = self
            .extractor
            .compare(path, *relation, &before, after, default);
        Ok(compared)
    }
}
