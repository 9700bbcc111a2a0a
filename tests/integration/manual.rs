//! Help and manual: what is in them, and that what they show can be used as it stands.

use std::process::Command;

use crate::support::cli::Cli;

fn print(arguments: &[&str]) -> String {
    let cli = Cli::new(&std::env::temp_dir(), arguments);
    cli.env("COLUMNS", "80").run().ends(0).stdout
}

const VERBS: [&str; 9] = [
    "lint",
    "diff",
    "plan",
    "apply",
    "adopt",
    "retire",
    "roles",
    "explain",
    "iam-policy",
];

#[test]
fn p34_the_manual_has_environment_exit_status_files_and_a_date() {
    let page = print(&["man"]).replace("\\-", "-");
    let title = page
        .lines()
        .find(|line| line.starts_with(".TH "))
        .expect("a title");
    let date = title
        .split(' ')
        .find(|word| word.trim_matches('"').split('-').count() == 3);
    let date = date.unwrap_or_default().trim_matches('"');
    assert!(date.parse::<jiff::civil::Date>().is_ok(), "{title}");
    for section in ["ENVIRONMENT", "FILES", "\"EXIT STATUS\"", "EXAMPLES"] {
        assert!(page.contains(&format!("\n.SH {section}\n")), "{section}");
    }
    assert!(!page.contains(" EXTRA\n"));
    // No page is referred to that is not there.
    assert!(!page.contains("(1)"), "{page}");
    let environment = page.split(".SH ENVIRONMENT\n").nth(1).expect("a section");
    let environment = environment.split("\n.SH ").next().unwrap_or_default();
    let reference = include_str!("../../docs/reference.md");
    let variables = reference
        .split("## Environment variables")
        .nth(1)
        .expect("a section");
    let variables = variables.split("\n## ").next().unwrap_or_default();
    let names = variables
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let mut count = 0;
    for name in names.filter_map(|line| line.split('`').next()) {
        assert!(environment.contains(name), "{name}");
        count += 1;
    }
    assert!(count > 30, "{count}");
    for file in ["known_hosts", ".aws/config", "--config", "--sandbox"] {
        let files = page.split(".SH FILES\n").nth(1).expect("a section");
        let files = files.split("\n.SH ").next().unwrap_or_default();
        assert!(files.contains(file), "{file}: {files}");
    }
}

#[test]
fn p34_the_manual_is_one_that_man_can_show() {
    let program = Command::new("groff").arg("--version").output();
    if program.is_err() {
        return crate::support::cli::not_run("the manual in man, because there is no groff");
    }
    let directory = tempfile::TempDir::new().expect("a directory");
    let file = directory.path().join("irsa-gitops.1");
    std::fs::write(&file, print(&["man"])).expect("written");
    let shown = Command::new("groff")
        .args(["-man", "-Tutf8", "-ww", "-rLL=100n"])
        .arg(&file)
        .output()
        .expect("groff can be run");
    // Bold is a letter over itself, and underlined one over a line.
    let text = String::from_utf8_lossy(&shown.stdout);
    let mut text: Vec<char> = text.chars().collect();
    while let Some(at) = text.iter().position(|c| *c == '\u{8}') {
        text.drain(at.saturating_sub(1)..=at);
    }
    let text: String = text.into_iter().collect();
    assert!(
        text.contains("IRSA_GITOPS_CLUSTER_NAME") && text.contains("EXIT STATUS"),
        "{text}"
    );
}

#[test]
fn p35_examples_can_be_copied() {
    let mut examples = 0;
    for verb in VERBS {
        let help = print(&[verb, "--help"]);
        let (_, below) = help.split_once("Examples:\n").expect("examples");
        let (shown, _) = below.split_once("\n\n").expect("an end");
        for line in shown.lines() {
            let line = line.trim();
            assert!(
                line.starts_with("irsa-gitops ") || line.starts_with("export IRSA_GITOPS_"),
                "{verb}: {line}"
            );
            assert!(
                !line.contains(" ...") && !line.contains("ISSUER\n"),
                "{verb}: {line}"
            );
            if let Some(arguments) = line.strip_prefix("irsa-gitops ") {
                let arguments = arguments.split(" > ").next().unwrap_or_default();
                let words: Vec<&str> = arguments.split(' ').chain(["--help"]).collect();
                Cli::new(&std::env::temp_dir(), &words).run().ends(0);
                let placeholder = |word: &&str| {
                    word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
                };
                assert!(!words.iter().any(placeholder), "{verb}: {line}");
                examples += 1;
            }
        }
    }
    assert!(examples > 20, "{examples}");
    // The manual breaks no line of them.
    let page = print(&["man"]);
    let sections = page.split(" EXAMPLES\n").skip(1);
    let is_kept = |text: &&str| {
        let (shown, _) = text.split_once("EXIT STATUS").unwrap_or_default();
        shown.starts_with(".nf\n") && shown.contains("\n.fi\n")
    };
    assert!(sections.clone().count() > 8, "{page}");
    assert_eq!(sections.filter(|text| !is_kept(text)).count(), 0, "{page}");
}

#[test]
fn p36_the_policy_of_a_job_shows_no_flag_that_changes_nothing() {
    let policy = |arguments: &[&str]| {
        let all = [
            &["iam-policy", "--for", "apply", "--account", "123456789012"],
            arguments,
        ]
        .concat();
        print(&all)
    };
    let plain = policy(&[]);
    let help = print(&["iam-policy", "--help"]);
    let values = [
        ("--audience", "other"),
        ("--tag", "team=apps"),
        ("--pod-identity", "refuse"),
        ("--managed-annotation", "example.com/managed"),
        ("--annotation-prefix", "example.com"),
        ("--namespace-from", "{namespace}/**"),
        ("--exclude", "charts/**"),
        ("--long-names", "digest"),
        ("--substitute", "KEY=VALUE"),
        ("--sandbox", "iam.json"),
        ("--role-prefix", "other"),
        ("--role-path", "/other/"),
        ("--managed-by", "other"),
        ("--region", "cn-north-1"),
        ("--max-session-duration", "7200"),
        ("--mode", "sync"),
    ];
    for (flag, value) in values {
        let changes = policy(&[flag, value]) != plain;
        let is_shown = help
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{flag} ")));
        assert_eq!(changes, is_shown, "{flag}");
    }
    // A job that sets the variables of its neighbours is not refused.
    let cli = Cli::new(
        &std::env::temp_dir(),
        &["iam-policy", "--for", "plan", "--account", "123456789012"],
    );
    cli.env("IRSA_GITOPS_AUDIENCE", "other").run().ends(0);
}

/// No variable is read in silence: what the code reads beside flags is told of.
#[test]
fn p34_every_variable_that_is_read_is_told_of() {
    let sources = [
        include_str!("../../src/environment.rs"),
        include_str!("../../src/environment/git.rs"),
        include_str!("../../src/environment/pipeline.rs"),
        include_str!("../../src/terminal/console.rs"),
    ];
    let reference = include_str!("../../docs/reference.md");
    let mut names = 0;
    for read in sources
        .iter()
        .flat_map(|text| text.split('"').skip(1).step_by(2))
    {
        let is_name = read.len() > 1 && read.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        if is_name {
            // A proxy may be named in either case.
            let is_told = |name: &str| reference.contains(&format!("`{name}`"));
            assert!(is_told(read) || is_told(&read.to_lowercase()), "{read}");
            names += 1;
        }
    }
    assert!(names > 20, "{names}");
}
