//! The help of every verb, as it is printed a hundred columns wide.
//!
//! `INSTA_UPDATE=always cargo test help::` accepts what is printed now.

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
