//! What reviewers want to know of the roles that a change takes away: when they were used last, and what
//! is attached to them.

use super::Terms;
use crate::iam::{self, IamReader};
use crate::model::last_use::LastUse;
use crate::model::role::RoleName;
use crate::plan::{Action, Change, Origin};
use crate::report::{Inspected, Section};

/// Adds it to the sections of a plan, of whose clusters there is a reader each. What cannot be read is unknown,
/// and stops nothing.
pub(super) async fn inspect(sections: &mut [Section], terms: &Terms, readers: &[impl IamReader]) {
    for (section, iam) in sections.iter_mut().zip(readers) {
        section.review.until = terms.now.checked_add(terms.prune_after).ok();
        let entries = section.entries.iter();
        let ours = entries.filter(|entry| entry.origin == Some(Origin::ThisChange));
        let gone: Vec<Change> = ours.map(|e| e.change.clone()).filter(is_retired).collect();
        for change in gone {
            if let Ok(name) = RoleName::new(change.role.as_str()) {
                let found = of_role(&name, iam).await;
                section.review.inspected.insert(change.role, found);
            }
        }
    }
}

fn is_retired(change: &Change) -> bool {
    matches!(
        change.action,
        Action::Quarantine(_) | Action::Delete(_) | Action::Orphan
    )
}

async fn of_role(name: &RoleName, iam: &impl IamReader) -> Inspected {
    let unread = |error: iam::Error| tracing::warn!("{error}: nothing is said of role `{name}`");
    let role = iam.role(name).await.map_err(unread).ok().flatten();
    let attached = iam.attachments(name).await.map_err(unread).ok();
    Inspected {
        last_use: role.map_or(LastUse::Unknown, |role| role.last_use),
        attached: attached.map(|found| found.names().map(str::to_owned).collect()),
    }
}
