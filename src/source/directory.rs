//! Plain files: manifests that were rendered in the same job and are in no commit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use walkdir::WalkDir;

use super::{
    Error, LFS_POINTER, MAX_FILE_SIZE, MAX_TREE_DEPTH, Scope, Snapshot, Unread, UnreadReason,
    is_manifest,
};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;

/// Reads every manifest below a directory that is in scope; symbolic links are not followed.
///
/// # Errors
///
/// If a path of the scope is missing, or anything in scope cannot be read: a part that is not
/// known never counts as empty.
pub fn read<T>(
    directory: &Path,
    scope: &Scope,
    commit: Option<CommitId>,
    look: &impl Fn(&RepoPath, &[u8]) -> Option<T>,
) -> Result<Snapshot<T>, Error> {
    let mut snapshot = Snapshot {
        repository: directory.display().to_string(),
        commit,
        files: vec![],
        unread: vec![],
        files_seen: 0,
    };
    for root in scope.roots() {
        let mut parts = root.as_bytes().split(|byte| *byte == b'/');
        if parts.any(|part| part == b"..") {
            return Err(Error::Outside { path: root });
        }
        if leads_through_link(directory, &root) {
            let (path, reason) = (root, UnreadReason::Symlink);
            snapshot.unread.push(Unread { path, reason });
            continue;
        }
        let start = directory.join(os_path(&root));
        let walk = WalkDir::new(&start)
            .max_depth(MAX_TREE_DEPTH)
            .sort_by_file_name();
        for entry in walk
            .into_iter()
            .filter_entry(|entry| entry.file_name() != ".git")
        {
            let entry = entry.map_err(|error| walk_error(&start, error))?;
            let path = repo_path(entry.path().strip_prefix(directory).unwrap_or(entry.path()));
            let kind = entry.file_type();
            if entry.depth() == MAX_TREE_DEPTH && kind.is_dir() {
                return Err(Error::TooDeep {
                    path,
                    limit: MAX_TREE_DEPTH,
                });
            }
            if kind.is_symlink() && is_manifest(&path) {
                snapshot.unread.push(Unread {
                    path,
                    reason: UnreadReason::Symlink,
                });
            } else if kind.is_file() && is_manifest(&path) {
                snapshot.files_seen += 1;
                let bytes = read_file(entry.path(), &path)?;
                if bytes.starts_with(LFS_POINTER) {
                    snapshot.unread.push(Unread {
                        path,
                        reason: UnreadReason::LfsPointer,
                    });
                } else if let Some(found) = look(&path, &bytes) {
                    snapshot.files.push((path, found));
                }
            }
        }
    }
    snapshot.sort();
    Ok(snapshot)
}

/// Whether a part of a path is a symbolic link; the directory itself is the user's own affair.
fn leads_through_link(directory: &Path, path: &RepoPath) -> bool {
    let mut at = directory.to_owned();
    os_path(path).components().any(|part| {
        at.push(part);
        at.is_symlink()
    })
}

/// The content of one file below a directory; `None` if it is not there or is no plain file.
pub(super) fn content(directory: &Path, path: &RepoPath) -> Option<Vec<u8>> {
    let file = directory.join(os_path(path));
    let plain = file.symlink_metadata().ok()?.is_file();
    plain.then(|| read_file(&file, path).ok()).flatten()
}

/// Reads a file whole; one that grows meanwhile is read up to the limit and then refused.
fn read_file(path: &Path, name: &RepoPath) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(MAX_FILE_SIZE)).unwrap_or(0));
    file.take(MAX_FILE_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        let (path, limit) = (name.clone(), MAX_FILE_SIZE);
        return Err(Error::TooLarge {
            path,
            size: size.max(bytes.len() as u64),
            limit,
        });
    }
    Ok(bytes)
}

fn walk_error(start: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(start).to_owned();
    let source = error
        .into_io_error()
        .unwrap_or_else(|| std::io::Error::other("a loop of links"));
    Error::Io { path, source }
}

#[cfg(unix)]
fn repo_path(path: &Path) -> RepoPath {
    use std::os::unix::ffi::OsStrExt;
    RepoPath::new(path.as_os_str().as_bytes())
}

#[cfg(unix)]
fn os_path(path: &RepoPath) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(path.as_bytes()).into()
}
