//! What an account may have, and what a role may have.

use super::role::RoleName;
use super::tags::MAX_TAGS;

/// How many roles there are and may be, and how long a trust policy may be.
///
/// See <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Roles in the account.
    pub roles: u64,
    /// Roles allowed in the account.
    pub roles_quota: u64,
    /// Characters allowed in a trust policy, white space not counted.
    pub trust_policy_size_quota: u64,
}

/// A limit of IAM that may be reached: one of the account, or one of a single role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// How many roles an account may have.
    Roles,
    /// How many tags a role may have.
    Tags,
    /// How long the trust policy of a role may be.
    TrustPolicy,
}

impl Limit {
    /// What to do once it is reached.
    pub fn hint(self, role: Option<&RoleName>) -> String {
        match self {
            Self::Roles => {
                "ask AWS for a higher quota `Roles per account`, or remove roles that are not needed".to_owned()
            }
            Self::Tags => {
                let role = role.map_or("ROLE", RoleName::as_str);
                format!(
                    "IAM allows {MAX_TAGS} tags on a role, and nobody can raise that: see what is there (aws iam list-role-tags --role-name {role}), take off what nobody needs (aws iam untag-role --role-name {role} --tag-keys KEY), or give fewer --tag; then run again"
                )
            }
            Self::TrustPolicy => {
                "ask AWS for a higher quota `Role trust policy length`, or name fewer issuers".to_owned()
            }
        }
    }
}
