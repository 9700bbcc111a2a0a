//! What changes between two commits, for each cluster, without asking anybody.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::lint::{add, shared_names};
use super::{ClusterManifests, Declarations, Error, Manifests, Terms};
use crate::model::arn::{AwsAccountId, Partition};
use crate::model::cluster::ClusterName;
use crate::model::commit::CommitId;
use crate::model::history::Ancestry;
use crate::model::role::RoleLabel;
use crate::plan::{self, Depth, Rename};
use crate::report::{Entry, Review, Section};
use crate::settings::ClusterSettings;
use crate::source::Repository;

/// Stands for the account in documents where nobody said which one it is.
const ANY_ACCOUNT: &str = "000000000000";

/// The two commits that are compared, as people name them: `BASE..HEAD`, `BASE...HEAD` for what HEAD changes
/// since it left BASE, or BASE alone. See <https://git-scm.com/docs/git-diff>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'a> {
    /// What is compared with.
    pub base: &'a str,
    /// What is compared.
    pub head: &'a str,
    /// Whether the base is where the two went different ways.
    pub is_since_fork: bool,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What is compared with.
    Base,
    /// What is compared.
    Head,
}

impl<'a> Range<'a> {
    /// Reads one; a name that is left out is HEAD.
    pub fn parse(text: &'a str) -> Self {
        let (base, head, is_since_fork) = match (text.split_once("..."), text.split_once("..")) {
            (Some((base, head)), _) => (base, head, true),
            (None, Some((base, head))) => (base, head, false),
            (None, None) => (text, "", false),
        };
        let [base, head] = [base, head].map(|name| if name.is_empty() { "HEAD" } else { name });
        Self {
            base,
            head,
            is_since_fork,
        }
    }

    /// The same with another name for one of the two.
    pub fn with<'b>(&self, end: End, name: &'b str) -> Range<'b>
    where
        'a: 'b,
    {
        match end {
            End::Base => Range {
                base: name,
                ..*self
            },
            End::Head => Range {
                head: name,
                ..*self
            },
        }
    }

    /// The ids of the two commits.
    ///
    /// # Errors
    ///
    /// If one of them names no commit, which is told; [`Error::NoMergeBase`] if it is not known here where
    /// they went different ways.
    pub fn resolve(
        &self,
        repository: &Rc<Repository>,
    ) -> Result<(CommitId, CommitId), Box<(End, Error)>> {
        let commit = |end, name| {
            repository
                .resolve(name)
                .map_err(|e| Box::new((end, Error::from(e))))
        };
        let base = commit(End::Base, self.base)?;
        let head = commit(End::Head, self.head)?;
        if !self.is_since_fork {
            return Ok((base, head));
        }
        let names = || Error::NoMergeBase(self.base.to_owned(), self.head.to_owned());
        let fork = repository.merge_base(&base, &head);
        Ok((fork.ok_or_else(|| Box::new((End::Base, names())))?, head))
    }
}

impl fmt::Display for Range<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dots = if self.is_since_fork { "..." } else { ".." };
        write!(f, "{}{dots}{}", self.base, self.head)
    }
}

/// Compares two commits, cluster by cluster; the names are those that were given.
///
/// # Errors
///
/// If the settings contradict each other.
pub fn compare(
    clusters: &[ClusterSettings],
    names: Vec<Option<ClusterName>>,
    before: &Manifests,
    after: &Manifests,
) -> Result<Vec<Section>, Error> {
    let mut sections = Vec::new();
    let mut sides = [before, after].map(|side| {
        let declared = clusters.iter();
        let declared = declared.map(|one| side.declared(&one.paths, one.naming()));
        let declared: Vec<ClusterManifests> = declared.collect();
        let shared = shared_names(clusters, &declared);
        declared.into_iter().zip(shared)
    });
    for (settings, cluster_name) in clusters.iter().zip(names) {
        let naming = settings.naming();
        let account = naming.account.clone();
        let placeholder = || AwsAccountId::new(ANY_ACCOUNT).expect("twelve digits");
        let partition = naming.partition.clone();
        let partition = partition.unwrap_or_else(|| Partition::of_region(""));
        let known = account.clone().unwrap_or_else(placeholder);
        let cluster = settings.for_caller(&known, &partition)?;
        let run = Terms::keeping(Depth::Listing).run(after, &settings.paths);
        let [Some((mut base, at_base)), Some((mut head, at_head))] =
            sides.each_mut().map(Iterator::next)
        else {
            break;
        };
        add(&mut base, at_base);
        let is_lost = |whose: &_| !head.resolved.declared.contains_key(whose);
        if base.resolved.declared.keys().any(is_lost) {
            // What is missing may be in what is broken.
            head = after.declared_by(after.whole()?, &settings.paths, naming);
        }
        add(&mut head, at_head);
        let mut plan = plan::compare(&base.resolved, &head.resolved, &cluster, &run);
        if let Some(base) = before.commit() {
            let questions = plan::between(&plan, &cluster, base);
            let ours = after.commit().filter(|_| !questions.absent.is_empty());
            let order = ours.zip(after.graph());
            if order.is_some_and(|(ours, graph)| graph.ancestry(base, ours) == Ancestry::Ancestor) {
                let history = after.history(&questions, &settings.paths)?;
                plan::hold_unproven(&mut plan, &history);
            }
        }
        let renames = plan::renames(plan.changes.values(), &base.resolved);
        let mut diagnostics = head.diagnostics;
        diagnostics.extend(plan.diagnostics.iter().cloned());
        diagnostics.extend(renames.iter().map(Rename::warning));
        let review = Review {
            at_base: Some(base.diagnostics),
            renamed: renamed(&renames),
            ..Review::default()
        };
        let entry = |change| Entry {
            change,
            outcome: None,
            origin: None,
        };
        sections.push(Section {
            cluster: cluster_name,
            account,
            entries: plan.changes.into_values().map(entry).collect(),
            diagnostics,
            review,
            ..Section::default()
        });
    }
    Ok(sections)
}

/// Which new role takes the place of which.
pub(super) fn renamed(renames: &[Rename<'_>]) -> BTreeMap<RoleLabel, RoleLabel> {
    let pair = |rename: &Rename<'_>| (rename.new.role.clone(), rename.old.role.clone());
    renames.iter().map(pair).collect()
}
