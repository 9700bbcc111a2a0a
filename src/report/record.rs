//! What the record of a cluster says: which commits were applied last.

use serde::Serialize;

use crate::model::role::CurrentRole;
use crate::plan::record::{self, Scope};

/// The record of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordField {
    /// The name of the role that it is.
    pub role: String,
    /// What was applied last, for each set of paths.
    pub applied: Vec<AppliedField>,
}

/// What was applied last for a set of paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppliedField {
    /// The paths that were read: none of them for everything, `null` if the record cannot tell.
    pub paths: Option<Vec<String>>,
    /// The commit.
    pub commit: String,
    /// Since when (RFC 3339).
    pub since: String,
}

impl From<&CurrentRole> for RecordField {
    fn from(role: &CurrentRole) -> Self {
        let field = |entry: record::Entry| AppliedField {
            paths: match entry.scope {
                Scope::Everything => Some(vec![]),
                Scope::Paths(paths) => Some(paths.iter().map(ToString::to_string).collect()),
                Scope::Unknown => None,
            },
            commit: entry.commit.to_string(),
            since: entry.at,
        };
        Self {
            role: role.listed.name.to_string(),
            applied: record::entries(role).into_iter().map(field).collect(),
        }
    }
}

impl AppliedField {
    /// The words for people; not yet safe to show.
    pub(super) fn in_words(&self) -> String {
        let paths = match self.paths.as_deref() {
            None => "paths that it has no room for".to_owned(),
            Some([]) => "everything".to_owned(),
            Some(paths) => paths.join(", "),
        };
        format!("{} since {}, for {paths}", &self.commit[..12], self.since)
    }
}
