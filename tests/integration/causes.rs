//! What an error of AWS, or of the way to it, says: what names the fault is always there.

use crate::support::cli::{Cli, Run};
use crate::support::cloud::{AMBIENT, BASE, Case, Cloud, FLAGS, KEYS, REGION, ROLE};
use crate::support::iam_server::{Fault, IamServer};
use crate::support::repository::{Repository, service_account};

const DENIED: &str = "AccessDenied";

fn message(run: &Run) -> String {
    assert_eq!(run.code, 6, "{}", run.stderr);
    run.stderr.clone()
}

#[track_caller]
fn names(run: &Run, parts: &[&str]) {
    let text = message(run);
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
    for secret in ["PLANTED", "planted", "eyJ"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn a50_a_denied_call_names_the_command_that_prints_what_the_job_needs() {
    let repository = Repository::with(&[("foo.yaml", &service_account("bar", "foo"))]);
    let run = |action: &'static str, verb: &str| {
        let server = IamServer::empty();
        server.script(vec![(action, 0, Fault::Refused(403, DENIED))]);
        Cli::new(repository.path(), &[verb])
            .endpoint(&server.url)
            .run()
    };
    let plan = run("ListRoles", "plan").ends(6);
    names(
        &plan,
        &["iam:ListRoles", "irsa-gitops iam-policy --for plan"],
    );
}

#[test]
fn p47_what_is_wrong_in_git_is_told_whatever_iam_answers() {
    let repository = Repository::with(&[("foo.yaml", &service_account("bar", "foo"))]);
    let run = |paths: &[&str]| {
        let server = IamServer::empty();
        server.script(vec![("ListRoles", 0, Fault::Refused(403, DENIED))]);
        let run = Cli::new(repository.path(), &[&["plan"], paths].concat());
        run.endpoint(&server.url).run()
    };
    let missing = run(&["--path", "gone"]).ends(4);
    assert!(missing.stderr.contains("`gone`"), "{}", missing.stderr);
    assert!(!missing.stderr.contains("ListRoles"), "{}", missing.stderr);
    names(&run(&[]), &["iam:ListRoles"]);
}

#[test]
fn a50_the_host_and_the_proxy_that_cannot_be_reached_are_named() {
    let repository = Repository::with(&[("foo.yaml", &service_account("bar", "foo"))]);
    let run = |key: &str, value: &str| {
        let run = Cli::new(repository.path(), &["plan"]).env("AWS_EC2_METADATA_DISABLED", "true");
        let run = run.env(KEYS[0].0, KEYS[0].1).env(KEYS[1].0, KEYS[1].1);
        run.env(REGION[0].0, REGION[0].1).env(key, value).run()
    };
    // Nobody listens at port 1.
    let direct = run("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    names(&direct, &["cannot connect to http://127.0.0.1:1: "]);
    assert!(!direct.stderr.contains("proxy"), "{}", direct.stderr);
    let proxied = run("HTTPS_PROXY", "http://me:planted@127.0.0.1:1");
    names(
        &proxied,
        &["sts.eu-west-1.amazonaws.com", "127.0.0.1:1", "HTTPS_PROXY"],
    );
    // The proxy's certificates are of an authority that nobody trusts.
    let cloud = Cloud::new("aws");
    let untrusted = cloud.cli(&[]).env(REGION[0].0, REGION[0].1);
    let untrusted = untrusted
        .env(KEYS[0].0, KEYS[0].1)
        .env(KEYS[1].0, KEYS[1].1);
    names(
        &untrusted.run(),
        &["sts.eu-west-1.amazonaws.com", "certificate"],
    );
}

#[test]
fn a51_a_profile_that_is_not_there_is_named_with_the_files() {
    let cloud = Cloud::new("aws");
    let missing = Case {
        environment: &[REGION[0], ("AWS_PROFILE", "prodution")],
        profile: "[profile production]\nregion = eu-west-1\n",
        ..BASE
    };
    let file = cloud.directory.path().join("config");
    let file = format!("`{}` or `", file.display());
    names(
        &cloud.run(&missing),
        &["no profile `prodution` (of AWS_PROFILE)", &file],
    );
    // The fault is in the name, and not in what is old.
    names(
        &cloud.run(&missing),
        &["which name `production`", "hint: correct AWS_PROFILE"],
    );
    assert!(!message(&cloud.run(&missing)).contains("renew"));
    // One that is there and has no credentials is no misspelled one.
    let empty = Case {
        environment: &[REGION[0], ("AWS_PROFILE", "production")],
        ..missing
    };
    let run = cloud.run(&empty);
    names(
        &run,
        &[
            "no credentials were found",
            "Ec2InstanceMetadata",
            "hint: give the job some",
        ],
    );
    assert!(!run.stderr.contains("no profile"), "{}", run.stderr);
    // Neither is one that nobody needs.
    let unused = Case {
        environment: &[REGION[0], KEYS[0], KEYS[1], ("AWS_PROFILE", "prodution")],
        ..missing
    };
    assert_eq!(cloud.run(&unused).code, 0);
}

#[test]
fn a60_what_is_wrong_with_a_profile_that_is_there_is_told_with_its_name() {
    let cloud = Cloud::new("aws");
    let run = |name: &'static str, profile: &'static str| {
        let environment = &[REGION[0], ("AWS_PROFILE", name)];
        cloud.run(&Case {
            environment,
            profile,
            ..BASE
        })
    };
    let chained = "[profile chained]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = bse\n[profile base]\nregion = eu-west-1\n";
    let missing = run("chained", chained);
    names(&missing, &["no profile `bse`", "source", "hint: correct"]);
    let failing =
        "[profile failing]\ncredential_process = sh -c 'echo token expired >&2; exit 3'\n";
    let failed = run("failing", failing);
    names(
        &failed,
        &[
            "profile `failing` (of AWS_PROFILE)",
            "token expired",
            "renew",
        ],
    );
    let session = "[profile it]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = x\n[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://x.example.com/start\n";
    names(
        &run("it", session),
        &["profile `it`", "aws sso login --profile it"],
    );
    // A session is no profile.
    names(&run("s", session), &["no profile `s`", "which name `it`:"]);
}

/// A metadata service that gives nothing.
fn refusing_metadata() -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let refusal =
                b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            // The SDK may have gone away.
            let _ = stream.write_all(refusal);
        }
    });
    url
}

#[test]
fn i134_a_metadata_service_that_refuses_gives_no_credentials() {
    let (cloud, metadata) = (Cloud::new("aws"), refusing_metadata());
    let run = |more: &[(&str, &str)]| {
        let environment = [
            REGION[0],
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata),
        ];
        cloud.run(&Case {
            environment: &[&environment[..], more].concat(),
            ..BASE
        })
    };
    let none = &[
        "no credentials were found: ",
        "IMDS",
        "hint: give the job some: ",
    ];
    names(&run(&[]), none);
    let half = "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not";
    names(&run(&KEYS[..1]), &[&none[..], &[half]].concat());
}

#[test]
fn a60_a_profile_that_is_not_there_is_the_cause_whatever_comes_after_it() {
    let (cloud, metadata) = (Cloud::new("aws"), refusing_metadata());
    for (name, said) in [
        (
            "prdo",
            &[
                "no profile `prdo` (of AWS_PROFILE)",
                "`prod`",
                "hint: correct",
            ][..],
        ),
        // One that is there and gives none is not missing.
        ("prod", &["profile `prod` (of AWS_PROFILE)", "hint: renew"]),
    ] {
        let environment = &[
            REGION[0],
            ("AWS_PROFILE", name),
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata),
        ];
        let run = cloud.run(&Case {
            environment,
            profile: "[profile prod]\nregion = eu-west-1\n",
            ..BASE
        });
        names(&run, said);
    }
}

#[test]
fn a51_a_role_that_refuses_is_named_with_whom_it_refuses() {
    // {"sub":"repo:acme/apps:ref:refs/heads/main"}
    let token =
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyZXBvOmFjbWUvYXBwczpyZWY6cmVmcy9oZWFkcy9tYWluIn0.e30";
    let ambient = &[AMBIENT[0], AMBIENT[1], REGION[0]];
    for (action, arguments, environment, named) in [
        (
            "AssumeRoleWithWebIdentity",
            FLAGS,
            REGION,
            ["role/ci`", "`repo:acme/apps:ref:refs/heads/main`"],
        ),
        (
            "AssumeRoleWithWebIdentity",
            &[],
            ambient.as_slice(),
            ["role/ci`", "`repo:acme/apps:ref:refs/heads/main`"],
        ),
        (
            "AssumeRole",
            ROLE,
            &[KEYS[0], KEYS[1], REGION[0]],
            ["role/other`", "by the script"],
        ),
    ] {
        let cloud = Cloud::new("aws");
        std::fs::write(cloud.directory.path().join("token"), token).expect("a file");
        cloud
            .server
            .script(vec![(action, 0, Fault::Refused(403, DENIED))]);
        let run = cloud.run(&Case {
            arguments,
            environment,
            ..BASE
        });
        names(
            &run,
            &[
                "cannot assume role `arn:aws:iam::123456789012:",
                named[0],
                named[1],
                "hint: its trust policy",
            ],
        );
    }
}

#[test]
fn i25_an_issuer_that_is_something_else_is_told_what_it_is() {
    let repository = Repository::with(&[("foo.yaml", &service_account("bar", "foo"))]);
    for verb in ["lint", "plan", "apply"] {
        let run = Cli::new(repository.path(), &[verb]).env("IRSA_GITOPS_OIDC_PROVIDER", "None");
        let run = run.run().ends(2);
        assert!(run.stderr.contains("prints for nothing"), "{}", run.stderr);
    }
}
