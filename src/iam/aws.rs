//! IAM of AWS, through its SDK: all that knows the SDK's types.
//!
//! The SDK's own retries are off: it cannot know that CreateRole must not be sent twice, and one
//! rate has to hold for all calls of an account. What may be sent again is decided in `call`.

use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::ProvideCredentials;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::timeout::TimeoutConfig;
use aws_sdk_iam::types;

use super::error::{Error, Kind};
use super::limiter::Limiter;
use super::{Caller, IamReader, IamWriter, OidcProvider, Quotas, document};
use crate::model::access::Access;
use crate::model::arn::{AwsAccountId, OidcProviderArn, Partition};
use crate::model::role::{
    Attachments, CurrentRole, ListedRole, NewRole, RoleId, RoleName, RolePath, SessionDuration,
};
use crate::model::tags::Tags;
use crate::model::trust_policy::TrustDocument;

mod call;

use call::{Nature, call};

/// The name under which sessions of assumed roles show up in CloudTrail.
const SESSION_NAME: &str = "irsa-gitops";

/// How many roles are asked for on a page: the most IAM gives.
const PAGE_SIZE: i32 = 1000;

/// How long one attempt may take; IAM answers in well under a second.
const ATTEMPT: std::time::Duration = std::time::Duration::from_secs(30);

/// A client that can only read.
#[derive(Clone, Debug)]
pub struct Reader {
    iam: aws_sdk_iam::Client,
    sts: aws_sdk_sts::Client,
    limiter: Limiter,
}

/// A client that can write as well.
#[derive(Clone, Debug)]
pub struct Writer {
    reader: Reader,
}

impl Reader {
    /// Makes a client and makes sure that there are credentials.
    ///
    /// # Errors
    ///
    /// [`Kind::Credentials`] if there are none.
    pub async fn connect(access: &Access) -> Result<Self, Error> {
        let config = configuration(access).await;
        if let Some(credentials) = config.credentials_provider() {
            credentials
                .provide_credentials()
                .await
                .map_err(|error| Error {
                    action: "credentials",
                    role: None,
                    kind: Kind::Credentials,
                    message: no_credentials(&error),
                    source: None,
                })?;
        }
        Ok(Self {
            iam: aws_sdk_iam::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            limiter: Limiter::default(),
        })
    }
}

impl Writer {
    /// Makes a client and makes sure that there are credentials.
    ///
    /// # Errors
    ///
    /// [`Kind::Credentials`] if there are none.
    pub async fn connect(access: &Access) -> Result<Self, Error> {
        Ok(Self {
            reader: Reader::connect(access).await?,
        })
    }
}

/// The causes of a credential error, from the outside in. They name providers and files; the SDK
/// keeps secrets out of them.
fn no_credentials(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    // The SDK lists what it tried line by line.
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

async fn configuration(access: &Access) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let mut config = loader.load().await;
    if config.region().is_none() {
        // IAM is one for all regions of a partition; without any word it is the standard one.
        config = config
            .to_builder()
            .region(Region::from_static("us-east-1"))
            .build();
    }
    if let Some((token_path, role)) = &access.web_identity {
        let provider = WebIdentityTokenCredentialsProvider::builder()
            .static_configuration(StaticConfiguration {
                web_identity_token_file: token_path.into(),
                role_arn: role.to_string(),
                session_name: SESSION_NAME.to_owned(),
            })
            .build();
        config = with_credentials(&config, provider);
    }
    if let Some(role) = &access.assume_role {
        let provider = AssumeRoleProvider::builder(role.to_string())
            .session_name(SESSION_NAME)
            .configure(&config)
            .build()
            .await;
        config = with_credentials(&config, provider);
    }
    config
}

fn with_credentials(config: &SdkConfig, provider: impl ProvideCredentials + 'static) -> SdkConfig {
    let provider = aws_sdk_iam::config::SharedCredentialsProvider::new(provider);
    config.to_builder().credentials_provider(provider).build()
}

/// A reply that lacks what IAM always sends.
fn bad_reply(action: &'static str, role: Option<&RoleName>, what: impl Into<String>) -> Error {
    let message = what.into();
    Error {
        action,
        role: role.cloned(),
        kind: Kind::BadReply,
        message,
        source: None,
    }
}

fn listed(action: &'static str, role: &types::Role) -> Result<ListedRole, Error> {
    let wrong = |what: String| bad_reply(action, None, what);
    let trust = role.assume_role_policy_document();
    let trust =
        trust.ok_or_else(|| wrong(format!("role `{}` has no trust policy", role.role_name())))?;
    Ok(ListedRole {
        name: RoleName::new(role.role_name()).map_err(|error| wrong(error.to_string()))?,
        id: RoleId::new(role.role_id()),
        path: RolePath::new(role.path()).map_err(|error| wrong(error.to_string()))?,
        trust_policy: document::decode(trust),
        max_session_seconds: role
            .max_session_duration()
            .and_then(|s| u32::try_from(s).ok()),
    })
}

fn current(role: &types::Role) -> Result<CurrentRole, Error> {
    let boundary = role.permissions_boundary();
    let last_used = role.role_last_used().and_then(|used| used.last_used_date());
    Ok(CurrentRole {
        listed: listed("iam:GetRole", role)?,
        tags: role
            .tags()
            .iter()
            .map(|tag| (tag.key(), tag.value()))
            .collect(),
        permissions_boundary: boundary
            .and_then(|boundary| boundary.permissions_boundary_arn())
            .map(str::to_owned),
        last_used: last_used.map(ToString::to_string),
    })
}

impl IamReader for Reader {
    async fn caller(&self) -> Result<Caller, Error> {
        const ACTION: &str = "sts:GetCallerIdentity";
        let reply = call(&self.limiter, Nature::Read, ACTION, None, || {
            self.sts.get_caller_identity().send()
        });
        let reply = reply.await?;
        let arn = reply.arn().unwrap_or_default().to_owned();
        let wrong = |error| bad_reply(ACTION, None, format!("{error}"));
        let account = AwsAccountId::new(reply.account().unwrap_or_default()).map_err(wrong)?;
        let partition = arn.split(':').nth(1).unwrap_or_default();
        let partition = Partition::new(partition).map_err(wrong)?;
        Ok(Caller {
            account,
            partition,
            arn,
        })
    }

    async fn list_roles(&self) -> Result<Vec<ListedRole>, Error> {
        const ACTION: &str = "iam:ListRoles";
        let wrong = |what: &str| {
            bad_reply(
                ACTION,
                None,
                format!("{what}, so the listing is incomplete"),
            )
        };
        let mut roles = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = call(&self.limiter, Nature::Read, ACTION, None, || {
                let request = self.iam.list_roles().max_items(PAGE_SIZE);
                request.set_marker(marker.clone()).send()
            });
            let page = page.await?;
            for role in page.roles() {
                roles.push(listed(ACTION, role)?);
            }
            if !page.is_truncated() {
                return Ok(roles);
            }
            let next = page.marker().filter(|next| !next.is_empty());
            let next = next.ok_or_else(|| wrong("a truncated page has no marker"))?;
            if marker.as_deref() == Some(next) {
                return Err(wrong("a marker was repeated"));
            }
            if page.roles().is_empty() {
                return Err(wrong("a truncated page is empty"));
            }
            marker = Some(next.to_owned());
        }
    }

    async fn role(&self, name: &RoleName) -> Result<Option<CurrentRole>, Error> {
        const ACTION: &str = "iam:GetRole";
        let reply = call(&self.limiter, Nature::Read, ACTION, Some(name), || {
            self.iam.get_role().role_name(name.as_str()).send()
        });
        match reply.await {
            Ok(reply) => {
                let role = reply
                    .role()
                    .ok_or_else(|| bad_reply(ACTION, Some(name), "the reply has no role"))?;
                current(role).map(Some)
            }
            Err(error) if error.kind == Kind::NoSuchEntity => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn oidc_provider(&self, arn: &OidcProviderArn) -> Result<Option<OidcProvider>, Error> {
        const ACTION: &str = "iam:GetOpenIDConnectProvider";
        let reply = call(&self.limiter, Nature::Read, ACTION, None, || {
            let request = self.iam.get_open_id_connect_provider();
            request.open_id_connect_provider_arn(arn.to_string()).send()
        });
        match reply.await {
            Ok(reply) => Ok(Some(OidcProvider {
                audiences: reply.client_id_list().to_vec(),
            })),
            Err(error) if error.kind == Kind::NoSuchEntity => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn attachments(&self, name: &RoleName) -> Result<Attachments, Error> {
        const ATTACHED: &str = "iam:ListAttachedRolePolicies";
        const INLINE: &str = "iam:ListRolePolicies";
        const PROFILES: &str = "iam:ListInstanceProfilesForRole";
        let Self { iam, limiter, .. } = self;
        let (role, name) = (name.as_str(), Some(name));
        let attached = call(limiter, Nature::Read, ATTACHED, name, || {
            iam.list_attached_role_policies().role_name(role).send()
        });
        let inline = call(limiter, Nature::Read, INLINE, name, || {
            iam.list_role_policies().role_name(role).send()
        });
        let profiles = call(limiter, Nature::Read, PROFILES, name, || {
            iam.list_instance_profiles_for_role().role_name(role).send()
        });
        // One page is enough to know that something is there, and IAM's quotas make it the whole.
        let (attached, inline, profiles) = (attached.await?, inline.await?, profiles.await?);
        let arns = attached.attached_policies().iter();
        let profiles = profiles.instance_profiles().iter();
        Ok(Attachments {
            attached_policies: arns
                .filter_map(|p| p.policy_arn().map(str::to_owned))
                .collect(),
            inline_policies: inline.policy_names().to_vec(),
            instance_profiles: profiles
                .map(|p| p.instance_profile_name().to_owned())
                .collect(),
        })
    }

    async fn quotas(&self) -> Result<Quotas, Error> {
        let reply = call(
            &self.limiter,
            Nature::Read,
            "iam:GetAccountSummary",
            None,
            || self.iam.get_account_summary().send(),
        );
        let reply = reply.await?;
        let value = |key: &str| {
            let entries = reply.summary_map().into_iter().flatten();
            let mut values = entries
                .filter(|(name, _)| name.as_str() == key)
                .map(|(_, v)| *v);
            values.next().and_then(|value| u64::try_from(value).ok())
        };
        // What the account does not say cannot be predicted; IAM has the last word then.
        Ok(Quotas {
            roles: value("Roles").unwrap_or(0),
            roles_quota: value("RolesQuota").unwrap_or(u64::MAX),
            trust_policy_size_quota: value("AssumeRolePolicySizeQuota").unwrap_or(u64::MAX),
        })
    }
}

impl IamReader for Writer {
    async fn caller(&self) -> Result<Caller, Error> {
        self.reader.caller().await
    }

    async fn list_roles(&self) -> Result<Vec<ListedRole>, Error> {
        self.reader.list_roles().await
    }

    async fn role(&self, name: &RoleName) -> Result<Option<CurrentRole>, Error> {
        self.reader.role(name).await
    }

    async fn oidc_provider(&self, arn: &OidcProviderArn) -> Result<Option<OidcProvider>, Error> {
        self.reader.oidc_provider(arn).await
    }

    async fn attachments(&self, name: &RoleName) -> Result<Attachments, Error> {
        self.reader.attachments(name).await
    }

    async fn quotas(&self) -> Result<Quotas, Error> {
        self.reader.quotas().await
    }
}

impl IamWriter for Writer {
    fn halt(&self) {
        self.reader.limiter.close();
    }

    async fn create_role(&self, role: &NewRole) -> Result<RoleId, Error> {
        const ACTION: &str = "iam:CreateRole";
        let Reader { iam, limiter, .. } = &self.reader;
        let name = &role.arn.name;
        let tags = tag_list(&role.tags).map_err(|what| bad_reply(ACTION, Some(name), what))?;
        let duration = role
            .max_session_duration
            .and_then(|d| i32::try_from(d.as_seconds()).ok());
        let reply = call(limiter, Nature::Write, ACTION, Some(name), || {
            iam.create_role()
                .role_name(name.as_str())
                .path(role.arn.path.as_str())
                .assume_role_policy_document(role.trust_policy.as_str())
                .set_tags(Some(tags.clone()))
                .set_permissions_boundary(role.permissions_boundary.clone())
                .set_max_session_duration(duration)
                .send()
        });
        let reply = reply.await?;
        let made = reply.role().map(|role| RoleId::new(role.role_id()));
        made.ok_or_else(|| Error {
            kind: Kind::OutcomeUnknown,
            ..bad_reply(ACTION, Some(name), "the reply has no role")
        })
    }

    async fn update_trust_policy(
        &self,
        name: &RoleName,
        document: &TrustDocument,
    ) -> Result<(), Error> {
        let Reader { iam, limiter, .. } = &self.reader;
        let reply = call(
            limiter,
            Nature::Write,
            "iam:UpdateAssumeRolePolicy",
            Some(name),
            || {
                let request = iam.update_assume_role_policy().role_name(name.as_str());
                request.policy_document(document.as_str()).send()
            },
        );
        reply.await.map(drop)
    }

    async fn tag_role(&self, name: &RoleName, tags: &Tags) -> Result<(), Error> {
        const ACTION: &str = "iam:TagRole";
        let Reader { iam, limiter, .. } = &self.reader;
        let tags = tag_list(tags).map_err(|what| bad_reply(ACTION, Some(name), what))?;
        let reply = call(limiter, Nature::Write, ACTION, Some(name), || {
            iam.tag_role()
                .role_name(name.as_str())
                .set_tags(Some(tags.clone()))
                .send()
        });
        reply.await.map(drop)
    }

    async fn untag_role(&self, name: &RoleName, keys: &[&str]) -> Result<(), Error> {
        let Reader { iam, limiter, .. } = &self.reader;
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let reply = call(limiter, Nature::Write, "iam:UntagRole", Some(name), || {
            iam.untag_role()
                .role_name(name.as_str())
                .set_tag_keys(Some(keys.clone()))
                .send()
        });
        reply.await.map(drop)
    }

    async fn update_session_duration(
        &self,
        name: &RoleName,
        duration: SessionDuration,
    ) -> Result<(), Error> {
        let Reader { iam, limiter, .. } = &self.reader;
        let seconds = i32::try_from(duration.as_seconds()).ok();
        let reply = call(limiter, Nature::Write, "iam:UpdateRole", Some(name), || {
            let request = iam.update_role().role_name(name.as_str());
            request.set_max_session_duration(seconds).send()
        });
        reply.await.map(drop)
    }

    async fn delete_role(&self, name: &RoleName) -> Result<(), Error> {
        let Reader { iam, limiter, .. } = &self.reader;
        let reply = call(limiter, Nature::Write, "iam:DeleteRole", Some(name), || {
            iam.delete_role().role_name(name.as_str()).send()
        });
        reply.await.map(drop)
    }
}

fn tag_list(tags: &Tags) -> Result<Vec<types::Tag>, String> {
    let tag = |(key, value)| types::Tag::builder().key(key).value(value).build();
    tags.iter()
        .map(tag)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}
