//! The way from the controller to this program, command by command.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::cli::{Cli, ISSUER, roles, sandbox, state};
use crate::support::repository::{Repository, service_account};

const GUIDE: &str = include_str!("../../docs/guide.md");
const SECTION: &str = "## Coming from the controller";

/// The commands of the section, with their comments taken off.
fn commands() -> Vec<Vec<&'static str>> {
    let section = GUIDE.split(SECTION).nth(1).expect("the section");
    let script = section.split("```sh\n").nth(1).expect("its script");
    let script = script.split("```").next().expect("its end");
    let command = |line: &'static str| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("irsa-gitops"), "{line}");
        words.collect()
    };
    script.lines().map(command).collect()
}

/// A role exactly as the controller makes it: its tags, its cluster name, no audience, no commit.
fn controllers_role(name: &str) -> Value {
    let provider = format!("arn:aws:iam::123456789012:oidc-provider/{ISSUER}");
    let subject = format!("system:serviceaccount:bar:{name}");
    json!({
        "name": format!("k8s-sa_bar_{name}"),
        "id": format!("AROA{}", name.to_uppercase()),
        "trustPolicy": { "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": provider },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { format!("{ISSUER}:sub"): subject } },
        }] },
        "tags": [
            { "key": "role.k8s.aws/managed-by", "value": "iam-service-account-controller" },
            { "key": "serviceaccount.k8s.aws/stack", "value": format!("bar/{name}") },
            { "key": "role.k8s.aws/cluster", "value": "cluster" },
        ],
        "attachedPolicies": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    })
}

/// Whether a pod with a token of the ServiceAccount may assume the role, as STS decides.
fn lets_in(role: &Value, name: &str) -> bool {
    let token = [
        ("sub", format!("system:serviceaccount:bar:{name}")),
        ("aud", "sts.amazonaws.com".to_owned()),
    ];
    let claims = token.map(|(claim, value)| (format!("{ISSUER}:{claim}"), value));
    let statements = role["trustPolicy"]["Statement"].as_array();
    let mut statements = statements.into_iter().flatten();
    statements.all(|statement| {
        let conditions = statement["Condition"]["StringEquals"].as_object();
        let mut conditions = conditions.into_iter().flatten();
        statement["Effect"] == "Allow"
            && statement["Action"] == "sts:AssumeRoleWithWebIdentity"
            && statement["Principal"]["Federated"]
                == format!("arn:aws:iam::123456789012:oidc-provider/{ISSUER}")
            && conditions.all(|(key, wanted)| {
                claims
                    .iter()
                    .any(|(claim, value)| claim == key && wanted == value)
            })
    })
}

#[test]
fn the_guides_migration_keeps_every_pod_its_access_at_every_step() {
    let directory = TempDir::new().expect("a directory");
    let iam = sandbox(directory.path());
    let mut account = state(&iam);
    account["roles"] = json!([controllers_role("baz"), controllers_role("foo")]);
    std::fs::write(&iam, account.to_string()).expect("a file");
    let repository = Repository::with(&[
        ("baz.yaml", &service_account("bar", "baz")),
        ("foo.yaml", &service_account("bar", "foo")),
    ]);
    let before = roles(&state(&iam));
    let mut last = None;
    let mut said = String::new();
    for command in commands() {
        let run = Cli::new(repository.path(), &command).sandbox(&iam).run();
        said.push_str(&run.stdout);
        last = Some((command, run));
        let roles = roles(&state(&iam));
        for (index, name) in ["baz", "foo"].iter().enumerate() {
            let (command, run) = last.as_ref().expect("just set");
            assert!(
                lets_in(&roles[index], name),
                "{command:?}\n{run:?}\n{roles:#?}"
            );
            for field in ["name", "id", "attachedPolicies"] {
                assert_eq!(roles[index][field], before[index][field], "{command:?}");
            }
        }
    }
    for name in ["baz", "foo"] {
        let hint = format!("irsa-gitops adopt k8s-sa_bar_{name}");
        assert!(said.contains(&hint), "I11: {said}");
    }
    // The last command is the proof that all is done.
    let (command, run) = last.expect("the script has commands");
    assert_eq!(command, ["plan", "--full", "--exit-code"]);
    run.ends(0);
    for role in roles(&state(&iam)) {
        let tags = role["tags"].as_array().expect("tags");
        let tag = |key: &str| {
            tags.iter()
                .find(|tag| tag["key"] == key)
                .map(|tag| &tag["value"])
        };
        assert_eq!(tag("role.k8s.aws/cluster"), Some(&json!("prod")));
        assert_eq!(tag("role.k8s.aws/commit"), Some(&json!(repository.head())));
        let equals = &role["trustPolicy"]["Statement"][0]["Condition"]["StringEquals"];
        assert_eq!(equals[format!("{ISSUER}:aud")], "sts.amazonaws.com");
    }
}

#[test]
fn adopting_says_who_loses_access_and_whose_role_it_was() {
    let directory = TempDir::new().expect("a directory");
    let iam = sandbox(directory.path());
    let mut shared = controllers_role("foo");
    let statements = shared["trustPolicy"]["Statement"].as_array_mut();
    statements.expect("statements").push(json!({
        "Effect": "Allow",
        "Principal": { "AWS": "arn:aws:iam::123456789012:role/ci" },
        "Action": "sts:AssumeRole",
    }));
    shared["tags"][2]["value"] = "green".into();
    let mut account = state(&iam);
    account["roles"] = json!([controllers_role("baz"), shared]);
    std::fs::write(&iam, account.to_string()).expect("a file");
    let repository = Repository::with(&[
        ("baz.yaml", &service_account("bar", "baz")),
        ("foo.yaml", &service_account("bar", "foo")),
    ]);
    let adopt = |role: &str| {
        let arguments = ["adopt", role, "--format", "json"];
        let run = Cli::new(repository.path(), &arguments).sandbox(&iam).run();
        run.ends(0)
    };
    let found = adopt("k8s-sa_bar_foo");
    assert_eq!(found.codes(), ["security-drift", "foreign-role"]);
    assert!(found.stdout.contains("role/ci"), "{}", found.stdout);
    assert!(found.stdout.contains("`green`"), "{}", found.stdout);
    assert_eq!(adopt("k8s-sa_bar_baz").codes(), Vec::<String>::new());
}

#[test]
fn i11_what_proves_a_role_is_the_statement_whatever_its_form() {
    let directory = TempDir::new().expect("a directory");
    let iam = sandbox(directory.path());
    let repository = Repository::with(&[("foo.yaml", &service_account("bar", "foo"))]);
    let subject = "system:serviceaccount:bar:foo";
    let other_case = json!({ "StringEquals": { format!("{ISSUER}:SUB"): [subject] } });
    let like = json!({ "StringLike": { format!("{ISSUER}:sub"): subject } });
    let both_cases = json!({ "StringEquals": {
        format!("{ISSUER}:sub"): subject,
        format!("{ISSUER}:SUB"): "system:serviceaccount:bar:other",
    } });
    let web_identity = json!(["sts:AssumeRoleWithWebIdentity"]);
    for (condition, action, proves) in [
        (&other_case, &web_identity, true),
        (&other_case, &json!("sts:*"), false),
        (&like, &web_identity, false),
        (&both_cases, &web_identity, false),
    ] {
        let mut role = controllers_role("foo");
        let statement = &mut role["trustPolicy"]["Statement"][0];
        statement["Condition"] = condition.clone();
        statement["Action"] = action.clone();
        let mut account = state(&iam);
        account["roles"] = json!([role]);
        std::fs::write(&iam, account.to_string()).expect("a file");
        let run = Cli::new(
            repository.path(),
            &["adopt", "k8s-sa_bar_foo", "--format", "json"],
        )
        .sandbox(&iam)
        .run();
        let change = &run.json()["clusters"][0]["changes"][0];
        let expected = if proves { "proven" } else { "unproven" };
        assert_eq!(
            change["reasonCode"], expected,
            "{condition} {action}: {change}"
        );
        run.ends(if proves { 0 } else { 7 });
    }
}
