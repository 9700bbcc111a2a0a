//! `retire`: quarantines named roles that nobody declares.

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
    " k8s-sa_bar_foo --yes",
    " k8s-sa_bar_foo --yes --config clusters.yaml",
];

/// Quarantine roles that nobody declares and that history does not explain
///
/// For owned roles that mode sync holds for good, as no commit shows that their ServiceAccount was
/// removed: after a rewritten history, a branch that was applied by hand, or tags that were removed.
/// Nobody can assume such a role any more; everything else of it is kept, declaring its ServiceAccount
/// restores it, and apply --mode sync deletes it after --prune-after. A role that is declared anywhere
/// in the commit, or may be, is refused. Shows what it would do, and does it with --yes, or if the
/// answer on a terminal is yes.
#[derive(Debug, Args)]
#[command(after_help = tail("retire", EXAMPLES))]
pub(super) struct RetireArgs {
    #[command(flatten)]
    pub(super) named: NamedArgs,
}

pub(super) fn run(args: &RetireArgs, run: &Invocation, console: &Console) -> Result<Report, Error> {
    let verb = Verb::Retire(jiff::Timestamp::now());
    args.named.run(verb, Command::Retire, run, console)
}
