//! Whether a role is still the one that was planned for: read again before and between writes.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::Replan;
use super::outcome::{Outcome, changed_meanwhile, failed, moved, overtaken};
use super::stop::Stop;
use crate::iam::{Error, IamReader, IamWriter};
use crate::model::role::{CurrentRole, RoleName};
use crate::model::tags::{self, Tags};
use crate::plan::{Action, Again, record};

/// How long a role that was read for the plan is looked for before it is believed to be gone.
pub(super) const STALE: Duration = Duration::from_secs(4);

/// Reads a role right before it is written to, and makes sure that it is still the one that was
/// planned for; `None` if it is gone. This is all the compare-and-swap there is: IAM has none.
pub(super) async fn reread(
    planned: &CurrentRole,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Result<Option<CurrentRole>, Outcome> {
    let name = &planned.listed.name;
    if stop.is_requested() {
        return Err(Outcome::NotAttempted);
    }
    // It was there a moment ago, and reads may be behind the times.
    let current = find(name, iam, STALE).await;
    let current = current.map_err(|error| failed(&error, stop))?;
    let Some(current) = current else {
        return Ok(None);
    };
    if is_same(&current, planned)
        && current.tags.get(tags::LAST_COMMIT) != planned.tags.get(tags::LAST_COMMIT)
    {
        return Err(overtaken(name, replan(&current)));
    }
    if !is_as_planned(&current, planned) {
        // Another run of the same commit may have done what this one is about to do.
        let again = replan(&current);
        let is_done = matches!(&again, Again::Change(action, _) if **action == Action::InSync);
        if is_same(&current, planned) && is_done {
            return Err(overtaken(name, again));
        }
        return Err(moved(
            format!("role `{name}` was changed by somebody else since it was planned"),
            "run again: the new plan starts from what the role is now",
        ));
    }
    Ok(Some(current))
}

/// Reads a role again between two writes to it. Reads lag behind writes, so the commit may still be
/// the one before; any other one is that of another run.
pub(super) async fn recheck(
    planned: &CurrentRole,
    written: &Tags,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Result<(), Outcome> {
    let name = &planned.listed.name;
    let current = find(name, iam, STALE)
        .await
        .map_err(|error| failed(&error, stop))?;
    let current = current.ok_or_else(|| changed_meanwhile(name))?;
    check(&current, planned, written, replan)
}

/// Whether a role is still the same and ours, and last written by nobody but whom the plan saw and
/// this run.
pub(super) fn check(
    current: &CurrentRole,
    planned: &CurrentRole,
    written: &Tags,
    replan: Replan<'_>,
) -> Result<(), Outcome> {
    let name = &planned.listed.name;
    if !is_same(current, planned) {
        return Err(changed_meanwhile(name));
    }
    let commit = current.tags.get(tags::LAST_COMMIT);
    let before = planned.tags.get(tags::LAST_COMMIT);
    if commit != before && commit != written.get(tags::LAST_COMMIT) {
        return Err(overtaken(name, replan(current)));
    }
    if record::is_moved(planned, current, written) {
        return Err(overtaken(name, replan(current)));
    }
    Ok(())
}

/// Whether a role is still the same one and still ours, whatever else has changed.
fn is_same(now: &CurrentRole, planned: &CurrentRole) -> bool {
    let ownership = [tags::MANAGED_BY, tags::CLUSTER, tags::STACK];
    now.listed.id == planned.listed.id
        && ownership
            .iter()
            .all(|key| now.tags.get(key) == planned.tags.get(key))
}

/// Whether a role is still what the plan saw; when it was last used is no change.
fn is_as_planned(now: &CurrentRole, planned: &CurrentRole) -> bool {
    now.listed.id == planned.listed.id
        && now.listed.path == planned.listed.path
        && now
            .listed
            .trust_policy
            .same_meaning(&planned.listed.trust_policy)
        && now.listed.max_session_seconds == planned.listed.max_session_seconds
        && now.tags == planned.tags
        && now.permissions_boundary == planned.permissions_boundary
}

/// Looks for a role until it shows or the patience is over: reads lag behind writes.
pub(super) async fn find(
    name: &RoleName,
    iam: &impl IamWriter,
    patience: Duration,
) -> Result<Option<CurrentRole>, Error> {
    let look = || async {
        match iam.reader().role(name).await {
            Ok(Some(role)) => Ok(role),
            Ok(None) => Err(None),
            Err(error) => Err(Some(error)),
        }
    };
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(10))
        .with_total_delay(Some(patience))
        .without_max_times();
    match look.retry(backoff).when(Option::is_none).await {
        Ok(role) => Ok(Some(role)),
        Err(None) => Ok(None),
        Err(Some(error)) => Err(error),
    }
}
