//! What somebody on call asks: can the pod assume its role now, and if not, whose commit was it.

use serde_json::{Value, json};

use crate::support::cli::{Cli, ISSUER, Run, apply, role};
use crate::support::iam_server::{Fault, IamServer};
use crate::support::repository::{Repository, git, service_account};
use crate::support::world::{World, reason};

mod advice;
mod stated;

const OLD: &str = "oidc.eks.eu-west-1.amazonaws.com/id/9B1E4C22D5F7A0836C1D2E3F4A5B6C7D";

fn applied(accounts: &[&str]) -> World {
    let world = World::new(accounts);
    world.run(&["apply"]).ends(0);
    world
}

/// What explain answers in its first lines.
fn answer(world: &World, arguments: &[&str]) -> Value {
    let run = world.run(&[&["explain"], arguments].concat());
    run.json()["answer"].clone()
}

/// The lines of one kind in an answer, as one text.
fn lines(answer: &Value, kind: &str) -> String {
    let lines = answer[kind].as_array().cloned().unwrap_or_default();
    let lines = lines
        .iter()
        .map(|line| line.as_str().unwrap_or_default().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Asserts what was answered: whether the pods can, and what decides it.
#[track_caller]
fn says(answer: &Value, can_assume: bool, code: &str) {
    let said = (answer["canAssume"].as_bool(), answer["code"].as_str());
    assert_eq!(said, (Some(can_assume), Some(code)), "{answer:#}");
}

fn edit_trust(world: &World, edit: impl FnOnce(&mut Value)) {
    world.edit(|state| edit(&mut role(state, 0)["trustPolicy"]));
}

/// A role that a run in mode sync quarantined, and the commit of that run.
fn quarantined() -> (World, String) {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world.repository.remove("apps/a.yaml");
    let commit = world.repository.commit("Remove a");
    world.sync(&[]).ends(0);
    (world, commit)
}

#[test]
fn a71_by_which_commit_a_role_is_quarantined_is_told_everywhere() {
    let (world, commit) = quarantined();
    let short = &commit[..12];
    for arguments in [&["plan"][..], &["plan", "--mode", "sync"], &["apply"]] {
        let run = world.run(arguments).ends(0);
        let told = reason(&run, 0);
        assert!(told.contains("quarantined since"), "{told}");
        assert!(told.contains(&format!("by commit {short}")), "{told}");
        let quarantine = &run.json()["clusters"][0]["changes"][0]["quarantine"];
        assert_eq!(quarantine["by"], commit.as_str(), "{}", run.stdout);
        assert!(quarantine["since"].is_string());
    }
    for format in ["human", "markdown", "github", "sarif"] {
        let run = world.print(&["plan", "--format", format]).ends(0);
        assert!(run.stdout.contains(short), "{format}: {}", run.stdout);
    }
    let roles = world.run(&["roles"]).ends(0).json();
    let role = &roles["clusters"][0]["roles"][0];
    assert_eq!(role["quarantinedBy"], commit.as_str(), "{roles:#}");
    for format in ["human", "markdown", "html"] {
        let run = world.print(&["roles", "--format", format]).ends(0);
        assert!(
            run.stdout.contains(&format!("by {short}")),
            "{format}: {}",
            run.stdout
        );
    }
    let explained = world.run(&["explain", "bar/a"]).ends(0).json();
    assert_eq!(explained["current"]["quarantinedBy"], commit.as_str());
    // It is declared again: the plan still says what ends.
    world.declare("a");
    world.repository.commit("Bring a back");
    let run = world.run(&["plan"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a restore"]);
    assert!(reason(&run, 0).contains(short), "{}", reason(&run, 0));
}

#[test]
fn a71_a_role_that_is_not_quarantined_says_nothing_of_it() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let run = world.run(&["plan"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a orphan"]);
    assert!(
        run.json()["clusters"][0]["changes"][0]
            .get("quarantine")
            .is_none()
    );
    let roles = world.run(&["roles"]).ends(0).json();
    assert!(roles["clusters"][0]["roles"][0]["quarantinedBy"].is_null());
    // A role without a witness says so itself.
    let (world, _) = quarantined();
    world.set_tag("a", "role.k8s.aws/quarantined-by", "nobody");
    let run = world.run(&["plan"]).ends(0);
    assert!(
        !reason(&run, 0).contains("by commit"),
        "{}",
        reason(&run, 0)
    );
}

#[test]
fn a71_a_quarantine_of_another_history_names_its_commit() {
    let (world, _) = quarantined();
    let elsewhere = "7".repeat(40);
    world.set_tag("a", "role.k8s.aws/quarantined-by", &elsewhere);
    let run = world.run(&["plan", "--mode", "sync", "--prune-after", "0s"]);
    assert!(
        reason(&run, 0).contains("quarantined by commit 777777777777"),
        "{}",
        run.stdout
    );
}

#[test]
fn i43_the_first_line_answers_and_a_pod_that_is_refused_all_the_same_is_looked_for_in_the_region() {
    let world = applied(&["a"]);
    let told = answer(&world, &["bar/a", "--region", "eu-west-1"]);
    says(&told, true, "let-in");
    let asked = lines(&told, "cloudTrail");
    assert!(
        asked.starts_with("aws cloudtrail lookup-events --region eu-west-1 --lookup-attributes"),
        "{asked}"
    );
    assert!(
        asked.contains("AttributeKey=Username,AttributeValue=system:serviceaccount:bar:a"),
        "{asked}"
    );
    let human = world.print(&["explain", "bar/a"]).ends(0).stdout;
    assert!(
        human.starts_with("answer             yes: pods of `bar/a` can assume `k8s-sa_bar_a` now"),
        "{human}"
    );
    let markdown = world
        .print(&["explain", "bar/a", "--format", "markdown"])
        .ends(0)
        .stdout;
    assert!(markdown.contains("| answer | ``yes:"), "{markdown}");
}

#[test]
fn i43_a_declaration_that_was_not_applied_names_the_commit_and_no_hand() {
    let world = applied(&["a"]);
    let own = service_account("bar", "a") + "    eks.amazonaws.com/audience: vault\n";
    world.repository.write("apps/a.yaml", own);
    let second = world.repository.commit("Another audience");
    world.edit(|state| {
        state["oidcProviders"][0]["audiences"] = json!(["sts.amazonaws.com", "vault"])
    });
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "not-let-in");
    assert_eq!(told["by"]["commit"], second.as_str(), "{told:#}");
    assert_eq!(told["by"]["author"], "Ann Author");
    assert_eq!(lines(&told, "cloudTrail"), "");
    assert!(
        lines(&told, "run").starts_with("irsa-gitops apply"),
        "{told:#}"
    );
    // What was declared and never applied at all, too.
    world.declare("b");
    let third = world.repository.commit("Add b");
    let told = answer(&world, &["bar/b"]);
    says(&told, false, "no-role");
    assert_eq!(told["by"]["commit"], third.as_str(), "{told:#}");
}

#[test]
fn i43_a_quarantined_role_names_the_commit_that_removed_it_and_the_revert() {
    let (world, commit) = quarantined();
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "quarantined");
    assert_eq!(told["by"]["commit"], commit.as_str());
    assert!(told["since"].is_string());
    let run = lines(&told, "run");
    assert!(
        run.starts_with(&format!("git revert {}\nirsa-gitops apply", &commit[..12])),
        "{run}"
    );
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "quarantined");
    assert!(
        lines(&told, "run").starts_with("irsa-gitops apply"),
        "{told:#}"
    );
    // Deleted after that, it is another role that comes back.
    let (world, commit) = quarantined();
    world.sync(&["--prune-after", "0s"]).ends(0);
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "no-role");
    assert_eq!(told["by"]["commit"], commit.as_str());
    assert!(lines(&told, "run").contains("git revert"), "{told:#}");
}

#[test]
fn i43_the_provider_that_refuses_the_audience_and_the_command_that_mends_it() {
    let world = applied(&["a"]);
    world.edit(|state| state["oidcProviders"][0]["audiences"] = json!(["other"]));
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "audience-refused");
    assert!(lines(&told, "run").starts_with("aws iam add-client-id-to-open-id-connect-provider"));
    world.edit(|state| state["oidcProviders"] = json!([]));
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "no-provider");
    assert!(lines(&told, "run").contains("aws iam create-open-id-connect-provider"));
    assert!(lines(&told, "cloudTrail").contains("DeleteOpenIDConnectProvider"));
    // Of one ServiceAccount alone.
    let own = service_account("bar", "a") + "    eks.amazonaws.com/audience: vault\n";
    let world = World::with(&[("apps/a.yaml", &own)]);
    world.edit(|state| state["oidcProviders"][0]["audiences"] = json!(["vault"]));
    world.run(&["apply", "--audience", "vault"]).ends(0);
    world.edit(|state| state["oidcProviders"][0]["audiences"] = json!(["sts.amazonaws.com"]));
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "audience-refused");
    assert!(
        lines(&told, "run").contains("--client-id vault"),
        "{told:#}"
    );
}

#[test]
fn i43_what_a_typo_holds_is_named_with_its_place_and_commit() {
    let world = applied(&["a"]);
    let wrong = service_account("bar", "a").replace("role/k8s-sa_bar_a", "role/k8s-sa_bar_b");
    world.repository.write("apps/a.yaml", wrong);
    let commit = world.repository.commit("A typo");
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "other-role");
    assert_eq!(told["by"]["commit"], commit.as_str());
    let hint = told["hint"].as_str().unwrap_or_default();
    assert!(
        hint.contains("apps/a.yaml:1:1") && hint.contains("role/k8s-sa_bar_a`"),
        "{hint}"
    );
    // In the namespace of the manifest: the role stays, and may be this one's.
    let elsewhere = service_account("bra", "a").replace("k8s-sa_bra_a", "k8s-sa_bar_a");
    world.repository.write("apps/a.yaml", elsewhere);
    world.repository.commit("Another typo");
    let told = answer(&world, &["bar/a", "--mode", "sync"]);
    says(&told, true, "let-in");
    let notes = lines(&told, "notes");
    assert!(notes.contains("`bra/a` at apps/a.yaml:1:1"), "{notes}");
    // A second manifest keeps the role from being made.
    let world = World::new(&["a"]);
    let copy = service_account("bar", "a") + "    eks.amazonaws.com/audience: vault\n";
    world.repository.write("other/copy.yaml", copy);
    world.repository.commit("A copy");
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "no-role");
    let hint = told["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("other/copy.yaml"), "{hint}");
}

#[test]
fn i46_a_changed_issuer_is_named_as_that() {
    let world = applied(&["a"]);
    edit_trust(&world, |trust| {
        *trust = serde_json::from_str(&trust.to_string().replace(ISSUER, OLD)).expect("JSON");
    });
    let explained = world.run(&["explain", "bar/a"]).ends(0).json();
    let told = &explained["answer"];
    says(told, false, "other-issuer");
    let said = told["message"].as_str().unwrap_or_default();
    assert!(
        said.contains("the issuer changed") && said.contains(OLD) && said.contains(ISSUER),
        "{said}"
    );
    assert!(
        explained["drift"]
            .as_str()
            .unwrap_or_default()
            .contains("issuer"),
        "{explained:#}"
    );
    let run = lines(told, "run");
    assert!(
        run.contains("aws eks describe-cluster --name prod"),
        "{run}"
    );
    assert!(
        run.contains(&format!("--allow-issuer-change {OLD}")),
        "{run}"
    );
    // The other way round: the roles are right, and the settings are old.
    let world = applied(&["a"]);
    let run = world.run(&["explain", "bar/a", "--oidc-provider", OLD]);
    says(&run.json()["answer"], false, "other-issuer");
    // What was declared for both is none.
    let both = format!("{ISSUER},{OLD}");
    world.edit(|state| {
        let providers = state["oidcProviders"].as_array_mut().expect("providers");
        providers.push(json!({ "issuer": OLD, "audiences": ["sts.amazonaws.com"] }));
    });
    world.run(&["apply", "--oidc-provider", &both]).ends(0);
    says(&answer(&world, &["bar/a"]), true, "let-in");
}

#[test]
fn i47_a_shallow_clone_says_that_commits_are_missing() {
    let world = applied(&["a"]);
    assert!(!lines(&answer(&world, &["bar/a"]), "notes").contains("shallow"));
    world.declare("b");
    world.repository.commit("Add b");
    let from = format!("file://{}", world.repository.path().display());
    let clone = world.file("clone");
    let to = clone.display().to_string();
    git(
        world.directory.path(),
        &["clone", "--quiet", "--depth", "1", &from, &to],
    );
    let told = answer(&world, &["bar/a", "--repo", &to]);
    assert!(
        lines(&told, "notes").contains("git fetch --unshallow"),
        "{told:#}"
    );
}

#[test]
fn i48_a_role_that_was_deleted_and_made_again_is_another_one() {
    let world = applied(&["a"]);
    assert!(!lines(&answer(&world, &["bar/a"]), "notes").contains("made at"));
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        roles.retain(|role| role["name"] != "k8s-sa_bar_a");
        for tag in roles[0]["tags"].as_array_mut().expect("tags") {
            if tag["key"] == "role.k8s.aws/applied" {
                let commit = tag["value"].as_str().unwrap_or_default()[..40].to_owned();
                tag["value"] = format!("{commit}@2026-01-01T00:00:00Z").into();
            }
        }
    });
    world.run(&["apply"]).ends(0);
    let told = answer(&world, &["bar/a"]);
    says(&told, true, "let-in");
    let notes = lines(&told, "notes");
    let id = world.role("a")["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(notes.contains("made at") && notes.contains(&id), "{notes}");
    assert!(
        notes.contains("AttributeKey=ResourceName,AttributeValue=k8s-sa_bar_a"),
        "{notes}"
    );
    // By the program itself, after a removal.
    let (world, commit) = quarantined();
    world.sync(&["--prune-after", "0s"]).ends(0);
    world.declare("a");
    world.repository.commit("Bring a back");
    world.run(&["apply"]).ends(0);
    let notes = lines(&answer(&world, &["bar/a"]), "notes");
    assert!(
        notes.contains(&format!("after commit {} had removed", &commit[..12])),
        "{notes}"
    );
}

#[test]
fn i49_a_renamed_service_account_names_the_other_one() {
    let world = applied(&["a"]);
    world
        .repository
        .write("apps/a.yaml", service_account("bar", "new"));
    let commit = world.repository.commit("Rename");
    world.sync(&[]).ends(0);
    let told = answer(&world, &["bar/a"]);
    says(&told, false, "quarantined");
    let notes = lines(&told, "notes");
    assert!(
        notes.contains(&format!("commit {} renamed it to `bar/new`", &commit[..12])),
        "{notes}"
    );
    let told = answer(&world, &["bar/new"]);
    says(&told, true, "let-in");
    let notes = lines(&told, "notes");
    assert!(notes.contains("renamed it from `bar/a`"), "{notes}");
    assert!(notes.contains("--role-name k8s-sa_bar_a"), "{notes}");
    // Two that came and went in files of their own are no pair.
    let world = applied(&["a", "b"]);
    for (old, new) in [("a", "x"), ("b", "y")] {
        world.repository.remove(&format!("apps/{old}.yaml"));
        world.declare(new);
    }
    world.repository.commit("Others");
    let notes = lines(&answer(&world, &["bar/a"]), "notes");
    assert!(!notes.contains("renamed"), "{notes}");
}

#[test]
fn s35_a_deny_keeps_pods_out_and_a_boundary_is_told() {
    let world = applied(&["a"]);
    world.edit(|state| {
        let arn = "arn:aws:iam::123456789012:policy/limit";
        role(state, 0)["permissionsBoundary"] = arn.into();
    });
    let explained = world.run(&["explain", "bar/a"]).ends(0).json();
    says(&explained["answer"], true, "let-in");
    let notes = lines(&explained["answer"], "notes");
    assert!(notes.contains("policy/limit` limits"), "{notes}");
    assert!(explained["current"]["permissionsBoundary"].is_string());
    let deny = |action: &str| {
        let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": action });
        edit_trust(&world, |trust| {
            let statements = trust["Statement"].as_array_mut().expect("statements");
            statements.truncate(1);
            statements.push(deny);
        });
        answer(&world, &["bar/a"])
    };
    says(&deny("sts:AssumeRole"), true, "let-in");
    let told = deny("sts:AssumeRoleWithWebIdentity");
    says(&told, false, "denied");
    assert!(
        lines(&told, "run").starts_with("irsa-gitops apply"),
        "{told:#}"
    );
}

#[test]
fn s36_an_edit_by_hand_shows_the_difference_and_asks_cloud_trail() {
    let world = applied(&["a"]);
    edit_trust(&world, |trust| {
        let equals = &mut trust["Statement"][0]["Condition"]["StringEquals"];
        equals[format!("{ISSUER}:sub")] = "system:serviceaccount:bar:b".into();
    });
    let explained = world.run(&["explain", "bar/a"]).ends(0).json();
    let told = &explained["answer"];
    says(told, false, "not-let-in");
    assert!(told["by"].is_null(), "{told:#}");
    let asked = "aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=ResourceName,AttributeValue=k8s-sa_bar_a";
    assert!(lines(told, "cloudTrail").starts_with(asked), "{told:#}");
    assert_eq!(explained["differences"][0]["field"], "trust-policy");
    let human = world.print(&["explain", "bar/a"]).ends(0).stdout;
    let has = |mark: &str, subject: &str| {
        let mut lines = human.lines();
        lines.any(|line| line.trim().starts_with(mark) && line.contains(subject))
    };
    assert!(
        has("-", "system:serviceaccount:bar:b") && has("+", "system:serviceaccount:bar:a"),
        "{human}"
    );
    // The command can be pasted.
    let run = lines(told, "run");
    let words: Vec<&str> = run.split_whitespace().skip(1).collect();
    world.run(&words).ends(0);
    says(&answer(&world, &["bar/a"]), true, "let-in");
}

#[test]
fn a70_a_role_that_may_not_be_read_is_no_affair_of_another_one() {
    let files = ["a", "b"].map(|name| (format!("{name}.yaml"), service_account("bar", name)));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(file, text)| (&**file, &**text))
        .collect();
    let repository = Repository::with(&files);
    let server = IamServer::empty();
    apply(&repository, &server).ends(0);
    let explain = |what: &str, denied: &'static str| -> Run {
        server.script(vec![(denied, 0, Fault::Refused(403, "AccessDenied"))]);
        let arguments = ["explain", what, "--format", "json"];
        Cli::new(repository.path(), &arguments)
            .endpoint(&server.url)
            .run()
    };
    let run = explain("bar/a", "GetRole k8s-sa_bar_b").ends(0);
    let told = run.json()["answer"].clone();
    says(&told, true, "let-in");
    assert!(lines(&told, "notes").contains("`k8s-sa_bar_b`"), "{told:#}");
    assert!(!run.stdout.contains("is not it"), "{}", run.stdout);
    let run = explain("bar/a", "GetRole record").ends(0);
    says(&run.json()["answer"], true, "let-in");
    let run = explain("bar/a", "ListAttachedRolePolicies").ends(0);
    assert!(
        lines(&run.json()["answer"], "notes").contains("attached"),
        "{}",
        run.stdout
    );
    // Its own is what was asked for.
    explain("bar/b", "GetRole k8s-sa_bar_b").ends(6);
}
