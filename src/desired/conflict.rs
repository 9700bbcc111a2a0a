//! ServiceAccounts that are declared more than once, and roles whose names collide.

use std::collections::BTreeMap;

use super::{Resolved, Verdict};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::manifest::Declaration;

/// How many other places a conflict names: each place has a message of its own.
const MAX_PLACES: usize = 5;

/// Picks the declaration that counts (the first by place) and says what is wrong with the others.
///
/// Identical declarations are one. Differing ones are an error at every place: to choose one would give
/// pods a role that the other place says they should not have.
pub(super) fn settle<'a>(places: &[&'a Declaration]) -> (&'a Declaration, Vec<Diagnostic>) {
    let (first, others) = places
        .split_first()
        .expect("a ServiceAccount is only known by a declaration");
    let conflicting = others
        .iter()
        .any(|other| other.declares() != first.declares());
    let diagnostics = if conflicting {
        places.iter().map(|place| conflict(place, places)).collect()
    } else {
        repeated(first, others).into_iter().collect()
    };
    (first, diagnostics)
}

/// Whether a finding of [`settle`] holds the role.
pub(super) fn holds(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error
}

/// Holds ServiceAccounts whose role names differ only in letter case: IAM would refuse the second.
pub(super) fn hold_collisions(resolved: &mut Resolved) {
    let mut by_key: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (service_account, declared) in &resolved.declared {
        if let Verdict::Managed(accepted) = &declared.verdict {
            let key = accepted.role.collision_key();
            by_key.entry(key).or_default().push(service_account.clone());
        }
    }
    for colliding in by_key.into_values().filter(|group| group.len() > 1) {
        for service_account in &colliding {
            let Some(declared) = resolved.declared.get_mut(service_account) else {
                continue;
            };
            let others = colliding.iter().filter(|other| *other != service_account);
            let others: Vec<String> = others.map(|other| format!("`{other}`")).collect();
            let reason = format!(
                "role name `{}` is also that of ServiceAccount {}, ignoring letter case",
                declared.role,
                others.join(", ")
            );
            resolved.diagnostics.push(
                Diagnostic::error(Code::RoleNameCollision, reason.clone())
                    .on(service_account)
                    .at(declared.location.clone())
                    .with_hint("rename one of the ServiceAccounts"),
            );
            declared.verdict = Verdict::Held { reason };
        }
    }
}

fn conflict(place: &Declaration, places: &[&Declaration]) -> Diagnostic {
    let elsewhere = places.iter().copied();
    let elsewhere: Vec<_> = elsewhere
        .filter(|other| other.location != place.location)
        .collect();
    let message = format!(
        "ServiceAccount `{}` is declared differently at {}",
        place.service_account,
        named(&elsewhere)
    );
    Diagnostic::error(Code::DuplicateServiceAccount, message)
        .on(&place.service_account)
        .at(place.location.clone())
        .with_hint("keep one declaration, or make their annotations equal")
}

/// One note for all places: a base and its overlays may repeat a ServiceAccount many times.
fn repeated(first: &Declaration, others: &[&Declaration]) -> Option<Diagnostic> {
    if others.is_empty() {
        return None;
    }
    let message = format!(
        "ServiceAccount `{}` is declared identically at {}",
        first.service_account,
        named(others)
    );
    let note = Diagnostic::new(Code::DuplicateServiceAccount, Severity::Note, message);
    Some(note.on(&first.service_account).at(first.location.clone()))
}

/// The first of some places, and how many more there are.
fn named(places: &[&Declaration]) -> String {
    let shown = places.iter().take(MAX_PLACES);
    let shown = shown.map(|place| place.location.to_string());
    let more = places.len().saturating_sub(MAX_PLACES);
    let last = (more > 0).then(|| format!("and {more} more"));
    shown.chain(last).collect::<Vec<_>>().join(", ")
}
