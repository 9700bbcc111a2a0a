//! Progress for a person who watches standard error; nothing at all for anybody else.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::Console;
use crate::reconcile::Event;
use crate::report::sanitize::line;

/// One line on standard error that says what is going on.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A spinner with a message, while it cannot be known how long something takes.
    pub(crate) fn spinner(console: &Console, message: impl Into<String>) -> Self {
        let bar = bar(console, None, "{spinner} {msg}");
        bar.set_message(message.into());
        if console.is_watched() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self(bar)
    }

    /// A bar over a known number of steps.
    pub(crate) fn steps(console: &Console, message: impl Into<String>, length: usize) -> Self {
        let bar = bar(
            console,
            Some(length as u64),
            "{msg} [{bar:30}] {pos}/{len} {eta}",
        );
        bar.set_message(message.into());
        Self(bar)
    }

    /// One step is done.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// How many of how many steps are done, and of what.
    pub(crate) fn set(&self, message: &'static str, done: usize, of: usize) {
        if self.0.length() != Some(of as u64) {
            self.0.set_style(style("{msg} [{bar:30}] {pos}/{len}"));
            self.0.set_message(message);
        }
        self.0.set_length(of as u64);
        self.0.set_position(done as u64);
    }
}

/// Shows how far a run is.
pub(crate) struct Watcher<'a> {
    console: &'a Console,
    shown: RefCell<Option<Progress>>,
    /// What was said last to somebody who does not watch.
    said: RefCell<String>,
}

impl<'a> Watcher<'a> {
    pub(crate) fn new(console: &'a Console) -> Self {
        Self {
            console,
            shown: RefCell::new(None),
            said: RefCell::default(),
        }
    }

    /// Shows nothing until the next event.
    pub(crate) fn pause(&self) {
        self.shown.replace(None);
    }

    /// Shows an event of the run.
    pub(crate) fn hear(&self, event: Event<'_>) {
        let console = self.console;
        let mut shown = self.shown.borrow_mut();
        match (event, &*shown) {
            (Event::Connecting, _) => *shown = Some(Progress::spinner(console, "connecting")),
            (Event::Settling, _) => {
                *shown = None;
                *shown = Some(Progress::spinner(
                    console,
                    "waiting until IAM shows what was written",
                ));
            }
            (Event::Reading, _) => *shown = Some(Progress::spinner(console, "reading roles")),
            (Event::Waiting(text), _) if console.is_watched() => {
                *shown = None;
                *shown = Some(Progress::spinner(console, line(text)));
            }
            // Whoever reads the log of a job wonders why nothing happens.
            (Event::Waiting(text), _) if *self.said.borrow() != text => {
                console.print_error(&format!("note: {}\n", line(text)));
                self.said.replace(text.to_owned());
            }
            (Event::Waiting(_), _) => {}
            (Event::Writing(roles), _) => {
                // The line of the step before goes first.
                *shown = None;
                *shown = Some(Progress::steps(console, "applying", roles));
            }
            (Event::Receiving(done, of), Some(bar)) => bar.set("receiving objects", done, of),
            (Event::Finished(..), Some(bar)) => bar.step(),
            (Event::Receiving(..) | Event::Finished(..), None) => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn bar(console: &Console, length: Option<u64>, template: &str) -> ProgressBar {
    let target = if console.is_watched() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    ProgressBar::with_draw_target(length, target).with_style(style(template))
}

/// The templates are constants; a wrong one would show as indicatif's own default.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
