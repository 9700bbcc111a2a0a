//! Makes text from a repository or from AWS safe to show.
//!
//! A path or a name may hold escape sequences that repaint a terminal, bidirectional overrides that
//! reorder a line, line breaks that forge a log line, or workflow commands that a CI system obeys
//! wherever they stand. What is shown is text that looks like what it is.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character could do more than stand for itself.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Where CI systems look for commands anywhere in a line.
pub const COMMAND_MARKS: [&str; 2] = ["##[", "##vso["];

/// One line of text: every unsafe character as `\n`, `\t` or `\u{…}`, no command mark whole, and
/// no `::` at its start.
pub fn line(text: &str) -> Cow<'_, str> {
    let commands = COMMAND_MARKS.iter().any(|mark| text.contains(mark));
    let starts_command = text.trim_start().starts_with("::");
    if !commands && !starts_command && !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        let rest = &text[at..];
        let command = COMMAND_MARKS.iter().any(|mark| rest.starts_with(mark))
            || (starts_command && rest.starts_with("::") && text[..at].trim_start().is_empty());
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ if command || is_unsafe(c) => {
                write!(safe, "\\u{{{:x}}}", u32::from(c)).expect("a String takes all text");
            }
            _ => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// One line of text as the content of an HTML element or of an attribute in double quotes.
pub fn html(text: &str) -> String {
    line(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_in_any_script_stays_as_it_is() {
        for plain in ["", "apps/foo.yaml", "größe ≤ 5 → 日本語", "a::b", "#1 ## x"] {
            assert_eq!(line(plain), plain);
        }
    }

    #[test]
    fn s1_s2_s3_what_could_act_is_shown_as_text() {
        for (hostile, shown) in [
            ("\x1b[2Jx", "\\u{1b}[2Jx"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("::error::x", "\\u{3a}:error::x"),
            ("  ::set-output name=a::b", "  \\u{3a}:set-output name=a::b"),
            ("x ##[error]y", "x \\u{23}#[error]y"),
            ("##vso[task.setvariable]", "\\u{23}#vso[task.setvariable]"),
            ("\u{9b}31m", "\\u{9b}31m"),
        ] {
            assert_eq!(line(hostile), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_unsafe_survives(text in any::<String>()) {
            let safe = line(&text);
            prop_assert!(!safe.contains(is_unsafe));
            prop_assert!(!safe.trim_start().starts_with("::"));
            for mark in COMMAND_MARKS {
                prop_assert!(!safe.contains(mark), "{safe}");
            }
        }
    }
}
