//! Files that carry a checksum of their content: read if they are in order, and replaced whole or not at all.

use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

const CHECKSUM: usize = 32;

/// A file of a cache; empty if there is none that can be used.
pub(super) fn read(path: &Path, is_usable: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    match std::fs::read(path) {
        Ok(file) if is_usable(&file) => file,
        Ok(_) => {
            tracing::warn!(path = %path.display(), "the cache is damaged or of another version and is not used");
            vec![]
        }
        Err(_) => vec![],
    }
}

/// Replaces a file of a cache whole: how it starts, a checksum, its content.
pub(super) fn replace(path: &Path, magic: &[u8], content: &[u8]) {
    let directory = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(magic)?;
        file.write_all(&Sha256::digest(content))?;
        file.write_all(content)?;
        file.persist(path)?;
        Ok(())
    };
    if let Err(error) = write() {
        tracing::info!(path = %path.display(), %error, "the cache was not written");
    }
}

/// What is behind the checksum of a file that starts like that.
pub(super) fn content<'f>(file: &'f [u8], magic: &[u8]) -> Option<&'f [u8]> {
    file.strip_prefix(magic)?.get(CHECKSUM..)
}

/// Whether a file starts like that, and its content has the checksum that it should have.
pub(super) fn is_intact(file: &[u8], magic: &[u8]) -> bool {
    let parts = file.strip_prefix(magic);
    let parts = parts.and_then(|rest| rest.split_at_checked(CHECKSUM));
    parts.is_some_and(|(checksum, content)| Sha256::digest(content).as_slice() == checksum)
}
