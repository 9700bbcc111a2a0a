//! The file of `--sandbox`: one that is not there yet, one that cannot be one, and several accounts.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::cli::{self, Cli, ISSUER, Run, state};
use crate::support::repository::service_account;
use crate::support::world::World;

const OTHER: &str = "210987654321";

fn place() -> World {
    World::without_account(&[("a/foo.yaml", &service_account("bar", "foo"))])
}

fn run_on(place: &World, file: &Path, arguments: &[&str]) -> Run {
    let all = [arguments, &["--format", "json"]].concat();
    place.cli(&all).sandbox(file).run()
}

fn is_empty(place: &World) -> bool {
    let mut entries = place.directory.path().read_dir().expect("a directory");
    entries.next().is_none()
}

/// The lines of standard error about an account that begins.
fn notes(run: &Run) -> Vec<&str> {
    let lines = run.stderr.lines();
    lines.filter(|line| line.contains("begins with")).collect()
}

#[test]
fn i14_a_file_that_is_not_there_is_made_by_the_first_write() {
    let place = place();
    let file = place.file("iam.json");
    for (arguments, code) in [
        (&["plan"][..], 0),
        (&["plan", "--mode", "sync", "--full"], 0),
        (&["explain", "bar/foo"], 0),
        (&["roles"], 0),
        (&["adopt", "k8s-sa_bar_foo"], 7),
        (&["adopt", "k8s-sa_bar_foo", "--yes"], 7),
        (&["apply", "--path", "nowhere"], 4),
    ] {
        let run = run_on(&place, &file, arguments).ends(code);
        let said = notes(&run);
        assert_eq!(said.len(), usize::from(code != 4), "{}", run.stderr);
        for said in said {
            assert!(said.contains("account 123456789012"), "{said}");
            assert!(said.contains(ISSUER) && said.contains("iam.json"), "{said}");
        }
        assert!(is_empty(&place), "{arguments:?}");
    }
    run_on(&place, &file, &["lint"]).ends(0);
    assert!(is_empty(&place), "lint calls nobody");
    let run = run_on(&place, &file, &["apply"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_foo create done"]);
    assert_eq!(notes(&run).len(), 1);
    let made = state(&file);
    assert_eq!(made["account"], "123456789012");
    let providers = json!([{ "issuer": ISSUER, "audiences": ["sts.amazonaws.com"] }]);
    assert_eq!(made["oidcProviders"], providers);
    let run = run_on(&place, &file, &["apply"]).ends(0);
    assert_eq!(run.json()["summary"]["inSync"], 1);
    assert_eq!(notes(&run), Vec::<&str>::new());
}

#[test]
fn i14_an_apply_that_is_refused_makes_no_file() {
    let place = place();
    let refused = ["apply", "--account", "none"];
    run_on(&place, &place.file("iam.json"), &refused).ends(2);
    assert!(is_empty(&place));
    place.repository.remove("a/foo.yaml");
    place.repository.write("a/other.yaml", "a: 1\n");
    place.repository.commit("nothing is declared");
    // Which commit was applied is written down all the same.
    let run = run_on(&place, &place.file("iam.json"), &["apply"]).ends(0);
    assert_eq!(notes(&run).len(), 1);
    assert_eq!(roles(&state(&place.file("iam.json"))), Vec::<String>::new());
}

#[test]
fn i14_an_account_begins_as_the_settings_say() {
    let place = place();
    let role = "arn:aws-cn:iam::210987654321:role/deploy";
    let token = place.file("token");
    let token = token.to_str().expect("plain");
    for (settings, account, partition) in [
        (&["--account", OTHER][..], OTHER, "aws"),
        (
            &["--account", OTHER, "--region", "cn-north-1"],
            OTHER,
            "aws-cn",
        ),
        (&["--assume-role", role], OTHER, "aws-cn"),
        (
            &["--token-path", token, "--role-arn", role],
            OTHER,
            "aws-cn",
        ),
        (&["--region", "us-gov-west-1"], "123456789012", "aws-us-gov"),
    ] {
        let text = service_account("bar", "foo");
        let text = text.replace("arn:aws:", &format!("arn:{partition}:"));
        place
            .repository
            .write("a/foo.yaml", text.replace("123456789012", account));
        place.repository.commit("for that account");
        let file = place.file("iam.json");
        let audience = [
            "--audience",
            "somebody",
            "--oidc-provider",
            "https://oidc.example.com/2",
        ];
        run_on(&place, &file, &[&["apply"], settings, &audience].concat()).ends(0);
        let made = state(&file);
        assert_eq!(made["account"], account, "{settings:?}");
        assert_eq!(made["partition"], partition, "{settings:?}");
        let provider = &made["oidcProviders"][0];
        assert_eq!(provider["issuer"], "oidc.example.com/2");
        assert_eq!(
            provider["audiences"],
            json!(["sts.amazonaws.com", "somebody"])
        );
        fs::remove_file(file).expect("removed");
    }
}

#[test]
fn i15_what_is_no_sandbox_is_refused_and_left_as_it_is() {
    let place = place();
    let role = |name: &str| json!({ "name": name, "id": "AROA1", "trustPolicy": {} });
    let account = json!({ "account": OTHER });
    let twice =
        json!({ "account": OTHER, "roles": [role("k8s-sa_bar_foo"), role("K8S-SA_bar_foo")] });
    for (text, said) in [
        (String::new(), "EOF"),
        ("{".to_owned(), "line 1"),
        ("[]".to_owned(), "invalid"),
        ("{}".to_owned(), "missing field `account`"),
        (json!({ "account": "1" }).to_string(), "`1`"),
        (json!({ "accounts": {} }).to_string(), "invalid type"),
        (
            json!({ "accounts": [], "account": OTHER }).to_string(),
            "unknown field `account`",
        ),
        (
            json!({ "accounts": [account, account] }).to_string(),
            "in it twice",
        ),
        (twice.to_string(), "letter case"),
        (
            json!({ "accounts": [{ "account": "123456789012" }, twice] }).to_string(),
            "letter case",
        ),
    ] {
        let file = place.file("iam.json");
        fs::write(&file, &text).expect("written");
        for verb in [
            &["plan"][..],
            &["apply"],
            &["roles"],
            &["explain", "bar/foo"],
        ] {
            let run = run_on(&place, &file, verb).ends(2);
            let is_said = run.stderr.contains(said) && run.stderr.contains("iam.json");
            assert!(is_said, "{text}: {}", run.stderr);
            assert!(run.stderr.contains("hint: "), "{}", run.stderr);
        }
        assert_eq!(fs::read_to_string(&file).expect("a file"), text);
    }
}

#[test]
fn i15_what_is_no_plain_file_is_refused() {
    let place = place();
    let pipe = place.file("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo can be run").success());
    symlink("loop", place.file("loop")).expect("a link");
    fs::write(place.file("file"), "").expect("written");
    for (name, said) in [
        ("", "not a plain file"),
        ("pipe", "not a plain file"),
        ("nowhere/iam.json", "does not exist"),
        ("new/", "not a plain file"),
        ("file/iam.json", "Not a directory"),
        ("loop", "symbolic link"),
    ] {
        for verb in ["plan", "apply"] {
            let run = run_on(&place, &place.file(name), &[verb]).ends(2);
            assert!(run.stderr.contains(said), "{name}: {}", run.stderr);
        }
    }
    run_on(&place, Path::new("/dev/null"), &["apply"]).ends(2);
}

#[test]
fn i16_a_file_keeps_its_mode_and_a_link_stays_a_link() {
    let place = place();
    let (file, link) = (place.file("real.json"), place.file("link.json"));
    fs::create_dir(place.file("below")).expect("a directory");
    symlink("../real.json", place.file("below/link.json")).expect("a link");
    symlink("below/link.json", &link).expect("a link");
    // A link to what is not there yet leads to where the file is made.
    run_on(&place, &link, &["apply"]).ends(0);
    assert_eq!(roles(&state(&file)), ["k8s-sa_bar_foo"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
    place
        .repository
        .write("a/baz.yaml", service_account("bar", "baz"));
    place.repository.commit("another");
    run_on(&place, &link, &["apply"]).ends(0);
    assert!(link.is_symlink() && place.file("below/link.json").is_symlink());
    let mode = fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(roles(&state(&file)).len(), 2);
}

/// The names of the roles of ServiceAccounts.
fn roles(account: &Value) -> Vec<String> {
    let roles = cli::roles(account).into_iter();
    let name = |role: Value| role["name"].as_str().map(str::to_owned);
    roles.filter_map(name).collect()
}

#[test]
fn i16_each_cluster_of_a_fleet_has_its_own_account() {
    let place = place();
    let other = service_account("bar", "foo").replace("123456789012", OTHER);
    place.repository.write("b/foo.yaml", other);
    place.repository.commit("two accounts");
    let config = place.file("clusters.yaml");
    let issuer = "oidc.example.com/b";
    let text = format!(
        "- {{name: a, paths: [a], oidcProvider: {ISSUER}, account: '123456789012'}}\n\
         - {{name: b, paths: [b], oidcProvider: {issuer}, assumeRole: 'arn:aws:iam::{OTHER}:role/x'}}\n\
         - {{name: c, paths: [b], rolePrefix: c, oidcProvider: {ISSUER}, account: '{OTHER}'}}\n"
    );
    fs::write(&config, text).expect("written");
    let run = |file: &Path, arguments: &[&str]| {
        let config = [
            "--config",
            config.to_str().expect("plain"),
            "--format",
            "json",
        ];
        Cli::new(place.repository.path(), &[arguments, &config].concat())
            .sandbox(file)
            .env("IRSA_GITOPS_CLUSTER_NAME", "a,b")
            .env("IRSA_GITOPS_OIDC_PROVIDER", "")
            .run()
    };
    let file = place.file("iam.json");
    let first = run(&file, &["apply"]).ends(0);
    assert_eq!(notes(&first).len(), 1, "{}", first.stderr);
    let fleet = state(&file);
    for (index, account, provider) in [(0, "123456789012", ISSUER), (1, OTHER, issuer)] {
        let account_of = &fleet["accounts"][index];
        assert_eq!(account_of["account"], account);
        assert_eq!(account_of["oidcProviders"][0]["issuer"], provider);
        assert_eq!(roles(account_of), ["k8s-sa_bar_foo"]);
    }
    let again = run(&file, &["apply"]).ends(0);
    assert_eq!(again.json()["summary"]["inSync"], 2);
    assert_eq!(state(&file), fleet);
    // An account that nobody names is one of several.
    let unnamed = run_on(&place, &file, &["plan"]).ends(2);
    assert!(unnamed.stderr.contains("--account"), "{}", unnamed.stderr);
    assert!(unnamed.stderr.contains(OTHER), "{}", unnamed.stderr);
    let named = [
        "plan",
        "--path",
        "a",
        "--cluster-name",
        "a",
        "--account",
        "123456789012",
    ];
    assert_eq!(
        run_on(&place, &file, &named).ends(0).json()["summary"]["inSync"],
        1
    );
    // What was one account becomes a list when another one begins, and is left as it is.
    let single = place.file("single.json");
    fs::write(&single, fleet["accounts"][0].to_string()).expect("written");
    run(&single, &["apply", "--cluster-name", "b"]).ends(0);
    let accounts = &state(&single)["accounts"];
    assert_eq!(accounts[0], fleet["accounts"][0]);
    assert_eq!(roles(&accounts[1]), ["k8s-sa_bar_foo"]);
    // A file with one account in a list stays a list.
    let list = place.file("list.json");
    let text = json!({ "accounts": [{ "account": "123456789012", "oidcProviders": [{ "issuer": ISSUER, "audiences": ["sts.amazonaws.com"] }] }] });
    fs::write(&list, text.to_string()).expect("written");
    let alone = ["apply", "--path", "a", "--cluster-name", "a"];
    run_on(&place, &list, &alone).ends(0);
    assert_eq!(roles(&state(&list)["accounts"][0]), ["k8s-sa_bar_foo"]);
}
