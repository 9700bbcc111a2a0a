//! Places inside a repository.

use std::fmt;
use std::sync::Arc;

/// A path inside the repository, `/`-separated and relative to its root.
///
/// Git stores paths as bytes that need not be UTF-8, so the bytes are kept; [`fmt::Display`] shows
/// what is not UTF-8 as `\xNN`. Reports still have to pass it through `report::sanitize`. Every place
/// in a file has its path, so copies share the bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Arc<[u8]>);

impl RepoPath {
    /// Wraps the bytes of a path as Git or the file system gave them.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as Git stores them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for RepoPath {
    fn from(path: &str) -> Self {
        Self(path.as_bytes().into())
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// A place in a file: path, line and column, both counted from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file.
    pub path: RepoPath,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_shown_escaped() {
        let path = RepoPath::new(b"apps/caf\xe9.yaml".to_vec());
        let location = Location {
            path,
            line: 3,
            column: 5,
        };
        assert_eq!(location.to_string(), "apps/caf\\xe9.yaml:3:5");
    }
}
