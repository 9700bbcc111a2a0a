//! Packs, read along their delta trees: each entry is unpacked once and each delta applied once.
//!
//! A pack keeps most objects as differences from others. To read one object after the other is to unpack
//! the same bases again and again; here every base is followed by all that is built on it.
//! In: a directory of packs and ids of blobs. Out: the content of each; what is used of it is checked
//! against its id. What is not handed over is left to libgit2, which reads loose objects too. libgit2
//! follows whatever an index and an entry's header say, right out of its memory if they are damaged,
//! so both are checked here before libgit2 reads.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use git2::Oid;
use gix_hash::{Kind, ObjectId};
use gix_pack::cache::delta::{Tree, traverse};
use gix_pack::data::{self, entry::Header};
use gix_pack::index;
use gix_utils::progress::Discard;

use super::{Error, MAX_FILE_SIZE, threads};

/// Fewer blobs than this are not worth opening a pack for.
const FEWEST: usize = 64;
/// The most bytes an object may have, and the most that the bases of one object may add up to: what
/// a thread holds at a time. Beyond it libgit2 reads, one object at a time.
pub(super) const MOST_BYTES: usize = 64 * 1024 * 1024;
/// After so many bytes a pack is opened anew: what was read of it stays mapped into memory until then.
pub(super) const BATCH: u64 = 32 * 1024 * 1024;
/// Where the first entry of a pack is: after "PACK", a version and a count.
const FIRST: u64 = 12;
/// The longest chain of deltas that git makes, whatever it is told: `pack.depth` ends here.
pub(super) const DEEPEST: usize = 4095;
const LONG_CHAIN: &str = "a chain of more deltas than git makes";
/// How many bytes an entry unpacks to of which nobody needs to know how much too large it is.
const TOO_LARGE: u64 = MAX_FILE_SIZE + 1;
/// No entry has a longer header: a length of ten bytes, and the id or distance of a base.
const HEADER: u64 = 32;

/// An entry that is visited: its place in the pack, and which of the ids it is, if it is not only a
/// base.
type Visited = (u64, Option<usize>);

/// Where an entry's delta tree has its root, how many bases are between them, and how many bytes the
/// entry itself unpacks to: a blob, or the instructions that make it of its base.
#[derive(Clone, Copy)]
struct Rooted {
    root: u64,
    depth: usize,
    size: u64,
}

/// What the index says of the entries themselves, in the order of the pack.
pub(super) struct Layout {
    index: index::File,
    /// Where each entry starts, and its number in the index.
    starts: Vec<(u64, u32)>,
}

impl Layout {
    pub(super) fn new(index: index::File) -> Self {
        let start = |number| (index.pack_offset_at_index(number), number);
        let mut starts: Vec<_> = (0..index.num_objects()).map(start).collect();
        starts.sort_unstable();
        Self { index, starts }
    }

    /// An entry, if it is what the index has a checksum of: a reader that is told a wrong length makes
    /// something of it all the same.
    pub(super) fn checked<'f>(&self, file: &'f data::File, at: u64) -> Option<&'f [u8]> {
        let place = self.starts.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        let next = self.starts.get(place + 1);
        let end = next.map_or(file.pack_end() as u64, |(end, _)| *end);
        let entry = file.entry_slice(at..end)?;
        let checksum = self.index.crc32_at_index(self.starts[place].1)?;
        (file.entry_crc32(at, entry.len()) == checksum).then_some(entry)
    }

    /// Where an object is, if it is in the pack.
    pub(super) fn offset_of(&self, id: &gix_hash::oid) -> Option<u64> {
        offset_of(&self.index, id)
    }
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

/// Hands blobs over that are in the packs of a directory, in no order and from several threads, by
/// their place among the ids; returns for each whether it was taken. The ids are sorted.
///
/// The index and every entry have been compared with their checksums by then. `take` is given the place
/// of an id, a content, and a test whether the content has that id, which costs a hash: if it finds
/// something in the content it runs the test, and returns `false` if that fails.
///
/// # Errors
///
/// If the header of an entry that is needed makes no sense.
pub(super) fn read(
    directory: &Path,
    ids: &[Oid],
    take: &(impl Fn(usize, &[u8], &dyn Fn() -> bool) -> bool + Sync),
) -> Result<Vec<bool>, Error> {
    let taken: Vec<AtomicBool> = ids.iter().map(|_| AtomicBool::new(false)).collect();
    let take = |place: usize, content: &[u8]| {
        let is_it = || is_blob(content, ids[place]);
        if !taken[place].load(Ordering::Relaxed) && take(place, content, &is_it) {
            taken[place].store(true, Ordering::Relaxed);
        }
    };
    for index in indexes(directory) {
        let missing = |place: &usize| !taken[*place].load(Ordering::Relaxed);
        let needed: Vec<usize> = (0..ids.len()).filter(missing).collect();
        if needed.is_empty() {
            break;
        }
        match read_pack(&index, ids, &needed, BATCH, &take) {
            Ok(()) => {}
            Err(VisitError::Damaged(offset, error)) => {
                let path = index.with_extension("pack");
                let reason = format!("at byte {offset}: {error}");
                return Err(Error::Pack { path, reason });
            }
            Err(VisitError::Unread(reason)) => {
                let pack = index.display();
                tracing::info!(%pack, %reason, "the rest of a pack is read object by object");
            }
        }
    }
    Ok(taken.into_iter().map(AtomicBool::into_inner).collect())
}

/// Why the visit of a pack stopped early.
enum VisitError {
    /// The header of the entry at this place makes no sense.
    Damaged(u64, String),
    /// Another way of reading may get further, or say what is damaged.
    Unread(Box<dyn std::error::Error + Send + Sync>),
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for VisitError {
    fn from(error: E) -> Self {
        Self::Unread(error.into())
    }
}

/// Whether a blob has an id; one that was made to collide with another has none.
fn is_blob(content: &[u8], id: Oid) -> bool {
    let mut hasher = gix_hash::hasher(Kind::Sha1);
    hasher.update(format!("blob {}\0", content.len()).as_bytes());
    hasher.update(content);
    let hash = hasher.try_finalize();
    hash.is_ok_and(|hash| hash.as_bytes() == id.as_bytes())
}

/// Visits the needed blobs of one pack and their bases, some trees at a time; an error if it stopped
/// early.
fn read_pack(
    index: &Path,
    ids: &[Oid],
    needed: &[usize],
    batch_size: u64,
    take: &(impl Fn(usize, &[u8]) + Sync),
) -> Result<(), VisitError> {
    let pack = index.with_extension("pack");
    let index = index::File::at(index, Kind::Sha1)?;
    let place = |place: &usize| {
        let id = ObjectId::try_from(ids[*place].as_bytes()).ok()?;
        Some((offset_of(&index, &id)?, *place))
    };
    let mut places: Vec<(u64, usize)> = needed.iter().filter_map(place).collect();
    places.sort_unstable();
    let offsets = places.iter().map(|(at, _)| *at);
    let mut entries = HashMap::with_capacity(2 * places.len());
    find_roots(&pack, &index, offsets, &mut entries)?;
    if places.len() < FEWEST {
        return Ok(());
    }
    // The library builds every tree from a stream that starts at the first entry, needed or not. A
    // fault of an entry that is not needed ends this way of reading and no more.
    let first = find_roots(&pack, &index, [FIRST], &mut HashMap::new());
    let first = first.map_err(|_| "the first entry makes no sense")?;
    let batches = batches(&entries, &places, &first, batch_size);
    drop((entries, places));
    // Each thread visits a batch, or all of them one after the other the few that there are.
    let threads = threads::available();
    let (together, each) = if batches.len() < 2 * threads {
        (batches.len().max(1), threads)
    } else {
        (1, 1)
    };
    let layout = Layout::new(index);
    let visit = |(): &(), batches: Vec<Vec<Visited>>| {
        let mut batches = batches.into_iter();
        batches.try_for_each(|batch| visit(&pack, &layout, batch.into_iter(), each, take))
    };
    let batches = batches.into_iter();
    let results = threads::in_pieces(&(), || Some(()), batches, together, visit);
    results.into_iter().collect()
}

/// Entries in batches that unpack to so many bytes, or more by the last of their trees, which stay
/// whole; and in each the first entry of the pack with its bases.
fn batches(
    entries: &HashMap<u64, Rooted>,
    places: &[(u64, usize)],
    first: &[u64],
    batch_size: u64,
) -> Vec<Vec<Visited>> {
    let visited = |at: u64| {
        let place = places.binary_search_by_key(&at, |(at, _)| *at);
        (at, place.ok().map(|place| places[place].1))
    };
    let mut order: Vec<(u64, u64)> = entries.iter().map(|(at, e)| (e.root, *at)).collect();
    order.sort_unstable();
    let mut batches: Vec<Vec<Visited>> = Vec::new();
    let mut size = batch_size;
    for tree in order.chunk_by(|(a, _), (b, _)| a == b) {
        if size >= batch_size {
            batches.push(first.iter().map(|at| (*at, None)).collect());
            size = 0;
        }
        let batch = batches.last_mut().expect("the first has begun");
        batch.extend(tree.iter().map(|(_, at)| visited(*at)));
        size += tree.iter().map(|(_, at)| entries[at].size).sum::<u64>();
    }
    for batch in &mut batches {
        batch.sort_unstable_by_key(|(at, place)| (*at, place.is_none()));
        batch.dedup_by_key(|(at, _)| *at);
    }
    batches
}

fn offset_of(index: &index::File, id: &gix_hash::oid) -> Option<u64> {
    index.lookup(id).map(|at| index.pack_offset_at_index(at))
}

/// Follows entries, in the order of the pack, to the roots of their delta trees; what was not known is
/// added to `entries` and returned. What is too large is left to libgit2, which knows its size and name.
fn find_roots(
    pack: &Path,
    index: &index::File,
    offsets: impl IntoIterator<Item = u64>,
    entries: &mut HashMap<u64, Rooted>,
) -> Result<Vec<u64>, VisitError> {
    let mut file = data::File::at(pack, Kind::Sha1)?;
    let mut opened_at = 0;
    let mut added = Vec::new();
    for offset in offsets {
        if offset - opened_at > BATCH {
            file = data::File::at(pack, Kind::Sha1)?;
            opened_at = offset;
        }
        let chain_start = added.len();
        if header(&file, index, offset)? == (None, TOO_LARGE) {
            continue;
        }
        let end = follow_bases(&file, index, offset, entries, &mut added)?;
        if entries.len() > index.num_objects() as usize {
            return Err(damaged(offset, "more entries than the index has"));
        }
        let depth = settle_chain(&added[chain_start..], end, entries);
        if depth > DEEPEST {
            return Err(damaged(offset, LONG_CHAIN));
        }
    }
    Ok(added)
}

/// Follows one entry from base to base up to one that is known or has no base. What it passes is
/// added to `entries`, for now as a root of its own, and in its order to `added`. Returned is where the
/// last entry that was added belongs: its root and its depth below that.
fn follow_bases(
    file: &data::File,
    index: &index::File,
    offset: u64,
    entries: &mut HashMap<u64, Rooted>,
    added: &mut Vec<u64>,
) -> Result<(u64, usize), VisitError> {
    let chain_start = added.len();
    let mut at = offset;
    loop {
        // Bases that go round in a circle end here, too, at a root for now; the visit will not find
        // that root.
        if let Some(known) = entries.get(&at) {
            return Ok((known.root, known.depth + 1));
        }
        if added.len() - chain_start > DEEPEST {
            return Err(damaged(offset, LONG_CHAIN));
        }
        let (base, size) = header(file, index, at)?;
        if (base, size) == (None, TOO_LARGE) {
            let why = format!("the base of another object has more than {MAX_FILE_SIZE} bytes");
            return Err(VisitError::Damaged(at, why));
        }
        let (root, depth) = (at, 0);
        entries.insert(at, Rooted { root, depth, size });
        added.push(at);
        match base {
            Some(base) => at = base,
            None => return Ok((at, 0)),
        }
    }
}

/// Says of the entries of a chain, each of which has the next one for its base, where they belong: the
/// last one as given, each before it one deeper. Returned is the greatest depth, or that of the known
/// entry if the chain is empty.
fn settle_chain(
    chain: &[u64],
    (root, lowest): (u64, usize),
    entries: &mut HashMap<u64, Rooted>,
) -> usize {
    let mut next = lowest;
    for at in chain.iter().rev() {
        if let Some(entry) = entries.get_mut(at) {
            (entry.root, entry.depth) = (root, next);
        }
        next += 1;
    }
    next.saturating_sub(1)
}

fn damaged(at: u64, why: &str) -> VisitError {
    VisitError::Damaged(at, why.to_owned())
}

/// The base of an entry, if it has one, and how many bytes the entry unpacks to, at most [`TOO_LARGE`].
fn header(
    file: &data::File,
    index: &index::File,
    at: u64,
) -> Result<(Option<u64>, u64), VisitError> {
    let end = file.pack_end() as u64;
    let header = file.entry_slice(at..at.saturating_add(HEADER).min(end));
    let header = header.ok_or("an entry lies outside")?;
    let entry = data::Entry::from_bytes(header, at, Kind::Sha1)
        .map_err(|error| VisitError::Damaged(at, error.to_string()))?;
    let size = entry.decompressed_size.min(TOO_LARGE);
    let base = match entry.header {
        Header::OfsDelta { base_distance } => Header::verified_base_pack_offset(at, base_distance),
        Header::RefDelta { base_id } => offset_of(index, &base_id),
        Header::Commit | Header::Tree | Header::Blob | Header::Tag => return Ok((None, size)),
    };
    Ok((Some(base.ok_or("a base is not in it")?), size))
}

/// Visits entries, which are sorted and have their bases among them.
fn visit(
    pack: &Path,
    layout: &Layout,
    entries: impl Iterator<Item = Visited>,
    threads: usize,
    take: &(impl Fn(usize, &[u8]) + Sync),
) -> Result<(), VisitError> {
    let file = data::File::at(pack, Kind::Sha1)?;
    let stop = AtomicBool::new(false);
    let tree = Tree::from_offsets_in_pack(
        pack,
        entries,
        &|(offset, _)| *offset,
        &|id| Ok(layout.offset_of(id)),
        &mut Discard,
        &stop,
        Kind::Sha1,
    )?;
    let options = traverse::Options {
        object_progress: Box::new(Discard),
        size_progress: &mut Discard,
        thread_limit: Some(threads),
        should_interrupt: &stop,
        object_hash: Kind::Sha1,
        alloc_limit_bytes: Some(MOST_BYTES),
    };
    tree.traverse(
        |range, file| layout.checked(file, range.start),
        &file,
        file.pack_end() as u64,
        |(_, place), _, context| {
            if let Some(place) = place {
                take(*place, context.decompressed);
            }
            let held = context.decompressed.len() * usize::from(context.level);
            if held > MOST_BYTES {
                stop.store(true, Ordering::Relaxed);
            }
            Ok(())
        },
        options,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_blob_is_taken_once_however_small_the_batches() {
        let directory = tempfile::tempdir().expect("a directory");
        let git = git2::Repository::init_bare(directory.path()).expect("a repository");
        let line = |n: usize| format!("line {n}: {}\n", n * 7919);
        let text = |n: usize| {
            (n % 5 * 100..n % 5 * 100 + 90)
                .map(line)
                .collect::<String>()
                + &line(n)
        };
        let mut blobs: Vec<(Oid, String)> = (0..3 * FEWEST)
            .map(|n| (git.blob(text(n).as_bytes()).expect("a blob"), text(n)))
            .collect();
        blobs.sort();
        let mut builder = git.packbuilder().expect("a builder");
        for (id, _) in &blobs {
            builder.insert_object(*id, None).expect("inserted");
        }
        builder.write(&packs(&git), 0).expect("a pack");
        let index = indexes(&packs(&git)).pop().expect("an index");
        let ids: Vec<Oid> = blobs.iter().map(|(id, _)| *id).collect();
        // The last one is not handed over, like a base that is not needed itself.
        let needed: Vec<usize> = (0..ids.len() - 1).collect();
        for batch_size in [0, 1, 2000, u64::MAX] {
            let taken = Mutex::new(Vec::new());
            let take = |place: usize, content: &[u8]| {
                assert!(content == blobs[place].1.as_bytes() && is_blob(content, ids[place]));
                taken.lock().expect("nobody panicked").push(place);
            };
            let read = read_pack(&index, &ids, &needed, batch_size, &take);
            assert!(read.is_ok(), "{batch_size}");
            let mut taken = taken.into_inner().expect("nobody panicked");
            taken.sort_unstable();
            assert_eq!(taken, needed, "{batch_size}");
        }
        assert!(!is_blob(b"another", ids[0]));
    }
}
