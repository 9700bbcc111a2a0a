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

/// How long a secret is that is hidden wherever it occurs: no other text holds it by accident.
const LONG: usize = 8;
/// How long a secret is that nothing tells from the letters of a sentence.
const SHORT: usize = 3;
/// Words that messages are made of; as passwords they hide nothing.
const WORDS: &[&str] = &[
    "admin", "auth", "error", "failed", "host", "password", "passwd", "root", "secret", "test",
    "token", "user", "username",
];

/// A text of somebody else's without some secrets, which are those that were sent to whoever wrote it.
///
/// One of eight characters and more is hidden wherever it occurs, a shorter one where it stands
/// whole, so that no word is mangled that only holds its letters. One of up to three characters, and
/// one that is a word of messages such as `password`, is hidden only where it stands as a value: in
/// quotation marks, behind `=` or `:`, or before `@`.
///
/// ```
/// # use irsa_gitops::model::redact::hide;
/// assert_eq!(hide("cannot connect: bad token s3cr", ["s3cr", "c"]), "cannot connect: bad token ***");
/// assert_eq!(hide("no password in `user:password`", ["password"]), "no password in `user:***`");
/// ```
pub fn hide<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut secrets: Vec<&str> = secrets.into_iter().filter(|s| !s.is_empty()).collect();
    // One may be a part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.into_iter().fold(text.to_owned(), hide_one)
}

fn hide_one(text: String, secret: &str) -> String {
    let length = secret.chars().count();
    let is_hidden: fn(&str, &str, &str) -> bool =
        if length <= SHORT || WORDS.iter().any(|word| word.eq_ignore_ascii_case(secret)) {
            is_value
        } else if length < LONG {
            is_whole
        } else {
            |_, _, _| true
        };
    let (mut shown, mut from, mut search) = (String::new(), 0, 0);
    while let Some(found) = text[search..].find(secret) {
        let (start, end) = (search + found, search + found + secret.len());
        if is_hidden(&text[..start], secret, &text[end..]) {
            shown.push_str(&text[from..start]);
            shown.push_str("***");
            (from, search) = (end, end);
        } else {
            search = start + secret.chars().next().map_or(1, char::len_utf8);
        }
    }
    shown + &text[from..]
}

/// Whether no letter or digit of a word goes on where a secret begins or ends.
fn is_whole(before: &str, secret: &str, after: &str) -> bool {
    let goes_on = |a: Option<char>, b: Option<char>| {
        a.is_some_and(char::is_alphanumeric) && b.is_some_and(char::is_alphanumeric)
    };
    !goes_on(before.chars().next_back(), secret.chars().next())
        && !goes_on(secret.chars().next_back(), after.chars().next())
}

/// Whether a secret stands where values do.
fn is_value(before: &str, _: &str, after: &str) -> bool {
    let (left, right) = (before.chars().next_back(), after.chars().next());
    let ends = |c: char| c.is_whitespace() || "&;,'\"`@)]}>".contains(c);
    match (left, right) {
        (Some('=' | ':'), right) => right.is_none_or(ends),
        (Some('\'' | '"' | '`'), right) => left == right || right == Some('@'),
        (Some('/'), right) => right == Some('@'),
        (left, right) => left.is_none_or(char::is_whitespace) && right == Some('@'),
    }
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
            None if kind == Kind::Address => without_password(place),
            _ => place,
        });
    format!("{before}{scheme}{}", without_query(place, kind))
}

/// A place without an `@`, up to what cannot be the port of a host: a password, where the rest was cut off.
fn without_password(place: &str) -> &str {
    let end = place.find(['/', '\\', '?', '#']).unwrap_or(place.len());
    match place[..end].split_once(':') {
        Some((user, port))
            if !user.starts_with('[') && !port.bytes().all(|b| b.is_ascii_digit()) =>
        {
            user
        }
        _ => place,
    }
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
            ("https://user:s3cr3t", "https://user"),
            ("https://user:s3cr3t/x", "https://user"),
            ("https://host:8443/x", "https://host:8443/x"),
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

    #[test]
    fn c44_short_secrets_and_words_leave_sentences_alone() {
        let sentence =
            "cannot connect to host, must try port 443: password or token of admin is not mute";
        for secret in [
            "c", "o", "to", "443", "mus", "nect", "mute1", "password", "token", "admin", ":", " ",
        ] {
            assert_eq!(hide(sentence, [secret]), sentence, "{secret}");
        }
    }

    #[test]
    fn c44_secrets_are_hidden_where_they_stand() {
        for (text, secret, expected) in [
            ("bad token s3cr.", "s3cr", "bad token ***."),
            ("bad token hunter", "hunter", "bad token ***"),
            ("u:ab@host", "ab", "u:***@host"),
            ("?token=1&x", "1", "?token=***&x"),
            ("no 'admin'", "admin", "no '***'"),
            ("password=password", "password", "password=***"),
            ("xlongsecretx", "longsecret", "x***x"),
            (
                "\u{fc}b$x\u{fc}b\u{fc} b$x\u{fc}",
                "b$x\u{fc}",
                "\u{fc}b$x\u{fc}b\u{fc} ***",
            ),
        ] {
            assert_eq!(hide(text, [secret]), expected);
        }
        assert_eq!(hide("abcd-long", ["abcd", "abcd-long"]), "***");
    }

    proptest! {
        #[test]
        fn c44_words_that_hold_a_short_secret_stay(
            secret in "[a-z0-9]{1,7}", a in "[a-z]{1,5}", b in "[a-z]{1,5}"
        ) {
            let text = format!("{a}{secret}{b} {a}{secret} {secret}{b}");
            // A part of it that is the secret again could stand whole.
            prop_assume!(!text.split(' ').any(|word| word == secret));
            prop_assert_eq!(hide(&text, [secret.as_str()]), text);
        }

        #[test]
        fn c44_a_secret_that_stands_as_a_value_is_gone(secret in "[!-~\u{a1}-\u{ff}]{1,24}") {
            prop_assume!(!"***".contains(&secret));
            for (before, after) in [("token=", ""), ("user:", "@host"), ("'", "'"), ("token=", " x")] {
                let text = format!("{before}{secret}{after}");
                let safe = hide(&text, [secret.as_str()]);
                prop_assert!(safe.contains("***") && !safe.contains(&text), "{safe}");
            }
        }

        #[test]
        fn c44_a_long_secret_is_gone_everywhere(
            secret in "[a-z0-9$%-]{14,30}", a in "[a-z]{0,5}", b in "[a-z]{0,5}"
        ) {
            let safe = hide(&format!("{a}{secret}{b}"), [secret.as_str()]);
            prop_assert!(!safe.contains(&secret));
        }

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
