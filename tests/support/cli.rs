//! The real binary, in an environment that holds nothing but what a test puts there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::iam_server::IamServer;
use super::repository::Repository;

/// The issuer of every test's cluster.
pub const ISSUER: &str = "oidc.eks.eu-west-1.amazonaws.com/id/14758F1AFD44C09B7992073CCF00B43D";

/// A run to be.
pub struct Cli(Command);

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Cli {
    /// `irsa-gitops ARGUMENTS…` in a directory, for cluster `prod`.
    pub fn new(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_irsa-gitops"));
        command.current_dir(directory).args(arguments).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", directory);
        command.env("IRSA_GITOPS_CLUSTER_NAME", "prod");
        command.env("IRSA_GITOPS_OIDC_PROVIDER", ISSUER);
        command.env("IRSA_GITOPS_NO_CACHE", "true");
        command.stdin(Stdio::null());
        Self(command)
    }

    pub fn env(mut self, key: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(key, value);
        self
    }

    /// Against a sandbox file.
    pub fn sandbox(self, file: &Path) -> Self {
        self.env("IRSA_GITOPS_SANDBOX", file)
    }

    /// Against an endpoint that speaks IAM's query API.
    pub fn endpoint(self, url: &str) -> Self {
        self.env("AWS_ENDPOINT_URL", url)
            .env("AWS_ACCESS_KEY_ID", "AKIAPLANTEDKEY")
            .env("AWS_SECRET_ACCESS_KEY", "planted-secret-key")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// Runs it to its end, which must be one that its help names.
    #[track_caller]
    pub fn run(mut self) -> Run {
        let output = self.0.output().expect("the program can be run");
        let verb = self.0.get_args().next().and_then(|verb| verb.to_str());
        if let (Some(verb), Some(code)) = (verb, output.status.code()) {
            assert!(
                names_exit_code(verb, code),
                "{verb} ended with {code}, which its help does not name: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts it with standard input and output at this end of a terminal, and leaves it running.
    pub fn start_at(mut self, end: &File, stdin: bool, stdout: bool) -> Child {
        let end = || end.try_clone().expect("an open file");
        if stdin {
            self.0.stdin(end());
        }
        self.0.stdout(match stdout {
            true => end().into(),
            false => Stdio::piped(),
        });
        self.0.stderr(Stdio::piped());
        self.0.spawn().expect("the program can be run")
    }

    /// Starts it and leaves it running.
    pub fn start(mut self) -> Child {
        self.0.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.0.spawn().expect("the program can be run")
    }
}

impl Run {
    /// Asserts how it ended, showing everything otherwise.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The JSON document on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }

    /// `ROLE ACTION[ OUTCOME]` of every change.
    #[track_caller]
    pub fn changes(&self) -> Vec<String> {
        let document = self.json();
        let clusters = document["clusters"].as_array().cloned().unwrap_or_default();
        let changes = clusters
            .iter()
            .flat_map(|c| c["changes"].as_array().cloned().unwrap_or_default());
        let line = |change: Value| {
            let words = ["role", "action", "outcome"]
                .iter()
                .filter_map(|key| change[*key].as_str());
            words.collect::<Vec<_>>().join(" ")
        };
        changes.map(line).collect()
    }

    /// The codes of all diagnostics.
    #[track_caller]
    pub fn codes(&self) -> Vec<String> {
        let document = self.json();
        let clusters = document["clusters"].as_array().cloned().unwrap_or_default();
        let all = clusters
            .iter()
            .flat_map(|c| c["diagnostics"].as_array().cloned().unwrap_or_default());
        all.map(|d| d["code"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// Whether the help of a verb, which docs/reference.md repeats, names an exit code.
fn names_exit_code(verb: &str, code: i32) -> bool {
    let reference = include_str!("../../docs/reference.md");
    let Some(section) = reference.split(&format!("\n### `{verb}`\n")).nth(1) else {
        return true;
    };
    let section = section.split("\n### ").next().unwrap_or_default();
    let listed = section.split("Exit codes:\n").nth(1).unwrap_or_default();
    let line = format!("  {code} ");
    listed.lines().any(|listed| listed.starts_with(&line))
}

/// A sandbox file with the test cluster's provider and no roles.
pub fn sandbox(directory: &Path) -> PathBuf {
    let file = directory.join("iam.json");
    let state = serde_json::json!({
        "account": "123456789012",
        "oidcProviders": [{ "issuer": ISSUER, "audiences": ["sts.amazonaws.com"] }],
    });
    std::fs::write(&file, state.to_string()).expect("a file");
    file
}

/// The state of a sandbox file.
pub fn state(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).expect("a file")).expect("JSON")
}

/// Whether a role of a state is a cluster's record, which is no ServiceAccount's.
fn is_record(role: &Value) -> bool {
    role["name"].as_str().is_some_and(|name| name.contains('='))
}

/// The roles of ServiceAccounts in a state.
pub fn roles(state: &Value) -> Vec<Value> {
    let all = state["roles"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|role| !is_record(role)).collect()
}

/// The n-th of them, to be changed.
pub fn role(state: &mut Value, index: usize) -> &mut Value {
    let all = state["roles"].as_array_mut().expect("roles").iter_mut();
    let mut roles = all.filter(|role| !is_record(role));
    roles.nth(index).expect("that many roles")
}

/// The record in a state; null if there is none.
pub fn record(state: &Value) -> Value {
    let all = state["roles"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(is_record).unwrap_or_default()
}

/// Says loudly that something could not be tried on this machine; under CI that is an error.
pub fn not_run(what: &str) {
    use std::io::Write;
    assert!(std::env::var_os("CI").is_none(), "NOT RUN: {what}");
    // Past the test harness, which keeps what passing tests print to itself.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {what}");
}

/// Applies `HEAD` to the account behind a server.
pub fn apply(repository: &Repository, server: &IamServer) -> Run {
    Cli::new(repository.path(), &["apply", "--format", "json"])
        .endpoint(&server.url)
        .run()
}
