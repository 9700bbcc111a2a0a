//! Where a repository differs from the usual: namespaces that something else sets, annotation keys of
//! one's own, long names, and directories that are not rendered.

use crate::support::cli::Cli;
use crate::support::repository::{Repository, service_account};

/// The ServiceAccount without its namespace.
fn bare(namespace: &str, name: &str) -> String {
    service_account(namespace, name).replace(&format!("  namespace: {namespace}\n"), "")
}

#[test]
fn m41_advice_about_a_namespace_names_what_sets_it() {
    let repository = Repository::with(&[("foo.yaml", &bare("bar", "foo"))]);
    let run = Cli::new(repository.path(), &["lint"]).run().ends(4);
    assert!(
        run.stdout.contains("`namespace:` in a kustomization"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("only if its templates write it"),
        "{}",
        run.stdout
    );
}
