//! The lock of a cluster: taken before the first write, renewed meanwhile, given back at the end.
//!
//! What stands in its tags and when a holder is dead is decided in [`crate::plan::lock`].

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::stop::{Lease, Stop};
use crate::iam::{Error, IamReader, IamWriter, Kind};
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::quotas::Limit;
use crate::model::role::{CurrentRole, RoleId, RoleName};
use crate::model::shell;
use crate::plan::lock::{self, Holder, Seen};

/// How often a lock that somebody holds is looked at.
const POLL: Duration = Duration::from_secs(2);

/// How long a call may take to arrive. So long before its lease ends a holder starts no more writes.
const ARRIVES_WITHIN: Duration = Duration::from_secs(20);

/// How long a read may lag behind a write that another run has made.
const SHOWS_WITHIN: Duration = Duration::from_secs(5);

/// How many locks one cluster may have. More of them are there only where nobody may delete them.
const MOST: u32 = 8;

/// Which lock is to be taken.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// Of which cluster.
    pub cluster: &'a Cluster,
    /// For which commit.
    pub commit: Option<&'a CommitId>,
    /// What the lock says of this run.
    pub holder: Holder,
    /// How long others are waited for.
    pub timeout: Duration,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// Somebody holds it, for longer than the run waits: the lock, unless it came and went.
    Busy(Option<Box<CurrentRole>>),
    /// It cannot be had in this account by this job, so runs do not exclude each other: why, and
    /// what to do about it.
    NoLock(String, String),
    /// The run was stopped.
    Stopped,
    /// IAM cannot be asked.
    Iam(Error),
}

/// A lock that this run holds.
#[derive(Debug)]
pub struct Held {
    number: u32,
    id: RoleId,
    /// Dead locks below it, lowest first.
    below: BTreeMap<u32, Seen>,
    holder: Holder,
    /// When the call was sent that renewed it last.
    renewed: Instant,
    /// Until when writes may start, for those who write.
    lease: Lease,
    is_lost: bool,
}

/// The locks that a waiting run sees, and since when each has not changed by its own clock.
type Watched = BTreeMap<u32, (Seen, Instant)>;

/// Waits for the lock of a cluster and takes it. `waiting` hears of whom it waits for.
///
/// # Errors
///
/// Why it was not taken; none is left then.
pub async fn take(
    wish: &Wish<'_>,
    iam: &impl IamWriter,
    stop: &Stop,
    waiting: &impl Fn(&CurrentRole),
) -> Result<Held, Refusal> {
    let start = Instant::now();
    let mut watched = Watched::new();
    let run = &wish.holder.run;
    // Mostly nobody is there, so the first is made without looking.
    let mut next = Some(1);
    let mut has_met = false;
    loop {
        if stop.is_requested() {
            return Err(Refusal::Stopped);
        }
        if let Some(number) = next
            && let Some((id, renewed)) = make(wish, number, iam).await?
        {
            let below: BTreeMap<u32, Seen> = watched
                .iter()
                .map(|(number, (seen, _))| (*number, seen.clone()))
                .collect();
            if has_met {
                settle(wish.holder.lease.unsigned_abs(), stop).await;
            }
            let held = Held {
                number,
                id,
                below,
                holder: wish.holder.clone(),
                renewed,
                lease: Lease::new(ends(&wish.holder, renewed)),
                is_lost: false,
            };
            if is_alone(wish.cluster, number, &held.below, iam).await {
                return Ok(held);
            }
            held.delete(wish.cluster, iam).await;
        }
        // Whoever tried for a lock in vain has met somebody, whatever is left of that to be seen.
        has_met |= next.is_some();
        let alive = watch(wish, &mut watched, iam).await?;
        next = match &alive {
            // Made by a call whose reply was lost, and not shown then.
            Some((number, role)) if is_of(role, run) => Some(*number),
            Some((_, role)) => {
                waiting(role);
                None
            }
            None => Some(watched.keys().last().map_or(1, |top| top + 1)),
        };
        let alive = alive.filter(|_| next.is_none()).map(|(_, role)| role);
        // Dead ones are passed, and what comes and goes is tried for, however short the timeout is.
        let patience = match &alive {
            Some(_) => wish.timeout,
            None => wish.timeout + ARRIVES_WITHIN,
        };
        if start.elapsed() >= patience {
            return Err(Refusal::Busy(alive.map(Box::new)));
        }
        // A dead one is passed at once; somebody else may be just as fast.
        let pause = match next {
            Some(_) => POLL / 20,
            None => POLL,
        };
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Looks at all locks there are; the lowest whose holder may be alive.
async fn watch(
    wish: &Wish<'_>,
    watched: &mut Watched,
    iam: &impl IamWriter,
) -> Result<Option<(u32, CurrentRole)>, Refusal> {
    let mut alive = None;
    let mut gap = 0;
    for number in 1.. {
        let name = lock::name(wish.cluster, number);
        let role = iam.reader().role(&name).await.map_err(refusal)?;
        let Some(role) = role else {
            watched.remove(&number);
            gap += 1;
            // Whoever dies while a lock is given back leaves a gap below it, and another one may do so
            // above.
            match gap {
                1 | 2 => continue,
                _ => break,
            }
        };
        if !lock::is_lock(&role, wish.cluster) {
            return Err(foreign(&name));
        }
        if number > MOST {
            return Err(Refusal::NoLock(
                format!("the cluster has more than {MOST} locks, which nobody deletes"),
                format!(
                    "allow iam:DeleteRole on them: {} prints it; then delete them, if no run is under way",
                    shell::command("iam-policy --for apply")
                ),
            ));
        }
        let (seen, now) = (Seen::of(&role), Instant::now());
        let entry = watched.entry(number).or_insert((seen.clone(), now));
        if entry.0 != seen {
            *entry = (seen, now);
        }
        let unchanged = SignedDuration::try_from(now.duration_since(entry.1));
        let unchanged = unchanged.unwrap_or(SignedDuration::MAX);
        if !entry.0.is_dead(unchanged, wish.holder.lease) {
            alive.get_or_insert((number, role));
        }
    }
    // One of our own stands for nobody else.
    let own = alive
        .as_ref()
        .filter(|(_, role)| is_of(role, &wish.holder.run));
    if let Some((number, _)) = own {
        watched.split_off(number);
    }
    Ok(alive)
}

/// Makes a lock; nothing if somebody else was faster. One whose tag names this run is ours, even if the
/// reply was lost.
async fn make(
    wish: &Wish<'_>,
    number: u32,
    iam: &impl IamWriter,
) -> Result<Option<(RoleId, Instant)>, Refusal> {
    let role = lock::new(wish.cluster, number, &wish.holder, wish.commit);
    let sent = Instant::now();
    match iam.create_role(&role).await {
        Ok(id) => return Ok(Some((id, sent))),
        Err(error) if matches!(error.kind, Kind::EntityAlreadyExists | Kind::OutcomeUnknown) => {}
        Err(error) => return Err(refusal(error)),
    }
    let found = iam.reader().role(&role.arn.name).await.map_err(refusal)?;
    let Some(found) = found else {
        return Ok(None);
    };
    let is_ours = is_of(&found, &wish.holder.run);
    Ok(is_ours.then_some((found.listed.id, sent)))
}

/// Whether a lock is that of a run.
fn is_of(role: &CurrentRole, run: &str) -> bool {
    Holder::of(role).is_some_and(|holder| holder.run == run)
}

/// Waits until reads show what the last holder wrote: a run that met one plans from its work, and so it
/// finds that a dead lock which it is about to pass was passed by somebody else.
async fn settle(lease: Duration, stop: &Stop) {
    tokio::select! {
        () = stop.requested() => {}
        () = tokio::time::sleep(SHOWS_WITHIN.min(lease / 4)) => {}
    }
}

/// Whether nobody stands above a lock that was made, and all below it are the dead ones that were seen.
/// What cannot be read counts as somebody.
async fn is_alone(
    cluster: &Cluster,
    number: u32,
    below: &BTreeMap<u32, Seen>,
    iam: &impl IamWriter,
) -> bool {
    let look = async |n: u32| iam.reader().role(&lock::name(cluster, n)).await;
    // A holder that stood still while it gave its locks back may have left a gap.
    for above in [number + 1, number + 2] {
        if !matches!(look(above).await, Ok(None)) {
            return false;
        }
    }
    for (n, seen) in below {
        match look(*n).await {
            Ok(Some(role)) if Seen::of(&role) == *seen => {}
            _ => return false,
        }
    }
    true
}

/// What keeps a lock from being had: what the job may not do and what the account has no room for is
/// known as such, as removals must be possible there, too.
fn refusal(error: Error) -> Refusal {
    let is_full = error.limit() == Some(Limit::Roles);
    let is_denied = error.kind == Kind::AccessDenied;
    match error.kind {
        Kind::Halted => Refusal::Stopped,
        _ if is_full || is_denied => {
            let hint = error.hint().unwrap_or_default();
            Refusal::NoLock(format!("the cluster's lock was not taken: {error}"), hint)
        }
        _ => Refusal::Iam(error),
    }
}

fn foreign(name: &RoleName) -> Refusal {
    Refusal::NoLock(
        format!("role `{name}` has the name of the cluster's lock and is not it"),
        "delete the role if nobody uses it".to_owned(),
    )
}

/// Deletes a lock. One that may not be deleted is marked as given back, so that nobody waits for it.
async fn delete(name: &RoleName, iam: &impl IamWriter) {
    let Err(error) = iam.delete_role(name).await else {
        return;
    };
    let marked = match error.kind {
        Kind::AccessDenied => iam.tag_role(name, &lock::given_back()).await.is_ok(),
        Kind::NoSuchEntity => return,
        _ => false,
    };
    let rest = match marked {
        true => {
            "it is marked as given back; allow iam:DeleteRole on it: irsa-gitops iam-policy --for apply prints all that a job needs"
        }
        false => "the next run waits for the end of its lease",
    };
    tracing::warn!("{error}: the lock is left, {rest}");
}

impl Held {
    /// Renews the lock until it is lost, and returns then: no further write may start. Starts again
    /// where it was when it is dropped.
    pub async fn keep(&mut self, cluster: &Cluster, iam: &impl IamWriter) {
        let (name, above) = (
            lock::name(cluster, self.number),
            lock::name(cluster, self.number + 1),
        );
        let lease = self.holder.lease.unsigned_abs();
        while !self.is_lost {
            tokio::time::sleep_until(self.renewed + lease / 4).await;
            // Whoever stood still for too long may have been passed.
            if !self.is_valid() {
                self.is_lost = true;
                return;
            }
            let next = self.holder.renewed();
            let sent = Instant::now();
            let renewal = async {
                let here = iam.reader().role(&name).await?;
                let is_ours =
                    |role: &CurrentRole| role.listed.id == self.id && lock::is_lock(role, cluster);
                if !here.as_ref().is_some_and(is_ours) {
                    return Ok(false);
                }
                iam.tag_role(&name, &next.tag()).await?;
                Ok::<_, Error>(iam.reader().role(&above).await?.is_none())
            };
            let renewal = tokio::time::timeout_at(self.ends(), renewal).await;
            // A machine that stood still may hear of a renewal when its lease is over.
            let in_time = Instant::now() < self.ends();
            match renewal {
                Ok(Ok(true)) if in_time => {
                    (self.holder, self.renewed) = (next, sent);
                    self.lease.end_at(self.ends());
                }
                Ok(Err(error)) if in_time && error.kind != Kind::NoSuchEntity => {
                    tracing::warn!("{error}: the lock is renewed again");
                    tokio::time::sleep(lease / 20).await;
                }
                _ => self.is_lost = true,
            }
        }
    }

    fn ends(&self) -> Instant {
        ends(&self.holder, self.renewed)
    }

    /// Until when writes may be started, whoever renews it meanwhile.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Gives the lock back: the dead ones below it go first, so that nobody takes the lowest number
    /// while a higher one is held. One that was lost is left to whoever passed it, and so is what is
    /// not given back in time.
    pub async fn give_back(self, cluster: &Cluster, iam: &impl IamWriter) {
        for (number, seen) in &self.below {
            let name = lock::name(cluster, *number);
            if let Ok(Some(role)) = iam.reader().role(&name).await
                && Seen::of(&role) == *seen
                && lock::is_lock(&role, cluster)
                && self.is_valid()
            {
                delete(&name, iam).await;
            }
        }
        self.delete(cluster, iam).await;
    }

    /// Deletes the lock itself. Nobody can have passed it while it holds, so it is not looked at again: a
    /// read might not show it yet.
    async fn delete(&self, cluster: &Cluster, iam: &impl IamWriter) {
        if self.is_valid() {
            delete(&lock::name(cluster, self.number), iam).await;
        }
    }

    fn is_valid(&self) -> bool {
        !self.is_lost && Instant::now() < self.ends()
    }
}

/// Until when writes may be started that a holder's lock covers: what is sent then arrives while it holds.
fn ends(holder: &Holder, renewed: Instant) -> Instant {
    let lease = holder.lease.unsigned_abs();
    renewed + lease.saturating_sub(ARRIVES_WITHIN.min(lease / 2))
}
