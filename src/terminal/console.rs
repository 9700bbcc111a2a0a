//! Standard output and standard error: whether a terminal is there, in which colours, and where logs go.

use std::io::{self, IsTerminal, Write};

use anstream::ColorChoice;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::report::Stopped;
use crate::report::human::Medium;

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logs {
    /// A line of text for each event.
    Text,
    /// A line of JSON for each event.
    Json,
}

/// Standard output and standard error, as this run may use them.
pub(crate) struct Console {
    verbose: u8,
    logs: Logs,
    colours: ColorChoice,
}

impl Console {
    /// One that says more the higher `verbose` is, with colours as chosen.
    pub(crate) fn new(verbose: u8, logs: Logs, colours: ColorChoice) -> Self {
        Self {
            verbose,
            logs,
            colours,
        }
    }

    /// Sends this program's own events to standard error. Events of libraries are left out: those
    /// of an HTTP client may hold headers, and headers hold credentials.
    pub(crate) fn init_logging(&self) {
        let level = match self.verbose {
            0 => LevelFilter::WARN,
            1 => LevelFilter::INFO,
            _ => LevelFilter::DEBUG,
        };
        let ours = Targets::new().with_target("irsa_gitops", level);
        let colours = self.colours(&io::stderr()) != ColorChoice::Never;
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(colours);
        let layer = match self.logs {
            Logs::Text => layer.with_target(false).boxed(),
            Logs::Json => layer.json().boxed(),
        };
        // Fails only when a subscriber is set already, as in a test that runs the handler twice.
        let _ = tracing_subscriber::registry()
            .with(layer.with_filter(ours))
            .try_init();
    }

    /// What the reader of standard output can show.
    pub(crate) fn medium(&self) -> Medium {
        if io::stdout().is_terminal() || self.colours == ColorChoice::Always {
            Medium::Terminal
        } else {
            Medium::Plain
        }
    }

    /// How many characters a line of standard output has: those of the terminal, or what COLUMNS says.
    pub(crate) fn width(&self) -> usize {
        let set = std::env::var("COLUMNS").ok();
        let set = set
            .and_then(|text| text.parse().ok())
            .filter(|width| *width > 0);
        let terminal = || {
            let size = terminal_size::terminal_size_of(io::stdout())?;
            Some(usize::from(size.0.0))
        };
        set.or_else(terminal).unwrap_or(80)
    }

    /// Whether a person watches standard error, so that a progress bar makes sense.
    pub(crate) fn is_watched(&self) -> bool {
        io::stderr().is_terminal() && self.logs == Logs::Text
    }

    /// Whether somebody can be asked: both ends are a terminal, and no CI system says that it runs this.
    pub(crate) fn is_attended(&self) -> bool {
        let is_no = |value: &str| ["", "false", "0"].contains(&value);
        let is_ci = std::env::var("CI").is_ok_and(|value| !is_no(&value));
        !is_ci && io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Writes to standard output. A reader that has gone away is no error: what was to be done has
    /// been done, and nobody is left to tell.
    pub(crate) fn print(&self, text: &[u8]) -> io::Result<()> {
        let stdout = io::stdout();
        let colours = self.colours(&stdout);
        let mut stream = anstream::AutoStream::new(stdout.lock(), colours);
        ignore_closed(stream.write_all(text).and_then(|()| stream.flush()))
    }

    /// Writes to standard error, where errors of the run itself go.
    pub(crate) fn print_error(&self, text: &str) {
        let stderr = io::stderr();
        let colours = self.colours(&stderr);
        // Nowhere is left to complain to.
        let _ = anstream::AutoStream::new(stderr.lock(), colours).write_all(text.as_bytes());
    }

    /// Says why a run could not go on, or what it shows may not be carried out.
    pub(crate) fn stop(&self, stopped: &Stopped) {
        self.print_error(&format!("error: {}\n", stopped.message));
        if let Some(hint) = &stopped.hint {
            self.print_error(&format!("hint: {hint}\n"));
        }
    }

    fn colours(&self, stream: &impl anstream::stream::RawStream) -> ColorChoice {
        match self.colours {
            ColorChoice::Auto => anstream::AutoStream::choice(stream),
            chosen => chosen,
        }
    }
}

fn ignore_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
