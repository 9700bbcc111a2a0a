//! Many blobs of packs, read along their delta trees: each entry is unpacked once and each delta applied once.
//!
//! A pack keeps most objects as differences from others. To read one object after the other is to unpack
//! the same bases again and again; here every base is followed by all that is built on it.
//! In: a directory of packs and ids of blobs. Out: the content of each; what is used of it is checked
//! against its id. What is not handed over is left to libgit2, which reads loose objects too.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use git2::Oid;
use gix_hash::ObjectId;

use super::delta::apply;
use super::pack::{DEEPEST, Head, MOST_BYTES, Pack, Unpacking, Unreadable, has_id, indexes};
use super::{Error, MAX_FILE_SIZE, threads};

/// Fewer blobs than this are not worth opening a pack for.
const FEWEST: usize = 64;
/// How many of them a thread looks up at a time.
const PIECE: usize = 512;

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

/// Blobs of a pack and their bases, in its order.
struct Families {
    pack: Pack,
    entries: Vec<Entry>,
    /// The numbers of the entries that have a base, one base behind the other.
    built: Vec<usize>,
    /// How many bytes of bases are held.
    held: AtomicUsize,
    most_held: usize,
}

#[derive(Clone)]
struct Entry {
    at: u64,
    head: Head,
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
            Err(Unreadable::Damaged(offset, error)) => {
                let path = index.with_extension("pack");
                let reason = format!("at byte {offset}: {error}");
                return Err(Error::Pack { path, reason });
            }
            Err(Unreadable::Elsewhere(reason)) => {
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
) -> Result<(), Unreadable> {
    let pack = Pack::open(index)?;
    let found = |place: usize| {
        let id = ObjectId::try_from(ids[place].as_bytes()).ok()?;
        let at = pack.offset_of(&id)?;
        let entry = pack.head(at).map(|head| Entry::new(at, head, Some(place)));
        // What is too large is left to libgit2, which knows its size and name.
        let is_too_large = |entry: &Entry| entry.head.is_too_large();
        Some(entry).filter(|entry| !entry.as_ref().is_ok_and(is_too_large))
    };
    let find = |(): &(), places: Vec<usize>| -> Result<Vec<Entry>, Unreadable> {
        places.into_iter().filter_map(found).collect()
    };
    let found = threads::in_pieces(&(), || Some(()), needed.iter().copied(), PIECE, find);
    let found: Vec<Vec<Entry>> = found.into_iter().collect::<Result<_, _>>()?;
    let found = found.concat();
    let are_few = found.len() < FEWEST;
    let families = Families::new(pack, found, most_held)?;
    if are_few {
        return Ok(());
    }
    // libgit2 says what is wrong with a blob that is none.
    let roots = families
        .roots()
        .filter(|root| families.entries[*root].head.is_blob);
    let roots = roots.map(|entry| Node { entry, base: None }).collect();
    threads::spreading(roots, Buffers::default, |buffers, node, more| {
        families.visit(buffers, node, more, take);
    });
    Ok(())
}

impl Entry {
    fn new(at: u64, head: Head, place: Option<usize>) -> Self {
        let built = 0..0;
        Self {
            at,
            head,
            place,
            built,
        }
    }
}

impl Families {
    /// Those of the blobs of a pack.
    ///
    /// # Errors
    ///
    /// If a base makes no sense or is too large, or a chain of them is too long.
    fn new(pack: Pack, blobs: Vec<Entry>, most_held: usize) -> Result<Self, Unreadable> {
        let mut entries = with_bases(&pack, blobs)?;
        let number = |at| entries.binary_search_by_key(&at, |entry| entry.at).ok();
        let bases = entries.iter().map(|entry| entry.head.base.and_then(number));
        let bases: Vec<Option<usize>> = bases.collect();
        let mut built: Vec<usize> = (0..bases.len()).filter(|n| bases[*n].is_some()).collect();
        built.sort_by_key(|number| bases[*number]);
        let mut start = 0;
        for family in built.chunk_by(|a, b| bases[*a] == bases[*b]) {
            let end = start + family.len();
            if let Some(base) = bases[family[0]] {
                entries[base].built = start..end;
            }
            start = end;
        }
        let families = Self {
            pack,
            entries,
            built,
            held: AtomicUsize::new(0),
            most_held,
        };
        families.check_depth().map(|()| families)
    }

    /// The numbers of the entries that have no base.
    fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(number, entry)| entry.head.base.is_none().then_some(number))
    }

    /// Bases that go round in a circle have no root, and are never visited.
    fn check_depth(&self) -> Result<(), Unreadable> {
        let mut next: Vec<(usize, usize)> = self.roots().map(|root| (root, 0)).collect();
        while let Some((number, depth)) = next.pop() {
            let entry = &self.entries[number];
            if depth > DEEPEST {
                return Err(damaged(entry.at, "a chain of more deltas than git makes"));
            }
            let built = self.built[entry.built.clone()].iter();
            next.extend(built.map(|built| (*built, depth + 1)));
        }
        Ok(())
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

/// Blobs and all that they are built on, in the order of the pack.
fn with_bases(pack: &Pack, mut entries: Vec<Entry>) -> Result<Vec<Entry>, Unreadable> {
    entries.sort_unstable_by_key(|entry| entry.at);
    let blobs = entries.len();
    let mut others = HashSet::new();
    let mut next: Vec<u64> = entries.iter().filter_map(|entry| entry.head.base).collect();
    while let Some(at) = next.pop() {
        let blob = entries[..blobs].binary_search_by_key(&at, |entry| entry.at);
        if blob.is_ok() || !others.insert(at) {
            continue;
        }
        let head = pack.head(at)?;
        if head.is_too_large() {
            let why = format!("the base of another object has more than {MAX_FILE_SIZE} bytes");
            return Err(damaged(at, &why));
        }
        entries.push(Entry::new(at, head, None));
        if entries.len() > pack.entries() {
            return Err(damaged(at, "more entries than the index has"));
        }
        next.extend(head.base);
    }
    entries.sort_unstable_by_key(|entry| entry.at);
    Ok(entries)
}

fn damaged(at: u64, why: &str) -> Unreadable {
    Unreadable::Damaged(at, why.to_owned())
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
    use std::path::PathBuf;
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

    /// An entry of a pack, not made smaller; what is built on another one says how far that is before it.
    fn entry(content: &[u8], distance: Option<usize>) -> Vec<u8> {
        let (kind, size) = (if distance.is_some() { 6 } else { 3 }, content.len());
        let mut entry = vec![0x80 | kind << 4 | (size & 15) as u8, (size >> 4) as u8];
        entry.extend(distance.map(|distance| {
            assert!(distance < 0x80, "one byte is enough");
            distance as u8
        }));
        let length = (size as u16).to_le_bytes();
        let inverse = (!(size as u16)).to_le_bytes();
        entry.extend([0x78, 1, 1].iter().chain(&length).chain(&inverse));
        entry.extend(content);
        let (mut low, mut high) = (1_u32, 0);
        for byte in content {
            low = (low + u32::from(*byte)) % 65521;
            high = (high + low) % 65521;
        }
        entry.extend((high << 16 | low).to_be_bytes());
        entry
    }

    /// A pack in which each blob but the first is built on the one before it, and the ids of all.
    fn chain(directory: &Path, length: usize) -> (PathBuf, Vec<Oid>) {
        const START: &[u8; 60] = &[b'x'; 60];
        let content = |number: usize| [&START[..], format!("{number:08}").as_bytes()].concat();
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend((length as u32 + 1).to_be_bytes());
        let mut last = pack.len();
        pack.extend(entry(&content(0), None));
        for number in 1..=length {
            // Of 68 bytes 68 others: 60 as they are, and eight that are new.
            let delta = [&[68, 68, 0x90, 60, 8], &content(number)[60..]].concat();
            let at = pack.len();
            pack.extend(entry(&delta, Some(at - last)));
            last = at;
        }
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        hasher.update(&pack);
        pack.extend(hasher.try_finalize().expect("a hash").as_bytes());
        let path = directory.join("chain.pack");
        std::fs::write(&path, pack).expect("written");
        let git = std::process::Command::new("git")
            .arg("index-pack")
            .arg(&path)
            .output();
        let git = git.expect("git runs");
        assert!(git.status.success(), "{git:?}");
        let id = |number| Oid::hash_object(git2::ObjectType::Blob, &content(number));
        let mut ids: Vec<Oid> = (0..=length).map(|n| id(n).expect("an id")).collect();
        ids.sort();
        (path.with_extension("idx"), ids)
    }

    #[test]
    fn g15_a_chain_is_as_long_as_git_makes_it_and_no_longer() {
        let directory = tempfile::tempdir().expect("a directory");
        let read = |length: usize| {
            let (index, ids) = chain(directory.path(), length);
            let taken = AtomicUsize::new(0);
            let take = |place: usize, content: &[u8]| {
                assert!(has_id("blob", content, ids[place]));
                taken.fetch_add(1, Ordering::Relaxed);
            };
            let needed: Vec<usize> = (0..ids.len()).collect();
            let read = read_pack(&index, &ids, &needed, MOST_BYTES, &take);
            let damaged = matches!(read, Err(Unreadable::Damaged(..)));
            (damaged, taken.into_inner())
        };
        assert_eq!(read(DEEPEST), (false, DEEPEST + 1));
        assert_eq!(read(DEEPEST + 1), (true, 0));
    }
}
