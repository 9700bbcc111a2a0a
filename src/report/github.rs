//! Workflow commands of GitHub Actions, which show findings on the lines of a pull request.
//!
//! See <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>. GitHub
//! shows ten of a kind for a step; the last one says how many there are besides.

use std::io::{self, Write};

use super::Report;
use super::finding::{Finding, findings};
use super::sanitize::line;
use crate::diagnostic::Severity;

/// How many commands of a kind GitHub shows.
const SHOWN: usize = 10;

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
            command(word, finding, out)?;
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

fn command(word: &str, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let mut properties = Vec::new();
    if let Some(place) = &finding.place {
        properties.push(format!("file={}", property(&place.path.to_string())));
        let at = place.line_and_column;
        properties.extend(at.map(|(line, column)| format!("line={line},col={column}")));
    }
    properties.push(format!("title={}", property(&finding.title)));
    writeln!(
        out,
        "::{word} {}::{}",
        properties.join(","),
        data(&finding.message)
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
