//! A file cut into documents as kubectl cuts it, and each document read.

use std::ops::Range;

use super::scan::{Found, Search};
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
    search: &'t Search,
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
pub(super) fn split<'t>(text: &'t str, search: &'t Search) -> impl Iterator<Item = Chunk<'t>> {
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
            search,
            found: search.search(chunk.as_bytes()),
            fault,
        })
    })
}

/// How many documents there are, as [`split`] cuts them, without those that are blank.
pub(super) fn count(text: &str) -> usize {
    let (mut count, mut start) = (0, 0);
    let is_content = |line: &str| {
        let line = line.trim_matches(|c: char| c.is_whitespace() || c == BYTE_ORDER_MARK);
        !line.is_empty() && !line.starts_with('#') && line != "..."
    };
    loop {
        let next = separator(text, start);
        let end = next.as_ref().map_or(text.len(), |line| line.start);
        count += usize::from(text[start..end].lines().any(is_content));
        match next {
            Some(line) => start = line.end,
            None => return count,
        }
    }
}

impl Chunk<'_> {
    /// Whether kubectl reads it as JSON if it is the first chunk of its file.
    pub(super) fn is_like_json(&self) -> bool {
        let content = self.text.trim_start();
        content.starts_with('{') && !content.starts_with("{{")
    }

    /// Reads what is in it.
    pub(super) fn read(self) -> Document {
        self.read_and_visit(&mut |_, _| ())
    }

    /// Reads what is in it; `leaving` visits what is left out of its trees.
    pub(super) fn read_and_visit(mut self, leaving: &mut Leaving<'_>) -> Document {
        match self.fault.take().or_else(|| self.forbidden_character()) {
            Some(fault) => Document::refused(fault),
            None if self.is_like_json() => self.read_like_json(leaving),
            None => self.read_yaml(leaving).unwrap_or_else(Document::refused),
        }
    }

    fn forbidden_character(&self) -> Option<Fault> {
        let mut characters = self.text.char_indices();
        let (at, c) = characters.find(|(_, c)| is_forbidden(*c))?;
        let message = format!("control character U+{:04X}", u32::from(c));
        Some(Fault::new(Code::InvalidYaml, self.offset + at, message))
    }

    /// At the start of a file kubectl takes what starts with `{` for JSON.
    fn starts_file(&self) -> bool {
        self.offset <= BYTE_ORDER_MARK.len_utf8()
    }

    /// Reads a chunk that starts with `{`. At the start of a file it is any number of JSON values; a
    /// later one is a document of YAML to kubectl: one value, a mark `...` behind it, comments.
    fn read_like_json(&self, leaving: &mut Leaving<'_>) -> Document {
        let (trees, fault) = json::read(self.text, self.offset, self.search, leaving);
        let fault = match fault {
            Some(fault) => fault,
            // A later document of several values is no YAML, whatever its first value is.
            None if trees.len() > 1 && !self.starts_file() => {
                return self.read_yaml(leaving).unwrap_or_else(Document::refused);
            }
            None => return Document { trees, fault },
        };
        let is_meant = is_meant_as_json(self.text.trim_start());
        let fault = match fault.hint {
            None if !is_meant => fault.hint(MEANT_AS_YAML),
            _ => fault,
        };
        if self.starts_file() {
            let fault = Some(fault);
            return Document { trees, fault };
        }
        let yaml = self.read_yaml(leaving);
        yaml.unwrap_or_else(|yaml_fault| {
            let is_json = is_meant && trees.is_empty();
            Document::refused(if is_json { fault } else { yaml_fault })
        })
    }

    /// Reads a document of YAML; with a second parser, too, if it may be ours.
    fn read_yaml(&self, leaving: &mut Leaving<'_>) -> Result<Document, Fault> {
        let (text, offset) = (self.text, self.offset);
        let read = yaml::read(text, offset, self.search, leaving).and_then(|tree| {
            if self.found != Found::Nothing {
                yaml::confirm(text, offset)?;
            }
            Ok(tree)
        });
        let tree = read.map_err(|fault| explained(fault, text, offset))?;
        Ok(Document {
            trees: tree.into_iter().collect(),
            fault: None,
        })
    }
}

impl Document {
    fn refused(fault: Fault) -> Self {
        Self {
            trees: vec![],
            fault: Some(fault),
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

/// The fault as it is, or the probable reason for it: a template that was not rendered, or a directive.
fn explained(mut fault: Fault, text: &str, offset: usize) -> Fault {
    if fault.code != Code::InvalidYaml {
        return fault;
    }
    if text.contains("{{") {
        fault.code = Code::UnrenderedTemplate;
        return fault.hint(
            "this looks like an un-rendered Helm template: commit what `helm template` prints, or leave the chart out with --path or --exclude",
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
