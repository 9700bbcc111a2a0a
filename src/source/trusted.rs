//! A repository of another user, which the user's configuration of Git trusts.
//!
//! libgit2 looks at the owner of the directory that it opens, and knows only some of the forms in
//! which Git's configuration names what is trusted. So it is given a directory of our own, which
//! points to the repository as that of a linked work tree does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use git2::RepositoryOpenFlags;
use tempfile::TempDir;

use super::Error;
use super::error::reason;

/// Opens the repository at a root, and the directory of ours by which it is open.
pub(super) fn open(root: &Path) -> Result<(git2::Repository, TempDir), Error> {
    let failed = |reason: String| Error::NotARepository {
        path: root.to_owned(),
        reason,
    };
    let broken = |error: std::io::Error| failed(error.to_string());
    let work = root.join(".git");
    let is_bare = work.symlink_metadata().is_err();
    let own = match is_bare {
        true => root.to_owned(),
        false if work.is_dir() => work,
        false => {
            let text = fs::read_to_string(&work).map_err(broken)?;
            let place = text.trim_end().strip_prefix("gitdir: ");
            let place = place.ok_or_else(|| failed(".git is no directory".to_owned()))?;
            root.join(place)
        }
    };
    let common = match fs::read_to_string(own.join("commondir")) {
        Ok(text) => own.join(text.trim_end()),
        Err(_) => own.clone(),
    };
    let common = common.canonicalize().map_err(broken)?;
    let ours = tempfile::Builder::new().prefix("irsa-gitops-").tempdir();
    let ours = ours.map_err(broken)?;
    let place = |name: &str| -> PathBuf { ours.path().join(name) };
    fs::copy(own.join("HEAD"), place("HEAD")).map_err(broken)?;
    fs::write(place("commondir"), common.as_os_str().as_encoded_bytes()).map_err(broken)?;
    symlink(own.join("index"), place("index")).map_err(broken)?;
    let flags = RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH;
    let none: [&str; 0] = [];
    let open = git2::Repository::open_ext(ours.path(), flags, none).and_then(|git| {
        if !is_bare {
            git.set_workdir(root, false)?;
        }
        Ok(git)
    });
    let git = open.map_err(|error| failed(reason(&error)))?;
    Ok((git, ours))
}
