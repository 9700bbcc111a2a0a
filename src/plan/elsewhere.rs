//! Roles whose manifests another pipeline reads: those of one cluster may read paths of their own.
//!
//! The source tag of a role says where its manifest is, made fit for a tag. A tag that is of another
//! repository, or may have lost its beginning, tells nothing.

use super::{Run, record};
use crate::model::location::RepoPath;
use crate::model::role::CurrentRole;
use crate::model::tags::{self, TagValue};

/// The path of a role's manifest, in the characters of a tag, if it lies outside of what a run reads.
pub(super) fn manifest(role: &CurrentRole, run: &Run) -> Option<String> {
    let repository = TagValue::fitted(&format!("{}/", run.repository));
    let source = role.tags.get(tags::SOURCE)?;
    let path = source.strip_prefix(repository.as_str())?;
    let is_whole = source.chars().count() < TagValue::MAX_LENGTH;
    let is_outside = !run.paths.is_empty() && !covers(&run.paths, path);
    (is_whole && is_outside).then(|| path.to_owned())
}

/// Whether the pipelines that left these entries in the record read a file.
pub(super) fn is_read(path: &str, applied: &[record::Entry]) -> bool {
    let reads = |entry: &record::Entry| match &entry.scope {
        record::Scope::Paths(paths) => covers(paths, path),
        record::Scope::Everything | record::Scope::Unknown => false,
    };
    applied.iter().any(reads)
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
