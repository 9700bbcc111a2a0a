//! The text of one file, and how an offset in it becomes a line and a column.

use std::cell::RefCell;
use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::location::{Location, RepoPath};

/// The longest line that is worth showing under a message.
const LONGEST_LINE_SHOWN: usize = 400;
/// Lines and characters are counted once for each block of so many bytes: a file may be one long line, or
/// nothing but line breaks.
const BLOCK: usize = 256;
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// A file's text with the places of its lines.
pub(super) struct Text<'a> {
    path: &'a RepoPath,
    text: &'a str,
    /// What is before each block, as far as somebody asked.
    blocks: RefCell<Vec<Before>>,
}

/// What is before a place in a text.
#[derive(Clone, Copy, Default)]
struct Before {
    /// How many characters begin.
    characters: usize,
    /// How many lines end.
    lines: usize,
    /// Where the line starts that the place is in.
    line_start: usize,
}

/// Something wrong at an offset of the file, in bytes from its start.
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
        let blocks = RefCell::new(vec![Before::default()]);
        Self { path, text, blocks }
    }

    /// The place of an offset.
    pub(super) fn location(&self, at: usize) -> Location {
        let at = at.min(self.text.len());
        let before = self.before(at);
        let start = before.line_start;
        let marks = usize::from(at > start && self.text[start..].starts_with(BYTE_ORDER_MARK));
        let column = before.characters - self.before(start).characters - marks;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Location {
            path: self.path.clone(),
            line: count(before.lines + 1),
            column: count(column + 1),
        }
    }

    /// The line an offset is in, if it is short enough to be shown.
    pub(super) fn line(&self, at: usize) -> &'a str {
        let at = at.min(self.text.len());
        let start = self.before(at).line_start;
        // With the line break there may be two bytes more.
        let far = self.text.len().min(start + LONGEST_LINE_SHOWN + 2);
        let mut breaks = line_breaks(self.text.as_bytes(), at..far.max(at));
        let end = breaks.next().unwrap_or(self.text.len());
        let text = self.text[start..end].trim_end_matches(['\n', '\r']);
        if text.len() <= LONGEST_LINE_SHOWN {
            text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
        } else {
            ""
        }
    }

    /// What is written from one offset to another, as far as it is on one line.
    pub(super) fn excerpt(&self, start: usize, end: usize) -> &'a str {
        let text = self.text.get(start..end).unwrap_or_default();
        text.lines().next().unwrap_or_default().trim_end()
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

    fn before(&self, at: usize) -> Before {
        let bytes = self.text.as_bytes();
        let mut blocks = self.blocks.borrow_mut();
        let number = at / BLOCK;
        while blocks.len() <= number {
            let mut before = blocks[blocks.len() - 1];
            before.pass(bytes, (blocks.len() - 1) * BLOCK..blocks.len() * BLOCK);
            blocks.push(before);
        }
        let mut before = blocks[number];
        before.pass(bytes, number * BLOCK..at);
        before
    }
}

impl Before {
    /// Goes on over a part of a text.
    fn pass(&mut self, bytes: &[u8], part: Range<usize>) {
        self.characters += count(&bytes[part.clone()]);
        for at in line_breaks(bytes, part) {
            self.lines += 1;
            self.line_start = at + 1;
        }
    }
}

/// Where the lines end that end in a part of a text: at the last byte of their line breaks.
fn line_breaks(bytes: &[u8], part: Range<usize>) -> impl Iterator<Item = usize> {
    let start = part.start;
    let breaks = memchr::memchr2_iter(b'\n', b'\r', &bytes[part]).map(move |at| start + at);
    breaks.filter(|at| bytes[*at] == b'\n' || bytes.get(*at + 1) != Some(&b'\n'))
}

/// How many characters begin in a part of a text.
fn count(bytes: &[u8]) -> usize {
    let is_start = |byte: &&u8| (**byte).cast_signed() >= -0x40;
    bytes.iter().filter(is_start).count()
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

    #[test]
    fn long_lines_are_counted_like_short_ones() {
        let path = RepoPath::from("a.yaml");
        let long = "aé".repeat(BLOCK);
        let text = Text::new(&path, &long);
        for at in [0, 1, 3, BLOCK - 1, BLOCK * 3 - 2, BLOCK * 3] {
            let column = text.location(at).column as usize;
            assert_eq!(column, long[..at].chars().count() + 1, "{at}");
        }
        assert_eq!(text.location(usize::MAX), text.location(long.len()));
    }

    #[test]
    fn m21_a_byte_order_mark_is_no_column() {
        let path = RepoPath::from("a.yaml");
        let text = Text::new(&path, "\u{feff}a: 1\n---\n\u{feff}b: 2");
        let place = |at| (text.location(at).column, text.line(at));
        assert_eq!(place(0), (1, "a: 1"));
        assert_eq!(place(3), (1, "a: 1"));
        assert_eq!(place(6), (4, "a: 1"));
        assert_eq!(place(15), (1, "b: 2"));
    }
}
