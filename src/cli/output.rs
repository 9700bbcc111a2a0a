//! Where reports go: one format to standard output, further ones to files that are opened before
//! any work is done.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::error::Error;
use super::invocation::Invocation;
use crate::environment;
use crate::exit::Exit;
use crate::report::context::Context;
use crate::report::human::{self, Medium};
use crate::report::sanitize::line;
use crate::report::{Command, Listing, Report, Stopped, github, gitlab, json, markdown, sarif};
use crate::terminal::console::Console;

/// What is written about the run, and where.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Report")]
pub(super) struct ReportArgs {
    /// Format of the report on standard output
    #[arg(long, value_enum, default_value_t, env = "IRSA_GITOPS_FORMAT")]
    format: Format,
    /// Write the report to a file as well, `-` for standard output (can be repeated)
    #[arg(long = "output", value_name = "FORMAT=PATH")]
    outputs: Vec<Output>,
    /// List roles that are as they should be, instead of only counting them
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
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

#[derive(Clone, Debug)]
struct Output {
    format: Format,
    path: PathBuf,
}

impl Output {
    fn is_stdout(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((format, path)) = text.split_once('=') else {
            let expected = "expected FORMAT=PATH, such as json=report.json";
            return Err(match Format::from_str(text, true) {
                Ok(_) => format!("{expected}; for standard output: --format {text}"),
                Err(_) => expected.to_owned(),
            });
        };
        Ok(Self {
            format: Format::from_str(format, false)?,
            path: path.into(),
        })
    }
}

impl ReportArgs {
    fn listing(&self) -> Listing {
        match self.all {
            true => Listing::All,
            false => Listing::Changes,
        }
    }

    /// Runs a command and delivers its report, or the error that stopped it, in every format.
    pub(super) fn deliver(
        &self,
        command: Command,
        run: &Invocation,
        console: &Console,
        work: impl FnOnce() -> Result<Report, Error>,
    ) -> Exit {
        let context = &run.context;
        let (report, files) = match self.open() {
            Ok(files) => (work(), files),
            Err(error) => (Err(error), vec![]),
        };
        let report = match run.named(report) {
            Ok(mut report) => {
                report.complete(&|text, cluster| run.complete(text, cluster));
                report.listing = self.listing();
                report
            }
            Err(error) => {
                error.print(run, console);
                let report =
                    stopped_report(error.exit(), error.stopped(run), command, self.listing());
                if self.format != Format::Human {
                    // Standard error has said it already.
                    let _ = console.print(&rendered(&report, context, self.format, Medium::Plain));
                }
                self.write_files(&report, context, files, console);
                self.summarize(&report, context, console);
                return report.exit;
            }
        };
        let mut exit = report.exit;
        if let Err(error) =
            console.print(&rendered(&report, context, self.format, console.medium()))
        {
            console.print_error(&format!(
                "error: the report was not written to standard output: {error}\n"
            ));
            exit = exit.max(Exit::Incomplete);
        }
        self.summarize(&report, context, console);
        exit.max(self.write_files(&report, context, files, console))
    }

    fn open(&self) -> Result<Vec<File>, Error> {
        let open = |output: &Output| {
            let file = if output.is_stdout() {
                io::stdout().as_fd().try_clone_to_owned().map(File::from)
            } else {
                File::create(&output.path)
            };
            file.map_err(Error::open("--output", &output.path))
        };
        self.outputs.iter().map(open).collect()
    }

    /// In a step of GitHub Actions, the workflow commands come with a summary of the step.
    fn summarize(&self, report: &Report, context: &Context, console: &Console) {
        let file = environment::step_summary();
        let Some(file) = file.filter(|_| self.format == Format::Github) else {
            return;
        };
        let text = rendered(report, context, Format::Markdown, Medium::Plain);
        // Other commands of the step write to it as well.
        let open = File::options().append(true).create(true).open(&file);
        if let Err(error) = open.and_then(|mut file| file.write_all(&text)) {
            let file = file.to_string_lossy();
            console.print_error(&format!(
                "warning: no step summary was written to {}: {error}\n",
                line(&file)
            ));
        }
    }

    /// A report that cannot be saved is said on standard error, whole, so that it is not lost.
    fn write_files(
        &self,
        report: &Report,
        context: &Context,
        files: Vec<File>,
        console: &Console,
    ) -> Exit {
        let mut exit = Exit::Success;
        for (output, file) in self.outputs.iter().zip(files) {
            let text = rendered(report, context, output.format, Medium::Plain);
            let sync = |()| match output.is_stdout() {
                true => Ok(()),
                // A pipe or a device takes what it is given, and cannot be synced.
                false => file.sync_all().or_else(|error| match error.kind() {
                    std::io::ErrorKind::InvalidInput => Ok(()),
                    _ => Err(error),
                }),
            };
            if let Err(error) = (&file).write_all(&text).and_then(sync) {
                let path = output.path.display().to_string();
                console.print_error(&format!(
                    "error: report not saved to {}: {error}\n",
                    line(&path)
                ));
                console.print_error(&String::from_utf8_lossy(&text));
                exit = Exit::Incomplete;
            }
        }
        exit
    }
}

fn stopped_report(exit: Exit, stopped: Stopped, command: Command, listing: Listing) -> Report {
    Report {
        command,
        repository: None,
        commit: None,
        exit,
        clusters: vec![],
        error: Some(stopped),
        listing,
    }
}

fn rendered(report: &Report, context: &Context, format: Format, medium: Medium) -> Vec<u8> {
    let mut text = Vec::new();
    let written = match format {
        Format::Human => human::render(report, medium, &mut text),
        Format::Json => json::render(report, context, &mut text),
        Format::Markdown => markdown::render(report, context, &mut text),
        Format::Sarif => sarif::render(report, context, &mut text),
        Format::Github => github::render(report, &mut text),
        Format::Gitlab => gitlab::render(report, &mut text),
    };
    written.expect("a Vec takes all bytes, and reports have string keys only");
    text
}
