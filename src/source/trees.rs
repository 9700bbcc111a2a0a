//! The directories of a history, which Git calls trees, one after the other.
//!
//! Those of neighbouring commits are differences from each other in a pack, so those that were read last are
//! kept: each one costs one difference, and no hash. An entry of a pack has been compared with the checksum
//! that the index has of it. What is in no pack, or makes no sense there, is read by libgit2.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use git2::{ObjectType, Oid};
use gix_hash::{Kind, ObjectId};
use gix_pack::data::{self, entry::Header};
use gix_pack::index;

use super::Error;
use super::pack::{self, BATCH, DEEPEST, Layout, MOST_BYTES};
use super::tree::{DIRECTORY, SUBMODULE, kind_of};
use crate::model::location::RepoPath;

/// How many bytes of directories are kept.
const KEPT: usize = 16 * 1024 * 1024;

/// The directories in the packs of a repository.
pub(super) struct Trees {
    packs: Vec<Pack>,
    inflate: gix_zlib::Inflate,
    /// By the number of the pack and the place in it.
    kept: HashMap<(usize, u64), Rc<[u8]>>,
    /// The same, the oldest first.
    order: VecDeque<(usize, u64)>,
    bytes: usize,
}

struct Pack {
    path: PathBuf,
    layout: Layout,
    file: data::File,
    /// How much of the file was read: that stays mapped into memory until it is opened anew.
    read: u64,
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
    pub(super) fn new(directory: &Path) -> Self {
        let pack = |index: PathBuf| {
            let path = index.with_extension("pack");
            let index = index::File::at(&index, Kind::Sha1).ok()?;
            let file = data::File::at(&path, Kind::Sha1).ok()?;
            let layout = Layout::new(index);
            Some(Pack {
                path,
                layout,
                file,
                read: 0,
            })
        };
        let indexes = pack::indexes(directory).into_iter();
        Self {
            packs: indexes.filter_map(pack).collect(),
            inflate: gix_zlib::Inflate::default(),
            kept: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
        }
    }

    /// A directory, if it is in a pack and can be read there.
    pub(super) fn read(&mut self, id: Oid) -> Option<Tree> {
        let content = self.content(id)?;
        Some(Tree { id, content })
    }

    fn content(&mut self, id: Oid) -> Option<Rc<[u8]>> {
        let id = ObjectId::try_from(id.as_bytes()).ok()?;
        let mut packs = self.packs.iter().map(|pack| pack.layout.offset_of(&id));
        let number = packs.position(|at| at.is_some())?;
        let mut at = self.packs[number].layout.offset_of(&id)?;
        let mut deltas = Vec::new();
        let mut bytes = 0;
        let mut tree = loop {
            if let Some(kept) = self.kept.get(&(number, at)) {
                break kept.clone();
            }
            let (header, content) = self.packs[number].entry(at, &mut self.inflate)?;
            bytes += content.len();
            let base = match header {
                Header::Tree => break self.keep(number, at, content),
                Header::OfsDelta { base_distance } => {
                    Header::verified_base_pack_offset(at, base_distance)?
                }
                Header::RefDelta { base_id } => self.packs[number].layout.offset_of(&base_id)?,
                Header::Commit | Header::Blob | Header::Tag => return None,
            };
            deltas.push((at, content));
            if deltas.len() > DEEPEST || bytes > MOST_BYTES {
                return None;
            }
            at = base;
        };
        for (at, delta) in deltas.into_iter().rev() {
            let next = apply(&tree, &delta)?;
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

impl Pack {
    /// Unpacks an entry: an object, or what makes it of another one.
    fn entry(&mut self, at: u64, inflate: &mut gix_zlib::Inflate) -> Option<(Header, Vec<u8>)> {
        if self.read > BATCH {
            self.file = data::File::at(&self.path, Kind::Sha1).ok()?;
            self.read = 0;
        }
        let bytes = self.layout.checked(&self.file, at)?;
        self.read += bytes.len() as u64;
        let entry = data::Entry::from_bytes(bytes, at, Kind::Sha1).ok()?;
        let size = usize::try_from(entry.decompressed_size).ok()?;
        let mut content = vec![0; (size <= MOST_BYTES).then_some(size)?];
        let unpacked = self.file.decompress_entry(&entry, inflate, &mut content);
        unpacked.ok().map(|_| (entry.header, content))
    }
}

/// Makes an object of its base, as <https://git-scm.com/docs/gitformat-pack> says.
fn apply(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut rest = delta;
    if length(&mut rest)? != base.len() {
        return None;
    }
    let size = length(&mut rest).filter(|size| *size <= MOST_BYTES)?;
    let mut made = Vec::with_capacity(size);
    while let Some((instruction, after)) = rest.split_first() {
        rest = after;
        let piece = if instruction & 0x80 == 0 {
            let (new, after) = rest.split_at_checked(usize::from(*instruction))?;
            rest = after;
            new
        } else {
            let start = number(&mut rest, *instruction, 4)?;
            let length = match number(&mut rest, instruction >> 4, 3)? {
                0 => 0x10000,
                length => length,
            };
            base.get(start..start + length)?
        };
        if piece.is_empty() || piece.len() > size - made.len() {
            return None;
        }
        made.extend_from_slice(piece);
    }
    (made.len() == size).then_some(made)
}

/// A length, seven bits in each byte, the last of which is below 128.
fn length(rest: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    for place in 0..usize::BITS / 7 {
        let byte = rest.split_off_first()?;
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

/// A number of some bytes, of which those that are zero are left out: a bit tells which are there.
fn number(rest: &mut &[u8], which: u8, bytes: u32) -> Option<usize> {
    let mut number = 0;
    for place in (0..bytes).filter(|place| which & (1 << place) != 0) {
        number |= usize::from(*rest.split_off_first()?) << (8 * place);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_copies_and_adds_and_is_refused_if_it_makes_no_sense() {
        let base = b"0123456789";
        // Three bytes from the fifth on, two new ones, and all of the base.
        let delta = b"\x0a\x0f\x91\x04\x03\x02ab\x90\x0a";
        assert_eq!(apply(base, delta).as_deref(), Some(&b"456ab0123456789"[..]));
        for end in 0..delta.len() {
            assert_eq!(apply(base, &delta[..end]), None, "cut at {end}");
        }
        for wrong in [
            &b"\x09\x01\x01a"[..],
            b"\x0a\x01\x02ab",
            b"\x0a\x02\x01a",
            b"\x0a\x01\x91\x0a\x01",
            b"\x0a\x01\x00\x01a",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01a",
        ] {
            assert_eq!(apply(base, wrong), None, "{wrong:?}");
        }
        // Without a length it is 65,536 bytes.
        let base = vec![b'x'; 0x10000];
        let delta = b"\x80\x80\x04\x80\x80\x04\x80";
        assert_eq!(apply(&base, delta), Some(base));
    }

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
