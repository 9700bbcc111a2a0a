//! JSON values, one after the other, as [`Tree`]s.
//!
//! `serde_json` reads; its raw values are slices of the text, so their places are known.

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::scan::{Found, Search};
use super::text::Fault;
use super::tree::{Content, Leaving, Node, NodeId, Tree};
use super::yaml::{MAX_DEPTH, too_deep};
use crate::diagnostic::Code;

/// Reads all values of a text; `offset` is its place in the file. Those before a fault are read.
pub(super) fn read(
    text: &str,
    offset: usize,
    search: &Search,
    leaving: &mut Leaving<'_>,
) -> (Vec<Tree>, Option<Fault>) {
    let mut trees = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let mut reader = Reader {
            text,
            offset,
            tree: Tree::default(),
            search,
            leaving,
        };
        let root = value
            .map_err(|error| reader.fault(text, &error))
            .and_then(|raw| reader.value(raw.get(), 0, Position::Root));
        match root {
            Ok(root) => {
                reader.tree.root = root;
                trees.push(reader.tree);
            }
            Err(fault) => return (trees, Some(fault)),
        }
    }
    (trees, None)
}

struct Reader<'a, 's> {
    text: &'a str,
    offset: usize,
    tree: Tree,
    search: &'s Search,
    leaving: &'s mut Leaving<'s>,
}

/// Where a value is in the List that a document may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Root,
    Items,
    Item,
    Other,
}

/// The entries of an object in their order, with repeated keys.
struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> Reader<'a, '_> {
    fn value(&mut self, raw: &'a str, depth: usize, position: Position) -> Result<NodeId, Fault> {
        let (start, first) = (self.place(raw), self.tree.len());
        if depth >= MAX_DEPTH && raw.starts_with(['{', '[']) {
            return Err(too_deep(start));
        }
        let content = match raw.as_bytes().first() {
            Some(b'"') => Content::Text(self.parse::<String>(raw)?),
            Some(b'[') => {
                let items: Vec<&RawValue> = self.parse(raw)?;
                let position = match position {
                    Position::Items => Position::Item,
                    _ => Position::Other,
                };
                let items = items
                    .into_iter()
                    .map(|item| self.value(item.get(), depth + 1, position));
                Content::Sequence(items.collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let Entries(entries) = self.parse(raw)?;
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
            _ => Content::Plain(raw.to_owned()),
        };
        let id = self.tree.add(Node {
            start,
            end: start + raw.len(),
            tag: None,
            content,
        });
        // An item of a List that cannot be ours: a List may have a hundred thousand.
        let irrelevant = position == Position::Item
            && self.tree.is_mapping(id)
            && self.search.search(raw.as_bytes()) == Found::Nothing;
        Ok(if irrelevant {
            (self.leaving)(&self.tree, id);
            self.tree.empty_last(first)
        } else {
            id
        })
    }

    fn parse<T: Deserialize<'a>>(&self, raw: &'a str) -> Result<T, Fault> {
        serde_json::from_str(raw).map_err(|error| self.fault(raw, &error))
    }

    /// Where a slice of the text is in the file.
    fn place(&self, raw: &str) -> usize {
        self.offset + (raw.as_ptr() as usize - self.text.as_ptr() as usize)
    }

    fn fault(&self, raw: &str, error: &serde_json::Error) -> Fault {
        let line = raw
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1));
        let at = line.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let mut at = at.min(raw.len());
        while !raw.is_char_boundary(at) {
            at -= 1;
        }
        let message = error.to_string();
        let what = message.split(" at line ").next().unwrap_or(&message);
        Fault::new(Code::InvalidJson, self.place(raw) + at, what)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(&'de RawValue, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Object).map(Entries)
    }
}
