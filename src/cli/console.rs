//! The terminal: whether there is one, in which colours, and where logs go.

use std::io::{self, IsTerminal, Write};

use anstream::ColorChoice;
use clap::{ArgAction, Args, ValueEnum};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::report::human::Medium;

/// How the program talks, the same for every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Terminal and logs")]
pub(super) struct ConsoleArgs {
    /// Log more to standard error (can be repeated: -v what happens, -vv every call)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Write logs as text, or as JSON with one event a line
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        env = "IRSA_GITOPS_LOG_FORMAT"
    )]
    log_format: LogFormat,
    /// Use colours: on a terminal, always or never; NO_COLOR is obeyed
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    color: When,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum When {
    #[default]
    Auto,
    Always,
    Never,
}

/// Standard output and standard error, as this run may use them.
pub(super) struct Console {
    verbose: u8,
    log_format: LogFormat,
    colours: ColorChoice,
}

impl Console {
    pub(super) fn new(args: &ConsoleArgs) -> Self {
        let colours = match args.color {
            When::Auto => ColorChoice::Auto,
            When::Always => ColorChoice::Always,
            When::Never => ColorChoice::Never,
        };
        Self {
            verbose: args.verbose,
            log_format: args.log_format,
            colours,
        }
    }

    /// Sends this program's own events to standard error. Events of libraries are left out: those
    /// of an HTTP client may hold headers, and headers hold credentials.
    pub(super) fn init_logging(&self) {
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
        let layer = match self.log_format {
            LogFormat::Text => layer.with_target(false).boxed(),
            LogFormat::Json => layer.json().boxed(),
        };
        // Fails only when a subscriber is set already, as in a test that runs the handler twice.
        let _ = tracing_subscriber::registry()
            .with(layer.with_filter(ours))
            .try_init();
    }

    /// What the reader of standard output can show.
    pub(super) fn medium(&self) -> Medium {
        if io::stdout().is_terminal() || self.colours == ColorChoice::Always {
            Medium::Terminal
        } else {
            Medium::Plain
        }
    }

    /// How many characters a line of standard output has: those of the terminal, or what COLUMNS says.
    pub(super) fn width(&self) -> usize {
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
    pub(super) fn is_watched(&self) -> bool {
        io::stderr().is_terminal() && self.log_format == LogFormat::Text
    }

    /// Whether somebody can be asked: both ends are a terminal, and no CI system says that it runs this.
    pub(super) fn is_attended(&self) -> bool {
        let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
        !is_ci && io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Writes to standard output. A reader that has gone away is no error: what was to be done has
    /// been done, and nobody is left to tell.
    pub(super) fn print(&self, text: &[u8]) -> io::Result<()> {
        let stdout = io::stdout();
        let colours = self.colours(&stdout);
        let mut stream = anstream::AutoStream::new(stdout.lock(), colours);
        ignore_closed(stream.write_all(text).and_then(|()| stream.flush()))
    }

    /// Writes to standard error, where errors of the run itself go.
    pub(super) fn print_error(&self, text: &str) {
        let stderr = io::stderr();
        let colours = self.colours(&stderr);
        // Nowhere is left to complain to.
        let _ = anstream::AutoStream::new(stderr.lock(), colours).write_all(text.as_bytes());
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
