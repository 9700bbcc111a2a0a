//! The ServiceAccounts of a document that carry the managed annotation, each checked as Kubernetes
//! would check it.

use k8s_openapi::api::core::v1::ServiceAccount;

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

/// A name as the manifest has it. What Kubernetes would not take for a string still says whose
/// role must be left alone.
fn name_of<'t>(
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
fn entry_fault(tree: &Tree, key: NodeId, value: NodeId) -> Option<Fault> {
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
fn string_fault(tree: &Tree, id: NodeId, what: &str) -> Option<Fault> {
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

fn not_true(at: usize, value: &str) -> Fault {
    let message = format!(
        "annotation `{MANAGED_ANNOTATION}` is `{value}`: it must be the string \"true\" (or \"false\")"
    );
    Fault::new(Code::InvalidManaged, at, message)
        .hint("write \"true\", in quotes and in lower case, for a managed role; \"false\" for none")
}

fn duplicate(at: usize, key: &str) -> Fault {
    let message =
        format!("key `{key}` is there twice; Kubernetes would take the last one silently");
    Fault::new(Code::DuplicateKey, at, message).hint("keep one of them")
}

/// What Kubernetes' own schema says against the object, at the field it is about.
fn schema_fault(tree: &Tree, object: NodeId) -> Option<Fault> {
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
fn is_like_annotations(key: &str) -> bool {
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
