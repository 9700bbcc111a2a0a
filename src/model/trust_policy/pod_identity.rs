//! Statements for EKS Pod Identity: somebody's migration, which is kept beside what is declared.

use serde_json::Value;

use super::view::StatementView;
use super::{TrustDocument, VERSION};

impl TrustDocument {
    /// Whether EKS Pod Identity may assume the role.
    pub fn has_pod_identity(&self) -> bool {
        let mut statements = self.statements().unwrap_or_default().iter();
        statements.any(StatementView::is_pod_identity)
    }

    /// This document with the statements for EKS Pod Identity of another one.
    #[must_use]
    pub fn with_pod_identity_of(&self, current: &Self) -> Self {
        if !current.has_pod_identity() {
            return self.clone();
        }
        match self.raw_statements() {
            Some(mut statements) => {
                statements.extend(current.pod_identity());
                let document = serde_json::json!({ "Version": VERSION, "Statement": statements });
                Self::new(document.to_string())
            }
            None => self.clone(),
        }
    }

    fn pod_identity(&self) -> Vec<Value> {
        let statements = self.raw_statements().unwrap_or_default().into_iter();
        let is_such = |statement: &Value| StatementView::from(statement.clone()).is_pod_identity();
        statements.filter(is_such).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"p"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#;

    fn with(statement: &str) -> TrustDocument {
        TrustDocument::new(format!(r#"{{"Statement":[{statement}]}}"#))
    }

    #[test]
    fn s25_a_statement_for_pod_identity_is_what_eks_makes_or_less() {
        let pods = r#""Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"}"#;
        let both = r#""Action":["sts:TagSession","sts:AssumeRole"]"#;
        for (rest, is_such) in [
            (format!("{pods},{both}"), true),
            (format!(r#"{pods},"Sid":"x",{both}"#), true),
            (
                format!(
                    r#"{pods},{both},"Condition":{{"StringEquals":{{"aws:SourceAccount":"1"}}}}"#
                ),
                true,
            ),
            (format!(r#"{pods},"Action":"sts:AssumeRole""#), true),
            (format!(r#"{pods},"Action":"sts:*""#), false),
            (format!(r#"{pods},"Action":[]"#), false),
            (format!(r#"{pods},"NotAction":"sts:AssumeRole""#), false),
            (
                format!(
                    r#""Effect":"Allow","Principal":{{"Service":["pods.eks.amazonaws.com","ec2.amazonaws.com"]}},{both}"#
                ),
                false,
            ),
            (
                format!(
                    r#""Effect":"Allow","Principal":{{"Service":"pods.eks.amazonaws.com","AWS":"*"}},{both}"#
                ),
                false,
            ),
            (
                format!(
                    r#""Effect":"Deny","Principal":{{"Service":"pods.eks.amazonaws.com"}},{both}"#
                ),
                false,
            ),
        ] {
            let current = with(&format!("{{{rest}}}"));
            assert_eq!(current.has_pod_identity(), is_such, "{rest}");
            let kept = TrustDocument::new(OURS).with_pod_identity_of(&current);
            let statements = kept.statements().expect("JSON");
            assert_eq!(statements.len(), 1 + usize::from(is_such), "{rest}");
        }
    }
}
