//! Where a report will be read, as far as arguments and environment tell.

use std::path::PathBuf;

use clap::ArgMatches;

use crate::report::context::Context;

/// What the arguments of a verb say is planned: the same for each run of a job, whatever comes of it.
fn scope(verb: &ArgMatches) -> Vec<String> {
    let texts = |id: &str, name: &str| -> Vec<String> {
        let given = verb.try_get_many::<String>(id).ok().flatten();
        let given = given.into_iter().flatten();
        given.map(|text| format!("{name}={text}")).collect()
    };
    let file = verb.try_get_one::<PathBuf>("config").ok().flatten();
    let file = file.map(|file| format!("config={}", file.display()));
    let mut scope = texts("cluster_names", "cluster");
    scope.extend(file);
    scope.extend(texts("paths", "path"));
    scope
}

/// Where the report of a verb is read: a CI system says what its run and its host are.
pub(super) fn context(verb: Option<&ArgMatches>) -> Context {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
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
        scope: verb.map(scope).unwrap_or_default(),
        run: github_run().or_else(|| set("CI_JOB_URL")),
        commit: set("GITHUB_SHA").or_else(|| set("CI_COMMIT_SHA")),
        program: program(),
        gitlab: set("CI_SERVER_URL"),
        github,
    }
}
