//! Charts and kustomizations that nobody rendered: one finding for each, instead of one for each file.

use std::collections::{BTreeMap, BTreeSet};

use super::Manifests;
use super::manifests::Origin;
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::Claim;
use crate::model::location::RepoPath;
use crate::model::shell::quoted;
use crate::source::{Content, directory};

/// How many files a finding names.
const MAX_NAMED: usize = 3;

/// What has to be rendered before it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Chart,
    Kustomization,
}

/// Files that say what their directory is, and whether they are there, as far as that was asked.
struct Marks<'a> {
    manifests: &'a Manifests,
    known: BTreeMap<String, bool>,
}

impl Manifests {
    /// Findings, those in a chart or a kustomization that is not rendered as one.
    pub(super) fn by_directory(&self, found: Vec<Diagnostic>, claims: &[Claim]) -> Vec<Diagnostic> {
        let mut marks = Marks {
            manifests: self,
            known: BTreeMap::new(),
        };
        let mut whole = Vec::new();
        let mut unrendered: BTreeMap<(Source, String), Vec<Diagnostic>> = BTreeMap::new();
        for diagnostic in found {
            match marks.source(&diagnostic) {
                Some(source) => unrendered.entry(source).or_default().push(diagnostic),
                None => whole.push(diagnostic),
            }
        }
        let findings = unrendered.into_iter();
        whole.extend(findings.map(|((source, place), of)| finding(source, &place, &of, claims)));
        whole
    }
}

impl Marks<'_> {
    /// The chart or kustomization that a finding is in, if rendering that would be the end of it.
    fn source(&mut self, diagnostic: &Diagnostic) -> Option<(Source, String)> {
        let location = diagnostic.location.as_ref()?;
        if diagnostic.service_account.is_some() {
            return None;
        }
        let path = location.path.to_string();
        match diagnostic.code {
            Code::UnrenderedTemplate
            | Code::InvalidYaml
            | Code::InvalidServiceAccount
            | Code::InvalidName
            | Code::MissingName
            | Code::UnquotedScalar
            | Code::WrongKind => self.chart(&path, diagnostic.code),
            Code::MissingNamespace => {
                let chart = self.chart(&path, diagnostic.code);
                chart.or_else(|| self.kustomization(&path))
            }
            _ => None,
        }
    }

    /// The chart whose template or values a file is.
    fn chart(&mut self, path: &str, code: Code) -> Option<(Source, String)> {
        for (place, rest) in above(path) {
            let is_source = rest.starts_with("templates/") || is_values(rest);
            if !is_source {
                continue;
            }
            let is_chart = self.holds(place, &["Chart.yaml", "Chart.yml"]);
            let is_template = code == Code::UnrenderedTemplate && rest.starts_with("templates/");
            if is_chart || is_template {
                return Some((Source::Chart, place.to_owned()));
            }
        }
        None
    }

    /// The nearest kustomization around a file.
    fn kustomization(&mut self, path: &str) -> Option<(Source, String)> {
        const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
        let mut places = above(path);
        let (place, _) = places.find(|(place, _)| self.holds(place, &NAMES))?;
        Some((Source::Kustomization, place.to_owned()))
    }

    fn holds(&mut self, place: &str, names: &[&str]) -> bool {
        names.iter().any(|name| {
            let path = match place {
                "" => (*name).to_owned(),
                place => format!("{place}/{name}"),
            };
            if let Some(known) = self.known.get(&path) {
                return *known;
            }
            let is_there = self.manifests.is_file(&RepoPath::from(path.as_str()));
            self.known.insert(path, is_there);
            is_there
        })
    }
}

impl Manifests {
    fn is_file(&self, path: &RepoPath) -> bool {
        match self.origin() {
            Origin::Commit(repository, commit) => {
                matches!(repository.content(commit, path), Ok(Content::File(_)))
            }
            Origin::Directory(directory) => directory::content(directory, path).is_some(),
        }
    }
}

/// The directories that a file is in, the innermost first, each with the rest of the path.
fn above(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let slashes = path.rmatch_indices('/');
    let directories = slashes.map(|(at, _)| (&path[..at], &path[at + 1..]));
    directories.chain([("", path)])
}

fn is_values(name: &str) -> bool {
    name.starts_with("values") && !name.contains('/')
}

fn finding(source: Source, place: &str, of: &[Diagnostic], claims: &[Claim]) -> Diagnostic {
    let paths = of.iter().filter_map(|found| found.location.as_ref());
    let paths: BTreeSet<String> = paths.map(|at| at.path.to_string()).collect();
    let named = paths.iter().take(MAX_NAMED).map(|path| format!("`{path}`"));
    let more = paths.len().saturating_sub(MAX_NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    let named: Vec<String> = named.chain(more).collect();
    let (shown, argument) = match place {
        "" => (".", ".".to_owned()),
        place => (place, quoted(place)),
    };
    let (what, command, note) = match source {
        Source::Chart => (
            "chart",
            format!("helm template NAME {argument} --namespace NAMESPACE"),
            "",
        ),
        Source::Kustomization => (
            "kustomization",
            format!("kubectl kustomize {argument}"),
            " (of a base, for each overlay that uses it), or say with --namespace-from what sets its namespace",
        ),
    };
    let message = format!(
        "{what} `{shown}` is not rendered, and only what is rendered counts; the annotation is in {}",
        named.join(", ")
    );
    let is_within =
        |claim: &&Claim| above(&claim.location.path.to_string()).any(|(at, _)| at == place);
    let pattern = match (place, claims.iter().find(is_within)) {
        ("", _) => String::new(),
        // Whoever left it out would hold that role, and be told.
        (_, Some(claim)) => format!(
            "; whatever renders it, the role that {} names stays as it is as long as only this names it",
            claim.location
        ),
        (place, None) => {
            let rule = quoted(&format!("/{place}/"));
            format!(
                "; if something else does, leave it out: --exclude {rule}, but what is left out declares nothing, so the roles of its ServiceAccounts are retired unless the rendered ones are read"
            )
        }
    };
    let hint =
        format!("commit what `{command}` prints, or read it with --directory{note}{pattern}");
    let severity = of.iter().map(|found| found.severity).min();
    let finding = Diagnostic::error(Code::NotRendered, message).with_hint(hint);
    let first = of.iter().filter_map(|found| found.location.clone()).min();
    let finding = match first {
        Some(first) => finding.at(first),
        None => finding,
    };
    Diagnostic {
        severity: severity.unwrap_or(finding.severity),
        ..finding
    }
}
