//! Verbs about roles that the user names: what would become of them, and doing it.

use jiff::Timestamp;

use super::{Declarations, Error, adopt, retire, unless_stopped};
use crate::apply::{self, Outcomes, Stop};
use crate::iam::{IamReader, IamWriter};
use crate::model::role::RoleName;
use crate::plan::{Change, Facts, Plan};
use crate::report::{Entry, Section};
use crate::settings::ClusterSettings;

/// What becomes of the named roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// They are taken over: those whose trust policy proves that they serve their ServiceAccount.
    Adopt,
    /// They are quarantined: those that are owned, and that nobody declares. The time is that of the
    /// run.
    Retire(Timestamp),
}

/// Shows what would become of the named roles, and why nothing would of the others.
///
/// # Errors
///
/// If anything cannot be read, a role is not named as this cluster's roles are, or something newer
/// was applied.
pub async fn show(
    verb: Verb,
    names: &[RoleName],
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    iam: &impl IamReader,
) -> Result<Section, Error> {
    let (section, plan) = planned(verb, names, settings, declarations, iam).await?;
    Ok(with_entries(section, plan, &mut |_| None))
}

/// Does what [`show`] shows.
///
/// # Errors
///
/// As [`show`]. After the first write, every role has an outcome instead.
pub async fn carry_out(
    verb: Verb,
    names: &[RoleName],
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    iam: &impl IamWriter,
    stop: &Stop,
) -> Result<Section, Error> {
    let planning = planned(verb, names, settings, declarations, iam.reader());
    let (section, plan) = unless_stopped(stop, planning).await?;
    let outcomes = Outcomes::new(&plan);
    apply::apply(&plan, iam, stop, &outcomes, &|_, _| {}, &apply::as_planned).await;
    let mut outcomes = outcomes.into_map();
    let mut outcome = |change: &Change| outcomes.remove(&change.role);
    Ok(with_entries(section, plan, &mut outcome))
}

async fn planned(
    verb: Verb,
    names: &[RoleName],
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    iam: &impl IamReader,
) -> Result<(Section, Plan), Error> {
    let (plan, others, facts): (Plan, Vec<RoleName>, Facts) = match verb {
        Verb::Adopt => adopt::adoption(names, settings, declarations, iam).await?,
        Verb::Retire(now) => retire::retirement(names, settings, declarations, now, iam).await?,
    };
    if let Some(name) = others.first() {
        return Err(Error::NoServiceAccount(name.clone(), facts.cluster.prefix));
    }
    let section = Section {
        cluster: Some(facts.cluster.name),
        account: Some(facts.cluster.account),
        diagnostics: plan.diagnostics.clone(),
        ..Section::default()
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
