//! What becomes of a role: one change with everything that is needed to carry it out.

use super::{Difference, Reason};
use crate::model::history::Removal;
use crate::model::location::Location;
use crate::model::role::{CurrentRole, NewRole, RoleLabel, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags::Tags;
use crate::model::trust_policy::TrustDocument;

/// What becomes of one role, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The role.
    pub role: RoleLabel,
    /// Whose it is.
    pub service_account: ServiceAccountRef,
    /// Where that is declared.
    pub location: Option<Location>,
    /// What becomes of it.
    pub action: Action,
    /// Why, in one line.
    pub reason: Reason,
}

/// What becomes of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Create(NewRole),
    /// It is brought back to what it should be, in place.
    Update(Box<Update>),
    /// Its quarantine ends: the same role, with whatever is attached to it.
    Restore(Box<Update>),
    /// Nobody may assume it any more; everything else of it is kept.
    Quarantine(Box<Quarantine>),
    /// It goes.
    Delete(Box<Delete>),
    /// It is as it should be.
    InSync,
    /// It is owned, no longer declared, and left in place.
    Orphan,
    /// It is left exactly as it is.
    Held,
}

/// How one existing role is repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The role as it was when the change was planned; a role that is no longer so is not written to.
    pub current: CurrentRole,
    /// What differs.
    pub differences: Vec<Difference>,
    /// The tags to write, last-commit among them.
    pub tags: Tags,
    /// The keys of tags to take away.
    pub untag: Vec<&'static str>,
    /// The role to make instead if it turns out to be gone; none where nobody declares it.
    pub replacement: Option<NewRole>,
}

/// How a role is quarantined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The role as it was when the change was planned.
    pub current: CurrentRole,
    /// The tags to write.
    pub tags: Tags,
    /// The trust policy that denies everybody.
    pub trust_policy: TrustDocument,
    /// The commit that removed its ServiceAccount; none if the user named the role.
    pub removal: Option<Removal>,
}

/// Which role is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// The role as it was when the change was planned.
    pub current: CurrentRole,
    /// The commit that removed its ServiceAccount, if it is deleted without a quarantine.
    pub removal: Option<Removal>,
}

impl Action {
    /// The role that carrying it out writes to.
    pub fn role(&self) -> Option<&RoleName> {
        match self {
            Self::Create(role) => Some(&role.arn.name),
            Self::Update(update) | Self::Restore(update) => Some(&update.current.listed.name),
            Self::Quarantine(change) => Some(&change.current.listed.name),
            Self::Delete(change) => Some(&change.current.listed.name),
            Self::InSync | Self::Orphan | Self::Held => None,
        }
    }
}

impl Change {
    /// Whether the role is not, or will not be, what it was.
    pub fn is_change(&self) -> bool {
        self.writes() || self.action == Action::Orphan
    }

    /// Whether carrying it out writes to IAM.
    pub fn writes(&self) -> bool {
        match self.action {
            Action::Create(_)
            | Action::Update(_)
            | Action::Restore(_)
            | Action::Quarantine(_)
            | Action::Delete(_) => true,
            Action::InSync | Action::Orphan | Action::Held => false,
        }
    }
}
