//! Edits in a work tree that are in no commit, and so are not read: somebody has to say so.
//!
//! Git looks at every file and every rule of what it ignores. Here only those files are looked at that
//! could be manifests in scope, and compared with what the index remembers of them; what seems to differ,
//! mostly nothing, is put to libgit2, which knows of filters, conflicts, submodules and links and has the
//! last word. With a handle of its own, so that it can be done beside the reading of the commit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{DirEntry, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use git2::{DiffOptions, Index, IndexEntry, IndexEntryExtendedFlag, IndexTime, StatusOptions};

use super::tree::{SYMLINK, directories_above, joined, kind_of};
use super::{Repository, Scope, directory, is_manifest};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;

/// Bits of an entry's flags that are set while a merge is not settled.
const STAGES: u16 = 0x3000;
/// The bit of a mode that Git keeps.
const EXECUTABLE: u32 = 0o100;

/// A work tree, and the commit that is checked out there.
pub struct WorkTree {
    git: git2::Repository,
    root: PathBuf,
}

impl Repository {
    /// The work tree, if a commit is the one that is checked out there. There is none in a bare
    /// repository and in a clone, and none that is looked at where the configuration puts it elsewhere.
    pub fn work_tree(&self, commit: &CommitId) -> Option<WorkTree> {
        let root = self.git.workdir()?;
        let config = self.git.config();
        let elsewhere = config.and_then(|config| config.get_path("core.worktree"));
        if elsewhere.is_ok() || self.resolve("HEAD").ok().as_ref() != Some(commit) {
            return None;
        }
        let git = git2::Repository::open(self.git.path()).ok()?;
        git.set_workdir(root, false).ok()?;
        let root = root.to_owned();
        Some(WorkTree { git, root })
    }
}

impl WorkTree {
    /// Files in scope that the work tree has otherwise than the commit, as far as they are missing there
    /// or `matters` says so of their content. Empty if the work tree cannot be examined, or once `stop`
    /// is set.
    pub fn uncommitted(
        &self,
        scope: &Scope,
        matters: &impl Fn(&RepoPath, &[u8]) -> bool,
        stop: &AtomicBool,
    ) -> Vec<RepoPath> {
        let Ok((suspects, is_plain)) = self.suspects(scope, stop) else {
            return vec![];
        };
        if suspects.is_empty() || stop.load(Ordering::Relaxed) {
            return vec![];
        }
        let mut options = StatusOptions::new();
        options
            .include_untracked(true)
            .recurse_untracked_dirs(true)
            .exclude_submodules(true);
        options.no_refresh(true).update_index(false);
        options.disable_pathspec_match(true);
        // Only by a look at everything libgit2 tells what is in a repository inside of this one.
        for path in suspects.iter().filter(|_| is_plain) {
            options.pathspec(path.as_bytes());
        }
        let Ok(statuses) = self.git.statuses(Some(&mut options)) else {
            return vec![];
        };
        let paths = statuses
            .iter()
            .map(|status| RepoPath::new(status.path_bytes()));
        let index = self.git.index();
        let concerns_us = |path: &RepoPath| {
            let entry = index.as_ref().ok();
            let entry = entry.and_then(|index| index.get_path(os_path(path), 0));
            suspects.contains(path)
                && !self.is_left_out(path, entry.as_ref())
                && directory::content(&self.root, path).is_none_or(|bytes| matters(path, &bytes))
        };
        paths.filter(concerns_us).collect()
    }

    /// Whether a sparse checkout leaves a file out: what it leaves out is missing on purpose.
    fn is_left_out(&self, path: &RepoPath, entry: Option<&IndexEntry>) -> bool {
        let skips = IndexEntryExtendedFlag::SKIP_WORKTREE.bits();
        entry.is_some_and(|entry| entry.flags_extended & skips != 0)
            && !directory::has(&self.root, path)
    }

    /// Manifests in scope that may differ from the commit, and whether no directory of them is a repository
    /// of its own.
    fn suspects(
        &self,
        scope: &Scope,
        stop: &AtomicBool,
    ) -> Result<(BTreeSet<RepoPath>, bool), git2::Error> {
        let index = self.git.index()?;
        let mut walk = Walk::new(self, scope, &index, stop);
        for root in scope.roots() {
            walk.enter(root);
        }
        let is_plain = !walk.met_repository;
        let mut suspects = walk.end();
        let mut options = DiffOptions::new();
        options.disable_pathspec_match(true);
        for root in scope
            .paths
            .iter()
            .filter(|root| !root.as_bytes().is_empty())
        {
            options.pathspec(root.as_bytes());
        }
        let tree = self.git.head()?.peel_to_tree()?;
        let staged = self
            .git
            .diff_tree_to_index(Some(&tree), Some(&index), Some(&mut options))?;
        let files = staged
            .deltas()
            .flat_map(|delta| [delta.old_file(), delta.new_file()]);
        let paths = files
            .filter_map(|file| file.path_bytes())
            .map(RepoPath::new);
        suspects.extend(paths.filter(|path| is_manifest(path) && scope.covers(path)));
        Ok((suspects, is_plain))
    }
}

/// A walk through the work tree that looks for what is otherwise than in the index.
struct Walk<'a> {
    tree: &'a WorkTree,
    scope: &'a Scope,
    stop: &'a AtomicBool,
    /// When the index was written: what was changed in that moment may have been changed after it.
    written: Option<(i64, i64)>,
    /// The manifests in scope that are in the index and were not come by yet.
    tracked: HashMap<RepoPath, IndexEntry>,
    /// The directories with anything in them that is in the index.
    directories: HashSet<RepoPath>,
    suspects: BTreeSet<RepoPath>,
    /// Whether a directory with something of this repository in it is one of its own, too.
    met_repository: bool,
}

impl<'a> Walk<'a> {
    fn new(tree: &'a WorkTree, scope: &'a Scope, index: &Index, stop: &'a AtomicBool) -> Self {
        let stamp = index.path().and_then(|path| path.metadata().ok());
        let mut walk = Self {
            tree,
            scope,
            stop,
            written: stamp.map(|stamp| (stamp.mtime(), stamp.mtime_nsec())),
            tracked: HashMap::new(),
            directories: HashSet::new(),
            suspects: BTreeSet::new(),
            met_repository: false,
        };
        let mut last = RepoPath::from("");
        for mut entry in index.iter() {
            let path = RepoPath::new(std::mem::take(&mut entry.path));
            for parent in directories_above(path.as_bytes()) {
                // Neighbours in the index are mostly neighbours in a directory.
                if parent == last.as_bytes() || !walk.directories.insert(RepoPath::new(parent)) {
                    break;
                }
            }
            let directory = directories_above(path.as_bytes()).next();
            if let Some(directory) = directory.filter(|directory| *directory != last.as_bytes()) {
                last = RepoPath::new(directory);
            }
            if !is_manifest(&path) || !scope.covers(&path) {
                continue;
            }
            if entry.flags & STAGES != 0 {
                walk.suspects.insert(path);
            } else {
                walk.tracked.insert(path, entry);
            }
        }
        walk
    }

    /// Looks at what is at a path of the scope and below it.
    fn enter(&mut self, start: RepoPath) {
        if directory::leads_through_link(&self.tree.root, &start) {
            return;
        }
        let place = self.tree.root.join(os_path(&start));
        match place.symlink_metadata() {
            Ok(found) if found.is_dir() => {}
            Ok(found) => return self.look(start, || Ok(found)),
            Err(_) => return,
        }
        let mut pending = vec![start];
        while let Some(directory) = pending.pop() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let Ok(entries) = self.tree.root.join(os_path(&directory)).read_dir() else {
                continue;
            };
            let entries: Vec<DirEntry> = entries.flatten().collect();
            let is_root = directory.as_bytes().is_empty();
            let is_repository = !is_root && entries.iter().any(|e| e.file_name() == ".git");
            if is_repository && !self.directories.contains(&directory) {
                continue;
            }
            self.met_repository |= is_repository;
            for entry in entries {
                let name = entry.file_name();
                let path = RepoPath::new(joined(directory.as_bytes(), name.as_bytes()));
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => {
                        if name != ".git" && self.is_worth_entering(&path) {
                            pending.push(path);
                        }
                    }
                    Ok(_) => self.look(path, || entry.metadata()),
                    Err(_) => {}
                }
            }
        }
    }

    /// Whether there may be manifests below a directory that Git does not ignore.
    fn is_worth_entering(&self, directory: &RepoPath) -> bool {
        if self.scope.ignore.ignores_directory(directory) {
            return false;
        }
        let is_ignored = || {
            let ignored = self.tree.git.is_path_ignored(os_path(directory));
            ignored.unwrap_or(false)
        };
        self.directories.contains(directory) || !is_ignored()
    }

    /// Looks at what is no directory.
    fn look(&mut self, path: RepoPath, stat: impl FnOnce() -> std::io::Result<Metadata>) {
        if !is_manifest(&path) || !self.scope.covers(&path) {
            return;
        }
        let entry = self.tracked.remove(&path);
        let is_as_left = |entry| stat().is_ok_and(|found| is_as_left(&entry, &found, self.written));
        if !entry.is_some_and(is_as_left) {
            self.suspects.insert(path);
        }
    }

    /// What was found to differ, and what should have been come by and was not: it is missing, unless a
    /// sparse checkout leaves it out.
    fn end(mut self) -> BTreeSet<RepoPath> {
        let tracked = self.tracked.into_iter();
        let missing = tracked.filter(|(path, entry)| !self.tree.is_left_out(path, Some(entry)));
        self.suspects.extend(missing.map(|(path, _)| path));
        self.suspects
    }
}

/// Whether a file is as Git left it when it wrote the index. What was changed in the moment of that, or
/// is not remembered as precisely as the system tells it, is not certain to be.
fn is_as_left(entry: &IndexEntry, found: &Metadata, written: Option<(i64, i64)>) -> bool {
    let at = |time: &IndexTime| (i64::from(time.seconds()), i64::from(time.nanoseconds()));
    let modified = (found.mtime(), found.mtime_nsec());
    let is_kind = match kind_of(entry.mode.cast_signed()) {
        SYMLINK => found.is_symlink(),
        _ => found.is_file() && (found.mode() ^ entry.mode) & EXECUTABLE == 0,
    };
    // The index remembers the lower half of these.
    let is_half = |half: u32, whole: u64| u64::from(half) == whole & u64::from(u32::MAX);
    is_kind
        && written.is_some_and(|written| modified < written)
        && at(&entry.mtime) == modified
        && at(&entry.ctime) == (found.ctime(), found.ctime_nsec())
        && is_half(entry.ino, found.ino())
        && is_half(entry.file_size, found.size())
        && (entry.uid, entry.gid) == (found.uid(), found.gid())
}

fn os_path(path: &RepoPath) -> &Path {
    Path::new(OsStr::from_bytes(path.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A repository of `apps/a.yaml` and `x/y/b.yml`, which were left as they are a while ago.
    fn repository() -> (tempfile::TempDir, WorkTree) {
        let place = tempfile::tempdir().expect("a directory");
        let root = place.path().to_owned();
        let git = git2::Repository::init(&root).expect("a repository");
        for directory in ["apps", "x/y"] {
            fs::create_dir_all(root.join(directory)).expect("a directory");
        }
        let files = ["apps/a.yaml", "x/y/b.yml", "README.md", ".gitignore"];
        for file in files {
            fs::write(root.join(file), "ignored/\n").expect("written");
            let file = fs::File::options().write(true).open(root.join(file));
            let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9);
            file.and_then(|file| file.set_modified(long_ago))
                .expect("a file");
        }
        let mut index = git.index().expect("an index");
        for file in files {
            index.add_path(Path::new(file)).expect("added");
        }
        index.write().expect("written");
        let tree = index.write_tree().and_then(|tree| git.find_tree(tree));
        let who = git2::Signature::now("a", "a@example.com").expect("somebody");
        let commit = git.commit(Some("HEAD"), &who, &who, "x", &tree.expect("a tree"), &[]);
        commit.expect("a commit");
        (place, WorkTree { git, root })
    }

    fn suspects(tree: &WorkTree, scope: &Scope) -> Vec<String> {
        let found = tree.suspects(scope, &AtomicBool::new(false));
        let (found, _) = found.expect("a work tree");
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn g89_nothing_is_put_to_libgit2_but_manifests_that_seem_to_differ() {
        let (place, tree) = repository();
        let at = |path: &str| place.path().join(path);
        let everything = Scope::default();
        assert_eq!(suspects(&tree, &everything), [""; 0]);
        fs::write(at("README.md"), "edited").expect("written");
        fs::write(at("apps/notes.txt"), "new").expect("written");
        for ignored in ["ignored", "apps/ignored"] {
            fs::create_dir(at(ignored)).expect("a directory");
            fs::write(at(ignored).join("n.yaml"), "new").expect("written");
        }
        git2::Repository::init(at("nested")).expect("a repository");
        fs::write(at("nested/n.yaml"), "new").expect("written");
        assert_eq!(suspects(&tree, &everything), [""; 0]);
        fs::write(at("apps/a.yaml"), "ignored/\n").expect("written");
        fs::create_dir(at("new")).expect("a directory");
        fs::write(at("new/n.JSON"), "new").expect("written");
        symlink("b.yml", at("x/y/l.yaml")).expect("a link");
        let all = ["apps/a.yaml", "new/n.JSON", "x/y/l.yaml"];
        assert_eq!(suspects(&tree, &everything), all);
        let below = |path: &str| Scope {
            paths: vec![path.into()],
            ..Scope::default()
        };
        assert_eq!(suspects(&tree, &below("apps")), ["apps/a.yaml"]);
        assert_eq!(suspects(&tree, &below("x/y/b.yml")), [""; 0]);
        fs::remove_file(at("x/y/b.yml")).expect("removed");
        assert_eq!(suspects(&tree, &below("x/y/b.yml")), ["x/y/b.yml"]);
        // What was written as it was is no change, and neither is what matters to nobody.
        let stop = AtomicBool::new(false);
        let found = tree.uncommitted(&below("apps"), &|_, _| true, &stop);
        assert_eq!(found, []);
        let new = tree.uncommitted(&below("new"), &|_, _| true, &stop);
        assert_eq!(new, ["new/n.JSON".into()]);
        assert_eq!(tree.uncommitted(&below("new"), &|_, _| false, &stop), []);
    }

    #[test]
    fn g89_a_file_that_was_changed_as_the_index_was_written_is_looked_at() {
        let (place, tree) = repository();
        let written = place.path().join(".git/index");
        let index = fs::File::options().write(true).open(&written);
        let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9);
        index
            .and_then(|index| index.set_modified(then))
            .expect("a file");
        let all = ["apps/a.yaml", "x/y/b.yml"];
        assert_eq!(suspects(&tree, &Scope::default()), all);
    }
}
