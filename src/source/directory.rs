//! Plain files: manifests that were rendered in the same job and are in no commit.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::blobs::{PIECE, read_content};
use super::{
    Error, MAX_FILE_SIZE, MAX_TREE_DEPTH, Scope, Snapshot, Unread, UnreadReason, is_manifest,
    threads,
};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;

/// Reads every manifest below a directory that is in scope, on all processors; symbolic links are
/// not followed.
///
/// # Errors
///
/// If a path of the scope is missing, or anything in scope cannot be read: a part that is not
/// known never counts as empty. Of several such files, the first that the walk comes to.
pub fn read<T: Send>(
    directory: &Path,
    scope: &Scope,
    commit: Option<CommitId>,
    look: &(impl Fn(&RepoPath, &[u8]) -> Option<T> + Sync),
) -> Result<Snapshot<T>, Error> {
    let mut snapshot = Snapshot {
        repository: directory.display().to_string(),
        commit,
        files: vec![],
        unread: vec![],
        files_seen: 0,
    };
    let mut files = Vec::new();
    for root in scope.roots() {
        list(directory, root, &mut files, &mut snapshot.unread)?;
    }
    snapshot.files_seen = files.len();
    let read_piece = |(): &(), piece: &[(PathBuf, RepoPath)]| {
        let mut content = Vec::new();
        let read = piece.iter().map(|(file, path)| {
            read_file(file, path, &mut content)?;
            Ok(read_content(path, &content, look))
        });
        read.collect::<Result<Vec<_>, Error>>()
    };
    for piece in threads::in_pieces(&(), || Some(()), &files, PIECE, read_piece) {
        for read in piece?.into_iter().flatten() {
            snapshot.add(read);
        }
    }
    snapshot.sort();
    Ok(snapshot)
}

/// Finds the manifests below a path of the scope, and what is not read there.
fn list(
    directory: &Path,
    root: RepoPath,
    files: &mut Vec<(PathBuf, RepoPath)>,
    unread: &mut Vec<Unread>,
) -> Result<(), Error> {
    let mut parts = root.as_bytes().split(|byte| *byte == b'/');
    if parts.any(|part| part == b"..") {
        return Err(Error::Outside { path: root });
    }
    let reason = UnreadReason::Symlink;
    if leads_through_link(directory, &root) {
        unread.push(Unread { path: root, reason });
        return Ok(());
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
            let limit = MAX_TREE_DEPTH;
            return Err(Error::TooDeep { path, limit });
        }
        if kind.is_symlink() && is_manifest(&path) {
            unread.push(Unread { path, reason });
        } else if kind.is_file() && is_manifest(&path) {
            files.push((entry.into_path(), path));
        }
    }
    Ok(())
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
    let mut content = Vec::new();
    plain.then(|| read_file(&file, path, &mut content).ok())??;
    Some(content)
}

/// Reads a file whole, into a buffer that has room from the file before; one that grows meanwhile is
/// read up to the limit and then refused.
fn read_file(path: &Path, name: &RepoPath, content: &mut Vec<u8>) -> Result<(), Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    content.clear();
    let mut file = File::open(path).map_err(io)?.take(MAX_FILE_SIZE + 1);
    file.read_to_end(content).map_err(io)?;
    if content.len() as u64 > MAX_FILE_SIZE {
        let size = file.get_ref().metadata().map_err(io)?.len();
        let (path, limit) = (name.clone(), MAX_FILE_SIZE);
        return Err(Error::TooLarge { path, size, limit });
    }
    Ok(())
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
