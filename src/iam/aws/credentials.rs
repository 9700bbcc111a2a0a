//! Where credentials come from, and what is wrong with them.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::credential_feature::AwsCredentialFeature as Feature;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_iam::config::Credentials;
use aws_sdk_iam::primitives::DateTime;
use futures::FutureExt;

use crate::model::arn::RoleArn;

/// How long credentials are waited for: a `credential_process` may hang for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The name under which sessions of assumed roles show up in CloudTrail.
pub(super) const SESSION_NAME: &str = "irsa-gitops";

/// Why what was given for access to AWS is of no use. The text never shows a secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unusable(pub(super) String);

impl From<Unusable> for CredentialsError {
    fn from(unusable: Unusable) -> Self {
        Self::invalid_configuration(unusable)
    }
}

/// Names the token file of the environment if the SDK, which sends it as it is, sent more than a token.
pub(super) fn check_token_file() -> Result<(), Unusable> {
    let Some(path) = std::env::var_os("AWS_WEB_IDENTITY_TOKEN_FILE") else {
        return Ok(());
    };
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    match flaw(&text) {
        Some(flaw) => Err(Unusable(format!(
            "the token file `{}` of AWS_WEB_IDENTITY_TOKEN_FILE {flaw}; give it by --token-path and --role-arn, or write it without",
            path.display()
        ))),
        None => Ok(()),
    }
}

mod failure;
pub(super) use failure::{diagnosis, explained, kind};

/// Variables of which the SDK would show the value, or ignore it, where it is not text.
const VARIABLES: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    ENDPOINTS[0],
    ENDPOINTS[1],
    ENDPOINTS[2],
];

const ENDPOINTS: [&str; 3] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_STS",
];

/// What is missing where the environment has one half of an access key, of which the SDK says nothing.
fn half_a_key() -> Option<String> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let [id, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    match (is_set(id), is_set(secret)) {
        (true, false) => Some(format!("{id} is set and {secret} is not")),
        (false, true) => Some(format!("{secret} is set and {id} is not")),
        _ => None,
    }
}

/// Looks for variables that the SDK breaks down over, shows or ignores.
pub(super) fn check_environment() -> Result<(), Unusable> {
    for name in VARIABLES {
        let Some(value) = std::env::var_os(name) else {
            continue;
        };
        let Some(text) = value.to_str() else {
            return Err(Unusable(format!("{name} is not text in UTF-8")));
        };
        if ENDPOINTS.contains(&name) {
            check_endpoint(name, text)?;
        }
    }
    Ok(())
}

/// Looks at the text of an endpoint, which may hold a password and is not shown.
pub(super) fn check_endpoint(name: &str, text: &str) -> Result<(), Unusable> {
    match flaw(text) {
        Some("is empty") => Err(Unusable(format!("{name} is empty; unset it: unset {name}"))),
        Some(flaw) => Err(Unusable(format!("{name} {flaw}"))),
        None => Ok(()),
    }
}

/// What keeps a text from being a credential or an endpoint: none of them has other characters
/// than visible ASCII.
fn flaw(text: &str) -> Option<&'static str> {
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        return text.is_empty().then_some("is empty");
    }
    let odd = |c: char| !c.is_ascii_graphic();
    let inner = text.trim_matches(char::is_whitespace);
    Some(if text.ends_with(['\n', '\r']) && !inner.contains(odd) {
        "ends with a line break"
    } else if text.contains(['\n', '\r']) {
        "has a line break in it"
    } else if text.contains(char::is_whitespace) {
        "has white space in it"
    } else if text.contains(|c: char| c.is_ascii_control()) {
        "has a control character in it"
    } else {
        "has a character in it that is not ASCII"
    })
}

/// Names the part of credentials that cannot be one, and where it came from.
fn check(credentials: &Credentials) -> Result<(), Unusable> {
    let parts = [
        (
            "access key id",
            "AWS_ACCESS_KEY_ID",
            Some(credentials.access_key_id()),
        ),
        (
            "secret access key",
            "AWS_SECRET_ACCESS_KEY",
            Some(credentials.secret_access_key()),
        ),
        (
            "session token",
            "AWS_SESSION_TOKEN",
            credentials.session_token(),
        ),
    ];
    let features = credentials.get_property::<Vec<Feature>>();
    let came_by = |feature| features.is_some_and(|features| features.contains(&feature));
    for (part, variable, text) in parts {
        let Some(flaw) = text.and_then(flaw) else {
            continue;
        };
        let from = if came_by(Feature::CredentialsEnvVars) {
            return Err(Unusable(format!("{variable} {flaw}, so it is no {part}")));
        } else if came_by(Feature::CredentialsProcess) {
            " that credential_process printed"
        } else if came_by(Feature::CredentialsProfile) {
            " of the profile (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE)"
        } else if came_by(Feature::CredentialsHttp) || came_by(Feature::CredentialsImds) {
            " that this machine's metadata service gave"
        } else {
            ""
        };
        return Err(Unusable(format!("the {part}{from} {flaw}")));
    }
    Ok(())
}

/// Credentials that are looked at before anything is signed with them: the SDK breaks down over an
/// access key id that is no header's value.
#[derive(Debug)]
pub(super) struct Checked<P>(pub(super) P);

impl<P: ProvideCredentials> Checked<P> {
    async fn checked(&self) -> provider::Result {
        // A provider may sign calls of its own, with credentials that only it sees.
        let found = AssertUnwindSafe(quietly(self.0.provide_credentials()));
        let found = tokio::time::timeout(PATIENCE, found.catch_unwind()).await;
        let found = found.map_err(|_| CredentialsError::provider_timed_out(PATIENCE))?;
        let found = found.unwrap_or_else(|_| {
            let what = "the credentials that a role is to be assumed with have a character in them that none has, such as a line break";
            Err(Unusable(what.to_owned()).into())
        })?;
        check(&found)?;
        Ok(found)
    }
}

impl<P: ProvideCredentials> ProvideCredentials for Checked<P> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.checked())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        let found = self.0.fallback_on_interrupt();
        found.filter(|credentials| check(credentials).is_ok())
    }
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread is expected and handled, so that nobody need hear of it.
pub(super) fn is_quiet() -> bool {
    IS_QUIET.get()
}

/// Polls a future whose panics are handled by whoever awaits it.
async fn quietly<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        IS_QUIET.set(true);
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        IS_QUIET.set(false);
        polled.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
    .await
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
        let expiry = time(made.expiration()).map_err(CredentialsError::unhandled)?;
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

/// A time of STS' in the form that the SDK wants it back in.
fn time<T: TryFrom<DateTime>>(at: &DateTime) -> Result<T, T::Error> {
    T::try_from(*at)
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never gives any credentials.
    #[derive(Debug)]
    struct Hanging;

    impl ProvideCredentials for Hanging {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a52_credentials_that_never_come_are_given_up() {
        let start = tokio::time::Instant::now();
        let error = Checked(Hanging)
            .provide_credentials()
            .await
            .expect_err("hangs");
        assert_eq!(start.elapsed().as_secs(), PATIENCE.as_secs());
        let text = diagnosis(&error, &crate::model::access::Access::default());
        assert!(
            text.contains("none came within 60 s; a `credential_process`"),
            "{text}"
        );
    }

    #[test]
    fn a41_what_is_no_credential_is_named_without_its_value() {
        for (text, expected) in [
            ("", "is empty"),
            ("AKIA\n", "ends with a line break"),
            ("AKIA\r\n", "ends with a line break"),
            ("AK\nIA", "has a line break in it"),
            (" AKIA", "has white space in it"),
            ("AK\tIA", "has white space in it"),
            ("AK\0IA", "has a control character in it"),
            ("AK\u{7f}IA", "has a control character in it"),
            ("AKÉA", "has a character in it that is not ASCII"),
        ] {
            assert_eq!(flaw(text), Some(expected), "{text:?}");
            let credentials = Credentials::new("AKIA", text, None, None, "test");
            let error = check(&credentials).expect_err("no secret").to_string();
            assert_eq!(error, format!("the secret access key {expected}"));
        }
        for text in ["AKIA", "wJalr/XUtn+FEMI=", "test", "FwoGZXIvYXdzE//a=="] {
            assert_eq!(flaw(text), None, "{text}");
        }
    }
}
