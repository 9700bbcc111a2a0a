//! `docs/reference.md`, made from the definitions that the program itself runs on, so that it can say
//! nothing else: arguments, exit codes, reasons, diagnostics.
//!
//! It is a test and no command, because users read the page and need not make it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use clap::{Arg, Command};

use crate::diagnostic::Code;
use crate::environment;
use crate::exit::Exit;
use crate::plan::ReasonCode;
use crate::plan::verdict::CauseCode;

/// The page, from the root of the repository.
const PAGE: &str = "docs/reference.md";

const HEAD: &str = "\
# Reference

Every command, flag, environment variable, exit code, reason and diagnostic. This page is made from the program's own
definitions, and a test holds it: `UPDATE_DOCS=1 cargo test --lib reference` writes it. How things belong together is told in
the [guide](guide.md), what to do when something happens in the [runbook](runbook.md).
";

/// One row of the table of flags: flags of one name that mean the same are one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flag {
    name: String,
    variable: Option<String>,
    meaning: String,
}

fn page(program: Command) -> String {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let sections = [commands(&program), flags(&program), variables(&program)];
    [HEAD.to_owned()]
        .into_iter()
        .chain(sections)
        .chain([exit_codes(), reasons(), answers(), diagnostics()])
        .collect()
}

fn commands(program: &Command) -> String {
    let mut text = "\n## Commands\n\n| command | does |\n|---|---|\n".to_owned();
    for verb in program.get_subcommands() {
        let name = verb.get_name();
        let about = cell(
            &verb
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default(),
        );
        line(&mut text, &format!("| [`{name}`](#{name}) | {about} |"));
    }
    for verb in program.get_subcommands() {
        line(&mut text, &format!("\n### `{}`\n", verb.get_name()));
        let about = verb.get_long_about().or(verb.get_about());
        line(
            &mut text,
            &paragraphs(&about.map(ToString::to_string).unwrap_or_default()),
        );
        let usage = verb.clone().render_usage().to_string();
        line(&mut text, &format!("\n```text\n{}", usage.trim()));
        if let Some(after) = verb.get_after_help() {
            line(&mut text, &format!("\n{after}"));
        }
        line(&mut text, "```");
        let named = verb.get_positionals().collect::<Vec<_>>();
        if !named.is_empty() {
            line(
                &mut text,
                "\n| argument | variable | meaning |\n|---|---|---|",
            );
        }
        for argument in named {
            let Flag {
                name,
                variable,
                meaning,
            } = row(argument);
            let variable = variable.unwrap_or_default();
            line(&mut text, &format!("| {name} | {variable} | {meaning} |"));
        }
    }
    text
}

fn flags(program: &Command) -> String {
    // The headings of the help, in the order in which they come first.
    let mut headings: Vec<String> = Vec::new();
    let mut rows: BTreeMap<(String, Flag), BTreeSet<usize>> = BTreeMap::new();
    let verbs: Vec<&Command> = program.get_subcommands().collect();
    for (index, verb) in verbs.iter().enumerate() {
        for flag in options(verb) {
            let heading = flag
                .get_help_heading()
                .unwrap_or("Of one command")
                .to_owned();
            if !headings.contains(&heading) {
                headings.push(heading.clone());
            }
            rows.entry((heading, row(flag))).or_default().insert(index);
        }
    }
    let mut text = "\n## Flags\n".to_owned();
    for heading in &headings {
        line(&mut text, &format!("\n### {heading}\n"));
        line(
            &mut text,
            "| flag | commands | variable | meaning |\n|---|---|---|---|",
        );
        for ((_, flag), users) in rows.iter().filter(|((of, _), _)| of == heading) {
            let users = match users.len() {
                all if all == verbs.len() => "all".to_owned(),
                _ => users
                    .iter()
                    .map(|index| verbs[*index].get_name())
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            let variable = flag.variable.as_deref().unwrap_or_default();
            line(
                &mut text,
                &format!(
                    "| {} | {users} | {variable} | {} |",
                    flag.name, flag.meaning
                ),
            );
        }
    }
    text
}

fn variables(program: &Command) -> String {
    let mut text = "
## Environment variables

A flag goes before its variable. A variable that is empty is one that is not set. Lists are separated by commas, and switches
take `true` or `false`. What is meant for one run has no variable: "
        .to_owned();
    let mut of = BTreeMap::new();
    let mut without = BTreeSet::new();
    for argument in program
        .get_subcommands()
        .flat_map(Command::get_arguments)
        .filter(is_ours)
    {
        let name = match argument.get_long() {
            Some(long) => format!("`--{long}`"),
            None => format!("`{}`", argument.get_id().as_str().to_uppercase()),
        };
        match argument.get_env() {
            Some(variable) => {
                let of: &mut BTreeSet<String> = of
                    .entry(variable.to_string_lossy().into_owned())
                    .or_default();
                of.insert(name);
            }
            None if argument.get_long().is_some() => drop(without.insert(name)),
            None => {}
        }
    }
    let join = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    line(
        &mut text,
        &format!("{}.\n\n| variable | sets |\n|---|---|", join(&without)),
    );
    for (variable, names) in &of {
        line(&mut text, &format!("| `{variable}` | {} |", join(names)));
    }
    line(
        &mut text,
        "\nThese are read as well:\n\n| variable | meaning |\n|---|---|",
    );
    for (variable, meaning) in environment::VARIABLES {
        line(&mut text, &format!("| `{variable}` | {meaning} |"));
    }
    text
}

fn exit_codes() -> String {
    let mut text =
        "\n## Exit codes\n\nThey are the same for every format.\n\n| code | meaning |\n|---|---|\n"
            .to_owned();
    for exit in Exit::ALL {
        line(
            &mut text,
            &format!("| {} | {} |", exit.code(), cell(exit.meaning())),
        );
    }
    text
}

fn reasons() -> String {
    let mut text = "
## Reasons

Why something becomes of a role, or nothing: `reasonCode` in JSON and SARIF. The words beside it may change, the code does not.

| code | meaning |
|---|---|
"
    .to_owned();
    for code in ReasonCode::ALL {
        line(
            &mut text,
            &format!("| `{code}` | {} |", cell(code.description())),
        );
    }
    text
}

fn answers() -> String {
    let mut text = "
## Answers

What decides whether pods can assume their role, as `explain` tells it: `answer.code` in its JSON, beside `canAssume` (`null` where that
hangs on the issuer, or on what is not known here), `message`, `since`, `by` (the commit), `hint`, `run`, `cloudTrail` (commands) and `notes`.

| code | meaning |
|---|---|
"
    .to_owned();
    for code in CauseCode::ALL {
        let meaning = cell(code.description());
        line(&mut text, &format!("| `{}` | {meaning} |", code.as_str()));
    }
    text
}

fn diagnostics() -> String {
    let mut text = "
## Diagnostics

The code of a diagnostic is the same in every format: the word in brackets after `error`, `warning` or `note`, `code` in JSON, the
rule in SARIF. An error about the manifest of one ServiceAccount holds that one, and the others go on. An error about a file holds the roles whose ServiceAccounts it may hide.
"
    .to_owned();
    for code in Code::ALL {
        line(
            &mut text,
            &format!("\n### `{code}`\n\n{}\n", code.description()),
        );
        line(
            &mut text,
            &format!("- Cause: {}\n- Fix: {}", code.cause(), code.fix()),
        );
    }
    text
}

fn is_ours(argument: &&Arg) -> bool {
    !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

fn options(verb: &Command) -> impl Iterator<Item = &Arg> {
    verb.get_arguments()
        .filter(is_ours)
        .filter(|argument| !argument.is_positional())
}

fn row(argument: &Arg) -> Flag {
    let takes = argument.get_action().takes_values();
    let values = argument.get_value_names().unwrap_or_default();
    let values = values.iter().map(|name| name.to_string());
    let values = values.collect::<Vec<_>>().join(" ");
    let name = match (argument.get_short(), argument.get_long()) {
        (None, Some(long)) if takes => format!("--{long} {values}"),
        (None, Some(long)) => format!("--{long}"),
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        _ => values,
    };
    let help = argument.get_long_help().or(argument.get_help());
    let mut meaning = help
        .map(ToString::to_string)
        .unwrap_or_default()
        .replace("\n\n", ". ");
    let possible = argument.get_possible_values();
    if takes && possible.len() > 1 {
        let each = possible
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| match value.get_help() {
                Some(help) => format!(
                    "`{}` ({})",
                    value.get_name(),
                    uncapitalised(&help.to_string())
                ),
                None => format!("`{}`", value.get_name()),
            });
        let end = if meaning.ends_with('.') { "" } else { "." };
        let each = each.collect::<Vec<_>>().join(", ");
        let _ = write!(meaning, "{end} Values: {each}");
    }
    let defaults = argument.get_default_values().iter();
    let defaults = defaults.map(|value| value.to_string_lossy().into_owned());
    let defaults = defaults.collect::<Vec<_>>().join(", ");
    if takes && !defaults.is_empty() {
        let _ = write!(meaning, " [default: {defaults}]");
    }
    Flag {
        name: format!("`{}`", cell(&name)),
        variable: argument
            .get_env()
            .map(|name| format!("`{}`", name.to_string_lossy())),
        meaning: cell(&meaning),
    }
}

fn uncapitalised(text: &str) -> String {
    let is_word = text.chars().nth(1).is_some_and(|c| !c.is_uppercase());
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if is_word => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace('|', "\\|")
}

/// The paragraphs of a help text, each ending as a sentence.
fn paragraphs(text: &str) -> String {
    let each = text.split("\n\n").map(|paragraph| {
        let words = cell(paragraph);
        if words.ends_with(['.', ':']) {
            words
        } else {
            words + "."
        }
    });
    each.collect::<Vec<_>>().join("\n\n")
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The page says what the definitions of a program say.
pub(crate) fn holds(program: Command) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = page(program);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &page).expect("the page can be written");
    }
    let shown = std::fs::read_to_string(&file).unwrap_or_default();
    let differing = page
        .lines()
        .zip(shown.lines())
        .find(|(now, then)| now != then);
    let hint = "UPDATE_DOCS=1 cargo test --lib reference writes what holds now";
    assert!(page == shown, "{PAGE} differs: {differing:?}: {hint}");
}
