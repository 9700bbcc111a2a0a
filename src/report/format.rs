//! The formats of a report, all rendered from the same value.

use super::context::Context;
use super::human::{self, Medium};
use super::{Report, github, gitlab, json, markdown, sarif};

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Human,
    /// One JSON document, schema irsa-gitops/report/v1.
    Json,
    /// A comment on a pull request; nothing if nothing changes.
    Markdown,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// Code quality report of GitLab.
    Gitlab,
}

/// A report in one of them, read with this medium.
pub fn render(report: &Report, context: &Context, format: Format, medium: Medium) -> Vec<u8> {
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
