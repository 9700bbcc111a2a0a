//! Carries a plan out: changes in, an outcome for each of them out.
//!
//! The only module that calls what writes. Decides nothing about what a role should be: it
//! makes sure that a role is still the one that was planned for, writes, and where a reply was lost
//! reads back what happened. Stops at nothing silently; every change gets an outcome.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{FutureExt, StreamExt};

use crate::iam::{IamReader, IamWriter, Kind};
use crate::model::role::{CurrentRole, NewRole};
use crate::model::tags::{self, Tags};
use crate::plan::{self, Action, Again, Change, Delete, Difference, Plan, Quarantine, Update};

pub mod lock;
mod outcome;
mod read_back;
mod record;
mod reread;
mod sending;
mod stop;

use outcome::{broken, failed, in_flight, in_part, moved, overtaken, refused, unknown, unsettled};
use read_back::confirm;
use reread::{STALE, find, recheck, reread};
use sending::{VISIBLE_AFTER, send, write};

pub use outcome::{Cause, Failure, Outcome, Outcomes};
pub use record::record;
pub use stop::{Lost, Stop};

/// Plans a role again that another run has written to since it was planned for.
pub type Replan<'a> = &'a dyn Fn(&CurrentRole) -> Again;

/// How many roles are written at a time. The rate is the limiter's affair; this only has to be
/// enough to keep it busy at the round-trip times of a far region.
const CONCURRENCY: usize = 12;

/// How often a role is written again that other runs write to at the same time.
const AGAIN: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(Duration::from_secs(5))
    .with_max_times(3);

/// How long a role that is not as it was written is looked at before it is written again.
const SHOWS_WITHIN: Duration = Duration::from_secs(10);

/// Carries out every change of the plan that writes, and notes what became of each.
///
/// `finished` hears of every change as it ends, and `replan` is asked about a role that another run
/// has written to since it was planned for. Once `stop` is requested no further write starts,
/// and those that were sent are waited for, but not for ever, and not when it asks to leave.
pub async fn apply(
    plan: &Plan,
    iam: &impl IamWriter,
    stop: &Stop,
    outcomes: &Outcomes,
    finished: &impl Fn(&Change, &Outcome),
    replan: Replan<'_>,
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
            let work = AssertUnwindSafe(carry_out(change, iam, stop, replan)).catch_unwind();
            let outcome = work.await.unwrap_or_else(|_| broken(stop));
            if matches!(&outcome, Outcome::Failed(failure) if failure.cause == Cause::Quota) {
                is_full.set(true);
            }
            finished(change, &outcome);
            outcomes.set(change, outcome);
        });
    unless_overdue(work, iam, stop).await;
}

/// What work comes to; nothing if a stop was requested and it takes too long then, or at once if
/// the stop asks to leave.
async fn unless_overdue<T>(
    work: impl Future<Output = T>,
    iam: &impl IamWriter,
    stop: &Stop,
) -> Option<T> {
    let halt = async {
        stop.requested().await;
        iam.halt();
        stop.overdue().await;
    };
    tokio::select! {
        done = work => Some(done),
        () = halt => None,
    }
}

/// Carries a change out. A role that a run of our commit or an older one has written to meanwhile is
/// planned again as it is now, so that ours has the last word; but not for ever.
async fn carry_out(
    change: &Change,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Outcome {
    let mut action = change.action.clone();
    let mut pauses = AGAIN.build();
    let mut is_written = false;
    loop {
        let pause = pauses.next();
        // The last look is one of long patience: what IAM does not show yet is no reason for alarm.
        let patience = pause.map_or(VISIBLE_AFTER, |_| SHOWS_WITHIN);
        let outcome = match attempt(&action, iam, stop, replan).await {
            Ok(Wrote::Settled) => return Outcome::Done,
            Ok(Wrote::InPlace) => {
                is_written = true;
                match confirm(&action, iam, stop, replan, patience).await {
                    Ok(()) => return Outcome::Done,
                    Err(outcome) => outcome,
                }
            }
            Err(outcome) => outcome,
        };
        let is_raced = matches!(&outcome, Outcome::Failed(f) if f.cause == Cause::Raced);
        let (true, Some(name)) = (is_raced, action.role()) else {
            return outcome;
        };
        match pause {
            Some(pause) if !stop.is_requested() => tokio::time::sleep(pause).await,
            _ if is_written => return unsettled(name),
            _ => return outcome,
        }
        action = match find(name, iam, STALE).await {
            Err(error) => return failed(&error, stop),
            Ok(None) => action,
            Ok(Some(role)) => match replan(&role) {
                Again::Change(next, reason) => match (*next, &change.action) {
                    (Action::InSync, _) | (Action::Orphan, Action::Quarantine(_)) => {
                        return Outcome::Done;
                    }
                    (Action::Held | Action::Orphan, _) => {
                        return moved(
                            format!(
                                "role `{name}` was written to by another run since it was planned, and is left now: {reason}"
                            ),
                            "run plan again to see what becomes of it",
                        );
                    }
                    (next, _) => next,
                },
                other => return overtaken(name, other),
            },
        };
    }
}

/// How a write that went well is known to have taken effect.
enum Wrote {
    /// By the reply, or because nothing had to be written.
    Settled,
    /// A role that was there was written to by several calls: it has to be read back.
    InPlace,
}

async fn attempt(
    action: &Action,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Result<Wrote, Outcome> {
    let settled = |()| Wrote::Settled;
    match action {
        Action::Create(role) => create(role, iam, stop, replan).await.map(settled),
        Action::Update(update) | Action::Restore(update) => repair(update, iam, stop, replan).await,
        Action::Quarantine(change) => quarantine(change, iam, stop, replan).await,
        Action::Delete(change) => delete(change, iam, stop, replan).await.map(settled),
        // `Plan::writes` names none of these: it is a bug if one comes here, and nothing is done.
        Action::InSync | Action::Orphan | Action::Held => Err(broken(stop)),
    }
}

/// The answer where a role may only be written to as it was planned.
pub fn as_planned(_: &CurrentRole) -> Again {
    Again::AsPlanned
}

/// Makes a role. CreateRole must never be repeated blindly: after a lost reply the role is looked
/// for first, and if a second call finds that the name is taken, it is looked for again.
async fn create(
    role: &NewRole,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Result<(), Outcome> {
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
            // A run that is under way has made it, and its commit tells which of the two is late.
            Ok(Some(found)) if is_of_a_run(&found) => Err(overtaken(name, replan(&found))),
            Ok(Some(_)) => Err(moved(
                format!(
                    "role `{name}` was made by somebody else meanwhile, and is not as this run would have made it"
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

/// Brings an existing role back to what it should be. The tags go first: from then on an older run
/// can tell that a newer one is at work.
async fn repair(
    update: &Update,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Result<Wrote, Outcome> {
    let current = &update.current;
    let name = &current.listed.name;
    if reread(current, iam, stop, replan).await?.is_none() {
        return match &update.replacement {
            Some(role) => {
                let made = create(role, iam, stop, replan).await;
                made.map(|()| Wrote::Settled)
            }
            None => Ok(Wrote::Settled),
        };
    }
    let tag = async || {
        let call = || iam.tag_role(name, &update.tags);
        let tagged = has_tags(&update.tags);
        write(current, &update.tags, iam, stop, replan, call, tagged).await
    };
    let untag = async || {
        let gone = |role: &CurrentRole| update.untag.iter().all(|key| role.tags.get(key).is_none());
        let call = || iam.untag_role(name, &update.untag);
        write(current, &update.tags, iam, stop, replan, call, gone).await
    };
    let again = async || {
        let result = recheck(current, &update.tags, iam, stop, replan).await;
        result.map_err(|outcome| in_part(outcome, name))
    };
    let begun = |outcome| in_part(outcome, name);
    if update.untag.is_empty() {
        tag().await?;
    } else if current.tags.part(update.tags.iter()).1.is_empty() {
        tag().await?;
        again().await?;
        untag().await.map_err(begun)?;
    } else {
        // Only what is taken away makes room for what is written.
        untag().await?;
        again().await?;
        tag().await.map_err(begun)?;
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
                    replan,
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
                    replan,
                    || iam.update_session_duration(name, *desired),
                    set,
                )
                .await
            }
            Difference::Tag { .. } => Ok(()),
        };
        written.map_err(|outcome| in_part(outcome, name))?;
    }
    Ok(Wrote::InPlace)
}

/// Ends all access to a role and keeps everything else of it. The tags go first, as with a repair;
/// a role that has only them is not yet quarantined and is planned again. Where the trust policy says
/// what they have no room for, it goes first: nothing else tells of a quarantine that was cut short.
async fn quarantine(
    change: &Quarantine,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Result<Wrote, Outcome> {
    let current = &change.current;
    let name = &current.listed.name;
    if reread(current, iam, stop, replan).await?.is_none() {
        return Ok(Wrote::Settled);
    }
    let tag = async || {
        let call = || iam.tag_role(name, &change.tags);
        let tagged = has_tags(&change.tags);
        write(current, &change.tags, iam, stop, replan, call, tagged).await
    };
    let close = async || {
        let document = &change.trust_policy;
        let trusted = |role: &CurrentRole| role.listed.trust_policy.same_meaning(document);
        let call = || iam.update_trust_policy(name, document);
        write(current, &change.tags, iam, stop, replan, call, trusted).await
    };
    let again = async || recheck(current, &change.tags, iam, stop, replan).await;
    let begun = |outcome| in_part(outcome, name);
    if change.tags.get(tags::QUARANTINED_AT).is_some() {
        tag().await?;
        again().await.map_err(begun)?;
        close().await.map_err(begun)?;
        return Ok(Wrote::InPlace);
    }
    close().await?;
    if change.tags.is_empty() {
        return Ok(Wrote::InPlace);
    }
    again().await.map_err(begun)?;
    tag().await.map_err(begun)?;
    Ok(Wrote::InPlace)
}

/// Deletes the role that was planned for, and no other one of its name. After a lost reply it is
/// done if that role is gone.
async fn delete(
    change: &Delete,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Result<(), Outcome> {
    let name = &change.current.listed.name;
    send(stop, || async {
        if reread(&change.current, iam, stop, replan).await?.is_none() {
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

/// Whether a run has left its commit on a role, or in a record.
fn is_of_a_run(role: &CurrentRole) -> bool {
    role.tags.get(tags::LAST_COMMIT).is_some() || !plan::record::entries(role).is_empty()
}

/// Whether a role that is there is the one CreateRole was to make. Who made it does not matter, so
/// the tags that say which run it was are left out.
fn is_as_made(found: &CurrentRole, wanted: &NewRole) -> bool {
    const OF_THE_RUN: [&str; 3] = [tags::COMMIT, tags::LAST_COMMIT, tags::SOURCE];
    let tagged = |(key, value): (&str, &str)| {
        let found = found.tags.get(key);
        OF_THE_RUN.contains(&key)
            || found == Some(value)
            || found.is_some_and(|found| plan::record::is_same_entry(key, found, value))
    };
    found.listed.name == wanted.arn.name
        && found.listed.path == wanted.arn.path
        && found.listed.trust_policy.same_meaning(&wanted.trust_policy)
        && found.permissions_boundary == wanted.permissions_boundary
        && wanted.tags.iter().all(tagged)
}
