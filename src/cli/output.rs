//! Which reports are written, and in which formats.

use clap::{Args, ValueEnum};

use super::error::Error;
use super::invocation::Invocation;
use crate::environment;
use crate::exit::Exit;
use crate::report::format::Format;
use crate::report::{Command, Listing, Report};
use crate::terminal::console::Console;
use crate::terminal::delivery::{Delivery, Output};

/// What is written about the run, and where.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Report")]
pub(super) struct ReportArgs {
    /// Format of the report on standard output
    #[arg(long, value_enum, default_value_t, env = "IRSA_GITOPS_FORMAT")]
    format: FormatArg,
    /// Write the report to a file as well, `-` for standard output (can be repeated)
    #[arg(long = "output", value_name = "FORMAT=PATH", value_parser = output)]
    outputs: Vec<Output>,
    /// List roles that are as they should be, instead of only counting them
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// Text for people
    #[default]
    Human,
    /// One JSON document, schema irsa-gitops/report/v1
    Json,
    /// A comment on a pull request; nothing if nothing changes
    Markdown,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions, and a step summary
    Github,
    /// Code quality report of GitLab
    Gitlab,
}

impl FormatArg {
    fn format(self) -> Format {
        match self {
            Self::Human => Format::Human,
            Self::Json => Format::Json,
            Self::Markdown => Format::Markdown,
            Self::Sarif => Format::Sarif,
            Self::Github => Format::Github,
            Self::Gitlab => Format::Gitlab,
        }
    }
}

fn output(text: &str) -> Result<Output, String> {
    let Some((format, path)) = text.split_once('=') else {
        let expected = "expected FORMAT=PATH, such as json=report.json";
        return Err(match FormatArg::from_str(text, true) {
            Ok(_) => format!("{expected}; for standard output: --format {text}"),
            Err(_) => expected.to_owned(),
        });
    };
    Ok(Output {
        format: FormatArg::from_str(format, false)?.format(),
        path: path.into(),
    })
}

impl ReportArgs {
    /// Runs a command and delivers its report, or the error that stopped it, in every format. The files
    /// are opened before any work is done.
    pub(super) fn deliver(
        &self,
        command: Command,
        run: &Invocation,
        console: &Console,
        work: impl FnOnce() -> Result<Report, Error>,
    ) -> Exit {
        let is_step = self.format == FormatArg::Github;
        let delivery = Delivery {
            format: self.format.format(),
            outputs: &self.outputs,
            summary: environment::step_summary().filter(|_| is_step),
            context: &run.context,
        };
        let opened = delivery.open();
        let opened = opened.map_err(|(path, error)| Error::open("--output", path)(error));
        let (report, files) = match opened {
            Ok(files) => (work(), files),
            Err(error) => (Err(error), vec![]),
        };
        let mut report = report.unwrap_or_else(|error| error.named(run).report(command, run));
        report.complete(&|text, cluster| run.complete(text, cluster));
        if self.all {
            report.listing = Listing::All;
        }
        let exit = delivery.deliver(&report, files, console);
        // Whoever watches a terminal sees what is printed last.
        report
            .all_stopped()
            .iter()
            .for_each(|stopped| console.stop(stopped));
        exit
    }
}
