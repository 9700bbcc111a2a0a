//! What a host answers in place of a repository, told from what libgit2 says, and what to do about it.

use std::fmt;

use git2::{ErrorClass, ErrorCode};
use url::Url;

use crate::model::shell::quoted;

/// What a host answers in place of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is none, or it is hidden from those who may not see it.
    Missing(u16),
    /// Whoever asks is not allowed to.
    Forbidden,
    /// A page for people: of the repository, to log in, or of a network that wants a login first.
    Page,
    /// The way leads from one page to the next, and to no end.
    Circle,
    /// The way leads to another host, by its name.
    Elsewhere(String),
    /// The way leads to where nothing is encrypted.
    Unencrypted,
    /// A login by other means than a name and a password or token is wanted.
    OtherLogin,
    /// Another status.
    Status(u16),
    /// Nothing that TLS is made of.
    NoTls,
    /// The proxy on the way to it, and what that says.
    Proxy(String),
    /// Words, by the program that would send the repository.
    Words(String),
    /// Something that no Git host sends, as libgit2 calls it.
    Strange(String),
}

/// Who answered what to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The name of the host, without credentials.
    pub host: String,
    /// The repository, without credentials.
    pub url: String,
    /// Where the credentials came from.
    pub tried: String,
    /// What came in its place.
    pub answer: Answer,
}

/// What libgit2 says of a host that takes neither passwords nor tokens.
pub(super) const UNSUPPORTED: &str = "server requires authentication that we do not support";

/// How libgit2's errors begin that are about what was sent, and not about the connection.
const STRANGE: [&str; 14] = [
    "bad packet length",
    "could not read refs",
    "error parsing",
    "incomplete pack data",
    "invalid hex digit",
    "Invalid empty packet",
    "invalid packet line",
    "invalid response",
    "invalid url",
    "remote sent invalid",
    "server doesn't support",
    "unexpected pack",
    "unexpected pkt",
    "unexpected packet",
];

impl Answer {
    /// The answer that an error of libgit2 is about; `None` if it is about something else. The reason
    /// is its message, without credentials.
    pub(super) fn of(error: &git2::Error, reason: &str) -> Option<Self> {
        let status = |text: &str| text.trim().parse().ok();
        let said = |start: &str| reason.strip_prefix(start);
        if reason.starts_with("proxy ") {
            return Some(Self::Proxy(reason.to_owned()));
        }
        if let Some((from, to)) =
            said("cannot redirect from '").and_then(|t| t.split_once("' to '"))
        {
            return Some(match from {
                "https" => Self::Unencrypted,
                _ => Self::Elsewhere(to.trim_end_matches('\'').to_owned()),
            });
        }
        if reason == UNSUPPORTED {
            return Some(Self::OtherLogin);
        }
        if let Some(words) = said("remote error: ") {
            return Some(Self::Words(words.to_owned()));
        }
        match error.class() {
            ErrorClass::Http => {}
            ErrorClass::Ssh if error.code() == ErrorCode::Eof => {
                return Some(Self::Words(reason.to_owned()));
            }
            ErrorClass::Net if STRANGE.iter().any(|start| reason.starts_with(start)) => {
                return Some(Self::Strange(reason.to_owned()));
            }
            ErrorClass::Ssl if is_no_tls(reason) => return Some(Self::NoTls),
            _ => return None,
        }
        if error.code() == ErrorCode::Auth {
            return None;
        }
        if let Some(status) = said("unexpected http status code:").and_then(status) {
            return Some(match status {
                // What one service says to those who are not logged in, with a page to do so.
                203 => Self::Page,
                403 => Self::Forbidden,
                404 | 410 => Self::Missing(status),
                _ => Self::Status(status),
            });
        }
        if reason.starts_with("too many redirects") {
            return Some(Self::Circle);
        }
        if said("invalid content-type: '").is_some_and(|of| of.to_lowercase().contains("html")) {
            return Some(Self::Page);
        }
        Some(Self::Strange(reason.to_owned()))
    }
}

impl Answered {
    /// What to do about it.
    pub(super) fn hint(&self) -> String {
        let (url, tried) = (self.url.as_str(), self.tried.as_str());
        let look = format!("`git ls-remote {}` tells what git gets", quoted(url));
        match &self.answer {
            Answer::Missing(_) | Answer::Words(_) => {
                format!("{}; {}; {look}", check(url), entitle(url, tried))
            }
            Answer::Forbidden => format!(
                "the right to read the repository is missing (contents: read, or read_repository), or the organisation has to authorise the token for its single sign-on, or the host lets in certain addresses only; {}",
                entitle(url, tried)
            ),
            Answer::Page | Answer::Circle => match page(url) {
                Some(meant) => meant,
                None => format!(
                    "if it is a page to log in: {}; if the network or a proxy wants a login first, give it that; else {}; {look}",
                    entitle(url, tried),
                    check(url)
                ),
            },
            Answer::Elsewhere(to) => format!(
                "if the repository has moved there, give its URL there ({}); if it is a page to log in: {}",
                at(url, to),
                entitle(url, tried)
            ),
            Answer::Unencrypted => format!(
                "give the URL to which that leads with https://, if there is one, or tell whoever runs the host: {look}"
            ),
            Answer::OtherLogin => {
                "clone over ssh (ssh://USER@HOST/PATH), or clone with git and give the path of that clone".to_owned()
            }
            Answer::Status(429 | 500..) => format!(
                "the host is not well or wants less of it: run it again later; {look}"
            ),
            Answer::Status(_) | Answer::Strange(_) => format!("{}; {look}", check(url)),
            Answer::NoTls => {
                "correct the port of the URL; no repository is read from where nothing is encrypted".to_owned()
            }
            Answer::Proxy(said) if said.contains("auth") || said.contains("407") => {
                "give the proxy a name and a password: http://USER:PASSWORD@HOST:PORT in https_proxy or http.proxy".to_owned()
            }
            Answer::Proxy(_) => {
                "correct https_proxy or http.proxy, or name the host in no_proxy if it is reached without".to_owned()
            }
        }
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, host, answer) = (&self.url, &self.host, &self.answer);
        write!(f, "cannot clone `{url}`: {host} {answer}")?;
        match answer {
            Answer::Missing(_)
            | Answer::Forbidden
            | Answer::Page
            | Answer::Circle
            | Answer::Words(_) => write!(f, " (tried: {})", self.tried),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(status) => write!(f, "has no such repository, or hides it ({status})"),
            Self::Forbidden => f.write_str("does not allow it (403)"),
            Self::Page => f.write_str("answers with a web page, and not as a Git host does"),
            Self::Circle => f.write_str("sends from one page to the next, as pages to log in do"),
            Self::Elsewhere(to) => write!(
                f,
                "sends to another host, `{to}`, which is not followed: credentials and roles are for the host that was named"
            ),
            Self::Unencrypted => f.write_str(
                "sends to where nothing is encrypted (http), which is not followed: anybody on the way could change what is read",
            ),
            Self::OtherLogin => {
                f.write_str("wants another kind of login than a name with a password or token")
            }
            Self::Status(status) => write!(f, "answers with status {status}"),
            Self::NoTls => f.write_str("does not speak TLS at that port"),
            Self::Proxy(said) => write!(f, "is not reached: {said}"),
            Self::Words(words) => write!(f, "answers: {words}"),
            Self::Strange(what) => write!(f, "does not answer as a Git host does: {what}"),
        }
    }
}

fn is_no_tls(reason: &str) -> bool {
    let said = [
        "wrong version number",
        "http request",
        "packet length too long",
        "record layer",
    ];
    said.iter().any(|said| reason.contains(said))
}

/// What to look at in a URL.
pub(super) fn check(url: &str) -> String {
    if let Some(meant) = page(url) {
        return meant;
    }
    match url.starts_with("https://") && !url.trim_end_matches('/').ends_with(".git") {
        true => format!(
            "check the URL (some hosts want .git at its end: {}.git)",
            url.trim_end_matches('/')
        ),
        false => "check the URL".to_owned(),
    }
}

/// How a message says that a token was not shown, as nobody asked for it.
pub(super) const UNASKED: &str = "the host did not ask for";

/// What to show to the host in place of what was shown.
pub(super) fn entitle(url: &str, tried: &str) -> String {
    if url.starts_with("ssh://") {
        return "give a key that may read the repository (--ssh-key, or an ssh agent)".to_owned();
    }
    if tried.contains(UNASKED) {
        return format!(
            "{}: a host asks for a token where a repository needs one",
            check(url)
        );
    }
    let of_a_job = ["GITHUB_TOKEN", "CI_JOB_TOKEN"].into_iter();
    let why = of_a_job.filter(|name| tried.contains(&format!("credential from {name}")));
    let why: String = why
        .map(|name| format!(" ({name} may read the repository of its job, and seldom another)"))
        .collect();
    format!("give a token that may read the repository: IRSA_GITOPS_GIT_TOKEN{why}")
}

/// The URL with another host.
fn at(url: &str, host: &str) -> String {
    let path = Url::parse(url).map_or_else(|_| String::new(), |url| url.path().to_owned());
    quoted(&format!("https://{host}{path}"))
}

/// What was meant by the URL of a page of a repository, as the usual hosts have them.
fn page(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "https")?;
    let segments: Vec<&str> = url
        .path_segments()?
        .filter(|part| !part.is_empty())
        .collect();
    let kinds = ["tree", "blob", "raw", "blame", "commits", "commit", "src"];
    let without_revision = [
        "pull",
        "pulls",
        "issues",
        "actions",
        "releases",
        "merge_requests",
    ];
    let is_kind = |part: &&str| kinds.contains(part) || without_revision.contains(part);
    let start = segments
        .iter()
        .position(|part| *part == "-")
        .or_else(|| segments.iter().skip(2).position(is_kind).map(|at| at + 2))?;
    let (repository, rest) = segments.split_at(start);
    let mut rest = rest.iter().skip_while(|part| **part == "-").copied();
    let kind = rest.next()?;
    let mut arguments = String::new();
    if kinds.contains(&kind) {
        let mut rest = rest.peekable();
        if kind == "src" {
            rest.next_if(|part| ["branch", "tag", "commit"].contains(part));
        }
        if let Some(revision) = rest.next() {
            arguments = format!(" --revision {}", quoted(revision));
        }
        let path: Vec<&str> = rest.collect();
        if !path.is_empty() {
            arguments = format!("{arguments} --path {}", quoted(&path.join("/")));
        }
    }
    let mut root = url.clone();
    root.set_path(&repository.join("/"));
    Some(format!(
        "that is the address of a page of a repository; give the repository: {}{arguments}",
        quoted(root.as_str())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s39_the_address_of_a_page_is_told_from_that_of_a_repository() {
        for (url, meant) in [
            (
                "https://github.com/acme/apps/tree/main/clusters/prod",
                "https://github.com/acme/apps --revision main --path clusters/prod",
            ),
            (
                "https://gitlab.example.com/a/b/c/-/blob/v1/x.yaml",
                "https://gitlab.example.com/a/b/c --revision v1 --path x.yaml",
            ),
            (
                "https://git.example.com/acme/apps/src/branch/main/prod",
                "https://git.example.com/acme/apps --revision main --path prod",
            ),
            (
                "https://github.com/acme/apps/pull/7",
                "https://github.com/acme/apps",
            ),
            (
                "https://gitlab.com/a/b/-/merge_requests/7",
                "https://gitlab.com/a/b",
            ),
        ] {
            let said = page(url).expect("a page");
            assert!(said.ends_with(&format!(": {meant}")), "{said}");
        }
        for url in [
            "https://github.com/acme/apps",
            "https://github.com/acme/tree.git",
            "https://github.com/tree/src",
            "ssh://git@github.com/acme/apps/tree/main",
            "https://github.com",
        ] {
            assert_eq!(page(url), None);
        }
    }
}
