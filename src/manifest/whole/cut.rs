//! Whether a file ends inside something of which there was more, also if it was edited besides.
//!
//! A cut takes away whatever comes behind it: the rest of the object that it goes through, and all later
//! ones. So the object that is the last one now tells: what came behind it is gone, and its own end too.

use std::collections::{BTreeSet, HashSet};

mod beginning;

use super::super::document;
use super::super::scalar::Reading;
use super::super::scan::Search;
use super::super::tree::{Content, NodeId, Tree};
use super::{Identity, Pair, found, identity, namespace, visit_objects};
use crate::model::service_account::Namespace;

/// More fields than a manifest has that people wrote; what repeats itself by aliases has more.
const MOST_FIELDS: usize = 200_000;

/// Where a file ends that had more behind.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// How many lines are left.
    pub(super) line: usize,
    /// Whether nothing was edited besides: it is the beginning of what was there before.
    is_beginning: bool,
    /// Whether it ends where no removal would end.
    is_inside: bool,
    /// Whether it goes through an object.
    through: bool,
    /// The objects that lost something; of what is no ServiceAccount, only that there is one.
    lost: BTreeSet<Option<Pair>>,
}

/// The last object of a file, and which ones there are.
#[derive(Debug, Default)]
pub(super) struct Last {
    all: HashSet<Key>,
    key: Option<Key>,
    fields: Vec<Field>,
}

/// What an object is found by in another version of its file.
type Key = (Identity, Option<String>);

/// The path of a scalar or of an empty collection, and its text.
type Field = (String, String);

impl Cut {
    /// Whether it goes through a ServiceAccount, or through something before it.
    pub(super) fn goes_through(&self, service_account: &Pair) -> bool {
        self.is_inside || (self.through && self.lost.contains(&Some(service_account.clone())))
    }

    /// Whether it may be the cut that took a ServiceAccount away.
    pub(super) fn takes(&self, service_account: &Pair) -> bool {
        // Whether any object but the ServiceAccount lost something.
        let others = match self.lost.contains(&Some(service_account.clone())) {
            true => self.lost.len() > 1,
            false => self.is_beginning,
        };
        self.is_inside || (self.through && others)
    }
}

impl Last {
    /// Takes an object for the last one until the next is seen.
    pub(super) fn see(&mut self, tree: &Tree, id: NodeId) {
        self.key = key(tree, id);
        self.all.extend(self.key.clone());
        self.fields = fields(tree, id);
    }
}

/// Whether and where a file is cut off.
pub(super) fn cut(
    before: &str,
    after: &str,
    last: &Last,
    default: Option<&Namespace>,
    search: &Search,
) -> Option<Cut> {
    match before.strip_prefix(after) {
        Some("") => None,
        Some(rest) => Some(beginning(before, after, rest, default, search)),
        None => edited(before, after, last, default, search),
    }
}

/// A file that ends inside the name, or the namespace, of a ServiceAccount that was there before, in
/// whatever order the fields of that were written.
pub(super) fn half(
    before: &str,
    after: &str,
    last: &Last,
    default: Option<&Namespace>,
    search: &Search,
) -> Option<Cut> {
    let half = Half::of(after, last).filter(|_| before.ends_with('\n'))?;
    let mut lost = BTreeSet::new();
    for chunk in document::split(before, search) {
        visit_objects(chunk, &mut |tree, id| {
            let found = found(tree, id, default).filter(|pair| half.may_be(pair));
            lost.extend(found.map(Some));
        });
    }
    (!lost.is_empty()).then(|| Cut {
        line: after.lines().count(),
        is_beginning: false,
        is_inside: true,
        through: true,
        lost,
    })
}

/// What is left of a ServiceAccount where a file ends inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    namespace: Option<String>,
    name: Option<String>,
    ends_in: End,
}

/// Where a ServiceAccount is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Name,
    Namespace,
    /// Before one of them, or in something else.
    Elsewhere,
}

impl Half {
    /// That of a text and of its last object. Whoever writes whole files ends them with a line break.
    pub(super) fn of(text: &str, last: &Last) -> Option<Self> {
        Self::in_its_name(text, last).or_else(|| beginning::half(text))
    }

    fn in_its_name(text: &str, last: &Last) -> Option<Self> {
        let (end, value) = last.fields.last()?;
        let field = |path: &str| {
            let mut fields = last.fields.iter();
            fields
                .find(|(other, _)| other == path)
                .map(|(_, text)| text.clone())
        };
        let ends_in = match end.as_str() {
            "/metadata/name" => End::Name,
            "/metadata/namespace" => End::Namespace,
            _ => return None,
        };
        let is_kind = field("/kind").is_none_or(|kind| kind == "ServiceAccount");
        let is_cut = is_kind && !value.is_empty() && text.ends_with(value.as_str());
        is_cut.then(|| Self {
            namespace: field("/metadata/namespace"),
            name: field("/metadata/name"),
            ends_in,
        })
    }

    /// Whether it may be what is left of this one.
    pub(super) fn may_be(&self, (namespace, name): &Pair) -> bool {
        let is = |left: &Option<String>, whole: &str, is_cut: bool| match left {
            None => true,
            Some(left) if is_cut => left != whole && whole.starts_with(left.as_str()),
            Some(left) => left == whole,
        };
        let is_cut = |end| self.ends_in == end;
        is(&self.namespace, namespace, is_cut(End::Namespace))
            && is(&self.name, name, is_cut(End::Name))
    }
}

/// The beginning of what was there before: whether it ends where a removal would end.
fn beginning(
    before: &str,
    after: &str,
    rest: &str,
    default: Option<&Namespace>,
    search: &Search,
) -> Cut {
    let cut = after.len();
    let is_content = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let mut lines = after.lines().map(str::trim).filter(is_content);
    let ends_with_key = lines.next_back().is_some_and(|line| line.ends_with(':'));
    let ends_a_line = after.ends_with('\n') || rest.starts_with(['\n', '\r']);
    let (mut through, mut lost) = (false, BTreeSet::new());
    for chunk in document::split(before, search) {
        visit_objects(chunk, &mut |tree, id| {
            let node = tree.node(id);
            let rest = before.get(cut.max(node.start)..node.end).unwrap_or("");
            if rest.lines().map(str::trim).any(|line| is_content(&line)) {
                through |= node.start < cut;
                lost.insert(found(tree, id, default));
            }
        });
    }
    Cut {
        line: after.lines().count(),
        is_beginning: true,
        is_inside: !ends_a_line || ends_with_key,
        through,
        lost,
    }
}

/// A file that was edited besides: nothing of what came behind its last object is left, nor the end of that
/// one.
fn edited(
    before: &str,
    after: &str,
    last: &Last,
    default: Option<&Namespace>,
    search: &Search,
) -> Option<Cut> {
    let (mut is_torn, mut is_inside, mut is_left) = (false, false, false);
    let mut lost = BTreeSet::new();
    for chunk in document::split(before, search) {
        visit_objects(chunk, &mut |tree, id| {
            let other = key(tree, id);
            let before = fields(tree, id);
            // Its name may be cut as well.
            if other == last.key || is_beginning(&before, &last.fields) {
                is_torn = has_lost_its_end(&before, &last.fields);
                is_inside = ends_inside_a_value(&before, &last.fields);
                is_left = false;
                lost.clear();
            } else {
                is_left |= other.is_some_and(|other| last.all.contains(&other));
            }
            lost.insert(found(tree, id, default));
        });
    }
    (is_torn && !is_left).then(|| Cut {
        line: after.trim_end().lines().count(),
        is_beginning: false,
        is_inside,
        through: true,
        lost,
    })
}

/// Whether all that is left of an object is its beginning.
fn is_beginning(before: &[Field], after: &[Field]) -> bool {
    let Some(((path, text), whole)) = after.split_last() else {
        return false;
    };
    let cut = before.get(whole.len());
    before.starts_with(whole) && cut.is_some_and(|(old, was)| old == path && was.starts_with(text))
}

/// Whether the last field has the beginning of its value only, or none.
fn ends_inside_a_value(before: &[Field], after: &[Field]) -> bool {
    let Some((path, text)) = after.last() else {
        return false;
    };
    before.iter().any(|(old, was)| match old == path {
        true => was != text && was.starts_with(text),
        false => is_below(old, path),
    })
}

/// Whether a field is one of those below another.
fn is_below(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| rest.starts_with(['/', '[']))
}

/// Whether the end of an object is missing, and nothing is in its place.
fn has_lost_its_end(before: &[Field], after: &[Field]) -> bool {
    let (Some((end, text)), Some((new_end, _))) = (before.last(), after.last()) else {
        return false;
    };
    // A key that a cut left without a value had one.
    let is_old = |(path, _): &Field| path == new_end || is_below(path, new_end);
    let left = after.iter().rev().find(|(path, _)| path == end);
    before.iter().any(is_old) && left.is_none_or(|(_, left)| is_cut_off(text, left))
}

/// Whether a text is the beginning of what it was; of several lines, whether its last ones are gone.
fn is_cut_off(before: &str, after: &str) -> bool {
    let (before, after) = (before.trim_end(), after.trim_end());
    if before == after {
        return false;
    }
    let count = |text: &str| text.lines().count();
    let (Some(end), Some(new_end)) = (before.lines().last(), after.lines().last()) else {
        return after.is_empty();
    };
    let is_old = |line: &str| line.starts_with(new_end);
    before.starts_with(after)
        || (count(after) < count(before) && end != new_end && before.lines().any(is_old))
}

fn key(tree: &Tree, id: NodeId) -> Option<Key> {
    Some((identity(tree, id)?, namespace(tree, id).map(str::to_owned)))
}

/// All fields of an object in their order.
fn fields(tree: &Tree, id: NodeId) -> Vec<Field> {
    let mut fields = Vec::new();
    collect(tree, id, String::new(), &mut fields);
    fields
}

fn collect(tree: &Tree, id: NodeId, path: String, fields: &mut Vec<Field>) {
    if fields.len() >= MOST_FIELDS {
        return;
    }
    match &tree.node(id).content {
        Content::Sequence(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                collect(tree, *item, format!("{path}[{index}]"), fields);
            }
        }
        Content::Mapping(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let key = tree.scalar(*key).unwrap_or_default();
                collect(tree, *value, format!("{path}/{key}"), fields);
            }
        }
        // A key without a value has none, however the parser writes that.
        Content::Plain(_) if tree.reading(id) == Some(Reading::Null) => {
            fields.push((path, String::new()));
        }
        Content::Text(text) | Content::Plain(text) => fields.push((path, text.clone())),
        Content::Sequence(_) | Content::Mapping(_) | Content::LeftOut => {
            fields.push((path, String::new()));
        }
    }
}
