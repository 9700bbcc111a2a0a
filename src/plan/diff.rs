//! What differs between a role as it should be and as it is, field by field.

use crate::desired::DesiredRole;
use crate::model::cluster::Cluster;
use crate::model::role::{CurrentRole, SessionDuration};
use crate::model::trust_policy::TrustDocument;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Who may assume the role.
    TrustPolicy {
        /// As it is.
        current: TrustDocument,
        /// As it should be.
        desired: TrustDocument,
    },
    /// A tag of ours.
    Tag {
        /// Its key.
        key: String,
        /// Its value, if it is there.
        current: Option<String>,
        /// The value it should have.
        desired: String,
    },
    /// How long sessions may last.
    SessionDuration {
        /// As it is, in seconds.
        current: Option<u32>,
        /// As it should be.
        desired: SessionDuration,
    },
}

/// Compares field by field; a field that nobody set is not a difference.
pub(super) fn differences(
    desired: &DesiredRole,
    current: &CurrentRole,
    cluster: &Cluster,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let listed = &current.listed;
    let trust_policy = cluster.trust_policy_over(&desired.trust_policy, &listed.trust_policy);
    if !listed.trust_policy.same_meaning(&trust_policy) {
        found.push(Difference::TrustPolicy {
            current: listed.trust_policy.clone(),
            desired: trust_policy,
        });
    }
    for (key, value) in desired.tags.iter() {
        let current = current.tags.get(key);
        if current != Some(value) {
            found.push(Difference::Tag {
                key: key.to_owned(),
                current: current.map(str::to_owned),
                desired: value.to_owned(),
            });
        }
    }
    if let Some(duration) = desired.max_session_duration
        && listed.max_session_seconds != Some(duration.as_seconds())
    {
        found.push(Difference::SessionDuration {
            current: listed.max_session_seconds,
            desired: duration,
        });
    }
    found
}

/// All differences in one line.
pub(super) fn describe(differences: &[Difference]) -> String {
    let one = |difference: &Difference| match difference {
        Difference::TrustPolicy { .. } => "trust policy differs".to_owned(),
        Difference::Tag {
            key, current: None, ..
        } => format!("tag `{key}` is missing"),
        Difference::Tag {
            key,
            current: Some(_),
            ..
        } => format!("tag `{key}` differs"),
        Difference::SessionDuration { current, desired } => format!(
            "session duration is {} instead of {} s",
            current.map_or("unknown".to_owned(), |seconds| format!("{seconds} s")),
            desired.as_seconds()
        ),
    };
    differences.iter().map(one).collect::<Vec<_>>().join("; ")
}
