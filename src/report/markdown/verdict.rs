//! The first line of a comment: what this change does, and the worst of it.

use super::text::{code, codes};
use crate::plan::{Action, Change, Difference};
use crate::report::counts::{counts, plural};
use crate::report::{Command, Entry, Report, Section};

/// How many ServiceAccounts a sentence names.
const NAMED: usize = 3;

/// The line, in Markdown.
pub(super) fn of(report: &Report) -> String {
    let does = what_it_does(report);
    if report.error.is_none() {
        return does;
    }
    let stopped = match report.clusters.iter().any(Section::has_base) {
        true => "stopped, nothing is written on merge",
        false => "stopped",
    };
    match does.as_str() {
        "" => stopped.to_owned(),
        does => format!("{stopped}: {does}"),
    }
}

fn what_it_does(report: &Report) -> String {
    let is_stopped = report.error.is_some();
    if !matches!(report.command, Command::Plan | Command::Diff) {
        return counts(report).join(", ");
    }
    let ours: Vec<(&Section, &Entry)> = report
        .clusters
        .iter()
        .flat_map(|section| section.entries.iter().map(move |entry| (section, entry)))
        .filter(|(section, entry)| section.is_of_this_change(entry))
        .collect();
    if is_stopped && ours.is_empty() {
        return counts(report).join(", ");
    }
    let mut facts = Vec::new();
    let superseded = report.superseded().count();
    if superseded > 0 {
        facts.push(format!("{} superseded", plural(superseded, "cluster")));
    }
    facts.extend(roles(&ours));
    for (severity, noun) in [
        (crate::diagnostic::Severity::Error, "error"),
        (crate::diagnostic::Severity::Warning, "warning"),
    ] {
        let sections = report.clusters.iter();
        let found = sections.flat_map(|s| s.diagnostics.iter().filter(|d| s.is_new(d)));
        let found = found.filter(|diagnostic| diagnostic.severity == severity);
        match found.count() {
            0 => {}
            count => facts.push(plural(count, noun)),
        }
    }
    if facts.is_empty() {
        facts.push("no role changes".to_owned());
    }
    let worst = worst(report, &ours);
    let line = std::iter::once(facts.join(", ")).chain(worst);
    line.collect::<Vec<_>>().join("; ")
}

/// How many roles are to become what: the first of them says that it is roles.
fn roles(ours: &[(&Section, &Entry)]) -> Vec<String> {
    type Is = fn(&Action) -> bool;
    let kinds: [(&str, Is); 7] = [
        ("to create", |action| matches!(action, Action::Create(_))),
        ("to update", |action| matches!(action, Action::Update(_))),
        ("to restore", |action| matches!(action, Action::Restore(_))),
        ("to quarantine", |action| {
            matches!(action, Action::Quarantine(_))
        }),
        ("to delete", |action| matches!(action, Action::Delete(_))),
        ("no longer declared", |action| *action == Action::Orphan),
        ("held", |action| *action == Action::Held),
    ];
    let mut found: Vec<String> = Vec::new();
    for (what, is_such) in kinds {
        let count = ours
            .iter()
            .filter(|(_, entry)| is_such(&entry.change.action));
        match (count.count(), found.is_empty()) {
            (0, _) => {}
            (count, true) => found.push(format!("{} {what}", plural(count, "role"))),
            (count, false) => found.push(format!("{count} {what}")),
        }
    }
    found
}

/// The worst that happens, if anything bad does.
fn worst(report: &Report, ours: &[(&Section, &Entry)]) -> Option<String> {
    let is_reviewed = ours.iter().any(|(section, _)| section.has_base());
    let when = match is_reviewed {
        // What a guard refuses happens when somebody says that it may.
        _ if report.error.is_some() => "once that is allowed",
        true => "on merge",
        false => "on apply",
    };
    let whose = |is_such: &dyn Fn(&Change) -> bool| {
        let such = ours.iter().filter(|(_, entry)| is_such(&entry.change));
        let names: Vec<String> = such
            .map(|(_, entry)| entry.change.service_account.to_string())
            .collect();
        (!names.is_empty()).then(|| named(&names))
    };
    let renamed = ours.iter().filter_map(|(section, entry)| {
        let old = section.replaced_by(entry)?;
        Some((old.to_string(), entry.change.role.to_string()))
    });
    let (old, new): (Vec<String>, Vec<String>) = renamed.unzip();
    let deleted = whose(&|change| matches!(change.action, Action::Delete(_)));
    if let Some(whose) = deleted {
        return Some(format!(
            "roles of {whose}: deleted {when}, and a revert makes new ones without their policies"
        ));
    }
    let closed = whose(&|change| matches!(change.action, Action::Quarantine(_)));
    if let Some(whose) = closed {
        let until = ours.iter().find_map(|(section, _)| section.review.until);
        let until = until.map_or(String::new(), |until| {
            format!(" until {}", until.strftime("%Y-%m-%d %H:%M UTC"))
        });
        let new = match &new[..] {
            [] => String::new(),
            [new] => format!(
                "; the new role {} has none of the policies of the old one",
                code(new)
            ),
            new => format!(
                "; the new roles {} have none of the policies of the old ones",
                named(new)
            ),
        };
        return Some(format!(
            "pods of {whose} lose access {when}, a revert restores them{until}{new}"
        ));
    }
    let held = whose(&|change| change.action == Action::Held);
    if let Some(whose) = held {
        return Some(format!("{whose}: held until that is put right"));
    }
    match (&old[..], &new[..]) {
        ([], _) | (_, []) => {}
        ([old], [new]) => {
            return Some(format!(
                "{} takes the place of {} and has none of its policies",
                code(new),
                code(old)
            ));
        }
        (old, new) => {
            return Some(format!(
                "{} take the places of {} and have none of their policies",
                named(new),
                named(old)
            ));
        }
    }
    let opened = whose(&|change| match &change.action {
        Action::Update(update) => {
            let mut differences = update.differences.iter();
            differences.any(|d| matches!(d, Difference::TrustPolicy { .. }))
        }
        _ => false,
    });
    if let Some(whose) = opened {
        return Some(format!("role of {whose}: who may assume it changes"));
    }
    let is_closed = |change: &Change| change.reason.quarantine().is_some();
    let left = whose(&|change| change.action == Action::Orphan && !is_closed(change));
    if let Some(left) = left {
        return Some(match report.command {
            Command::Diff => format!("mode sync would end the access of pods of {left}"),
            _ => format!("role of {left}: left in place"),
        });
    }
    let restored = whose(&|change| matches!(change.action, Action::Restore(_)));
    if let Some(whose) = restored {
        return Some(format!("pods of {whose} get their access back {when}"));
    }
    let left = whose(&|change| change.action == Action::Orphan)?;
    Some(format!(
        "role of {left}: stays quarantined, so that no pod can assume it"
    ))
}

/// The first of some names.
fn named(names: &[String]) -> String {
    let shown = codes(names.iter().take(NAMED).map(String::as_str));
    let rest = names.len() - shown.len();
    match (rest, &shown[..]) {
        (0, [one]) => one.clone(),
        (0, [first @ .., last]) => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {rest} more", shown.join(", ")),
    }
}
