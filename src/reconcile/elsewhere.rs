//! Which files that a cluster's run does not read declare a role that is to be retired, or may do so:
//! what moved was not removed, and it may have been broken on the way.
//!
//! Another cluster may declare a ServiceAccount of the same name, and a chart that nobody renders here
//! may never have been readable. Neither is new since the role was last written, so what was there
//! before in the same way proves nothing; what is new may be what the role was made for.

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
use crate::source::{Known, Scope};

/// The files of a commit that a run does not read, and that may declare a role.
type Files = BTreeMap<RepoPath, Rc<File>>;

/// A role that may be retired.
struct Role<'a> {
    name: &'a str,
    /// What the role-arn annotation of its ServiceAccount says: the ARN or, where the webhook composes it,
    /// the end.
    given: [String; 2],
    since: Option<&'a CommitId>,
}

impl<'a> Role<'a> {
    fn new(Retiring { arn, since, .. }: &'a Retiring) -> Self {
        let bare = format!("{}{}", arn.path, arn.name);
        let bare = bare.strip_prefix('/').unwrap_or_default().to_owned();
        Self {
            name: arn.name.as_str(),
            given: [arn.to_string(), bare],
            since: since.as_ref(),
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

impl Manifests {
    /// Which files outside of a cluster's paths declare one of these roles, or may do so. Files of
    /// the other clusters of the run are known to be theirs, if nothing is wrong with them.
    pub(super) fn elsewhere(
        &self,
        questions: &Questions,
        paths: &[RepoPath],
    ) -> Result<BTreeMap<ServiceAccountRef, Elsewhere>, Error> {
        let mut found = BTreeMap::new();
        let (Some(repository), Some(ours)) = (self.graph(), self.commit()) else {
            return Ok(found);
        };
        let retiring = &questions.retiring;
        if retiring.is_empty() || paths.is_empty() {
            return Ok(found);
        }
        let extractor: &Extractor = &self.extractor;
        let names: BTreeSet<&str> = retiring.keys().map(|whose| whose.name.as_str()).collect();
        let scope = scope(paths, &questions.ignore);
        let is_left = |path: &RepoPath| scope.is_around(path) || scope.ignore.ignores(path);
        let look = |path: &RepoPath, bytes: &[u8]| match is_left(path) {
            true => None,
            false => File::new(extractor, &questions.namespaces, path, bytes, &names),
        };
        let mut known = Known::default();
        let mut files = |commit: &CommitId| -> Result<Files, Error> {
            Ok(match &self.rendered {
                Some(rendered) => {
                    let all = rendered::read_at(rendered, (commit, ours), &look)?;
                    let all = all.into_iter();
                    all.map(|(path, file)| (path, Rc::new(file))).collect()
                }
                None => repository.look_at(commit, &Scope::default(), &mut known, &look)?,
            })
        };
        let now = files(ours)?;
        let mut earlier: Option<(CommitId, Files)> = None;
        // Those of one commit follow each other, so that it is looked at once.
        let mut retiring: Vec<_> = retiring.iter().collect();
        retiring.sort_by_key(|(_, role)| &role.since);
        for (whose, role) in retiring {
            let role = &Role::new(role);
            let places = self.declaring(&now, whose, role);
            if places.is_empty() && !now.values().any(|file| file.is_suspect(whose, role)) {
                continue;
            }
            let since = role.since;
            let since =
                since.filter(|commit| repository.ancestry(commit, ours) == Ancestry::Ancestor);
            let since = match &self.rendered {
                Some(rendered) => since.and_then(|since| rendered.standing_for(since, ours)),
                None => since,
            };
            let is_of = |since: &CommitId| earlier.as_ref().is_some_and(|(of, _)| of == since);
            if let Some(since) = since.filter(|since| !is_of(since)) {
                earlier = Some((since.clone(), files(since)?));
            }
            let before = since.and(earlier.as_ref()).map(|(_, files)| files);
            let declared_before = |path: &&RepoPath| {
                let file = before.and_then(|before| before.get(path));
                file.is_some_and(|file| file.declares(whose, role))
            };
            let elsewhere = |path: &RepoPath, place: Place| {
                let declaring = places.iter().copied().cloned().collect();
                Elsewhere {
                    path: path.clone(),
                    place,
                    declaring,
                }
            };
            let new = places.iter().copied().find(|path| !declared_before(path));
            let suspect = || {
                now.iter().find_map(|(path, file)| {
                    let fault = file.suspicion(path, whose, role, before)?;
                    Some(elsewhere(path, Place::Broken(fault)))
                })
            };
            let new = new.map(|path| elsewhere(path, Place::New)).or_else(suspect);
            let known = || places.first().map(|path| elsewhere(path, Place::Known));
            found.extend(new.or_else(known).map(|found| (whose.clone(), found)));
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
        self.declarations.iter().any(|declaration| {
            declaration.service_account == *whose
                && declaration.management == Management::Managed
                && names_role(declaration, role)
        })
    }

    /// Whether it has to be compared with what it was before.
    fn is_suspect(&self, whose: &ServiceAccountRef, role: &Role<'_>) -> bool {
        let names = |declaration: &Declaration| {
            declaration.service_account == *whose || names_role(declaration, role)
        };
        self.broken.is_some() || self.declarations.iter().any(names)
    }

    /// Why the file may be what a role was made for, if it may; `before` are the files of the commit
    /// that last wrote the role.
    fn suspicion(
        &self,
        path: &RepoPath,
        whose: &ServiceAccountRef,
        role: &Role<'_>,
        before: Option<&Files>,
    ) -> Option<String> {
        let declared = self.declarations.iter().find_map(|declaration| {
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
