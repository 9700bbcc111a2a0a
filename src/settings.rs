//! Flags, environment and configuration file, turned once into validated settings.
//!
//! In: what the user wrote ([`ClusterInput`], one for the flags and one for each cluster of a
//! `--config` file). Out: [`ClusterSettings`] that cannot be wrong. Reads no environment and no
//! files itself.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::model::access::Access;
use crate::model::arn::{self, AwsAccountId, Partition, RoleArn};
use crate::model::cluster::{
    Audience, Cluster, ClusterName, Issuer, Naming, PodIdentity, RolePrefix,
};
use crate::model::location::RepoPath;
use crate::model::role::SessionDuration;
use crate::model::tags::{self, TagKey, TagValue};

mod conventions;
mod error;
mod file;
mod flags;
mod identity;
mod values;

pub use conventions::shared;
pub use error::{Error, Required, describe_cluster, did_you_mean};
pub use file::ConfigFile;
pub use flags::clusters;
pub use identity::{Identity, distinct};
use values::{pod_identity, region, role_path};

pub use crate::model::tags::DEFAULT_MANAGED_BY;

/// What the user wrote about one cluster; whatever is left out has a default or is filled in by
/// [`clusters`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterInput {
    /// Where it was written, for messages: a file and which cluster in it, or nothing for flags.
    #[serde(skip)]
    pub place: Option<String>,
    /// The name of the cluster.
    pub name: Option<String>,
    /// Which directories or files hold its manifests.
    #[serde(default, deserialize_with = "file::one_or_many")]
    pub paths: Vec<String>,
    /// Its OIDC issuers, with or without `https://`.
    #[serde(
        default,
        alias = "oidcProvider",
        deserialize_with = "file::one_or_many"
    )]
    pub oidc_providers: Vec<String>,
    /// What role names start with.
    pub role_prefix: Option<String>,
    /// The path of its roles.
    pub role_path: Option<String>,
    /// The AWS account.
    pub account: Option<String>,
    /// The region whose endpoints are used.
    pub region: Option<String>,
    /// The audience, or `none`.
    pub audience: Option<String>,
    /// The ARN of the permissions boundary of new roles.
    pub permissions_boundary: Option<String>,
    /// How long sessions may last, in seconds; a file may also say `1h`.
    #[serde(default, deserialize_with = "file::seconds")]
    pub max_session_duration: Option<u32>,
    /// The value of the managed-by tag.
    pub managed_by: Option<String>,
    /// The user's own tags, as `KEY=VALUE`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What becomes of statements for EKS Pod Identity: `keep` or `refuse`.
    pub pod_identity: Option<String>,
    /// The key of the annotation that declares a managed role.
    pub managed_annotation: Option<String>,
    /// What stands before the `/` in the webhook's annotations.
    pub annotation_prefix: Option<String>,
    /// Whether the webhook composes ARNs from bare names.
    pub compose_role_arn: Option<bool>,
    /// What becomes of role names that are too long: `refuse` or `digest`.
    pub long_names: Option<String>,
    /// The values of variables in annotation values, as `KEY=VALUE`.
    #[serde(default, deserialize_with = "file::one_or_many")]
    pub substitute: Vec<String>,
    /// Which namespace a path is applied to, as `PATTERN` with `{namespace}` or `PATTERN=NAMESPACE`.
    #[serde(default, deserialize_with = "file::one_or_many")]
    pub namespaces: Vec<String>,
    /// Whether a path may declare no other namespace than these rules give.
    pub namespace_enforce: Option<bool>,
    /// Which paths count for nothing, in the syntax of gitignore.
    #[serde(default, deserialize_with = "file::one_or_many")]
    pub ignore: Vec<String>,
    /// The file with a web identity token.
    pub token_path: Option<String>,
    /// The ARN of the role to assume with that token.
    pub role_arn: Option<String>,
    /// The ARN of a role to assume after that, for another account.
    pub assume_role: Option<String>,
}

/// Everything about one cluster, validated; the account may still be the caller's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    name: ClusterName,
    issuers: Vec<Issuer>,
    naming: Naming,
    audience: Option<Audience>,
    permissions_boundary: Option<String>,
    max_session_duration: Option<SessionDuration>,
    managed_by: TagValue,
    tags: Vec<(TagKey, TagValue)>,
    pod_identity: PodIdentity,
    /// Which directories or files hold its manifests; empty means all.
    pub paths: Vec<RepoPath>,
    /// With which credentials AWS is called.
    pub access: Access,
}

impl ClusterInput {
    fn checked_naming(&self) -> Result<Naming, Error> {
        let region = optional(&self.region, "--region", region)?;
        Ok(Naming {
            prefix: optional(&self.role_prefix, "--role-prefix", RolePrefix::new)?
                .unwrap_or_default(),
            path: optional(&self.role_path, "--role-path", role_path)?.unwrap_or_default(),
            partition: region.as_deref().map(Partition::of_region),
            account: optional(&self.account, "--account", AwsAccountId::new)?,
            conventions: self.conventions()?,
        })
    }

    fn located<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| match &self.place {
            Some(place) => error.at(place),
            None => error,
        })
    }

    /// Which directories or files hold the cluster's manifests, in the form in which Git names
    /// them: `./apps/` is `apps`, and `.` is the root.
    pub fn scope(&self) -> Vec<RepoPath> {
        let normal = |path: &String| {
            let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
            RepoPath::from(parts.collect::<Vec<_>>().join("/").as_str())
        };
        self.paths.iter().map(normal).collect()
    }

    /// Checks everything.
    pub fn validate(&self) -> Result<ClusterSettings, Error> {
        self.located(self.checked())
    }

    fn checked(&self) -> Result<ClusterSettings, Error> {
        let name = Required {
            flag: "--cluster-name",
            why: "roles are tagged with the cluster they belong to",
            hint: Some(
                "use the name under which `aws eks list-clusters` shows the cluster".to_owned(),
            ),
        };
        let issuer = Required {
            flag: "--oidc-provider",
            why: "trust policies name the cluster's OIDC issuer",
            hint: Some(format!(
                "find the issuer with: {}",
                describe_cluster(self.name.as_deref(), self.region.as_deref())
            )),
        };
        let lacks_issuer = self.oidc_providers.is_empty().then_some(issuer);
        let (Some(name), None) = (self.name.as_deref(), &lacks_issuer) else {
            let lacks_name = self.name.is_none().then_some(name);
            return Err(Error::Missing(
                lacks_name.into_iter().chain(lacks_issuer).collect(),
            ));
        };
        let issuers: Result<Vec<Issuer>, Error> = self
            .oidc_providers
            .iter()
            .map(|issuer| Issuer::new(issuer).map_err(Error::invalid("--oidc-provider")))
            .collect();
        let audience = match self.audience.as_deref() {
            Some("none") => None,
            Some(audience) => Some(Audience::new(audience).map_err(Error::invalid("--audience"))?),
            None => Some(Audience::default()),
        };
        let duration = self.max_session_duration.map(SessionDuration::from_seconds);
        let managed_by = self.managed_by.as_deref().unwrap_or(DEFAULT_MANAGED_BY);
        Ok(ClusterSettings {
            name: ClusterName::new(name).map_err(Error::invalid("--cluster-name"))?,
            issuers: deduplicated(issuers?),
            naming: self.checked_naming()?,
            audience,
            permissions_boundary: optional(
                &self.permissions_boundary,
                "--permissions-boundary",
                arn::policy,
            )?,
            max_session_duration: duration
                .transpose()
                .map_err(Error::invalid("--max-session-duration"))?,
            managed_by: TagValue::new(managed_by).map_err(Error::invalid("--managed-by"))?,
            tags: own_tags(&self.tags)?,
            pod_identity: optional(&self.pod_identity, "--pod-identity", pod_identity)?
                .unwrap_or_default(),
            paths: self.scope(),
            access: self.access()?,
        })
    }

    fn access(&self) -> Result<Access, Error> {
        let role_arn = optional(&self.role_arn, "--role-arn", RoleArn::parse)?;
        let web_identity = match (&self.token_path, role_arn) {
            // The controller takes an empty path for "use the default chain".
            (None, None) => None,
            (Some(path), None) if path.is_empty() => None,
            (Some(path), Some(role)) => Some((path.clone(), role)),
            (Some(_), None) => return Err(Error::Alone("--token-path", "--role-arn")),
            (None, Some(_)) => return Err(Error::Alone("--role-arn", "--token-path")),
        };
        Ok(Access {
            region: self.region.clone(),
            web_identity,
            assume_role: optional(&self.assume_role, "--assume-role", RoleArn::parse)?,
        })
    }
}

impl ClusterSettings {
    /// The name of the cluster.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// The account and its partition, as far as the settings tell: by themselves, or by the role
    /// with whose credentials AWS is called.
    pub fn account(&self) -> Option<(&AwsAccountId, Option<&Partition>)> {
        let naming = &self.naming;
        let web_identity = self.access.web_identity.as_ref().map(|(_, role)| role);
        let role = self.access.assume_role.as_ref().or(web_identity);
        let stated = naming.account.as_ref();
        let account = stated.or_else(|| role.map(|role| &role.account))?;
        let partition = naming.partition.as_ref();
        Some((
            account,
            partition.or_else(|| role.map(|role| &role.partition)),
        ))
    }

    /// What tells the cluster's roles from those of others, as far as the settings tell.
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            account: self.account().map(|(account, _)| account),
            name: &self.name,
            prefix: &self.naming.prefix,
            path: &self.naming.path,
        }
    }

    /// Its OIDC issuers; never empty.
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// The audience of its trust policies, if they have one.
    pub fn audience(&self) -> Option<&Audience> {
        self.audience.as_ref()
    }

    /// How the cluster's roles are named, as far as that was said.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// The cluster as the settings alone tell of it.
    ///
    /// # Errors
    ///
    /// [`Error::NoAccount`] if they do not say whose it is.
    pub fn without_caller(&self) -> Result<Cluster, Error> {
        let no_account = || Error::NoAccount(self.name.clone());
        let (account, partition) = self.account().ok_or_else(no_account)?;
        let default = Partition::of_region("");
        self.for_caller(account, partition.unwrap_or(&default))
    }

    /// Completes the settings with whose credentials are used; they must fit.
    pub fn for_caller(
        &self,
        account: &AwsAccountId,
        partition: &Partition,
    ) -> Result<Cluster, Error> {
        if let Some(configured) = &self.naming.account
            && configured != account
        {
            return Err(Error::WrongAccount {
                caller: account.clone(),
                configured: configured.clone(),
            });
        }
        Ok(Cluster {
            name: self.name.clone(),
            prefix: self.naming.prefix.clone(),
            path: self.naming.path.clone(),
            partition: partition.clone(),
            account: account.clone(),
            issuers: self.issuers.clone(),
            audience: self.audience.clone(),
            permissions_boundary: self.permissions_boundary.clone(),
            max_session_duration: self.max_session_duration,
            managed_by: self.managed_by.clone(),
            tags: self.tags.clone(),
            pod_identity: self.pod_identity,
            conventions: self.naming.conventions.clone(),
        })
    }
}

/// The settings of each cluster, for verbs that work offline: what is left out has a stand-in that no
/// role is written with. The names are those that were given.
///
/// # Errors
///
/// If anything that was given is wrong.
pub fn offline(
    inputs: Vec<ClusterInput>,
) -> Result<(Vec<ClusterSettings>, Vec<Option<ClusterName>>), Error> {
    let mut all = (Vec::new(), Vec::new());
    for mut input in inputs {
        let is_named = input.name.is_some();
        input.name.get_or_insert_with(|| "any-cluster".to_owned());
        if input.oidc_providers.is_empty() {
            input.oidc_providers.push("any-oidc-provider".to_owned());
        }
        if input.token_path.is_some() != input.role_arn.is_some() {
            // The other one is for the job that has credentials.
            (input.token_path, input.role_arn) = (None, None);
        }
        let settings = input.validate()?;
        all.1.push(is_named.then(|| settings.name().clone()));
        all.0.push(settings);
    }
    Ok(all)
}

/// Reads a duration such as `7d`, `36h` or `0`.
///
/// # Errors
///
/// A sentence that says what is expected.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    if text == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    let span = text.parse::<jiff::Span>().ok();
    let duration = span.and_then(|span| span.to_duration(days).ok());
    let Some(duration) = duration else {
        let units = "expected weeks, days, hours, minutes or seconds, such as 7d, 36h or 1d12h";
        return Err(format!("{units}; months and years differ in length"));
    };
    if duration.is_negative() {
        return Err("a duration cannot be negative".to_owned());
    }
    Ok(duration)
}

/// Reads how long a lock holds that is not renewed, such as `60s`.
///
/// # Errors
///
/// A sentence that says what is expected.
pub fn lease(text: &str) -> Result<SignedDuration, String> {
    let lease = duration(text)?;
    let is_whole = lease.subsec_nanos() == 0;
    let fits = lease >= SignedDuration::from_secs(1) && lease <= SignedDuration::from_hours(1);
    match is_whole && fits {
        true => Ok(lease),
        false => Err("expected whole seconds, from 1s to 1h".to_owned()),
    }
}

/// Reads a duration in whole seconds: a number of them, or `1h`.
///
/// # Errors
///
/// A sentence that says what is expected.
pub fn seconds(text: &str) -> Result<u32, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let unusable = || format!("`{text}` is no duration: expected 1h, 90m or a number of seconds");
    let duration = duration(text).map_err(|_| unusable())?;
    match u32::try_from(duration.as_secs()) {
        Ok(seconds) if duration.subsec_nanos() == 0 => Ok(seconds),
        _ => Err(unusable()),
    }
}

fn optional<T, E: std::error::Error + Send + Sync + 'static>(
    text: &Option<String>,
    flag: &'static str,
    check: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Error> {
    text.as_deref()
        .map(check)
        .transpose()
        .map_err(Error::invalid(flag))
}

fn own_tags(texts: &[String]) -> Result<Vec<(TagKey, TagValue)>, Error> {
    let mut own: Vec<(TagKey, TagValue)> = Vec::new();
    for text in texts {
        let refused = |why| Error::Tag {
            tag: text.clone(),
            why,
        };
        let (key, value) = text.split_once('=').ok_or(refused("it is not KEY=VALUE"))?;
        let key = TagKey::new(key).map_err(Error::invalid("--tag"))?;
        let value = TagValue::new(value).map_err(Error::invalid("--tag"))?;
        let same = |other: &str| other.to_lowercase() == key.as_str().to_lowercase();
        let is_record = key.as_str().to_lowercase().starts_with(tags::APPLIED);
        if is_record || tags::RESERVED.iter().any(|reserved| same(reserved)) {
            return Err(refused("this program sets that tag itself"));
        }
        if own.iter().any(|(other, _)| same(other.as_str())) {
            return Err(refused(
                "the key is given twice (IAM ignores the case of keys)",
            ));
        }
        own.push((key, value));
    }
    // The source commit is only left out where there is no room for it, and locks have tags of their own.
    let apart = [tags::SOURCE_COMMIT, tags::LOCK];
    let ours = tags::RESERVED.iter().filter(|key| !apart.contains(key));
    let ours = ours.count();
    if own.len() + ours > tags::MAX_TAGS {
        return Err(Error::Tag {
            tag: texts.join(" "),
            why: "IAM allows 50 tags on a role, ours among them",
        });
    }
    Ok(own)
}

fn deduplicated(mut issuers: Vec<Issuer>) -> Vec<Issuer> {
    let mut seen = BTreeSet::new();
    issuers.retain(|issuer| seen.insert(issuer.clone()));
    issuers
}

#[cfg(test)]
mod tests;
