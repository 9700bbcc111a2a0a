//! The command line: arguments and environment in, exit code out. Who watches a run is the business of
//! `terminal`.
//!
//! A handler for each verb says in a few lines what the verb does: read what is desired, read what
//! is current, plan, apply, report.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::builder::{OsStr, Resettable};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit::Exit;
use crate::manual;
use crate::model::redact;
use crate::report::{Command as Word, Report, sanitize};
use crate::terminal::console::Console;

mod adopt;
mod apply;
mod args;
mod console;
mod diff;
mod error;
mod explain;
mod iam_policy;
mod input;
mod invocation;
mod lint;
mod named;
mod naming;
mod output;
mod plan;
mod retire;
mod roles;
mod source;
mod writing;

use invocation::Invocation;
use output::ReportArgs;

const EXAMPLES: &str = "\
Examples:
  Check all manifests of the checkout, offline:
    irsa-gitops lint

  Say which cluster it is:
    export IRSA_GITOPS_CLUSTER_NAME=prod
    export IRSA_GITOPS_OIDC_PROVIDER=oidc.eks.eu-west-1.amazonaws.com/id/1A2B

  Show what a merge would change, against a sandbox instead of AWS:
    irsa-gitops plan --sandbox iam.json

  Make IAM match the commit that was merged:
    irsa-gitops apply --revision \"$GITHUB_SHA\"";

/// What is said after a panic, which has said itself what happened and where.
const BUG: &str = "\
error: this is a bug of irsa-gitops; what was written so far is in the audit log and in IAM
hint: run again, it starts from what IAM has; and please report the line above with the command
";

/// Give Kubernetes ServiceAccounts their AWS IAM roles from Git
///
/// Reads rendered manifests at one commit, finds the ServiceAccounts annotated
/// `security.kaluza.com/iam-role-managed: "true"`, and makes IAM match: it creates missing roles and
/// repairs trust policies. Every role carries the commit that created it. Permissions policies are
/// never touched.
///
/// Each verb that reads a repository takes it with --repo REPO: a path or a URL, `.` if it is left
/// out. Where nothing else stands there, REPO alone will do: lint, plan and apply REPO, diff RANGE REPO.
#[derive(Debug, Parser)]
#[command(name = "irsa-gitops", version, after_help = format!("{EXAMPLES}\n\n{}", Exit::list(&Exit::ALL)), max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    console: console::ConsoleArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Lint(lint::LintArgs),
    Diff(diff::DiffArgs),
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Adopt(adopt::AdoptArgs),
    Retire(retire::RetireArgs),
    Roles(roles::RolesArgs),
    Explain(explain::ExplainArgs),
    IamPolicy(iam_policy::IamPolicyArgs),
    /// Print the completion script of a shell
    #[command(after_help = manual::tail("completions", &[]))]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = manual::tail("man", &[]))]
    Man,
}

/// Runs the command that the arguments name and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (cli, invocation) = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() => {
            let text = redact::sentence(&error.render().to_string());
            let lines = text.lines().map(sanitize::line).collect::<Vec<_>>();
            let stderr = std::io::stderr();
            // Fails only when nobody listens any more.
            let _ = writeln!(stderr.lock(), "{}", lines.join("\n"));
            return Exit::Usage.code().into();
        }
        Err(error) => {
            let _ = error.print();
            return Exit::Success.code().into();
        }
    };
    let console = cli.console.console();
    console.init_logging();
    std::panic::set_hook(Box::new(|panic| {
        if !crate::iam::aws::handles_panics() {
            tracing::error!("internal error: {panic}");
        }
    }));
    for stray in &invocation.strays {
        console.print_error(&format!("warning: {}\n", sanitize::line(stray)));
    }
    // A panic is a bug; whatever was under way is over, and the exit code says so.
    let work = || dispatch(&cli.command, &invocation, &console);
    let exit = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        console.print_error(BUG);
        Exit::Bug
    });
    exit.code().into()
}

/// Reads the arguments and the environment, in which an empty variable is one that is not set: CI
/// systems set to nothing what nobody gave a value.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<(Cli, Invocation), clap::Error> {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|v| v.is_empty());
    let set_only = |arg: clap::Arg| match arg.get_env() {
        Some(name) if is_empty(name) => arg.env(Resettable::<OsStr>::Reset),
        // A value may be a secret, and help is shown in logs.
        _ => arg.hide_env_values(true),
    };
    let mut command = Cli::command()
        .mut_args(set_only)
        .mut_subcommands(|verb| verb.mut_args(set_only));
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = command
        .try_get_matches_from_mut(&arguments)
        .map_err(|error| manual::advice::advise(error, &command, &arguments))?;
    let verb = matches.subcommand().map(|(_, verb)| verb);
    if let Some(why) = verb.and_then(contradiction) {
        return Err(command.error(ErrorKind::ArgumentConflict, why));
    }
    let invocation = Invocation::new(&mut command, &matches);
    Ok((Cli::from_arg_matches(&matches)?, invocation))
}

/// Which flags of a verb contradict each other. A variable may be set for other verbs.
fn contradiction(verb: &ArgMatches) -> Option<String> {
    let source = |id| {
        verb.try_contains_id(id)
            .ok()
            .and_then(|_| verb.value_source(id))
    };
    let is_flag = |id| source(id) == Some(ValueSource::CommandLine);
    let is_directory = source("directory").is_some();
    if is_flag("revision") && is_directory {
        return Some("--revision goes with a repository; files of a directory are read as they are, and stand for the commit of --commit\n".to_owned());
    }
    if is_flag("repo") && is_flag("operand") {
        return Some("the repository is given twice, as REPO and with --repo\n".to_owned());
    }
    let of_directory = ["commit", "base_directory", "base_commit"];
    let flag = of_directory
        .into_iter()
        .find(|id| is_flag(id) && !is_directory)?;
    let flag = flag.replace('_', "-");
    Some(format!(
        "--{flag} goes with --directory only; a repository is read with --revision\n"
    ))
}

fn dispatch(command: &Command, run: &Invocation, console: &Console) -> Exit {
    let end = |result| end(result, run, console);
    let deliver = |report: &ReportArgs, word, work: &dyn Fn() -> Result<Report, error::Error>| {
        report.deliver(word, run, console, work)
    };
    match command {
        Command::Lint(args) => deliver(&args.report, Word::Lint, &|| lint::run(args, console)),
        Command::Diff(args) => deliver(&args.report, Word::Diff, &|| diff::run(args, console)),
        Command::Plan(args) => deliver(&args.report, Word::Plan, &|| plan::run(args, console)),
        Command::Apply(args) => deliver(&args.report, Word::Apply, &|| {
            apply::run(args, run, console)
        }),
        Command::Adopt(args) => deliver(&args.named.report, Word::Adopt, &|| {
            adopt::run(args, run, console)
        }),
        Command::Retire(args) => deliver(&args.named.report, Word::Retire, &|| {
            retire::run(args, run, console)
        }),
        Command::Explain(args) => end(explain::run(args, run, console)),
        Command::Roles(args) => end(roles::run(args, run, console)),
        Command::IamPolicy(args) => end(iam_policy::run(args, console)),
        Command::Completions { shell } => {
            end(print(manual::completions(Cli::command(), *shell), console))
        }
        Command::Man => end(print(manual::page::page(Cli::command()), console)),
    }
}

fn print(text: impl AsRef<[u8]>, console: &Console) -> Result<Exit, error::Error> {
    console.print(text.as_ref()).map_err(error::Error::Output)?;
    Ok(Exit::Success)
}

/// How a verb without a report ends.
fn end(result: Result<Exit, error::Error>, run: &Invocation, console: &Console) -> Exit {
    result.unwrap_or_else(|error| {
        let error = error.named(run);
        console.stop(&error.stopped(run));
        error.exit()
    })
}

/// Started only by verbs that call IAM. One thread is enough to wait for replies.
fn runtime() -> Result<tokio::runtime::Runtime, error::Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(error::Error::Runtime)
}

#[cfg(test)]
mod tests {
    use super::{Cli, CommandFactory};
    use crate::manual::reference;

    #[test]
    fn the_reference_says_what_the_definitions_say() {
        reference::holds(Cli::command());
    }
}
