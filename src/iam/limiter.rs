//! One rate for all calls to one account.
//!
//! IAM throttles per account, shared with everybody in it, and does not say at which rate. So the
//! rate is found: halved when IAM says no, soon back to a little below where it said no, and from
//! there raised slowly.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Calls a second to begin with.
const START: f64 = 50.0;
/// The fewest calls a second.
const LOWEST: f64 = 0.5;
/// The most calls a second.
const HIGHEST: f64 = 200.0;
/// How often the rate may change.
const PERIOD: Duration = Duration::from_millis(250);
/// Up to this part of the rate that was too much, the way back is fast.
const SAFE_PART: f64 = 0.9;
/// What was too much so long ago may be right now.
const FORGET: Duration = Duration::from_secs(5);

/// Lets calls through at a rate that IAM bears.
#[derive(Clone, Debug)]
pub(super) struct Limiter {
    pace: Arc<Mutex<Pace>>,
    closed: Arc<watch::Sender<bool>>,
}

#[derive(Debug)]
struct Pace {
    rate: f64,
    /// The rate that was too much last.
    too_much: f64,
    throttled: Option<Instant>,
    changed: Option<Instant>,
    /// When the next call may be sent.
    next: Option<Instant>,
}

impl Default for Limiter {
    fn default() -> Self {
        let pace = Pace {
            rate: START,
            too_much: HIGHEST,
            throttled: None,
            changed: None,
            next: None,
        };
        Self {
            pace: Arc::new(Mutex::new(pace)),
            closed: Arc::default(),
        }
    }
}

impl Limiter {
    /// Waits until a call may be sent.
    pub(super) async fn admit(&self) {
        let slot = self.with(|pace| {
            let slot = Instant::now().max(pace.next.unwrap_or_else(Instant::now));
            pace.next = Some(slot + Duration::from_secs_f64(1.0 / pace.rate));
            slot
        });
        tokio::time::sleep_until(slot).await;
    }

    /// Waits until a call may be sent, or the limiter is closed; `false` if it is.
    pub(super) async fn admit_unless_closed(&self) -> bool {
        self.unless_closed(self.admit()).await
    }

    /// Waits for something, or until the limiter is closed; `false` if it is.
    pub(super) async fn unless_closed(&self, wait: impl Future<Output = ()>) -> bool {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            // Fails only when the sender is gone, and `self` holds it.
            _ = closed.wait_for(|closed| *closed) => false,
            () = wait => true,
        }
    }

    /// Lets no further call through that asks whether it is closed.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// IAM said that it is too much: half of it from now on. Calls that were under way at the old
    /// rate say the same thing, so it is heard once in a while only.
    pub(super) fn throttled(&self) {
        self.with(|pace| {
            pace.throttled = Some(Instant::now());
            if pace.may_change() {
                pace.too_much = pace.rate;
                pace.set((pace.rate / 2.0).max(LOWEST));
            }
        });
    }

    /// A call went through: a little more from now on.
    pub(super) fn accepted(&self) {
        self.with(|pace| {
            if pace.rate < HIGHEST && pace.may_change() {
                let safe = pace.too_much * SAFE_PART;
                let is_forgotten = pace.throttled.is_none_or(|at| at.elapsed() > FORGET);
                let raised = if pace.rate < safe {
                    (pace.rate * 1.5).min(safe)
                } else if is_forgotten {
                    pace.rate * 1.1
                } else {
                    pace.rate * 1.01
                };
                pace.set(raised.min(HIGHEST));
            }
        });
    }

    /// The mutex only guards a few numbers: whoever panicked while holding it left them whole.
    fn with<T>(&self, use_it: impl FnOnce(&mut Pace) -> T) -> T {
        use_it(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pace {
    fn may_change(&self) -> bool {
        self.changed.is_none_or(|at| at.elapsed() >= PERIOD)
    }

    fn set(&mut self, rate: f64) {
        self.rate = rate;
        self.changed = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(limiter: &Limiter) -> f64 {
        limiter.with(|pace| pace.rate)
    }

    /// Lets the time pass after which the rate may change again.
    fn wait(limiter: &Limiter) {
        limiter.with(|pace| pace.changed = None);
    }

    #[test]
    fn a1_throttling_halves_the_rate_and_it_recovers_below_what_was_too_much() {
        let limiter = Limiter::default();
        wait(&limiter);
        limiter.throttled();
        // Calls that were sent at the old rate say nothing new.
        limiter.throttled();
        assert!((rate(&limiter) - START / 2.0).abs() < 1e-9);
        for _ in 0..5 {
            wait(&limiter);
            limiter.accepted();
        }
        let recovered = rate(&limiter);
        assert!(recovered > START * 0.8 && recovered < START, "{recovered}");
    }

    #[test]
    fn the_rate_stays_within_its_bounds() {
        let limiter = Limiter::default();
        for _ in 0..100 {
            wait(&limiter);
            limiter.throttled();
        }
        assert!((rate(&limiter) - LOWEST).abs() < 1e-9);
        limiter.with(|pace| pace.too_much = HIGHEST);
        for _ in 0..2000 {
            wait(&limiter);
            limiter.accepted();
        }
        assert!((rate(&limiter) - HIGHEST).abs() < 1e-9);
    }
}
