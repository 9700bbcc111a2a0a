//! JSON values, one after the other, as [`Tree`]s.
//!
//! `serde_json` reads; its raw values are slices of the text, so their places are known.

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::scan::{Found, Search};
use super::text::Fault;
use super::tree::{Content, MAX_NODES, Node, NodeId, Seen, Tree, Visit, too_large};
use super::yaml::{MAX_DEPTH, too_deep};
use crate::diagnostic::Code;

/// Reads all values of a text, one at a time; `offset` is its place in the file. Returned is how many
/// there are before the fault, if there is one.
pub(super) fn read(
    text: &str,
    offset: usize,
    search: &Search,
    visit: &mut Visit<'_>,
) -> (usize, Option<Fault>) {
    let mut count = 0;
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let mut reader = Reader {
            text,
            offset,
            tree: Tree::default(),
            search,
            held: 0,
            visit,
        };
        let root = value
            .map_err(|error| reader.fault(text, &error))
            .and_then(|raw| reader.value(raw.get(), 0, Position::Root));
        match root {
            Ok(root) => {
                reader.tree.root = root;
                (reader.visit)(&reader.tree, root, Seen::Document);
                count += 1;
            }
            Err(fault) => return (count, Some(fault)),
        }
    }
    (count, None)
}

/// As [`read`], but nothing is kept.
pub(super) fn check(text: &str, offset: usize) -> (usize, Option<Fault>) {
    let mut count = 0;
    for value in serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>() {
        match value {
            Ok(_) => count += 1,
            Err(error) => return (count, Some(fault(text, offset, &error))),
        }
    }
    (count, None)
}

struct Reader<'a, 's> {
    text: &'a str,
    offset: usize,
    tree: Tree,
    search: &'s Search,
    /// How many keys and values are known of the collections that are being read.
    held: usize,
    visit: &'s mut Visit<'s>,
}

/// Where a value is in the List that a document may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Root,
    Items,
    Item,
    Other,
}

/// What is in an array or object: no more than shows that it is too large.
enum Parts<'a> {
    Items(Vec<&'a RawValue>),
    /// In their order, with repeated keys.
    Entries(Vec<(&'a RawValue, &'a RawValue)>),
}

impl<'a> Reader<'a, '_> {
    fn value(&mut self, raw: &'a str, depth: usize, position: Position) -> Result<NodeId, Fault> {
        let (start, first) = (self.place(raw), self.tree.len());
        if depth >= MAX_DEPTH && raw.starts_with(['{', '[']) {
            return Err(too_deep(start));
        }
        let content = match raw.as_bytes().first() {
            Some(b'"') => Content::Text(self.parse::<String>(raw)?),
            Some(b'[' | b'{') => self.collection(raw, depth, position)?,
            _ => Content::Plain(raw.to_owned()),
        };
        let id = self.tree.add(Node {
            start,
            end: start + raw.len(),
            tag: None,
            content,
        })?;
        // An item of a List that cannot be ours: a List may have a hundred thousand.
        let irrelevant = position == Position::Item
            && self.tree.is_mapping(id)
            && self.search.search(raw.as_bytes()) == Found::Nothing;
        Ok(if irrelevant {
            (self.visit)(&self.tree, id, Seen::Item);
            self.tree.empty_last(first)
        } else {
            id
        })
    }

    fn collection(
        &mut self,
        raw: &'a str,
        depth: usize,
        position: Position,
    ) -> Result<Content, Fault> {
        let parts: Parts<'_> = self.parse(raw)?;
        let count = match &parts {
            Parts::Items(items) => items.len(),
            Parts::Entries(entries) => 2 * entries.len(),
        };
        self.held += count;
        if self.held > MAX_NODES {
            return Err(too_large(self.place(raw)));
        }
        let content = match parts {
            Parts::Items(items) => {
                let position = match position {
                    Position::Items => Position::Item,
                    _ => Position::Other,
                };
                let items = items
                    .into_iter()
                    .map(|item| self.value(item.get(), depth + 1, position));
                Content::Sequence(items.collect::<Result<_, _>>()?)
            }
            Parts::Entries(entries) => {
                let mut nodes = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = self.value(key.get(), depth + 1, Position::Other)?;
                    let position = match (position, self.tree.scalar(key)) {
                        (Position::Root, Some("items")) => Position::Items,
                        _ => Position::Other,
                    };
                    nodes.push((key, self.value(value.get(), depth + 1, position)?));
                }
                Content::Mapping(nodes)
            }
        };
        self.held -= count;
        Ok(content)
    }

    fn parse<T: Deserialize<'a>>(&self, raw: &'a str) -> Result<T, Fault> {
        serde_json::from_str(raw).map_err(|error| self.fault(raw, &error))
    }

    /// Where a slice of the text is in the file.
    fn place(&self, raw: &str) -> usize {
        self.offset + (raw.as_ptr() as usize - self.text.as_ptr() as usize)
    }

    fn fault(&self, raw: &str, error: &serde_json::Error) -> Fault {
        fault(raw, self.place(raw), error)
    }
}

/// What is wrong with a text at this place of the file.
fn fault(text: &str, offset: usize, error: &serde_json::Error) -> Fault {
    let lines = text.split_inclusive('\n');
    let before = lines.take(error.line().saturating_sub(1));
    let at = before.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or(&message);
    Fault::new(Code::InvalidJson, offset + at, what)
}

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collection;
        impl<'de> Visitor<'de> for Collection {
            type Value = Parts<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array or object")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                gather(|| array.next_element()).map(Parts::Items)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                gather(|| map.next_entry()).map(Parts::Entries)
            }
        }
        deserializer.deserialize_any(Collection)
    }
}

/// Everything there is, or the first of more than a document may have.
fn gather<T, E>(mut next: impl FnMut() -> Result<Option<T>, E>) -> Result<Vec<T>, E> {
    let mut all = Vec::new();
    while let Some(one) = next()? {
        if all.len() <= MAX_NODES {
            all.push(one);
        }
    }
    Ok(all)
}
