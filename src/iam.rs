//! IAM as this program sees it: a reader and a writer, for AWS and for the embedded sandbox.
//!
//! In: identifiers and documents of `model`. Out: current roles, or an [`Error`] that names the
//! action and the role. Decides nothing. `aws_sdk_iam`, `aws_config` and `aws_sdk_sts` stop here.

use std::collections::BTreeMap;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
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

/// How long a listed role that cannot be read is looked for: reads may lag behind each other.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

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

/// Reads listed roles in full, many at once where that is allowed, else several at a time; `None` for
/// one that is gone.
///
/// # Errors
///
/// The first call that failed: a part of the roles is no basis for a plan.
pub async fn read_in_full(
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
            let found = roles.remove(name);
            let found = found.filter(|role| !role.listed.trust_policy.has_unresolved_principal());
            let (Some(mut role), Some(listed)) = (found, current.listed(name)) else {
                return true;
            };
            role.listed.max_session_seconds = listed.max_session_seconds;
            read.push((name.clone(), Some(role)));
            false
        });
    }
    let one = async |name: &RoleName| Ok((name.clone(), settled(iam, name).await?));
    let mut roles = futures::stream::iter(&missing)
        .map(one)
        .buffered(CONCURRENCY);
    while let Some(role) = roles.try_next().await? {
        read.push(role);
    }
    Ok(read)
}

/// A role as it is once reads agree with each other: one that the listing shows and GetRole does not,
/// or one whose trust policy shows the id of a principal, is looked at again for a while.
async fn settled(iam: &impl IamReader, name: &RoleName) -> Result<Option<CurrentRole>, Error> {
    let look = || async {
        match iam.role(name).await {
            Ok(Some(role)) if !role.listed.trust_policy.has_unresolved_principal() => {
                Ok(Some(role))
            }
            unsettled => Err(unsettled),
        }
    };
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(8))
        .with_total_delay(Some(SETTLES_WITHIN))
        .without_max_times();
    let found = look.retry(backoff).when(Result::is_ok).await;
    found.or_else(|unsettled| unsettled)
}
