//! Which paths of a repository count for nothing, by rules that whoever runs the program gives.
//!
//! In the syntax of gitignore, and read as Git reads it: the last rule that matches counts, and what
//! is in a directory that is ignored cannot be taken back.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::model::location::RepoPath;

/// The ignore rules of a cluster, in their order.
#[derive(Clone, Default)]
pub struct IgnoreRules(Option<(Vec<String>, Gitignore)>);

/// Why a text is no ignore rule.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidIgnore {
    /// Git would pass over it without a word.
    #[error("`{0}` is no rule: an empty one and a comment ignore nothing")]
    Nothing(String),
    /// It is no pattern.
    #[error("`{rule}` is no pattern as in .gitignore: {why}")]
    Pattern {
        /// The rule.
        rule: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What is ignored: the path itself, or a directory that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ignored<'a> {
    /// The first directory on the way to the path that is ignored, or the path.
    pub place: &'a [u8],
    /// The rule that says so, as it was written.
    pub rule: &'a str,
}

impl IgnoreRules {
    /// Reads rules in the order in which they were written; the last one that matches counts.
    ///
    /// # Errors
    ///
    /// [`InvalidIgnore`] for the first one that is none.
    pub fn new(rules: &[String]) -> Result<Self, InvalidIgnore> {
        if rules.is_empty() {
            return Ok(Self::default());
        }
        let mut builder = GitignoreBuilder::new("");
        for rule in rules {
            let pattern = |error: ignore::Error| InvalidIgnore::Pattern {
                rule: rule.clone(),
                why: error.to_string(),
            };
            let text = rule.trim_end();
            if matches!(text, "" | "!" | "/") || text.starts_with('#') {
                return Err(InvalidIgnore::Nothing(rule.clone()));
            }
            builder.add_line(None, rule).map_err(pattern)?;
        }
        let matcher = builder.build().map_err(|error| InvalidIgnore::Pattern {
            rule: rules.join(", "),
            why: error.to_string(),
        })?;
        Ok(Self(Some((rules.to_vec(), matcher))))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a file is ignored.
    pub fn ignores(&self, path: &RepoPath) -> bool {
        self.of(path, false).is_some()
    }

    /// Whether a directory is ignored, or what stands for one.
    pub fn ignores_directory(&self, path: &RepoPath) -> bool {
        self.of(path, true).is_some()
    }

    /// Which rule ignores a file, and from where on.
    pub fn of_file<'a>(&'a self, path: &'a RepoPath) -> Option<Ignored<'a>> {
        self.of(path, false)
    }

    fn of<'a>(&'a self, path: &'a RepoPath, is_directory: bool) -> Option<Ignored<'a>> {
        let (_, matcher) = self.0.as_ref()?;
        let path = path.as_bytes();
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let above = slashes.map(|(at, _)| (&path[..at], true));
        let mut places = above.chain([(path, is_directory)]);
        places.find_map(|(place, is_directory)| {
            if place.is_empty() || place.starts_with(b"/") {
                return None;
            }
            let found = matcher.matched(Path::new(OsStr::from_bytes(place)), is_directory);
            let rule = found.is_ignore().then(|| found.inner()).flatten()?;
            let rule = rule.original();
            Some(Ignored { place, rule })
        })
    }
}

impl PartialEq for IgnoreRules {
    fn eq(&self, other: &Self) -> bool {
        self.texts() == other.texts()
    }
}

impl Eq for IgnoreRules {}

impl IgnoreRules {
    fn texts(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |(texts, _)| texts)
    }
}

impl fmt::Debug for IgnoreRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IgnoreRules").field(&self.texts()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[&str]) -> IgnoreRules {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        IgnoreRules::new(&rules).expect("rules")
    }

    #[test]
    fn m80_rules_are_read_as_git_reads_them() {
        for (given, path, ignored) in [
            (&["charts/**"][..], "charts/a/b.yaml", true),
            (&["charts/**"], "charts/a.yaml", true),
            (&["charts/**"], "apps/charts/a.yaml", false),
            (&["charts/"], "apps/charts/a.yaml", true),
            (&["/charts"], "apps/charts/a.yaml", false),
            (&["/charts"], "charts/a.yaml", true),
            (&["charts/"], "charts", false),
            (&["site/theme"], "site/theme/x/a.yaml", true),
            (&["site/theme"], "a/site/theme/a.yaml", false),
            (&["*.tpl.yaml"], "a/b/c.tpl.yaml", true),
            (&["**/base/*.yaml"], "a/base/b.yaml", true),
            (&["**/base/*.yaml"], "a/base/b/c.yaml", false),
            (&["a/*", "!a/keep.yaml"], "a/keep.yaml", false),
            (&["a/*", "!a/keep.yaml"], "a/other.yaml", true),
            // As in Git: its directory is ignored, so it cannot be taken back.
            (&["a/", "!a/keep.yaml"], "a/keep.yaml", true),
            (&["!a/keep.yaml", "a/*"], "a/keep.yaml", true),
            (&["[ab]?.yaml"], "x/a1.yaml", true),
            (&["Charts"], "charts/a.yaml", false),
            (&[r"\#a.yaml"], "#a.yaml", true),
            (&[], "a.yaml", false),
        ] {
            let is_ignored = rules(given).ignores(&path.into());
            assert_eq!(is_ignored, ignored, "{given:?}: {path}");
        }
        assert!(rules(&["vendor/"]).ignores_directory(&"vendor".into()));
        assert!(!rules(&["vendor/"]).ignores(&"vendor".into()));
    }

    #[test]
    fn m80_the_place_and_the_rule_are_told() {
        let rules = rules(&["charts/**", "*.bak.yaml"]);
        let told = |path: &str| {
            let path = RepoPath::from(path);
            let ignored = rules.of_file(&path).expect("ignored");
            let place = String::from_utf8_lossy(ignored.place).into_owned();
            (place, ignored.rule.to_owned())
        };
        let of_charts = ("charts/a".to_owned(), "charts/**".to_owned());
        assert_eq!(told("charts/a/b/c.yaml"), of_charts);
        let of_file = ("x/a.bak.yaml".to_owned(), "*.bak.yaml".to_owned());
        assert_eq!(told("x/a.bak.yaml"), of_file);
    }

    #[test]
    fn m80_what_is_no_rule_is_refused() {
        for rule in ["", "  ", "# a comment", "!", "/", "[z-a].yaml"] {
            let found = IgnoreRules::new(&[rule.to_owned()]);
            assert!(found.is_err(), "`{rule}`: {found:?}");
        }
    }

    #[test]
    fn m80_any_path_is_ignored_or_not() {
        let rules = rules(&["a/**"]);
        for path in [&b""[..], b"/", b"//a", b"/a/b", b"a//b", b"\xff/a", b"./a"] {
            rules.ignores(&RepoPath::new(path));
        }
    }
}
