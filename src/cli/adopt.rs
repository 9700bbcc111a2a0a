//! `adopt`: takes named existing roles over.

use clap::Args;

use super::error::Error;
use super::invocation::Invocation;
use super::named::NamedArgs;
use crate::manual::tail;
use crate::reconcile::named::Verb;
use crate::report::{Command, Report};
use crate::terminal::console::Console;

const EXAMPLES: &[&str] = &[
    " k8s-sa_bar_foo k8s-sa_bar_baz",
    " --all-matching --yes",
    " k8s-sa_bar_foo --yes --config clusters.yaml",
];

/// Take over roles that were made by hand or by the controller
///
/// A role is taken over by tagging it, and only if its trust policy proves that it serves its
/// ServiceAccount already. Nothing else of it changes, so nobody loses access; the next apply
/// brings its trust policy to what is declared. Shows what it would do, and does it with --yes, or if
/// the answer on a terminal is yes.
#[derive(Debug, Args)]
#[command(after_help = tail("adopt", EXAMPLES))]
#[command(mut_arg("roles", |arg| arg.required(false).required_unless_present("all_matching")))]
pub(super) struct AdoptArgs {
    /// Instead of named roles: every role that a ServiceAccount declares and that is not owned yet
    ///
    /// One that is tagged for another cluster is left out: name it, if it is to be taken over. A role
    /// whose trust policy proves nothing is held, as with its name.
    #[arg(long, conflicts_with = "roles")]
    all_matching: bool,
    #[command(flatten)]
    pub(super) named: NamedArgs,
}

pub(super) fn run(args: &AdoptArgs, run: &Invocation, console: &Console) -> Result<Report, Error> {
    let verb = match args.all_matching {
        true => Verb::AdoptMatching,
        false => Verb::Adopt,
    };
    args.named.run(verb, Command::Adopt, run, console)
}
