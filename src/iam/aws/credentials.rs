//! Where credentials come from, and what is wrong with them.

use std::path::PathBuf;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_iam::config::Credentials;

use super::access::SESSION_NAME;
use crate::model::arn::RoleArn;

/// Why what was given for access to AWS is of no use. The text never shows a secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unusable(pub(super) String);

impl From<Unusable> for CredentialsError {
    fn from(unusable: Unusable) -> Self {
        Self::invalid_configuration(unusable)
    }
}

/// The causes of a credential error, from the outside in. They name providers and files; the SDK
/// keeps secrets out of them.
pub(super) fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    // The SDK lists what it tried line by line.
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Credentials of a role, for a web identity token (`sts:AssumeRoleWithWebIdentity`).
///
/// The SDK has such a provider, too, but its client takes neither endpoints nor the region from a
/// configuration, and it sends the file with the line break at its end.
#[derive(Debug)]
pub(super) struct WebIdentity {
    sts: aws_sdk_sts::Client,
    token_path: PathBuf,
    role: String,
}

impl WebIdentity {
    /// A provider that reads the token again for every session: whoever wrote it renews it.
    pub(super) fn new(config: &SdkConfig, token_path: &str, role: &RoleArn) -> Self {
        Self {
            sts: aws_sdk_sts::Client::new(config),
            token_path: token_path.into(),
            role: role.to_string(),
        }
    }

    async fn assume(&self) -> provider::Result {
        let request = self.sts.assume_role_with_web_identity();
        let reply = request
            .role_arn(&self.role)
            .role_session_name(SESSION_NAME)
            .web_identity_token(self.token()?)
            .send()
            .await
            .map_err(CredentialsError::provider_error)?;
        let made = reply.credentials();
        let made = made.ok_or_else(|| CredentialsError::unhandled("STS sent no credentials"))?;
        let expiry = SystemTime::try_from(*made.expiration());
        let expiry = expiry.map_err(CredentialsError::unhandled)?;
        Ok(Credentials::new(
            made.access_key_id(),
            made.secret_access_key(),
            Some(made.session_token().to_owned()),
            Some(expiry),
            "WebIdentityToken",
        ))
    }

    /// The token in the file; most tools that write one end it with a line break.
    fn token(&self) -> Result<String, Unusable> {
        let path = self.token_path.display();
        let wrong = |what: &str| Unusable(format!("the token file `{path}` {what}"));
        let bytes = std::fs::read(&self.token_path)
            .map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let token = bytes.trim_ascii();
        match String::from_utf8(token.to_vec()) {
            Ok(token) if token.is_empty() => Err(wrong("is empty")),
            Ok(token) if token.bytes().all(|b| b.is_ascii_graphic()) => Ok(token),
            _ => Err(wrong("holds something else than one token")),
        }
    }
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}
