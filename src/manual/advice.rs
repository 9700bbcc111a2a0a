//! Arguments that other tools have, variables that stood for arguments, and those that nobody has: what is to
//! be said of them.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::environment;
use crate::model::text::closest;

/// What the variables of flags begin with.
const OURS: &str = "IRSA_GITOPS_";

/// Flags of kubectl, terraform, git and aws, and what they are here: a flag that the verb must have
/// for the advice to be of use, if it needs one, and the advice.
const FLAGS: [(&[&str], Option<&str>, &str); 9] = [
    (
        &["-o", "--json", "--yaml"],
        Some("format"),
        "the format of the report is chosen with --format, such as --format json",
    ),
    (
        &[
            "-n",
            "--namespace",
            "-A",
            "--all-namespaces",
            "-l",
            "--selector",
        ],
        Some("path"),
        "the manifests of all namespaces are read; --path DIR leaves out what is elsewhere in the repository",
    ),
    (
        &[
            "-f",
            "--file",
            "--filename",
            "-R",
            "--recursive",
            "-k",
            "--kustomize",
        ],
        Some("directory"),
        "manifests are read from a repository at one commit, a part of it with --path DIR, or from plain files with --directory DIR",
    ),
    (
        &["-c", "--context", "--cluster", "--kube-context"],
        Some("cluster-name"),
        "the cluster is named with --cluster-name",
    ),
    (
        &["--kubeconfig", "--server"],
        None,
        "no cluster is asked, only Git and IAM: leave it out",
    ),
    (
        &["-r", "--ref", "--rev", "--branch", "--tag-name"],
        Some("revision"),
        "the branch, tag or commit to read is given with --revision",
    ),
    (
        &["--profile"],
        Some("region"),
        "the profile is chosen by a variable: AWS_PROFILE=NAME before the command",
    ),
    (
        &["--issuer", "--oidc-issuer", "--issuer-url"],
        Some("oidc-provider"),
        "the issuer is given with --oidc-provider",
    ),
    (
        &["--prune", "--delete"],
        Some("mode"),
        "roles are retired with --mode sync, and deleted after --prune-after",
    ),
];

/// What shows a run without doing it, for verbs that write; others never do.
fn dry_run(verb: &str) -> &'static str {
    match verb {
        "apply" => "what apply would do is shown by: irsa-gitops plan, with the same flags",
        "adopt" | "retire" => "it only shows what it would do, unless --yes is given: leave it out",
        _ => "it writes nothing to IAM: leave it out",
    }
}

/// What answers a question beforehand, for verbs that ask one.
fn consent(asks: bool) -> &'static str {
    match asks {
        true => {
            "the question is answered beforehand with --yes; each guard has a flag of its own, --allow-…, which its message names"
        }
        false => "nothing is asked and nothing is written: leave it out",
    }
}

/// An error or a hint with variables in the place of the flags that they stood for: where the text begins
/// with a flag, and in advice to check or correct some.
pub(crate) fn blaming(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
    let named = |clause: &str| {
        let mut out = String::new();
        let mut left = clause;
        while let Some(start) = left.find("--") {
            let rest = &left[start..];
            let (flag, behind) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
            out.push_str(&left[..start]);
            out.push_str(variable(flag).as_deref().unwrap_or(flag));
            left = behind;
        }
        out + left
    };
    let is_advice = |clause: &str| {
        let advice = clause.strip_prefix("or ").unwrap_or(clause);
        ["check ", "correct "]
            .iter()
            .any(|verb| advice.starts_with(verb))
    };
    let first = match text.starts_with("--") {
        true => text.find([' ', ':']).unwrap_or(text.len()),
        false => 0,
    };
    let (first, rest) = text.split_at(first);
    let clauses = rest.split("; ").map(|clause| match is_advice(clause) {
        true => named(clause),
        false => clause.to_owned(),
    });
    named(first) + &clauses.collect::<Vec<_>>().join("; ")
}

/// What to say of variables that look like ours and are none: a value that nobody reads, such as that of a
/// permissions boundary, is missed later.
pub(crate) fn strays(
    program: &clap::Command,
    set: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<String> {
    let verbs = || {
        program
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
    };
    let of_flags = verbs()
        .chain(program.get_arguments())
        .filter_map(clap::Arg::get_env);
    let of_flags = of_flags.map(|name| name.to_string_lossy().into_owned());
    let others = environment::VARIABLES
        .iter()
        .flat_map(|(names, _)| names.split("`, `"));
    let known: BTreeSet<String> = of_flags.chain(others.map(str::to_owned)).collect();
    let ours = known.iter().filter_map(|name| name.strip_prefix(OURS));
    let ours: Vec<&str> = ours.collect();
    let mut strays: Vec<String> = set
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| !known.contains(name))
        .filter_map(|name| {
            let rest = name.strip_prefix(OURS)?;
            let flag = rest.to_lowercase().replace('_', "-");
            let is_flag = verbs().any(|argument| argument.get_long() == Some(&flag));
            let advice = match closest(rest, ours.iter().copied()) {
                _ if is_flag => format!("; it is a flag only: --{flag}"),
                Some(like) => format!("; did you mean {OURS}{like}?"),
                None => String::new(),
            };
            Some(format!(
                "{name} is no variable of irsa-gitops, and nothing reads it{advice}"
            ))
        })
        .collect();
    strays.sort();
    strays
}

/// The variable that a value was taken from, as the flag is not among the arguments; `shown` is the flag as
/// clap shows it, with the name of its value.
fn variable(verb: &clap::Command, shown: &str, arguments: &[OsString]) -> Option<String> {
    let flag = shown.split(' ').next()?;
    let is_given = arguments.iter().any(|argument| {
        let argument = argument.to_string_lossy();
        argument
            .strip_prefix(flag)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    let long = flag.strip_prefix("--")?;
    let argument = verb
        .get_arguments()
        .find(|arg| arg.get_long() == Some(long))?;
    let variable = argument.get_env().filter(|_| !is_given)?;
    Some(variable.to_string_lossy().into_owned())
}

/// Adds to an error about an unknown argument what it may be meant as, and to one about a value whose it is.
pub(crate) fn advise(
    mut error: clap::Error,
    program: &clap::Command,
    arguments: &[OsString],
) -> clap::Error {
    let is_of_value = matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation
    );
    let is_word = |argument: &&OsString| !argument.to_string_lossy().starts_with('-');
    let verb = arguments.iter().skip(1).find(is_word);
    let verb = verb.and_then(|verb| program.find_subcommand(verb));
    let given = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (_, Some(ContextValue::String(given))) if is_of_value => given.clone(),
        (ErrorKind::UnknownArgument, Some(ContextValue::String(given))) => given.clone(),
        _ => return error,
    };
    let Some(verb) = verb else { return error };
    if is_of_value {
        if let Some(variable) = variable(verb, &given, arguments) {
            let advice = format!("the value is that of {variable}");
            let advice = ContextValue::StyledStrs(vec![advice.into()]);
            error.insert(ContextKind::Suggested, advice);
        }
        return error;
    }
    let has = |flag: &&str| verb.get_arguments().any(|arg| arg.get_long() == Some(flag));
    let name = given.split('=').next().unwrap_or_default();
    let known = FLAGS
        .iter()
        .find(|(names, needed, _)| names.contains(&name) && needed.as_ref().is_none_or(has));
    let advice = match known {
        _ if matches!(name, "--dry-run" | "--dryrun" | "--what-if") => dry_run(verb.get_name()),
        _ if matches!(
            name,
            "-y" | "--yes" | "--force" | "--auto-approve" | "--assume-yes"
        ) =>
        {
            consent(has(&"yes"))
        }
        _ if matches!(name, "-n" | "--namespace") && verb.get_name() == "explain" => {
            "the namespace stands before the name: NAMESPACE/NAME"
        }
        Some((_, _, advice)) => advice,
        None => return error,
    };
    let advice = vec![StyledStr::from(advice)];
    error.remove(ContextKind::SuggestedArg);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(advice));
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i54_a_variable_is_blamed_in_the_place_of_its_flag() {
        let variable = |flag: &str| (flag == "--path").then(|| "PATHS".to_owned());
        for (text, blamed) in [
            ("--path", "PATHS"),
            ("--path: `x` is none", "PATHS: `x` is none"),
            ("--path `x`: none", "PATHS `x`: none"),
            ("--paths: none", "--paths: none"),
            (
                "check --path, --revision and x",
                "check PATHS, --revision and x",
            ),
            ("say it; or correct --path", "say it; or correct PATHS"),
            ("correct it; plan --path x", "correct it; plan --path x"),
            ("use --path x", "use --path x"),
            ("`--path x` is none", "`--path x` is none"),
        ] {
            assert_eq!(blaming(text, variable), blamed);
        }
    }
}
