//! What stands in a manifest for a value that something renders later.

/// A placeholder, by what renders it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// `${VAR}`: Flux's `postBuild`, or envsubst.
    Variable,
    /// `{{ … }}`: Helm, or another engine of templates.
    Template,
    /// `<path:…>` or `<key>`: the Vault plugin of Argo CD.
    Angle,
    /// `ENC[…]`: SOPS.
    Encrypted,
    /// `<no value>`: what Go's templates write for nothing.
    NoValue,
    /// `$(VAR)`: a variable of Kustomize.
    Reference,
}

impl Placeholder {
    /// The placeholder in a text, if there is one.
    pub fn of(text: &str) -> Option<Self> {
        let between = |opening: &str, closing: &str| {
            let start = text.find(opening).map(|at| at + opening.len());
            start.is_some_and(|start| text[start..].contains(closing))
        };
        if between("ENC[", "]") {
            Some(Self::Encrypted)
        } else if text.contains("<no value>") {
            Some(Self::NoValue)
        } else if text.contains("{{") {
            Some(Self::Template)
        } else if between("${", "}") {
            Some(Self::Variable)
        } else if between("<", ">") {
            Some(Self::Angle)
        } else if between("$(", ")") {
            Some(Self::Reference)
        } else {
            None
        }
    }

    /// What renders it, as advice.
    pub fn renderer(self) -> &'static str {
        match self {
            Self::Variable => {
                "Flux's postBuild (flux build kustomization) or envsubst replaces `${…}`: commit what it prints"
            }
            Self::Template => {
                "this looks like an un-rendered template: commit what `helm template` prints"
            }
            Self::Angle => {
                "argocd-vault-plugin generate replaces `<…>`: commit what it prints, or write the value"
            }
            Self::Encrypted => {
                "sops --decrypt prints what `ENC[…]` stands for: encrypt secrets alone (--encrypted-regex '^(data|stringData)$')"
            }
            Self::NoValue => {
                "a template had no value here: give it one, and commit what is rendered then"
            }
            Self::Reference => "kustomize build replaces `$(…)`: commit what it prints",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m94_each_kind_of_placeholder_is_known() {
        for (text, expected) in [
            ("arn:aws:iam::${ACCOUNT_ID}:role/x", Placeholder::Variable),
            ("{{ .Values.arn }}", Placeholder::Template),
            ("{{ unclosed", Placeholder::Template),
            ("<path:secret/data/aws#account>", Placeholder::Angle),
            ("arn:aws:iam::<ACCOUNT_ID>:role/x", Placeholder::Angle),
            (
                "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]",
                Placeholder::Encrypted,
            ),
            ("arn:aws:iam::<no value>:role/x", Placeholder::NoValue),
            ("$(ACCOUNT)", Placeholder::Reference),
        ] {
            assert_eq!(Placeholder::of(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "sts.amazonaws.com",
            "a}b${",
            ">a<",
            "ENC",
            "$VAR",
            "a{b}",
        ] {
            assert_eq!(Placeholder::of(text), None, "{text}");
        }
    }
}
