//! GitLab's code quality report: <https://docs.gitlab.com/ci/testing/code_quality/>.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Report;
use super::sanitize::line;
use crate::diagnostic::{Diagnostic, Severity};
use crate::plan::Action;

/// Writes the findings that have a place in a file.
pub fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut issues: Vec<Value> = Vec::new();
    for section in &report.clusters {
        issues.extend(section.diagnostics.iter().filter_map(issue));
        let held = report
            .listed(section)
            .filter(|entry| entry.change.action == Action::Held);
        issues.extend(held.filter_map(|entry| {
            let change = &entry.change;
            let location = change.location.as_ref()?;
            Some(json!({
                "description": line(&format!("{} is held: {}", change.role.as_str(), change.reason)),
                "check_name": "role-held",
                "fingerprint": line(&format!("role-held|{}", change.role.as_str())),
                "severity": "major",
                "location": { "path": line(&location.path.to_string()), "lines": { "begin": location.line } },
            }))
        }));
    }
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    out.write_all(b"\n")
}

fn issue(diagnostic: &Diagnostic) -> Option<Value> {
    let location = diagnostic.location.as_ref()?;
    let hint = diagnostic
        .hint
        .as_ref()
        .map_or(String::new(), |hint| format!(" (hint: {hint})"));
    let whose = diagnostic.service_account.as_ref().map(ToString::to_string);
    let whose = whose.unwrap_or_else(|| diagnostic.message.clone());
    let severity = match diagnostic.severity {
        Severity::Error => "critical",
        Severity::Warning => "minor",
        Severity::Note => "info",
    };
    Some(json!({
        "description": line(&format!("{}{hint}", diagnostic.message)),
        "check_name": diagnostic.code.as_str(),
        "fingerprint": line(&format!("{}|{}|{whose}", diagnostic.code, location.path)),
        "severity": severity,
        "location": { "path": line(&location.path.to_string()), "lines": { "begin": location.line } },
    }))
}
