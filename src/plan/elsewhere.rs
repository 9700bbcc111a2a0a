//! Roles whose manifests another pipeline reads: those of one cluster may read paths of their own.
//!
//! The source tag of a role says where its manifest is, made fit for a tag. A tag that is of another
//! repository, or may have lost its beginning, tells nothing.

use super::{Facts, Run, record};
use crate::model::location::RepoPath;
use crate::model::role::CurrentRole;
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags::{self, TagValue};

impl Facts {
    /// The manifest of a role that this run does not declare, if another pipeline of the cluster
    /// reads it, in the characters of a tag.
    pub(super) fn read_elsewhere(
        &self,
        role: &CurrentRole,
        service_account: &ServiceAccountRef,
    ) -> Option<String> {
        let moved = self.history.moved.get(service_account);
        let files = moved.map(|file| [std::slice::from_ref(&file.path), &file.declaring].concat());
        let files = files.map(|files| files.iter().map(fitted).collect());
        // What a role was made from tells where it is declared as long as nothing better does.
        let files: Vec<String> =
            files.unwrap_or_else(|| manifest(role, &self.run).into_iter().collect());
        let entries = self.record().map(record::entries).unwrap_or_default();
        files.into_iter().find(|path| is_read(path, &entries))
    }

    /// A file that declares a role which this run does not declare, if another pipeline of the cluster may
    /// read it.
    pub(super) fn may_be_read_elsewhere(
        &self,
        service_account: &ServiceAccountRef,
    ) -> Option<String> {
        let moved = self.history.moved.get(service_account)?;
        let entries = self.record().map(record::entries).unwrap_or_default();
        let mut declaring = moved.declaring.iter().map(fitted);
        declaring.find(|path| may_be_read(path, &entries, &self.run))
    }
}

impl Facts {
    /// The manifest that a role was made from, if this run does not read it and another pipeline of the
    /// cluster may: its removal is that one's.
    pub(super) fn made_elsewhere(&self, role: &CurrentRole) -> Option<String> {
        let entries = self.record().map(record::entries).unwrap_or_default();
        manifest(role, &self.run).filter(|path| may_be_read(path, &entries, &self.run))
    }
}

/// The path of a role's manifest, in the characters of a tag, if it lies outside of what a run reads.
pub(super) fn manifest(role: &CurrentRole, run: &Run) -> Option<String> {
    let repository = TagValue::fitted(&format!("{}/", run.repository));
    let source = role.tags.get(tags::SOURCE)?;
    let path = source.strip_prefix(repository.as_str())?;
    let is_whole = source.chars().count() < TagValue::MAX_LENGTH;
    let is_outside = !run.paths.is_empty() && !covers(&run.paths, path);
    (is_whole && is_outside).then(|| path.to_owned())
}

/// Whether the pipelines that left these entries in the record read a file for sure.
fn is_read(path: &str, applied: &[record::Entry]) -> bool {
    let reads = |entry: &record::Entry| match &entry.scope {
        record::Scope::Paths(paths) => covers(paths, path),
        record::Scope::Everything | record::Scope::Unknown => false,
    };
    applied.iter().any(reads)
}

/// Whether another pipeline than that of a run may read a file: one that reads everything does, and of one
/// with more paths than a tag has room for nobody knows.
fn may_be_read(path: &str, applied: &[record::Entry], run: &Run) -> bool {
    let own = record::key_of(&run.paths);
    let others = applied.iter().filter(|entry| entry.key != own);
    let mut others = others.map(|entry| &entry.scope);
    others.any(|scope| match scope {
        record::Scope::Paths(paths) => covers(paths, path),
        record::Scope::Everything | record::Scope::Unknown => true,
    })
}

/// A path in the characters of a tag.
fn fitted(path: &RepoPath) -> String {
    TagValue::fitted(&path.to_string()).as_str().to_owned()
}

/// Whether one of the paths is the file, or a directory around it. Every character is made fit by
/// itself, so a file below a directory stays below it.
fn covers(paths: &[RepoPath], file: &str) -> bool {
    let is_around = |path: &RepoPath| {
        let path = TagValue::fitted(&path.to_string());
        let rest = file.strip_prefix(path.as_str());
        path.as_str().is_empty()
            || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    paths.iter().any(is_around)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c16_a_path_covers_itself_and_what_is_below_it() {
        let covered = |path: &str, file: &str| covers(&[RepoPath::from(path)], file);
        assert!(covered("a", "a/x.yaml") && covered("a/x.yaml", "a/x.yaml"));
        assert!(covered("", "a/x.yaml"), "the root");
        assert!(!covered("a", "ab/x.yaml") && !covered("a/x.yaml", "a"));
        // As the source tag has it; two paths that look the same there may be either.
        assert!(covered("a,b", "a_b/x.yaml") && covered("a_b", "a_b/x.yaml"));
    }
}
