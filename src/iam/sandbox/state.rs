//! What the sandbox's file holds: one account, or several.
//!
//! ```json
//! {
//!   "account": "123456789012",
//!   "oidcProviders": [{ "issuer": "oidc.example.com/id/1", "audiences": ["sts.amazonaws.com"] }],
//!   "roles": [{ "name": "k8s-sa_bar_foo", "id": "AROA1", "trustPolicy": {} }]
//! }
//! ```
//!
//! is one account; `{ "accounts": [ACCOUNT, ...] }` is several, each of that form. `account` alone is
//! required of an account, and `name`, `id` and `trustPolicy` of a role; the structs here are all
//! that is known, and other keys are an error. So are two accounts of one number, and two roles of
//! one account whose names differ in letter case only.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One AWS account, as far as roles go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// The account.
    pub account: String,
    /// The partition.
    #[serde(default = "aws")]
    pub partition: String,
    /// Its quotas.
    #[serde(default)]
    pub quotas: StateQuotas,
    /// Its OIDC providers.
    #[serde(default)]
    pub oidc_providers: Vec<Provider>,
    /// Its roles, in the order of their names.
    #[serde(default)]
    pub roles: Vec<Role>,
}

/// What the account may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StateQuotas {
    /// Roles.
    pub roles: u64,
    /// Characters of a trust policy, white space not counted.
    pub trust_policy_size: u64,
}

/// A registered OIDC provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// The issuer, with or without `https://`.
    pub issuer: String,
    /// The audiences (client ids) it accepts.
    #[serde(default)]
    pub audiences: Vec<String>,
}

/// A role. What other people attach to it is here as well, so that it can be tried what becomes of
/// it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// `RoleName`.
    pub name: String,
    /// `RoleId`.
    pub id: String,
    /// `Path`.
    #[serde(default = "root")]
    pub path: String,
    /// `CreateDate`.
    #[serde(default = "epoch")]
    pub create_date: String,
    /// `AssumeRolePolicyDocument`.
    pub trust_policy: Value,
    /// `MaxSessionDuration` in seconds.
    #[serde(default = "hour")]
    pub max_session_duration: u32,
    /// `Tags`.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// `PermissionsBoundary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
    /// ARNs of attached policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached_policies: Vec<String>,
    /// Names of inline policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inline_policies: Vec<String>,
    /// Names of instance profiles it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instance_profiles: Vec<String>,
    /// `RoleLastUsed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
}

/// A tag of a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tag {
    /// `Key`.
    pub key: String,
    /// `Value`.
    pub value: String,
}

impl Default for StateQuotas {
    /// AWS' own defaults.
    fn default() -> Self {
        Self {
            roles: 1000,
            trust_policy_size: 2048,
        }
    }
}

impl Provider {
    /// The issuer as IAM names it.
    pub fn bare_issuer(&self) -> &str {
        self.issuer.strip_prefix("https://").unwrap_or(&self.issuer)
    }
}

impl Role {
    /// The trust policy as the API hands it out: JSON, URL-encoded.
    pub fn encoded_trust_policy(&self) -> String {
        crate::iam::document::encode(&self.trust_policy_text())
    }

    /// The same decoded.
    pub(super) fn trust_policy_text(&self) -> String {
        match &self.trust_policy {
            Value::String(text) => text.clone(),
            document => document.to_string(),
        }
    }
}

fn aws() -> String {
    "aws".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

fn epoch() -> String {
    "1970-01-01T00:00:00Z".to_owned()
}

fn hour() -> u32 {
    3600
}
