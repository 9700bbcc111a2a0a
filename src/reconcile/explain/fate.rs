//! What mode sync makes of a role that no manifest declares: whoever reads that it retires the role has to
//! be able to rely on it, and whoever asks why it does not gets the reason.

use crate::iam::IamReader;
use crate::plan::{Action, Change, Mode};
use crate::reconcile::survey::{Survey, survey};
use crate::reconcile::{Error, Manifests, Terms};
use crate::settings::ClusterSettings;

/// What becomes of the role.
pub(super) enum Fate {
    /// It is quarantined or deleted.
    Retired,
    /// It is left, and why.
    Left(String),
}

impl Fate {
    /// Finds out by a plan in mode sync, if the one that there is has another mode.
    pub(super) async fn of(
        change: &Change,
        survey_of_run: &Survey,
        (settings, manifests): (&ClusterSettings, &Manifests),
        terms: &Terms,
        iam: &impl IamReader,
    ) -> Self {
        if terms.mode == Mode::Sync {
            return Self::by(survey_of_run, change);
        }
        let terms = Terms {
            mode: Mode::Sync,
            ..terms.clone()
        };
        match survey(settings, manifests, &terms, iam).await {
            Ok(survey) => Self::by(&survey, change),
            Err(error) => Self::Left(format!("it does not get as far as that: {error}")),
        }
    }

    fn by(survey: &Survey, change: &Change) -> Self {
        let change = survey.plan.changes.get(&change.role).unwrap_or(change);
        let retires = matches!(change.action, Action::Quarantine(_) | Action::Delete(_));
        match survey.obstacle.clone().filter(|_| retires) {
            Some(obstacle) => Self::Left(Error::from(obstacle).to_string()),
            None if retires => Self::Retired,
            None => Self::Left(change.reason.to_string()),
        }
    }
}
