//! The request to stop: made by a signal or by an error that ends the run, looked at before every
//! write.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

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
pub struct Stop(Arc<watch::Sender<Level>>);

impl Stop {
    /// Asks everybody to start no further write.
    pub fn request(&self) {
        self.raise(Level::Safely);
    }

    /// Asks everybody to leave now, whatever is under way.
    pub fn leave(&self) {
        self.raise(Level::AtOnce);
    }

    /// Whether somebody asked.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() >= Level::Safely
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
        self.0.send_modify(|level| *level = to.max(*level));
    }

    async fn reached(&self, wanted: Level) {
        let mut level = self.0.subscribe();
        // Fails only when the sender is gone, and `self` holds it.
        let _ = level.wait_for(|level| *level >= wanted).await;
    }
}
