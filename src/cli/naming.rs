//! How roles are named, where a repository differs from the usual.

use clap::Args;

/// How roles are named, where a repository differs from the usual.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Manifests")]
pub(super) struct NamingArgs {
    /// Role names over 64 characters: `refuse` them, or cut them and end them with a `digest` of
    /// namespace and name [default: refuse]
    #[arg(long, value_name = "refuse|digest", env = "IRSA_GITOPS_LONG_NAMES")]
    pub(super) long_names: Option<String>,
}
