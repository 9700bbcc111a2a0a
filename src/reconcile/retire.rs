//! Retiring roles by their names: those that nobody declares and that history does not explain.

use jiff::{SignedDuration, Timestamp};

use super::survey::gather;
use super::{Declarations, Error, Terms};
use crate::iam::IamReader;
use crate::model::role::RoleName;
use crate::plan::{self, Depth, Facts, Mode, Plan, Purpose};
use crate::settings::ClusterSettings;

/// Which of the named roles are quarantined; besides, the names that no ServiceAccount's role has.
/// Everything is read that mode sync would read, as it has to know the same of a role.
pub(super) async fn retirement(
    names: &[RoleName],
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    now: Timestamp,
    iam: &impl IamReader,
) -> Result<(Plan, Vec<RoleName>, Facts), Error> {
    let terms = Terms {
        mode: Mode::Sync,
        now,
        // Nothing is ever deleted by its name.
        prune_after: SignedDuration::MAX,
        ..Terms::keeping(Depth::Listing)
    };
    let purpose = Purpose::Explanation;
    let (facts, _) = gather(purpose, settings, declarations, &terms, names, iam).await?;
    let (plan, others) = plan::retire(names, &facts)?;
    Ok((plan, others, facts))
}
