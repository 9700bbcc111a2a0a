//! Verbs about roles that the user names: what would become of them, and doing it.

use jiff::Timestamp;

use super::approval::Approval;
use super::bounds::Bounds;
use super::exclusive::{self, Run};
use super::{Declarations, Error, adopt, retire, unless_stopped};
use crate::apply::{self, Outcomes};
use crate::iam::audit::Audited;
use crate::iam::{self, IamReader, IamWriter};
use crate::model::role::RoleName;
use crate::plan::{Change, Facts, Plan};
use crate::report::{Entry, Section};
use crate::settings::ClusterSettings;

/// What becomes of the named roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// They are taken over: those whose trust policy proves that they serve their ServiceAccount.
    Adopt,
    /// The same for every role that is declared and not ours: none is named.
    AdoptMatching,
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
) -> Result<Vec<Section>, Error> {
    let (section, plan, _) = planned(verb, names, settings, declarations, iam).await?;
    Ok(vec![with_entries(section, plan, &mut |_| None)])
}

/// Does what [`show`] shows, while no other run writes to the cluster.
///
/// # Errors
///
/// As [`show`], or if whoever is asked does not agree, or another run does not end in time. After the first write, every role has an
/// outcome instead.
pub async fn carry_out<W: IamWriter>(
    verb: Verb,
    names: &[RoleName],
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    bounds: Bounds<'_>,
    connect: impl AsyncFn(&ClusterSettings) -> Result<W, iam::Error>,
) -> Result<Vec<Section>, Error> {
    let stop = bounds.stop;
    let iam = Audited::new(connect(settings).await?, bounds.log);
    let for_lock = Audited::new(connect(settings).await?, bounds.log);
    let plan = || planned(verb, names, settings, declarations, iam.reader());
    let (section, shown, facts) = unless_stopped(stop, plan()).await?;
    let is_nothing = shown.writes().next().is_none();
    let approval = Approval::of(bounds, declarations.commit(), [(&shown, &facts)]);
    let sections = vec![with_entries(section, shown, &mut |_| None)];
    if is_nothing {
        return Ok(sections);
    }
    approval.ask(bounds, sections).await?;
    let work = async {
        let (section, mut plan, facts) = unless_stopped(stop, plan()).await?;
        approval.limit(&mut plan, &facts)?;
        let outcomes = Outcomes::new(&plan);
        apply::apply(&plan, &iam, stop, &outcomes, &|_, _| {}, &apply::as_planned).await;
        let mut outcomes = outcomes.into_map();
        let mut outcome = |change: &Change| outcomes.remove(&change.role);
        Ok(vec![with_entries(section, plan, &mut outcome)])
    };
    let run = Run {
        commit: declarations.commit(),
        turn: bounds.turn,
        stop,
        observe: bounds.observe,
    };
    exclusive::alone(&[(facts.cluster, for_lock)], run, work).await
}

async fn planned(
    verb: Verb,
    names: &[RoleName],
    settings: &ClusterSettings,
    declarations: &impl Declarations,
    iam: &impl IamReader,
) -> Result<(Section, Plan, Facts), Error> {
    let (plan, others, facts): (Plan, Vec<RoleName>, Facts) = match verb {
        Verb::Adopt => adopt::adoption(Some(names), settings, declarations, iam).await?,
        Verb::AdoptMatching => adopt::adoption(None, settings, declarations, iam).await?,
        Verb::Retire(now) => retire::retirement(names, settings, declarations, now, iam).await?,
    };
    if let Some(name) = others.first() {
        return Err(Error::NoServiceAccount(name.clone(), facts.cluster.prefix));
    }
    let section = Section {
        cluster: Some(facts.cluster.name.clone()),
        account: Some(facts.cluster.account.clone()),
        diagnostics: plan.diagnostics.clone(),
        ..Section::default()
    };
    Ok((section, plan, facts))
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
