//! Taking over roles that were made by hand or by the controller.

use super::{ClusterManifests, Declarations, Error, Terms};
use crate::iam::IamReader;
use crate::model::role::RoleName;
use crate::plan::{self, Answer, Depth, Facts, Plan};
use crate::settings::ClusterSettings;

/// Which of the named roles are taken over; besides, the names that no ServiceAccount's role has.
pub(super) async fn adoption(
    names: &[RoleName],
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    iam: &impl IamReader,
) -> Result<(Plan, Vec<RoleName>, Facts), Error> {
    let caller = iam.caller().await?;
    let cluster = settings.for_caller(&caller.account, &caller.partition)?;
    let ClusterManifests { resolved, .. } =
        declarations.declared(&settings.paths, &cluster.naming());
    let terms = Terms::keeping(Depth::Full);
    let run = terms.run(declarations, &settings.paths);
    let mut roles = Vec::new();
    for name in names {
        roles.push((name.clone(), iam.role(name).await?));
    }
    let mut facts = Facts::new(resolved, cluster, run, terms.allowed);
    facts.add(Answer::Roles(roles));
    let (plan, others) = plan::adopt(names, &facts);
    Ok((plan, others, facts))
}
