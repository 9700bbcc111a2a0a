//! Values of settings that no other type stands for: what may be written, and what it means.

use crate::model::cluster::PodIdentity;
use crate::model::conventions::LongNames;
use crate::model::role::RolePath;

/// Why a text is not what a setting needs.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidSetting {
    #[error("`{0}` is not an AWS region, such as `eu-west-1`")]
    Region(String),
    #[error("`{0}` is not a path of roles: `/`, or `/team/` without empty parts, `*`, `?` and `$`")]
    Path(String),
    #[error("`{0}` is neither `keep` nor `refuse`")]
    PodIdentity(String),
    #[error("`{0}` is neither `refuse` nor `digest`")]
    LongNames(String),
}

/// The list of regions is open; this keeps out what can be none: other letters, names of places.
pub(super) fn region(text: &str) -> Result<String, InvalidSetting> {
    let part = |part: &str| {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        !part.is_empty() && part.bytes().all(legal)
    };
    let ends = |last: &str| last == "global" || last.bytes().all(|b| b.is_ascii_digit());
    match text.rsplit_once('-') {
        Some((place, last)) if place.split('-').all(part) && part(last) && ends(last) => {
            Ok(text.to_owned())
        }
        _ => Err(InvalidSetting::Region(text.to_owned())),
    }
}

/// Stricter than IAM: what stands in a policy for this path must not stand for others, too.
pub(super) fn role_path(text: &str) -> Result<RolePath, InvalidSetting> {
    let path = RolePath::new(text).ok();
    path.filter(|_| !text.contains("//") && !text.contains(['*', '?', '$']))
        .ok_or_else(|| InvalidSetting::Path(text.to_owned()))
}

/// What becomes of statements for EKS Pod Identity.
pub(super) fn pod_identity(text: &str) -> Result<PodIdentity, InvalidSetting> {
    match text {
        "keep" => Ok(PodIdentity::Keep),
        "refuse" => Ok(PodIdentity::Refuse),
        _ => Err(InvalidSetting::PodIdentity(text.to_owned())),
    }
}

/// What becomes of role names that are too long.
pub(super) fn long_names(text: &str) -> Result<LongNames, InvalidSetting> {
    match text {
        "refuse" => Ok(LongNames::Refuse),
        "digest" => Ok(LongNames::Digest),
        _ => Err(InvalidSetting::LongNames(text.to_owned())),
    }
}
