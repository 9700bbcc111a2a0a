//! The vocabulary every stage shares: identifiers, ARNs, tags, trust policies, roles.
//!
//! Plain values with checking constructors; a value that exists is valid. Nothing here reads,
//! writes, logs or knows the time. Rules that belong to one stage (what a role *should* be called,
//! what *counts* as owned) live in that stage.

pub mod access;
pub mod arn;
pub mod cluster;
pub mod commit;
pub mod conventions;
pub mod history;
pub mod identifier;
pub mod last_use;
pub mod location;
mod newtype;
pub mod placeholder;
pub mod quotas;
pub mod redact;
pub mod repository;
pub mod role;
pub mod service_account;
pub mod shell;
pub mod tags;
pub mod text;
pub mod trust_policy;
