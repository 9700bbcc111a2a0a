//! The pipeline that runs the program, as far as it tells.

use std::path::PathBuf;

use super::{file, set};
use crate::report::context::Context;

/// The file that GitHub Actions takes the summary of a step from:
/// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.
pub(crate) fn step_summary() -> Option<PathBuf> {
    file("GITHUB_STEP_SUMMARY")
}

/// Where the report of a run with this scope is read: a CI system says what its run and its host are.
pub(crate) fn context(scope: Vec<String>) -> Context {
    let github = set("GITHUB_SERVER_URL");
    let on_github = |path: &str| Some(format!("{}/{path}", github.as_deref()?));
    let github_run = || {
        let run = format!(
            "{}/actions/runs/{}",
            set("GITHUB_REPOSITORY")?,
            set("GITHUB_RUN_ID")?
        );
        on_github(&run)
    };
    let program = || {
        let commit = set("GITHUB_ACTION_REF")?;
        on_github(&format!(
            "{}/blob/{commit}",
            set("GITHUB_ACTION_REPOSITORY")?
        ))
    };
    Context {
        scope,
        run: github_run().or_else(|| set("CI_JOB_URL")),
        commit: set("GITHUB_SHA").or_else(|| set("CI_COMMIT_SHA")),
        program: program(),
        gitlab: set("CI_SERVER_URL"),
        github,
    }
}
