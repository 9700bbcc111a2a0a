//! What becomes of a pod that shows its token: whether a statement is about it.
//!
//! Three answers: yes, no, and that it hangs on something which is not known here, such as an address.
//! See <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.

use super::StatementView;
use super::view::{Principal, is_web_identity};

/// A token of a pod.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// The ARN of the OIDC provider that stands for its issuer.
    pub provider: &'a str,
    /// Its issuer, without `https://`.
    pub issuer: &'a str,
    /// Its subject.
    pub subject: &'a str,
    /// Its audience.
    pub audience: &'a str,
}

impl StatementView {
    /// Whether the statement is about whoever assumes the role with a token; `None` if that is not known.
    pub fn is_about(&self, token: &Token<'_>) -> Option<bool> {
        let unknown_elements = self.other_elements().next().is_some();
        let is_action = self.action.iter().any(|action| {
            is_web_identity(action) || glob(&action.to_lowercase(), "sts:assumerolewithwebidentity")
        });
        let principal = match &self.principal {
            Principal::Everyone => true,
            principal => {
                let everyone = principal.names().contains(&"*");
                everyone || principal.federated().contains(&token.provider)
            }
        };
        let conditions = self.condition.iter().flat_map(|(operator, keys)| {
            keys.iter().map(move |(key, values)| {
                let values: Vec<&str> = values.iter().collect();
                holds(operator, key, &values, token)
            })
        });
        let mut all: Vec<Option<bool>> = conditions.collect();
        // `NotAction` and its kin turn the meaning of what is there around.
        all.push((!unknown_elements).then_some(is_action && principal));
        if all.contains(&Some(false)) {
            Some(false)
        } else if all.contains(&None) {
            None
        } else {
            Some(true)
        }
    }
}

/// Whether one condition holds for a token.
fn holds(operator: &str, key: &str, values: &[&str], token: &Token<'_>) -> Option<bool> {
    let is_key = |name: &str| key.eq_ignore_ascii_case(&format!("{}:{name}", token.issuer));
    let value = if is_key("sub") {
        token.subject
    } else if is_key("aud") {
        token.audience
    } else if key.contains(':') && (key.ends_with(":sub") || key.ends_with(":aud")) {
        // A key of another issuer is never in the token.
        return match operator.contains("Not") || operator.ends_with("IfExists") {
            true => None,
            false => Some(false),
        };
    } else {
        return None;
    };
    let operator = operator.rsplit(':').next().unwrap_or(operator);
    let operator = operator.strip_suffix("IfExists").unwrap_or(operator);
    let any = |is_such: &dyn Fn(&str) -> bool| values.iter().any(|found| is_such(found));
    Some(match operator {
        "StringEquals" => any(&|found| found == value),
        "StringNotEquals" => !any(&|found| found == value),
        "StringEqualsIgnoreCase" => any(&|found| found.eq_ignore_ascii_case(value)),
        "StringNotEqualsIgnoreCase" => !any(&|found| found.eq_ignore_ascii_case(value)),
        "StringLike" => any(&|found| glob(found, value)),
        "StringNotLike" => !any(&|found| glob(found, value)),
        _ => return None,
    })
}

/// Whether a text fits a pattern of IAM's, in which `*` is any text and `?` any character. In time that
/// is linear but for the length of the pattern.
fn glob(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for wanted in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        match wanted {
            '*' => {
                let first = reached.iter().position(|at| *at);
                if let Some(first) = first {
                    next[first..].fill(true);
                }
            }
            wanted => {
                for (at, c) in text.iter().enumerate() {
                    next[at + 1] = reached[at] && (wanted == '?' || wanted == *c);
                }
            }
        }
        reached = next;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::super::TrustDocument;
    use super::*;

    fn about(statement: &str) -> Option<bool> {
        let token = Token {
            provider: "arn:aws:iam::1:oidc-provider/i.example",
            issuer: "i.example",
            subject: "system:serviceaccount:bar:foo",
            audience: "sts.amazonaws.com",
        };
        let document = TrustDocument::new(format!(r#"{{"Statement":[{statement}]}}"#));
        document.statements().expect("JSON")[0].is_about(&token)
    }

    fn with(condition: &str) -> Option<bool> {
        about(&format!(
            r#"{{"Effect":"Allow","Principal":{{"Federated":"arn:aws:iam::1:oidc-provider/i.example"}},
                "Action":"sts:AssumeRoleWithWebIdentity","Condition":{condition}}}"#
        ))
    }

    #[test]
    fn s35_conditions_on_the_token_are_understood() {
        for (condition, expected) in [
            ("{}", Some(true)),
            (
                r#"{"StringEquals":{"i.example:sub":"system:serviceaccount:bar:foo"}}"#,
                Some(true),
            ),
            (
                r#"{"StringEquals":{"I.EXAMPLE:SUB":["x","system:serviceaccount:bar:foo"]}}"#,
                Some(true),
            ),
            (
                r#"{"StringEquals":{"i.example:sub":"system:serviceaccount:bar:fo"}}"#,
                Some(false),
            ),
            (
                r#"{"StringLike":{"i.example:sub":"system:serviceaccount:bar:*"}}"#,
                Some(true),
            ),
            (
                r#"{"StringLike":{"i.example:sub":"system:serviceaccount:???:fo?"}}"#,
                Some(true),
            ),
            (
                r#"{"StringNotLike":{"i.example:sub":"system:serviceaccount:bar:*"}}"#,
                Some(false),
            ),
            (r#"{"StringEquals":{"i.example:aud":"vault"}}"#, Some(false)),
            (
                r#"{"StringEquals":{"other.example:sub":"system:serviceaccount:bar:foo"}}"#,
                Some(false),
            ),
            (r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, None),
            (
                r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"StringEquals":{"i.example:aud":"vault"}}"#,
                Some(false),
            ),
        ] {
            assert_eq!(with(condition), expected, "{condition}");
        }
    }

    #[test]
    fn s35_principals_and_actions_are_understood() {
        for (statement, expected) in [
            (
                r#"{"Effect":"Deny","Principal":"*","Action":"sts:*"}"#,
                Some(true),
            ),
            (
                r#"{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"*"}"#,
                Some(true),
            ),
            (
                r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}"#,
                Some(false),
            ),
            (
                r#"{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::1:root"},"Action":"sts:*"}"#,
                Some(false),
            ),
            (
                r#"{"Effect":"Deny","NotPrincipal":{"AWS":"x"},"Action":"sts:*"}"#,
                None,
            ),
        ] {
            assert_eq!(about(statement), expected, "{statement}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends_soon() {
        let text = "a".repeat(2000);
        assert!(!glob(&format!("{}b", "*a".repeat(200)), &text));
        assert!(glob("*", "") && glob("a*c", "abc") && !glob("a?c", "ac"));
    }
}
