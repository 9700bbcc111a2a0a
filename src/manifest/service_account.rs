//! The ServiceAccounts of a document that carry the managed annotation, each checked as Kubernetes
//! would check it.

use super::field::{duplicate, entry_fault, is_like_annotations, name_of, not_true, schema_fault};
use super::scalar::Reading;
use super::text::{Fault, Text};
use super::tree::{NodeId, Tree};
use super::{
    AUDIENCE_ANNOTATION, Annotation, Completeness, Declaration, Extract, MANAGED_ANNOTATION,
    Management, ROLE_ARN_ANNOTATION,
};
use crate::diagnostic::{Code, Severity};
use crate::model::service_account::{Namespace, ServiceAccountName, ServiceAccountRef};

/// How deep Lists may hold Lists.
const MAX_LIST_DEPTH: usize = 4;

/// Collects what the documents of one file say.
pub(super) struct Reader<'a> {
    pub(super) text: &'a Text<'a>,
    pub(super) extract: Extract,
}

/// What a document's root or a List's item is.
enum Kind {
    ServiceAccount,
    /// A List; the items of a ServiceAccountList need not say what they are.
    List {
        items_are_service_accounts: bool,
    },
    Other,
}

/// The metadata of a ServiceAccount that asks for a role.
struct Metadata {
    object: NodeId,
    metadata: NodeId,
    annotations: NodeId,
    managed: NodeId,
}

impl Reader<'_> {
    /// A document, or a part of one, that nobody can say the content of.
    pub(super) fn unreadable(&mut self, fault: Fault) {
        self.extract.completeness = Completeness::Partial;
        let diagnostic = self.text.diagnostic(Severity::Error, fault);
        self.extract.diagnostics.push(diagnostic);
    }

    fn warn(&mut self, fault: Fault) {
        let diagnostic = self.text.diagnostic(Severity::Warning, fault);
        self.extract.diagnostics.push(diagnostic);
    }

    /// Reads one document.
    pub(super) fn document(&mut self, tree: &Tree) {
        let root = tree.root;
        if tree.reading(root) == Some(Reading::Null) {
            return;
        }
        let at = tree.node(root).start;
        if !tree.is_mapping(root) {
            let message = "a document must be a mapping with apiVersion and kind";
            return self.unreadable(Fault::new(Code::InvalidYaml, at, message));
        }
        let severity = match kind(tree, root) {
            Kind::Other => Severity::Warning,
            Kind::ServiceAccount | Kind::List { .. } => Severity::Error,
        };
        let mut within = Vec::new();
        self.object(tree, root, 0, "", &mut within);
        for (at, key) in &tree.duplicates {
            // A ServiceAccount reports its own.
            if within
                .iter()
                .any(|span: &(usize, usize)| (span.0..span.1).contains(at))
            {
                continue;
            }
            let fault = duplicate(*at, key);
            match severity {
                Severity::Error => self.unreadable(fault),
                Severity::Warning | Severity::Note => self.warn(fault),
            }
        }
    }

    /// Reads an object; notes the part of the file that each ServiceAccount covers.
    fn object(
        &mut self,
        tree: &Tree,
        id: NodeId,
        depth: usize,
        place: &str,
        within: &mut Vec<(usize, usize)>,
    ) {
        match kind(tree, id) {
            Kind::ServiceAccount => {
                let node = tree.node(id);
                if let Some(metadata) = self.managed(tree, id) {
                    within.push((node.start, node.end));
                    self.service_account(tree, &metadata, place);
                }
            }
            Kind::List {
                items_are_service_accounts,
            } => {
                let Some(items) = tree.get(id, "items") else {
                    return;
                };
                let at = tree.node(items).start;
                let Some(items) = tree.items(items) else {
                    if tree.reading(items) != Some(Reading::Null) {
                        let message = format!("{place}items of a List must be a list");
                        self.unreadable(Fault::new(Code::InvalidList, at, message));
                    }
                    return;
                };
                if depth == MAX_LIST_DEPTH {
                    let message = format!("Lists within Lists, more than {MAX_LIST_DEPTH} deep");
                    return self.unreadable(Fault::new(Code::InvalidList, at, message));
                }
                for (index, item) in items.iter().enumerate() {
                    let place = format!("{place}items[{index}]: ");
                    self.item(
                        tree,
                        *item,
                        items_are_service_accounts,
                        depth,
                        &place,
                        within,
                    );
                }
            }
            Kind::Other => self.other(tree, id, place),
        }
    }

    fn item(
        &mut self,
        tree: &Tree,
        item: NodeId,
        is_service_account: bool,
        depth: usize,
        place: &str,
        within: &mut Vec<(usize, usize)>,
    ) {
        let untyped = tree.get(item, "kind").is_none() && tree.get(item, "apiVersion").is_none();
        if !tree.is_mapping(item) {
            let message = format!("{place}an item of a List must be a mapping");
            self.unreadable(Fault::new(
                Code::InvalidList,
                tree.node(item).start,
                message,
            ));
        } else if is_service_account && untyped {
            if let Some(metadata) = self.managed(tree, item) {
                within.push((tree.node(item).start, tree.node(item).end));
                self.service_account(tree, &metadata, place);
            }
        } else {
            self.object(tree, item, depth + 1, place, within);
        }
    }

    /// Something that is not a ServiceAccount is not our business, unless it was meant to be one.
    fn other(&mut self, tree: &Tree, id: NodeId, place: &str) {
        let annotated = annotations(tree, id).and_then(|map| tree.get(map, MANAGED_ANNOTATION));
        let Some(annotated) = annotated else {
            return;
        };
        let word = |key| tree.get(id, key).and_then(|value| tree.scalar(value));
        let (version, kind) = (word("apiVersion"), word("kind"));
        let at = tree.node(annotated).start;
        if kind == Some("ServiceAccount") && version.is_none_or(|v| v == "1" || v.is_empty()) {
            let message = format!("{place}the ServiceAccount has no valid apiVersion");
            let fault = Fault::new(Code::InvalidServiceAccount, tree.node(id).start, message);
            return self.unreadable(fault.hint("use `apiVersion: v1`"));
        }
        let message = format!(
            "{place}`{MANAGED_ANNOTATION}` has no effect on apiVersion `{}`, kind `{}`",
            version.unwrap_or_default(),
            kind.unwrap_or_default()
        );
        let fault = Fault::new(Code::WrongKind, at, message);
        self.warn(fault.hint("it belongs on `apiVersion: v1`, `kind: ServiceAccount`"));
    }

    /// The metadata of a ServiceAccount that carries the managed annotation.
    fn managed(&mut self, tree: &Tree, object: NodeId) -> Option<Metadata> {
        let metadata = tree.get(object, "metadata")?;
        if let Some(annotations) = tree.get(metadata, "annotations")
            && let Some(managed) = tree.get(annotations, MANAGED_ANNOTATION)
        {
            return Some(Metadata {
                object,
                metadata,
                annotations,
                managed,
            });
        }
        for (key, value) in tree.entries(metadata) {
            let name = tree.scalar(key).unwrap_or_default();
            if tree.get(value, MANAGED_ANNOTATION).is_some() && is_like_annotations(name) {
                let message = format!("`{name}` is not `annotations`, so Kubernetes ignores it");
                let fault = Fault::new(Code::Misspelled, tree.node(key).start, message);
                self.warn(fault.hint("write `annotations`"));
            }
        }
        None
    }

    fn service_account(&mut self, tree: &Tree, metadata: &Metadata, place: &str) {
        let object = tree.node(metadata.object);
        let mut faults: Vec<Fault> = Vec::new();
        let reference = self.reference(tree, metadata, &mut faults);
        for (key, value) in ["annotations", "labels"]
            .iter()
            .filter_map(|map| tree.get(metadata.metadata, map))
            .flat_map(|map| tree.entries(map))
        {
            faults.extend(entry_fault(tree, key, value));
        }
        let repeated = tree.duplicates.iter();
        let own = repeated.filter(|(at, _)| (object.start..object.end).contains(at));
        faults.extend(own.map(|(at, key)| duplicate(*at, key)));
        let management = match tree.scalar(metadata.managed) {
            Some("true") => Management::Managed,
            Some("false") => Management::Unmanaged,
            value => {
                let at = tree.node(metadata.managed).start;
                if !faults.iter().any(|fault| fault.at == at) {
                    faults.push(not_true(at, value.unwrap_or_default()));
                }
                Management::Invalid
            }
        };
        if faults.is_empty() {
            faults.extend(schema_fault(tree, metadata.object));
        }
        let management = if faults.is_empty() {
            management
        } else {
            Management::Invalid
        };
        let role_arn = self.annotation(tree, metadata, ROLE_ARN_ANNOTATION);
        let audience = self.annotation(tree, metadata, AUDIENCE_ANNOTATION);
        if reference.is_none() {
            self.extract.completeness = Completeness::Partial;
        }
        for mut fault in faults {
            fault.message.insert_str(0, place);
            let mut diagnostic = self.text.diagnostic(Severity::Error, fault);
            diagnostic.service_account.clone_from(&reference);
            self.extract.diagnostics.push(diagnostic);
        }
        if let Some(service_account) = reference {
            let location = self.text.location(object.start);
            let declaration = Declaration {
                service_account,
                location,
                management,
                role_arn,
                audience,
            };
            self.extract.declarations.push(declaration);
        }
    }

    /// Whose it is, as far as the names can be read.
    fn reference(
        &self,
        tree: &Tree,
        metadata: &Metadata,
        faults: &mut Vec<Fault>,
    ) -> Option<ServiceAccountRef> {
        let at = tree.node(metadata.object).start;
        let generated = tree.get(metadata.metadata, "generateName").is_some();
        let no_name = Fault::new(Code::MissingName, at, "the ServiceAccount has no name").hint(
            if generated {
                "a role cannot be made for a generated name: set metadata.name"
            } else {
                "set metadata.name"
            },
        );
        let message = "the ServiceAccount has no namespace, so its role cannot be named";
        let no_namespace = Fault::new(Code::MissingNamespace, at, message)
            .hint("set metadata.namespace in the rendered manifest (helm template --namespace, kustomize `namespace:`)");
        let name = name_of(tree, metadata.metadata, "name", no_name, faults);
        let namespace = name_of(tree, metadata.metadata, "namespace", no_namespace, faults);
        let mut valid = |at: usize, error: &dyn std::fmt::Display| {
            faults.push(Fault::new(Code::InvalidName, at, error.to_string()));
        };
        let name = name.and_then(|(at, text)| {
            ServiceAccountName::new(text)
                .map_err(|error| valid(at, &error))
                .ok()
        });
        let namespace = namespace
            .and_then(|(at, text)| Namespace::new(text).map_err(|error| valid(at, &error)).ok());
        Some(ServiceAccountRef {
            namespace: namespace?,
            name: name?,
        })
    }

    /// The value of an annotation; a line break that a block scalar put at its end is taken off.
    fn annotation(&mut self, tree: &Tree, metadata: &Metadata, key: &str) -> Option<Annotation> {
        let id = tree.get(metadata.annotations, key)?;
        let at = tree.node(id).start;
        let null = tree.reading(id) == Some(Reading::Null);
        let mut value = if null { "" } else { tree.scalar(id)? };
        if let Some(trimmed) = value.strip_suffix('\n') {
            value = trimmed;
            let message = format!("annotation `{key}` ends with a line break");
            let fault = Fault::new(Code::TrailingNewline, at, message);
            self.warn(fault.hint("the SDKs in the pod get the line break too: write the value on the line of its key"));
        }
        Some(Annotation {
            value: value.to_owned(),
            location: self.text.location(at),
            source_line: self.text.line(at).to_owned(),
        })
    }
}

fn kind(tree: &Tree, id: NodeId) -> Kind {
    let word = |key| {
        let value = tree.get(id, key)?;
        tree.scalar(value)
            .filter(|_| tree.reading(value) == Some(Reading::Text))
    };
    match (word("apiVersion"), word("kind")) {
        (Some("v1"), Some("ServiceAccount")) => Kind::ServiceAccount,
        (Some("v1"), Some("List")) => Kind::List {
            items_are_service_accounts: false,
        },
        (Some("v1"), Some("ServiceAccountList")) => Kind::List {
            items_are_service_accounts: true,
        },
        _ => Kind::Other,
    }
}

fn annotations(tree: &Tree, object: NodeId) -> Option<NodeId> {
    tree.get(tree.get(object, "metadata")?, "annotations")
}
