//! Sending writes: what may be repeated, for how long, and what a lost reply means.

use std::cell::RefCell;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use tokio::time::Instant;

use super::Replan;
use super::outcome::{Outcome, changed_meanwhile, failed, unknown};
use super::reread::check;
use super::stop::Stop;
use crate::iam::{Error, IamReader, IamWriter, Kind};
use crate::model::role::CurrentRole;
use crate::model::tags::Tags;

/// How long IAM may take to show what was written: AWS promises seconds, two minutes is the rule.
pub(super) const VISIBLE_AFTER: Duration = Duration::from_secs(120);

/// How often and how fast a write with a lost reply is sent again.
const RESEND: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(5))
    .with_max_times(3)
    .with_jitter();

/// Sends one write that may be repeated. After a lost reply the role shows whether it took effect;
/// it is only sent again to a role that is still the one that was planned for, and still ours.
pub(super) async fn write<F>(
    planned: &CurrentRole,
    written: &Tags,
    iam: &impl IamWriter,
    stop: &Stop,
    replan: Replan<'_>,
    call: impl Fn() -> F,
    took_effect: impl Fn(&CurrentRole) -> bool,
) -> Result<(), Outcome>
where
    F: Future<Output = Result<(), Error>>,
{
    let name = &planned.listed.name;
    let deadline = Instant::now() + VISIBLE_AFTER;
    let mut pauses = RESEND.build();
    let mut state = Sent::No;
    loop {
        if stop.is_requested() {
            return Err(state.outcome());
        }
        let lost = match state {
            Sent::Unsettled(lost) => lost,
            Sent::No | Sent::WithoutEffect(_) => match call().await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind == Kind::OutcomeUnknown => unknown(&error),
                Err(error) => return Err(failed(&error, stop)),
            },
        };
        state = match iam.reader().role(name).await {
            Ok(Some(role)) => {
                check(&role, planned, written, replan)?;
                if took_effect(&role) {
                    return Ok(());
                }
                Sent::WithoutEffect(lost)
            }
            Ok(None) => return Err(changed_meanwhile(name)),
            Err(_) => Sent::Unsettled(lost),
        };
        match pauses.next() {
            Some(pause) if Instant::now() < deadline => tokio::time::sleep(pause).await,
            _ => return Err(state.outcome()),
        }
    }
}

/// How far a write is that may be repeated.
enum Sent {
    /// Nothing was sent.
    No,
    /// A reply was lost, and the role has not been seen since: nothing more is sent before it is.
    Unsettled(Outcome),
    /// A reply was lost, and the role shows no effect: it may be sent again.
    WithoutEffect(Outcome),
}

impl Sent {
    /// What is known of the write if it goes no further. A role that shows no effect may still show it
    /// later.
    fn outcome(self) -> Outcome {
        match self {
            Self::No => Outcome::NotAttempted,
            Self::Unsettled(lost) | Self::WithoutEffect(lost) => lost,
        }
    }
}

/// Attempts a write, and again while its outcome stays unknown; never starts an attempt after a
/// stop was requested.
pub(super) async fn send<F>(stop: &Stop, attempt: impl Fn() -> F) -> Result<(), Outcome>
where
    F: Future<Output = Result<(), Outcome>>,
{
    let so_far = RefCell::new(Outcome::NotAttempted);
    let deadline = Instant::now() + VISIBLE_AFTER;
    let guarded = || async {
        if stop.is_requested() {
            return Err(so_far.borrow().clone());
        }
        let result = attempt().await;
        if let Err(outcome) = &result {
            so_far.replace(outcome.clone());
        }
        result
    };
    guarded
        .retry(RESEND)
        .when(|outcome| matches!(outcome, Outcome::Unknown(_)) && Instant::now() < deadline)
        .await
}
