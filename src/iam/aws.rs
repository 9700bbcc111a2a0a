//! IAM of AWS, through its SDK: all that knows the SDK's types.
//!
//! The SDK's own retries are off: it cannot know that CreateRole must not be sent twice, and one
//! rate has to hold for all calls of an account. What may be sent again is decided in `call`.

use aws_sdk_iam::config::ProvideCredentials;
use aws_sdk_iam::types;

use super::error::{Error, Kind};
use super::{Caller, IamReader, IamWriter, OidcProvider, Quotas};
use crate::model::access::Access;
use crate::model::arn::{AwsAccountId, OidcProviderArn, Partition};
use crate::model::role::{
    Attachments, CurrentRole, ListedRole, NewRole, RoleId, RoleName, SessionDuration,
};
use crate::model::tags::Tags;
use crate::model::trust_policy::TrustDocument;

mod access;
mod authorities;
mod call;
mod credentials;
mod pages;
mod reply;
mod role;

use access::configuration;
use call::{Line, Nature, call, find};
use credentials::{Unusable, check_token_file};
use pages::Page;
use reply::Whole;
use role::{current, detailed, listed};

/// Shows tags and boundary of all roles at once.
const DETAILS: &str = "iam:GetAccountAuthorizationDetails";

/// How many roles are asked for on a page: the most IAM gives.
const PAGE_SIZE: i32 = 1000;

/// Whether a panic on this thread is handled where it happens, so that nobody need hear of it.
pub fn handles_panics() -> bool {
    credentials::is_quiet()
}

/// A client that can only read.
#[derive(Clone, Debug)]
pub struct Reader {
    iam: aws_sdk_iam::Client,
    sts: aws_sdk_sts::Client,
    line: Line,
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
    /// [`Kind::Credentials`] if there are none, [`Kind::Unusable`] if they cannot be any.
    pub async fn connect(access: &Access) -> Result<Self, Error> {
        let mut line = Line::default();
        let failed = |line: &Line, kind, text: &str| Error {
            action: "credentials",
            role: None,
            kind,
            message: line.presentable(text),
            source: None,
        };
        let config = configuration(access).await;
        let config = config.map_err(|error| failed(&line, Kind::Unusable, &error.to_string()))?;
        if let Some(provider) = config.credentials_provider() {
            let credentials = provider.provide_credentials().await;
            let credentials = credentials.map_err(|error| match find::<Unusable>(&error) {
                Some(unusable) => failed(&line, Kind::Unusable, &unusable.to_string()),
                None => match check_token_file() {
                    Err(error) => failed(&line, Kind::Unusable, &error.to_string()),
                    Ok(()) => {
                        let kind = credentials::kind(&error);
                        failed(&line, kind, &credentials::diagnosis(&error, access))
                    }
                },
            })?;
            let session = credentials.session_token();
            line.hide([credentials.access_key_id(), credentials.secret_access_key()]);
            line.hide(session);
        }
        let [at_sts, at_iam] = line.hosts().clone();
        let iam = aws_sdk_iam::config::Builder::from(&config).interceptor(Whole(at_iam));
        let sts = aws_sdk_sts::config::Builder::from(&config).interceptor(Whole(at_sts));
        Ok(Self {
            iam: aws_sdk_iam::Client::from_conf(iam.build()),
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
            line,
        })
    }
}

impl Writer {
    /// Makes a client and makes sure that there are credentials.
    ///
    /// # Errors
    ///
    /// [`Kind::Credentials`] if there are none, [`Kind::Unusable`] if they cannot be any.
    pub async fn connect(access: &Access) -> Result<Self, Error> {
        Ok(Self {
            reader: Reader::connect(access).await?,
        })
    }
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

impl IamReader for Reader {
    async fn caller(&self) -> Result<Caller, Error> {
        const ACTION: &str = "sts:GetCallerIdentity";
        let reply = call(&self.line, Nature::Read, ACTION, None, || {
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
        let ask = |marker: Option<String>| async move {
            let page = call(&self.line, Nature::Read, ACTION, None, || {
                let request = self.iam.list_roles().max_items(PAGE_SIZE);
                request.set_marker(marker.clone()).send()
            });
            let page = page.await?;
            Ok(Page {
                entries: page.roles,
                is_truncated: page.is_truncated,
                marker: page.marker,
            })
        };
        pages::all(ACTION, ask, |role| listed(ACTION, role), |role| &role.name).await
    }

    async fn all_roles(&self) -> Result<Option<Vec<CurrentRole>>, Error> {
        let ask = |marker: Option<String>| async move {
            let page = call(&self.line, Nature::Read, DETAILS, None, || {
                let request = self.iam.get_account_authorization_details();
                let request = request.filter(types::EntityType::Role);
                let request = request.max_items(PAGE_SIZE);
                request.set_marker(marker.clone()).send()
            });
            let page = page.await?;
            Ok(Page {
                entries: page.role_detail_list.unwrap_or_default(),
                is_truncated: page.is_truncated,
                marker: page.marker,
            })
        };
        match pages::all(DETAILS, ask, detailed, |role| &role.listed.name).await {
            Err(error) if error.kind == Kind::AccessDenied => {
                tracing::info!("{error}: every role is read by itself");
                Ok(None)
            }
            roles => roles.map(Some),
        }
    }

    async fn role(&self, name: &RoleName) -> Result<Option<CurrentRole>, Error> {
        const ACTION: &str = "iam:GetRole";
        let reply = call(&self.line, Nature::Read, ACTION, Some(name), || {
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
        let reply = call(&self.line, Nature::Read, ACTION, None, || {
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
        let Self { iam, line, .. } = self;
        let (role, name) = (name.as_str(), Some(name));
        let attached = call(line, Nature::Read, ATTACHED, name, || {
            iam.list_attached_role_policies().role_name(role).send()
        });
        let inline = call(line, Nature::Read, INLINE, name, || {
            iam.list_role_policies().role_name(role).send()
        });
        let profiles = call(line, Nature::Read, PROFILES, name, || {
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
            &self.line,
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

impl IamWriter for Writer {
    type Reader = Reader;

    fn reader(&self) -> &Reader {
        &self.reader
    }

    fn halt(&self) {
        self.reader.line.close();
    }

    async fn create_role(&self, role: &NewRole) -> Result<RoleId, Error> {
        const ACTION: &str = "iam:CreateRole";
        let Reader { iam, line, .. } = &self.reader;
        let name = &role.arn.name;
        let tags = tag_list(&role.tags).map_err(|what| bad_reply(ACTION, Some(name), what))?;
        let duration = role
            .max_session_duration
            .and_then(|d| i32::try_from(d.as_seconds()).ok());
        let reply = call(line, Nature::Write, ACTION, Some(name), || {
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
        let Reader { iam, line, .. } = &self.reader;
        let reply = call(
            line,
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
        let Reader { iam, line, .. } = &self.reader;
        let tags = tag_list(tags).map_err(|what| bad_reply(ACTION, Some(name), what))?;
        let reply = call(line, Nature::Write, ACTION, Some(name), || {
            iam.tag_role()
                .role_name(name.as_str())
                .set_tags(Some(tags.clone()))
                .send()
        });
        reply.await.map(drop)
    }

    async fn untag_role(&self, name: &RoleName, keys: &[&str]) -> Result<(), Error> {
        let Reader { iam, line, .. } = &self.reader;
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let reply = call(line, Nature::Write, "iam:UntagRole", Some(name), || {
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
        let Reader { iam, line, .. } = &self.reader;
        let seconds = i32::try_from(duration.as_seconds()).ok();
        let reply = call(line, Nature::Write, "iam:UpdateRole", Some(name), || {
            let request = iam.update_role().role_name(name.as_str());
            request.set_max_session_duration(seconds).send()
        });
        reply.await.map(drop)
    }

    async fn delete_role(&self, name: &RoleName) -> Result<(), Error> {
        let Reader { iam, line, .. } = &self.reader;
        let reply = call(line, Nature::Write, "iam:DeleteRole", Some(name), || {
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
