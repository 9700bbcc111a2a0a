//! How far interleavings go.

use std::time::Duration;

use super::turns::Denied;

/// What may happen in an interleaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// So often a run may be left for another one although it could go on; without it, at any call.
    pub preemptions: Option<usize>,
    /// So many writes may be hidden from a read.
    pub behind: usize,
    /// So many reads may be behind.
    pub lagging: usize,
    /// So many runs may be killed.
    pub kills: usize,
    /// So many runs may stand still for a while.
    pub freezes: usize,
    /// So often time may pass while a call is on its way.
    pub delays: usize,
    /// What nobody may do.
    pub denied: Denied,
    /// How long a run keeps its lock after its last write.
    pub settle: Duration,
}

/// Nothing but calls in any order.
pub const PLAIN: Limits = Limits {
    preemptions: None,
    behind: 0,
    lagging: 0,
    kills: 0,
    freezes: 0,
    delays: 0,
    denied: Denied::Nothing,
    settle: Duration::ZERO,
};
