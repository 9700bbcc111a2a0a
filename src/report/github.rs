//! Workflow commands of GitHub Actions, which show findings on the lines of a pull request.
//!
//! See <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>. GitHub
//! shows ten of a kind for a step; the last one says how many there are besides.

use std::io::{self, Write};

use super::sanitize::line;
use super::{Entry, Report, action_word, outcome_word};
use crate::apply::Outcome;
use crate::diagnostic::Severity;
use crate::model::location::Location;
use crate::plan::Action;

/// How many commands of a kind GitHub shows.
const SHOWN: usize = 10;

struct Finding {
    severity: Severity,
    title: String,
    message: String,
    location: Option<Location>,
}

/// Writes the report.
pub fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let findings = findings(report);
    for (severity, word) in [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Note, "notice"),
    ] {
        let of_kind: Vec<&Finding> = findings.iter().filter(|f| f.severity == severity).collect();
        let shown = if of_kind.len() > SHOWN {
            SHOWN - 1
        } else {
            of_kind.len()
        };
        for finding in &of_kind[..shown] {
            let mut properties = vec![format!("title={}", property(&finding.title))];
            if let Some(Location { path, line, column }) = &finding.location {
                properties.insert(0, format!("file={}", property(&path.to_string())));
                properties.insert(1, format!("line={line},col={column}"));
            }
            writeln!(
                out,
                "::{word} {}::{}",
                properties.join(","),
                data(&finding.message)
            )?;
        }
        if of_kind.len() > shown {
            let rest = of_kind.len() - shown;
            writeln!(
                out,
                "::{word} title=irsa-gitops::and {rest} more; the JSON report has all"
            )?;
        }
    }
    Ok(())
}

fn findings(report: &Report) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    if let Some(stopped) = &report.error {
        findings.push(Finding {
            severity: Severity::Error,
            title: format!("irsa-gitops {}", report.command.as_str()),
            message: with_hint(&stopped.message, stopped.hint.as_deref()),
            location: None,
        });
    }
    for section in &report.clusters {
        findings.extend(section.diagnostics.iter().map(|diagnostic| Finding {
            severity: diagnostic.severity,
            title: diagnostic.code.to_string(),
            message: with_hint(&diagnostic.message, diagnostic.hint.as_deref()),
            location: diagnostic.location.clone(),
        }));
        findings.extend(report.listed(section).map(of_change));
    }
    findings
}

fn of_change(entry: &Entry) -> Finding {
    let change = &entry.change;
    let mut message = format!(
        "{} for {}: {}",
        change.role.as_str(),
        change.service_account,
        change.reason
    );
    if let Some(origin) = entry.origin {
        message = format!("{}: {message}", origin.as_str());
    }
    let mut title = action_word(&change.action).to_owned();
    if let Some(outcome) = &entry.outcome {
        title = format!("{title} {}", outcome_word(outcome));
    }
    let severity = match (&change.action, &entry.outcome) {
        (_, Some(Outcome::Failed(failure) | Outcome::Unknown(failure))) => {
            message = format!(
                "{message}; {}",
                with_hint(&failure.message, failure.hint.as_deref())
            );
            Severity::Error
        }
        (Action::Held | Action::Quarantine(_) | Action::Delete(_), _) => Severity::Warning,
        _ => Severity::Note,
    };
    Finding {
        severity,
        title,
        message,
        location: change.location.clone(),
    }
}

fn with_hint(message: &str, hint: Option<&str>) -> String {
    hint.map_or_else(
        || message.to_owned(),
        |hint| format!("{message} (hint: {hint})"),
    )
}

/// Text behind the second `::`.
fn data(text: &str) -> String {
    line(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property between the `::`, which ends at `,` and `:` as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
