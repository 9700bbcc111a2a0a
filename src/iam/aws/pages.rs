//! The pages of a list, one after the other: what is on one is read while the next one is under way.
//!
//! IAM names the next page on the one before it, so that a thousand roles cost a round trip. What this
//! program makes of them takes as long as a fifth of that, and need not be added to it.

use std::collections::BTreeSet;

use super::bad_reply;
use crate::iam::error::Error;
use crate::model::role::RoleName;

/// After so many entries the connection has its turn, by which the next page comes.
const PIECE: usize = 32;

/// A page as it came.
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) entries: Vec<T>,
    /// Whether it says that there are more.
    pub(super) is_truncated: bool,
    /// What it calls the next one.
    pub(super) marker: Option<String>,
}

impl<T> Page<T> {
    /// What the page calls the next one, unless it is the last.
    fn next(&self, action: &'static str) -> Result<Option<String>, Error> {
        let next = self.marker.as_ref().filter(|marker| !marker.is_empty());
        match next {
            None if self.is_truncated => Err(incomplete(action, "a truncated page has no marker")),
            Some(_) if !self.is_truncated => Err(incomplete(action, "the last page has a marker")),
            Some(_) if self.entries.is_empty() => {
                Err(incomplete(action, "a truncated page is empty"))
            }
            next => Ok(next.cloned()),
        }
    }
}

/// Reads all pages. A listing that may lack something is an error.
///
/// # Errors
///
/// The first one in the order of the pages: a page is read before what comes after it has a say.
pub(super) async fn all<T, R, F>(
    action: &'static str,
    ask: impl Fn(Option<String>) -> F,
    read: impl Fn(&T) -> Result<R, Error>,
    name: impl Fn(&R) -> &RoleName,
) -> Result<Vec<R>, Error>
where
    F: Future<Output = Result<Page<T>, Error>>,
{
    let (mut roles, mut seen) = (Vec::new(), BTreeSet::new());
    let mut add = |read: Vec<R>| {
        let mut names = read.iter().map(|role| name(role).clone());
        if !names.all(|name| seen.insert(name)) {
            return Err(incomplete(action, "a role is listed twice"));
        }
        roles.extend(read);
        Ok(())
    };
    let (mut marker, mut before) = (None, vec![]);
    loop {
        let (page, earlier) = tokio::join!(ask(marker), entries(&before, &read));
        add(earlier?)?;
        let page = page?;
        let next = page.next(action);
        before = page.entries;
        match next {
            Ok(Some(next)) => marker = Some(next),
            end => {
                add(entries(&before, &read).await?)?;
                return end.map(|_| roles);
            }
        }
    }
}

/// Reads what is on a page, and lets the connection go on meanwhile.
async fn entries<T, R>(
    entries: &[T],
    read: &impl Fn(&T) -> Result<R, Error>,
) -> Result<Vec<R>, Error> {
    let mut all = Vec::with_capacity(entries.len());
    for piece in entries.chunks(PIECE) {
        tokio::task::yield_now().await;
        for entry in piece {
            all.push(read(entry)?);
        }
    }
    Ok(all)
}

fn incomplete(action: &'static str, what: &str) -> Error {
    let what = format!("{what}, so the listing is incomplete");
    bad_reply(action, None, what)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::iam::error::Kind;

    const ACTION: &str = "iam:ListRoles";

    fn page(entry: &'static str, next: Option<&str>) -> Page<&'static str> {
        Page {
            entries: vec![entry],
            is_truncated: next.is_some(),
            marker: next.map(str::to_owned),
        }
    }

    fn read(entry: &&str) -> Result<RoleName, Error> {
        RoleName::new(entry).map_err(|error| bad_reply(ACTION, None, error.to_string()))
    }

    #[tokio::test]
    async fn p38_a_page_is_read_while_the_next_one_is_under_way() {
        let events = RefCell::new(Vec::new());
        let ask = |marker: Option<String>| {
            let marker = marker.unwrap_or_else(|| "a".to_owned());
            events.borrow_mut().push(format!("ask for {marker}"));
            let next = match marker.as_str() {
                "a" => page("a", Some("b")),
                "b" => page("b", Some("c")),
                _ => page("c", None),
            };
            async {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                events
                    .borrow_mut()
                    .push(format!("have {}", next.entries[0]));
                Ok(next)
            }
        };
        let read = |entry: &&str| {
            events.borrow_mut().push(format!("read {entry}"));
            read(entry)
        };
        let roles = all(ACTION, ask, read, |name| name).await.expect("whole");
        let names: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let expected = [
            "ask for a",
            "have a",
            "ask for b",
            "read a",
            "have b",
            "ask for c",
            "read b",
            "have c",
            "read c",
        ];
        assert_eq!(events.into_inner(), expected);
    }

    #[tokio::test]
    async fn p38_what_is_wrong_with_a_page_is_told_before_what_comes_after_it() {
        let lost = || Error {
            kind: Kind::Unavailable,
            ..bad_reply(ACTION, None, "lost")
        };
        for (first, message) in [
            (page("/", Some("b")), "role name"),
            (page("a", Some("b")), "lost"),
            (page("/", Some("")), "role name"),
            (page("a", Some("")), "no marker"),
        ] {
            let first = RefCell::new(Some(first));
            let ask = |_| std::future::ready(first.take().ok_or_else(lost));
            let error = all(ACTION, ask, read, |name| name).await;
            let error = error.expect_err("not whole").message;
            assert!(error.contains(message), "{error}");
        }
    }

    #[tokio::test]
    async fn a_marker_that_leads_back_ends_the_listing() {
        let ask = |_| std::future::ready(Ok(page("a", Some("again"))));
        let error = all(ACTION, ask, read, |name| name).await;
        assert!(error.expect_err("for ever").message.contains("twice"));
    }
}
