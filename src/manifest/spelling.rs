//! Keys and words that are nearly ours: a typo must never pass for a removal.
//!
//! A misspelled key is an error and no warning, although Kubernetes ignores it without a word: it
//! holds the role, and what holds a role must fail `lint` in the pull request that brings it.

use std::collections::HashSet;

use super::text::Fault;
use super::tree::{NodeId, Tree};
use crate::diagnostic::Code;
use crate::model::conventions::{AnnotationKeys, ManagedAnnotation};

/// How many letters may be wrong, missing, added or swapped with their neighbour.
const MAX_TYPOS: usize = 2;
/// Of how many letters one may be wrong: of fewer, another word is no typo.
const LETTERS_FOR_A_TYPO: usize = 4;
/// From how many letters on a name means the same on every host.
const TELLING: usize = 10;

/// The keys that lead to the annotations of an object.
const ANNOTATIONS: [&str; 2] = ["metadata", "annotations"];

const HELD: &str = "the role is left as it is until the key is right or gone";

/// Whether a kind was meant to be `ServiceAccount`, or is.
pub(super) fn is_like_service_account(kind: &str) -> bool {
    is_near(&kind.to_lowercase(), "serviceaccount")
}

/// The managed annotation in a ServiceAccount that has it not where it belongs: under a misspelled
/// key, or in a place that Kubernetes does not read.
pub(super) fn stray_managed(tree: &Tree, object: NodeId, keys: &AnnotationKeys) -> Option<Fault> {
    let mut path = Vec::new();
    let key = find_managed(tree, object, keys, &mut path, &mut HashSet::new())?;
    let name = tree.scalar(key).unwrap_or_default();
    // The first part of the path that is not as it should be.
    let parts = path.iter().map(|part| tree.scalar(*part));
    let astray = parts
        .zip(ANNOTATIONS)
        .position(|(part, right)| part != Some(right));
    let (at, message) = if astray.is_none() && path.len() == ANNOTATIONS.len() {
        let message = format!(
            "`{name}` is unknown, so it has no effect: did you mean `{}`?",
            keys.managed
        );
        (key, message)
    } else {
        let parts: Vec<&str> = path.iter().filter_map(|part| tree.scalar(*part)).collect();
        let place = match parts.join(".") {
            top if top.is_empty() => "the top level".to_owned(),
            place => format!("`{place}`"),
        };
        let message = format!(
            "`{name}` is in {place}, so it has no effect: did you mean `metadata.annotations`?"
        );
        let at = astray.unwrap_or(path.len().saturating_sub(1));
        (path.get(at).copied().unwrap_or(key), message)
    };
    Some(Fault::new(Code::Misspelled, tree.node(at).start, message).hint(HELD))
}

/// Whether the managed annotation, or one that is nearly it, is a key anywhere in a node.
pub(super) fn holds_managed(tree: &Tree, id: NodeId, keys: &AnnotationKeys) -> bool {
    find_managed(tree, id, keys, &mut Vec::new(), &mut HashSet::new()).is_some()
}

/// Where the managed annotation is written in a node: as a key, or in a text that is meant for
/// something else to render.
pub(super) fn mention(tree: &Tree, id: NodeId, keys: &AnnotationKeys) -> Option<usize> {
    let mut seen = HashSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        if tree
            .scalar(id)
            .is_some_and(|text| is_written_in(text, &keys.managed))
        {
            return Some(tree.node(id).start);
        }
        open.extend(tree.items(id).unwrap_or_default().iter().rev());
        let entries = tree.entries(id).iter().rev();
        open.extend(entries.flat_map(|(key, value)| [*value, *key]));
    }
    None
}

/// Whether a text sets the annotation: as YAML or JSON, as a path of Helm's `--set`, or as one of a
/// JSON patch. Prose about it does not.
fn is_written_in(text: &str, managed: &str) -> bool {
    // Hardly any text is so long, and every one of a file is looked at.
    if text.len() < managed.len() {
        return false;
    }
    // Whoever writes a JSON pointer means it.
    if text.contains(&managed.replace('/', "~1")) && managed.contains('/') {
        return true;
    }
    let plain = text.replace('\\', "");
    plain.match_indices(managed).any(|(at, _)| {
        let rest = plain[at + managed.len()..].trim_start_matches(['"', '\'']);
        rest.is_empty() || rest.trim_start_matches(' ').starts_with([':', '='])
    })
}

/// Misspelled keys among the annotations of a ServiceAccount that is managed: one for each
/// annotation that is not there.
pub(super) fn misspelled(
    tree: &Tree,
    annotations: NodeId,
    keys: &AnnotationKeys,
) -> impl Iterator<Item = Fault> {
    let known = [&keys.managed, &keys.role_arn, &keys.audience].map(String::as_str);
    let missing = known.into_iter().skip(1);
    let missing = missing.filter(move |meant| tree.get(annotations, meant).is_none());
    missing.filter_map(move |meant| {
        let is_meant = |key: &NodeId| {
            let name = tree.scalar(*key).filter(|name| !known.contains(name));
            name.is_some_and(|name| is_near(&plain(name), meant))
        };
        let mut keys = tree.entries(annotations).iter().map(|(key, _)| *key);
        let key = keys.find(is_meant)?;
        let name = tree.scalar(key).unwrap_or_default();
        let message = format!("`{name}` is unknown, so it has no effect: did you mean `{meant}`?");
        Some(Fault::new(Code::Misspelled, tree.node(key).start, message).hint(HELD))
    })
}

/// Searches for the managed annotation or one like it; leaves the keys that lead there in `path`.
fn find_managed(
    tree: &Tree,
    id: NodeId,
    keys: &AnnotationKeys,
    path: &mut Vec<NodeId>,
    seen: &mut HashSet<NodeId>,
) -> Option<NodeId> {
    // Aliases lead to the same node again and again.
    if !seen.insert(id) {
        return None;
    }
    if let Some(items) = tree.items(id) {
        let mut items = items.iter();
        return items.find_map(|item| find_managed(tree, *item, keys, path, seen));
    }
    let entries = tree.entries(id);
    let is_ours = |key: &NodeId| {
        tree.scalar(*key)
            .is_some_and(|key| is_like_managed(key, keys))
    };
    let key = entries.iter().map(|(key, _)| *key).find(is_ours);
    key.or_else(|| {
        entries.iter().find_map(|(key, value)| {
            path.push(*key);
            let found = find_managed(tree, *value, keys, path, seen);
            if found.is_none() {
                path.pop();
            }
            found
        })
    })
}

/// Whether a key is the managed annotation or was meant to be: a few typos, another host, or
/// another name of the same host that speaks of the same thing. A name that is short or plain means
/// something else on another host.
fn is_like_managed(key: &str, keys: &AnnotationKeys) -> bool {
    let (key, managed) = (plain(key), plain(&keys.managed));
    if is_near(&key, &managed) {
        return true;
    }
    let Some((host, name)) = managed.split_once('/') else {
        return false;
    };
    let is_telling = name.len() >= TELLING;
    match key.rsplit_once('/') {
        None => is_telling && is_near(&key, name),
        Some((other, suffix)) => {
            (is_telling && is_near(suffix, name))
                || (is_near(other, host) && is_related(suffix, name, keys))
        }
    }
}

/// Whether a name on the host of the managed annotation speaks of managed roles.
fn is_related(suffix: &str, name: &str, keys: &AnnotationKeys) -> bool {
    if keys.managed == ManagedAnnotation::DEFAULT {
        // Nothing else is known to be on this host.
        return suffix.contains("role") || suffix.contains("manag");
    }
    let words =
        |text: &str| -> HashSet<String> { text.split(['-', '.']).map(str::to_owned).collect() };
    words(suffix).intersection(&words(name)).count() >= 2
}

/// Without differences that people do not see: letter case, and which kind of dash.
fn plain(key: &str) -> String {
    key.to_lowercase().replace('_', "-")
}

fn is_near(text: &str, meant: &str) -> bool {
    let most = MAX_TYPOS.min(meant.len() / LETTERS_FOR_A_TYPO);
    text.len().abs_diff(meant.len()) <= most && strsim::osa_distance(text, meant) <= most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::conventions::AnnotationPrefix;

    fn is_like(key: &str) -> bool {
        is_like_managed(key, &AnnotationKeys::default())
    }

    #[test]
    fn m42_a_key_of_ones_own_is_missed_by_its_own_typos_only() {
        let own = |key: &str| {
            let managed = ManagedAnnotation::new(key).expect("a key");
            AnnotationKeys::new(&managed, &AnnotationPrefix::default()).expect("keys")
        };
        let (long, plain) = (own("acme.io/managed-iam-role"), own("irsa"));
        for key in [
            "acme.io/managed-iam-rol",
            "acme.io/managed_iam_role",
            "acme.io/iam-role-managed",
            "acme.com/managed-iam-role",
            "managed-iam-role",
        ] {
            assert!(is_like_managed(key, &long), "{key}");
        }
        for key in ["acme.io/role", "acme.io/managed-by", "acme.io/team"] {
            assert!(!is_like_managed(key, &long), "{key}");
        }
        assert!(is_like_managed("isra", &plain));
        for key in ["role", "aws", "acme.io/irsa", "team"] {
            assert!(!is_like_managed(key, &plain), "{key}");
        }
    }

    #[test]
    fn typos_of_the_managed_annotation_are_seen() {
        for key in [
            "security.kaluza.com/iam-role-manged",
            "security.kaluza.com/iam-role-Managed",
            "security.kaluza.com/iam_role_managed",
            "security.kalusa.com/iam-role-managed",
            "security.kaluza.io/iam-role-managed",
            "security.kaluza.com/iam-role",
            "security.kaluza.com/managed-iam-role",
            "security.example.com/iam-role-managed",
            "securtiy.kaluza.com/iam-role-mangaed",
            "security.kaluza.com.iam-role-managed",
            "iam-role-managed",
        ] {
            assert!(is_like(key), "{key}");
        }
    }

    #[test]
    fn other_annotations_are_left_alone() {
        for key in [
            "",
            "eks.amazonaws.com/role-arn",
            "eks.amazonaws.com/sts-regional-endpoints",
            "security.kaluza.com/owner",
            "app.kubernetes.io/managed-by",
            "iam.amazonaws.com/role",
            "iam.gke.io/gcp-service-account",
        ] {
            assert!(!is_like(key), "{key}");
        }
    }
}
