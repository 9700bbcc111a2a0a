//! Where a report is read: what a pipeline finds its comment by, and where links lead.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::Command;
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;
use crate::model::repository;

/// What stays as it is in a path of a link.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What stays as it is in a marker.
const SCOPE: &AsciiSet = &PATH.remove(b'=').remove(b':').remove(b'*').remove(b'?');

/// The longest scope that a marker spells out.
const LONGEST: usize = 200;

/// Where a report is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// What was to be planned, as the arguments have it: `cluster=prod`, `path=apps`.
    pub scope: Vec<String>,
    /// The page of the pipeline's run.
    pub run: Option<String>,
    /// The commit that the pipeline runs for, which its host surely has.
    pub commit: Option<String>,
    /// The addresses of the pipeline's own host, if it is one of these.
    pub github: Option<String>,
    /// The same for GitLab.
    pub gitlab: Option<String>,
    /// Where this program's own repository is at the commit that runs, if the pipeline says so.
    pub program: Option<String>,
}

/// What a repository looks like on its host.
pub(super) struct Web {
    base: String,
    is_gitlab: bool,
}

impl Context {
    /// The first line of a comment, by which a pipeline finds the one that it wrote before: the same
    /// for each run of a job, and another one for another job.
    pub fn marker(&self, command: Command) -> String {
        let words = self.scope.iter();
        let words = words.map(|word| {
            // Two hyphens would end the comment.
            let word = utf8_percent_encode(word, SCOPE).to_string();
            format!(" {}", word.replace("--", "-%2D"))
        });
        let scope: String = words.collect();
        let scope = match scope.len() {
            0..=LONGEST => scope,
            _ => {
                let digest = Sha256::digest(&scope);
                let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                format!(" {digest}")
            }
        };
        format!("<!-- irsa-gitops {}{scope} -->", command.as_str())
    }

    /// The repository on its host, if that is GitHub or GitLab and has the commit.
    pub(super) fn web(&self, repository: Option<&str>, commit: Option<&CommitId>) -> Option<Web> {
        let (host, path) = repository::host_and_path(repository?)?;
        let is_local = |ours: &&String| commit.is_some_and(|commit| commit.as_str() != **ours);
        if self.commit.as_ref().filter(is_local).is_some() {
            // A merge that was made by the job itself is on no host.
            return None;
        }
        let own = |server: &Option<String>| {
            let server = server.as_deref()?.trim_end_matches('/');
            let (own, _) = repository::host_and_path(&format!("{server}/x"))?;
            let name = |host: &str| host.split(':').next().map(str::to_owned);
            (own == host || name(&own) == name(&host)).then(|| server.to_owned())
        };
        let is_called =
            |name: &str| host == format!("{name}.com") || host.starts_with(&format!("{name}."));
        let (server, is_gitlab) = match (own(&self.github), own(&self.gitlab)) {
            (Some(server), _) => (server, false),
            (None, Some(server)) => (server, true),
            (None, None) if is_called("github") => (format!("https://{host}"), false),
            (None, None) if is_called("gitlab") => (format!("https://{host}"), true),
            (None, None) => return None,
        };
        let path = utf8_percent_encode(&path, PATH);
        Some(Web {
            base: safe(&format!("{server}/{path}"))?,
            is_gitlab,
        })
    }

    /// The page of docs/reference.md.
    pub(super) fn reference(&self) -> String {
        let program = self.program.as_deref().and_then(safe);
        let main = || concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main").to_owned();
        format!("{}/docs/reference.md", program.unwrap_or_else(main))
    }

    /// The page of the run, if its address is one.
    pub(super) fn run(&self) -> Option<String> {
        self.run.as_deref().and_then(safe)
    }
}

/// An address that can stand in a link as it is.
fn safe(address: &str) -> Option<String> {
    let is_web = address.starts_with("https://") || address.starts_with("http://");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%?=&+,;".contains(c);
    (is_web && address.chars().all(is_plain)).then(|| address.to_owned())
}

impl Web {
    pub(super) fn is_gitlab(&self) -> bool {
        self.is_gitlab
    }

    fn page(&self, kind: &str, rest: &str) -> String {
        let dash = if self.is_gitlab { "/-" } else { "" };
        format!("{}{dash}/{kind}/{rest}", self.base)
    }

    /// The page of a commit.
    pub(super) fn commit(&self, commit: &CommitId) -> String {
        self.page("commit", commit.as_str())
    }

    /// The page of a file at a commit, at a line.
    pub(super) fn file(&self, commit: &CommitId, path: &RepoPath, line: Option<u32>) -> String {
        let path = percent_encode(path.as_bytes(), PATH);
        let line = line.map_or(String::new(), |line| format!("#L{line}"));
        self.page("blob", &format!("{commit}/{path}{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit() -> CommitId {
        CommitId::new(&"a1b2".repeat(10)).expect("an id")
    }

    fn links(context: &Context, repository: &str) -> Option<(String, String)> {
        let web = context.web(Some(repository), Some(&commit()))?;
        let file = web.file(&commit(), &RepoPath::from("a b/ü.yaml"), Some(3));
        Some((web.commit(&commit()), file))
    }

    #[test]
    fn i71_links_lead_to_github_and_gitlab_and_nowhere_else() {
        let id = commit();
        for repository in [
            "https://github.com/acme/apps",
            "https://GitHub.com/acme/apps.git",
            "git@github.com:acme/apps.git",
            "ssh://git@github.com:22/acme/apps",
        ] {
            let expected = (
                format!("https://github.com/acme/apps/commit/{id}"),
                format!("https://github.com/acme/apps/blob/{id}/a%20b/%C3%BC.yaml#L3"),
            );
            assert_eq!(links(&Context::default(), repository), Some(expected));
        }
        let of =
            |repository: &str| links(&Context::default(), repository).map(|(commit, _)| commit);
        assert_eq!(
            of("https://gitlab.com/acme/deep/apps"),
            Some(format!("https://gitlab.com/acme/deep/apps/-/commit/{id}"))
        );
        assert!(of("https://gitlab.example.com/acme/apps").is_some());
        for other in [
            "https://git.example.com/a/b",
            "/srv/github.com/apps",
            "file:///srv/apps",
            ".",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn i71_the_host_of_the_pipeline_has_links_too_and_only_to_what_it_has() {
        let mut context = Context {
            github: Some("https://git.example.com:8443".to_owned()),
            ..Context::default()
        };
        let of = |context: &Context| links(context, "git@git.example.com:acme/apps").map(|l| l.0);
        let id = commit();
        let page = format!("https://git.example.com:8443/acme/apps/commit/{id}");
        assert_eq!(of(&context), Some(page.clone()));
        // Another host's commits are not there.
        assert_eq!(links(&context, "https://other.example.com/acme/apps"), None);
        context.commit = Some(id.to_string());
        assert_eq!(of(&context), Some(page));
        context.commit = Some("0".repeat(40));
        assert_eq!(of(&context), None);
    }

    #[test]
    fn i71_addresses_that_could_leave_a_link_are_none() {
        for hostile in [
            "javascript:x",
            "https://x/)[a](https://y",
            "https://x/ y",
            "x",
            "https://x/<b>",
        ] {
            let context = Context {
                run: Some(hostile.to_owned()),
                github: Some(hostile.to_owned()),
                ..Context::default()
            };
            assert_eq!(context.run(), None, "{hostile}");
            assert!(
                links(&context, "https://x/acme/apps").is_none(),
                "{hostile}"
            );
        }
    }

    #[test]
    fn i72_the_marker_of_a_job_is_its_own_and_stays_a_comment() {
        let marker = |scope: &[&str]| {
            let scope = scope.iter().map(|word| (*word).to_owned()).collect();
            let context = Context {
                scope,
                ..Context::default()
            };
            context.marker(Command::Plan)
        };
        assert_eq!(marker(&[]), "<!-- irsa-gitops plan -->");
        let prod = marker(&["cluster=prod", "path=clusters/prod"]);
        assert_eq!(
            prod,
            "<!-- irsa-gitops plan cluster=prod path=clusters/prod -->"
        );
        for hostile in ["path=a --> <b>", "path=a--b", "path=\n", "path=---->"] {
            let text = marker(&[hostile]);
            let inside = text
                .strip_prefix("<!-- ")
                .and_then(|t| t.strip_suffix(" -->"));
            let inside = inside.expect("a comment");
            assert!(
                !inside.contains("--") && !inside.contains(['>', '<', '\n']),
                "{text}"
            );
        }
        let long = ["path=x"; 100];
        assert!(marker(&long).len() < 120);
        assert_ne!(marker(&long), marker(&long[1..]));
    }
}
