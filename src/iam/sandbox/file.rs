//! The sandbox's file: what is in it, how it is read, and how it is replaced.
//!
//! It is read again whenever it has changed, and only then: a run asks about every role one by one.

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::state::State;
use crate::iam::error::{Error, Kind};
use crate::model::arn::{AwsAccountId, Partition};

/// How many symbolic links are followed, as Linux has it.
const MOST_LINKS: usize = 40;
/// What a new file may be to others, before the user's mask.
const MODE: u32 = 0o666;

/// A sandbox's file, shared by all who work on its accounts.
#[derive(Clone, Debug)]
pub(super) struct StateFile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// As it was given, for messages.
    given: PathBuf,
    /// What is replaced: where links lead to.
    path: PathBuf,
    /// What was read last, and when.
    last: Mutex<Option<(Stamp, Accounts)>>,
}

/// What tells two contents of a file apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    place: (u64, u64),
    modified: (i64, i64),
    size: u64,
}

/// The accounts of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    all: Vec<Arc<State>>,
    /// Whether they stand in a list, even if there is only one.
    is_list: bool,
}

/// The form of a file with several accounts.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fleet<S> {
    accounts: Vec<S>,
}

impl StateFile {
    /// Opens a file that is valid or not there yet.
    pub(super) fn open(given: &Path) -> Result<Self, Error> {
        let broken = |reason: &dyn std::fmt::Display| broken(given, reason);
        let path = resolved(given).map_err(|error| broken(&error))?;
        let file = Self(Arc::new(Shared {
            given: given.to_owned(),
            path,
            last: Mutex::default(),
        }));
        file.accounts()?;
        if given.as_os_str().is_empty() || given.as_os_str().as_bytes().ends_with(b"/") {
            return Err(broken(&"it is not a plain file"));
        }
        let directory = directory(&file.0.path);
        if !directory.is_dir() {
            let reason = format!("its directory `{}` does not exist", directory.display());
            return Err(broken(&reason));
        }
        Ok(file)
    }

    pub(super) fn broken(&self, reason: &dyn std::fmt::Display) -> Error {
        broken(&self.0.given, reason)
    }

    /// What the file holds now; nothing if it is not there.
    pub(super) fn accounts(&self) -> Result<Accounts, Error> {
        let metadata = match std::fs::metadata(&self.0.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Accounts::default());
            }
            Err(error) => return Err(self.broken(&error)),
        };
        // Whoever opens a pipe without a writer waits for ever.
        if !metadata.is_file() {
            return Err(self.broken(&"it is not a plain file"));
        }
        // Whoever panicked while holding it left what was read before.
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&metadata);
        if let Some((known, accounts)) = &*last
            && *known == stamp
        {
            return Ok(accounts.clone());
        }
        let text = std::fs::read_to_string(&self.0.path).map_err(|e| self.broken(&e))?;
        let accounts = Accounts::parse(&text).map_err(|reason| self.broken(&reason))?;
        *last = Some((stamp, accounts.clone()));
        Ok(accounts)
    }

    /// Lets nobody else change the file for as long as what is returned is kept.
    pub(super) fn lock(&self) -> Result<File, Error> {
        let mut name = self.0.path.as_os_str().to_owned();
        name.push(".lock");
        let lock = File::create(&name).map_err(|error| self.broken(&error))?;
        lock.lock().map_err(|error| self.broken(&error))?;
        Ok(lock)
    }

    /// Replaces the file as a whole; it keeps its mode.
    pub(super) fn replace(&self, accounts: Accounts) -> Result<(), Error> {
        let text = accounts.to_text().map_err(|error| self.broken(&error))?;
        let write = || -> io::Result<Stamp> {
            let mut file = tempfile::Builder::new()
                .permissions(Permissions::from_mode(MODE))
                .tempfile_in(directory(&self.0.path))?;
            if let Ok(before) = std::fs::metadata(&self.0.path) {
                file.as_file().set_permissions(before.permissions())?;
            }
            file.write_all(text.as_bytes())?;
            let stamp = Stamp::of(&file.as_file().metadata()?);
            file.persist(&self.0.path).map_err(|error| error.error)?;
            Ok(stamp)
        };
        let stamp = write().map_err(|error| self.broken(&error))?;
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((stamp, accounts));
        Ok(())
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            place: (metadata.dev(), metadata.ino()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.len(),
        }
    }
}

impl Accounts {
    fn parse(text: &str) -> Result<Self, String> {
        let said = |error: serde_json::Error| error.to_string();
        // Nothing is kept of the first look: a file of thousands of roles is large enough once.
        let is_list = match serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text) {
            Ok(fields) => fields.contains_key("accounts"),
            Err(error) if error.is_data() => false,
            Err(error) => return Err(said(error)),
        };
        let all: Vec<Arc<State>> = if is_list {
            let fleet: Fleet<State> = serde_json::from_str(text).map_err(said)?;
            fleet.accounts.into_iter().map(Arc::new).collect()
        } else {
            vec![Arc::new(serde_json::from_str(text).map_err(said)?)]
        };
        let mut seen = HashSet::new();
        for state in &all {
            check(state).map_err(|reason| format!("account `{}`: {reason}", state.account))?;
            if !seen.insert(&state.account) {
                return Err(format!("account `{}` is in it twice", state.account));
            }
        }
        Ok(Self { all, is_list })
    }

    fn to_text(&self) -> serde_json::Result<String> {
        let accounts: Vec<&State> = self.all.iter().map(AsRef::as_ref).collect();
        let text = match &accounts[..] {
            [only] if !self.is_list => serde_json::to_string_pretty(only),
            _ => serde_json::to_string_pretty(&Fleet { accounts }),
        };
        text.map(|text| text + "\n")
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|state| state.account.as_str())
    }

    pub(super) fn get(&self, account: &AwsAccountId) -> Option<&Arc<State>> {
        let is_it = |state: &&Arc<State>| state.account == account.as_str();
        self.all.iter().find(is_it)
    }

    /// Puts an account in the place of the one of its number, or behind all others.
    pub(super) fn put(&mut self, state: State) {
        let mut all = self.all.iter_mut();
        match all.find(|other| other.account == state.account) {
            Some(place) => *place = Arc::new(state),
            None => self.all.push(Arc::new(state)),
        }
    }
}

/// What no account can be, whatever is called.
fn check(state: &State) -> Result<(), String> {
    AwsAccountId::new(&state.account).map_err(|error| error.to_string())?;
    Partition::new(&state.partition).map_err(|error| error.to_string())?;
    let mut seen = HashSet::new();
    for role in &state.roles {
        if !seen.insert(role.name.to_ascii_lowercase()) {
            let why = "IAM takes names that differ in letter case only for one";
            return Err(format!("role `{}` is in it twice: {why}", role.name));
        }
    }
    Ok(())
}

/// Where a path leads to: whoever replaces a link would leave the file behind it as it is. What is
/// there need not exist.
fn resolved(given: &Path) -> io::Result<PathBuf> {
    let mut path = given.to_owned();
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = directory(&path).join(target),
            // It is no link, or nothing.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn directory(path: &Path) -> &Path {
    let parent = path.parent();
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn broken(file: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error {
        action: "sandbox",
        role: None,
        kind: Kind::Sandbox,
        message: format!("file `{}`: {reason}", file.display()),
        source: None,
    }
}
