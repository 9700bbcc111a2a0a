//! Whether a file could hold our annotation, by a byte search: most files cannot, and are never
//! parsed.
//!
//! The key may be written with escapes: JSON's `\/` and `\u…`, and those of YAML's double-quoted
//! scalars. Whatever an escape can hide is found by undoing all that could be one; a false alarm
//! costs a parse, a miss would cost a role.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem::Finder;

use super::MANAGED_ANNOTATION;

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

/// What two typos of the key hardly spoil all at once, the role's annotation beside it included; and
/// the tag behind which a search for bytes cannot find it.
static HINTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let hints = [
        "kaluza",
        "iam-role",
        "iam_role",
        "eks.amazonaws.com/role",
        BINARY,
    ];
    // Of this kind of match the library makes one vectorised pass over all hints.
    let kind = MatchKind::LeftmostFirst;
    let hints = AhoCorasick::builder().match_kind(kind).build(hints);
    hints.expect("five short words are no large automaton")
});
static KEY: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [MANAGED_ANNOTATION, BINARY].map(Finder::new));
const BINARY: &str = "!!binary";

/// Searches for the managed annotation's key in any spelling.
pub(super) fn search(bytes: &[u8]) -> Found {
    let found = search_plain(bytes);
    if found == Found::Key {
        found
    } else if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes {
        utf16(bytes)
    } else if memchr::memchr(b'\\', bytes).is_some() {
        found.max(search_plain(&unescaped(bytes)))
    } else {
        found
    }
}

fn search_plain(bytes: &[u8]) -> Found {
    if !HINTS.is_match(bytes) {
        Found::Nothing
    } else if KEY.iter().any(|key| key.find(bytes).is_some()) {
        Found::Key
    } else {
        Found::Like
    }
}

fn utf16(bytes: &[u8]) -> Found {
    let key: Vec<u8> = MANAGED_ANNOTATION.bytes().flat_map(|b| [0, b]).collect();
    // From the first letter on, without its zero byte, both byte orders read the same.
    if memchr::memmem::find(bytes, &key[1..]).is_some() {
        Found::Utf16Key
    } else {
        Found::Nothing
    }
}

/// Undoes every escape that can stand for a character of the key or for nothing at all.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
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
    fn m21_utf_16_is_recognised() {
        let text = "\u{feff}security.kaluza.com/iam-role-managed: x";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(search(&little), Found::Utf16Key);
        assert_eq!(search(&big), Found::Utf16Key);
        assert_eq!(search(&little[..20]), Found::Nothing);
    }
}
