//! What the table of faults and the guarantees say of tests is so.

use std::collections::BTreeSet;

use super::rust_files;

/// The rows that the names of tests begin with: `g1_g22_what_is_seen` is about G1 and G22.
fn rows_of(text: &str) -> impl Iterator<Item = String> {
    let names = text.match_indices("fn ").map(|(at, _)| &text[at + 3..]);
    names.flat_map(|name| {
        let is_row = |word: &&str| {
            let mut letters = word.chars();
            letters.next().is_some_and(|c| "agimpcs".contains(c))
                && word.len() > 1
                && letters.all(|c| c.is_ascii_digit())
        };
        let name = name.split('(').next().unwrap_or_default();
        let rows = name.split('_').take_while(is_row).map(str::to_uppercase);
        rows.collect::<Vec<_>>()
    })
}

#[test]
fn every_fault_row_has_a_test_and_every_prefix_a_row() {
    let tests = rust_files("tests").into_iter().chain(rust_files("src"));
    let tested: BTreeSet<String> = tests
        .flat_map(|(_, text)| rows_of(&text).collect::<Vec<_>>())
        .collect();
    let table = include_str!("../../FAULTS.md");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = cells.filter_map(|line| line.split(' ').next());
    let is_id = |id: &&str| id.len() > 1 && id[1..].bytes().all(|b| b.is_ascii_digit());
    let rows: Vec<String> = rows.filter(is_id).map(str::to_owned).collect();
    let unique: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), unique.len(), "an id stands for one row");
    let missing = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
        a.difference(b).cloned().collect()
    };
    assert_eq!(missing(&unique, &tested), Vec::<String>::new(), "no test");
    assert_eq!(missing(&tested, &unique), Vec::<String>::new(), "no row");
}

/// `module::start_of_a_name…`, a name alone, or a whole module.
#[test]
fn every_test_that_a_guarantee_names_is_there() {
    let guarantees = include_str!("../../../docs/guarantees.md");
    let held_by = guarantees
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1));
    let named: Vec<&str> = held_by
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 50, "{named:?}");
    let files: Vec<(String, String)> = rust_files("tests")
        .into_iter()
        .chain(rust_files("src"))
        .collect();
    for name in named {
        let (modules, test) = match name.strip_suffix('…') {
            Some(path) => path.rsplit_once("::").unwrap_or(("", path)),
            None => (name, ""),
        };
        let module = modules.rsplit("::").next().unwrap_or_default();
        let is_there = files.iter().any(|(path, text)| {
            let is_module = path
                .split('/')
                .any(|part| part.trim_end_matches(".rs") == module);
            (module.is_empty() || is_module) && text.contains(&format!("fn {test}"))
        });
        assert!(is_there, "{name}");
    }
}
