//! Which role takes the place of which: a ServiceAccount that was renamed is another one to IAM, and its
//! new role has nothing of the old one's.

use std::collections::BTreeMap;

use super::{Action, Change};
use crate::desired::Resolved;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::location::RepoPath;

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

/// Something that two ServiceAccounts have in common if one is the other's new name.
type Trait = fn(&Change, &RepoPath) -> Vec<u8>;

/// From what proves the most to what proves the least.
const TRAITS: [Trait; 3] = [
    |_, path| path.as_bytes().to_vec(),
    |change, _| change.service_account.name.to_string().into_bytes(),
    |_, path| file_name(path).to_vec(),
];

/// What proves little: it counts where nothing else goes or comes.
const NAMESPACE: Trait = |change, _| change.service_account.namespace.to_string().into_bytes();

/// Pairs the roles that go with those that come, by where their ServiceAccounts were declared before and
/// are now: in the same file, under the same name in another namespace, or in a file of the same name; a
/// single one that goes and a single one that comes, in the same namespace. Where there are several to
/// choose from, nothing is said.
pub fn renames<'a>(changes: impl Iterator<Item = &'a Change>, base: &Resolved) -> Vec<Rename<'a>> {
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for change in changes {
        let before = base.declared.get(&change.service_account);
        let before = before.map(|declared| declared.location.path.clone());
        let now = change.location.as_ref().map(|at| at.path.clone());
        match (&change.action, before, now) {
            (Action::Orphan | Action::Quarantine(_) | Action::Delete(_), Some(path), _) => {
                gone.push((change, path));
            }
            (Action::Create(_), None, Some(path)) => come.push((change, path)),
            _ => {}
        }
    }
    let is_single = (gone.len(), come.len()) == (1, 1);
    let last_resort = is_single.then_some(NAMESPACE);
    let mut found = Vec::new();
    for of in TRAITS.into_iter().chain(last_resort) {
        let mut alike: BTreeMap<Vec<u8>, (Vec<&Change>, Vec<&Change>)> = BTreeMap::new();
        for (change, path) in &gone {
            alike.entry(of(change, path)).or_default().0.push(change);
        }
        for (change, path) in &come {
            alike.entry(of(change, path)).or_default().1.push(change);
        }
        for (old, new) in alike.into_values() {
            if let ([old], [new]) = (&old[..], &new[..]) {
                gone.retain(|(change, _)| change.role != old.role);
                come.retain(|(change, _)| change.role != new.role);
                found.push(Rename { old, new });
            }
        }
    }
    found.sort_by(|a, b| a.new.role.cmp(&b.new.role));
    found
}

fn file_name(path: &RepoPath) -> &[u8] {
    let mut parts = path.as_bytes().rsplit(|byte| *byte == b'/');
    parts.next().unwrap_or_default()
}
