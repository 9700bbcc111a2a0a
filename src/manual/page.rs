//! The manual page: that of the program, and those of its commands as sections of it.

use std::collections::BTreeMap;

use clap::Command;

use crate::environment;

/// The day of the version.
const DATE: &str = "2026-11-27";

/// The files that are read or written without being named by a flag, and by whose.
const FILES: &[(&str, &str)] = &[
    (
        "~/.cache/irsa-gitops",
        "what is remembered of manifests, where --cache-dir and XDG_CACHE_HOME say nothing else; safe to delete",
    ),
    (
        "~/.ssh/known_hosts",
        "keys of the hosts of ssh URLs; others are refused",
    ),
    ("/etc/ssh/ssh_known_hosts", "the same for all users"),
    (
        "~/.ssh/id_ed25519, id_ecdsa, id_rsa",
        "private keys for ssh URLs, where neither --ssh-key nor the agent has one",
    ),
    (
        "~/.gitconfig, .git/config",
        "what git itself is configured to do: insteadOf, proxies, credential helpers, safe.directory",
    ),
    ("~/.aws/config, ~/.aws/credentials", "profiles of AWS"),
    (
        "FILE of --config",
        "the clusters; its keys are in docs/guide.md. One of a pull request is its author's",
    ),
    ("FILE of --sandbox", "the state of the embedded IAM"),
    (
        "FILE of --audit-log",
        "one JSON line before and after each write, appended",
    ),
];

/// The whole page of a program.
pub(crate) fn page(program: Command) -> String {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let verbs: Vec<&Command> = program.get_subcommands().collect();
    let mut text = rendered(&program, "SH");
    // The commands are sections of this page, and no pages of their own.
    for verb in &verbs {
        let name = verb.get_name().replace('-', "\\-");
        text = text.replace(&format!("irsa\\-gitops\\-{name}(1)"), &name);
    }
    let besides = [environment(&program), files()].concat();
    let mut page = text.replacen(".SH VERSION", &format!("{besides}.SH VERSION"), 1);
    for verb in verbs {
        let name = verb.get_name().to_uppercase();
        let section = rendered(verb, "SS");
        let section = section.lines().filter(|line| !line.starts_with(".TH"));
        let section: String = section.map(|line| format!("{line}\n")).collect();
        page.push_str(&section.replacen(".SS NAME", &format!(".SH \"{name}\""), 1));
    }
    page
}

/// The page of a command, with sections of a level.
fn rendered(command: &Command, level: &str) -> String {
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(command.clone())
        .date(DATE)
        .render(&mut page);
    written.expect("a Vec takes all bytes");
    let page = String::from_utf8_lossy(&page);
    let line = |line: &str| match line {
        // Examples and exit codes stand below the options of the help. No line of an example is broken.
        ".SH EXTRA" => format!(".{level} EXAMPLES\n.nf\n"),
        "Examples:" => String::new(),
        "Exit codes:" => format!(".fi\n.{level} \"EXIT STATUS\"\n"),
        line => line.replacen(".SH ", &format!(".{level} "), 1) + "\n",
    };
    page.lines().map(line).collect::<String>().replace(
        // A command without examples.
        &format!(".{level} EXAMPLES\n.nf\n.fi\n.{level} \"EXIT STATUS\"\n"),
        &format!(".{level} \"EXIT STATUS\"\n"),
    )
}

/// Every variable, each once.
fn environment(program: &Command) -> String {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let arguments = program.get_subcommands().flat_map(Command::get_arguments);
    for argument in arguments.chain(program.get_arguments()) {
        let Some(variable) = argument.get_env() else {
            continue;
        };
        let what = match argument.get_long() {
            Some(long) => format!("stands for --{long}"),
            None => format!("stands for {}", argument.get_id().as_str().to_uppercase()),
        };
        let variable = variable.to_string_lossy().into_owned();
        found.entry(variable).or_insert(what);
    }
    let others = environment::VARIABLES.iter();
    let others = others.map(|(names, what)| (names.replace("`, `", ", "), what.replace('`', "")));
    let intro = "A flag goes before its variable. A variable that is empty is one that is not set. Lists are separated by commas, and switches take true or false.";
    let all: Vec<(String, String)> = found.into_iter().chain(others).collect();
    format!(".SH ENVIRONMENT\n{}\n{}", escaped(intro), list(&all))
}

fn files() -> String {
    let all = FILES.iter();
    let all: Vec<(String, String)> = all
        .map(|(file, what)| (file.to_string(), what.to_string()))
        .collect();
    format!(".SH FILES\n{}", list(&all))
}

fn list(all: &[(String, String)]) -> String {
    let item = |(name, what): &(String, String)| {
        format!(".TP\n\\fB{}\\fR\n{}\n", escaped(name), escaped(what))
    };
    all.iter().map(item).collect()
}

/// Text in which no character is a request of the formatter.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    match text.starts_with('.') {
        true => format!("\\&{text}"),
        false => text,
    }
}
