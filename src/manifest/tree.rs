//! One document as a tree of nodes with their places, the same for YAML and JSON.
//!
//! Aliases point to the node they stand for, so a tree may share nodes; the readers bound how much
//! that can expand to. Merge keys are resolved where a mapping is looked into.

use serde_json::{Map, Number, Value};

use super::scalar::{self, Reading};

/// The index of a node in its tree.
pub(super) type NodeId = usize;

/// One document.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    pub(super) root: NodeId,
    /// Keys that their mapping has already: the offset and the key.
    pub(super) duplicates: Vec<(usize, String)>,
}

/// One node and the part of the file it covers.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) start: usize,
    pub(super) end: usize,
    /// An explicit tag other than `!!str`.
    pub(super) tag: Option<String>,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// Quoted text, block scalars and `!!str`: text whatever it looks like.
    Text(String),
    /// A plain scalar of YAML; a number, `true`, `false` or `null` of JSON.
    Plain(String),
    Sequence(Vec<NodeId>),
    Mapping(Vec<(NodeId, NodeId)>),
}

impl Tree {
    /// Adds a node whose children are there already; notes keys that a mapping has twice.
    pub(super) fn add(&mut self, node: Node) -> NodeId {
        if let Content::Mapping(entries) = &node.content {
            let mut keys: Vec<(&str, usize)> = entries
                .iter()
                .filter_map(|(key, _)| Some((self.scalar(*key)?, self.nodes[*key].start)))
                .collect();
            keys.sort_unstable();
            let repeated = keys.windows(2).filter(|pair| pair[0].0 == pair[1].0);
            let repeated: Vec<_> = repeated
                .map(|pair| (pair[1].1, pair[1].0.to_owned()))
                .collect();
            self.duplicates.extend(repeated);
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The text of a scalar, whatever Kubernetes takes it for.
    pub(super) fn scalar(&self, id: NodeId) -> Option<&str> {
        match &self.nodes[id].content {
            Content::Text(text) | Content::Plain(text) => Some(text),
            Content::Sequence(_) | Content::Mapping(_) => None,
        }
    }

    /// What Kubernetes takes a scalar for; `None` if it is none.
    pub(super) fn reading(&self, id: NodeId) -> Option<Reading> {
        match &self.nodes[id].content {
            Content::Text(_) => Some(Reading::Text),
            Content::Plain(text) => Some(scalar::read(text)),
            Content::Sequence(_) | Content::Mapping(_) => None,
        }
    }

    pub(super) fn is_mapping(&self, id: NodeId) -> bool {
        matches!(self.nodes[id].content, Content::Mapping(_))
    }

    pub(super) fn items(&self, id: NodeId) -> Option<&[NodeId]> {
        match &self.nodes[id].content {
            Content::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping after merging: its own first, then those of `<<` that it has not,
    /// the first of several mappings first. Empty for anything that is not a mapping.
    pub(super) fn entries(&self, id: NodeId) -> Vec<(NodeId, NodeId)> {
        let Content::Mapping(own) = &self.nodes[id].content else {
            return vec![];
        };
        let (merges, mut entries): (Vec<_>, Vec<_>) = own
            .iter()
            .copied()
            .partition(|(key, _)| self.is_merge(*key));
        for (_, merged) in merges {
            let sources = self.items(merged).unwrap_or(std::slice::from_ref(&merged));
            for (key, value) in sources.iter().flat_map(|source| self.entries(*source)) {
                let text = self.scalar(key);
                if !entries.iter().any(|(own, _)| self.scalar(*own) == text) {
                    entries.push((key, value));
                }
            }
        }
        entries
    }

    /// The value under a key of a mapping, merged mappings included.
    pub(super) fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let is_key = |entry: &&(NodeId, NodeId)| self.scalar(entry.0) == Some(key);
        if let Content::Mapping(own) = &self.nodes[id].content {
            if let Some((_, value)) = own.iter().find(is_key) {
                return Some(*value);
            }
            if !own.iter().any(|(key, _)| self.is_merge(*key)) {
                return None;
            }
        }
        let merged = self.entries(id);
        merged.iter().find(is_key).map(|(_, value)| *value)
    }

    /// Whether a key is YAML 1.1's merge key: `<<` without quotes.
    pub(super) fn is_merge(&self, key: NodeId) -> bool {
        matches!(&self.nodes[key].content, Content::Plain(text) if text == "<<")
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
            Content::Mapping(_) => {
                let entry = |(key, value): (NodeId, NodeId)| {
                    Some((self.scalar(key)?.to_owned(), self.to_json(value)))
                };
                let entries = self.entries(id).into_iter().filter_map(entry);
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}
