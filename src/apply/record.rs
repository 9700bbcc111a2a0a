//! Writing the run's commit to the record of the cluster, before anything else is written.

use std::panic::AssertUnwindSafe;

use backon::BackoffBuilder;
use futures::FutureExt;

use super::outcome::{Cause, Outcome, broken, changed_meanwhile, failed, in_flight, overtaken};
use super::reread::{STALE, find, recheck};
use super::sending::write;
use super::{AGAIN, Replan, Stop, create, has_tags, unless_overdue};
use crate::iam::IamWriter;
use crate::model::role::CurrentRole;
use crate::model::tags::Tags;
use crate::plan::{Again, record};

/// Writes the run's commit to the record of the cluster, before anything else is written, and says
/// what became of that. `replan` is asked about a record that another run has written to meanwhile.
pub async fn record(
    write: &record::Write,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Outcome {
    let work = AssertUnwindSafe(write_record(write, iam, stop, replan)).catch_unwind();
    match unless_overdue(work, iam, stop).await {
        Some(Ok(outcome)) => outcome,
        Some(Err(_)) => broken(stop),
        None => in_flight(),
    }
}

/// Over what an older run wrote meanwhile, ours is written, as with a role; but not for ever.
async fn write_record(
    write: &record::Write,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Outcome {
    let mut write = write.clone();
    let mut pauses = AGAIN.build();
    loop {
        let (name, written) = match &write {
            record::Write::Create(role) => (&role.arn.name, create(role, iam, stop, replan).await),
            record::Write::Tag {
                current,
                tags,
                untag,
            } => {
                let tagged = tag_record(current, tags, untag, iam, stop, replan);
                (&current.listed.name, tagged.await)
            }
        };
        let Err(outcome) = written else {
            return Outcome::Done;
        };
        let is_raced = matches!(&outcome, Outcome::Failed(f) if f.cause == Cause::Raced);
        let pause = pauses.next().filter(|_| is_raced && !stop.is_requested());
        let Some(pause) = pause else {
            return outcome;
        };
        tokio::time::sleep(pause).await;
        write = match find(name, iam, STALE).await {
            Err(error) => return failed(&error, stop),
            Ok(None) => return changed_meanwhile(name),
            Ok(Some(found)) => match replan(&found) {
                Again::Record(Some(next)) => *next,
                Again::Record(None) => return Outcome::Done,
                other => return overtaken(name, other),
            },
        };
    }
}

async fn tag_record(
    current: &CurrentRole,
    tags: &Tags,
    untag: &[String],
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
) -> Result<(), Outcome> {
    let name = &current.listed.name;
    if stop.is_requested() {
        return Err(Outcome::NotAttempted);
    }
    // Jobs of other paths may have written their own entries meanwhile.
    recheck(current, tags, iam, stop, replan).await?;
    let call = || iam.tag_role(name, tags);
    write(current, tags, iam, stop, replan, call, has_tags(tags)).await?;
    if untag.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = untag.iter().map(String::as_str).collect();
    let gone = |role: &CurrentRole| keys.iter().all(|key| role.tags.get(key).is_none());
    let call = || iam.untag_role(name, &keys);
    write(current, tags, iam, stop, replan, call, gone).await
}
