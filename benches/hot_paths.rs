//! The pure hot paths: looking at files, reading documents, deciding about five thousand roles.
//!
//! `cargo bench` prints times and compares them with those of the run before.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irsa_gitops::desired::{Verdict, desired_role, resolve};
use irsa_gitops::manifest::Extractor;
use irsa_gitops::model::arn::{AwsAccountId, Partition};
use irsa_gitops::model::cluster::{Audience, Cluster, ClusterName, Issuer, Naming, RolePrefix};
use irsa_gitops::model::last_use::LastUse;
use irsa_gitops::model::location::RepoPath;
use irsa_gitops::model::role::{CurrentRole, ListedRole, RoleId, RolePath};
use irsa_gitops::model::tags::TagValue;
use irsa_gitops::model::trust_policy::TrustDocument;
use irsa_gitops::plan::guard::Allowed;
use irsa_gitops::plan::{Answer, Depth, Facts, Mode, Need, Prune, Rewrite, Run};

fn service_account(n: usize) -> String {
    format!(
        "apiVersion: v1
kind: ServiceAccount
metadata:
  name: app-{n}
  namespace: bar
  annotations:
    security.kaluza.com/iam-role-managed: \"true\"
    eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/k8s-sa_bar_app-{n}
"
    )
}

/// What most files hold: nothing of ours.
fn deployment() -> String {
    let mut text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app\n".to_owned();
    for n in 0..200 {
        text.push_str(&format!("  - image: registry.example.com/app-{n}:v1.{n}\n"));
    }
    text
}

fn scan(c: &mut Criterion) {
    let path = RepoPath::from("a.yaml");
    let text = deployment();
    let mut group = c.benchmark_group("scan");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("a file that holds nothing", |b| {
        let extractor = Extractor::default();
        b.iter(|| extractor.extract(&path, black_box(text.as_bytes())));
    });
    group.finish();
}

fn split(c: &mut Criterion) {
    let path = RepoPath::from("a.yaml");
    let text: String = (0..100)
        .map(|n| format!("---\n{}", service_account(n)))
        .collect();
    let mut group = c.benchmark_group("split and read");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("a hundred ServiceAccounts in one file", |b| {
        let extractor = Extractor::default();
        b.iter(|| extractor.extract(&path, black_box(text.as_bytes())));
    });
    group.finish();
}

fn decide(c: &mut Criterion) {
    let path = RepoPath::from("a.yaml");
    let text: String = (0..5000)
        .map(|n| format!("---\n{}", service_account(n)))
        .collect();
    let found = Extractor::default()
        .extract(&path, text.as_bytes())
        .expect("it holds the annotation");
    c.bench_function("resolve five thousand ServiceAccounts", |b| {
        b.iter(|| resolve(black_box(&found.declarations), &Naming::default()));
    });
}

fn compare(c: &mut Criterion) {
    let document = |action: &str| {
        TrustDocument::new(format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.example.com"}},"Action":{action},"Condition":{{"StringEquals":{{"oidc.example.com:sub":"system:serviceaccount:bar:foo","oidc.example.com:aud":"sts.amazonaws.com"}}}}}}]}}"#
        ))
    };
    let text = document(r#""sts:AssumeRoleWithWebIdentity""#);
    let list = document(r#"["sts:AssumeRoleWithWebIdentity"]"#);
    c.bench_function("compare two trust policies of the same meaning", |b| {
        b.iter(|| black_box(&text).same_meaning(black_box(&list)));
    });
}

fn cluster() -> Cluster {
    Cluster {
        name: ClusterName::new("prod").expect("a name"),
        prefix: RolePrefix::default(),
        path: RolePath::default(),
        partition: Partition::new("aws").expect("a partition"),
        account: AwsAccountId::new("123456789012").expect("an account"),
        issuers: vec![Issuer::new("oidc.example.com/id/1").expect("an issuer")],
        audience: Some(Audience::default()),
        permissions_boundary: None,
        max_session_duration: None,
        managed_by: TagValue::new("iam-service-account-controller").expect("a value"),
        tags: vec![],
        pod_identity: irsa_gitops::model::cluster::PodIdentity::Keep,
        conventions: Default::default(),
    }
}

fn diff(c: &mut Criterion) {
    let text: String = (0..5000)
        .map(|n| format!("---\n{}", service_account(n)))
        .collect();
    let found = Extractor::default()
        .extract(&RepoPath::from("a.yaml"), text.as_bytes())
        .expect("it is ours");
    let (cluster, repository) = (cluster(), "github.com/acme/apps");
    let resolved = resolve(&found.declarations, &cluster.naming());
    let roles = resolved.declared.iter().map(|(service_account, declared)| {
        let Verdict::Managed(managed) = &declared.verdict else {
            panic!("{service_account} has an error");
        };
        let (place, location) = (service_account, &declared.location);
        let desired = desired_role(place, managed, location, &cluster, repository);
        CurrentRole {
            listed: ListedRole {
                name: desired.arn.name,
                id: RoleId::new("AROA1"),
                path: desired.arn.path,
                trust_policy: desired.trust_policy,
                max_session_seconds: Some(3600),
            },
            tags: desired.tags,
            permissions_boundary: None,
            created: None,
            last_use: LastUse::Unknown,
        }
    });
    let roles: Vec<CurrentRole> = roles.collect();
    let run = Run {
        repository: repository.to_owned(),
        paths: vec![],
        commit: None,
        source: None,
        mode: Mode::UpsertOnly,
        depth: Depth::Full,
        prune: Prune {
            after: jiff::SignedDuration::ZERO,
            now: jiff::Timestamp::UNIX_EPOCH,
        },
        rewrite: Rewrite::Refused,
    };
    let plan = || {
        let (resolved, cluster, run) = (resolved.clone(), cluster.clone(), run.clone());
        let mut facts = Facts::new(resolved, cluster, run, Allowed::default());
        while let Some(need) = facts.missing() {
            facts.add(match need {
                Need::Listing => {
                    Answer::Listing(roles.iter().map(|role| role.listed.clone()).collect())
                }
                Need::Roles(_) => {
                    let full = roles.iter().cloned();
                    Answer::Roles(full.map(|r| (r.listed.name.clone(), Some(r))).collect())
                }
                other => panic!("{other:?} is not needed"),
            });
        }
        facts.decide().plan
    };
    assert_eq!(plan().writes().count(), 0, "all in sync");
    c.bench_function("plan for five thousand roles that are as declared", |b| {
        b.iter(|| black_box(plan()));
    });
}

criterion_group!(hot_paths, scan, split, decide, compare, diff);
criterion_main!(hot_paths);
