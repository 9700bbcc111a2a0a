//! What OpenSSH's files say of a host that libssh2 does not read in them: keys that are revoked,
//! patterns of hosts, authorities, and aliases.

use std::path::{Path, PathBuf};

use base64::Engine;
use url::Url;

/// What the files of known hosts say of a host's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Known {
    /// It is the host's, by a name or a pattern.
    Yes,
    /// It is not to be trusted any more, whatever else is said.
    Revoked,
    /// An authority vouches for the host, whose certificates nobody here reads.
    ByAuthority,
    /// Nothing that libssh2 does not read as well.
    #[default]
    NotSaid,
}

/// What the files of the user and the machine say of the key that a host has shown.
pub(super) fn known(home: Option<&Path>, url: &Url, key: &[u8]) -> Known {
    let own = home.map(|home| home.join(".ssh/known_hosts"));
    let machine = PathBuf::from("/etc/ssh/ssh_known_hosts");
    let bytes = |file: PathBuf| std::fs::read(file).unwrap_or_default();
    let files: Vec<Vec<u8>> = own.into_iter().chain([machine]).map(bytes).collect();
    // A comment in another encoding is no reason to pass over what is revoked.
    said(
        &String::from_utf8_lossy(&files.join(&b'\n')),
        &place(url),
        key,
    )
}

/// The host as known_hosts has it: with its port, unless that is the usual one.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match url.port() {
        None | Some(22) => host.to_lowercase(),
        Some(port) => format!("[{}]:{port}", host.to_lowercase()),
    }
}

fn said(text: &str, place: &str, key: &[u8]) -> Known {
    let mut known = Known::NotSaid;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next().filter(|word| !word.starts_with('#')) else {
            continue;
        };
        let marker = first.strip_prefix('@');
        let hosts = match marker {
            Some(_) => words.next().unwrap_or_default(),
            None => first,
        };
        let listed = words.nth(1).unwrap_or_default();
        let listed = base64::engine::general_purpose::STANDARD.decode(listed);
        let is_key = listed.is_ok_and(|listed| !listed.is_empty() && listed == key);
        // Whose a hashed line is cannot be told; of a revoked key it does not matter.
        let is_hashed = hosts.starts_with('|');
        match marker {
            Some("revoked") if is_key && (is_hashed || is_among(place, hosts)) => {
                return Known::Revoked;
            }
            None if is_key && is_among(place, hosts) => known = Known::Yes,
            Some("cert-authority") if known == Known::NotSaid && is_among(place, hosts) => {
                known = Known::ByAuthority;
            }
            _ => {}
        }
    }
    known
}

/// Whether a list of patterns has a host: one that is denied outweighs all others.
fn is_among(place: &str, patterns: &str) -> bool {
    let mut is_among = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(denied) if fits(denied, place) => return false,
            Some(_) => {}
            None => is_among |= fits(pattern, place),
        }
    }
    is_among
}

fn fits(pattern: &str, place: &str) -> bool {
    fits_bytes(pattern.to_lowercase().as_bytes(), place.as_bytes())
}

fn fits_bytes(pattern: &[u8], text: &[u8]) -> bool {
    // Whether the pattern up to here fits the text up to there, for each place in the text.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for character in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match character {
                b'*' => reached[at] || (at > 0 && next[at - 1]),
                b'?' => at > 0 && reached[at - 1],
                plain => at > 0 && reached[at - 1] && text[at - 1] == *plain,
            };
        }
        reached = next;
    }
    reached[text.len()]
}

/// What is meant by a URL whose host is an alias of the user's `~/.ssh/config`: host, port and user. Not
/// as a URL, out of which messages leave the user.
pub(super) fn aliased(home: Option<&Path>, url: &Url) -> Option<String> {
    let text = std::fs::read_to_string(home?.join(".ssh/config")).ok()?;
    meant(&text, url)
}

fn meant(config: &str, url: &Url) -> Option<String> {
    let alias = url.host_str()?;
    let (mut is_meant, mut name, mut user, mut port) = (false, None, None, None);
    for line in config.lines() {
        let line = line.trim();
        let end = line.find([' ', '\t', '=']).unwrap_or(line.len());
        let (key, value) = line.split_at(end);
        let value = value.trim_matches([' ', '\t', '=', '"']);
        let set = |to: &mut Option<String>| {
            // The first that is said counts.
            if is_meant && to.is_none() {
                *to = Some(value.to_owned());
            }
        };
        match key.to_lowercase().as_str() {
            "host" => {
                is_meant = value
                    .split_whitespace()
                    .any(|one| one.eq_ignore_ascii_case(alias))
            }
            "match" => is_meant = false,
            "hostname" => set(&mut name),
            "user" => set(&mut user),
            "port" => set(&mut port),
            _ => {}
        }
    }
    let name = name.filter(|name| !name.eq_ignore_ascii_case(alias) && !name.contains('%'))?;
    let user = user.filter(|_| url.username().is_empty());
    let user = user.map_or_else(String::new, |user| format!(", as user `{user}`"));
    let port = url.port().map(|port| port.to_string()).or(port);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{name}{port}{user}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `key` in base64.
    const KEY: &str = "a2V5";

    #[test]
    fn g66_known_hosts_are_read_as_openssh_reads_them() {
        for (line, known) in [
            ("example.com ssh-ed25519 a2V5", Known::Yes),
            ("EXAMPLE.com,other ssh-ed25519 a2V5 a comment", Known::Yes),
            ("*.com ssh-ed25519 a2V5", Known::Yes),
            ("exampl?.* ssh-ed25519 a2V5", Known::Yes),
            ("*.com,!example.* ssh-ed25519 a2V5", Known::NotSaid),
            ("*.example.com ssh-ed25519 a2V5", Known::NotSaid),
            ("[example.com]:22 ssh-ed25519 a2V5", Known::NotSaid),
            ("example.com ssh-ed25519 b3RoZXI=", Known::NotSaid),
            ("# example.com ssh-ed25519 a2V5", Known::NotSaid),
            ("@revoked * ssh-ed25519 a2V5", Known::Revoked),
            ("@revoked |1|a|b ssh-ed25519 a2V5", Known::Revoked),
            ("@revoked * ssh-ed25519 b3RoZXI=", Known::NotSaid),
            ("@revoked other ssh-ed25519 a2V5", Known::NotSaid),
            (
                "@cert-authority *.com ssh-ed25519 b3RoZXI=",
                Known::ByAuthority,
            ),
            ("@cert-authority *.org ssh-ed25519 a2V5", Known::NotSaid),
            (
                "example.com ssh-ed25519 a2V5\n@revoked * ssh-ed25519 a2V5",
                Known::Revoked,
            ),
            (
                "@cert-authority * ssh-ed25519 x\nexample.com x a2V5",
                Known::Yes,
            ),
            ("", Known::NotSaid),
        ] {
            assert_eq!(said(line, "example.com", b"key"), known, "{line}");
        }
        let url = Url::parse("ssh://git@Example.com:2222/a").expect("a URL");
        assert_eq!(
            said(&format!("[*.com]:2222 x {KEY}"), &place(&url), b"key"),
            Known::Yes
        );
        let usual = Url::parse("ssh://git@example.com:22/a").expect("a URL");
        assert_eq!(
            said(&format!("example.com x {KEY}"), &place(&usual), b"key"),
            Known::Yes
        );
    }

    #[test]
    fn g66_a_comment_in_another_encoding_hides_no_revoked_key() {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join(".ssh/known_hosts");
        std::fs::create_dir(home.path().join(".ssh")).expect("a directory");
        std::fs::write(
            &file,
            b"# Schl\xfcssel\n@revoked example.com x a2V5 caf\xe9\n",
        )
        .expect("written");
        let url = Url::parse("ssh://git@example.com/a").expect("a URL");
        assert_eq!(known(Some(home.path()), &url, b"key"), Known::Revoked);
        // A line without a key is no host's key.
        assert_eq!(said("example.com x", "example.com", b""), Known::NotSaid);
    }

    #[test]
    fn g67_an_alias_is_told_with_what_it_stands_for() {
        let config = "Host *\n  User nobody\nHost other work\n  HostName = github.com\n  User git\n  Port 443\nMatch all\n  HostName x\n";
        let meant = |url: &str| super::meant(config, &Url::parse(url).expect("a URL"));
        let expected = Some("github.com:443, as user `git`".to_owned());
        assert_eq!(meant("ssh://work/acme/apps"), expected);
        let expected = Some("github.com:22".to_owned());
        assert_eq!(meant("ssh://ann@WORK:22/acme"), expected);
        assert_eq!(meant("ssh://github.com/acme"), None);
        let other =
            "Host work\n HostName github.com\n HostName other\nMatch user x\n User x\n Port 2\n";
        let url = Url::parse("ssh://work/a").expect("a URL");
        let expected = Some("github.com".to_owned());
        assert_eq!(super::meant(other, &url), expected);
        let same = "Host github.com\n HostName github.com\n";
        assert_eq!(
            super::meant(same, &Url::parse("ssh://github.com/a").expect("a URL")),
            None
        );
    }
}
