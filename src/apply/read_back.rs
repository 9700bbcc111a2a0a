//! Whether a role shows what was written to it: read once more after the last write.

use std::time::Duration;

use tokio::time::Instant;

use super::outcome::{Outcome, failed, raced, unknown};
use super::reread::check;
use super::{Replan, Stop, has_tags};
use crate::iam::{IamReader, IamWriter};
use crate::model::role::CurrentRole;
use crate::model::tags::Tags;
use crate::plan::{Action, Difference};

/// Reads a role back after the last write to it: it has to be as this run wrote it.
pub(super) async fn confirm(
    action: &Action,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
    patience: Duration,
) -> Result<(), Outcome> {
    match action {
        Action::Update(update) | Action::Restore(update) => {
            let is_gone = |role: &CurrentRole, key: &&str| role.tags.get(key).is_none();
            let is_written = |role: &CurrentRole| {
                let has = |difference: &Difference| match difference {
                    Difference::TrustPolicy { desired, .. } => {
                        role.listed.trust_policy.same_meaning(desired)
                    }
                    Difference::SessionDuration { desired, .. } => {
                        role.listed.max_session_seconds == Some(desired.as_seconds())
                    }
                    Difference::Tag { .. } => true,
                };
                has_tags(&update.tags)(role)
                    && update.untag.iter().all(|key| is_gone(role, key))
                    && update.differences.iter().all(has)
            };
            let (current, tags) = (&update.current, &update.tags);
            read_back(current, tags, is_written, iam, stop, replan, patience).await
        }
        Action::Quarantine(change) => {
            let is_written = |role: &CurrentRole| {
                let document = &role.listed.trust_policy;
                has_tags(&change.tags)(role) && document.same_meaning(&change.trust_policy)
            };
            let (current, tags) = (&change.current, &change.tags);
            read_back(current, tags, is_written, iam, stop, replan, patience).await
        }
        _ => Ok(()),
    }
}

/// Reads a role after the last write to it, until it shows what was written: by then nobody who was at
/// work at the same time can have undone it unseen.
async fn read_back(
    planned: &CurrentRole,
    written: &Tags,
    is_written: impl Fn(&CurrentRole) -> bool,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
    patience: Duration,
) -> Result<(), Outcome> {
    let name = &planned.listed.name;
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(250);
    loop {
        match iam.reader().role(name).await {
            Ok(Some(role)) if is_written(&role) => return Ok(()),
            Ok(Some(role)) => check(&role, planned, written, replan)?,
            Ok(None) => {}
            Err(error) => {
                // Whatever keeps reads from being answered keeps the next write, too.
                failed(&error, stop);
                return Err(unknown(&error));
            }
        }
        if stop.is_requested() || Instant::now() >= deadline {
            return Err(raced(name));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}
