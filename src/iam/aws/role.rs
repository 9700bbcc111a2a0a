//! From what the SDK says of a role to what this program knows of it.
//!
//! A role has the same value by whichever call it was read: a saved plan holds the digest of what
//! was read, and whoever carries the plan out may not be allowed the same calls.

use aws_sdk_iam::types;
use jiff::Timestamp;

use super::{DETAILS, bad_reply};
use crate::iam::document;
use crate::iam::error::Error;
use crate::model::last_use::LastUse;
use crate::model::role::{CurrentRole, ListedRole, RoleId, RoleName, RolePath};

pub(super) fn listed(action: &'static str, role: &types::Role) -> Result<ListedRole, Error> {
    let wrong = |what: String| bad_reply(action, None, what);
    let trust = role.assume_role_policy_document();
    let trust =
        trust.ok_or_else(|| wrong(format!("role `{}` has no trust policy", role.role_name())))?;
    let trust_policy = document::decode(trust);
    // It is compared in any case, and here the next page is under way.
    trust_policy.read();
    Ok(ListedRole {
        name: RoleName::new(role.role_name()).map_err(|error| wrong(error.to_string()))?,
        id: RoleId::new(role.role_id()),
        path: RolePath::new(role.path()).map_err(|error| wrong(error.to_string()))?,
        trust_policy,
        max_session_seconds: role
            .max_session_duration()
            .and_then(|s| u32::try_from(s).ok()),
    })
}

pub(super) fn current(role: &types::Role) -> Result<CurrentRole, Error> {
    let boundary = role.permissions_boundary();
    let used = role.role_last_used();
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
        created: Some(role.create_date().to_string()),
        last_use: match (used, used.and_then(|used| used.last_used_date())) {
            (_, Some(date)) => LastUse::At(date.to_string()),
            // Of a role of whose use it remembers nothing it says that there is no date.
            (Some(_), None) => {
                let created = Timestamp::from_second(role.create_date().secs());
                LastUse::none(created.ok(), Timestamp::now())
            }
            (None, None) => LastUse::Unknown,
        },
    })
}

/// A role as GetAccountAuthorizationDetails shows it: all but how long its sessions may last, which
/// the listing says.
pub(super) fn detailed(role: &types::RoleDetail) -> Result<CurrentRole, Error> {
    let role = types::Role::builder()
        .role_name(role.role_name().unwrap_or_default())
        .role_id(role.role_id().unwrap_or_default())
        .path(role.path().unwrap_or_default())
        .arn(role.arn().unwrap_or_default())
        .set_create_date(role.create_date)
        .set_assume_role_policy_document(role.assume_role_policy_document.clone())
        .set_tags(role.tags.clone())
        .set_permissions_boundary(role.permissions_boundary.clone())
        .set_role_last_used(role.role_last_used.clone())
        .build();
    let role = role.map_err(|error| bad_reply(DETAILS, None, error.to_string()))?;
    current(&role)
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::primitives::DateTime;

    use super::*;

    #[test]
    fn a39_a_role_has_the_same_value_however_it_was_read() {
        let tag = |key: &str, value: &str| {
            let tag = types::Tag::builder().key(key).value(value).build();
            tag.expect("a tag")
        };
        let boundary = types::AttachedPermissionsBoundary::builder()
            .permissions_boundary_arn("arn:aws:iam::123456789012:policy/edge")
            .build();
        let used = types::RoleLastUsed::builder()
            .last_used_date(DateTime::from_secs(1_700_000_000))
            .build();
        let by_itself = types::Role::builder()
            .path("/apps/")
            .role_name("k8s-sa_bar_foo")
            .role_id("AROAFOO")
            .arn("arn:aws:iam::123456789012:role/apps/k8s-sa_bar_foo")
            .create_date(DateTime::from_secs(1_577_934_245))
            .assume_role_policy_document("%7B%22Version%22%3A%222012-10-17%22%7D")
            .max_session_duration(7200)
            .permissions_boundary(boundary.clone())
            .tags(tag("b", "2"))
            .tags(tag("a", "1"))
            .role_last_used(used.clone())
            .build();
        let by_itself = current(&by_itself.expect("a role")).expect("whole");
        let in_bulk = types::RoleDetail::builder()
            .path("/apps/")
            .role_name("k8s-sa_bar_foo")
            .role_id("AROAFOO")
            .arn("arn:aws:iam::123456789012:role/apps/k8s-sa_bar_foo")
            .create_date(DateTime::from_secs(1_577_934_245))
            .assume_role_policy_document("%7B%22Version%22%3A%222012-10-17%22%7D")
            .permissions_boundary(boundary)
            .tags(tag("a", "1"))
            .tags(tag("b", "2"))
            .role_last_used(used);
        let mut role = detailed(&in_bulk.clone().build()).expect("whole");
        assert_eq!(role.created.as_deref(), Some("2020-01-02T03:04:05Z"));
        role.listed.max_session_seconds = Some(7200);
        assert_eq!(role, by_itself);

        let undated = in_bulk.set_create_date(None).build();
        let error = detailed(&undated).expect_err("IAM always says it");
        assert!(error.message.contains("create_date"), "{error}");
    }
}
