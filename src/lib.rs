//! irsa-gitops gives Kubernetes ServiceAccounts their AWS IAM roles from Git.
//!
//! # Architecture in one page
//!
//! Data flows one way. What comes from Git and what comes from IAM meet in the plan, and only what
//! stands in a plan is ever written:
//!
//! ```text
//! cli ──────────────> reconcile ───────────────────────────────────────────────> report
//! flags, environment,  │  what the manifests declare  (source, manifest, desired)
//! terminal, signals,   │  what IAM has                (iam: a reader)
//! files                │  what has to change          (plan: Facts in, Plan out)
//!                      └> apply                      (iam: a writer)
//! ```
//!
//! | module | in | out | must not know |
//! |---|---|---|---|
//! | [`model`] | text | checked identifiers, ARNs, tags, trust policies | any stage |
//! | [`source`] | repository, revision, paths | blobs at one commit, history | YAML, Kubernetes, IAM |
//! | [`manifest`] | bytes of one file | declarations, diagnostics | Git, role names, IAM |
//! | [`desired`] | declarations, a cluster's rules | roles as they should be | what IAM has |
//! | [`iam`] | identifiers, documents | roles as they are; carries out single calls | why |
//! | [`plan`] | what is declared and what is known | what has to be read next; changes with their reasons, refusals | how to read or write |
//! | [`apply`] | a plan and a writer | an outcome for each change | how anything was decided |
//! | [`reconcile`] | requests, readers, writers, what is declared | what a report tells | arguments, environment, terminal |
//! | [`report`] | all of the above | text for people and machines | terminals, files |
//! | [`permissions`] | a cluster | the IAM policy that a job needs | what a job does |
//! | [`settings`] | what the user wrote | validated settings | environment, files |
//! | [`cli`] | arguments | an exit code | what becomes of a role |
//!
//! `model`, `diagnostic`, `manifest`, `desired`, `plan`, `report`, `permissions`, `exit` and `settings`
//! are pure: no I/O, clock, environment, logging or async. A change to *what happens to a role*
//! belongs into `desired` or `plan`, and its test is values in, values out. Who asks whom, and in which
//! order, is `reconcile`.
//!
//! **A dry run is the absence of a call.** A plan is made with an [`iam::IamReader`], which has no
//! method that writes; only [`apply::apply`] calls the methods of an [`iam::IamWriter`].
//!
//! **Third-party types stop at their module**: `git2`, `gix_pack` and `walkdir` in `source`, `serde_yaml`,
//! `granit_parser` and `k8s_openapi` in `manifest` (and `serde_yaml` in `settings`, for its file),
//! the AWS SDK in `iam::aws`, `clap` in `cli`. `tests/integration/architecture.rs` holds these rules.
//!
//! **Fail closed.** The reach of a fault is what it leaves unknown: a bad ServiceAccount is held, a
//! file that does not parse stops all pruning, an incomplete listing stops all writing.

pub mod apply;
pub mod cli;
pub mod desired;
pub mod diagnostic;
pub mod exit;
pub mod iam;
pub mod manifest;
pub mod model;
pub mod permissions;
pub mod plan;
pub mod reconcile;
pub mod report;
pub mod settings;
pub mod source;
