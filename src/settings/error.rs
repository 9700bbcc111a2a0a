//! What can be wrong with what the user wrote.

use crate::model::arn::AwsAccountId;
use crate::model::cluster::{ClusterName, RolePrefix};
use crate::model::role::RolePath;
use crate::model::shell::quoted;

/// What the user wrote is not usable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user: something required is missing.
    #[error("{}", required(.0))]
    Missing(Vec<Required>),
    /// The user: a flag goes only with another one.
    #[error("{0} needs {1}")]
    Alone(&'static str, &'static str),
    /// The user: a value of a flag is not one of its kind.
    #[error("{flag}")]
    Invalid {
        /// The flag.
        flag: &'static str,
        /// What is wrong with the value.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The user: an account that has to be known and is not.
    #[error("cluster `{0}` has no account, and the policy names roles by their ARNs")]
    NoAccount(ClusterName),
    /// The user: a tag is none, or is one this program sets itself.
    #[error("--tag `{tag}`: {why}")]
    Tag {
        /// The tag as it was given.
        tag: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The user: the credentials belong to another account than the settings say.
    #[error("the credentials belong to account {caller}, but --account is {configured}")]
    WrongAccount {
        /// Whose the credentials are.
        caller: AwsAccountId,
        /// What the settings say.
        configured: AwsAccountId,
    },
    /// The user: two entries are one cluster to IAM.
    #[error(
        "cluster `{name}` is configured twice with role prefix `{prefix}` and role path `{path}` in one account, so each entry would retire the roles of the other"
    )]
    SameCluster {
        /// The name that both have.
        name: ClusterName,
        /// The prefix that both have.
        prefix: RolePrefix,
        /// The path that both have.
        path: RolePath,
    },
    /// The user: clusters that are read together have different annotation keys.
    #[error(
        "clusters `{0}` and `{1}` have different annotation keys, and manifests are read once for all of them"
    )]
    DifferentKeys(ClusterName, ClusterName),
    /// The user: several names for the one cluster that flags describe.
    #[error(
        "{flag} names several clusters ({}), and flags describe one",
        list(names)
    )]
    OneCluster {
        /// The flag or variable.
        flag: String,
        /// The names.
        names: Vec<String>,
    },
    /// The user: a cluster that is not in the configuration file.
    #[error("{flag}: {place} has no cluster `{name}`{}", did_you_mean(.like.as_deref()))]
    NoSuchCluster {
        /// The flag or variable.
        flag: String,
        /// The file.
        place: String,
        /// What was given.
        name: String,
        /// The name that may be meant.
        like: Option<String>,
        /// What there is.
        known: Vec<String>,
    },
    /// The user: a flag says otherwise than the configuration file.
    #[error("{flag} is `{given}`, but {place} has `{written}`")]
    Contradiction {
        /// The flag or variable.
        flag: String,
        /// Its value.
        given: String,
        /// The file, and which cluster in it.
        place: String,
        /// The value there.
        written: String,
    },
    /// The user: a key of the configuration file is none that it may have.
    #[error("unknown key `{key}`{}", did_you_mean(.like.as_deref()))]
    UnknownKey {
        /// The key.
        key: String,
        /// The key that may be meant.
        like: Option<String>,
    },
    /// The user: a value in the configuration file is not of its kind.
    #[error("{key}")]
    Value {
        /// Its key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The user: a number or a truth value in the configuration file, where a text is expected.
    #[error("{key}: `{value}` is {kind} to YAML, and a text is expected")]
    Unquoted {
        /// Its key.
        key: String,
        /// The value as YAML has it.
        value: String,
        /// What YAML takes it for.
        kind: &'static str,
    },
    /// The user: the configuration file is not YAML, or not of its form.
    #[error("not readable")]
    NotYaml(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The user: something in the configuration file is wrong.
    #[error("{place}")]
    InFile {
        /// The file, and which cluster in it.
        place: String,
        /// What is wrong there.
        #[source]
        source: Box<Error>,
    },
}

/// Something that has to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required {
    /// The flag or key that sets it.
    pub flag: &'static str,
    /// What it is for.
    pub why: &'static str,
    /// How it is found.
    pub hint: Option<String>,
}

/// The command that tells which issuer a cluster has, as far as the cluster is known.
pub fn describe_cluster(name: Option<&str>, region: Option<&str>) -> String {
    let name = name.map_or("CLUSTER".to_owned(), quoted);
    let region = region.filter(|region| !region.trim().is_empty());
    let region = region.map_or_else(String::new, |region| {
        format!(" --region {}", quoted(region))
    });
    format!(
        "aws eks describe-cluster --name {name}{region} --query cluster.identity.oidc.issuer --output text"
    )
}

fn required(missing: &[Required]) -> String {
    let joined =
        |of: fn(&Required) -> &str| missing.iter().map(of).collect::<Vec<_>>().join(" and ");
    let are = if missing.len() == 1 { "is" } else { "are" };
    format!(
        "{} {are} required: {}",
        joined(|r| r.flag),
        joined(|r| r.why)
    )
}

fn list(names: &[String]) -> String {
    let quoted = names.iter().map(|name| format!("`{name}`"));
    quoted.collect::<Vec<_>>().join(", ")
}

/// The end of a message about a name that nothing has.
pub fn did_you_mean(like: Option<&str>) -> String {
    like.map_or_else(String::new, |like| format!("; did you mean `{like}`?"))
}

impl Error {
    /// What is wrong with the value of a flag.
    pub fn invalid<E>(flag: &'static str) -> impl Fn(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self::Invalid {
            flag,
            source: Box::new(source),
        }
    }

    /// The same error, with the place in a file where it is.
    pub(super) fn at(self, place: &str) -> Self {
        Self::InFile {
            place: place.to_owned(),
            source: Box::new(self),
        }
    }

    /// The same error, with the name of the variable where a value came from the environment.
    #[must_use]
    pub fn given_by(mut self, variable: impl Fn(&str) -> Option<String>) -> Self {
        if let Self::OneCluster { flag, .. }
        | Self::NoSuchCluster { flag, .. }
        | Self::Contradiction { flag, .. } = &mut self
            && let Some(name) = variable(flag)
        {
            *flag = name;
        }
        self
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing(missing) => {
                let hints = missing.iter().filter_map(|missing| missing.hint.as_deref());
                let hints: Vec<&str> = hints.collect();
                return (!hints.is_empty()).then(|| hints.join("; "));
            }
            Self::Unquoted { key, value, .. } => {
                return Some(format!("put it in quotes: {key}: \"{value}\""));
            }
            Self::WrongAccount { .. } => {
                "check AWS_PROFILE, or use --assume-role for a role in the other account"
            }
            Self::SameCluster { .. } => {
                "list both paths in one entry; if they are two clusters, give them two names"
            }
            Self::DifferentKeys(..) => {
                "run them one at a time: --cluster-name selects among the clusters of the file"
            }
            Self::OneCluster { .. } => {
                "list the clusters in a file and give it with --config; --cluster-name selects among them"
            }
            Self::NoSuchCluster { known, .. } => return Some(format!("it has: {}", list(known))),
            Self::Contradiction { flag, .. } => {
                let leave = match flag.starts_with("--") {
                    true => format!("leave {flag} out"),
                    false => format!("unset {flag}"),
                };
                return Some(format!(
                    "{leave}, correct the file, or select other clusters with --cluster-name"
                ));
            }
            Self::InFile { source, .. } => return source.hint(),
            Self::NoAccount(_) => "give --account (`account` in the file), or --assume-role",
            Self::Invalid { flag, .. } if flag.ends_with("commit") => {
                "give the full id, such as the output of: git rev-parse HEAD"
            }
            Self::Alone(..)
            | Self::Invalid { .. }
            | Self::Tag { .. }
            | Self::UnknownKey { .. }
            | Self::Value { .. }
            | Self::NotYaml(_) => return None,
        };
        Some(hint.to_owned())
    }
}
