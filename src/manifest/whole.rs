//! Whether a file that held a ServiceAccount is whole without it: what a failed render left behind
//! must never pass for a removal.
//!
//! A cut *between* two objects leaves what a removal of the later ones leaves, and a cut at the end
//! of a line behind a ServiceAccount's namespace, in the last object of its file, what taking its
//! annotations off leaves: no reader can tell these two apart, so both count as a removal.
//! Every other cut is detected, also of a file that was edited above it, or that got a line break
//! behind it.

use std::collections::BTreeSet;

use self::cut::{Cut, Last};
use super::document::{self, Chunk};
use super::scan::Search;
use super::service_account::Reader;
use super::text::{BYTE_ORDER_MARK, Text};
use super::tree::{NodeId, Seen, Tree};
use super::{Extract, Extractor};
use crate::diagnostic::{Code, Severity};
use crate::model::location::RepoPath;
use crate::model::service_account::{Namespace, ServiceAccountName, ServiceAccountRef};

mod accounts;
mod cut;
mod defect;

pub use cut::Half;
pub use defect::Defect;

/// What a file is to the one that held a ServiceAccount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// The same one.
    Same,
    /// One elsewhere that has objects of it. Whoever moves files may write them in another way.
    Moved,
    /// One elsewhere that was there before, and took objects of it in: only where it ends now tells of them.
    Joined,
    /// One elsewhere that has its name: of it nothing is known, but what a failed render leaves behind.
    Namesake,
}

/// A file that lost ServiceAccounts, compared with its version that held them: once for all of them.
#[derive(Clone, Debug)]
pub struct Compared {
    defect: Option<Defect>,
    cut: Option<Cut>,
    /// Namespace and name of each ServiceAccount that it holds.
    held: BTreeSet<Pair>,
}

/// Namespace and name of a ServiceAccount.
type Pair = (String, String);

/// Kind and name of an object, by which it is found in another version of its file.
pub type Identity = (String, String);

/// What is known so far of the objects of a file that lost a ServiceAccount.
struct Check<'a> {
    text: &'a Text<'a>,
    search: &'a Search,
    /// The namespace of what has none.
    default: Option<&'a Namespace>,
    defect: Option<Defect>,
    /// How many objects have neither apiVersion nor kind, as the items of a typed List may.
    untyped: usize,
    /// Objects without a namespace, their places, and whether the file must have had them so before.
    bare: Vec<(Identity, usize, Origin)>,
    /// The last object, through which a cut would go.
    last: Last,
}

/// What an object without a namespace must have been before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Anything but an object with a namespace.
    Any,
    /// An object without one: no new one is written like that.
    Same,
}

impl Extractor {
    /// Compares a file with its version that held ServiceAccounts, or with the file to whose place it came:
    /// once for all that were lost.
    pub fn compare(
        &self,
        path: &RepoPath,
        relation: Relation,
        before: &[u8],
        after: &[u8],
        default: Option<&Namespace>,
    ) -> Compared {
        let (defect, cut) = self.look(path, relation, before, after, default);
        Compared {
            defect: defect.filter(|defect| match relation {
                Relation::Same | Relation::Moved => true,
                Relation::Joined => matches!(defect, Defect::NoNamespace { .. }),
                Relation::Namesake => defect.is_void(),
            }),
            cut: cut.filter(|_| relation != Relation::Namesake),
            held: self.held(after, default),
        }
    }

    /// Kind and name of every object in a file, as far as it can be read.
    pub fn objects(&self, bytes: &[u8]) -> BTreeSet<Identity> {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let mut objects = BTreeSet::new();
        for chunk in document::split(text, &self.search) {
            visit_objects(chunk, &mut |tree, id| objects.extend(identity(tree, id)));
        }
        objects
    }

    /// What keeps a file from being whole, and where it is cut off.
    fn look(
        &self,
        path: &RepoPath,
        relation: Relation,
        before: &[u8],
        after: &[u8],
        default: Option<&Namespace>,
    ) -> (Option<Defect>, Option<Cut>) {
        let Ok(readable) = std::str::from_utf8(after) else {
            return (Some(Defect::Encoding), None);
        };
        let is_blank = |line: &str| {
            let line = line.trim_matches(|c: char| c.is_whitespace() || c == BYTE_ORDER_MARK);
            ["", "---", "..."].contains(&line)
        };
        if readable.lines().all(is_blank) {
            return (Some(Defect::Empty), None);
        }
        let text = Text::new(path, readable);
        let mut check = Check {
            text: &text,
            search: &self.search,
            default,
            defect: None,
            untyped: 0,
            bare: vec![],
            last: Last::default(),
        };
        let mut reader = Reader {
            text: &text,
            keys: &self.keys,
            extract: Extract::default(),
        };
        for chunk in document::split(readable, &self.search) {
            let fault = chunk.read(&mut |tree, id, seen| {
                visit_object(tree, id, &mut |tree, id| check.object(tree, id));
                if seen == Seen::Document {
                    check.end_document(tree);
                    reader.document(tree);
                }
            });
            if let Some(fault) = fault {
                reader.unreadable(fault);
            }
        }
        let ends_otherwise =
            relation == Relation::Same && before.ends_with(b"\n") && !after.ends_with(b"\n");
        // A version that is no text had no objects.
        let before = std::str::from_utf8(before).unwrap_or_default();
        let (last, search) = (&check.last, &self.search);
        let half = match relation {
            Relation::Moved | Relation::Joined => {
                cut::half(before, readable, last, default, search)
            }
            Relation::Same | Relation::Namesake => None,
        };
        let cut = half.or_else(|| cut::cut(before, readable, last, default, search));
        let defect = unreadable(&reader.extract, default)
            .or(check.defect.take())
            .or(ends_otherwise.then_some(Defect::NoLineBreak));
        let bare = || match relation {
            Relation::Namesake => None,
            _ => check.namespaces(before, relation).err(),
        };
        (defect.or_else(bare), cut)
    }

    /// Every ServiceAccount in a file, whatever it declares.
    fn held(&self, bytes: &[u8], default: Option<&Namespace>) -> BTreeSet<Pair> {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let mut held = BTreeSet::new();
        for chunk in document::split(text, &self.search) {
            visit_objects(chunk, &mut |tree, id| held.extend(found(tree, id, default)));
        }
        held
    }
}

impl Half {
    /// Whether it may be what is left of this ServiceAccount.
    pub fn may_be_of(&self, service_account: &ServiceAccountRef) -> bool {
        self.may_be(&pair(service_account))
    }
}

impl Compared {
    /// Whether the file is whole without a ServiceAccount.
    ///
    /// # Errors
    ///
    /// If it is not whole: not every object in it but a List has apiVersion, kind and a valid name, one
    /// is a `Status` or has lost its namespace, its final line break is gone, or it is cut off inside
    /// an object, whatever was edited besides.
    pub fn check(&self, service_account: &ServiceAccountRef) -> Result<(), Defect> {
        self.check_edited()?;
        let cut = self.cut.as_ref();
        match cut.filter(|cut| cut.takes(&pair(service_account))) {
            Some(cut) => Err(Defect::Cut { line: cut.line }),
            None => Ok(()),
        }
    }

    /// The same of a version that came after one that was whole: what people took away since is no cut.
    ///
    /// # Errors
    ///
    /// As [`Compared::check`], but for a cut.
    pub fn check_edited(&self) -> Result<(), Defect> {
        self.defect.clone().map_or(Ok(()), Err)
    }

    /// Whether the file has lost a ServiceAccount by being cut, as far as anybody can tell: one that only
    /// has no namespace any more, and all that came behind that, was meant to be so.
    pub fn is_torn(&self, service_account: &ServiceAccountRef) -> bool {
        match &self.defect {
            Some(defect) if defect.is_bare() => {
                let cut = self.cut.as_ref();
                cut.is_some_and(|cut| cut.goes_through(&pair(service_account)))
            }
            _ => self.check(service_account).is_err(),
        }
    }

    /// Whether the file holds a ServiceAccount of that name, whatever it declares.
    pub fn holds(&self, service_account: &ServiceAccountRef) -> bool {
        self.held.contains(&pair(service_account))
    }
}

fn pair(service_account: &ServiceAccountRef) -> Pair {
    let ServiceAccountRef { namespace, name } = service_account;
    (namespace.as_str().to_owned(), name.as_str().to_owned())
}

/// Visits every object in a part of a file as far as it can be read: roots and, instead of a List, its
/// items.
fn visit_objects(chunk: Chunk<'_>, visit: &mut dyn FnMut(&Tree, NodeId)) {
    // What cannot be read has no objects.
    let _ = chunk.read(&mut |tree, id, _| visit_object(tree, id, visit));
}

fn visit_object(tree: &Tree, id: NodeId, visit: &mut dyn FnMut(&Tree, NodeId)) {
    match items(tree, id) {
        Some(items) => {
            // What was left out was visited before.
            let left = items.iter().filter(|item| !tree.is_left_out(**item));
            left.for_each(|item| visit_object(tree, *item, visit));
        }
        None => visit(tree, id),
    }
}

/// The items of a List.
fn items(tree: &Tree, id: NodeId) -> Option<&[NodeId]> {
    let is_list = tree.word(id, "kind")?.ends_with("List");
    tree.items(tree.get(id, "items").filter(|_| is_list)?)
}

/// The ServiceAccount that an object is, if it is one.
fn found(tree: &Tree, id: NodeId, default: Option<&Namespace>) -> Option<Pair> {
    let (kind, name) = identity(tree, id)?;
    let namespace = namespace(tree, id).or(default.map(Namespace::as_str))?;
    (kind == "ServiceAccount").then(|| (namespace.to_owned(), name))
}

fn namespace(tree: &Tree, id: NodeId) -> Option<&str> {
    tree.word(tree.get(id, "metadata")?, "namespace")
}

/// Kind and name of an object; for a name that is to be generated, one that it could get.
fn identity(tree: &Tree, id: NodeId) -> Option<Identity> {
    // Of typed Lists, only those of ServiceAccounts matter here.
    let kind = tree.word(id, "kind").unwrap_or("ServiceAccount").to_owned();
    let metadata = tree.get(id, "metadata")?;
    if tree.get(metadata, "name").is_some() {
        return Some((kind, tree.word(metadata, "name")?.to_owned()));
    }
    // As Kubernetes checks it: whatever it puts behind the last dash.
    let start = tree.word(metadata, "generateName")?;
    let start = start.strip_suffix('-').unwrap_or(start);
    Some((kind, format!("{start}a")))
}

/// What the reader could not read, or took for a misspelled ServiceAccount of ours.
fn unreadable(extract: &Extract, default: Option<&Namespace>) -> Option<Defect> {
    let unplaced = extract.unplaced.first().filter(|_| default.is_none());
    let is_partial = !extract.is_whole() || unplaced.is_some();
    let mut diagnostics = extract.diagnostics.iter();
    let first = diagnostics.find(|diagnostic| {
        let is_near = [Code::Misspelled, Code::WrongKind].contains(&diagnostic.code);
        is_near || (is_partial && diagnostic.severity == Severity::Error)
    });
    let line = first.and_then(|diagnostic| diagnostic.location.as_ref());
    let line = line.or(unplaced.map(|unplaced| &unplaced.location));
    let line = line.map_or(1, |location| location.line);
    if first.is_none() && extract.is_whole() {
        return unplaced.map(|_| Defect::Unplaced { line });
    }
    let message = first.map(|diagnostic| diagnostic.message.clone());
    (is_partial || first.is_some()).then(|| Defect::Unreadable {
        line,
        message: message.unwrap_or_else(|| "a ServiceAccount is not known by name".to_owned()),
    })
}

impl Check<'_> {
    fn fail(&mut self, at: usize, what: String) {
        let line = self.text.location(at).line;
        self.defect.get_or_insert(Defect::NoObject { line, what });
    }

    fn object(&mut self, tree: &Tree, id: NodeId) {
        self.last.see(tree, id);
        let at = tree.node(id).start;
        if tree.word(id, "kind") == Some("Status") {
            let line = self.text.location(at).line;
            self.defect.get_or_insert(Defect::Status { line });
            return;
        }
        if let Err(what) = self.typed(tree, id) {
            return self.fail(at, what);
        }
        let group = tree.word(id, "apiVersion").unwrap_or_default();
        let group = group.split_once('/').map_or("", |(group, _)| group);
        let Some((kind, name)) = identity(tree, id) else {
            return self.fail(at, "an object has no name".to_owned());
        };
        if !is_name(group, &name) {
            return self.fail(at, format!("`{name}` is no name of an object"));
        }
        let metadata = tree.get(id, "metadata");
        let given = metadata.and_then(|metadata| tree.get(metadata, "namespace"));
        match (given, namespace(tree, id)) {
            (Some(namespace), None) if tree.scalar(namespace).is_none() => {
                self.fail(at, format!("the namespace of `{name}` is no text"));
            }
            (_, Some(namespace)) if Namespace::new(namespace).is_err() => {
                self.fail(at, format!("`{namespace}` is no name of a namespace"));
            }
            (_, Some(_)) => {}
            (given, None) => {
                let is_new_so = given.is_some() || kind == "ServiceAccount";
                let origin = if is_new_so && self.default.is_none() {
                    Origin::Same
                } else {
                    Origin::Any
                };
                self.bare.push(((kind, name), at, origin));
            }
        }
    }

    /// Checks what an object says that it is.
    fn typed(&mut self, tree: &Tree, id: NodeId) -> Result<(), String> {
        if !tree.is_mapping(id) {
            return Err("this is no object".to_owned());
        }
        let fields = ["apiVersion", "kind"];
        if fields.iter().all(|key| tree.get(id, key).is_none()) {
            self.untyped += 1;
            return Ok(());
        }
        let version = tree.word(id, "apiVersion");
        let version = version.ok_or("an object has no apiVersion")?;
        let kind = tree.word(id, "kind").ok_or("an object has no kind")?;
        if !is_version(version) {
            return Err(format!("`{version}` is no apiVersion"));
        }
        let mut letters = kind.chars();
        let starts_well = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
        if !starts_well || !letters.all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(format!("`{kind}` is no kind"));
        }
        match kind {
            "List" => Err("a List has no list of items".to_owned()),
            _ => Ok(()),
        }
    }

    /// Only the items of a List of one kind need not say what they are.
    fn end_document(&mut self, tree: &Tree) {
        let kind = tree.word(tree.root, "kind");
        let is_typed_list = items(tree, tree.root).is_some() && kind != Some("List");
        if std::mem::take(&mut self.untyped) > 0 && !is_typed_list {
            let at = tree.node(tree.root).start;
            self.fail(at, "an object has neither apiVersion nor kind".to_owned());
        }
    }

    /// Compares the objects without a namespace with what they were before. Whoever moves files may have
    /// something else set the namespaces of all but ServiceAccounts.
    fn namespaces(&self, before: &str, relation: Relation) -> Result<(), Defect> {
        if self.bare.is_empty() {
            return Ok(());
        }
        let (mut with, mut without) = (BTreeSet::new(), BTreeSet::new());
        for chunk in document::split(before, self.search) {
            visit_objects(chunk, &mut |tree, id| {
                // Written or not, the namespace that a rule gives is the same.
                let other =
                    |namespace: &&str| self.default.is_none_or(|d| d.as_str() != *namespace);
                let side = match namespace(tree, id).filter(other) {
                    Some(_) => &mut with,
                    None => &mut without,
                };
                side.extend(identity(tree, id));
            });
        }
        let lost = self.bare.iter().find(|(identity, _, origin)| {
            let is_elsewhere = relation != Relation::Same;
            if is_elsewhere && (self.default.is_some() || identity.0 != "ServiceAccount") {
                return false;
            }
            let is_new = *origin == Origin::Same && !is_elsewhere;
            let was_within = with.contains(identity) || is_new;
            was_within && !without.contains(identity)
        });
        let Some(((kind, name), at, _)) = lost else {
            return Ok(());
        };
        Err(Defect::NoNamespace {
            line: self.text.location(*at).line,
            object: format!("{kind} `{name}`"),
        })
    }
}

/// Whether a text is `VERSION` or `GROUP/VERSION`.
fn is_version(text: &str) -> bool {
    let (group, version) = match text.split_once('/') {
        Some((group, version)) => (Some(group), version),
        None => (None, text),
    };
    Namespace::new(version).is_ok() && group.is_none_or(|g| ServiceAccountName::new(g).is_ok())
}

/// Whether an object of an API group can have a name.
///
/// Nearly all names are RFC 1123 subdomains. Those of RBAC, and of OpenShift's users and images, are
/// any segment of a path; but what a template leaves behind is none.
/// See <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#path-segment-names>.
fn is_name(group: &str, name: &str) -> bool {
    let is_segment = group == "rbac.authorization.k8s.io" || group.ends_with(".openshift.io");
    let is_left_behind =
        |c: char| c.is_whitespace() || c.is_control() || "/%<>${}[]\"'`\\".contains(c);
    ServiceAccountName::new(name).is_ok()
        || (is_segment && !name.ends_with(['-', '.']) && !name.contains(is_left_behind))
}

#[cfg(test)]
mod tests;
