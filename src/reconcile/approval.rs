//! Asking before the first write: what was shown is done, and nothing else.

use super::bounds::Bounds;
use super::{Error, unless_stopped};
use crate::model::commit::CommitId;
use crate::plan::guard::Refusal;
use crate::plan::saved::SavedPlan;
use crate::plan::{Facts, Plan};
use crate::report::Section;

/// What somebody is asked to agree to; nothing if nobody is asked.
pub(super) struct Approval(Option<SavedPlan>);

impl Approval {
    /// All that these plans write.
    pub(super) fn of<'a>(
        bounds: Bounds<'_>,
        commit: Option<&CommitId>,
        plans: impl IntoIterator<Item = (&'a Plan, &'a Facts)>,
    ) -> Self {
        Self(bounds.approve.map(|_| {
            let mut shown = SavedPlan::shown(commit);
            for (plan, facts) in plans {
                shown.add(plan, facts);
            }
            shown
        }))
    }

    /// Shows it, and waits until somebody agrees. Where no role is written to there is nothing to ask.
    ///
    /// # Errors
    ///
    /// [`Error::Declined`], or [`Error::Stopped`] before there was an answer.
    pub(super) async fn ask(
        &self,
        bounds: Bounds<'_>,
        sections: Vec<Section>,
    ) -> Result<(), Error> {
        let mut entries = sections.iter().flat_map(|section| &section.entries);
        let has_writes = entries.any(|entry| entry.change.writes());
        let Some(approve) = bounds.approve.filter(|_| has_writes) else {
            return Ok(());
        };
        let asking = async {
            match approve(sections).await {
                true => Ok(()),
                false => Err(Error::Declined),
            }
        };
        unless_stopped(bounds.stop, asking).await
    }

    /// Holds what was not shown, or not as it is now.
    ///
    /// # Errors
    ///
    /// If nothing of what was shown is left to be done as it was shown.
    pub(super) fn limit(&self, plan: &mut Plan, facts: &Facts) -> Result<(), Error> {
        let Some(shown) = &self.0 else {
            return Ok(());
        };
        shown.limit(plan, facts).map_err(|refusal| match refusal {
            Refusal::StalePlan(why) => Error::MovedSinceShown(why),
            other => other.into(),
        })
    }
}
