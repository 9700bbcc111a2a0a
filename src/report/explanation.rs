//! Everything that is known of one ServiceAccount and its role.

use std::io::{self, Write};

use serde::Serialize;

use super::human::Medium;
use super::record::RecordField;
use super::sanitize::line;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::history::CommitInfo;
use crate::model::last_use::LastUse;
use crate::plan::Difference;

/// The version of the JSON document.
const SCHEMA: &str = "irsa-gitops/explanation/v1";

/// What is known of one ServiceAccount and its role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Whether the pods can assume the role now, and what to do.
    pub answer: Answer,
    /// Whose role it is.
    pub service_account: String,
    /// The role that is, or would be, its own.
    pub role: String,
    /// Where it is declared: `PATH:LINE:COLUMN`.
    pub location: Option<String>,
    /// Where it stands without being declared: in a file with an error, or without the annotation.
    pub may_be_declared_at: Option<String>,
    /// The commit that brought the declaration in.
    pub introduced_by: Option<CommitField>,
    /// The commit that last changed or removed it.
    pub last_changed_by: Option<CommitField>,
    /// What becomes of the role, in the words of the reports.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Where a drifted trust policy comes from.
    pub drift: Option<String>,
    /// Who else may assume the role.
    pub others: Vec<String>,
    /// The role as it is.
    pub current: Option<CurrentField>,
    /// What was found about the ServiceAccount, and about the cluster as a whole.
    #[serde(rename = "diagnostics", serialize_with = "super::json::findings")]
    pub findings: Vec<Diagnostic>,
    /// The record of the cluster: what was applied last, whether it wrote to the role or not.
    pub record: Option<RecordField>,
    /// What differs between the role as it is and as it should be.
    #[serde(serialize_with = "super::json::differences")]
    pub differences: Vec<Difference>,
}

/// Whether the pods of a ServiceAccount can assume its role now, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Whether they can; `null` if that hangs on the issuer, or on what is not known here.
    pub can_assume: Option<bool>,
    /// What decides it: a stable code.
    pub code: &'static str,
    /// The answer in a sentence.
    #[serde(rename = "message")]
    pub said: String,
    /// Since when (RFC 3339), if the role says it.
    pub since: Option<String>,
    /// The commit that made it so, and whose it is.
    pub by: Option<CommitField>,
    /// What to do.
    pub hint: Option<String>,
    /// The commands for it.
    pub run: Vec<String>,
    /// The commands that ask CloudTrail, where it knows more.
    pub cloud_trail: Vec<String>,
    /// What else whoever asks should know.
    pub notes: Vec<String>,
}

impl Explanation {
    /// Completes the commands in it.
    pub fn complete(&mut self, complete: &dyn Fn(&str) -> String) {
        let hints = self.findings.iter_mut().map(|found| &mut found.hint);
        let hints = hints.chain([&mut self.answer.hint]).flatten();
        let texts = hints
            .chain(&mut self.answer.run)
            .chain(&mut self.answer.notes);
        for text in texts.chain([&mut self.reason]) {
            *text = complete(text);
        }
    }
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommitField {
    commit: String,
    author: String,
    date: String,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceField>,
    #[serde(skip)]
    in_words: String,
}

/// The commit that one was rendered from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct SourceField {
    commit: String,
    author: Option<String>,
}

/// A role as it is in IAM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CurrentField {
    /// Its id.
    pub role_id: String,
    /// The commit that created it.
    pub commit: Option<String>,
    /// The commit of the run that last wrote to it.
    pub last_commit: Option<String>,
    /// What that was rendered from, and by whom it was written.
    pub source_commit: Option<String>,
    /// Since when it is quarantined.
    pub quarantined_at: Option<String>,
    /// The commit of the run that quarantined it.
    pub quarantined_by: Option<String>,
    /// When a run in mode sync may delete it.
    pub quarantined_until: Option<String>,
    /// When it was last used.
    #[serde(flatten, serialize_with = "super::json::last_use::serialize")]
    pub last_use: LastUse,
    /// Policies and instance profiles that are attached to it; `null` if that could not be read.
    pub attached: Option<Vec<String>>,
    /// When it was made (RFC 3339).
    pub created: Option<String>,
    /// The ARN of its permissions boundary.
    pub permissions_boundary: Option<String>,
}

impl From<&CommitInfo> for CommitField {
    fn from(info: &CommitInfo) -> Self {
        Self {
            commit: info.id.to_string(),
            author: info.author.clone(),
            date: info.date.clone(),
            subject: info.subject.clone(),
            source: info.source.as_ref().map(|source| SourceField {
                commit: source.id.to_string(),
                author: source.author.clone(),
            }),
            in_words: info.to_string(),
        }
    }
}

impl CommitField {
    fn in_words(&self) -> String {
        self.in_words.clone()
    }
}

impl Answer {
    /// What somebody on call reads first.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("answer", self.said.clone())];
        let since = [
            self.since.clone(),
            self.by.as_ref().map(CommitField::in_words),
        ];
        let since: Vec<String> = since.into_iter().flatten().collect();
        if !since.is_empty() {
            facts.push(("since", since.join(", ")));
        }
        facts.extend(self.hint.iter().map(|hint| ("hint", hint.clone())));
        facts.extend(self.run.iter().map(|command| ("run", command.clone())));
        let asked = self.cloud_trail.iter();
        facts.extend(asked.map(|command| ("ask CloudTrail", command.clone())));
        facts.extend(self.notes.iter().map(|note| ("note", note.clone())));
        facts
    }
}

impl Explanation {
    /// Whether pods are kept from assuming any role of the cluster.
    pub fn is_cluster_shut(&self) -> bool {
        let mut found = self.findings.iter();
        found.any(|finding| {
            finding.code == Code::OidcProvider && finding.severity == Severity::Error
        })
    }

    /// Every fact with its name, in the order in which people ask.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = self.answer.facts();
        facts.push(("ServiceAccount", self.service_account.clone()));
        let mut fact = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
        fact(
            "declared at",
            self.location
                .clone()
                .or(self.may_be_declared_at.clone())
                .or(Some("nowhere".to_owned())),
        );
        fact(
            "introduced by",
            self.introduced_by.as_ref().map(CommitField::in_words),
        );
        fact(
            "last changed by",
            self.last_changed_by.as_ref().map(CommitField::in_words),
        );
        fact("role", Some(self.role.clone()));
        fact("state", Some(format!("{}: {}", self.state, self.reason)));
        fact("drift", self.drift.clone());
        for other in &self.others {
            fact("others", Some(other.clone()));
        }
        for finding in &self.findings {
            fact("finding", Some(finding.in_words()));
        }
        if let Some(current) = &self.current {
            fact("role id", Some(current.role_id.clone()));
            fact("boundary", current.permissions_boundary.clone());
            fact("created for", current.commit.clone());
            fact("last written for", current.last_commit.clone());
            fact("rendered from", current.source_commit.clone());
            fact("quarantined since", current.quarantined_at.clone());
            fact("quarantined by", current.quarantined_by.clone());
            fact("quarantined until", current.quarantined_until.clone());
            fact(
                "last used",
                Some(current.last_use.in_a_column(str::to_owned)),
            );
            fact(
                "attached",
                Some(match &current.attached {
                    None => "unknown".to_owned(),
                    Some(attached) if attached.is_empty() => "nothing".to_owned(),
                    Some(attached) => attached.join(", "),
                }),
            );
        }
        let applied = self.record.iter().flat_map(|record| &record.applied);
        facts.extend(applied.map(|applied| ("applied last", applied.in_words())));
        facts
    }
}

/// Writes one fact a line.
pub fn render_human(explanation: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    for (name, value) in explanation.facts() {
        writeln!(out, "{name:<18} {}", line(&value))?;
    }
    for difference in &explanation.differences {
        super::human::detail(difference, Medium::Plain, out)?;
    }
    Ok(())
}

/// Writes one JSON document.
pub fn render_json(explanation: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        #[serde(flatten)]
        explanation: &'a Explanation,
    }
    super::json::write(
        &Document {
            schema: SCHEMA,
            explanation,
        },
        out,
    )
}

/// Writes a table of the facts.
pub fn render_markdown(explanation: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| | |\n|---|---|")?;
    for (name, value) in explanation.facts() {
        writeln!(out, "| {name} | {} |", super::markdown::cell(&value))?;
    }
    for difference in &explanation.differences {
        let words = super::difference::in_words(difference);
        writeln!(out, "| differs | {} |", super::markdown::cell(&words))?;
    }
    Ok(())
}
