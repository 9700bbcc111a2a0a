//! What a field of a ServiceAccount must be, and what is wrong with one that is not.

use k8s_openapi::api::core::v1::ServiceAccount;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::scalar::Reading;
use super::text::Fault;
use super::tree::{Ambiguity, AmbiguityKind, NodeId, Tree};
use crate::diagnostic::Code;
use crate::model::conventions::AnnotationKeys;
use crate::model::placeholder::Placeholder;

const WRITE_TRUE: &str =
    "write \"true\", in quotes and in lower case, for a managed role; \"false\" for none";

/// Whether a field has a value; null and an empty text are none.
pub(super) fn is_given(tree: &Tree, metadata: NodeId, key: &str) -> bool {
    given(tree, metadata, key).is_some()
}

fn given(tree: &Tree, metadata: NodeId, key: &str) -> Option<NodeId> {
    let value = tree.get(metadata, key)?;
    let is_empty = tree.reading(value) == Some(Reading::Null) || tree.scalar(value) == Some("");
    (!is_empty).then_some(value)
}

/// A name as the manifest has it. What Kubernetes would not take for a string still says whose
/// role must be left alone.
pub(super) fn name_of<'t>(
    tree: &'t Tree,
    metadata: NodeId,
    key: &str,
    faults: &mut Vec<Fault>,
) -> Option<(usize, &'t str)> {
    let id = given(tree, metadata, key)?;
    faults.extend(string_fault(tree, id, key));
    tree.scalar(id).map(|text| (tree.node(id).start, text))
}

/// What keeps an entry of annotations or labels from being a string under a string.
pub(super) fn entry_fault(
    tree: &Tree,
    key: NodeId,
    value: NodeId,
    keys: &AnnotationKeys,
) -> Option<Fault> {
    let at = tree.node(key).start;
    let name = tree.scalar(key)?;
    match tree.reading(key)? {
        Reading::Null => {
            let message = "a key is null; Kubernetes refuses that";
            return Some(Fault::new(Code::UnquotedScalar, at, message).hint("quote it"));
        }
        Reading::Boolean(_) => {
            let message = format!("key `{name}` is a boolean in Kubernetes, not text");
            return Some(Fault::new(Code::UnquotedScalar, at, message).hint("quote it"));
        }
        Reading::Text | Reading::Number(_) => {}
    }
    let (at, reading) = (tree.node(value).start, tree.reading(value));
    let is_empty = reading == Some(Reading::Null);
    if name == keys.role_arn && tree.node(value).tag.is_none() {
        // Whatever it is instead, it is not the ARN: that is checked where the ARN is known.
        None
    } else if name == keys.managed {
        if is_empty {
            return Some(empty(Code::InvalidManaged, at, name));
        }
        not_a_string(tree, value, name, keys)
    } else if name == keys.audience && (is_empty || tree.scalar(value) == Some("")) {
        Some(empty(Code::InvalidAudience, at, name))
    } else {
        string_fault(tree, value, name)
    }
}

/// Whether the role-arn annotation is anything but text: then it holds its ServiceAccount, and what
/// to write instead is said where the ARN is known.
pub(super) fn is_no_text(tree: &Tree, value: NodeId) -> bool {
    tree.reading(value) != Some(Reading::Text)
}

/// A tag on what matters here: Kubernetes drops it, other readers make something of it.
pub(super) fn tag_fault(tree: &Tree, id: NodeId, what: &str) -> Option<Fault> {
    let node = tree.node(id);
    let tag = node.tag.as_ref().filter(|tag| ***tag != *"!!map")?;
    let message = format!("{what} has the tag `{tag}`, which has no meaning here");
    let fault = Fault::new(Code::InvalidServiceAccount, node.start, message);
    Some(fault.hint("remove the tag"))
}

/// What keeps metadata and annotations from being the mappings that Kubernetes requires.
pub(super) fn shape_fault(tree: &Tree, object: NodeId) -> Option<Fault> {
    let mut id = object;
    for key in ["metadata", "annotations"] {
        let value = tree.get(id, key)?;
        if tree.reading(value) == Some(Reading::Null) {
            return None;
        }
        if !tree.is_mapping(value) {
            let message = format!("`{key}` of a ServiceAccount must be a mapping");
            let fault = Fault::new(Code::InvalidServiceAccount, tree.node(value).start, message);
            return Some(fault.hint(
                "the API server would refuse this ServiceAccount; its role is left as it is",
            ));
        }
        id = value;
    }
    None
}

fn empty(code: Code, at: usize, name: &str) -> Fault {
    Fault::new(code, at, format!("annotation `{name}` has an empty value"))
        .hint("give it a value or remove it")
}

/// What keeps the managed annotation from being a string, and which one it must be.
fn not_a_string(tree: &Tree, value: NodeId, name: &str, keys: &AnnotationKeys) -> Option<Fault> {
    let fault = string_fault(tree, value, name)?;
    let kind = match tree.reading(value) {
        Some(Reading::Boolean(_)) => "a boolean",
        Some(Reading::Number(_)) => "a number",
        Some(Reading::Text | Reading::Null) | None => return Some(fault),
    };
    if tree.node(value).tag.is_some() {
        return Some(fault);
    }
    let text = tree.scalar(value).unwrap_or_default();
    let message = format!(
        "annotation `{}` is `{text}` without quotes, which is {kind}: it must be the string \"true\" (or \"false\")",
        keys.managed
    );
    Some(Fault::new(Code::UnquotedScalar, fault.at, message).hint(WRITE_TRUE))
}

/// What keeps a node from being a string to Kubernetes.
pub(super) fn string_fault(tree: &Tree, id: NodeId, what: &str) -> Option<Fault> {
    let node = tree.node(id);
    let at = node.start;
    if let Some(tag) = &node.tag {
        let message = format!("`{what}` has the tag `{tag}`; only `!!str` has a meaning here");
        return Some(
            Fault::new(Code::InvalidServiceAccount, at, message).hint("write the plain value"),
        );
    }
    let text = tree.scalar(id).unwrap_or_default();
    let kind = match tree.reading(id) {
        Some(Reading::Text | Reading::Null) => return None,
        Some(Reading::Boolean(_)) => "a boolean",
        Some(Reading::Number(_)) => "a number",
        None => {
            let message = format!("`{what}` must be a string");
            let fault = Fault::new(Code::InvalidServiceAccount, at, message);
            return Some(fault.hint("write one value, in quotes"));
        }
    };
    let message =
        format!("`{what}: {text}` is {kind} in Kubernetes, not a string; quote it: \"{text}\"");
    Some(Fault::new(Code::UnquotedScalar, at, message).hint("put the value in double quotes"))
}

pub(super) fn not_true(at: usize, value: &str, keys: &AnnotationKeys) -> Fault {
    if let Some(placeholder) = Placeholder::of(value) {
        let message = format!("annotation `{}` is not rendered: `{value}`", keys.managed);
        let fault = Fault::new(Code::UnrenderedTemplate, at, message);
        return fault.hint(placeholder.renderer());
    }
    let message = format!(
        "annotation `{}` is `{value}`: it must be the string \"true\" (or \"false\")",
        keys.managed
    );
    Fault::new(Code::InvalidManaged, at, message).hint(WRITE_TRUE)
}

/// Says what is ambiguous about a key.
pub(super) fn ambiguous(ambiguity: &Ambiguity) -> Fault {
    let Ambiguity { at, key, .. } = ambiguity;
    let (message, hint) = match ambiguity.kind {
        AmbiguityKind::Repeated if key == "<<" => (
            "two merge keys `<<` in one mapping".to_owned(),
            "write one with a list, the mapping that wins first: `<<: [*a, *b]`",
        ),
        AmbiguityKind::Repeated => (
            format!("key `{key}` is there twice; Kubernetes would take the last one silently"),
            "keep one of them",
        ),
        AmbiguityKind::Overwritten => (
            format!("key `{key}` stands before a merge key `<<` that overwrites it"),
            "put `<<` first in its mapping",
        ),
    };
    Fault::new(Code::DuplicateKey, *at, message).hint(hint)
}

/// What Kubernetes' own schema says against the object, at the field it is about.
pub(super) fn schema_fault(tree: &Tree, object: NodeId) -> Option<Fault> {
    let mut whole = tree.to_json(object);
    for map in ["annotations", "labels"] {
        let entries = whole["metadata"]
            .get_mut(map)
            .and_then(|map| map.as_object_mut());
        // The API server decodes these into a map of strings, in which null becomes "".
        for value in entries
            .into_iter()
            .flat_map(|map| map.values_mut())
            .filter(|v| v.is_null())
        {
            *value = "".into();
        }
    }
    let error = ServiceAccount::deserialize(&whole).err()?;
    let refuses = |json: Value| ServiceAccount::deserialize(json).is_err();
    let (id, path) = culprit(tree, object, &whole, &refuses);
    let field = if path.is_empty() {
        "the object"
    } else {
        path.trim_start_matches('.')
    };
    let message = format!("`{field}`: {error}");
    Some(
        Fault::new(Code::InvalidServiceAccount, tree.node(id).start, message)
            .hint("the API server would refuse this ServiceAccount"),
    )
}

/// The innermost key or item that is refused by itself, and the path to it.
fn culprit(
    tree: &Tree,
    id: NodeId,
    json: &Value,
    refuses: &dyn Fn(Value) -> bool,
) -> (NodeId, String) {
    // What is refused without any content is itself at fault.
    for (key, value) in tree.entries(id) {
        let name = tree.scalar(*key).unwrap_or_default();
        let within = |json| {
            refuses(Value::Object(
                [(name.to_owned(), json)].into_iter().collect(),
            ))
        };
        if !refuses(Value::Object(Map::new())) && within(json[name].clone()) {
            let (inner, path) = culprit(tree, *value, &json[name], &within);
            let place = if path.is_empty() { *key } else { inner };
            return (place, format!(".{name}{path}"));
        }
    }
    for (index, item) in tree.items(id).unwrap_or_default().iter().enumerate() {
        let within = |json| refuses(Value::Array(vec![json]));
        if !refuses(Value::Array(vec![])) && within(json[index].clone()) {
            let (inner, path) = culprit(tree, *item, &json[index], &within);
            return (inner, format!("[{index}]{path}"));
        }
    }
    (id, String::new())
}
