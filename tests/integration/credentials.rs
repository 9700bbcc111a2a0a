//! How the program comes by credentials, and whom it asks: the real host names, without any
//! endpoint in the environment.

use serde_json::json;
use tempfile::TempDir;

use crate::support::aws_proxy::AwsProxy;
use crate::support::cli::{Cli, ISSUER, Run};
use crate::support::iam_server::IamServer;
use crate::support::repository::{Repository, service_account};

/// A way to credentials, and whom it leads to.
#[derive(Clone, Copy)]
struct Case<'a> {
    name: &'a str,
    arguments: &'a [&'a str],
    environment: &'a [(&'a str, &'a str)],
    /// The AWS config file.
    profile: &'a str,
    /// The calls that credentials are fetched with, in order.
    logins: &'a [&'a str],
    /// Host and signing region of STS, then of IAM.
    sts: (&'a str, &'a str),
    iam: (&'a str, &'a str),
}

/// Nothing is said but what a case says.
const BASE: Case<'static> = Case {
    name: "",
    arguments: &[],
    environment: &[],
    profile: "",
    logins: &[],
    sts: ("sts.eu-west-1.amazonaws.com", "eu-west-1"),
    iam: ("iam.amazonaws.com", "us-east-1"),
};

const KEYS: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "AKIAPLANTEDKEY"),
    ("AWS_SECRET_ACCESS_KEY", "planted-secret-key"),
];

struct Cloud {
    repository: Repository,
    directory: TempDir,
    server: IamServer,
    proxy: AwsProxy,
}

impl Cloud {
    fn new(partition: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let state = json!({
            "account": "123456789012",
            "partition": partition,
            "oidcProviders": [{ "issuer": ISSUER, "audiences": ["sts.amazonaws.com"] }],
        });
        let server = IamServer::start(serde_json::from_value(state).expect("a state"));
        let account =
            service_account("bar", "foo").replace("arn:aws:", &format!("arn:{partition}:"));
        std::fs::write(
            directory.path().join("token"),
            "eyJhbGciOiJub25lIn0.e30.e30",
        )
        .expect("a file");
        Self {
            repository: Repository::with(&[("foo.yaml", &account)]),
            proxy: AwsProxy::start(&server, directory.path()),
            server,
            directory,
        }
    }

    fn cli(&self, arguments: &[&str]) -> Cli {
        let all = [&["plan", "--format", "json"], arguments].concat();
        let run = Cli::new(self.repository.path(), &all).env("AWS_EC2_METADATA_DISABLED", "true");
        self.proxy.serves(run)
    }

    fn run(&self, case: &Case<'_>) -> Run {
        let token = self.directory.path().join("token");
        let token = token.to_str().expect("a text");
        let place = |text: &str| text.replace("TOKEN", token);
        let arguments: Vec<String> = case.arguments.iter().map(|text| place(text)).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let config = self.directory.path().join("config");
        std::fs::write(&config, place(case.profile)).expect("a file");
        let mut run = self
            .cli(&arguments)
            .env("SSL_CERT_FILE", &self.proxy.authority)
            .env("AWS_CONFIG_FILE", &config);
        for (key, value) in case.environment {
            run = run.env(key, place(value));
        }
        run.run()
    }

    /// `HOST ACTION REGION` of the calls that were made, region as signed; each once.
    fn asked(&self) -> Vec<String> {
        let mut asked: Vec<String> = Vec::new();
        for seen in self.server.requests() {
            let scope = seen.scope.unwrap_or_default();
            let region = scope.split('/').nth(2).unwrap_or("unsigned");
            let line = format!("{} {} {region}", seen.host, seen.parameters["Action"]);
            if !asked.contains(&line) {
                asked.push(line);
            }
        }
        asked
    }
}

/// Runs `plan` in every case and compares whom it asks.
#[track_caller]
fn check(partition: &str, cases: &[Case<'_>]) {
    for case in cases {
        let cloud = Cloud::new(partition);
        let run = cloud.run(case);
        let asked = cloud.asked();
        assert_eq!(run.code, 0, "{}: {}\n{asked:?}", case.name, run.stderr);
        let (sts, at_sts) = case.sts;
        let (iam, at_iam) = case.iam;
        let login = |login: &&str| match *login {
            WEB => format!("{sts} {WEB} unsigned"),
            other => format!("{sts} {other} {at_sts}"),
        };
        let mut expected: Vec<String> = case.logins.iter().map(login).collect();
        expected.push(format!("{sts} GetCallerIdentity {at_sts}"));
        expected.push(format!("{iam} ListRoles {at_iam}"));
        let asked = &asked[..expected.len().min(asked.len())];
        assert_eq!(asked, expected, "{}", case.name);
    }
}

const WEB: &str = "AssumeRoleWithWebIdentity";
const ASSUME: &str = "AssumeRole";
const US: (&str, &str) = ("sts.us-east-1.amazonaws.com", "us-east-1");
const FLAGS: &[&str] = &[
    "--token-path",
    "TOKEN",
    "--role-arn",
    "arn:aws:iam::123456789012:role/ci",
];
const ROLE: &[&str] = &["--assume-role", "arn:aws:iam::123456789012:role/other"];
const FLAGS_AND_ROLE: &[&str] = &[
    "--token-path",
    "TOKEN",
    "--role-arn",
    "arn:aws:iam::123456789012:role/ci",
    "--assume-role",
    "arn:aws:iam::123456789012:role/other",
];
const AMBIENT: &[(&str, &str)] = &[
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "TOKEN"),
    ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci"),
];
const REGION: &[(&str, &str)] = &[("AWS_REGION", "eu-west-1")];
const WEB_PROFILE: &str =
    "[default]\nweb_identity_token_file = TOKEN\nrole_arn = arn:aws:iam::123456789012:role/ci\n";
const SOURCE_PROFILE: &str = "[default]\nrole_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = base\n[profile base]\naws_access_key_id = AKIAPLANTEDKEY\naws_secret_access_key = planted-secret-key\n";

#[test]
fn a37_every_way_to_credentials_leads_to_the_hosts_of_the_region() {
    let keys_in_region = &[KEYS[0], KEYS[1], REGION[0]];
    let ambient_in_region = &[AMBIENT[0], AMBIENT[1], REGION[0]];
    check(
        "aws",
        &[
            Case {
                name: "flags, AWS_REGION",
                arguments: FLAGS,
                environment: REGION,
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "flags, --region",
                arguments: &[
                    FLAGS[0],
                    FLAGS[1],
                    FLAGS[2],
                    FLAGS[3],
                    "--region",
                    "eu-west-1",
                ],
                environment: &[("AWS_REGION", "us-west-2")],
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "flags, the profile's region",
                arguments: FLAGS,
                profile: "[default]\nregion = eu-west-1\n",
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "flags, an empty AWS_REGION",
                arguments: FLAGS,
                environment: &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")],
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "flags over keys",
                arguments: FLAGS,
                environment: keys_in_region,
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "flags, role",
                arguments: FLAGS_AND_ROLE,
                environment: REGION,
                logins: &[WEB, ASSUME],
                ..BASE
            },
            Case {
                name: "environment",
                environment: ambient_in_region,
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "environment, role",
                arguments: ROLE,
                environment: ambient_in_region,
                logins: &[WEB, ASSUME],
                ..BASE
            },
            Case {
                name: "web profile",
                profile: WEB_PROFILE,
                environment: REGION,
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "source profile",
                profile: SOURCE_PROFILE,
                environment: REGION,
                logins: &[ASSUME],
                ..BASE
            },
            Case {
                name: "keys",
                environment: keys_in_region,
                ..BASE
            },
            Case {
                name: "keys, role",
                arguments: ROLE,
                environment: keys_in_region,
                logins: &[ASSUME],
                ..BASE
            },
        ],
    );
}

#[test]
fn a38_without_a_region_the_default_one_serves_every_way_to_credentials() {
    check(
        "aws",
        &[
            Case {
                name: "flags",
                arguments: FLAGS,
                logins: &[WEB],
                sts: US,
                ..BASE
            },
            Case {
                name: "flags, role",
                arguments: FLAGS_AND_ROLE,
                logins: &[WEB, ASSUME],
                sts: US,
                ..BASE
            },
            Case {
                name: "environment",
                environment: AMBIENT,
                logins: &[WEB],
                sts: US,
                ..BASE
            },
            Case {
                name: "environment, role",
                arguments: ROLE,
                environment: AMBIENT,
                logins: &[WEB, ASSUME],
                sts: US,
                ..BASE
            },
            Case {
                name: "web profile",
                profile: WEB_PROFILE,
                logins: &[WEB],
                sts: US,
                ..BASE
            },
            Case {
                name: "source profile",
                profile: SOURCE_PROFILE,
                logins: &[ASSUME],
                sts: US,
                ..BASE
            },
            Case {
                name: "keys",
                environment: KEYS,
                sts: US,
                ..BASE
            },
            Case {
                name: "keys, role",
                arguments: ROLE,
                environment: KEYS,
                logins: &[ASSUME],
                sts: US,
                ..BASE
            },
        ],
    );
}

#[test]
fn a38_other_partitions_have_hosts_of_their_own() {
    let china = Case {
        sts: ("sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        iam: ("iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ..BASE
    };
    let flags: &[&str] = &[
        "--token-path",
        "TOKEN",
        "--role-arn",
        "arn:aws-cn:iam::123456789012:role/ci",
    ];
    check(
        "aws-cn",
        &[
            Case {
                name: "China",
                arguments: flags,
                environment: &[("AWS_REGION", "cn-north-1")],
                logins: &[WEB],
                ..china
            },
            Case {
                name: "China by its role",
                arguments: flags,
                logins: &[WEB],
                ..china
            },
            Case {
                name: "China by the role to assume",
                arguments: &["--assume-role", "arn:aws-cn:iam::123456789012:role/x"],
                environment: KEYS,
                logins: &[ASSUME],
                ..china
            },
            Case {
                name: "China by AWS_ROLE_ARN",
                environment: &[
                    AMBIENT[0],
                    ("AWS_ROLE_ARN", "arn:aws-cn:iam::123456789012:role/ci"),
                ],
                logins: &[WEB],
                ..china
            },
        ],
    );
    let gov = Case {
        sts: ("sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        iam: ("iam.us-gov.amazonaws.com", "us-gov-west-1"),
        logins: &[WEB],
        ..BASE
    };
    let flags: &[&str] = &[
        "--token-path",
        "TOKEN",
        "--role-arn",
        "arn:aws-us-gov:iam::123456789012:role/ci",
    ];
    check(
        "aws-us-gov",
        &[
            Case {
                name: "GovCloud",
                arguments: flags,
                environment: &[("AWS_REGION", "us-gov-west-1")],
                ..gov
            },
            Case {
                name: "GovCloud by its role",
                arguments: flags,
                ..gov
            },
        ],
    );
}

#[test]
fn a37_fips_and_dual_stack_hold_for_every_call() {
    let fips = Case {
        name: "FIPS",
        environment: &[
            ("AWS_REGION", "us-west-2"),
            ("AWS_USE_FIPS_ENDPOINT", "true"),
        ],
        sts: ("sts-fips.us-west-2.amazonaws.com", "us-west-2"),
        iam: ("iam-fips.amazonaws.com", "us-east-1"),
        ..BASE
    };
    let dual = Case {
        name: "dual-stack",
        environment: &[
            ("AWS_REGION", "eu-west-1"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ],
        sts: ("sts.eu-west-1.api.aws", "eu-west-1"),
        iam: ("iam.global.api.aws", "us-east-1"),
        ..BASE
    };
    check(
        "aws",
        &[
            Case {
                arguments: FLAGS,
                logins: &[WEB],
                ..fips
            },
            Case {
                arguments: FLAGS_AND_ROLE,
                logins: &[WEB, ASSUME],
                ..fips
            },
            Case {
                profile: WEB_PROFILE,
                logins: &[WEB],
                ..fips
            },
            Case {
                arguments: FLAGS,
                logins: &[WEB],
                ..dual
            },
            Case {
                arguments: ROLE,
                profile: SOURCE_PROFILE,
                logins: &[ASSUME],
                ..dual
            },
        ],
    );
}

/// Ends with 6, and names a word of the reason on one line, without any secret or a bug.
#[track_caller]
fn refused(run: &Run, reason: &str) {
    assert_eq!(run.code, 6, "{}", run.stderr);
    let message = run.json()["error"]["message"].as_str().map(str::to_owned);
    let message = message.unwrap_or_default();
    assert!(message.contains(reason), "{reason}: {message}");
    for secret in ["PLANTED", "planted", "internal error", "panicked"] {
        assert!(!run.stderr.contains(secret), "{}", run.stderr);
        assert!(!run.stdout.contains(secret), "{}", run.stdout);
    }
}

#[test]
fn a41_credentials_that_cannot_be_any_are_named_and_never_shown() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let cloud = Cloud::new("aws");
    let base = || {
        let run = cloud.cli(&[]).env("SSL_CERT_FILE", &cloud.proxy.authority);
        let run = run.env("AWS_CONFIG_FILE", cloud.directory.path().join("config"));
        run.env("AWS_REGION", "eu-west-1")
    };
    let keys = || base().env(KEYS[0].0, KEYS[0].1).env(KEYS[1].0, KEYS[1].1);
    for (name, bytes, reason) in [
        (
            "AWS_ACCESS_KEY_ID",
            &b"AKIAPLANTED\n"[..],
            "AWS_ACCESS_KEY_ID ends with a line break",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            b"AKIA\r\nPLANTED",
            "AWS_ACCESS_KEY_ID has a line break",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            b"AKIA\x01PLANTED",
            "AWS_ACCESS_KEY_ID has a control",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            b"AKIA PLANTED",
            "AWS_ACCESS_KEY_ID has white space",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            "AKIAPLANTÉD".as_bytes(),
            "AWS_ACCESS_KEY_ID has a character",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            b"AKIAPLANTED\xff",
            "AWS_ACCESS_KEY_ID is not text",
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            b"planted-secret\n",
            "AWS_SECRET_ACCESS_KEY ends with",
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            b"planted\xff",
            "AWS_SECRET_ACCESS_KEY is not text",
        ),
        (
            "AWS_SESSION_TOKEN",
            b"planted\ntoken",
            "AWS_SESSION_TOKEN has a line break",
        ),
        (
            "AWS_SESSION_TOKEN",
            b"planted\x7f",
            "AWS_SESSION_TOKEN has a control",
        ),
        (
            "AWS_REGION",
            b"eu-west-1\n",
            "`eu-west-1\\n` is not an AWS region",
        ),
        ("AWS_REGION", b"Ireland", "`Ireland` is not an AWS region"),
        ("AWS_REGION", b"eu\xff", "AWS_REGION is not text"),
        ("AWS_ENDPOINT_URL", b"", "AWS_ENDPOINT_URL is empty"),
        ("AWS_ENDPOINT_URL_STS", b"", "AWS_ENDPOINT_URL_STS is empty"),
        (
            "AWS_ENDPOINT_URL_IAM",
            b"http://planted:x@y\n",
            "AWS_ENDPOINT_URL_IAM ends with",
        ),
    ] {
        let run = keys().env(name, OsStr::from_bytes(bytes)).run();
        refused(&run, reason);
    }
    assert_eq!(cloud.asked(), Vec::<String>::new(), "nothing was sent");
}

#[test]
fn a41_so_are_those_of_profiles_processes_and_token_files() {
    let printed =
        json!({ "Version": 1, "AccessKeyId": "AKIAPLANTED\n", "SecretAccessKey": "planted" });
    let bad = format!("credential_process = printf %s '{printed}'\n");
    let role = "role_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = base\n";
    let keys = "aws_access_key_id = AKIA\n  x = PLANTED\naws_secret_access_key = planted\n";
    let web = "web_identity_token_file = TOKEN\nrole_arn = arn:aws:iam::123456789012:role/ci\n";
    let plain = Case {
        environment: REGION,
        ..BASE
    };
    for (profile, reason) in [
        (
            format!("[default]\n{bad}"),
            "that credential_process printed",
        ),
        (format!("[default]\n{keys}"), "of the profile"),
        (
            format!("[default]\n{role}[profile base]\n{bad}"),
            "a role is to be assumed with",
        ),
        (
            format!("[default]\n{role}[profile base]\n{keys}"),
            "a role is to be assumed with",
        ),
        (
            "[default]\nregion = eu west\n".to_owned(),
            "`eu west` is not an AWS region",
        ),
    ] {
        let cloud = Cloud::new("aws");
        let environment = if reason.contains("region") {
            KEYS
        } else {
            REGION
        };
        let run = cloud.run(&Case {
            profile: &profile,
            environment,
            ..plain
        });
        assert_eq!(cloud.asked(), Vec::<String>::new(), "{profile}");
        refused(&run, reason);
    }
    let ambient_in_region = &[AMBIENT[0], AMBIENT[1], REGION[0]];
    for (token, flags) in [
        ("eyJhbGciOiJub25lIn0.e30.e30\r\n", None),
        ("", Some("is empty")),
        (
            "eyJhbGciOiJub25lIn0\n.e30",
            Some("something else than one token"),
        ),
    ] {
        let cloud = Cloud::new("aws");
        std::fs::write(cloud.directory.path().join("token"), token).expect("a file");
        let run = cloud.run(&Case {
            arguments: FLAGS,
            ..plain
        });
        match flags {
            None => assert_eq!(run.code, 0, "{}", run.stderr),
            Some(reason) => refused(&run, reason),
        }
        let run = cloud.run(&Case {
            environment: ambient_in_region,
            ..plain
        });
        refused(&run, "of AWS_WEB_IDENTITY_TOKEN_FILE");
        let run = cloud.run(&Case {
            profile: web,
            ..plain
        });
        refused(&run, "");
    }
}
