//! One YAML document as a [`Tree`], within limits: from the parser's events, so that nothing is
//! expanded before it is counted.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::scan::{Found, Search};
use super::text::Fault;
use super::tree::{Content, MAX_MERGED, Node, NodeId, Seen, Tree, Visit};
use crate::diagnostic::Code;

/// How deep lists and mappings may nest, aliases included.
pub(super) const MAX_DEPTH: usize = 64;
/// How many aliases a document may have.
const MAX_ALIASES: usize = 1000;
/// How many bytes the aliases of a document may stand for in all.
const MAX_EXPANDED: u64 = 16 * 1024 * 1024;

/// How long a document may be for a second parser, which takes thirty times its size, to read it.
const MAX_CONFIRMED: usize = 4 * 1024 * 1024;

const COLLECTION_AS_KEY: &str = "a key is a mapping or a list; Kubernetes refuses that";

/// How much a node stands for.
#[derive(Clone, Copy)]
struct Extent {
    /// The bytes it expands to.
    size: u64,
    /// The levels it has.
    height: usize,
}

/// A collection that has not ended yet.
struct Open {
    start: usize,
    anchor: usize,
    tag: Option<Box<str>>,
    is_mapping: bool,
    children: Vec<NodeId>,
    extent: Extent,
    /// The id of the first node in it, and how many anchors and aliases came before.
    first: NodeId,
    references: usize,
}

#[derive(Default)]
struct Builder<'t> {
    text: &'t str,
    /// Where the text is in the file.
    offset: usize,
    tree: Tree,
    open: Vec<Open>,
    roots: usize,
    /// Finished nodes that have an anchor.
    anchors: HashMap<usize, (NodeId, Extent)>,
    aliases: usize,
    expanded: u64,
}

/// Reads one document; `offset` is its place in the file. `None` if it is empty. `visit` sees the items
/// that are left out.
pub(super) fn read(
    text: &str,
    offset: usize,
    search: &Search,
    visit: &mut Visit<'_>,
) -> Result<Option<Tree>, Fault> {
    let mut builder = Builder {
        text,
        offset,
        ..Builder::default()
    };
    for event in events(text, offset) {
        let (event, span) = event?;
        builder.take(event, &span, search, visit)?;
    }
    if builder.roots == 0 {
        return Ok(None);
    }
    Ok(Some(builder.tree))
}

/// Has the parser read a document that cannot be ours, of which nothing is kept: it may be of any size.
pub(super) fn check(text: &str, offset: usize) -> Result<(), Fault> {
    // Of every collection that has not ended, whether what comes next is a key.
    let mut open: Vec<Option<bool>> = Vec::new();
    for event in events(text, offset) {
        let (event, span) = event?;
        let at = offset + span.byte_range().unwrap_or(0..0).start;
        let is_start = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        if is_start && open.len() >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        if is_start && open.last() == Some(&Some(true)) {
            return Err(Fault::new(Code::InvalidYaml, at, COLLECTION_AS_KEY));
        }
        match event {
            Event::SequenceStart(..) => open.push(None),
            Event::MappingStart(..) => open.push(Some(true)),
            Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
            Event::Scalar(..) | Event::Alias(..) => {}
            _ => continue,
        }
        if !is_start && let Some(Some(is_key)) = open.last_mut() {
            *is_key = !*is_key;
        }
    }
    Ok(())
}

/// What the parser finds in a text, one after the other.
fn events(text: &str, offset: usize) -> impl Iterator<Item = Result<(Event<'_>, Span), Fault>> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        bom_inside_document_as_content: true,
        block_scalar_eof_without_line_feed: true,
    };
    let events = Parser::new_from_str_with_options(text, options);
    events.map(move |event| {
        event.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
            syntax_fault(&error, offset + at)
        })
    })
}

/// Has a second parser read the text: libyaml's rules are those of Kubernetes where the first
/// parser is more lenient, and what two parsers read is not one parser's mistake.
pub(super) fn confirm(text: &str, offset: usize) -> Result<(), Fault> {
    if text.len() > MAX_CONFIRMED {
        return Ok(());
    }
    let Err(error) = serde_yaml::from_str::<serde::de::IgnoredAny>(text) else {
        return Ok(());
    };
    let at = error.location().map_or(0, |place| place.index());
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or(&message);
    Err(Fault::new(Code::InvalidYaml, offset + at, what))
}

fn syntax_fault(error: &granit_parser::ScanError, at: usize) -> Fault {
    use granit_parser::ErrorKind;
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(at),
        _ => Fault::new(Code::InvalidYaml, at, error.info()),
    }
}

pub(super) fn too_deep(at: usize) -> Fault {
    let message = format!("nested more than {MAX_DEPTH} levels deep");
    Fault::new(Code::LimitExceeded, at, message)
}

impl Builder<'_> {
    fn take(
        &mut self,
        event: Event<'_>,
        span: &Span,
        search: &Search,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        let range = span.byte_range().unwrap_or(0..0);
        let (start, end) = (self.offset + range.start, self.offset + range.end);
        match event {
            Event::DocumentStart(..) if self.roots > 0 => Err(Fault::new(
                Code::InvalidYaml,
                start,
                "text after the end of the document; Kubernetes would lose it silently",
            )
            .hint("separate documents with a line `---`")),
            Event::Scalar(text, style, anchor, tag) => {
                let mut tag = explicit(tag.as_deref());
                let size = text.len() as u64 + 1;
                let is_merge = text == "<<" && tag.as_deref() == Some("!!merge");
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let content = if plain || is_merge {
                    Content::Plain(text.into_owned())
                } else {
                    Content::Text(text.into_owned())
                };
                if is_merge || tag.as_deref() == Some("!!str") {
                    tag = None;
                }
                let node = Node {
                    start,
                    end,
                    tag,
                    content,
                };
                let id = self.tree.add(node)?;
                self.finish(id, anchor, Extent { size, height: 0 });
                Ok(())
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if self.open.len() >= MAX_DEPTH => {
                Err(too_deep(start))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.start(start, anchor, explicit(tag.as_deref()), false);
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.start(start, anchor, explicit(tag.as_deref()), true);
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(end, search, visit),
            Event::Alias(anchor) => self.alias(anchor, start),
            _ => Ok(()),
        }
    }

    fn start(&mut self, start: usize, anchor: usize, tag: Option<Box<str>>, is_mapping: bool) {
        self.open.push(Open {
            start,
            anchor,
            tag,
            is_mapping,
            children: vec![],
            extent: Extent { size: 1, height: 1 },
            first: self.tree.len(),
            references: self.references(),
        });
    }

    fn close(&mut self, end: usize, search: &Search, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let irrelevant = self.is_irrelevant(&open, end, search);
        let content = if open.is_mapping {
            let pairs = open.children.chunks_exact(2).map(|pair| (pair[0], pair[1]));
            let entries: Vec<_> = pairs.collect();
            for (key, value) in &entries {
                self.check_key(*key, *value)?;
            }
            let merged = self.tree.merge(entries).ok_or_else(|| {
                let message =
                    format!("merge keys `<<` stand for too much (limit: {MAX_MERGED} entries)");
                Fault::new(Code::LimitExceeded, open.start, message)
            })?;
            Content::Mapping(merged)
        } else {
            Content::Sequence(open.children)
        };
        let node = Node {
            start: open.start,
            end,
            tag: open.tag,
            content,
        };
        let mut id = self.tree.add(node)?;
        if irrelevant {
            visit(&self.tree, id, Seen::Item);
            id = self.tree.empty_last(open.first);
        }
        self.finish(id, open.anchor, open.extent);
        Ok(())
    }

    /// Whether a collection is an item of a List that stands for itself and cannot be ours: a List
    /// may have a hundred thousand.
    fn is_irrelevant(&self, open: &Open, end: usize, search: &Search) -> bool {
        open.is_mapping
            && self.is_in_items()
            && self.is_unreferenced(open)
            && self.cannot_be_ours(open.start, end, search)
    }

    /// Whether what is read now is an item of the list under the document's key `items`.
    fn is_in_items(&self) -> bool {
        let [root, list] = self.open.as_slice() else {
            return false;
        };
        // A mapping has a key more than values while a value is read.
        let is_value = root.is_mapping && root.children.len() % 2 == 1;
        let is_items = |key: &NodeId| self.tree.scalar(*key) == Some("items");
        is_value && !list.is_mapping && root.children.last().is_some_and(is_items)
    }

    /// Whether a collection has no anchor, and neither anchors nor aliases are in it: no other part of
    /// the document points to its nodes, and they to none.
    fn is_unreferenced(&self, open: &Open) -> bool {
        open.anchor == 0 && open.references == self.references()
    }

    /// Whether a part of the file, by its bytes alone, cannot hold our annotation.
    fn cannot_be_ours(&self, start: usize, end: usize, search: &Search) -> bool {
        let part = self.text.get(start - self.offset..end - self.offset);
        part.is_some_and(|part| search.search(part.as_bytes()) == Found::Nothing)
    }

    /// How many anchors and aliases there were so far.
    fn references(&self) -> usize {
        self.aliases + self.anchors.len()
    }

    /// Refuses what Kubernetes refuses: a key that is no scalar, a merge key whose value is no
    /// mapping or list of mappings. And a key that a search for bytes cannot find, because it is encoded.
    fn check_key(&self, key: NodeId, value: NodeId) -> Result<(), Fault> {
        let node = self.tree.node(key);
        let refused = |message: &str| Err(Fault::new(Code::InvalidYaml, node.start, message));
        if self.tree.scalar(key).is_none() {
            return refused(COLLECTION_AS_KEY);
        }
        if node.tag.as_deref().is_some_and(is_binary) {
            return refused("a key has the tag `!!binary`: write it as plain text");
        }
        let sources = self.tree.items(value);
        let mut sources = sources.unwrap_or(std::slice::from_ref(&value)).iter();
        if self.tree.is_merge(key) && !sources.all(|source| self.tree.is_mapping(*source)) {
            return refused(
                "the value of a merge key `<<` must be a mapping or a list of mappings",
            );
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: usize) -> Result<(), Fault> {
        let Some(&(target, extent)) = self.anchors.get(&anchor) else {
            return Err(Fault::new(
                Code::InvalidYaml,
                at,
                "an alias inside the node it stands for",
            ));
        };
        self.aliases += 1;
        self.expanded = self.expanded.saturating_add(extent.size);
        if self.aliases > MAX_ALIASES || self.expanded > MAX_EXPANDED {
            let message = format!(
                "aliases stand for too much (limits: {MAX_ALIASES} aliases, {} MiB in all)",
                MAX_EXPANDED / 1024 / 1024
            );
            return Err(Fault::new(Code::LimitExceeded, at, message));
        }
        if self.open.len() + extent.height > MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.attach(target, extent);
        Ok(())
    }

    fn finish(&mut self, id: NodeId, anchor: usize, extent: Extent) {
        if anchor != 0 {
            self.anchors.insert(anchor, (id, extent));
        }
        self.attach(id, extent);
    }

    fn attach(&mut self, id: NodeId, extent: Extent) {
        match self.open.last_mut() {
            Some(parent) => {
                parent.children.push(id);
                parent.extent.size = parent.extent.size.saturating_add(extent.size);
                parent.extent.height = parent.extent.height.max(extent.height + 1);
            }
            None => {
                self.tree.root = id;
                self.roots += 1;
            }
        }
    }
}

/// Whether a tag in short is that of encoded bytes; one that is written in full may have escapes.
fn is_binary(tag: &str) -> bool {
    let plain = percent_encoding::percent_decode_str(tag).decode_utf8_lossy();
    plain.replace("tag:yaml.org,2002:", "!!") == "!!binary"
}

/// A tag as it is written in short.
fn explicit(tag: Option<&granit_parser::Tag>) -> Option<Box<str>> {
    let short = |tag: &granit_parser::Tag| tag.to_string().replace("tag:yaml.org,2002:", "!!");
    tag.map(|tag| short(tag).into())
}
