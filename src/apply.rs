//! Carries a plan out: changes in, an outcome for each of them out.
//!
//! The only module that is handed an [`IamWriter`]. Decides nothing about what a role should be: it
//! makes sure that a role is still the one that was planned for, writes, and where a reply was lost
//! reads back what happened. Stops at nothing silently; every change gets an outcome.

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures::{FutureExt, StreamExt};
use tokio::time::Instant;

use crate::iam::{Error, IamReader, IamWriter, Kind};
use crate::model::role::{CurrentRole, NewRole, RoleName};
use crate::model::tags::{self, Tags};
use crate::plan::{Action, Change, Delete, Difference, Plan, Quarantine, Update};

mod outcome;
mod stop;

use outcome::{
    broken, changed_meanwhile, failed, in_flight, in_part, moved, refused, superseded, unknown,
};

pub use outcome::{Cause, Failure, Outcome, Outcomes};
pub use stop::Stop;

/// How many roles are written at a time. The rate is the limiter's affair; this only has to be
/// enough to keep it busy at the round-trip times of a far region.
const CONCURRENCY: usize = 12;

/// How long IAM may take to show what was written: AWS promises seconds, two minutes is the rule.
const VISIBLE_AFTER: Duration = Duration::from_secs(120);

/// How long a role that was read for the plan is looked for before it is believed to be gone.
const STALE: Duration = Duration::from_secs(4);

/// How long calls that were sent are waited for after a stop was requested.
const GRACE: Duration = Duration::from_secs(10);

/// How often and how fast a write with a lost reply is sent again.
const RESEND: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(5))
    .with_max_times(3)
    .with_jitter();

/// Carries out every change of the plan that writes, and notes what became of each.
///
/// `finished` hears of every change as it ends. Once `stop` is requested no further write starts,
/// and those that were sent are waited for, but not for ever, and not when it asks to leave.
pub async fn apply(
    plan: &Plan,
    iam: &impl IamWriter,
    stop: &Stop,
    outcomes: &Outcomes,
    finished: &impl Fn(&Change, &Outcome),
) {
    // Nothing more is made once IAM says that there is no room.
    let is_full = Cell::new(false);
    let work =
        futures::stream::iter(plan.writes()).for_each_concurrent(CONCURRENCY, async |change| {
            let is_create = matches!(change.action, Action::Create(_));
            if stop.is_requested() || (is_create && is_full.get()) {
                return;
            }
            outcomes.set(change, in_flight());
            let work = AssertUnwindSafe(carry_out(change, iam, stop)).catch_unwind();
            let outcome = work.await.unwrap_or_else(|_| broken(stop));
            if matches!(&outcome, Outcome::Failed(failure) if failure.cause == Cause::Quota) {
                is_full.set(true);
            }
            finished(change, &outcome);
            outcomes.set(change, outcome);
        });
    let overdue = async {
        stop.requested().await;
        iam.halt();
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = work => {}
        () = overdue => {}
        () = stop.left() => {}
    }
}

async fn carry_out(change: &Change, iam: &impl IamWriter, stop: &Stop) -> Outcome {
    let result = match &change.action {
        Action::Create(role) => create(role, iam, stop).await,
        Action::Update(update) | Action::Restore(update) => repair(update, iam, stop).await,
        Action::Quarantine(change) => quarantine(change, iam, stop).await,
        Action::Delete(change) => delete(change, iam, stop).await,
        Action::InSync | Action::Orphan | Action::Held => Ok(()),
    };
    match result {
        Ok(()) => Outcome::Done,
        Err(outcome) => outcome,
    }
}

/// Makes a role. CreateRole must never be repeated blindly: after a lost reply the role is looked
/// for first, and if a second call finds that the name is taken, it is looked for again.
async fn create(role: &NewRole, iam: &impl IamWriter, stop: &Stop) -> Result<(), Outcome> {
    let name = &role.arn.name;
    send(stop, || async {
        let error = match iam.create_role(role).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let patience = match error.kind {
            Kind::OutcomeUnknown => Duration::from_secs(4),
            Kind::EntityAlreadyExists => VISIBLE_AFTER,
            Kind::MalformedPolicyDocument => {
                return Err(refused(&error, &role.trust_policy));
            }
            _ => return Err(failed(&error, stop)),
        };
        match find(name, iam, patience).await {
            Ok(Some(found)) if is_as_made(&found, role) => Ok(()),
            Ok(Some(_)) => Err(moved(
                format!(
                    "role `{name}` was made by somebody else meanwhile, and is not as declared"
                ),
                "run plan again to see how it differs",
            )),
            Ok(None) => Err(unknown(&error)),
            Err(unreadable) => {
                // Whatever keeps reads from being answered keeps the next write, too.
                failed(&unreadable, stop);
                Err(unknown(&error))
            }
        }
    })
    .await
}

/// Reads a role right before it is written to, and makes sure that it is still the one that was
/// planned for; `None` if it is gone. This is all the compare-and-swap there is: IAM has none.
async fn reread(
    planned: &CurrentRole,
    iam: &impl IamWriter,
    stop: &Stop,
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
        return Err(superseded(name));
    }
    if !is_as_planned(&current, planned) {
        return Err(moved(
            format!("role `{name}` was changed by somebody else since it was planned"),
            "run again: the new plan starts from what the role is now",
        ));
    }
    Ok(Some(current))
}

/// Reads a role again between two writes to it. Reads lag behind writes, so the commit may still be
/// the one before; any other one is that of a newer run, which has the last word.
async fn recheck(
    planned: &CurrentRole,
    written: &Tags,
    iam: &impl IamWriter,
    stop: &Stop,
) -> Result<(), Outcome> {
    let name = &planned.listed.name;
    let current = iam
        .reader()
        .role(name)
        .await
        .map_err(|error| failed(&error, stop))?;
    let current = current.ok_or_else(|| changed_meanwhile(name))?;
    check(&current, planned, written)
}

/// Whether a role is still the same and ours, and last written by nobody but whom the plan saw and
/// this run.
fn check(current: &CurrentRole, planned: &CurrentRole, written: &Tags) -> Result<(), Outcome> {
    let name = &planned.listed.name;
    if !is_same(current, planned) {
        return Err(changed_meanwhile(name));
    }
    let commit = current.tags.get(tags::LAST_COMMIT);
    let before = planned.tags.get(tags::LAST_COMMIT);
    if commit != before && commit != written.get(tags::LAST_COMMIT) {
        return Err(superseded(name));
    }
    Ok(())
}

/// Brings an existing role back to what it should be. The tags go first: from then on an older run
/// can tell that a newer one is at work.
async fn repair(update: &Update, iam: &impl IamWriter, stop: &Stop) -> Result<(), Outcome> {
    let current = &update.current;
    let name = &current.listed.name;
    if reread(current, iam, stop).await?.is_none() {
        return match &update.replacement {
            Some(role) => create(role, iam, stop).await,
            None => Ok(()),
        };
    }
    write(
        current,
        &update.tags,
        iam,
        stop,
        || iam.tag_role(name, &update.tags),
        has_tags(&update.tags),
    )
    .await?;
    let again = async || {
        let result = recheck(current, &update.tags, iam, stop).await;
        result.map_err(|outcome| in_part(outcome, name))
    };
    if !update.untag.is_empty() {
        again().await?;
        let untagged =
            |role: &CurrentRole| update.untag.iter().all(|key| role.tags.get(key).is_none());
        let result = write(
            current,
            &update.tags,
            iam,
            stop,
            || iam.untag_role(name, &update.untag),
            untagged,
        )
        .await;
        result.map_err(|outcome| in_part(outcome, name))?;
    }
    for difference in &update.differences {
        let written = match difference {
            Difference::TrustPolicy { desired, .. } => {
                again().await?;
                let trusted = |role: &CurrentRole| role.listed.trust_policy.same_meaning(desired);
                write(
                    current,
                    &update.tags,
                    iam,
                    stop,
                    || iam.update_trust_policy(name, desired),
                    trusted,
                )
                .await
            }
            Difference::SessionDuration { desired, .. } => {
                again().await?;
                let seconds = Some(desired.as_seconds());
                let set = |role: &CurrentRole| role.listed.max_session_seconds == seconds;
                write(
                    current,
                    &update.tags,
                    iam,
                    stop,
                    || iam.update_session_duration(name, *desired),
                    set,
                )
                .await
            }
            Difference::Tag { .. } => Ok(()),
        };
        written.map_err(|outcome| in_part(outcome, name))?;
    }
    Ok(())
}

/// Ends all access to a role and keeps everything else of it. The tags go first, as with a repair;
/// a role that has only them is not yet quarantined and is planned again.
async fn quarantine(change: &Quarantine, iam: &impl IamWriter, stop: &Stop) -> Result<(), Outcome> {
    let current = &change.current;
    let name = &current.listed.name;
    if reread(current, iam, stop).await?.is_none() {
        return Ok(());
    }
    write(
        current,
        &change.tags,
        iam,
        stop,
        || iam.tag_role(name, &change.tags),
        has_tags(&change.tags),
    )
    .await?;
    let result = recheck(current, &change.tags, iam, stop).await;
    result.map_err(|outcome| in_part(outcome, name))?;
    let document = &change.trust_policy;
    let trusted = |role: &CurrentRole| role.listed.trust_policy.same_meaning(document);
    let result = write(
        current,
        &change.tags,
        iam,
        stop,
        || iam.update_trust_policy(name, document),
        trusted,
    )
    .await;
    result.map_err(|outcome| in_part(outcome, name))
}

/// Deletes the role that was planned for, and no other one of its name. After a lost reply it is
/// done if that role is gone.
async fn delete(change: &Delete, iam: &impl IamWriter, stop: &Stop) -> Result<(), Outcome> {
    let name = &change.current.listed.name;
    send(stop, || async {
        if reread(&change.current, iam, stop).await?.is_none() {
            return Ok(());
        }
        let error = match iam.delete_role(name).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match error.kind {
            Kind::NoSuchEntity => Ok(()),
            Kind::OutcomeUnknown => match iam.reader().role(name).await {
                Ok(None) => Ok(()),
                Ok(Some(role)) if role.listed.id != change.current.listed.id => Ok(()),
                Ok(Some(_)) | Err(_) => Err(unknown(&error)),
            },
            _ => Err(failed(&error, stop)),
        }
    })
    .await
}

fn has_tags(tags: &Tags) -> impl Fn(&CurrentRole) -> bool {
    |role| {
        tags.iter()
            .all(|(key, value)| role.tags.get(key) == Some(value))
    }
}

/// Sends one write that may be repeated. After a lost reply the role shows whether it took effect;
/// it is only sent again to a role that is still the one that was planned for, and still ours.
async fn write<F>(
    planned: &CurrentRole,
    written: &Tags,
    iam: &impl IamWriter,
    stop: &Stop,
    call: impl Fn() -> F,
    took_effect: impl Fn(&CurrentRole) -> bool,
) -> Result<(), Outcome>
where
    F: Future<Output = Result<(), Error>>,
{
    let name = &planned.listed.name;
    // A call whose outcome is open: until the role was looked at, nothing more is sent.
    let open: RefCell<Option<Outcome>> = RefCell::new(None);
    send(stop, || async {
        if open.borrow().is_none() {
            match call().await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind == Kind::OutcomeUnknown => {
                    open.replace(Some(unknown(&error)));
                }
                Err(error) => return Err(failed(&error, stop)),
            }
        }
        let found = iam.reader().role(name).await;
        let Some(lost) = open.take() else {
            return Ok(());
        };
        match found {
            Ok(Some(role)) => {
                check(&role, planned, written)?;
                if took_effect(&role) {
                    Ok(())
                } else {
                    Err(lost)
                }
            }
            Ok(None) => Err(changed_meanwhile(name)),
            Err(_) => {
                open.replace(Some(lost.clone()));
                Err(lost)
            }
        }
    })
    .await
}

/// Attempts a write, and again while its outcome stays unknown; never starts an attempt after a
/// stop was requested.
async fn send<F>(stop: &Stop, attempt: impl Fn() -> F) -> Result<(), Outcome>
where
    F: Future<Output = Result<(), Outcome>>,
{
    let so_far = RefCell::new(Outcome::NotAttempted);
    let deadline = Instant::now() + VISIBLE_AFTER;
    let guarded = || async {
        if stop.is_requested() {
            return Err(so_far.borrow().clone());
        }
        let result = attempt().await;
        if let Err(outcome) = &result {
            so_far.replace(outcome.clone());
        }
        result
    };
    guarded
        .retry(RESEND)
        .when(|outcome| matches!(outcome, Outcome::Unknown(_)) && Instant::now() < deadline)
        .await
}

/// Looks for a role until it shows or the patience is over: reads lag behind writes.
async fn find(
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

/// Whether a role that is there is the one CreateRole was to make. Who made it does not matter, so
/// the tags that say which run it was are left out.
fn is_as_made(found: &CurrentRole, wanted: &NewRole) -> bool {
    const OF_THE_RUN: [&str; 3] = [tags::COMMIT, tags::LAST_COMMIT, tags::SOURCE];
    let tagged = |(key, value): (&str, &str)| {
        OF_THE_RUN.contains(&key) || found.tags.get(key) == Some(value)
    };
    found.listed.name == wanted.arn.name
        && found.listed.path == wanted.arn.path
        && found.listed.trust_policy.same_meaning(&wanted.trust_policy)
        && found.permissions_boundary == wanted.permissions_boundary
        && wanted.tags.iter().all(tagged)
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
