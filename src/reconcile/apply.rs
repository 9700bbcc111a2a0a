//! `plan` and `apply` over all clusters: what is known from reading stops a run before its first write;
//! after that, every change has an outcome.

use super::approval::Approval;
use super::bounds::Bounds;
use super::error::Guarded;
use super::exclusive::{self, Run};
use super::review;
use super::survey::{self, Survey, survey_for};
use super::{Declarations, Error, Event, Manifests, Terms, unless_stopped};
use crate::apply::{self, Cause, Outcome, Outcomes};
use crate::diagnostic::{Code, Diagnostic};
use crate::iam::audit::Audited;
use crate::iam::{self, IamReader, IamWriter};
use crate::model::cluster::Cluster;
use crate::model::role::{CurrentRole, RoleLabel};
use crate::model::shell::REST;
use crate::plan::saved::SavedPlan;
use crate::plan::{Again, Change, Purpose};
use crate::report::Section;
use crate::settings::ClusterSettings;

/// What apply would do in each cluster, of which there is a reader each; with a base, what caused each change.
/// What is to be done is added to `saved`. A plan that is superseded is shown, too, and says so.
///
/// # Errors
///
/// If anything cannot be read, or a guard refuses; what it refuses is in the error.
pub async fn plan<R: IamReader>(
    clusters: &[ClusterSettings],
    manifests: &Manifests,
    base: Option<&Manifests>,
    terms: &Terms,
    mut saved: Option<&mut SavedPlan>,
    readers: &[R],
) -> Result<Vec<Section>, Error> {
    let (mut surveys, mut refused) = (Vec::new(), None);
    for (cluster, iam) in clusters.iter().zip(readers) {
        let survey = survey_for(Purpose::Plan, cluster, manifests, terms, iam).await?;
        let (survey, by_guard) = survey.to_show(base.is_some());
        surveys.push(survey);
        refused = refused.or(by_guard);
    }
    survey::settle(surveys.iter_mut())?;
    for (cluster, survey) in clusters.iter().zip(&mut surveys) {
        if let Some(base) = base {
            survey.label(cluster, manifests, base);
        }
        if let Some(saved) = &mut saved {
            survey.save(saved);
        }
    }
    let sections = surveys.into_iter().map(|survey| survey.section(|_| None));
    let mut sections: Vec<Section> = sections.collect();
    review::inspect(&mut sections, terms, readers).await;
    match refused {
        Some(refusal) => Err(Error::Guarded(Box::new(Guarded {
            refusal,
            repository: manifests.repository().to_owned(),
            commit: manifests.commit().cloned(),
            sections,
        }))),
        None => Ok(sections),
    }
}

/// Makes IAM match. Every cluster is planned before the first write to any of them. If anything is to
/// be written, the run waits until it alone writes to the clusters, and plans again, from manifests that
/// no cache had a say in.
///
/// # Errors
///
/// Before the first write: if anything cannot be read, something stands in the way, whoever is asked
/// does not agree, another run does not end in time, or a stop was requested. After it, every change
/// has an outcome instead.
pub async fn apply<D: Declarations, W: IamWriter>(
    clusters: &[ClusterSettings],
    declarations: &D,
    terms: &Terms,
    bounds: Bounds<'_>,
    connect: impl AsyncFn(&ClusterSettings) -> Result<W, iam::Error>,
) -> Result<Vec<Section>, Error> {
    (bounds.observe)(Event::Reading);
    if let Some(saved) = bounds.saved {
        saved.check_clusters(clusters.iter().map(ClusterSettings::name))?;
    }
    let mut writers = Vec::new();
    for cluster in clusters {
        writers.push(Audited::new(connect(cluster).await?, bounds.log));
    }
    let limit = |survey: &mut Survey| bounds.saved.map_or(Ok(()), |saved| survey.limit(saved));
    let planning = plan_all(clusters, declarations, terms, &limit, &writers);
    let planned = unless_stopped(bounds.stop, planning).await?;
    let writes = |survey: &Survey| survey.plan.writes().next().is_some();
    if !planned.iter().any(|s| s.record.is_some() || writes(s)) {
        let sections = planned.into_iter().map(|survey| survey.section(|_| None));
        return Ok(sections.collect());
    }
    let has_writes = planned.iter().any(writes);
    let in_accounts: Vec<Cluster> = planned.iter().map(|s| s.cluster().clone()).collect();
    let plans = planned.iter().map(|survey| (&survey.plan, &survey.facts));
    let approval = Approval::of(bounds, declarations.commit(), plans);
    let sections = planned.into_iter().map(|survey| survey.section(|_| None));
    approval.ask(bounds, sections.collect()).await?;
    let whole = match has_writes {
        true => declarations.without_cache()?,
        false => None,
    };
    let declarations = whole.as_ref().unwrap_or(declarations);
    let mut locks = Vec::new();
    for (settings, cluster) in clusters.iter().zip(in_accounts) {
        let iam = Audited::new(connect(settings).await?, bounds.log);
        locks.push((cluster, iam));
    }
    let run = Run {
        commit: declarations.commit(),
        turn: bounds.turn,
        stop: bounds.stop,
        observe: bounds.observe,
    };
    let work = async {
        (bounds.observe)(Event::Reading);
        let limit = |survey: &mut Survey| {
            limit(survey)?;
            approval.limit(&mut survey.plan, &survey.facts)
        };
        let planning = plan_all(clusters, declarations, terms, &limit, &writers);
        let planned = unless_stopped(bounds.stop, planning).await?;
        let mut sections = Vec::new();
        for (survey, iam) in planned.into_iter().zip(&writers) {
            sections.push(carry_out(survey, declarations, iam, bounds).await);
        }
        Ok(sections)
    };
    exclusive::alone(&locks, run, work).await
}

async fn plan_all<W: IamWriter>(
    clusters: &[ClusterSettings],
    declarations: &impl Declarations,
    terms: &Terms,
    limit: &dyn Fn(&mut Survey) -> Result<(), Error>,
    writers: &[W],
) -> Result<Vec<Survey>, Error> {
    let mut planned = Vec::new();
    for (cluster, iam) in clusters.iter().zip(writers) {
        let reader = iam.reader();
        let survey = survey_for(Purpose::Apply, cluster, declarations, terms, reader).await?;
        let mut survey = survey.allowed()?;
        limit(&mut survey)?;
        planned.push(survey);
    }
    survey::settle(planned.iter_mut())?;
    Ok(planned)
}

async fn carry_out(
    mut survey: Survey,
    declarations: &impl Declarations,
    iam: &impl IamWriter,
    bounds: Bounds<'_>,
) -> Section {
    let is_approved = bounds.saved.is_some() || bounds.approve.is_some();
    let replan = |role: &CurrentRole| {
        let history = |questions: &_| declarations.history(questions, &survey.facts.run.paths);
        match survey.facts.again(role, history) {
            // Nobody has approved of anything but what was planned.
            Ok(Again::Change(action, _)) if is_approved && action.role().is_some() => {
                Again::AsPlanned
            }
            Ok(again) => again,
            Err(error) => {
                tracing::warn!("{error}: role `{}` is left", role.listed.name);
                Again::AsPlanned
            }
        }
    };
    if let Some(write) = &survey.record {
        let outcome = apply::record(write, iam, bounds.stop, &replan).await;
        let (diagnostic, goes_on) = recorded(&outcome);
        survey.diagnostics.extend(diagnostic);
        if !goes_on {
            let writes: Vec<RoleLabel> = survey.plan.writes().map(|c| c.role.clone()).collect();
            return Section {
                record: Some(outcome),
                ..survey.section(|role| writes.contains(role).then_some(Outcome::NotAttempted))
            };
        }
    }
    (bounds.observe)(Event::Writing(survey.plan.writes().count()));
    let outcomes = Outcomes::new(&survey.plan);
    let finished = |change: &Change, outcome: &Outcome| {
        tracing::info!(role = change.role.as_str(), ?outcome, "finished");
        (bounds.observe)(Event::Finished(change, outcome));
    };
    apply::apply(
        &survey.plan,
        iam,
        bounds.stop,
        &outcomes,
        &finished,
        &replan,
    )
    .await;
    let mut outcomes = outcomes.into_map();
    survey.section(|role| outcomes.remove(role))
}

/// What to say of the write to the record, and whether the run goes on. A job that may not write
/// there goes on as it can; any other obstacle stops it.
fn recorded(outcome: &Outcome) -> (Option<Diagnostic>, bool) {
    let (cause, message, hint) = match outcome {
        Outcome::Done => return (None, true),
        Outcome::NotAttempted => (Cause::Other, "the run was stopped before it", None),
        Outcome::Failed(failure) | Outcome::Unknown(failure) => {
            let hint = failure.hint.as_deref();
            (failure.cause, failure.message.as_str(), hint)
        }
    };
    if cause == Cause::Denied {
        let message = format!(
            "the record of the cluster was not written, so a late run may not be known to be late: {message}"
        );
        let diagnostic = Diagnostic::warning(Code::OrderNotProven, message)
            .with_hint(format!("give the job the right: irsa-gitops iam-policy --for apply{REST} prints all that it needs"));
        return (Some(diagnostic), true);
    }
    let certainty = match outcome {
        Outcome::Unknown(_) => "whether the record of the cluster was written is not known",
        _ => "the record of the cluster was not written",
    };
    let message = format!("{certainty}, so nothing else was: {message}");
    let diagnostic = Diagnostic::error(Code::RecordNotWritten, message);
    let diagnostic = match hint {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    };
    (Some(diagnostic), false)
}
