//! What an account may have.

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
