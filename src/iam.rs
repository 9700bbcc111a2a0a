//! IAM as this program sees it: a reader and a writer, for AWS and for the embedded sandbox.
//!
//! In: identifiers and documents of `model`. Out: current roles, or an [`Error`] that names the
//! action and the role. Decides nothing. `aws_sdk_iam`, `aws_config` and `aws_sdk_sts` stop here.

use std::collections::BTreeMap;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{StreamExt, TryStreamExt};

use crate::model::arn::{AwsAccountId, OidcProviderArn, Partition};
use crate::model::quotas::Quotas;
use crate::model::role::{
    Attachments, CurrentRole, CurrentRoles, ListedRole, NewRole, RoleId, RoleName, SessionDuration,
};
use crate::model::tags::Tags;
use crate::model::trust_policy::TrustDocument;

pub mod audit;
pub mod aws;
pub mod client;
mod document;
pub mod error;
mod limiter;
pub mod sandbox;

pub use error::{Error, Kind};

/// How many roles are read at a time; the limiter holds the rate.
const CONCURRENCY: usize = 12;

/// More roles than this are worth asking for all at once.
const MANY: usize = 20;

/// How long listed roles that cannot be read are looked for: reads may lag behind each other.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// How long principals that are shown by their ids are waited for: of one that is new IAM shows the
/// name in seconds, of one that is gone never.
const RESOLVES_WITHIN: Duration = Duration::from_secs(8);

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: AwsAccountId,
    /// The partition.
    pub partition: Partition,
    /// The caller's own ARN.
    pub arn: String,
}

/// A registered OIDC provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProvider {
    /// The audiences (client ids) it accepts.
    pub audiences: Vec<String>,
}

/// Calls that change nothing. All that planning is given.
pub trait IamReader: Sync {
    /// Who we are (`sts:GetCallerIdentity`).
    fn caller(&self) -> impl Future<Output = Result<Caller, Error>> + Send;

    /// Every role of the account (`iam:ListRoles`, pages of 1000), complete or an error.
    fn list_roles(&self) -> impl Future<Output = Result<Vec<ListedRole>, Error>> + Send;

    /// Every role with its tags (`iam:GetAccountAuthorizationDetails`), but without how long its
    /// sessions may last; `None` where that is not to be had.
    fn all_roles(&self) -> impl Future<Output = Result<Option<Vec<CurrentRole>>, Error>> + Send {
        std::future::ready(Ok(None))
    }

    /// One role with its tags (`iam:GetRole`); `None` if there is no such role.
    fn role(
        &self,
        name: &RoleName,
    ) -> impl Future<Output = Result<Option<CurrentRole>, Error>> + Send;

    /// An OIDC provider (`iam:GetOpenIDConnectProvider`); `None` if it is not registered.
    fn oidc_provider(
        &self,
        arn: &OidcProviderArn,
    ) -> impl Future<Output = Result<Option<OidcProvider>, Error>> + Send;

    /// What is attached to a role (`iam:ListAttachedRolePolicies`, `iam:ListRolePolicies`,
    /// `iam:ListInstanceProfilesForRole`).
    fn attachments(
        &self,
        name: &RoleName,
    ) -> impl Future<Output = Result<Attachments, Error>> + Send;

    /// The account's quotas (`iam:GetAccountSummary`).
    fn quotas(&self) -> impl Future<Output = Result<Quotas, Error>> + Send;
}

/// Calls that change roles.
///
/// None of them is sent twice by itself unless IAM said that the first had no effect: whoever gets
/// [`Kind::OutcomeUnknown`] re-reads the role and decides.
pub trait IamWriter: Sync {
    /// What reads the same account.
    type Reader: IamReader;

    /// Reads the same account.
    fn reader(&self) -> &Self::Reader;

    /// From now on no write is sent any more: those that wait for their turn fail with
    /// [`Kind::Halted`]. Reads go on, so that what was sent can be settled.
    fn halt(&self) {}

    /// Makes a role with all its tags (`iam:CreateRole`, `iam:TagRole`).
    fn create_role(&self, role: &NewRole) -> impl Future<Output = Result<RoleId, Error>> + Send;

    /// Replaces the trust policy (`iam:UpdateAssumeRolePolicy`).
    fn update_trust_policy(
        &self,
        name: &RoleName,
        document: &TrustDocument,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Adds or replaces tags, leaving others (`iam:TagRole`).
    fn tag_role(
        &self,
        name: &RoleName,
        tags: &Tags,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes tags away by key (`iam:UntagRole`).
    fn untag_role(
        &self,
        name: &RoleName,
        keys: &[&str],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Sets how long sessions may last (`iam:UpdateRole`).
    fn update_session_duration(
        &self,
        name: &RoleName,
        duration: SessionDuration,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Deletes a role (`iam:DeleteRole`); IAM refuses while policies or instance profiles are attached.
    fn delete_role(&self, name: &RoleName) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Reads listed roles in full; `None` for one that is gone. One that the listing shows and GetRole does
/// not is looked at again for a while, once for all of them together.
///
/// # Errors
///
/// The first call that failed: a part of the roles is no basis for a plan.
pub async fn read_in_full(
    iam: &impl IamReader,
    names: &[RoleName],
    current: &CurrentRoles,
) -> Result<Vec<(RoleName, Option<CurrentRole>)>, Error> {
    read_until(iam, names, current, SETTLES_WITHIN, Option::is_some).await
}

/// Reads roles again until their trust policies show all principals by name, once for all of them
/// together. What shows an id then names somebody who was deleted.
///
/// # Errors
///
/// As [`read_in_full`].
pub async fn read_resolved(
    iam: &impl IamReader,
    names: &[RoleName],
    current: &CurrentRoles,
) -> Result<Vec<(RoleName, Option<CurrentRole>)>, Error> {
    let is_resolved = |role: &Option<CurrentRole>| {
        let document = role.as_ref().map(|role| &role.listed.trust_policy);
        document.is_some_and(|document| !document.has_unresolved_principal())
    };
    read_until(iam, names, current, RESOLVES_WITHIN, is_resolved).await
}

/// Reads roles, and those that are not settled again, until all are or the patience is over.
async fn read_until(
    iam: &impl IamReader,
    names: &[RoleName],
    current: &CurrentRoles,
    patience: Duration,
    is_settled: impl Fn(&Option<CurrentRole>) -> bool,
) -> Result<Vec<(RoleName, Option<CurrentRole>)>, Error> {
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(8))
        .with_total_delay(Some(patience))
        .without_max_times()
        .build();
    let mut roles = read_once(iam, names, current).await?;
    loop {
        let unsettled = roles.extract_if(.., |(_, role)| !is_settled(role));
        let unsettled: Vec<_> = unsettled.collect();
        let pause = pauses.next().filter(|_| !unsettled.is_empty());
        let Some(pause) = pause else {
            roles.extend(unsettled);
            return Ok(roles);
        };
        tokio::time::sleep(pause).await;
        let names: Vec<RoleName> = unsettled.into_iter().map(|(name, _)| name).collect();
        roles.extend(read_once(iam, &names, current).await?);
    }
}

/// Reads roles, many at once where that is allowed, else several at a time.
async fn read_once(
    iam: &impl IamReader,
    names: &[RoleName],
    current: &CurrentRoles,
) -> Result<Vec<(RoleName, Option<CurrentRole>)>, Error> {
    let mut missing: Vec<RoleName> = names.to_vec();
    let mut read = Vec::new();
    // A page has a thousand roles at most, and may have fewer.
    if names.len() > MANY + current.iter().count() / 100
        && let Some(roles) = iam.all_roles().await?
    {
        let mut roles: BTreeMap<RoleName, CurrentRole> = roles
            .into_iter()
            .map(|role| (role.listed.name.clone(), role))
            .collect();
        missing.retain(|name| {
            let (Some(mut role), Some(listed)) = (roles.remove(name), current.listed(name)) else {
                return true;
            };
            role.listed.max_session_seconds = listed.max_session_seconds;
            read.push((name.clone(), Some(role)));
            false
        });
    }
    let one = async |name: &RoleName| Ok((name.clone(), iam.role(name).await?));
    let mut roles = futures::stream::iter(&missing)
        .map(one)
        .buffered(CONCURRENCY);
    while let Some(role) = roles.try_next().await? {
        read.push(role);
    }
    Ok(read)
}
