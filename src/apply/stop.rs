//! The request to stop: made by a signal or by an error that ends the run, looked at before every
//! write.

use std::sync::Arc;

use tokio::sync::watch;

/// A request that is made once and seen by all who write.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// Asks everybody to start no further write.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Whether somebody asked.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until somebody asks.
    pub async fn requested(&self) {
        let mut asked = self.0.subscribe();
        // Fails only when the sender is gone, and `self` holds it.
        let _ = asked.wait_for(|asked| *asked).await;
    }
}
