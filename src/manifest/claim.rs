//! Which roles a part of a file names that was not understood: a ServiceAccount that names a role is
//! known to be somebody's, whatever else is wrong with it.

use std::borrow::Cow;

use super::scan;
use crate::model::location::Location;

/// A role that something names which is no declaration, because it was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What the role-arn annotation holds.
    pub role_arn: String,
    /// Where that, or its ServiceAccount, is.
    pub location: Location,
}

/// The values of the role-arn annotation in a text, whether it parses or not, and where in it they are; of
/// one that is written with escapes only the values are known.
pub(super) fn given(text: &[u8], key: &str) -> Vec<(usize, String)> {
    let is_before = |byte: &u8| byte.is_ascii_whitespace() || b"\"':|>-".contains(byte);
    let is_behind = |byte: &u8| byte.is_ascii_whitespace() || b"\"',}]".contains(byte);
    let plain = match memchr::memchr(b'\\', text) {
        Some(_) => Cow::Owned(scan::unescaped(text)),
        None => Cow::Borrowed(text),
    };
    let has_places = matches!(plain, Cow::Borrowed(_));
    let values = memchr::memmem::find_iter(&plain, key).filter_map(|at| {
        let rest = &plain[at + key.len()..];
        let start = rest.iter().position(|byte| !is_before(byte))?;
        let value = &rest[start..];
        let end = value.iter().position(is_behind).unwrap_or(value.len());
        let value = std::str::from_utf8(&value[..end]).ok()?;
        let place = if has_places { at } else { 0 };
        (start > 0 && end > 0).then(|| (place, value.to_owned()))
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m141_a_role_is_named_in_every_spelling_whether_it_parses_or_not() {
        let arn = "arn:aws:iam::1:role/x_a_b";
        for text in [
            format!("r/a: {arn}\n"),
            format!("\"r/a\": '{arn}' # a comment\n"),
            format!("{{{{ if x }}}}\n  r/a: >-\n    {arn}\n"),
            format!(r#"{{"r\/a":"{}"}}"#, arn.replace('/', "\\/")),
            format!("{{r/a: {arn}}}"),
            format!("r/a: {arn}"),
        ] {
            let found = given(text.as_bytes(), "r/a");
            let values: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
            assert_eq!(values, [arn], "{text}");
        }
        for text in ["", "r/a", "r/a:", "r/ab: x", "r/a: \"\""] {
            assert_eq!(given(text.as_bytes(), "r/a"), [], "{text}");
        }
    }
}
