//! The help of every verb, as it is printed a hundred columns wide.
//!
//! `INSTA_UPDATE=always cargo test help::` accepts what is printed now.

use irsa_gitops::exit::Exit;

use crate::support::cli::Cli;

fn help(arguments: &[&str]) -> String {
    let run = Cli::new(&std::env::temp_dir(), arguments).env("COLUMNS", "100");
    run.run().ends(0).stdout
}

/// The verbs that the help of the program lists.
fn verbs(help: &str) -> Vec<&str> {
    let listed = help.split("Commands:\n").nth(1).expect("the list of verbs");
    let listed = listed.split("\n\n").next().unwrap_or_default();
    let first = listed.lines().filter(|line| !line.starts_with("   "));
    let first = first.filter_map(|line| line.split_whitespace().next());
    first.filter(|verb| *verb != "help").collect()
}

#[test]
fn the_help_of_every_verb_is_as_it_was_looked_at() {
    let program = help(&["--help"]);
    let verbs = verbs(&program);
    assert!(verbs.len() >= 10, "{verbs:?}");
    insta::assert_snapshot!("program", program);
    for verb in verbs {
        insta::assert_snapshot!(verb, help(&[verb, "--help"]));
    }
}

#[test]
fn help_and_manual_say_of_every_exit_code_what_it_means() {
    let manual = Cli::new(&std::env::temp_dir(), &["man"])
        .run()
        .ends(0)
        .stdout;
    let manual = manual.replace("\\-", "-").replace("\\&", "");
    let program = help(&["--help"]);
    let every = Exit::list(&Exit::ALL);
    assert!(program.trim_end().ends_with(&every), "{program}");
    for verb in verbs(&program) {
        let help = help(&[verb, "--help"]);
        let (_, codes) = help
            .split_once("Exit codes:\n")
            .expect("a list of exit codes");
        let section = manual
            .split(&format!(".SH \"{}\"", verb.to_uppercase()))
            .nth(1);
        let section = section.unwrap_or_default();
        let section = section.split("\n.SH ").next().unwrap_or_default();
        for line in codes.trim_end().lines() {
            let number = line.split_whitespace().next().unwrap_or_default();
            let exit = Exit::ALL
                .into_iter()
                .find(|exit| exit.code().to_string() == number);
            let exit = exit.unwrap_or_else(|| panic!("{verb}: no exit code: {line}"));
            assert_eq!(
                line.trim_start(),
                format!("{number:<3}  {}", exit.meaning())
            );
            assert!(
                section.contains(line.trim_start()),
                "{verb}: {line}: {section}"
            );
        }
        for exit in [Exit::Success, Exit::Bug, Exit::Usage] {
            assert!(codes.contains(exit.meaning()), "{verb}: {codes}");
        }
    }
}
