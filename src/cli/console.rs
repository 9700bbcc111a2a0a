//! How the program talks, as the arguments have it.

use anstream::ColorChoice;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args};

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
        value_parser = logs(),
        default_value = "text",
        env = "IRSA_GITOPS_LOG_FORMAT"
    )]
    log_format: Logs,
    /// Use colours: on a terminal, always or never; NO_COLOR is obeyed
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    color: clap::ColorChoice,
}

/// A format of logs by its name.
fn logs() -> impl TypedValueParser<Value = Logs> {
    PossibleValuesParser::new(["text", "json"]).map(|name| match &*name {
        "json" => Logs::Json,
        _ => Logs::Text,
    })
}

impl ConsoleArgs {
    pub(super) fn console(&self) -> Console {
        let colours = match self.color {
            clap::ColorChoice::Auto => ColorChoice::Auto,
            clap::ColorChoice::Always => ColorChoice::Always,
            clap::ColorChoice::Never => ColorChoice::Never,
        };
        Console::new(self.verbose, self.log_format, colours)
    }
}
