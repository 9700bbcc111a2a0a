//! How the program talks, as the arguments have it.

use anstream::ColorChoice;
use clap::{ArgAction, Args, ValueEnum};

use crate::terminal::console::{Console, Logs};

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

impl ConsoleArgs {
    pub(super) fn console(&self) -> Console {
        let logs = match self.log_format {
            LogFormat::Text => Logs::Text,
            LogFormat::Json => Logs::Json,
        };
        let colours = match self.color {
            When::Auto => ColorChoice::Auto,
            When::Always => ColorChoice::Always,
            When::Never => ColorChoice::Never,
        };
        Console::new(self.verbose, logs, colours)
    }
}
