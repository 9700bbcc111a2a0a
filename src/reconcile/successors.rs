//! Where a file went that a commit took away: what was moved was not removed, and may have been broken on
//! the way.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use crate::manifest::{Extractor, Identity, Relation};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;
use crate::source::{self, Blob, Changed, Repository, Scope};

/// The files that a commit added, wherever they are.
pub(super) struct Added {
    files: Vec<(RepoPath, Blob)>,
    named: HashMap<Vec<u8>, Vec<usize>>,
    holding: HashMap<Identity, Vec<usize>>,
    /// Those in which no object has a name: what is left of a file whose first object was cut.
    unreadable: Vec<(usize, Vec<u8>)>,
}

impl Added {
    pub(super) fn by(
        repository: &Repository,
        extractor: &Extractor,
        commit: &CommitId,
    ) -> Result<Self, source::Error> {
        let mut files = Vec::new();
        let mut visit = |seen: &CommitId, changed: Vec<Changed>| {
            let is_new = |changed: &Changed| seen == commit && changed.before.is_none();
            let new = changed.into_iter().filter(is_new);
            files.extend(new.filter_map(|new| Some((new.path, new.after?))));
            Ok(ControlFlow::Break(()))
        };
        repository.changes(commit, &Scope::default(), &mut visit)?;
        let mut added = Self {
            files,
            named: HashMap::new(),
            holding: HashMap::new(),
            unreadable: Vec::new(),
        };
        for (index, (path, blob)) in added.files.iter().enumerate() {
            let bytes = repository.blob(*blob, path)?;
            let objects = extractor.objects(&bytes);
            if objects.is_empty() {
                added.unreadable.push((index, bytes));
            }
            for object in objects {
                added.holding.entry(object).or_default().push(index);
            }
            added.named.entry(name(path)).or_default().push(index);
        }
        Ok(added)
    }

    /// Those that a file may have become, which is known by its content.
    pub(super) fn successors(
        &self,
        extractor: &Extractor,
        path: &RepoPath,
        before: &[u8],
    ) -> Vec<(&RepoPath, Relation)> {
        let mut found: BTreeMap<usize, Relation> = BTreeMap::new();
        for namesake in self.named.get(&name(path)).into_iter().flatten() {
            found.insert(*namesake, Relation::Namesake);
        }
        let objects = extractor.objects(before);
        let holding = objects.iter().filter_map(|object| self.holding.get(object));
        let holding: BTreeSet<usize> = holding.flatten().copied().collect();
        let cut = self.unreadable.iter();
        let cut = cut.filter(|(_, bytes)| is_beginning(bytes, before) || is_nameless(bytes));
        for moved in holding.into_iter().chain(cut.map(|(index, _)| *index)) {
            found.insert(moved, Relation::Moved);
        }
        let path = |(index, place): (usize, Relation)| (&self.files[index].0, place);
        found.into_iter().map(path).collect()
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

/// Whether a text without a named object is a part of a ServiceAccount, and no template of one.
fn is_nameless(text: &[u8]) -> bool {
    let is_kind = |at: usize| {
        let before = text[..at].trim_ascii_end();
        let before = before
            .strip_suffix(b"\"")
            .unwrap_or(before)
            .trim_ascii_end();
        before.ends_with(b"kind:") || before.ends_with(b"\"kind\":")
    };
    let is_template = memchr::memmem::find(text, b"{{").is_some();
    !is_template && memchr::memmem::find_iter(text, b"ServiceAccount").any(is_kind)
}
