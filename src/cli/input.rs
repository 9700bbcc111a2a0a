//! What is read, as arguments and environment say.

use std::path::PathBuf;
use std::rc::Rc;

use super::error::Error;
use super::source::{RepositoryArgs, SourceArgs};
use crate::environment;
use crate::manifest::Extent;
use crate::model::commit::CommitId;
use crate::model::conventions::Conventions;
use crate::reconcile::manifests::{Reading, all_paths};
use crate::reconcile::place::{Address, Files, Place};
use crate::reconcile::{self, Manifests};
use crate::report::sanitize::line;
use crate::settings::{self, ClusterSettings};
use crate::source::{Alternates, Cache};
use crate::terminal::console::Console;
use crate::terminal::progress::Watcher;

/// Reads what the clusters' manifests declare. `before` is what the command has before the repository.
pub(super) fn read(
    args: &SourceArgs,
    clusters: &[ClusterSettings],
    before: &str,
    console: &Console,
) -> Result<Manifests, Error> {
    read_as(args, clusters, before, Extent::Ours, console)
}

/// The same, and so much of every file.
pub(super) fn read_as(
    args: &SourceArgs,
    clusters: &[ClusterSettings],
    before: &str,
    extent: Extent,
    console: &Console,
) -> Result<Manifests, Error> {
    let conventions = settings::shared(clusters)?;
    let paths = all_paths(clusters);
    let place = match &args.directory {
        Some(directory) => Place::Directory(files(args, directory.clone())?),
        None => Place::Repository(address(&args.repository, args.revision())),
    };
    if let (Some(_), Some(revision)) = (&args.directory, &args.revision) {
        // A flag would be an error; a job sets its variables for other commands, too.
        let revision = line(revision);
        console.print_error(&format!(
            "note: IRSA_GITOPS_REVISION (`{revision}`) has no meaning beside --directory: the files are read as they are\n"
        ));
    }
    let cache = cache(&args.repository, &conventions, extent);
    let watcher = Watcher::new(console);
    let observe = |event: reconcile::Event<'_>| watcher.hear(event);
    let reading = Reading {
        conventions: &conventions,
        extent,
        cache: cache.as_ref(),
    };
    let read = Manifests::read(&place, &paths, reading, &observe);
    let read = read.map_err(|error| match (error, &args.directory) {
        (reconcile::Error::Source(source), Some(directory)) if source.is_about(directory) => {
            Error::Directory {
                flag: "--directory".to_owned(),
                source,
            }
        }
        (error, _) => error.into(),
    });
    let read = read.map(|manifests| manifests.of_clusters(clusters));
    read.map_err(|error| error.at_root(before, &args.repository.paths, &paths))
}

/// The plain files of a directory, with all that the arguments say of them.
fn files(args: &SourceArgs, directory: PathBuf) -> Result<Files, Error> {
    let id = |id: &Option<String>, flag| {
        let id = id.as_deref().map(CommitId::new).transpose();
        id.map_err(settings::Error::invalid(flag))
    };
    let commit = id(&args.commit, "--commit")?;
    let revision = commit.as_ref().map_or("HEAD", |commit| commit.as_str());
    let given = args.repository.given();
    let repository = given.map(|_| address(&args.repository, revision));
    let base = (
        args.base.base_directory.clone(),
        id(&args.base.base_commit, "--base-commit")?,
    );
    Ok(Files::new(directory, commit, repository, base)?)
}

/// How the repository is reached, with whatever credentials the environment offers.
pub(super) fn address(args: &RepositoryArgs, revision: &str) -> Address {
    Address {
        repository: args.address().to_owned(),
        revision: revision.to_owned(),
        credentials: environment::credentials(args.ssh_key.clone()),
        alternates: match args.allow_alternates {
            true => Alternates::Allowed,
            false => Alternates::Refused,
        },
        trailer: args.trailer.source_commit_trailer.clone(),
    }
}

/// The cache that the user wants.
pub(super) fn cache(
    args: &RepositoryArgs,
    conventions: &Conventions,
    extent: Extent,
) -> Option<Rc<Cache>> {
    let directory = args.cache_dir.clone().or_else(environment::cache_directory);
    let directory = directory.filter(|_| !args.no_cache)?;
    Some(reconcile::cache(&directory, conventions, extent))
}
