//! The dependency rule between modules, which one crate cannot enforce by itself.

use std::fs;
use std::path::{Path, PathBuf};

mod circles;
mod named;

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
const SHELL: &[&str] = &["crate::cli", "crate::terminal"];

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
    Rule {
        module: "environment",
        forbidden: &[
            "crate::manifest",
            "crate::desired",
            "crate::iam",
            "crate::plan",
            "crate::apply",
            "crate::reconcile",
            "crate::settings",
        ],
    },
    Rule {
        module: "manual",
        forbidden: &[
            "crate::source",
            "crate::manifest",
            "crate::desired",
            "crate::iam",
            "crate::apply",
            "crate::reconcile",
            "crate::report",
            "crate::settings",
        ],
    },
    Rule {
        module: "terminal",
        forbidden: &[
            "crate::cli",
            "crate::source",
            "crate::manifest",
            "crate::desired",
            "crate::iam",
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
    "manual/advice",
    "manual/page",
    "manual/tail",
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
    ("regex_lite", &["model"]),
    ("ignore::gitignore", &["model"]),
    ("granit_parser", &["manifest"]),
    ("k8s_openapi", &["manifest"]),
    ("aws_sdk_iam", &["iam/aws"]),
    ("aws_sdk_sts", &["iam/aws"]),
    ("aws_config", &["iam/aws"]),
    ("aws_smithy_http_client", &["iam/aws"]),
    ("rustls", &["iam/aws"]),
    ("clap", &["cli", "manual"]),
    ("indicatif", &["terminal"]),
    ("anstream", &["cli/console", "terminal"]),
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
        // The terminal is a part of the shell.
        if rule.module != "terminal" {
            assert_eq!(
                violations([rule.module].into_iter(), SHELL),
                Vec::<String>::new()
            );
        }
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
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
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
        let may = ["reconcile", "cli", "terminal"]
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

#[test]
fn planning_is_never_given_a_writer() {
    for (file, text) in source_files() {
        let writers = [
            "apply",
            "iam",
            "reconcile/apply",
            "reconcile/exclusive",
            "reconcile/named",
        ];
        let writes = writers.iter().any(|module| is_within(&file, module));
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
    let may = [
        "cli",
        "iam/audit",
        "iam/aws/call",
        "iam/aws/role",
        "iam/sandbox",
    ];
    let reads = |text: &str| text.contains("Timestamp::now") || text.contains("SystemTime");
    for (module, text) in source_files() {
        let allowed = may.iter().any(|name| module.starts_with(name));
        assert!(allowed || !reads(&code(&text)), "{module} reads the clock");
    }
}

#[test]
fn no_file_is_longer_than_five_hundred_lines() {
    for below in ["src", "tests", "benches"] {
        for (file, text) in rust_files(below) {
            let lines = text.lines().count();
            assert!(lines <= 500, "{below}/{file}.rs has {lines} lines");
        }
    }
}
