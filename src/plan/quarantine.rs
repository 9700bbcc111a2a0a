//! The quarantine of a role: whether it is in one, since when, and until when.

use jiff::{SignedDuration, Timestamp};

use super::Prune;
use crate::model::role::CurrentRole;
use crate::model::tags;
use crate::model::trust_policy;

/// Whether a role is quarantined: it says so, and nobody can assume it.
pub fn is_quarantined(role: &CurrentRole) -> bool {
    role.tags.get(tags::QUARANTINED_AT).is_some() && denies_all(role)
}

/// Whether nobody can assume a role, as in a quarantine.
pub(super) fn denies_all(role: &CurrentRole) -> bool {
    let document = &role.listed.trust_policy;
    document.same_meaning(&trust_policy::quarantine())
}

/// Since when a role says that it is quarantined; a tag that somebody spoiled says nothing.
pub fn since(role: &CurrentRole) -> Option<Timestamp> {
    role.tags.get(tags::QUARANTINED_AT)?.parse().ok()
}

/// When the quarantine of a role is over; `None` if it has none, or one beyond the calendar.
pub fn until(role: &CurrentRole, after: SignedDuration) -> Option<Timestamp> {
    since(role)?.checked_add(after).ok()
}

/// Whether the quarantine of a role is over.
pub(super) fn is_due(role: &CurrentRole, prune: &Prune) -> bool {
    since(role).is_some_and(|at| prune.now.duration_since(at) >= prune.after)
}
