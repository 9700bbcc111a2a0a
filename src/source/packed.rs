//! Many blobs of packs, read along their delta trees: each entry is unpacked once and each delta applied once.
//!
//! A pack keeps most objects as differences from others. To read one object after the other is to unpack
//! the same bases again and again; here every base is followed by all that is built on it.
//! In: a directory of packs and ids of blobs. Out: the content of each; what is used of it is checked
//! against its id. What is not handed over is left to libgit2, which reads loose objects too.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use git2::Oid;
use gix_hash::ObjectId;

use super::delta::apply;
use super::pack::{DEEPEST, Head, MOST_BYTES, Pack, TOO_LARGE, Unpacking, Unread, has_id, indexes};
use super::{Error, MAX_FILE_SIZE, threads};

/// Fewer blobs than this are not worth opening a pack for.
const FEWEST: usize = 64;
/// How many of them a thread looks up at a time.
const PIECE: usize = 512;
const LONG_CHAIN: &str = "a chain of more deltas than git makes";

/// A blob in the pack.
#[derive(Clone, Copy)]
struct Found {
    at: u64,
    head: Head,
    /// Its place among the ids.
    place: usize,
}

/// An entry that is needed, by itself or as a base.
struct Needed {
    head: Head,
    /// How many bases are below it.
    depth: usize,
}

/// An object on which others are built, for as long as one of them is still to be made.
struct Base<'h> {
    content: Vec<u8>,
    /// The bytes of all of them.
    held: &'h AtomicUsize,
}

/// An entry whose turn has come, by its number.
struct Node<'h> {
    entry: usize,
    base: Option<Arc<Base<'h>>>,
}

/// The entries of a pack that are needed, in its order, each with what is built on it.
struct Families {
    pack: Pack,
    entries: Vec<Entry>,
    /// The numbers of the entries, one base behind the other.
    built: Vec<usize>,
    /// How many bytes of bases are held.
    held: AtomicUsize,
    most_held: usize,
}

struct Entry {
    at: u64,
    /// The place among the ids, unless it is only a base.
    place: Option<usize>,
    /// Where those are that are built on it.
    built: Range<usize>,
}

/// The memory of a thread.
#[derive(Default)]
struct Buffers {
    unpacking: Unpacking,
    unpacked: Vec<u8>,
    made: Vec<u8>,
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
        let is_it = || has_id("blob", content, ids[place]);
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
        match read_pack(&index, ids, &needed, MOST_BYTES, &take) {
            Ok(()) => {}
            Err(Unread::Damaged(offset, error)) => {
                let path = index.with_extension("pack");
                let reason = format!("at byte {offset}: {error}");
                return Err(Error::Pack { path, reason });
            }
            Err(Unread::Elsewhere(reason)) => {
                let pack = index.display();
                tracing::info!(%pack, %reason, "a pack is read object by object");
            }
        }
    }
    Ok(taken.into_iter().map(AtomicBool::into_inner).collect())
}

/// Visits the needed blobs of one pack, and their bases, of which so many bytes are held at a time; what is
/// built on more is left out.
fn read_pack(
    index: &Path,
    ids: &[Oid],
    needed: &[usize],
    most_held: usize,
    take: &(impl Fn(usize, &[u8]) + Sync),
) -> Result<(), Unread> {
    let pack = Pack::open(index)?;
    let found = |place: usize| {
        let id = ObjectId::try_from(ids[place].as_bytes()).ok()?;
        let at = pack.offset_of(&id)?;
        Some(pack.head(at).map(|head| Found { at, head, place }))
    };
    let find = |(): &(), places: Vec<usize>| -> Result<Vec<Found>, Unread> {
        places.into_iter().filter_map(found).collect()
    };
    let found = threads::in_pieces(&(), || Some(()), needed.iter().copied(), PIECE, find);
    let found: Vec<Vec<Found>> = found.into_iter().collect::<Result<_, _>>()?;
    let mut found = found.concat();
    found.sort_unstable_by_key(|found| found.at);
    let entries = with_bases(&pack, &found)?;
    if found.len() < FEWEST {
        return Ok(());
    }
    let (families, roots) = Families::new(pack, entries, &found, most_held);
    let roots = roots.into_iter().map(|entry| Node { entry, base: None });
    threads::spreading(roots.collect(), Buffers::default, |buffers, node, more| {
        families.visit(buffers, node, more, take);
    });
    Ok(())
}

/// Follows entries, in the order of the pack, to all that they are built on. What is too large is left to libgit2,
/// which knows its size and name.
fn with_bases(pack: &Pack, found: &[Found]) -> Result<HashMap<u64, Needed>, Unread> {
    let damaged = |at: u64, why: &str| Unread::Damaged(at, why.to_owned());
    let mut entries = HashMap::with_capacity(2 * found.len());
    let mut chain = Vec::new();
    for offset in found.iter().map(|found| found.at) {
        let mut next = Some(offset);
        // Bases that go round in a circle end here, too, and are never visited.
        while let Some(at) = next.filter(|at| !entries.contains_key(at)) {
            let head = match found.binary_search_by_key(&at, |found| found.at) {
                Ok(number) => found[number].head,
                Err(_) => pack.head(at)?,
            };
            if (head.base, head.size) == (None, TOO_LARGE) {
                if at == offset {
                    break;
                }
                let why = format!("the base of another object has more than {MAX_FILE_SIZE} bytes");
                return Err(damaged(at, &why));
            }
            entries.insert(at, Needed { head, depth: 0 });
            chain.push(at);
            if chain.len() > DEEPEST {
                return Err(damaged(offset, LONG_CHAIN));
            }
            next = head.base;
        }
        if entries.len() > pack.entries() {
            return Err(damaged(offset, "more entries than the index has"));
        }
        let below = next.and_then(|at| entries.get(&at));
        let mut depth = below.map_or(0, |below| below.depth + 1);
        for at in chain.drain(..).rev() {
            entries.entry(at).and_modify(|entry| entry.depth = depth);
            depth += 1;
        }
        if depth > DEEPEST + 1 {
            return Err(damaged(offset, LONG_CHAIN));
        }
    }
    Ok(entries)
}

impl Families {
    /// Those of a pack, and the numbers of the blobs that have no base.
    fn new(
        pack: Pack,
        needed: HashMap<u64, Needed>,
        found: &[Found],
        most_held: usize,
    ) -> (Self, Vec<usize>) {
        let mut needed: Vec<(u64, Head)> = needed.into_iter().map(|(at, n)| (at, n.head)).collect();
        needed.sort_unstable_by_key(|(at, _)| *at);
        let mut built: Vec<usize> = (0..needed.len()).collect();
        built.sort_by_key(|number| needed[*number].1.base);
        let built_on = |base: Option<u64>| {
            let end = built.partition_point(|number| needed[*number].1.base <= base);
            built.partition_point(|number| needed[*number].1.base < base)..end
        };
        let place = |at| found.binary_search_by_key(&at, |found| found.at).ok();
        let entry = |(at, _): &(u64, Head)| Entry {
            at: *at,
            place: place(*at).map(|number| found[number].place),
            built: built_on(Some(*at)),
        };
        let entries = needed.iter().map(entry).collect();
        // libgit2 says what is wrong with a blob that is none.
        let roots = built[built_on(None)].iter().copied();
        let roots = roots.filter(|number| needed[*number].1.is_blob).collect();
        let families = Self {
            pack,
            entries,
            built,
            held: AtomicUsize::new(0),
            most_held,
        };
        (families, roots)
    }

    /// Hands an entry over, if it is a blob that is needed, and adds those that are built on it.
    fn visit<'h>(
        &'h self,
        buffers: &mut Buffers,
        node: Node<'h>,
        more: &mut Vec<Node<'h>>,
        take: &impl Fn(usize, &[u8]),
    ) {
        let entry = &self.entries[node.entry];
        let base = node.base.as_ref().map(|base| base.content.as_slice());
        let Some(content) = buffers.content(&self.pack, entry.at, base) else {
            return;
        };
        if let Some(place) = entry.place {
            take(place, content);
        }
        let held = self.held.load(Ordering::Relaxed);
        if !entry.built.is_empty() && held + content.len() <= self.most_held {
            let base = Some(Arc::new(Base::new(std::mem::take(content), &self.held)));
            let built = self.built[entry.built.clone()].iter();
            more.extend(built.map(|entry| Node {
                entry: *entry,
                base: base.clone(),
            }));
            // The last is taken first: where nothing more is built, the base is soon needed by fewer.
            more.sort_by_key(|node| self.entries[node.entry].built.is_empty());
        }
    }
}

impl Buffers {
    /// The object of an entry; `None` if it is not what the index says, or makes no sense.
    fn content(&mut self, pack: &Pack, at: u64, base: Option<&[u8]>) -> Option<&mut Vec<u8>> {
        let header = pack.unpack(at, &mut self.unpacking, &mut self.unpacked)?;
        match base {
            Some(base) => {
                apply(base, &self.unpacked, MOST_BYTES, &mut self.made)?;
                Some(&mut self.made)
            }
            None => header.is_base().then_some(&mut self.unpacked),
        }
    }
}

impl<'h> Base<'h> {
    fn new(content: Vec<u8>, held: &'h AtomicUsize) -> Self {
        held.fetch_add(content.len(), Ordering::Relaxed);
        Self { content, held }
    }
}

impl Drop for Base<'_> {
    fn drop(&mut self) {
        self.held.fetch_sub(self.content.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::source::pack::packs;

    #[test]
    fn every_blob_is_taken_once_and_bases_are_held_up_to_a_limit() {
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
        let read = |most_held| {
            let taken = Mutex::new(Vec::new());
            let take = |place: usize, content: &[u8]| {
                assert!(
                    content == blobs[place].1.as_bytes() && has_id("blob", content, ids[place])
                );
                taken.lock().expect("nobody panicked").push(place);
            };
            let read = read_pack(&index, &ids, &needed, most_held, &take);
            assert!(read.is_ok(), "{most_held}");
            let mut taken = taken.into_inner().expect("nobody panicked");
            taken.sort_unstable();
            taken
        };
        assert_eq!(read(usize::MAX), needed);
        assert_eq!(read(MOST_BYTES), needed);
        let (none, few) = (read(0), read(3000));
        let is_a_part =
            |part: &[usize]| part.is_sorted_by(|a, b| a < b) && part.len() < needed.len();
        assert!(
            is_a_part(&none) && is_a_part(&few),
            "what is left out is built on others"
        );
        assert!(!has_id("blob", b"another", ids[0]));
    }
}
