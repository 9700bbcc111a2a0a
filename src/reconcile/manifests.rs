//! The first step of every verb: from a repository or directory to what its manifests declare.

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::findings::not_read;
use super::place::{Files, Place, Rendered, scope};
use super::remembered::{Counted, extract};
use super::{ClusterManifests, Declarations, Error, Observer};
use crate::desired;
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{Extent, Extract, Extractor};
use crate::model::cluster::Naming;
use crate::model::commit::CommitId;
use crate::model::conventions::{Conventions, NamespaceRules};
use crate::model::history::{Ancestry, SourceCommit};
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::plan::History;
use crate::plan::guard::Refusal;
use crate::plan::history::Questions;
use crate::settings::ClusterSettings;
use crate::source::{self, Cache, Content, Remembered, Repository, Scope, Snapshot};

/// All manifests of one revision, read once for all clusters.
pub struct Manifests {
    pub(super) snapshot: Snapshot<Extract>,
    /// How files are read, of this revision and of others.
    pub(super) extractor: Rc<Extractor>,
    /// How much of the files was read.
    pub(super) extent: Extent,
    /// The files to their ends, once somebody has asked for that.
    pub(super) whole: OnceCell<Vec<(RepoPath, Extract)>>,
    /// What the commit was rendered from.
    source: Option<SourceCommit>,
    /// What was read: all paths of all clusters.
    pub(super) scope: Scope,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Where the history is, unless plain files were read.
    pub(super) repository: Option<Rc<Repository>>,
    /// What vouches for plain files, if anything does.
    pub(super) rendered: Option<Rendered>,
    /// Where plain files are, unless a repository was read.
    directory: PathBuf,
    /// The cache that said what need not be read.
    pub(super) cache: Option<Rc<Cache>>,
    /// How many documents the files have, where they were read to their ends.
    pub(super) counted: Counted,
    /// What every cluster of the run reads, and how its roles are named.
    pub(super) clusters: Vec<(Vec<RepoPath>, Naming)>,
    /// What history was searched for already, and what came of it: a run that writes plans twice.
    pub(super) searched: RefCell<Vec<(Questions, Vec<RepoPath>, History)>>,
}

/// How manifests are read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// What annotations and paths mean.
    pub conventions: &'a Conventions,
    /// How much of a file matters.
    pub extent: Extent,
    /// What need not be read.
    pub cache: Option<&'a Rc<Cache>>,
}

/// Where the files are that were read.
pub(super) enum Origin<'a> {
    Commit(&'a Repository, &'a CommitId),
    Directory(&'a Path),
}

/// The paths of all clusters; one that reads everything makes it everything.
pub fn all_paths(clusters: &[ClusterSettings]) -> Vec<RepoPath> {
    if clusters.iter().any(|cluster| cluster.paths.is_empty()) {
        return vec![];
    }
    clusters.iter().flat_map(|c| c.paths.clone()).collect()
}

impl Manifests {
    /// Reads everything below the paths; no path means everything.
    ///
    /// # Errors
    ///
    /// If anything in scope cannot be read: a part is no basis for a plan.
    pub fn read(
        place: &Place,
        paths: &[RepoPath],
        reading: Reading<'_>,
        observe: Observer<'_>,
    ) -> Result<Self, Error> {
        match place {
            Place::Repository(address) => {
                let repository = Rc::new(address.open(observe)?);
                let commit = repository.resolve(&address.revision)?;
                Self::at_checkout(&repository, &commit, paths, reading)
            }
            Place::Directory(files) => Self::of_directory(files, paths, reading, observe),
        }
    }

    fn of_directory(
        files: &Files,
        paths: &[RepoPath],
        reading: Reading<'_>,
        observe: Observer<'_>,
    ) -> Result<Self, Error> {
        let (extent, cache) = (reading.extent, reading.cache.map(Rc::as_ref));
        let extractor = Rc::new(Extractor::new(reading.conventions));
        let scope = scope(paths, &reading.conventions.ignore);
        let rendered = files.vouched(observe)?;
        let (directory, commit) = (&files.directory, files.commit.clone());
        let counted = Counted::default();
        let extract = extract(&extractor, extent, cache, &counted);
        let mut snapshot = source::directory::read(directory, &scope, commit, &extract)?;
        drop(extract);
        if let Some(rendered) = &rendered {
            snapshot.repository = rendered.repository.label().to_owned();
        }
        if let Some(cache) = cache {
            cache.save();
        }
        let mut diagnostics = Vec::new();
        if snapshot.commit.is_none() {
            let message = match files.repository {
                Some(_) => {
                    "the files stand for no commit, so new roles get no commit tags, and REPO is not looked at"
                }
                None => "the files stand for no commit, so new roles get no commit tags",
            };
            diagnostics.push(Diagnostic::warning(Code::CommitUnknown, message).with_hint(
                "say which commit they were rendered from: --commit \"$(git rev-parse HEAD)\"",
            ));
        }
        Ok(Self {
            source: source(rendered.as_ref().map(|it| &*it.repository), &snapshot)?,
            snapshot,
            extractor,
            extent,
            whole: OnceCell::new(),
            scope,
            diagnostics,
            repository: None,
            rendered,
            directory: directory.to_owned(),
            cache: None,
            counted,
            clusters: vec![],
            searched: RefCell::default(),
        })
    }

    /// Reads everything below the paths at one commit of an open repository.
    ///
    /// # Errors
    ///
    /// If a path is missing, or anything in scope cannot be read.
    pub fn at(
        repository: &Rc<Repository>,
        commit: &CommitId,
        paths: &[RepoPath],
        reading: Reading<'_>,
    ) -> Result<Self, Error> {
        let extractor = Rc::new(Extractor::new(reading.conventions));
        let scope = scope(paths, &reading.conventions.ignore);
        let read = (&extractor, reading.extent);
        Self::read_at(repository, commit, scope, reading.cache, read)
    }

    pub(super) fn read_at(
        repository: &Rc<Repository>,
        commit: &CommitId,
        scope: Scope,
        cache: Option<&Rc<Cache>>,
        (extractor, extent): (&Rc<Extractor>, Extent),
    ) -> Result<Self, Error> {
        let used = cache.map(Rc::as_ref);
        let counted = Counted::default();
        let extract = extract(extractor, extent, used, &counted);
        let remembered = used.map(|cache| Remembered {
            facts: Some(cache.found()),
            known: &|_| None,
            write: Extract::to_bytes,
            read: Extract::from_bytes,
        });
        let snapshot = repository.read(commit, &scope, used, remembered.as_ref(), &extract)?;
        drop(extract);
        tracing::info!(
            %commit,
            files = snapshot.files_seen,
            with_annotation = snapshot.files.len(),
            "manifests read"
        );
        Ok(Self {
            source: source(Some(repository), &snapshot)?,
            snapshot,
            extractor: extractor.clone(),
            extent,
            whole: OnceCell::new(),
            scope,
            diagnostics: vec![],
            repository: Some(repository.clone()),
            rendered: None,
            directory: PathBuf::new(),
            cache: cache.cloned(),
            counted,
            clusters: vec![],
            searched: RefCell::default(),
        })
    }

    /// As [`Manifests::at`], but a path that is not there yet holds nothing: for a base that a
    /// change is compared with, never for what roles are retired by.
    ///
    /// # Errors
    ///
    /// If anything in scope cannot be read.
    pub fn at_base(
        repository: &Rc<Repository>,
        commit: &CommitId,
        paths: &[RepoPath],
        reading: Reading<'_>,
    ) -> Result<Self, Error> {
        let extractor = Rc::new(Extractor::new(reading.conventions));
        let scope = scope(paths, &reading.conventions.ignore);
        let read = (&extractor, reading.extent);
        Self::read_base(repository, commit, scope, reading.cache, read)
    }

    fn read_base(
        repository: &Rc<Repository>,
        commit: &CommitId,
        mut existing: Scope,
        cache: Option<&Rc<Cache>>,
        read: (&Rc<Extractor>, Extent),
    ) -> Result<Self, Error> {
        loop {
            match Self::read_at(repository, commit, existing.clone(), cache, read) {
                Err(Error::Source(source::Error::MissingPath { path, .. })) => {
                    existing.paths.retain(|other| *other != path);
                    if existing.paths.is_empty() {
                        // No path at all would mean everything.
                        let everything = Scope::default();
                        let mut nothing =
                            Self::read_at(repository, commit, everything, cache, read)?;
                        nothing.snapshot.files.clear();
                        nothing.snapshot.unread.clear();
                        return Ok(nothing);
                    }
                }
                other => return other,
            }
        }
    }

    /// The same, where these clusters are read together: what is one's is nobody else's.
    #[must_use]
    pub fn of_clusters(mut self, clusters: &[ClusterSettings]) -> Self {
        let cluster = |one: &ClusterSettings| (one.paths.clone(), one.naming().clone());
        self.clusters = clusters.iter().map(cluster).collect();
        self
    }

    /// The same repository's manifests at a base, which need not have all the paths yet; `None` if
    /// plain files were read.
    ///
    /// # Errors
    ///
    /// If the base is no commit, or cannot be read.
    pub fn base(&self, revision: &str, paths: &[RepoPath]) -> Result<Option<Self>, Error> {
        let base = |repository: &Rc<Repository>| {
            let commit = repository.resolve(revision)?;
            let scope = scope(paths, &self.scope.ignore);
            let read = (&self.extractor, self.extent);
            Self::read_base(repository, &commit, scope, None, read)
        };
        self.repository.as_ref().map(base).transpose()
    }

    /// Where the order of commits is known: the repository that was read, or that of plain files.
    pub(super) fn graph(&self) -> Option<&Repository> {
        let rendered = self.rendered.as_ref().map(|rendered| &rendered.repository);
        self.repository.as_ref().or(rendered).map(Rc::as_ref)
    }

    /// Refuses a commit that is not in the history of a branch, or of what was named in full.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unreachable`], or if there is no such branch.
    pub fn require_reachable_from(&self, reference: &str) -> Result<(), Error> {
        let (Some(repository), Some(commit)) = (self.graph(), self.commit()) else {
            return Ok(());
        };
        let later = repository.resolve_branch(reference);
        let later = later?;
        if repository.ancestry(commit, &later) == Ancestry::Ancestor {
            return Ok(());
        }
        let (commit, reference) = (commit.clone(), reference.to_owned());
        Err(Refusal::Unreachable { commit, reference }.into())
    }

    /// Where the files are that were read.
    pub(super) fn origin(&self) -> Origin<'_> {
        match (&self.repository, self.commit()) {
            (Some(repository), Some(commit)) => Origin::Commit(repository, commit),
            _ => Origin::Directory(&self.directory),
        }
    }

    /// Whether a file asks for the same role of a ServiceAccount at two commits.
    pub(super) fn declares_the_same(
        &self,
        a: &CommitId,
        b: &CommitId,
        path: &RepoPath,
        service_account: &ServiceAccountRef,
        rules: &NamespaceRules,
    ) -> bool {
        let declared = |commit| {
            let content = self.repository.as_ref()?.content(commit, path);
            let Ok(Content::File(content)) = content else {
                return None;
            };
            let extract = self.extractor.declarations(path, &content)?;
            let extract = extract.placed(path, rules);
            let mut declarations = extract.declarations.into_iter();
            declarations.find(|d| d.service_account == *service_account)
        };
        let (before, after) = (declared(a), declared(b));
        before.is_some_and(|before| after.is_some_and(|a| a.declares() == before.declares()))
    }
}

impl Declarations for Manifests {
    fn repository(&self) -> &str {
        &self.snapshot.repository
    }

    fn commit(&self) -> Option<&CommitId> {
        self.snapshot.commit.as_ref()
    }

    fn source_commit(&self) -> Option<&SourceCommit> {
        self.source.as_ref()
    }

    fn declared(&self, paths: &[RepoPath], naming: &Naming) -> ClusterManifests {
        self.declared_by(&self.snapshot.files, paths, naming)
    }

    fn history(&self, questions: &Questions, paths: &[RepoPath]) -> Result<History, Error> {
        self.answer(questions, paths)
    }

    fn without_cache(&self) -> Result<Option<Self>, Error> {
        self.unhidden()
    }
}

impl Manifests {
    /// What some of the files that were read declare in a cluster.
    pub(super) fn declared_by(
        &self,
        files: &[(RepoPath, Extract)],
        paths: &[RepoPath],
        naming: &Naming,
    ) -> ClusterManifests {
        let conventions = &naming.conventions;
        let scope = scope(paths, &conventions.ignore);
        let unread = self
            .snapshot
            .unread
            .iter()
            .filter(|unread| scope.leaves_unknown(unread));
        let unread: Vec<Diagnostic> = unread.map(not_read).collect();
        let files = files.iter().filter(|(path, _)| scope.is_around(path));
        let (files, ignored): (Vec<_>, Vec<_>) = files
            .map(|(path, file)| {
                let file = file.clone().placed(path, &conventions.namespaces);
                (conventions.ignore.of_file(path), file)
            })
            .partition(|(ignored, _)| ignored.is_none());
        let declarations = files.iter().flat_map(|(_, file)| &file.declarations);
        let mut resolved = desired::resolve(declarations, naming);
        let claims = files.iter().chain(&ignored);
        resolved.note_claims(claims.flat_map(|(_, file)| &file.claims), naming);
        let ignored = ignored.iter();
        let ignored = ignored.map(|(by, file)| (by.map_or("", |ignored| ignored.rule), file));
        resolved.hold_ignored(ignored, naming);
        let mut diagnostics = self.diagnostics.clone();
        diagnostics.extend(unread);
        let found = files.into_iter().flat_map(|(_, file)| file.diagnostics);
        diagnostics.extend(self.by_directory(found.collect(), &resolved.claims));
        diagnostics.extend(resolved.diagnostics.iter().cloned());
        diagnostics.sort_by(|a, b| a.location.cmp(&b.location));
        ClusterManifests {
            resolved,
            diagnostics,
        }
    }
}

/// What the commit that was read was rendered from.
fn source<T>(
    repository: Option<&Repository>,
    snapshot: &Snapshot<T>,
) -> Result<Option<SourceCommit>, Error> {
    let (Some(repository), Some(commit)) = (repository, &snapshot.commit) else {
        return Ok(None);
    };
    Ok(repository.commit(commit)?.source.map(|source| *source))
}
