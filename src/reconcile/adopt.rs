//! Taking over roles that were made by hand or by the controller.

use super::{ClusterManifests, Declarations, Error, Terms, unless_stopped};
use crate::apply::{self, Outcomes, Stop};
use crate::iam::{IamReader, IamWriter};
use crate::model::role::RoleName;
use crate::plan::{self, Answer, Change, Depth, Facts, Plan};
use crate::report::{Entry, Section};
use crate::settings::ClusterSettings;

/// Shows which of the named roles would be taken over, and why the others would not.
///
/// # Errors
///
/// If a role cannot be read, or is not named as this cluster's roles are.
pub async fn show(
    names: &[RoleName],
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    iam: &impl IamReader,
) -> Result<Section, Error> {
    let (section, plan) = adoption(names, settings, declarations, iam).await?;
    Ok(with_entries(section, plan, &mut |_| None))
}

/// Takes the named roles over: those whose trust policy proves that they serve their ServiceAccount.
///
/// # Errors
///
/// As [`show`]. After the first write, every role has an outcome instead.
pub async fn adopt(
    names: &[RoleName],
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    iam: &impl IamWriter,
    stop: &Stop,
) -> Result<Section, Error> {
    let planning = adoption(names, settings, declarations, iam.reader());
    let (section, plan) = unless_stopped(stop, planning).await?;
    let outcomes = Outcomes::new(&plan);
    apply::apply(&plan, iam, stop, &outcomes, &|_, _| {}).await;
    let mut outcomes = outcomes.into_map();
    let mut outcome = |change: &Change| outcomes.remove(&change.role);
    Ok(with_entries(section, plan, &mut outcome))
}

async fn adoption(
    names: &[RoleName],
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    iam: &impl IamReader,
) -> Result<(Section, Plan), Error> {
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
    if let Some(name) = others.first() {
        return Err(Error::NoServiceAccount(name.clone(), facts.cluster.prefix));
    }
    let section = Section {
        cluster: Some(facts.cluster.name),
        account: Some(facts.cluster.account),
        entries: vec![],
        diagnostics: plan.diagnostics.clone(),
        record: None,
    };
    Ok((section, plan))
}

fn with_entries(
    mut section: Section,
    plan: Plan,
    outcome: &mut dyn FnMut(&Change) -> Option<apply::Outcome>,
) -> Section {
    let entry = |change: Change| Entry {
        outcome: outcome(&change),
        origin: None,
        change,
    };
    section.entries = plan.changes.into_values().map(entry).collect();
    section
}
