//! Plain files that were rendered in the job, and what is known of them.

use std::path::PathBuf;

use clap::Args;

use super::error::Error;
use super::input;
use super::source::SourceArgs;
use crate::model::commit::{CommitId, TrailerKey};
use crate::reconcile::rendered::Files;
use crate::settings;

/// What the commit that was applied last was rendered to.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What to read")]
pub(super) struct BaseArgs {
    /// With --directory, --commit and REPO: what the commit that was applied last was rendered to;
    /// mode sync retires what it declares and --directory does not
    #[arg(long, value_name = "DIR", env = "IRSA_GITOPS_BASE_DIRECTORY")]
    base_directory: Option<PathBuf>,
    /// With --base-directory: that commit
    #[arg(long, value_name = "ID", env = "IRSA_GITOPS_BASE_COMMIT")]
    base_commit: Option<String>,
}

/// What the commits of a rendered branch were rendered from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What to read")]
pub(super) struct TrailerArgs {
    /// Trailer of commit messages that names the commit that each was rendered from, as ID or
    /// ID AUTHOR; roles, plans and explanations name that one
    #[arg(
        long,
        value_name = "KEY",
        value_parser = TrailerKey::new,
        env = "IRSA_GITOPS_SOURCE_COMMIT_TRAILER"
    )]
    pub(super) source_commit_trailer: Option<TrailerKey>,
}

/// The plain files of a directory, with all that the arguments say of them.
pub(super) fn files(args: &SourceArgs, directory: PathBuf) -> Result<Files, Error> {
    let id = |id: &Option<String>, flag| {
        let id = id.as_deref().map(CommitId::new).transpose();
        id.map_err(settings::Error::invalid(flag))
    };
    let commit = id(&args.commit, "--commit")?;
    let revision = commit.as_ref().map_or("HEAD", |commit| commit.as_str());
    let address = args.repository.given();
    let repository = address.map(|_| input::address(&args.repository, revision));
    let base = (
        args.base.base_directory.clone(),
        id(&args.base.base_commit, "--base-commit")?,
    );
    Ok(Files::new(directory, commit, repository, base)?)
}
