//! GitLab's code quality report: <https://docs.gitlab.com/ci/testing/code_quality/>.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Report;
use super::finding::{Finding, Rule, findings};
use super::sanitize::line;
use crate::diagnostic::Severity;

/// Writes every problem. A change that goes its way is none, and the other formats tell of it.
pub fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let is_problem = |finding: &Finding| match finding.rule {
        Rule::Role(_) => finding.severity != Severity::Note,
        Rule::Stopped | Rule::Code(_) => true,
    };
    let findings = findings(report);
    let issues: Vec<Value> = findings
        .iter()
        .filter(|f| is_problem(f))
        .map(issue)
        .collect();
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    out.write_all(b"\n")
}

fn issue(finding: &Finding) -> Value {
    let severity = match finding.severity {
        Severity::Error => "critical",
        Severity::Warning => "minor",
        Severity::Note => "info",
    };
    // GitLab wants a place for everything; what has none is about the repository as such.
    let (path, begin) = match &finding.place {
        Some(place) => (
            place.path.to_string(),
            place.line_and_column.map_or(1, |(line, _)| line),
        ),
        None => (".".to_owned(), 1),
    };
    json!({
        "description": line(&finding.text()),
        "check_name": finding.rule.id(),
        "fingerprint": finding.fingerprint,
        "severity": severity,
        "location": { "path": line(&path), "lines": { "begin": begin } },
    })
}
