//! The exit codes: one meaning each, the same for every output format.
//!
//! With which of them a run ends is decided in `report::ending`; what stopped a run before it was
//! one has its code in `reconcile::Error` and in the shell's own errors.

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Success = 0,
    /// A bug of this program.
    Bug = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Changes are pending, and `--exit-code` or `--fail-on` asked to hear of it.
    ChangesPending = 3,
    /// The input was rejected; nothing was written.
    InputRejected = 4,
    /// A guard refused, or whoever was asked; nothing was written.
    Refused = 5,
    /// Git or AWS is unavailable, or access was denied, before the first write.
    Unavailable = 6,
    /// Finished, but some items are held or failed.
    Incomplete = 7,
    /// At least one write has an unknown outcome.
    OutcomeUnknown = 8,
    /// A newer commit has been applied already.
    Superseded = 9,
    /// Stopped by SIGINT, after a safe stop.
    Interrupted = 130,
    /// Stopped by SIGTERM, after a safe stop.
    Terminated = 143,
}

impl Exit {
    /// Every code, in the order of docs/reference.md.
    pub const ALL: [Self; 12] = [
        Self::Success,
        Self::Bug,
        Self::Usage,
        Self::ChangesPending,
        Self::InputRejected,
        Self::Refused,
        Self::Unavailable,
        Self::Incomplete,
        Self::OutcomeUnknown,
        Self::Superseded,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number the process ends with.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What each of these means, a line each, as the help of a command ends.
    pub fn list(exits: &[Self]) -> String {
        let line = |exit: &Self| format!("\n  {:<3}  {}", exit.code(), exit.meaning());
        let lines: String = exits.iter().map(line).collect();
        format!("Exit codes:{lines}")
    }

    /// One line of what it means: the only text of it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "done, or nothing to do",
            Self::Bug => "a bug of this program",
            Self::Usage => "usage or configuration",
            Self::ChangesPending => "changes are pending (--exit-code or --fail-on)",
            Self::InputRejected => "input rejected: nothing written",
            Self::Refused => "refused, by a guard or by whoever was asked: nothing written",
            Self::Unavailable => "Git or AWS unavailable, or access denied, before the first write",
            Self::Incomplete => {
                "finished, but some items are held or failed, or a report was not written"
            }
            Self::OutcomeUnknown => "at least one write has an unknown outcome",
            Self::Superseded => "superseded: a newer commit has been applied already",
            Self::Interrupted => "stopped by SIGINT, after a safe stop",
            Self::Terminated => "stopped by SIGTERM, after a safe stop",
        }
    }
}
