//! SARIF 2.1.0, for code scanning: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::io::{self, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use super::sanitize::line;
use super::{Entry, Report, action_word, outcome_word};
use crate::apply::Outcome;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::location::{Location, RepoPath};
use crate::plan::Action;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What may stand in a path of a URI as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What becomes of a role, as rules of their own beside the diagnostics.
const ACTIONS: [(&str, &str); 7] = [
    ("create", "A role is made."),
    ("update", "A role is brought back to what it should be."),
    ("restore", "A role's quarantine ends."),
    ("quarantine", "Nobody may assume the role any more."),
    ("delete", "A role goes."),
    ("orphan", "A role is no longer declared and left in place."),
    ("held", "A role is left exactly as it is."),
];

/// Writes the report.
pub fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let codes = Code::ALL
        .iter()
        .map(|code| (code.as_str().to_owned(), code.description()));
    let actions = ACTIONS
        .iter()
        .map(|(action, text)| (rule_of(action), *text));
    let rules: Vec<Value> = codes
        .chain(actions)
        .map(|(id, text)| rule(&id, text))
        .collect();
    let mut results = Vec::new();
    for section in &report.clusters {
        results.extend(section.diagnostics.iter().map(of_diagnostic));
        let changes = report
            .listed(section)
            .filter(|entry| entry.change.action != Action::InSync);
        results.extend(changes.map(of_change));
    }
    let mut invocation = json!({
        "executionSuccessful": report.error.is_none(),
        "exitCode": report.exit.code(),
    });
    if let Some(stopped) = &report.error {
        let text = format!("{}{}", stopped.message, hint(stopped.hint.as_deref()));
        invocation["toolExecutionNotifications"] =
            json!([{ "level": "error", "message": { "text": line(&text) } }]);
    }
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "irsa-gitops",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "invocations": [invocation],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

fn rule(id: &str, text: &str) -> Value {
    json!({
        "id": id,
        "shortDescription": { "text": text },
        "help": { "text": format!("{text} See the README's table of diagnostics.") },
    })
}

fn rule_of(action: &str) -> String {
    format!("role-{action}")
}

fn of_diagnostic(diagnostic: &Diagnostic) -> Value {
    let text = format!("{}{}", diagnostic.message, hint(diagnostic.hint.as_deref()));
    let whose = diagnostic.service_account.as_ref().map(ToString::to_string);
    let whose = whose.unwrap_or_else(|| diagnostic.message.clone());
    result(
        diagnostic.code.as_str(),
        diagnostic.severity,
        &text,
        diagnostic.location.as_ref(),
        &whose,
    )
}

fn of_change(entry: &Entry) -> Value {
    let change = &entry.change;
    let mut text = format!(
        "{} for {}: {}",
        change.role.as_str(),
        change.service_account,
        change.reason
    );
    if let Some(origin) = entry.origin {
        text = format!("{}: {text}", origin.as_str());
    }
    if let Some(outcome) = &entry.outcome {
        text = format!("{}: {text}", outcome_word(outcome));
    }
    let severity = match (&change.action, &entry.outcome) {
        (_, Some(Outcome::Failed(failure) | Outcome::Unknown(failure))) => {
            text = format!(
                "{text}; {}{}",
                failure.message,
                hint(failure.hint.as_deref())
            );
            Severity::Error
        }
        (Action::Held, _) => Severity::Warning,
        _ => Severity::Note,
    };
    let id = rule_of(action_word(&change.action));
    result(
        &id,
        severity,
        &text,
        change.location.as_ref(),
        change.role.as_str(),
    )
}

fn hint(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!(" (hint: {hint})"))
}

fn result(
    rule: &str,
    severity: Severity,
    text: &str,
    location: Option<&Location>,
    whose: &str,
) -> Value {
    let place =
        location.and_then(|location| Some((uri(&location.path)?, location.line, location.column)));
    // Code scanning wants a place for everything; what has none is about the repository as such.
    let (uri, start_line, start_column) = place.unwrap_or_else(|| (".".to_owned(), 1, 1));
    json!({
        "ruleId": rule,
        "level": severity.as_str(),
        "message": { "text": line(text) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri, "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": start_line, "startColumn": start_column },
        } }],
        "partialFingerprints": { "irsaGitops/v1": line(&format!("{rule}|{uri}|{whose}")) },
    })
}

/// A path as a relative URI; nothing that leaves the repository.
pub(super) fn uri(path: &RepoPath) -> Option<String> {
    let bytes = path.as_bytes();
    let leaves = bytes.starts_with(b"/") || bytes.split(|b| *b == b'/').any(|part| part == b"..");
    (!leaves).then(|| percent_encode(bytes, PATH).to_string())
}
