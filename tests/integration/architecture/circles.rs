//! No two files of a module need each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{code, is_within, source_files};

/// The first names of all that code takes from a place: `b` and `c` for `a::{b::B, c}` and `a::`.
fn names_after(code: &str, place: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let uses = code.match_indices(place).filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|c| is_word(c) || c == ':')
    });
    let mut names = BTreeSet::new();
    for (at, _) in uses {
        let rest = &code[at + place.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.extend(rest.split(|c| !is_word(c)).next().map(str::to_owned));
            continue;
        };
        let mut depth = 0;
        let ends = |c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth < 0
        };
        let group = group.split(ends).next().unwrap_or_default();
        let mut depth = 0;
        let items = group.split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0 && c == ','
        });
        let first = |item: &str| item.trim().split(|c| !is_word(c)).next().map(str::to_owned);
        names.extend(items.filter_map(first));
    }
    names
}

/// For each file of a module, the files of that module that it uses. What the module hands on from one
/// of its files counts as that file; what a file declares or hands on of its own folder does not count.
fn uses_within(module: &str) -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<String, String> = source_files()
        .into_iter()
        .filter(|(file, _)| is_within(file, module) && !file.ends_with("/tests"))
        .map(|(file, text)| (file, code(&text)))
        .collect();
    let mut handed_on = BTreeMap::new();
    for file in files.keys() {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let parent = files.get(folder).map_or("", String::as_str);
        for item in names_after(parent, &format!("pub use {name}::")) {
            handed_on.insert(format!("{folder}/{item}"), file.clone());
        }
    }
    let used = |(file, code): (&String, &String)| {
        let (folder, _) = file.rsplit_once('/').unwrap_or(("", file));
        let beside = names_after(code, "super::").into_iter();
        let beside = beside.map(|name| format!("{folder}/{name}"));
        let full = names_after(code, &format!("crate::{module}::")).into_iter();
        let full = full.map(|name| format!("{module}/{name}"));
        let found = beside.chain(full).filter_map(|path| {
            let path = handed_on.get(&path).cloned().unwrap_or(path);
            (files.contains_key(&path) && path != *file).then_some(path)
        });
        (file.clone(), found.collect())
    };
    files.iter().map(used).collect()
}

/// What is left when files that use no other are taken away again and again.
fn circle(mut uses: BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    loop {
        let left: BTreeSet<String> = uses.keys().cloned().collect();
        uses.retain(|_, used| used.iter().any(|file| left.contains(file)));
        if uses.len() == left.len() {
            return left;
        }
    }
}

#[test]
fn no_file_of_these_modules_uses_one_that_uses_it() {
    for module in [
        "apply",
        "cli",
        "desired",
        "iam",
        "manifest",
        "model",
        "reconcile",
        "report",
        "settings",
        "source",
        "terminal",
    ] {
        let uses = uses_within(module);
        assert!(uses.values().any(|used| !used.is_empty()), "{module}");
        assert_eq!(circle(uses), BTreeSet::new(), "{module}");
    }
    let sets = |pairs: &[(&str, &[&str])]| {
        let set = |used: &[&str]| used.iter().map(|file| (*file).to_owned()).collect();
        let pairs = pairs
            .iter()
            .map(|(file, used)| ((*file).to_owned(), set(used)));
        pairs.collect::<BTreeMap<String, BTreeSet<String>>>()
    };
    assert!(circle(sets(&[("a", &["b"]), ("b", &["c"]), ("c", &[])])).is_empty());
    assert_eq!(
        circle(sets(&[("a", &["b"]), ("b", &["a"]), ("c", &[])])).len(),
        2
    );
    let code = "use super::{a::{A, B}, C};\nuse super::d::{self, D};\nfn f() -> super::e::E {}";
    let names: Vec<String> = names_after(code, "super::").into_iter().collect();
    assert_eq!(names, ["C", "a", "d", "e"]);
}
