//! The first lines of an explanation: can the pods assume the role now, if not why, since which commit and
//! whose, and what to run.

use jiff::{SignedDuration, Timestamp};

use super::drift::Drift;
use super::fate::Fate;
use super::mention::Mention;
use crate::desired::Verdict as Manifest;
use crate::diagnostic::Diagnostic;
use crate::manifest::Management;
use crate::model::commit::CommitId;
use crate::model::history::{Ancestry, CommitInfo};
use crate::model::role::{CurrentRole, RoleLabel};
use crate::model::service_account::ServiceAccountRef;
use crate::model::shell::{command, quoted};
use crate::model::tags;
use crate::plan::fence::Why;
use crate::plan::{Cause, Change, Obstacle, Superseded, Verdict, quarantine, record};
use crate::reconcile::history::Version;
use crate::reconcile::survey::Survey;
use crate::reconcile::{Error, Manifests};
use crate::report::explanation::Answer;
use crate::settings::ClusterSettings;

mod remedy;

/// How much later than an apply that declares it a role is made that was made anew.
const LATER: SignedDuration = SignedDuration::from_mins(5);

/// Everything that an answer rests on.
pub(super) struct Known<'a> {
    pub(super) survey: &'a Survey,
    pub(super) settings: &'a ClusterSettings,
    pub(super) manifests: &'a Manifests,
    pub(super) service_account: &'a ServiceAccountRef,
    pub(super) label: &'a RoleLabel,
    pub(super) role: Option<&'a CurrentRole>,
    pub(super) versions: &'a [Version],
    pub(super) change: Option<&'a Change>,
    pub(super) drift: Option<&'a Drift>,
    pub(super) obstacle: Option<&'a Error>,
    pub(super) findings: &'a [Diagnostic],
    /// What is like it and known, where it is not.
    pub(super) near: Vec<ServiceAccountRef>,
    /// Where it stands, where it is not declared.
    pub(super) mention: Option<&'a Mention>,
    /// What mode sync makes of its role, where it is ours and not declared.
    pub(super) fate: Option<Fate>,
}

impl Known<'_> {
    /// The answer.
    pub(super) fn answer(&self) -> Answer {
        let Verdict { can_assume, cause } =
            self.survey.facts.verdict(self.service_account, self.role);
        let advice = self.advice(&cause);
        let (account, role) = (self.service_account, self.label.as_str());
        let said = match can_assume {
            _ if let Cause::ByOtherRole(other) = &cause => format!(
                "yes: pods of `{account}` can assume the role that their annotation names, `{other}`, now, as {cause}; `{role}` is not what they ask for"
            ),
            _ if matches!(cause, Cause::SomeIssuers { .. }) => {
                format!(
                    "partly: pods of `{account}` can assume `{role}` now by some of the issuers only: {cause}"
                )
            }
            Some(true) => format!("yes: pods of `{account}` can assume `{role}` now, as {cause}"),
            Some(false) => format!("no: pods of `{account}` cannot assume `{role}` now: {cause}"),
            None => {
                format!("unclear: whether pods of `{account}` can assume `{role}` now: {cause}")
            }
        };
        let since = match &cause {
            Cause::Quarantined(note) => note.since.clone(),
            _ => None,
        };
        Answer {
            can_assume,
            code: cause.code().as_str(),
            said: said + &self.out_of_date(),
            since,
            by: self.culprit(&cause).as_ref().map(Into::into),
            hint: advice.hint,
            run: advice.run,
            cloud_trail: advice.cloud_trail,
            notes: self.notes(can_assume),
        }
    }

    /// What was applied that is not in the history of the commit that was read, if anything was.
    fn superseded(&self) -> Option<&Superseded> {
        match self.survey.obstacle.as_ref()? {
            Obstacle::Superseded(superseded) => Some(superseded),
            Obstacle::Refused(_) => None,
        }
    }

    /// That manifests of another commit count, as the rest of a sentence.
    fn out_of_date(&self) -> String {
        let Some(superseded) = self.superseded() else {
            return String::new();
        };
        let (commit, applied) = (superseded.commit.short(), superseded.last_commit.short());
        let is = match superseded.why {
            Why::Newer => "is older than what was applied",
            Why::Elsewhere => "is on another line of history than what was applied",
            Why::Unknown => "may be older than what was applied, which is not in this clone",
        };
        let witness = &superseded.witness;
        format!(
            "; but the commit that was read, {commit}, {is}: {witness} {applied}, so what is said of manifests may be out of date"
        )
    }

    fn is_declared(&self) -> bool {
        let declared = &self.survey.facts.resolved.declared;
        let declared = declared.get(self.service_account);
        declared.is_some_and(|declared| declared.verdict != Manifest::Unmanaged)
    }

    /// The newest commit that took the ServiceAccount away, or had it have no role any more; of a quarantined
    /// role the one that it is quarantined for, whatever was declared and taken away since.
    fn removal(&self) -> Option<&Version> {
        let is_managed = |side: &Option<crate::manifest::Declaration>| {
            let side = side.as_ref();
            side.is_some_and(|one| one.management != Management::Unmanaged)
        };
        let versions = self.versions.iter();
        let removals =
            versions.filter(|version| is_managed(&version.before) && !is_managed(&version.after));
        let removals: Vec<&Version> = removals.collect();
        let quarantined = self.role.filter(|role| quarantine::is_quarantined(role));
        let by = quarantined.and_then(quarantine::by);
        let is_before = |version: &&Version| {
            let repository = self.manifests.repository.as_ref();
            let (id, by) = (&version.commit.id, by.as_ref());
            repository.zip(by).is_some_and(|(repository, by)| {
                id == by || repository.ancestry(id, by) == Ancestry::Ancestor
            })
        };
        let reason = removals.iter().copied().find(is_before);
        reason.or(removals.first().copied())
    }

    /// The newest commit that brought the ServiceAccount in.
    fn introduction(&self) -> Option<&Version> {
        let mut versions = self.versions.iter();
        versions.find(|version| version.before.is_none() && version.after.is_some())
    }

    /// The commit that made it so, as far as Git knows.
    fn culprit(&self, cause: &Cause) -> Option<CommitInfo> {
        let of = |version: &Version| version.commit.clone();
        match cause {
            Cause::Quarantined(note) => self.removal().map(of).or_else(|| {
                let repository = self.manifests.repository.as_ref()?;
                repository.commit(note.by.as_ref()?).ok()
            }),
            Cause::NoRole if self.is_declared() => self.introduction().map(of),
            Cause::NoRole => self.removal().map(of),
            Cause::OtherRole(_) => self.versions.first().map(of),
            Cause::NotLetIn => match self.drift {
                // What came after the commit as whose the role still is.
                Some(Drift::Earlier(at)) => self.versions.get(at.checked_sub(1)?).map(of),
                _ => None,
            },
            _ => None,
        }
    }

    fn notes(&self, can_assume: Option<bool>) -> Vec<String> {
        let mut notes = Vec::new();
        let boundary = self
            .role
            .and_then(|role| role.permissions_boundary.as_ref());
        notes.extend(boundary.map(|arn| {
            format!("permissions boundary `{arn}` limits what the pods may do, whatever is attached: look there if another action is denied")
        }));
        let made_anew = self.made_anew();
        let is_first = made_anew.is_none();
        notes.extend(made_anew);
        notes.extend(self.renamed());
        notes.extend(self.claimed());
        let unknown = self.manifests.repository.as_ref();
        if unknown.is_some_and(|repository| repository.is_shallow()) {
            notes.push("this clone is shallow, so commits are missing, and who introduced, changed or removed it may be another one: git fetch --unshallow (fetch-depth: 0)".to_owned());
        }
        if can_assume == Some(true) && is_first {
            let id = self.role.map(|role| role.listed.id.to_string());
            notes.extend(id.map(|id| {
                format!("policies elsewhere that name the role know it by its id, {id}: those that were written for an earlier role of that name do not match")
            }));
        }
        notes
    }

    /// Whether the role seems to have been deleted and made again.
    fn made_anew(&self) -> Option<String> {
        let role = self.role?;
        let created = role.created.as_deref()?;
        let made = created.parse::<Timestamp>().ok()?;
        let said = |why: String| {
            format!(
                "the role was made at {created}, {why}: either it could not be made before, or an earlier role of that name was deleted, and policies elsewhere that named its id do not match this one, {}; which of the two: {}",
                role.listed.id,
                self.role_calls()
            )
        };
        let repository = self.manifests.repository.as_ref()?;
        let is_after = |older: &CommitId, newer: &CommitId| {
            older != newer && repository.ancestry(older, newer) == Ancestry::Ancestor
        };
        let commit = role
            .tags
            .get(tags::COMMIT)
            .and_then(|id| CommitId::new(id).ok());
        if let (Some(removal), Some(commit)) = (self.removal(), commit)
            && is_after(&removal.commit.id, &commit)
        {
            let removed = removal.commit.id.short();
            return Some(said(format!(
                "after commit {removed} had removed its ServiceAccount"
            )));
        }
        let introduced = &self.introduction()?.commit.id;
        let entries = self.survey.facts.record().map(record::entries);
        let earlier = entries.into_iter().flatten().find(|entry| {
            let applied = entry.at.parse::<Timestamp>().ok();
            let is_later = applied.is_some_and(|at| made.duration_since(at) > LATER);
            is_later && (entry.commit == *introduced || is_after(introduced, &entry.commit))
        })?;
        Some(said(format!(
            "long after commit {}, which declares its ServiceAccount, was first applied ({})",
            earlier.commit.short(),
            earlier.at
        )))
    }

    /// The commit that gave the ServiceAccount another name, and what that means for its role.
    fn renamed(&self) -> Option<String> {
        let naming = self.survey.cluster().naming();
        let role = |one: &ServiceAccountRef| {
            let label = crate::desired::role_name::label(&naming, one);
            label.as_str().to_owned()
        };
        let counterpart = |version: &Version| {
            let other = self
                .manifests
                .counterpart(self.service_account, version, self.settings);
            other.ok().flatten()
        };
        if self.is_declared() {
            let version = self.introduction()?;
            let old = counterpart(version)?;
            let (commit, old_role) = (version.commit.id.short(), role(&old));
            return Some(format!(
                "commit {commit} renamed it from `{old}`: this is another role than `{old_role}`, with another id and none of its policies; compare: aws iam list-attached-role-policies --role-name {}",
                quoted(&old_role)
            ));
        }
        let version = self.removal()?;
        let new = counterpart(version)?;
        Some(format!(
            "commit {} renamed it to `{new}`, whose role `{}` is another one, with none of this one's policies: {}",
            version.commit.id.short(),
            role(&new),
            command(&format!("explain {new}"))
        ))
    }

    /// The ServiceAccount with errors that names this role, which may be this one, mistyped.
    fn claimed(&self) -> Option<String> {
        let arn = self.arn();
        let mut declared = self.survey.facts.resolved.declared.iter();
        let (other, at) = declared.find(|(other, declared)| {
            *other != self.service_account
                && matches!(declared.verdict, Manifest::Held { .. })
                && declared.role_arn.as_ref() == Some(&arn)
        })?;
        Some(format!(
            "ServiceAccount `{other}` at {} has errors and names this role: it may be this one, mistyped",
            at.location
        ))
    }

    fn arn(&self) -> String {
        let cluster = self.survey.cluster();
        let (partition, account) = (&cluster.partition, &cluster.account);
        format!(
            "arn:{partition}:iam::{account}:role{}{}",
            cluster.path,
            self.label.as_str()
        )
    }
}
