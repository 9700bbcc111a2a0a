//! One report through every format.

use super::*;
use crate::apply::{Cause, Failure};
use crate::diagnostic::Code;
use crate::model::location::{Location, RepoPath};
use crate::model::role::RoleLabel;
use crate::model::service_account::ServiceAccountRef;
use crate::report::human::Medium;

type Render = fn(&Report, &mut dyn std::io::Write) -> std::io::Result<()>;

const FORMATS: [(&str, Render); 6] = [
    ("human", |report, out| {
        human::render(report, Medium::Plain, out)
    }),
    ("json", |report, out| json::render(report, out)),
    ("markdown", |report, out| markdown::render(report, out)),
    ("github", |report, out| github::render(report, out)),
    ("sarif", |report, out| sarif::render(report, out)),
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
        reason: text.to_owned(),
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
        long.chars().count() < 60_000 && long.contains("more that do not fit"),
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
fn s6_paths_that_leave_the_repository_are_dropped() {
    for path in ["../../x", "/etc/passwd", "a/../../b"] {
        assert_eq!(sarif::uri(&RepoPath::from(path)), None, "{path}");
    }
    let odd = RepoPath::new(b"a b/\xff.yaml".to_vec());
    assert_eq!(sarif::uri(&odd), Some("a%20b/%FF.yaml".to_owned()));
    assert_eq!(
        sarif::uri(&RepoPath::from("file:///x")),
        Some("file%3A///x".to_owned())
    );
}
