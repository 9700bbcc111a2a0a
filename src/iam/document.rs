//! Policy documents on the wire: URL-encoded by RFC 3986 in every answer.
//!
//! See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::model::trust_policy::TrustDocument;

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A document as IAM sends it.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A document as IAM sent it, decoded. One that is JSON already is left as it is: a `%` in it
/// belongs to it.
pub(super) fn decode(text: &str) -> TrustDocument {
    if text.trim_start().starts_with('{') {
        return TrustDocument::new(text);
    }
    TrustDocument::new(percent_decode_str(text).decode_utf8_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_survives_the_wire() {
        let text = r#"{"a":"100% é + b","c":["x/y:z"]}"#;
        assert!(encode(text).starts_with("%7B%22a%22%3A%22100%25%20"));
        assert_eq!(decode(&encode(text)).as_str(), text);
        assert_eq!(decode(text).as_str(), text);
    }
}
