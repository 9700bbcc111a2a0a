//! Which files that a cluster's run does not read declare a role that is to be retired, or may do so:
//! what moved was not removed, and it may have been broken on the way.
//!
//! Another cluster may declare a ServiceAccount of the same name, and a chart that nobody renders here
//! may never have been readable. Neither is new, so what was there before the ServiceAccount was lost,
//! and all along since it was applied last, proves nothing; what is new may be what the role was made for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::place::{read_at, scope};
use super::{Declarations, Error, Manifests, doubts};
use crate::desired::Verdict;
use crate::manifest::{Declaration, Management};
use crate::model::arn::AwsAccountId;
use crate::model::cluster::Naming;
use crate::model::commit::CommitId;
use crate::model::history::{Ancestry, Elsewhere, Place};
use crate::model::location::RepoPath;
use crate::model::role::RoleName;
use crate::model::service_account::ServiceAccountRef;
use crate::plan::history::{Questions, Retiring};
use crate::source::{Content, Known, Repository, Scope};

mod file;

use file::{File, declares, names_role};

/// The files of a commit that a run does not read, and that may declare a role.
type Files = BTreeMap<RepoPath, Rc<File>>;

/// The same of several commits.
type Commits = BTreeMap<CommitId, Rc<Files>>;

/// A role that may be retired.
struct Role<'a> {
    name: &'a str,
    /// What the role-arn annotation of its ServiceAccount says: the ARN or, where the webhook composes it,
    /// the end.
    given: [String; 2],
    since: Option<&'a CommitId>,
    is_quarantined: bool,
}

impl<'a> Role<'a> {
    fn new(retiring: &'a Retiring) -> Self {
        let Retiring {
            arn,
            since,
            is_quarantined,
        } = retiring;
        let bare = format!("{}{}", arn.path, arn.name);
        let bare = bare.strip_prefix('/').unwrap_or_default().to_owned();
        Self {
            name: arn.name.as_str(),
            given: [arn.to_string(), bare],
            since: since.as_ref(),
            is_quarantined: *is_quarantined,
        }
    }
}

/// What is looked at to find where the ServiceAccounts of some roles are declared.
struct Look<'a> {
    manifests: &'a Manifests,
    repository: &'a Repository,
    ours: &'a CommitId,
    questions: &'a Questions,
    scope: Scope,
    names: BTreeSet<&'a str>,
    /// What is known to be another cluster's.
    neighbours: Vec<Neighbour<'a>>,
    /// Files of commits that were asked of.
    known: RefCell<(Known<File>, Commits)>,
    /// The faults of files with the commits since which they are so.
    dated: RefCell<BTreeMap<(RepoPath, String), String>>,
}

/// Another cluster of the run.
struct Neighbour<'a> {
    scope: Scope,
    /// Its account, if the settings tell.
    account: Option<&'a AwsAccountId>,
    /// The roles of those of its ServiceAccounts that nothing is wrong with.
    roles: BTreeMap<ServiceAccountRef, RoleName>,
}

/// What a role's files are compared with.
struct Before<'a> {
    /// The commit before the one that lost the ServiceAccount, if that one was found.
    lost: Option<CommitId>,
    /// The commit that last wrote the role.
    written: Option<&'a CommitId>,
    /// This one, and the others that were applied, as far as they were before the loss.
    applied: Vec<&'a CommitId>,
}

impl Manifests {
    /// Which files outside of a cluster's paths declare one of these roles, or may do so. Files of
    /// the other clusters of the run are known to be theirs, if nothing is wrong with them.
    ///
    /// Of some ServiceAccounts it is known which commit lost them.
    pub(super) fn elsewhere(
        &self,
        questions: &Questions,
        paths: &[RepoPath],
        lost: &BTreeMap<ServiceAccountRef, CommitId>,
    ) -> Result<BTreeMap<ServiceAccountRef, Elsewhere>, Error> {
        let mut found = BTreeMap::new();
        let (Some(repository), Some(ours)) = (self.graph(), self.commit()) else {
            return Ok(found);
        };
        let retiring = &questions.retiring;
        if retiring.is_empty() || paths.is_empty() {
            return Ok(found);
        }
        let look = Look {
            manifests: self,
            repository,
            ours,
            questions,
            scope: scope(paths, &questions.ignore),
            names: retiring.keys().map(|whose| whose.name.as_str()).collect(),
            neighbours: self.neighbours(paths),
            known: RefCell::default(),
            dated: RefCell::default(),
        };
        let now = look.files(ours)?;
        for (whose, role) in retiring {
            let role = &Role::new(role);
            let places = self.declaring(&now, whose, role);
            if places.is_empty() && !now.values().any(|file| file.is_suspect(whose, role)) {
                continue;
            }
            let before = look.before(role, lost.get(whose));
            let elsewhere = |path: &RepoPath, place: Place| {
                let declaring = places.iter().copied().cloned().collect();
                Elsewhere {
                    path: path.clone(),
                    place,
                    declaring,
                    is_read: self.scope.covers(path),
                }
            };
            let mut place = None;
            for path in &places {
                if look.is_new((path, whose, role), &before)? {
                    place = Some(elsewhere(path, Place::New));
                    break;
                }
            }
            let known = [before.written, before.lost.as_ref()];
            let mut compared: Vec<_> = known.into_iter().flatten().map(Some).collect();
            if compared.is_empty() {
                compared.push(None);
            }
            for commit in compared {
                if place.is_some() {
                    break;
                }
                let before = commit.map(|commit| look.files(commit)).transpose()?;
                let is_settled = |path: &RepoPath, other: &Declaration| {
                    (places.contains(&path) && declares(other, whose, role))
                        || look.is_neighbours(path, other, role)
                };
                let suspect = now.iter().find_map(|(path, file)| {
                    let about = (path, whose, role);
                    let is_settled = |other: &Declaration| is_settled(path, other);
                    let fault = file.suspicion(about, &is_settled, before.as_deref())?;
                    Some((path, fault))
                });
                if let Some((path, fault)) = suspect {
                    let is_settled = |other: &Declaration| is_settled(path, other);
                    let fault = look.dated((path, whose, role), fault, &is_settled)?;
                    place = Some(elsewhere(path, Place::Broken(fault)));
                }
            }
            let known = || places.first().map(|path| elsewhere(path, Place::Known));
            found.extend(place.or_else(known).map(|found| (whose.clone(), found)));
        }
        Ok(found)
    }

    /// What the other clusters of the run declare, and nothing is wrong with.
    fn neighbours(&self, ours: &[RepoPath]) -> Vec<Neighbour<'_>> {
        let others = self.clusters.iter().filter(|(paths, _)| paths != ours);
        let neighbour = |(paths, naming): &'_ (Vec<RepoPath>, Naming)| {
            let declared = self.declared(paths, naming).resolved.declared.into_iter();
            let roles = declared.filter_map(|(whose, declared)| match declared.verdict {
                Verdict::Managed(managed) => Some((whose, managed.role)),
                Verdict::Unmanaged | Verdict::Held { .. } => None,
            });
            let roles = roles.collect();
            let scope = scope(paths, &naming.conventions.ignore);
            (scope, roles)
        };
        let neighbours = others.map(|other| {
            let (scope, roles) = neighbour(other);
            Neighbour {
                scope,
                account: other.1.account.as_ref(),
                roles,
            }
        });
        neighbours.collect()
    }

    /// The files that declare a role and are nobody's in this run.
    fn declaring<'f>(
        &self,
        files: &'f Files,
        whose: &ServiceAccountRef,
        role: &Role<'_>,
    ) -> Vec<&'f RepoPath> {
        let unread = files.iter().filter(|(path, _)| !self.scope.covers(path));
        let declaring = unread.filter(|(_, file)| file.declares(whose, role));
        declaring.map(|(path, _)| path).collect()
    }
}

impl<'a> Look<'a> {
    /// What reads a file that the cluster's run does not.
    fn reader(&self) -> impl Fn(&RepoPath, &[u8]) -> Option<File> + Sync + use<'_, 'a> {
        let (extractor, rules) = (&*self.manifests.extractor, &self.questions.namespaces);
        let (scope, names) = (&self.scope, &self.names);
        move |path, bytes| {
            let is_left = scope.is_around(path) || scope.ignore.ignores(path);
            (!is_left).then(|| File::new(extractor, rules, path, bytes, names))?
        }
    }

    fn files(&self, commit: &CommitId) -> Result<Rc<Files>, Error> {
        let (known, files) = &mut *self.known.borrow_mut();
        if let Some(files) = files.get(commit) {
            return Ok(files.clone());
        }
        let look = self.reader();
        let found = match &self.manifests.rendered {
            Some(rendered) => {
                let all = read_at(rendered, (commit, self.ours), &look)?;
                let all = all.into_iter();
                all.map(|(path, file)| (path, Rc::new(file))).collect()
            }
            None => (self.repository).look_at(commit, &Scope::default(), known, &look)?,
        };
        let found = Rc::new(found);
        files.insert(commit.clone(), found.clone());
        Ok(found)
    }

    /// Whether a declaration is for another role than this one: that of another cluster of the run.
    fn is_neighbours(&self, path: &RepoPath, declaration: &Declaration, role: &Role<'_>) -> bool {
        let is_theirs = |neighbour: &Neighbour<'_>| {
            let declared = neighbour.roles.get(&declaration.service_account);
            // Where its account is not known, the ARN may have a typo.
            let is_another =
                |name: &RoleName| neighbour.account.is_some() || name.as_str() != role.name;
            neighbour.scope.covers(path) && declared.is_some_and(is_another)
        };
        declaration.management == Management::Managed
            && !names_role(declaration, role)
            && self.neighbours.iter().any(is_theirs)
    }

    fn before(&self, role: &Role<'a>, lost: Option<&CommitId>) -> Before<'a> {
        let is_before =
            |a: &CommitId, b: &CommitId| self.repository.ancestry(a, b) == Ancestry::Ancestor;
        let lost = lost.and_then(|lost| self.repository.parent(lost));
        let written = role.since.filter(|commit| is_before(commit, self.ours));
        let rendered = self.manifests.rendered.as_ref();
        let written = match rendered {
            Some(rendered) => written.and_then(|since| rendered.standing_for(since, self.ours)),
            None => written,
        };
        let applied = self.questions.applied.iter();
        // Where no commit lost it, the quarantine itself did; and of a render, there is one base.
        let applied = applied.filter(|_| !role.is_quarantined && rendered.is_none());
        let mut applied: Vec<_> = written.into_iter().chain(applied).collect();
        applied.retain(|commit| is_before(commit, lost.as_ref().unwrap_or(self.ours)));
        Before {
            lost,
            written,
            applied,
        }
    }

    /// Whether a file began to declare a role when its ServiceAccount was lost, or later: it has not done so
    /// all along since a commit that was applied before.
    fn is_new(
        &self,
        (path, whose, role): (&RepoPath, &ServiceAccountRef, &Role<'_>),
        before: &Before<'_>,
    ) -> Result<bool, Error> {
        let declares = |commit: &CommitId| -> Result<bool, Error> {
            let files = self.files(commit)?;
            Ok(files
                .get(path)
                .is_some_and(|file| file.declares(whose, role)))
        };
        if let Some(lost) = &before.lost
            && !declares(lost)?
        {
            return Ok(true);
        }
        for applied in &before.applied {
            if declares(applied)? {
                let is_settled = before.lost.is_some() || role.is_quarantined;
                return Ok(is_settled && !self.declares_since(applied, (path, whose, role))?);
            }
        }
        Ok(true)
    }

    /// A fault with the commit since which its file may be what a role was made for.
    fn dated(
        &self,
        (path, whose, role): (&RepoPath, &ServiceAccountRef, &Role<'_>),
        fault: String,
        is_settled: &dyn Fn(&Declaration) -> bool,
    ) -> Result<String, Error> {
        if self.manifests.rendered.is_some() {
            return Ok(fault);
        }
        let key = (path.clone(), fault);
        if let Some(known) = self.dated.borrow().get(&key) {
            return Ok(known.clone());
        }
        let read = self.reader();
        let is_so = |bytes: &[u8]| {
            let file = read(path, bytes);
            file.is_some_and(|file| file.may_be(whose, role, is_settled))
        };
        let since = self.repository.so_since(self.ours, path, &is_so)?;
        let dated = doubts::dated(&key.1, since);
        self.dated.borrow_mut().insert(key, dated.clone());
        Ok(dated)
    }

    /// Whether a file has declared a role all along since a commit.
    fn declares_since(
        &self,
        commit: &CommitId,
        (path, whose, role): (&RepoPath, &ServiceAccountRef, &Role<'_>),
    ) -> Result<bool, Error> {
        let content = self.repository.content(self.ours, path)?;
        // Of a link, it is only known where it leads.
        if self.manifests.rendered.is_some() || !matches!(content, Content::File(_)) {
            return Ok(true);
        }
        let read = self.reader();
        let declares =
            |bytes: &[u8]| read(path, bytes).is_some_and(|file| file.declares(whose, role));
        let since = self.repository.so_since(self.ours, path, &declares)?;
        Ok(since
            .is_none_or(|since| self.repository.ancestry(&since.id, commit) == Ancestry::Ancestor))
    }
}
