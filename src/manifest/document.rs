//! A file cut into documents as kubectl cuts it, and each document read.

use super::scan::{self, Found};
use super::text::Fault;
use super::tree::Tree;
use super::{json, yaml};
use crate::diagnostic::Code;

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
pub(super) fn split(text: &str) -> impl Iterator<Item = Document> {
    let mut cuts = vec![(0, 0, None)];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let unmarked = line
            .strip_prefix('\u{feff}')
            .filter(|_| at == 0)
            .unwrap_or(line);
        if let Some(behind) = unmarked.strip_prefix("---") {
            let behind = behind.trim();
            let fault = (!behind.is_empty() && !behind.starts_with('#')).then(|| {
                let message = "invalid document separator: only a comment may follow `---`";
                Fault::new(Code::InvalidYaml, at, message)
                    .hint("put the document's first line below the `---`")
            });
            cuts.push((at, at + line.len(), fault));
        }
        at += line.len();
    }
    let ends: Vec<usize> = cuts.iter().skip(1).map(|(end, ..)| *end).collect();
    let ends = ends.into_iter().chain([text.len()]);
    cuts.into_iter()
        .zip(ends)
        .map(move |((_, start, fault), end)| {
            let chunk = &text[start..end];
            let unmarked = chunk.strip_prefix('\u{feff}').unwrap_or(chunk);
            read(unmarked, start + chunk.len() - unmarked.len(), fault)
        })
}

fn read(text: &str, offset: usize, separator: Option<Fault>) -> Document {
    let document = |trees, fault| Document { trees, fault };
    if separator.is_some() {
        return document(vec![], separator);
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| is_forbidden(*c)) {
        let message = format!("control character U+{:04X}", u32::from(c));
        return document(
            vec![],
            Some(Fault::new(Code::InvalidYaml, offset + at, message)),
        );
    }
    let mut json_fault = None;
    if text.trim_start().starts_with('{') {
        let (trees, fault) = json::read(text, offset);
        if fault.is_none() || !trees.is_empty() {
            return document(trees, fault);
        }
        // A flow mapping of YAML starts like JSON, too.
        json_fault = fault.filter(|_| is_meant_as_json(text));
    }
    let read = yaml::read(text, offset).and_then(|tree| {
        // Repeated keys, which only the second parser refuses, are reported by place elsewhere.
        let unique = tree.as_ref().is_some_and(|tree| tree.duplicates.is_empty());
        if unique && scan::look(text.as_bytes()) != Found::Nothing {
            yaml::confirm(text, offset)?;
        }
        Ok(tree)
    });
    match read {
        Ok(tree) => document(tree.into_iter().collect(), None),
        Err(fault) => {
            let fault = json_fault.unwrap_or(fault);
            document(vec![], Some(explained(fault, text)))
        }
    }
}

fn is_meant_as_json(text: &str) -> bool {
    let inside = text.trim_start().trim_start_matches('{').trim_start();
    inside.starts_with(['"', '}'])
}

/// What YAML forbids everywhere: control characters but tab and line breaks.
/// See <https://yaml.org/spec/1.2.2/#51-character-set>.
fn is_forbidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')
}

/// Says so if the reason is probably that nobody rendered the template.
fn explained(mut fault: Fault, text: &str) -> Fault {
    if text.contains("{{") && fault.code == Code::InvalidYaml {
        fault.code = Code::UnrenderedTemplate;
        fault.hint = Some(
            "this looks like an un-rendered Helm template: commit what `helm template` prints, or leave the chart out with --path",
        );
    }
    fault
}
