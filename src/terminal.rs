//! Who watches a run: standard output and standard error, where reports go, progress, the question before
//! a write, and the signals that end it.
//!
//! Knows the process it runs in, and neither arguments nor what becomes of a role.

pub(crate) mod console;
pub(crate) mod delivery;
pub(crate) mod progress;
pub(crate) mod question;
pub(crate) mod signals;
