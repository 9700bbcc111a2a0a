//! Which namespace a path is applied to, where manifests do not say it; and which ones it may declare.
//!
//! Patterns are matched in linear time, whatever they are.

use std::collections::BTreeSet;
use std::fmt;

use regex_lite::Regex;

use crate::model::location::RepoPath;
use crate::model::service_account::{InvalidName, Namespace};

/// What stands for the namespace in a pattern.
const NAMESPACE: &str = "{namespace}";

/// The rules of a cluster, in their order: the first one that matches a path counts, together with
/// the others of the same pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceRules(Vec<NamespaceRule>);

/// One rule: a pattern of paths, and which namespace they are applied to.
#[derive(Clone)]
pub struct NamespaceRule {
    /// As it was written, without the namespace behind it.
    pattern: String,
    regex: Regex,
    /// The namespace, unless the path holds it.
    fixed: Option<Namespace>,
    /// Whether a path may declare nothing else.
    enforced: bool,
}

/// Why a text is no rule.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidRule {
    /// Whoever wrote it: nothing says which namespace it is.
    #[error(
        "`{0}` names no namespace: write `{{namespace}}` where the path has it, or PATTERN=NAMESPACE"
    )]
    NoNamespace(String),
    /// Whoever wrote it: it says twice which namespace it is.
    #[error("`{0}` names the namespace twice")]
    Twice(String),
    /// Whoever wrote it: a character that would mean something in other patterns.
    #[error(
        "`{0}` is no pattern of paths (`*`, `?`, and `**` for any directories, below the root; no `[`, `]`, `{{`, `}}`, `\\`, empty parts, `.` or `..`)"
    )]
    Pattern(String),
    /// Whoever wrote it: Kubernetes has no such namespace.
    #[error("`{rule}`: {source}")]
    Namespace {
        /// The rule.
        rule: String,
        /// What is wrong with the namespace.
        source: InvalidName,
    },
}

impl NamespaceRules {
    /// Rules in the order in which they count.
    pub fn new(rules: Vec<NamespaceRule>) -> Self {
        Self(rules)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The namespace of what has none at a path; an error if the path holds none that can be one.
    pub fn of(&self, path: &RepoPath) -> Option<Result<Namespace, InvalidName>> {
        self.matching(path).next().map(|(_, namespace)| namespace)
    }

    /// The namespaces that a path may declare; `None` if it may declare all.
    pub fn allowed(&self, path: &RepoPath) -> Option<BTreeSet<Namespace>> {
        let mut matching = self.matching(path).peekable();
        matching.peek().filter(|(rule, _)| rule.enforced)?;
        Some(
            matching
                .filter_map(|(_, namespace)| namespace.ok())
                .collect(),
        )
    }

    /// The first rule that matches and those of the same pattern.
    fn matching(
        &self,
        path: &RepoPath,
    ) -> impl Iterator<Item = (&NamespaceRule, Result<Namespace, InvalidName>)> {
        let path = path.to_string();
        let mut pattern = None;
        self.0.iter().filter_map(move |rule| {
            if pattern.is_some_and(|pattern| pattern != rule.pattern) {
                return None;
            }
            let found = rule.regex.captures(&path)?;
            pattern = Some(rule.pattern.as_str());
            let namespace = match (&rule.fixed, found.get(1)) {
                (Some(fixed), _) => Ok(fixed.clone()),
                (None, part) => Namespace::new(part.map_or("", |part| part.as_str())),
            };
            Some((rule, namespace))
        })
    }
}

impl NamespaceRule {
    /// Reads `PATTERN` with `{namespace}` in it, or `PATTERN=NAMESPACE`.
    ///
    /// # Errors
    ///
    /// [`InvalidRule`].
    pub fn new(text: &str, enforced: bool) -> Result<Self, InvalidRule> {
        let (pattern, fixed) = match text.rsplit_once('=') {
            Some((pattern, namespace)) if !namespace.contains(['/', '{']) => {
                (pattern, Some(namespace))
            }
            _ => (text, None),
        };
        match (pattern.matches(NAMESPACE).count(), fixed) {
            (0, None) => return Err(InvalidRule::NoNamespace(text.to_owned())),
            (0, Some(_)) | (1, None) => {}
            _ => return Err(InvalidRule::Twice(text.to_owned())),
        }
        let fixed = fixed.map(Namespace::new).transpose();
        Ok(Self {
            regex: regex(pattern).ok_or_else(|| InvalidRule::Pattern(text.to_owned()))?,
            pattern: pattern.to_owned(),
            fixed: fixed.map_err(|source| InvalidRule::Namespace {
                rule: text.to_owned(),
                source,
            })?,
            enforced,
        })
    }
}

/// Translates a pattern; it stands for files, and for directories with all that is below them.
fn regex(pattern: &str) -> Option<Regex> {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
    let parts: Vec<&str> = pattern.trim_end_matches('/').split('/').collect();
    let mut text = String::from("^");
    for (index, part) in parts.iter().enumerate() {
        let is_last = index + 1 == parts.len();
        match *part {
            "" | "." | ".." => return None,
            "**" if is_last => text.push_str(".+$"),
            "**" => text.push_str("(?:.+?/)??"),
            part => {
                for (at, between) in part.split(NAMESPACE).enumerate() {
                    if at > 0 {
                        text.push_str("([^/]+?)");
                    }
                    literal(between, &mut text)?;
                }
                text.push_str(match (is_last, part) {
                    // A file of that name names no namespace.
                    (true, NAMESPACE) => "/.*$",
                    (true, _) => "(?:/.*)?$",
                    (false, _) => "/",
                });
            }
        }
    }
    // A path may have line breaks.
    Regex::new(&format!("(?s){text}")).ok()
}

fn literal(part: &str, text: &mut String) -> Option<()> {
    if part.contains("**") {
        return None;
    }
    for c in part.chars() {
        match c {
            '*' => text.push_str("[^/]*?"),
            '?' => text.push_str("[^/]"),
            '[' | ']' | '{' | '}' | '\\' => return None,
            c => text.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    Some(())
}

/// What to write in a rule for a very file, and the namespace that it would give: for the directory
/// it is in, if that could be one. `None` if a pattern cannot hold the path.
pub fn suggestion(path: &RepoPath) -> Option<(String, Option<Namespace>)> {
    let path = std::str::from_utf8(path.as_bytes()).ok()?;
    let is_plain = |c: char| !c.is_control() && !"*?[]{}\\=,'".contains(c);
    if !path.chars().all(is_plain) {
        return None;
    }
    let Some((directory, _)) = path.rsplit_once('/') else {
        return Some((format!("{path}=NAMESPACE"), None));
    };
    let (parent, last) = match directory.rsplit_once('/') {
        Some((parent, last)) => (format!("{parent}/"), last),
        None => (String::new(), directory),
    };
    Some(match Namespace::new(last) {
        Ok(namespace) => (format!("{parent}{NAMESPACE}/**"), Some(namespace)),
        Err(_) => (format!("{directory}/**=NAMESPACE"), None),
    })
}

impl PartialEq for NamespaceRule {
    fn eq(&self, other: &Self) -> bool {
        let key = |rule: &Self| (rule.pattern.clone(), rule.fixed.clone(), rule.enforced);
        key(self) == key(other)
    }
}

impl Eq for NamespaceRule {}

impl fmt::Debug for NamespaceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pattern,
            fixed,
            enforced,
            ..
        } = self;
        write!(f, "{pattern}={fixed:?}, enforced: {enforced}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules(texts: &[&str], enforced: bool) -> NamespaceRules {
        let rule = |text: &&str| NamespaceRule::new(text, enforced).expect("a rule");
        NamespaceRules::new(texts.iter().map(rule).collect())
    }

    fn given(texts: &[&str], path: &str) -> Option<String> {
        let found = rules(texts, false).of(&path.into())?;
        Some(found.map_or("invalid".to_owned(), |n| n.to_string()))
    }

    #[test]
    fn m44_patterns_say_which_namespace_a_path_has() {
        for (rule, path, namespace) in [
            (
                "clusters/prod/{namespace}/**",
                "clusters/prod/shop/a.yaml",
                Some("shop"),
            ),
            (
                "clusters/prod/{namespace}/**",
                "clusters/prod/shop/x/a.yaml",
                Some("shop"),
            ),
            (
                "clusters/prod/{namespace}",
                "clusters/prod/shop/a.yaml",
                Some("shop"),
            ),
            (
                "clusters/prod/{namespace}/",
                "clusters/prod/shop/a.yaml",
                Some("shop"),
            ),
            ("clusters/prod/{namespace}/**", "clusters/prod/a.yaml", None),
            ("clusters/prod/{namespace}", "clusters/prod/a.yaml", None),
            (
                "clusters/prod/{namespace}/**",
                "x/clusters/prod/shop/a.yaml",
                None,
            ),
            (
                "clusters/*/{namespace}/**",
                "clusters/b/shop/a.yaml",
                Some("shop"),
            ),
            (
                "clusters/*/{namespace}/**",
                "clusters/b/c/shop/a.yaml",
                Some("c"),
            ),
            ("**/ns-{namespace}/*.yaml", "ns-a/b.yaml", Some("a")),
            ("**/ns-{namespace}/*.yaml", "x/y/ns-a/b.yaml", Some("a")),
            ("**/ns-{namespace}/*.yaml", "x/ns-a/y/b.yaml", None),
            ("apps/{namespace}.yaml", "apps/shop.yaml", Some("shop")),
            ("apps/{namespace}/**", "apps/Shop_1/a.yaml", Some("invalid")),
            ("apps/**=shop", "apps/a/b.yaml", Some("shop")),
            ("apps=shop", "apps/a.yaml", Some("shop")),
            ("apps=shop", "apps2/a.yaml", None),
            ("apps/a.yaml=shop", "apps/a.yaml", Some("shop")),
            ("a?b/**=shop", "a.b/a.yaml", Some("shop")),
            ("a.b/**=shop", "axb/a.yaml", None),
            ("**=shop", "a.yaml", Some("shop")),
            ("a/x=y/**=shop", "a/x=y/a.yaml", Some("shop")),
        ] {
            let namespace = namespace.map(str::to_owned);
            assert_eq!(given(&[rule], path), namespace, "{rule} {path}");
        }
    }

    #[test]
    fn m44_the_first_rule_that_matches_counts() {
        let texts = ["apps/special/**=kube-system", "apps/{namespace}/**"];
        assert_eq!(
            given(&texts, "apps/special/a.yaml").as_deref(),
            Some("kube-system")
        );
        assert_eq!(given(&texts, "apps/shop/a.yaml").as_deref(), Some("shop"));
    }

    #[test]
    fn m45_the_rules_of_one_pattern_allow_their_namespaces() {
        let rules = rules(&["a/**=shop", "a/**=cart", "**=other"], true);
        let allowed = |path: &str| {
            let allowed = rules.allowed(&path.into()).expect("a rule");
            allowed.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(allowed("a/x.yaml"), ["cart", "shop"]);
        assert_eq!(allowed("b/x.yaml"), ["other"]);
    }

    #[test]
    fn m44_what_is_no_rule_is_refused() {
        for bad in [
            "",
            "apps/**",
            "apps/{namespace}/**=shop",
            "{namespace}/{namespace}/**",
            "apps/{ns}/**=shop",
            "apps/[ab]/**=shop",
            "apps/a**/x=shop",
            "/apps/**=shop",
            "apps//x=shop",
            "../{namespace}/**",
            "apps/**=Shop",
            "apps/**=",
        ] {
            assert!(NamespaceRule::new(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn s16_a_pattern_of_many_stars_ends_at_once() {
        let rule = format!("{}{{namespace}}/b=", "**/*a*/".repeat(20));
        let rules = rules(&[rule.trim_end_matches('=')], false);
        let path = format!("{}c", "aaaa/".repeat(2000));
        assert!(rules.of(&path.as_str().into()).is_none());
    }

    proptest! {
        #[test]
        fn m44_a_suggestion_gives_its_namespace_to_its_file(
            path in "([a-zA-Z0-9_-][a-zA-Z0-9._ -]{0,5}/){0,3}[a-z]{1,5}\\.yaml",
        ) {
            let path = RepoPath::from(path.as_str());
            if let Some((pattern, namespace)) = suggestion(&path) {
                let pattern = pattern.replace("=NAMESPACE", "=fixed");
                if let Ok(rule) = NamespaceRule::new(&pattern, false) {
                    let found = NamespaceRules::new(vec![rule]).of(&path);
                    let fixed = Namespace::new("fixed").expect("one");
                    prop_assert_eq!(found, Some(Ok(namespace.unwrap_or(fixed))));
                }
            }
        }
    }
}
