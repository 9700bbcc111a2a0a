//! What every role that is written carries of the run: its commit, and where its manifest is.

use super::Run;
use crate::desired::DesiredRole;
use crate::model::history::SourceCommit;
use crate::model::role::NewRole;
use crate::model::tags::{self, TagValue, Tags};

/// The role as CreateRole is to make it.
pub(super) fn new_role(desired: &DesiredRole, run: &Run) -> NewRole {
    let mut tags = desired.tags.clone();
    for (key, value) in provenance(desired, run).iter() {
        tags.set(key, value);
    }
    if let Some(commit) = &run.commit {
        tags.set(tags::COMMIT, commit.as_str());
    }
    NewRole {
        arn: desired.arn.clone(),
        trust_policy: desired.trust_policy.clone(),
        tags,
        permissions_boundary: desired.permissions_boundary.clone(),
        max_session_duration: desired.max_session_duration,
    }
}

/// The tags that every write refreshes.
pub(super) fn provenance(desired: &DesiredRole, run: &Run) -> Tags {
    let mut tags: Tags = [(tags::SOURCE, desired.source.as_str())]
        .into_iter()
        .collect();
    if let Some(commit) = &run.commit {
        tags.set(tags::LAST_COMMIT, commit.as_str());
    }
    if let Some(source) = source_commit(run) {
        tags.set(tags::SOURCE_COMMIT, source.as_str());
    }
    tags
}

/// What the run's commit was rendered from, as a tag.
pub(super) fn source_commit(run: &Run) -> Option<TagValue> {
    let SourceCommit { id, author } = run.source.as_ref()?;
    let author = author.as_ref().map(|author| format!(" {author}"));
    Some(TagValue::fitted(&format!(
        "{id}{}",
        author.unwrap_or_default()
    )))
}
