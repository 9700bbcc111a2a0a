//! Whether two addresses are those of one repository.

/// Whether two addresses can be those of one repository: https, ssh and its short form, with or
/// without a user, `.git` and a slash at the end, in whatever letter case of the host.
///
/// ```
/// # use irsa_gitops::model::repository::is_same;
/// assert!(is_same("https://github.com/acme/apps", "git@GitHub.com:acme/apps.git"));
/// assert!(!is_same("https://github.com/acme/apps", "https://github.com/acme/infra"));
/// ```
pub fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (Address::parse(a), Address::parse(b));
    // A host may serve its schemes at ports of their own.
    let is_same_port = a.scheme != b.scheme || a.port == b.port;
    (a.host, a.path) == (b.host, b.path) && is_same_port
}

/// Host and path of a repository that is on one, the host with the port of its pages; `None` for a
/// place on this machine.
///
/// ```
/// # use irsa_gitops::model::repository::host_and_path;
/// let address = host_and_path("git@GitHub.com:acme/apps.git");
/// assert_eq!(address, Some(("github.com".to_owned(), "acme/apps".to_owned())));
/// assert_eq!(host_and_path("/srv/apps"), None);
/// ```
pub fn host_and_path(address: &str) -> Option<(String, String)> {
    let Address {
        scheme,
        host,
        port,
        path,
    } = Address::parse(address);
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let port = port.filter(|_| is_web);
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    let is_on_host = !host.is_empty() && !path.is_empty();
    is_on_host.then(|| (format!("{host}{port}"), path.to_owned()))
}

/// The parts of an address that tell repositories apart.
struct Address<'a> {
    scheme: &'a str,
    /// In lower case; empty for a place on this machine.
    host: String,
    port: Option<&'a str>,
    path: &'a str,
}

impl<'a> Address<'a> {
    fn parse(text: &'a str) -> Self {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None if is_short(text) => ("ssh", text),
            None => ("file", text),
        };
        let (host, path) = match scheme {
            _ if scheme.eq_ignore_ascii_case("file") => ("", rest),
            _ if text.len() == rest.len() => rest.split_once(':').unwrap_or((rest, "")),
            _ => rest.split_once('/').unwrap_or((rest, "")),
        };
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if is_port(port) => (host, Some(port)),
            _ => (host, None),
        };
        let is_default = |port: &&str| ["", "22", "443"].contains(port);
        let end = path.trim_end_matches('/');
        let end = end.strip_suffix(".git").unwrap_or(end);
        let path = end.trim_end_matches('/');
        Self {
            scheme,
            path: match host {
                "" => path,
                _ => path.trim_start_matches('/'),
            },
            host: host.to_lowercase(),
            port: port.filter(|port| !is_default(port)),
        }
    }
}

/// Whether an address without a scheme is ssh's short form, `HOST:PATH`, and no path.
fn is_short(text: &str) -> bool {
    let host = text.split_once(':').map(|(host, _)| host);
    host.is_some_and(|host| !host.is_empty() && !host.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c43_one_repository_has_many_spellings() {
        let spellings = [
            "https://github.com/acme/apps",
            "https://github.com/acme/apps/",
            "https://github.com/acme/apps.git",
            "https://github.com/acme/apps.git/",
            "https://GitHub.com:443/acme/apps",
            "https://ann@github.com/acme/apps",
            "ssh://git@github.com/acme/apps.git",
            "ssh://git@github.com:22/acme/apps",
            "ssh://github.com:2222/acme/apps",
            "git@github.com:acme/apps.git",
            "github.com:acme/apps",
            "GITHUB.com:/acme/apps/",
        ];
        for a in spellings {
            // One scheme has one port.
            for b in spellings.iter().filter(|b| !b.contains("2222")) {
                assert!(is_same(a, b) || a.contains("2222"), "{a} {b}");
            }
        }
        assert!(is_same(spellings[0], spellings[8]));
        for (a, b) in [
            ("/srv/apps", "file:///srv/apps.git"),
            ("/srv/apps/.git", "/srv/apps/"),
        ] {
            assert!(is_same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn c42_other_repositories_are_told_apart() {
        let ours = "https://github.com/acme/apps";
        for other in [
            "https://github.com/acme/infra",
            "https://github.com/other/apps",
            "https://gitlab.com/acme/apps",
            "https://github.com:8443/acme/apps",
            "git@github.com:acme/apps2.git",
            "https://github.com/acme/apps.github",
            "/github.com/acme/apps",
            "",
        ] {
            assert!(!is_same(ours, other), "{other}");
        }
        assert!(!is_same("/srv/Apps", "/srv/apps"));
        assert!(!is_same("/srv/a", "/srv/b"));
    }
}
