//! One report through every format.

use super::*;
use crate::apply::{Cause, Failure};
use crate::diagnostic::Code;
use crate::model::location::{Location, RepoPath};
use crate::model::role::RoleLabel;
use crate::model::service_account::ServiceAccountRef;
use crate::plan::Reason;
use crate::report::context::Context;
use crate::report::human::Medium;

mod every_action;

type Render = fn(&Report, &mut dyn std::io::Write) -> std::io::Result<()>;

const FORMATS: [(&str, Render); 6] = [
    ("human", |report, out| {
        human::render(report, Medium::Plain, out)
    }),
    ("json", |report, out| {
        json::render(report, &Context::default(), out)
    }),
    ("markdown", |report, out| {
        markdown::render(report, &Context::default(), out)
    }),
    ("github", |report, out| github::render(report, out)),
    ("sarif", |report, out| {
        sarif::render(report, &Context::default(), out)
    }),
    ("gitlab", |report, out| gitlab::render(report, out)),
];

fn report(text: &str, path: &str) -> Report {
    let location = Location {
        path: RepoPath::from(path),
        line: 3,
        column: 5,
    };
    let change = Change {
        role: RoleLabel::new("k8s-sa_bar_foo"),
        service_account: ServiceAccountRef::parse("bar/foo").expect("valid"),
        location: Some(location.clone()),
        action: Action::Held,
        reason: Reason::Invalid(text.to_owned()),
    };
    let failure = Failure {
        cause: Cause::Other,
        message: text.to_owned(),
        hint: Some(text.to_owned()),
    };
    Report {
        command: Command::Plan,
        repository: Some(text.to_owned()),
        commit: None,
        exit: Exit::Incomplete,
        clusters: vec![Section {
            record: None,
            ignored: Some(2),
            checked: None,
            entries: vec![Entry {
                change,
                origin: None,
                outcome: Some(Outcome::Failed(failure)),
            }],
            diagnostics: vec![
                Diagnostic::error(Code::InvalidYaml, text)
                    .at(location)
                    .with_hint(text),
            ],
            ..Section::default()
        }],
        error: None,
        listing: Listing::Changes,
    }
}

fn rendered(render: Render, report: &Report) -> String {
    let mut out = Vec::new();
    render(report, &mut out).expect("a Vec takes all bytes");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn every_format_tells_the_same_facts() {
    for (format, render) in FORMATS {
        let text = rendered(render, &report("something odd", "apps/foo.yaml"));
        for fact in [
            "k8s-sa_bar_foo",
            "something odd",
            "apps/foo.yaml",
            "invalid-yaml",
            "held",
        ] {
            assert!(text.contains(fact), "{format} lacks {fact}: {text}");
        }
    }
}

#[test]
fn s1_s2_s3_s7_nothing_hostile_acts_in_any_format() {
    let hostile = "\u{1b}[2J\u{202e}a\r\n::error::x ##[error]y ##vso[task]";
    for (format, render) in FORMATS {
        let text = rendered(
            render,
            &report(hostile, "a\u{1b}]8;;x\u{7}b\n::add-mask::a.yaml"),
        );
        let raw = |c: char| c != '\n' && sanitize::is_unsafe(c);
        assert!(!text.contains(raw), "{format}: {text:?}");
        for mark in sanitize::COMMAND_MARKS {
            assert!(!text.contains(mark), "{format}: {text}");
        }
        for line in text
            .lines()
            .filter(|line| line.trim_start().starts_with("::"))
        {
            let own = ["::error ", "::warning ", "::notice "]
                .iter()
                .any(|command| line.starts_with(command));
            assert!(format == "github" && own, "{format}: {line}");
        }
    }
}

#[test]
fn s4_markdown_keeps_everything_in_code() {
    let hostile = "](javascript:x) <img onerror=x> @org/team #1 ``` | end";
    let text = rendered(FORMATS[2].1, &report(hostile, "a|b.yaml"));
    assert!(
        text.contains("````](javascript:x) <img onerror=x> @org/team #1 ``` | end````"),
        "{text}"
    );
    assert!(text.contains("`a\\|b.yaml:3`"), "{text}");
    let long = rendered(FORMATS[2].1, &report(&"x".repeat(70_000), "a.yaml"));
    assert!(
        long.chars().count() < 60_000 && long.contains("xxx…`"),
        "{}",
        long.len()
    );
}

#[test]
fn markdown_is_silent_when_nothing_changes() {
    let mut quiet = report("x", "a.yaml");
    quiet.clusters.clear();
    assert_eq!(rendered(FORMATS[2].1, &quiet), "");
}

#[test]
fn github_shows_ten_of_a_kind_and_says_how_many_more() {
    let mut many = report("x, y: 100%", "a.yaml");
    let diagnostic = many.clusters[0].diagnostics[0].clone();
    many.clusters[0].diagnostics = vec![diagnostic; 30];
    let text = rendered(FORMATS[3].1, &many);
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("::error "))
            .count(),
        10
    );
    assert!(
        text.contains("and 22 more") && text.contains("::x, y: 100%25"),
        "{text}"
    );
}

#[test]
fn s6_paths_that_leave_the_repository_are_dropped_and_others_encoded() {
    for path in ["../../x", "/etc/passwd", "a/../../b"] {
        for (format, render) in &FORMATS[3..] {
            let text = rendered(*render, &report("x", path));
            assert!(!text.contains(path), "{format}: {text}");
        }
    }
    for (path, uri) in [
        (b"a b/\xff.yaml".as_slice(), "a%20b/%FF.yaml"),
        (b"file:///x", "file%3A/x"),
    ] {
        let mut odd = report("x", "a.yaml");
        odd.clusters[0].entries[0].change.location = Some(Location {
            path: RepoPath::new(path),
            line: 1,
            column: 1,
        });
        let text = rendered(FORMATS[4].1, &odd);
        assert!(text.contains(&format!("\"{uri}\"")), "{text}");
    }
}

/// The fingerprints of a format's findings.
fn fingerprints(format: usize, report: &Report) -> Vec<String> {
    let document: serde_json::Value =
        serde_json::from_str(&rendered(FORMATS[format].1, report)).expect("JSON");
    let of = |found: &serde_json::Value| {
        let hash = [
            &found["partialFingerprints"]["irsaGitops/v1"],
            &found["fingerprint"],
        ];
        let hash = hash.into_iter().find_map(|hash| hash.as_str());
        hash.expect("a fingerprint").to_owned()
    };
    let results = document["runs"][0]["results"].as_array();
    let found = results.or(document.as_array()).expect("findings");
    found.iter().map(of).collect()
}

#[test]
fn findings_have_fingerprints_of_their_own_that_stay_when_lines_move() {
    for format in [4, 5] {
        let mut all = report("x", "a.yaml");
        // Two findings of one kind, at two lines that say the same, in two clusters.
        let diagnostic = all.clusters[0].diagnostics[0].clone();
        all.clusters[0].diagnostics.push(diagnostic);
        let mut green = all.clusters[0].clone();
        green.cluster = ClusterName::new("green").ok();
        all.clusters.push(green);
        let before = fingerprints(format, &all);
        let distinct: std::collections::BTreeSet<_> = before.iter().collect();
        assert_eq!(distinct.len(), 6, "{before:?}");
        for diagnostic in all.clusters.iter_mut().flat_map(|c| &mut c.diagnostics) {
            diagnostic.location.as_mut().expect("a place").line += 7;
        }
        assert_eq!(fingerprints(format, &all), before);
        // Another line of source is another finding, wherever it stands.
        all.clusters[0].diagnostics[1].source_line = Some("  other: line".to_owned());
        let after = fingerprints(format, &all);
        assert_eq!(after[0], before[0]);
        assert_ne!(after[1], before[1]);
    }
}

#[test]
fn a_run_that_was_stopped_looks_clean_in_no_format() {
    let mut stopped = report("x", "a.yaml");
    stopped.clusters.clear();
    stopped.error = Some(Stopped {
        message: "12 roles would go".to_owned(),
        hint: Some("--allow-removals 12".to_owned()),
    });
    for (format, render) in FORMATS {
        let text = rendered(render, &stopped);
        for fact in ["12 roles would go", "--allow-removals 12"] {
            assert!(text.contains(fact), "{format} lacks {fact}: {text}");
        }
        assert!(!text.contains("no role changes"), "{format}: {text}");
        assert!(!text.contains("nothing to do"), "{format}: {text}");
    }
    let sarif: serde_json::Value =
        serde_json::from_str(&rendered(FORMATS[4].1, &stopped)).expect("JSON");
    let run = &sarif["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let notification = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(notification["level"], "error");
    assert_eq!(run["results"][0]["ruleId"], "run-stopped");
}

#[test]
fn markdown_keeps_errors_and_held_roles_and_counts_what_it_leaves_out() {
    let mut big = report("held because", "a.yaml");
    let mut quiet = big.clusters[0].entries[0].clone();
    quiet.change.action = Action::Orphan;
    quiet.change.reason = Reason::Invalid("y".repeat(5_000));
    quiet.outcome = None;
    let mut entries = vec![quiet; 300];
    entries.append(&mut big.clusters[0].entries);
    big.clusters[0].entries = entries;
    let note = Diagnostic::new(Code::Misspelled, Severity::Note, "z".repeat(400));
    big.clusters[0].diagnostics.splice(0..0, vec![note; 50]);
    let text = rendered(FORMATS[2].1, &big);
    assert!(text.chars().count() <= 60_000, "{}", text.chars().count());
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| orphan |"))
        .count();
    let rest = format!("… and {} roles more that do", 300 - rows);
    assert!(rows > 50 && text.contains(&rest), "{rows}: {rest}");
    assert!(
        text.contains("300 roles no longer declared, 1 held, 1 error; `bar/foo`: held until"),
        "{}",
        &text[..200]
    );
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}"));
    assert!(at("**error**") < at("| held: failed |"));
    assert!(at("| held: failed |") < at("| orphan |"));
    assert!(!text.contains(&"y".repeat(501)) && text.contains(&"y".repeat(500)));
}

#[test]
fn a_piece_that_does_not_fit_does_not_hide_the_next_one() {
    let mut big = report("x", "a.yaml");
    big.clusters[0].diagnostics = (0..200)
        .map(|n| Diagnostic::error(Code::InvalidYaml, format!("{n:03}{}", "e".repeat(450))))
        .collect();
    let small = Diagnostic::error(Code::InvalidYaml, "small");
    big.clusters[0].diagnostics.push(small);
    big.clusters[0].entries.clear();
    let text = rendered(FORMATS[2].1, &big);
    assert!(text.contains("`small`"));
    assert!(text.contains(&format!(
        "… and {} findings more",
        201 - text.matches("**error**").count()
    )));
}

#[test]
fn markdown_says_nothing_of_what_only_waits_on_the_base() {
    let mut waiting = report("x", "a.yaml");
    let entry = &mut waiting.clusters[0].entries[0];
    entry.change.action = Action::Orphan;
    entry.outcome = None;
    entry.origin = Some(Origin::PendingOnBase);
    let diagnostics = std::mem::take(&mut waiting.clusters[0].diagnostics);
    assert_eq!(rendered(FORMATS[2].1, &waiting), "");
    waiting.clusters[0].diagnostics = diagnostics;
    let text = rendered(FORMATS[2].1, &waiting);
    assert!(
        text.contains("1 orphan that this change does not cause") && !text.contains("| orphan"),
        "{text}"
    );
    waiting.clusters[0].entries[0].origin = Some(Origin::ThisChange);
    assert!(rendered(FORMATS[2].1, &waiting).contains("| orphan"));
}
