//! Markdown for a comment on a pull request or a step summary: counts first, then a table, then
//! what is worth unfolding. Nothing at all when there is nothing to say.

use std::io::{self, Write};

use super::sanitize::line;
use super::{Entry, Report, Section, action_word, outcome_word};
use crate::apply::Outcome;
use crate::diagnostic::Diagnostic;
use crate::plan::{Action, Difference};

/// Where a pipeline finds the comment it wrote before.
pub const MARKER: &str = "<!-- irsa-gitops -->";

/// The longest text that hosts take for a comment, with room to spare.
const LONGEST: usize = 60_000;

/// Writes the report.
pub fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let blocks = blocks(report);
    if blocks.is_empty() && report.error.is_none() {
        return Ok(());
    }
    let mut text = format!("{MARKER}\n{}\n", heading(report));
    if let Some(stopped) = &report.error {
        text.push_str(&format!("\n**Stopped:** {}\n", code(&stopped.message)));
        if let Some(hint) = &stopped.hint {
            text.push_str(&format!("\nHint: {}\n", code(hint)));
        }
    }
    let total = blocks.len();
    for (written, block) in blocks.into_iter().enumerate() {
        if text.chars().count() + block.chars().count() > LONGEST - 200 {
            let rest = total - written;
            text.push_str(&format!(
                "\n… and {rest} more that do not fit here; the JSON report has all.\n"
            ));
            break;
        }
        text.push_str(&block);
    }
    out.write_all(text.as_bytes())
}

fn heading(report: &Report) -> String {
    let summary = report.summary();
    let counts = [
        (summary.create, "to create"),
        (summary.update, "to update"),
        (summary.restore, "to restore"),
        (summary.quarantine, "to quarantine"),
        (summary.delete, "to delete"),
        (summary.orphan, "orphaned"),
        (summary.held, "held"),
        (summary.in_sync, "in sync"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, what)| format!("**{count}** {what}"))
        .collect();
    let counts = if counts.is_empty() {
        "no role changes".to_owned()
    } else {
        counts.join(", ")
    };
    let commit = report
        .commit
        .as_ref()
        .map_or(String::new(), |c| format!(" at {}", code(c.short())));
    format!(
        "### irsa-gitops {}{commit}: {counts}",
        report.command.as_str()
    )
}

/// Everything that follows the heading, in pieces that can be left out.
fn blocks(report: &Report) -> Vec<String> {
    let mut blocks = Vec::new();
    for section in &report.clusters {
        let listed: Vec<&Entry> = report.listed(section).collect();
        if listed.is_empty() && section.diagnostics.is_empty() {
            continue;
        }
        blocks.push(place(section));
        if !listed.is_empty() {
            blocks.push(
                "\n| | role | ServiceAccount | where | why |\n|---|---|---|---|---|\n".to_owned(),
            );
            blocks.extend(listed.iter().map(|entry| row(entry)));
        }
        blocks.extend(listed.iter().filter_map(|entry| folded(entry)));
        if !section.diagnostics.is_empty() {
            blocks.push("\n".to_owned());
            blocks.extend(section.diagnostics.iter().map(diagnostic));
        }
    }
    blocks
}

fn place(section: &Section) -> String {
    match (&section.cluster, &section.account) {
        (Some(cluster), Some(account)) => {
            format!(
                "\nCluster {}, account {}\n",
                code(cluster.as_str()),
                code(account.as_str())
            )
        }
        (Some(cluster), None) => format!("\nCluster {}\n", code(cluster.as_str())),
        (None, _) => String::new(),
    }
}

fn row(entry: &Entry) -> String {
    let change = &entry.change;
    let mut what = action_word(&change.action).to_owned();
    if let Some(outcome) = &entry.outcome {
        what = format!("{what}: {}", outcome_word(outcome));
    }
    let place = change.location.as_ref();
    let place = place.map_or(String::new(), |l| cell(&format!("{}:{}", l.path, l.line)));
    let mut why = change.reason.clone();
    if let Some(origin) = entry.origin {
        why = format!("{}: {why}", origin.as_str());
    }
    if let Some(Outcome::Failed(failure) | Outcome::Unknown(failure)) = &entry.outcome {
        why = format!("{why}; {}", failure.message);
    }
    format!(
        "| {what} | {} | {} | {place} | {} |\n",
        cell(change.role.as_str()),
        cell(&change.service_account.to_string()),
        cell(&why)
    )
}

/// The lines of a trust policy that change, folded.
fn folded(entry: &Entry) -> Option<String> {
    let (Action::Update(update) | Action::Restore(update)) = &entry.change.action else {
        return None;
    };
    let documents = update
        .differences
        .iter()
        .find_map(|difference| match difference {
            Difference::TrustPolicy { current, desired } => {
                Some((current.pretty(), desired.pretty()))
            }
            Difference::Tag { .. } | Difference::SessionDuration { .. } => None,
        });
    let (before, after) = documents?;
    let diff = similar::TextDiff::from_lines(&before, &after);
    let lines = diff.iter_all_changes().map(|change| {
        let mark = match change.tag() {
            similar::ChangeTag::Delete => '-',
            similar::ChangeTag::Insert => '+',
            similar::ChangeTag::Equal => ' ',
        };
        format!("{mark} {}\n", line(change.value().trim_end_matches('\n')))
    });
    let text: String = lines.collect();
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    let role = code(entry.change.role.as_str());
    Some(format!(
        "\n<details><summary>Trust policy of {role}</summary>\n\n{fence}diff\n{text}{fence}\n\n</details>\n"
    ))
}

fn diagnostic(diagnostic: &Diagnostic) -> String {
    let place = diagnostic.location.as_ref();
    let place = place.map_or(String::new(), |l| format!("{} ", code(&l.to_string())));
    let hint = diagnostic
        .hint
        .as_ref()
        .map_or(String::new(), |hint| format!("  \n  {}", code(hint)));
    let Diagnostic {
        severity,
        code: kind,
        message,
        ..
    } = diagnostic;
    format!(
        "- {place}**{severity}** {}: {}{hint}\n",
        code(kind.as_str()),
        code(message)
    )
}

/// Text in a code span, in which nothing is a mention, a link or HTML.
fn code(text: &str) -> String {
    let text = line(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A code span inside a table, where `|` ends a cell even in code.
pub(super) fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
