//! Plain files: manifests that were rendered in the same job and are in no commit.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::blobs::{PIECE, Read, read_content};
use super::link::is_named_like_a_file;
use super::{
    Error, MAX_FILE_SIZE, MAX_TREE_DEPTH, Scope, Snapshot, Unread, UnreadReason, is_manifest,
    threads,
};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;

/// How many bytes are asked for at first: most files come with one call.
const ROOM: usize = 64 * 1024;
/// The most that is read of a file: enough to know that it is too large.
const MOST: usize = MAX_FILE_SIZE as usize + 1;

/// Reads every manifest below a directory that is in scope, on all processors; symbolic links are
/// not followed, and what they could hide is not read.
///
/// # Errors
///
/// If a path of the scope is missing, or anything in scope cannot be read: a part that is not
/// known never counts as empty. Of several such files, any.
pub fn read<T: Send>(
    directory: &Path,
    scope: &Scope,
    commit: Option<CommitId>,
    extract: &(impl Fn(&RepoPath, &[u8]) -> Option<T> + Sync),
) -> Result<Snapshot<T>, Error> {
    let mut snapshot = Snapshot {
        repository: directory.display().to_string(),
        commit,
        files: vec![],
        unread: vec![],
        files_seen: 0,
    };
    let mut walks = Vec::new();
    for root in scope.roots() {
        let mut parts = root.as_bytes().split(|byte| *byte == b'/');
        if parts.any(|part| part == b"..") {
            return Err(Error::Outside { path: root });
        }
        if leads_through_link(directory, &root) {
            let (path, reason) = (root, UnreadReason::Symlink);
            snapshot.unread.push(Unread { path, reason });
        } else {
            walks.push(walk(directory, scope, directory.join(os_path(&root))));
        }
    }
    let read_piece = |(): &(), piece: Vec<Result<Found, Error>>| {
        let mut seen = 0;
        let mut reads = Vec::new();
        let mut buffer = Vec::new();
        for found in piece {
            let Found { file, path, unread } = found?;
            if let Some(reason) = unread {
                reads.push(Read::Unread(Unread { path, reason }));
                continue;
            }
            seen += 1;
            let content = read_file(&file, &path, &mut buffer)?;
            reads.extend(read_content(&path, content, extract));
        }
        Ok((seen, reads))
    };
    // One thread walks on while the others read.
    let found = walks.into_iter().flatten();
    for piece in threads::in_pieces(&(), || Some(()), found, PIECE, read_piece) {
        let (seen, reads) = piece?;
        snapshot.files_seen += seen;
        reads.into_iter().for_each(|read| snapshot.add(read));
    }
    snapshot.sort();
    Ok(snapshot)
}

/// Every manifest below a directory that is in scope, ignored or not, in the order of the paths.
///
/// # Errors
///
/// If a directory cannot be listed.
pub fn names(directory: &Path, scope: &Scope) -> Result<Vec<RepoPath>, Error> {
    let roots = scope.roots().into_iter();
    let roots = roots.filter(|root| !leads_through_link(directory, root));
    let found = roots.flat_map(|root| walk(directory, scope, directory.join(os_path(&root))));
    let files = found.filter_map(|found| match found {
        Ok(found) => found.unread.is_none().then_some(Ok(found.path)),
        Err(error) => Some(Err(error)),
    });
    let mut names = files.collect::<Result<Vec<_>, _>>()?;
    names.sort();
    Ok(names)
}

/// A manifest, or something that could hide one.
struct Found {
    file: PathBuf,
    path: RepoPath,
    unread: Option<UnreadReason>,
}

/// Finds all manifests from a place in the directory on, and all links that could hide some.
fn walk(
    directory: &Path,
    scope: &Scope,
    start: PathBuf,
) -> impl Iterator<Item = Result<Found, Error>> {
    let walk = WalkDir::new(&start).max_depth(MAX_TREE_DEPTH).into_iter();
    let walk = walk.filter_entry(|entry| entry.file_name() != ".git");
    walk.filter_map(move |entry| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(Err(walk_error(&start, error))),
        };
        let path = repo_path(directory, entry.path());
        let kind = entry.file_type();
        if entry.depth() == MAX_TREE_DEPTH && kind.is_dir() {
            let limit = MAX_TREE_DEPTH;
            return Some(Err(Error::TooDeep { path, limit }));
        }
        let unread = if !kind.is_symlink() {
            None
        } else if is_manifest(&path) {
            let is_read = is_read_anyway(directory, scope, entry.path());
            (!is_read).then_some(UnreadReason::Symlink)
        } else {
            hidden(directory, entry.path())
        };
        let is_found = unread.is_some() || (kind.is_file() && is_manifest(&path));
        let file = is_found.then(|| entry.into_path())?;
        Some(Ok(Found { file, path, unread }))
    })
}

/// Why a link without a manifest's ending could hide manifests; `None` if it is harmless.
///
/// As for a commit, but what is outside the directory is not inspected: a link to a directory there
/// is not read, whatever it holds.
fn hidden(directory: &Path, link: &Path) -> Option<UnreadReason> {
    match link.metadata() {
        Ok(target) if !target.is_dir() => return None,
        Ok(_) => {}
        Err(_) => {
            let target = link.read_link().unwrap_or_default();
            let is_file = is_named_like_a_file(target.as_os_str().as_encoded_bytes());
            return (!is_file).then_some(UnreadReason::Symlink);
        }
    }
    let within = || {
        let (root, target) = (directory.canonicalize().ok()?, link.canonicalize().ok()?);
        let is_inside = target.starts_with(&root);
        is_inside.then(|| repo_path(&root, &target))
    };
    let target = within().map(UnreadReason::LinkedDirectory);
    Some(target.unwrap_or(UnreadReason::Symlink))
}

/// Whether a link leads to a manifest of the directory that is read itself.
fn is_read_anyway(directory: &Path, scope: &Scope, link: &Path) -> bool {
    let (Ok(root), Ok(target)) = (directory.canonicalize(), link.canonicalize()) else {
        return false;
    };
    let path = repo_path(&root, &target);
    let is_git = path
        .as_bytes()
        .split(|byte| *byte == b'/')
        .any(|part| part == b".git");
    let is_file = target.starts_with(&root) && target.is_file() && !is_git;
    is_file && is_manifest(&path) && scope.covers(&path)
}

/// Whether a part of a path below the directory is a symbolic link; the directory itself may be one.
pub(super) fn leads_through_link(directory: &Path, path: &RepoPath) -> bool {
    let mut at = directory.to_owned();
    os_path(path).components().any(|part| {
        at.push(part);
        at.is_symlink()
    })
}

/// Whether there is anything at a path below a directory.
pub fn has(directory: &Path, path: &RepoPath) -> bool {
    directory.join(os_path(path)).symlink_metadata().is_ok()
}

/// Refuses what is no directory.
///
/// # Errors
///
/// [`Error::Io`].
pub fn check(directory: &Path) -> Result<(), Error> {
    let found = std::fs::read_dir(directory);
    found.map(drop).map_err(|source| Error::Io {
        path: directory.to_owned(),
        source,
    })
}

/// The content of one file below a directory; `None` if it is not there or is no plain file.
pub fn content(directory: &Path, path: &RepoPath) -> Option<Vec<u8>> {
    let file = directory.join(os_path(path));
    let plain = file.symlink_metadata().ok()?.is_file();
    let mut buffer = Vec::new();
    let length = plain
        .then(|| read_file(&file, path, &mut buffer).ok())??
        .len();
    buffer.truncate(length);
    Some(buffer)
}

/// Reads a file whole, into a buffer that has room from the file before; one that grows meanwhile is
/// read up to the limit and then refused.
fn read_file<'b>(path: &Path, name: &RepoPath, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(io)?;
    let mut length = 0;
    loop {
        if length == buffer.len() {
            buffer.resize(ROOM.max(2 * length).min(MOST), 0);
        }
        match file.read(&mut buffer[length..]) {
            Ok(0) => return Ok(&buffer[..length]),
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io(error)),
        }
        if length as u64 > MAX_FILE_SIZE {
            return Err(Error::TooLarge {
                path: name.clone(),
                names: 1,
                size: file.metadata().map_err(io)?.len(),
                limit: MAX_FILE_SIZE,
            });
        }
    }
}

fn walk_error(start: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(start).to_owned();
    let source = error
        .into_io_error()
        .unwrap_or_else(|| std::io::Error::other("a loop of links"));
    Error::Io { path, source }
}

/// The path of what a walk found, below the directory that it started in.
#[cfg(unix)]
fn repo_path(directory: &Path, found: &Path) -> RepoPath {
    use std::os::unix::ffi::OsStrExt;
    let found = found.as_os_str().as_bytes();
    let below = found.strip_prefix(directory.as_os_str().as_bytes());
    let below = below.unwrap_or(found);
    RepoPath::new(below.strip_prefix(b"/").unwrap_or(below))
}

#[cfg(unix)]
fn os_path(path: &RepoPath) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(path.as_bytes()).into()
}
