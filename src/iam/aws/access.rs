//! From what the user said about access to the SDK's configuration: region, credentials, time limits.

use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::ProvideCredentials;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::timeout::TimeoutConfig;

use crate::model::access::Access;

/// The name under which sessions of assumed roles show up in CloudTrail.
const SESSION_NAME: &str = "irsa-gitops";

/// How long one attempt may take; IAM answers in well under a second.
const ATTEMPT: std::time::Duration = std::time::Duration::from_secs(30);

/// The causes of a credential error, from the outside in. They name providers and files; the SDK
/// keeps secrets out of them.
pub(super) fn no_credentials(error: &dyn std::error::Error) -> String {
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

pub(super) async fn configuration(access: &Access) -> SdkConfig {
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
