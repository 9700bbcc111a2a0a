//! Text for people: colours, columns and source snippets on a terminal, plain lines in a pipe.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style as Colour};
use comfy_table::Table;

use super::counts::plural;
use super::place::Place;
use super::sanitize::line;
use super::{Command, Entry, Report, Section, action_word, difference, outcome_word};
use crate::apply::{Failure, Outcome};
use crate::diagnostic::Diagnostic;
use crate::plan::{Action, Difference};

mod snippet;

/// How much the reader's end can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A terminal: colours, columns, source snippets.
    Terminal,
    /// A pipe or a file: one fact a line, nothing but text.
    Plain,
}

/// Writes the report.
pub fn render(report: &Report, medium: Medium, out: &mut dyn Write) -> io::Result<()> {
    let several = report.clusters.len() > 1;
    for section in &report.clusters {
        heading(report, section, out)?;
        if let Some(superseded) = &section.superseded {
            writeln!(out, "{}", line(&superseded.to_string()))?;
            writeln!(out, "hint: {}", line(&superseded.hint()))?;
        }
        changes(report, section, medium, out)?;
        for diagnostic in &section.diagnostics {
            match medium {
                Medium::Terminal => snippet::render(diagnostic, out)?,
                Medium::Plain => plain_diagnostic(diagnostic, out)?,
            }
        }
        if let Some(files) = section.ignored {
            let files = plural(files, "file");
            writeln!(out, "{files} left out by ignore rules")?;
        }
        if let Some(checked) = &section.checked {
            checked.render(out)?;
        }
        if several {
            writeln!(out)?;
        }
    }
    let counts = super::counts::counts(report);
    match &report.error {
        Some(stopped) => {
            writeln!(out, "error: {}", line(&stopped.message))?;
            match &stopped.hint {
                Some(hint) => writeln!(out, "hint: {}", line(hint)),
                None => Ok(()),
            }
        }
        None if counts.is_empty() && report.command == Command::Lint => {
            writeln!(out, "no problem found")
        }
        None if counts.is_empty() => writeln!(out, "nothing to do"),
        None => writeln!(out, "{}", counts.join(", ")),
    }
}

fn heading(report: &Report, section: &Section, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", report.command.as_str())?;
    if let Some(cluster) = &section.cluster {
        write!(out, " for cluster {cluster}")?;
    }
    if let Some(account) = &section.account {
        write!(out, " in account {account}")?;
    }
    if let Some(repository) = &report.repository {
        write!(out, " from {}", line(repository))?;
    }
    if let Some(commit) = &report.commit {
        write!(out, " at commit {}", commit.short())?;
    }
    if let Some(source) = &section.source {
        write!(out, ", rendered from {}", line(&source.to_string()))?;
    }
    if section.superseded.is_some() {
        write!(out, ", superseded")?;
    }
    writeln!(out)
}

fn changes(
    report: &Report,
    section: &Section,
    medium: Medium,
    out: &mut dyn Write,
) -> io::Result<()> {
    let listed: Vec<&Entry> = report.listed(section).collect();
    if listed.is_empty() {
        return Ok(());
    }
    let rows: Vec<[String; 4]> = listed.iter().map(|entry| row(entry)).collect();
    let lines = match medium {
        Medium::Terminal => columns(&rows),
        Medium::Plain => rows
            .iter()
            .map(|row| format!("  {}", row.join("  ")))
            .collect(),
    };
    writeln!(out)?;
    for (entry, text) in listed.iter().zip(lines) {
        let colour = colour_of(entry);
        match medium {
            Medium::Terminal => writeln!(out, "{colour}{text}{colour:#}")?,
            Medium::Plain => writeln!(out, "{}", text.trim_end())?,
        }
        let origin = entry
            .origin
            .map_or(String::new(), |origin| format!("{}: ", origin.as_str()));
        writeln!(out, "      {origin}{}", line(&entry.why()))?;
        for difference in entry.differences() {
            detail(difference, medium, out)?;
        }
        if let Some(old) = section.replaced_by(entry) {
            let old = line(old.as_str());
            writeln!(
                out,
                "      takes the place of {old} and has none of its policies"
            )?;
        }
        if let Some(inspected) = section.inspected(entry) {
            writeln!(out, "      {}", line(&inspected.in_words(&entry.why())))?;
        }
        if let Some(Outcome::Failed(failure) | Outcome::Unknown(failure)) = &entry.outcome {
            trouble(failure, out)?;
        }
    }
    writeln!(out)
}

fn row(entry: &Entry) -> [String; 4] {
    let change = &entry.change;
    let mut action = format!("{} {}", symbol(&change.action), action_word(&change.action));
    if let Some(outcome) = &entry.outcome {
        action.push_str(": ");
        action.push_str(outcome_word(outcome));
    }
    let place =
        Place::of(entry).map_or(String::new(), |place| line(&place.to_string()).into_owned());
    [
        action,
        line(change.role.as_str()).into_owned(),
        change.service_account.to_string(),
        place,
    ]
}

fn columns(rows: &[[String; 4]]) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for row in rows {
        table.add_row(row);
    }
    for index in 0..4 {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((2, 0));
        }
    }
    table.lines().collect()
}

fn symbol(action: &Action) -> char {
    match action {
        Action::Create(_) => '+',
        Action::Update(_) => '~',
        Action::Restore(_) => '^',
        Action::Quarantine(_) => 'x',
        Action::Delete(_) => '-',
        Action::Orphan => '?',
        Action::Held => '!',
        Action::InSync => '=',
    }
}

fn colour_of(entry: &Entry) -> Colour {
    let colour = match (&entry.change.action, &entry.outcome) {
        (_, Some(Outcome::Failed(_) | Outcome::Unknown(_))) => AnsiColor::Red,
        (Action::Create(_), _) => AnsiColor::Green,
        (Action::Update(_) | Action::Restore(_), _) => AnsiColor::Yellow,
        (Action::Held | Action::Quarantine(_) | Action::Delete(_), _) => AnsiColor::Red,
        (Action::Orphan, _) => AnsiColor::Magenta,
        (Action::InSync, _) => return Colour::new(),
    };
    colour.on_default()
}

pub(super) fn detail(
    difference: &Difference,
    medium: Medium,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Difference::TrustPolicy { current, desired } = difference else {
        return writeln!(out, "      {}", difference::in_words(difference));
    };
    writeln!(out, "      trust policy:")?;
    for (mark, text) in difference::lines(current, desired) {
        let colour = match mark {
            '-' => AnsiColor::Red.on_default(),
            '+' => AnsiColor::Green.on_default(),
            _ => Colour::new(),
        };
        match medium {
            Medium::Terminal => writeln!(out, "      {colour}{mark} {text}{colour:#}")?,
            Medium::Plain => writeln!(out, "      {mark} {text}")?,
        }
    }
    Ok(())
}

fn trouble(failure: &Failure, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "      {}", line(&failure.message))?;
    match &failure.hint {
        Some(hint) => writeln!(out, "      hint: {}", line(hint)),
        None => Ok(()),
    }
}

pub(super) fn plain_diagnostic(diagnostic: &Diagnostic, out: &mut dyn Write) -> io::Result<()> {
    if let Some(location) = &diagnostic.location {
        write!(out, "{}: ", line(&location.to_string()))?;
    }
    writeln!(
        out,
        "{}[{}]: {}",
        diagnostic.severity,
        diagnostic.code,
        line(&diagnostic.message)
    )?;
    match &diagnostic.hint {
        Some(hint) => writeln!(out, "  hint: {}", line(hint)),
        None => Ok(()),
    }
}
