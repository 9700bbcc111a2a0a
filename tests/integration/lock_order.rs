//! The locks of several clusters, and of runs that need none.

use crate::support::cli::{Cli, ISSUER, apply};
use crate::support::iam_server::IamServer;
use crate::support::repository::{Repository, accounts, service_account};

#[test]
fn c67_locks_are_taken_in_one_order_whatever_the_configuration_says() {
    let entry = |name: &str| {
        format!(
            "- name: {name}\n  oidcProvider: {ISSUER}\n  account: \"123456789012\"\n  rolePrefix: {name}\n  paths: {name}\n"
        )
    };
    let account = |prefix: &str| service_account("bar", "x").replace("k8s-sa", prefix);
    let (a, b) = (account("a"), account("b"));
    let repository = Repository::with(&[("a/x.yaml", &a), ("b/x.yaml", &b)]);
    let directory = tempfile::tempdir().expect("a directory");
    for order in [["a", "b"], ["b", "a"]] {
        let server = IamServer::empty();
        let file = directory.path().join("clusters.yaml");
        std::fs::write(&file, order.map(entry).concat()).expect("a file");
        let file = file.display().to_string();
        Cli::new(repository.path(), &["apply", "--config", &file])
            .env("IRSA_GITOPS_CLUSTER_NAME", "")
            .env("IRSA_GITOPS_OIDC_PROVIDER", "")
            .endpoint(&server.url)
            .run()
            .ends(0);
        let mut locks = server.calls();
        locks.retain(|call| call.starts_with("CreateRole") && call.ends_with("=1"));
        let expected = ["CreateRole a_=a=1", "CreateRole b_=b=1"];
        assert_eq!(locks, expected, "{order:?}");
    }
}

#[test]
fn c62_a_run_that_finds_nothing_to_write_takes_no_lock() {
    let (repository, server) = (accounts(1), IamServer::empty());
    apply(&repository, &server).ends(0);
    for verb in ["adopt", "retire"] {
        server.script(vec![]);
        Cli::new(repository.path(), &[verb, "k8s-sa_bar_app-0", "--yes"])
            .endpoint(&server.url)
            .run();
        let calls = server.calls();
        assert!(calls.contains(&"GetRole k8s-sa_bar_app-0".to_owned()));
        let made = calls.iter().any(|call| call.starts_with("CreateRole"));
        assert!(!made, "{verb}: {calls:?}");
    }
}
