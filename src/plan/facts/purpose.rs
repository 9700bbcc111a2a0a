//! What facts are gathered for: what cannot matter to that is not asked.

use super::Facts;
use crate::plan::{Plan, fence, guard};

/// What is gathered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To tell everything, also of what no run carries out.
    Explanation,
    /// To show a plan, also one that is superseded or that a guard refuses.
    Plan,
    /// To write.
    Apply,
}

impl Facts {
    /// The same for this purpose.
    #[must_use]
    pub fn gathered_for(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Whether the run ends before it retires anything, whatever history says, and shows nothing of it.
    pub(super) fn is_stopped_anyway(&self) -> bool {
        let is_superseded = || fence::check(&mut Plan::default(), self).is_err();
        match self.purpose {
            Purpose::Explanation | Purpose::Plan => false,
            Purpose::Apply => guard::finds_nothing(self, &self.allowed) || is_superseded(),
        }
    }
}
