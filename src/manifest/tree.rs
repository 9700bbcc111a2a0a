//! One document as a tree of nodes with their places, the same for YAML and JSON.
//!
//! Aliases point to the node they stand for, so a tree may share nodes; the readers bound how much
//! that can expand to. Merge keys are resolved when their mapping is added.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Number, Value};

use super::scalar::{self, Reading};
use super::text::Fault;
use crate::diagnostic::Code;

/// How many entries the merge keys of a document may bring in all: a short text can stand
/// for millions.
pub(super) const MAX_MERGED: usize = 20_000;

/// How many nodes a document may have, which take a hundred bytes each: a manifest has some hundred, and
/// what is left out of a List counts as one an item.
pub(super) const MAX_NODES: usize = 500_000;
/// How many bytes the texts of a document may have in all.
const MAX_TEXT: usize = 32 * 1024 * 1024;
/// How many keys of a document may be ambiguous: each one is reported.
const MAX_AMBIGUITIES: usize = 1000;

/// The index of a node in its tree.
pub(super) type NodeId = usize;

/// Sees what is read, while it is there: nobody keeps it.
pub(super) type Visit<'a> = dyn FnMut(&Tree, NodeId, Seen) + 'a;

/// What a visitor sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// An item of a List, which is left out of its tree after that.
    Item,
    /// The root of a document that was read to its end.
    Document,
}

/// A key and its value.
pub(super) type Entry = (NodeId, NodeId);

/// The nodes of one document, children before their parents.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    pub(super) root: NodeId,
    /// Keys that Kubernetes reads without a word, but maybe not as they were meant. In the order of
    /// their mappings' ids.
    pub(super) ambiguities: Vec<Ambiguity>,
    merged: usize,
    /// How many bytes the texts of all nodes have.
    text: usize,
}

/// A key whose value depends on who reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ambiguity {
    /// The mapping that has the key, or merges one that has it.
    pub(super) mapping: NodeId,
    /// Where the key is.
    pub(super) at: usize,
    pub(super) key: String,
    pub(super) kind: AmbiguityKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AmbiguityKind {
    /// The mapping has the key twice.
    Repeated,
    /// Kubernetes lets a merge key `<<` overwrite what stands before it, other readers do not.
    Overwritten,
}

/// One node and the part of the file it covers.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) start: usize,
    pub(super) end: usize,
    /// An explicit tag other than `!!str`.
    pub(super) tag: Option<Box<str>>,
    pub(super) content: Content,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Quoted text, block scalars and `!!str`: text whatever it looks like.
    Text(String),
    /// A plain scalar of YAML; a number, `true`, `false` or `null` of JSON.
    Plain(String),
    Sequence(Vec<NodeId>),
    /// Its own entries, then those that merge keys bring.
    Mapping(Vec<Entry>),
    /// A mapping whose entries were left out.
    LeftOut,
}

impl Node {
    /// How many bytes of text it has itself.
    fn text(&self) -> usize {
        let tag = self.tag.as_deref().map_or(0, str::len);
        tag + match &self.content {
            Content::Text(text) | Content::Plain(text) => text.len(),
            Content::Sequence(_) | Content::Mapping(_) | Content::LeftOut => 0,
        }
    }
}

/// The fault of a document that is too large to be kept in memory.
pub(super) fn too_large(at: usize) -> Fault {
    let message = format!(
        "the document is too large (limits: {MAX_NODES} keys and values, {} MiB of text; items of a List that cannot be ours count as one each)",
        MAX_TEXT / 1024 / 1024
    );
    Fault::new(Code::LimitExceeded, at, message).hint(
        "split it into documents with a line `---`, or leave the file out with --path or --exclude; until this can be read, no role is pruned that it may hide",
    )
}

/// A mapping whose merge keys are being resolved.
struct Merging<'t> {
    tree: &'t Tree,
    /// The entries that the mapping itself has, merge keys among them.
    own: &'t [Entry],
    /// Where the value of each key comes from so far.
    origins: HashMap<Option<&'t str>, Origin>,
    /// The entries of the mapping as it will be.
    entries: Vec<Entry>,
    /// What is ambiguous in the mapping.
    ambiguities: Vec<Ambiguity>,
    /// How many entries merge keys have brought into the document.
    merged: usize,
}

/// Where the value of a key comes from.
enum Origin {
    /// From the mapping's own entries, at this place among them.
    Own(usize),
    /// From a merge key, whether or not the mapping has the key itself.
    Merged,
}

impl<'t> Merging<'t> {
    /// Starts with a mapping's own entries, the merge keys left out.
    fn new(tree: &'t Tree, own: &'t [Entry]) -> Self {
        let mut merging = Self {
            tree,
            own,
            origins: HashMap::with_capacity(own.len()),
            entries: Vec::with_capacity(own.len()),
            ambiguities: vec![],
            merged: tree.merged,
        };
        let mut has_merge_key = false;
        for (place, (key, value)) in own.iter().enumerate() {
            let origin = Origin::Own(place);
            merging.origins.insert(tree.scalar(*key), origin);
            if !tree.is_merge(*key) {
                merging.entries.push((*key, *value));
            } else if has_merge_key {
                merging.note(*key, AmbiguityKind::Repeated);
            } else {
                has_merge_key = true;
            }
        }
        merging
    }

    /// Brings in what the merge key at this place stands for: a mapping, or a list of them.
    fn bring_in(&mut self, place: usize, value: NodeId) -> Option<()> {
        let tree = self.tree;
        let sources = tree.items(value).unwrap_or(std::slice::from_ref(&value));
        for source in sources {
            self.inherit_ambiguities(*source);
            for entry in tree.entries(*source) {
                self.merged += 1;
                if self.merged > MAX_MERGED {
                    return None;
                }
                self.bring_in_entry(place, *entry);
            }
        }
        Some(())
    }

    /// Adds an entry if its key is new; notes it if the merge key stands after an own one that has
    /// another value.
    fn bring_in_entry(&mut self, place: usize, (key, value): Entry) {
        let tree = self.tree;
        match self.origins.insert(tree.scalar(key), Origin::Merged) {
            None => self.entries.push((key, value)),
            Some(Origin::Own(at)) if at < place => {
                let (own_key, own_value) = self.own[at];
                if tree.nodes[own_value].content != tree.nodes[value].content {
                    self.note(own_key, AmbiguityKind::Overwritten);
                }
            }
            Some(_) => {}
        }
    }

    /// What is ambiguous in a mapping is so in the one that merges it.
    fn inherit_ambiguities(&mut self, source: NodeId) {
        let mapping = self.tree.len();
        let inherited = self.tree.ambiguities_in(source).iter();
        self.ambiguities.extend(inherited.map(|a| Ambiguity {
            mapping,
            ..a.clone()
        }));
    }

    fn note(&mut self, key: NodeId, kind: AmbiguityKind) {
        self.ambiguities.push(Ambiguity {
            mapping: self.tree.len(),
            at: self.tree.nodes[key].start,
            key: self.tree.scalar(key).unwrap_or_default().to_owned(),
            kind,
        });
    }
}

impl Tree {
    /// Adds a node whose children are there already; notes keys that a mapping has twice. An error if the
    /// document becomes larger than one may be.
    pub(super) fn add(&mut self, node: Node) -> Result<NodeId, Fault> {
        let (id, at) = (self.nodes.len(), node.start);
        self.text += node.text();
        if id >= MAX_NODES || self.text > MAX_TEXT {
            return Err(too_large(at));
        }
        if let Content::Mapping(entries) = &node.content {
            let mut keys: Vec<(&str, usize)> = entries
                .iter()
                .filter_map(|(key, _)| Some((self.scalar(*key)?, self.nodes[*key].start)))
                .collect();
            keys.sort_unstable();
            let repeated = keys.windows(2).filter(|pair| pair[0].0 == pair[1].0);
            let repeated: Vec<_> = repeated
                .take(MAX_AMBIGUITIES + 1)
                .map(|pair| Ambiguity {
                    mapping: id,
                    at: pair[1].1,
                    key: pair[1].0.to_owned(),
                    kind: AmbiguityKind::Repeated,
                })
                .collect();
            self.ambiguities.extend(repeated);
        }
        if self.ambiguities.len() > MAX_AMBIGUITIES {
            let message = format!("more than {MAX_AMBIGUITIES} keys that stand twice");
            return Err(Fault::new(Code::LimitExceeded, at, message));
        }
        self.nodes.push(node);
        Ok(id)
    }

    /// Resolves the merge keys among the entries of the mapping that is added next: its own entries
    /// win, then the first of several mappings. `None` if that is more than [`MAX_MERGED`].
    pub(super) fn merge(&mut self, own: Vec<Entry>) -> Option<Vec<Entry>> {
        if !own.iter().any(|(key, _)| self.is_merge(*key)) {
            return Some(own);
        }
        let mut merging = Merging::new(self, &own);
        for (place, (key, value)) in own.iter().enumerate() {
            if self.is_merge(*key) {
                merging.bring_in(place, *value)?;
            }
        }
        let Merging {
            entries,
            ambiguities,
            merged,
            ..
        } = merging;
        self.merged = merged;
        self.ambiguities.extend(ambiguities);
        Some(entries)
    }

    /// How many nodes there are: the id of the next one.
    pub(super) fn len(&self) -> NodeId {
        self.nodes.len()
    }

    /// Leaves out what is in the mapping that was added last, from the node `first` on,
    /// to which nothing else may point. One with something ambiguous in it stays. Its id is new.
    pub(super) fn empty_last(&mut self, first: NodeId) -> NodeId {
        let ambiguous = self.ambiguities.last().is_some_and(|a| a.mapping >= first);
        if let Some(last) = self.nodes.pop_if(|_| !ambiguous) {
            let left_out: usize = self.nodes.drain(first..).map(|node| node.text()).sum();
            self.text -= left_out;
            let content = Content::LeftOut;
            self.nodes.push(Node { content, ..last });
        }
        self.nodes.len() - 1
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The text of a scalar, whatever Kubernetes takes it for.
    pub(super) fn scalar(&self, id: NodeId) -> Option<&str> {
        match &self.nodes[id].content {
            Content::Text(text) | Content::Plain(text) => Some(text),
            Content::Sequence(_) | Content::Mapping(_) | Content::LeftOut => None,
        }
    }

    /// What Kubernetes takes a scalar for; `None` if it is none.
    pub(super) fn reading(&self, id: NodeId) -> Option<Reading> {
        match &self.nodes[id].content {
            Content::Text(_) => Some(Reading::Text),
            Content::Plain(text) => Some(scalar::read(text)),
            Content::Sequence(_) | Content::Mapping(_) | Content::LeftOut => None,
        }
    }

    pub(super) fn is_mapping(&self, id: NodeId) -> bool {
        matches!(
            self.nodes[id].content,
            Content::Mapping(_) | Content::LeftOut
        )
    }

    pub(super) fn is_left_out(&self, id: NodeId) -> bool {
        self.nodes[id].content == Content::LeftOut
    }

    pub(super) fn items(&self, id: NodeId) -> Option<&[NodeId]> {
        match &self.nodes[id].content {
            Content::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping, merged mappings included. Empty for anything else.
    pub(super) fn entries(&self, id: NodeId) -> &[Entry] {
        match &self.nodes[id].content {
            Content::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The value under a key of a mapping.
    pub(super) fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let mut entries = self.entries(id).iter();
        let (_, value) = entries.find(|(own, _)| self.scalar(*own) == Some(key))?;
        Some(*value)
    }

    /// The text under a key of a mapping, if it is text to Kubernetes.
    pub(super) fn word(&self, id: NodeId, key: &str) -> Option<&str> {
        let value = self.get(id, key)?;
        self.scalar(value)
            .filter(|text| !text.is_empty() && self.reading(value) == Some(Reading::Text))
    }

    /// Whether a key is YAML 1.1's merge key: `<<` without quotes.
    pub(super) fn is_merge(&self, key: NodeId) -> bool {
        matches!(&self.nodes[key].content, Content::Plain(text) if text == "<<")
    }

    /// What is ambiguous in a mapping itself.
    fn ambiguities_in(&self, id: NodeId) -> &[Ambiguity] {
        let all = &self.ambiguities;
        let place = |first: NodeId| all.partition_point(|a| a.mapping < first);
        &all[place(id)..place(id + 1)]
    }

    /// What is ambiguous in a node or below it, whatever aliases lead there.
    pub(super) fn ambiguities_of(&self, id: NodeId) -> Vec<&Ambiguity> {
        if self.ambiguities.is_empty() {
            return vec![];
        }
        let mut found = Vec::new();
        let mut reached = HashSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if !reached.insert(id) {
                continue;
            }
            found.extend(self.ambiguities_in(id));
            match &self.nodes[id].content {
                Content::Sequence(items) => open.extend(items),
                Content::Mapping(entries) => open.extend(entries.iter().map(|(_, value)| value)),
                Content::Text(_) | Content::Plain(_) | Content::LeftOut => {}
            }
        }
        found.sort_unstable_by_key(|ambiguity| ambiguity.at);
        found.dedup_by_key(|ambiguity| ambiguity.at);
        found
    }

    /// The JSON that Kubernetes makes of a node.
    pub(super) fn to_json(&self, id: NodeId) -> Value {
        match &self.nodes[id].content {
            Content::Text(text) => text.as_str().into(),
            Content::Plain(text) => match scalar::read(text) {
                Reading::Null => Value::Null,
                Reading::Boolean(flag) => flag.into(),
                Reading::Number(float) => match text.parse::<i64>() {
                    Ok(integer) => integer.into(),
                    Err(_) => Number::from_f64(float).map_or(Value::Null, Value::Number),
                },
                Reading::Text => text.as_str().into(),
            },
            Content::Sequence(items) => items.iter().map(|item| self.to_json(*item)).collect(),
            Content::LeftOut => Value::Object(Map::new()),
            Content::Mapping(entries) => {
                let entry = |(key, value): &Entry| {
                    Some((self.scalar(*key)?.to_owned(), self.to_json(*value)))
                };
                Value::Object(entries.iter().filter_map(entry).collect::<Map<_, _>>())
            }
        }
    }
}
