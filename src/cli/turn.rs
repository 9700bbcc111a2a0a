//! How long a run waits for others that write to the same cluster.

use std::hash::{BuildHasher, Hasher, RandomState};

use clap::Args;
use jiff::SignedDuration;

use crate::reconcile::Turn;
use crate::settings;

/// How a run takes turns with others.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Changes")]
pub(super) struct TurnArgs {
    /// How long another run that writes to the same cluster is waited for; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = settings::duration, env = "IRSA_GITOPS_LOCK_TIMEOUT")]
    lock_timeout: SignedDuration,
    /// After how long another run is taken for dead that shows no sign of life, 1s to 1h
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = settings::lease, env = "IRSA_GITOPS_LOCK_LEASE")]
    lock_lease: SignedDuration,
}

impl TurnArgs {
    /// That of a run which begins now.
    pub(super) fn turn(&self) -> Turn {
        // The standard library's own seed, which is random in every process.
        let random = RandomState::new().build_hasher().finish();
        Turn {
            run: format!("{random:016x}"),
            timeout: self.lock_timeout.unsigned_abs(),
            lease: self.lock_lease,
            since: jiff::Timestamp::now(),
        }
    }
}
