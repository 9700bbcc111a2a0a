//! The directories of a commit, which Git calls trees: of what kinds their entries are.

use git2::TreeEntry;

pub(super) const SYMLINK: i32 = 0o120_000;
pub(super) const SUBMODULE: i32 = 0o160_000;
pub(super) const DIRECTORY: i32 = 0o040_000;
/// The part of an entry's mode that says its kind; the rest are permissions.
const KIND: i32 = 0o170_000;

/// The kind of an entry with this mode, whatever its permissions.
pub(super) fn kind_of(mode: i32) -> i32 {
    mode & KIND
}

/// Whether an entry is of a kind, whatever its permissions.
pub(super) fn is_kind(entry: &TreeEntry<'_>, kind: i32) -> bool {
    kind_of(entry.filemode()) == kind
}

/// The path of what a directory holds under a name; the path of the root is empty.
pub(super) fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        name.to_vec()
    } else {
        [directory, b"/", name].concat()
    }
}

/// The directories that a path is in, the root last.
pub(super) fn directories_above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = (0..path.len()).rev().filter(|at| path[*at] == b'/');
    ends.chain([0]).map(|end| &path[..end])
}
