//! Which files that a cluster's run does not read declare a role that is to be retired, or may do so:
//! what moved was not removed, and it may have been broken on the way.
//!
//! Another cluster may declare a ServiceAccount of the same name, and a chart that nobody renders here
//! may never have been readable. Neither is new, so what was there before the ServiceAccount was lost,
//! and all along since it was applied last, proves nothing; what is new may be what the role was made for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::manifests::scope;
use super::{Declarations, Error, Manifests, rendered};
use crate::manifest::{self, Declaration, Extractor, Hides, Management};
use crate::model::commit::CommitId;
use crate::model::conventions::NamespaceRules;
use crate::model::history::{Ancestry, Elsewhere, Place};
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::plan::history::{Questions, Retiring};
use crate::source::{Content, Known, Repository, Scope};

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

/// What such a file says.
#[derive(Default)]
struct File {
    declarations: Vec<Declaration>,
    /// Why it cannot be read whole, if it cannot.
    broken: Option<Broken>,
}

/// A file that cannot be read whole.
struct Broken {
    content: Vec<u8>,
    fault: String,
    /// What may be in its parts that are not understood and hold the annotation.
    hides: Vec<Hides>,
}

/// What is looked at to find where the ServiceAccounts of some roles are declared.
struct Look<'a> {
    manifests: &'a Manifests,
    repository: &'a Repository,
    ours: &'a CommitId,
    questions: &'a Questions,
    scope: Scope,
    names: BTreeSet<&'a str>,
    /// Files of commits that were asked of.
    known: RefCell<(Known<File>, Commits)>,
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
            known: RefCell::default(),
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
                place = now.iter().find_map(|(path, file)| {
                    let is_place = places.contains(&path);
                    let about = (path, whose, role);
                    let fault = file.suspicion(about, is_place, before.as_deref())?;
                    Some(elsewhere(path, Place::Broken(fault)))
                });
            }
            let known = || places.first().map(|path| elsewhere(path, Place::Known));
            found.extend(place.or_else(known).map(|found| (whose.clone(), found)));
        }
        Ok(found)
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
                let all = rendered::read_at(rendered, (commit, self.ours), &look)?;
                let all = all.into_iter();
                all.map(|(path, file)| (path, Rc::new(file))).collect()
            }
            None => (self.repository).look_at(commit, &Scope::default(), known, &look)?,
        };
        let found = Rc::new(found);
        files.insert(commit.clone(), found.clone());
        Ok(found)
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

impl File {
    fn new(
        extractor: &Extractor,
        rules: &NamespaceRules,
        path: &RepoPath,
        bytes: &[u8],
        names: &BTreeSet<&str>,
    ) -> Option<Self> {
        let extract = extractor.extract(path, bytes);
        let extract = extract.map(|extract| extract.placed(path, rules));
        let fault = match &extract {
            Some(extract) if !extract.is_whole() => {
                extract.doubts.first().map(|d| extract.fault(d))
            }
            _ if mentions_any(bytes, names) && !extractor.is_readable(bytes) => {
                Some("it does not parse".to_owned())
            }
            _ => None,
        };
        let doubts = extract.iter().flat_map(|extract| &extract.doubts);
        let broken = fault.map(|fault| Broken {
            content: bytes.to_vec(),
            fault,
            hides: doubts.map(|doubt| doubt.hides.clone()).collect(),
        });
        let declarations = extract.map_or_else(Vec::new, |extract| extract.declarations);
        let is_of_use = broken.is_some() || !declarations.is_empty();
        is_of_use.then_some(Self {
            declarations,
            broken,
        })
    }

    /// Whether it declares a role.
    fn declares(&self, whose: &ServiceAccountRef, role: &Role<'_>) -> bool {
        let mut declarations = self.declarations.iter();
        declarations.any(|declaration| declares(declaration, whose, role))
    }

    /// Whether it has to be compared with what it was before.
    fn is_suspect(&self, whose: &ServiceAccountRef, role: &Role<'_>) -> bool {
        let names = |declaration: &Declaration| {
            declaration.service_account == *whose || names_role(declaration, role)
        };
        self.broken.is_some() || self.declarations.iter().any(names)
    }

    /// Why the file may be what a role was made for, if it may; `before` are the files of a commit
    /// that had the ServiceAccount. That it is a place which declares it is no suspicion.
    fn suspicion(
        &self,
        (path, whose, role): (&RepoPath, &ServiceAccountRef, &Role<'_>),
        is_place: bool,
        before: Option<&Files>,
    ) -> Option<String> {
        let others = self.declarations.iter();
        let mut others = others.filter(|other| !is_place || !declares(other, whose, role));
        let declared = others.find_map(|declaration| {
            let names_role = names_role(declaration, role);
            let is_whose = declaration.service_account == *whose;
            let is_possible = declaration.management != Management::Unmanaged
                && (is_whose || names_role)
                && !before.is_some_and(|before| is_anothers(declaration, before));
            is_possible.then(|| suspicious(declaration, names_role))
        });
        declared.or_else(|| {
            let broken = self.broken.as_ref()?;
            let is_possible = match before {
                Some(before) => broken.is_new(path, whose, role, before),
                None => broken.mentions(whose, role),
            };
            is_possible.then(|| broken.fault.clone())
        })
    }
}

impl Broken {
    fn mentions(&self, whose: &ServiceAccountRef, role: &Role<'_>) -> bool {
        mentions_any(&self.content, &BTreeSet::from([whose.name.as_str()]))
            || memchr::memmem::find(&self.content, role.name.as_bytes()).is_some()
    }

    /// Whether it could hold a ServiceAccount that it could not hold before.
    fn is_new(
        &self,
        path: &RepoPath,
        whose: &ServiceAccountRef,
        role: &Role<'_>,
        before: &Files,
    ) -> bool {
        let mut all = before.values().filter_map(|file| file.broken.as_ref());
        if all.any(|other| other.content == self.content) {
            return false;
        }
        let was_broken = before.get(path).is_some_and(|file| file.broken.is_some());
        let may_hide = || self.hides.iter().any(|hides| hides.may_be(whose));
        self.mentions(whose, role) || (!was_broken && may_hide())
    }
}

/// Whether a declaration is known to be another cluster's: it was there before, or roles named like
/// the one that it names were.
fn is_anothers(declaration: &Declaration, before: &Files) -> bool {
    let mut known = before.values().flat_map(|file| &file.declarations);
    known.any(|other| {
        let is_same = other.service_account == declaration.service_account
            && other.declares() == declaration.declares();
        let is_managed = declaration.management == Management::Managed;
        is_same || (is_managed && family(other).is_some() && family(other) == family(declaration))
    })
}

/// What the roles of a cluster have in common: the ARN before namespace and name.
fn family(declaration: &Declaration) -> Option<&str> {
    let ServiceAccountRef { namespace, name } = &declaration.service_account;
    let family = given(declaration)?.strip_suffix(&format!("{namespace}_{name}"))?;
    family.ends_with(['/', '_']).then_some(family)
}

/// Whether a declaration is the one of a role.
fn declares(declaration: &Declaration, whose: &ServiceAccountRef, role: &Role<'_>) -> bool {
    declaration.service_account == *whose
        && declaration.management == Management::Managed
        && names_role(declaration, role)
}

/// Whether the role-arn annotation names a role.
fn names_role(declaration: &Declaration, role: &Role<'_>) -> bool {
    given(declaration).is_some_and(|given| role.given.iter().any(|own| own == given))
}

fn given(declaration: &Declaration) -> Option<&str> {
    declaration.role_arn.as_ref().map(|arn| arn.value.as_str())
}

fn suspicious(declaration: &Declaration, names_role: bool) -> String {
    let line = declaration.location.line;
    match (declaration.management, given(declaration)) {
        (Management::Invalid, _) => format!("line {line}: its ServiceAccount has errors"),
        (_, Some(_)) if names_role => format!(
            "line {line}: its ServiceAccount `{}` names the role",
            declaration.service_account
        ),
        (_, Some(arn)) => format!("line {line}: its role-arn annotation is `{arn}`"),
        (_, None) => format!("line {line}: it has no role-arn annotation"),
    }
}

/// Whether one of the names of Kubernetes objects is written in it.
pub(super) fn mentions_any(bytes: &[u8], names: &BTreeSet<&str>) -> bool {
    words(&manifest::narrow(bytes)).any(|word| named(word, names).is_some())
}

/// Which of the names of Kubernetes objects are written in it.
pub(super) fn mentioned<'n>(bytes: &[u8], names: &BTreeSet<&'n str>) -> BTreeSet<&'n str> {
    let bytes = manifest::narrow(bytes);
    let named = words(&bytes).filter_map(|word| named(word, names));
    named.collect()
}

fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    bytes.split(move |byte| !is_part(byte))
}

fn named<'n>(word: &[u8], names: &BTreeSet<&'n str>) -> Option<&'n str> {
    let word = std::str::from_utf8(word).unwrap_or_default();
    let found = names.get(word);
    found
        .or_else(|| names.get(word.trim_matches(['.', '-'])))
        .copied()
}
