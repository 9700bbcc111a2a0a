//! What changes between two commits, for each cluster, without asking anybody.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Declarations, Error, Manifests, Terms};
use crate::model::arn::{AwsAccountId, Partition};
use crate::model::cluster::ClusterName;
use crate::model::commit::CommitId;
use crate::model::role::RoleLabel;
use crate::plan::{Depth, Rename};
use crate::report::{Entry, Review, Section};
use crate::settings::ClusterSettings;
use crate::source::Repository;

/// Stands for the account in documents where nobody said which one it is.
const ANY_ACCOUNT: &str = "000000000000";

/// The commit at which two went different ways.
///
/// # Errors
///
/// [`Error::NoMergeBase`] if none is known here; `range` are the names that people gave the two.
pub fn fork(
    repository: &Rc<Repository>,
    range: (&str, &str),
    base: &CommitId,
    head: &CommitId,
) -> Result<CommitId, Error> {
    let (left, right) = range;
    let fork = repository.merge_base(base, head);
    fork.ok_or_else(|| Error::NoMergeBase(left.to_owned(), right.to_owned()))
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
    for (settings, cluster_name) in clusters.iter().zip(names) {
        let naming = settings.naming();
        let account = naming.account.clone();
        let placeholder = || AwsAccountId::new(ANY_ACCOUNT).expect("twelve digits");
        let partition = naming.partition.clone();
        let partition = partition.unwrap_or_else(|| Partition::of_region(""));
        let known = account.clone().unwrap_or_else(placeholder);
        let cluster = settings.for_caller(&known, &partition)?;
        let run = Terms::keeping(Depth::Listing).run(after, &settings.paths);
        let base = before.declared(&settings.paths, naming);
        let mut head = after.declared(&settings.paths, naming);
        let is_lost = |whose: &_| !head.resolved.declared.contains_key(whose);
        if base.resolved.declared.keys().any(is_lost) {
            // What is missing may be in what is broken.
            head = after.declared_by(after.whole()?, &settings.paths, naming);
        }
        let plan = crate::plan::compare(&base.resolved, &head.resolved, &cluster, &run);
        let renames = crate::plan::renames(plan.changes.values(), &base.resolved);
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
