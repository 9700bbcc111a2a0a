//! Clones over https, ssh and file, bare and into a temporary directory.
//!
//! What may be opened is decided before libgit2 sees it; what credentials are tried, and in which
//! order, is decided here; and no text that leaves this module holds one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use git2::{CertificateCheckStatus, ErrorClass, ErrorCode, FetchOptions, Oid};
use tempfile::TempDir;
use url::Url;

use super::Error;
use super::answer::{Answer, Answered};
use super::connection::{connect, host};
use super::credentials::{Attempts, Credentials};
use super::error::reason;
use super::revision_name::split;
use super::ssh::{self, Known};
use super::user_config::{UserConfig, no_authorities};
use crate::model::redact;

/// How long a transfer may stand still.
const STALLED: Duration = Duration::from_secs(30);
/// The most that is fetched, in bytes: a pack may expand to a thousand times its size.
const MAX_FETCHED: usize = 8 * 1024 * 1024 * 1024;
/// Where the host's HEAD is kept, so that nothing takes it for a branch.
const FETCHED_HEAD: &str = "refs/irsa-gitops/HEAD";

/// How far a clone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Looking for the host.
    Connecting,
    /// Objects received, of how many.
    Receiving(usize, usize),
}

/// What was given as a repository.
pub(super) enum Address {
    Path(PathBuf),
    Url(Url),
}

/// Tells a path from a URL, and refuses whatever could make Git run a program.
pub(super) fn address(text: &str) -> Result<Address, Error> {
    let refused = |why| {
        Err(Error::Url {
            url: redact::address(text),
            why,
        })
    };
    if text.starts_with('-') {
        return refused("it starts with `-`");
    }
    let scheme_end = text.find("://");
    if let Some(helper) = text.find("::")
        && scheme_end.is_none_or(|end| helper < end)
    {
        return refused("it names a remote helper");
    }
    if scheme_end.is_some() {
        let Ok(url) = Url::parse(text) else {
            return refused("it cannot be parsed");
        };
        let host = url.host_str().unwrap_or_default();
        let is_option = |text: &str| {
            let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
            decoded.starts_with('-')
        };
        if is_option(host) || is_option(url.username()) {
            return refused("host or user start with `-`");
        }
        return match url.scheme() {
            "file" => Ok(Address::Url(url)),
            "https" | "ssh" if !host.is_empty() => Ok(Address::Url(url)),
            _ => refused("the scheme is none of https, ssh and file"),
        };
    }
    // The short form of ssh, `git@github.com:acme/apps`, unless there is such a path.
    if let Some((left, path)) = text.split_once(':')
        && let Some((user, host)) = left.split_once('@')
        && !left.contains('/')
        && !Path::new(text).exists()
    {
        return address(&format!(
            "ssh://{user}@{host}/{}",
            path.trim_start_matches('/')
        ));
    }
    let user_of = |text: &str| text.rsplit_once('@').map(|(user, _)| user.to_owned());
    if user_of(text).is_some_and(|user| user.contains(':')) && !Path::new(text).exists() {
        return refused("it looks like a URL with a password, and is none");
    }
    Ok(Address::Path(text.into()))
}

/// What a URL that was cloned from is called: its host has answered, so it is known which part of
/// the URL that is.
pub(super) fn label(url: &Url) -> String {
    let mut shown = url.clone();
    // Neither can fail for a URL that has a host, and no other one has any.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

/// Fetches all branches and tags, and the revision if it is another ref.
pub(super) fn clone(
    url: &Url,
    revision: &str,
    credentials: &Credentials,
    user: &UserConfig,
    progress: &dyn Fn(Phase),
) -> Result<(TempDir, git2::Repository), Error> {
    progress(Phase::Connecting);
    let proxy = user.proxy(url);
    if url.scheme() == "https"
        && let Some(error) = user.other_authorities(&credentials.config, url)
    {
        return Err(error);
    }
    let is_direct = match &proxy {
        Some(proxy) if url.scheme() == "https" => proxy.is_empty(),
        _ => !credentials.proxied,
    };
    if is_direct {
        connect(url).map_err(|error| {
            let home = credentials
                .home
                .as_deref()
                .filter(|_| url.scheme() == "ssh");
            match ssh::aliased(home, url) {
                Some(meant) => Error::Alias {
                    alias: host(url),
                    meant,
                },
                None => error,
            }
        })?;
    }
    let directory = tempfile::Builder::new().prefix("irsa-gitops-").tempdir();
    let directory = directory.map_err(|source| Error::Io {
        path: std::env::temp_dir(),
        source,
    })?;
    let fetch = Fetch {
        url: url.clone(),
        revision: revision.to_owned(),
        credentials: credentials.clone(),
        proxy,
        into: directory.path().to_owned(),
    };
    // libgit2 can wait for ever and has no safe way to tell it not to, so somebody else watches.
    let (events, watched) = mpsc::channel();
    let work = move || {
        let result = fetch.run(&events);
        // Nobody listens any more if the time was up.
        let _ = events.send(Event::Ended(result));
    };
    let thread = std::thread::Builder::new().spawn(work);
    thread.map_err(|error| Error::Clone {
        url: redact::address(url.as_str()),
        reason: format!("no thread can be started: {error}"),
    })?;
    match watch(&watched, STALLED, progress) {
        Some(result) => result.map(|repository| (directory, repository)),
        None => Err(Error::Unreachable {
            host: host(url),
            reason: format!("nothing was received for {} s", STALLED.as_secs()),
        }),
    }
}

/// What a fetch ends with; `None` if nothing is heard of it for so long.
fn watch<T>(events: &Receiver<Event<T>>, stalled: Duration, progress: &dyn Fn(Phase)) -> Option<T> {
    loop {
        match events.recv_timeout(stalled).ok()? {
            Event::Progress(phase) => progress(phase),
            Event::Busy => {}
            Event::Ended(result) => return Some(result),
        }
    }
}

enum Event<T> {
    Progress(Phase),
    /// The host says that it is at work: a large repository takes minutes before its first object comes.
    Busy,
    Ended(T),
}

type Fetched = Result<git2::Repository, Error>;

struct Fetch {
    url: Url,
    revision: String,
    credentials: Credentials,
    /// The proxy that Git's configuration names; empty for none.
    proxy: Option<String>,
    into: PathBuf,
}

impl Fetch {
    fn run(&self, events: &Sender<Event<Fetched>>) -> Fetched {
        let attempts = Attempts::new(&self.url, &self.credentials);
        let shown = RefCell::new(None);
        let result = self.fetch(events, &attempts, &shown);
        result.map_err(|error| self.explain(&error, &attempts, shown.take()))
    }

    fn fetch(
        &self,
        events: &Sender<Event<Fetched>>,
        attempts: &Attempts<'_>,
        shown: &RefCell<Option<(String, Known)>>,
    ) -> Result<git2::Repository, git2::Error> {
        let repository = git2::Repository::init_bare(&self.into)?;
        // Also holds for the first connection, which takes no such option. Within a host libgit2 follows
        // all the same; the credentials callback sees to who gets one.
        let mut own = repository.config()?.open_level(git2::ConfigLevel::Local)?;
        own.set_bool("http.followRedirects", false)?;
        // What the user's configuration says has been heeded, and would be so once more.
        repository.set_config(&own)?;
        {
            let callbacks = || {
                let mut callbacks = git2::RemoteCallbacks::new();
                // libgit2 follows a redirect within a host, to whatever port.
                callbacks.credentials(|asking, user, allowed| match self.other(asking) {
                    // As libgit2 calls what it does not follow.
                    Some(other) => Err(git2::Error::new(
                        ErrorCode::Auth,
                        ErrorClass::Callback,
                        format!("cannot redirect from '{}' to '{other}'", host(&self.url)),
                    )),
                    None => attempts.next(user, allowed),
                });
                callbacks.certificate_check(|certificate, _| {
                    let Some(key) = certificate.as_hostkey() else {
                        return Ok(CertificateCheckStatus::CertificatePassthrough);
                    };
                    let home = self.credentials.home.as_deref();
                    let known = ssh::known(home, &self.url, key.hostkey().unwrap_or_default());
                    let hash = key.hash_sha256().map(sha256);
                    *shown.borrow_mut() = hash.map(|hash| (hash, known));
                    match known {
                        Known::Yes => Ok(CertificateCheckStatus::CertificateOk),
                        Known::Revoked => Err(git2::Error::new(
                            ErrorCode::Certificate,
                            ErrorClass::Ssh,
                            "the host key is revoked",
                        )),
                        // What libssh2 reads in known_hosts decides.
                        Known::ByAuthority | Known::NotSaid => {
                            Ok(CertificateCheckStatus::CertificatePassthrough)
                        }
                    }
                });
                // Who says what is of no interest, and not shown.
                callbacks.sideband_progress(|_| events.send(Event::Busy).is_ok());
                callbacks.transfer_progress(|now| {
                    let phase = Phase::Receiving(now.received_objects(), now.total_objects());
                    now.received_bytes() <= MAX_FETCHED
                        && events.send(Event::Progress(phase)).is_ok()
                });
                callbacks
            };
            let proxy = || {
                let mut proxy = git2::ProxyOptions::new();
                match self.proxy.as_deref() {
                    Some("") => {}
                    Some(url) => _ = proxy.url(url),
                    None => _ = proxy.auto(),
                }
                proxy
            };
            let mut options = FetchOptions::new();
            options
                .remote_callbacks(callbacks())
                .proxy_options(proxy())
                .follow_redirects(git2::RemoteRedirect::None);
            let mut remote = repository.remote_anonymous(self.url.as_str())?;
            // One connection for both, as a host may list a hundred thousand references each time.
            let mut connection =
                remote.connect_auth(git2::Direction::Fetch, Some(callbacks()), Some(proxy()))?;
            let heads = connection.list()?;
            let head = heads.iter().find(|head| head.name() == "HEAD");
            let head = head.map(|head| (head.oid(), head.symref_target().map(str::to_owned)));
            let (name, _) = split(&self.revision);
            let kept: BTreeMap<String, Oid> = heads
                .iter()
                .filter_map(|head| Some((kept_as(head.name(), name)?, head.oid())))
                .collect();
            let mut refspecs = vec![
                "+refs/heads/*:refs/heads/*".to_owned(),
                "+refs/tags/*:refs/tags/*".to_owned(),
            ];
            if head.is_some() {
                refspecs.push(format!("+HEAD:{FETCHED_HEAD}"));
            }
            if kept.contains_key(name) {
                refspecs.push(format!("+{name}:{name}"));
            }
            attempts.restart();
            connection
                .remote()
                .download(&refspecs, Some(&mut options))?;
            drop(connection);
            keep(&repository, &kept)?;
            match head {
                Some((_, Some(branch))) => repository.set_head(&branch)?,
                Some((commit, None)) => repository.set_head_detached(commit)?,
                // Whatever this program's own default branch is called is not what the host has.
                None => repository.set_head("refs/heads/no-commit-yet")?,
            }
        }
        Ok(repository)
    }

    fn explain(
        &self,
        error: &git2::Error,
        attempts: &Attempts<'_>,
        shown: Option<(String, Known)>,
    ) -> Error {
        let (host, url) = (host(&self.url), redact::address(self.url.as_str()));
        let mut reason = self.redacted(&reason(error));
        if reason.starts_with("proxy ") {
            reason.push_str(&self.by_proxy());
        }
        let tried = attempts.tried();
        if let Some(answer) = Answer::of(error, &reason) {
            return Error::Answered(Box::new(Answered {
                host,
                url,
                tried,
                answer,
            }));
        }
        match (error.class(), error.code()) {
            (_, ErrorCode::Certificate) | (ErrorClass::Ssl, _) => {
                let reason = match shown {
                    Some((key, Known::Revoked)) => {
                        format!("its host key SHA256:{key} is revoked in known_hosts")
                    }
                    Some((key, Known::ByAuthority)) => format!(
                        "its host key SHA256:{key} is not in known_hosts, only an authority (@cert-authority), whose certificates are not read"
                    ),
                    Some((key, Known::Yes | Known::NotSaid)) => format!(
                        "its host key SHA256:{key} is not in known_hosts, or another one is"
                    ),
                    None => format!("{reason}{}", self.no_authorities()),
                };
                Error::Identity { host, reason }
            }
            (_, ErrorCode::Auth) => Error::Refused { host, url, tried },
            (ErrorClass::Net | ErrorClass::Os, _) if self.url.scheme() != "file" => {
                let reason = format!("{reason}{}", self.by_proxy());
                Error::Unreachable { host, reason }
            }
            _ => Error::Clone { url, reason },
        }
    }

    /// The proxy that is gone by, if Git's configuration names one.
    fn by_proxy(&self) -> String {
        let proxy = self.proxy.as_deref().filter(|proxy| !proxy.is_empty());
        proxy.map_or_else(String::new, |proxy| {
            format!(" (by the proxy `{}` of http.proxy)", redact::address(proxy))
        })
    }

    /// What is wrong with the file of `SSL_CERT_FILE`, if anything is.
    fn no_authorities(&self) -> String {
        let file = self.credentials.config.trusted.as_deref();
        let wrong = file.and_then(|file| Some((file, no_authorities(file)?)));
        wrong.map_or_else(String::new, |(file, why)| {
            format!("; SSL_CERT_FILE names `{}`, {why}", file.display())
        })
    }

    /// Who asks for a credential, if that is not the place that was named.
    fn other(&self, asking: &str) -> Option<String> {
        let place = |url: &Url| {
            let port = url.port_or_known_default();
            (
                url.scheme().to_owned(),
                url.host_str().map(str::to_owned),
                port,
            )
        };
        match Url::parse(asking) {
            Ok(asking) => (place(&asking) != place(&self.url)).then(|| host(&asking)),
            Err(_) => (self.url.scheme() != "ssh").then(|| redact::address(asking)),
        }
    }

    /// Takes every credential out of a text that somebody else wrote.
    fn redacted(&self, text: &str) -> String {
        let parts = [self.url.password().unwrap_or_default(), self.url.username()];
        let decoded = parts.map(|part| percent_encoding::percent_decode_str(part));
        let decoded = decoded.map(|part| part.decode_utf8_lossy().into_owned());
        let tokens = self.credentials.tokens.iter();
        let tokens = tokens.map(|token| token.secret.as_str());
        // What the URL's grammar takes for the host may be a part of the password.
        let taken_for_host = self.url.host_str().unwrap_or_default();
        let is_shown = host(&self.url).contains(taken_for_host);
        let parts = parts.into_iter().chain(decoded.iter().map(String::as_str));
        let secrets = parts
            .chain(tokens)
            .chain((!is_shown).then_some(taken_for_host));
        let url = self.url.as_str();
        let text = text.replace(url, &redact::address(url));
        redact::hide(&text, secrets.filter(|secret| *secret != "git"))
    }
}

/// Under which name a reference of the host is kept here; `None` if it is not fetched.
fn kept_as(reference: &str, revision: &str) -> Option<String> {
    if reference == "HEAD" {
        return Some(FETCHED_HEAD.to_owned());
    }
    let is_fetched = ["refs/heads/", "refs/tags/"]
        .iter()
        .any(|kind| reference.starts_with(kind))
        || (reference.starts_with("refs/") && reference == revision);
    let is_kept = is_fetched && git2::Reference::is_valid_name(reference);
    is_kept.then(|| reference.to_owned())
}

/// Writes all references to one file, as git does when it packs them: a file for each of a hundred
/// thousand takes longer than the rest of a clone.
fn keep(repository: &git2::Repository, kept: &BTreeMap<String, Oid>) -> Result<(), git2::Error> {
    let lines = kept.iter().map(|(name, id)| format!("{id} {name}\n"));
    let file = repository.path().join("packed-refs");
    std::fs::write(&file, lines.collect::<String>())
        .map_err(|error| git2::Error::from_str(&format!("{}: {error}", file.display())))
}

/// A key's fingerprint as OpenSSH prints it.
fn sha256(hash: &[u8; 32]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p17_a_fetch_of_which_anything_is_heard_is_not_given_up() {
        let (sender, events) = mpsc::channel();
        let stalled = Duration::from_secs(2);
        let host = std::thread::spawn(move || {
            for _ in 0..20 {
                std::thread::sleep(stalled / 10);
                sender.send(Event::Busy).expect("somebody listens");
            }
            sender.send(Event::Ended("done")).expect("somebody listens");
            sender
        });
        assert_eq!(watch(&events, stalled, &|_| ()), Some("done"));
        let _connected = host.join().expect("it ends");
        assert_eq!(watch(&events, stalled, &|_| ()), None, "it is silent");
    }
}
