//! A file cut into documents as kubectl cuts it, and each document read.

use std::ops::Range;

use super::scan::{Found, Search};
use super::text::{BYTE_ORDER_MARK, Fault};
use super::tree::{Seen, Visit};
use super::{json, yaml};
use crate::diagnostic::Code;

const MEANT_AS_YAML: &str =
    "kubectl takes a file that starts with `{` for JSON: write JSON, or a line `---` before it";

/// A part of a file that should be a document, not yet read.
pub(super) struct Chunk<'t> {
    /// Without a byte order mark.
    pub(super) text: &'t str,
    /// Where the text is in the file.
    pub(super) offset: usize,
    search: &'t Search,
    /// What a byte search found in it.
    pub(super) found: Found,
    /// What is wrong with the line that separates it from the chunk before.
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

    /// Reads what is in it: one document of YAML, any number of JSON values, or nothing. `visit` sees each
    /// when it is read. Returned is what ended the reading before the end.
    pub(super) fn read(mut self, visit: &mut Visit<'_>) -> Option<Fault> {
        match self.fault.take().or_else(|| self.no_document()) {
            Some(fault) => Some(fault),
            None if self.is_like_json() => self.read_like_json(visit),
            None => self.read_yaml(visit).err(),
        }
    }

    /// Has a parser read it and keeps nothing: what is wrong with a document that cannot be ours, however
    /// large it is.
    pub(super) fn check(mut self) -> Option<Fault> {
        let (text, offset) = (self.text, self.offset);
        let check = || yaml::check(text, offset).map_err(|fault| explained(fault, text, offset));
        match self.fault.take().or_else(|| self.no_document()) {
            Some(fault) => Some(fault),
            None if self.is_like_json() => self.check_like_json(check),
            None => check().err(),
        }
    }

    /// What no parser has to be asked about.
    fn no_document(&self) -> Option<Fault> {
        let mut characters = self.text.char_indices();
        if let Some((at, c)) = characters.find(|(_, c)| is_forbidden(*c)) {
            let message = format!("control character U+{:04X}", u32::from(c));
            return Some(Fault::new(Code::InvalidYaml, self.offset + at, message));
        }
        let mut lines = self.text.split_inclusive('\n').scan(0, |end, line| {
            *end += line.len();
            Some((*end - line.len(), line.trim()))
        });
        let (at, _) = lines
            .find(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .filter(|(_, line)| *line == "..." || line.starts_with("... "))?;
        let message = "the end of a document where none began; kubectl reads no further";
        let fault = Fault::new(Code::InvalidYaml, self.offset + at, message);
        Some(fault.hint("remove the line"))
    }

    /// Reads a chunk that starts with `{`. At the start of a file kubectl takes it for any number of JSON
    /// values, whatever it is; a later one is a document of YAML to it: one value, a mark `...`, comments.
    fn read_like_json(&self, visit: &mut Visit<'_>) -> Option<Fault> {
        match self.no_json() {
            Some(json) => self.of_yaml(json, self.read_yaml(visit)),
            None => {
                let (_, fault) = json::read(self.text, self.offset, self.search, visit);
                fault.map(|fault| self.of_json(fault))
            }
        }
    }

    /// As [`Self::read_like_json`], with nothing kept.
    fn check_like_json(&self, yaml: impl FnOnce() -> Result<(), Fault>) -> Option<Fault> {
        match self.no_json() {
            Some(json) => self.of_yaml(json, yaml()),
            None => {
                let (_, fault) = json::check(self.text, self.offset);
                fault.map(|fault| self.of_json(fault))
            }
        }
    }

    /// Whether kubectl reads the file as JSON, and so none of the chunks behind this one: up to version 1.32
    /// it ends with an error where it comes to their `---`.
    pub(super) fn begins_as_json(&self) -> bool {
        self.offset <= BYTE_ORDER_MARK.len_utf8() && self.is_like_json()
    }

    /// What is wrong with a chunk behind such a one.
    pub(super) fn behind_json(&self) -> Fault {
        let message = "kubectl stops at the `---` above this, as the file begins as JSON";
        let fault = Fault::new(Code::InvalidJson, self.offset, message);
        fault.hint("begin the file with a line `---`, so that all of it is read as YAML")
    }

    /// How many values JSON finds in a later chunk, and its fault, if it is not one value and no more.
    fn no_json(&self) -> Option<(usize, Option<Fault>)> {
        if self.begins_as_json() {
            return None;
        }
        let (count, fault) = json::check(self.text, self.offset);
        (count != 1 || fault.is_some()).then_some((count, fault))
    }

    /// What is wrong with a later chunk that is no JSON value, once it was read as YAML.
    fn of_yaml(
        &self,
        (count, json): (usize, Option<Fault>),
        yaml: Result<(), Fault>,
    ) -> Option<Fault> {
        let yaml = yaml.err()?;
        let is_meant = count == 0 && is_meant_as_json(self.text.trim_start());
        Some(match json {
            Some(fault) if is_meant => fault,
            _ => yaml,
        })
    }

    fn of_json(&self, fault: Fault) -> Fault {
        match fault.hint {
            None if !is_meant_as_json(self.text.trim_start()) => fault.hint(MEANT_AS_YAML),
            _ => fault,
        }
    }

    /// Reads a document of YAML; with a second parser, too, if it may be ours.
    fn read_yaml(&self, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let (text, offset) = (self.text, self.offset);
        let read = yaml::read(text, offset, self.search, visit).and_then(|tree| {
            if self.found != Found::Nothing {
                yaml::confirm(text, offset)?;
            }
            Ok(tree)
        });
        let tree = read.map_err(|fault| explained(fault, text, offset))?;
        if let Some(tree) = tree {
            visit(&tree, tree.root, Seen::Document);
        }
        Ok(())
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
