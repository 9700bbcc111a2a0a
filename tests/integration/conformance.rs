//! One suite on two IAMs: the sandbox behind the query API, and moto, which nobody here wrote.
//!
//! Where the two differ is listed in [`DIFFERENCES`]; anything else that differs fails.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_iam::Client;
use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_sdk_iam::types::Tag;

use crate::support::cli::{Cli, ISSUER, not_run};
use crate::support::iam_server::IamServer;
use crate::support::repository::{Repository, service_account};

/// Where moto accepts what AWS refuses, or says it otherwise; the sandbox follows AWS.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("name taken in another case", "EntityAlreadyExists", "ok"),
    ("bad JSON", "MalformedPolicyDocument", "ok"),
    (
        "trust policy without a principal",
        "MalformedPolicyDocument",
        "ok",
    ),
    (
        "trust policy with a foreign action",
        "MalformedPolicyDocument",
        "ok",
    ),
    ("session of a minute", "ValidationError", "ok"),
    ("tag with a bad character", "ValidationError", "ok"),
];

pub(super) struct Moto {
    child: Child,
    pub(super) url: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It is gone already if it could not be started.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts moto; `None`, said loudly, where it is not installed.
pub(super) fn moto() -> Option<Moto> {
    let target = std::env::var("CARGO_TARGET_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target").to_owned());
    let program = std::path::Path::new(&target).join("moto/bin/moto_server");
    if !program.exists() {
        not_run("conformance on moto, because ci/moto.sh has not installed it");
        return None;
    }
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a port")
        .port();
    let child = Command::new(program)
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("moto can be run");
    let moto = Moto {
        child,
        url: format!("http://127.0.0.1:{port}"),
    };
    let start = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "moto does not start"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(moto)
}

pub(super) fn client(url: &str) -> Client {
    client_of(url, "x", "y")
}

pub(super) fn client_of(url: &str, id: &str, secret: &str) -> Client {
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(id, secret, None, None, "test"))
        .endpoint_url(url)
        .build();
    Client::from_conf(config)
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

/// The life of two roles, through the program; what each step did.
fn life(url: &str) -> Vec<Vec<String>> {
    let repository = Repository::with(&[
        ("a.yaml", &service_account("bar", "a")),
        ("b.yaml", &service_account("bar", "b.c")),
    ]);
    let run = |arguments: &[&str]| {
        let all = [&["apply", "--mode", "sync", "--format", "json"], arguments].concat();
        Cli::new(repository.path(), &all)
            .endpoint(url)
            .run()
            .ends(0)
            .changes()
    };
    let mut steps = vec![run(&[]), run(&["--full"])];
    runtime().block_on(async {
        let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
        let edit = client(url).update_assume_role_policy().role_name("k8s-sa_bar_a").policy_document(open).send().await;
        edit.expect("a hand edit");
    });
    steps.push(run(&[]));
    steps.push(run(&["--max-session-duration", "7200"]));
    steps.push(run(&[
        "--max-session-duration",
        "7200",
        "--tag",
        "team=a",
        "--full",
    ]));
    repository.remove("a.yaml");
    repository.commit("Remove a");
    steps.push(run(&[]));
    steps.push(run(&[]));
    repository.git(&["revert", "--no-edit", "HEAD"]);
    steps.push(run(&[]));
    repository.remove("a.yaml");
    repository.commit("Remove a again");
    steps.push(run(&["--prune-after", "0"]));
    steps.push(run(&[]));
    steps
}

/// What IAM says to each of a list of odd requests.
fn verdicts(url: &str) -> Vec<(&'static str, String)> {
    const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/x.example.com"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#;
    let client = client(url);
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().expect("a tag");
    let create = |name: &str, trust: &str| {
        client
            .create_role()
            .role_name(name)
            .assume_role_policy_document(trust)
    };
    let verdict = |code: Option<&str>| code.unwrap_or("?").to_owned();
    runtime().block_on(async {
        let mut found = Vec::new();
        macro_rules! ask {
            ($name:literal, $request:expr) => {
                let said = match $request.send().await {
                    Ok(_) => "ok".to_owned(),
                    // moto says the code in a header, its document is not quite that of AWS.
                    Err(error) => verdict(error.code().or(error.raw_response().and_then(|r| r.headers().get("x-amzn-errortype")))),
                };
                found.push(($name, said));
            };
        }
        ask!("create", create("odd", TRUST));
        ask!("name taken", create("odd", TRUST));
        ask!("name taken in another case", create("ODD", TRUST));
        ask!("no such role", client.get_role().role_name("nobody"));
        ask!("delete nobody", client.delete_role().role_name("nobody"));
        ask!("update nobody", client.update_assume_role_policy().role_name("nobody").policy_document(TRUST));
        ask!("bad JSON", create("bad1", "{"));
        ask!("trust policy without a principal", create("bad2", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}"#));
        ask!("trust policy with a foreign action", create("bad3", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}]}"#));
        ask!("session of a minute", create("bad4", TRUST).max_session_duration(60));
        ask!("tag with a bad character", create("bad5", TRUST).tags(tag("a", "b*c")));
        ask!("tag keys that differ in case", create("bad6", TRUST).tags(tag("a", "1")).tags(tag("A", "2")));
        ask!("no such provider", client.get_open_id_connect_provider().open_id_connect_provider_arn("arn:aws:iam::123456789012:oidc-provider/nobody.example.com"));
        ask!("untag what is not there", client.untag_role().role_name("odd").tag_keys("nothing"));
        ask!("delete", client.delete_role().role_name("odd"));
        found
    })
}

#[test]
fn both_iams_lead_the_same_life() {
    let sandbox = life(&IamServer::empty().url);
    let expected: [&[&str]; 10] = [
        &["k8s-sa_bar_a create done", "k8s-sa_bar_b.c create done"],
        &[],
        &["k8s-sa_bar_a update done"],
        &["k8s-sa_bar_a update done", "k8s-sa_bar_b.c update done"],
        &["k8s-sa_bar_a update done", "k8s-sa_bar_b.c update done"],
        &["k8s-sa_bar_a quarantine done"],
        &["k8s-sa_bar_a orphan"],
        &["k8s-sa_bar_a restore done"],
        &["k8s-sa_bar_a delete done"],
        &[],
    ];
    assert_eq!(sandbox, expected);
    let Some(moto) = moto() else { return };
    runtime().block_on(async {
        let provider = client(&moto.url)
            .create_open_id_connect_provider()
            .url(format!("https://{ISSUER}"))
            .client_id_list("sts.amazonaws.com")
            .thumbprint_list("9e99a48a9960b14926bb7f3b02e22da2b0ab7280")
            .send();
        provider.await.expect("a provider");
    });
    assert_eq!(life(&moto.url), sandbox);
}

#[test]
fn both_iams_refuse_the_same_but_for_what_is_listed() {
    let sandbox = verdicts(&IamServer::empty().url);
    for (name, ours, _) in DIFFERENCES {
        assert!(sandbox.contains(&(name, (*ours).to_owned())), "{name}");
    }
    let Some(moto) = moto() else { return };
    let theirs = verdicts(&moto.url);
    let pairs = sandbox
        .iter()
        .zip(&theirs)
        .filter(|((_, ours), (_, theirs))| ours != theirs);
    let differing =
        pairs.map(|((name, ours), (_, theirs))| (*name, ours.as_str(), theirs.as_str()));
    assert_eq!(differing.collect::<Vec<_>>(), DIFFERENCES);
}
