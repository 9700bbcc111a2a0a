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

/// As go-yaml v2 does it, by the first character; it reads into 64 bits, and what does not fit is
/// text. See `resolve` in <https://github.com/kubernetes-sigs/yaml/blob/master/goyaml.v2/resolve.go>.
fn number(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let plain = text.replace('_', "");
    match text.as_bytes() {
        [b'.', ..] if separates_digits(text) => float(&plain),
        [b'0'..=b'9' | b'+' | b'-', ..] => integer(&plain).or_else(|| float(&plain)),
        _ => None,
    }
}

/// Whether every `_` stands between two digits.
fn separates_digits(text: &str) -> bool {
    let digit = |part: Option<char>| part.is_some_and(|c| c.is_ascii_digit());
    let parts: Vec<&str> = text.split('_').collect();
    let mut pairs = parts.windows(2);
    pairs.all(|pair| digit(pair[0].chars().last()) && digit(pair[1].chars().next()))
}

/// A number in another base than ten.
fn integer(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let radix = match unsigned.get(..2)? {
        "0x" | "0X" => 16,
        "0o" | "0O" => 8,
        "0b" | "0B" => 2,
        _ => return None,
    };
    let digits = unsigned[2..].starts_with(|c: char| c.is_ascii_alphanumeric());
    let size = u64::from_str_radix(&unsigned[2..], radix)
        .ok()
        .filter(|_| digits)?;
    let fits = match text.as_bytes() {
        [b'+', ..] => i64::try_from(size).is_ok(),
        [b'-', ..] => size <= i64::MIN.unsigned_abs(),
        _ => true,
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "only that it is a number matters"
    )]
    fits.then_some(size as f64)
}

fn float(text: &str) -> Option<f64> {
    let decimal = |b: u8| b.is_ascii_digit() || b".eE+-".contains(&b);
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.filter(|_| text.bytes().all(decimal))
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
            "+_1",
            "-_1",
            ".5_5",
            "5_.",
            "0x_1F",
            "-0b1",
            "0xFFFFFFFFFFFFFFFF",
            "99999999999999999999",
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
            "1e400",
            "-1e400",
            "0x1FFFFFFFFFFFFFFFFFFF",
            "-0xFFFFFFFFFFFFFFFF",
            "0x+1",
            "0x",
            "._5",
            ".5_",
            "+.nan",
        ] {
            assert_eq!(read(text), Reading::Text, "{text}");
        }
    }
}
