//! What is read, as arguments and environment say.

use std::path::PathBuf;
use std::rc::Rc;

use super::error::Error;
use super::rendered;
use super::source::{RepositoryArgs, SourceArgs};
use crate::manifest::{self, Extent};
use crate::model::conventions::Conventions;
use crate::reconcile::manifests::{Address, Place, Reading, all_paths};
use crate::reconcile::{self, Manifests};
use crate::report::sanitize::line;
use crate::settings::{self, ClusterSettings};
use crate::source::{Alternates, Cache, ConfigVariables, Credentials, Server, Token};
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
        Some(directory) => Place::Directory(rendered::files(args, directory.clone())?),
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
    read.map_err(|error| error.at_root(before, &args.repository.paths, &paths))
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
        trailer: args.trailer.source_commit_trailer.clone(),
    }
}

/// The cache that the user wants; nowhere to keep one is no fault.
pub(super) fn cache(
    args: &RepositoryArgs,
    conventions: &Conventions,
    extent: Extent,
) -> Option<Rc<Cache>> {
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
    let look = match extent {
        Extent::Ours => "",
        Extent::Whole => "-whole",
    };
    let version = manifest::version(conventions);
    Some(Rc::new(Cache::open(&directory?, &version, look)))
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
            // A line break at its end is no part of it: most tools that write one add it.
            secret: secret.trim().to_owned(),
        })
    };
    let proxies = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let file = |name: &str| env(name).map(PathBuf::from);
    let count = env("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok());
    let pair = |n: usize| {
        let value = std::env::var(format!("GIT_CONFIG_VALUE_{n}")).ok()?;
        Some((env(&format!("GIT_CONFIG_KEY_{n}"))?, value))
    };
    let is_true = |value: String| !matches!(&*value.to_lowercase(), "0" | "false" | "no" | "off");
    let config = ConfigVariables {
        global: file("GIT_CONFIG_GLOBAL"),
        system: file("GIT_CONFIG_SYSTEM"),
        no_system: env("GIT_CONFIG_NOSYSTEM").is_some_and(is_true),
        pairs: (0..count.unwrap_or(0)).map_while(pair).collect(),
        authorities: file("GIT_SSL_CAINFO"),
        trusted: file("SSL_CERT_FILE"),
    };
    Credentials {
        config: Box::new(config),
        tokens: named.into_iter().filter_map(token).collect(),
        ssh_key: args.ssh_key.clone(),
        home: env("HOME").map(Into::into),
        proxied: proxies.iter().any(|name| env(name).is_some()),
    }
}
