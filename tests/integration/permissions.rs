//! The printed IAM policy allows every call that the program makes, and little else.
//!
//! The calls are those that a loopback IAM records; `support::access` judges them as AWS would.

use serde_json::{Value, json};

use crate::support::access::{ACCOUNT, CLUSTER, MANAGED_BY, OURS, Question, is_allowed};
use crate::support::cli::{Cli, ISSUER, Run, role};
use crate::support::iam_server::IamServer;
use crate::support::repository::{Repository, service_account};

mod moto;

fn policy(settings: &[&str], job: &[&str]) -> Value {
    let all = [&["iam-policy", "--account", ACCOUNT], settings, job].concat();
    Cli::new(&std::env::temp_dir(), &all).run().ends(0).json()
}

/// A repository, and an IAM that keeps every request to it.
struct Traced {
    repository: Repository,
    server: IamServer,
    settings: Vec<&'static str>,
}

impl Traced {
    fn new(settings: &[&'static str]) -> Self {
        let repository = Repository::with(&[
            ("a.yaml", &service_account("bar", "a")),
            ("b.yaml", &service_account("bar", "b")),
        ]);
        Self {
            repository,
            server: IamServer::empty(),
            settings: settings.to_vec(),
        }
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let all = [arguments, &self.settings[..], &["--format", "json"]].concat();
        let cli = Cli::new(self.repository.path(), &all);
        cli.endpoint(&self.server.url).run()
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        self.server.state(|state| {
            let mut text = serde_json::to_value(&*state).expect("a state");
            change(&mut text);
            *state = serde_json::from_value(text).expect("a state");
        });
    }

    /// Every call so far is allowed; says which actions that were.
    fn all_allowed(&self, job: &[&str]) -> Vec<String> {
        let policy = policy(&self.settings, job);
        let requests = self.server.requests();
        let questions: Vec<Question> = requests.iter().flat_map(Question::of).collect();
        for question in &questions {
            assert!(is_allowed(&policy, question), "{question:?}\n{policy:#}");
        }
        let mut actions: Vec<String> = questions.into_iter().map(|q| q.action).collect();
        actions.sort();
        actions.dedup();
        actions
    }
}

const SETTINGS: &[&str] = &[
    "--max-session-duration",
    "7200",
    "--permissions-boundary",
    "arn:aws:iam::123456789012:policy/limit",
    "--tag",
    "team=a",
];

#[test]
fn every_call_of_a_life_in_mode_sync_is_allowed() {
    let traced = Traced::new(SETTINGS);
    let sync = |more: &[&str]| {
        traced
            .run(&[&["apply", "--mode", "sync"], more].concat())
            .ends(0)
    };
    sync(&[]);
    traced.edit(|state| {
        role(state, 0)["trustPolicy"]["Statement"][0]["Action"] = "sts:AssumeRole".into();
        role(state, 0)["maxSessionDuration"] = 3600.into();
        let tags = role(state, 1)["tags"].as_array_mut().expect("tags");
        tags.retain(|tag| tag["key"] != "team");
    });
    sync(&["--full"]);
    traced.repository.remove("a.yaml");
    traced.repository.commit("Remove a");
    assert_eq!(sync(&[]).changes(), ["k8s-sa_bar_a quarantine done"]);
    traced.repository.git(&["revert", "--no-edit", "HEAD"]);
    assert_eq!(sync(&[]).changes(), ["k8s-sa_bar_a restore done"]);
    traced.repository.remove("a.yaml");
    traced.repository.commit("Remove a again");
    let gone = sync(&["--prune-after", "0"]);
    assert_eq!(gone.changes(), ["k8s-sa_bar_a delete done"]);
    let actions = traced.all_allowed(&["--for", "apply", "--mode", "sync"]);
    let expected = [
        "iam:CreateRole",
        "iam:DeleteRole",
        "iam:GetAccountSummary",
        "iam:GetOpenIDConnectProvider",
        "iam:GetRole",
        "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole",
        "iam:ListRolePolicies",
        "iam:ListRoles",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
    ];
    assert_eq!(actions, expected, "nothing is allowed that is not used");
}

#[test]
fn every_call_of_the_other_modes_and_of_plan_is_allowed() {
    let traced = Traced::new(&[]);
    traced.run(&["apply", "--mode", "create-only"]).ends(0);
    traced.all_allowed(&["--for", "apply", "--mode", "create-only"]);
    traced.edit(|state| {
        role(state, 0)["trustPolicy"]["Statement"][0]["Action"] = "sts:AssumeRole".into();
    });
    traced.run(&["apply"]).ends(0);
    traced.all_allowed(&["--for", "apply"]);

    let reader = Traced::new(&[]);
    reader.run(&["apply"]).ends(0);
    let (repository, state) = (
        reader.repository,
        reader.server.state(|state| state.clone()),
    );
    let reader = Traced {
        repository,
        server: IamServer::start(state),
        settings: vec![],
    };
    reader.repository.remove("a.yaml");
    reader
        .repository
        .write("c.yaml", service_account("bar", "c"));
    reader.repository.commit("Change");
    let plan = ["plan", "--mode", "sync", "--full", "--prune-after", "0"];
    reader.run(&plan).ends(0);
    reader.run(&["explain", "bar/b"]).ends(0);
    reader.all_allowed(&["--for", "plan"]);
}

#[test]
fn c11_the_record_can_be_read_and_written_under_every_prefix_and_path() {
    for mode in ["create-only", "upsert-only"] {
        for settings in [
            &["--role-prefix", ""][..],
            &["--role-prefix", "", "--role-path", "/ours/"],
            &["--role-path", "/ours/"],
            SETTINGS,
        ] {
            let traced = Traced::new(settings);
            let path = if settings.contains(&"/ours/") {
                "ours/"
            } else {
                ""
            };
            let prefix = if settings.contains(&"") {
                ""
            } else {
                "k8s-sa_"
            };
            let declare = |name: &str| {
                let text = service_account("bar", name);
                let text = text.replace("role/k8s-sa_", &format!("role/{path}{prefix}"));
                traced.repository.write(&format!("{name}.yaml"), text);
            };
            declare("a");
            declare("b");
            traced.repository.commit("As it is set");
            let apply = || traced.run(&["apply", "--mode", mode]).ends(0);
            apply();
            declare("c");
            traced.repository.commit("Another one");
            apply();
            // Of a scope of its own, which is then part of everything.
            traced
                .run(&["apply", "--mode", mode, "--path", "a.yaml"])
                .ends(0);
            declare("d");
            traced.repository.commit("One more");
            apply();
            let record = format!("{prefix}=prod");
            let seen = |action: &str| {
                let all = traced.server.requests().into_iter();
                all.filter(|seen| {
                    let is = |key: &str, value: &str| {
                        seen.parameters.get(key).is_some_and(|found| found == value)
                    };
                    is("Action", action) && is("RoleName", &record)
                })
                .count()
            };
            assert_eq!(
                ["CreateRole", "TagRole", "UntagRole"].map(seen),
                [1, 3, 1],
                "{settings:?}"
            );
            assert!(seen("GetRole") >= 3);
            traced.all_allowed(&["--for", "apply", "--mode", mode]);
            traced.run(&["plan"]).ends(0);
            let plan = policy(settings, &["--for", "plan"]);
            let read = Question::new("GetRole", &format!("/{path}{record}"));
            assert!(is_allowed(&plan, &read), "{settings:?}");
        }
    }
}

#[test]
fn i18_retiring_needs_no_more_than_its_policy() {
    let traced = Traced::new(&[]);
    traced.edit(|state| {
        state["roles"] = json!([{
            "name": "k8s-sa_bar_gone", "id": "AROAGONE",
            "trustPolicy": { "Version": "2012-10-17", "Statement": [] },
            "tags": [
                { "key": MANAGED_BY, "value": OURS },
                { "key": "serviceaccount.k8s.aws/stack", "value": "bar/gone" },
                { "key": CLUSTER, "value": "prod" },
            ],
        }]);
    });
    traced.run(&["retire", "--yes", "k8s-sa_bar_gone"]).ends(0);
    let used = traced.all_allowed(&["--for", "retire"]);
    for action in ["iam:TagRole", "iam:UpdateAssumeRolePolicy"] {
        assert!(used.contains(&action.to_owned()), "{used:?}");
    }
}

#[test]
fn adopting_needs_its_own_policy() {
    let traced = Traced::new(&[]);
    traced.edit(|state| {
        let sub = format!("{ISSUER}:sub");
        state["roles"] = json!([{
            "name": "k8s-sa_bar_a", "id": "AROAA",
            "trustPolicy": { "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": { "Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}") },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": { "StringEquals": { sub: "system:serviceaccount:bar:a" } },
            }] },
            "tags": [
                { "key": MANAGED_BY, "value": OURS },
                { "key": "serviceaccount.k8s.aws/stack", "value": "bar/a" },
                { "key": CLUSTER, "value": "cluster" },
            ],
        }]);
    });
    traced.run(&["adopt", "--yes", "k8s-sa_bar_a"]).ends(0);
    assert_eq!(
        traced.all_allowed(&["--for", "adopt"]),
        [
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:GetRole",
            "iam:TagRole"
        ]
    );
    let questions: Vec<_> = traced
        .server
        .requests()
        .iter()
        .flat_map(Question::of)
        .collect();
    let apply = policy(&[], &["--for", "apply", "--mode", "sync"]);
    assert!(
        !questions
            .iter()
            .all(|question| is_allowed(&apply, question))
    );
}

#[test]
fn a_role_of_our_name_under_another_path_can_be_read() {
    let traced = Traced::new(&["--role-path", "/ours/"]);
    let there = "arn:aws:iam::123456789012:role/ours/k8s-sa_bar_";
    for name in ["a", "b"] {
        let text = service_account("bar", name);
        let text = text.replace("arn:aws:iam::123456789012:role/k8s-sa_bar_", there);
        traced.repository.write(&format!("{name}.yaml"), text);
    }
    traced.repository.commit("Another path");
    traced.edit(|state| {
        state["roles"] = json!([{
            "name": "k8s-sa_bar_a", "id": "AROAA", "path": "/elsewhere/",
            "trustPolicy": { "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole",
            }] },
        }]);
    });
    traced.run(&["apply"]).ends(7);
    traced.all_allowed(&["--for", "apply"]);
    for prefix in ["k8s-sa", ""] {
        let policy = policy(&["--role-prefix", prefix], &["--for", "plan"]);
        let read = Question::new("GetRole", "/some/where/k8s-sa_bar_a");
        assert!(is_allowed(&policy, &read), "prefix `{prefix}`");
    }
}

#[test]
fn what_the_program_never_does_is_refused() {
    const ROLE: &str = "/k8s-sa_bar_a";
    let ask = |action: &str, role: &str| Question::new(action, role);
    let boundary = "iam:PermissionsBoundary";
    let limit = "arn:aws:iam::123456789012:policy/limit";
    let attacks = [
        ask("AttachRolePolicy", ROLE).on_ours(),
        ask("PutRolePolicy", ROLE).on_ours(),
        ask("DetachRolePolicy", ROLE).on_ours(),
        ask("DeleteRolePolicy", ROLE).on_ours(),
        ask("PassRole", ROLE).on_ours(),
        ask("PutRolePermissionsBoundary", ROLE).on_ours(),
        ask("DeleteRolePermissionsBoundary", ROLE).on_ours(),
        ask("CreateUser", "/x"),
        // Other names, other paths, other accounts.
        ask("CreateRole", "/Admin")
            .sends_ours()
            .with(boundary, limit),
        ask("CreateRole", "/other/k8s-sa_bar_a")
            .sends_ours()
            .with(boundary, limit),
        ask("TagRole", "/Admin").sends_ours(),
        ask("UpdateAssumeRolePolicy", "/Admin").on_ours(),
        ask("UpdateAssumeRolePolicy", "/k8s-sab").on_ours(),
        ask("DeleteRole", "/Admin").on_ours(),
        Question {
            resource: "arn:aws:iam::210987654321:role/k8s-sa_bar_a".to_owned(),
            ..ask("DeleteRole", ROLE).on_ours()
        },
        // Roles without our tags, or with those of others.
        ask("UpdateAssumeRolePolicy", ROLE),
        ask("UpdateAssumeRolePolicy", ROLE)
            .on(MANAGED_BY, OURS)
            .on(CLUSTER, "other"),
        ask("UpdateRole", ROLE)
            .on(MANAGED_BY, "terraform")
            .on(CLUSTER, "prod"),
        ask("DeleteRole", ROLE),
        ask("DeleteRole", ROLE).on(MANAGED_BY, OURS),
        ask("TagRole", ROLE)
            .sends_ours()
            .on(MANAGED_BY, OURS)
            .on(CLUSTER, "other"),
        ask("TagRole", ROLE)
            .sends_ours()
            .on(MANAGED_BY, "terraform"),
        ask("TagRole", ROLE).sends("team", "b"),
        // Ownership tags taken away, or given to others.
        ask("UntagRole", ROLE)
            .on_ours()
            .with("aws:TagKeys", MANAGED_BY),
        ask("UntagRole", ROLE)
            .on_ours()
            .with("aws:TagKeys", CLUSTER),
        ask("UntagRole", ROLE)
            .on_ours()
            .with("aws:TagKeys", "role.k8s.aws/quarantined-at")
            .with("aws:TagKeys", "team"),
        ask("UntagRole", ROLE).on_ours(),
        ask("TagRole", ROLE).on_ours().sends(MANAGED_BY, "mine"),
        ask("TagRole", ROLE)
            .on_ours()
            .sends("ROLE.K8S.AWS/cluster", "other"),
        // The record of somebody else, and what is no entry of ours.
        ask("TagRole", "/k8s-sa_=prod").sends("role.k8s.aws/applied", "x"),
        ask("UntagRole", "/k8s-sa_=prod").with("aws:TagKeys", "role.k8s.aws/applied"),
        ask("UntagRole", "/k8s-sa_=prod")
            .on_ours()
            .with("aws:TagKeys", CLUSTER),
        ask("UntagRole", "/k8s-sa_=prod").on_ours(),
        ask("UntagRole", ROLE)
            .on_ours()
            .with("aws:TagKeys", "role.k8s.aws/applied"),
        // Roles without tags or boundary.
        ask("CreateRole", ROLE).with(boundary, limit),
        ask("CreateRole", ROLE)
            .sends(MANAGED_BY, OURS)
            .with(boundary, limit),
        ask("CreateRole", ROLE).sends_ours(),
        ask("CreateRole", ROLE)
            .sends_ours()
            .with(boundary, "arn:aws:iam::aws:policy/AdministratorAccess"),
    ];
    let refuses = |job: &[&str], questions: &[Question]| {
        let policy = policy(&SETTINGS[..4], job);
        for question in questions {
            assert!(!is_allowed(&policy, question), "{job:?} {question:?}");
        }
    };
    for job in [
        &["--for", "plan"][..],
        &["--for", "apply", "--mode", "create-only"],
        &["--for", "apply"],
        &["--for", "apply", "--mode", "sync"],
    ] {
        refuses(job, &attacks);
    }
    let adopting = [
        ask("TagRole", "/Admin").sends_ours(),
        ask("TagRole", ROLE)
            .sends(MANAGED_BY, OURS)
            .sends(CLUSTER, "other"),
        ask("TagRole", ROLE).sends("team", "b"),
        ask("UpdateAssumeRolePolicy", ROLE).on_ours(),
        ask("CreateRole", ROLE).sends_ours().with(boundary, limit),
        ask("UntagRole", ROLE).on_ours(),
    ];
    refuses(&["--for", "adopt"], &adopting);
    let retiring = [
        ask("TagRole", ROLE),
        ask("TagRole", ROLE).on_ours().sends(CLUSTER, "other"),
        ask("UpdateAssumeRolePolicy", ROLE),
        ask("UpdateAssumeRolePolicy", "/Admin").on_ours(),
        ask("DeleteRole", ROLE).on_ours(),
        ask("UntagRole", ROLE).on_ours(),
        ask("CreateRole", ROLE).sends_ours().with(boundary, limit),
    ];
    refuses(&["--for", "retire"], &retiring);
    refuses(&["--for", "apply"], &[ask("DeleteRole", ROLE).on_ours()]);
    let create_only: &[&str] = &["--for", "apply", "--mode", "create-only"];
    refuses(
        create_only,
        &[ask("UpdateAssumeRolePolicy", ROLE).on_ours()],
    );
    let writes = [
        "CreateRole",
        "TagRole",
        "UpdateAssumeRolePolicy",
        "DeleteRole",
    ];
    let writes = writes.map(|action| ask(action, ROLE).sends_ours().on_ours());
    refuses(&["--for", "plan"], &writes);
}

#[test]
fn several_clusters_are_one_document_and_an_account_that_is_missing_is_named() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let file = directory.path().join("clusters.yaml");
    let print = |text: &str| {
        std::fs::write(&file, text).expect("a file");
        let file = file.display().to_string();
        let arguments = ["iam-policy", "--for", "apply", "--config", file.as_str()];
        Cli::new(directory.path(), &arguments)
            .env("IRSA_GITOPS_CLUSTER_NAME", "")
            .run()
    };
    let printed = print(
        "- name: blue\n  account: '123456789012'\n- name: green\n  rolePrefix: green\n  assumeRole: arn:aws-cn:iam::210987654321:role/deploy\n",
    );
    let policy = printed.ends(0).json();
    let sids = policy["Statement"].as_array().into_iter().flatten();
    let mut sids: Vec<_> = sids.filter_map(|s| s["Sid"].as_str()).collect();
    let all = sids.len();
    sids.sort_unstable();
    sids.dedup();
    assert_eq!(sids.len(), all);
    assert!(
        sids.iter()
            .all(|sid| sid.bytes().all(|b| b.is_ascii_alphanumeric()))
    );
    let text = policy.to_string();
    assert!(
        text.contains("arn:aws-cn:iam::210987654321:role/green_*"),
        "{text}"
    );
    let missing = print("- name: blue\n  account: '123456789012'\n- name: green\n").ends(2);
    assert!(
        missing.stderr.contains("`green` has no account"),
        "{}",
        missing.stderr
    );
}
