//! Roles that ServiceAccounts have already, under names that are not ours.

use serde_json::{Value, json};

use crate::support::cli::{Cli, Run, state};
use crate::support::iam_server::{Fault, IamServer};
use crate::support::repository::{Repository, service_account};
use crate::support::world::World;

const NAMED: &str = "arn:aws:iam::123456789012:role/old_bar_web";
const RIGHT: &str = "arn:aws:iam::123456789012:role/k8s-sa_bar_web";

/// A ServiceAccount that names a role of another scheme.
fn manifest() -> String {
    service_account("bar", "web").replace(RIGHT, NAMED)
}

/// An account with that role, which somebody attached policies to.
fn world() -> World {
    let world = World::with(&[("web.yaml", &manifest())]);
    world.run(&["apply", "--role-prefix", "old"]).ends(0);
    edit(&world, |role| {
        role["tags"] = json!([]);
        role["attachedPolicies"] = json!(["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]);
        role["inlinePolicies"] = json!(["queue access"]);
    });
    world
}

fn edit(world: &World, change: impl FnOnce(&mut Value)) {
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        roles.retain(|role| !role["name"].as_str().is_some_and(|name| name.contains('=')));
        change(&mut roles[0]);
    });
}

/// The finding about the role; null if there is none.
fn found(run: &Run) -> Value {
    let all = run.json()["clusters"][0]["diagnostics"].clone();
    let mut all = all.as_array().cloned().unwrap_or_default().into_iter();
    all.find(|one| one["code"] == "existing-role")
        .unwrap_or_default()
}

#[test]
fn i65_what_is_attached_to_the_old_role_is_told_with_the_way_to_keep_it() {
    let world = world();
    let before = state(&world.iam());
    let plan = world.run(&["plan"]).ends(7);
    let finding = found(&plan);
    assert_eq!(finding["severity"], "warning");
    assert_eq!(finding["location"]["path"], "web.yaml");
    let message = finding["message"].as_str().unwrap_or_default();
    for said in [
        "`old_bar_web`",
        "AmazonS3ReadOnlyAccess",
        "inline policy queue access",
        "starts without",
    ] {
        assert!(message.contains(said), "{message}");
    }
    let hint = finding["hint"].as_str().unwrap_or_default();
    let steps = [
        "aws iam create-role --role-name k8s-sa_bar_web --path /",
        "aws iam attach-role-policy --role-name k8s-sa_bar_web --policy-arn arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        "aws iam put-role-policy --role-name k8s-sa_bar_web --policy-name 'queue access'",
        "aws iam get-role-policy --role-name old_bar_web --policy-name 'queue access'",
        RIGHT,
        "restart the pods",
    ];
    let places: Vec<usize> = steps
        .iter()
        .map(|step| hint.find(step).expect(step))
        .collect();
    assert!(places.is_sorted(), "{hint}");
    let explained = world.run(&["explain", "bar/web"]).ends(0).json();
    let listed = explained["diagnostics"].as_array().expect("a list");
    assert!(listed.contains(&finding), "{explained}");
    assert_eq!(state(&world.iam()), before, "nothing was written");

    // A role that is made with that command is ours, and nothing is left to do once the annotation is right.
    let (_, rest) = hint
        .split_once("--assume-role-policy-document '")
        .expect("a document");
    let (document, rest) = rest.split_once("' --tags ").expect("tags");
    let (tags, _) = rest.split_once(" && ").expect("the next command");
    let tag = |text: &str| {
        let (key, value) = text.split_once(",Value=").expect("a tag");
        json!({ "key": key.trim_start_matches("Key="), "value": value })
    };
    let tags: Vec<Value> = tags.split(' ').map(tag).collect();
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        let mut made = roles[0].clone();
        made["name"] = "k8s-sa_bar_web".into();
        made["id"] = "AROAMADEBYHAND".into();
        made["tags"] = tags.into();
        made["trustPolicy"] = serde_json::from_str(document).expect("JSON");
        roles.push(made);
    });
    let again = found(&world.run(&["plan"]));
    let again = again["hint"].as_str().unwrap_or_default();
    assert!(!again.contains("create-role") && again.contains("attach-role-policy"));
    world
        .repository
        .write("web.yaml", service_account("bar", "web"));
    world.repository.commit("right");
    let plan = world.run(&["plan", "--full"]).ends(0);
    assert_eq!(plan.changes(), Vec::<String>::new());
    assert_eq!(plan.json()["summary"]["inSync"], 1);
    assert_eq!(found(&plan), Value::Null);
}

#[test]
fn i66_only_a_role_that_is_there_and_serves_the_service_account_is_told_of() {
    let world = world();
    let pattern = |subject: &str| {
        edit(&world, |role| {
            let condition = json!({ "StringLike": { format!("{}:sub", crate::support::cli::ISSUER): subject } });
            role["trustPolicy"]["Statement"][0]["Condition"] = condition;
        });
        found(&world.run(&["plan"]).ends(7))
    };
    assert_ne!(pattern("system:serviceaccount:bar:*"), Value::Null);
    assert_ne!(pattern("system:serviceaccount:*:web"), Value::Null);
    assert_eq!(pattern("system:serviceaccount:other:*"), Value::Null);
    assert_eq!(pattern("system:serviceaccount:bar:webs"), Value::Null);
    // As IAM reads it, and as `explain` does.
    assert_ne!(pattern("system:serviceaccount:bar:w?b"), Value::Null);
    let audience = |audience: &str| {
        edit(&world, |role| {
            let condition = json!({ "StringEquals": { format!("{}:aud", crate::support::cli::ISSUER): audience } });
            role["trustPolicy"]["Statement"][0]["Condition"] = condition;
        });
        found(&world.run(&["plan"]).ends(7))
    };
    assert_ne!(audience("sts.amazonaws.com"), Value::Null);
    assert_eq!(audience("vault"), Value::Null);
    // One to which nothing is attached loses nothing.
    pattern("system:serviceaccount:bar:web");
    edit(&world, |role| {
        role["attachedPolicies"] = json!([]);
        role["inlinePolicies"] = json!([]);
    });
    let finding = found(&world.run(&["plan"]).ends(7)).to_string();
    assert!(finding.contains("no policy is attached"), "{finding}");
    assert!(!finding.contains("create-role"), "{finding}");
    // A ServiceAccount that declares no role needs none; a path is part of a role.
    let of = |text: String| {
        world.repository.write("web.yaml", text);
        world.repository.commit("another one");
        found(&world.run(&["plan"]))
    };
    assert_eq!(of(manifest().replace("\"true\"", "\"false\"")), Value::Null);
    let at_path = NAMED.replace("role/", "role/x/");
    assert_eq!(of(manifest().replace(NAMED, &at_path)), Value::Null);
    assert_ne!(of(manifest()), Value::Null);
    // Another account's role, or none.
    let other = manifest().replace("123456789012", "210987654321");
    world.repository.write("web.yaml", other);
    world.repository.commit("another account");
    assert_eq!(found(&world.run(&["plan"]).ends(7)), Value::Null);
    world
        .repository
        .write("web.yaml", manifest().replace("old_bar_web", "gone"));
    world.repository.commit("a role that is not there");
    assert_eq!(found(&world.run(&["plan"]).ends(7)), Value::Null);
}

#[test]
fn i66_who_is_kept_out_or_named_otherwise_is_told_of_no_other_role() {
    let world = world();
    let statement = |change: fn(&mut Value)| {
        edit(&world, |role| {
            change(&mut role["trustPolicy"]["Statement"][0])
        });
        found(&world.run(&["plan"]).ends(7))
    };
    // What hangs on something that is not known here may let it in; a Deny lets nobody in.
    let here = |one: &mut Value| {
        one["Condition"]["IpAddress"] = json!({ "aws:SourceIp": "10.0.0.0/8" });
    };
    assert_ne!(statement(here), Value::Null);
    let denies = |one: &mut Value| one["Effect"] = "Deny".into();
    assert_eq!(statement(denies), Value::Null);
    // The right role is no other one, whatever else is wrong.
    let world = World::new(&["web"]);
    world.run(&["apply"]).ends(0);
    let key = "eks.amazonaws.com/audience";
    let text = service_account("bar", "web");
    let text = text.replace(
        "annotations:\n",
        &format!("annotations:\n    {key}: 'a b'\n"),
    );
    world.repository.write("apps/web.yaml", text);
    world.repository.commit("no audience");
    let plan = world.run(&["plan"]).ends(7);
    assert_eq!(plan.codes(), ["invalid-audience"]);
}

#[test]
fn i65_the_commands_make_the_role_that_the_settings_ask_for() {
    let world = world();
    let audience = |text: &str| {
        let own = format!("annotations:\n    eks.amazonaws.com/audience: {text}\n");
        manifest().replace("annotations:\n", &own)
    };
    let boundary = "arn:aws:iam::123456789012:policy/limit";
    let settings = ["--tag", "team=a b", "--permissions-boundary", boundary];
    let plan = world.run(&[&["plan"], &settings[..]].concat()).ends(7);
    let hint = found(&plan)["hint"].to_string();
    assert!(hint.contains("'Key=team,Value=a b'"), "{hint}");
    let limited = format!("--permissions-boundary {boundary}");
    assert!(hint.contains(&limited), "{hint}");
    // The tokens of a ServiceAccount have its own audience.
    world.repository.write("web.yaml", audience("vault"));
    world.repository.commit("an audience");
    assert_eq!(found(&world.run(&["plan"])), Value::Null);
    edit(&world, |role| {
        let key = format!("{}:aud", crate::support::cli::ISSUER);
        role["trustPolicy"]["Statement"][0]["Condition"]["StringEquals"][key] = "vault".into();
    });
    let hint = found(&world.run(&["plan"]))["hint"].to_string();
    assert!(hint.contains("vault"), "{hint}");
    // A bare name is that of a role where the webhook composes the ARN from it.
    let bare = audience("vault").replace(NAMED, "old_bar_web");
    world.repository.write("web.yaml", bare);
    world.repository.commit("a bare name");
    assert_eq!(found(&world.run(&["plan"])), Value::Null);
    assert_ne!(
        found(&world.run(&["plan", "--compose-role-arn"])),
        Value::Null
    );
}

#[test]
fn i67_lint_warns_that_the_new_role_starts_without() {
    let repository = Repository::with(&[("web.yaml", &manifest())]);
    let lint = || {
        let cli = Cli::new(repository.path(), &["lint", "--format", "json"]);
        cli.run().ends(4).json()["clusters"][0]["diagnostics"][0]["hint"].to_string()
    };
    let hint = lint();
    assert!(
        hint.contains("starts without what is attached to `old_bar_web`"),
        "{hint}"
    );
    // A typo in a name of ours is a typo.
    let typo = service_account("bar", "web").replace("bar_web\n", "bar_wep\n");
    repository.write("web.yaml", typo);
    repository.commit("typo");
    assert_eq!(lint(), format!("\"use `{RIGHT}`\""));
}

#[test]
fn i67_what_may_not_be_read_is_said_and_stops_nothing() {
    let repository = Repository::with(&[
        ("web.yaml", &manifest()),
        ("foo.yaml", &service_account("bar", "foo")),
    ]);
    let server = IamServer::empty();
    let run = |verb: &str, arguments: &[&str]| {
        let all = [&[verb, "--format", "json"][..], arguments].concat();
        Cli::new(repository.path(), &all)
            .endpoint(&server.url)
            .run()
    };
    run("apply", &["--role-prefix", "old", "--path", "web.yaml"]).ends(0);
    let denied = Fault::Refused(403, "AccessDenied");
    server.script(vec![("ListAttachedRolePolicies", 0, denied)]);
    let apply = run("apply", &[]).ends(7);
    assert!(
        apply
            .changes()
            .contains(&"k8s-sa_bar_foo create done".to_owned())
    );
    let finding = found(&apply).to_string();
    assert!(finding.contains("could not be read"), "{finding}");
    assert!(
        finding.contains("aws iam list-attached-role-policies"),
        "{finding}"
    );
}
