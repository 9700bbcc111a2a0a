//! What somebody types who knows other tools, or is in a hurry: each error names what was meant.

use crate::support::cli::Cli;
use crate::support::repository::{Repository, service_account};
use crate::support::world::World;

fn world() -> World {
    World::new(&["a"])
}

#[test]
fn i50_flags_of_other_tools_are_told_what_they_are_here() {
    let world = world();
    for (arguments, said, not_said) in [
        (&["plan", "-o", "json"][..], "--format json", "-- -o"),
        (&["roles", "-ojson"], "--format json", "-- -o"),
        (&["explain", "bar/a", "--json"], "--format", "-- --json"),
        (&["plan", "-n", "bar"], "--path DIR", "-- -n"),
        (
            &["lint", "--namespace", "bar"],
            "--path DIR",
            "'--namespace-from'",
        ),
        (&["apply", "-f", "apps/"], "--directory DIR", "-- -f"),
        (&["plan", "--filename=apps"], "--path DIR", "'-- "),
        (&["apply", "--dry-run"], "irsa-gitops plan", "'-- "),
        (&["apply", "--dry-run=client"], "irsa-gitops plan", "'-- "),
        (
            &["plan", "--dry-run"],
            "it writes nothing",
            "irsa-gitops plan,",
        ),
        (
            &["adopt", "k8s-sa_bar_a", "--dry-run"],
            "unless --yes",
            "'-- ",
        ),
        (
            &["retire", "k8s-sa_bar_a", "--dry-run"],
            "unless --yes",
            "'-- ",
        ),
        (&["plan", "--context", "prod"], "--cluster-name", "'-- "),
        (&["plan", "--profile", "prod"], "AWS_PROFILE=NAME", "'-- "),
        (&["plan", "--branch", "main"], "--revision", "'-- "),
        (&["apply", "--prune"], "--mode sync", "'-- "),
        (&["plan", "--output", "json"], "--format json", "'-- "),
        (
            &["explain", "bar/a", "-n", "bar"],
            "NAMESPACE/NAME",
            "--path DIR",
        ),
        (
            &["explain", "a", "--namespace=bar"],
            "NAMESPACE/NAME",
            "--path DIR",
        ),
        (&["explain", "bar/a", "-y"], "nothing is asked", "--yes"),
        (&["plan", "--auto-approve"], "nothing is asked", "--yes"),
        (&["apply", "--force"], "--yes", "nothing is asked"),
        (&["apply", "--auto-approve"], "--yes", "nothing is asked"),
        // What the verb does not have is not advised, and what is near one of ours is.
        (
            &["iam-policy", "--for", "plan", "-o", "json"],
            "unexpected",
            "--format",
        ),
        (&["roles", "-f", "apps"], "unexpected", "--directory"),
        (&["plan", "--acount", "1"], "'--account'", "--format"),
        (&["plan", "--output", "jsn"], "FORMAT=PATH", "--format jsn"),
    ] {
        let error = world.print(arguments).ends(2).stderr;
        assert!(error.contains(said), "{arguments:?}: {error}");
        assert!(!error.contains(not_said), "{arguments:?}: {error}");
    }
    world.print(&["plan", "--format", "json"]).ends(0);
}

#[test]
fn i51_everything_that_is_required_is_asked_for_at_once() {
    let world = world();
    let run = |name: &str, issuer: &str| {
        let run = world.cli(&["plan"]);
        let run = run.env("IRSA_GITOPS_CLUSTER_NAME", name);
        run.env("IRSA_GITOPS_OIDC_PROVIDER", issuer).run()
    };
    let error = run("", "").ends(2).stderr;
    for said in [
        "--cluster-name and --oidc-provider are required",
        "list-clusters",
        "describe-cluster",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
    let error = run("prod", "").ends(2).stderr;
    assert!(error.contains("--oidc-provider is required"), "{error}");
    assert!(!error.contains("--cluster-name"), "{error}");
    assert!(error.contains("describe-cluster --name prod "), "{error}");
    let error = run("", "oidc.example.com").ends(2).stderr;
    assert!(error.contains("--cluster-name is required"), "{error}");
    assert!(!error.contains("--oidc-provider"), "{error}");
}

#[test]
fn i52_every_duration_takes_hours() {
    let world = world();
    for flags in [
        &["--max-session-duration", "1h"][..],
        &["--max-session-duration", "3600"],
        &["--max-session-duration", "90m"],
        &["--prune-after", "36h"],
    ] {
        world.print(&[&["plan"], flags].concat()).ends(0);
    }
    world
        .run(&["apply", "--max-session-duration", "2h"])
        .ends(0);
    assert_eq!(world.role("a")["maxSessionDuration"], 7200);
    for (value, said) in [
        ("soon", "expected 1h, 90m or a number of seconds"),
        ("1.5", "expected 1h"),
        ("500ms", "expected 1h"),
        ("-1h", "expected 1h"),
        ("13h", "43200"),
        ("5m", "3600"),
    ] {
        let value = format!("--max-session-duration={value}");
        let error = world.print(&["plan", &value]).ends(2).stderr;
        assert!(error.contains(said), "{value}: {error}");
    }
}

#[test]
fn i53_a_number_where_a_text_is_expected_is_to_be_quoted() {
    let world = world();
    let plan = |entry: &str| {
        let text = format!("- name: prod\n{entry}\n");
        let file = world.write("clusters.yaml", &text);
        world.print(&["plan", "--config", &file])
    };
    for (entry, said) in [
        ("  account: 123456789012", "account: \"123456789012\""),
        ("  rolePrefix: 42", "rolePrefix: \"42\""),
        ("  audience: true", "audience: \"true\""),
        ("  paths: 2024", "paths: \"2024\""),
        ("  paths: [apps, 2024]", "quotes: paths: \"2024\""),
    ] {
        let error = plan(entry).ends(2).stderr;
        assert!(error.contains(said), "{entry}: {error}");
        assert!(error.contains("cluster `prod`"), "{entry}: {error}");
    }
    // What no quotes would mend is told otherwise.
    let error = plan("  composeRoleArn: 1").ends(2).stderr;
    assert!(!error.contains("quotes"), "{error}");
    plan("  account: \"123456789012\"\n  maxSessionDuration: 1h\n  composeRoleArn: true").ends(0);
}

#[test]
fn i54_a_file_that_is_missing_is_told_with_what_names_it() {
    let world = world();
    let nowhere = world.file("nowhere").display().to_string();
    let given = |flag: &str| world.print(&["plan", flag, &nowhere]);
    let set = |name: &str| world.cli(&["plan"]).env(name, &nowhere).run();
    let error = given("--directory").ends(4).stderr;
    assert!(error.contains("error: --directory: cannot read"), "{error}");
    assert!(error.contains("No such file"), "{error}");
    let error = set("IRSA_GITOPS_DIRECTORY").ends(4).stderr;
    assert!(error.contains("error: IRSA_GITOPS_DIRECTORY: "), "{error}");
    assert!(error.contains("unset IRSA_GITOPS_DIRECTORY"), "{error}");
    let error = given("--config").ends(2).stderr;
    assert!(error.contains("error: --config: cannot open"), "{error}");
    let error = set("IRSA_GITOPS_CONFIG").ends(2).stderr;
    assert!(error.contains("error: IRSA_GITOPS_CONFIG: "), "{error}");
    let apply = ["apply", "--plan", &nowhere];
    let error = world.print(&apply).ends(2).stderr;
    assert!(error.contains("error: --plan: cannot open"), "{error}");
    // A file that is missing in a directory that is there is another matter.
    let place = world.directory.path().display().to_string();
    let path = ["plan", "--directory", &place, "--path", "nowhere"];
    let error = world.print(&path).ends(4).stderr;
    assert!(error.contains("nowhere"), "{error}");
    assert!(!error.contains("--directory:"), "{error}");
}

#[test]
fn i54_a_directory_that_is_there_is_read() {
    let repository = Repository::with(&[("apps/a.yaml", &service_account("bar", "a"))]);
    let apps = repository.path().join("apps/");
    Cli::new(repository.path(), &["lint"])
        .env("IRSA_GITOPS_DIRECTORY", apps)
        .run()
        .ends(0);
}

#[test]
fn i54_a_value_of_a_variable_blames_the_variable() {
    let world = world();
    let plan = |name: &str, value: &str, more: &[&str]| {
        let arguments = [&["plan"], more].concat();
        world.cli(&arguments).env(name, value).run().stderr
    };
    for (name, value) in [
        ("IRSA_GITOPS_ACCOUNT", "12"),
        ("IRSA_GITOPS_BASE", "nope"),
        ("IRSA_GITOPS_PATH", "nope"),
        ("IRSA_GITOPS_REVISION", "nope"),
        ("IRSA_GITOPS_REGION", "x"),
        ("IRSA_GITOPS_TAG", "x"),
        ("IRSA_GITOPS_PRUNE_AFTER", "x"),
        ("IRSA_GITOPS_MODE", "x"),
    ] {
        let error = plan(name, value, &[]);
        assert!(error.contains(name), "{name}: {error}");
        // A flag is its own fault, whatever the variable says.
        let flag = name.trim_start_matches("IRSA_GITOPS_").to_lowercase();
        let flag = format!("--{}", flag.replace('_', "-"));
        let error = plan(name, value, &[&flag, "?"]);
        assert!(!error.contains(name), "{name}: {error}");
    }
}

#[test]
fn i131_a_variable_that_nobody_reads_is_told() {
    let world = world();
    let says = |name: &str, value: &str| {
        let run = world.cli(&["lint"]).env(name, value).run().ends(0);
        run.stderr
    };
    for (name, advice) in [
        (
            "IRSA_GITOPS_PERMISSION_BOUNDARY",
            "did you mean IRSA_GITOPS_PERMISSIONS_BOUNDARY?",
        ),
        ("IRSA_GITOPS_PATHS", "did you mean IRSA_GITOPS_PATH?"),
        (
            "IRSA_GITOPS_ALLOW_REMOVALS",
            "it is a flag only: --allow-removals",
        ),
        ("IRSA_GITOPS_WHATEVER", "nothing reads it"),
    ] {
        let said = says(name, "1");
        assert!(
            said.starts_with(&format!("warning: {name} is no variable")),
            "{said}"
        );
        assert!(said.trim_end().ends_with(advice), "{said}");
        assert_eq!(says(name, ""), "", "what is empty is not set");
    }
    // What is read by another verb, or stands for no flag, is known.
    for known in ["IRSA_GITOPS_AUDIT_LOG", "IRSA_GITOPS_GIT_TOKEN"] {
        assert_eq!(says(known, "x"), "");
    }
}

/// What is hidden for its likeness to a password is not what a message is about.
#[test]
fn i133_a_message_keeps_the_characters_that_it_lists() {
    let world = world();
    for (arguments, listed) in [
        (["plan", "--cluster-name", "pr od"], "`_.@-/:`"),
        (["plan", "--tag", "a?b=c"], "`_.@:/=+-`"),
        (["plan", "--tag", "a=c?"], "`_.@:/=+-`"),
    ] {
        let error = world.print(&arguments).ends(2).stderr;
        assert!(error.contains(listed), "{error}");
    }
}

#[test]
fn i133_what_is_not_there_is_looked_for_where_it_was() {
    let world = world();
    let origin = "https://github.com/acme/apps.git";
    world.repository.git(&["remote", "add", "origin", origin]);
    let error = world.print(&["plan", "--revision", "mian"]).ends(4).stderr;
    let place = world.repository.path().canonicalize().expect("a directory");
    let wanted = format!("error: `mian` is not in `{}`", place.display());
    assert!(error.starts_with(&wanted), "{error}");
}

#[test]
fn i133_half_an_access_key_is_named() {
    let repository = Repository::with(&[("apps/a.yaml", &service_account("bar", "a"))]);
    let [id, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    for (given, missing) in [(id, secret), (secret, id)] {
        let run = Cli::new(repository.path(), &["plan"])
            .env(given, "planted")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .run()
            .ends(6);
        let wanted = format!("{given} is set and {missing} is not");
        assert!(run.stderr.contains(&wanted), "{}", run.stderr);
        assert!(!run.stderr.contains("planted"), "{}", run.stderr);
    }
}
