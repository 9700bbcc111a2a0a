//! Why a call to IAM failed: what happened to the role, not what the SDK calls it.

use std::fmt;

use crate::model::role::RoleName;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    /// The IAM action, such as `iam:CreateRole`.
    pub action: &'static str,
    /// The role it was about.
    pub role: Option<RoleName>,
    /// What happened.
    pub kind: Kind,
    /// IAM's own message or what came instead of one; at most 200 characters, never a credential.
    pub message: String,
    /// The SDK's error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a failed call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IAM: there is no such role or provider.
    NoSuchEntity,
    /// IAM: a role of that name exists.
    EntityAlreadyExists,
    /// IAM: something is still attached to the role.
    DeleteConflict,
    /// IAM: a quota of the account or the role is used up.
    LimitExceeded,
    /// IAM: the trust policy is not one it accepts.
    MalformedPolicyDocument,
    /// IAM: another parameter is not one it accepts.
    InvalidInput,
    /// IAM: somebody else is changing the role right now; nothing was done.
    ConcurrentModification,
    /// IAM: the role belongs to AWS and cannot be changed.
    UnmodifiableEntity,
    /// IAM: too many calls, also after waiting and trying again; nothing was done.
    Throttled,
    /// The credentials may not do this; nothing was done.
    AccessDenied,
    /// The credentials are missing, expired or wrong, or the clock is; nothing was done.
    Credentials,
    /// The call was not sent, or was a read: IAM cannot be reached or answers with errors.
    Unavailable,
    /// IAM answered a read with something this program does not understand.
    BadReply,
    /// A write was sent and no usable answer came back: it may or may not have taken effect.
    OutcomeUnknown,
    /// The sandbox file cannot be read or written.
    Sandbox,
}

impl Error {
    /// Whether it makes every further call of this run pointless or dangerous.
    pub fn ends_the_run(&self) -> bool {
        matches!(
            self.kind,
            Kind::Credentials | Kind::UnmodifiableEntity | Kind::Sandbox
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        None
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action)?;
        if let Some(role) = &self.role {
            write!(f, " on role `{role}`")?;
        }
        write!(f, ": {}", self.message)
    }
}
