//! From what the user said about access to the SDK's configuration: region, credentials, time limits.

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::timeout::TimeoutConfig;
use aws_sdk_iam::config::{ProvideCredentials, SharedCredentialsProvider};

use super::authorities;
use super::credentials::{
    Checked, SESSION_NAME, Unusable, WebIdentity, check_endpoint, check_environment,
};
use crate::model::access::Access;
use crate::model::arn::RoleArn;

/// How long one attempt may take; IAM answers in well under a second.
const ATTEMPT: std::time::Duration = std::time::Duration::from_secs(30);

/// What the clients of IAM and STS are made from.
///
/// The region is known before any provider of credentials is made: those that call STS take their
/// endpoint from the configuration that they are made with.
pub(super) async fn configuration(access: &Access) -> Result<SdkConfig, Unusable> {
    check_environment()?;
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(region(access).await?)
        .timeout_config(timeouts);
    if let Some(client) = authorities::client()? {
        loader = loader.http_client(client);
    }
    if access.web_identity.is_some() {
        // The default chain would only look for credentials that nobody uses.
        loader = loader.no_credentials();
    }
    let mut config = loader.load().await;
    if let Some(url) = config.endpoint_url() {
        check_endpoint("endpoint_url", url)?;
    }
    if let Some(provider) = config.credentials_provider() {
        config = with_credentials(&config, provider);
    }
    if let Some((token_path, role)) = &access.web_identity {
        let provider = WebIdentity::new(&config, token_path, role);
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
    // Credentials may be fetched again and again; whether a call to IAM may be is decided in `call`.
    let retries = RetryConfig::disabled();
    Ok(config.to_builder().retry_config(retries).build())
}

fn with_credentials(config: &SdkConfig, provider: impl ProvideCredentials + 'static) -> SdkConfig {
    let provider = SharedCredentialsProvider::new(Checked(provider));
    config.to_builder().credentials_provider(provider).build()
}

/// The region whose endpoints are used: the one of the settings, else the one that AWS' own tools
/// would use, else one of the partition that the credentials are for.
async fn region(access: &Access) -> Result<Region, Unusable> {
    if let Some(region) = &access.region {
        return Ok(Region::new(region.clone()));
    }
    // CI systems set to nothing what nobody gave a value.
    let mut variables = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok());
    let stated = variables.find(|text| !text.is_empty()).map(Region::new);
    let chain = RegionProviderChain::first_try(stated)
        .or_else(ProfileFileRegionProvider::new())
        .or_else(ImdsRegionProvider::builder().build());
    let Some(region) = chain.region().await else {
        return Ok(Region::from_static(default_region(access)));
    };
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if region.as_ref().is_empty() || !region.as_ref().bytes().all(legal) {
        let shown = region.as_ref().escape_debug();
        return Err(Unusable(format!(
            "`{shown}` is not an AWS region, such as `eu-west-1`; it comes from AWS_REGION, AWS_DEFAULT_REGION or the profile"
        )));
    }
    Ok(region)
}

/// A region of the partition that the role to assume is in, whoever names it.
fn default_region(access: &Access) -> &'static str {
    let web_identity = access.web_identity.as_ref().map(|(_, role)| role);
    let role = access.assume_role.as_ref().or(web_identity).cloned();
    let ambient = || RoleArn::parse(&std::env::var("AWS_ROLE_ARN").ok()?).ok();
    role.or_else(ambient)
        .map_or("us-east-1", |role| role.partition.default_region())
}
