//! What was found in a file, as bytes that a cache can keep, and back.
//!
//! Only of files in which nothing is wrong: what there is to say of others is said from the file itself.
//! The names in the bytes are checked like those of a manifest, because the cache may have come from
//! anywhere.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::placed::Unplaced;
use super::{Annotation, Declaration, Extract, Management};
use crate::model::location::{Location, RepoPath};
use crate::model::service_account::{Namespace, ServiceAccountName, ServiceAccountRef};

/// Line and column.
type Place = (u32, u32);

/// One ServiceAccount.
#[derive(Serialize, Deserialize)]
struct Recorded<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    at: Place,
    managed: bool,
    #[serde(borrow)]
    role_arn: Option<Value<'a>>,
    #[serde(borrow)]
    audience: Option<Value<'a>>,
    #[serde(borrow)]
    space: Space<'a>,
}

/// A value, its place, and the line that it is in.
#[derive(Serialize, Deserialize)]
struct Value<'a>(
    #[serde(borrow)] Cow<'a, str>,
    Place,
    #[serde(borrow)] Cow<'a, str>,
);

/// Where the ServiceAccount is.
#[derive(Serialize, Deserialize)]
enum Space<'a> {
    /// In this namespace, which is written there.
    Named(#[serde(borrow)] Cow<'a, str>, Place),
    /// Where a rule says; which items of which Lists it is, and the line where it starts.
    Unnamed(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>),
}

impl Extract {
    /// The bytes of what was found; `None` if something is wrong with it.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        if !self.diagnostics.is_empty() || !self.doubts.is_empty() {
            return None;
        }
        let declared = self.declarations.iter().map(Recorded::named);
        let unplaced = self.unplaced.iter().map(Recorded::unnamed);
        let all: Option<Vec<Recorded<'_>>> = declared.chain(unplaced).collect();
        serde_json::to_vec(&all?).ok()
    }

    /// What was found in the file that has this name now; `None` if the bytes make no sense.
    pub fn from_bytes(path: &RepoPath, bytes: &[u8]) -> Option<Self> {
        let all: Vec<Recorded<'_>> = serde_json::from_slice(bytes).ok()?;
        let mut extract = Self::default();
        for recorded in all {
            recorded.add_to(&mut extract, path)?;
        }
        Some(extract)
    }
}

impl<'a> Recorded<'a> {
    fn named(found: &'a Declaration) -> Option<Self> {
        let ServiceAccountRef { namespace, name } = &found.service_account;
        Some(Self {
            name: name.as_str().into(),
            at: place(&found.location),
            managed: is_managed(found.management)?,
            role_arn: found.role_arn.as_ref().map(Value::of),
            audience: found.audience.as_ref().map(Value::of),
            space: Space::Named(
                namespace.as_str().into(),
                place(found.namespace_at.as_ref()?),
            ),
        })
    }

    fn unnamed(found: &'a Unplaced) -> Option<Self> {
        Some(Self {
            name: found.name.as_str().into(),
            at: place(&found.location),
            managed: is_managed(found.management)?,
            role_arn: found.role_arn.as_ref().map(Value::of),
            audience: found.audience.as_ref().map(Value::of),
            space: Space::Unnamed(
                found.place.as_str().into(),
                found.source_line.as_str().into(),
            ),
        })
    }

    fn add_to(self, extract: &mut Extract, path: &RepoPath) -> Option<()> {
        let name = ServiceAccountName::new(&self.name).ok()?;
        let location = at(path, self.at);
        let management = match self.managed {
            true => Management::Managed,
            false => Management::Unmanaged,
        };
        let [role_arn, audience] =
            [self.role_arn, self.audience].map(|value| Some(value?.annotation(path)));
        match self.space {
            Space::Named(namespace, place) => extract.declarations.push(Declaration {
                service_account: ServiceAccountRef {
                    namespace: Namespace::new(&namespace).ok()?,
                    name,
                },
                location,
                management,
                role_arn,
                audience,
                namespace_at: Some(at(path, place)),
            }),
            Space::Unnamed(place, line) => extract.unplaced.push(Unplaced {
                place: place.into_owned(),
                name,
                location,
                source_line: line.into_owned(),
                management,
                role_arn,
                audience,
            }),
        }
        Some(())
    }
}

impl<'a> Value<'a> {
    fn of(annotation: &'a Annotation) -> Self {
        let Annotation {
            value,
            location,
            source_line,
        } = annotation;
        Self(value.into(), place(location), source_line.into())
    }

    fn annotation(self, path: &RepoPath) -> Annotation {
        let Self(value, place, line) = self;
        Annotation {
            value: value.into_owned(),
            location: at(path, place),
            source_line: line.into_owned(),
        }
    }
}

/// `None` for what is never without a diagnostic.
fn is_managed(management: Management) -> Option<bool> {
    match management {
        Management::Managed => Some(true),
        Management::Unmanaged => Some(false),
        Management::NotAllowed | Management::Invalid => None,
    }
}

fn place(location: &Location) -> Place {
    (location.line, location.column)
}

fn at(path: &RepoPath, (line, column): Place) -> Location {
    Location {
        path: path.clone(),
        line,
        column,
    }
}
