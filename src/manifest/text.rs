//! The text of one file, and how an offset in it becomes a line and a column.

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::location::{Location, RepoPath};

/// The longest line that is worth showing under a message.
const LONGEST_LINE_SHOWN: usize = 400;

/// A file's text with the places of its lines.
pub(super) struct Text<'a> {
    path: &'a RepoPath,
    text: &'a str,
    line_starts: Vec<usize>,
}

/// Something wrong at an offset of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) at: usize,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

impl Fault {
    pub(super) fn new(code: Code, at: usize, message: impl Into<String>) -> Self {
        Self {
            code,
            at,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

impl<'a> Text<'a> {
    pub(super) fn new(path: &'a RepoPath, text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let ends_line = |at: &usize| bytes[*at] == b'\n' || bytes.get(at + 1) != Some(&b'\n');
        let breaks = memchr::memchr2_iter(b'\n', b'\r', bytes).filter(ends_line);
        let line_starts = std::iter::once(0).chain(breaks.map(|at| at + 1)).collect();
        Self {
            path,
            text,
            line_starts,
        }
    }

    /// The place of an offset.
    pub(super) fn location(&self, at: usize) -> Location {
        let line = self.line_of(at);
        let before = self.text.get(self.line_starts[line]..at).unwrap_or("");
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Location {
            path: self.path.clone(),
            line: count(line + 1),
            column: count(before.chars().count() + 1),
        }
    }

    /// The line an offset is in, if it is short enough to be shown.
    pub(super) fn line(&self, at: usize) -> &'a str {
        let line = self.line_of(at);
        let end = self.line_starts.get(line + 1).copied();
        let text = self
            .text
            .get(self.line_starts[line]..end.unwrap_or(self.text.len()));
        let text = text.unwrap_or("").trim_end_matches(['\n', '\r']);
        if text.len() <= LONGEST_LINE_SHOWN {
            text
        } else {
            ""
        }
    }

    /// A diagnostic with its place and the line there.
    pub(super) fn diagnostic(&self, severity: Severity, fault: Fault) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(fault.code, severity, fault.message)
            .at(self.location(fault.at))
            .with_source_line(self.line(fault.at));
        if let Some(hint) = fault.hint {
            diagnostic = diagnostic.with_hint(hint);
        }
        diagnostic
    }

    fn line_of(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_yaml_says_and_columns_count_characters() {
        let path = RepoPath::from("a.yaml");
        let text = Text::new(&path, "é: 1\r\nb: 2\rc: 3\nd");
        let place = |at| {
            let location = text.location(at);
            (location.line, location.column, text.line(at))
        };
        assert_eq!(place(0), (1, 1, "é: 1"));
        assert_eq!(place(4), (1, 4, "é: 1"));
        assert_eq!(place(7), (2, 1, "b: 2"));
        assert_eq!(place(12), (3, 1, "c: 3"));
        assert_eq!(place(17), (4, 1, "d"));
    }
}
