//! What differs between a role as it is and as it should be, in lines and in words, and whom one lets in.

use std::collections::BTreeSet;

use serde_json::Value;

use super::sanitize::line;
use crate::model::text::cut;
use crate::model::trust_policy::TrustDocument;
use crate::plan::Difference;

/// The most that is said of one trust policy in a line.
const LONGEST: usize = 500;

/// The lines of a trust policy with what becomes of each: `-`, `+` or a space.
pub(super) fn lines(current: &TrustDocument, desired: &TrustDocument) -> Vec<(char, String)> {
    let (before, after) = (current.pretty(), desired.pretty());
    let diff = similar::TextDiff::from_lines(&before, &after);
    let marked = diff.iter_all_changes().map(|change| {
        let mark = match change.tag() {
            similar::ChangeTag::Delete => '-',
            similar::ChangeTag::Insert => '+',
            similar::ChangeTag::Equal => ' ',
        };
        let text = line(change.value().trim_end_matches('\n')).into_owned();
        (mark, text)
    });
    marked.collect()
}

/// A difference in one line.
pub(super) fn in_words(difference: &Difference) -> String {
    match difference {
        Difference::TrustPolicy { current, desired } => {
            format!(
                "trust policy: {}",
                cut(&sentence(current, desired), LONGEST)
            )
        }
        Difference::Tag {
            key,
            current,
            desired,
        } => {
            let before = current
                .as_ref()
                .map_or("nothing".to_owned(), |value| format!("`{}`", line(value)));
            format!("tag {}: {before} -> `{}`", line(key), line(desired))
        }
        Difference::SessionDuration { current, desired } => {
            let before = current.map_or("unknown".to_owned(), |seconds| format!("{seconds} s"));
            format!("session duration: {before} -> {} s", desired.as_seconds())
        }
    }
}

/// What a trust policy has that it should not have, and what it lacks.
fn sentence(current: &TrustDocument, desired: &TrustDocument) -> String {
    let (before, after) = (elements(current), elements(desired));
    let listed = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
        let these: Vec<String> = these.difference(those).cloned().collect();
        these.join(", ")
    };
    let (too_much, missing) = (listed(&before, &after), listed(&after, &before));
    match (too_much.is_empty(), missing.is_empty()) {
        (true, true) => "its statements are put together in another way".to_owned(),
        (false, true) => format!("it has {too_much}, which is not declared"),
        (true, false) => format!("it lacks {missing}"),
        (false, false) => format!("it has {too_much} instead of {missing}"),
    }
}

/// The elements of the statements, each with where it stands: ``Action `sts:AssumeRole` ``.
fn elements(document: &TrustDocument) -> BTreeSet<String> {
    fn gather(value: &Value, place: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    gather(value, format!("{place} {}", line(key)).trim(), found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| gather(value, place, found)),
            Value::String(text) => {
                found.insert(format!("{place} `{}`", line(text)));
            }
            other => {
                found.insert(format!("{place} `{other}`"));
            }
        }
    }
    let mut found = BTreeSet::new();
    match serde_json::from_str::<Value>(&document.pretty()) {
        Ok(document) => gather(&document["Statement"], "", &mut found),
        Err(_) => {
            found.insert("a text that is no policy".to_owned());
        }
    }
    found
}

/// Somebody whom a role lets in.
pub(super) struct Guest {
    /// The subject of the token.
    pub(super) subject: String,
    /// Who issues it.
    pub(super) issuer: String,
    /// The audience that it must have.
    pub(super) audience: Option<String>,
}

/// Whom a trust policy lets in by the tokens of OIDC providers.
pub(super) fn guests(document: &TrustDocument) -> Vec<Guest> {
    let mut found = Vec::new();
    for statement in document.statements().unwrap_or_default() {
        if statement.denies() {
            continue;
        }
        for provider in statement.principal.federated() {
            let Some((_, issuer)) = provider.split_once(":oidc-provider/") else {
                continue;
            };
            let value = |key: &str| {
                let values = statement.values(&format!("{issuer}:{key}"));
                values.first().map(|(_, value)| (*value).to_owned())
            };
            if let Some(subject) = value("sub") {
                found.push(Guest {
                    subject,
                    issuer: issuer.to_owned(),
                    audience: value("aud"),
                });
            }
        }
    }
    found
}
