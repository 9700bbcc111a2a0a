//! `adopt`: takes named existing roles over.

use clap::Args;

use super::console::Console;
use super::error::Error;
use super::named::{EXITS, NamedArgs};
use crate::reconcile::named::Verb;
use crate::report::{Command, Report};

const EXAMPLES: &str = "\
Examples:
  irsa-gitops adopt k8s-sa_bar_foo k8s-sa_bar_baz --cluster-name prod --oidc-provider ISSUER
  irsa-gitops adopt k8s-sa_bar_foo --yes --cluster-name prod --oidc-provider ISSUER
  irsa-gitops adopt k8s-sa_bar_foo --yes --config clusters.yaml --cluster-name blue";

/// Take over roles that were made by hand or by the controller
///
/// A role is taken over by tagging it, and only if its trust policy proves that it serves its
/// ServiceAccount already. Nothing else of it changes, so nobody loses access; the next apply
/// brings its trust policy to what is declared. Shows what it would do unless --yes is given.
#[derive(Debug, Args)]
#[command(after_help = super::after_help(EXAMPLES, EXITS))]
pub(super) struct AdoptArgs {
    #[command(flatten)]
    pub(super) named: NamedArgs,
}

pub(super) fn run(args: &AdoptArgs, console: &Console) -> Result<Report, Error> {
    args.named.run(Verb::Adopt, Command::Adopt, console)
}
