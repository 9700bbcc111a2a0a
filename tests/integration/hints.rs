//! Commands that messages print: pasted into another shell, they do what the message says.

use std::path::Path;
use std::process::Command;

use crate::support::cli::{Cli, ISSUER, Run, state};
use crate::support::iam_server::{Fault, IamServer};
use crate::support::repository::{Repository, service_account};
use crate::support::world::World;

/// Runs a line as somebody pastes it: in a directory that has nothing to do with the run, and in an
/// environment that says nothing of it.
fn paste(line: &str) -> Run {
    let program = Path::new(env!("CARGO_BIN_EXE_irsa-gitops"));
    let beside = program.parent().expect("a directory").display();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(elsewhere.path())
        .env_clear()
        .env("PATH", format!("{beside}:/usr/bin:/bin"))
        .output()
        .expect("a shell");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The command of a verb in a text, up to what ends it there.
#[track_caller]
fn command(text: &str, verb: &str, end: &str) -> String {
    let start = format!("irsa-gitops {verb} ");
    let (_, rest) = text
        .split_once(&start)
        .unwrap_or_else(|| panic!("{verb}: {text}"));
    assert!(!rest.contains('…'), "{text}");
    let rest = rest.split('\n').next().unwrap_or_default();
    start + rest.split(end).next().unwrap_or_default()
}

/// A run somewhere else that is told everything by its arguments.
fn told(arguments: &[&str]) -> Run {
    let elsewhere = tempfile::tempdir().expect("a directory");
    Cli::new(elsewhere.path(), arguments)
        .env("IRSA_GITOPS_CLUSTER_NAME", "")
        .env("IRSA_GITOPS_OIDC_PROVIDER", "")
        .run()
}

/// An account with the role of `bar/a`, which is not ours (any more).
fn foreign() -> World {
    let world = World::new(&["a"]);
    world.run(&["apply"]).ends(0);
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        roles.retain(|role| role["name"] == "k8s-sa_bar_a");
        roles[0]["tags"] = serde_json::json!([]);
    });
    world
}

/// The same in a configuration file of two clusters.
fn configuration(world: &World) -> String {
    world.repository.write("other/none.yaml", "a: 1\n");
    world.repository.commit("other");
    let entry = |name: &str, paths: &str| {
        format!(
            "- name: {name}\n  oidcProvider: {ISSUER}\n  account: \"123456789012\"\n  paths: {paths}\n"
        )
    };
    let other = entry("other", "other");
    world.write("it's all.yaml", &(entry("prod", "apps") + &other))
}

#[test]
fn i55_a_role_is_taken_over_by_the_command_that_plan_prints() {
    let world = foreign();
    let config = configuration(&world);
    let iam = world.iam().display().to_string();
    let repo = world.repository.path().display().to_string();
    let by_file = &[
        "plan",
        "--full",
        &repo,
        "--revision",
        "main",
        "--config",
        &config,
        "--sandbox",
        &iam,
    ];
    let by_flags = &[
        "plan",
        "--full",
        &repo,
        "--cluster-name",
        "prod",
        "--oidc-provider",
        ISSUER,
        "--path",
        "apps",
        "--sandbox",
        &iam,
    ];
    for arguments in [&by_file[..], by_flags] {
        let run = told(arguments).ends(7);
        let adopt = command(&run.stdout, "adopt", ";");
        let shown = paste(&adopt).ends(0);
        assert!(
            shown.stdout.contains("1 to update"),
            "{adopt}: {}",
            shown.stdout
        );
        let before = state(&world.iam());
        let json = told(&[arguments, &["--format", "json"]].concat()).ends(7);
        let hint = &json.json()["clusters"][0]["diagnostics"];
        assert!(hint.to_string().contains(&adopt[..40]), "{hint:#}");
        assert_eq!(state(&world.iam()), before);
    }
    let run = told(by_file).ends(7);
    let adopt = command(&run.stdout, "adopt", ";");
    assert!(adopt.contains("--cluster-name prod"), "{adopt}");
    paste(&format!("{adopt} --yes")).ends(0);
    assert!(world.tag("a", "role.k8s.aws/cluster").is_some());
    told(by_file).ends(0);
}

#[test]
fn i55_what_variables_say_is_a_part_of_the_run() {
    let world = foreign();
    let run = world.print(&["plan", "--full", "--path", "apps"]).ends(7);
    let adopt = command(&run.stdout, "adopt", ";");
    for flag in [
        "--cluster-name prod",
        "--oidc-provider oidc.",
        "--sandbox ",
        "--path apps",
    ] {
        assert!(adopt.contains(flag), "{flag}: {adopt}");
    }
    for other in ["--no-cache", "--format", "--mode", "--full"] {
        assert!(!adopt.contains(other), "{other}: {adopt}");
    }
}

#[test]
fn i55_a_role_that_is_held_for_good_is_retired_by_the_command_that_explain_prints() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("remove a");
    world.sync(&["--allow-removals", "1"]).ends(0);
    world.edit(|state| {
        for role in state["roles"].as_array_mut().expect("roles") {
            let tags = role["tags"].as_array_mut().expect("tags");
            tags.retain(|tag| {
                !tag["key"]
                    .as_str()
                    .is_some_and(|key| key.contains("quarantined"))
            });
        }
    });
    let config = configuration(&world);
    let iam = world.iam().display().to_string();
    let repo = world.repository.path().display().to_string();
    let given = [
        "--config",
        &config,
        "--sandbox",
        &iam,
        "--repo",
        &repo,
        "--mode",
        "sync",
    ];
    let explained = told(
        &[
            &["explain", "k8s-sa_bar_a", "--cluster-name", "prod"],
            &given[..],
        ]
        .concat(),
    );
    let explained = explained.ends(0);
    let retire = command(&explained.stdout, "retire", ";");
    let shown = paste(&retire).ends(0);
    assert!(
        shown.stdout.contains("1 to quarantine"),
        "{retire}: {}",
        shown.stdout
    );
}

/// What IAM says to a caller of account 123456789012 that lacks a right.
const DENIED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: arn:aws:sts::123456789012:assumed-role/job/1 is not authorized to perform this</Message></Error><RequestId>1</RequestId></ErrorResponse>";

#[test]
fn i56_the_right_that_is_missing_is_in_the_policy_that_the_message_tells_to_print() {
    let repository = Repository::with(&[("foo.yaml", &service_account("bar", "foo"))]);
    let run = |action: &'static str, arguments: &[&str]| {
        let server = IamServer::empty();
        server.script(vec![(action, 0, Fault::Garbage(403, DENIED))]);
        let run = Cli::new(repository.path(), arguments).endpoint(&server.url);
        run.run()
    };
    for (action, arguments, code, job, right) in [
        ("ListRoles", &["plan"][..], 6, "plan", "iam:ListRoles"),
        ("ListRoles", &["apply"], 6, "apply", "iam:ListRoles"),
        (
            "CreateRole",
            &["apply", "--role-prefix", "k8s-sa"],
            7,
            "apply",
            "iam:CreateRole",
        ),
        (
            "ListRoles",
            &["apply", "--mode", "sync"],
            6,
            "apply",
            "iam:DeleteRole",
        ),
        ("ListRoles", &["roles"], 6, "plan", "iam:ListRoles"),
    ] {
        let denied = run(action, arguments).ends(code);
        let said = denied.stdout + &denied.stderr;
        let policy = command(&said, "iam-policy", " prints");
        assert!(policy.contains(&format!("--for {job} ")), "{policy}");
        let printed = paste(&policy).ends(0);
        assert!(
            printed.stdout.contains(right),
            "{policy}: {}",
            printed.stdout
        );
    }
}

#[test]
fn i55_no_command_shows_the_password_of_an_address() {
    let world = foreign();
    let origin = format!(
        "file://me:planted-password@{}",
        world.repository.path().display()
    );
    let run = world.print(&["plan", &origin]);
    assert!(!run.stdout.contains("planted"), "{}", run.stdout);
    assert!(!run.stderr.contains("planted"), "{}", run.stderr);
}
