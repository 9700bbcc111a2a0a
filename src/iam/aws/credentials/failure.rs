//! Why there are no credentials, in words that name what was asked for: a profile, a role, a host.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use base64::Engine;

use super::super::call::find;
use crate::iam::error::{HANGING, Kind, NO_PROFILE};
use crate::model::access::Access;
use crate::model::shell::quoted;

/// What the SDK's layers say around the cause, which only says that something failed.
const NOISE: [&str; 7] = [
    "the credential provider was not enabled: ",
    "an error occurred while loading credentials: ",
    "unexpected credentials error: ",
    "dispatch failure: ",
    "io error: ",
    "client error (Connect): ",
    "no credentials found in chain. Attempted:; ",
];

/// The causes of a credential error, from the outside in. They name providers and files; the SDK
/// keeps secrets out of them.
pub(in crate::iam::aws) fn explained(error: &dyn Error) -> String {
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
    let text = text.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    NOISE
        .iter()
        .fold(text, |text, noise| text.replace(noise, ""))
}

/// What kind of failure it is: whoever cannot be reached has refused nothing.
pub(in crate::iam::aws) fn kind(error: &CredentialsError) -> Kind {
    match find::<hyper_util::client::legacy::Error>(error) {
        Some(error) if error.is_connect() => Kind::Unavailable,
        _ if denial(error).is_some() => Kind::RoleDenied,
        // The SDK says the same of a profile that is not there.
        _ if matches!(error, CredentialsError::CredentialsNotLoaded(_)) => Kind::NoCredentials,
        // The metadata service is the last that is asked, and on a machine of another cloud, or behind a
        // proxy, somebody else answers in its place.
        _ if profile().is_none() && explained(error).contains("IMDS") => Kind::NoCredentials,
        _ => Kind::Credentials,
    }
}

/// The variable that names a profile, and the profile.
fn profile() -> Option<(&'static str, String)> {
    let names = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
    names
        .into_iter()
        .find_map(|name| Some((name, variable(name)?)))
}

/// Why there are no credentials, and what was to give them.
pub(in crate::iam::aws) fn diagnosis(error: &CredentialsError, access: &Access) -> String {
    let text = explained(error);
    let profile = profile();
    let kind = kind(error);
    // Whatever came after the profile in the chain and failed, such as a metadata service, was not meant.
    let fell_through = matches!(kind, Kind::NoCredentials | Kind::Credentials)
        && access.web_identity.is_none()
        && variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_none();
    if let Some((name, profile)) = &profile
        && fell_through
        && !files().iter().any(|file| has_profile(file, profile))
    {
        let files: Vec<String> = files()
            .iter()
            .map(|file| format!("`{}`", file.display()))
            .collect();
        return format!(
            "{NO_PROFILE}`{profile}` (of {name}) in {}{}: {text}",
            files.join(" or "),
            there_are()
        );
    }
    if matches!(error, CredentialsError::ProviderTimedOut(_)) {
        let profile = profile.as_ref().map_or("default", |(_, profile)| profile);
        return format!(
            "{HANGING}{} s; a `credential_process` of profile `{profile}`, or whatever else gives them, does not end",
            super::PATIENCE.as_secs()
        );
    }
    if let Some(denied) = denial(error) {
        let ambient = || variable("AWS_ROLE_ARN");
        let web = access.web_identity.as_ref();
        let assumed = access.assume_role.as_ref().map(ToString::to_string);
        let by_token = web.map(|(_, role)| role.to_string()).or_else(ambient);
        let (role, by) = match denied {
            Denied::Token => {
                let file = web.map(|(path, _)| path.clone());
                let file = file.or_else(|| variable("AWS_WEB_IDENTITY_TOKEN_FILE"));
                (by_token, file.and_then(|file| subject(&file)))
            }
            Denied::Credentials => (assumed, None),
        };
        let role = role.map_or("the role of the profile".to_owned(), |role| {
            format!("role `{role}`")
        });
        let by = by.map_or(String::new(), |by| format!(" with the token of `{by}`"));
        return format!("cannot assume {role}{by}: {text}");
    }
    if kind == Kind::Unavailable {
        return format!(
            "whoever gives them (STS, single sign-on, a metadata service) cannot be reached: {text}"
        );
    }
    if let Some(source) = missing_source(&text) {
        return format!(
            "{NO_PROFILE}`{source}`, which another profile names as its source: {text}"
        );
    }
    if kind == Kind::NoCredentials {
        let half = super::half_a_key();
        let half = half.map_or(String::new(), |half| format!("{half}: "));
        return format!("no credentials were found: {half}{text}");
    }
    match &profile {
        Some((name, profile)) if access.web_identity.is_none() => {
            let login = match text.contains("SSO") {
                true => format!("; to log in: aws sso login --profile {}", quoted(profile)),
                false => String::new(),
            };
            format!("profile `{profile}` (of {name}): {text}{login}")
        }
        _ => text,
    }
}

/// The profile that another one names and that is not there, as the SDK tells it.
fn missing_source(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("could not find source profile ")?;
    rest.split(' ').next()
}

/// How a role was to be assumed that refuses it.
enum Denied {
    Token,
    Credentials,
}

fn denial(error: &CredentialsError) -> Option<Denied> {
    let is = |code: Option<&str>| code.is_some_and(|code| code.starts_with("AccessDenied"));
    if find::<AssumeRoleWithWebIdentityError>(error).is_some_and(|error| is(error.code())) {
        return Some(Denied::Token);
    }
    let denied = find::<AssumeRoleError>(error).is_some_and(|error| is(error.code()));
    denied.then_some(Denied::Credentials)
}

/// Whom a token stands for, which is no secret.
fn subject(file: &str) -> Option<String> {
    let token = std::fs::read_to_string(file).ok()?;
    let claims = token.trim().split('.').nth(1)?;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Some(claims.get("sub")?.as_str()?.to_owned())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where AWS' tools look for profiles.
fn files() -> [PathBuf; 2] {
    let home = |name: &str| {
        PathBuf::from(variable("HOME").unwrap_or("~".to_owned()))
            .join(".aws")
            .join(name)
    };
    [
        ("AWS_CONFIG_FILE", "config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ]
    .map(|(name, file)| variable(name).map_or_else(|| home(file), PathBuf::from))
}

fn has_profile(file: &Path, profile: &str) -> bool {
    profiles(file).iter().any(|name| name == profile)
}

fn profiles(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let names = text.lines().filter_map(|line| {
        let (heading, _) = line.trim().strip_prefix('[')?.split_once(']')?;
        let mut words = heading.split_whitespace();
        match (words.next()?, words.next()) {
            ("profile", Some(name)) => Some(name.to_owned()),
            (name, None) => Some(name.to_owned()),
            // Sessions and services are no profiles.
            _ => None,
        }
    });
    names.collect()
}

/// Some of the profiles that there are, for one who has misspelled one of them.
fn there_are() -> String {
    const SHOWN: usize = 10;
    let names: BTreeSet<String> = files().iter().flat_map(|file| profiles(file)).collect();
    let names: Vec<_> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.is_empty() {
        true => ", which name none at all".to_owned(),
        false => format!(", which name {}", names.join(", ")),
    }
}
