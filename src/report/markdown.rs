//! Markdown for a comment on a pull request or a step summary: a verdict first, then what this change
//! does, then what is pending on the base, then drift, folded. Nothing at all where this change does
//! nothing to us.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::context::{Context, Web};
use super::counts::plural;
use super::{Entry, Report, Section, Stopped};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::plan::{Action, Origin};

mod row;
mod text;
mod verdict;

pub(super) use text::cell;
use text::{code, link};

/// The longest text that hosts take for a comment, with room to spare.
const LONGEST: usize = 60_000;

/// What is kept free for the line that says what is left out.
const LAST_LINE: usize = 300;

/// What ends something folded.
const FOLD_END: &str = "\n</details>\n";

/// Something that is shown whole or not at all.
struct Piece {
    section: usize,
    group: Group,
    part: Part,
    rank: Rank,
    text: String,
}

/// What a piece is about, in the order in which a section tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Superseded,
    /// The change under review, or everything if it is compared with no base.
    This,
    Pending,
    Drift,
    /// Findings that were there before.
    Before,
}

/// The parts of a group, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
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
    Others,
    Detail,
}

/// What has a heading of its own.
type Heading = (usize, Option<(Group, Option<Part>)>);

/// What every piece is rendered with.
struct Page<'a> {
    report: &'a Report,
    web: Option<Web>,
}

/// Writes the report.
pub fn render(report: &Report, context: &Context, out: &mut dyn Write) -> io::Result<()> {
    let page = Page {
        report,
        web: context.web(report.repository.as_deref(), report.commit.as_ref()),
    };
    let pieces = page.pieces();
    let is_ours = |piece: &Piece| piece.group <= Group::This;
    if report.error.is_none() && !pieces.iter().any(is_ours) {
        return Ok(());
    }
    let mut text = format!(
        "{}\n### irsa-gitops {}: {}\n{}",
        context.marker(report.command),
        report.command.as_str(),
        verdict::of(report),
        page.where_from(context)
    );
    if let Some(error) = &report.error {
        text.push_str(&stopped("Stopped", error));
    }
    let room = LONGEST - LAST_LINE - text.chars().count();
    let (kept, left_out) = page.fit(pieces, room);
    let mut opened = BTreeSet::new();
    for (index, piece) in kept.iter().enumerate() {
        text.push_str(&page.opening(piece, &opened));
        text.push_str(&piece.text);
        opened.extend(piece.headings());
        let next = kept.get(index + 1);
        let goes_on =
            next.is_some_and(|next| (next.section, next.group) == (piece.section, piece.group));
        if piece.group.is_folded() && !goes_on {
            text.push_str(FOLD_END);
        }
    }
    text.push_str(&page.last_line(&left_out));
    out.write_all(text.as_bytes())
}

fn stopped(word: &str, stopped: &Stopped) -> String {
    let hint = stopped.hint.as_ref();
    let hint = hint.map_or(String::new(), |hint| format!("\nHint: {}\n", code(hint)));
    // Some messages begin with the word.
    let said = format!("{}: ", word.to_lowercase());
    let message = stopped
        .message
        .strip_prefix(&said)
        .unwrap_or(&stopped.message);
    format!("\n**{word}:** {}\n{hint}", code(message))
}

impl Group {
    fn of(section: &Section, entry: &Entry) -> Self {
        match entry.origin {
            _ if section.is_of_this_change(entry) => Self::This,
            Some(Origin::Drift) => Self::Drift,
            Some(Origin::ThisChange | Origin::PendingOnBase) => Self::Pending,
            None => Self::Before,
        }
    }

    fn is_folded(self) -> bool {
        matches!(self, Self::Drift | Self::Before)
    }
}

impl Piece {
    /// What it stands under.
    fn headings(&self) -> [Heading; 3] {
        [
            (self.section, None),
            (self.section, Some((self.group, None))),
            (self.section, Some((self.group, Some(self.part)))),
        ]
    }
}

impl Page<'_> {
    /// The commit, and the page of the run.
    fn where_from(&self, context: &Context) -> String {
        let commit = self.report.commit.as_ref().map(|commit| {
            let page = self.web.as_ref().map(|web| web.commit(commit));
            let sections = self.report.clusters.iter();
            let source = sections
                .filter_map(|section| section.source.as_ref())
                .next();
            let source = source.map_or_else(String::new, |source| {
                format!(", rendered from {}", code(&source.to_string()))
            });
            format!("Commit {}{source}", link(&code(commit.short()), page))
        });
        let run = context.run().map(|page| link("run", Some(page)));
        let facts: Vec<String> = commit.into_iter().chain(run).collect();
        match facts.is_empty() {
            true => String::new(),
            false => format!("\n{}\n", facts.join(" · ")),
        }
    }

    /// Everything that follows the heading.
    fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (section, content) in self.report.clusters.iter().enumerate() {
            let mut piece = |group, part, rank, text| {
                pieces.push(Piece {
                    section,
                    group,
                    part,
                    rank,
                    text,
                })
            };
            if let Some(superseded) = &content.superseded {
                let text = stopped("Superseded", &superseded.into());
                piece(Group::Superseded, Part::Urgent, Rank::Superseded, text);
            }
            for diagnostic in &content.diagnostics {
                let is_urgent = diagnostic.severity == Severity::Error
                    || diagnostic.code == Code::SecurityDrift;
                let (group, part, rank) = match (content.is_new(diagnostic), is_urgent) {
                    (true, true) => (Group::This, Part::Urgent, Rank::Urgent),
                    (true, false) => (Group::This, Part::Findings, Rank::Change),
                    (false, true) => (Group::Before, Part::Urgent, Rank::Others),
                    (false, false) => (Group::Before, Part::Findings, Rank::Others),
                };
                piece(group, part, rank, self.of_diagnostic(diagnostic));
            }
            let entries = self.report.listed(content);
            for entry in entries.filter(|entry| !is_background(entry)) {
                let group = Group::of(content, entry);
                let is_urgent =
                    entry.change.action == Action::Held || entry.severity() == Severity::Error;
                let rank = match (group, is_urgent) {
                    (Group::This, true) => Rank::Urgent,
                    (Group::This, false) => Rank::Change,
                    _ => Rank::Others,
                };
                piece(group, Part::Roles, rank, self.row(content, entry));
                if !entry.differences().is_empty() {
                    piece(group, Part::Differences, Rank::Detail, row::folded(entry));
                }
            }
        }
        pieces
    }

    /// Keeps what fits, the urgent first; returns the rest as well.
    fn fit(&self, mut pieces: Vec<Piece>, room: usize) -> (Vec<Piece>, Vec<Piece>) {
        pieces.sort_by_key(|piece| piece.rank);
        let mut opened = BTreeSet::new();
        let mut used = 0;
        let (mut kept, left_out): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|piece| {
            let opening = self.opening(piece, &opened);
            let needed = used + opening.chars().count() + piece.text.chars().count();
            let needed = match piece.group.is_folded() && !opened.contains(&piece.headings()[1]) {
                true => needed + FOLD_END.len(),
                false => needed,
            };
            if needed <= room {
                used = needed;
                opened.extend(piece.headings());
            }
            needed <= room
        });
        kept.sort_by_key(|piece| (piece.section, piece.group, piece.part));
        (kept, left_out)
    }

    /// The headings before a piece that do not stand there yet.
    fn opening(&self, piece: &Piece, opened: &BTreeSet<Heading>) -> String {
        let section = &self.report.clusters[piece.section];
        let [of_section, of_group, of_part] = piece.headings();
        let mut text = String::new();
        if !opened.contains(&of_section) {
            text.push_str(&place(section));
        }
        if !opened.contains(&of_group) {
            text.push_str(&self.heading(section, piece.group));
        }
        if !opened.contains(&of_part) {
            text.push_str(match piece.part {
                Part::Urgent | Part::Findings => "\n",
                Part::Roles => "\n| | ServiceAccount | role | why |\n|---|---|---|---|\n",
                Part::Differences => "",
            });
        }
        text
    }

    fn heading(&self, section: &Section, group: Group) -> String {
        let entries = self.report.listed(section);
        let roles = entries.filter(|entry| Group::of(section, entry) == group);
        let roles = plural(roles.count(), "role");
        match group {
            Group::This if section.has_base() => "\n**This change**\n".to_owned(),
            Group::Superseded | Group::This => String::new(),
            Group::Pending => {
                "\n**Pending on the base**: merged already, and not applied yet\n".to_owned()
            }
            Group::Drift => folding(&format!(
                "Drift: {roles} changed by somebody or by settings, not by Git"
            )),
            Group::Before => folding("Found before this change, too"),
        }
    }

    fn last_line(&self, left_out: &[Piece]) -> String {
        let mut text = String::new();
        let clusters = self.report.clusters.iter();
        let entries = clusters.flat_map(|section| self.report.listed(section));
        let background = entries.filter(|entry| is_background(entry)).count();
        if background > 0 {
            let orphans = plural(background, "orphan");
            text.push_str(&format!(
                "\n{orphans} that this change does not cause: not listed here.\n"
            ));
        }
        let count = |is_such: &dyn Fn(&Piece) -> bool, noun: &str| {
            let count = left_out.iter().filter(|piece| is_such(piece)).count();
            (count > 0).then(|| plural(count, noun))
        };
        let left_out: Vec<String> = [
            count(&|piece| piece.part == Part::Roles, "role"),
            count(
                &|piece| [Part::Urgent, Part::Findings].contains(&piece.part),
                "finding",
            ),
            count(
                &|piece| piece.part == Part::Differences,
                "folded difference",
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !left_out.is_empty() {
            text.push_str(&format!(
                "\n… and {} more that do not fit here; the JSON report has all.\n",
                left_out.join(", ")
            ));
        }
        text
    }

    fn of_diagnostic(&self, diagnostic: &Diagnostic) -> String {
        let place = diagnostic.location.as_ref();
        let place = place.map_or(String::new(), |at| format!("{} ", self.linked(&at.into())));
        let hint = diagnostic.hint.as_ref();
        let hint = hint.map_or(String::new(), |hint| format!("  \n  {}", code(hint)));
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
}

/// Whether it waits on the base and is not for the readers of a pull request.
fn is_background(entry: &Entry) -> bool {
    entry.change.action == Action::Orphan
        && entry
            .origin
            .is_some_and(|origin| origin != Origin::ThisChange)
}

/// What begins something folded.
fn folding(summary: &str) -> String {
    format!("\n<details><summary>{summary}</summary>\n")
}

fn place(section: &Section) -> String {
    let cluster = section.cluster.as_ref();
    let words = [
        cluster.map(|cluster| format!("Cluster {}", code(cluster.as_str()))),
        section
            .account
            .as_ref()
            .filter(|_| cluster.is_some())
            .map(|account| format!("account {}", code(account.as_str()))),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    match words.is_empty() {
        true => String::new(),
        false => format!("\n{}\n", words.join(", ")),
    }
}
