//! What is found about a commit as a whole: edits that are not part of it, and what is not read.

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::commit::CommitId;
use crate::model::location::{Location, RepoPath};
use crate::source::{Unread, UnreadReason};

/// Says that edits which are in no commit have no effect, if there are any.
pub(super) fn uncommitted(commit: &CommitId, changed: &[RepoPath]) -> Option<Diagnostic> {
    let first = changed.first()?;
    let what = match changed.len() - 1 {
        0 => format!("`{first}` differs"),
        others => format!("`{first}` and {others} more differ"),
    };
    let message = format!("{what} in the work tree from commit {}", commit.short());
    Some(
        Diagnostic::warning(Code::DirtyWorkTree, message)
            .with_hint("only the commit is read; commit the change for it to have an effect"),
    )
}

/// Says that something in scope is not read.
pub(super) fn not_read(unread: &Unread) -> Diagnostic {
    let (what, hint) = match &unread.reason {
        UnreadReason::Submodule => (
            "a submodule is not read",
            "if it holds manifests, render them into this repository",
        ),
        UnreadReason::Symlink | UnreadReason::LinkedDirectory(_) => (
            "a symbolic link is not followed",
            "commit what it leads to in its place, remove it, or leave it out with --path or --exclude",
        ),
        UnreadReason::LinkedSubmodule(_) => (
            "a symbolic link into a submodule is not followed",
            "if it leads to manifests, render them into this repository",
        ),
        UnreadReason::LfsPointer => (
            "this is a Git LFS pointer, and its content is not here",
            "keep manifests out of Git LFS, or leave it out with --path or --exclude",
        ),
    };
    let severity = match &unread.reason {
        // Another repository's, which is not part of this one.
        UnreadReason::Submodule | UnreadReason::LinkedSubmodule(_) => Severity::Note,
        _ => Severity::Error,
    };
    Diagnostic::new(Code::NotRead, severity, what)
        .at(Location {
            path: unread.path.clone(),
            line: 1,
            column: 1,
        })
        .with_hint(hint)
}
