//! IAM's access control, as far as the policies go that this program prints:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>.

use std::collections::BTreeMap;

use serde_json::Value;

use super::iam_server::Seen;

/// The tests' account, and the values of the ownership tags there.
pub const ACCOUNT: &str = "123456789012";
pub const MANAGED_BY: &str = "role.k8s.aws/managed-by";
pub const CLUSTER: &str = "role.k8s.aws/cluster";
pub const OURS: &str = "iam-service-account-controller";

/// One question to IAM's access control; context keys in lower case, as IAM ignores their case.
#[derive(Clone, Debug)]
pub struct Question {
    pub action: String,
    pub resource: String,
    pub context: BTreeMap<String, Vec<String>>,
}

impl Question {
    pub fn new(action: &str, role: &str) -> Self {
        Self {
            action: format!("iam:{action}"),
            resource: format!("arn:aws:iam::{ACCOUNT}:role{role}"),
            context: BTreeMap::new(),
        }
    }

    pub fn with(mut self, key: &str, value: &str) -> Self {
        let values = self.context.entry(key.to_lowercase()).or_default();
        values.push(value.to_owned());
        self
    }

    pub fn sends(self, key: &str, value: &str) -> Self {
        self.with(&format!("aws:RequestTag/{key}"), value)
            .with("aws:TagKeys", key)
    }

    pub fn on(self, key: &str, value: &str) -> Self {
        self.with(&format!("aws:ResourceTag/{key}"), value)
    }

    pub fn sends_ours(self) -> Self {
        self.sends(MANAGED_BY, OURS).sends(CLUSTER, "prod")
    }

    pub fn on_ours(self) -> Self {
        self.on(MANAGED_BY, OURS).on(CLUSTER, "prod")
    }

    /// What IAM asks itself when a call comes in; making a role with tags is two things.
    pub fn of(seen: &Seen) -> Vec<Self> {
        let given = |key: &str| seen.parameters.get(key).cloned().unwrap_or_default();
        let (action, name) = (given("Action"), given("RoleName"));
        let path = match &seen.role {
            Some(role) => role.path.clone(),
            None => seen
                .parameters
                .get("Path")
                .cloned()
                .unwrap_or("/".to_owned()),
        };
        let mut question = Self::new(&action, &format!("{path}{name}"));
        match action.as_str() {
            // Allowed to everybody: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
            "GetCallerIdentity" => return vec![],
            "GetOpenIDConnectProvider" => question.resource = given("OpenIDConnectProviderArn"),
            _ => {}
        }
        for tag in seen.tags() {
            question = question.sends(&tag.key, &tag.value);
        }
        for (key, value) in &seen.parameters {
            if key.starts_with("TagKeys.member.") {
                question = question.with("aws:TagKeys", value);
            }
        }
        if let Some(boundary) = seen.parameters.get("PermissionsBoundary") {
            question = question.with("iam:PermissionsBoundary", boundary);
        }
        for tag in seen.role.iter().flat_map(|role| &role.tags) {
            question = question.on(&tag.key, &tag.value);
        }
        if action != "CreateRole" {
            return vec![question];
        }
        // There is no role yet, or the call fails anyway.
        question
            .context
            .retain(|key, _| !key.starts_with("aws:resourcetag/"));
        let tagging = Self {
            action: "iam:TagRole".to_owned(),
            ..question.clone()
        };
        vec![question, tagging]
    }
}

/// Whether a policy of Allow statements allows it.
pub fn is_allowed(policy: &Value, question: &Question) -> bool {
    let texts = |value: &Value| -> Vec<String> {
        let many = value.as_array().cloned().unwrap_or(vec![value.clone()]);
        many.iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect()
    };
    let mut statements = policy["Statement"].as_array().into_iter().flatten();
    statements.any(|statement| {
        assert_eq!(statement["Effect"], "Allow");
        let conditions = statement["Condition"].as_object().into_iter().flatten();
        let mut keys = conditions.flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.map(move |(key, wanted)| (operator.as_str(), key, wanted))
        });
        texts(&statement["Action"]).contains(&question.action)
            && texts(&statement["Resource"])
                .iter()
                .any(|r| glob(r, &question.resource))
            && keys.all(|(operator, key, wanted)| {
                let (wanted, found) = (texts(wanted), question.context.get(&key.to_lowercase()));
                let fits = |found: &Vec<String>| found.iter().all(|value| wanted.contains(value));
                match operator {
                    "ForAllValues:StringLike" => {
                        let like = |value| wanted.iter().any(|pattern| glob(pattern, value));
                        found.is_none_or(|found| found.iter().all(|value| like(value)))
                    }
                    "StringEquals" => found.is_some_and(fits),
                    "StringEqualsIfExists" | "ForAllValues:StringEquals" => found.is_none_or(fits),
                    "Null" => wanted == [found.is_none().to_string()],
                    other => panic!("the evaluator does not know {other}"),
                }
            })
    })
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|left| {
            (0..=left.len()).any(|at| left.get(at..).is_some_and(|end| glob(rest, end)))
        }),
    }
}
