//! How a revision is written: a name, and what follows it. Knows nothing of what is in a repository.

/// How long an id is, and the shortest abbreviation that Git takes for one.
pub(super) const FULL_ID: usize = 40;
const SHORTEST_ID: usize = 4;

/// The name that a revision starts with, and what follows it, such as `~1` or `^{}`.
pub(super) fn split(revision: &str) -> (&str, &str) {
    let ends = |(at, c): (usize, char)| match c {
        '~' | '^' | ':' => Some(at),
        '@' if revision[at..].starts_with("@{") => Some(at),
        _ => None,
    };
    let end = revision.char_indices().find_map(ends);
    let (name, rest) = revision.split_at(end.unwrap_or(revision.len()));
    (if name == "@" { "HEAD" } else { name }, rest)
}

/// The id, full or abbreviated, that a name has the form of: by itself, or as `git describe` ends.
pub(super) fn id_of(name: &str) -> Option<&str> {
    let described = || {
        let (before, id) = name.rsplit_once("-g")?;
        let (_, count) = before.rsplit_once('-')?;
        let is_count = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
        is_count.then_some(id)
    };
    let is_id = |text: &&str| {
        (SHORTEST_ID..=FULL_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
    };
    Some(name)
        .filter(is_id)
        .or_else(|| described().filter(is_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g27_a_revision_is_a_name_and_what_follows_it() {
        for (revision, parts) in [
            ("main", ("main", "")),
            ("main~1", ("main", "~1")),
            ("v1^{}", ("v1", "^{}")),
            ("main@{0}", ("main", "@{0}")),
            ("a@b", ("a@b", "")),
            ("@", ("HEAD", "")),
            ("@~2", ("HEAD", "~2")),
            ("@{-1}", ("", "@{-1}")),
            ("HEAD:apps", ("HEAD", ":apps")),
            ("ü~1", ("ü", "~1")),
            ("", ("", "")),
        ] {
            assert_eq!(split(revision), parts, "{revision}");
        }
    }

    #[test]
    fn g27_some_names_have_the_form_of_an_id() {
        for (name, id) in [
            ("abc1234", Some("abc1234")),
            ("v1.2-3-gabc1234", Some("abc1234")),
            ("abc", None),
            ("main", None),
            ("x-gabc1234", None),
            ("v1.2-3-gmain", None),
        ] {
            assert_eq!(id_of(name), id, "{name}");
        }
    }
}
