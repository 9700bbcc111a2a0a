//! How annotations are read and roles are named, where a repository differs from the usual.

use clap::Args;

/// How annotations are read and roles are named, where a repository differs from the usual.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Manifests")]
pub(super) struct NamingArgs {
    /// Role names over 64 characters: `refuse` them, or cut them and end them with a `digest` of
    /// namespace and name [default: refuse]
    #[arg(long, value_name = "refuse|digest", env = "IRSA_GITOPS_LONG_NAMES")]
    pub(super) long_names: Option<String>,
    /// Value of a variable in annotation values, which hold `${KEY}`, `${KEY:=DEFAULT}` or
    /// `${KEY:-DEFAULT}` where Flux's postBuild.substitute replaces them (can be repeated)
    #[arg(
        long,
        value_name = "KEY=VALUE",
        env = "IRSA_GITOPS_SUBSTITUTE",
        value_delimiter = ','
    )]
    pub(super) substitute: Vec<String>,
}
