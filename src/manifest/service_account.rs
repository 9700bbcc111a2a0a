//! The ServiceAccounts of a document that carry the managed annotation, or were meant to, each
//! checked as Kubernetes would check it.

use super::claim;
use super::field::{
    ambiguous, entry_fault, is_given, is_no_text, name_of, not_true, schema_fault, shape_fault,
    tag_fault,
};
use super::placed::Unplaced;
use super::spelling;
use super::text::{Fault, Text};
use super::tree::{Ambiguity, NodeId, Tree};
use super::{Annotation, Claim, Declaration, Doubt, Extract, Hides, Management};
use crate::diagnostic::{Code, Severity};
use crate::model::conventions::AnnotationKeys;
use crate::model::placeholder::Placeholder;
use crate::model::service_account::{Namespace, ServiceAccountName, ServiceAccountRef};

/// Collects what the documents of one file say.
pub(super) struct Reader<'a> {
    pub(super) text: &'a Text<'a>,
    pub(super) keys: &'a AnnotationKeys,
    pub(super) extract: Extract,
}

/// The parts of a ServiceAccount that matter here, whatever they are.
#[derive(Clone, Copy)]
struct Parts {
    object: NodeId,
    metadata: Option<NodeId>,
    annotations: Option<NodeId>,
}

impl Reader<'_> {
    /// Reports a document, or a part of one, whose content is not known.
    pub(super) fn unreadable(&mut self, fault: Fault) {
        self.doubt(fault.at, Hides::Any);
        let fault = match fault.hint {
            None => fault.hint("until this can be read, no role is pruned that it may hide"),
            Some(_) => fault,
        };
        let diagnostic = self.text.diagnostic(Severity::Error, fault);
        self.extract.diagnostics.push(diagnostic);
    }

    /// Notes that something was not understood.
    pub(super) fn doubt(&mut self, at: usize, hides: Hides) {
        let line = self.text.location(at).line;
        self.extract.doubts.push(Doubt { line, hides });
    }

    /// Notes which roles a text names that was not understood.
    pub(super) fn claim(&mut self, offset: usize, text: &[u8]) {
        for (at, role_arn) in claim::given(text, &self.keys.role_arn) {
            let location = self.text.location(offset + at);
            self.extract.claims.push(Claim { role_arn, location });
        }
    }

    pub(super) fn note(&mut self, fault: Fault) {
        let diagnostic = self.text.diagnostic(Severity::Note, fault);
        self.extract.diagnostics.push(diagnostic);
    }

    pub(super) fn warn(&mut self, fault: Fault) {
        let diagnostic = self.text.diagnostic(Severity::Warning, fault);
        self.extract.diagnostics.push(diagnostic);
    }

    /// Reads one ServiceAccount. One that neither carries the managed annotation nor was meant to is
    /// passed over.
    pub(super) fn service_account(&mut self, tree: &Tree, object: NodeId, place: &str) {
        let (parts, keys) = (Parts::of(tree, object), self.keys);
        let ambiguities = tree.ambiguities_of(object);
        let mut faults: Vec<Fault> = ambiguities.iter().map(|a| ambiguous(a)).collect();
        if parts.annotation(tree, &keys.managed).is_none() {
            let Some(fault) = self.unmarked(tree, object) else {
                return;
            };
            // Of two mappings the annotation may be in the second one.
            if faults.is_empty() {
                faults.push(fault);
            }
        }
        let at = tree.node(object).start;
        if ambiguities.iter().any(|a| parts.is_named_by(a)) {
            self.doubt(at, Hides::Any);
        }
        let known = self.extract.doubts.len();
        let named = self.reference(tree, parts, &mut faults);
        if named.is_none() && self.extract.doubts.len() == known {
            self.doubt(at, Hides::Any);
        }
        faults.extend(parts.faults(tree, keys));
        let management = parts.management(tree, keys, &mut faults);
        let role_arn = self.annotation(tree, parts, &keys.role_arn);
        let audience = self.annotation(tree, parts, &keys.audience);
        let (location, source_line) = (self.text.location(at), self.text.line(at).to_owned());
        let service_account = match named {
            Some((name, Some((at, namespace)))) => {
                let service_account = ServiceAccountRef { namespace, name };
                self.extract.declarations.push(Declaration {
                    service_account: service_account.clone(),
                    location,
                    management,
                    role_arn,
                    audience,
                    namespace_at: Some(self.text.location(at)),
                });
                Some(service_account)
            }
            Some((name, None)) => {
                self.extract.unplaced.push(Unplaced {
                    place: place.to_owned(),
                    name,
                    location,
                    source_line,
                    management,
                    role_arn,
                    audience,
                });
                None
            }
            None => None,
        };
        self.report(faults, place, service_account.as_ref());
    }

    /// What is wrong with a ServiceAccount that does not carry the managed annotation but was meant to,
    /// or may. `None` if it was not.
    fn unmarked(&mut self, tree: &Tree, object: NodeId) -> Option<Fault> {
        let shapeless = shape_fault(tree, object);
        if let Some(fault) = &shapeless {
            self.doubt(fault.at, Hides::Any);
        }
        shapeless.or_else(|| spelling::stray_managed(tree, object, self.keys))
    }

    /// Reports what is wrong with one ServiceAccount; `place` says which items of which Lists it is.
    fn report(
        &mut self,
        faults: Vec<Fault>,
        place: &str,
        service_account: Option<&ServiceAccountRef>,
    ) {
        for mut fault in faults {
            fault.message.insert_str(0, place);
            let mut diagnostic = self.text.diagnostic(Severity::Error, fault);
            diagnostic.service_account = service_account.cloned();
            self.extract.diagnostics.push(diagnostic);
        }
    }

    /// The name and the namespace, if there is one, with its place, as far as they can be read. Where
    /// Kubernetes may read another name, the one that is written stands for it, and the file counts as
    /// understood in part.
    fn reference(
        &mut self,
        tree: &Tree,
        parts: Parts,
        faults: &mut Vec<Fault>,
    ) -> Option<(ServiceAccountName, Option<(usize, Namespace)>)> {
        let at = tree.node(parts.object).start;
        let metadata = parts.metadata.filter(|id| tree.is_mapping(*id))?;
        let generated = tree.get(metadata, "generateName").is_some();
        let no_name = Fault::new(Code::MissingName, at, "the ServiceAccount has no name").hint(
            if generated {
                "a role cannot be made for a generated name: set metadata.name"
            } else {
                "set metadata.name"
            },
        );
        let before = faults.len();
        let name = name_of(tree, metadata, "name", faults);
        if name.is_none() && faults.len() == before {
            faults.push(no_name);
        }
        let name = name.and_then(|name| checked(name, ServiceAccountName::new, faults));
        let is_given = is_given(tree, metadata, "namespace");
        let namespace = name_of(tree, metadata, "namespace", faults);
        let namespace = namespace.and_then(|(at, text)| {
            let namespace = checked((at, text), Namespace::new, faults)?;
            Some((at, namespace))
        });
        if faults.len() > before {
            let text = |key| tree.scalar(tree.get(metadata, key)?);
            self.doubt(at, Hides::like(text("namespace"), text("name")));
        }
        match namespace {
            None if is_given => None,
            namespace => Some((name?, namespace)),
        }
    }

    /// The value of an annotation as it is written; a line break that a block scalar put at its end
    /// is taken off.
    fn annotation(&mut self, tree: &Tree, parts: Parts, key: &str) -> Option<Annotation> {
        let id = parts.annotation(tree, key)?;
        let node = tree.node(id);
        let written = self.text.excerpt(node.start, node.end);
        let text = tree.scalar(id).filter(|_| !is_no_text(tree, id));
        let mut value = text.unwrap_or(written);
        let quoted = written.starts_with(['"', '\'']);
        if let Some(trimmed) = value.strip_suffix('\n').filter(|_| !quoted) {
            value = trimmed;
            let message = format!("annotation `{key}` ends with a line break");
            let fault = Fault::new(Code::TrailingNewline, node.start, message);
            self.warn(fault.hint("the SDKs in the pod get the line break too: write the value on the line of its key"));
        }
        Some(Annotation {
            value: value.to_owned(),
            location: self.text.location(node.start),
            source_line: self.text.line(node.start).to_owned(),
        })
    }
}

impl Parts {
    fn of(tree: &Tree, object: NodeId) -> Self {
        let metadata = tree.get(object, "metadata");
        let annotations = metadata.and_then(|metadata| tree.get(metadata, "annotations"));
        Self {
            object,
            metadata,
            annotations,
        }
    }

    fn annotation(self, tree: &Tree, key: &str) -> Option<NodeId> {
        tree.get(self.annotations?, key)
    }

    /// What the managed annotation declares, if nothing is wrong with the ServiceAccount. Faults of the
    /// annotation, and those of Kubernetes' schema where there is no other, are added to `faults`.
    fn management(self, tree: &Tree, keys: &AnnotationKeys, faults: &mut Vec<Fault>) -> Management {
        let mut management = Management::Invalid;
        if let Some(managed) = self.annotation(tree, &keys.managed) {
            match declared(tree, managed, keys) {
                Ok(declared) => management = declared,
                Err(fault) if faults.iter().any(|known| known.at == fault.at) => {}
                Err(fault) => faults.push(fault),
            }
        }
        let role_arn = self.annotation(tree, &keys.role_arn);
        if role_arn.is_some_and(|id| is_no_text(tree, id)) {
            return Management::Invalid;
        }
        if faults.is_empty() {
            faults.extend(schema_fault(tree, self.object));
        }
        if faults.is_empty() {
            management
        } else {
            Management::Invalid
        }
    }

    /// Whether the name that Kubernetes reads may be another one for it.
    fn is_named_by(self, ambiguity: &Ambiguity) -> bool {
        let keys: &[&str] = match ambiguity.mapping {
            id if id == self.object => &["metadata", "<<"],
            id if Some(id) == self.metadata => &["name", "namespace", "<<"],
            _ => &[],
        };
        keys.contains(&ambiguity.key.as_str())
    }

    /// What is no string where Kubernetes requires one, what has a tag, and what is misspelled beside
    /// the managed annotation.
    fn faults(self, tree: &Tree, keys: &AnnotationKeys) -> Vec<Fault> {
        let labels = self.metadata.and_then(|id| tree.get(id, "labels"));
        let maps = self.annotations.into_iter().chain(labels);
        let entries = maps.flat_map(|map| tree.entries(map));
        let tagged = [
            (Some(self.object), "the ServiceAccount"),
            (self.metadata, "metadata"),
            (self.annotations, "annotations"),
        ]
        .into_iter()
        .filter_map(|(id, what)| Some((id.filter(|id| tree.is_mapping(*id))?, what)));
        let typed = ["apiVersion", "kind"];
        let typed = typed.map(|key| Some((tree.get(self.object, key)?, key)));
        let tagged = tagged.chain(typed.into_iter().flatten());
        let managed = self.annotation(tree, &keys.managed);
        let beside = self.annotations.filter(|_| managed.is_some());
        entries
            .filter_map(|(key, value)| entry_fault(tree, *key, *value, keys))
            .chain(tagged.filter_map(|(id, what)| tag_fault(tree, id, what)))
            .chain(
                beside
                    .into_iter()
                    .flat_map(|map| spelling::misspelled(tree, map, keys)),
            )
            .collect()
    }
}

/// What the managed annotation declares.
fn declared(tree: &Tree, managed: NodeId, keys: &AnnotationKeys) -> Result<Management, Fault> {
    match tree.scalar(managed) {
        Some("true") => Ok(Management::Managed),
        Some("false") => Ok(Management::Unmanaged),
        value => Err(not_true(
            tree.node(managed).start,
            value.unwrap_or_default(),
            keys,
        )),
    }
}

/// A name that Kubernetes accepts. For one that is wrong in its letter case only, the right one: its
/// role is the one that was meant, or cannot be told from it by IAM.
fn checked<T, E: std::fmt::Display>(
    (at, text): (usize, &str),
    new: impl Fn(&str) -> Result<T, E>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let error = match new(text) {
        Ok(name) => return Some(name),
        Err(error) => error,
    };
    faults.push(match Placeholder::of(text) {
        Some(placeholder) => {
            let message = format!("`{text}` is not rendered: {error}");
            Fault::new(Code::UnrenderedTemplate, at, message).hint(placeholder.renderer())
        }
        None => Fault::new(Code::InvalidName, at, error.to_string())
            .hint("the API server would refuse this ServiceAccount: correct its name"),
    });
    new(&text.to_lowercase()).ok()
}
