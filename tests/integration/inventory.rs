//! The inventory as people read it: in a terminal, in a pipe, in a browser.

use serde_json::{Value, json};

use crate::support::cli::{Cli, Run, role, state};
use crate::support::iam_server::IamServer;
use crate::support::repository::service_account;
use crate::support::world::World;

/// One role that was used, one that never was and whose name is long, one in quarantine.
fn world() -> World {
    let long = "checkout-service-for-customers";
    let world = World::with(&[
        ("apps/a.yaml", &service_account("bar", "a")),
        ("apps/b.yaml", &service_account("bar", "b")),
        (
            "apps/long.yaml",
            &service_account("payments-production", long),
        ),
    ]);
    let origin = "git@github.com:acme/apps.git";
    world.repository.git(&["remote", "add", "origin", origin]);
    world.run(&["apply"]).ends(0);
    world.repository.remove("apps/b.yaml");
    world.repository.commit("Remove b");
    world.sync(&[]).ends(0);
    world.edit(|state| {
        role(state, 0)["lastUsed"] = "2026-01-02T03:04:05Z".into();
        role(state, 0)["attachedPolicies"] =
            json!(["arn:aws:iam::123456789012:policy/teams/payments/PaymentsReadOnlyAccess"]);
    });
    world
}

fn roles(world: &World, format: &str) -> Run {
    world.print(&["roles", "--format", format]).ends(0)
}

#[test]
fn i75_each_role_is_one_line_of_the_terminal() {
    let world = world();
    for (width, facts) in [
        (
            "80",
            &["SERVICEACCOUNT", "bar/a", "never", "quarantined until 20"][..],
        ),
        ("120", &["bar/b", "LAST USED", "ATTACHED"]),
        ("200", &["k8s-sa_bar_a", "COMMIT", "BY"]),
    ] {
        let cli = world.cli(&["roles", "--color", "always"]);
        let text = cli.env("COLUMNS", width).run().ends(0).stdout;
        let plain = strip(&text);
        assert_ne!(text, plain, "colours");
        let lines: Vec<&str> = plain.lines().collect();
        // The count, what was applied last, the header, and the roles.
        assert_eq!(lines.len(), 6, "{width}: {plain}");
        let table = &lines[2..];
        let most: usize = width.parse().expect("a number");
        assert!(
            table.iter().all(|line| line.chars().count() <= most),
            "{width}: {plain}"
        );
        for fact in facts {
            assert!(
                table.iter().any(|line| line.contains(fact)),
                "{width} {fact}: {plain}"
            );
        }
    }
}

/// A text without its colours.
fn strip(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        plain + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

#[test]
fn i75_a_pipe_gets_a_header_and_every_field() {
    let world = world();
    let text = roles(&world, "human").stdout;
    let header = "ServiceAccount\trole\tstate\tcreated\tcommit\tlast used\tattached\tsource";
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], header);
    assert!(
        lines[2..].iter().all(|line| line.split('\t').count() == 8),
        "{text}"
    );
}

#[test]
fn i76_by_whom_a_role_is_quarantined_and_whether_it_was_ever_used() {
    let world = world();
    let head = world.repository.head();
    let listed = roles(&world, "json").json();
    assert!(
        listed["time"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z')),
        "{listed}"
    );
    let all = listed["clusters"][0]["roles"]
        .as_array()
        .cloned()
        .expect("roles");
    assert_eq!(all[1]["quarantinedBy"], head);
    assert_eq!(all[0]["quarantinedBy"], Value::Null);
    let used: Vec<(bool, bool)> = all
        .iter()
        .map(|role| (role["lastUsed"].is_string(), role["neverUsed"] == true))
        .collect();
    assert_eq!(used, [(true, false), (false, true), (false, true)]);
    let text = roles(&world, "human").stdout;
    assert!(text.contains(&format!(" by {}\t", &head[..12])), "{text}");
    assert!(
        text.contains("\tnever\t") && text.contains("\t2026-01-02\t"),
        "{text}"
    );
}

#[test]
fn i87_what_iam_does_not_say_is_unknown_and_not_never_in_every_verb() {
    let world = world();
    let name = "k8s-sa_payments-production_checkout-service-for-customers";
    world.repository.remove("apps/long.yaml");
    world.repository.commit("Remove the long one");
    let says = |column: &str, words: &str, is_never: bool| {
        let state = serde_json::from_value(state(&world.iam())).expect("a state");
        let server = IamServer::start(state);
        let run = |arguments: &[&str]| {
            let cli = Cli::new(world.repository.path(), arguments);
            cli.endpoint(&server.url).run().ends(0)
        };
        let roles = run(&["roles", "--format", "json"]).json();
        let explained = run(&["explain", name, "--format", "json"]).json();
        for facts in [&roles["clusters"][0]["roles"][2], &explained["current"]] {
            assert_eq!(facts["lastUsed"], Value::Null, "{facts}");
            assert_eq!(facts["neverUsed"], is_never, "{facts}");
            let days = column.contains("400").then_some(400);
            assert_eq!(facts["notUsedInDays"].as_u64(), days, "{facts}");
        }
        let explained = run(&["explain", name]).stdout;
        let line = format!("last used          {column}\n");
        assert!(explained.contains(&line), "{explained}");
        for format in ["human", "markdown"] {
            let plan = run(&["plan", "--mode", "sync", "--format", format]).stdout;
            assert!(plan.contains(&format!("; {words}")), "{plan}");
        }
    };
    // The server says nothing of a role without a time, and that there is none of one with an empty time.
    says("unknown", "last use unknown", false);
    world.edit(|state| role(state, 2)["lastUsed"] = "".into());
    says("never", "never used", true);
    // IAM remembers 400 days, so of an older role nobody knows.
    world.edit(|state| role(state, 2)["createDate"] = "2020-01-02T03:04:05Z".into());
    says("not in 400 days", "not used in 400 days", false);
    world.edit(|state| role(state, 2)["lastUsed"] = Value::Null);
    let page = roles(&world, "html").stdout;
    let totals = "1 never used, 1 not used in 400 days";
    assert!(page.contains(totals), "{page}");
}

#[test]
fn i77_the_page_has_totals_its_time_links_and_whole_accounts() {
    let world = world();
    let head = world.repository.git(&["rev-parse", "HEAD~1"]);
    let page = roles(&world, "html").stdout;
    for fact in [
        "3 owned roles: 2 active, 1 quarantined, 2 never used, 2 with nothing attached",
        " UTC</p>",
        &*format!("<a href=\"https://github.com/acme/apps/commit/{head}\">"),
        &format!("<a href=\"https://github.com/acme/apps/blob/{head}/apps/a.yaml\">"),
        "arn:aws:iam::<span class=\"whole\">123456789012</span>:policy/",
        "<meta name=\"format-detection\" content=\"telephone=no\">",
        "<meta name=\"color-scheme\" content=\"light dark\">",
    ] {
        assert!(page.contains(fact), "{fact}: {page}");
    }
    // What was removed is not at the commit that quarantined its role.
    assert_eq!(page.matches("/blob/").count(), 2, "{page}");
    // In the dark every border is dark as well, on a phone too: each colour is one of those named once.
    let style = page
        .split("<style>")
        .nth(1)
        .and_then(|rest| rest.split("</style>").next());
    let style = style.expect("a style");
    let outside = style
        .lines()
        .filter(|line| !line.trim().starts_with(":root"));
    assert!(outside.clone().all(|line| !line.contains('#')), "{style}");
    assert_eq!(style.lines().count() - outside.count(), 2);
}

#[test]
fn i77_a_page_of_another_host_has_no_links() {
    let world = world();
    let origin = "https://git.example.com/acme/apps";
    world
        .repository
        .git(&["remote", "set-url", "origin", origin]);
    world
        .repository
        .write("apps/c.yaml", service_account("bar", "c"));
    world.repository.commit("c");
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles");
        for tag in roles
            .iter_mut()
            .flat_map(|role| role["tags"].as_array_mut().expect("tags"))
        {
            if tag["key"] == "role.k8s.aws/source" {
                tag["value"] = "https://git.example.com/acme/apps/apps/a.yaml".into();
            }
        }
    });
    assert!(!roles(&world, "html").stdout.contains("<a "));
}

#[test]
fn c19_what_only_has_the_name_of_the_record_tells_nothing() {
    let world = world();
    let record = || world.run(&["roles"]).ends(0).json()["clusters"][0]["record"].clone();
    assert_ne!(record(), Value::Null);
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles").iter_mut();
        for role in roles.filter(|role| role["name"] == "k8s-sa_=prod") {
            let tags = role["tags"].as_array_mut().expect("tags");
            tags.retain(|tag| tag["key"] != "role.k8s.aws/managed-by");
        }
    });
    assert_eq!(record(), Value::Null);
}
