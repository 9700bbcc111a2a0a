//! The README's tables say what the program does.

use irsa_gitops::diagnostic::Code;
use irsa_gitops::exit::Exit;

const README: &str = include_str!("../../README.md");

#[test]
fn every_diagnostic_is_in_its_table() {
    for code in Code::ALL {
        let row = format!("| `{code}` | {} |", code.description());
        assert!(README.contains(&row), "{row}");
    }
}

#[test]
fn every_exit_code_is_in_its_table() {
    for exit in Exit::ALL {
        let code = exit.code().to_string();
        let row = |line: &str| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            cells
                .next()
                .is_some_and(|first| first.split(", ").any(|number| number == code))
        };
        assert!(
            README
                .lines()
                .any(|line| line.starts_with("| ") && row(line)),
            "{code}"
        );
    }
}
