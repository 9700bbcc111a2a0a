//! What caused a change: the commits under review, commits that nobody has applied yet, or somebody
//! who edited a role.

use std::collections::BTreeMap;

use super::{Action, Change, Plan};
use crate::model::role::RoleLabel;

/// What caused a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The commits between the base and the revision.
    ThisChange,
    /// A commit of the base that nobody has applied yet.
    PendingOnBase,
    /// Somebody edited the role; Git did not change.
    Drift,
}

impl Origin {
    /// The words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ThisChange => "this change",
            Self::PendingOnBase => "pending on base",
            Self::Drift => "drift",
        }
    }
}

/// Says of every change of a plan what caused it, by the plan that the base would get over the same
/// roles. `is_declared_as_written` tells whether the manifest of a role is what it was when the role
/// was last written to.
pub fn origins(
    plan: &Plan,
    base: &Plan,
    is_declared_as_written: impl Fn(&Change) -> bool,
) -> BTreeMap<RoleLabel, Origin> {
    let origin = |change: &Change| {
        let same = base
            .changes
            .get(&change.role)
            .is_some_and(|other| is_same(change, other));
        match change.action {
            _ if !same => Origin::ThisChange,
            Action::Update(_) | Action::Restore(_) if is_declared_as_written(change) => {
                Origin::Drift
            }
            _ => Origin::PendingOnBase,
        }
    };
    let listed = plan
        .changes
        .values()
        .filter(|change| change.action != Action::InSync);
    listed
        .map(|change| (change.role.clone(), origin(change)))
        .collect()
}

/// Whether two changes do the same to a role, the tags that name the run aside.
fn is_same(a: &Change, b: &Change) -> bool {
    match (&a.action, &b.action) {
        (Action::Create(a), Action::Create(b)) => a.trust_policy.same_meaning(&b.trust_policy),
        (Action::Update(a), Action::Update(b)) | (Action::Restore(a), Action::Restore(b)) => {
            a.differences == b.differences
        }
        (Action::Held, Action::Held) => a.reason == b.reason,
        (Action::Quarantine(_), Action::Quarantine(_))
        | (Action::Delete(_), Action::Delete(_))
        | (Action::Orphan, Action::Orphan)
        | (Action::InSync, Action::InSync) => true,
        _ => false,
    }
}
