//! What reviewers want to know of the roles that a change takes away: when they were used last, and what
//! is attached to them.

use super::Terms;
use crate::iam::{self, IamReader};
use crate::model::last_use::LastUse;
use crate::model::role::RoleName;
use crate::plan::{Action, Change, Origin};
use crate::report::{Inspected, Section};
use crate::settings::ClusterSettings;

/// Adds it to the sections of a plan. What cannot be read is unknown, and stops nothing.
///
/// # Errors
///
/// If there is no connection to IAM.
pub(super) async fn inspect<R: IamReader>(
    clusters: &[ClusterSettings],
    sections: &mut [Section],
    terms: &Terms,
    connect: impl AsyncFn(&ClusterSettings) -> Result<R, iam::Error>,
) -> Result<(), iam::Error> {
    for (settings, section) in clusters.iter().zip(sections) {
        section.review.until = terms.now.checked_add(terms.prune_after).ok();
        let entries = section.entries.iter();
        let ours = entries.filter(|entry| entry.origin == Some(Origin::ThisChange));
        let gone: Vec<Change> = ours.map(|e| e.change.clone()).filter(is_retired).collect();
        if gone.is_empty() {
            continue;
        }
        let iam = connect(settings).await?;
        for change in gone {
            if let Ok(name) = RoleName::new(change.role.as_str()) {
                let found = of_role(&name, &iam).await;
                section.review.inspected.insert(change.role, found);
            }
        }
    }
    Ok(())
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
