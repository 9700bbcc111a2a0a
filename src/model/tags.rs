//! Tags of roles.
//!
//! IAM compares tag keys on roles without regard to case and tag values with it:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules>.

use std::collections::BTreeMap;

use super::newtype::newtype;

/// The controller's value of the managed-by tag, so that its roles can be taken over.
pub const DEFAULT_MANAGED_BY: &str = "iam-service-account-controller";
/// Which program made the role. The controller's key.
pub const MANAGED_BY: &str = "role.k8s.aws/managed-by";
/// `NAMESPACE/NAME` of the ServiceAccount. The controller's key.
pub const STACK: &str = "serviceaccount.k8s.aws/stack";
/// The name of the cluster. The controller's key.
pub const CLUSTER: &str = "role.k8s.aws/cluster";
/// The commit that created the role.
pub const COMMIT: &str = "role.k8s.aws/commit";
/// The commit of the run that last wrote to the role.
pub const LAST_COMMIT: &str = "role.k8s.aws/last-commit";
/// Repository and path of the manifest.
pub const SOURCE: &str = "role.k8s.aws/source";
/// The commit that the run's commit was rendered from, and its author.
pub const SOURCE_COMMIT: &str = "role.k8s.aws/source-commit";
/// When the role was quarantined (RFC 3339).
pub const QUARANTINED_AT: &str = "role.k8s.aws/quarantined-at";
/// The commit of the run that quarantined the role.
pub const QUARANTINED_BY: &str = "role.k8s.aws/quarantined-by";

/// Who holds a lock: the run, how often it was renewed, its lease in seconds, and since when.
pub const LOCK: &str = "role.k8s.aws/lock";

/// What the keys of the record's entries start with: what was applied last.
pub const APPLIED: &str = "role.k8s.aws/applied";

/// Every key this program writes itself to roles, which a user's own `--tag` may not use.
pub const RESERVED: [&str; 10] = [
    MANAGED_BY,
    STACK,
    CLUSTER,
    COMMIT,
    LAST_COMMIT,
    SOURCE,
    SOURCE_COMMIT,
    QUARANTINED_AT,
    QUARANTINED_BY,
    LOCK,
];

/// The most tags IAM allows on one role.
pub const MAX_TAGS: usize = 50;

newtype! {
    /// A tag key: 1 to 128 of the characters IAM allows, not starting with `aws:`.
    TagKey
}

newtype! {
    /// A tag value: at most 256 of the characters IAM allows.
    #[derive(Default)]
    TagValue
}

/// Why a text cannot be a tag.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidTag {
    /// Whoever chose the key.
    #[error(
        "`{0}` is not a tag key (1 to 128 letters, digits, spaces and `_.@:/=+-`, not starting with `aws:`)"
    )]
    Key(String),
    /// Whoever chose the value.
    #[error("`{0}` is not a tag value (at most 256 letters, digits, spaces and `_.@:/=+-`)")]
    Value(String),
}

/// Whether IAM allows the character: `[\p{L}\p{Z}\p{N}_.:/=+\-@]`.
///
/// Outside ASCII `char::is_alphanumeric` is a little wider than `\p{L}\p{N}`; IAM has the last word.
fn is_tag_char(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c)
    } else {
        c.is_alphanumeric()
    }
}

impl TagKey {
    /// Checks IAM's length, characters and reserved prefix.
    pub fn new(text: &str) -> Result<Self, InvalidTag> {
        let reserved = text
            .get(..4)
            .is_some_and(|p| p.eq_ignore_ascii_case("aws:"));
        let length = text.chars().count();
        if (1..=128).contains(&length) && !reserved && text.chars().all(is_tag_char) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTag::Key(text.to_owned()))
        }
    }
}

impl TagValue {
    /// The most characters IAM allows.
    pub const MAX_LENGTH: usize = 256;

    /// Checks IAM's length and characters.
    pub fn new(text: &str) -> Result<Self, InvalidTag> {
        if text.chars().count() <= Self::MAX_LENGTH && text.chars().all(is_tag_char) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTag::Value(text.to_owned()))
        }
    }

    /// Makes any text fit: what IAM might refuse (and all that is not ASCII) becomes `_`, and of a text that is too long the
    /// end is kept, because the end of a path says more than its start.
    pub fn fitted(text: &str) -> Self {
        let excess = text.chars().count().saturating_sub(Self::MAX_LENGTH);
        let fit = |c: char| {
            if c.is_ascii() && is_tag_char(c) {
                c
            } else {
                '_'
            }
        };
        Self(text.chars().skip(excess).map(fit).collect())
    }
}

/// The tags of one role, in the order of their folded keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(BTreeMap<String, (String, String)>);

impl Tags {
    /// No tags.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a tag; a key that is there in any letter case is replaced.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0
            .insert(key.to_lowercase(), (key.to_owned(), value.into()));
    }

    /// The value under a key in any letter case.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .get(&key.to_lowercase())
            .map(|(_, value)| value.as_str())
    }

    /// Takes a tag away; says whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        self.0.remove(&key.to_lowercase()).is_some()
    }

    /// Key and value of every tag.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .values()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many further tags IAM has room for: those of AWS itself do not count.
    ///
    /// See <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules>.
    pub fn room(&self) -> usize {
        let counted = self.0.keys().filter(|key| !key.starts_with("aws:"));
        MAX_TAGS.saturating_sub(counted.count())
    }

    /// Parts tags that are to be written here, the most important first, into those that there is
    /// room for and the keys of the others. A key that is there already takes no room.
    pub fn part<'a>(
        &self,
        wanted: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> (Self, Vec<String>) {
        let (mut fitting, mut left_out) = (Self::new(), Vec::new());
        let mut room = self.room();
        for (key, value) in wanted {
            let is_there = self.get(key).or(fitting.get(key)).is_some();
            if !is_there && room == 0 {
                left_out.push(key.to_owned());
                continue;
            }
            room -= usize::from(!is_there);
            fitting.set(key, value);
        }
        (fitting, left_out)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: AsRef<str>, V: Into<String>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut tags = Self::new();
        for (key, value) in pairs {
            tags.set(key.as_ref(), value);
        }
        tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ignore_case_and_values_do_not() {
        let tags: Tags = [("Role.K8s.AWS/Cluster", "Prod")].into_iter().collect();
        assert_eq!(tags.get(CLUSTER), Some("Prod"));
        assert_ne!(tags.get(CLUSTER), Some("prod"));
    }

    #[test]
    fn a42_what_is_there_takes_no_room_and_neither_does_what_aws_put_there() {
        let mut tags: Tags = (0..48).map(|n| (format!("k{n}"), "v")).collect();
        tags.set("aws:cloudformation:stack-name", "apps");
        assert_eq!(tags.room(), 2);
        let wanted = [("a", "1"), ("K7", "2"), ("b", "3"), ("c", "4"), ("A", "5")];
        let (fitting, left_out) = tags.part(wanted);
        assert_eq!(left_out, ["c"]);
        let written: Vec<_> = fitting.iter().collect();
        assert_eq!(written, [("A", "5"), ("b", "3"), ("K7", "2")]);
        tags.set("one", "");
        tags.set("two", "");
        assert_eq!((tags.room(), tags.part([("k1", "")]).1.len()), (0, 0));
        tags.set("three", "");
        assert_eq!((tags.room(), tags.part([("new", "")]).1.len()), (0, 1));
    }

    #[test]
    fn keys_and_values_obey_iam() {
        assert!(TagKey::new("team").is_ok());
        for bad in ["", "aws:team", "AWS:team", "a*b", "a\nb", &"k".repeat(129)] {
            assert!(TagKey::new(bad).is_err(), "{bad:?}");
        }
        assert!(TagValue::new("").is_ok());
        assert!(TagValue::new("Größe = 5 @ x:y/z").is_ok());
        for bad in ["a*b", "a,b", "a\tb", &"v".repeat(257)] {
            assert!(TagValue::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_fitted_value_is_always_a_value() {
        let long = format!("{}/apps/foo,bar.yaml", "x".repeat(300));
        let fitted = TagValue::fitted(&long);
        assert!(TagValue::new(fitted.as_str()).is_ok());
        assert!(fitted.as_str().ends_with("/apps/foo_bar.yaml"));
    }

    proptest::proptest! {
        #[test]
        fn s15_any_text_can_be_fitted(text in "\\PC{0,400}|[a-zA-Z0-9/._-]{0,400}") {
            let fitted = TagValue::fitted(&text);
            proptest::prop_assert!(TagValue::new(fitted.as_str()).is_ok());
            if text.is_ascii() && TagValue::new(&text).is_ok() {
                proptest::prop_assert_eq!(fitted.as_str(), text);
            }
        }
    }
}
