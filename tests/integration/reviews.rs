//! What reviewers work with: diffs, bases, saved plans, reports in files, the IAM policy.

use serde_json::json;

use crate::support::cli::{Cli, Run, role, roles, state};
use crate::support::repository::service_account;
use crate::support::world::World;

/// Two ServiceAccounts in the commit that the tag `base` names.
pub(super) fn world() -> World {
    let world = World::with(&[
        ("a.yaml", &service_account("bar", "a")),
        ("b.yaml", &service_account("bar", "b")),
    ]);
    world.repository.git(&["tag", "base"]);
    world
}

#[test]
fn diff_needs_neither_credentials_nor_settings_and_pairs_renames() {
    let world = world();
    world
        .repository
        .write("a.yaml", service_account("bar", "renamed"));
    world.repository.remove("b.yaml");
    world
        .repository
        .write("new/c.yaml", service_account("bar", "c"));
    world.repository.commit("change");
    let diff = |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_irsa-gitops");
        let output = std::process::Command::new(program)
            .args([&["diff", "base..HEAD", "--format", "json"], arguments].concat())
            .current_dir(world.repository.path())
            .env_clear()
            .output();
        let output = output.expect("the program can be run");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    let run = diff(&[]).ends(0);
    assert_eq!(
        run.changes(),
        [
            "k8s-sa_bar_a orphan",
            "k8s-sa_bar_b orphan",
            "k8s-sa_bar_c create",
            "k8s-sa_bar_renamed create"
        ]
    );
    assert_eq!(run.codes(), ["role-renamed"]);
    diff(&["--exit-code"]).ends(3);
    assert_eq!(
        diff(&["--path", "new"]).ends(0).changes(),
        ["k8s-sa_bar_c create"]
    );
}

#[test]
fn a_base_tells_this_change_from_what_was_pending_and_from_drift() {
    let world = world();
    world.run(&["apply"]).ends(0);
    world.edit(|state| {
        role(state, 0)["trustPolicy"]["Statement"][0]["Action"] = "sts:AssumeRole".into()
    });
    world
        .repository
        .write("pending.yaml", service_account("bar", "pending"));
    world.repository.commit("on the base");
    world.repository.git(&["tag", "--force", "base"]);
    world
        .repository
        .write("mine.yaml", service_account("bar", "mine"));
    world.repository.commit("the change");
    let plan = |arguments: &[&str]| world.run(&[&["plan", "--base", "base"], arguments].concat());
    let run = plan(&[]).ends(0);
    let document = run.json();
    let changes = document["clusters"][0]["changes"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let origins: Vec<_> = changes
        .iter()
        .map(|c| {
            (
                c["role"].as_str().unwrap_or_default(),
                c["origin"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        origins,
        [
            ("k8s-sa_bar_a", "drift"),
            ("k8s-sa_bar_mine", "this-change"),
            ("k8s-sa_bar_pending", "pending-on-base")
        ]
    );
    plan(&["--fail-on", "this-change"]).ends(3);
    world
        .repository
        .git(&["reset", "--quiet", "--hard", "base"]);
    plan(&["--fail-on", "this-change"]).ends(0);
    plan(&["--fail-on", "any"]).ends(3);
}

#[test]
fn a_saved_plan_is_applied_as_it_was_approved_or_not_at_all() {
    let world = world();
    let plan = world.file("plan.json").display().to_string();
    world.run(&["plan", "--out", &plan]).ends(0);
    // A commit that came later has no say.
    world
        .repository
        .write("c.yaml", service_account("bar", "c"));
    world.repository.commit("later");
    let run = world.run(&["apply", "--plan", &plan]).ends(0);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_a create done", "k8s-sa_bar_b create done"]
    );
    // C8: applied again, or edited.
    world.run(&["apply", "--plan", &plan]).ends(5);
    let text = std::fs::read_to_string(&plan).expect("a file");
    for edited in [
        text.replace("k8s-sa_bar_b", "k8s-sa_bar_c"),
        text[..text.len() / 2].to_owned(),
        "{}".to_owned(),
    ] {
        std::fs::write(&plan, edited).expect("written");
        world.run(&["apply", "--plan", &plan]).ends(5);
    }
    std::fs::write(&plan, text).expect("written");
    world
        .run(&["apply", "--plan", &plan, "--max-session-duration", "7200"])
        .ends(5);
}

#[test]
fn a_role_that_moved_is_refused_by_itself() {
    let world = world();
    world.run(&["apply"]).ends(0);
    world.edit(|state| {
        for role in state["roles"].as_array_mut().expect("roles") {
            role["trustPolicy"]["Statement"][0]["Action"] = "sts:AssumeRole".into();
        }
    });
    let plan = world.file("plan.json").display().to_string();
    world.run(&["plan", "--out", &plan]).ends(0);
    world.edit(|state| role(state, 0)["trustPolicy"]["Statement"][0]["Effect"] = "Deny".into());
    let run = world.run(&["apply", "--plan", &plan]).ends(7);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_a held", "k8s-sa_bar_b update done"]
    );
}

#[test]
fn a_plan_of_a_branch_that_was_not_merged_is_refused() {
    let world = world();
    world
        .repository
        .git(&["checkout", "--quiet", "-b", "topic"]);
    world
        .repository
        .write("c.yaml", service_account("bar", "c"));
    world.repository.commit("topic");
    let plan = world.file("plan.json").display().to_string();
    world.run(&["plan", "--out", &plan]).ends(0);
    let apply = [
        "apply",
        "--plan",
        plan.as_str(),
        "--require-reachable-from",
        "main",
    ];
    world.run(&apply).ends(5);
    assert!(state(&world.iam())["roles"].is_null());
    world.repository.git(&["checkout", "--quiet", "main"]);
    world
        .repository
        .git(&["merge", "--quiet", "--ff-only", "topic"]);
    world.run(&apply).ends(0);
}

#[test]
fn several_reports_are_written_at_once() {
    let world = world();
    let formats = ["human", "json", "markdown", "sarif", "github", "gitlab"];
    let outputs: Vec<String> = formats
        .iter()
        .map(|format| format!("{format}={}", world.file(format).display()))
        .collect();
    let mut arguments = vec!["plan"];
    for output in &outputs {
        arguments.extend(["--output", output]);
    }
    world.run(&arguments).ends(0);
    for format in formats {
        let text =
            std::fs::read_to_string(world.file(format).display().to_string()).expect("a report");
        assert!(
            format == "gitlab" || text.contains("k8s-sa_bar_a"),
            "{format}: {text}"
        );
    }
}

#[test]
fn the_policy_of_a_job_names_its_roles() {
    let world = world();
    let run = Cli::new(
        world.repository.path(),
        &[
            "iam-policy",
            "--for",
            "apply",
            "--mode",
            "sync",
            "--account",
            "123456789012",
        ],
    )
    .run()
    .ends(0);
    let policy = run.json();
    assert_eq!(policy["Version"], "2012-10-17");
    assert!(
        run.stdout
            .contains("arn:aws:iam::123456789012:role/k8s-sa_*"),
        "{}",
        run.stdout
    );
    Cli::new(world.repository.path(), &["iam-policy", "--for", "plan"])
        .run()
        .ends(2);
    Cli::new(world.repository.path(), &["completions", "bash"])
        .run()
        .ends(0);
    Cli::new(world.repository.path(), &["man"]).run().ends(0);
}

/// A role exactly as the controller makes it: no `aud`, cluster `cluster`, no commit tags.
fn controllers_role(name: &str) -> serde_json::Value {
    let issuer = crate::support::cli::ISSUER;
    let tag = |key: &str, value: &str| serde_json::json!({ "key": key, "value": value });
    serde_json::json!({
        "name": format!("k8s-sa_bar_{name}"),
        "id": format!("AROA{name}"),
        "trustPolicy": { "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{issuer}") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { format!("{issuer}:sub"): format!("system:serviceaccount:bar:{name}") } },
        }] },
        "tags": [
            tag("role.k8s.aws/managed-by", "iam-service-account-controller"),
            tag("serviceaccount.k8s.aws/stack", &format!("bar/{name}")),
            tag("role.k8s.aws/cluster", "cluster"),
        ],
        "attachedPolicies": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    })
}

#[test]
fn the_controllers_roles_are_taken_over_without_losing_access() {
    let world = world();
    world.edit(|state| {
        let mut other = controllers_role("b");
        other["trustPolicy"]["Statement"][0]["Principal"] = serde_json::json!({ "AWS": "*" });
        state["roles"] = serde_json::json!([controllers_role("a"), other]);
    });
    let before = state(&world.iam());
    let run = world.run(&["plan"]).ends(7);
    assert!(
        run.stdout.contains("irsa-gitops adopt k8s-sa_bar_a"),
        "I11: {}",
        run.stdout
    );
    let run = world.run(&["adopt", "k8s-sa_bar_a"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a update"]);
    assert_eq!(state(&world.iam()), before, "shown only");
    // No proof, no adoption.
    assert_eq!(
        world
            .run(&["adopt", "--yes", "k8s-sa_bar_b", "k8s-sa_bar_nobody"])
            .ends(7)
            .changes(),
        ["k8s-sa_bar_b held", "k8s-sa_bar_nobody held"]
    );
    world.run(&["adopt", "--yes", "Admin"]).ends(2);
    assert_eq!(state(&world.iam()), before);
    assert_eq!(
        world
            .run(&["adopt", "--yes", "k8s-sa_bar_a"])
            .ends(0)
            .changes(),
        ["k8s-sa_bar_a update done"]
    );
    let adopted = roles(&state(&world.iam()))[0].clone();
    assert_eq!(adopted["trustPolicy"], before["roles"][0]["trustPolicy"]);
    // The next apply brings the audience in; with --audience none there is nothing to do.
    let quiet = world.run(&["plan", "--audience", "none", "--full"]).ends(7);
    assert_eq!(quiet.changes(), ["k8s-sa_bar_b held"]);
    assert_eq!(
        world.run(&["apply"]).ends(7).changes(),
        ["k8s-sa_bar_a update done", "k8s-sa_bar_b held"]
    );
    let ours = roles(&state(&world.iam()))[0].clone();
    assert_eq!(
        (&ours["id"], &ours["attachedPolicies"]),
        (
            &before["roles"][0]["id"],
            &before["roles"][0]["attachedPolicies"]
        )
    );
}

#[test]
fn explain_traces_a_role_to_its_commits_and_tells_where_drift_comes_from() {
    let world = world();
    let first = world.repository.head();
    world.run(&["apply"]).ends(0);
    world.repository.write(
        "a.yaml",
        service_account("bar", "a") + "    eks.amazonaws.com/audience: sts.example.com\n",
    );
    let second = world.repository.commit("Another audience");
    world.edit(|state| {
        state["oidcProviders"][0]["audiences"] =
            serde_json::json!(["sts.amazonaws.com", "sts.example.com"])
    });
    let explain = |what: &str| world.run(&["explain", what]).ends(0).json();
    let found = explain("bar/a");
    assert_eq!(found["location"], "a.yaml:1:1");
    assert_eq!(found["introducedBy"]["commit"], first);
    assert_eq!(found["lastChangedBy"]["commit"], second);
    assert_eq!(found["lastChangedBy"]["author"], "Ann Author");
    assert_eq!(found["state"], "update");
    assert!(
        found["drift"]
            .as_str()
            .unwrap_or_default()
            .contains(&first[..12]),
        "{found}"
    );
    world.edit(|state| {
        role(state, 0)["trustPolicy"]["Statement"][0]["Action"] = "sts:AssumeRole".into()
    });
    let found = explain("k8s-sa_bar_a");
    assert!(
        found["drift"]
            .as_str()
            .unwrap_or_default()
            .contains("out-of-band"),
        "{found}"
    );
    world.repository.remove("b.yaml");
    let third = world.repository.commit("Remove b");
    let found = explain("bar/b");
    assert_eq!(
        (found["location"].as_str(), found["state"].as_str()),
        (None, Some("orphan"))
    );
    assert_eq!(found["lastChangedBy"]["commit"], third);
    world.run(&["explain", "Admin"]).ends(2);
}

#[test]
fn roles_lists_what_is_owned_in_every_format() {
    let world = world();
    world.run(&["apply"]).ends(0);
    world.edit(|state| {
        role(state, 0)["attachedPolicies"] = serde_json::json!(["arn:aws:iam::aws:policy/<b>"]);
        role(state, 1)["tags"] = serde_json::json!([]);
    });
    let listing = |format: &str| {
        Cli::new(world.repository.path(), &["roles", "--format", format])
            .sandbox(&world.iam())
            .run()
            .ends(0)
    };
    let listed = listing("json").json();
    let listed = listed["clusters"][0]["roles"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert_eq!(listed.len(), 1, "a role without our tags is foreign");
    assert_eq!(listed[0]["commit"], world.repository.head());
    assert_eq!(listed[0]["attached"][0], "arn:aws:iam::aws:policy/<b>");
    assert!(
        listing("human")
            .stdout
            .contains("bar/a\tk8s-sa_bar_a\tactive")
    );
    assert!(listing("markdown").stdout.contains("| `bar/a` |"));
    let page = listing("html").stdout;
    assert!(
        page.contains("&lt;b&gt;") && !page.contains("<b>") && !page.contains("http"),
        "{page}"
    );
}

#[test]
fn c92_a_plan_that_a_guard_refuses_is_shown_all_the_same() {
    let names: Vec<String> = (0..9).map(|n| format!("app-{n}")).collect();
    let files: Vec<(String, String)> = names
        .iter()
        .map(|name| (format!("{name}.yaml"), service_account("bar", name)))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (&**p, &**t)).collect();
    let world = World::with(&files);
    world.run(&["apply"]).ends(0);
    world.edit(|state| {
        role(state, 0)["attachedPolicies"] = json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
    });
    world.repository.git(&["tag", "base"]);
    for name in &names[..6] {
        world.repository.remove(&format!("{name}.yaml"));
    }
    world.repository.commit("Remove six");
    let before = std::fs::read(world.iam()).expect("a file");
    let plan = ["plan", "--mode", "sync", "--base", "base", "--out", "saved"];
    let run = world.run(&plan).ends(5);
    let refused: Vec<String> = names[..6]
        .iter()
        .map(|name| format!("k8s-sa_bar_{name} quarantine"))
        .collect();
    assert_eq!(run.changes(), refused);
    let document = run.json();
    assert_eq!(document["commit"], world.repository.head());
    let error = document["error"]["message"].as_str().unwrap_or_default();
    assert!(
        error.starts_with("6 of 9 roles would be retired"),
        "{error}"
    );
    assert_eq!(document["summary"]["quarantine"], 6);
    assert!(!world.repository.path().join("saved").exists());
    let comment = world.print(&[&plan[..5], &["--format", "markdown"]].concat());
    let text = comment.ends(5).stdout;
    for wanted in [
        "### irsa-gitops plan: stopped, nothing is written on merge: 6 roles to quarantine; pods of `bar/app-0`",
        "**Stopped:**",
        "`k8s-sa_bar_app-5`",
        "ReadOnlyAccess",
        "Remove six",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let run = world.run(&["apply", "--mode", "sync"]).ends(5);
    assert_eq!(run.changes(), [""; 0]);
    assert_eq!(std::fs::read(world.iam()).expect("a file"), before);
}

#[test]
fn c92_where_nothing_is_left_the_plan_says_what_removed_it() {
    let world = world();
    world.run(&["apply"]).ends(0);
    world.repository.git(&["rm", "--quiet", "-r", "."]);
    world.repository.write("README.md", "Nothing of ours.\n");
    world.repository.commit("Remove all");
    let run = world.run(&["plan", "--mode", "sync"]).ends(5);
    let gone = ["k8s-sa_bar_a quarantine", "k8s-sa_bar_b quarantine"];
    assert_eq!(run.changes(), gone);
    assert!(run.stdout.contains("Remove all"), "{}", run.stdout);
}
