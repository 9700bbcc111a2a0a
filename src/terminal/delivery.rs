//! Where a report goes: one format to standard output, further ones to files that are opened before
//! any work is done.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::console::Console;
use crate::exit::Exit;
use crate::report::Report;
use crate::report::context::Context;
use crate::report::format::{Format, render};
use crate::report::human::Medium;
use crate::report::sanitize::line;

/// A file that a report is written to as well, `-` for standard output.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    pub(crate) path: PathBuf,
}

/// Where a report goes.
pub(crate) struct Delivery<'a> {
    /// That of standard output.
    pub(crate) format: Format,
    pub(crate) outputs: &'a [Output],
    /// The summary of a step, which other commands of the step write to as well.
    pub(crate) summary: Option<PathBuf>,
    /// Where the report is read.
    pub(crate) context: &'a Context,
}

impl Output {
    fn is_stdout(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    fn open(&self) -> io::Result<File> {
        match self.is_stdout() {
            true => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            false => File::create(&self.path),
        }
    }

    fn write(&self, mut file: &File, text: &[u8]) -> io::Result<()> {
        file.write_all(text)?;
        match self.is_stdout() {
            true => Ok(()),
            // A pipe or a device takes what it is given, and cannot be synced.
            false => file.sync_all().or_else(|error| match error.kind() {
                ErrorKind::InvalidInput => Ok(()),
                _ => Err(error),
            }),
        }
    }
}

impl Delivery<'_> {
    /// Opens the files.
    ///
    /// # Errors
    ///
    /// With the first that cannot be opened.
    pub(crate) fn open(&self) -> Result<Vec<File>, (&Path, io::Error)> {
        let mut files = Vec::new();
        for output in self.outputs {
            files.push(output.open().map_err(|error| (&*output.path, error))?);
        }
        Ok(files)
    }

    /// Writes a report everywhere, and says how the run ends. Of an error that stopped the run standard
    /// error has told already.
    pub(crate) fn deliver(&self, report: &Report, files: Vec<File>, console: &Console) -> Exit {
        let mut exit = Exit::Success;
        let is_for_people = self.format == Format::Human;
        if report.error.is_none() || !is_for_people || !report.clusters.is_empty() {
            // What was found before the error is told here.
            let found = Report {
                error: report.error.clone().filter(|_| !is_for_people),
                ..report.clone()
            };
            let text = self.rendered(&found, self.format, console.medium());
            if let Err(error) = console.print(&text) {
                console.print_error(&format!(
                    "error: the report was not written to standard output: {error}\n"
                ));
                exit = Exit::Incomplete;
            }
        }
        self.summarize(report, console);
        exit = exit.max(self.write_files(report, files, console));
        match report.error {
            Some(_) => report.exit,
            None => report.exit.max(exit),
        }
    }

    fn rendered(&self, report: &Report, format: Format, medium: Medium) -> Vec<u8> {
        render(report, self.context, format, medium)
    }

    fn summarize(&self, report: &Report, console: &Console) {
        let Some(path) = &self.summary else {
            return;
        };
        let text = self.rendered(report, Format::Markdown, Medium::Plain);
        let open = File::options().append(true).create(true).open(path);
        if let Err(error) = open.and_then(|mut file| file.write_all(&text)) {
            let path = path.to_string_lossy();
            console.print_error(&format!(
                "warning: no step summary was written to {}: {error}\n",
                line(&path)
            ));
        }
    }

    /// A report that cannot be saved is said on standard error, whole, so that it is not lost.
    fn write_files(&self, report: &Report, files: Vec<File>, console: &Console) -> Exit {
        let mut exit = Exit::Success;
        for (output, file) in self.outputs.iter().zip(files) {
            let text = self.rendered(report, output.format, Medium::Plain);
            if let Err(error) = output.write(&file, &text) {
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
