//! irsa-gitops gives Kubernetes ServiceAccounts their AWS IAM roles from Git.
//!
//! # Architecture in one page
//!
//! Data flows one way. What comes from Git and what comes from IAM meet in the plan, and only what
//! stands in a plan is ever written, beside the lock of the run that writes it:
//!
//! ```text
//! cli ──────────────> reconcile ───────────────────────────────────────────────> report
//! flags, environment,  │  what the manifests declare  (source, manifest, desired)
//! files; the terminal  │  what IAM has                (iam: a reader)
//!                      │  what has to change          (plan: Facts in, Plan out)
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
//! | [`diagnostic`], [`exit`] | | the codes of findings and of endings, each with its words | any stage |
//! | `environment` | variables | tokens and settings for Git, the pipeline that runs | arguments, any stage |
//! | `manual` | the definitions of arguments | help, manual page, completions, reference | any stage |
//! | `terminal` | texts, events, signals | what a person sees; an answer, a stop | arguments, what becomes of a role |
//! | [`cli`] | arguments | an exit code | what becomes of a role |
//!
//! `model`, `diagnostic`, `manifest`, `desired`, `plan`, `report`, `permissions`, `exit` and `settings`
//! are pure: no I/O, clock, environment, logging or async. A change to *what happens to a role*
//! belongs into `desired` or `plan`, and its test is values in, values out. Who asks whom, and in which
//! order, is `reconcile`.
//!
//! **A dry run is the absence of a call.** A plan is made with an [`iam::IamReader`], which has no
//! method that writes; only [`apply`] calls the methods of an [`iam::IamWriter`] that write.
//!
//! **Third-party types stop at their module**: `git2`, `gix_pack` and `walkdir` in `source`, `serde_yaml`,
//! `granit_parser` and `k8s_openapi` in `manifest` (and `serde_yaml` in `settings`, for its file),
//! the AWS SDK in `iam::aws`, `clap` in `cli` and `manual`, `indicatif` and `anstream` in `terminal`
//! (whose colours `cli` chooses), others as `tests/integration/architecture.rs` says and holds.
//!
//! **Fail closed.** The reach of a fault is what it leaves unknown: a bad ServiceAccount is held, a
//! file that does not parse the removals that it may hide, an incomplete listing stops all writing.
//!
//! # Without the shell
//!
//! A controller or a test calls what the command line calls:
//!
//! ```
//! use std::time::Duration;
//!
//! use irsa_gitops::apply::Stop;
//! use irsa_gitops::manifest::Extent;
//! use irsa_gitops::plan::Depth;
//! use irsa_gitops::reconcile::apply::apply;
//! use irsa_gitops::reconcile::endpoint::{Accounts, Endpoint};
//! use irsa_gitops::reconcile::manifests::{Manifests, Reading};
//! use irsa_gitops::reconcile::place::{Address, Place};
//! use irsa_gitops::reconcile::survey::survey;
//! use irsa_gitops::reconcile::{Bounds, Observer, Terms, Turn};
//! use irsa_gitops::settings::{ClusterInput, ClusterSettings};
//! use irsa_gitops::source::{Alternates, Credentials};
//! use jiff::{SignedDuration, Timestamp};
//!
//! // A repository with one commit.
//! let directory = tempfile::tempdir()?;
//! let git = git2::Repository::init(directory.path().join("apps"))?;
//! let mut tree = git.treebuilder(None)?;
//! let manifest = git.blob(b"apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: foo
//!   namespace: bar
//!   annotations:
//!     security.kaluza.com/iam-role-managed: \"true\"
//!     eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/k8s-sa_bar_foo
//! ")?;
//! tree.insert("foo.yaml", manifest, 0o100644)?;
//! let tree = git.find_tree(tree.write()?)?;
//! let ann = git2::Signature::now("Ann", "ann@example.com")?;
//! git.commit(Some("HEAD"), &ann, &ann, "Add bar/foo", &tree, &[])?;
//!
//! // What is declared, and for which cluster.
//! let cluster = ClusterInput {
//!     name: Some("prod".to_owned()),
//!     oidc_providers: vec!["oidc.example.com".to_owned()],
//!     ..ClusterInput::default()
//! };
//! let clusters = [cluster.validate()?];
//! let observe: Observer<'_> = &|_| {};
//! let reading = Reading {
//!     conventions: &clusters[0].naming().conventions,
//!     extent: Extent::Ours,
//!     cache: None,
//! };
//! let manifests = Manifests::read(
//!     &Place::Repository(Address {
//!         repository: directory.path().join("apps").display().to_string(),
//!         revision: "HEAD".to_owned(),
//!         credentials: Credentials::default(),
//!         alternates: Alternates::Refused,
//!         trailer: None,
//!     }),
//!     &[],
//!     reading,
//!     observe,
//! )?;
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! runtime.block_on(async {
//!     // An account that begins with the cluster's provider, and no roles.
//!     let accounts = Accounts::open(&directory.path().join("iam.json"), &clusters)?;
//!     let iam = Endpoint::Sandbox(accounts);
//!     let terms = Terms::keeping(Depth::Full);
//!     let pending = async || {
//!         let reader = iam.reader(&clusters[0]).await?;
//!         let survey = survey(&clusters[0], &manifests, &terms, &reader).await?;
//!         Ok::<_, Box<dyn std::error::Error>>(survey.plan.writes().count())
//!     };
//!     assert_eq!(pending().await?, 1);
//!     let stop = Stop::default();
//!     let turn = Turn {
//!         run: "1".to_owned(),
//!         timeout: Duration::from_secs(600),
//!         lease: SignedDuration::from_secs(60),
//!         settle: Duration::ZERO,
//!         since: Timestamp::now(),
//!     };
//!     let bounds = Bounds { saved: None, approve: None, log: None, turn: &turn, stop: &stop, observe };
//!     let connect = async |cluster: &ClusterSettings| iam.writer(cluster).await;
//!     apply(&clusters, &manifests, &terms, bounds, connect).await?;
//!     assert_eq!(pending().await?, 0);
//!     Ok(())
//! })
//! # .map_err(|error: Box<dyn std::error::Error>| error)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod apply;
pub mod cli;
pub mod desired;
pub mod diagnostic;
mod environment;
pub mod exit;
pub mod iam;
pub mod manifest;
mod manual;
pub mod model;
pub mod permissions;
pub mod plan;
pub mod reconcile;
pub mod report;
pub mod settings;
pub mod source;
mod terminal;
