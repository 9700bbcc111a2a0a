//! Commit ids.

use super::newtype::newtype;

newtype! {
    /// The full id of a Git commit: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
    ///
    /// Abbreviated ids are refused: a role is tagged with the commit that made it, and an
    /// abbreviation that is unique today need not be so tomorrow.
    CommitId
}

newtype! {
    /// The key of a trailer at the end of a commit's message: letters, digits and `-`.
    TrailerKey
}

/// The text is not the key of a trailer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not the key of a trailer (letters, digits and `-`, such as `Source-Commit`)")]
pub struct InvalidTrailer(String);

impl TrailerKey {
    /// Checks what Git takes for a key.
    ///
    /// See <https://git-scm.com/docs/git-interpret-trailers>.
    pub fn new(text: &str) -> Result<Self, InvalidTrailer> {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        match !text.is_empty() && text.bytes().all(is_part) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidTrailer(text.to_owned())),
        }
    }
}

/// The text is not a full commit id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a full commit id (40 or 64 hexadecimal digits)")]
pub struct InvalidCommitId(String);

impl CommitId {
    /// Accepts a full commit id in either letter case.
    pub fn new(text: &str) -> Result<Self, InvalidCommitId> {
        let full = matches!(text.len(), 40 | 64);
        if full && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidCommitId(text.to_owned()))
        }
    }

    /// The first twelve digits, for people to read.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_ids_are_commit_ids() {
        let full = "0123456789ABCDEF0123456789abcdef01234567";
        assert_eq!(
            CommitId::new(full).map(|id| id.to_string()),
            Ok(full.to_ascii_lowercase())
        );
        assert!(CommitId::new(&"a".repeat(64)).is_ok());
        for bad in ["", "HEAD", "0123456", &"g".repeat(40), &"a".repeat(41)] {
            assert!(CommitId::new(bad).is_err(), "{bad}");
        }
    }
}
