//! The JSON document: stable and versioned, the same for every command.
//!
//! Its own structs, so that a rename inside the program cannot change the contract. Fields may be
//! added within a version; none is renamed, removed or given another meaning.

use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::{Formatter, PrettyFormatter};

use super::checked::{Checked, Counts};
use super::context::Context;
use super::sanitize;
use super::{Entry, Report, Section, Stopped, action_word, outcome_word};
use crate::apply::Outcome;
use crate::diagnostic::Diagnostic;
use crate::model::commit::CommitId;
use crate::model::history::SourceCommit;
use crate::model::location::Location;
use crate::model::trust_policy::TrustDocument;
use crate::plan::Difference;
use crate::plan::fence::{Superseded, Witness};

pub(super) mod last_use;

/// The version of the document.
pub const SCHEMA: &str = "irsa-gitops/report/v1";

/// Writes the document, indented, with a newline behind it.
///
/// Characters that could act on a terminal or a CI log are written as `\uXXXX`: it is the same
/// JSON value, and a log that shows it stays harmless.
pub fn render(report: &Report, context: &Context, out: &mut dyn Write) -> io::Result<()> {
    let stopped = report.stopped();
    let marker = context.marker(report.command);
    write(&Document::new(report, stopped.as_ref(), &marker), out)
}

/// Writes any document so.
pub(super) fn write(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Harmless::default());
    document.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    command: &'static str,
    repository: Option<&'a str>,
    commit: Option<&'a str>,
    exit_code: u8,
    /// The first line of the Markdown, by which a pipeline finds its comment.
    marker: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorField<'a>>,
    clusters: Vec<ClusterField<'a>>,
    summary: SummaryField,
}

#[derive(Serialize)]
struct ErrorField<'a> {
    message: &'a str,
    hint: Option<&'a str>,
}

#[derive(Serialize)]
struct ClusterField<'a> {
    name: Option<&'a str>,
    account: Option<&'a str>,
    #[serde(rename = "sourceCommit", skip_serializing_if = "Option::is_none")]
    source_commit: Option<SourceField<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded: Option<SupersededField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<CheckedField<'a>>,
    changes: Vec<ChangeField<'a>>,
    diagnostics: Vec<DiagnosticField<'a>>,
}

/// What was looked at.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckedField<'a> {
    #[serde(flatten)]
    total: CountsField,
    directories: Vec<DirectoryField<'a>>,
}

#[derive(Serialize)]
struct DirectoryField<'a> {
    path: &'a str,
    #[serde(flatten)]
    counts: CountsField,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountsField {
    files: usize,
    documents: usize,
    service_accounts: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SupersededField {
    message: String,
    hint: String,
    why: String,
    last_commit: String,
    witness: &'static str,
    role: Option<String>,
    since: Option<String>,
    repository: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeField<'a> {
    role: &'a str,
    service_account: String,
    action: &'static str,
    reason: String,
    reason_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    location: Option<LocationField>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<DifferenceField<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_by: Option<CommitField<'a>>,
    /// The role whose place it takes, as its ServiceAccount was renamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<&'a str>,
    #[serde(flatten)]
    last_use: Option<last_use::Fields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attached: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<QuarantineField<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorField<'a>>,
}

/// What an existing role says of its quarantine.
#[derive(Serialize)]
struct QuarantineField<'a> {
    since: Option<&'a str>,
    by: Option<&'a str>,
}

#[derive(Serialize)]
struct CommitField<'a> {
    commit: &'a str,
    author: &'a str,
    date: &'a str,
    subject: &'a str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceField<'a>>,
}

#[derive(Serialize)]
struct SourceField<'a> {
    commit: &'a str,
    author: Option<&'a str>,
}

fn source(source: &SourceCommit) -> SourceField<'_> {
    SourceField {
        commit: source.id.as_str(),
        author: source.author.as_deref(),
    }
}

#[derive(Serialize)]
struct DifferenceField<'a> {
    field: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    current: Value,
    desired: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiagnosticField<'a> {
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    hint: Option<&'a str>,
    service_account: Option<String>,
    location: Option<LocationField>,
}

#[derive(Serialize)]
struct LocationField {
    path: String,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryField {
    create: usize,
    update: usize,
    restore: usize,
    quarantine: usize,
    delete: usize,
    orphan: usize,
    held: usize,
    in_sync: usize,
}

impl<'a> Document<'a> {
    fn new(report: &'a Report, stopped: Option<&'a Stopped>, marker: &'a str) -> Self {
        let summary = report.summary();
        Self {
            schema: SCHEMA,
            command: report.command.as_str(),
            repository: report.repository.as_deref(),
            commit: report.commit.as_ref().map(|commit| commit.as_str()),
            exit_code: report.exit.code(),
            marker,
            error: stopped.map(|stopped| ErrorField {
                message: &stopped.message,
                hint: stopped.hint.as_deref(),
            }),
            clusters: report
                .clusters
                .iter()
                .map(|section| cluster(report, section))
                .collect(),
            summary: SummaryField {
                create: summary.create,
                update: summary.update,
                restore: summary.restore,
                quarantine: summary.quarantine,
                delete: summary.delete,
                orphan: summary.orphan,
                held: summary.held,
                in_sync: summary.in_sync,
            },
        }
    }
}

fn cluster<'a>(report: &Report, section: &'a Section) -> ClusterField<'a> {
    ClusterField {
        name: section.cluster.as_ref().map(|name| name.as_str()),
        account: section.account.as_ref().map(|account| account.as_str()),
        source_commit: section.source.as_ref().map(source),
        superseded: section.superseded.as_ref().map(superseded),
        ignored: section.ignored,
        checked: section.checked.as_ref().map(checked),
        changes: report
            .listed(section)
            .map(|entry| change(section, entry))
            .collect(),
        diagnostics: section.diagnostics.iter().map(diagnostic).collect(),
    }
}

fn checked(checked: &Checked) -> CheckedField<'_> {
    let counts = |counts: &Counts| CountsField {
        files: counts.files,
        documents: counts.documents,
        service_accounts: counts.service_accounts,
    };
    let directories = checked.directories.iter();
    CheckedField {
        total: counts(&checked.total),
        directories: directories
            .map(|(path, of)| DirectoryField {
                path,
                counts: counts(of),
            })
            .collect(),
    }
}

fn superseded(superseded: &Superseded) -> SupersededField {
    let (witness, role, since, repository) = match &superseded.witness {
        Witness::Role(role) => ("role", Some(role.to_string()), None, None),
        Witness::Record(_, at) => ("record", None, Some(at), None),
        Witness::OtherRepository(other) => ("record", None, Some(&other.at), Some(&other.applied)),
    };
    SupersededField {
        message: superseded.to_string(),
        hint: superseded.hint(),
        why: superseded.why.to_string(),
        last_commit: superseded.last_commit.to_string(),
        witness,
        role,
        since: since.cloned(),
        repository: repository.cloned(),
    }
}

fn change<'a>(section: &'a Section, entry: &'a Entry) -> ChangeField<'a> {
    let Entry {
        change,
        origin,
        outcome,
    } = entry;
    let error = match outcome {
        Some(Outcome::Failed(failure) | Outcome::Unknown(failure)) => Some(ErrorField {
            message: &failure.message,
            hint: failure.hint.as_deref(),
        }),
        Some(Outcome::Done | Outcome::NotAttempted) | None => None,
    };
    let inspected = section.inspected(entry);
    ChangeField {
        role: change.role.as_str(),
        service_account: change.service_account.to_string(),
        action: action_word(&change.action),
        reason: entry.why(),
        reason_code: change.reason.code().as_str(),
        origin: origin.map(|origin| origin.as_str().replace(' ', "-")),
        location: change.location.as_ref().map(location),
        differences: entry.differences().iter().map(difference).collect(),
        removed_by: entry.removal().map(|removal| CommitField {
            commit: removal.commit.id.as_str(),
            author: &removal.commit.author,
            date: &removal.commit.date,
            subject: &removal.commit.subject,
            path: removal.path.to_string(),
            source: removal.commit.source.as_deref().map(source),
        }),
        quarantine: change.reason.quarantine().map(|note| QuarantineField {
            since: note.since.as_deref(),
            by: note.by.as_ref().map(CommitId::as_str),
        }),
        replaces: section.replaced_by(entry).map(|old| old.as_str()),
        last_use: inspected.map(|role| last_use::Fields::new(&role.last_use)),
        attached: inspected.and_then(|role| role.attached.as_deref()),
        outcome: outcome.as_ref().map(outcome_word),
        error,
    }
}

fn difference(difference: &Difference) -> DifferenceField<'_> {
    match difference {
        Difference::TrustPolicy { current, desired } => DifferenceField {
            field: "trust-policy",
            key: None,
            current: document(current),
            desired: document(desired),
        },
        Difference::Tag {
            key,
            current,
            desired,
        } => DifferenceField {
            field: "tag",
            key: Some(key),
            current: current.as_deref().into(),
            desired: desired.as_str().into(),
        },
        Difference::SessionDuration { current, desired } => DifferenceField {
            field: "session-duration",
            key: None,
            current: (*current).into(),
            desired: desired.as_seconds().into(),
        },
    }
}

/// A document as JSON, or as the text it is if somebody wrote one that is not.
fn document(document: &TrustDocument) -> Value {
    serde_json::from_str(document.as_str()).unwrap_or_else(|_| document.as_str().into())
}

/// Differences in the form that they have in a report.
pub(super) fn differences<S: Serializer>(
    differences: &[Difference],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(differences.iter().map(difference))
}

/// Findings in the form that they have in a report.
pub(super) fn findings<S: Serializer>(
    findings: &[Diagnostic],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(findings.iter().map(diagnostic))
}

fn diagnostic(diagnostic: &Diagnostic) -> DiagnosticField<'_> {
    DiagnosticField {
        code: diagnostic.code.as_str(),
        severity: diagnostic.severity.as_str(),
        message: &diagnostic.message,
        hint: diagnostic.hint.as_deref(),
        service_account: diagnostic.service_account.as_ref().map(ToString::to_string),
        location: diagnostic.location.as_ref().map(location),
    }
}

fn location(location: &Location) -> LocationField {
    LocationField {
        path: location.path.to_string(),
        line: location.line,
        column: location.column,
    }
}

/// Writes indented JSON in which no character of a string can act on whatever shows it.
#[derive(Default)]
struct Harmless(PrettyFormatter<'static>);

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let mut written = 0;
        for (at, c) in text.char_indices() {
            let command = sanitize::COMMAND_MARKS
                .iter()
                .any(|mark| text[at..].starts_with(mark));
            if command || sanitize::is_unsafe(c) {
                out.write_all(&text.as_bytes()[written..at])?;
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
                written = at + c.len_utf8();
            }
        }
        out.write_all(&text.as_bytes()[written..])
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}
