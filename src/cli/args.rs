//! Arguments that several verbs share.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use crate::model::cluster::{ClusterName, Issuer};
use crate::plan::guard::Allowed;
use crate::plan::{Depth, Mode, Rewrite};
use crate::reconcile::Terms;
use crate::reconcile::endpoint::{Accounts, Endpoint};
use crate::report::sanitize::line;
use crate::settings::{self, ClusterInput, ClusterSettings, ConfigFile};

use super::error::Error;
use super::naming::NamingArgs;
use super::source::SourceArgs;
use crate::terminal::console::Console;

/// The cluster and how its roles are to look.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    /// Name of the cluster, for the roles' cluster tag (required); with --config, which of its
    /// clusters are meant: names, or patterns with * and ? (can be repeated) [default: all]
    #[arg(
        long = "cluster-name",
        value_name = "NAME",
        env = "IRSA_GITOPS_CLUSTER_NAME",
        value_delimiter = ','
    )]
    cluster_names: Vec<String>,
    /// OIDC issuer of the cluster, with or without https:// (required, can be repeated)
    #[arg(
        long = "oidc-provider",
        value_name = "ISSUER",
        env = "IRSA_GITOPS_OIDC_PROVIDER",
        value_delimiter = ','
    )]
    oidc_providers: Vec<String>,
    /// Role names start with this, followed by `_`; may be empty, as a flag or in a file
    /// [default: k8s-sa]
    #[arg(long, value_name = "PREFIX", env = "IRSA_GITOPS_ROLE_PREFIX")]
    role_prefix: Option<String>,
    /// Path of the roles [default: /]
    #[arg(long, value_name = "PATH", env = "IRSA_GITOPS_ROLE_PATH")]
    role_path: Option<String>,
    /// AWS account of the roles [default: that of the credentials; any, when offline]
    #[arg(long, value_name = "ID", env = "IRSA_GITOPS_ACCOUNT")]
    account: Option<String>,
    /// AWS region whose endpoints are used; it decides the partition of offline checks
    #[arg(long, value_name = "REGION", env = "IRSA_GITOPS_REGION")]
    region: Option<String>,
    /// YAML file that lists the clusters; the flags here fill in what it leaves out, and one that
    /// says otherwise is an error
    #[arg(long, value_name = "FILE", env = "IRSA_GITOPS_CONFIG")]
    config: Option<PathBuf>,
    /// Audience that trust policies ask for, or `none` [default: sts.amazonaws.com]
    #[arg(long, value_name = "AUDIENCE", env = "IRSA_GITOPS_AUDIENCE")]
    audience: Option<String>,
    /// ARN of the permissions boundary that new roles get
    #[arg(long, value_name = "ARN", env = "IRSA_GITOPS_PERMISSIONS_BOUNDARY")]
    permissions_boundary: Option<String>,
    /// Longest session, from 1h to 12h, or in seconds [default: whatever it is]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = settings::seconds,
        env = "IRSA_GITOPS_MAX_SESSION_DURATION"
    )]
    max_session_duration: Option<u32>,
    /// Value of the managed-by tag [default: iam-service-account-controller]
    #[arg(long, value_name = "VALUE", env = "IRSA_GITOPS_MANAGED_BY")]
    managed_by: Option<String>,
    /// A tag of your own for every role (can be repeated)
    #[arg(
        long = "tag",
        value_name = "KEY=VALUE",
        env = "IRSA_GITOPS_TAG",
        value_delimiter = ','
    )]
    tags: Vec<String>,
    /// Statements of trust policies for EKS Pod Identity: `keep` them, or `refuse` and remove them
    /// [default: keep]
    #[arg(long, value_name = "keep|refuse", env = "IRSA_GITOPS_POD_IDENTITY")]
    pod_identity: Option<String>,
    #[command(flatten)]
    conventions: ConventionArgs,
    #[command(flatten)]
    naming: NamingArgs,
}

/// How manifests are read, where a repository differs from the usual.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Manifests")]
struct ConventionArgs {
    /// Annotation that declares a managed role, "true" or "false"
    /// [default: security.kaluza.com/iam-role-managed]
    #[arg(long, value_name = "KEY", env = "IRSA_GITOPS_MANAGED_ANNOTATION")]
    managed_annotation: Option<String>,
    /// Prefix of the webhook's annotations PREFIX/role-arn and PREFIX/audience, as its own
    /// --annotation-prefix has it [default: eks.amazonaws.com]
    #[arg(long, value_name = "PREFIX", env = "IRSA_GITOPS_ANNOTATION_PREFIX")]
    annotation_prefix: Option<String>,
    /// The role-arn annotation may hold the bare name of the role (with its path), as the webhook's
    /// own --compose-role-arn allows
    #[arg(
        long,
        env = "IRSA_GITOPS_COMPOSE_ROLE_ARN",
        value_parser = BoolishValueParser::new()
    )]
    compose_role_arn: bool,
    /// Namespace of ServiceAccounts that name none, by their path: a pattern with {namespace} where
    /// the path has it, such as clusters/prod/{namespace}/**, or PATTERN=NAMESPACE (can be repeated;
    /// the first that matches counts)
    #[arg(
        long = "namespace-from",
        value_name = "PATTERN",
        env = "IRSA_GITOPS_NAMESPACE_FROM",
        value_delimiter = ','
    )]
    namespaces: Vec<String>,
    /// With --namespace-from: a path that a pattern matches may declare no other namespace
    #[arg(
        long,
        env = "IRSA_GITOPS_NAMESPACE_ENFORCE",
        value_parser = BoolishValueParser::new()
    )]
    namespace_enforce: bool,
    /// Leave out what this pattern of .gitignore matches, below the root: it counts for nothing and
    /// hides nothing (can be repeated; the last that matches counts)
    #[arg(
        long = "exclude",
        value_name = "GLOB",
        env = "IRSA_GITOPS_EXCLUDE",
        value_delimiter = ','
    )]
    ignore: Vec<String>,
}

/// Which IAM, and with which credentials.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "IAM")]
pub(super) struct IamArgs {
    /// Use the embedded IAM whose state is this JSON file: no AWS, no network, no credentials
    ///
    /// A file that does not exist is made by the first write: the account begins with the
    /// configured OIDC providers and no roles.
    #[arg(long, value_name = "FILE", env = "IRSA_GITOPS_SANDBOX")]
    pub(super) sandbox: Option<PathBuf>,
    /// File with a web identity token to authenticate with
    #[arg(long, value_name = "FILE", env = "IRSA_GITOPS_TOKEN_PATH")]
    token_path: Option<String>,
    /// With --token-path: ARN of the role to assume with that token
    #[arg(long, value_name = "ARN", env = "IRSA_GITOPS_ROLE_ARN")]
    role_arn: Option<String>,
    /// ARN of a role to assume with the credentials, for another account
    #[arg(long, value_name = "ARN", env = "IRSA_GITOPS_ASSUME_ROLE")]
    assume_role: Option<String>,
}

/// What the run may do and how closely it looks.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Changes")]
pub(super) struct ChangeArgs {
    /// What may be changed
    #[arg(long, value_enum, default_value_t = ModeArg::UpsertOnly, env = "IRSA_GITOPS_MODE")]
    mode: ModeArg,
    /// Compare tags and permissions boundary of every role too, as --mode sync always does; reads a thousand roles a call if
    /// iam:GetAccountAuthorizationDetails is allowed, else one
    #[arg(long, env = "IRSA_GITOPS_FULL", value_parser = BoolishValueParser::new())]
    full: bool,
    /// With --mode sync: how long a role stays quarantined before it is deleted, such as 7d or
    /// 36h; 0 deletes at once
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = settings::duration, env = "IRSA_GITOPS_PRUNE_AFTER")]
    prune_after: SignedDuration,
    /// With --mode sync: retire roles although no managed ServiceAccount was found at all
    #[arg(long)]
    allow_empty: bool,
    /// Retire exactly this many roles (mode sync), or take a statement of their trust policies from
    /// them, beyond the limit of 5 or a tenth
    #[arg(long, value_name = "N")]
    allow_removals: Option<usize>,
    /// Have roles trust the cluster's issuer that now trust this one
    #[arg(long, value_name = "OLD")]
    allow_issuer_change: Option<String>,
    /// The branch was rewritten: tag every role whose last commit is elsewhere or unknown with
    /// this commit, once
    ///
    /// An older commit is never applied over a newer one, with or without this flag.
    #[arg(long)]
    accept_history_rewrite: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ModeArg {
    /// Make missing roles, and nothing else
    CreateOnly,
    /// Make missing roles and repair drifted ones
    UpsertOnly,
    /// Retire roles that are no longer declared as well: quarantine first, delete later
    Sync,
}

impl ModeArg {
    pub(super) fn mode(self) -> Mode {
        match self {
            Self::CreateOnly => Mode::CreateOnly,
            Self::UpsertOnly => Mode::UpsertOnly,
            Self::Sync => Mode::Sync,
        }
    }
}

impl ChangeArgs {
    /// What to read for a run of this mode: whatever may retire roles reads everything itself.
    pub(super) fn source(&self, source: &SourceArgs) -> SourceArgs {
        let mut source = source.clone();
        source.repository.no_cache |= self.mode == ModeArg::Sync;
        source
    }

    /// What the run may do.
    pub(super) fn terms(&self) -> Result<Terms, Error> {
        let issuer = self.allow_issuer_change.as_deref();
        let issuer = issuer.map(Issuer::new).transpose();
        Ok(Terms {
            mode: self.mode.mode(),
            // Whatever was written for another history has to be found, or it comes up in a later run.
            depth: match self.full || self.accept_history_rewrite {
                true => Depth::Full,
                false => Depth::Listing,
            },
            prune_after: self.prune_after,
            now: jiff::Timestamp::now(),
            allowed: Allowed {
                empty: self.allow_empty,
                removals: self.allow_removals,
                issuer_change: issuer.map_err(settings::Error::invalid("--allow-issuer-change"))?,
            },
            rewrite: match self.accept_history_rewrite {
                true => Rewrite::Accepted,
                false => Rewrite::Refused,
            },
        })
    }
}

impl IamArgs {
    /// Where IAM is; says which accounts begin in a sandbox.
    pub(super) fn endpoint(
        &self,
        clusters: &[ClusterSettings],
        console: &Console,
    ) -> Result<Endpoint, Error> {
        let Some(file) = &self.sandbox else {
            return Ok(Endpoint::Aws);
        };
        let accounts = Accounts::open(file, clusters)?;
        if let Some(note) = accounts.beginning()? {
            console.print_error(&format!("note: {}\n", line(&note)));
        }
        Ok(Endpoint::Sandbox(accounts))
    }
}

impl ClusterArgs {
    /// The validated settings of each cluster, for verbs that call IAM.
    pub(super) fn settings(
        &self,
        paths: &[String],
        iam: &IamArgs,
    ) -> Result<Vec<ClusterSettings>, Error> {
        let clusters = self.described(paths, iam)?;
        for cluster in &clusters {
            if let (Some((path, _)), None) = (&cluster.access.web_identity, &iam.sandbox) {
                // The SDK would say that there are no credentials, and not why.
                File::open(path).map_err(Error::open("--token-path", Path::new(path)))?;
            }
        }
        Ok(clusters)
    }

    /// The validated settings of each cluster, for verbs that call nobody.
    pub(super) fn described(
        &self,
        paths: &[String],
        iam: &IamArgs,
    ) -> Result<Vec<ClusterSettings>, Error> {
        let clusters = self.inputs(paths, iam)?;
        let clusters = clusters.iter().map(ClusterInput::validate);
        let clusters = clusters.collect::<Result<Vec<_>, _>>()?;
        settings::distinct(clusters.iter().map(ClusterSettings::identity))?;
        Ok(clusters)
    }

    /// The settings of each cluster, for verbs that work offline: what is left out has a
    /// stand-in that no role is written with. The names are those that were given.
    pub(super) fn offline_settings(
        &self,
        paths: &[String],
    ) -> Result<(Vec<ClusterSettings>, Vec<Option<ClusterName>>), Error> {
        let inputs = self.inputs(paths, &IamArgs::default())?;
        Ok(settings::offline(inputs)?)
    }

    fn inputs(&self, paths: &[String], iam: &IamArgs) -> Result<Vec<ClusterInput>, Error> {
        let flags = ClusterInput {
            place: None,
            name: None,
            paths: paths.to_vec(),
            oidc_providers: self.oidc_providers.clone(),
            role_prefix: self.role_prefix.clone(),
            role_path: self.role_path.clone(),
            account: self.account.clone(),
            region: self.region.clone(),
            audience: self.audience.clone(),
            permissions_boundary: self.permissions_boundary.clone(),
            max_session_duration: self.max_session_duration,
            managed_by: self.managed_by.clone(),
            tags: self.tags.clone(),
            pod_identity: self.pod_identity.clone(),
            managed_annotation: self.conventions.managed_annotation.clone(),
            annotation_prefix: self.conventions.annotation_prefix.clone(),
            compose_role_arn: self.conventions.compose_role_arn.then_some(true),
            substitute: self.naming.substitute.clone(),
            long_names: self.naming.long_names.clone(),
            namespaces: self.conventions.namespaces.clone(),
            namespace_enforce: self.conventions.namespace_enforce.then_some(true),
            ignore: self.conventions.ignore.clone(),
            token_path: iam.token_path.clone(),
            role_arn: iam.role_arn.clone(),
            assume_role: iam.assume_role.clone(),
        };
        let file = self.config.as_deref().map(config_file).transpose()?;
        Ok(settings::clusters(file, &self.cluster_names, &flags)?)
    }
}

fn config_file(path: &Path) -> Result<ConfigFile, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::open("--config", path))?;
    Ok(ConfigFile::parse(&path.display().to_string(), &text)?)
}
