//! A file cut into documents as kubectl cuts it, and each document read.

use std::ops::Range;

use super::scan::{self, Found};
use super::text::{BYTE_ORDER_MARK, Fault};
use super::tree::{Leaving, Tree};
use super::{json, yaml};
use crate::diagnostic::Code;

const MEANT_AS_YAML: &str =
    "kubectl takes a file that starts with `{` for JSON: write JSON, or a line `---` before it";

/// A part of a file that should be a document, not yet read.
pub(super) struct Chunk<'t> {
    /// Without a byte order mark.
    pub(super) text: &'t str,
    /// Where the text is in the file.
    offset: usize,
    /// What a byte search found in it.
    pub(super) found: Found,
    /// What is wrong with the line that separates it from the chunk before.
    pub(super) fault: Option<Fault>,
}

/// A document, or why there is none.
pub(super) struct Document {
    /// What stands in it: one document of YAML, any number of JSON values, or nothing.
    pub(super) trees: Vec<Tree>,
    /// What ended the reading of it.
    pub(super) fault: Option<Fault>,
}

/// Cuts the text at its `---` lines.
///
/// As kubectl does it: three dashes at the start of a line, wherever that is, then nothing but
/// white space or a comment. Anything else behind the dashes makes it refuse the file; here only
/// the document that starts so is refused.
pub(super) fn split(text: &str) -> impl Iterator<Item = Chunk<'_>> {
    let mut next = Some((0, None));
    std::iter::from_fn(move || {
        let (start, fault) = next.take()?;
        let end = match separator(text, start) {
            Some(line) => {
                next = Some((line.end, check_separator(&text[line.clone()], line.start)));
                line.start
            }
            None => text.len(),
        };
        let chunk = &text[start..end];
        let chunk = chunk.strip_prefix(BYTE_ORDER_MARK).unwrap_or(chunk);
        Some(Chunk {
            text: chunk,
            offset: end - chunk.len(),
            found: scan::look(chunk.as_bytes()),
            fault,
        })
    })
}

impl Chunk<'_> {
    /// Whether kubectl reads it as JSON, if it is the first.
    pub(super) fn is_like_json(&self) -> bool {
        let content = self.text.trim_start();
        content.starts_with('{') && !content.starts_with("{{")
    }

    /// Reads what is in it.
    pub(super) fn read(self) -> Document {
        self.read_and_show(&mut |_, _| ())
    }

    /// Reads what is in it, and shows what is left out of its trees.
    pub(super) fn read_and_show(self, leaving: &mut Leaving<'_>) -> Document {
        let mut document = Document {
            trees: vec![],
            fault: None,
        };
        if self.fault.is_none() {
            self.parse(&mut document, leaving);
        } else {
            document.fault = self.fault;
        }
        document
    }

    fn parse(&self, document: &mut Document, leaving: &mut Leaving<'_>) {
        let Self {
            text,
            offset,
            found,
            ..
        } = *self;
        if let Some((at, c)) = text.char_indices().find(|(_, c)| is_forbidden(*c)) {
            let message = format!("control character U+{:04X}", u32::from(c));
            document.fault = Some(Fault::new(Code::InvalidYaml, offset + at, message));
            return;
        }
        let mut json_fault = None;
        if self.is_like_json() {
            let (trees, fault) = json::read(text, offset, leaving);
            let is_json = is_meant_as_json(text.trim_start());
            json_fault = fault.map(|fault| match fault.hint {
                None if !is_json => fault.hint(MEANT_AS_YAML),
                _ => fault,
            });
            // That is what kubectl does; a later document may be a flow mapping of YAML.
            let starts_file = offset <= BYTE_ORDER_MARK.len_utf8();
            if json_fault.is_none() || !trees.is_empty() || starts_file {
                document.trees = trees;
                document.fault = json_fault;
                return;
            }
            json_fault = json_fault.filter(|_| is_json);
        }
        let read = yaml::read(text, offset, leaving).and_then(|tree| {
            if found != Found::Nothing {
                yaml::confirm(text, offset)?;
            }
            Ok(tree)
        });
        match read {
            Ok(tree) => document.trees.extend(tree),
            Err(fault) => {
                let fault = json_fault.unwrap_or(fault);
                document.fault = Some(explained(fault, text, offset));
            }
        }
    }
}

/// The next line that separates documents.
fn separator(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = &text[from..];
    let marked = from == 0 && rest.starts_with(BYTE_ORDER_MARK);
    let first = if marked {
        BYTE_ORDER_MARK.len_utf8()
    } else {
        0
    };
    let start = if rest[first..].starts_with("---") {
        from
    } else {
        from + memchr::memmem::find(rest.as_bytes(), b"\n---")? + 1
    };
    let line = memchr::memchr(b'\n', &text.as_bytes()[start..]);
    Some(start..line.map_or(text.len(), |length| start + length + 1))
}

fn check_separator(line: &str, at: usize) -> Option<Fault> {
    let behind = line.trim_start_matches(BYTE_ORDER_MARK);
    let behind = behind.strip_prefix("---").unwrap_or(behind).trim();
    if behind.is_empty() || behind.starts_with('#') {
        return None;
    }
    let message = "invalid document separator: only a comment may follow `---`";
    let fault = Fault::new(Code::InvalidYaml, at, message);
    Some(fault.hint("put the document's first line below the `---`"))
}

fn is_meant_as_json(text: &str) -> bool {
    let inside = text.trim_start_matches('{').trim_start();
    inside.starts_with(['"', '}'])
}

/// What YAML forbids everywhere: control characters but tab and line breaks.
/// See <https://yaml.org/spec/1.2.2/#51-character-set>.
fn is_forbidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')
}

/// Says so if the reason is probably that nobody rendered the template, or a directive.
fn explained(mut fault: Fault, text: &str, offset: usize) -> Fault {
    if fault.code != Code::InvalidYaml {
        return fault;
    }
    if text.contains("{{") {
        fault.code = Code::UnrenderedTemplate;
        return fault.hint(
            "this looks like an un-rendered Helm template: commit what `helm template` prints, or leave the chart out with --path",
        );
    }
    let directive = text.split_inclusive('\n').try_fold(0, |at, line| {
        // Only comments may come before.
        match line.trim_start().chars().next() {
            Some('%') => Err(at),
            Some('#') | None => Ok(at + line.len()),
            Some(_) => Ok(text.len()),
        }
    });
    if let Err(at) = directive
        && at < text.len()
    {
        let message = "a directive; Kubernetes refuses it, for it cuts it off from its document";
        return Fault::new(Code::InvalidYaml, offset + at, message).hint("remove the line");
    }
    fault
}
