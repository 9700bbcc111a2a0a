//! What manifests say of ServiceAccounts: bytes of one file in, [`Declaration`]s and diagnostics out.
//!
//! Pure. Reads YAML and JSON as Kubernetes does (`document`), searches for our annotations before it
//! parses anything (`scan`), and knows which objects are ServiceAccounts (`object`), what fields they
//! have (`service_account`), what was meant to be one of ours (`spelling`), and whether a file that
//! lost one is whole (`whole`). Does not know how roles are named or where files come from;
//! `serde_yaml`, `granit_parser` and `k8s_openapi` stop here.

use std::borrow::Cow;

use crate::diagnostic::{Code, Diagnostic};
use crate::model::conventions::{AnnotationKeys, Conventions, Substitutions};
use crate::model::location::{Location, RepoPath};
use crate::model::service_account::ServiceAccountRef;

mod claim;
mod document;
mod doubt;
mod field;
mod json;
mod object;
mod placed;
mod recorded;
mod scalar;
mod scan;
mod service_account;
mod spelling;
mod text;
mod tree;
mod whole;
mod yaml;

use document::Chunk;
use placed::Unplaced;
use scan::{Found, Search};
use service_account::Reader;
use text::{Fault, Text};

pub use claim::Claim;
pub use doubt::{Doubt, Hides};
pub use scan::{Names, narrow};
pub use whole::{Compared, Defect, Half, Identity, Relation};

/// How many bytes of documents that cannot be ours are read in one file.
const MAX_OTHERS: usize = 4 * 1024 * 1024;

/// How many bytes one of them may have of which more is told than where its syntax is wrong: a byte stands
/// for a node at most.
const MAX_OTHER: usize = tree::MAX_NODES;

/// What a file is ours for that does not hold the annotation.
const TYPOS: [Code; 3] = [Code::Misspelled, Code::WrongKind, Code::InvalidList];

/// Changes whenever something may be found in a file, a document or a directory in which there was
/// nothing before.
pub const VERSION: &str = "6";

/// How much of a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The documents that can be ours: what is declared, and what is wrong with it.
    Ours,
    /// Every document of a file that can hold something of ours, as far as there is no end of them. What is
    /// broken beside a ServiceAccount may be what is left of another one.
    Whole,
}

/// The version of the reader by some conventions: what holds nothing by some may hold something by
/// others.
pub fn version(conventions: &Conventions) -> String {
    use sha2::{Digest, Sha256};
    let keys = &conventions.annotations;
    if *keys == AnnotationKeys::default() {
        return VERSION.to_owned();
    }
    let AnnotationKeys {
        managed,
        role_arn,
        audience,
    } = keys;
    let digest = Sha256::digest(format!("{managed} {role_arn} {audience}"));
    let digest: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{VERSION}-{digest}")
}

/// One ServiceAccount that carries the managed annotation, or was meant to, and is known by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Its namespace and name.
    pub service_account: ServiceAccountRef,
    /// Where the object starts.
    pub location: Location,
    /// What the managed annotation declares.
    pub management: Management,
    /// The role-arn annotation, where there is one.
    pub role_arn: Option<Annotation>,
    /// The audience annotation, where there is one.
    pub audience: Option<Annotation>,
    /// Where its namespace is written, unless a rule for its path gives it.
    pub namespace_at: Option<Location>,
}

/// What the managed annotation declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Management {
    /// `"true"`: there is to be a role.
    Managed,
    /// `"false"`: there is to be none of ours.
    Unmanaged,
    /// A rule says that its path may not declare its namespace, and a diagnostic does: it counts for
    /// nothing beside a declaration that is allowed, and holds the role if there is none.
    NotAllowed,
    /// Something is wrong with the ServiceAccount, and a diagnostic says what: its role is held.
    Invalid,
}

/// The value of an annotation and the place of that value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The value, as Kubernetes would store it.
    pub value: String,
    /// Where it is written.
    pub location: Location,
    /// The line of source at that place.
    pub source_line: String,
}

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extract {
    /// The ServiceAccounts, in the order of the file.
    pub declarations: Vec<Declaration>,
    /// Those without a namespace, until [`Extract::placed`] has found one for them.
    pub(crate) unplaced: Vec<Unplaced>,
    /// What is wrong or odd.
    pub diagnostics: Vec<Diagnostic>,
    /// What was not understood of it, and may hide a ServiceAccount that is not found.
    pub doubts: Vec<Doubt>,
    /// The roles that what was not understood names.
    pub claims: Vec<Claim>,
}

/// Reads files by the conventions of a repository.
pub struct Extractor {
    keys: AnnotationKeys,
    search: Search,
}

impl Default for Extractor {
    fn default() -> Self {
        Self::new(&Conventions::default())
    }
}

impl Extractor {
    /// One that knows which annotations matter.
    pub fn new(conventions: &Conventions) -> Self {
        let keys = conventions.annotations.clone();
        Self {
            search: Search::new(&keys),
            keys,
        }
    }

    /// Reads one file: what its documents say of ServiceAccounts that carry the managed annotation.
    /// `None` if no document can hold it.
    ///
    /// ```
    /// use irsa_gitops::manifest::{Extractor, Management};
    ///
    /// let yaml = "\
    /// apiVersion: v1
    /// kind: ServiceAccount
    /// metadata:
    ///   name: foo
    ///   namespace: bar
    ///   annotations:
    ///     security.kaluza.com/iam-role-managed: \"true\"
    ///     eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/k8s-sa_bar_foo
    /// ";
    /// let file = Extractor::default().extract(&"apps/foo.yaml".into(), yaml.as_bytes());
    /// let extract = file.expect("it holds the annotation");
    /// let foo = &extract.declarations[0];
    /// assert_eq!(foo.service_account.to_string(), "bar/foo");
    /// assert_eq!(foo.management, Management::Managed);
    /// assert_eq!(foo.role_arn.as_ref().map(|arn| arn.location.line), Some(8));
    /// ```
    pub fn extract(&self, path: &RepoPath, bytes: &[u8]) -> Option<Extract> {
        self.extract_with(path, bytes, Extent::Whole, &())
    }

    /// What a file declares: as [`Extractor::extract`], but only documents that can be ours are parsed.
    /// What else is broken in the file is not found, so nothing that is missing from it is known to be gone.
    pub fn declarations(&self, path: &RepoPath, bytes: &[u8]) -> Option<Extract> {
        self.extract_with(path, bytes, Extent::Ours, &())
    }

    /// Reads so much of a file, but not again what was in order before and cannot be ours.
    pub fn extract_with(
        &self,
        path: &RepoPath,
        bytes: &[u8],
        extent: Extent,
        memory: &impl Memory,
    ) -> Option<Extract> {
        let found = self.search.search(bytes);
        if found == Found::Nothing {
            return None;
        }
        let utf8 = std::str::from_utf8(bytes);
        let readable = utf8.map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
        let text = Text::new(path, &readable);
        let mut reader = Reader {
            text: &text,
            keys: &self.keys,
            extract: Extract::default(),
        };
        let mut has_typo = false;
        if found == Found::Utf16Key {
            let fault = Fault::new(Code::InvalidEncoding, 0, "the file is UTF-16");
            reader.unreadable(fault.hint("convert to UTF-8"));
            reader.claim(0, &narrow(bytes));
        } else if let Err(error) = utf8 {
            // Up to there the lossy text has the same bytes.
            let at = error.valid_up_to();
            let message = format!("byte 0x{:02x} is not UTF-8", bytes[at]);
            let fault = Fault::new(Code::InvalidEncoding, at, message);
            reader.unreadable(fault.hint("convert the file to UTF-8"));
            reader.claim(0, bytes);
        } else {
            has_typo = self.read_documents(&readable, &mut reader, extent, memory);
        }
        // A file that does not hold the annotation is ours only for a typo that was found in it: others
        // have roles of other makers, and their templates.
        (found != Found::Like || has_typo).then_some(reader.extract)
    }

    /// Reads the documents of a file, and tells whether one that can be ours has a typo. Those that cannot
    /// hold our annotation are read only where the whole file is, so that it is reported if they are broken;
    /// but none of them again, and no more than [`MAX_OTHERS`] bytes of them.
    fn read_documents(
        &self,
        text: &str,
        reader: &mut Reader<'_>,
        extent: Extent,
        memory: &impl Memory,
    ) -> bool {
        let (mut others, mut has_typo) = (0, false);
        let mut is_json = false;
        let mut chunks = document::split(text, &self.search).peekable();
        while let Some(chunk) = chunks.next() {
            let (text, found) = (chunk.text, chunk.found);
            if is_json {
                if found != Found::Nothing {
                    reader.unreadable(chunk.behind_json());
                    reader.claim(chunk.offset, text.as_bytes());
                }
                continue;
            }
            is_json = chunk.begins_as_json();
            if found != Found::Nothing {
                let before = reader.extract.diagnostics.len();
                let (offset, doubts) = (chunk.offset, reader.extract.doubts.len());
                reader.read(chunk);
                if found == Found::Key && reader.extract.doubts.len() > doubts {
                    reader.claim(offset, text.as_bytes());
                }
                let mut new = reader.extract.diagnostics[before..].iter();
                has_typo |= new.any(|found| TYPOS.contains(&found.code));
                continue;
            }
            let is_separated = chunk.fault.is_none();
            let ends_clearly = chunks.peek().is_none_or(|next| next.fault.is_none());
            let is_clear = is_separated && ends_clearly && !chunk.is_like_json();
            if extent == Extent::Ours
                && is_clear
                && memchr::memmem::find(text.as_bytes(), b"{{").is_none()
            {
                continue;
            }
            others += text.len();
            if others > MAX_OTHERS && is_separated && !text.contains("{{") {
                continue;
            }
            // How JSON is read depends on what is before it.
            let is_memorable = is_separated && !chunk.is_like_json() && !text.trim().is_empty();
            if is_memorable && memory.knows(text) {
                continue;
            }
            let before = reader.extract.diagnostics.len();
            if text.len() <= MAX_OTHER {
                reader.read(chunk);
            } else if let Some(fault) = chunk.check() {
                reader.unreadable(fault);
            }
            if is_memorable && reader.extract.diagnostics.len() == before {
                memory.learn(text);
            }
        }
        has_typo
    }

    /// Whether a file may hold the managed annotation, in any spelling, or what is near it.
    pub fn may_declare(&self, bytes: &[u8]) -> bool {
        self.search.search(bytes) != Found::Nothing
    }

    /// Whether a file can be parsed to its end, whatever it holds.
    pub fn is_readable(&self, bytes: &[u8]) -> bool {
        let is_readable = |chunk: Chunk<'_>| match chunk.found {
            Found::Nothing => chunk.check().is_none(),
            _ => chunk.read(&mut |_, _, _| ()).is_none(),
        };
        let text = std::str::from_utf8(bytes);
        text.is_ok_and(|text| document::split(text, &self.search).all(is_readable))
    }
}

/// How many documents a file has, blank ones left out.
pub fn count_documents(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(text) => document::count(text),
        Err(_) => document::count(&String::from_utf8_lossy(bytes)),
    }
}

/// Documents that cannot hold the annotation and are in order: they need not be parsed again.
pub trait Memory {
    /// Whether a document is one of them.
    fn knows(&self, document: &str) -> bool;
    /// Says that a document is one of them.
    fn learn(&self, document: &str);
}

/// Knows nothing and learns nothing.
impl Memory for () {
    fn knows(&self, _: &str) -> bool {
        false
    }

    fn learn(&self, _: &str) {}
}

impl Declaration {
    /// The same with the values of variables in its annotations, as far as they are known.
    pub fn substituted(&self, substitutions: &Substitutions) -> Cow<'_, Self> {
        let value = |annotation: &Option<Annotation>| {
            let value = &annotation.as_ref()?.value;
            substitutions.apply(value)?.ok()
        };
        let (role_arn, audience) = (value(&self.role_arn), value(&self.audience));
        if role_arn.is_none() && audience.is_none() {
            return Cow::Borrowed(self);
        }
        let mut substituted = self.clone();
        let set = |annotation: &mut Option<Annotation>, value: Option<String>| {
            if let (Some(annotation), Some(value)) = (annotation, value) {
                annotation.value = value;
            }
        };
        set(&mut substituted.role_arn, role_arn);
        set(&mut substituted.audience, audience);
        Cow::Owned(substituted)
    }

    /// What it declares, wherever it stands: the managed annotation, the role's ARN and the audience.
    pub fn declares(&self) -> (Management, Option<&str>, Option<&str>) {
        let role_arn = self.role_arn.as_ref().map(|arn| arn.value.as_str());
        let audience = self
            .audience
            .as_ref()
            .map(|audience| audience.value.as_str());
        (self.management, role_arn, audience)
    }
}

impl Extract {
    /// Whether every document that could hold our annotation was understood: nothing of ours can have
    /// been missed.
    pub fn is_whole(&self) -> bool {
        self.doubts.is_empty()
    }

    /// Whether that is so whatever the rules of a cluster say of namespaces.
    pub(crate) fn is_placed_and_whole(&self) -> bool {
        self.unplaced.is_empty() && self.is_whole()
    }

    /// What is said of a doubt, with its line.
    pub fn fault(&self, doubt: &Doubt) -> String {
        let line = doubt.line;
        let is_there = |found: &&Diagnostic| found.location.as_ref().map(|l| l.line) == Some(line);
        let said = self.diagnostics.iter().find(is_there);
        let said = said.map_or("it is not understood", |said| said.message.as_str());
        format!("line {line}: {said}")
    }
}

#[cfg(test)]
mod tests;
