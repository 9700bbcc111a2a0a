//! How many there are of each kind, in words: the last line for people, the heading of a comment.

use super::Report;
use crate::apply::Outcome;
use crate::diagnostic::Severity;

/// Everything that there is at least one of.
pub(super) fn counts(report: &Report) -> Vec<String> {
    let summary = report.summary();
    let outcomes = report
        .clusters
        .iter()
        .flat_map(|section| &section.entries)
        .filter_map(|entry| entry.outcome.as_ref());
    let (mut done, mut failed, mut unknown, mut not_attempted) = (0, 0, 0, 0);
    for outcome in outcomes {
        match outcome {
            Outcome::Done => done += 1,
            Outcome::Failed(_) => failed += 1,
            Outcome::Unknown(_) => unknown += 1,
            Outcome::NotAttempted => not_attempted += 1,
        }
    }
    let of = |count: usize, what: &str| (count, format!("{count} {what}"));
    let nouns = |count: usize, noun: &str| (count, plural(count, noun));
    let superseded = report.superseded().count();
    let clusters = format!("{} superseded", plural(superseded, "cluster"));
    let all = [
        (superseded, clusters),
        of(summary.create, "to create"),
        of(summary.update, "to update"),
        of(summary.restore, "to restore"),
        of(summary.quarantine, "to quarantine"),
        of(summary.delete, "to delete"),
        nouns(summary.orphan, "orphan"),
        of(summary.held, "held"),
        of(summary.in_sync, "in sync"),
        nouns(report.count(Severity::Error), "error"),
        nouns(report.count(Severity::Warning), "warning"),
        nouns(report.count(Severity::Note), "note"),
        of(done, "done"),
        of(failed, "failed"),
        of(unknown, "unknown"),
        of(not_attempted, "not attempted"),
    ];
    all.into_iter()
        .filter_map(|(count, text)| (count > 0).then_some(text))
        .collect()
}

/// A count with its noun.
pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
