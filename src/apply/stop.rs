//! The request to stop: made by a signal or by an error that ends the run, looked at before every
//! write.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How long calls that were sent are waited for after a stop was requested.
const GRACE: Duration = Duration::from_secs(10);

/// How soon a run is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// It goes on.
    #[default]
    None,
    /// No further write starts, and calls under way are waited for.
    Safely,
    /// Nothing is waited for.
    AtOnce,
}

/// A request that is made once and seen by all who write.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    level: Arc<watch::Sender<Level>>,
    leases: Arc<Mutex<Leases>>,
}

/// Until when writes may start under a lock, by whoever renews it.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Mutex<Instant>>);

/// The locks under which writes are made.
#[derive(Debug, Default)]
struct Leases {
    bound: Vec<Lease>,
    lost: Option<Lost>,
}

/// A lock that is held no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It is what stopped the writes.
    First,
    /// Somebody had asked to stop before.
    Later,
}

impl Lease {
    /// One that ends then.
    pub fn new(ends: Instant) -> Self {
        Self(Arc::new(Mutex::new(ends)))
    }

    /// Has it end then instead.
    pub fn end_at(&self, ends: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    }

    fn is_over(&self) -> bool {
        Instant::now() >= *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stop {
    /// From now on no write starts once one of these is over: whoever stood still looks at the clock in front
    /// of each write, and not only when something else wakes.
    pub fn bind(&self, leases: impl IntoIterator<Item = Lease>) {
        let bound = leases.into_iter().collect();
        let lost = None;
        *self.leases() = Leases { bound, lost };
    }

    /// Ends that, and says whether one was over while somebody wanted to write, or [`Self::lose`] said so.
    pub fn unbind(&self) -> Option<Lost> {
        std::mem::take(&mut *self.leases()).lost
    }

    /// A lock is lost: no further write starts.
    pub fn lose(&self) {
        let when = match self.is_asked() {
            true => Lost::Later,
            false => Lost::First,
        };
        self.leases().lost.get_or_insert(when);
        self.request();
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_asked(&self) -> bool {
        *self.level.borrow() >= Level::Safely
    }

    /// Asks everybody to start no further write.
    pub fn request(&self) {
        self.raise(Level::Safely);
    }

    /// Asks everybody to leave now, whatever is under way.
    pub fn leave(&self) {
        self.raise(Level::AtOnce);
    }

    /// Whether somebody asked, or a lock is over.
    pub fn is_requested(&self) -> bool {
        if self.leases().bound.iter().any(Lease::is_over) {
            self.lose();
        }
        self.is_asked()
    }

    /// Waits until somebody asks.
    pub async fn requested(&self) {
        self.reached(Level::Safely).await;
    }

    /// Waits until nothing is waited for any more: a while after somebody asked, or at once if somebody
    /// asks to leave now.
    pub async fn overdue(&self) {
        let patience = async {
            self.requested().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            () = patience => {}
            () = self.left() => {}
        }
    }

    /// Waits until somebody asks to leave now.
    async fn left(&self) {
        self.reached(Level::AtOnce).await;
    }

    fn raise(&self, to: Level) {
        self.level.send_modify(|level| *level = to.max(*level));
    }

    async fn reached(&self, wanted: Level) {
        let mut level = self.level.subscribe();
        // Fails only when the sender is gone, and `self` holds it.
        let _ = level.wait_for(|level| *level >= wanted).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever stood still looks at the clock in front of each write, though nothing else has woken.
    #[tokio::test(start_paused = true)]
    async fn c71_no_write_starts_once_a_lock_is_over() {
        let minute = Duration::from_secs(60);
        let lease = || Lease::new(Instant::now() + minute);
        let (stop, first, second) = (Stop::default(), lease(), lease());
        stop.bind([first.clone(), second]);
        assert!(!stop.is_requested());
        tokio::time::advance(minute / 2).await;
        first.end_at(Instant::now() + minute);
        assert!(!stop.is_requested(), "it was renewed");
        tokio::time::advance(minute / 2).await;
        assert!(stop.is_requested(), "the other one was not");
        assert_eq!(stop.unbind(), Some(Lost::First));
        // One that is over after the last write has stopped nothing.
        let stop = Stop::default();
        stop.bind([lease()]);
        tokio::time::advance(minute).await;
        assert_eq!(stop.unbind(), None);
        assert!(!stop.is_requested());
        // A signal that came before is what stopped the run.
        stop.bind([lease()]);
        stop.request();
        tokio::time::advance(minute).await;
        assert!(stop.is_requested());
        assert_eq!(stop.unbind(), Some(Lost::Later));
    }
}
