//! Symbolic links: whether one stands for a manifest, or could stand for a directory of manifests.
//!
//! No link is followed to anything that is not in the same commit. One with a manifest's ending that
//! leads to a file there is that file; any other one with such an ending is not read. A link is harmless if it leads to a file of its own
//! commit, to a directory there without manifests, or to a name that no directory is likely to have,
//! such as `notes.md`. A link to a directory that is in scope is harmless, because that directory is read.
//! Every other link is not read: it leads to a directory out of scope, out of the repository, into a
//! submodule, or nowhere. What is in a submodule is another repository's, and so is a link to it.

use std::collections::HashMap;

use git2::{ObjectType, Oid, Repository};

use super::listing::Named;
use super::tree::{SYMLINK, is_kind, joined};
use super::{MAX_ENTRIES, Scope, Unread, UnreadReason, is_manifest};
use crate::model::location::RepoPath;

/// How many links a path may lead through, as in Linux.
const MAX_LINKS: usize = 40;

/// How long the target of a link may be, as in Linux.
const MAX_LENGTH: usize = 4096;

/// How long the ending of a file's name is at most.
const MAX_ENDING: usize = 5;

/// What the links of the commit with this tree stand for: manifests that are read in no other way,
/// and what could hide some.
pub(super) fn resolve(
    objects: &Repository,
    root: Oid,
    links: &[Named],
    scope: &Scope,
) -> (Vec<Named>, Vec<Unread>) {
    let known = HashMap::new();
    let mut of_commit = Links {
        objects,
        root,
        known,
    };
    let (mut manifests, mut unread) = (Vec::new(), Vec::new());
    for (path, id) in links {
        match of_commit.stands_for(path, *id, scope) {
            Some(Meaning::Manifest(id)) => manifests.push((path.clone(), id)),
            Some(Meaning::Hidden(reason)) => {
                let path = path.clone();
                unread.push(Unread { path, reason });
            }
            None => {}
        }
    }
    (manifests, unread)
}

/// The file of the commit with this tree to which a link at a path there leads; `None` if that is no link, or
/// leads elsewhere.
pub(super) fn followed(
    objects: &Repository,
    root: Oid,
    path: &RepoPath,
) -> Option<(RepoPath, Oid)> {
    let known = HashMap::new();
    let of_commit = Links {
        objects,
        root,
        known,
    };
    let top = RepoPath::new(Vec::new());
    match of_commit.target(&top, path.as_bytes())? {
        Target::File(target, id) => (target != *path).then_some((target, id)),
        Target::Directory(..) | Target::Submodule(_) => None,
    }
}

/// What a link stands for, if that matters.
enum Meaning {
    /// A manifest that is read in no other way.
    Manifest(Oid),
    /// Something that could hide manifests.
    Hidden(UnreadReason),
}

/// The links of one commit, and what was found out about the directories that they lead to.
struct Links<'r> {
    objects: &'r Repository,
    root: Oid,
    /// Which directories hold manifests, as far as that was needed.
    known: HashMap<Oid, bool>,
}

/// Where a link leads.
enum Target {
    File(RepoPath, Oid),
    Directory(RepoPath, Oid),
    /// Into the submodule that is there.
    Submodule(RepoPath),
}

/// A walk along a path, through the links that it leads to.
struct Walk {
    /// The parts that are still to be walked, the next one last.
    parts: Vec<Vec<u8>>,
    /// The directories from the root to the one that was reached, with their paths.
    directories: Vec<(Vec<u8>, Oid)>,
    /// How many links were followed.
    links: usize,
}

/// Whether a walk goes on after a step.
enum Step {
    GoesOn,
    EndsAt(Target),
}

impl Walk {
    /// Puts a path before what is still to be walked.
    fn push(&mut self, path: &[u8]) {
        let parts = path.split(|byte| *byte == b'/').map(<[u8]>::to_vec);
        self.parts.extend(parts.rev());
    }

    /// Goes on along the text of a link; `None` if that is absolute, so that it leads out of the
    /// repository, or if it is one link too many.
    fn follow(&mut self, text: &[u8]) -> Option<()> {
        self.links += 1;
        self.push(text);
        (self.links <= MAX_LINKS && !text.starts_with(b"/")).then_some(())
    }

    /// Goes up; `None` if that leads out of the repository.
    fn leave(&mut self) -> Option<()> {
        self.directories.pop();
        self.directories.last().map(|_| ())
    }
}

impl Links<'_> {
    /// What a link stands for; `None` if it is harmless.
    fn stands_for(&mut self, link: &RepoPath, id: Oid, scope: &Scope) -> Option<Meaning> {
        let hidden = Meaning::Hidden;
        let Some(text) = self.text(id) else {
            return Some(hidden(UnreadReason::Symlink));
        };
        let may_hide = is_manifest(link) || !is_named_like_a_file(&text);
        match self.target(link, &text) {
            Some(Target::File(path, id)) => {
                let is_read_there = is_manifest(&path) && scope.covers(&path);
                (is_manifest(link) && !is_read_there).then_some(Meaning::Manifest(id))
            }
            Some(Target::Directory(path, id)) => self
                .holds_manifests(id)
                .then_some(hidden(UnreadReason::LinkedDirectory(path))),
            Some(Target::Submodule(path)) => {
                may_hide.then_some(hidden(UnreadReason::LinkedSubmodule(path)))
            }
            None => may_hide.then_some(hidden(UnreadReason::Symlink)),
        }
    }

    /// What is written in a link; `None` if that cannot be read or is no path.
    fn text(&self, id: Oid) -> Option<Vec<u8>> {
        let (size, kind) = self.objects.odb().ok()?.read_header(id).ok()?;
        let is_path = kind == ObjectType::Blob && size <= MAX_LENGTH;
        let blob = is_path.then(|| self.objects.find_blob(id).ok())??;
        Some(blob.content().to_vec())
    }

    /// Where a link leads within the commit; `None` if it leads out of it or nowhere.
    fn target(&self, link: &RepoPath, text: &[u8]) -> Option<Target> {
        let mut walk = Walk {
            parts: vec![],
            directories: vec![(Vec::new(), self.root)],
            links: 0,
        };
        walk.follow(text)?;
        let above = link.as_bytes().iter().rposition(|byte| *byte == b'/');
        walk.push(&link.as_bytes()[..above.unwrap_or(0)]);
        while let Some(part) = walk.parts.pop() {
            match part.as_slice() {
                b"" | b"." => {}
                b".." => walk.leave()?,
                name => {
                    if let Step::EndsAt(target) = self.enter(&mut walk, name)? {
                        return Some(target);
                    }
                }
            }
        }
        let (path, id) = walk.directories.pop()?;
        Some(Target::Directory(RepoPath::new(path), id))
    }

    /// Goes to what a walk's directory has under a name: a directory, what a link leads to, or a file if
    /// nothing is left to be walked.
    fn enter(&self, walk: &mut Walk, name: &[u8]) -> Option<Step> {
        let (directory, tree) = walk.directories.last()?;
        let tree = self.objects.find_tree(*tree).ok()?;
        let entry = tree.iter().find(|entry| entry.name_bytes() == name)?;
        match entry.kind()? {
            ObjectType::Tree => {
                let path = joined(directory, name);
                walk.directories.push((path, entry.id()));
            }
            ObjectType::Blob if is_kind(&entry, SYMLINK) => walk.follow(&self.text(entry.id())?)?,
            ObjectType::Blob if walk.parts.is_empty() => {
                let path = RepoPath::new(joined(directory, name));
                return Some(Step::EndsAt(Target::File(path, entry.id())));
            }
            ObjectType::Commit => {
                let path = RepoPath::new(joined(directory, name));
                return Some(Step::EndsAt(Target::Submodule(path)));
            }
            _ => return None,
        }
        Some(Step::GoesOn)
    }

    /// Whether a directory holds a manifest, or something that could.
    fn holds_manifests(&mut self, directory: Oid) -> bool {
        if let Some(known) = self.known.get(&directory) {
            return *known;
        }
        let mut pending = vec![directory];
        let mut entries = 0;
        let mut holds = false;
        while let Some(id) = pending.pop().filter(|_| !holds) {
            let Ok(tree) = self.objects.find_tree(id) else {
                holds = true;
                break;
            };
            for entry in &tree {
                entries += 1;
                match entry.kind() {
                    Some(ObjectType::Tree) => pending.push(entry.id()),
                    Some(ObjectType::Blob) => {
                        holds |= is_manifest(&RepoPath::new(entry.name_bytes()));
                        holds |= is_kind(&entry, SYMLINK);
                    }
                    _ => holds = true,
                }
            }
            holds |= entries > MAX_ENTRIES;
        }
        self.known.insert(directory, holds);
        holds
    }
}

/// Whether what a link names has an ending that directories do not have and manifests neither.
pub(super) fn is_named_like_a_file(target: &[u8]) -> bool {
    let name = target.split(|byte| *byte == b'/').next_back();
    let name = name.unwrap_or_default();
    let ending = name.iter().rposition(|byte| *byte == b'.');
    let ending = ending.map_or(&[][..], |at| &name[at + 1..]);
    (1..=MAX_ENDING).contains(&ending.len())
        && ending[0].is_ascii_alphabetic()
        && ending.iter().all(u8::is_ascii_alphanumeric)
        && !is_manifest(&RepoPath::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g28_g30_endings_tell_files_from_directories() {
        for file in ["a.md", "/usr/lib/libc.so", "../x/run.sh", "a.7z.gz", ".env"] {
            assert!(is_named_like_a_file(file.as_bytes()), "{file}");
        }
        for other in [
            "",
            "/",
            "..",
            ".",
            "a",
            "../..",
            "/etc/passwd",
            "v1.2",
            "a.",
            "a.md/",
            "a.yaml",
            "a.yml",
            "a.JSON",
            "a.md/b",
            "prod.internal",
        ] {
            assert!(!is_named_like_a_file(other.as_bytes()), "{other}");
        }
    }
}
