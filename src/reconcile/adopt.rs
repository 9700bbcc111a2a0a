//! Taking over roles that were made by hand or by the controller.

use super::{ClusterManifests, Declarations, Error, Terms};
use crate::iam::{self, IamReader};
use crate::model::role::{CurrentRoles, RoleName};
use crate::plan::{self, Answer, Depth, Facts, Plan};
use crate::settings::ClusterSettings;

/// Which of the named roles are taken over, or of all that are declared and not ours; besides, the names that no ServiceAccount's role has.
pub(super) async fn adoption(
    names: Option<&[RoleName]>,
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
    let mut facts = Facts::new(resolved, cluster, run, terms.allowed);
    let Some(names) = names else {
        let listed = CurrentRoles::new(iam.list_roles().await?);
        let declared = facts.declared_roles();
        let there: Vec<RoleName> = declared
            .filter(|name| listed.listed(name).is_some())
            .cloned()
            .collect();
        let roles = iam::read_in_full(iam, &there, &listed).await?;
        facts.add(Answer::Roles(roles));
        let (plan, others) = plan::adopt(&plan::candidates(&facts), &facts);
        return Ok((plan, others, facts));
    };
    let mut roles = Vec::new();
    for name in names {
        roles.push((name.clone(), iam.role(name).await?));
    }
    facts.add(Answer::Roles(roles));
    let (plan, others) = plan::adopt(names, &facts);
    Ok((plan, others, facts))
}
