//! What the planner has to know of Git history, asked all at once, and the answers.

use std::collections::{BTreeMap, BTreeSet};

use super::ownership::{self, Ownership};
use super::{Facts, Mode, quarantine};
use crate::model::arn::RoleArn;
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::conventions::{IgnoreRules, NamespaceRules};
use crate::model::history::{Absence, Ancestry, Elsewhere};
use crate::model::location::RepoPath;
use crate::model::role::CurrentRole;
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags;

/// What has to be asked of Git.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// What each of these is to the commit that was read.
    pub commits: BTreeSet<CommitId>,
    /// The commits that were applied to what the run reads.
    pub applied: BTreeSet<CommitId>,
    /// Why each of these is not declared any more.
    pub absent: BTreeMap<ServiceAccountRef, Absent>,
    /// Whose roles may be retired: whether a file that is not read declares one, or may do so.
    pub retiring: BTreeMap<ServiceAccountRef, Retiring>,
    /// Which namespace a path is applied to, at every commit.
    pub namespaces: NamespaceRules,
    /// Which paths count for nothing, at every commit.
    pub ignore: IgnoreRules,
}

/// A ServiceAccount that is not declared any more, as far as tags tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The commit since which it must have gone.
    pub since: Option<CommitId>,
    /// The commit that its role was made for: files may have lost it since.
    pub made: Option<CommitId>,
}

/// A role that may be retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retiring {
    /// The role.
    pub arn: RoleArn,
    /// The commit that last wrote it, if a tag or a note tells: what files say since then may be what it was made for.
    pub since: Option<CommitId>,
    /// Whether it is quarantined, so that it is the quarantine that explains its absence.
    pub is_quarantined: bool,
}

/// What Git said. What is missing is unknown or unexplained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What a commit is to the one that was read.
    pub ancestry: BTreeMap<CommitId, Ancestry>,
    /// Why a ServiceAccount is not declared any more.
    pub absences: BTreeMap<ServiceAccountRef, Absence>,
    /// Which file that is not read declares a role that may be retired, or may do so.
    pub moved: BTreeMap<ServiceAccountRef, Elsewhere>,
    /// What is read and not understood that may hide the ServiceAccount of a quarantined role, and
    /// why: it is not what it was when the role was quarantined.
    pub hidden: BTreeMap<ServiceAccountRef, (RepoPath, String)>,
    /// What is read and not understood that has the name of the ServiceAccount, and why: whatever its age, it
    /// may be what a role was made for that no commit explains.
    pub named: BTreeMap<ServiceAccountRef, (RepoPath, String)>,
}

impl History {
    /// Adds further answers.
    pub(super) fn extend(&mut self, other: Self) {
        self.ancestry.extend(other.ancestry);
        self.absences.extend(other.absences);
        self.moved.extend(other.moved);
        self.hidden.extend(other.hidden);
        self.named.extend(other.named);
    }

    /// What a commit is to the one that was read; without an answer, nothing is proven.
    pub fn ancestry(&self, commit: &CommitId) -> Ancestry {
        self.ancestry
            .get(commit)
            .copied()
            .unwrap_or(Ancestry::Unproven)
    }

    /// Whether a commit is known not to be in our history.
    pub(super) fn is_outside(&self, commit: &CommitId) -> bool {
        matches!(
            self.ancestry(commit),
            Ancestry::Elsewhere | Ancestry::Unknown
        )
    }
}

impl Retiring {
    /// What is known of a role of the cluster.
    pub(super) fn of(role: &CurrentRole, cluster: &Cluster) -> Self {
        Self {
            arn: cluster.role_arn(&role.listed.name),
            since: last_commit(role),
            is_quarantined: quarantine::is_quarantined(role),
        }
    }
}

impl Questions {
    /// Whether there is any.
    pub(super) fn is_any(&self) -> bool {
        !(self.commits.is_empty() && self.absent.is_empty() && self.retiring.is_empty())
    }

    /// None yet about any role.
    pub(super) fn of(facts: &Facts) -> Self {
        let conventions = &facts.cluster.conventions;
        let applied = facts.applied().into_iter().map(|entry| entry.commit);
        Self {
            applied: applied.collect(),
            namespaces: conventions.namespaces.clone(),
            ignore: conventions.ignore.clone(),
            ..Self::default()
        }
    }
}

/// What has to be asked of Git about the roles that were read in full, without looking through history.
pub(super) fn questions(facts: &Facts) -> Questions {
    let (cluster, run) = (&facts.cluster, &facts.run);
    let mut questions = Questions::of(facts);
    questions.commits.extend(questions.applied.iter().cloned());
    for role in facts.current.details() {
        let Ownership::Owned(service_account) = ownership::of(role, cluster) else {
            continue;
        };
        let commits = [
            role.commit(tags::LAST_COMMIT),
            quarantine::by(role),
            role.commit(tags::COMMIT),
        ];
        questions.commits.extend(commits.into_iter().flatten());
        if run.mode != Mode::Sync || !facts.is_leftover(&role.listed) {
            continue;
        }
        let quarantined = quarantine::is_quarantined(role);
        let is_named = facts.is_named(&role.listed.name);
        if !quarantined || is_named || quarantine::is_due(role, &run.prune) {
            let retiring = Retiring::of(role, cluster);
            questions.retiring.insert(service_account, retiring);
        }
    }
    questions
}

/// The commit of the run that last wrote to a role: that of its tag, or of the note of a quarantine
/// where there was no room for one.
pub(super) fn last_commit(role: &CurrentRole) -> Option<CommitId> {
    role.commit(tags::LAST_COMMIT)
        .or_else(|| quarantine::noted_by(role))
}
