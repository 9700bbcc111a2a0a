//! The pipelines to copy: what users would trip over, without the linters of ci/recipes.sh.

use std::path::{Path, PathBuf};

use serde_yaml::Value;

/// Every recipe with its text and its documents.
fn recipes() -> Vec<(PathBuf, String, Vec<Value>)> {
    fn below(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => below(&path, found),
                false => found.push(path),
            }
        }
    }
    let mut files = Vec::new();
    below(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/recipes"),
        &mut files,
    );
    files.sort();
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).expect("a recipe");
        let is_yaml = file
            .extension()
            .is_some_and(|ext| ext == "yml" || ext == "yaml");
        let documents = match is_yaml {
            true => serde_yaml::Deserializer::from_str(&text)
                .map(|document| serde::Deserialize::deserialize(document).expect("YAML"))
                .collect(),
            false => vec![],
        };
        (file, text, documents)
    };
    files.into_iter().map(read).collect()
}

/// Every mapping of a document, at any depth.
fn mappings(value: &Value) -> Vec<&Value> {
    let below: Vec<&Value> = match value {
        Value::Mapping(fields) => fields.values().collect(),
        Value::Sequence(values) => values.iter().collect(),
        _ => vec![],
    };
    let own = value.is_mapping().then_some(value);
    own.into_iter()
        .chain(below.into_iter().flat_map(mappings))
        .collect()
}

fn recipe(name: &str) -> (String, Value) {
    let found = recipes()
        .into_iter()
        .find(|(file, ..)| file.ends_with(name));
    let (_, text, documents) = found.unwrap_or_else(|| panic!("no {name}"));
    (text, documents.into_iter().next().expect("a document"))
}

/// The steps that use the program's action, by its command.
fn runs(document: &Value, command: &str) -> Vec<Value> {
    let uses = |step: &&Value| {
        let action = step["uses"].as_str().unwrap_or_default();
        action.contains("irsa-gitops/ci/recipes") && step["with"]["command"] == command
    };
    mappings(document)
        .into_iter()
        .filter(uses)
        .cloned()
        .collect()
}

fn accepted(step: &Value) -> Vec<&str> {
    let codes = step["with"]["accept"].as_str().unwrap_or("0");
    codes.split(' ').collect()
}

#[test]
fn p30_everything_is_pinned() {
    let is_hex =
        |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut pinned = 0;
    for (file, text, documents) in recipes() {
        let file = file.display();
        for mapping in documents.iter().flat_map(mappings) {
            if let Some(action) = mapping["uses"].as_str() {
                let (_, commit) = action.split_once('@').expect("a commit");
                assert!(is_hex(commit, 40), "{file}: {action}");
                pinned += 1;
            }
            if let Some(image) = mapping["image"].as_str() {
                let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
                assert!(digest.is_some_and(|d| is_hex(d, 64)), "{file}: {image}");
                pinned += 1;
            }
        }
        for image in text.lines().filter_map(|line| line.strip_prefix("FROM ")) {
            let image = image.split(' ').next().unwrap_or_default();
            assert!(image.contains("@sha256:"), "{file}: {image}");
            pinned += 1;
        }
    }
    assert!(pinned > 20, "{pinned}");
}

#[test]
fn p31_superseded_is_no_failure_and_drift_is_told_whatever_was_in_the_way() {
    let mut applies = 0;
    for (file, _, documents) in recipes() {
        let file = file.display();
        for step in documents
            .iter()
            .flat_map(|document| runs(document, "apply"))
        {
            assert!(accepted(&step).contains(&"9"), "{file}");
            applies += 1;
        }
    }
    assert_eq!(applies, 3);
    let (_, gitlab) = recipe("irsa-gitops.gitlab-ci.yml");
    assert_eq!(
        gitlab["irsa-gitops-apply"]["allow_failure"]["exit_codes"],
        9
    );
    let (_, drift) = recipe("drift.yml");
    let plan = &runs(&drift, "plan")[0];
    for code in ["3", "5", "6", "7"] {
        assert!(accepted(plan).contains(&code), "{code}");
    }
    let issue = mappings(&drift).into_iter().find(|step| {
        step["run"]
            .as_str()
            .is_some_and(|script| script.contains("gh issue create"))
    });
    let issue = issue.expect("a step that opens the issue");
    // Also where the program did not even start.
    assert!(
        issue["if"]
            .as_str()
            .is_some_and(|when| when.contains("!cancelled()"))
    );
}

#[test]
fn p32_merge_queues_approvals_and_fleets_have_recipes() {
    let (_, queue) = recipe("pull-request.yml");
    assert!(!queue["on"]["merge_group"].is_null());
    let plan = &runs(&queue, "plan")[0];
    let arguments = plan["with"]["arguments"].as_str().expect("arguments");
    assert!(
        arguments.contains("github.event.merge_group.base_sha"),
        "{arguments}"
    );
    let (_, approve) = recipe("approve.yml");
    let apply = &approve["jobs"]["apply"];
    assert_eq!(apply["environment"], "irsa-gitops");
    // Nobody is asked to approve nothing, as where roles are only held.
    assert_eq!(apply["if"], "needs.plan.outputs.changes != '0'");
    let arguments = |step: &Value| {
        step["with"]["arguments"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert!(arguments(&runs(&approve, "plan")[0]).contains("--out="));
    let applied = arguments(&runs(apply, "apply")[0]);
    assert!(applied.contains("--plan=") && applied.contains("--require-reachable-from=main"));
    // A configuration in the checkout of a pull request is its author's.
    let (text, fleet) = recipe("fleet.yml");
    assert!(text.contains("a configuration in the checkout is the author's"));
    let planned = arguments(&runs(&fleet, "plan")[0]);
    assert!(
        planned.contains("--config=${{ runner.temp }}/"),
        "{planned}"
    );
    assert!(text.contains("git show HEAD^1:irsa-gitops.yaml"));
}

#[test]
fn p33_comments_and_notes_are_found_by_the_marker_of_the_report() {
    let mut comments = 0;
    for (file, text, _) in recipes() {
        assert!(!text.contains("<!-- irsa-gitops"), "{}", file.display());
        comments += usize::from(
            text.contains("startswith(marker)") || text.contains("startswith($marker)"),
        );
    }
    // The comment of GitHub and the note of GitLab.
    assert_eq!(comments, 2);
}

/// A guard that refused is let pass by hand, and nowhere does a flag stay set.
#[test]
fn p45_every_flag_of_a_guard_can_be_given_once() {
    let flags = [
        "allow-removals",
        "allow-empty",
        "allow-issuer-change",
        "accept-history-rewrite",
    ];
    let (text, apply) = recipe("apply.yml");
    let inputs = &apply["on"]["workflow_dispatch"]["inputs"];
    let (gitlab, _) = recipe("irsa-gitops.gitlab-ci.yml");
    for flag in flags {
        assert!(inputs[flag]["description"].is_string(), "{flag}");
        assert!(text.contains(&format!("'--{flag}")), "{flag}");
        let variable = flag.replace('-', "_").to_uppercase();
        assert!(gitlab.contains(&format!("${{{variable}:+")), "{flag}");
    }
}

/// What is wrong with a manifest does not keep a reviewer from the plan.
#[test]
fn p46_a_plan_is_there_whatever_lint_says() {
    let (_, gitlab) = recipe("irsa-gitops.gitlab-ci.yml");
    let script = gitlab["irsa-gitops-plan"]["script"]
        .as_sequence()
        .expect("a script");
    let at = |what: &str| {
        let found = script
            .iter()
            .position(|line| line.as_str().is_some_and(|l| l.starts_with(what)));
        found.unwrap_or_else(|| panic!("no {what}"))
    };
    assert!(at("irsa-gitops plan") < at("irsa-gitops lint"));
    assert!(at("irsa-gitops lint") < at("(exit \"$code\")"));
    let (_, fleet) = recipe("fleet.yml");
    assert_eq!(runs(&fleet, "lint").len(), 1);
}
