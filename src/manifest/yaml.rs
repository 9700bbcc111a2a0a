//! One YAML document as a [`Tree`], within limits: from the parser's events, so that nothing is
//! expanded before it is counted.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::text::Fault;
use super::tree::{Content, Node, NodeId, Tree};
use crate::diagnostic::Code;

/// How deep lists and mappings may nest.
pub(super) const MAX_DEPTH: usize = 64;
/// How many aliases a document may have.
const MAX_ALIASES: usize = 1000;
/// How many bytes the aliases of a document may stand for in all.
const MAX_EXPANDED: u64 = 16 * 1024 * 1024;

/// A collection that has not ended yet.
struct Open {
    start: usize,
    anchor: usize,
    tag: Option<String>,
    is_mapping: bool,
    children: Vec<NodeId>,
    size: u64,
}

#[derive(Default)]
struct Builder {
    tree: Tree,
    open: Vec<Open>,
    roots: usize,
    /// Finished nodes that have an anchor, with the bytes they expand to.
    anchors: HashMap<usize, (NodeId, u64)>,
    aliases: usize,
    expanded: u64,
}

/// Reads one document; `offset` is its place in the file. `None` if it is empty.
pub(super) fn read(text: &str, offset: usize) -> Result<Option<Tree>, Fault> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        bom_inside_document_as_content: true,
        block_scalar_eof_without_line_feed: true,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
            syntax_fault(&error, offset + at)
        })?;
        builder.take(event, &span, offset)?;
    }
    if builder.roots == 0 {
        return Ok(None);
    }
    Ok(Some(builder.tree))
}

/// Has a second parser read the text: libyaml's rules are those of Kubernetes where the first
/// parser is more lenient, and what two parsers read is not one parser's mistake.
pub(super) fn confirm(text: &str, offset: usize) -> Result<(), Fault> {
    let Err(error) = serde_yaml::from_str::<serde_yaml::Value>(text) else {
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

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span, offset: usize) -> Result<(), Fault> {
        let range = span.byte_range().unwrap_or(0..0);
        let (start, end) = (offset + range.start, offset + range.end);
        match event {
            Event::DocumentStart(..) if self.roots > 0 => Err(Fault::new(
                Code::InvalidYaml,
                start,
                "text after the end of the document; Kubernetes would lose it silently",
            )
            .hint("separate documents with a line `---`")),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = explicit(tag.as_deref());
                let text = text.into_owned();
                let size = text.len() as u64 + 1;
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let content = if plain {
                    Content::Plain(text)
                } else {
                    Content::Text(text)
                };
                let tag = tag.filter(|tag| tag != "!!str");
                self.finish(
                    Node {
                        start,
                        end,
                        tag,
                        content,
                    },
                    anchor,
                    size,
                );
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
            Event::SequenceEnd | Event::MappingEnd => self.close(end),
            Event::Alias(anchor) => self.alias(anchor, start),
            _ => Ok(()),
        }
    }

    fn start(&mut self, start: usize, anchor: usize, tag: Option<String>, is_mapping: bool) {
        let children = vec![];
        self.open.push(Open {
            start,
            anchor,
            tag,
            is_mapping,
            children,
            size: 1,
        });
    }

    fn close(&mut self, end: usize) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let content = if open.is_mapping {
            let pairs = open.children.chunks_exact(2).map(|pair| (pair[0], pair[1]));
            Content::Mapping(pairs.collect())
        } else {
            Content::Sequence(open.children)
        };
        self.check_merges(&content)?;
        let node = Node {
            start: open.start,
            end,
            tag: open.tag,
            content,
        };
        self.finish(node, open.anchor, open.size);
        Ok(())
    }

    /// Refuses what Kubernetes refuses: a merge key whose value is no mapping or list of mappings.
    fn check_merges(&self, content: &Content) -> Result<(), Fault> {
        let Content::Mapping(entries) = content else {
            return Ok(());
        };
        for (key, value) in entries.iter().filter(|(key, _)| self.tree.is_merge(*key)) {
            let sources = self
                .tree
                .items(*value)
                .unwrap_or(std::slice::from_ref(value));
            if !sources.iter().all(|source| self.tree.is_mapping(*source)) {
                let at = self.tree.node(*key).start;
                let message =
                    "the value of a merge key `<<` must be a mapping or a list of mappings";
                return Err(Fault::new(Code::InvalidYaml, at, message));
            }
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: usize) -> Result<(), Fault> {
        let Some(&(target, size)) = self.anchors.get(&anchor) else {
            return Err(Fault::new(
                Code::InvalidYaml,
                at,
                "an alias inside the node it stands for",
            ));
        };
        self.aliases += 1;
        self.expanded = self.expanded.saturating_add(size);
        if self.aliases > MAX_ALIASES || self.expanded > MAX_EXPANDED {
            let message = format!(
                "aliases stand for too much (limits: {MAX_ALIASES} aliases, {} MiB in all)",
                MAX_EXPANDED / 1024 / 1024
            );
            return Err(Fault::new(Code::LimitExceeded, at, message));
        }
        self.attach(target, size);
        Ok(())
    }

    fn finish(&mut self, node: Node, anchor: usize, size: u64) {
        let id = self.tree.add(node);
        if anchor != 0 {
            self.anchors.insert(anchor, (id, size));
        }
        self.attach(id, size);
    }

    fn attach(&mut self, id: NodeId, size: u64) {
        match self.open.last_mut() {
            Some(parent) => {
                parent.children.push(id);
                parent.size = parent.size.saturating_add(size);
            }
            None => {
                self.tree.root = id;
                self.roots += 1;
            }
        }
    }
}

/// A tag as it is written in short.
fn explicit(tag: Option<&granit_parser::Tag>) -> Option<String> {
    tag.map(|tag| tag.to_string().replace("tag:yaml.org,2002:", "!!"))
}
