//! The first step of every verb: from a repository or directory to what its manifests ask for.

use std::path::PathBuf;
use std::rc::Rc;

use crate::desired::{self, Resolved};
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{self, Completeness, Extract};
use crate::model::cluster::Naming;
use crate::model::commit::CommitId;
use crate::model::history::Ancestry;
use crate::model::location::{Location, RepoPath};
use crate::model::service_account::ServiceAccountRef;
use crate::plan::guard::Refusal;
use crate::settings::ClusterSettings;
use crate::source::{
    self, Alternates, Cache, Content, Credentials, Phase, Repository, Scope, Snapshot,
};
use crate::source::{Token, Unread, UnreadReason};

use super::args::{RepositoryArgs, SourceArgs};
use super::console::Console;
use super::error::Error;
use super::history;
use super::progress::Progress;

/// All manifests of one revision, read once for all clusters.
pub(super) struct Manifests {
    snapshot: Snapshot<Extract>,
    /// What was read: all paths of all clusters.
    pub(super) scope: Scope,
    diagnostics: Vec<Diagnostic>,
    /// Where the history is, unless plain files were read.
    pub(super) repository: Option<Rc<Repository>>,
    /// The cache that said what need not be read.
    cache: Option<PathBuf>,
}

/// What the cache remembers of the documents of a file.
struct Documents<'a>(&'a Cache);

impl manifest::Memory for Documents<'_> {
    fn knows(&self, document: &str) -> bool {
        self.0.knows(document.as_bytes())
    }

    fn learn(&self, document: &str) {
        self.0.learn(document.as_bytes());
    }
}

/// Reads one file with what the cache remembers.
fn extract(cache: Option<&Cache>) -> impl Fn(&RepoPath, &[u8]) -> Option<Extract> + Sync {
    move |path, bytes| match cache {
        Some(cache) => manifest::extract_with(path, bytes, &Documents(cache)),
        None => manifest::extract(path, bytes),
    }
}

/// The paths of all clusters; one that reads everything makes it everything.
pub(super) fn union(scopes: impl Iterator<Item = Vec<RepoPath>>) -> Vec<RepoPath> {
    let scopes: Vec<_> = scopes.collect();
    if scopes.iter().any(Vec::is_empty) {
        vec![]
    } else {
        scopes.concat()
    }
}

/// The paths of all clusters, of settings that are validated.
pub(super) fn all_paths(clusters: &[ClusterSettings]) -> Vec<RepoPath> {
    union(clusters.iter().map(|cluster| cluster.paths.clone()))
}

/// What the manifests of one cluster ask for.
pub(super) struct Asked {
    pub(super) resolved: Resolved,
    /// All findings about manifests, in the order of their places.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Whether a ServiceAccount can have been missed.
    pub(super) completeness: Completeness,
}

impl Manifests {
    /// Reads everything below the paths; no path means everything.
    pub(super) fn read(
        args: &SourceArgs,
        paths: &[RepoPath],
        console: &Console,
    ) -> Result<Self, Error> {
        let scope = Scope {
            paths: paths.to_vec(),
        };
        let cache = cache(&args.repository);
        let Some(directory) = &args.directory else {
            let repository = Rc::new(open(&args.repository, &args.revision, console)?);
            let commit = repository.resolve(&args.revision)?;
            let mut manifests = Self::at(&repository, &commit, paths, cache.as_ref())?;
            if let Some(commit) = manifests.commit() {
                let uncommitted = uncommitted(&repository, commit, &scope);
                manifests.diagnostics.extend(uncommitted);
            }
            return Ok(manifests);
        };
        let commit = args.commit.as_deref().map(CommitId::new).transpose()?;
        let look = extract(cache.as_ref());
        let snapshot = source::directory::read(directory, &scope, commit, &look)?;
        cache.iter().for_each(Cache::save);
        let mut diagnostics = Vec::new();
        if snapshot.commit.is_none() {
            diagnostics.push(
                Diagnostic::warning(
                    Code::CommitUnknown,
                    "the files stand for no commit, so new roles get no commit tags",
                )
                .with_hint(
                    "say which commit they were rendered from: --commit \"$(git rev-parse HEAD)\"",
                ),
            );
        }
        Ok(Self {
            snapshot,
            scope,
            diagnostics,
            repository: None,
            cache: None,
        })
    }

    /// Reads everything below the paths at one commit of an open repository.
    pub(super) fn at(
        repository: &Rc<Repository>,
        commit: &CommitId,
        paths: &[RepoPath],
        cache: Option<&Cache>,
    ) -> Result<Self, Error> {
        let scope = Scope {
            paths: paths.to_vec(),
        };
        let snapshot = repository.read(commit, &scope, cache, &extract(cache))?;
        tracing::info!(
            %commit,
            files = snapshot.files_seen,
            with_annotation = snapshot.files.len(),
            "manifests read"
        );
        Ok(Self {
            snapshot,
            scope,
            diagnostics: vec![],
            repository: Some(repository.clone()),
            cache: cache.and_then(Cache::in_use).map(Into::into),
        })
    }

    /// Reads the same commit again without the cache: what there is if the cache hid some of it. One that
    /// somebody tampered with could hide what speaks against a role.
    pub(super) fn without_cache(&self) -> Result<Option<Self>, Error> {
        let (Some(repository), Some(commit), Some(cache)) =
            (&self.repository, self.commit(), &self.cache)
        else {
            return Ok(None);
        };
        let mut whole = Self::at(repository, commit, &self.scope.paths, None)?;
        let (all, seen) = (&whole.snapshot, &self.snapshot);
        if (&all.files, &all.unread) == (&seen.files, &seen.unread) {
            return Ok(None);
        }
        tracing::warn!(path = %cache.display(), "the cache hides manifests and is not used: delete it, and find out who wrote to it");
        whole.diagnostics.clone_from(&self.diagnostics);
        Ok(Some(whole))
    }

    /// As [`Manifests::at`], but a path that is not there yet holds nothing: for a base that a
    /// change is compared with, never for what roles are retired by.
    pub(super) fn at_base(
        repository: &Rc<Repository>,
        commit: &CommitId,
        paths: &[RepoPath],
    ) -> Result<Self, Error> {
        let mut existing = paths.to_vec();
        loop {
            match Self::at(repository, commit, &existing, None) {
                Err(Error::Source(source::Error::MissingPath { path, .. })) => {
                    existing.retain(|other| *other != path);
                    if existing.is_empty() {
                        // No path at all would mean everything.
                        let mut nothing = Self::at(repository, commit, &[], None)?;
                        nothing.snapshot.files.clear();
                        nothing.snapshot.unread.clear();
                        return Ok(nothing);
                    }
                }
                read => return read,
            }
        }
    }

    /// The repository for people.
    pub(super) fn repository(&self) -> &str {
        &self.snapshot.repository
    }

    /// The commit that was read.
    pub(super) fn commit(&self) -> Option<&CommitId> {
        self.snapshot.commit.as_ref()
    }

    /// The same repository's manifests at a base, which need not have all the paths yet.
    pub(super) fn base(&self, revision: &str, paths: &[RepoPath]) -> Result<Option<Self>, Error> {
        let base = |repository: &Rc<Repository>| {
            let commit = repository.resolve(revision)?;
            Self::at_base(repository, &commit, paths)
        };
        self.repository.as_ref().map(base).transpose()
    }

    /// Refuses a commit that is not in the history of a branch, or of what was named in full.
    pub(super) fn require_reachable_from(&self, reference: &str) -> Result<(), Error> {
        let (Some(repository), Some(commit)) = (&self.repository, self.commit()) else {
            return Ok(());
        };
        let later = repository.resolve_branch(reference);
        let later = later.map_err(|e| Error::from(e).about("--require-reachable-from"))?;
        if repository.ancestry(commit, &later) == Ancestry::Ancestor {
            return Ok(());
        }
        let (commit, reference) = (commit.clone(), reference.to_owned());
        Err(Refusal::Unreachable { commit, reference }.into())
    }

    /// Whether a file asks for the same role of a ServiceAccount at two commits.
    pub(super) fn declares_the_same(
        &self,
        a: &CommitId,
        b: &CommitId,
        path: &RepoPath,
        service_account: &ServiceAccountRef,
    ) -> bool {
        let declared = |commit| {
            let content = self.repository.as_ref()?.content(commit, path);
            let Ok(Content::File(content)) = content else {
                return None;
            };
            let mut declarations = manifest::extract(path, &content)?.declarations.into_iter();
            let declaration = declarations.find(|d| d.service_account == *service_account)?;
            Some(history::essence(&declaration))
        };
        declared(a).is_some_and(|before| declared(b) == Some(before))
    }

    /// What the manifests below the paths ask for.
    pub(super) fn asked(&self, paths: &[RepoPath], naming: &Naming) -> Asked {
        let scope = Scope {
            paths: paths.to_vec(),
        };
        let files = || {
            self.snapshot
                .files
                .iter()
                .filter(|(path, _)| scope.covers(path))
        };
        let unread = self
            .snapshot
            .unread
            .iter()
            .filter(|unread| scope.leaves_unknown(unread));
        let unread: Vec<Diagnostic> = unread.map(not_read).collect();
        let partial = !unread.is_empty()
            || files().any(|(_, file)| file.completeness == Completeness::Partial);
        let resolved = desired::resolve(files().flat_map(|(_, file)| &file.declarations), naming);
        let mut diagnostics = self.diagnostics.clone();
        diagnostics.extend(unread);
        diagnostics.extend(files().flat_map(|(_, file)| file.diagnostics.iter().cloned()));
        diagnostics.extend(resolved.diagnostics.iter().cloned());
        diagnostics.sort_by(|a, b| a.location.cmp(&b.location));
        Asked {
            resolved,
            diagnostics,
            completeness: if partial {
                Completeness::Partial
            } else {
                Completeness::Whole
            },
        }
    }
}

/// Opens or clones the repository, with whatever credentials the environment offers.
pub(super) fn open(
    args: &RepositoryArgs,
    revision: &str,
    console: &Console,
) -> Result<Repository, Error> {
    let alternates = if args.allow_alternates {
        Alternates::Allowed
    } else {
        Alternates::Refused
    };
    let progress = Progress::spinner(console, "connecting");
    let report = |phase| match phase {
        Phase::Connecting => {}
        Phase::Receiving(done, of) => progress.set("receiving objects", done, of),
    };
    Ok(Repository::open(
        &args.repo,
        revision,
        &credentials(args),
        alternates,
        &report,
    )?)
}

/// The cache that the user wants; nowhere to keep one is no fault.
fn cache(args: &RepositoryArgs) -> Option<Cache> {
    if args.no_cache {
        return None;
    }
    let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let directory = args.cache_dir.clone().or_else(|| {
        let base = env("XDG_CACHE_HOME").map(PathBuf::from);
        let base = base.or_else(|| Some(PathBuf::from(env("HOME")?).join(".cache")));
        base.filter(|base| base.is_absolute())
            .map(|base| base.join("irsa-gitops"))
    });
    Some(Cache::open(&directory?, manifest::VERSION))
}

/// Tokens for Git hosts as CI systems name them. Those that a CI system sets are shown to its own
/// host only; those that a user sets for this program, to any.
fn credentials(args: &RepositoryArgs) -> Credentials {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host_of = |url: &str| {
        let host = url.split("://").last().unwrap_or_default();
        host.split('/').next().unwrap_or_default().to_owned()
    };
    let github = env("GITHUB_SERVER_URL").map_or("github.com".to_owned(), |url| host_of(&url));
    let gitlab = env("CI_SERVER_HOST").unwrap_or_else(|| "gitlab.com".to_owned());
    let named = [
        ("IRSA_GITOPS_GIT_TOKEN", None),
        ("GIT_TOKEN", None),
        ("GITHUB_TOKEN", Some(&github)),
        ("GH_TOKEN", Some(&github)),
        ("GITLAB_TOKEN", Some(&gitlab)),
        ("CI_JOB_TOKEN", Some(&gitlab)),
    ];
    let token = |(source, host): (&'static str, Option<&String>)| {
        env(source).map(|secret| Token {
            host: host.cloned(),
            source,
            secret,
        })
    };
    let proxies = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    Credentials {
        tokens: named.into_iter().filter_map(token).collect(),
        ssh_key: args.ssh_key.clone(),
        home: env("HOME").map(Into::into),
        proxied: proxies.iter().any(|name| env(name).is_some()),
    }
}

/// Says that edits which are in no commit have no effect, if there are any and `HEAD` is read.
fn uncommitted(repository: &Repository, commit: &CommitId, scope: &Scope) -> Option<Diagnostic> {
    if repository.resolve("HEAD").ok().as_ref() != Some(commit) {
        return None;
    }
    let changed = repository.uncommitted(scope, &|path, bytes| {
        manifest::extract(path, bytes).is_some()
    });
    let first = changed.first()?;
    let what = match changed.len() - 1 {
        0 => format!("`{first}` differs"),
        others => format!("`{first}` and {others} more differ"),
    };
    let message = format!("{what} in the work tree from commit {}", commit.short());
    Some(
        Diagnostic::warning(Code::DirtyWorkTree, message)
            .with_hint("only the commit is read; commit the change for it to have an effect"),
    )
}

fn not_read(unread: &Unread) -> Diagnostic {
    let (what, hint) = match &unread.reason {
        UnreadReason::Submodule => (
            "a submodule is not read",
            "render its manifests into this repository, or leave it out with --path",
        ),
        UnreadReason::Symlink | UnreadReason::LinkedDirectory(_) => (
            "a symbolic link is not followed",
            "commit what it leads to in its place, remove it, or leave it out with --path",
        ),
        UnreadReason::LfsPointer => (
            "this is a Git LFS pointer, and its content is not here",
            "keep manifests out of Git LFS, or leave it out with --path",
        ),
    };
    Diagnostic::error(Code::NotRead, what)
        .at(Location {
            path: unread.path.clone(),
            line: 1,
            column: 1,
        })
        .with_hint(hint)
}
