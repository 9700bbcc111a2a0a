//! The report as a flat list of findings, for the formats of code hosts: each with a rule, a place
//! and a fingerprint by which a host knows it again in the next run.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::place::Place;
use super::{Entry, Report, Section, action_word, difference, outcome_word};
use crate::apply::Outcome;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::plan::{Action, ReasonCode};

/// One thing that a code host shows by itself.
pub(super) struct Finding {
    pub(super) rule: Rule,
    pub(super) severity: Severity,
    /// A few words, not yet sanitized.
    pub(super) title: String,
    /// The facts in one line, not yet sanitized.
    pub(super) message: String,
    /// A place within the repository, where there is one.
    pub(super) place: Option<Place>,
    /// Unlike that of any other finding of the report, and the same when lines move.
    pub(super) fingerprint: String,
    /// Of what becomes of a role: why.
    pub(super) reason: Option<ReasonCode>,
}

/// What kind of finding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The run could not go on.
    Stopped,
    /// A diagnostic.
    Code(Code),
    /// What becomes of a role.
    Role(&'static str),
}

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

impl Rule {
    /// Every rule with one sentence on what it means.
    pub(super) fn all() -> impl Iterator<Item = (Self, &'static str)> {
        let codes = Code::ALL.iter();
        std::iter::once((Self::Stopped, "The run could not go on."))
            .chain(codes.map(|code| (Self::Code(*code), code.description())))
            .chain(ACTIONS.map(|(action, text)| (Self::Role(action), text)))
    }

    /// The stable kebab-case text.
    pub(super) fn id(self) -> String {
        match self {
            Self::Stopped => "run-stopped".to_owned(),
            Self::Code(code) => code.to_string(),
            Self::Role(action) => format!("role-{action}"),
        }
    }
}

impl Finding {
    /// The message for formats that do not show a title of their own.
    pub(super) fn text(&self) -> String {
        match self.rule {
            Rule::Role(_) => format!("{}: {}", self.title, self.message),
            Rule::Stopped | Rule::Code(_) => self.message.clone(),
        }
    }
}

/// Everything that the report says: why it stopped, what was found, what becomes of the roles.
pub(super) fn findings(report: &Report) -> Vec<Finding> {
    let mut seen = BTreeMap::new();
    let mut findings: Vec<Finding> = Vec::new();
    if let Some(stopped) = &report.error {
        findings.push(Finding {
            rule: Rule::Stopped,
            severity: Severity::Error,
            title: format!("irsa-gitops {}", report.command.as_str()),
            message: with_hint(&stopped.message, stopped.hint.as_deref()),
            place: None,
            fingerprint: fingerprint(&[report.command.as_str()], &mut seen),
            reason: None,
        });
    }
    for section in &report.clusters {
        if let Some(superseded) = &section.superseded {
            let cluster = cluster(section);
            findings.push(Finding {
                rule: Rule::Stopped,
                severity: Severity::Error,
                title: format!("irsa-gitops {}", report.command.as_str()),
                message: with_cluster(
                    &with_hint(&superseded.to_string(), Some(&superseded.hint())),
                    section,
                ),
                place: None,
                fingerprint: fingerprint(&[report.command.as_str(), &cluster], &mut seen),
                reason: None,
            });
        }
        let diagnostics = section.diagnostics.iter();
        findings.extend(diagnostics.map(|d| of_diagnostic(d, section, &mut seen)));
        let changes = report
            .listed(section)
            .filter(|entry| entry.change.action != Action::InSync);
        findings.extend(changes.map(|entry| of_change(entry, section, &mut seen)));
    }
    findings
}

fn of_diagnostic(
    diagnostic: &Diagnostic,
    section: &Section,
    seen: &mut BTreeMap<String, usize>,
) -> Finding {
    let rule = Rule::Code(diagnostic.code);
    let place = diagnostic.location.as_ref().map(Place::from);
    let place = place.and_then(|place| place.within_repository());
    let whose = diagnostic.service_account.as_ref().map(ToString::to_string);
    // The text of the line stays when the line moves; what has no line is told apart by its words.
    let detail = match (&diagnostic.location, &diagnostic.source_line) {
        (Some(_), line) => line.as_deref().unwrap_or_default().trim(),
        (None, _) => &diagnostic.message,
    };
    let fingerprint = fingerprint(
        &[
            &rule.id(),
            &cluster(section),
            &path_of(place.as_ref()),
            &whose.unwrap_or_default(),
            detail,
        ],
        seen,
    );
    Finding {
        rule,
        severity: diagnostic.severity,
        title: diagnostic.code.to_string(),
        message: with_cluster(
            &with_hint(&diagnostic.message, diagnostic.hint.as_deref()),
            section,
        ),
        place,
        fingerprint,
        reason: None,
    }
}

fn of_change(entry: &Entry, section: &Section, seen: &mut BTreeMap<String, usize>) -> Finding {
    let change = &entry.change;
    let rule = Rule::Role(action_word(&change.action));
    let origin = entry
        .origin
        .map_or(String::new(), |origin| format!("{}: ", origin.as_str()));
    let mut message = format!(
        "{} for {}: {origin}{}",
        change.role.as_str(),
        change.service_account,
        entry.why()
    );
    let details = entry.differences().iter().map(difference::in_words);
    let trouble = match &entry.outcome {
        Some(Outcome::Failed(failure) | Outcome::Unknown(failure)) => {
            Some(with_hint(&failure.message, failure.hint.as_deref()))
        }
        Some(Outcome::Done | Outcome::NotAttempted) | None => None,
    };
    let replaced = section
        .replaced_by(entry)
        .map(|old| format!("takes the place of {old} and has none of its policies"));
    let inspected = section
        .inspected(entry)
        .map(|inspected| inspected.in_words(&entry.why()));
    let parts = trouble.into_iter().chain(details);
    for part in parts.chain(replaced).chain(inspected) {
        message.push_str("; ");
        message.push_str(&part);
    }
    let mut title = action_word(&change.action).to_owned();
    if let Some(outcome) = &entry.outcome {
        title = format!("{title} {}", outcome_word(outcome));
    }
    let place = Place::of(entry).and_then(|place| place.within_repository());
    let fingerprint = fingerprint(
        &[
            &rule.id(),
            &cluster(section),
            &path_of(place.as_ref()),
            change.role.as_str(),
        ],
        seen,
    );
    Finding {
        rule,
        severity: entry.severity(),
        title,
        message: with_cluster(&message, section),
        place,
        fingerprint,
        reason: Some(change.reason.code()),
    }
}

fn path_of(place: Option<&Place>) -> String {
    place.map_or(String::new(), |place| place.path.to_string())
}

/// The hash of what makes a finding that one; of several that are alike, the second and later ones
/// are counted.
fn fingerprint(parts: &[&str], seen: &mut BTreeMap<String, usize>) -> String {
    let alike = format!("{parts:?}");
    let count = seen.entry(alike.clone()).or_default();
    let hash = Sha256::digest(format!("{alike} {count}"));
    *count += 1;
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Which cluster and account it is about, as far as the run was told.
fn cluster(section: &Section) -> String {
    let cluster = section.cluster.as_ref();
    let account = section.account.as_ref();
    let words = [
        cluster.map(|cluster| format!("cluster {cluster}")),
        account.map(|account| format!("account {account}")),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn with_cluster(message: &str, section: &Section) -> String {
    let superseded = section.superseded.as_ref().map(|_| "superseded".to_owned());
    let words = [
        Some(cluster(section)).filter(|words| !words.is_empty()),
        superseded,
    ];
    match words.into_iter().flatten().collect::<Vec<_>>().join(", ") {
        words if words.is_empty() => message.to_owned(),
        words => format!("{message} [{words}]"),
    }
}

fn with_hint(message: &str, hint: Option<&str>) -> String {
    hint.map_or_else(
        || message.to_owned(),
        |hint| format!("{message} (hint: {hint})"),
    )
}
