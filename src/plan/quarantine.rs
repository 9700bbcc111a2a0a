//! The quarantine of a role: whether it is in one, since when and by which commit, and until when.
//!
//! Two tags say it. A role that has no room for them says it in the trust policy that ends all access:
//! the id of its statement notes the time and the commit, as in `Quarantine20261124T120000Zby1111…`.
//! So there is always room, nobody's tag has to go, and one write does it.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};

use super::Prune;
use crate::model::commit::CommitId;
use crate::model::role::CurrentRole;
use crate::model::tags::{self, Tags};
use crate::model::trust_policy::{self, TrustDocument};

/// How a note tells the time.
const NOTED_TIME: &str = "%Y%m%dT%H%M%SZ";

/// What is between the time and the commit of a note.
const BY: &str = "by";

/// What a role says of its quarantine, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Since when; a tag that somebody spoiled may say anything.
    pub since: Option<String>,
    /// The commit of the run that did it.
    pub by: Option<CommitId>,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.as_deref().unwrap_or("an unknown time");
        write!(f, "quarantined since {since}")?;
        match &self.by {
            Some(by) => write!(f, " by commit {}", by.short()),
            None => Ok(()),
        }
    }
}

/// What a role says of its quarantine.
pub fn note(role: &CurrentRole) -> Note {
    Note {
        since: since_text(role),
        by: by(role),
    }
}

/// Whether a role is quarantined: it says so, and nobody can assume it.
pub fn is_quarantined(role: &CurrentRole) -> bool {
    match role.listed.trust_policy.quarantine_note().as_deref() {
        None => false,
        Some("") => role.tags.get(tags::QUARANTINED_AT).is_some(),
        Some(note) => parsed(note).is_some(),
    }
}

/// Whether nobody can assume a role, as in a quarantine.
pub(super) fn denies_all(role: &CurrentRole) -> bool {
    role.listed.trust_policy.quarantine_note().is_some()
}

/// Since when a role says that it is quarantined; a tag that somebody spoiled says nothing.
pub fn since(role: &CurrentRole) -> Option<Timestamp> {
    match noted(role) {
        Some((at, _)) => Some(at),
        None => role.tags.get(tags::QUARANTINED_AT)?.parse().ok(),
    }
}

/// The same in the role's own words.
fn since_text(role: &CurrentRole) -> Option<String> {
    match noted(role) {
        Some((at, _)) => Some(at.to_string()),
        None => role.tags.get(tags::QUARANTINED_AT).map(str::to_owned),
    }
}

/// The commit of the run that quarantined a role, or once did.
pub fn by(role: &CurrentRole) -> Option<CommitId> {
    noted_by(role).or_else(|| role.commit(tags::QUARANTINED_BY))
}

/// The commit that the trust policy of a role notes.
pub(super) fn noted_by(role: &CurrentRole) -> Option<CommitId> {
    noted(role).map(|(_, by)| by)
}

/// When the quarantine of a role is over; `None` if it has none, or one beyond the calendar.
pub fn until(role: &CurrentRole, after: SignedDuration) -> Option<Timestamp> {
    since(role)?.checked_add(after).ok()
}

/// Whether the quarantine of a role is over.
pub(super) fn is_due(role: &CurrentRole, prune: &Prune) -> bool {
    since(role).is_some_and(|at| prune.now.duration_since(at) >= prune.after)
}

/// Whether the tags of a quarantine fit on a role.
pub(super) fn has_room(role: &CurrentRole) -> bool {
    let keys = [
        tags::LAST_COMMIT,
        tags::QUARANTINED_AT,
        tags::QUARANTINED_BY,
    ];
    role.tags.part(keys.map(|key| (key, ""))).1.is_empty()
}

/// The trust policy and the tags that quarantine a role.
pub(super) fn of(role: &CurrentRole, at: Timestamp, by: &CommitId) -> (TrustDocument, Tags) {
    let last_commit = [(tags::LAST_COMMIT, by.as_str())];
    let (mut written, _) = role.tags.part(last_commit);
    if !has_room(role) {
        let note = format!("{}{BY}{by}", at.strftime(NOTED_TIME));
        return (trust_policy::quarantine_noting(&note), written);
    }
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    written.set(tags::QUARANTINED_AT, at);
    written.set(tags::QUARANTINED_BY, by.as_str());
    (trust_policy::quarantine(), written)
}

/// What the trust policy of a role notes of its quarantine.
fn noted(role: &CurrentRole) -> Option<(Timestamp, CommitId)> {
    parsed(&role.listed.trust_policy.quarantine_note()?)
}

fn parsed(note: &str) -> Option<(Timestamp, CommitId)> {
    let (at, by) = note.split_once(BY)?;
    let time = civil::DateTime::strptime(NOTED_TIME, at).ok()?;
    let time = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let is_exact = time.strftime(NOTED_TIME).to_string() == at;
    let by = CommitId::new(by).ok()?;
    is_exact.then_some((time, by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a42_a_note_says_what_the_tags_would() {
        let by = "1111111111111111111111111111111111111111";
        let at = "2026-11-24T12:00:00Z";
        let note = format!("20261124T120000Zby{by}");
        let (time, commit) = parsed(&note).expect("a note");
        assert_eq!((time.to_string(), commit.as_str()), (at.to_owned(), by));
        let document = trust_policy::quarantine_noting(&note);
        assert_eq!(document.quarantine_note(), Some(note.clone()));
        assert_eq!(
            trust_policy::quarantine().quarantine_note().as_deref(),
            Some("")
        );
        let opened = TrustDocument::new(document.as_str().replace("Deny", "Allow"));
        assert_eq!(opened.quarantine_note(), None);
        for spoiled in [&note[1..], &note[..30], "by", "", &format!("{note}0")] {
            assert_eq!(parsed(spoiled), None, "{spoiled}");
        }
    }
}
