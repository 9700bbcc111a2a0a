//! ServiceAccounts that are declared more than once, and roles whose names collide.

use std::collections::{BTreeMap, BTreeSet};

use super::mismatch::common_directory;
use super::{Resolved, Verdict};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::manifest::Declaration;
use crate::model::location::RepoPath;
use crate::model::service_account::ServiceAccountRef;
use crate::model::shell::quoted;

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

/// Puts one finding in the place of many, where several ServiceAccounts are declared differently below the
/// same directories: those are of clusters, and no manifest is wrong. The ServiceAccounts are held as before.
pub(super) fn join(resolved: &mut Resolved) {
    let is_conflict = |found: &Diagnostic| {
        found.code == Code::DuplicateServiceAccount && found.severity == Severity::Error
    };
    let mut places: BTreeMap<&ServiceAccountRef, Vec<&RepoPath>> = BTreeMap::new();
    for found in resolved
        .diagnostics
        .iter()
        .filter(|found| is_conflict(found))
    {
        if let (Some(whose), Some(at)) = (&found.service_account, &found.location) {
            places.entry(whose).or_default().push(&at.path);
        }
    }
    let mut groups: BTreeMap<BTreeSet<Vec<u8>>, Vec<ServiceAccountRef>> = BTreeMap::new();
    for (whose, paths) in places {
        if let Some(directories) = parting(&paths) {
            groups.entry(directories).or_default().push(whose.clone());
        }
    }
    for (directories, group) in groups.into_iter().filter(|(_, group)| group.len() > 1) {
        let is_of_group = |found: &Diagnostic| {
            is_conflict(found) && found.service_account.iter().any(|one| group.contains(one))
        };
        let Some(at) = resolved.diagnostics.iter().position(is_of_group) else {
            continue;
        };
        let shown = directories
            .iter()
            .map(|one| RepoPath::new(&one[..]).to_string());
        let shown: Vec<String> = shown.collect();
        let below = shown.iter().map(|one| format!("below `{one}`"));
        let message = format!(
            "{} ServiceAccounts are declared differently {}",
            group.len(),
            below.collect::<Vec<_>>().join(" and ")
        );
        let flags = shown.iter().map(|one| format!("--path {}", quoted(one)));
        let hint = format!(
            "if each of these directories is a cluster's, read this one's only: {}; if not, keep one declaration of each, or make their annotations equal",
            flags.collect::<Vec<_>>().join(" or ")
        );
        let joined = Diagnostic {
            location: resolved.diagnostics[at].location.clone(),
            ..Diagnostic::error(Code::DuplicateServiceAccount, message).with_hint(hint)
        };
        resolved.diagnostics[at] = joined;
        resolved.diagnostics.retain(|found| !is_of_group(found));
    }
}

/// The directories in which files lie that have no deeper one in common; none if one lies in no directory of
/// its own.
fn parting(paths: &[&RepoPath]) -> Option<BTreeSet<Vec<u8>>> {
    let common = common_directory(paths);
    let below = |path: &&RepoPath| {
        let from = common.len() + usize::from(!common.is_empty());
        let rest = &path.as_bytes()[from..];
        let end = rest.iter().position(|byte| *byte == b'/')?;
        Some(path.as_bytes()[..from + end].to_vec())
    };
    paths.iter().map(below).collect()
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
