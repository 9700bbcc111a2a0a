//! What this run was given, by flags or by variables: for messages that name it, and for commands that
//! they print.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::environment;
use crate::manual::advice;
use crate::model::redact;
use crate::model::shell::{Argument, Flags};
use crate::report::context::Context;

/// The headings of what a run is about; the others say how it is done.
const ABOUT: [&str; 4] = ["What to read", "Cluster", "Manifests", "IAM"];

/// Arguments below these headings that are of no account to another command.
const ASIDE: [&str; 2] = ["cache_dir", "no_cache"];

/// The repository without a flag.
const OPERAND: &str = "operand";

/// What a run was given.
#[derive(Default)]
pub(super) struct Invocation {
    verb: String,
    /// The variables that stood for flags, by those.
    variables: BTreeMap<String, String>,
    flags: Flags,
    /// Where its report is read.
    pub(super) context: Context,
    /// What is to be said of variables that nobody reads.
    pub(super) strays: Vec<String>,
}

impl Invocation {
    pub(super) fn new(program: &mut clap::Command, matches: &ArgMatches) -> Self {
        program.build();
        let Some((verb, given)) = matches.subcommand() else {
            return Self::default();
        };
        let source = |id: &str| {
            given
                .try_contains_id(id)
                .ok()
                .and_then(|_| given.value_source(id))
        };
        let mut invocation = Self {
            verb: verb.to_owned(),
            context: environment::context(scope(given)),
            strays: advice::strays(program, std::env::vars_os()),
            ..Self::default()
        };
        let own = program.find_subcommand(verb);
        for argument in own.into_iter().flat_map(clap::Command::get_arguments) {
            if let (Some(flag), Some(variable)) = (argument.get_long(), argument.get_env())
                && source(argument.get_id().as_str()) == Some(ValueSource::EnvVariable)
            {
                let variable = variable.to_string_lossy().into_owned();
                invocation.variables.insert(format!("--{flag}"), variable);
            }
        }
        let is_given = |id: &str| {
            matches!(
                source(id),
                Some(ValueSource::EnvVariable | ValueSource::CommandLine)
            )
        };
        for other in program.get_subcommands() {
            let shared = other.get_arguments().filter(|argument| {
                let id = argument.get_id().as_str();
                is_about(other.get_name(), argument) && is_given(as_given(id, given))
            });
            let arguments = shared.flat_map(|argument| values(argument, given));
            invocation.flags.add(other.get_name(), arguments.collect());
        }
        invocation
    }

    /// The variable that stood for a flag, if one did.
    pub(super) fn variable(&self, flag: &str) -> Option<String> {
        self.variables.get(flag).cloned()
    }

    /// A text with the commands in it completed, so that they can be pasted.
    pub(super) fn complete(&self, text: &str, cluster: Option<&str>) -> String {
        let job = match self.verb.as_str() {
            job @ ("apply" | "adopt" | "retire") => job,
            _ => "plan",
        };
        // The call that was denied does not tell for which job the right is needed.
        let asked = ["plan", "apply"].map(|job| format!("iam-policy --for {job}"));
        let text = asked.iter().fold(text.to_owned(), |text, asked| {
            text.replace(asked, &format!("iam-policy --for {job}"))
        });
        self.flags.complete(&text, cluster)
    }
}

/// What the arguments of a verb say is planned: the same for each run of a job, whatever comes of it.
fn scope(verb: &ArgMatches) -> Vec<String> {
    let texts = |id: &str, name: &str| -> Vec<String> {
        let given = verb.try_get_many::<String>(id).ok().flatten();
        let given = given.into_iter().flatten();
        given.map(|text| format!("{name}={text}")).collect()
    };
    let file = verb.try_get_one::<PathBuf>("config").ok().flatten();
    let file = file.map(|file| format!("config={}", file.display()));
    let mut scope = texts("cluster_names", "cluster");
    scope.extend(file);
    scope.extend(texts("paths", "path"));
    scope
}

/// By which of its names an argument was given: the repository may stand right behind the verb.
fn as_given<'a>(id: &'a str, given: &ArgMatches) -> &'a str {
    match id {
        "repo" if given.try_get_raw(OPERAND).is_ok_and(|raw| raw.is_some()) => OPERAND,
        _ => id,
    }
}

/// Whether an argument says what a run of a verb is about.
fn is_about(verb: &str, argument: &clap::Arg) -> bool {
    let id = argument.get_id().as_str();
    let heading = argument.get_help_heading().unwrap_or_default();
    let decides_rights = verb == "iam-policy" && id == "mode";
    decides_rights || (ABOUT.contains(&heading) && !ASIDE.contains(&id))
}

/// An argument once for each of its values.
fn values(argument: &clap::Arg, given: &ArgMatches) -> Vec<Argument> {
    let Some(flag) = argument.get_long() else {
        return vec![];
    };
    let flag = format!("--{flag}");
    let id = as_given(argument.get_id().as_str(), given);
    let with = |value| Argument {
        flag: flag.clone(),
        value,
    };
    if !argument.get_action().takes_values() {
        return given.get_flag(id).then(|| with(None)).into_iter().collect();
    }
    let values = given.get_raw(id).into_iter().flatten();
    let values = values.map(|value| value.to_string_lossy().into_owned());
    values
        .map(|value| match id {
            // It may hold a password.
            "repo" | OPERAND => redact::address(&value),
            _ => value,
        })
        .map(|value| with(Some(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn i55_i56_a_command_says_what_a_run_is_about_and_no_password() {
        let given = "irsa-gitops plan https://ann:s3cret@example.com/apps --cluster-name prod --mode sync --no-cache --format json";
        let parsed = crate::cli::parse(given.split(' ').map(Into::into));
        let (_, run) = parsed.expect("arguments");
        let explain = run.complete("irsa-gitops explain bar/a …", None);
        for part in ["https://example.com/apps", "--cluster-name prod"] {
            assert!(explain.contains(part), "{explain}");
        }
        for part in ["s3cret", "--format", "--no-cache"] {
            assert!(!explain.contains(part), "{explain}");
        }
        // Which rights a job needs hangs on its mode.
        let policy = run.complete("irsa-gitops iam-policy --for apply …", None);
        assert!(policy.contains("--for plan"), "{policy}");
        assert!(policy.contains("--mode sync"), "{policy}");
    }
}
