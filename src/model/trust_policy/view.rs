//! Trust policies as they are read: the statements of a document that anybody may have written.
//!
//! What cannot be understood is kept as it is: a statement is never taken to let in fewer than it may.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TrustDocument, leaf};

/// The action that a pod takes to assume its role.
const WEB_IDENTITY: &str = "sts:AssumeRoleWithWebIdentity";

/// Who assumes roles for EKS Pod Identity, and the actions that it needs. See
/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html>.
const POD_IDENTITY: (&str, [&str; 2]) = (
    "pods.eks.amazonaws.com",
    ["sts:AssumeRole", "sts:TagSession"],
);

/// One statement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StatementView {
    sid: Value,
    effect: Effect,
    pub(super) action: OneOrMany,
    /// Whom it is about.
    pub principal: Principal,
    pub(super) condition: BTreeMap<String, BTreeMap<String, OneOrMany>>,
    /// Whatever else stands in it, such as `NotAction`.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// What a statement does; IAM has no other effects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
    #[default]
    #[serde(other)]
    Neither,
}

/// Whom a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Value")]
pub enum Principal {
    /// Everybody: `"*"`.
    Everyone,
    /// Identity providers, by ARN.
    Federated(OneOrMany),
    /// Accounts, users and roles.
    Aws(OneOrMany),
    /// AWS services.
    Service(OneOrMany),
    /// Several kinds, or another one.
    Kinds(BTreeMap<String, OneOrMany>),
    /// Nothing that IAM documents: a unique id, for one. `null` where there is no principal, as
    /// beside `NotPrincipal`.
    Other(Value),
}

/// A text or a list of texts: IAM writes a list of one as the text itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", untagged)]
pub enum OneOrMany {
    /// A text.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl TrustDocument {
    /// Everybody whom a statement lets in, whatever it demands of them: once for each statement. Who was
    /// deleted since is let in no more.
    pub fn grants(&self) -> Vec<String> {
        let statements = self.statements().unwrap_or_default().iter();
        let allowing = statements.filter(|statement| !statement.denies());
        allowing
            .flat_map(|s| s.principal.by_name())
            .filter(|principal| !principal.names().into_iter().any(super::is_deleted))
            .map(|p| p.to_string())
            .collect()
    }
}

impl StatementView {
    /// Whether it denies, so that it lets nobody in.
    pub fn denies(&self) -> bool {
        self.effect == Effect::Deny
    }

    /// Whether it allows at all, and is understood in full.
    pub fn allows(&self) -> bool {
        self.effect == Effect::Allow && self.others.is_empty()
    }

    /// Whether it allows to assume the role with the token of an OIDC provider, by the full name of
    /// that action; IAM ignores the letter case of actions.
    pub fn allows_web_identity(&self) -> bool {
        self.allows() && self.action.iter().any(is_web_identity)
    }

    /// Whether it is what EKS Pod Identity needs, or less: `eksctl utils migrate-to-pod-identity`
    /// adds it. Conditions only narrow it.
    pub fn is_pod_identity(&self) -> bool {
        let (service, actions) = POD_IDENTITY;
        let Principal::Service(services) = &self.principal else {
            return false;
        };
        let is_one = |action: &str| actions.iter().any(|a| a.eq_ignore_ascii_case(action));
        self.allows()
            && services.only() == Some(service)
            && self.action.iter().next().is_some()
            && self.action.iter().all(is_one)
    }

    /// What it allows beyond assuming the role with the token of an OIDC provider.
    pub fn other_actions(&self) -> Vec<&str> {
        let actions = self.action.iter();
        actions.filter(|action| !is_web_identity(action)).collect()
    }

    /// What stands in it beside the elements that a statement of ours has.
    pub fn other_elements(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.others
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// Every value of a condition key, with its operator.
    pub fn values(&self, key: &str) -> Vec<(&str, &str)> {
        let operators = self.condition.iter();
        let of_key = operators.flat_map(|(operator, keys)| {
            let keys = keys
                .iter()
                .filter(|(found, _)| found.eq_ignore_ascii_case(key));
            keys.flat_map(move |(_, values)| values.iter().map(|value| (operator.as_str(), value)))
        });
        of_key.collect()
    }

    /// Whether nothing but equality with values of these keys is demanded; each demand has values.
    pub fn demands_only(&self, keys: &[&str]) -> bool {
        let mut demands = self.condition.iter().flat_map(|(operator, keys)| {
            keys.iter()
                .map(move |(key, values)| (operator, key, values))
        });
        demands.all(|(operator, key, values)| {
            operator == "StringEquals"
                && keys.iter().any(|known| known.eq_ignore_ascii_case(key))
                && values.iter().next().is_some()
        })
    }

    /// Whether it demands that a condition key has exactly this value and no other. IAM ignores the
    /// letter case of condition keys, see
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html>.
    pub fn demands(&self, key: &str, value: &str) -> bool {
        let equals = self.condition.get("StringEquals").into_iter().flatten();
        let of_key = equals.filter(|(found, _)| found.eq_ignore_ascii_case(key));
        let mut values = of_key.flat_map(|(_, values)| values.iter()).peekable();
        values.peek().is_some() && values.all(|found| found == value)
    }
}

pub(super) fn is_web_identity(action: &str) -> bool {
    action.eq_ignore_ascii_case(WEB_IDENTITY)
}

impl From<Value> for StatementView {
    /// Of what is no statement nothing is known but the principal.
    fn from(value: Value) -> Self {
        let principal = value.get("Principal").cloned().unwrap_or_default();
        Self::deserialize(value).unwrap_or_else(|_| Self {
            principal: Principal::Other(principal),
            ..Self::default()
        })
    }
}

impl Principal {
    /// The ARNs, ids and names in it, of whatever kind.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Everyone => vec!["*"],
            Self::Federated(names) | Self::Aws(names) | Self::Service(names) => {
                names.iter().collect()
            }
            Self::Kinds(kinds) => kinds.values().flat_map(OneOrMany::iter).collect(),
            Self::Other(value) => value.as_str().into_iter().collect(),
        }
    }

    /// Each of its names as a principal of its own.
    pub fn by_name(&self) -> Vec<Self> {
        let one = |kind: &str, name: &str| {
            Self::from(Value::Object(
                [(kind.to_owned(), name.into())].into_iter().collect(),
            ))
        };
        let all = |kind: &str, names: &OneOrMany| -> Vec<Self> {
            names.iter().map(|name| one(kind, name)).collect()
        };
        match self {
            Self::Everyone | Self::Other(_) => vec![self.clone()],
            Self::Federated(names) => all("Federated", names),
            Self::Aws(names) => all("AWS", names),
            Self::Service(names) => all("Service", names),
            Self::Kinds(kinds) => {
                let kinds = kinds.iter();
                kinds.flat_map(|(kind, names)| all(kind, names)).collect()
            }
        }
    }

    /// The ARNs of the identity providers in it.
    pub fn federated(&self) -> Vec<&str> {
        match self {
            Self::Federated(providers) => providers.iter().collect(),
            Self::Kinds(kinds) => {
                let providers = kinds.get("Federated");
                providers.into_iter().flat_map(OneOrMany::iter).collect()
            }
            Self::Everyone | Self::Aws(_) | Self::Service(_) | Self::Other(_) => vec![],
        }
    }
}

impl Default for Principal {
    fn default() -> Self {
        Self::Other(Value::Null)
    }
}

impl From<Value> for Principal {
    fn from(value: Value) -> Self {
        if value == "*" {
            return Self::Everyone;
        }
        let Ok(mut kinds) = BTreeMap::<String, OneOrMany>::deserialize(&value) else {
            return Self::Other(value);
        };
        if kinds.len() != 1 {
            return Self::Kinds(kinds);
        }
        let mut only = |kind| kinds.remove(kind);
        if let Some(providers) = only("Federated") {
            Self::Federated(providers)
        } else if let Some(names) = only("AWS") {
            Self::Aws(names)
        } else if let Some(services) = only("Service") {
            Self::Service(services)
        } else {
            Self::Kinds(kinds)
        }
    }
}

/// As it stands in the document.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match self {
            Self::Everyone => Value::from("*"),
            Self::Federated(providers) => serde_json::json!({ "Federated": providers }),
            Self::Aws(names) => serde_json::json!({ "AWS": names }),
            Self::Service(services) => serde_json::json!({ "Service": services }),
            Self::Kinds(kinds) => serde_json::json!(kinds),
            Self::Other(value) => value.clone(),
        };
        write!(f, "{value}")
    }
}

impl OneOrMany {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        };
        all.iter().map(String::as_str)
    }

    /// The only one.
    pub fn only(&self) -> Option<&str> {
        let mut all = self.iter();
        all.next().filter(|_| all.next().is_none())
    }
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(vec![])
    }
}

impl TryFrom<Value> for OneOrMany {
    type Error = serde_json::Error;

    /// Numbers and booleans stand for their text.
    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::Array(items) => {
                let texts = items
                    .into_iter()
                    .map(|item| String::deserialize(leaf(item)));
                Ok(Self::Many(texts.collect::<Result<_, _>>()?))
            }
            single => Ok(Self::One(String::deserialize(leaf(single))?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "oidc.example.com/id/1:sub";

    fn statements(text: &str) -> Vec<StatementView> {
        let document = TrustDocument::new(text);
        document.statements().expect("JSON").to_vec()
    }

    /// The only statement, written as an object without a list.
    fn statement(text: &str) -> StatementView {
        let [statement] = &statements(&format!(r#"{{"Statement":{text}}}"#))[..] else {
            panic!("one statement: {text}");
        };
        statement.clone()
    }

    #[test]
    fn a_statement_stands_alone_or_in_a_list() {
        let one = r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}"#;
        let alone = statements(&format!(r#"{{"Statement":{one}}}"#));
        let listed = statements(&format!(r#"{{"Statement":[{one}]}}"#));
        assert_eq!(alone, listed);
        assert!(alone[0].denies());
        assert_eq!(statements(r#"{"Statement":[]}"#), []);
        assert_eq!(statements(r#"{"Version":"2012-10-17"}"#), []);
        assert_eq!(statements("[]"), []);
        assert_eq!(TrustDocument::new("<html>").statements(), None);
    }

    #[test]
    fn a_principal_is_of_a_kind_and_is_shown_as_it_stands() {
        let one = |text: &str| OneOrMany::One(text.to_owned());
        let kinds = [
            ("AWS".to_owned(), one("a")),
            ("Federated".to_owned(), one("f")),
        ];
        for (text, principal) in [
            (r#""*""#, Principal::Everyone),
            (r#"{"AWS":"*"}"#, Principal::Aws(one("*"))),
            (
                r#"{"AWS":["a"]}"#,
                Principal::Aws(OneOrMany::Many(vec!["a".to_owned()])),
            ),
            (r#"{"Federated":"f"}"#, Principal::Federated(one("f"))),
            (r#"{"Service":"s"}"#, Principal::Service(one("s"))),
            (
                r#"{"AWS":"a","Federated":"f"}"#,
                Principal::Kinds(kinds.into()),
            ),
            (
                r#"{"CanonicalUser":"c"}"#,
                Principal::Kinds([("CanonicalUser".to_owned(), one("c"))].into()),
            ),
            (r#""AROA1""#, Principal::Other("AROA1".into())),
            ("null", Principal::Other(Value::Null)),
        ] {
            let found = statement(&format!(r#"{{"Principal":{text}}}"#)).principal;
            assert_eq!(found.to_string(), text);
            assert_eq!(found, principal);
        }
        let kinds = statement(r#"{"Principal":{"AWS":"a","Federated":["f","g"]}}"#).principal;
        assert_eq!(kinds.names(), ["a", "f", "g"]);
        assert_eq!(kinds.federated(), ["f", "g"]);
    }

    #[test]
    fn only_an_allow_of_the_action_by_its_name_allows_it() {
        for (text, allows) in [
            (
                r#"{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity"}"#,
                true,
            ),
            (
                r#"{"Effect":"Allow","Action":["sts:TagSession","sts:AssumeRoleWithWebIdentity"]}"#,
                true,
            ),
            (r#"{"Effect":"Allow","Action":"sts:*"}"#, false),
            (r#"{"Effect":"Allow","Action":[]}"#, false),
            (r#"{"Effect":"Allow","NotAction":"sts:AssumeRole"}"#, false),
            (
                r#"{"Effect":"Allow","NotAction":"sts:AssumeRoleWithWebIdentity"}"#,
                false,
            ),
            (r#"{"Action":"sts:AssumeRoleWithWebIdentity"}"#, false),
            (
                r#"{"Effect":"allow","Action":"sts:AssumeRoleWithWebIdentity"}"#,
                false,
            ),
            (
                r#"{"Effect":"Deny","Action":"sts:AssumeRoleWithWebIdentity"}"#,
                false,
            ),
        ] {
            assert_eq!(statement(text).allows_web_identity(), allows, "{text}");
        }
    }

    #[test]
    fn a_condition_demands_a_value_whatever_the_letter_case_of_its_key() {
        for (condition, demands) in [
            (
                r#"{"StringEquals":{"oidc.example.com/id/1:sub":"s"}}"#,
                true,
            ),
            (
                r#"{"StringEquals":{"OIDC.example.com/id/1:SUB":["s"]}}"#,
                true,
            ),
            (
                r#"{"StringEquals":{"oidc.example.com/id/1:sub":"s","k":5},"Bool":{"b":true}}"#,
                true,
            ),
            (
                r#"{"StringEquals":{"oidc.example.com/id/1:sub":[]}}"#,
                false,
            ),
            (
                r#"{"StringEquals":{"oidc.example.com/id/1:sub":["s","t"]}}"#,
                false,
            ),
            (
                r#"{"StringEquals":{"oidc.example.com/id/1:sub":"s","oidc.example.com/id/1:SUB":"t"}}"#,
                false,
            ),
            (
                r#"{"StringEquals":{"oidc.example.com/id/1:sub":"S"}}"#,
                false,
            ),
            (
                r#"{"StringEquals":{"oidc.example.com/id/2:sub":"s"}}"#,
                false,
            ),
            (r#"{"StringLike":{"oidc.example.com/id/1:sub":"s"}}"#, false),
            (
                r#"{"StringEqualsIfExists":{"oidc.example.com/id/1:sub":"s"}}"#,
                false,
            ),
            ("{}", false),
            ("null", false),
        ] {
            let text = format!(r#"{{"Condition":{condition}}}"#);
            assert_eq!(statement(&text).demands(KEY, "s"), demands, "{text}");
        }
    }

    #[test]
    fn what_is_no_statement_still_names_its_principal_and_denies_nobody() {
        for (text, principal) in [
            (
                r#"{"Effect":"Deny","Principal":"*","Condition":1}"#,
                r#""*""#,
            ),
            (r#"{"Effect":1,"Principal":{"AWS":"a"}}"#, r#"{"AWS":"a"}"#),
            (r#"{"NotPrincipal":{"AWS":"a"},"Effect":"Allow"}"#, "null"),
            ("1", "null"),
        ] {
            let found = statement(text);
            assert!(!found.denies() && !found.demands(KEY, "s"), "{text}");
            assert_eq!(found.principal.to_string(), principal);
        }
    }
}
