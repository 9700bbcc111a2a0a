//! One pack of a repository: where its index says that objects are, and what is there.
//!
//! libgit2 follows whatever an index and an entry's header say, right out of its memory if they are damaged,
//! so both are checked here before libgit2 reads. An entry is read into memory of our own, and not mapped:
//! what was mapped of a pack counts as memory of the program, and a file that somebody cuts would end it.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use git2::Oid;
use gix_hash::Kind;
use gix_pack::data::{self, entry::Header};
use gix_pack::index;
use gix_utils::progress::Discard;

use super::{Error, MAX_FILE_SIZE};

/// The most bytes an object may have that is read here; beyond it libgit2 reads.
pub(super) const MOST_BYTES: usize = 64 * 1024 * 1024;
/// The longest chain of deltas that git makes, whatever it is told: `pack.depth` ends here.
pub(super) const DEEPEST: usize = 4095;
/// How many bytes an entry unpacks to of which nobody needs to know how much too large it is.
const TOO_LARGE: u64 = MAX_FILE_SIZE + 1;
/// No entry has a longer header: a length of ten bytes, and the id or distance of a base.
const HEADER: usize = 32;
/// How many bytes are behind the last entry: the checksum of the pack.
const TRAILER: u64 = 20;

/// A pack that is open.
pub(super) struct Pack {
    file: File,
    index: index::File,
    /// Where each entry starts, in the order of the pack, and its number in the index, once somebody asks.
    starts: OnceLock<Vec<(u64, u32)>>,
    /// Where the last entry ends.
    end: u64,
}

/// What a reader of entries keeps from one to the next.
#[derive(Default)]
pub(super) struct Unpacking {
    inflate: gix_zlib::Inflate,
    /// A part of the pack, and where it starts.
    packed: Vec<u8>,
    start: u64,
    /// How many bytes are read at least: more than an entry where the next one is mostly near.
    least: u64,
}

/// Why an entry cannot be read here.
pub(super) enum Unreadable {
    /// The header of the entry at this place makes no sense.
    Damaged(u64, String),
    /// Another way of reading may get further, or say what is damaged.
    Elsewhere(Box<dyn std::error::Error + Send + Sync>),
}

/// What the header of an entry says.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// Where its base is, if it has one.
    pub(super) base: Option<u64>,
    /// How many bytes it unpacks to, an object or the instructions that make it of its base; of more than are
    /// ever read nobody knows how many.
    size: u64,
    /// Whether it is a blob, and not made of a base.
    pub(super) is_blob: bool,
}

impl Head {
    /// Whether it is an object of more bytes than are ever read.
    pub(super) fn is_too_large(&self) -> bool {
        self.base.is_none() && self.size == TOO_LARGE
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Unreadable {
    fn from(error: E) -> Self {
        Self::Elsewhere(error.into())
    }
}

impl Pack {
    /// Opens the pack of an index.
    ///
    /// # Errors
    ///
    /// If one of the two files is not there, or the index is none.
    pub(super) fn open(index: &Path) -> Result<Self, Unreadable> {
        let file = File::open(index.with_extension("pack"))?;
        let end = file.metadata()?.len().saturating_sub(TRAILER);
        Ok(Self {
            file,
            index: index::File::at(index, Kind::Sha1)?,
            starts: OnceLock::new(),
            end,
        })
    }

    fn starts(&self) -> &[(u64, u32)] {
        self.starts.get_or_init(|| {
            let start = |number| (self.index.pack_offset_at_index(number), number);
            let mut starts: Vec<_> = (0..self.index.num_objects()).map(start).collect();
            starts.sort_unstable();
            starts
        })
    }

    /// How many entries it has.
    pub(super) fn entries(&self) -> usize {
        self.starts().len()
    }

    /// Where an object is, if it is in the pack.
    pub(super) fn offset_of(&self, id: &gix_hash::oid) -> Option<u64> {
        let number = self.index.lookup(id)?;
        Some(self.index.pack_offset_at_index(number))
    }

    /// Reads the header of an entry.
    ///
    /// # Errors
    ///
    /// If it makes no sense, lies outside, or names a base that is not in the pack.
    pub(super) fn head(&self, at: u64) -> Result<Head, Unreadable> {
        let length = self.end.checked_sub(at).ok_or("an entry lies outside")?;
        let mut header = [0; HEADER];
        let header = &mut header[..HEADER.min(usize::try_from(length)?)];
        self.file.read_exact_at(header, at)?;
        let entry = data::Entry::from_bytes(header, at, Kind::Sha1)
            .map_err(|error| Unreadable::Damaged(at, error.to_string()))?;
        let base = match entry.header {
            Header::OfsDelta { base_distance } => {
                Some(Header::verified_base_pack_offset(at, base_distance))
            }
            Header::RefDelta { base_id } => Some(self.offset_of(&base_id)),
            Header::Commit | Header::Tree | Header::Blob | Header::Tag => None,
        };
        Ok(Head {
            base: base
                .map(|base| base.ok_or("a base is not in it"))
                .transpose()?,
            size: entry.decompressed_size.min(TOO_LARGE),
            is_blob: entry.header == Header::Blob,
        })
    }

    /// Unpacks an entry, an object or what makes it of its base, if it is what the index has a checksum of:
    /// a reader that is told a wrong length makes something of it all the same. What was in `content` is
    /// replaced.
    pub(super) fn unpack(
        &self,
        at: u64,
        with: &mut Unpacking,
        content: &mut Vec<u8>,
    ) -> Option<Header> {
        let starts = self.starts();
        let place = starts.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        let end = starts.get(place + 1).map_or(self.end, |(next, _)| *next);
        let packed = self.read(at, end, with)?;
        let checksum = self.index.crc32_at_index(starts[place].1)?;
        (crc32fast::hash(&with.packed[packed.clone()]) == checksum).then_some(())?;
        with.unpack(at, packed, content)
    }

    /// Unpacks an entry, whatever its checksum is: for those who look at the id of what they make of it.
    pub(super) fn unpack_unchecked(
        &self,
        at: u64,
        with: &mut Unpacking,
        content: &mut Vec<u8>,
    ) -> Option<Header> {
        let size = self.head(at).ok()?.size;
        // What cannot be made smaller is a little larger in a pack: five bytes for each block of it.
        let end = at + HEADER as u64 + size + size / 1024 + 64;
        let packed = self.read(at, end.min(self.end), with)?;
        with.unpack(at, packed, content)
    }

    /// Reads a part of the pack, unless it is there; where it is in what was read.
    fn read(&self, start: u64, end: u64, with: &mut Unpacking) -> Option<Range<usize>> {
        let length = usize::try_from(end.checked_sub(start)?).ok()?;
        let have = with.start..with.start + with.packed.len() as u64;
        if !(have.contains(&start) && end <= have.end) {
            let more = end.max(start + with.least).min(self.end) - start;
            let more = usize::try_from(more).ok()?.max(length);
            with.packed
                .resize((more <= 2 * MOST_BYTES).then_some(more)?, 0);
            with.start = start;
            let read = self.file.read_exact_at(&mut with.packed, start);
            read.inspect_err(|_| with.packed.clear()).ok()?;
        }
        let start = usize::try_from(start - with.start).ok()?;
        Some(start..start + length)
    }
}

impl Unpacking {
    /// One that reads so many bytes of a pack at least.
    pub(super) fn reading(least: u64) -> Self {
        Self {
            least,
            ..Self::default()
        }
    }

    /// Unpacks what was read.
    fn unpack(&mut self, at: u64, packed: Range<usize>, content: &mut Vec<u8>) -> Option<Header> {
        let packed = &self.packed[packed];
        let entry = data::Entry::from_bytes(packed, at, Kind::Sha1).ok()?;
        let size = usize::try_from(entry.decompressed_size).ok()?;
        content.resize((size <= MOST_BYTES).then_some(size)?, 0);
        self.inflate.reset();
        let packed = packed.get(entry.header_size()..)?;
        let (status, _, written) = self.inflate.once(packed, content).ok()?;
        let is_whole = status == gix_zlib::Status::StreamEnd && written == size;
        is_whole.then_some(entry.header)
    }
}

/// Whether an object of this kind, as its header calls it, has an id; one that was made to collide with
/// another has none.
pub(super) fn has_id(kind: &str, content: &[u8], id: Oid) -> bool {
    let mut hasher = gix_hash::hasher(Kind::Sha1);
    hasher.update(format!("{kind} {}\0", content.len()).as_bytes());
    hasher.update(content);
    let hash = hasher.try_finalize();
    hash.is_ok_and(|hash| hash.as_bytes() == id.as_bytes())
}

/// The directory of a repository's packs.
pub(super) fn packs(git: &git2::Repository) -> PathBuf {
    git.commondir().join("objects/pack")
}

/// Compares the index of every pack of a directory with its checksum.
///
/// # Errors
///
/// For the first one that is not what Git wrote.
pub(super) fn check_indexes(directory: &Path) -> Result<(), Error> {
    for path in indexes(directory) {
        let index = index::File::at(&path, Kind::Sha1);
        let check = index.and_then(|i| i.verify_checksum(&mut Discard, &AtomicBool::new(false)));
        if let Err(error) = check {
            let reason = error.to_string();
            return Err(Error::Pack { path, reason });
        }
    }
    Ok(())
}

/// The indexes of the packs of a directory.
pub(super) fn indexes(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = match std::fs::read_dir(directory) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => vec![],
    };
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "idx"));
    paths.sort();
    paths
}
