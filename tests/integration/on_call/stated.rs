//! What `explain` states: nothing that is not so, be it of a manifest, a mode, an issuer or a role.

use serde_json::json;

use super::{OLD, answer, applied, edit_trust, lines, quarantined, says};
use crate::support::cli::ISSUER;
use crate::support::iam_server::{Fault, IamServer};
use crate::support::repository::{Repository, git, service_account};
use crate::support::world::World;

fn hint(answer: &serde_json::Value) -> String {
    answer["hint"].as_str().unwrap_or_default().to_owned()
}

fn message(answer: &serde_json::Value) -> String {
    answer["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn i117_a_quarantined_role_that_is_declared_again_with_an_error_is_not_restored_by_an_apply() {
    let right = service_account("bar", "a");
    let typo = right.replace("role/k8s-sa_bar_a", "role/k8s-sa_bar_x");
    let broken = format!("{right}---\nkind: [\n");
    let cut = format!("{right}  x: [\n");
    let bare = right.replace("security.kaluza.com/iam-role-managed", "example.com/other");
    for (text, place) in [
        (&typo, "apps/a.yaml:"),
        (&cut, "apps/a.yaml:"),
        (&bare, "`apps/a.yaml` has the ServiceAccount without"),
    ] {
        let (world, removed) = quarantined();
        // A typo, which the next attempt took away.
        world.repository.write("apps/a.yaml", &typo);
        world.repository.commit("Bring a back, with a typo");
        world.repository.write("apps/a.yaml", text);
        world.repository.commit("Bring a back, wrongly");
        let explained = world.run(&["explain", "bar/a"]).json();
        let told = &explained["answer"];
        says(told, false, "quarantined");
        assert_eq!(told["by"]["commit"], removed.as_str(), "{told:#}");
        assert!(hint(told).starts_with(place), "{told:#}");
        assert!(!hint(told).contains("so apply restores"), "{told:#}");
        assert!(
            !lines(told, "run").contains("irsa-gitops apply"),
            "{told:#}"
        );
        let human = world.print(&["explain", "bar/a"]).stdout;
        assert!(!human.contains("nowhere"), "{human}");
        // Nothing is restored, indeed.
        let before = world.role("a");
        world.run(&["apply"]);
        assert_eq!(world.role("a"), before);
    }
    // What is broken behind it and declares it all the same is restored, and what names others is none.
    for (file, text) in [("apps/a.yaml", &broken), ("apps/a.yaml", &right)] {
        let (world, _) = quarantined();
        world.repository.write(file, text);
        world.repository.commit("Bring a back");
        let told = answer(&world, &["bar/a"]);
        assert!(hint(&told).contains("so apply restores"), "{told:#}");
    }
    let (world, _) = quarantined();
    world.repository.write(
        "apps/aa.yaml",
        cut.replace("bar_a", "bar_aa")
            .replace("name: a", "name: aa"),
    );
    world.repository.commit("Another one, broken");
    let told = answer(&world, &["bar/a"]);
    assert!(hint(&told).contains("best by a revert"), "{told:#}");
}

#[test]
fn i117_mode_create_only_restores_and_repairs_nothing_and_the_mode_that_does_is_named() {
    let (world, _) = quarantined();
    world.declare("a");
    world.repository.commit("Bring a back");
    let told = answer(&world, &["bar/a", "--mode", "create-only"]);
    says(&told, false, "quarantined");
    assert!(
        lines(&told, "run").starts_with("irsa-gitops apply --mode upsert-only"),
        "{told:#}"
    );
    let world = applied(&["a"]);
    edit_trust(&world, |trust| {
        trust["Statement"][0]["Condition"]["StringEquals"][format!("{ISSUER}:sub")] = "x".into();
    });
    let told = answer(&world, &["bar/a", "--mode", "create-only"]);
    says(&told, false, "not-let-in");
    assert!(
        hint(&told).contains("create-only repairs nothing, and mode upsert-only does"),
        "{told:#}"
    );
    assert!(
        lines(&told, "run").starts_with("irsa-gitops apply --mode upsert-only"),
        "{told:#}"
    );
}

#[test]
fn i118_what_an_older_commit_says_of_manifests_is_told_as_that() {
    let world = applied(&["a"]);
    let older = world
        .repository
        .git(&["rev-parse", "HEAD"])
        .trim()
        .to_owned();
    world.declare("new");
    let newer = world.repository.commit("Add new");
    world.run(&["apply"]).ends(0);
    for mode in ["upsert-only", "sync"] {
        let arguments = ["bar/new", "--revision", &older, "--mode", mode];
        let told = answer(&world, &arguments);
        says(&told, true, "let-in");
        let said = message(&told);
        assert!(
            said.contains("is older than what was applied") && said.contains(&newer[..12]),
            "{said}"
        );
        let run = lines(&told, "run");
        assert!(
            run.starts_with(&format!("irsa-gitops explain bar/new --revision {newer}")),
            "{run}"
        );
        let human = world.print(&[&["explain"], &arguments[..]].concat()).stdout;
        for wrong in ["mode sync retires", "irsa-gitops retire", "kubectl"] {
            assert!(!human.contains(wrong), "{wrong}: {human}");
        }
        // It can be pasted.
        let words: Vec<&str> = run.split_whitespace().skip(1).collect();
        let now = world.run(&words).ends(0).json();
        assert!(!message(&now["answer"]).contains("older"), "{now:#}");
        assert!(now["location"].is_string(), "{now:#}");
    }
}

#[test]
fn i119_that_mode_sync_retires_a_role_is_said_only_where_it_does() {
    let world = applied(&["a", "b"]);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let told = answer(&world, &["bar/a"]);
    assert!(
        hint(&told).contains("mode sync retires the role"),
        "{told:#}"
    );
    // A file that may hold it.
    let broken = format!("{}  x: [\n", service_account("bar", "c"));
    world.repository.write("apps/new.yaml", broken);
    world.repository.commit("Break a file");
    for mode in ["upsert-only", "sync"] {
        let told = answer(&world, &["bar/a", "--mode", mode]);
        assert!(!hint(&told).contains("mode sync retires"), "{told:#}");
        assert!(hint(&told).contains("apps/new.yaml"), "{told:#}");
    }
    // No role at all would be left.
    let world = applied(&["a"]);
    world.repository.remove("apps/a.yaml");
    world
        .repository
        .write("apps/README.yaml", "kind: ConfigMap\n");
    world.repository.commit("Remove all");
    let told = answer(&world, &["bar/a"]);
    assert!(!hint(&told).contains("mode sync retires"), "{told:#}");
    // The annotation says so itself.
    let world = applied(&["a", "b"]);
    let text = service_account("bar", "a").replace("\"true\"", "\"false\"");
    world.repository.write("apps/a.yaml", text);
    world.repository.commit("No role for a");
    let told = answer(&world, &["bar/a"]);
    assert!(
        hint(&told).contains("apps/a.yaml:1:1 is \"false\""),
        "{told:#}"
    );
    assert!(!hint(&told).contains("no manifest declares"), "{told:#}");
}

#[test]
fn i120_the_revert_that_is_printed_runs() {
    let world = applied(&["a", "b"]);
    let repository = &world.repository;
    repository.git(&["checkout", "--quiet", "-b", "topic"]);
    repository.remove("apps/a.yaml");
    repository.commit("Remove a");
    repository.git(&["checkout", "--quiet", "-"]);
    repository.git(&["merge", "--quiet", "--no-ff", "--no-edit", "topic"]);
    world.sync(&[]).ends(0);
    let place = repository.path().display().to_string();
    let elsewhere = ["bar/a", "--repo", &place];
    let told = answer(&world, &elsewhere);
    says(&told, false, "quarantined");
    let revert = lines(&told, "run")
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    assert!(
        revert.starts_with(&format!("git -C {place} revert -m 1 ")),
        "{told:#}"
    );
    let here = answer(&world, &["bar/a"]);
    assert!(
        lines(&here, "run").starts_with("git revert -m 1 "),
        "{here:#}"
    );
    let words: Vec<&str> = revert.split_whitespace().skip(1).collect();
    git(
        world.directory.path(),
        &[&words[..], &["--no-edit"]].concat(),
    );
    let told = answer(&world, &["bar/a"]);
    assert!(hint(&told).contains("so apply restores"), "{told:#}");
    // Where nothing is checked out, no command is given that cannot run.
    let (world, commit) = quarantined();
    let from = world.repository.path().display().to_string();
    git(
        world.directory.path(),
        &["clone", "--quiet", "--bare", &from, "bare"],
    );
    let bare = world.file("bare").display().to_string();
    let told = answer(&world, &["bar/a", "--repo", &bare]);
    assert_eq!(lines(&told, "run"), "", "{told:#}");
    assert!(
        hint(&told).contains(&format!("git revert {}", &commit[..12])),
        "{told:#}"
    );
}

#[test]
fn i121_pods_of_one_issuer_are_not_those_of_all() {
    let world = applied(&["a"]);
    let both = format!("{ISSUER},{OLD}");
    let explain = || {
        world
            .run(&["explain", "bar/a", "--oidc-provider", &both])
            .json()
    };
    let explained = explain();
    let told = &explained["answer"];
    assert!(
        told["canAssume"].is_null() && told["code"] == "some-issuers",
        "{told:#}"
    );
    let said = message(told);
    assert!(
        said.starts_with("partly: ") && said.contains(&format!("by `{ISSUER}` they can")),
        "{said}"
    );
    assert!(said.contains(&format!("by `{OLD}` they cannot")), "{said}");
    assert!(
        !explained.to_string().contains("no pod could assume"),
        "{explained:#}"
    );
    world.edit(|state| {
        let providers = state["oidcProviders"].as_array_mut().expect("providers");
        providers.push(json!({ "issuer": OLD, "audiences": ["sts.amazonaws.com"] }));
    });
    world.run(&["apply", "--oidc-provider", &both]).ends(0);
    says(&explain()["answer"], true, "let-in");
    world.edit(|state| {
        let providers = state["oidcProviders"].as_array_mut().expect("providers");
        providers.retain(|provider| provider["issuer"] != OLD);
    });
    let told = explain()["answer"].clone();
    assert_eq!(told["code"], "some-issuers", "{told:#}");
    assert!(
        lines(&told, "run").contains(&format!("--url https://{OLD}")),
        "{told:#}"
    );
}

#[test]
fn i121_a_cluster_that_was_built_again_is_asked_before_anything_is_registered() {
    // The old setting, and its provider is gone.
    let world = applied(&["a"]);
    world.edit(|state| state["oidcProviders"] = json!([]));
    let told = answer(&world, &["bar/a", "--region", "eu-west-1"]);
    says(&told, false, "no-provider");
    let describe = "aws eks describe-cluster --name prod --region eu-west-1 ";
    assert!(lines(&told, "run").starts_with(describe), "{told:#}");
    // The new one, and its provider is not there yet: without it no apply goes on.
    let told = answer(&world, &["bar/a", "--oidc-provider", OLD]);
    says(&told, false, "other-issuer");
    let run = lines(&told, "run");
    let at = |part: &str| run.find(part).unwrap_or_else(|| panic!("{part}: {run}"));
    let (register, accept) = (
        at("create-open-id-connect-provider"),
        at("--allow-issuer-change"),
    );
    assert!(
        at("describe-cluster") < register && register < accept,
        "{run}"
    );
    // The control: what is registered is not registered again.
    world.edit(|state| {
        state["oidcProviders"] = json!([{ "issuer": OLD, "audiences": ["sts.amazonaws.com"] }]);
    });
    let told = answer(&world, &["bar/a", "--oidc-provider", OLD]);
    assert!(!lines(&told, "run").contains("create-open-id"), "{told:#}");
    assert!(
        lines(&told, "run").contains("--allow-issuer-change"),
        "{told:#}"
    );
}

#[test]
fn i122_an_arn_of_another_path_or_partition_is_another_role() {
    let world = applied(&["a"]);
    for (arn, part) in [
        (
            "arn:aws:iam::123456789012:role/path/k8s-sa_bar_a",
            "path `/path/`",
        ),
        (
            "arn:aws-cn:iam::123456789012:role/k8s-sa_bar_a",
            "partition `aws-cn`",
        ),
        (
            "arn:aws-cn:sts::123456789012:assumed-role/k8s-sa_bar_a/x",
            "partition `aws-cn`",
        ),
    ] {
        let run = world.print(&["explain", arn]).ends(2);
        assert!(
            run.stderr.contains(part) && run.stderr.contains("another role"),
            "{}",
            run.stderr
        );
    }
    for arn in [
        "arn:aws:iam::123456789012:role/k8s-sa_bar_a",
        "arn:aws:sts::123456789012:assumed-role/k8s-sa_bar_a/x",
    ] {
        says(&answer(&world, &[arn]), true, "let-in");
    }
}

#[test]
fn i123_what_could_not_be_read_is_unknown_and_not_nothing() {
    let files = [("a.yaml", &*service_account("bar", "a"))];
    let repository = Repository::with(&files);
    let server = IamServer::empty();
    crate::support::cli::apply(&repository, &server).ends(0);
    let explain = |format: &str| {
        let arguments = ["explain", "bar/a", "--format", format];
        let cli = crate::support::cli::Cli::new(repository.path(), &arguments);
        cli.endpoint(&server.url).run().ends(0)
    };
    assert!(
        explain("human")
            .stdout
            .contains("attached           nothing")
    );
    server.script(vec![(
        "ListAttachedRolePolicies",
        0,
        Fault::Refused(403, "AccessDenied"),
    )]);
    let human = explain("human").stdout;
    assert!(human.contains("attached           unknown"), "{human}");
    server.script(vec![(
        "ListAttachedRolePolicies",
        0,
        Fault::Refused(403, "AccessDenied"),
    )]);
    assert!(explain("json").json()["current"]["attached"].is_null());
}

#[test]
fn i124_pods_that_work_with_the_role_of_their_annotation_are_not_told_as_shut_out() {
    let world = applied(&["a"]);
    let mut other = world.role("a");
    world.edit(|state| {
        other["name"] = "legacy".into();
        other["id"] = "AROALEGACY".into();
        other["tags"] = json!([]);
        let roles = state["roles"].as_array_mut().expect("roles");
        roles.retain(|role| role["name"] != "k8s-sa_bar_a");
        roles.push(other);
    });
    let old = service_account("bar", "a").replace("role/k8s-sa_bar_a", "role/legacy");
    world.repository.write("apps/a.yaml", old);
    world.repository.commit("The role that it has");
    let told = answer(&world, &["bar/a"]);
    says(&told, true, "by-other-role");
    assert!(message(&told).contains("role/legacy"), "{told:#}");
    // The control: one that does not let them in.
    world.edit(|state| {
        for role in state["roles"].as_array_mut().expect("roles") {
            role["trustPolicy"] = json!({ "Version": "2012-10-17", "Statement": [] });
        }
    });
    let told = answer(&world, &["bar/a"]);
    assert_eq!(told["canAssume"], false, "{told:#}");
}

#[test]
fn i125_what_was_removed_is_among_the_near_names() {
    let world = World::new(&["cart", "stock"]);
    world.run(&["apply"]).ends(0);
    world.repository.remove("apps/cart.yaml");
    world.repository.commit("Remove cart");
    world.sync(&[]).ends(0);
    let told = answer(&world, &["bar/crat"]);
    assert!(hint(&told).contains("did you mean `bar/cart`?"), "{told:#}");
    let run = world.print(&["explain", "crat"]).ends(2);
    assert!(
        run.stderr.contains("did you mean `bar/cart`?"),
        "{}",
        run.stderr
    );
    let run = world.print(&["explain", "stokc"]).ends(2);
    assert!(
        run.stderr.contains("did you mean `bar/stock`?"),
        "{}",
        run.stderr
    );
}

/// What is applied has to reach the branch, or it supersedes every later run.
#[test]
fn i132_what_is_not_published_is_to_be_pushed_first() {
    let (world, commit) = quarantined();
    let remote = world.file("remote.git").display().to_string();
    world
        .repository
        .git(&["clone", "--quiet", "--bare", ".", &remote]);
    world.repository.git(&["remote", "add", "origin", &remote]);
    world.repository.git(&["fetch", "--quiet", "origin"]);
    let told = answer(&world, &["bar/a"]);
    let run = lines(&told, "run");
    let revert = format!("git revert {}\ngit push\nirsa-gitops apply", &commit[..12]);
    assert!(run.starts_with(&revert), "{run}");
    assert!(hint(&told).contains("push or merge it"), "{told:#}");
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    let told = answer(&world, &["bar/a"]);
    assert!(
        hint(&told).contains("is on no branch of a remote"),
        "{told:#}"
    );
    let branch = world.repository.git(&["branch", "--show-current"]);
    world
        .repository
        .git(&["push", "--quiet", "origin", branch.trim()]);
    let told = answer(&world, &["bar/a"]);
    assert!(!hint(&told).contains("is on no branch"), "{told:#}");
    assert!(
        lines(&told, "run").starts_with("irsa-gitops apply"),
        "{told:#}"
    );
}

/// Where the commit that removed it is not there, an apply restores nothing.
#[test]
fn i132_in_a_shallow_clone_history_is_fetched_first() {
    let (world, _) = quarantined();
    for n in 0..3 {
        world.repository.write("note.txt", format!("{n}"));
        world.repository.commit("Another matter");
    }
    let from = format!("file://{}", world.repository.path().display());
    let shallow = world.file("shallow").display().to_string();
    git(
        world.directory.path(),
        &["clone", "--quiet", "--depth", "1", &from, "shallow"],
    );
    let told = answer(&world, &["bar/a", "--repo", &shallow]);
    says(&told, false, "quarantined");
    let run = lines(&told, "run");
    let fetch = format!("git -C {shallow} fetch --unshallow\nirsa-gitops explain bar/a");
    assert!(run.starts_with(&fetch), "{told:#}");
    assert!(!run.contains("apply"), "{told:#}");
}
