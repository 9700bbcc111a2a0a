//! Credentials for Git hosts: which there are, and in which order they are tried.

use std::cell::RefCell;
use std::path::PathBuf;

use git2::{Cred, CredentialType, ErrorClass, ErrorCode};
use url::Url;

use super::answer::{UNASKED, UNSUPPORTED};
use super::user_config::ConfigVariables;

/// What may be used to authenticate with a Git host.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Tokens from the environment.
    pub tokens: Vec<Token>,
    /// A private key for ssh.
    pub ssh_key: Option<PathBuf>,
    /// Where a user's own ssh keys are.
    pub home: Option<PathBuf>,
    /// What the variables say of Git's configuration.
    pub config: Box<ConfigVariables>,
    /// Whether the environment names a proxy, so that the host need not be reachable directly.
    pub proxied: bool,
}

/// A token and whom it may be shown to.
#[derive(Clone)]
pub struct Token {
    /// The only server it is for; any, if the user set it for this program.
    pub server: Option<Server>,
    /// Where it came from, for messages.
    pub source: &'static str,
    /// The secret.
    pub secret: String,
}

/// Whom a token is for: one host and one port of it. Text that names none is no server, and nothing
/// is for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server(Option<(String, u16)>);

impl Server {
    /// Takes a URL, or a host with or without a port; what is left out is that of https.
    pub fn new(text: &str) -> Self {
        let text = match text.parse::<std::net::Ipv6Addr>() {
            Ok(_) => format!("[{text}]"),
            Err(_) => text.to_owned(),
        };
        let url = match text.contains("://") {
            true => Url::parse(&text),
            false => Url::parse(&format!("https://{text}")),
        };
        Self(url.ok().as_ref().and_then(place))
    }

    fn is_at(&self, url: &Url) -> bool {
        self.0.is_some() && self.0 == place(url)
    }
}

/// The host of a URL in the form in which hosts are compared, and its port.
fn place(url: &Url) -> Option<(String, u16)> {
    let host = url.host_str()?.to_owned();
    Some((host, url.port_or_known_default()?))
}

/// The credentials that are left to try. libgit2 asks again after each refusal, for ever if it is
/// given the same one again.
pub(super) struct Attempts<'a> {
    url: &'a Url,
    all: Vec<Attempt<'a>>,
    next: RefCell<usize>,
    given: RefCell<Vec<String>>,
    /// Tokens that are for another host.
    withheld: Vec<&'static str>,
}

enum Attempt<'a> {
    /// User and password of the URL.
    Url,
    Token(&'a Token),
    Helper,
    Agent,
    Key(PathBuf),
}

impl<'a> Attempts<'a> {
    pub(super) fn new(url: &'a Url, credentials: &'a Credentials) -> Self {
        let (mut all, mut withheld) = (Vec::new(), vec![]);
        if url.scheme() == "ssh" {
            all.extend(credentials.ssh_key.clone().map(Attempt::Key));
            if credentials.ssh_key.is_none() {
                all.push(Attempt::Agent);
                let keys = ["id_ed25519", "id_ecdsa", "id_rsa"].iter();
                let ssh = credentials.home.as_ref().map(|home| home.join(".ssh"));
                let keys = keys.filter_map(|key| ssh.as_ref().map(|ssh| ssh.join(key)));
                all.extend(keys.filter(|key| key.exists()).map(Attempt::Key));
            }
        } else {
            if url.password().is_some() {
                all.push(Attempt::Url);
            }
            for token in &credentials.tokens {
                match &token.server {
                    Some(server) if !server.is_at(url) => withheld.push(token.source),
                    _ => all.push(Attempt::Token(token)),
                }
            }
            all.push(Attempt::Helper);
        }
        Self {
            url,
            all,
            next: RefCell::new(0),
            given: RefCell::default(),
            withheld,
        }
    }

    /// A second connection starts from the credential that the first one was let in with.
    pub(super) fn restart(&self) {
        let mut next = self.next.borrow_mut();
        *next = next.saturating_sub(1);
    }

    pub(super) fn next(
        &self,
        user: Option<&str>,
        allowed: CredentialType,
    ) -> Result<Cred, git2::Error> {
        let named = Some(self.url.username()).filter(|name| !name.is_empty());
        let user = named.or(user);
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(user.unwrap_or("git"));
        }
        let is_taken = allowed.contains(CredentialType::USER_PASS_PLAINTEXT);
        if self.url.scheme() == "https" && !is_taken {
            let class = ErrorClass::Callback;
            return Err(git2::Error::new(ErrorCode::Auth, class, UNSUPPORTED));
        }
        loop {
            let index = *self.next.borrow();
            let Some(attempt) = self.all.get(index) else {
                return Err(git2::Error::new(
                    ErrorCode::Auth,
                    ErrorClass::Callback,
                    "no credential is left",
                ));
            };
            *self.next.borrow_mut() += 1;
            if let Ok(credential) = self.credential(attempt, user) {
                self.given.borrow_mut().push(attempt.source());
                return Ok(credential);
            }
        }
    }

    fn credential(&self, attempt: &Attempt<'_>, user: Option<&str>) -> Result<Cred, git2::Error> {
        match attempt {
            Attempt::Url => {
                let decode = |text: &str| {
                    percent_encoding::percent_decode_str(text)
                        .decode_utf8_lossy()
                        .into_owned()
                };
                let password = decode(self.url.password().unwrap_or_default());
                Cred::userpass_plaintext(&decode(self.url.username()), &password)
            }
            Attempt::Token(token) => {
                // What GitHub and GitLab document for tokens; GitLab wants its own name for a job's.
                let user = match token.source {
                    "CI_JOB_TOKEN" => "gitlab-ci-token",
                    _ => "x-access-token",
                };
                Cred::userpass_plaintext(user, &token.secret)
            }
            Attempt::Helper => {
                let config = git2::Config::open_default()?;
                Cred::credential_helper(&config, self.url.as_str(), user)
            }
            Attempt::Agent => Cred::ssh_key_from_agent(user.unwrap_or("git")),
            Attempt::Key(path) => Cred::ssh_key(user.unwrap_or("git"), None, path, None),
        }
    }

    /// The tokens that may be shown.
    fn tokens(&self) -> Vec<&'static str> {
        let tokens = self.all.iter().filter_map(|attempt| match attempt {
            Attempt::Token(token) => Some(token.source),
            _ => None,
        });
        tokens.collect()
    }

    /// What was tried, for a message.
    pub(super) fn tried(&self) -> String {
        let mut given = self.given.borrow().clone();
        given.dedup();
        // libgit2 shows what is in a URL without asking here.
        let is_in_url = self.url.scheme() == "https" && !self.url.username().is_empty();
        match given.as_slice() {
            [] if is_in_url => "the credential from the URL".to_owned(),
            [] if !self.tokens().is_empty() => format!(
                "access without a credential: {UNASKED} {}, which is set",
                self.tokens().join(" or ")
            ),
            [] if self.withheld.is_empty() => {
                "access without a credential, and none was found".to_owned()
            }
            [] => format!(
                "access without a credential, as {} is for another host, and none was found",
                self.withheld.join(" and ")
            ),
            sources => format!("the credential from {}", sources.join(", from ")),
        }
    }
}

impl Attempt<'_> {
    fn source(&self) -> String {
        match self {
            Self::Url => "the URL".to_owned(),
            Self::Token(token) if token.secret.contains(char::is_whitespace) => {
                format!("{} (which has a line break or a space in it)", token.source)
            }
            Self::Token(token) => token.source.to_owned(),
            Self::Helper => "the credential helper".to_owned(),
            Self::Agent => "the ssh agent".to_owned(),
            Self::Key(path) => format!("`{}`", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i127_a_token_that_the_host_did_not_ask_for_is_not_called_missing() {
        let url = Url::parse("https://git.example.com/a").expect("a URL");
        let token = |server: Option<&str>| Token {
            server: server.map(Server::new),
            source: "IRSA_GITOPS_GIT_TOKEN",
            secret: "secret".to_owned(),
        };
        let tried = |tokens: Vec<Token>| {
            let credentials = Credentials {
                tokens,
                ..Credentials::default()
            };
            Attempts::new(&url, &credentials).tried()
        };
        let said = tried(vec![token(None)]);
        assert!(
            said.contains("did not ask for IRSA_GITOPS_GIT_TOKEN"),
            "{said}"
        );
        let hint = crate::source::answer::entitle(url.as_str(), &said);
        assert!(
            hint.contains("check the URL") && !hint.contains("give a token"),
            "{hint}"
        );
        // Without one, or with another host's, it is to be given.
        for tokens in [vec![], vec![token(Some("https://other.example.com"))]] {
            let said = tried(tokens);
            assert!(said.contains("none was found"), "{said}");
            let hint = crate::source::answer::entitle(url.as_str(), &said);
            assert!(hint.contains("give a token"), "{hint}");
        }
    }

    #[test]
    fn s21_a_token_is_for_one_host_and_one_port_of_it() {
        let url = |text| Url::parse(text).expect("a URL");
        for (server, at) in [
            (
                "https://ghe.example.com:8443",
                "https://ghe.example.com:8443/a",
            ),
            (
                "https://GHE.example.com:8443/",
                "https://ghe.example.COM:8443/a",
            ),
            ("ghe.example.com:8443", "https://ghe.example.com:8443/a"),
            ("https://github.com", "https://github.com:443/a"),
            ("https://github.com:443/", "https://github.com/a"),
            ("gitlab.example.com", "https://gitlab.example.com/a"),
            (
                "https://ghe.example.com:8443/path/",
                "https://u@ghe.example.com:8443",
            ),
            ("[::1]:8443", "https://[0:0::1]:8443/a"),
            ("::1", "https://[::1]/a"),
        ] {
            assert!(Server::new(server).is_at(&url(at)), "{server} {at}");
        }
        for (server, at) in [
            ("https://ghe.example.com:8443", "https://ghe.example.com/a"),
            (
                "https://ghe.example.com:8443",
                "https://ghe.example.com:9443/a",
            ),
            ("https://ghe.example.com", "https://ghe.example.com:8443/a"),
            ("http://ghe.example.com", "https://ghe.example.com/a"),
            ("https://github.com", "https://github.com.example.com/a"),
            ("https://github.com@example.com", "https://github.com/a"),
            ("github.com:x", "https://github.com/a"),
            ("", "file:///a"),
        ] {
            assert!(!Server::new(server).is_at(&url(at)), "{server} {at}");
        }
    }
}
