//! Many role-arn annotations that differ from the settings in the same way: then it is the setting that
//! is wrong, or the manifests are another cluster's, and nobody should rewrite them one by one.

use std::collections::BTreeMap;

use super::{Resolved, Verdict};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::arn::{AwsAccountId, Partition, RoleArn};
use crate::model::cluster::{Naming, RolePrefix};
use crate::model::conventions::RoleArnForm;
use crate::model::location::RepoPath;
use crate::model::role::RolePath;
use crate::model::service_account::ServiceAccountRef;
use crate::model::shell::quoted;

/// The settings under which an annotation would be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Implied {
    partition: Option<String>,
    account: Option<String>,
    path: String,
    prefix: String,
}

impl Implied {
    /// Of one annotation; `None` if no settings make it right.
    fn of(annotation: &str, whose: &ServiceAccountRef, naming: &Naming) -> Option<Self> {
        let (arn, path, name) = match RoleArn::parse(annotation) {
            Ok(arn) => (Some(arn.clone()), arn.path, arn.name.to_string()),
            Err(_) if naming.conventions.role_arns == RoleArnForm::Composed => {
                let (path, name) = annotation.rsplit_once('/').unwrap_or(("", annotation));
                let path = match path {
                    "" => RolePath::default(),
                    path => RolePath::new(&format!("/{path}/")).ok()?,
                };
                (None, path, name.to_owned())
            }
            Err(_) => return None,
        };
        let pair = format!("{}_{}", whose.namespace, whose.name);
        let prefix = match name.strip_suffix(&pair)? {
            "" => "",
            prefix => prefix.strip_suffix('_')?,
        };
        RolePrefix::new(prefix).ok()?;
        Some(Self {
            partition: arn.as_ref().map(|arn| arn.partition.to_string()),
            account: arn.map(|arn| arn.account.to_string()),
            path: path.to_string(),
            prefix: prefix.to_owned(),
        })
    }

    /// What differs, in words, and the flags that would make it fit.
    fn differences(&self, naming: &Naming) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut compare = |what: &str, expected: Option<&str>, got: Option<&str>, flag: &str| {
            if let (Some(expected), Some(got)) = (expected, got)
                && expected != got
            {
                let words = format!("expected {what} `{expected}`, got `{got}`");
                found.push((words, flag.replace("{}", &quoted(got))));
            }
        };
        let partition = naming.partition.as_ref().map(Partition::as_str);
        let region = "--region of that partition";
        compare("partition", partition, self.partition.as_deref(), region);
        let account = naming.account.as_ref().map(AwsAccountId::as_str);
        compare("account", account, self.account.as_deref(), "--account {}");
        let path = naming.path.to_string();
        compare("role path", Some(&path), Some(&self.path), "--role-path {}");
        let prefix = naming.prefix.as_str();
        compare(
            "prefix",
            Some(prefix),
            Some(&self.prefix),
            "--role-prefix {}",
        );
        found
    }
}

/// What is told of role-arn annotations that differ: one finding for all that differ in the same way, if
/// none fits and most differ so, or if a directory holds no others. The ServiceAccounts are held as before.
pub(super) fn settle(resolved: &mut Resolved, naming: &Naming) {
    let is_mismatch = |diagnostic: &Diagnostic| diagnostic.code == Code::RoleArnMismatch;
    let mut groups: BTreeMap<Implied, Vec<ServiceAccountRef>> = BTreeMap::new();
    for diagnostic in resolved.diagnostics.iter().filter(|d| is_mismatch(d)) {
        let Some(whose) = &diagnostic.service_account else {
            continue;
        };
        let declared = resolved.declared.get(whose);
        let annotation = declared.and_then(|declared| declared.role_arn.as_deref());
        if let Some(implied) = annotation.and_then(|text| Implied::of(text, whose, naming)) {
            groups.entry(implied).or_default().push(whose.clone());
        }
    }
    let fitting = resolved.declared.values();
    let fitting = fitting.filter(|declared| matches!(declared.verdict, Verdict::Managed(_)));
    let fitting: Vec<RepoPath> = fitting.map(|d| d.location.path.clone()).collect();
    let mismatches = resolved.diagnostics.iter().filter(|d| is_mismatch(d));
    let mismatches = mismatches.count();
    for (implied, group) in groups {
        let paths: Vec<&RepoPath> = group
            .iter()
            .filter_map(|whose| Some(&resolved.declared.get(whose)?.location.path))
            .collect();
        let directory = common_directory(&paths);
        let is_rule = fitting.is_empty() && 2 * group.len() > mismatches;
        let is_whole_directory =
            !directory.is_empty() && !fitting.iter().any(|path| is_below(path, &directory));
        match group.len() {
            1 if is_rule => doubt(resolved, &group[0], &implied, naming),
            0 | 1 => {}
            _ if is_rule || is_whole_directory => {
                let place = Place {
                    directory: (!is_rule).then_some(directory),
                    others: common_directory(&fitting.iter().collect::<Vec<_>>()),
                    mismatches,
                };
                join(resolved, &group, &implied, &place, naming);
            }
            _ => {}
        }
    }
}

/// Where the ServiceAccounts are whose annotations differ.
struct Place {
    /// The directory that holds no other ServiceAccount; none if no annotation fits at all.
    directory: Option<Vec<u8>>,
    /// The directory of those whose annotations fit.
    others: Vec<u8>,
    /// How many annotations differ, in whatever way.
    mismatches: usize,
}

/// Adds to the only finding of its kind which setting would make it right.
fn doubt(resolved: &mut Resolved, whose: &ServiceAccountRef, implied: &Implied, naming: &Naming) {
    let flags = flags(implied, naming);
    let of_group = |diagnostic: &&mut Diagnostic| {
        diagnostic.code == Code::RoleArnMismatch
            && diagnostic.service_account.as_ref() == Some(whose)
    };
    let found = resolved.diagnostics.iter_mut().find(of_group);
    if let Some(hint) = found.and_then(|diagnostic| diagnostic.hint.as_mut()) {
        hint.push_str(&format!("; or, if the annotation is right, set {flags}"));
    }
}

fn flags(implied: &Implied, naming: &Naming) -> String {
    let differences = implied.differences(naming).into_iter();
    let flags: Vec<String> = differences.map(|(_, flag)| flag).collect();
    flags.join(" ")
}

/// Puts one finding in the place of those of a group.
fn join(
    resolved: &mut Resolved,
    group: &[ServiceAccountRef],
    implied: &Implied,
    place: &Place,
    naming: &Naming,
) {
    let is_of_group = |diagnostic: &Diagnostic| {
        let whose = diagnostic.service_account.as_ref();
        diagnostic.code == Code::RoleArnMismatch && whose.is_some_and(|whose| group.contains(whose))
    };
    let Some(at) = resolved.diagnostics.iter().position(is_of_group) else {
        return;
    };
    let words: Vec<String> = implied
        .differences(naming)
        .into_iter()
        .map(|(words, _)| words)
        .collect();
    let (key, count) = (&naming.conventions.annotations.role_arn, group.len());
    let (where_, hint) = match &place.directory {
        None => (
            "that declare a role".to_owned(),
            format!(
                "the setting is probably wrong: if these manifests are this cluster's, set {}; if they are another cluster's, read this one's: --path DIRECTORY",
                flags(implied, naming)
            ),
        ),
        Some(directory) => {
            let directory = shown(directory);
            let other = match &place.others[..] {
                b"" => "DIRECTORY".to_owned(),
                others => quoted(&shown(others)),
            };
            (
                format!("below `{directory}`"),
                format!(
                    "if `{directory}` is another cluster's, read this one's only: --path {other}; if it is this cluster's, its annotations are wrong"
                ),
            )
        }
    };
    let all = match place.mismatches {
        mismatches if place.directory.is_none() && mismatches > count => {
            format!("{count} of {mismatches}")
        }
        _ => format!("all {count}"),
    };
    let message = format!(
        "annotation `{key}` of {all} ServiceAccounts {where_} differs in the same way: {}",
        words.join(", ")
    );
    let first = &resolved.diagnostics[at];
    let joined = Diagnostic {
        location: first.location.clone(),
        source_line: first.source_line.clone(),
        ..Diagnostic::error(Code::RoleArnSetting, message).with_hint(hint)
    };
    resolved.diagnostics[at] = joined;
    resolved
        .diagnostics
        .retain(|diagnostic| !is_of_group(diagnostic));
}

fn shown(directory: &[u8]) -> String {
    RepoPath::new(directory).to_string()
}

/// The deepest directory that holds all files; empty for the root.
pub(super) fn common_directory(paths: &[&RepoPath]) -> Vec<u8> {
    let directory = |path: &&RepoPath| -> Vec<Vec<u8>> {
        let parts = path.as_bytes().split(|byte| *byte == b'/');
        let mut parts: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
        parts.pop();
        parts
    };
    let mut directories = paths.iter().map(directory);
    let first = directories.next().unwrap_or_default();
    let common = directories.fold(first, |common, other| {
        let same = common.iter().zip(&other).take_while(|(a, b)| a == b);
        let same = same.count();
        common[..same].to_vec()
    });
    common.join(&b'/')
}

fn is_below(path: &RepoPath, directory: &[u8]) -> bool {
    let rest = path.as_bytes().strip_prefix(directory);
    directory.is_empty() || rest.is_some_and(|rest| rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests;
