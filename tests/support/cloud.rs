//! AWS by its real host names, and the ways to credentials for it.

use serde_json::json;
use tempfile::TempDir;

use super::aws_proxy::AwsProxy;
use super::cli::{Cli, ISSUER, Run};
use super::iam_server::IamServer;
use super::repository::{Repository, service_account};

/// A way to credentials, and whom it leads to.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub name: &'a str,
    pub arguments: &'a [&'a str],
    pub environment: &'a [(&'a str, &'a str)],
    /// The AWS config file.
    pub profile: &'a str,
    /// The calls that credentials are fetched with, in order.
    pub logins: &'a [&'a str],
    /// Host and signing region of STS, then of IAM.
    pub sts: (&'a str, &'a str),
    pub iam: (&'a str, &'a str),
}

/// Nothing is said but what a case says.
pub const BASE: Case<'static> = Case {
    name: "",
    arguments: &[],
    environment: &[],
    profile: "",
    logins: &[],
    sts: ("sts.eu-west-1.amazonaws.com", "eu-west-1"),
    iam: ("iam.amazonaws.com", "us-east-1"),
};

pub const KEYS: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "AKIAPLANTEDKEY"),
    ("AWS_SECRET_ACCESS_KEY", "planted-secret-key"),
];

pub struct Cloud {
    pub repository: Repository,
    pub directory: TempDir,
    pub server: IamServer,
    pub proxy: AwsProxy,
}

impl Cloud {
    pub fn new(partition: &str) -> Self {
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

    pub fn cli(&self, arguments: &[&str]) -> Cli {
        let all = [&["plan", "--format", "json"], arguments].concat();
        let run = Cli::new(self.repository.path(), &all).env("AWS_EC2_METADATA_DISABLED", "true");
        self.proxy.serves(run)
    }

    pub fn run(&self, case: &Case<'_>) -> Run {
        let token = self.directory.path().join("token");
        let token = token.to_str().expect("a text");
        let authority = self.proxy.authority.to_str().expect("a text");
        let place = |text: &str| text.replace("TOKEN", token).replace("AUTHORITY", authority);
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
    pub fn asked(&self) -> Vec<String> {
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

pub const WEB: &str = "AssumeRoleWithWebIdentity";
pub const ASSUME: &str = "AssumeRole";
pub const US: (&str, &str) = ("sts.us-east-1.amazonaws.com", "us-east-1");
pub const FLAGS: &[&str] = &[
    "--token-path",
    "TOKEN",
    "--role-arn",
    "arn:aws:iam::123456789012:role/ci",
];
pub const ROLE: &[&str] = &["--assume-role", "arn:aws:iam::123456789012:role/other"];
pub const FLAGS_AND_ROLE: &[&str] = &[
    "--token-path",
    "TOKEN",
    "--role-arn",
    "arn:aws:iam::123456789012:role/ci",
    "--assume-role",
    "arn:aws:iam::123456789012:role/other",
];
pub const AMBIENT: &[(&str, &str)] = &[
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "TOKEN"),
    ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci"),
];
pub const REGION: &[(&str, &str)] = &[("AWS_REGION", "eu-west-1")];
pub const WEB_PROFILE: &str =
    "[default]\nweb_identity_token_file = TOKEN\nrole_arn = arn:aws:iam::123456789012:role/ci\n";
pub const SOURCE_PROFILE: &str = "[default]\nrole_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = base\n[profile base]\naws_access_key_id = AKIAPLANTEDKEY\naws_secret_access_key = planted-secret-key\n";
