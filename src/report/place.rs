//! Where in the repository something is to be shown.

use std::fmt;

use super::Entry;
use crate::model::location::{Location, RepoPath};

/// A file, and where in it if that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: RepoPath,
    pub(super) line_and_column: Option<(u32, u32)>,
}

impl From<&Location> for Place {
    fn from(location: &Location) -> Self {
        Self {
            path: location.path.clone(),
            line_and_column: Some((location.line, location.column)),
        }
    }
}

impl Place {
    /// Where a ServiceAccount is declared, or else the file from which it was removed.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        let declared = entry.change.location.as_ref().map(Self::from);
        let removed = || {
            entry.removal().map(|removal| Self {
                path: removal.path.clone(),
                line_and_column: None,
            })
        };
        declared.or_else(removed)
    }

    /// With the path as code hosts take it: from the root of the repository, without parts that
    /// mean nothing. `None` for one that is absolute or leaves the repository.
    pub(super) fn within_repository(&self) -> Option<Self> {
        let bytes = self.path.as_bytes();
        let parts: Vec<&[u8]> = bytes
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".")
            .collect();
        let leaves = bytes.starts_with(b"/") || parts.contains(&b"..".as_slice());
        (!leaves && !parts.is_empty()).then(|| Self {
            path: RepoPath::new(parts.join(&b'/')),
            ..*self
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        match self.line_and_column {
            Some((line, _)) => write!(f, ":{line}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s6_paths_are_normalised_or_dropped() {
        let within = |path: &str| {
            let place = Place {
                path: RepoPath::from(path),
                line_and_column: None,
            };
            place.within_repository().map(|place| place.to_string())
        };
        for path in [
            "../../x",
            "/etc/passwd",
            "a/../../b",
            "a/..",
            ".",
            "",
            "//x",
        ] {
            assert_eq!(within(path), None, "{path}");
        }
        for (path, normal) in [
            ("apps/foo.yaml", "apps/foo.yaml"),
            ("./apps//./foo.yaml", "apps/foo.yaml"),
            ("file:///x", "file:/x"),
        ] {
            assert_eq!(within(path).as_deref(), Some(normal));
        }
    }
}
