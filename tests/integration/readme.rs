//! The documents show what the program prints, and what they point at is there.
//!
//! An example begins with the mark `<!-- held true by tests/integration/readme.rs: SCENE -->`: a block
//! of commands with what they print, or, with a command in the mark, its output as a quotation.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::cli::Run;
use crate::support::scenes::Scene;

const MARK: &str = "<!-- held true by tests/integration/readme.rs: ";

/// README.md, CONTRIBUTING.md, CHANGELOG.md and what is in docs, from the root of the repository.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let in_docs = std::fs::read_dir(root.join("docs")).expect("the documents");
    let in_docs = in_docs.map(|entry| entry.expect("a document").path());
    let top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name));
    let mut files: Vec<PathBuf> = in_docs
        .filter(|file| is_markdown(file))
        .chain(top)
        .collect();
    files.sort();
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file);
        (file, text.expect("a document"))
    };
    files.into_iter().map(read).collect()
}

fn is_markdown(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "md")
}

/// A document with its examples as the program prints them now, and how many it has.
fn with_what_is_printed(text: &str) -> (String, usize) {
    let mut parts = text.split(MARK);
    let mut page = parts.next().unwrap_or_default().to_owned();
    let mut count = 0;
    for part in parts {
        let (what, rest) = part.split_once(" -->\n").expect("the end of the mark");
        let (example, rest) = match what.split_once(": ") {
            Some((scene, command)) => {
                let end = rest.lines().take_while(|line| line.starts_with('>'));
                let length = end.map(|line| line.len() + 1).sum();
                (quotation(&Scene::named(scene), command), &rest[length..])
            }
            None => {
                let shown = rest
                    .strip_prefix("```console\n")
                    .expect("a block of commands");
                let (shown, rest) = shown.split_once("```\n").expect("the end of the block");
                let session = session(&Scene::named(what), shown);
                (format!("```console\n{session}```\n"), rest)
            }
        };
        page.push_str(&format!("{MARK}{what} -->\n{example}{rest}"));
        count += 1;
    }
    (page, count)
}

/// The commands of a block, each with what it prints: on standard output, then on standard error.
fn session(scene: &Scene, shown: &str) -> String {
    let mut text = String::new();
    let mut code = 0;
    for line in shown.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let separator = if text.is_empty() { "" } else { "\n" };
        let printed = if line == "echo $?" {
            format!("{code}\n")
        } else {
            let run = scene.run(&words(line));
            code = run.code;
            without_sandbox(scene, &(run.stdout + &run.stderr))
        };
        text.push_str(&format!("{separator}$ {line}\n{printed}"));
    }
    text
}

fn quotation(scene: &Scene, command: &str) -> String {
    let printed = without_sandbox(scene, &scene.run(&words(command)).stdout);
    let quoted = printed
        .lines()
        .map(|line| format!("> {line}").trim_end().to_owned() + "\n");
    quoted.collect()
}

/// The account behind an example is a sandbox; whoever reads it has one of AWS.
fn without_sandbox(scene: &Scene, printed: &str) -> String {
    let flag = format!(" --sandbox {}", scene.iam().display());
    printed.replace(&flag, "")
}

/// The arguments of a command that needs no shell.
fn words(line: &str) -> Vec<&str> {
    let arguments = line
        .strip_prefix("irsa-gitops ")
        .expect("a command of this program");
    arguments.split_whitespace().collect()
}

#[test]
fn the_examples_are_what_the_program_prints() {
    let mut examples = 0;
    for (file, shown) in documents() {
        let (page, count) = with_what_is_printed(&shown);
        examples += count;
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&file, &page).expect("a file");
            continue;
        }
        let differing = page
            .lines()
            .zip(shown.lines())
            .find(|(now, then)| now != then);
        let hint = "UPDATE_DOCS=1 cargo test readme writes what is printed now";
        assert!(page == shown, "{}: {differing:?}: {hint}", file.display());
    }
    assert!(examples >= 12, "{examples}");
}

/// The commands of this program for a cluster that stand in what it prints.
fn printed_commands(printed: &str) -> Vec<String> {
    let after = |line: &str| {
        let (_, command) = line.split_once("irsa-gitops ")?;
        let command = command.split(['`', ';']).next()?;
        let is_command = command.contains(" --cluster-name ");
        is_command.then(|| command.trim().to_owned())
    };
    printed.lines().filter_map(after).collect()
}

/// It did what it is for, whatever it found.
#[track_caller]
fn runs(run: &Run, command: &str) {
    let is_refused = run.code == 2 || run.stderr.contains("error: ");
    assert!(!is_refused, "{command}: {}: {}", run.code, run.stderr);
}

#[test]
fn i88_every_command_in_the_documents_can_be_pasted() {
    let (mut printed, mut shown) = (0, 0);
    for (file, text) in documents() {
        for example in text.split(MARK).skip(1) {
            let (what, rest) = example.split_once(" -->\n").expect("the end of the mark");
            let (name, quoted) = what.split_once(": ").unwrap_or((what, ""));
            let block = rest.split("```\n").next().unwrap_or_default();
            let lines = block.lines().filter_map(|line| line.strip_prefix("$ "));
            let lines = lines.filter(|line| line.starts_with("irsa-gitops "));
            let lines: Vec<&str> = match quoted {
                "" => lines.collect(),
                quoted => vec![quoted],
            };
            for line in lines {
                let scene = Scene::named(name);
                let run = scene.run(&words(line));
                for command in printed_commands(&(run.stdout + &run.stderr)) {
                    printed += 1;
                    let words: Vec<&str> = command.split(' ').collect();
                    runs(&scene.paste(&words), &command);
                }
            }
        }
        // Those that stand alone, in the environment of the job.
        let is_page = |name: &str| file.ends_with(name);
        if !["docs/runbook.md", "docs/guide.md"]
            .iter()
            .any(|name| is_page(name))
        {
            continue;
        }
        for line in text.lines().map(str::trim) {
            let Some(command) = line.strip_prefix("irsa-gitops ") else {
                continue;
            };
            let command = command.split(" #").next().unwrap_or_default().trim();
            let words: Vec<&str> = command.split_whitespace().collect();
            shown += 1;
            runs(&Scene::named("review").run(&words), command);
        }
    }
    assert!(printed >= 6 && shown >= 6, "{printed} {shown}");
}

/// The lines of a document that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The anchors that code hosts give to headings: lower case, hyphens for spaces, no punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let letters = words
            .chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        letters.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// Where the links of a document lead, but for those that leave the repository.
fn links(text: &str) -> Vec<&str> {
    let targets = prose(text).flat_map(|line| line.split("](").skip(1));
    let targets = targets.filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let mut links_seen = 0;
    for (file, text) in &documents {
        for link in links(text) {
            links_seen += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let beside = file.parent().expect("below the root");
            let target = if path.is_empty() {
                file.clone()
            } else {
                beside.join(path)
            };
            let target = target.canonicalize();
            let target = target.unwrap_or_else(|e| panic!("{}: {link}: {e}", file.display()));
            if anchor.is_empty() {
                continue;
            }
            let pointed_at = documents.iter().find(|(other, _)| *other == target);
            let (_, text) = pointed_at.unwrap_or_else(|| panic!("{}: {link}", file.display()));
            assert!(anchors(text).contains(anchor), "{}: {link}", file.display());
        }
    }
    assert!(links_seen >= 20, "{links_seen}");
}

#[test]
fn the_readme_is_read_in_five_minutes() {
    let documents = documents();
    let readme = documents
        .iter()
        .find(|(file, _)| file.ends_with("README.md"));
    let (_, text) = readme.expect("it is there");
    assert!(text.len() <= 9 * 1024, "{} bytes", text.len());
}
