//! Where a ServiceAccount went, or the file that held it, and how whole it came there: what was moved was not
//! removed, and may have been broken on the way.

use std::collections::{BTreeMap, HashMap};

use crate::manifest::{Extractor, Half, Hides, Identity, Relation};
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;

/// The files that a change added, and those that took objects in, wherever they are.
#[derive(Default)]
pub(super) struct Successors {
    files: Vec<RepoPath>,
    /// Those that were added, by their names.
    named: HashMap<Vec<u8>, Vec<usize>>,
    /// By the objects that came into them.
    holding: HashMap<Identity, Vec<(usize, Relation)>>,
    /// The ServiceAccounts in each of them, and which ones they may be.
    accounts: Vec<Vec<(String, Hides)>>,
    /// Those that were added and in which no object has a name: what is left of one whose first object was cut.
    nameless: Vec<(usize, Vec<u8>)>,
    /// Those that end inside the name or the namespace of a ServiceAccount, as they did not before.
    halves: Vec<(usize, Relation, Half)>,
}

impl Successors {
    /// Takes in a file that was added or changed.
    pub(super) fn add(
        &mut self,
        extractor: &Extractor,
        path: RepoPath,
        before: Option<&[u8]>,
        after: Vec<u8>,
    ) {
        let index = self.files.len();
        let objects = extractor.objects(&after);
        let relation = match before {
            Some(_) => Relation::Joined,
            None => Relation::Moved,
        };
        let is_new = |half: &Half| before.and_then(|b| extractor.half(b)).as_ref() != Some(half);
        let half = extractor.half(&after).filter(is_new);
        self.halves.extend(half.map(|half| (index, relation, half)));
        if before.is_none() {
            self.named.entry(name(&path)).or_default().push(index);
            if objects.is_empty() {
                self.nameless.push((index, after.clone()));
            }
        }
        let were_there = before.map(|before| extractor.objects(before));
        let were_there = were_there.unwrap_or_default();
        for object in objects.difference(&were_there) {
            let holding = self.holding.entry(object.clone()).or_default();
            holding.push((index, relation));
        }
        self.files.push(path);
        self.accounts.push(extractor.accounts(&after));
    }

    /// Those to which a ServiceAccount may have gone from a file that is still there without it.
    pub(super) fn of(&self, whose: &ServiceAccountRef) -> Vec<(&RepoPath, Relation)> {
        let object = ("ServiceAccount".to_owned(), whose.name.as_str().to_owned());
        let holding = self.holding.get(&object).into_iter().flatten().copied();
        let holding = holding.filter(|(index, _)| self.may_hold(*index, whose));
        let cut = self.nameless.iter().filter(|(_, text)| is_cut(text));
        let cut = cut.map(|(index, _)| (*index, Relation::Moved));
        self.each(holding.chain(cut).chain(self.halves_of(whose)))
    }

    /// Those that end in a half of a ServiceAccount.
    fn halves_of(&self, whose: &ServiceAccountRef) -> impl Iterator<Item = (usize, Relation)> {
        let halves = self.halves.iter();
        let halves = halves.filter(|(_, _, half)| half.may_be_of(whose));
        halves.map(|(index, relation, _)| (*index, *relation))
    }

    /// Those to which a ServiceAccount may have gone with a file that is not there any more, and which is known
    /// by its content.
    pub(super) fn of_file(
        &self,
        extractor: &Extractor,
        whose: &ServiceAccountRef,
        (path, content): (&RepoPath, &[u8]),
    ) -> Vec<(&RepoPath, Relation)> {
        let namesakes = self.named.get(&name(path)).into_iter().flatten();
        let namesakes = namesakes.map(|index| (*index, Relation::Namesake));
        let objects = extractor.objects(content);
        let holding = objects.iter().filter_map(|object| {
            let is_it = object.0 == "ServiceAccount" && object.1 == whose.name.as_str();
            let holding = self.holding.get(object)?.iter().copied();
            Some(holding.filter(move |(index, _)| !is_it || self.may_hold(*index, whose)))
        });
        let cut = self.nameless.iter();
        let cut = cut.filter(|(_, text)| is_beginning(text, content) || is_cut(text));
        let cut = cut.map(|(index, _)| (*index, Relation::Moved));
        let found = namesakes.chain(holding.flatten());
        self.each(found.chain(cut).chain(self.halves_of(whose)))
    }

    /// Whether a ServiceAccount may be one of a file: what becomes of its namespace tells.
    fn may_hold(&self, index: usize, whose: &ServiceAccountRef) -> bool {
        let mut accounts = self.accounts[index].iter();
        accounts.any(|(name, hides)| name == whose.name.as_str() && hides.may_be(whose))
    }

    /// Each file once, by the last that is said of it.
    fn each(&self, found: impl Iterator<Item = (usize, Relation)>) -> Vec<(&RepoPath, Relation)> {
        let found: BTreeMap<usize, Relation> = found.collect();
        let file = |(index, relation): (usize, Relation)| (&self.files[index], relation);
        found.into_iter().map(file).collect()
    }
}

/// Whether a text has objects of another one, or is what is left of it.
pub(super) fn has_of(extractor: &Extractor, text: &[u8], before: &[u8]) -> bool {
    let objects = extractor.objects(text);
    match objects.is_empty() {
        true => is_beginning(text, before) || is_cut(text),
        false => !objects.is_disjoint(&extractor.objects(before)),
    }
}

/// The last part of a path.
fn name(path: &RepoPath) -> Vec<u8> {
    let mut parts = path.as_bytes().rsplit(|byte| *byte == b'/');
    parts.next().unwrap_or_default().to_vec()
}

/// Whether a text is the beginning of another one.
fn is_beginning(text: &[u8], of: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    !text.is_empty() && of.starts_with(text)
}

/// Whether a text without a named object has a ServiceAccount at its top, and is no template of one. Further in,
/// as in the patches of a kustomization, it is only spoken of.
fn is_cut(text: &[u8]) -> bool {
    let is_json = text.trim_ascii_start().starts_with(b"{");
    let is_kind = |at: usize| {
        let before = text[..at].trim_ascii_end();
        let before = before.strip_suffix(b"\"").unwrap_or(before);
        let before = before.trim_ascii_end();
        let key = before
            .strip_suffix(b"\"kind\":")
            .or(before.strip_suffix(b"kind:"));
        key.is_some_and(|before| is_json || before.is_empty() || before.ends_with(b"\n"))
    };
    let is_template = memchr::memmem::find(text, b"{{").is_some();
    !is_template && memchr::memmem::find_iter(text, b"ServiceAccount").any(is_kind)
}
