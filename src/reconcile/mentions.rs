//! Whether names are written in a file that nobody can parse.

use std::collections::BTreeSet;

use crate::manifest;

/// Whether one of the names of Kubernetes objects is written in it.
pub(super) fn mentions_any(bytes: &[u8], names: &BTreeSet<&str>) -> bool {
    words(&manifest::narrow(bytes)).any(|word| named(word, names).is_some())
}

/// Which of the names of Kubernetes objects are written in it.
pub(super) fn mentioned<'n>(bytes: &[u8], names: &BTreeSet<&'n str>) -> BTreeSet<&'n str> {
    let bytes = manifest::narrow(bytes);
    let named = words(&bytes).filter_map(|word| named(word, names));
    named.collect()
}

fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    bytes.split(move |byte| !is_part(byte))
}

fn named<'n>(word: &[u8], names: &BTreeSet<&'n str>) -> Option<&'n str> {
    let word = std::str::from_utf8(word).unwrap_or_default();
    let found = names.get(word);
    found
        .or_else(|| names.get(word.trim_matches(['.', '-'])))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i117_a_name_is_a_word_and_no_part_of_one() {
        for (text, is_named) in [
            ("name: web\n", true),
            ("{\"name\":\"web\"}", true),
            ("the pods of web.", true),
            ("name: web-api", false),
            ("name: webhook", false),
            ("x.web", false),
        ] {
            let wide: Vec<u8> = std::iter::once('\u{feff}')
                .chain(text.chars())
                .flat_map(|character| (character as u16).to_le_bytes())
                .collect();
            for bytes in [text.as_bytes(), &wide] {
                let names = BTreeSet::from(["web"]);
                assert_eq!(mentions_any(bytes, &names), is_named, "{text}");
            }
        }
    }
}
