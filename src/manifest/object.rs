//! What the objects of a document are: ServiceAccounts, Lists of them, or anything else.

use std::collections::BTreeSet;

use super::document::Chunk;
use super::field::ambiguous;
use super::scalar::Reading;
use super::service_account::Reader;
use super::text::Fault;
use super::tree::{NodeId, Seen, Tree};
use super::{Hides, Management, spelling};
use crate::diagnostic::Code;
use crate::model::placeholder::Placeholder;

/// How deep Lists may hold Lists.
const MAX_LIST_DEPTH: usize = 4;

/// What a document's root or a List's item is.
enum Kind {
    ServiceAccount,
    List(Items),
    Other,
}

/// What the items of a List are if they do not say it, and what they must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Items {
    /// Those of a ServiceAccountList.
    ServiceAccounts,
    /// Those of a List.
    Objects,
    /// Those of anything else with a list of items: kubectl takes that for a List.
    Anything,
    /// The same without apiVersion or kind, which kubectl refuses.
    Untyped,
}

/// An object in its document.
#[derive(Clone, Copy)]
struct Place<'a> {
    tree: &'a Tree,
    /// How many Lists it is in.
    depth: usize,
    /// Which items of those Lists, as the start of a message.
    path: &'a str,
}

impl Reader<'_> {
    /// Reads what is in a part of the file, or says why it cannot be read.
    pub(super) fn read(&mut self, chunk: Chunk<'_>) {
        let fault = chunk.read(&mut |tree, _, seen| {
            if seen == Seen::Document {
                self.document(tree);
            }
        });
        if let Some(fault) = fault {
            self.unreadable(fault);
        }
    }

    /// Reads one document.
    pub(super) fn document(&mut self, tree: &Tree) {
        let root = tree.root;
        if tree.reading(root) == Some(Reading::Null) {
            return;
        }
        if self.json_patch(tree) {
            return;
        }
        if !tree.is_mapping(root) {
            let message = "a document must be a mapping with apiVersion and kind";
            let at = tree.node(root).start;
            return self.unreadable(Fault::new(Code::InvalidYaml, at, message));
        }
        let first = self.extract.declarations.len();
        let first_unplaced = self.extract.unplaced.len();
        let mut reported = BTreeSet::new();
        let place = Place {
            tree,
            depth: 0,
            path: "",
        };
        self.object(place, root, &mut reported);
        let is_ours = !matches!(kind(tree, root), Kind::Other);
        for ambiguity in &tree.ambiguities {
            // A ServiceAccount reports its own.
            if !reported.insert(ambiguity.at) {
                continue;
            }
            let fault = ambiguous(ambiguity);
            let decisive = ambiguity.mapping == root
                && is_decisive(&ambiguity.key)
                && spelling::holds_managed(tree, root, self.keys);
            if is_ours || decisive {
                self.unreadable(fault);
            } else {
                self.warn(fault);
            }
            if decisive {
                for declaration in &mut self.extract.declarations[first..] {
                    declaration.management = Management::Invalid;
                }
                for unplaced in &mut self.extract.unplaced[first_unplaced..] {
                    unplaced.management = Management::Invalid;
                }
            }
        }
    }

    /// Reads an object; notes which ambiguities are those of a ServiceAccount.
    fn object(&mut self, place: Place<'_>, id: NodeId, reported: &mut BTreeSet<usize>) {
        match kind(place.tree, id) {
            Kind::ServiceAccount => self.service_account_at(place, id, reported),
            Kind::List(of) => self.list(place, id, of, reported),
            Kind::Other => self.other(place, id),
        }
    }

    /// Reads a ServiceAccount; if anything is reported of it, so are its ambiguities.
    fn service_account_at(&mut self, place: Place<'_>, id: NodeId, reported: &mut BTreeSet<usize>) {
        let before = self.extract.diagnostics.len();
        self.service_account(place.tree, id, place.path);
        if self.extract.diagnostics.len() > before {
            let own = place.tree.ambiguities_of(id);
            reported.extend(own.iter().map(|ambiguity| ambiguity.at));
        }
    }

    fn list(&mut self, place: Place<'_>, id: NodeId, of: Items, reported: &mut BTreeSet<usize>) {
        let Place { tree, depth, path } = place;
        let given = tree.get(id, "items");
        let given = given.filter(|items| tree.reading(*items) != Some(Reading::Null));
        if of == Items::Untyped {
            if spelling::holds_managed(tree, id, self.keys) {
                let message = format!("{path}a List without apiVersion or kind");
                let fault = Fault::new(Code::InvalidList, tree.node(id).start, message);
                self.unreadable(fault.hint("use `apiVersion: v1`, `kind: List`"));
            }
            return;
        }
        let Some(items) = given else {
            if spelling::holds_managed(tree, id, self.keys) {
                let message = format!("{path}the List has no `items`, but `{}`", self.keys.managed);
                let fault = Fault::new(Code::InvalidList, tree.node(id).start, message);
                self.unreadable(fault.hint("put its objects under `items`"));
            }
            return;
        };
        let at = tree.node(items).start;
        let Some(items) = tree.items(items) else {
            let message = format!("{path}items of a List must be a list");
            return self.unreadable(Fault::new(Code::InvalidList, at, message));
        };
        if depth == MAX_LIST_DEPTH {
            let message = format!("Lists within Lists, more than {MAX_LIST_DEPTH} deep");
            return self.unreadable(Fault::new(Code::InvalidList, at, message));
        }
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}items[{index}]: ");
            let place = Place {
                tree,
                depth: depth + 1,
                path: &path,
            };
            let untyped =
                tree.get(*item, "kind").is_none() && tree.get(*item, "apiVersion").is_none();
            if tree.is_mapping(*item) {
                if of == Items::ServiceAccounts && untyped {
                    self.service_account_at(place, *item, reported);
                } else {
                    self.object(place, *item, reported);
                }
            } else if of != Items::Anything {
                let message = format!("{path}an item of a List must be a mapping");
                let at = tree.node(*item).start;
                self.unreadable(Fault::new(Code::InvalidList, at, message));
            }
        }
    }

    /// An object that is not a ServiceAccount is passed over, unless it was meant to be one.
    ///
    /// Then it is a warning only, because Kubernetes applies it as what it is; but whether it still
    /// declares its role is not known, so no role is pruned that it may be.
    fn other(&mut self, place: Place<'_>, id: NodeId) {
        let Place { tree, path, .. } = place;
        let managed = &self.keys.managed;
        let annotations = tree
            .get(id, "metadata")
            .and_then(|metadata| tree.get(metadata, "annotations"));
        let annotated = annotations.and_then(|map| tree.get(map, managed));
        let word = |key| tree.get(id, key).and_then(|value| tree.scalar(value));
        let (version, kind) = (word("apiVersion"), word("kind"));
        // Without a kind it may be anything: the values of a chart hold the annotation somewhere, too.
        let is_like = match kind {
            Some(kind) => spelling::is_like_service_account(kind),
            None => version.is_some() || tree.get(id, managed).is_some(),
        };
        let at = match annotated {
            Some(annotated) => tree.node(annotated).start,
            None if is_like && spelling::holds_managed(tree, id, self.keys) => tree.node(id).start,
            None => return self.mention(place, id, kind),
        };
        if kind == Some("ServiceAccount") && version.is_none_or(|v| v == "1" || v.is_empty()) {
            let message = format!("{path}the ServiceAccount has no valid apiVersion");
            let fault = Fault::new(Code::InvalidServiceAccount, tree.node(id).start, message);
            return self.unreadable(fault.hint("use `apiVersion: v1`"));
        }
        let encoded = ["apiVersion", "kind"].into_iter().any(|key| {
            let value = tree.get(id, key);
            value.is_some_and(|value| tree.node(value).tag.is_some())
        });
        let unrendered = [kind, version].into_iter().flatten().find_map(|word| {
            let placeholder = Placeholder::of(word)?;
            Some((word, placeholder))
        });
        if let Some((word, placeholder)) = unrendered {
            // Rendered, it may be a ServiceAccount.
            let message = format!("{path}`{word}` is not rendered, and the object has `{managed}`");
            let fault = Fault::new(Code::UnrenderedTemplate, tree.node(id).start, message);
            return self.unreadable(fault.hint(placeholder.renderer()));
        }
        let message = format!(
            "{path}`{managed}` has no effect on apiVersion `{}`, kind `{}`",
            version.unwrap_or_default(),
            kind.unwrap_or_default()
        );
        let fault = Fault::new(Code::WrongKind, at, message);
        if is_like || encoded || kind.is_none() {
            self.doubt(at, Hides::Any);
            self.warn(fault.hint(
                "use `apiVersion: v1`, `kind: ServiceAccount`; until then no role is pruned that it may declare",
            ));
        } else {
            self.warn(fault.hint("it belongs on `apiVersion: v1`, `kind: ServiceAccount`"));
        }
    }
}

impl Reader<'_> {
    /// Notes that something which is no ServiceAccount carries the annotation, so that nobody believes
    /// it is served.
    fn mention(&mut self, place: Place<'_>, id: NodeId, kind: Option<&str>) {
        let Place { tree, path, .. } = place;
        let Some(at) = spelling::mention(tree, id, self.keys) else {
            return;
        };
        let managed = &self.keys.managed;
        let holder = match kind {
            Some(kind) => format!("of kind `{kind}`"),
            None => "without a kind, as the values of a chart are".to_owned(),
        };
        let message = format!(
            "{path}`{managed}` is in an object {holder}, which is no ServiceAccount: it declares nothing, only what is rendered counts"
        );
        let fault = Fault::new(Code::WrongKind, at, message);
        self.note(
            fault
                .hint("commit the rendered ServiceAccount, or read the rendering with --directory"),
        );
    }

    /// Whether a document is a JSON patch; notes the annotation in it.
    fn json_patch(&mut self, tree: &Tree) -> bool {
        let Some(operations) = tree.items(tree.root) else {
            return false;
        };
        let is_operation = |id: &NodeId| {
            let has = |key| tree.get(*id, key).is_some();
            has("op") && (has("path") || has("from"))
        };
        if operations.is_empty() || !operations.iter().all(is_operation) {
            return false;
        }
        if let Some(at) = spelling::mention(tree, tree.root, self.keys) {
            let managed = &self.keys.managed;
            let message = format!(
                "`{managed}` is in a JSON patch, which is no ServiceAccount: it declares nothing, only what is rendered counts"
            );
            let fault = Fault::new(Code::WrongKind, at, message);
            self.note(
                fault.hint("commit what it is rendered to, or read the rendering with --directory"),
            );
        }
        true
    }
}

fn kind(tree: &Tree, id: NodeId) -> Kind {
    let has_items = || {
        let items = tree.get(id, "items");
        items.is_some_and(|items| tree.items(items).is_some())
    };
    let (version, kind) = (tree.word(id, "apiVersion"), tree.word(id, "kind"));
    match (version, kind) {
        (Some("v1"), Some("ServiceAccount")) => Kind::ServiceAccount,
        (Some("v1"), Some("List")) => Kind::List(Items::Objects),
        (Some("v1"), Some("ServiceAccountList")) => Kind::List(Items::ServiceAccounts),
        (Some(_), Some(_)) if has_items() => Kind::List(Items::Anything),
        _ if has_items() => Kind::List(Items::Untyped),
        _ => Kind::Other,
    }
}

/// Whether a key of a document decides what the document is and whose.
fn is_decisive(key: &str) -> bool {
    ["apiVersion", "kind", "metadata", "items", "<<"].contains(&key)
}
