//! Why a call to IAM failed: what happened to the role, not what the SDK calls it.

use std::fmt;

use crate::model::arn::AwsAccountId;
use crate::model::quotas::Limit;
use crate::model::role::RoleName;
use crate::model::shell::REST;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    /// The IAM action, such as `iam:CreateRole`.
    pub action: &'static str,
    /// The role it was about.
    pub role: Option<RoleName>,
    /// What happened.
    pub kind: Kind,
    /// IAM's own message or what came instead of one; shortened in its middle, never a credential.
    pub message: String,
    /// The SDK's error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// How the message starts if the machine's clock is the likely reason.
pub(super) const CLOCK: &str = "this machine's clock is ";

/// How the message starts if a profile was named that is not there.
pub(super) const NO_PROFILE: &str = "there is no profile ";

/// How the message starts if whatever gives credentials does not end.
pub(super) const HANGING: &str = "none came within ";

/// How the SDK calls what a `credential_process` runs.
const PROCESS: &str = "external process";

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
    /// There are no credentials where they were looked for; nothing was done.
    NoCredentials,
    /// The role to assume does not let the credentials in; nothing was done.
    RoleDenied,
    /// Credentials, region or certificates cannot be what they were given as; nothing was sent.
    Unusable,
    /// The call was not sent, or was a read: IAM cannot be reached or answers with errors.
    Unavailable,
    /// IAM answered a read with something this program does not understand.
    BadReply,
    /// A write was sent and no usable answer came back: it may or may not have taken effect.
    OutcomeUnknown,
    /// The run was stopped before the call was sent.
    Halted,
    /// The audit log cannot be written, so the call was not sent.
    AuditLog,
    /// The sandbox file cannot be read or written.
    Sandbox,
}

impl Error {
    /// Whether it makes every further call of this run pointless or dangerous.
    pub fn ends_the_run(&self) -> bool {
        matches!(
            self.kind,
            Kind::Credentials
                | Kind::NoCredentials
                | Kind::RoleDenied
                | Kind::Unusable
                | Kind::UnmodifiableEntity
                | Kind::Throttled
                | Kind::Unavailable
                | Kind::Sandbox
                | Kind::AuditLog
        )
    }

    /// Which limit is reached. IAM has one code for all of them and says which one in its message;
    /// only a new role can be one too many for the account.
    pub fn limit(&self) -> Option<Limit> {
        let says = |word: &str| self.message.to_ascii_lowercase().contains(word);
        match (self.kind, self.action) {
            (Kind::LimitExceeded, "iam:UpdateAssumeRolePolicy") => Some(Limit::TrustPolicy),
            (Kind::LimitExceeded, "iam:CreateRole") if says("tag") => Some(Limit::Tags),
            (Kind::LimitExceeded, "iam:CreateRole") if says("aclsize") || says("policy") => {
                Some(Limit::TrustPolicy)
            }
            (Kind::LimitExceeded, "iam:CreateRole") => Some(Limit::Roles),
            (Kind::LimitExceeded, _) => Some(Limit::Tags),
            _ => None,
        }
    }

    /// The account of the credentials, as AWS' message names them.
    fn caller(&self) -> Option<AwsAccountId> {
        let (_, arn) = self.message.split_once("arn:")?;
        AwsAccountId::new(arn.split(':').nth(3)?).ok()
    }

    /// Whether it was a call that every job makes, and not only one that writes.
    fn is_read(&self) -> bool {
        let verb = self.action.split_once(':').map_or("", |(_, verb)| verb);
        verb.starts_with("Get") || verb.starts_with("List")
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self.kind {
            Kind::AccessDenied => format!(
                "allow {}{} for this job's credentials: irsa-gitops iam-policy --for {}{}{REST} prints all that it needs; a condition on tags or boundary in their policy may be what does not fit",
                self.action,
                // Asked for by the same call, because the role is made with its tags.
                if self.action == "iam:CreateRole" { " and iam:TagRole" } else { "" },
                if self.is_read() { "plan" } else { "apply" },
                // Whoever runs a command that is pasted may have no credentials that tell it.
                self.caller().map_or_else(String::new, |account| format!(" --account {account}")),
            ),
            Kind::Credentials if self.message.starts_with(CLOCK) => {
                "set this machine's clock, then run again: AWS refuses what seems signed long ago or in the future".to_owned()
            }
            Kind::RoleDenied => {
                "its trust policy has to name the caller that AWS names (an ARN, or the token's issuer, `sub` and `aud`), and a principal of AWS also needs sts:AssumeRole on it".to_owned()
            }
            Kind::NoCredentials | Kind::Credentials if self.message.starts_with(NO_PROFILE) => {
                "correct AWS_PROFILE (aws configure list-profiles prints those that there are), or add the profile: aws configure --profile NAME".to_owned()
            }
            Kind::NoCredentials => {
                "give the job some: AWS_PROFILE for one of your profiles, --token-path and --role-arn for its OIDC token, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY".to_owned()
            }
            Kind::Credentials if self.message.starts_with(HANGING) => {
                "run that command by itself to see what it waits for".to_owned()
            }
            Kind::Credentials if self.message.contains(PROCESS) => {
                "run the credential_process of the profile by itself; then renew what it gives, or correct its line in ~/.aws/config".to_owned()
            }
            Kind::Credentials => {
                "renew the credentials (aws sso login, the job's OIDC token, AWS_PROFILE), then run again".to_owned()
            }
            Kind::Unusable if ["line break", "character"].iter().any(|w| self.message.contains(w)) => {
                "correct it where it is set, then run again; a line break at the end of a secret that was pasted is the usual reason".to_owned()
            }
            Kind::Unusable => "correct it where it is set, then run again".to_owned(),
            Kind::Unavailable => {
                "check the network, the region and AWS_ENDPOINT_URL, then run again: a run starts from what IAM has".to_owned()
            }
            Kind::Throttled => {
                "somebody else uses up the account's rate of IAM calls; run again later, it goes on where this run stopped".to_owned()
            }
            Kind::BadReply => {
                "something between here and AWS may have answered in its place (a proxy?); check AWS_ENDPOINT_URL and https_proxy".to_owned()
            }
            Kind::LimitExceeded => return self.limit().map(|limit| limit.hint(self.role.as_ref())),
            Kind::DeleteConflict => {
                "whoever attached policies or instance profiles has to take them off; this program never does".to_owned()
            }
            Kind::UnmodifiableEntity => {
                "AWS owns that role: check --role-prefix and --role-path".to_owned()
            }
            Kind::ConcurrentModification => {
                "somebody else is changing that role; run again".to_owned()
            }
            Kind::AuditLog => {
                "make room for the file of --audit-log and run again: it goes on where this run stopped".to_owned()
            }
            Kind::Sandbox => {
"correct the file, or name one that does not exist: a new sandbox begins in it with the configured OIDC providers".to_owned()
            }
            Kind::MalformedPolicyDocument | Kind::InvalidInput => {
                "IAM refuses what was sent; it says why, and a new version of this program or another setting may be needed".to_owned()
            }
            Kind::NoSuchEntity
            | Kind::EntityAlreadyExists
            | Kind::OutcomeUnknown
            | Kind::Halted => return None,
        };
        Some(hint)
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

#[cfg(test)]
mod tests {
    use super::{Error, Kind};

    fn hint(message: &str) -> String {
        hint_of(Kind::Unusable, message)
    }

    fn hint_of(kind: Kind, message: &str) -> String {
        let error = Error {
            action: "sts:GetCallerIdentity",
            role: None,
            kind,
            message: message.to_owned(),
            source: None,
        };
        error.hint().unwrap_or_default()
    }

    #[test]
    fn i128_a_line_break_is_the_reason_only_where_there_is_one() {
        let broken = hint("AWS_SECRET_ACCESS_KEY ends with a line break");
        assert!(broken.contains("line break"), "{broken}");
        for message in [
            "AWS_CA_BUNDLE: `ca.pem` cannot be read",
            "AWS_REGION is blank",
        ] {
            let other = hint(message);
            assert!(
                !other.contains("line break") && other.contains("correct it"),
                "{other}"
            );
        }
    }

    #[test]
    fn i133_a_broken_process_is_to_be_corrected_and_other_credentials_renewed() {
        let failed = "profile `x`: external process exited with code exit status: 1";
        let hint = hint_of(Kind::Credentials, failed);
        assert!(hint.contains("credential_process"), "{hint}");
        let hint = hint_of(Kind::Credentials, "the security token has expired");
        assert!(hint.contains("renew"), "{hint}");
    }
}
