//! Packs, read along their delta trees: each entry is unpacked once and each delta applied once.
//!
//! A pack keeps most objects as differences from others. Whoever asks for one object after the other
//! unpacks the same bases again and again; here every base is followed by all that is built on it.
//! In: a directory of packs and ids of blobs. Out: the content of each, checked against its id. What
//! is not handed over is left to libgit2, which reads loose objects too. libgit2 follows whatever an
//! index and an entry's header say, right out of its memory if they are damaged, so both are checked
//! here before it may look.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use git2::{ObjectType, Oid};
use gix_hash::{Kind, ObjectId};
use gix_pack::cache::delta::{Tree, traverse};
use gix_pack::data::entry::Header;
use gix_utils::progress::Discard;

use super::{Error, MAX_FILE_SIZE};

/// Fewer blobs than this are not worth opening a pack for.
const FEWEST: usize = 64;
/// The most bytes an object may have, and the most that the bases of one object may add up to: what
/// a thread holds at a time. Beyond it libgit2 reads, one object at a time.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Where the first entry of a pack is: after "PACK", a version and a count.
const FIRST: u64 = 12;
/// No entry has a longer header: a length of ten bytes, and the id or distance of a base.
const HEADER: u64 = 32;

/// An entry that is visited: its place in the pack, and which of the ids it is, if it is not only a
/// base.
type Visited = (u64, Option<usize>);

/// Compares the index of every pack of a directory with its checksum.
///
/// # Errors
///
/// For the first one that is not what Git wrote.
pub(super) fn check_indexes(directory: &Path) -> Result<(), Error> {
    for path in indexes(directory) {
        let index = gix_pack::index::File::at(&path, Kind::Sha1);
        let check = index.and_then(|i| i.verify_checksum(&mut Discard, &AtomicBool::new(false)));
        if let Err(error) = check {
            let reason = error.to_string();
            return Err(Error::Pack { path, reason });
        }
    }
    Ok(())
}

/// The indexes of the packs of a directory.
fn indexes(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = match std::fs::read_dir(directory) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => vec![],
    };
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "idx"));
    paths.sort();
    paths
}

/// Hands blobs over that are in the packs of a directory, in no order and from several threads, by
/// their place among the ids; says of each whether it was. The ids are sorted.
///
/// The index and every entry have been compared with checksums by then. Whoever uses a content and
/// does not only pass over it asks whether it is that of the id, and says `false` if it is not.
///
/// # Errors
///
/// If the header of an entry that is needed makes no sense.
pub(super) fn read(
    directory: &Path,
    ids: &[Oid],
    threads: usize,
    see: &(impl Fn(usize, &[u8], &dyn Fn() -> bool) -> bool + Sync),
) -> Result<Vec<bool>, Error> {
    let seen: Vec<AtomicBool> = ids.iter().map(|_| AtomicBool::new(false)).collect();
    let see = |place: usize, content: &[u8]| {
        let is_it = || Oid::hash_object(ObjectType::Blob, content).is_ok_and(|id| id == ids[place]);
        if !seen[place].load(Ordering::Relaxed) && see(place, content, &is_it) {
            seen[place].store(true, Ordering::Relaxed);
        }
    };
    for index in indexes(directory) {
        let missing = |place: &usize| !seen[*place].load(Ordering::Relaxed);
        let wanted: Vec<usize> = (0..ids.len()).filter(missing).collect();
        if wanted.is_empty() {
            break;
        }
        match read_pack(&index, ids, &wanted, threads, &see) {
            Ok(()) => {}
            Err(Trouble::Damaged(offset, error)) => {
                let path = index.with_extension("pack");
                let reason = format!("at byte {offset}: {error}");
                return Err(Error::Pack { path, reason });
            }
            Err(Trouble::Unread(reason)) => {
                let pack = index.display();
                tracing::info!(%pack, %reason, "the rest of a pack is read object by object");
            }
        }
    }
    Ok(seen.into_iter().map(AtomicBool::into_inner).collect())
}

/// Why the visit of a pack stopped early.
enum Trouble {
    /// The header of the entry at this place makes no sense.
    Damaged(u64, String),
    /// Another way of reading may get further, or say what is damaged.
    Unread(Box<dyn std::error::Error + Send + Sync>),
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Unread(error.into())
    }
}

/// Visits the wanted blobs of one pack and their bases; an error if it stopped early.
fn read_pack(
    index: &Path,
    ids: &[Oid],
    wanted: &[usize],
    threads: usize,
    see: &(impl Fn(usize, &[u8]) + Sync),
) -> Result<(), Trouble> {
    let file = gix_pack::data::File::at(index.with_extension("pack"), Kind::Sha1)?;
    let index = gix_pack::index::File::at(index, Kind::Sha1)?;
    let offset_of = |id: &gix_hash::oid| index.lookup(id).map(|at| index.pack_offset_at_index(at));
    let place = |place: &usize| {
        let id = ObjectId::try_from(ids[*place].as_bytes()).ok()?;
        Some((offset_of(&id)?, Some(*place)))
    };
    let mut visited: BTreeMap<u64, Option<usize>> = wanted.iter().filter_map(place).collect();
    let worthwhile = visited.len() >= FEWEST;
    let end = file.pack_end() as u64;
    let mut pending: Vec<u64> = visited.keys().copied().collect();
    while let Some(offset) = pending.pop() {
        let header = file.entry_slice(offset..offset.saturating_add(HEADER).min(end));
        let header = header.ok_or("an entry lies outside")?;
        let entry = gix_pack::data::Entry::from_bytes(header, offset, Kind::Sha1)
            .map_err(|error| Trouble::Damaged(offset, error.to_string()))?;
        let base = match entry.header {
            Header::OfsDelta { base_distance } => {
                Header::verified_base_pack_offset(offset, base_distance)
            }
            Header::RefDelta { base_id } => offset_of(&base_id),
            Header::Commit | Header::Tree | Header::Blob | Header::Tag => {
                if entry.decompressed_size > MAX_FILE_SIZE {
                    let why = format!("an object of {} bytes", entry.decompressed_size);
                    return Err(Trouble::Damaged(offset, why));
                }
                continue;
            }
        };
        if let Entry::Vacant(base) = visited.entry(base.ok_or("a base is not in it")?) {
            pending.push(*base.key());
            base.insert(None);
        }
    }
    if !worthwhile {
        return Ok(());
    }
    // The tree is built from a stream that starts at the first entry.
    visited.entry(FIRST).or_default();
    let stop = AtomicBool::new(false);
    let tree = Tree::<Visited>::from_offsets_in_pack(
        file.path(),
        visited.into_iter(),
        &|(offset, _)| *offset,
        &|id| Ok(offset_of(id)),
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
        |range, file| file.entry_slice(range),
        &file,
        end,
        |(_, place), _, context| {
            if let Some(place) = place {
                see(*place, context.decompressed);
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
