//! One writer at a time: the locks of a run's clusters, held while it works.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};

use super::{Error, Event, Observer};
use crate::apply::lock::{self, Held, Refusal, Wish};
use crate::apply::{Lost, Stop};
use crate::diagnostic::{Code, Diagnostic};
use crate::iam::IamWriter;
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::role::CurrentRole;
use crate::model::tags;
use crate::plan::lock::{Holder, name};
use crate::report::Section;

/// How a run takes turns with others that write to the same clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What tells the run from all others.
    pub run: String,
    /// How long others are waited for.
    pub timeout: Duration,
    /// How long a lock holds that is not renewed.
    pub lease: SignedDuration,
    /// How long a lock is kept after the last write, so that reads of IAM show it to whoever is next.
    pub settle: Duration,
    /// When the run began.
    pub since: Timestamp,
}

impl Turn {
    /// The turn of a run that began then, under a random name.
    pub fn new(
        since: Timestamp,
        timeout: SignedDuration,
        lease: SignedDuration,
        settle: SignedDuration,
    ) -> Self {
        // The standard library's own seed, which is random in every process.
        let random = RandomState::new().build_hasher().finish();
        Self {
            run: format!("{random:016x}"),
            timeout: timeout.unsigned_abs(),
            lease,
            settle: settle.unsigned_abs(),
            since,
        }
    }
}

/// A cluster whose lock is held, and a writer of its own for the lock: one that is not halted with the
/// run's other writes, so that the lock can be given back.
struct Locked<'a, W> {
    held: Held,
    cluster: &'a Cluster,
    iam: &'a W,
}

/// What a run works for, and who may stop it.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) commit: Option<&'a CommitId>,
    pub(super) turn: &'a Turn,
    pub(super) stop: &'a Stop,
    pub(super) observe: Observer<'a>,
}

/// Does work while no other run writes to the clusters; a section comes out for each of them. Where no
/// lock is to be had the work is done as well, and its section says so.
///
/// # Errors
///
/// If another run does not end in time, a lock cannot be asked for, or what the work says.
pub(super) async fn alone<W: IamWriter>(
    clusters: &[(Cluster, W)],
    run: Run<'_>,
    work: impl Future<Output = Result<Vec<Section>, Error>>,
) -> Result<Vec<Section>, Error> {
    let mut locked = Vec::new();
    let taken = take_all(clusters, run, &mut locked).await;
    let result = match taken {
        Ok(doubts) => {
            let sections = work_while(&mut locked, run.stop, work).await;
            sections.map(|(sections, lost)| with_doubts(sections, doubts, lost))
        }
        Err(error) => Err(error),
    };
    // Work that fails as a whole has written nothing.
    if result.is_ok() && !run.turn.settle.is_zero() {
        (run.observe)(Event::Settling);
        tokio::select! {
            () = keep(&mut locked) => {}
            () = run.stop.requested() => {}
            () = tokio::time::sleep(run.turn.settle) => {}
        }
    }
    let give_back = async {
        for Locked { held, cluster, iam } in locked {
            held.give_back(cluster, iam).await;
        }
    };
    tokio::select! {
        () = give_back => {}
        () = run.stop.overdue() => {}
    }
    result
}

/// Takes one lock after the other, in an order that is the same for every run, so that no two wait for
/// each other; what stands against a lock of each cluster.
async fn take_all<'a, W: IamWriter>(
    clusters: &'a [(Cluster, W)],
    run: Run<'_>,
    locked: &mut Vec<Locked<'a, W>>,
) -> Result<Vec<Option<Diagnostic>>, Error> {
    let mut order: Vec<usize> = (0..clusters.len()).collect();
    order.sort_by_cached_key(|&index| {
        let cluster = &clusters[index].0;
        let arn = cluster.role_arn(&name(cluster, 1));
        (cluster.partition.clone(), cluster.account.clone(), arn.name)
    });
    let mut doubts: Vec<Option<Diagnostic>> = clusters.iter().map(|_| None).collect();
    for index in order {
        let (cluster, iam) = &clusters[index];
        let wish = Wish {
            cluster,
            commit: run.commit,
            holder: Holder {
                run: run.turn.run.clone(),
                renewals: 0,
                lease: run.turn.lease,
                since: run.turn.since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            },
            timeout: run.turn.timeout,
        };
        let waiting = |role: &CurrentRole| {
            let text = format!("waiting for {}", whose(cluster, role));
            (run.observe)(Event::Waiting(&text));
        };
        let taking = lock::take(&wish, iam, run.stop, &waiting);
        let taken = tokio::select! {
            biased;
            () = keep(locked) => return Err(Error::LockLost),
            () = run.stop.overdue() => return Err(Error::Stopped),
            taken = taking => taken,
        };
        match taken {
            Ok(held) => locked.push(Locked { held, cluster, iam }),
            Err(Refusal::NoLock(why, hint)) => {
                let message = format!("{why}, so another run may write at the same time");
                let doubt = Diagnostic::warning(Code::OrderNotProven, message);
                doubts[index] = Some(doubt.with_hint(hint));
            }
            Err(Refusal::Busy(role)) => {
                let whose = match &role {
                    Some(role) => whose(cluster, role),
                    None => format!("the lock of cluster `{}`", cluster.name),
                };
                let waited = run.turn.timeout;
                return Err(Error::Busy { whose, waited });
            }
            Err(Refusal::Stopped) => return Err(Error::Stopped),
            Err(Refusal::Iam(error)) => return Err(error.into()),
        }
    }
    Ok(doubts)
}

/// Works while the locks are held; once one is lost no further write starts, and it says so.
async fn work_while<W: IamWriter, T>(
    locked: &mut [Locked<'_, W>],
    stop: &Stop,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<(T, bool), Error> {
    let mut work = std::pin::pin!(work);
    stop.bind(locked.iter().map(|locked| locked.held.lease()));
    let result = tokio::select! {
        // After a standstill the clock comes first.
        biased;
        () = keep(locked) => {
            stop.lose();
            work.await
        }
        result = &mut work => result,
    };
    match (result, stop.unbind()) {
        (Err(Error::Stopped), Some(Lost::First)) => Err(Error::LockLost),
        (result, lost) => Ok((result?, lost.is_some())),
    }
}

/// Renews locks until one of them is lost.
async fn keep<W: IamWriter>(locked: &mut [Locked<'_, W>]) {
    let keep = |one| {
        let Locked { held, cluster, iam }: &mut Locked<'_, W> = one;
        held.keep(cluster, *iam)
    };
    let mut kept: FuturesUnordered<_> = locked.iter_mut().map(keep).collect();
    if kept.next().await.is_none() {
        std::future::pending().await
    }
}

fn with_doubts(
    mut sections: Vec<Section>,
    doubts: Vec<Option<Diagnostic>>,
    is_lost: bool,
) -> Vec<Section> {
    for (section, doubt) in sections.iter_mut().zip(doubts) {
        // A job that may not write the record is told so once.
        let is_known = |known: &Diagnostic| known.code == Code::OrderNotProven;
        let doubt = doubt.filter(|_| !section.diagnostics.iter().any(is_known));
        section.diagnostics.extend(doubt);
        if is_lost {
            let message = "the lock of the cluster was lost, so no further write was started: another run may write now";
            let lost = Diagnostic::error(Code::LockLost, message);
            section.diagnostics.push(lost.with_hint(
                "run again: it goes on where this run stopped; if it happens again, a longer --lock-lease bears slower calls",
            ));
        }
    }
    sections
}

/// Which run holds a lock, for people.
fn whose(cluster: &Cluster, role: &CurrentRole) -> String {
    let commit = role.tags.get(tags::COMMIT);
    let commit = commit.and_then(|commit| CommitId::new(commit).ok());
    let commit = commit.map_or_else(String::new, |commit| {
        format!(" for commit {}", commit.short())
    });
    let since = Holder::of(role).map_or_else(String::new, |holder| {
        format!(" since {}, run {}", holder.since, holder.run)
    });
    format!(
        "the run that writes to cluster `{}`{commit}{since} (lock `{}`)",
        cluster.name, role.listed.name
    )
}
