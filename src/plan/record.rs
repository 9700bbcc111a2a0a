//! The record of a cluster: a role that nobody can assume, whose tags say what was applied last.
//!
//! A run that finds nothing to write to any role leaves its commit here, so that a late run of an
//! older commit is known to be late. There is one entry for each *scope*, the set of paths that a
//! pipeline reads: two pipelines of one cluster, each with paths of its own, do not supersede each
//! other, and one that reads everything supersedes both.
//!
//! `=` is legal in the names of roles and never in those of Kubernetes, so no ServiceAccount has
//! this role: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::model::arn::RoleArn;
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;
use crate::model::role::{CurrentRole, NewRole, RoleName};
use crate::model::tags::{self, TagValue, Tags};
use crate::model::trust_policy;

/// What the keys of entries start with; that of everything is this alone.
pub const APPLIED: &str = tags::APPLIED;

/// The longest name of a role that IAM allows.
const LONGEST_NAME: usize = 64;

/// How many entries are kept, at most.
const MOST_ENTRIES: usize = 40;

/// What was applied to one scope last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(super) key: String,
    /// Which paths were read.
    pub scope: Scope,
    /// The commit.
    pub commit: CommitId,
    /// When it was first applied (RFC 3339).
    pub at: String,
}

/// Which paths a run reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Everything,
    /// These directories and files.
    Paths(Vec<RepoPath>),
    /// More than a tag has room for: it may be any.
    Unknown,
}

/// What a run writes to the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// It is made.
    Create(NewRole),
    /// Its tags are written; the entries of these keys go, as the new one stands for them.
    Tag {
        /// The record as it was.
        current: CurrentRole,
        /// The tags to write.
        tags: Tags,
        /// The keys of entries to take away.
        untag: Vec<String>,
    },
}

/// The name of a cluster's record, shortened with a digest where IAM allows no more.
pub fn name(cluster: &Cluster) -> RoleName {
    fitted(cluster, LONGEST_NAME)
}

/// What the names of a cluster's locks start with: that of its record, with room for `=` and a number.
pub fn stem(cluster: &Cluster) -> RoleName {
    fitted(cluster, LONGEST_NAME - "=99999".len())
}

fn fitted(cluster: &Cluster, longest: usize) -> RoleName {
    let prefix = match cluster.prefix.as_str() {
        "" => String::new(),
        prefix => format!("{prefix}_"),
    };
    let cluster = cluster.name.as_str();
    // A `=` ends the name, as it does in those of locks.
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+,.@-".contains(c);
    let whole = format!("{prefix}={cluster}");
    let name = if whole.len() <= longest && cluster.chars().all(fits) {
        whole
    } else {
        let kept: String = cluster.chars().filter(|c| fits(*c)).collect();
        let digest = digest(cluster.as_bytes());
        let room = longest.saturating_sub(prefix.len() + digest.len() + 2);
        let kept = kept.get(..room).unwrap_or(&kept);
        format!("{prefix}={kept}={digest}")
    };
    RoleName::new(&name).expect("a prefix leaves room for a digest, and all characters fit")
}

/// Whether a role is the record of a cluster: its name, its path and both tags say so.
pub fn is_record(role: &CurrentRole, cluster: &Cluster) -> bool {
    let tag = |key: &str, value: &str| role.tags.get(key) == Some(value);
    role.listed.name == name(cluster)
        && role.listed.path == cluster.path
        && tag(tags::MANAGED_BY, cluster.managed_by.as_str())
        && tag(tags::CLUSTER, cluster.name.as_str())
}

/// What a record says; a tag that somebody spoiled says nothing.
pub fn entries(role: &CurrentRole) -> Vec<Entry> {
    entries_of(&role.tags)
}

fn entries_of(tags: &Tags) -> Vec<Entry> {
    let tags = tags.iter();
    tags.filter_map(|(key, value)| entry(key, value)).collect()
}

/// Whether another run has written to a record since a run read it that is about to write these
/// tags: to an entry whose paths meet its own. Of the others each run only writes its own.
pub fn is_moved(read: &CurrentRole, now: &CurrentRole, written: &Tags) -> bool {
    let own = entries_of(written);
    let meets = |entry: &Entry| {
        own.iter().any(|own| match &own.scope {
            Scope::Everything | Scope::Unknown => true,
            Scope::Paths(paths) => !relevant(vec![entry.clone()], paths).is_empty(),
        })
    };
    let says = |entries: Vec<Entry>| -> BTreeSet<(String, String)> {
        let met = entries.into_iter().filter(meets);
        met.map(|entry| (entry.key, entry.commit.to_string()))
            .collect()
    };
    let (before, after, ours) = (says(entries(read)), says(entries(now)), says(own.clone()));
    let others = |entries: &BTreeSet<(String, String)>| -> BTreeSet<(String, String)> {
        entries.difference(&ours).cloned().collect()
    };
    let is_ours_there = ours.iter().all(|entry| after.contains(entry));
    // Ours takes the place of what stood under its key, and of what it stands for.
    !(others(&after).is_subset(&others(&before)) && (is_ours_there || before == after))
}

/// Whether two values of a tag say that the same commit was applied, at whatever time.
pub fn is_same_entry(key: &str, a: &str, b: &str) -> bool {
    let commit = |value| entry(key, value).map(|entry| entry.commit);
    commit(a).is_some() && commit(a) == commit(b)
}

fn entry(key: &str, value: &str) -> Option<Entry> {
    if key != APPLIED && !key.strip_prefix(APPLIED)?.starts_with('-') {
        return None;
    }
    let mut words = value.split('@');
    let commit = CommitId::new(words.next()?).ok()?;
    let at = words.next()?.to_owned();
    let paths: Option<Vec<RepoPath>> = words.map(decoded).collect();
    let scope = match paths {
        _ if key == APPLIED => Scope::Everything,
        Some(paths) if key_of(&paths) == key => Scope::Paths(paths),
        _ => Scope::Unknown,
    };
    Some(Entry {
        key: key.to_owned(),
        scope,
        commit,
        at,
    })
}

/// The entries that a run of these paths has to be in order with: those whose paths and its own
/// meet. One that cannot be read out counts.
pub fn relevant(entries: Vec<Entry>, paths: &[RepoPath]) -> Vec<Entry> {
    let own = key_of(paths);
    let meets = |entry: &Entry| match &entry.scope {
        Scope::Everything | Scope::Unknown => true,
        Scope::Paths(others) => {
            entry.key == own
                || paths.is_empty()
                || others.iter().any(|a| paths.iter().any(|b| overlap(a, b)))
        }
    };
    entries.into_iter().filter(meets).collect()
}

/// What has to be written for a commit to stand in the record; nothing if it does already.
pub fn write(
    current: Option<&CurrentRole>,
    cluster: &Cluster,
    repository: &str,
    paths: &[RepoPath],
    commit: &CommitId,
    now: &str,
) -> Option<Write> {
    let key = key_of(paths);
    let source = TagValue::fitted(repository);
    let mut wanted = Tags::from_iter([(tags::SOURCE, source.as_str())]);
    wanted.set(&key, value_of(commit, now, paths));
    let Some(current) = current else {
        wanted.set(tags::MANAGED_BY, cluster.managed_by.as_str());
        wanted.set(tags::CLUSTER, cluster.name.as_str());
        for (key, value) in &cluster.tags {
            wanted.set(key.as_str(), value.as_str());
        }
        return Some(Write::Create(NewRole {
            arn: RoleArn {
                path: cluster.path.clone(),
                ..cluster.role_arn(&name(cluster))
            },
            trust_policy: trust_policy::quarantine(),
            tags: wanted,
            permissions_boundary: cluster.permissions_boundary.clone(),
            max_session_duration: None,
        }));
    };
    let entries = entries(current);
    if entries.iter().any(|e| e.key == key && e.commit == *commit) {
        return None;
    }
    // One that reads everything stands for all; of too many scopes the oldest are let go.
    let mut others: Vec<&Entry> = entries.iter().filter(|entry| entry.key != key).collect();
    others.sort_by(|a, b| b.at.cmp(&a.at));
    // The new entry is written before others go, so there has to be room for it as well.
    let room = (current.tags.room() + entries.len()).saturating_sub(2);
    let kept = match paths {
        [] => 0,
        _ => room.min(MOST_ENTRIES),
    };
    let untag = others.iter().skip(kept).map(|entry| entry.key.clone());
    Some(Write::Tag {
        untag: untag.collect(),
        current: current.clone(),
        tags: wanted,
    })
}

/// The key of a scope's entry: the same for the same set of paths, in whatever order.
pub(super) fn key_of(paths: &[RepoPath]) -> String {
    if paths.is_empty() {
        return APPLIED.to_owned();
    }
    let mut sorted: Vec<&RepoPath> = paths.iter().collect();
    sorted.sort();
    sorted.dedup();
    let bytes: Vec<&[u8]> = sorted.iter().map(|path| path.as_bytes()).collect();
    format!("{APPLIED}-{}", digest(&bytes.join(&0)))
}

/// The commit, the time and, as far as they fit, the paths.
fn value_of(commit: &CommitId, now: &str, paths: &[RepoPath]) -> String {
    let mut value = format!("{commit}@{now}");
    let paths: Vec<String> = paths.iter().map(encoded).collect();
    let length: usize = paths.iter().map(|path| path.len() + 1).sum();
    if value.len() + length <= TagValue::MAX_LENGTH {
        for path in paths {
            value.push('@');
            value.push_str(&path);
        }
    }
    value
}

/// A path in the characters that a tag's value may have; all others as `=` and two digits.
fn encoded(path: &RepoPath) -> String {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_./+-".contains(&byte);
    let one = |byte: &u8| match legal(*byte) {
        true => char::from(*byte).to_string(),
        false => format!("={byte:02x}"),
    };
    path.as_bytes().iter().map(one).collect()
}

fn decoded(text: &str) -> Option<RepoPath> {
    let mut parts = text.split('=');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    Some(RepoPath::new(bytes))
}

/// Whether one path is the other, or lies in it.
fn overlap(a: &RepoPath, b: &RepoPath) -> bool {
    let within = |inner: &RepoPath, outer: &RepoPath| {
        let rest = inner.as_bytes().strip_prefix(outer.as_bytes());
        outer.as_bytes().is_empty() || rest.is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
    };
    within(a, b) || within(b, a)
}

/// Twelve digits that tell scopes and clusters apart.
fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::arn::{AwsAccountId, Partition};
    use crate::model::cluster::{ClusterName, RolePrefix};
    use crate::model::last_use::LastUse;
    use crate::model::role::{ListedRole, RoleId, RolePath};
    use proptest::prelude::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";
    const NOW: &str = "2026-11-24T12:00:00Z";

    fn cluster(name: &str) -> Cluster {
        Cluster {
            name: ClusterName::new(name).expect("valid"),
            prefix: RolePrefix::default(),
            path: RolePath::default(),
            partition: Partition::new("aws").expect("valid"),
            account: AwsAccountId::new("123456789012").expect("valid"),
            issuers: vec![],
            audience: None,
            permissions_boundary: None,
            max_session_duration: None,
            managed_by: TagValue::new("us").expect("valid"),
            tags: vec![],
            pod_identity: crate::model::cluster::PodIdentity::Keep,
            conventions: Default::default(),
        }
    }

    fn commit(id: &str) -> CommitId {
        CommitId::new(id).expect("valid")
    }

    fn paths(texts: &[&str]) -> Vec<RepoPath> {
        texts.iter().map(|text| RepoPath::from(*text)).collect()
    }

    /// The record after the write that a run of these paths makes.
    fn after(current: Option<CurrentRole>, texts: &[&str], id: &str) -> CurrentRole {
        let cluster = cluster("prod");
        let write = write(
            current.as_ref(),
            &cluster,
            "repo",
            &paths(texts),
            &commit(id),
            NOW,
        );
        match write {
            None => current.expect("it is there"),
            Some(Write::Create(role)) => CurrentRole {
                listed: ListedRole {
                    name: role.arn.name,
                    id: RoleId::new("AROA1"),
                    path: role.arn.path,
                    trust_policy: role.trust_policy,
                    max_session_seconds: None,
                },
                tags: role.tags,
                permissions_boundary: None,
                created: None,
                last_use: LastUse::Unknown,
            },
            Some(Write::Tag {
                mut current,
                tags,
                untag,
            }) => {
                for (key, value) in tags.iter() {
                    current.tags.set(key, value);
                }
                for key in untag {
                    current.tags.remove(&key);
                }
                current
            }
        }
    }

    fn seen_by(record: &CurrentRole, texts: &[&str]) -> Vec<String> {
        let relevant = relevant(entries(record), &paths(texts));
        relevant.into_iter().map(|e| e.commit.to_string()).collect()
    }

    #[test]
    fn c11_a_commit_is_written_once_for_a_scope() {
        let record = after(None, &[], OLD);
        assert!(is_record(&record, &cluster("prod")));
        assert_eq!(seen_by(&record, &[]), [OLD]);
        let (again, cluster) = (Some(&record), cluster("prod"));
        assert_eq!(write(again, &cluster, "repo", &[], &commit(OLD), NOW), None);
        let record = after(Some(record), &[], NEW);
        assert_eq!(seen_by(&record, &["apps"]), [NEW]);
    }

    #[test]
    fn c11_scopes_that_do_not_meet_do_not_see_each_other() {
        let record = after(Some(after(None, &["a"], OLD)), &["b", "c"], NEW);
        assert_eq!(seen_by(&record, &["a"]), [OLD]);
        assert_eq!(seen_by(&record, &["c", "b"]), [NEW]);
        assert_eq!(seen_by(&record, &["c/deep"]), [NEW]);
        assert_eq!(seen_by(&record, &["bb"]), Vec::<String>::new());
        assert_eq!(seen_by(&record, &[]).len(), 2);
        // One that reads everything stands for all of them from then on.
        let record = after(Some(record), &[], NEW);
        assert_eq!(entries(&record).len(), 1);
        assert_eq!(seen_by(&record, &["a"]), [NEW]);
    }

    #[test]
    fn c14_only_entries_that_meet_ours_tell_of_another_run() {
        let read = after(Some(after(None, &["a"], OLD)), &["b"], OLD);
        let ours = |texts: &[&str]| {
            let (paths, commit) = (paths(texts), commit(NEW));
            match write(Some(&read), &cluster("prod"), "repo", &paths, &commit, NOW) {
                Some(Write::Tag { tags, .. }) => tags,
                other => panic!("{other:?}"),
            }
        };
        let third = "3333333333333333333333333333333333333333";
        let by_b = after(Some(read.clone()), &["b"], third);
        for (texts, moved) in [(&["a"][..], false), (&["b"], true), (&[], true)] {
            assert_eq!(is_moved(&read, &by_b, &ours(texts)), moved, "{texts:?}");
            assert!(!is_moved(&read, &read, &ours(texts)), "{texts:?}");
            let done = after(Some(read.clone()), texts, NEW);
            assert!(!is_moved(&read, &done, &ours(texts)), "{texts:?}");
        }
        let gone = after(Some(read.clone()), &[], third);
        assert!(is_moved(&read, &gone, &ours(&["a"])));
    }

    #[test]
    fn c11_a_scope_that_has_no_room_in_a_tag_meets_all() {
        let long = ["x".repeat(200), "y".repeat(200)];
        let record = after(None, &[&long[0], &long[1]], NEW);
        assert_eq!(entries(&record)[0].scope, Scope::Unknown);
        assert_eq!(seen_by(&record, &["a"]), [NEW]);
    }

    #[test]
    fn c11_names_fit_and_differ() {
        let of = |text: &str| name(&cluster(text)).to_string();
        assert_eq!(of("prod"), "k8s-sa_=prod");
        let long = "c".repeat(70);
        let (a, b) = (of(&format!("{long}a")), of(&format!("{long}b")));
        assert!(a.len() <= 64 && b.len() <= 64 && a != b, "{a} {b}");
    }

    proptest! {
        #[test]
        fn any_path_comes_back(bytes in proptest::collection::vec(1_u8.., 1..60)) {
            let path = RepoPath::new(bytes);
            let text = encoded(&path);
            prop_assert!(TagValue::new(&text[..text.len().min(256)]).is_ok());
            prop_assert_eq!(decoded(&text), Some(path));
        }
    }
}
