//! SIGINT and SIGTERM: the first asks for a safe stop, the second leaves at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::error::Error;
use crate::apply::Stop;
use crate::exit::Exit;

/// That the run was stopped by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped {
    /// What the process ends with.
    pub(super) exit: Exit,
    /// A second signal came, and nothing more was waited for.
    pub(super) at_once: bool,
}

/// Does what comes before the first write, unless a signal comes first: nothing is lost by dropping it.
pub(super) async fn unless_stopped<T>(
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut signals = Signals::take_over().map_err(Error::Runtime)?;
    tokio::select! {
        biased;
        exit = signals.next() => Err(Error::Stopped(exit)),
        result = work => result,
    }
}

/// The two signals that ask a program to end.
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Takes the signals over from the system's default of ending the process.
    pub(super) fn take_over() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }

    /// Runs the work; at the first signal asks it to stop, at the second drops it. Returns the
    /// first signal, if there was one.
    pub(super) async fn guard(
        &mut self,
        stop: &Stop,
        work: impl Future<Output = ()>,
    ) -> Option<Stopped> {
        tokio::pin!(work);
        let first = tokio::select! {
            () = &mut work => return None,
            exit = self.next() => exit,
        };
        stop.request();
        tracing::warn!(
            "stopping: calls under way are waited for, nothing new is started; a second signal leaves at once"
        );
        let at_once = tokio::select! {
            () = work => false,
            _ = self.next() => true,
        };
        Some(Stopped {
            exit: first,
            at_once,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn p2_a_signal_while_the_thread_is_busy_is_heard_before_the_work_goes_on() {
        let work = async {
            let process = std::process::id().to_string();
            let mut kill = std::process::Command::new("kill");
            let sent = kill.args(["-INT", &process]).status().expect("kill");
            assert!(sent.success());
            tokio::task::yield_now().await;
            Ok("goes on")
        };
        let result = unless_stopped(work).await;
        assert!(
            matches!(result, Err(Error::Stopped(Exit::Interrupted))),
            "{result:?}"
        );
    }
}
