//! SIGINT and SIGTERM: the first asks for a safe stop, the second leaves at once.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::apply::Stop;
use crate::exit::Exit;
use crate::report::ending::Caught;

/// One listener for a whole run. It has a thread of its own, so that a signal is heard while the
/// run's thread is busy, and none is lost between planning and writing.
pub(crate) struct Signals {
    stop: Stop,
    caught: Arc<Mutex<Option<Caught>>>,
}

impl Signals {
    /// Takes the signals over from the system's default of ending the process.
    ///
    /// # Errors
    ///
    /// If no thread or handler can be had.
    pub(crate) fn listen() -> io::Result<Self> {
        let signals = Self {
            stop: Stop::default(),
            caught: Arc::default(),
        };
        let (stop, caught) = (signals.stop.clone(), signals.caught.clone());
        let listener = || -> io::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()?;
            let entered = runtime.enter();
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            drop(entered);
            let heard = move |signal| {
                // Whoever panicked while holding it left a whole value.
                *caught.lock().unwrap_or_else(PoisonError::into_inner) = Some(signal);
            };
            let listen = move || {
                runtime.block_on(async {
                    let exit = next(&mut interrupt, &mut terminate).await;
                    heard(Caught {
                        exit,
                        at_once: false,
                    });
                    stop.request();
                    tracing::warn!(
                        "stopping: calls under way are waited for, nothing new is started; a second signal leaves at once"
                    );
                    next(&mut interrupt, &mut terminate).await;
                    heard(Caught {
                        exit,
                        at_once: true,
                    });
                    stop.leave();
                });
            };
            std::thread::Builder::new().spawn(listen).map(drop)
        };
        listener()?;
        Ok(signals)
    }

    /// What the signals ask for.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// What was heard so far.
    pub(crate) fn caught(&self) -> Option<Caught> {
        *self.caught.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> Exit {
    tokio::select! {
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The run's own thread never waits here, so only another one can hear the signal.
    #[test]
    fn p2_a_signal_is_heard_while_the_thread_of_the_run_is_busy() {
        let signals = Signals::listen().expect("a listener");
        let process = std::process::id().to_string();
        let mut kill = std::process::Command::new("kill");
        let sent = kill.args(["-INT", &process]).status().expect("kill");
        assert!(sent.success());
        while !signals.stop().is_requested() {
            std::thread::yield_now();
        }
        let exit = signals.caught().map(|signal| signal.exit);
        assert_eq!(exit, Some(Exit::Interrupted));
    }
}
