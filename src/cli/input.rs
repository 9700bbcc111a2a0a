//! What is read, as arguments and environment say.

use std::path::PathBuf;

use super::args::{RepositoryArgs, SourceArgs};
use super::console::Console;
use super::error::Error;
use super::progress::Watcher;
use super::rendered;
use crate::manifest;
use crate::model::conventions::Conventions;
use crate::model::location::RepoPath;
use crate::reconcile::manifests::{Address, Place};
use crate::reconcile::{self, Manifests};
use crate::settings::{self, ClusterSettings};
use crate::source::{Alternates, Cache, Credentials, Server, Token};

/// Reads everything below the paths; no path means everything.
pub(super) fn read(
    args: &SourceArgs,
    paths: &[RepoPath],
    clusters: &[ClusterSettings],
    console: &Console,
) -> Result<Manifests, Error> {
    let conventions = settings::shared(clusters)?;
    let place = match &args.directory {
        Some(directory) => Place::Directory(rendered::files(args, directory.clone())?),
        None => Place::Repository(address(&args.repository, args.revision())),
    };
    let cache = cache(&args.repository, &conventions);
    let watcher = Watcher::new(console);
    let observe = |event: crate::reconcile::Event<'_>| watcher.hear(event);
    let cache = cache.as_ref();
    let read = Manifests::read(&place, cache, paths, &conventions, &observe);
    Ok(read.map_err(|error| match (error, &args.directory) {
        (reconcile::Error::Source(source), Some(directory)) if source.is_about(directory) => {
            Error::Directory {
                flag: "--directory".to_owned(),
                source,
            }
        }
        (error, _) => error.into(),
    })?)
}

/// How the repository is reached, with whatever credentials the environment offers.
pub(super) fn address(args: &RepositoryArgs, revision: &str) -> Address {
    Address {
        repository: args.address().to_owned(),
        revision: revision.to_owned(),
        credentials: credentials(args),
        alternates: match args.allow_alternates {
            true => Alternates::Allowed,
            false => Alternates::Refused,
        },
    }
}

/// The cache that the user wants; nowhere to keep one is no fault.
pub(super) fn cache(args: &RepositoryArgs, conventions: &Conventions) -> Option<Cache> {
    if args.no_cache {
        return None;
    }
    let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let directory = args.cache_dir.clone().or_else(|| {
        let base = env("XDG_CACHE_HOME").map(PathBuf::from);
        let base = base.or_else(|| Some(PathBuf::from(env("HOME")?).join(".cache")));
        base.filter(|base| base.is_absolute())
            .map(|base| base.join("irsa-gitops"))
    });
    Some(Cache::open(&directory?, &manifest::version(conventions)))
}

/// Tokens for Git hosts as CI systems name them. Those that a CI system sets are shown to its own
/// server only; those that a user sets for this program, to any.
fn credentials(args: &RepositoryArgs) -> Credentials {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let port = env("CI_SERVER_PORT").map_or_else(String::new, |port| format!(":{port}"));
    let gitlab = env("CI_SERVER_HOST").map(|host| host + &port);
    let github = Server::new(&env("GITHUB_SERVER_URL").unwrap_or_else(|| "github.com".to_owned()));
    let gitlab = Server::new(&gitlab.unwrap_or_else(|| "gitlab.com".to_owned()));
    let named = [
        ("IRSA_GITOPS_GIT_TOKEN", None),
        ("GIT_TOKEN", None),
        ("GITHUB_TOKEN", Some(&github)),
        ("GH_TOKEN", Some(&github)),
        ("GITLAB_TOKEN", Some(&gitlab)),
        ("CI_JOB_TOKEN", Some(&gitlab)),
    ];
    let token = |(source, server): (&'static str, Option<&Server>)| {
        env(source).map(|secret| Token {
            server: server.cloned(),
            source,
            secret,
        })
    };
    let proxies = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    Credentials {
        tokens: named.into_iter().filter_map(token).collect(),
        ssh_key: args.ssh_key.clone(),
        home: env("HOME").map(Into::into),
        proxied: proxies.iter().any(|name| env(name).is_some()),
    }
}
