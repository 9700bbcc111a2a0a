//! Where manifests come from: a Git repository at one commit, or a plain directory.
//!
//! In: what to read ([`Scope`]) and a function that reads one blob. Out: a [`Snapshot`] of what
//! that function found, in the order of the paths, and everything in scope that could not be
//! read. Knows nothing of YAML, Kubernetes or IAM; `git2` and `walkdir` stop here.

use crate::model::commit::CommitId;
use crate::model::conventions::IgnoreRules;
use crate::model::location::RepoPath;

mod answer;
mod blobs;
mod cache;
mod changes;
mod connection;
mod credentials;
mod delta;
pub mod directory;
mod error;
mod facts;
mod git;
mod history;
mod link;
mod listing;
mod pack;
mod packed;
mod remote;
mod revision;
mod revision_name;
mod ssh;
mod summed;
mod threads;
mod tree;
mod trees;
mod trusted;
mod user_config;
mod work_tree;

pub use crate::model::shell::quoted;
pub use answer::{Answer, Answered};
pub use cache::Cache;
pub use changes::{Changed, Known, Visit};
pub use credentials::{Credentials, Server, Token};
pub use error::{Class, Error, which};
pub use facts::{Facts, Remembered};
pub use git::{Alternates, Repository};
pub use history::{Blob, Content};
pub use remote::Phase;
pub use user_config::ConfigVariables;
pub use work_tree::WorkTree;

/// The largest file that is read, in bytes. Rendered releases reach 100 MB; beyond this it is an
/// accident or an attack.
const MAX_FILE_SIZE: u64 = 256 * 1024 * 1024;

/// The most files and directories that are listed: a few objects of a few bytes can stand for
/// more than any machine has memory for.
const MAX_ENTRIES: usize = 2_000_000;

/// How deep directories may nest.
const MAX_TREE_DEPTH: usize = 512;

/// How a Git LFS pointer starts: <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Which part of a revision is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Directories or files below the root, `/`-separated; empty means everything.
    pub paths: Vec<RepoPath>,
    /// What of it counts for nothing. It is read all the same.
    pub ignore: IgnoreRules,
}

/// What a function made of the blobs in scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot<T> {
    /// The repository for people and tags: a URL without credentials, or a path.
    pub repository: String,
    /// The commit that was read; a plain directory may stand for none.
    pub commit: Option<CommitId>,
    /// What was found, by path.
    pub files: Vec<(RepoPath, T)>,
    /// What is in scope and was not read, by path.
    pub unread: Vec<Unread>,
    /// How many files with a manifest's ending were read.
    pub files_seen: usize,
}

/// Something in scope that could hold manifests and was not read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// Its path below the root of the repository or directory.
    pub path: RepoPath,
    /// What kept it from being read.
    pub reason: UnreadReason,
}

/// Why something was not read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnreadReason {
    /// A submodule: never fetched.
    Submodule,
    /// A symbolic link with a manifest's ending, or to what could be a directory: never followed.
    Symlink,
    /// A symbolic link to a directory of the same revision: what is there is read under its own path
    /// only, if that is in scope.
    LinkedDirectory(RepoPath),
    /// A symbolic link into a submodule of the same revision, which is at this path.
    LinkedSubmodule(RepoPath),
    /// A Git LFS pointer where a manifest is expected.
    LfsPointer,
}

impl Scope {
    /// Whether a file is in scope.
    pub fn covers(&self, path: &RepoPath) -> bool {
        self.is_around(path) && !self.ignore.ignores(path)
    }

    /// Whether a path is in one of the scope's, ignored or not.
    pub fn is_around(&self, path: &RepoPath) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|root| is_within(path, root))
    }

    /// Whether what was not read leaves something in scope unknown.
    pub fn leaves_unknown(&self, unread: &Unread) -> bool {
        let is_read_there = match &unread.reason {
            UnreadReason::LinkedDirectory(target) => self.is_around(target),
            _ => false,
        };
        let is_ignored = match &unread.reason {
            UnreadReason::LfsPointer => self.ignore.ignores(&unread.path),
            // It stands for a directory, or may do so.
            _ => self.ignore.ignores_directory(&unread.path),
        };
        self.is_around(&unread.path) && !is_ignored && !is_read_there
    }

    /// Whether anything below a directory can be in scope.
    fn touches(&self, directory: &RepoPath) -> bool {
        self.is_around(directory) || self.paths.iter().any(|root| is_within(root, directory))
    }

    /// The paths to start from, none inside another; the empty path is the root.
    fn roots(&self) -> Vec<RepoPath> {
        if self.paths.is_empty() {
            return vec![RepoPath::from("")];
        }
        let mut roots: Vec<RepoPath> = Vec::new();
        let mut sorted = self.paths.clone();
        sorted.sort();
        for path in sorted {
            if !roots.iter().any(|root| is_within(&path, root)) {
                roots.push(path);
            }
        }
        roots
    }
}

impl<T> Snapshot<T> {
    /// Brings everything into the order of the paths, which no walk order changes.
    fn sort(&mut self) {
        self.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.unread.sort();
    }
}

fn is_within(path: &RepoPath, root: &RepoPath) -> bool {
    let rest = path.as_bytes().strip_prefix(root.as_bytes());
    root.as_bytes().is_empty() || rest.is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
}

/// Whether a path has a manifest's ending.
fn is_manifest(path: &RepoPath) -> bool {
    let name = path.as_bytes();
    let ends = |ending: &[u8]| {
        let tail = name.len().checked_sub(ending.len()).map(|at| &name[at..]);
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(ending))
    };
    ends(b".yaml") || ends(b".yml") || ends(b".json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_whole_directories_and_files() {
        let scope = Scope {
            paths: vec!["apps".into(), "infra/a.yaml".into(), "apps/x".into()],
            ..Scope::default()
        };
        for inside in ["apps", "apps/a.yaml", "apps/x/b.yaml", "infra/a.yaml"] {
            assert!(scope.covers(&inside.into()), "{inside}");
        }
        for outside in ["apps2/a.yaml", "infra/a.yaml2", "infra", "a.yaml"] {
            assert!(!scope.covers(&outside.into()), "{outside}");
        }
        assert_eq!(scope.roots(), ["apps".into(), "infra/a.yaml".into()]);
        assert!(Scope::default().covers(&"anything".into()));
        assert!(
            Scope {
                paths: vec!["".into()],
                ..Scope::default()
            }
            .covers(&"anything".into())
        );
    }

    #[test]
    fn g28_a_linked_directory_is_read_by_those_who_read_its_target() {
        let link = Unread {
            path: "clusters/a/shared".into(),
            reason: UnreadReason::LinkedDirectory("clusters/b".into()),
        };
        let scope = |paths: &[&str]| Scope {
            paths: paths.iter().map(|path| RepoPath::from(*path)).collect(),
            ..Scope::default()
        };
        assert!(scope(&["clusters/a"]).leaves_unknown(&link));
        assert!(!scope(&["clusters/a", "clusters/b"]).leaves_unknown(&link));
        assert!(!scope(&["clusters/b"]).leaves_unknown(&link));
        assert!(!scope(&[]).leaves_unknown(&link));
    }

    #[test]
    fn manifests_are_known_by_their_ending() {
        for name in ["a.yaml", "b/c.yml", "d.JSON", ".yaml"] {
            assert!(is_manifest(&name.into()), "{name}");
        }
        for name in ["a.yaml.tpl", "yaml", "b.jsonl", ""] {
            assert!(!is_manifest(&name.into()), "{name}");
        }
    }
}
