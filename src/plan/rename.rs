//! Which role takes the place of which: a ServiceAccount that was renamed is another one to IAM, and its
//! new role has nothing of the old one's.

use std::collections::BTreeMap;

use super::{Action, Change};
use crate::desired::Resolved;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::location::{Location, RepoPath};
use crate::model::text::{self, ALIKE};

/// A role that goes and the one that comes in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rename<'a> {
    /// What becomes of the old role.
    pub old: &'a Change,
    /// What becomes of the new one.
    pub new: &'a Change,
}

impl Rename<'_> {
    /// What is to be said of it.
    pub fn warning(&self) -> Diagnostic {
        let (old, new) = (&self.old.role, &self.new.role);
        let message = format!("role `{old}` would be replaced by `{new}`, which is another role");
        let diagnostic = Diagnostic::warning(Code::RoleRenamed, message)
            .on(&self.new.service_account)
            .with_hint("a new role has a new id and none of the policies that are attached to the old one: attach them before pods use it");
        match &self.new.location {
            Some(location) => diagnostic.at(location.clone()),
            None => diagnostic,
        }
    }
}

/// A change, and where its ServiceAccount was declared before, or is now.
type Placed<'a> = (&'a Change, Location);

/// Something that two ServiceAccounts have in common if one is the other's new name.
type Trait = fn(&Change, &RepoPath) -> Vec<u8>;

/// From what proves the most to what proves the least, which by itself proves too little: whether a single
/// one that goes and a single one that comes are taken for one though others go or come.
const TRAITS: [(Trait, bool); 4] = [
    (|_, path| path.as_bytes().to_vec(), true),
    (
        |change, _| change.service_account.name.to_string().into_bytes(),
        true,
    ),
    (|_, path| file_name(path).to_vec(), true),
    (
        |change, _| change.service_account.namespace.to_string().into_bytes(),
        false,
    ),
];

/// Pairs the roles that go with those that come, by where their ServiceAccounts were declared before and
/// are now: in the same file, under the same name in another namespace, in a file of the same name, or in
/// the same namespace. Where there are several to choose from, their places in a file tell, or their
/// names; if these do not, nothing is said.
pub fn renames<'a>(changes: impl Iterator<Item = &'a Change>, base: &Resolved) -> Vec<Rename<'a>> {
    let (mut gone, mut come): (Vec<Placed<'_>>, Vec<Placed<'_>>) = (Vec::new(), Vec::new());
    for change in changes {
        let before = base.declared.get(&change.service_account);
        let before = before.map(|declared| declared.location.clone());
        match (&change.action, before, &change.location) {
            (Action::Orphan | Action::Quarantine(_) | Action::Delete(_), Some(place), _) => {
                gone.push((change, place));
            }
            (Action::Create(_), None, Some(place)) => come.push((change, place.clone())),
            _ => {}
        }
    }
    let is_single = (gone.len(), come.len()) == (1, 1);
    let mut found = Vec::new();
    for (of, proves) in TRAITS {
        let mut alike: BTreeMap<Vec<u8>, (Vec<Placed<'_>>, Vec<Placed<'_>>)> = BTreeMap::new();
        for (change, place) in &gone {
            let group = alike.entry(of(change, &place.path)).or_default();
            group.0.push((change, place.clone()));
        }
        for (change, place) in &come {
            let group = alike.entry(of(change, &place.path)).or_default();
            group.1.push((change, place.clone()));
        }
        for (old, new) in alike.into_values() {
            for (old, new) in pairs(&old, &new, proves || is_single) {
                gone.retain(|(change, _)| change.role != old.role);
                come.retain(|(change, _)| change.role != new.role);
                found.push(Rename { old, new });
            }
        }
    }
    found.sort_by(|a, b| a.new.role.cmp(&b.new.role));
    found
}

/// Those of a group that are one another's old and new name. In a group that proves too little they have to
/// be alike even if there is no choice.
fn pairs<'a>(
    old: &[Placed<'a>],
    new: &[Placed<'a>],
    proves: bool,
) -> Vec<(&'a Change, &'a Change)> {
    if let ([(old, _)], [(new, _)], true) = (old, new, proves) {
        return vec![(*old, *new)];
    }
    let by_line = |all: &[Placed<'a>]| -> BTreeMap<Location, &'a Change> {
        all.iter()
            .map(|(change, at)| (at.clone(), *change))
            .collect()
    };
    let (old_by_line, new_by_line) = (by_line(old), by_line(new));
    // Files in which nothing else has changed.
    if old_by_line.keys().eq(new_by_line.keys()) && old_by_line.len() == old.len() {
        return old_by_line
            .into_values()
            .zip(new_by_line.into_values())
            .collect();
    }
    let best = |of: &Change, among: &[Placed<'a>]| -> Option<&'a Change> {
        let likeness = among.iter().map(|(other, _)| (likeness(of, other), *other));
        let mut like: Vec<(f64, &Change)> = likeness.filter(|(like, _)| *like > ALIKE).collect();
        like.sort_by(|a, b| b.0.total_cmp(&a.0));
        let is_tied = like.len() > 1 && like[0].0 <= like[1].0;
        like.first().filter(|_| !is_tied).map(|(_, change)| *change)
    };
    let pair = |(change, _): &Placed<'a>| {
        let other = best(change, new)?;
        let back = best(other, old)?;
        (back.role == change.role).then_some((*change, other))
    };
    old.iter().filter_map(pair).collect()
}

/// How much the names of two ServiceAccounts are like each other.
fn likeness(a: &Change, b: &Change) -> f64 {
    let (a, b) = (&a.service_account, &b.service_account);
    let names = text::likeness(a.name.as_str(), b.name.as_str());
    names * text::likeness(a.namespace.as_str(), b.namespace.as_str())
}

fn file_name(path: &RepoPath) -> &[u8] {
    let mut parts = path.as_bytes().rsplit(|byte| *byte == b'/');
    parts.next().unwrap_or_default()
}
