//! The rules of IAM over a state in memory: what is refused here, AWS refuses.
//!
//! Takes raw text, as the API does, and checks it against IAM's own rules rather than trusting the
//! program's types: passing here has to mean something. Rules and words follow
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/> and
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.

use std::collections::BTreeSet;

use serde_json::Value;

use super::state::{Provider, Role, State, Tag};
use crate::iam::error::Kind;
use crate::model::role::{RoleName, RolePath, SessionDuration};
use crate::model::tags::{MAX_TAGS, TagKey, TagValue};
use crate::model::trust_policy::TrustDocument;

/// The most roles on one page of a listing.
pub const PAGE_SIZE: usize = 1000;

/// A refusal: what kind, and IAM's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What kind.
    pub kind: Kind,
    /// IAM's words.
    pub message: String,
}

type Result<T> = std::result::Result<T, Refused>;

fn refused<T>(kind: Kind, message: impl Into<String>) -> Result<T> {
    Err(Refused {
        kind,
        message: message.into(),
    })
}

/// The parameters of CreateRole.
#[derive(Clone, Debug, Default)]
pub struct CreateRole {
    /// `RoleName`.
    pub name: String,
    /// `Path`; `/` if it is left out.
    pub path: Option<String>,
    /// `AssumeRolePolicyDocument`.
    pub trust_policy: String,
    /// `Tags`.
    pub tags: Vec<Tag>,
    /// `PermissionsBoundary`.
    pub permissions_boundary: Option<String>,
    /// `MaxSessionDuration` in seconds; an hour if it is left out.
    pub max_session_duration: Option<u32>,
}

impl State {
    /// CreateRole.
    pub fn create_role(&mut self, new: CreateRole) -> Result<Role> {
        check_name(&new.name)?;
        let path = new.path.unwrap_or_else(|| "/".to_owned());
        if RolePath::new(&path).is_err() {
            return refused(
                Kind::InvalidInput,
                "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
            );
        }
        self.check_trust_policy(&new.trust_policy)?;
        check_tags(&[], &new.tags)?;
        let max_session_duration = new.max_session_duration.unwrap_or(3600);
        check_session_duration(max_session_duration)?;
        if let Some(boundary) = &new.permissions_boundary {
            check_policy_arn(boundary)?;
        }
        if self.find(&new.name).is_some() {
            let message = format!("Role with name {} already exists.", new.name);
            return refused(Kind::EntityAlreadyExists, message);
        }
        if self.roles.len() as u64 >= self.quotas.roles {
            let message = format!(
                "Cannot exceed quota for RolesPerAccount: {}",
                self.quotas.roles
            );
            return refused(Kind::LimitExceeded, message);
        }
        let role = Role {
            id: self.new_id(),
            create_date: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            trust_policy: document(&new.trust_policy),
            name: new.name,
            path,
            tags: new.tags,
            permissions_boundary: new.permissions_boundary,
            max_session_duration,
            attached_policies: vec![],
            inline_policies: vec![],
            instance_profiles: vec![],
            last_used: None,
        };
        self.roles.push(role.clone());
        self.roles.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(role)
    }

    /// GetRole.
    pub fn role(&self, name: &str) -> Result<&Role> {
        check_name(name)?;
        match self.find(name) {
            Some(index) => Ok(&self.roles[index]),
            None => refused(Kind::NoSuchEntity, not_found(name)),
        }
    }

    /// ListRoles: one page in the order of names and, if there are more, the marker of the next.
    pub fn list_roles(
        &self,
        marker: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<&Role>, Option<String>)> {
        let after = match marker.map(|marker| marker.strip_prefix("after:")) {
            None => "",
            Some(Some(name)) => name,
            Some(None) => return refused(Kind::InvalidInput, "Invalid Marker."),
        };
        let limit = limit.clamp(1, PAGE_SIZE);
        let mut page: Vec<&Role> = self
            .roles
            .iter()
            .filter(|r| r.name.as_str() > after)
            .collect();
        page.sort_by(|a, b| a.name.cmp(&b.name));
        let more = page.len() > limit;
        page.truncate(limit);
        let last = page.last().filter(|_| more);
        let next = last.map(|role| format!("after:{}", role.name));
        Ok((page, next))
    }

    /// UpdateAssumeRolePolicy.
    pub fn update_trust_policy(&mut self, name: &str, text: &str) -> Result<()> {
        self.check_trust_policy(text)?;
        self.changeable(name)?.trust_policy = document(text);
        Ok(())
    }

    /// TagRole.
    pub fn tag_role(&mut self, name: &str, tags: &[Tag]) -> Result<()> {
        let role = self.changeable(name)?;
        check_tags(&role.tags, tags)?;
        for tag in tags {
            match role
                .tags
                .iter_mut()
                .find(|t| t.key.to_lowercase() == tag.key.to_lowercase())
            {
                Some(existing) => existing.clone_from(tag),
                None => role.tags.push(tag.clone()),
            }
        }
        Ok(())
    }

    /// UntagRole: keys that are not there are ignored, as IAM does.
    pub fn untag_role(&mut self, name: &str, keys: &[String]) -> Result<()> {
        let keys: BTreeSet<String> = keys.iter().map(|key| key.to_lowercase()).collect();
        let role = self.changeable(name)?;
        role.tags
            .retain(|tag| !keys.contains(&tag.key.to_lowercase()));
        Ok(())
    }

    /// UpdateRole, as far as the session duration goes.
    pub fn update_session_duration(&mut self, name: &str, seconds: u32) -> Result<()> {
        check_session_duration(seconds)?;
        self.changeable(name)?.max_session_duration = seconds;
        Ok(())
    }

    /// DeleteRole.
    pub fn delete_role(&mut self, name: &str) -> Result<()> {
        let role = self.changeable(name)?;
        let conflict = if !role.instance_profiles.is_empty() {
            "must remove roles from instance profile first."
        } else if !role.attached_policies.is_empty() {
            "must detach all policies first."
        } else if !role.inline_policies.is_empty() {
            "must delete policies first."
        } else {
            let name = role.name.clone();
            self.roles.retain(|role| role.name != name);
            return Ok(());
        };
        refused(
            Kind::DeleteConflict,
            format!("Cannot delete entity, {conflict}"),
        )
    }

    /// GetOpenIDConnectProvider, by its ARN.
    pub fn oidc_provider(&self, arn: &str) -> Result<&Provider> {
        let Self {
            partition, account, ..
        } = self;
        let prefix = format!("arn:{partition}:iam::{account}:oidc-provider/");
        let issuer = arn.strip_prefix(&prefix);
        match self
            .oidc_providers
            .iter()
            .find(|p| Some(p.bare_issuer()) == issuer)
        {
            Some(provider) => Ok(provider),
            None => refused(
                Kind::NoSuchEntity,
                format!("OpenIDConnect Provider not found for arn {arn}"),
            ),
        }
    }

    /// The ARN of one of its roles.
    pub fn arn(&self, role: &Role) -> String {
        let Self {
            partition, account, ..
        } = self;
        format!(
            "arn:{partition}:iam::{account}:role{}{}",
            role.path, role.name
        )
    }

    /// Names are unique without regard to case, and calls find them without regard to it.
    fn find(&self, name: &str) -> Option<usize> {
        // Mostly they are in order, and asked for as they are spelled.
        let found = self
            .roles
            .binary_search_by(|role| role.name.as_str().cmp(name));
        let same = |role: &Role| role.name.eq_ignore_ascii_case(name);
        found.ok().or_else(|| self.roles.iter().position(same))
    }

    fn changeable(&mut self, name: &str) -> Result<&mut Role> {
        check_name(name)?;
        let Some(index) = self.find(name) else {
            return refused(Kind::NoSuchEntity, not_found(name));
        };
        let role = &mut self.roles[index];
        if role.path.starts_with("/aws-service-role/") {
            let message = format!(
                "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
            );
            return refused(Kind::UnmodifiableEntity, message);
        }
        Ok(role)
    }

    /// A new `AROA…`: never one that was there before, not even for the same name.
    fn new_id(&self) -> String {
        use std::hash::{BuildHasher, RandomState};
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut id = "AROA".to_owned();
        for round in 0..17 {
            let random = RandomState::new().hash_one(round);
            id.push(char::from(
                LETTERS[usize::from(random.to_le_bytes()[0] % 32)],
            ));
        }
        id
    }

    fn check_trust_policy(&self, text: &str) -> Result<()> {
        let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}');
        if text.is_empty() || !text.chars().all(legal) {
            return refused(
                Kind::InvalidInput,
                "Value at 'assumeRolePolicyDocument' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\u0009\\u000A\\u000D\\u0020-\\u00FF]+",
            );
        }
        let size = TrustDocument::new(text).quota_length() as u64;
        if size > self.quotas.trust_policy_size {
            let message = format!(
                "Cannot exceed quota for ACLSizePerRole: {}",
                self.quotas.trust_policy_size
            );
            return refused(Kind::LimitExceeded, message);
        }
        match malformed(text) {
            None => Ok(()),
            Some(why) => refused(Kind::MalformedPolicyDocument, why),
        }
    }
}

fn not_found(name: &str) -> String {
    format!("The role with name {name} cannot be found.")
}

/// The state file holds documents as JSON, for people to read.
fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn check_name(name: &str) -> Result<()> {
    match RoleName::new(name) {
        Ok(_) => Ok(()),
        Err(error) => refused(
            Kind::InvalidInput,
            format!("Value at 'roleName' failed to satisfy constraint: {error}"),
        ),
    }
}

fn check_session_duration(seconds: u32) -> Result<()> {
    match SessionDuration::from_seconds(seconds) {
        Ok(_) => Ok(()),
        Err(_) => refused(
            Kind::InvalidInput,
            format!(
                "Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: Member must have value between 3600 and 43200"
            ),
        ),
    }
}

fn check_policy_arn(arn: &str) -> Result<()> {
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    match fields[..] {
        ["arn", _, "iam", "", account, resource]
            if (account == "aws" || account.len() == 12) && resource.starts_with("policy/") =>
        {
            Ok(())
        }
        _ => refused(Kind::InvalidInput, format!("ARN {arn} is not valid.")),
    }
}

fn check_tags(existing: &[Tag], new: &[Tag]) -> Result<()> {
    let mut keys: BTreeSet<String> = BTreeSet::new();
    for tag in new {
        if let Err(error) = TagKey::new(&tag.key) {
            return refused(
                Kind::InvalidInput,
                format!("Value at 'tags' failed to satisfy constraint: {error}"),
            );
        }
        if let Err(error) = TagValue::new(&tag.value) {
            return refused(
                Kind::InvalidInput,
                format!("Value at 'tags' failed to satisfy constraint: {error}"),
            );
        }
        if !keys.insert(tag.key.to_lowercase()) {
            return refused(
                Kind::InvalidInput,
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            );
        }
    }
    let existing = existing.iter().map(|tag| tag.key.to_lowercase());
    keys.extend(existing.filter(|key| !key.starts_with("aws:")));
    if keys.len() > MAX_TAGS {
        return refused(
            Kind::LimitExceeded,
            format!("The number of tags has reached the maximum limit of {MAX_TAGS}."),
        );
    }
    Ok(())
}

/// What is wrong with a trust policy, in IAM's words.
/// See <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>.
fn malformed(text: &str) -> Option<String> {
    let said = |text: &str| Some(text.to_owned());
    let Ok(Value::Object(document)) = serde_json::from_str(text) else {
        return said("This policy contains invalid Json");
    };
    let known = ["Version", "Id", "Statement"];
    if document.keys().any(|key| !known.contains(&key.as_str())) {
        return said("Syntax errors in policy.");
    }
    match document.get("Version").and_then(Value::as_str) {
        Some("2012-10-17" | "2008-10-17") => {}
        None if !document.contains_key("Version") => {}
        _ => return said("The policy must contain a valid version string"),
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => return said("Syntax errors in policy."),
    };
    statements.iter().find_map(malformed_statement)
}

fn malformed_statement(statement: &Value) -> Option<String> {
    let said = |text: &str| Some(text.to_owned());
    let Value::Object(statement) = statement else {
        return said("Syntax errors in policy.");
    };
    let known = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Condition",
    ];
    if statement.contains_key("Resource") || statement.contains_key("NotResource") {
        return said("Has prohibited field Resource");
    }
    if statement.keys().any(|key| !known.contains(&key.as_str())) {
        return said("Syntax errors in policy.");
    }
    if !matches!(
        statement.get("Effect").and_then(Value::as_str),
        Some("Allow" | "Deny")
    ) {
        return said("Missing required field Effect");
    }
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), None) | (None, Some(principal)) if is_principal(principal) => {}
        (None, None) => return said("Missing required field Principal"),
        _ => return said("Invalid principal in policy"),
    }
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), None) | (None, Some(actions)) if is_sts(actions) => {}
        (None, None) => return said("Missing required field Action"),
        _ => return said("AssumeRole policy may only specify STS AssumeRole actions."),
    }
    match statement.get("Condition") {
        None => None,
        Some(Value::Object(operators)) if operators.values().all(is_condition) => None,
        Some(_) => said("Syntax errors in policy."),
    }
}

fn is_principal(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "*",
        Value::Object(kinds) => {
            !kinds.is_empty()
                && kinds.iter().all(|(kind, names)| {
                    ["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str())
                        && is_strings(names)
                })
        }
        _ => false,
    }
}

fn is_sts(value: &Value) -> bool {
    let one = |text: &Value| {
        text.as_str()
            .is_some_and(|t| t == "*" || t.starts_with("sts:"))
    };
    match value {
        Value::Array(items) => !items.is_empty() && items.iter().all(one),
        single => one(single),
    }
}

fn is_condition(keys: &Value) -> bool {
    let scalar = |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
    let values = |value: &Value| match value {
        Value::Array(items) => items.iter().all(scalar),
        single => scalar(single),
    };
    keys.as_object()
        .is_some_and(|keys| !keys.is_empty() && keys.values().all(values))
}

fn is_strings(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_string),
        single => single.is_string(),
    }
}

#[cfg(test)]
mod tests;
