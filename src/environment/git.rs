//! Tokens and settings for Git.

use std::path::PathBuf;

use super::{file, set};
use crate::source::{ConfigVariables, Credentials, Server, Token};

/// Tokens for Git hosts as CI systems name them. Those that a CI system sets are shown to its own
/// server only; those that a user sets for this program, to any.
pub(crate) fn credentials(ssh_key: Option<PathBuf>) -> Credentials {
    let port = set("CI_SERVER_PORT").map_or_else(String::new, |port| format!(":{port}"));
    let gitlab = set("CI_SERVER_HOST").map(|host| host + &port);
    let github = Server::new(&set("GITHUB_SERVER_URL").unwrap_or_else(|| "github.com".to_owned()));
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
        set(source).map(|secret| Token {
            server: server.cloned(),
            source,
            // A line break at its end is no part of it: most tools that write one add it.
            secret: secret.trim().to_owned(),
        })
    };
    let proxies = ["https_proxy", "HTTPS_PROXY"];
    let count = set("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok());
    let pair = |n: usize| {
        let value = std::env::var(format!("GIT_CONFIG_VALUE_{n}")).ok()?;
        Some((set(&format!("GIT_CONFIG_KEY_{n}"))?, value))
    };
    let is_true = |value: String| !matches!(&*value.to_lowercase(), "0" | "false" | "no" | "off");
    let config = ConfigVariables {
        global: file("GIT_CONFIG_GLOBAL"),
        system: file("GIT_CONFIG_SYSTEM"),
        no_system: set("GIT_CONFIG_NOSYSTEM").is_some_and(is_true),
        pairs: (0..count.unwrap_or(0)).map_while(pair).collect(),
        authorities: file("GIT_SSL_CAINFO"),
        trusted: file("SSL_CERT_FILE"),
    };
    Credentials {
        config: Box::new(config),
        tokens: named.into_iter().filter_map(token).collect(),
        ssh_key,
        home: file("HOME"),
        proxied: proxies.iter().any(|name| set(name).is_some()),
    }
}
