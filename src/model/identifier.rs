//! Identifiers of clusters and roles, each checked once, as AWS checks it.
//!
//! Whatever else is in `model` may use them, and they use nothing of it.

mod cluster;
mod role;

pub use cluster::{Audience, ClusterName, InvalidCluster, Issuer, RolePrefix};
pub use role::{InvalidRole, RoleId, RoleLabel, RoleName, RolePath, SessionDuration};
