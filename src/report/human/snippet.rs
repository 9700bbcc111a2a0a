//! A diagnostic with the line of source it is about, as compilers show it.

use std::io::{self, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Severity};
use crate::report::sanitize::{is_unsafe, line};

/// Writes message, place, source line and hint.
pub(super) fn render(diagnostic: &Diagnostic, out: &mut dyn Write) -> io::Result<()> {
    let message = line(&diagnostic.message);
    let hint = diagnostic.hint.as_deref().map(line);
    let place = diagnostic.location.as_ref().map(|location| {
        let source = diagnostic.source_line.as_deref().map(harmless);
        (
            line(&location.path.to_string()).into_owned(),
            location,
            source,
        )
    });
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level
        .primary_title(message.as_ref())
        .id(diagnostic.code.as_str());
    let mut group = match &place {
        Some((path, location, Some(source))) => {
            let start = source.char_indices().nth(location.column as usize - 1);
            let start = start.map_or(source.len(), |(at, _)| at);
            let end = source.trim_end().len().max(start);
            let mark = AnnotationKind::Primary.span(start..end);
            let snippet = Snippet::source(source.as_str())
                .path(path.as_str())
                .line_start(location.line as usize);
            title.element(snippet.annotation(mark))
        }
        Some((path, location, None)) => title.element(
            annotate_snippets::Origin::path(path.as_str())
                .line(location.line as usize)
                .char_column(location.column as usize),
        ),
        None => Group::with_title(title),
    };
    if let Some(hint) = &hint {
        group = group.element(Level::HELP.message(hint.as_ref()));
    }
    writeln!(out, "{}\n", Renderer::styled().render(&[group]))
}

/// Replaces one character by one, so that columns stay right.
fn harmless(source: &str) -> String {
    let one = |c| match c {
        '\t' => ' ',
        c if is_unsafe(c) => '\u{fffd}',
        c => c,
    };
    let text: String = source.chars().map(one).collect();
    text.replace("##", "#\u{fffd}")
}
