//! `iam-policy`: the IAM policy for the job that runs this program.

use clap::{Args, ValueEnum};

use super::args::{ClusterArgs, IamArgs, ModeArg};
use super::console::Console;
use super::error::Error;
use crate::exit::Exit;
use crate::model::arn::Partition;
use crate::permissions::{self, Job};
use crate::settings;

/// Print the least-privilege IAM policy for a job that runs this program
///
/// Needs the settings that the job has, and --account. Roles are limited by their names, and by the
/// tags that make them ours.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  irsa-gitops iam-policy --for plan --account 123456789012 --cluster-name prod --oidc-provider ISSUER
  irsa-gitops iam-policy --for apply --mode sync --config clusters.yaml")]
pub(super) struct IamPolicyArgs {
    /// The job that the policy is for
    #[arg(long = "for", value_name = "JOB", value_enum)]
    job: JobArg,
    /// The mode in which it applies
    #[arg(long, value_enum, default_value_t = ModeArg::UpsertOnly, env = "IRSA_GITOPS_MODE")]
    mode: ModeArg,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum JobArg {
    /// One that only plans
    Plan,
    /// One that applies
    Apply,
}

pub(super) fn run(args: &IamPolicyArgs, console: &Console) -> Result<Exit, Error> {
    let job = match args.job {
        JobArg::Plan => Job::Plan,
        JobArg::Apply => Job::Apply(args.mode.mode()),
    };
    for settings in args.cluster.settings(&[], &IamArgs::default())? {
        let naming = settings.naming().clone();
        let account = naming.account.ok_or(settings::Error::Missing {
            flag: "--account",
            why: "the policy names the roles by their ARNs",
        })?;
        let partition = naming.partition.unwrap_or_else(|| Partition::of_region(""));
        let cluster = settings.for_caller(&account, &partition)?;
        let policy = permissions::policy(&cluster, job);
        let mut text = serde_json::to_string_pretty(&policy)
            .expect("structs of strings with string keys always serialise");
        text.push('\n');
        console.print(text.as_bytes()).map_err(Error::Output)?;
    }
    Ok(Exit::Success)
}
