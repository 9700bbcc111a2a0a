//! The lock of a cluster: a role that nobody can assume, which is there while a run writes.
//!
//! CreateRole is the one atomic test-and-set that IAM has. The locks of a cluster are numbered from 1:
//! a run that finds a lock waits, and passes one whose holder is dead by making the next number. A
//! holder is dead when its lock has not changed for a whole lease by the clock of the waiter, as
//! clocks of two machines need not agree. Decides only; whoever reads and makes the roles is told
//! here what to do next.

use jiff::SignedDuration;

use crate::model::arn::RoleArn;
use crate::model::cluster::Cluster;
use crate::model::commit::CommitId;
use crate::model::role::{CurrentRole, NewRole, RoleId, RoleName};
use crate::model::tags::{self, Tags};
use crate::model::trust_policy;

use super::record;

/// Who holds a lock, as its tag says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The run, by a random id.
    pub run: String,
    /// How often it was renewed.
    pub renewals: u32,
    /// How long it holds without being renewed.
    pub lease: SignedDuration,
    /// Since when it is held (RFC 3339, by the holder's clock).
    pub since: String,
}

/// A lock that was seen, and since when it has not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The id of its role.
    pub id: RoleId,
    /// What its tag said; a tag that somebody spoiled says nothing.
    pub holder: Option<Holder>,
    /// Whether its holder gave it back and may not delete it.
    pub is_given_back: bool,
}

/// What the tag says of a lock that was given back and not deleted.
const GIVEN_BACK: &str = "given-back";

impl Holder {
    /// The holder that the tags of a lock name.
    pub fn of(role: &CurrentRole) -> Option<Self> {
        let mut words = role.tags.get(tags::LOCK)?.split('@');
        let holder = Self {
            run: words.next()?.to_owned(),
            renewals: words.next()?.parse().ok()?,
            lease: SignedDuration::from_secs(words.next()?.parse().ok()?),
            since: words.next()?.to_owned(),
        };
        words.next().is_none().then_some(holder)
    }

    /// The tag that says it.
    pub fn tag(&self) -> Tags {
        let Self {
            run,
            renewals,
            lease,
            since,
        } = self;
        let value = format!("{run}@{renewals}@{}@{since}", lease.as_secs());
        Tags::from_iter([(tags::LOCK, value)])
    }

    /// The same, renewed once more.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self {
            renewals: self.renewals + 1,
            ..self.clone()
        }
    }
}

impl Seen {
    /// What a lock says.
    pub fn of(role: &CurrentRole) -> Self {
        Self {
            id: role.listed.id.clone(),
            holder: Holder::of(role),
            is_given_back: role.tags.get(tags::LOCK) == Some(GIVEN_BACK),
        }
    }

    /// Whether its holder is dead: it has not changed for as long as it says that it holds, or as ours
    /// would if it does not say.
    pub fn is_dead(&self, unchanged: SignedDuration, ours: SignedDuration) -> bool {
        let lease = self.holder.as_ref().map_or(ours, |holder| holder.lease);
        self.is_given_back || unchanged >= lease
    }
}

/// The tag of a lock that its holder gives back and may not delete.
pub fn given_back() -> Tags {
    Tags::from_iter([(tags::LOCK, GIVEN_BACK)])
}

/// The name of the lock of a number.
pub fn name(cluster: &Cluster, number: u32) -> RoleName {
    let stem = record::stem(cluster);
    RoleName::new(&format!("{stem}={number}")).expect("the stem leaves room for a number")
}

/// The pattern that the names of a cluster's locks match, and no ServiceAccount's role.
pub fn names(cluster: &Cluster) -> String {
    format!("{}=*", record::stem(cluster))
}

/// Whether a role is a lock of a cluster: its path and both tags say so.
pub fn is_lock(role: &CurrentRole, cluster: &Cluster) -> bool {
    let tag = |key: &str, value: &str| role.tags.get(key) == Some(value);
    role.listed.path == cluster.path
        && role.tags.get(tags::LOCK).is_some()
        && tag(tags::MANAGED_BY, cluster.managed_by.as_str())
        && tag(tags::CLUSTER, cluster.name.as_str())
}

/// The lock that a run makes.
pub fn new(cluster: &Cluster, number: u32, holder: &Holder, commit: Option<&CommitId>) -> NewRole {
    let mut all = holder.tag();
    all.set(tags::MANAGED_BY, cluster.managed_by.as_str());
    all.set(tags::CLUSTER, cluster.name.as_str());
    if let Some(commit) = commit {
        all.set(tags::COMMIT, commit.as_str());
    }
    for (key, value) in &cluster.tags {
        all.set(key.as_str(), value.as_str());
    }
    NewRole {
        arn: RoleArn {
            path: cluster.path.clone(),
            ..cluster.role_arn(&name(cluster, number))
        },
        trust_policy: trust_policy::quarantine(),
        tags: all,
        permissions_boundary: cluster.permissions_boundary.clone(),
        max_session_duration: None,
    }
}
