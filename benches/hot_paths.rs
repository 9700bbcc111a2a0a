//! The pure hot paths: looking at files, reading documents, deciding about five thousand roles.
//!
//! `cargo bench` prints times and compares them with those of the run before.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irsa_gitops::desired::resolve;
use irsa_gitops::manifest::extract;
use irsa_gitops::model::cluster::Naming;
use irsa_gitops::model::location::RepoPath;
use irsa_gitops::model::trust_policy::TrustDocument;

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
        b.iter(|| extract(&path, black_box(text.as_bytes())));
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
        b.iter(|| extract(&path, black_box(text.as_bytes())));
    });
    group.finish();
}

fn decide(c: &mut Criterion) {
    let path = RepoPath::from("a.yaml");
    let text: String = (0..5000)
        .map(|n| format!("---\n{}", service_account(n)))
        .collect();
    let found = extract(&path, text.as_bytes()).expect("it holds the annotation");
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

criterion_group!(hot_paths, scan, split, decide, compare);
criterion_main!(hot_paths);
