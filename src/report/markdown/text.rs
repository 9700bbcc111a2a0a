//! Text of others in Markdown: always in code, where nothing is a mention, a link or HTML.

use crate::model::text::cut;
use crate::report::sanitize::line;

/// The most of one string that is shown.
pub(super) const LONGEST_STRING: usize = 500;

/// Text in a code span; not too much of it.
pub(super) fn code(text: &str) -> String {
    span(&cut(&line(text), LONGEST_STRING))
}

/// The same inside a table.
pub(super) fn short_cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A code span inside a table, where `|` ends a cell even in code.
pub(in crate::report) fn cell(text: &str) -> String {
    span(&line(text)).replace('|', "\\|")
}

/// Markdown that leads to a page, if there is one.
pub(super) fn link(shown: &str, page: Option<String>) -> String {
    match page {
        Some(page) => format!("[{shown}]({page})"),
        None => shown.to_owned(),
    }
}

/// Each text as a code span.
pub(super) fn codes<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    texts.map(short_cell).collect()
}

fn span(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A block of text that is a difference.
pub(super) fn block(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}diff\n{text}{fence}\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
