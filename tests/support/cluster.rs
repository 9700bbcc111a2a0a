//! The cluster of the tests that call the library, and runs over it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use irsa_gitops::model::arn::{AwsAccountId, Partition};
use irsa_gitops::model::cluster::{
    Audience, Cluster, ClusterName, Issuer, PodIdentity, RolePrefix,
};
use irsa_gitops::model::role::RolePath;
use irsa_gitops::model::tags::TagValue;
use irsa_gitops::reconcile::Turn;
use irsa_gitops::settings::{ClusterInput, ClusterSettings};

pub fn cluster() -> Cluster {
    Cluster {
        name: ClusterName::new("prod").expect("valid"),
        prefix: RolePrefix::default(),
        path: RolePath::default(),
        partition: Partition::new("aws").expect("valid"),
        account: AwsAccountId::new("123456789012").expect("valid"),
        issuers: vec![Issuer::new("oidc.example.com").expect("valid")],
        audience: Some(Audience::default()),
        permissions_boundary: None,
        max_session_duration: None,
        managed_by: TagValue::new("iam-service-account-controller").expect("valid"),
        tags: vec![],
        pod_identity: PodIdentity::Keep,
        conventions: Default::default(),
    }
}

pub fn settings() -> ClusterSettings {
    let input = ClusterInput {
        name: Some("prod".to_owned()),
        oidc_providers: vec!["oidc.example.com".to_owned()],
        ..ClusterInput::default()
    };
    input.validate().expect("valid settings")
}

/// A run of its own: no two have the same id.
pub fn turn() -> Turn {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    Turn {
        settle: Duration::ZERO,
        run: RUNS.fetch_add(1, Ordering::Relaxed).to_string(),
        timeout: Duration::from_secs(600),
        lease: jiff::SignedDuration::from_secs(60),
        since: "2026-11-24T12:00:00Z".parse().expect("valid"),
    }
}

/// What work comes to by a clock that jumps over every wait.
pub fn paused<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(work)
}
