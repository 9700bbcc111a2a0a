//! Trust policies: the one this program writes, and the comparison of any two by meaning.
//!
//! IAM hands a document back URL-encoded and may reorder it, turn a one-element list into a string
//! and a number into one; comparing text would rewrite every role on every run. Grammar:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::Value;

mod canonical;
mod pod_identity;
mod tokens;
mod view;

pub use tokens::Token;
pub use view::{OneOrMany, Principal, StatementView};

/// The version of the policy language every document states.
const VERSION: &str = "2012-10-17";

/// The id of the statement that quarantines a role, before the note.
const QUARANTINE: &str = "Quarantine";

/// A trust policy as this program writes it: allow statements for web identities only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TrustPolicy {
    version: &'static str,
    statement: Vec<Statement>,
}

/// Lets one subject of one OIDC provider assume the role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    effect: &'static str,
    principal: FederatedPrincipal,
    action: &'static str,
    condition: Condition,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FederatedPrincipal {
    federated: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    string_equals: BTreeMap<String, String>,
}

impl Statement {
    /// Allows whoever presents a token of the provider on which every condition key (such as
    /// `ISSUER:sub`) has exactly the given value.
    pub fn allow_web_identity(provider: String, equals: BTreeMap<String, String>) -> Self {
        Self {
            effect: "Allow",
            principal: FederatedPrincipal {
                federated: provider,
            },
            action: "sts:AssumeRoleWithWebIdentity",
            condition: Condition {
                string_equals: equals,
            },
        }
    }
}

impl TrustPolicy {
    /// A policy of the given statements.
    pub fn new(statement: Vec<Statement>) -> Self {
        Self {
            version: VERSION,
            statement,
        }
    }

    /// The document as IAM takes it.
    pub fn to_document(&self) -> TrustDocument {
        let text = serde_json::to_string(self)
            .expect("a struct of strings with string keys always serialises");
        TrustDocument::new(text)
    }
}

/// The trust policy of a quarantined role: everybody is denied, whoever else would allow it.
///
/// `sts:AssumeRole*` is spelled out because IAM takes no other actions in a trust policy.
pub fn quarantine() -> TrustDocument {
    quarantine_noting("")
}

/// The same with a note behind the statement's id, of letters and digits: IAM takes no other
/// characters there.
pub fn quarantine_noting(note: &str) -> TrustDocument {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document {
        version: &'static str,
        statement: [Deny; 1],
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Deny {
        sid: String,
        effect: &'static str,
        principal: &'static str,
        action: [&'static str; 3],
    }
    let document = Document {
        version: VERSION,
        statement: [Deny {
            sid: format!("{QUARANTINE}{note}"),
            effect: "Deny",
            principal: "*",
            action: [
                "sts:AssumeRole",
                "sts:AssumeRoleWithSAML",
                "sts:AssumeRoleWithWebIdentity",
            ],
        }],
    };
    let text = serde_json::to_string(&document).expect("a struct of strings always serialises");
    TrustDocument::new(text)
}

/// A trust policy as text: JSON, already URL-decoded.
///
/// The text may have been written by anybody, so it need not be valid JSON. It is read once, however many
/// copies are asked: a run compares every role of an account, and looks at each from several sides.
#[derive(Clone)]
pub struct TrustDocument(Arc<Read>);

/// A text, and what was read of it once somebody asked; nothing if it is not JSON.
struct Read {
    text: String,
    canonical: OnceLock<Option<String>>,
    statements: OnceLock<Option<Vec<StatementView>>>,
}

impl TrustDocument {
    /// Wraps the decoded text of a document.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Read {
            text: text.into(),
            canonical: OnceLock::new(),
            statements: OnceLock::new(),
        }))
    }

    /// The document's text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Reads what a comparison asks for of both sides, which then need not be read any more.
    pub fn read_meaning(&self) {
        let _ = self.canonical();
    }

    /// Reads all that is asked of a document that somebody may have changed.
    pub fn read(&self) {
        let _ = (self.canonical(), self.statements());
    }

    /// The statements of the document, of which there may be one or a list; `None` if it is not JSON.
    pub fn statements(&self) -> Option<&[StatementView]> {
        let read = || {
            let statements = self.raw_statements()?.into_iter();
            Some(statements.map(StatementView::from).collect())
        };
        self.0.statements.get_or_init(read).as_deref()
    }

    /// The statements as they stand in the document.
    pub(super) fn raw_statements(&self) -> Option<Vec<Value>> {
        let mut document: Value = serde_json::from_str(self.as_str()).ok()?;
        Some(match document.get_mut("Statement").map(Value::take) {
            Some(Value::Array(statements)) => statements,
            Some(statement) => vec![statement],
            None => vec![],
        })
    }

    /// The text of the document in the form in which equal meaning is equal text; `None` if it is not
    /// JSON.
    pub(super) fn canonical(&self) -> Option<&str> {
        let read = || canonical::canonical(self.as_str());
        self.0.canonical.get_or_init(read).as_deref()
    }

    /// The document with indentation and in canonical order, for people to compare line by line;
    /// a text that is not JSON comes back as it is.
    pub fn pretty(&self) -> String {
        let value = self
            .canonical()
            .and_then(|text| serde_json::from_str(text).ok());
        match value {
            Some::<Value>(value) => serde_json::to_string_pretty(&value)
                .expect("a JSON value with string keys always serialises"),
            None => self.as_str().to_owned(),
        }
    }

    /// Whether a principal is shown by its unique id: of one that was made a moment ago IAM shows the
    /// id for a while, of one that is gone it always does.
    /// See <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>.
    pub fn has_unresolved_principal(&self) -> bool {
        let mut statements = self.statements().unwrap_or_default().iter();
        statements.any(|statement| statement.principal.names().into_iter().any(is_deleted))
    }

    /// The note of a quarantine, which may be empty; `None` for any other document.
    pub fn quarantine_note(&self) -> Option<String> {
        let document: Value = serde_json::from_str(self.as_str()).ok()?;
        let statement = match document.get("Statement")? {
            Value::Array(statements) => statements.first()?,
            statement => statement,
        };
        let note = statement.get("Sid")?.as_str()?.strip_prefix(QUARANTINE)?;
        let is_quarantine = self.same_meaning(&quarantine_noting(note));
        is_quarantine.then(|| note.to_owned())
    }

    /// Whether both documents grant the same: the order of keys, lists and statements, a string in
    /// place of a one-element list, and numbers or booleans in place of strings do not matter.
    ///
    /// ```
    /// use irsa_gitops::model::trust_policy::TrustDocument;
    ///
    /// let a = TrustDocument::new(r#"{"Statement":[{"Action":["sts:AssumeRole"],"Effect":"Allow"}]}"#);
    /// let b = TrustDocument::new(r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}"#);
    /// assert!(a.same_meaning(&b));
    /// ```
    pub fn same_meaning(&self, other: &Self) -> bool {
        self == other || self.canonical().is_some() && self.canonical() == other.canonical()
    }

    /// How many characters IAM counts against its quota: all but white space.
    ///
    /// See <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
    pub fn quota_length(&self) -> usize {
        self.as_str().chars().filter(|c| !c.is_whitespace()).count()
    }

    /// The OIDC providers and other federated principals the document names, by ARN.
    pub fn federated_principals(&self) -> Vec<String> {
        let statements = self.statements().unwrap_or_default();
        let federated = statements.iter().flat_map(|s| s.principal.federated());
        federated.map(str::to_owned).collect()
    }
}

impl PartialEq for TrustDocument {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for TrustDocument {}

impl fmt::Debug for TrustDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrustDocument").field(&self.0.text).finish()
    }
}

/// Numbers and booleans stand for their text.
fn leaf(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Bool(flag) => Value::String(flag.to_string()),
        other => other,
    }
}

/// Whether a name is the id of a user or role: IAM shows it in place of the ARN of one that was deleted,
/// and for a while of one that is new.
fn is_deleted(name: &str) -> bool {
    let is_of_id = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    ["AROA", "AIDA"].iter().any(|kind| name.starts_with(kind)) && name.chars().all(is_of_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> TrustDocument {
        TrustDocument::new(text)
    }

    #[test]
    fn a30_the_form_of_a_document_does_not_matter() {
        let written = document(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"p"},
                "Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"i:sub":"s","i:aud":["b","a"]}}}]}"#,
        );
        let read_back = document(
            r#"{"Statement":{"Condition":{"StringEquals":{"i:aud":["a","b"],"i:sub":["s"]}},
                "Action":["sts:AssumeRoleWithWebIdentity"],"Principal":{"Federated":["p"]},"Effect":"Allow"},"Version":"2012-10-17"}"#,
        );
        assert!(written.same_meaning(&read_back));
    }

    #[test]
    fn numbers_and_booleans_stand_for_their_text() {
        let a = document(r#"{"Statement":[{"Condition":{"Bool":{"k":true},"N":{"n":5}}}]}"#);
        let b = document(r#"{"Statement":[{"Condition":{"Bool":{"k":"true"},"N":{"n":["5"]}}}]}"#);
        assert!(a.same_meaning(&b));
    }

    #[test]
    fn anything_that_grants_differently_differs() {
        let base =
            r#"{"Statement":[{"Effect":"Allow","Principal":{"Federated":"p"},"Action":"a"}]}"#;
        for other in [
            r#"{"Statement":[{"Effect":"Deny","Principal":{"Federated":"p"},"Action":"a"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":{"Federated":["p","q"]},"Action":"a"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"p"},"Action":"a"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"a"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":{"Federated":"p"},"Action":"a","Condition":{}}]}"#,
            r#"{"Statement":[]}"#,
            "not json",
            "",
        ] {
            assert!(!document(base).same_meaning(&document(other)), "{other}");
        }
    }

    #[test]
    fn federated_principals_are_found_in_every_form() {
        let text = r#"{"Statement":[{"Principal":{"Federated":"b"}},{"Principal":{"Federated":["a"]}},{"Principal":"*"}]}"#;
        let mut found = document(text).federated_principals();
        found.sort();
        assert_eq!(found, ["a", "b"]);
        assert_eq!(
            document("<html>").federated_principals(),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a28_unique_ids_stand_for_principals_that_are_not_resolved() {
        let with = |principal: &str| {
            document(&format!(r#"{{"Statement":[{{"Principal":{principal}}}]}}"#))
        };
        for id in [
            r#""AROAEXAMPLE1""#,
            r#"{"AWS":"AIDAEXAMPLE1"}"#,
            r#"{"Federated":["a","AROAEXAMPLE1"]}"#,
        ] {
            assert!(with(id).has_unresolved_principal(), "{id}");
        }
        for other in [
            r#""*""#,
            r#"{"AWS":"arn:aws:iam::1:role/AROA"}"#,
            r#"{"AWS":"AROA-x"}"#,
            "1",
        ] {
            assert!(!with(other).has_unresolved_principal(), "{other}");
        }
    }

    #[test]
    fn p37_a_document_is_read_once_for_all_its_copies() {
        let document = TrustDocument::new(r#"{"Statement":[{"Effect":"Deny","Sid":"x"}]}"#);
        let copy = document.clone();
        copy.read();
        let place = |document: &TrustDocument| {
            let statements = document.statements().expect("JSON").as_ptr();
            (statements, document.canonical().expect("JSON").as_ptr())
        };
        assert_eq!(place(&document), place(&copy));
        let another = TrustDocument::new(document.as_str());
        assert_eq!(another, document);
        assert_ne!(place(&another), place(&document));
    }

    #[test]
    fn white_space_does_not_count_against_the_quota() {
        assert_eq!(document("{ \"a\" :\n 1 }").quota_length(), 7);
    }

    /// Documents of the shape of a policy, and others.
    fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let word = proptest::sample::select(vec![
            "Statement",
            "Effect",
            "Principal",
            "Federated",
            "Action",
            "Condition",
            "a",
            "b",
            "*",
        ]);
        let leaf = prop_oneof![
            word.clone().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            any::<u8>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            let entry = (word.clone().prop_map(str::to_owned), inner.clone());
            prop_oneof![
                proptest::collection::vec(inner, 0..5).prop_map(Value::from),
                proptest::collection::vec(entry, 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn a30_any_document_means_the_same_as_itself_in_its_canonical_form(value in any_json()) {
            let written = document(&value.to_string());
            let canonical = document(written.canonical().expect("JSON"));
            proptest::prop_assert!(written.same_meaning(&canonical));
            proptest::prop_assert!(canonical.same_meaning(&written));
        }

        #[test]
        fn any_text_is_compared(a in "\\PC{0,40}", b in "\\PC{0,40}") {
            let (a, b) = (document(&a), document(&b));
            proptest::prop_assert_eq!(a.same_meaning(&b), b.same_meaning(&a));
            proptest::prop_assert!(a.same_meaning(&a));
            let _ = (a.federated_principals(), a.has_unresolved_principal(), a.pretty());
        }
    }
}
