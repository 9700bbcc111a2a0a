//! The same policies before moto, which looks at the actions of a policy only.

use std::io::{Read, Write};
use std::net::TcpStream;

use aws_sdk_iam::error::SdkError;
use serde_json::{Value, json};

use super::policy;
use crate::conformance::{self, Moto};
use crate::support::cli::{Cli, ISSUER};
use crate::support::repository::{Repository, service_account};

/// Makes a user with a policy, and has moto ask for permissions from here on; moto looks at actions
/// only, neither at conditions nor at which role a call is about.
fn user(moto: &Moto, name: &str, policy: &Value) -> (String, String) {
    let actions = policy["Statement"].as_array().into_iter().flatten();
    let statement =
        |s: &Value| json!({ "Effect": "Allow", "Action": s["Action"], "Resource": "*" });
    let statements: Vec<Value> = actions.map(statement).collect();
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    ask_for_permissions(moto, "inf");
    let client = conformance::client(&moto.url);
    let key = conformance::runtime().block_on(async {
        let user = client.create_user().user_name(name).send();
        user.await.expect("a user");
        let put = client.put_user_policy().user_name(name).policy_name("job");
        let put = put.policy_document(document.to_string()).send();
        put.await.expect("a policy");
        let key = client.create_access_key().user_name(name).send().await;
        key.expect("a key").access_key.expect("in the reply")
    });
    ask_for_permissions(moto, "0");
    (key.access_key_id, key.secret_access_key)
}

/// The status of a reply that is an error.
fn status<T, E>(reply: Result<T, SdkError<E>>) -> Option<u16> {
    let error = reply.err()?;
    error
        .raw_response()
        .map(|response| response.status().as_u16())
}

/// After how many more calls moto begins to.
fn ask_for_permissions(moto: &Moto, after: &str) {
    let address = moto.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("moto listens");
    let length = after.len();
    let head = format!("POST /moto-api/reset-auth HTTP/1.0\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + after).as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    assert!(reply.contains("200 OK"), "{reply}");
}

#[test]
fn moto_lets_the_jobs_do_what_they_do_and_no_more() {
    let Some(moto) = conformance::moto() else {
        return;
    };
    conformance::runtime().block_on(async {
        let provider = conformance::client(&moto.url).create_open_id_connect_provider();
        let provider = provider.url(format!("https://{ISSUER}"));
        let provider = provider.client_id_list("sts.amazonaws.com");
        let thumbprint = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280";
        let provider = provider.thumbprint_list(thumbprint).send();
        provider.await.expect("a provider");
    });
    let repository = Repository::with(&[
        ("a.yaml", &service_account("bar", "a")),
        ("b.yaml", &service_account("bar", "b")),
    ]);
    let plans = user(&moto, "plans", &policy(&[], &["--for", "plan"]));
    let upserts = user(&moto, "upserts", &policy(&[], &["--for", "apply"]));
    let sync = &["--for", "apply", "--mode", "sync"];
    let syncs = user(&moto, "syncs", &policy(&[], sync));
    let run = |(id, secret): &(String, String), arguments: &[&str]| {
        let all = [arguments, &["--format", "json", "--mode", "sync"]].concat();
        let cli = Cli::new(repository.path(), &all).endpoint(&moto.url);
        let cli = cli.env("AWS_ACCESS_KEY_ID", id);
        cli.env("AWS_SECRET_ACCESS_KEY", secret).run()
    };
    let made = ["k8s-sa_bar_a create", "k8s-sa_bar_b create"];
    assert_eq!(run(&plans, &["plan"]).ends(0).changes(), made);
    let is_denied = |(id, secret): &(String, String), action: &str| {
        let client = conformance::client_of(&moto.url, id, secret);
        let status = conformance::runtime().block_on(async {
            let (name, policy) = (
                "k8s-sa_bar_a",
                "arn:aws:iam::aws:policy/AdministratorAccess",
            );
            let (create, delete) = (client.create_role(), client.delete_role());
            let attach = client.attach_role_policy().policy_arn(policy);
            let create = create.assume_role_policy_document("{}");
            match action {
                "CreateRole" => status(create.role_name(name).send().await),
                "DeleteRole" => status(delete.role_name(name).send().await),
                _ => status(attach.role_name(name).send().await),
            }
        });
        status == Some(403)
    };
    assert!(is_denied(&plans, "CreateRole"));
    run(&upserts, &["apply"]).ends(0);
    repository.remove("a.yaml");
    repository.commit("Remove a");
    run(&upserts, &["apply"]).ends(0);
    repository.git(&["revert", "--no-edit", "HEAD"]);
    run(&upserts, &["apply"]).ends(0);
    repository.remove("a.yaml");
    repository.commit("Remove a again");
    let delete = ["apply", "--prune-after", "0"];
    for user in [&plans, &upserts, &syncs] {
        assert!(is_denied(user, "AttachRolePolicy"));
    }
    // A job that upserts may delete its locks, and moto does not look at the names of roles.
    assert!(is_denied(&plans, "DeleteRole"));
    assert_eq!(
        run(&plans, &["plan", "--full"]).ends(0).codes(),
        Vec::<String>::new()
    );
    let gone = run(&syncs, &delete).ends(0).changes();
    assert_eq!(gone, ["k8s-sa_bar_a delete done"]);
}
