//! Whether a file could hold our annotation, by a byte search: most files cannot, and are never
//! parsed.
//!
//! The key may be written with escapes: JSON's `\/` and `\u…`, and those of YAML's double-quoted
//! scalars. Whatever an escape can hide is found by undoing all that could be one; a false alarm
//! costs a parse, a miss would cost a role.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem::Finder;

use crate::model::conventions::AnnotationKeys;

/// What the search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    /// No document of the file can hold the annotation.
    Nothing,
    /// No document can hold the annotation, but some document may hold it misspelled.
    Like,
    /// Some document may hold it.
    Key,
    /// The file is UTF-16 and holds it.
    Utf16Key,
}

const BINARY: &str = "!!binary";
/// How a tag in full starts, whichever one it is: it may be written with escapes.
const VERBATIM: &str = "!<";
/// How much of a text tells whether it is UTF-16: a comment of some lines may be all beyond Latin letters.
const WIDE_START: usize = 1024;
/// Shorter words are everywhere.
const SHORTEST_HINT: usize = 4;

/// A byte search for the managed annotation's key, made once for all files.
pub(super) struct Search {
    /// What two typos of the key hardly spoil all at once, the role's annotation beside it included;
    /// and the tags behind which a search for bytes cannot find it.
    hints: AhoCorasick,
    key: Finder<'static>,
    binary: Finder<'static>,
    verbatim: Finder<'static>,
}

impl Search {
    pub(super) fn new(keys: &AnnotationKeys) -> Self {
        // Of this kind of match the library makes one vectorised pass over all hints.
        let kind = MatchKind::LeftmostFirst;
        let hints = AhoCorasick::builder().match_kind(kind).build(hints(keys));
        Self {
            hints: hints.expect("a few short words are no large automaton"),
            key: Finder::new(&keys.managed).into_owned(),
            binary: Finder::new(BINARY),
            verbatim: Finder::new(VERBATIM),
        }
    }

    /// Searches for the managed annotation's key in any spelling.
    pub(super) fn search(&self, bytes: &[u8]) -> Found {
        let found = self.search_narrow(bytes);
        let is_key = |bytes: &[u8]| self.search_narrow(bytes) == Found::Key;
        match found != Found::Key && is_wide(bytes) && is_key(&narrow(bytes)) {
            true => Found::Utf16Key,
            false => found,
        }
    }

    fn search_narrow(&self, bytes: &[u8]) -> Found {
        let found = self.search_plain(bytes);
        if found != Found::Key && memchr::memchr(b'\\', bytes).is_some() {
            return found.max(self.search_plain(&unescaped(bytes)));
        }
        found
    }

    fn search_plain(&self, bytes: &[u8]) -> Found {
        if !self.hints.is_match(bytes) {
            Found::Nothing
        } else if [&self.key, &self.binary, &self.verbatim]
            .iter()
            .any(|finder| finder.find(bytes).is_some())
        {
            Found::Key
        } else {
            Found::Like
        }
    }
}

/// Whether a text is UTF-16: by its byte order mark or, without one, by the zero bytes of its first letters,
/// half of them or, between letters that are not Latin, less.
fn is_wide(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(WIDE_START)];
    let zeros = memchr::memchr_iter(0, start).count();
    start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) || zeros > start.len() / 16
}

/// The letters of a text as one byte each, if it is UTF-16: in both byte orders, in the same way.
pub fn narrow(bytes: &[u8]) -> Cow<'_, [u8]> {
    match is_wide(bytes) {
        true => bytes.iter().copied().filter(|byte| *byte != 0).collect(),
        false => Cow::Borrowed(bytes),
    }
}

/// A byte search for the names of ServiceAccounts, made once for all files.
pub struct Names(AhoCorasick);

impl Names {
    /// One for these names.
    pub fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let names = AhoCorasick::new(names);
        Self(names.expect("names of 253 characters are no large automaton"))
    }

    /// Whether one of them may be written in a file, in any spelling, also as a part of a longer one.
    pub fn may_be_in(&self, bytes: &[u8]) -> bool {
        let bytes = narrow(bytes);
        self.0.is_match(&*bytes)
            || (memchr::memchr(b'\\', &bytes).is_some() && self.0.is_match(&unescaped(&bytes)))
    }
}

/// The words of [`Search::hints`]: the domain of the key and the start of its name, with either dash.
fn hints(keys: &AnnotationKeys) -> Vec<String> {
    let (host, name) = match keys.managed.split_once('/') {
        Some((host, name)) => (host, name),
        None => ("", keys.managed.as_str()),
    };
    let labels: Vec<&str> = host.split('.').collect();
    let domain = labels[labels.len().saturating_sub(2)];
    let start = &name[..name.len().min("iam-role".len())];
    let words = [
        domain.to_owned(),
        start.to_owned(),
        start.replace('-', "_"),
        start.replace('_', "-"),
    ];
    let words = words.into_iter().filter(|word| word.len() >= SHORTEST_HINT);
    // The start of the role-arn annotation, to which most typos come behind.
    let role = keys.role_arn.trim_end_matches("-arn").to_owned();
    words
        .chain([keys.managed.clone(), role])
        .chain([BINARY, VERBATIM].map(str::to_owned))
        .collect()
}

/// Undoes every escape that can stand for a character of the key or for nothing at all.
pub(super) fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        plain.extend_from_slice(&rest[..at]);
        let (character, after) = escape(&rest[at + 1..]);
        plain.extend(character);
        rest = after;
    }
    plain.extend_from_slice(rest);
    plain
}

/// The ASCII character an escape stands for, and what follows; the backslash is gone already.
fn escape(rest: &[u8]) -> (Option<u8>, &[u8]) {
    let digits = match rest.first() {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        // A YAML scalar goes on after an escaped line break, without the next line's indentation.
        Some(b'\n' | b'\r') => {
            return (None, rest.trim_ascii_start());
        }
        Some(&literal) => return (Some(literal), &rest[1..]),
        None => return (None, rest),
    };
    let code = rest
        .get(1..=digits)
        .and_then(|hex| std::str::from_utf8(hex).ok())
        .and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match code {
        Some(code) => (u8::try_from(code).ok().or(Some(b'?')), &rest[1 + digits..]),
        None => (None, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(bytes: &[u8]) -> Found {
        Search::new(&AnnotationKeys::default()).search(bytes)
    }

    #[test]
    fn the_key_is_found_in_every_spelling() {
        for text in [
            "security.kaluza.com/iam-role-managed: 'true'",
            r#"{"security.kaluza.com\/iam-role-managed":"true"}"#,
            r#"{"\u0073ecurity.kaluza.com\u002Fiam-role-managed":"true"}"#,
            r#""security\x2ekaluza.com/iam-role-managed": "true""#,
            r#""\U00000073ecurity.kaluza.com/iam-role-managed": "true""#,
            "\"security.kaluza.com/\\\n     iam-role-managed\": \"true\"",
        ] {
            assert_eq!(search(text.as_bytes()), Found::Key, "{text}");
        }
    }

    #[test]
    fn everything_else_is_left_alone() {
        for text in [
            "",
            "\\",
            "\\u",
            "\\u00",
            "eks.amazonaws.com/audience: x",
            "a: \"\\\\u0073\"",
        ] {
            assert_eq!(search(text.as_bytes()), Found::Nothing, "{text}");
        }
    }

    #[test]
    fn what_may_be_a_misspelled_key_is_found_too() {
        for text in [
            "eks.amazonaws.com/role-arn: x",
            "security.kaluza.com/managed: 'true'",
            "security.kalusa.com/iam-role-managed: 'true'",
            r#"{"security.kalusa.com/i\u0061m-role-managed":"true"}"#,
        ] {
            assert_eq!(search(text.as_bytes()), Found::Like, "{text}");
        }
    }

    #[test]
    fn names_are_found_in_every_spelling() {
        let names = Names::new(["foo", "bar"].into_iter());
        for text in [
            "name: foo",
            "foobar",
            r#"{"name":"\u0066oo"}"#,
            "\"b\\x61r\"",
            "\"b\\\n  ar\"",
        ] {
            assert!(names.may_be_in(text.as_bytes()), "{text}");
        }
        for text in ["", "fo", r"fo\u0070"] {
            assert!(!names.may_be_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn m21_utf_16_is_recognised() {
        let text = "\u{feff}security.kaluza.com/iam-role-managed: x";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let wider: Vec<u8> = text
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        // With a byte order mark, and without.
        for bytes in [
            &little[..],
            &big,
            &wider,
            &little[2..],
            &big[2..],
            &wider[4..],
        ] {
            assert_eq!(search(bytes), Found::Utf16Key);
            assert!(Names::new(["role"].into_iter()).may_be_in(bytes));
            assert!(!Names::new(["rule"].into_iter()).may_be_in(bytes));
        }
        assert_eq!(search(&little[..20]), Found::Nothing);
    }
}
