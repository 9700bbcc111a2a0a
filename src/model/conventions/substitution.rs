//! Variables in annotation values, replaced as Flux's `postBuild.substitute` replaces them.
//!
//! See <https://fluxcd.io/flux/components/kustomize/kustomizations/#post-build-variable-substitution>.

use std::collections::BTreeMap;

/// How deep defaults may hold defaults.
const MAX_DEPTH: usize = 8;

/// The values of variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substitutions(BTreeMap<String, String>);

/// Why a text gives no variable a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidSubstitution {
    /// Whoever wrote it.
    #[error(
        "`{0}` is not KEY=VALUE with a key of letters, digits and `_` that starts with no digit"
    )]
    Form(String),
    /// Whoever wrote two.
    #[error("`{0}` has two values")]
    Twice(String),
}

/// Why a value cannot be known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// A variable has no value and no default.
    #[error("`${{{0}}}` has no value and no default: give --substitute {0}=VALUE")]
    Unset(String),
    /// It does more than to stand for a value.
    #[error(
        "`{0}` is more than `${{VAR}}`, `${{VAR:=DEFAULT}}` and `${{VAR:-DEFAULT}}`: commit what is rendered"
    )]
    Expression(String),
}

impl Substitutions {
    /// The values that texts of the form `KEY=VALUE` give.
    ///
    /// # Errors
    ///
    /// If one has another form, or a key has two values.
    pub fn new<'a>(
        texts: impl IntoIterator<Item = &'a String>,
    ) -> Result<Self, InvalidSubstitution> {
        let mut all = BTreeMap::new();
        for text in texts {
            let pair = text.split_once('=').filter(|(key, _)| is_name(key));
            let (key, value) = pair.ok_or_else(|| InvalidSubstitution::Form(text.clone()))?;
            let former = all.insert(key.to_owned(), value.to_owned());
            if former.is_some_and(|former| former != value) {
                return Err(InvalidSubstitution::Twice(key.to_owned()));
            }
        }
        Ok(Self(all))
    }

    /// A text with the values of its variables; `None` if nothing is to be replaced at all: Flux
    /// leaves such a repository alone.
    ///
    /// # Errors
    ///
    /// [`Unknown`], if a value is not known: where Flux would write nothing, nothing is guessed.
    pub fn apply(&self, text: &str) -> Option<Result<String, Unknown>> {
        if self.0.is_empty() || !text.contains("${") {
            return None;
        }
        let mut rest = text;
        Some(self.replaced(&mut rest, 0))
    }

    /// The text up to its end or, within a default, up to the brace that closes that.
    fn replaced(&self, rest: &mut &str, depth: usize) -> Result<String, Unknown> {
        let mut out = String::new();
        loop {
            if let Some(literal) = rest.strip_prefix("$${") {
                out.push_str("${");
                *rest = literal;
            } else if let Some(inner) = rest.strip_prefix("${") {
                let whole = *rest;
                *rest = inner;
                out.push_str(&self.variable(whole, rest, depth + 1)?);
            } else if depth > 0 && rest.starts_with('}') {
                return Ok(out);
            } else {
                let Some(c) = rest.chars().next() else {
                    return Ok(out);
                };
                out.push(c);
                *rest = &rest[c.len_utf8()..];
            }
        }
    }

    /// The value of the variable that `rest` begins with, up to behind its closing brace.
    fn variable(&self, whole: &str, rest: &mut &str, depth: usize) -> Result<String, Unknown> {
        let expression = || {
            let end = whole.find('}').map_or(whole.len(), |end| end + 1);
            Unknown::Expression(whole[..end].to_owned())
        };
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_part(c)).ok_or_else(expression)?;
        let (name, after) = rest.split_at(end);
        if !is_name(name) || depth > MAX_DEPTH {
            return Err(expression());
        }
        // Flux takes an empty value for none.
        let value = self.0.get(name).filter(|value| !value.is_empty());
        if let Some(after) = after.strip_prefix('}') {
            *rest = after;
            let unset = || Unknown::Unset(name.to_owned());
            return self.0.get(name).cloned().ok_or_else(unset);
        }
        let operators = [":=", ":-", "=", "-"];
        let default = operators
            .iter()
            .find_map(|operator| after.strip_prefix(operator));
        *rest = default.ok_or_else(expression)?;
        let default = self.replaced(rest, depth);
        *rest = rest.strip_prefix('}').ok_or_else(expression)?;
        match value {
            Some(value) => Ok(value.clone()),
            None => default,
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.bytes().all(is_part) && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(texts: &[&str]) -> Result<Substitutions, InvalidSubstitution> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Substitutions::new(&texts)
    }

    #[test]
    fn m95_variables_are_replaced_as_flux_replaces_them() {
        let given = with(&["ACCOUNT=123456789012", "_x1=a=b", "EMPTY="]).expect("valid");
        for (text, expected) in [
            (
                "arn:aws:iam::${ACCOUNT}:role/x",
                "arn:aws:iam::123456789012:role/x",
            ),
            (
                "${ACCOUNT:=1}${ACCOUNT:-2}${_x1}",
                "123456789012123456789012a=b",
            ),
            ("${NONE:=one}-${NONE:-two}", "one-two"),
            ("${NONE:=}${EMPTY}.", "."),
            ("${EMPTY:=default}", "default"),
            ("${NONE:=${ACCOUNT}}", "123456789012"),
            ("${NONE:=${OTHER:-deep}er}", "deeper"),
            // Escaped, or not a variable at all.
            ("$${ACCOUNT}${ACCOUNT}", "${ACCOUNT}123456789012"),
            ("$ACCOUNT}${ACCOUNT}", "$ACCOUNT}123456789012"),
            ("${NONE:=é}", "é"),
        ] {
            assert_eq!(given.apply(text), Some(Ok(expected.to_owned())), "{text}");
        }
        assert_eq!(given.apply("no variable, $(x) and {{ y }}"), None);
        assert_eq!(with(&[]).map(|none| none.apply("${ACCOUNT:=1}")), Ok(None));
    }

    #[test]
    fn m95_what_is_not_known_is_not_guessed() {
        let given = with(&["A=1"]).expect("valid");
        let unknown = |text: &str| given.apply(text).expect("a variable").expect_err("unknown");
        assert_eq!(unknown("x${B}"), Unknown::Unset("B".to_owned()));
        assert_eq!(unknown("${B:=${C}}"), Unknown::Unset("C".to_owned()));
        for text in [
            "${A/1/2}",
            "${#A}",
            "${A:0:1}",
            "${A^^}",
            "${}",
            "${1A}",
            "${A",
            "${A:=x",
            "${A:?x}",
            "${A:+x}",
            "${é}",
            &"${B:=".repeat(100_000),
        ] {
            assert!(matches!(unknown(text), Unknown::Expression(_)), "{text}");
        }
    }

    #[test]
    fn m95_a_key_has_one_value() {
        for bad in ["A", "=1", "1A=1", "A-B=1", "A =1", ""] {
            assert!(
                matches!(with(&[bad]), Err(InvalidSubstitution::Form(_))),
                "{bad}"
            );
        }
        assert!(matches!(
            with(&["A=1", "A=2"]),
            Err(InvalidSubstitution::Twice(_))
        ));
        assert!(with(&["A=1", "A=1", "B="]).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn m95_any_text_can_be_looked_at(text in "[$A{}:=\\-é]{0,24}") {
            let given = with(&["A=1"]).expect("valid");
            if let Some(Ok(replaced)) = given.apply(&text) {
                proptest::prop_assert!(replaced.len() < text.len());
            }
        }
    }
}
