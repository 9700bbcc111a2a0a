//! What a run reads and does not understand, and whose removal that may hide.
//!
//! A doubt reaches no further than what it can hide: a file that is not understood holds the removals
//! of the ServiceAccounts that may be in it, a submodule or a link those of all; and nobody's if it is
//! byte for byte what it was before the removal, because then nothing can have moved there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::mentions::mentioned;
use super::{Error, Manifests};
use crate::manifest::{self, Extractor, Hides};
use crate::model::commit::CommitId;
use crate::model::conventions::NamespaceRules;
use crate::model::history::CommitInfo;
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::source::{self, Content, Repository, Scope, UnreadReason};

/// All doubts of a run over some paths.
pub(super) struct Doubts<'a> {
    repository: &'a Repository,
    ours: &'a CommitId,
    extractor: &'a Extractor,
    rules: &'a NamespaceRules,
    all: Vec<Doubt<'a>>,
    /// The faults of files with the commits since which they are so, as far as that was asked.
    dated: RefCell<BTreeMap<(RepoPath, String), String>>,
}

/// A file, link or submodule that is not understood.
struct Doubt<'a> {
    path: &'a RepoPath,
    what: What<'a>,
}

enum What<'a> {
    /// Parts of a file.
    Parts(manifest::Extract),
    /// A submodule or a link; of a link to a directory, that one.
    Unread(&'static str, Option<&'a RepoPath>),
    /// A file whose content is in Git LFS. Whatever it holds, it is the same file until it changes.
    Lfs,
}

impl Manifests {
    /// What is not understood below some paths, whether it can hold the annotation or not.
    pub(super) fn doubts<'a>(
        &'a self,
        repository: &'a Repository,
        ours: &'a CommitId,
        scope: &Scope,
        rules: &'a NamespaceRules,
    ) -> Result<Doubts<'a>, Error> {
        let files = self.whole()?.iter();
        let parts = files.filter_map(|(path, extract)| {
            let may_be_doubtful = scope.covers(path) && !extract.is_placed_and_whole();
            let extract = may_be_doubtful.then(|| extract.clone().placed(path, rules))?;
            let what = (!extract.is_whole()).then_some(What::Parts(extract))?;
            Some(Doubt { path, what })
        });
        let unread = self.snapshot.unread.iter();
        let unread = unread.filter(|unread| scope.leaves_unknown(unread));
        let unread = unread.map(|unread| Doubt {
            path: &unread.path,
            what: match &unread.reason {
                UnreadReason::Submodule => What::Unread("it is a submodule", None),
                UnreadReason::Symlink => What::Unread("it is a symbolic link", None),
                UnreadReason::LinkedDirectory(target) => {
                    What::Unread("it is a symbolic link", Some(target))
                }
                UnreadReason::LinkedSubmodule(target) => {
                    What::Unread("it is a symbolic link into a submodule", Some(target))
                }
                UnreadReason::LfsPointer => What::Lfs,
            },
        });
        Ok(Doubts {
            repository,
            ours,
            extractor: &self.extractor,
            rules,
            all: parts.chain(unread).collect(),
            dated: RefCell::default(),
        })
    }
}

impl Doubts<'_> {
    /// The first file that may hide a ServiceAccount, and why, and since which commit: it is not what it
    /// was at the commit before it was lost. `gone_by` is the commit since which it is gone for good.
    pub(super) fn hiding(
        &self,
        service_account: &ServiceAccountRef,
        before: Option<&CommitId>,
        gone_by: &CommitId,
    ) -> Result<Option<(RepoPath, String)>, source::Error> {
        for doubt in &self.all {
            let Some(fault) = doubt.fault(service_account) else {
                continue;
            };
            if !self.is_as_before(doubt, before, gone_by)? {
                let is_so = |bytes: &[u8]| self.may_be_in(doubt, bytes, service_account);
                let fault = self.dated(doubt.path, &fault, &is_so)?;
                return Ok(Some((doubt.path.clone(), fault)));
            }
        }
        Ok(None)
    }

    /// The first file that is not understood, whatever its age, and has the name of one of some
    /// ServiceAccounts.
    pub(super) fn naming<'s>(
        &self,
        all: impl Iterator<Item = &'s ServiceAccountRef> + Clone,
    ) -> Result<BTreeMap<ServiceAccountRef, (RepoPath, String)>, source::Error> {
        let mut found = BTreeMap::new();
        let names: BTreeSet<&str> = all.clone().map(|whose| whose.name.as_str()).collect();
        for doubt in &self.all {
            let What::Parts(extract) = &doubt.what else {
                continue;
            };
            let any = extract.doubts.iter().find(|d| d.hides == Hides::Any);
            let mentioned = match any {
                Some(_) => match self.repository.content(self.ours, doubt.path)? {
                    Content::File(text) => mentioned(&text, &names),
                    _ => BTreeSet::new(),
                },
                None => BTreeSet::new(),
            };
            for whose in all.clone() {
                if found.contains_key(whose) {
                    continue;
                }
                let mut doubts = extract.doubts.iter();
                let named = doubts.find(|doubt| doubt.hides.names(whose));
                let named = named.or(any.filter(|_| mentioned.contains(whose.name.as_str())));
                if let Some(named) = named {
                    let is_so = |bytes: &[u8]| self.may_be_in(doubt, bytes, whose);
                    let fault = self.dated(doubt.path, &extract.fault(named), &is_so)?;
                    found.insert(whose.clone(), (doubt.path.clone(), fault));
                }
            }
        }
        Ok(found)
    }

    /// Whether another version of a file that is not understood may hide a ServiceAccount.
    fn may_be_in(&self, doubt: &Doubt<'_>, bytes: &[u8], whose: &ServiceAccountRef) -> bool {
        if !matches!(doubt.what, What::Parts(_)) {
            return false;
        }
        let extract = self.extractor.extract(doubt.path, bytes);
        let extract = extract.map(|extract| extract.placed(doubt.path, self.rules));
        let mut doubts = extract.iter().flat_map(|extract| &extract.doubts);
        doubts.any(|doubt| doubt.hides.may_be(whose))
    }

    /// A fault with the commit since which its file is so.
    pub(super) fn dated(
        &self,
        path: &RepoPath,
        fault: &str,
        is_so: &dyn Fn(&[u8]) -> bool,
    ) -> Result<String, source::Error> {
        let key = (path.clone(), fault.to_owned());
        if let Some(known) = self.dated.borrow().get(&key) {
            return Ok(known.clone());
        }
        let since = self.repository.so_since(self.ours, path, is_so)?;
        let dated = dated(fault, since);
        self.dated.borrow_mut().insert(key, dated.clone());
        Ok(dated)
    }

    fn is_as_before(
        &self,
        doubt: &Doubt<'_>,
        before: Option<&CommitId>,
        gone_by: &CommitId,
    ) -> Result<bool, source::Error> {
        let Some(before) = before else {
            return Ok(false);
        };
        let same = |after: &CommitId, path: &RepoPath| self.repository.is_same(before, after, path);
        match &doubt.what {
            // What came later cannot be where the ServiceAccount went.
            What::Lfs => same(gone_by, doubt.path),
            What::Unread(_, Some(target)) => {
                Ok(same(self.ours, doubt.path)? && same(self.ours, target)?)
            }
            What::Parts(_) | What::Unread(_, None) => same(self.ours, doubt.path),
        }
    }
}

/// A fault with the commit since which it is so, if that is known.
pub(super) fn dated(fault: &str, since: Option<CommitInfo>) -> String {
    let since = since.map_or_else(String::new, |commit| {
        let CommitInfo {
            id, author, date, ..
        } = commit;
        format!(", since commit {} of {author} ({date})", id.short())
    });
    format!("{fault}{since}")
}

impl Doubt<'_> {
    /// Why it may hide a ServiceAccount, if it may.
    fn fault(&self, service_account: &ServiceAccountRef) -> Option<String> {
        match &self.what {
            What::Parts(extract) => {
                let mut doubts = extract.doubts.iter();
                let doubt = doubts.find(|doubt| doubt.hides.may_be(service_account))?;
                Some(extract.fault(doubt))
            }
            What::Unread(what, _) => Some((*what).to_owned()),
            What::Lfs => Some("its content is in Git LFS".to_owned()),
        }
    }
}
