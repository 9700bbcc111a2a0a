//! The directories of a commit or of a history, which Git calls trees, one after the other.
//!
//! Those of neighbouring commits are differences from each other in a pack, so those that were read last are
//! kept: each one costs one difference, and no hash if the entries of the pack are compared with the checksums
//! that the index has of them. What is in no pack, or makes no sense there, is read by libgit2.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::rc::Rc;

use git2::{ObjectType, Oid};
use gix_hash::ObjectId;
use gix_pack::data::entry::Header;

use super::pack::{self, DEEPEST, MOST_BYTES, Pack, Unpacking, has_id};
use super::tree::{DIRECTORY, SUBMODULE, kind_of};
use super::{Error, delta};
use crate::model::location::RepoPath;

/// How many bytes of directories are kept.
const KEPT: usize = 16 * 1024 * 1024;

/// How many bytes of a pack are read at a time: directories of one commit, and of the next, mostly lie together.
const NEAR: u64 = 32 * 1024;

/// The directories in the packs of a repository.
pub(super) struct Trees {
    packs: Vec<(Pack, Unpacking)>,
    check: Check,
    /// By the number of the pack and the place in it.
    kept: HashMap<(usize, u64), Rc<[u8]>>,
    /// The same, the oldest first.
    order: VecDeque<(usize, u64)>,
    bytes: usize,
}

/// How it is made sure that a directory is the one that was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Its id, which costs a hash of each.
    Ids,
    /// The checksum of each entry that it is made of, which costs a look at the whole index.
    Checksums,
}

/// A directory, as Git keeps it: its entries, one behind the other.
pub(super) struct Tree {
    id: Oid,
    content: Rc<[u8]>,
}

/// What a directory holds under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'t> {
    pub(super) name: &'t [u8],
    pub(super) mode: i32,
    pub(super) id: Oid,
    /// How many bytes it has in the directory.
    pub(super) length: usize,
}

impl Tree {
    pub(super) fn new(id: Oid, content: &[u8]) -> Self {
        let content = content.into();
        Self { id, content }
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// The entry of a name, if there is one; `path` is its own.
    ///
    /// # Errors
    ///
    /// If an entry before it makes no sense.
    pub(super) fn entry(&self, name: &[u8], path: &[u8]) -> Result<Option<Entry<'_>>, Error> {
        let mut left = self.content();
        while let Some(entry) = self.first(left, path)? {
            if entry.name == name {
                return Ok(Some(entry));
            }
            left = &left[entry.length..];
        }
        Ok(None)
    }

    /// The first entry of what is left of it; `path` is its own.
    ///
    /// # Errors
    ///
    /// If it makes no sense.
    pub(super) fn first<'t>(
        &self,
        left: &'t [u8],
        path: &[u8],
    ) -> Result<Option<Entry<'t>>, Error> {
        let entry = Entry::first(left);
        if entry.is_some() || left.is_empty() {
            return Ok(entry);
        }
        Err(Error::Object {
            id: self.id.to_string(),
            path: RepoPath::new(path),
            reason: "it is no directory that Git would write".to_owned(),
        })
    }
}

impl<'t> Entry<'t> {
    /// The first entry of a directory, or of what is left of one; `None` if it makes no sense.
    fn first(tree: &'t [u8]) -> Option<Self> {
        let end = memchr::memchr(0, tree)?;
        let (entry, rest) = tree.split_at(end);
        let space = memchr::memchr(b' ', entry)?;
        let (mode, name) = (&entry[..space], &entry[space + 1..]);
        let mode = i32::from_str_radix(std::str::from_utf8(mode).ok()?, 8).ok()?;
        let id = Oid::from_bytes(rest.get(1..=20)?).ok()?;
        let length = end + 21;
        (!name.is_empty() && mode >= 0).then_some(Self {
            name,
            mode,
            id,
            length,
        })
    }

    /// What kind of object it names.
    pub(super) fn kind(&self) -> ObjectType {
        match kind_of(self.mode) {
            SUBMODULE => ObjectType::Commit,
            DIRECTORY => ObjectType::Tree,
            _ => ObjectType::Blob,
        }
    }
}

impl Trees {
    /// Those of a directory of packs.
    pub(super) fn new(directory: &Path, check: Check) -> Self {
        let packs = pack::indexes(directory);
        let packs = packs.iter().filter_map(|index| Pack::open(index).ok());
        let packs = packs.map(|pack| (pack, Unpacking::reading(NEAR)));
        Self {
            packs: packs.collect(),
            check,
            kept: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
        }
    }

    /// A directory, if it is in a pack and can be read there.
    pub(super) fn read(&mut self, id: Oid) -> Option<Tree> {
        let content = self.content(id)?;
        let is_it = self.check == Check::Checksums || has_id("tree", &content, id);
        is_it.then_some(Tree { id, content })
    }

    fn content(&mut self, id: Oid) -> Option<Rc<[u8]>> {
        let id = ObjectId::try_from(id.as_bytes()).ok()?;
        let mut packs = self.packs.iter().enumerate();
        let (number, mut at) = packs.find_map(|(n, (pack, _))| Some((n, pack.offset_of(&id)?)))?;
        let mut deltas = Vec::new();
        let mut bytes = 0;
        let mut tree = loop {
            if let Some(kept) = self.kept.get(&(number, at)) {
                break kept.clone();
            }
            let mut content = Vec::new();
            let (pack, with) = &mut self.packs[number];
            let header = match self.check {
                Check::Ids => pack.unpack_unchecked(at, with, &mut content)?,
                Check::Checksums => pack.unpack(at, with, &mut content)?,
            };
            bytes += content.len();
            let base = match header {
                Header::Tree => break self.keep(number, at, content),
                Header::OfsDelta { base_distance } => {
                    Header::verified_base_pack_offset(at, base_distance)?
                }
                Header::RefDelta { base_id } => pack.offset_of(&base_id)?,
                Header::Commit | Header::Blob | Header::Tag => return None,
            };
            deltas.push((at, content));
            if deltas.len() > DEEPEST || bytes > MOST_BYTES {
                return None;
            }
            at = base;
        };
        for (at, delta) in deltas.into_iter().rev() {
            let mut next = Vec::new();
            delta::apply(&tree, &delta, MOST_BYTES, &mut next)?;
            tree = self.keep(number, at, next);
        }
        Some(tree)
    }

    fn keep(&mut self, pack: usize, at: u64, tree: Vec<u8>) -> Rc<[u8]> {
        let tree: Rc<[u8]> = tree.into();
        self.bytes += tree.len();
        self.kept.insert((pack, at), tree.clone());
        self.order.push_back((pack, at));
        while self.bytes > KEPT {
            let oldest = self.order.pop_front();
            let oldest = oldest.and_then(|oldest| self.kept.remove(&oldest));
            self.bytes -= oldest.map_or(self.bytes, |oldest| oldest.len());
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_makes_no_sense_is_none() {
        let tree = [&b"100644 a\0"[..], &[1; 20], b"40000 b\0", &[2; 20]].concat();
        let first = Entry::first(&tree).expect("an entry");
        assert_eq!((first.name, first.kind()), (&b"a"[..], ObjectType::Blob));
        let second = Entry::first(&tree[first.length..]).expect("an entry");
        assert_eq!((second.name, second.kind()), (&b"b"[..], ObjectType::Tree));
        for end in 0..first.length {
            assert_eq!(Entry::first(&tree[..end]), None, "cut at {end}");
        }
        for wrong in ["100644 \0", "100844 a\0", "-1 a\0", " a\0", "100644\0"] {
            let tree = [wrong.as_bytes(), &[1; 20]].concat();
            assert_eq!(Entry::first(&tree), None, "{wrong:?}");
        }
    }
}
