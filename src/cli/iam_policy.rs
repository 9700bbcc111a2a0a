//! `iam-policy`: the IAM policy for the job that runs this program.

use clap::{Args, ValueEnum};

use super::args::{ClusterArgs, IamArgs, ModeArg};
use super::error::Error;
use crate::exit::Exit;
use crate::manual::{tail, without_effect};
use crate::permissions::{self, Job};
use crate::settings::ClusterSettings;
use crate::terminal::console::Console;

const EXAMPLES: &[&str] = &[
    " --for plan --account 123456789012",
    " --for apply --mode sync --config clusters.yaml",
];

/// Print the least-privilege IAM policy for a job that runs this program
///
/// Needs the settings that the job has, and the account: --account, or that of the role to assume.
/// Writes are limited to the names of our roles, and to the tags that make them ours. Several
/// clusters give one document.
#[derive(Debug, Args)]
#[command(after_help = tail("iam-policy", EXAMPLES))]
#[command(mut_args(|arg| without_effect(arg, &[])))]
pub(super) struct IamPolicyArgs {
    /// The job that the policy is for
    #[arg(long = "for", value_name = "JOB", value_enum)]
    job: JobArg,
    /// The mode in which it applies
    #[arg(long, value_enum, default_value_t = ModeArg::UpsertOnly, env = "IRSA_GITOPS_MODE")]
    mode: ModeArg,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    iam: IamArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum JobArg {
    /// One that only plans
    Plan,
    /// One that applies
    Apply,
    /// One that takes roles over: not needed once they are
    Adopt,
    /// One that retires roles by their names: one that applies in mode sync may do so, too
    Retire,
}

pub(super) fn run(args: &IamPolicyArgs, console: &Console) -> Result<Exit, Error> {
    let job = match args.job {
        JobArg::Plan => Job::Plan,
        JobArg::Apply => Job::Apply(args.mode.mode()),
        JobArg::Adopt => Job::Adopt,
        JobArg::Retire => Job::Retire,
    };
    let described = args.cluster.described(&[], &args.iam)?;
    let clusters = described.iter().map(ClusterSettings::without_caller);
    let clusters = clusters.collect::<Result<Vec<_>, _>>()?;
    let policy = permissions::policy(&clusters, job);
    let mut text = serde_json::to_string_pretty(&policy)
        .expect("structs of strings with string keys always serialise");
    text.push('\n');
    console.print(text.as_bytes()).map_err(Error::Output)?;
    Ok(Exit::Success)
}
