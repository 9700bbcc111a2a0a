//! SARIF 2.1.0, for code scanning: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::io::{self, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use super::Report;
use super::context::Context;
use super::finding::{Finding, Rule, findings};
use super::sanitize::line;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What may stand in a path of a URI as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Writes the report.
pub fn render(report: &Report, context: &Context, out: &mut dyn Write) -> io::Result<()> {
    let findings = findings(report);
    let rules: Vec<Value> = Rule::all()
        .map(|(rule, text)| descriptor(rule, text, &context.reference()))
        .collect();
    let mut invocation = json!({
        "executionSuccessful": report.stopped().is_none(),
        "exitCode": report.exit.code(),
    });
    let stopped: Vec<Value> = findings
        .iter()
        .filter(|finding| finding.rule == Rule::Stopped)
        .map(|finding| json!({ "level": "error", "message": { "text": line(&finding.message) } }))
        .collect();
    if !stopped.is_empty() {
        invocation["toolExecutionNotifications"] = stopped.into();
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
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

fn descriptor(rule: Rule, text: &str, reference: &str) -> Value {
    let (help, anchor) = match rule {
        Rule::Code(code) => {
            let (cause, fix) = (code.cause(), code.fix());
            (format!("{text} {cause} {fix}"), code.to_string())
        }
        Rule::Stopped => (text.to_owned(), "exit-codes".to_owned()),
        Rule::Role(_) => (text.to_owned(), "reasons".to_owned()),
    };
    json!({
        "id": rule.id(),
        "shortDescription": { "text": text },
        "help": { "text": help },
        "helpUri": format!("{reference}#{anchor}"),
    })
}

fn result(finding: &Finding) -> Value {
    // Code scanning wants a place for everything; what has none is about the repository as such.
    let (uri, at) = match &finding.place {
        Some(place) => {
            let uri = percent_encode(place.path.as_bytes(), PATH).to_string();
            (uri, place.line_and_column)
        }
        None => (".".to_owned(), None),
    };
    let (start_line, start_column) = at.unwrap_or((1, 1));
    let mut result = json!({
        "ruleId": finding.rule.id(),
        "level": finding.severity.as_str(),
        "message": { "text": line(&finding.text()) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri, "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": start_line, "startColumn": start_column },
        } }],
        "partialFingerprints": { "irsaGitops/v1": finding.fingerprint },
    });
    if let Some(reason) = finding.reason {
        result["properties"] = json!({ "reasonCode": reason.as_str() });
    }
    result
}
