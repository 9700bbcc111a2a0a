//! One call to AWS: at the shared rate, again where that is safe, and with an error that says what
//! became of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use backon::{ExponentialBuilder, Retryable};

use super::credentials::{Unusable, explained};
use crate::iam::error::{CLOCK, Error, Kind};
use crate::iam::limiter::Limiter;
use crate::model::redact;
use crate::model::role::RoleName;

/// How many characters are shown of a reply that is not AWS'.
const SHOWN: usize = 200;

/// How many characters a message has at most. IAM's own run to some 500: who may not do what, to what,
/// and which policy says so.
const LONGEST: usize = 800;

/// How often a read is tried while the service is unavailable, and a write that somebody else's
/// change kept from happening.
const TRIES: usize = 5;

/// While IAM throttles, calls are sent again for this long: slow, not failed.
const PATIENCE: Duration = Duration::from_secs(240);

/// The waits between tries: up to 20 s, half of it by chance. The rate is the limiter's affair, these
/// only keep one call from hammering.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(10))
    .with_total_delay(Some(PATIENCE))
    .without_max_times()
    .with_jitter();

/// What all calls of one client share: the rate, and what no message may show.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    limiter: Limiter,
    secrets: Vec<String>,
    hosts: [Host; 2],
}

/// The host that a client sends to, once it has sent something.
pub(super) type Host = Arc<OnceLock<String>>;

impl Line {
    /// Keeps these texts out of every message: a proxy may send back what it was sent.
    pub(super) fn hide<'a>(&mut self, secrets: impl IntoIterator<Item = &'a str>) {
        self.secrets.extend(secrets.into_iter().map(str::to_owned));
    }

    /// Lets no further write through.
    pub(super) fn close(&self) {
        self.limiter.close();
    }

    /// The hosts of STS and IAM, to be filled in by what sees the requests.
    pub(super) fn hosts(&self) -> &[Host; 2] {
        &self.hosts
    }

    /// Where a call goes, and by which proxy.
    fn way(&self, action: &str) -> String {
        let [sts, iam] = &self.hosts;
        let host = if action.starts_with("sts:") { sts } else { iam };
        let host = host.get().map_or("AWS", String::as_str);
        let proxies = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
        let mut proxies = proxies.iter().filter_map(|name| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
            Some((name, redact::address(&value)))
        });
        match proxies.next() {
            Some((name, proxy)) if !host.starts_with("http:") => {
                format!("{host} (by the proxy `{proxy}` of {name}, unless no_proxy excepts it)")
            }
            _ => host.to_owned(),
        }
    }

    /// A text in one line and without secrets. What is too long loses its middle: a message names at
    /// its beginning what failed, and at its end why.
    pub(super) fn presentable(&self, text: &str) -> String {
        shortened(
            &self.without_secrets(text),
            LONGEST * 3 / 5,
            LONGEST * 2 / 5,
        )
    }

    /// The beginning of a reply that is not AWS'.
    fn excerpt(&self, body: &[u8]) -> String {
        let body = String::from_utf8_lossy(&body[..body.len().min(4 * LONGEST)]);
        shortened(&self.without_secrets(&body), SHOWN, 0)
    }

    fn without_secrets(&self, text: &str) -> String {
        // Web identity tokens are the only thing that starts so.
        let is_token = |word: &str| word.starts_with("eyJ") && word.len() > 20;
        let words = text.split_inclusive(|c: char| c.is_whitespace() || "\"'<>&".contains(c));
        let text: String = words
            .map(|word| if is_token(word) { "*** " } else { word })
            .collect();
        redact::hide(&text, self.secrets.iter().map(String::as_str))
    }
}

/// Whether a call changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    Read,
    Write,
}

/// Sends a call until it is answered. A write is sent again only if the first one certainly had no
/// effect.
pub(super) async fn call<T, E, F>(
    line: &Line,
    nature: Nature,
    action: &'static str,
    role: Option<&RoleName>,
    send: impl Fn() -> F,
) -> Result<T, Error>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let limiter = &line.limiter;
    let attempt = || async {
        match nature {
            Nature::Read => limiter.admit().await,
            Nature::Write if limiter.admit_unless_closed().await => {}
            Nature::Write => return Err(halted(action, role)),
        }
        tracing::debug!(action, role = role.map(RoleName::as_str), "calling");
        let result = send()
            .await
            .map_err(|error| explain(error, line, nature, action, role));
        match &result {
            Err(error) if error.kind == Kind::Throttled => limiter.throttled(),
            _ => limiter.accepted(),
        }
        result
    };
    let mut tries = 1;
    let again = |error: &Error| match error.kind {
        Kind::Throttled => true,
        Kind::Unavailable | Kind::ConcurrentModification => {
            tries += 1;
            tries <= TRIES
        }
        _ => false,
    };
    let closes = limiter.clone();
    let pause = move |wait| {
        let (limiter, wait) = (closes.clone(), tokio::time::sleep(wait));
        async move {
            match nature {
                Nature::Read => wait.await,
                // Whoever stops the run need not wait to hear that it will not be sent again.
                Nature::Write => _ = limiter.unless_closed(wait).await,
            }
        }
    };
    attempt.retry(BACKOFF).sleep(pause).when(again).await
}

fn halted(action: &'static str, role: Option<&RoleName>) -> Error {
    Error {
        action,
        role: role.cloned(),
        kind: Kind::Halted,
        message: "the run was stopped before it was sent".to_owned(),
        source: None,
    }
}

fn explain<E>(
    error: SdkError<E, HttpResponse>,
    line: &Line,
    nature: Nature,
    action: &'static str,
    role: Option<&RoleName>,
) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    // After a write was sent, anything but an answer leaves open what it did.
    let lost = |otherwise| match nature {
        Nature::Read => otherwise,
        Nature::Write => Kind::OutcomeUnknown,
    };
    let (kind, message) = match &error {
        SdkError::ServiceError(context) => service_error(context.err(), context.raw(), line, lost),
        SdkError::ResponseError(context) => match context.raw().body().bytes() {
            Some(body) => {
                let body = line.excerpt(body);
                let message = format!("the reply is not a whole one of IAM's: {body}");
                (lost(Kind::BadReply), message)
            }
            None => (
                lost(Kind::Unavailable),
                format!(
                    "the connection to {} broke within the reply: {}",
                    line.way(action),
                    deepest(&error)
                ),
            ),
        },
        SdkError::TimeoutError(_) => (
            lost(Kind::Unavailable),
            format!("no reply from {} within the time limit", line.way(action)),
        ),
        other if find::<Unusable>(other).is_some() => (Kind::Unusable, deepest(other)),
        other if find::<CredentialsError>(other).is_some() => (Kind::Credentials, explained(other)),
        SdkError::ConstructionFailure(_) => (Kind::Credentials, deepest(&error)),
        other
            if find::<hyper_util::client::legacy::Error>(other).is_some_and(|e| e.is_connect()) =>
        {
            (
                Kind::Unavailable,
                format!("cannot connect to {}: {}", line.way(action), deepest(other)),
            )
        }
        other => (
            lost(Kind::Unavailable),
            format!(
                "the connection to {} broke: {}",
                line.way(action),
                deepest(other)
            ),
        ),
    };
    Error {
        action,
        role: role.cloned(),
        kind,
        message: line.presentable(&message),
        source: Some(Box::new(error)),
    }
}

fn service_error(
    error: &impl ProvideErrorMetadata,
    reply: &HttpResponse,
    line: &Line,
    lost: impl Fn(Kind) -> Kind,
) -> (Kind, String) {
    let status = reply.status().as_u16();
    // AWS says the code in the document; emulators that say it otherwise repeat it here.
    let code = error
        .code()
        .or_else(|| reply.headers().get("x-amzn-errortype"));
    let kind = match code {
        Some("NoSuchEntity") => Kind::NoSuchEntity,
        Some("EntityAlreadyExists") => Kind::EntityAlreadyExists,
        Some("DeleteConflict") => Kind::DeleteConflict,
        Some("LimitExceeded") => Kind::LimitExceeded,
        Some("MalformedPolicyDocument") => Kind::MalformedPolicyDocument,
        Some("InvalidInput" | "ValidationError") => Kind::InvalidInput,
        Some("ConcurrentModification" | "EntityTemporarilyUnmodifiable") => {
            Kind::ConcurrentModification
        }
        Some("UnmodifiableEntity") => Kind::UnmodifiableEntity,
        Some(
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "SlowDown",
        ) => Kind::Throttled,
        Some(
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "OptInRequired",
        ) => Kind::AccessDenied,
        Some(
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "RequestExpired"
            | "MissingAuthenticationToken"
            | "InvalidAccessKeyId"
            | "IncompleteSignature"
            | "InvalidIdentityToken"
            | "IDPRejectedClaim"
            | "AuthFailure",
        ) => Kind::Credentials,
        _ if status == 429 => Kind::Throttled,
        _ if status >= 500 => lost(Kind::Unavailable),
        Some(_) => Kind::InvalidInput,
        None => lost(Kind::BadReply),
    };
    let mut message = match (code, error.message()) {
        (Some(code), Some(text)) => format!("{code}: {text}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => {
            let body = line.excerpt(reply.body().bytes().unwrap_or_default());
            format!("HTTP status {status} with no error of IAM's: {body}")
        }
    };
    if kind == Kind::Credentials
        && let Some(skew) = clock_skew(reply)
    {
        message = format!(
            "{CLOCK}{} s {} AWS': {message}",
            skew.abs(),
            if skew > 0 { "ahead of" } else { "behind" }
        );
    }
    (kind, message)
}

/// By how many seconds this machine's clock is ahead, if it is off by more than a minute.
fn clock_skew(reply: &HttpResponse) -> Option<i64> {
    let date = reply.headers().get("date")?;
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let skew = jiff::Timestamp::now().as_second() - theirs.as_second();
    (skew.abs() > 60).then_some(skew)
}

/// The first of the causes of an error that is of a type.
pub(super) fn find<'e, E: std::error::Error + 'static>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What the innermost cause says: the layers around it only say that something failed.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// So many characters of the beginning and of the end of a text, in one line.
fn shortened(text: &str, first: usize, last: usize) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let count = one_line.chars().count();
    if count <= first + last {
        return one_line;
    }
    let at = |n| {
        one_line
            .char_indices()
            .nth(n)
            .map_or(one_line.len(), |(at, _)| at)
    };
    format!(
        "{}…{}",
        &one_line[..at(first)],
        &one_line[at(count - last)..]
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::error::ErrorMetadata;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a1_a_throttled_write_is_not_sent_again_once_the_run_is_stopped() {
        let line = Line::default();
        let refused = || async {
            let error = ErrorMetadata::builder().code("Throttling").build();
            let reply = HttpResponse::new(400.try_into().expect("a status"), "".into());
            Err::<(), _>(SdkError::service_error(error, reply))
        };
        let stop = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            line.close();
        };
        let start = tokio::time::Instant::now();
        let write = call(&line, Nature::Write, "CreateRole", None, refused);
        let (result, ()) = tokio::join!(write, stop);
        assert_eq!(result.expect_err("refused").kind, Kind::Halted);
        assert!(start.elapsed() < Duration::from_millis(100_010), "at once");
    }

    #[test]
    fn a50_a_long_message_keeps_its_beginning_and_its_end() {
        let line = Line::default();
        let long = format!("User: ann {} because of policy P", "x".repeat(2 * LONGEST));
        let shown = line.presentable(&long);
        assert!(shown.starts_with("User: ann"), "{shown}");
        assert!(shown.ends_with("because of policy P"), "{shown}");
        assert_eq!(shown.chars().count(), LONGEST + 1);
        let whole = format!("é{}", "x ".repeat(LONGEST / 2 - 1));
        assert_eq!(line.presentable(&whole), whole.trim());
        // What is not AWS' own text is cut, after secrets are taken out.
        let mut line = Line::default();
        line.hide(["planted-secret"]);
        let body = format!(
            "{}planted-secret{}",
            "x".repeat(SHOWN - 5),
            "y".repeat(SHOWN)
        );
        let shown = line.excerpt(body.as_bytes());
        assert!(!shown.contains("plant"), "{shown}");
        assert_eq!(shown.chars().count(), SHOWN + 1);
    }

    #[test]
    fn a32_a_clock_that_is_off_is_told_in_seconds() {
        let reply = |date: &str| {
            let status = 403_u16.try_into().expect("a status");
            let mut reply = HttpResponse::new(status, "".into());
            reply.headers_mut().insert("date", date.to_owned());
            reply
        };
        let skew = clock_skew(&reply("Tue, 24 Nov 2020 12:00:00 GMT")).expect("years");
        assert!(skew > 100_000_000, "{skew}");
        assert_eq!(clock_skew(&reply("today")), None);
    }
}
