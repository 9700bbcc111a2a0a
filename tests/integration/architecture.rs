//! The dependency rule between modules, which one crate cannot enforce by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Names that a module, with all below it, must not use.
struct Rule {
    module: &'static str,
    forbidden: &'static [&'static str],
}

const IO: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::time",
    "tokio",
    "tracing",
    "Timestamp::now",
];
const SHELL: &[&str] = &["crate::cli"];

const RULES: &[Rule] = &[
    Rule {
        module: "model",
        forbidden: &[
            "crate::source",
            "crate::manifest",
            "crate::desired",
            "crate::iam",
            "crate::plan",
            "crate::apply",
            "crate::report",
            "crate::settings",
        ],
    },
    Rule {
        module: "source",
        forbidden: &[
            "crate::manifest",
            "crate::desired",
            "crate::iam",
            "crate::plan",
            "crate::apply",
            "crate::report",
            "crate::settings",
        ],
    },
    Rule {
        module: "manifest",
        forbidden: &[
            "crate::source",
            "crate::desired",
            "crate::iam",
            "crate::plan",
            "crate::apply",
            "crate::report",
            "crate::settings",
        ],
    },
    Rule {
        module: "desired",
        forbidden: &[
            "crate::source",
            "crate::iam",
            "crate::plan",
            "crate::apply",
            "crate::report",
            "crate::settings",
        ],
    },
    Rule {
        module: "iam",
        forbidden: &[
            "crate::source",
            "crate::manifest",
            "crate::desired",
            "crate::plan",
            "crate::apply",
            "crate::report",
            "crate::settings",
        ],
    },
    Rule {
        module: "plan",
        forbidden: &[
            "crate::source",
            "crate::iam",
            "crate::apply",
            "crate::report",
            "crate::settings",
        ],
    },
    Rule {
        module: "apply",
        forbidden: &[
            "crate::source",
            "crate::manifest",
            "crate::report",
            "crate::settings",
        ],
    },
    Rule {
        module: "report",
        forbidden: &["crate::source", "crate::iam", "crate::settings"],
    },
    Rule {
        module: "settings",
        forbidden: &[
            "crate::source",
            "crate::manifest",
            "crate::iam",
            "crate::plan",
            "crate::apply",
            "crate::report",
        ],
    },
    Rule {
        module: "diagnostic",
        forbidden: STAGES,
    },
    Rule {
        module: "exit",
        forbidden: STAGES,
    },
    Rule {
        module: "permissions",
        forbidden: &[
            "crate::source",
            "crate::manifest",
            "crate::iam",
            "crate::apply",
            "crate::report",
            "crate::settings",
        ],
    },
    // What the orchestration must not know is told below.
    Rule {
        module: "reconcile",
        forbidden: SHELL,
    },
];

/// Everything that does something, for modules that are only words.
const STAGES: &[&str] = &[
    "crate::source",
    "crate::manifest",
    "crate::desired",
    "crate::iam",
    "crate::plan",
    "crate::apply",
    "crate::reconcile",
    "crate::report",
    "crate::settings",
];

/// What the orchestration must not know, so that whoever embeds it needs no shell.
const RECONCILE: &[&str] = &[
    "clap",
    "std::env",
    "std::fs",
    "std::process",
    "std::io",
    "println!",
    "eprintln!",
    "print!",
    "Timestamp::now",
    "SystemTime",
];

/// Modules without I/O, clock, environment, logging or async.
const PURE: &[&str] = &[
    "model",
    "manifest",
    "desired",
    "permissions",
    "plan",
    "report",
    "settings",
    "diagnostic",
    "exit",
];

/// Each third-party name and the modules that may use it.
const THIRD_PARTY: &[(&str, &[&str])] = &[
    ("git2", &["source"]),
    ("libgit2_sys", &["source"]),
    ("gix_hash", &["source"]),
    ("gix_pack", &["source"]),
    ("walkdir", &["source"]),
    ("serde_yaml", &["manifest", "settings"]),
    ("aho_corasick", &["manifest"]),
    ("granit_parser", &["manifest"]),
    ("k8s_openapi", &["manifest"]),
    ("aws_sdk_iam", &["iam/aws"]),
    ("aws_sdk_sts", &["iam/aws"]),
    ("aws_config", &["iam/aws"]),
    ("aws_smithy_http_client", &["iam/aws"]),
    ("rustls", &["iam/aws"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("anstream", &["cli"]),
];

fn source_files() -> Vec<(String, String)> {
    rust_files("src")
}

/// Every file below a directory of the project that is Rust, by its path without the ending.
fn rust_files(below: &str) -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    let mut found = Vec::new();
    walk(&root, &mut found);
    let name = |path: &Path| {
        let relative = path.strip_prefix(&root).expect("below it");
        relative
            .with_extension("")
            .to_string_lossy()
            .replace('\\', "/")
    };
    let read = |path: PathBuf| {
        (
            name(&path),
            fs::read_to_string(&path).expect("source is text"),
        )
    };
    found.into_iter().map(read).collect()
}

/// The code of a file: comments and tests may name whatever they like.
fn code(text: &str) -> String {
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_within(file: &str, module: &str) -> bool {
    file == module
        || file
            .strip_prefix(module)
            .is_some_and(|rest| rest.starts_with('/'))
}

fn uses(code: &str, name: &str) -> bool {
    let follows = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let path = name.strip_prefix("crate::");
    let direct = code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        follows(&code[at + name.len()..])
            && !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.' || c == ':')
    });
    let grouped = path.is_some_and(|path| {
        code.match_indices("use crate::{").any(|(at, start)| {
            let group = &code[at + start.len()..];
            let group = &group[..group.find(';').unwrap_or(group.len())];
            group
                .split([',', ' ', '{', '}', '\n'])
                .any(|word| word.split("::").next() == Some(path))
        })
    });
    direct || grouped
}

fn violations<'a>(modules: impl Iterator<Item = &'a str>, forbidden: &[&str]) -> Vec<String> {
    let modules: Vec<&str> = modules.collect();
    let mut found = Vec::new();
    for (file, text) in source_files() {
        if file.ends_with("/tests") || !modules.iter().any(|module| is_within(&file, module)) {
            continue;
        }
        let code = code(&text);
        for name in forbidden {
            if uses(&code, name) {
                found.push(format!("{file} uses {name}"));
            }
        }
    }
    found
}

#[test]
fn data_flows_one_way() {
    for rule in RULES {
        assert_eq!(
            violations([rule.module].into_iter(), rule.forbidden),
            Vec::<String>::new()
        );
        assert_eq!(
            violations([rule.module].into_iter(), SHELL),
            Vec::<String>::new()
        );
    }
}

#[test]
fn every_module_has_a_rule() {
    let (_, library) = source_files()
        .into_iter()
        .find(|(file, _)| file == "lib")
        .expect("src/lib.rs");
    let modules = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "));
    let without: Vec<&str> = modules
        .map(|name| name.trim_end_matches(';'))
        .filter(|name| *name != "cli" && !RULES.iter().any(|rule| rule.module == *name))
        .collect();
    assert_eq!(without, Vec::<&str>::new());
}

#[test]
fn the_orchestration_knows_no_shell() {
    let found = violations(["reconcile"].into_iter(), RECONCILE);
    assert_eq!(found, Vec::<String>::new());
    let found = violations(["reconcile"].into_iter(), SHELL);
    assert_eq!(found, Vec::<String>::new());
}

/// Nothing but the shell and the orchestration itself calls the orchestration.
#[test]
fn only_the_shell_calls_the_orchestration() {
    for (file, text) in source_files() {
        let may = ["reconcile", "cli"]
            .iter()
            .any(|module| is_within(&file, module));
        assert!(may || !uses(&code(&text), "crate::reconcile"), "{file}");
    }
}

#[test]
fn pure_modules_do_no_io() {
    assert_eq!(violations(PURE.iter().copied(), IO), Vec::<String>::new());
}

#[test]
fn third_party_types_stop_at_their_module() {
    for (name, allowed) in THIRD_PARTY {
        for (file, text) in source_files() {
            let allowed = allowed.iter().any(|module| is_within(&file, module));
            assert!(allowed || !uses(&code(&text), name), "{file} uses {name}");
        }
    }
}

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
    for module in ["model", "source"] {
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

#[test]
fn planning_is_never_given_a_writer() {
    for (file, text) in source_files() {
        let writes = ["apply", "iam", "reconcile/apply", "reconcile/named"]
            .iter()
            .any(|module| is_within(&file, module));
        assert!(
            writes || !uses(&code(&text), "IamWriter"),
            "{file} names IamWriter"
        );
    }
}

#[test]
fn there_are_no_mod_rs_files() {
    let named_mod = |(file, _): &(String, String)| file.ends_with("/mod");
    assert!(!source_files().iter().any(named_mod));
}

#[test]
fn the_check_itself_sees_every_form_of_use() {
    assert!(uses("use git2::Repository;", "git2"));
    assert!(uses("fn f() -> git2::Oid {", "git2"));
    assert!(uses("use crate::{iam, plan};", "crate::iam"));
    assert!(uses("use crate::iam::Error;", "crate::iam"));
    assert!(!uses("use crate::iamb;", "crate::iam"));
    assert!(!uses("let digit2 = 1;", "git2"));
    assert!(!code("// use git2;\n#[cfg(test)]\nmod tests {\nuse git2;").contains("use git2"));
}

/// The clock is read where a time is shown or compared with one that AWS wrote, never to wait.
#[test]
fn p12_timers_do_not_follow_the_clock() {
    let may = ["cli", "iam/audit", "iam/aws/call", "iam/sandbox"];
    let reads = |text: &str| text.contains("Timestamp::now") || text.contains("SystemTime");
    for (module, text) in source_files() {
        let allowed = may.iter().any(|name| module.starts_with(name));
        assert!(allowed || !reads(&code(&text)), "{module} reads the clock");
    }
}

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
    let table = include_str!("../FAULTS.md");
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
    let guarantees = include_str!("../../docs/guarantees.md");
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
