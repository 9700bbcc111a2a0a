//! How Kubernetes reads a plain scalar.
//!
//! kubectl and the API server read YAML 1.1 (through sigs.k8s.io/yaml and go-yaml v2), in which
//! `yes`, `014` and `1_000` are no strings; YAML 1.2 libraries, ours among them, take them for
//! text. A role must not hang on that difference, so it is made explicit here.

/// What a plain scalar is to Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading {
    Null,
    Boolean(bool),
    Number(f64),
    Text,
}

/// Reads a plain scalar as Kubernetes does.
pub(super) fn read(text: &str) -> Reading {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Reading::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Reading::Boolean(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Reading::Boolean(false)
        }
        _ => number(text).map_or(Reading::Text, Reading::Number),
    }
}

fn number(text: &str) -> Option<f64> {
    match text.strip_prefix(['+', '-']).unwrap_or(text) {
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        _ if matches!(text, ".nan" | ".NaN" | ".NAN") => return Some(f64::NAN),
        unsigned if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') => return None,
        _ => {}
    }
    let text = text.replace('_', "");
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(&text);
    for (prefix, radix) in [
        ("0x", 16),
        ("0X", 16),
        ("0o", 8),
        ("0O", 8),
        ("0b", 2),
        ("0B", 2),
    ] {
        if let Some(digits) = unsigned.strip_prefix(prefix) {
            #[expect(
                clippy::cast_precision_loss,
                reason = "only that it is a number matters"
            )]
            return u64::from_str_radix(digits, radix).ok().map(|n| n as f64);
        }
    }
    let decimal = |b: u8| b.is_ascii_digit() || b".eE+-".contains(&b);
    if unsigned.bytes().all(decimal) {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_1_1_booleans_and_numbers_are_no_strings() {
        for text in ["true", "True", "yes", "on", "y", "n", "no", "off", "FALSE"] {
            assert!(matches!(read(text), Reading::Boolean(_)), "{text}");
        }
        for text in [
            "1",
            "1.0",
            "1e3",
            "0x1F",
            "0b11",
            "0o14",
            "014",
            "08",
            "012345678901",
            "123456789012",
            "1_000",
            ".5",
            "-1",
            "+1",
            ".inf",
            "-.inf",
            ".nan",
        ] {
            assert!(matches!(read(text), Reading::Number(_)), "{text}");
        }
        for text in ["", "~", "null", "NULL"] {
            assert_eq!(read(text), Reading::Null, "{text}");
        }
    }

    #[test]
    fn everything_else_is_text() {
        for text in [
            "12:30:45",
            "2001-01-01",
            "=",
            "arn:aws:iam::123456789012:role/x",
            "a#b",
            "tRue",
            "yEs",
            "1.2.3",
            "v1",
            "-",
            ".",
            "+",
            "_1",
            "0xg",
            "e3",
            "1e",
            "inf",
            "nan",
            "-true",
        ] {
            assert_eq!(read(text), Reading::Text, "{text}");
        }
    }
}
