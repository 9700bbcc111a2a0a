//! When a role was last used: as a time, as whether it never was, or for how many days it was not.

use serde::{Serialize, Serializer};

use crate::model::last_use::LastUse;

/// The fields that say it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields<'a> {
    last_used: Option<&'a str>,
    never_used: bool,
    not_used_in_days: Option<u16>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(last_use: &'a LastUse) -> Self {
        Self {
            last_used: last_use.time(),
            never_used: *last_use == LastUse::Never,
            not_used_in_days: last_use.unused_days(),
        }
    }
}

/// Writes the fields into those of a role.
pub(in crate::report) fn serialize<S: Serializer>(
    last_use: &LastUse,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    Fields::new(last_use).serialize(serializer)
}
