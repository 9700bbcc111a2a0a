//! What a field of a ServiceAccount must be, and what is wrong with one that is not.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::scalar::Reading;
use super::text::Fault;
use super::tree::{NodeId, Tree};
use super::{AUDIENCE_ANNOTATION, MANAGED_ANNOTATION, ROLE_ARN_ANNOTATION};
use crate::diagnostic::Code;

/// A name as the manifest has it. What Kubernetes would not take for a string still says whose
/// role must be left alone.
pub(super) fn name_of<'t>(
    tree: &'t Tree,
    metadata: NodeId,
    key: &str,
    missing: Fault,
    faults: &mut Vec<Fault>,
) -> Option<(usize, &'t str)> {
    let given = tree
        .get(metadata, key)
        .filter(|id| tree.reading(*id) != Some(Reading::Null) && tree.scalar(*id) != Some(""));
    let Some(id) = given else {
        faults.push(missing);
        return None;
    };
    faults.extend(string_fault(tree, id, key));
    tree.scalar(id).map(|text| (tree.node(id).start, text))
}

/// What keeps an entry of annotations or labels from being a string under a string.
pub(super) fn entry_fault(tree: &Tree, key: NodeId, value: NodeId) -> Option<Fault> {
    let at = tree.node(key).start;
    match tree.reading(key) {
        Some(Reading::Null) => Some(Fault::new(
            Code::UnquotedScalar,
            at,
            "a key is null; Kubernetes refuses that",
        )),
        Some(Reading::Boolean(_)) => {
            let key = tree.scalar(key).unwrap_or_default();
            let message = format!("key `{key}` is a boolean in Kubernetes, not text");
            Some(Fault::new(Code::UnquotedScalar, at, message).hint("quote it"))
        }
        Some(Reading::Text | Reading::Number(_)) => {
            let name = tree.scalar(key).unwrap_or_default();
            if tree.reading(value) == Some(Reading::Null) {
                (name == MANAGED_ANNOTATION
                    || name == AUDIENCE_ANNOTATION
                    || name == ROLE_ARN_ANNOTATION)
                    .then(|| empty(tree.node(value).start, name))
            } else if name == AUDIENCE_ANNOTATION || name == ROLE_ARN_ANNOTATION {
                string_fault(tree, value, name).or_else(|| {
                    (tree.scalar(value) == Some("")).then(|| empty(tree.node(value).start, name))
                })
            } else {
                string_fault(tree, value, name)
            }
        }
        None => Some(Fault::new(
            Code::InvalidServiceAccount,
            at,
            "a key is not a string",
        )),
    }
}

fn empty(at: usize, name: &str) -> Fault {
    let code = match name {
        MANAGED_ANNOTATION => Code::InvalidManaged,
        AUDIENCE_ANNOTATION => Code::InvalidAudience,
        _ => Code::InvalidRoleArn,
    };
    Fault::new(code, at, format!("annotation `{name}` has an empty value"))
        .hint("give it a value or remove it")
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
            return Some(fault.hint(
                "if it is written `{{ … }}`, the template was not rendered; otherwise write one quoted value",
            ));
        }
    };
    let message =
        format!("`{what}: {text}` is {kind} in Kubernetes, not a string; quote it: \"{text}\"");
    Some(Fault::new(Code::UnquotedScalar, at, message).hint("put the value in double quotes"))
}

pub(super) fn not_true(at: usize, value: &str) -> Fault {
    let message = format!(
        "annotation `{MANAGED_ANNOTATION}` is `{value}`: it must be the string \"true\" (or \"false\")"
    );
    Fault::new(Code::InvalidManaged, at, message)
        .hint("write \"true\", in quotes and in lower case, for a managed role; \"false\" for none")
}

pub(super) fn duplicate(at: usize, key: &str) -> Fault {
    let message =
        format!("key `{key}` is there twice; Kubernetes would take the last one silently");
    Fault::new(Code::DuplicateKey, at, message).hint("keep one of them")
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
    let error = serde_json::from_value::<ServiceAccount>(whole.clone()).err()?;
    let culprit = tree.entries(object).into_iter().find(|(key, _)| {
        let Some(name) = tree.scalar(*key) else {
            return true;
        };
        let field = serde_json::json!({ name: whole[name] });
        serde_json::from_value::<ServiceAccount>(field).is_err()
    });
    let (at, field) = match culprit {
        Some((key, _)) => (tree.node(key).start, tree.scalar(key).unwrap_or("a key")),
        None => (tree.node(object).start, "the object"),
    };
    let message = format!("`{field}`: {error}");
    Some(
        Fault::new(Code::InvalidServiceAccount, at, message)
            .hint("the API server would refuse this ServiceAccount"),
    )
}

/// Whether a key was meant to be `annotations`: other letter case, or one letter more, less or
/// different.
pub(super) fn is_like_annotations(key: &str) -> bool {
    const MEANT: &str = "annotations";
    let lower = key.to_lowercase();
    let common = lower
        .chars()
        .zip(MEANT.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let (rest, meant) = (lower.get(common..).unwrap_or_default(), &MEANT[common..]);
    let without_first = |text: &str| text.get(1..).unwrap_or_default().to_owned();
    rest == meant
        || without_first(rest) == meant
        || rest == without_first(meant)
        || without_first(rest) == without_first(meant)
}
