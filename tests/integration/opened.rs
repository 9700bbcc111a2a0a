//! Who is let into an owned role beside its ServiceAccount, and what becomes of the role.

use serde_json::{Value, json};

use crate::support::cli::{ISSUER, Run, role, state};
use crate::support::repository::service_account;
use crate::support::world::{World, message};

const OTHER: &str = "token.actions.example.com";

fn arn(issuer: &str) -> String {
    format!("arn:aws:iam::123456789012:oidc-provider/{issuer}")
}

fn pods() -> Value {
    json!({
        "Effect": "Allow",
        "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    })
}

/// Has the role of `a` trust another issuer, and nobody else.
fn give_away(world: &World) {
    world.edit(|state| {
        let trust = &mut role(state, 0)["trustPolicy"];
        *trust = serde_json::from_str(&trust.to_string().replace(ISSUER, OTHER)).expect("JSON");
    });
}

fn add(world: &World, index: usize, statement: &Value) {
    world.edit(|state| {
        let statements = role(state, index)["trustPolicy"]["Statement"].as_array_mut();
        statements.expect("statements").push(statement.clone());
    });
}

fn diagnostic(run: &Run, code: &str) -> Option<Value> {
    let document = run.json();
    let found = document["clusters"][0]["diagnostics"].as_array().cloned()?;
    found.into_iter().find(|found| found["code"] == code)
}

#[test]
fn s22_mode_sync_sees_a_role_that_trusts_another_issuer_by_now() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    give_away(&world);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    // Without pruning it is left unread, as roles of other clusters are.
    world.run(&["plan"]).ends(0);
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    // Opened again by hand, for somebody else.
    give_away(&world);
    world.edit(|state| {
        let open = json!({ "Effect": "Allow", "Principal": { "Federated": arn(OTHER) },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { format!("{OTHER}:sub"): "system:serviceaccount:bar:a" } } });
        role(state, 0)["trustPolicy"]["Statement"] = json!([open]);
    });
    let run = world.run(&["plan", "--mode", "sync"]);
    assert_eq!(run.codes(), ["security-drift"]);
    assert!(run.changes()[0].starts_with("k8s-sa_bar_a "));
    // Another cluster's role of that name is none of ours.
    world.set_tag("a", "role.k8s.aws/cluster", "green");
    assert_eq!(world.sync(&[]).ends(0).changes(), Vec::<String>::new());
}

#[test]
fn s23_whoever_was_let_in_is_named_and_an_error_where_the_role_is_left() {
    let subject = "system:serviceaccount:bar:a";
    let own = |condition: Value| {
        json!({ "Effect": "Allow", "Principal": { "Federated": arn(ISSUER) },
            "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition })
    };
    let with = |sub: Value, aud: Value| {
        own(
            json!({ "StringEquals": { format!("{ISSUER}:sub"): sub, format!("{ISSUER}:aud"): aud } }),
        )
    };
    let sts = json!("sts.amazonaws.com");
    let mut any_action = with(json!(subject), sts.clone());
    any_action["Action"] = json!("sts:*");
    for (statement, named) in [
        (
            json!({ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole" }),
            "AWS",
        ),
        (
            json!({ "Effect": "Allow", "Principal": { "AWS": ["*"], "Federated": arn(ISSUER) }, "Action": "sts:AssumeRole" }),
            "AWS",
        ),
        (
            json!({ "Effect": "Allow", "NotPrincipal": { "AWS": "arn:aws:iam::123456789012:root" }, "Action": "sts:AssumeRole" }),
            "NotPrincipal",
        ),
        (
            json!({ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" }),
            "ec2.amazonaws.com",
        ),
        (
            json!({ "Effect": "Allow", "Principal": { "Service": ["pods.eks.amazonaws.com", "ec2.amazonaws.com"] }, "Action": "sts:AssumeRole" }),
            "ec2.amazonaws.com",
        ),
        (any_action, "sts:*"),
        (
            with(json!("system:serviceaccount:kube-system:x"), sts.clone()),
            "kube-system:x",
        ),
        (
            with(json!([subject, "system:serviceaccount:bar:z"]), sts),
            "bar:z",
        ),
        (
            with(json!(subject), json!(["sts.amazonaws.com", "vault"])),
            "vault",
        ),
        (own(json!({})), "any subject"),
        (
            own(json!({ "StringLike": { format!("{ISSUER}:sub"): "system:serviceaccount:*" } })),
            "StringLike",
        ),
        (
            own(json!({ "ForAllValues:StringEquals": { format!("{ISSUER}:sub"): subject } })),
            "ForAllValues",
        ),
    ] {
        let world = World::new(&["a", "b"]);
        world.sync(&[]).ends(0);
        add(&world, 0, &statement);
        // Declared: a warning, and put right.
        let run = world.run(&["plan"]).ends(0);
        let found = diagnostic(&run, "security-drift").expect("declared");
        let said = found["message"].as_str().unwrap_or_default().to_owned();
        assert!(
            said.contains(named) && !said.contains(&arn(ISSUER)),
            "{said}"
        );
        assert_eq!(found["severity"], "warning");
        // Declared, and not written to.
        let run = world.run(&["plan", "--mode", "create-only"]).ends(7);
        let found = diagnostic(&run, "security-drift").expect("create-only");
        assert_eq!(found["severity"], "error");
        // Held, as its manifest has an error.
        let invalid = service_account("bar", "a").replace("\"true\"", "yes");
        world.repository.write("apps/a.yaml", invalid);
        world.repository.commit("A typo");
        let run = world.run(&["plan"]).ends(7);
        assert!(
            diagnostic(&run, "security-drift").is_some(),
            "held: {statement}"
        );
        // An orphan.
        world.repository.remove("apps/a.yaml");
        world.repository.commit("Remove a");
        let run = world.run(&["plan"]).ends(7);
        let found = diagnostic(&run, "security-drift").expect("orphan");
        assert!(
            found["message"]
                .as_str()
                .unwrap_or_default()
                .contains(named),
            "{found}"
        );
        let hint = found["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("aws iam update-assume-role-policy"), "{hint}");
    }
}

#[test]
fn s23_what_lets_in_nobody_else_is_no_security_drift() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply", "--audience", "none"]).ends(0);
    let run = world.run(&["plan", "--full", "--audience", "none"]).ends(0);
    assert_eq!(run.codes(), Vec::<String>::new());
    world.edit(|state| {
        let statement = &mut role(state, 0)["trustPolicy"]["Statement"][0];
        statement["Condition"]["Bool"] = json!({ "aws:SecureTransport": "true" });
    });
    add(
        &world,
        0,
        &json!({ "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole" }),
    );
    let run = world.run(&["plan", "--audience", "none"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a update"]);
    assert_eq!(run.codes(), Vec::<String>::new());
    // An issuer change that the user allows.
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    world.edit(|state| {
        let other = json!({ "issuer": OTHER, "audiences": ["sts.amazonaws.com"] });
        state["oidcProviders"]
            .as_array_mut()
            .expect("providers")
            .push(other);
    });
    let change = [
        "plan",
        "--oidc-provider",
        OTHER,
        "--allow-issuer-change",
        ISSUER,
    ];
    let run = world.run(&change).ends(0);
    assert_eq!((run.changes().len(), run.codes().len()), (2, 0));
}

#[test]
fn s24_adopt_takes_no_document_for_proof_that_may_let_the_service_account_out() {
    let world = World::new(&["a"]);
    world.run(&["apply"]).ends(0);
    let aud = format!("{ISSUER}:aud");
    let good = world.role("a")["trustPolicy"].clone();
    let statement = |change: &dyn Fn(&mut Value)| {
        let mut document = good.clone();
        change(&mut document["Statement"][0]);
        document
    };
    let deny = {
        let mut document = good.clone();
        let denial = json!({ "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity" });
        document["Statement"]
            .as_array_mut()
            .expect("statements")
            .push(denial);
        document
    };
    for (document, proves) in [
        (good.clone(), true),
        (statement(&|s| s["Sid"] = json!("x")), true),
        (
            statement(&|s| {
                s["Condition"]["StringEquals"]
                    .as_object_mut()
                    .expect("keys")
                    .remove(&aud);
            }),
            true,
        ),
        (
            statement(&|s| s["Condition"]["StringEquals"][&aud] = json!([])),
            false,
        ),
        (
            statement(&|s| s["Condition"]["StringEquals"][&aud] = json!("vault")),
            false,
        ),
        (
            statement(&|s| s["Condition"]["StringEquals"][format!("{ISSUER}:sub")] = json!([])),
            false,
        ),
        (
            statement(&|s| s["Condition"]["Null"] = json!({ format!("{ISSUER}:sub"): "true" })),
            false,
        ),
        (
            statement(&|s| {
                s["Condition"]["StringNotEquals"] =
                    json!({ format!("{ISSUER}:sub"): "system:serviceaccount:bar:a" })
            }),
            false,
        ),
        (
            statement(&|s| {
                s["Condition"]["DateLessThan"] =
                    json!({ "aws:CurrentTime": "2001-01-01T00:00:00Z" })
            }),
            false,
        ),
        (
            statement(&|s| s["Condition"]["StringEquals"]["aws:SourceVpc"] = json!("vpc-1")),
            false,
        ),
        (deny, false),
    ] {
        world.edit(|state| {
            let role = role(state, 0);
            role["trustPolicy"] = document.clone();
            role["tags"] = json!([]);
        });
        let run = world.run(&["adopt", "k8s-sa_bar_a"]);
        let code = &run.json()["clusters"][0]["changes"][0]["reasonCode"];
        let expected = if proves { "proven" } else { "unproven" };
        assert_eq!(code, expected, "{document}");
        run.ends(if proves { 0 } else { 7 });
    }
}

#[test]
fn s25_a_statement_for_pod_identity_is_kept_and_told() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    add(&world, 0, &pods());
    for arguments in [
        &["plan"][..],
        &["plan", "--mode", "sync"],
        &["plan", "--full"],
    ] {
        let run = world.run(&[arguments, &["--exit-code"]].concat()).ends(0);
        assert_eq!(run.changes(), Vec::<String>::new());
        assert_eq!(run.codes(), ["pod-identity"], "{arguments:?}");
    }
    let roles = world.run(&["roles"]).ends(0).json();
    assert_eq!(roles["clusters"][0]["roles"][0]["podIdentity"], true);
    assert!(
        world
            .run(&["explain", "bar/a"])
            .stdout
            .contains("Pod Identity")
    );
    // What is wrong beside it is put right, and the statement stays.
    let open = json!({ "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole" });
    add(&world, 0, &open);
    let run = world.run(&["apply"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a update done"]);
    let statements = world.role("a")["trustPolicy"]["Statement"].clone();
    let statements = statements.as_array().expect("statements").clone();
    assert!(
        statements.contains(&pods()) && statements.len() == 2,
        "{statements:?}"
    );
    assert_eq!(world.run(&["plan"]).ends(0).changes(), Vec::<String>::new());
    // Quarantine ends it, and a restore brings back what is declared.
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.sync(&[]).ends(0);
    assert!(
        !world.role("a")["trustPolicy"]
            .to_string()
            .contains("pods.eks")
    );
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    world.sync(&[]).ends(0);
    assert!(
        !world.role("a")["trustPolicy"]
            .to_string()
            .contains("pods.eks")
    );
}

#[test]
fn s25_pod_identity_is_refused_where_that_is_set() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    add(&world, 0, &pods());
    let run = world.run(&["apply", "--pod-identity", "refuse"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a update done"]);
    assert_eq!(run.codes(), ["pod-identity"]);
    assert!(
        !world.role("a")["trustPolicy"]
            .to_string()
            .contains("pods.eks")
    );
    world.run(&["plan", "--pod-identity", "drop"]).ends(2);
    let config = world.directory.path().join("c.yaml");
    let text = format!("- name: prod\n  oidcProvider: {ISSUER}\n  podIdentity: refuse\n");
    std::fs::write(&config, text).expect("a file");
    add(&world, 0, &pods());
    let config = config.to_str().expect("UTF-8");
    let run = world.run(&["plan", "--config", config]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a update"]);
    // Its length counts against the quota.
    world.edit(|state| {
        let length = role(state, 0)["trustPolicy"].to_string().len();
        state["quotas"] = json!({ "trustPolicySize": length - 20 });
    });
    add(
        &world,
        0,
        &json!({ "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole" }),
    );
    world.run(&["plan"]).ends(5);
}

#[test]
fn s26_many_roles_that_lose_a_statement_are_counted() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let world = World::new(&names);
    let two = format!("{ISSUER},{OTHER}");
    world.edit(|state| {
        let other = json!({ "issuer": OTHER, "audiences": ["sts.amazonaws.com"] });
        state["oidcProviders"]
            .as_array_mut()
            .expect("providers")
            .push(other);
    });
    world.run(&["apply", "--oidc-provider", &two]).ends(0);
    let before = state(&world.iam());
    let run = world.run(&["apply"]).ends(5);
    assert!(message(&run).contains(OTHER), "{}", message(&run));
    // Nor behind another change.
    world.run(&["apply", "--audience", "none"]).ends(5);
    assert_eq!(state(&world.iam()), before);
    let run = world
        .run(&["apply", "--allow-issuer-change", OTHER])
        .ends(0);
    assert_eq!(run.changes().len(), 7);
    for index in 0..7 {
        add(&world, index, &pods());
    }
    let refuse = ["apply", "--pod-identity", "refuse"];
    let run = world.run(&refuse).ends(5);
    assert!(message(&run).contains("7 of 7 roles"), "{}", message(&run));
    world
        .run(&[&refuse[..], &["--allow-removals", "6"]].concat())
        .ends(5);
    world
        .run(&[&refuse[..], &["--allow-removals", "7"]].concat())
        .ends(0);
    // One role that was edited by hand is put right.
    let edit =
        json!({ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole" });
    add(&world, 0, &edit);
    world.run(&["apply"]).ends(0);
}

#[test]
fn s26_an_edit_of_the_only_role_is_put_right() {
    let world = World::new(&["a"]);
    world.run(&["apply"]).ends(0);
    let statement = world.role("a")["trustPolicy"]["Statement"][0].to_string();
    let other = statement.replace(ISSUER, OTHER);
    add(&world, 0, &serde_json::from_str(&other).expect("JSON"));
    let run = world.run(&["apply"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a update done"]);
    assert_eq!(run.codes(), ["security-drift"]);
}

#[test]
fn c93_a_record_that_somebody_opened_is_told_like_a_role() {
    let world = World::new(&["a"]);
    world.run(&["apply"]).ends(0);
    let record = "k8s-sa_=prod";
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        let opened = roles.iter_mut().find(|role| role["name"] == record);
        opened.expect("a record")["trustPolicy"]["Statement"][0] = json!({
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"AWS": "arn:aws:iam::999999999999:root"},
        });
    });
    for verb in [&["plan"][..], &["plan", "--mode", "sync"], &["apply"]] {
        let run = world.run(verb).ends(7);
        assert_eq!(run.codes(), ["security-drift"], "{}", run.stdout);
        let found = &run.json()["clusters"][0]["diagnostics"][0];
        let said = format!("{} {}", found["message"], found["hint"]);
        for wanted in ["999999999999", record, "update-assume-role-policy"] {
            assert!(said.contains(wanted), "{said}");
        }
    }
}
