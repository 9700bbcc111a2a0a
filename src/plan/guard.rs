//! Refusals: states of the account in which going on would do harm.
//!
//! Checked between planning and the first write. A refusal stops everything.

use crate::model::arn::OidcProviderArn;
use crate::model::cluster::Audience;

/// Why nothing is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The account: roles would trust a provider that is not there.
    #[error(
        "OIDC provider `{0}` is not registered in the account, so no pod could assume the roles"
    )]
    NoProvider(OidcProviderArn),
    /// The account: tokens for that audience would be refused.
    #[error(
        "OIDC provider `{provider}` does not accept audience `{audience}`, so no pod could assume the roles"
    )]
    NoAudience {
        /// The provider.
        provider: OidcProviderArn,
        /// The audience that trust policies ask for.
        audience: Audience,
    },
}

impl Refusal {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoProvider(arn) => format!(
                "register it: aws iam create-open-id-connect-provider --url https://{} --client-id-list {}; or correct --oidc-provider",
                arn.issuer,
                Audience::DEFAULT
            ),
            Self::NoAudience { provider, audience } => format!(
                "add it: aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {provider} --client-id {}; or set --audience",
                audience.as_str()
            ),
        }
    }
}

/// Refuses to make roles that no pod could assume. `accepted` is `None` where the provider is not
/// registered.
pub fn check_provider(
    provider: OidcProviderArn,
    accepted: Option<&[String]>,
    audience: Option<&Audience>,
) -> Result<(), Refusal> {
    match (accepted, audience) {
        (None, _) => Err(Refusal::NoProvider(provider)),
        (Some(accepted), Some(audience)) if !accepted.iter().any(|a| a == audience.as_str()) => {
            Err(Refusal::NoAudience {
                provider,
                audience: audience.clone(),
            })
        }
        (Some(_), _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::arn::{AwsAccountId, Partition};
    use crate::model::cluster::Issuer;

    #[test]
    fn i2_a_provider_that_is_missing_or_lacks_the_audience_is_refused() {
        let provider = OidcProviderArn {
            partition: Partition::new("aws").expect("valid"),
            account: AwsAccountId::new("123456789012").expect("valid"),
            issuer: Issuer::new("oidc.example.com").expect("valid"),
        };
        let sts = Audience::default();
        let accepted = ["sts.amazonaws.com".to_owned()];
        let other = ["other".to_owned()];
        let check = |accepted, audience| check_provider(provider.clone(), accepted, audience);
        assert_eq!(check(Some(&accepted), Some(&sts)), Ok(()));
        assert_eq!(check(Some(&other), None), Ok(()));
        let missing = check(None, Some(&sts)).expect_err("refused");
        assert!(
            missing
                .hint()
                .contains("create-open-id-connect-provider --url https://oidc.example.com ")
        );
        let lacking = check(Some(&other), Some(&sts)).expect_err("refused");
        assert!(lacking.hint().contains("--client-id sts.amazonaws.com"));
    }
}
