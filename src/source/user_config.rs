//! What the user's own configuration of Git says, and that of the machine: the files and the variables
//! that git reads, but never that of a repository.

use std::path::{Path, PathBuf};

use git2::ConfigLevel;
use url::Url;

use super::Error;
use super::connection::host;

/// The variables by which git is told where its configuration is, or what is in it.
#[derive(Clone, Debug, Default)]
pub struct ConfigVariables {
    /// `GIT_CONFIG_GLOBAL`: the file in place of the user's own.
    pub global: Option<PathBuf>,
    /// `GIT_CONFIG_SYSTEM`: the file in place of the machine's.
    pub system: Option<PathBuf>,
    /// `GIT_CONFIG_NOSYSTEM`: the machine's is not read.
    pub no_system: bool,
    /// `GIT_CONFIG_KEY_…` and `GIT_CONFIG_VALUE_…`, as many as `GIT_CONFIG_COUNT` says.
    pub pairs: Vec<(String, String)>,
    /// `GIT_SSL_CAINFO`: who vouches for hosts.
    pub authorities: Option<PathBuf>,
    /// `SSL_CERT_FILE`: who vouches for hosts, as the library that does https reads it.
    pub trusted: Option<PathBuf>,
}

/// What that configuration says: every key with its value, those that count more behind the others.
pub(super) struct UserConfig {
    entries: Vec<(String, String)>,
    home: Option<PathBuf>,
}

impl UserConfig {
    pub(super) fn read(variables: &ConfigVariables, home: Option<&Path>) -> Self {
        let mut entries = Vec::new();
        for file in files(variables) {
            // One that cannot be read says nothing, and nothing is granted by it.
            let _ = read_file(&file, &mut entries);
        }
        let pairs = variables.pairs.iter();
        entries.extend(pairs.map(|(key, value)| (normal(key), value.clone())));
        Self {
            entries,
            home: home.map(Path::to_owned),
        }
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        let entries = self.entries.iter().filter(move |(name, _)| name == key);
        entries.map(|(_, value)| value.as_str())
    }

    /// Whether a repository at this root is to be read although it is another user's, in all the forms
    /// that git takes: `*`, `DIR`, `DIR/`, `DIR/*`, and an empty value, which takes back those before.
    pub(super) fn trusts(&self, root: &Path) -> bool {
        self.all("safe.directory")
            .fold(false, |is_trusted, value| match value {
                "" => false,
                "*" => true,
                _ => is_trusted || self.names(value, root),
            })
    }

    fn names(&self, value: &str, root: &Path) -> bool {
        let (value, is_below) = match value.strip_suffix("/*") {
            Some(above) => (above, true),
            None => (value, false),
        };
        let place = match (value.strip_prefix("~/"), &self.home) {
            (Some(below), Some(home)) => home.join(below),
            _ => PathBuf::from(if value.is_empty() { "/" } else { value }),
        };
        if !place.is_absolute() && value != "." {
            return false;
        }
        let place = place.canonicalize().unwrap_or(place);
        match is_below {
            true => root != place && root.starts_with(&place),
            false => root == place,
        }
    }

    /// What `url.BASE.insteadOf` makes of an address; the longest one that fits counts.
    pub(super) fn rewritten(&self, address: &str) -> Option<String> {
        let rules = self.entries.iter().filter_map(|(key, start)| {
            let base = key.strip_prefix("url.")?.strip_suffix(".insteadof")?;
            Some((base, start, address.strip_prefix(start.as_str())?))
        });
        let (base, _, rest) = rules
            .filter(|(_, start, _)| !start.is_empty())
            .max_by_key(|(_, start, _)| start.len())?;
        Some(format!("{base}{rest}"))
    }

    /// By which proxy a URL is to be reached; empty for none, whatever the environment says.
    pub(super) fn proxy(&self, url: &Url) -> Option<String> {
        let proxy = self.for_url("proxy", url)?;
        Some(match proxy.is_empty() || proxy.contains("://") {
            true => proxy.to_owned(),
            false => format!("http://{proxy}"),
        })
    }

    /// The error of a file of those who vouch for a URL's host that is none, or that is not the one
    /// that is used.
    pub(super) fn other_authorities(
        &self,
        variables: &ConfigVariables,
        url: &Url,
    ) -> Option<Error> {
        let by_variable = variables.authorities.clone();
        let by_variable = by_variable.map(|file| ("GIT_SSL_CAINFO", file));
        let by_key = || {
            let file = self
                .for_url("sslcainfo", url)
                .filter(|file| !file.is_empty())?;
            let file = match (file.strip_prefix("~/"), &self.home) {
                (Some(below), Some(home)) => home.join(below),
                _ => PathBuf::from(file),
            };
            Some(("http.sslCAInfo", file))
        };
        let (name, file) = by_variable.or_else(by_key)?;
        if let Some(reason) = no_authorities(&file) {
            return Some(Error::NoAuthorities { name, file, reason });
        }
        let is_same = |used: &Path| {
            let (wanted, used) = (std::fs::read(&file), std::fs::read(used));
            matches!((wanted, used), (Ok(wanted), Ok(used)) if wanted == used)
        };
        let is_used = match &variables.trusted {
            Some(trusted) => is_same(trusted),
            None => MACHINES.iter().any(|used| is_same(Path::new(used))),
        };
        let machine = MACHINES.iter().find(|file| Path::new(file).exists());
        (!is_used).then(|| Error::Authorities {
            name,
            file,
            url: host(url).into(),
            machine: machine.copied(),
        })
    }

    /// The value of a key of `http`, for one URL: the one for the longest URL that fits, else for all.
    fn for_url(&self, key: &str, url: &Url) -> Option<&str> {
        let found = self.entries.iter().filter_map(|(name, value)| {
            let middle = name.strip_prefix("http.")?.strip_suffix(key)?;
            let fit = match middle.strip_suffix('.') {
                None if middle.is_empty() => 0,
                None => return None,
                Some(of) => fit(of, url)?,
            };
            Some((fit, value.as_str()))
        });
        // Of several that fit alike, the last counts.
        found.max_by_key(|(fit, _)| *fit).map(|(_, value)| value)
    }
}

/// Where distributions keep the certificates that the machine trusts.
const MACHINES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why a file vouches for nobody; `None` if there is a certificate in it.
pub(super) fn no_authorities(file: &Path) -> Option<String> {
    match std::fs::read(file) {
        Err(error) => Some(format!("which cannot be read: {error}")),
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            let starts = [
                "-----BEGIN CERTIFICATE-----",
                "-----BEGIN TRUSTED CERTIFICATE-----",
            ];
            let is_any = starts.iter().any(|start| text.contains(start));
            (!is_any).then(|| "in which there is no certificate in PEM".to_owned())
        }
    }
}

/// How well the URL of a key fits: the length of its path, and at least 1.
fn fit(of: &str, url: &Url) -> Option<usize> {
    let of = Url::parse(of).ok()?;
    let is_host = of.scheme() == url.scheme()
        && of.host_str() == url.host_str()
        && of.port_or_known_default() == url.port_or_known_default();
    let path = of.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(path)?;
    let is_path = rest.is_empty() || rest.starts_with('/');
    (is_host && is_path).then_some(path.len() + 1)
}

/// The files, those that count more behind the others.
fn files(variables: &ConfigVariables) -> Vec<PathBuf> {
    let system = match &variables.system {
        _ if variables.no_system => None,
        Some(file) => Some(file.clone()),
        None => git2::Config::find_system().ok(),
    };
    let own = match &variables.global {
        Some(file) => vec![file.clone()],
        None => [git2::Config::find_xdg(), git2::Config::find_global()]
            .into_iter()
            .flatten()
            .collect(),
    };
    system.into_iter().chain(own).collect()
}

fn read_file(file: &Path, entries: &mut Vec<(String, String)>) -> Result<(), git2::Error> {
    let mut config = git2::Config::new()?;
    config.add_file(file, ConfigLevel::Global, false)?;
    let mut all = config.entries(None)?;
    while let Some(entry) = all.next() {
        let entry = entry?;
        if let Ok(name) = entry.name() {
            // A key without a value is `true` to git.
            let value = match entry.has_value() {
                true => entry.value().unwrap_or_default(),
                false => "true",
            };
            entries.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(())
}

/// A key as libgit2 spells it: section and name in lower case, what is between them as it is.
fn normal(key: &str) -> String {
    match (key.split_once('.'), key.rsplit_once('.')) {
        (Some((section, rest)), Some((_, name))) if rest != name => {
            let middle = &key[section.len()..key.len() - name.len()];
            section.to_lowercase() + middle + &name.to_lowercase()
        }
        _ => key.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(entries: &[(&str, &str)]) -> UserConfig {
        let pairs = entries
            .iter()
            .map(|(key, value)| (normal(key), (*value).to_owned()));
        UserConfig {
            entries: pairs.collect(),
            home: Some("/home/ann".into()),
        }
    }

    #[test]
    fn g60_a_directory_is_trusted_in_every_form_that_git_takes() {
        let root = Path::new("/nowhere/acme/apps");
        for (values, is_trusted) in [
            (&["/nowhere/acme/apps"][..], true),
            (&["/nowhere/acme/apps/"], true),
            (&["/nowhere/acme/*"], true),
            (&["/nowhere/*"], true),
            (&["/*"], true),
            (&["*"], true),
            (&["*", ""], false),
            (&["*", "", "/nowhere/acme/apps"], true),
            (&["/nowhere/acme"], false),
            (&["/nowhere/acme/apps/*"], false),
            (&["/nowhere/acme/app*"], false),
            (&["/nowhere/ac/*"], false),
            (&["nowhere/acme/apps"], false),
            (&["acme/*"], false),
            (&[], false),
        ] {
            let entries: Vec<_> = values
                .iter()
                .map(|value| ("safe.directory", *value))
                .collect();
            assert_eq!(config(&entries).trusts(root), is_trusted, "{values:?}");
        }
        let own = config(&[("safe.directory", "~/apps")]);
        assert!(own.trusts(Path::new("/home/ann/apps")));
    }

    #[test]
    fn g61_an_address_is_rewritten_as_git_does() {
        let config = config(&[
            (
                "URL.https://mirror.example.com/.insteadOf",
                "https://github.com/",
            ),
            (
                "url.https://Mirror.example.com/acme/.insteadof",
                "https://github.com/acme/",
            ),
            ("url.https://github.com/.insteadof", "git@github.com:"),
            ("url.https://example.com/.insteadof", ""),
            ("url.https://last.example.com/.insteadof", "https://"),
        ]);
        for (address, rewritten) in [
            (
                "https://github.com/a/b",
                Some("https://mirror.example.com/a/b"),
            ),
            (
                "https://github.com/acme/b",
                Some("https://Mirror.example.com/acme/b"),
            ),
            ("git@github.com:a/b", Some("https://github.com/a/b")),
            (
                "https://gitlab.com/a/b",
                Some("https://last.example.com/gitlab.com/a/b"),
            ),
            ("ssh://gitlab.com/a/b", None),
            ("apps", None),
        ] {
            assert_eq!(config.rewritten(address).as_deref(), rewritten, "{address}");
        }
    }

    #[test]
    fn g61_the_proxy_is_that_of_the_nearest_url() {
        let config = config(&[
            ("http.proxy", "all:1"),
            ("http.https://example.com.proxy", ""),
            ("http.https://example.com/acme.proxy", "http://acme:2"),
            ("http.https://example.com/ac.proxy", "other:3"),
            ("http.proxy", "all:1"),
        ]);
        for (url, proxy) in [
            ("https://github.com/a", "http://all:1"),
            ("https://example.com/a", ""),
            ("https://example.com/acme/a", "http://acme:2"),
            ("https://example.com/acmes", ""),
            ("https://example.com:8443/acme/a", "http://all:1"),
        ] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(config.proxy(&url).as_deref(), Some(proxy), "{url}");
        }
    }
}
