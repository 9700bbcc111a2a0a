//! Takes the credentials out of addresses, alone or in a sentence.
//!
//! A password may hold any character, also those that end it for a parser: in
//! `https://ann:pa/ss@w@example.com/apps` nobody but its author can tell where the host begins. So
//! everything up to the *last* `@` is left out, even where that takes a part of a path with it,
//! unless what stands in the place of the host can be nothing else.

/// What may stand around an address in a sentence.
const AROUND: &[char] = &['\'', '"', '`', '(', ')', '<', '>', '[', ']', ',', ';'];

/// What is known of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is the address of a repository, and nothing else.
    Address,
    /// It is one word of a sentence.
    Word,
}

/// The address of a repository as it may be shown: without user, password, query and fragment.
///
/// ```
/// # use irsa_gitops::model::redact::address;
/// assert_eq!(address("https://ann:pa/ss@example.com/apps?token=x"), "https://example.com/apps");
/// assert_eq!(address("git@example.com:acme/apps"), "example.com:acme/apps");
/// ```
pub fn address(text: &str) -> String {
    shown(text, Kind::Address)
}

/// A sentence without the credentials of any address in it. White space ends an address.
///
/// ```
/// # use irsa_gitops::model::redact::sentence;
/// let said = sentence("unexpected argument 'ann:pa/ss@example.com:apps' found");
/// assert_eq!(said, "unexpected argument 'example.com:apps' found");
/// ```
pub fn sentence(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    words.map(|word| shown(word, Kind::Word)).collect()
}

fn shown(text: &str, kind: Kind) -> String {
    let (before, rest) = match kind {
        Kind::Address => ("", text),
        Kind::Word => text.split_at(text.len() - text.trim_start_matches(AROUND).len()),
    };
    // A scheme with a colon before it is a part of a password.
    let scheme = rest.find("://").filter(|at| rest.find(':') == Some(*at));
    let Some(scheme) = scheme else {
        return format!("{before}{}", without_user(rest, kind));
    };
    let (scheme, place) = rest.split_at(scheme + "://".len());
    let place = place
        .strip_prefix("git@")
        .unwrap_or_else(|| match place.rsplit_once('@') {
            Some((_, after)) if !names_its_host(scheme, place) => after,
            _ => place,
        });
    format!("{before}{scheme}{}", without_query(place, kind))
}

/// What has no scheme, such as the short form of ssh: `git@example.com:acme/apps`.
fn without_user(text: &str, kind: Kind) -> &str {
    let is_path = text.starts_with(['/', '.']) && !text.starts_with("//");
    // The names of sessions and roles in ARNs may hold an `@`.
    if is_path || text.starts_with("arn:") {
        return text;
    }
    match (text.strip_prefix("git@"), text.rsplit_once('@')) {
        (Some(after), _) if kind == Kind::Address => after,
        (Some(_), _) => text,
        (None, Some((user, after))) if kind == Kind::Address || user.contains(':') => after,
        _ => text,
    }
}

/// Whether the `@` of a URL can only be in its path: what stands before that is a host, not a user
/// or the first part of a password, and what follows has no path, which the address of a repository
/// has behind its host. A port could be a password's first digits.
fn names_its_host(scheme: &str, place: &str) -> bool {
    let after = place.rsplit_once('@').map_or("", |(_, after)| after);
    if after.contains(['/', ':']) && !scheme.ends_with("file://") {
        return false;
    }
    let end = place.find(['/', '\\', '?', '#']).unwrap_or(place.len());
    let host = &place[..end];
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (name, Some(port)),
        _ => (host, None),
    };
    let is_number = || {
        let bytes = name.split('.').map(str::parse::<u8>);
        let is_version_4 = bytes.clone().count() == 4 && bytes.clone().all(|byte| byte.is_ok());
        let inner = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
        let legal = |b: u8| b.is_ascii_hexdigit() || b == b':' || b == b'.';
        is_version_4 || inner.is_some_and(|inner| inner.bytes().all(legal))
    };
    let is_domain = || {
        let label = |label: &str| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            !label.is_empty() && label.bytes().all(legal)
        };
        let is_last = |last: &str| last.len() > 1 && last.bytes().all(|b| b.is_ascii_alphabetic());
        let parts = name.rsplit_once('.');
        parts.is_some_and(|(first, last)| first.split('.').all(label) && is_last(last))
    };
    (host.is_empty() && scheme.ends_with("file://"))
        || is_number()
        || name == "localhost"
        || (port.is_none() && is_domain())
}

/// A query may hold a token as well.
fn without_query(place: &str, kind: Kind) -> String {
    let (end, tail) = match kind {
        Kind::Address => (place.find(['?', '#']), ""),
        Kind::Word => {
            let query = place.find('?').filter(|at| place[*at..].contains('='));
            let ends = |c: char| AROUND.contains(&c) || c.is_whitespace();
            (query, &place[place.trim_end_matches(ends).len()..])
        }
    };
    match end {
        Some(end) => format!("{}{tail}", &place[..end]),
        None => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn g4_s20_no_credential_of_an_address_is_shown() {
        for (text, expected) in [
            ("https://u:s3cr3t@h/x", "https://h/x"),
            ("https://user:pa/ss@w@host/path", "https://host/path"),
            ("https://user:pass@host/a@b.git", "https://b.git"),
            ("https://user:1234/x@host/path", "https://host/path"),
            ("https://user:/x@host/path", "https://host/path"),
            ("https://user:a?b#c@host/path", "https://host/path"),
            ("https://user:a\\b@host/path", "https://host/path"),
            ("https://user:a://b@host/path", "https://host/path"),
            ("https://user:p%40s%2Fs@host/path", "https://host/path"),
            ("https://to/ken@host/path", "https://host/path"),
            ("https://token@host/path", "https://host/path"),
            ("https:///user:pass@host/path", "https://host/path"),
            ("https://[::1]:8443/a@b.git", "https://[::1]:8443/a@b.git"),
            ("ssh://user:pa/ss@host:22/path", "ssh://host:22/path"),
            ("https://host/x?private_token=s", "https://host/x"),
            ("user:pa/ss@host:repo", "host:repo"),
            ("user:a://b@host:repo", "host:repo"),
            ("https:/u:s3cr3t@h/x", "h/x"),
            ("//u:s3cr3t@h/x", "h/x"),
            ("user@host:repo", "host:repo"),
        ] {
            assert_eq!(address(text), expected);
        }
    }

    #[test]
    fn s20_what_holds_no_credential_stays_as_it_is() {
        for text in [
            "https://example.com/acme/a@b.git",
            "https://localhost:8443/a@b.git",
            "https://127.0.0.1:8443/a@b.git",
            "file:///srv/a@b.git",
            "/srv/user:x@b.git",
            "../a@b",
            "https://host:8443/path",
        ] {
            assert_eq!(address(text), text);
            assert_eq!(sentence(text), text);
        }
        assert_eq!(address("ssh://git@h.io/a@b"), "ssh://h.io/a@b");
        assert_eq!(address("git@h.io:acme/a@b.git"), "h.io:acme/a@b.git");
        for text in [
            "a@b: c",
            "ann@example.com wrote `main@{1}`\n\tat 12:00",
            "User: arn:aws:sts::123456789012:assumed-role/Admin/ann@example.com is not authorized",
            "is it https://example.com/x? no",
            "git@github.com:acme/apps",
        ] {
            assert_eq!(sentence(text), text);
        }
    }

    #[test]
    fn s20_credentials_in_a_sentence_are_left_out() {
        for (text, expected) in [
            (
                "'ssh://git@h:22/x' and http://a:b@c",
                "'ssh://h:22/x' and http://c",
            ),
            ("a 'user:pa/ss@h:x' b", "a 'h:x' b"),
            (
                "x --repo=https://u:p'\"w@h/x: no",
                "x --repo=https://h/x: no",
            ),
            ("(`https://h/x?token=abcd`) no", "(`https://h/x`) no"),
            ("error:https://u:p@h", "h"),
        ] {
            assert_eq!(sentence(text), expected);
        }
    }

    /// A password may begin as a host does.
    #[test]
    fn s20_a_password_that_looks_like_a_host_is_none() {
        for password in ["a.aA?", "ab.cd/x", "127.0.0.1/x", "localhost/x", "ab.cd#x"] {
            let safe = address(&format!(
                "https://{password}@host.example.com/acme/apps.git"
            ));
            assert_eq!(safe, "https://host.example.com/acme/apps.git");
        }
    }

    proptest! {
        #[test]
        fn s20_no_piece_of_any_password_is_shown(password in "[!-~\u{a1}-\u{ff}]{1,24}") {
            for (before, after) in [
                ("https://user:", "@host.example.com/acme/apps.git"),
                ("https://", "@host.example.com/acme/apps.git"),
                ("ssh://user:", "@host.example.com:22/acme"),
                ("user:", "@host.example.com:acme/apps"),
            ] {
                let text = format!("{before}{password}{after}");
                let safe = [address(&text), sentence(&format!("no '{text}' here"))].concat();
                let without = format!("{before}{after}no '' here");
                let characters: Vec<char> = password.chars().collect();
                for piece in characters.windows(4) {
                    let piece: String = piece.iter().collect();
                    prop_assert!(!safe.contains(&piece) || without.contains(&piece), "{safe}");
                }
                prop_assert!(safe.contains("host.example.com"), "{safe}");
            }
        }
    }
}
