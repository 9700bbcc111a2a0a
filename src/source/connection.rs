//! Whether a host answers at all, and what it is called.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use backon::{BlockingRetryable, ExponentialBuilder};
use url::Url;

use super::Error;
use crate::model::redact;

/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Makes sure that somebody answers before libgit2, which has no timeout of its own, tries.
pub(super) fn connect(url: &Url) -> Result<(), Error> {
    let port = match url.scheme() {
        "ssh" => url.port().unwrap_or(22),
        "https" => url.port().unwrap_or(443),
        _ => return Ok(()),
    };
    let name = url
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let attempt = || {
        let mut result = Err(std::io::Error::other("the name has no address"));
        for address in (name.as_str(), port).to_socket_addrs()?.take(2) {
            result = TcpStream::connect_timeout(&address, CONNECT / 2).map(drop);
            if result.is_ok() {
                break;
            }
        }
        result
    };
    let tries = ExponentialBuilder::default()
        .with_max_times(2)
        .with_jitter();
    let start = Instant::now();
    attempt
        .retry(tries)
        // Name servers that do not answer take half a minute each time.
        .when(|_| start.elapsed() < 2 * CONNECT)
        .call()
        .map_err(|error| Error::Unreachable {
            host: host(url),
            reason: error.to_string(),
        })
}

/// The host and port of a URL as they may be shown.
pub(super) fn host(url: &Url) -> String {
    let shown = redact::address(url.as_str());
    let place = shown.split_once("://").map_or("", |(_, place)| place);
    match place.split('/').next() {
        Some(host) if !host.is_empty() => host.to_owned(),
        _ => shown,
    }
}
