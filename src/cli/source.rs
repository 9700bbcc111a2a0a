//! Arguments that say which manifests are read.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::model::commit::TrailerKey;

/// Which repository is read, and how it is reached.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What to read")]
pub(super) struct RepositoryArgs {
    /// Repository: a path (its work tree's root, or bare) or a URL (https, ssh, file) [default: .]
    ///
    /// For a part of it use --path. Git objects are read at one commit, never the work tree, so uncommitted edits have no effect.
    /// Beside --directory it is where the history of --commit is, and has no default.
    #[arg(long, value_name = "REPO", env = "IRSA_GITOPS_REPO")]
    repo: Option<String>,
    /// Read only this directory or file below the root (can be repeated) [default: everything]
    #[arg(
        long = "path",
        value_name = "DIR",
        env = "IRSA_GITOPS_PATH",
        value_delimiter = ','
    )]
    pub(super) paths: Vec<String>,
    /// Private key for ssh URLs [default: the agent's keys, then ~/.ssh/id_ed25519 and others]
    #[arg(long, value_name = "FILE", env = "IRSA_GITOPS_SSH_KEY")]
    pub(super) ssh_key: Option<PathBuf>,
    /// Read a repository that borrows objects from another one (objects/info/alternates)
    #[arg(
        long,
        env = "IRSA_GITOPS_ALLOW_ALTERNATES",
        value_parser = BoolishValueParser::new()
    )]
    pub(super) allow_alternates: bool,
    /// Remember in this directory what was read [default: irsa-gitops in the user's cache]
    #[arg(long, value_name = "DIR", env = "IRSA_GITOPS_CACHE_DIR")]
    pub(super) cache_dir: Option<PathBuf>,
    /// Read everything, and remember nothing
    #[arg(long, env = "IRSA_GITOPS_NO_CACHE", value_parser = BoolishValueParser::new())]
    pub(super) no_cache: bool,
    #[command(flatten)]
    pub(super) trailer: TrailerArgs,
}

/// Which manifests are read.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What to read")]
pub(super) struct SourceArgs {
    #[command(flatten)]
    pub(super) repository: RepositoryArgs,
    /// Branch, tag or commit to read [default: HEAD]
    #[arg(long, value_name = "REV", env = "IRSA_GITOPS_REVISION")]
    pub(super) revision: Option<String>,
    /// Read plain files from this directory instead of a repository
    #[arg(long, value_name = "DIR", env = "IRSA_GITOPS_DIRECTORY")]
    pub(super) directory: Option<PathBuf>,
    /// With --directory: the commit that the files stand for, for the roles' tags
    ///
    /// Without --directory the environment variable has no meaning, and the flag is an error.
    #[arg(long, value_name = "ID", env = "IRSA_GITOPS_COMMIT")]
    pub(super) commit: Option<String>,
    #[command(flatten)]
    pub(super) base: BaseArgs,
}

/// What the commit that was applied last was rendered to.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What to read")]
pub(super) struct BaseArgs {
    /// With --directory, --commit and REPO: what the commit that was applied last was rendered to;
    /// mode sync retires what it declares and --directory does not
    #[arg(long, value_name = "DIR", env = "IRSA_GITOPS_BASE_DIRECTORY")]
    pub(super) base_directory: Option<PathBuf>,
    /// With --base-directory: that commit
    #[arg(long, value_name = "ID", env = "IRSA_GITOPS_BASE_COMMIT")]
    pub(super) base_commit: Option<String>,
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

impl RepositoryArgs {
    /// The repository that was given, or is meant.
    pub(super) fn address(&self) -> &str {
        self.given().unwrap_or(".")
    }

    /// The repository, if one was given.
    pub(super) fn given(&self) -> Option<&str> {
        self.repo.as_deref()
    }
}

impl SourceArgs {
    /// The revision that is read.
    pub(super) fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("HEAD")
    }
}

/// The repository right behind the verb, where no other argument stands there.
#[derive(Clone, Debug, Args)]
pub(super) struct OperandArgs {
    /// The same as --repo REPO
    #[arg(value_name = "REPO")]
    operand: Option<String>,
}

impl OperandArgs {
    /// What is read, if it is named here.
    pub(super) fn of(&self, source: &SourceArgs) -> SourceArgs {
        SourceArgs {
            repository: self.of_repository(&source.repository),
            ..source.clone()
        }
    }

    /// The repository, if it is named here.
    pub(super) fn of_repository(&self, repository: &RepositoryArgs) -> RepositoryArgs {
        RepositoryArgs {
            repo: self.operand.clone().or(repository.repo.clone()),
            ..repository.clone()
        }
    }
}
