//! What a lint looked at, by directory: nothing found is worth as much as what was searched.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::counts::plural;
use super::sanitize::line;
use crate::model::location::RepoPath;

/// How many directories are told apart.
const MOST: usize = 12;

/// What was looked at for one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// All of it.
    pub total: Counts,
    /// The same by directory; a few at most, so some may stand for those below them.
    pub directories: BTreeMap<String, Counts>,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files with a manifest's ending.
    pub files: usize,
    /// Documents in them.
    pub documents: usize,
    /// ServiceAccounts that carry the managed annotation.
    pub service_accounts: usize,
}

impl Checked {
    /// Adds up files, given with what is in each of them.
    pub fn new(files: &[(RepoPath, Counts)]) -> Self {
        let sum = |depth: usize| {
            let mut directories: BTreeMap<&[u8], Counts> = BTreeMap::new();
            for (path, counts) in files {
                directories
                    .entry(directory(path, depth))
                    .or_default()
                    .add(*counts);
            }
            directories
        };
        let mut directories = sum(1);
        let deepest = files.iter().map(|(path, _)| depth(path)).max();
        for depth in 2..=deepest.unwrap_or(0) {
            let deeper = sum(depth);
            if deeper.len() > MOST {
                break;
            }
            directories = deeper;
        }
        let mut total = Counts::default();
        directories.values().for_each(|counts| total.add(*counts));
        let mut named: BTreeMap<String, Counts> = BTreeMap::new();
        for (path, counts) in directories {
            named.entry(name(path)).or_default().add(counts);
        }
        if named.len() > MOST {
            named = largest(named);
        }
        Self {
            total,
            directories: named,
        }
    }

    /// Writes it for people.
    pub(super) fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "checked {}", self.total.in_words())?;
        let names = self.directories.keys();
        let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, counts) in &self.directories {
            let name = line(name);
            writeln!(out, "  {name:width$}  {}", counts.in_words())?;
        }
        Ok(())
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.documents += other.documents;
        self.service_accounts += other.service_accounts;
    }

    fn in_words(self) -> String {
        [
            plural(self.files, "file"),
            plural(self.documents, "document"),
            plural(self.service_accounts, "ServiceAccount"),
        ]
        .join(", ")
    }
}

/// How many directories a file is in.
fn depth(path: &RepoPath) -> usize {
    path.as_bytes().iter().filter(|byte| **byte == b'/').count()
}

/// The directory of a file, or the one around it that is so deep; empty is the root.
fn directory(path: &RepoPath, depth: usize) -> &[u8] {
    let path = path.as_bytes();
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let end = slashes.take(depth).last().map_or(0, |(at, _)| at);
    &path[..end]
}

/// What a directory is called for people.
fn name(directory: &[u8]) -> String {
    match directory {
        [] => ".".to_owned(),
        path => RepoPath::new(path).to_string(),
    }
}

/// Those with the most ServiceAccounts and files; the others are one.
fn largest(directories: BTreeMap<String, Counts>) -> BTreeMap<String, Counts> {
    let mut sorted: Vec<_> = directories.into_iter().collect();
    sorted.sort_by_key(|(_, counts)| (counts.service_accounts, counts.files));
    let shown = sorted.split_off(sorted.len() - (MOST - 1));
    let name = format!("({} more directories)", sorted.len());
    let mut others = Counts::default();
    sorted.iter().for_each(|(_, counts)| others.add(*counts));
    shown.into_iter().chain([(name, others)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(paths: &[String]) -> Vec<(String, usize)> {
        let one = Counts {
            files: 1,
            documents: 2,
            service_accounts: 0,
        };
        let files = paths.iter().map(|path| (path.as_str().into(), one));
        let checked = Checked::new(&files.collect::<Vec<_>>());
        assert_eq!(checked.total.files, paths.len());
        assert_eq!(checked.total.documents, 2 * paths.len());
        let directories = checked.directories.into_iter();
        directories.map(|(name, c)| (name, c.files)).collect()
    }

    #[test]
    fn m84_a_directory_has_the_name_that_people_are_shown() {
        let one = Counts {
            files: 1,
            ..Counts::default()
        };
        let paths = [
            "a/\u{e4}/b.yaml".into(),
            RepoPath::new(*b"a/\xe4/c.yaml"),
            "d.yaml".into(),
        ];
        let checked = Checked::new(&paths.map(|path| (path, one)));
        let names: Vec<&str> = checked.directories.keys().map(String::as_str).collect();
        assert_eq!(names, [".", "a/\\xe4", "a/\u{e4}"]);
        // What only looks the same is counted as one, and nothing is lost.
        let paths = ["a/\\xe4/b.yaml".into(), RepoPath::new(*b"a/\xe4/c.yaml")];
        let checked = Checked::new(&paths.map(|path| (path, one)));
        assert_eq!(checked.directories["a/\\xe4"].files, 2);
    }

    #[test]
    fn m84_directories_are_as_deep_as_a_few_lines_show() {
        let few = ["a.yaml", "b/c/d.yaml", "b/c/e.yaml", "b/f/g.yaml"].map(str::to_owned);
        let named = |name: &str, files| (name.to_owned(), files);
        assert_eq!(
            checked(&few),
            [named(".", 1), named("b/c", 2), named("b/f", 1)]
        );
        let many: Vec<String> = (0..40).map(|n| format!("a/{n}/x.yaml")).collect();
        assert_eq!(checked(&many), [named("a", 40)]);
        let wide: Vec<String> = (0..40).map(|n| format!("{n}/x.yaml")).collect();
        let wide = checked(&wide);
        assert_eq!(wide.len(), MOST);
        assert_eq!(wide[0], named("(29 more directories)", 29));
        assert_eq!(checked(&[]), []);
    }
}
