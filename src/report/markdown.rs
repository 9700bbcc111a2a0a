//! Markdown for a comment on a pull request or a step summary: counts first, then what needs
//! somebody, then the other changes, then what is worth unfolding. Nothing at all when there is
//! nothing to say.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::counts::{counts, plural};
use super::place::Place;
use super::sanitize::{html, line};
use super::{Entry, Report, Section, Stopped, action_word, difference, outcome_word};
use crate::apply::Outcome;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::text::cut;
use crate::plan::{Action, Difference, Origin};

/// Where a pipeline finds the comment it wrote before.
pub const MARKER: &str = "<!-- irsa-gitops -->";

/// The longest text that hosts take for a comment, with room to spare.
const LONGEST: usize = 60_000;

/// What is kept free for the line that says what is left out.
const LAST_LINE: usize = 300;

/// The most of one string that is shown.
const LONGEST_STRING: usize = 500;

/// Something that is shown whole or not at all.
struct Piece {
    section: usize,
    part: Part,
    rank: Rank,
    text: String,
}

/// The parts of a section, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Superseded,
    Urgent,
    Roles,
    Findings,
    Differences,
}

/// What is kept first when not everything fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Superseded,
    Urgent,
    Change,
    Detail,
}

/// Writes the report.
pub fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let pieces = pieces(report);
    if pieces.is_empty() && report.error.is_none() {
        return Ok(());
    }
    let mut text = format!("{MARKER}\n{}\n", heading(report));
    if let Some(error) = &report.error {
        text.push_str(&stopped("Stopped", error));
    }
    let room = LONGEST - LAST_LINE - text.chars().count();
    let (kept, left_out) = fit(pieces, room, report);
    let mut opened = BTreeSet::new();
    for piece in &kept {
        text.push_str(&piece.opening(report, &opened));
        text.push_str(&piece.text);
        opened.extend(piece.opens());
    }
    text.push_str(&last_line(report, &left_out));
    out.write_all(text.as_bytes())
}

fn stopped(word: &str, stopped: &Stopped) -> String {
    let hint = stopped.hint.as_ref();
    let hint = hint.map_or(String::new(), |hint| format!("\nHint: {}\n", code(hint)));
    format!("\n**{word}:** {}\n{hint}", code(&stopped.message))
}

fn heading(report: &Report) -> String {
    let commit = report
        .commit
        .as_ref()
        .map_or(String::new(), |c| format!(" at {}", code(c.short())));
    let stopped = report.error.as_ref().map(|_| "stopped".to_owned());
    let facts: Vec<String> = stopped.into_iter().chain(counts(report)).collect();
    format!(
        "### irsa-gitops {}{commit}: {}",
        report.command.as_str(),
        facts.join(", ")
    )
}

/// Everything that follows the heading.
fn pieces(report: &Report) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (section, content) in report.clusters.iter().enumerate() {
        let mut piece = |part, rank, text| {
            pieces.push(Piece {
                section,
                part,
                rank,
                text,
            })
        };
        if let Some(superseded) = &content.superseded {
            let text = stopped("Superseded", &superseded.into());
            piece(Part::Superseded, Rank::Superseded, text);
        }
        for diagnostic in &content.diagnostics {
            let is_urgent =
                diagnostic.severity == Severity::Error || diagnostic.code == Code::SecurityDrift;
            let (part, rank) = if is_urgent {
                (Part::Urgent, Rank::Urgent)
            } else {
                (Part::Findings, Rank::Change)
            };
            piece(part, rank, of_diagnostic(diagnostic));
        }
        for entry in report.listed(content).filter(|entry| !is_background(entry)) {
            let is_urgent =
                entry.change.action == Action::Held || entry.severity() == Severity::Error;
            let rank = if is_urgent {
                Rank::Urgent
            } else {
                Rank::Change
            };
            piece(Part::Roles, rank, row(entry));
            if !entry.differences().is_empty() {
                piece(Part::Differences, Rank::Detail, folded(entry));
            }
        }
    }
    pieces
}

/// Whether it waits on the base and is not for the readers of a pull request.
fn is_background(entry: &Entry) -> bool {
    entry.change.action == Action::Orphan
        && entry
            .origin
            .is_some_and(|origin| origin != Origin::ThisChange)
}

/// Keeps what fits, the urgent first; returns the rest as well.
fn fit(mut pieces: Vec<Piece>, room: usize, report: &Report) -> (Vec<Piece>, Vec<Piece>) {
    pieces.sort_by_key(|piece| piece.rank);
    let mut opened = BTreeSet::new();
    let mut used = 0;
    let (mut kept, left_out): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|piece| {
        let opening = piece.opening(report, &opened);
        let needed = used + opening.chars().count() + piece.text.chars().count();
        if needed <= room {
            used = needed;
            opened.extend(piece.opens());
        }
        needed <= room
    });
    kept.sort_by_key(|piece| (piece.section, piece.part));
    (kept, left_out)
}

impl Piece {
    /// The section and the part of it that it is in.
    fn opens(&self) -> [(usize, Option<Part>); 2] {
        [(self.section, None), (self.section, Some(self.part))]
    }

    /// What stands before the first piece of a section and of a part of it.
    fn opening(&self, report: &Report, opened: &BTreeSet<(usize, Option<Part>)>) -> String {
        let [section, part] = self.opens();
        let mut text = String::new();
        if !opened.contains(&section) {
            text.push_str(&place(&report.clusters[self.section]));
        }
        if !opened.contains(&part) {
            text.push_str(match self.part {
                Part::Urgent | Part::Findings => "\n",
                Part::Roles => {
                    "\n| | role | ServiceAccount | where | why |\n|---|---|---|---|---|\n"
                }
                Part::Superseded | Part::Differences => "",
            });
        }
        text
    }
}

fn last_line(report: &Report, left_out: &[Piece]) -> String {
    let mut text = String::new();
    let entries = report.clusters.iter().flat_map(|s| report.listed(s));
    let background = entries.filter(|entry| is_background(entry)).count();
    if background > 0 {
        let orphans = plural(background, "orphan");
        text.push_str(&format!(
            "\n{orphans} that this change does not cause: not listed here.\n"
        ));
    }
    let count = |parts: &[Part]| left_out.iter().filter(|p| parts.contains(&p.part)).count();
    let left_out: Vec<String> = [
        (count(&[Part::Roles]), "role"),
        (
            count(&[Part::Superseded, Part::Urgent, Part::Findings]),
            "finding",
        ),
        (count(&[Part::Differences]), "folded difference"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, noun)| plural(count, noun))
    .collect();
    if !left_out.is_empty() {
        text.push_str(&format!(
            "\n… and {} more that do not fit here; the JSON report has all.\n",
            left_out.join(", ")
        ));
    }
    text
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
    let place = Place::of(entry).map_or(String::new(), |place| short_cell(&place.to_string()));
    let mut why = change.reason.to_string();
    if let Some(origin) = entry.origin {
        why = format!("{}: {why}", origin.as_str());
    }
    let mut why = short_cell(&why);
    if let Some(Outcome::Failed(failure) | Outcome::Unknown(failure)) = &entry.outcome {
        why.push_str(&format!("; {}", short_cell(&failure.message)));
        if let Some(hint) = &failure.hint {
            why.push_str(&format!("; hint: {}", short_cell(hint)));
        }
    }
    format!(
        "| {what} | {} | {} | {place} | {why} |\n",
        short_cell(change.role.as_str()),
        short_cell(&change.service_account.to_string()),
    )
}

/// What differs, the lines of a trust policy among it.
fn folded(entry: &Entry) -> String {
    let mut lines = Vec::new();
    for difference in entry.differences() {
        match difference {
            Difference::TrustPolicy { current, desired } => {
                let changed = difference::lines(current, desired).into_iter();
                lines.extend(changed.map(|(mark, text)| format!("{mark} {text}")));
            }
            Difference::Tag { .. } | Difference::SessionDuration { .. } => {
                lines.push(format!("! {}", difference::in_words(difference)));
            }
        }
    }
    let shown = lines.iter().map(|text| cut(text, LONGEST_STRING) + "\n");
    let text: String = shown.collect();
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    // No Markdown is read inside of `<summary>`.
    let role = html(entry.change.role.as_str());
    format!(
        "\n<details><summary>What differs in <code>{role}</code></summary>\n\n{fence}diff\n{text}{fence}\n\n</details>\n"
    )
}

fn of_diagnostic(diagnostic: &Diagnostic) -> String {
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

/// Text in a code span, in which nothing is a mention, a link or HTML; not too much of it.
fn code(text: &str) -> String {
    span(&cut(&line(text), LONGEST_STRING))
}

/// The same inside a table.
fn short_cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A code span inside a table, where `|` ends a cell even in code.
pub(super) fn cell(text: &str) -> String {
    span(&line(text)).replace('|', "\\|")
}

fn span(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
