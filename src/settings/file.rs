//! The `--config` file: a list of clusters, by itself or under `clusters`.

use serde::{Deserialize, Deserializer};
use serde_yaml::Value;

use super::{ClusterInput, Error, Required};
use crate::model::text::closest;

/// The clusters of a `--config` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Which file it is, for messages.
    pub place: String,
    /// The clusters, each with its own paths; never empty.
    pub clusters: Vec<ClusterInput>,
}

impl ConfigFile {
    /// Reads the YAML text of the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::InFile`], which names the file and the cluster in it.
    pub fn parse(path: &str, text: &str) -> Result<Self, Error> {
        let file = format!("configuration file {path}");
        let entries = entries(text).map_err(|error| error.at(&file))?;
        let cluster = |(index, entry): (usize, Value)| {
            let place = match entry.get("name").and_then(Value::as_str) {
                Some(name) => format!("{file}, cluster `{name}`"),
                None => format!("{file}, cluster {}", index + 1),
            };
            let mut input = input(entry).map_err(|error| error.at(&place))?;
            input.place = Some(place);
            Ok(input)
        };
        let clusters = entries.into_iter().enumerate().map(cluster);
        Ok(Self {
            clusters: clusters.collect::<Result<_, Error>>()?,
            place: file.clone(),
        })
    }
}

fn entries(text: &str) -> Result<Vec<Value>, Error> {
    const KEY: &str = "clusters";
    let mut document: Value = serde_yaml::from_str(text).map_err(not_yaml)?;
    document.apply_merge().map_err(not_yaml)?;
    if let Some(key) = unknown_key(&document, &[KEY]) {
        return Err(key);
    }
    let list = match &mut document {
        Value::Mapping(top) => top.remove(KEY).unwrap_or_default(),
        other => std::mem::take(other),
    };
    match list {
        Value::Sequence(entries) if !entries.is_empty() => Ok(entries),
        _ => Err(Error::Missing(vec![Required {
            flag: KEY,
            why: "the file has to list at least one cluster",
            hint: None,
        }])),
    }
}

fn input(entry: Value) -> Result<ClusterInput, Error> {
    // Serde's own message about an unknown key lists all that there are, and helps nobody.
    let known = serde_yaml::to_value(ClusterInput::default()).map_err(not_yaml)?;
    let known: Vec<&str> = keys(&known).collect();
    if let Some(key) = unknown_key(&entry, &[&known[..], &["oidcProvider"]].concat()) {
        return Err(key);
    }
    for (key, value) in entry.as_mapping().into_iter().flatten() {
        // One by one, as an error about the whole would not say where it is.
        let alone = |value: Value| {
            let alone = Value::Mapping([(key.clone(), value)].into_iter().collect());
            serde_yaml::from_value::<ClusterInput>(alone)
        };
        let Err(error) = alone(value.clone()) else {
            continue;
        };
        let key = key.as_str().unwrap_or_default().to_owned();
        return Err(match first_unquoted(value) {
            Some((value, kind)) if alone(quoted(entry[key.as_str()].clone())).is_ok() => {
                Error::Unquoted { key, value, kind }
            }
            _ => Error::Value {
                key,
                source: Box::new(error),
            },
        });
    }
    serde_yaml::from_value(entry).map_err(not_yaml)
}

/// The first value that is a number or a truth value to YAML, and what it is.
fn first_unquoted(value: &Value) -> Option<(String, &'static str)> {
    match value {
        Value::Number(number) => Some((number.to_string(), "a number")),
        Value::Bool(truth) => Some((truth.to_string(), "a truth value")),
        Value::Sequence(items) => items.iter().find_map(first_unquoted),
        _ => None,
    }
}

/// What would stand there had everything been quoted.
fn quoted(value: Value) -> Value {
    match value {
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(quoted).collect()),
        other => first_unquoted(&other).map_or(other, |(text, _)| Value::String(text)),
    }
}

fn unknown_key(mapping: &Value, known: &[&str]) -> Option<Error> {
    let key = keys(mapping).find(|key| !known.contains(key))?;
    Some(Error::UnknownKey {
        key: key.to_owned(),
        like: closest(key, known.iter().copied()).map(str::to_owned),
    })
}

fn keys(mapping: &Value) -> impl Iterator<Item = &str> {
    let mapping = mapping.as_mapping().into_iter();
    mapping.flat_map(|m| m.keys()).filter_map(Value::as_str)
}

fn not_yaml(error: serde_yaml::Error) -> Error {
    Error::NotYaml(Box::new(error))
}

/// Takes a number of seconds, or a duration such as `1h`.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected 1h, 90m or a number of seconds")]
    enum Seconds {
        Number(u32),
        Text(String),
    }
    Ok(match Option::<Seconds>::deserialize(from)? {
        None => None,
        Some(Seconds::Number(seconds)) => Some(seconds),
        Some(Seconds::Text(text)) => Some(super::seconds(&text).map_err(serde::de::Error::custom)?),
    })
}

/// Takes a list, or the only element of one by itself.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<ClusterInput>, String> {
        let file = ConfigFile::parse("c.yaml", text).map_err(|error| {
            let mut said = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                said = format!("{said}: {error}");
                cause = error.source();
            }
            said
        })?;
        Ok(file.clusters)
    }

    #[test]
    fn a_list_is_taken_with_and_without_its_key() {
        let bare = "- name: blue\n  oidcProvider: blue.example.com\n";
        let keyed = "clusters:\n- name: blue\n  oidcProviders: [blue.example.com]\n";
        let (bare, keyed) = (parse(bare).expect("valid"), parse(keyed).expect("valid"));
        assert_eq!(bare, keyed);
        assert_eq!(bare[0].oidc_providers, ["blue.example.com"]);
    }

    #[test]
    fn i52_a_duration_is_a_number_of_seconds_or_a_text() {
        for (text, seconds) in [
            ("3600", 3600),
            ("1h", 3600),
            ("\"5400\"", 5400),
            ("1h30m", 5400),
        ] {
            let file = format!("- name: a\n  maxSessionDuration: {text}\n");
            let clusters = parse(&file).expect(text);
            assert_eq!(clusters[0].max_session_duration, Some(seconds), "{text}");
        }
        assert_eq!(
            parse("- name: a\n").expect("valid")[0].max_session_duration,
            None
        );
    }

    #[test]
    fn mistakes_name_the_file_and_the_cluster() {
        for (text, said) in [
            ("clusters: []", "c.yaml: clusters is required"),
            ("", "c.yaml: clusters is required"),
            (
                "clusterss: [{name: a}]",
                "c.yaml: unknown key `clusterss`; did you mean `clusters`?",
            ),
            (
                "- name: a\n- oidcProvders: [x]\n",
                "c.yaml, cluster 2: unknown key `oidcProvders`; did you mean `oidcProviders`?",
            ),
            (
                "- name: a\n  zzz: 1\n",
                "c.yaml, cluster `a`: unknown key `zzz`",
            ),
            (
                "- name: a\n  account: 123456789012\n",
                "c.yaml, cluster `a`: account: `123456789012` is a number to YAML, and a text is expected",
            ),
            (
                "- name: a\n  paths: [apps, 2024]\n",
                "c.yaml, cluster `a`: paths: `2024` is a number to YAML",
            ),
            (
                "- name: a\n  maxSessionDuration: soon\n",
                "c.yaml, cluster `a`: maxSessionDuration: `soon` is no duration: expected 1h, 90m",
            ),
            (
                "- name: a\n  paths: {}\n",
                "expected a text or a list of texts",
            ),
            ("- a: [", "c.yaml: not readable"),
        ] {
            let error = parse(text).expect_err(said);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
