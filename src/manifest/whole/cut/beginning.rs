//! The last document of a file that ends inside a ServiceAccount, as its lines tell: no parser reads it.

use super::{End, Half};

/// What a ServiceAccount has at its top:
/// <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/service-account-v1/>.
const KEYS: [&str; 6] = [
    "apiVersion",
    "automountServiceAccountToken",
    "imagePullSecrets",
    "kind",
    "metadata",
    "secrets",
];

/// The half of a ServiceAccount with which a text ends, if its last document, or the last item of a List
/// there, is nothing but the beginning of one.
pub(super) fn half(text: &str) -> Option<Half> {
    let start = text.rfind("\n---").map_or(0, |at| at + 1);
    let tail = match text[start..].starts_with("---") {
        true => text[start..].split_once('\n').map_or("", |(_, tail)| tail),
        false => &text[start..],
    };
    if tail.contains("{{") {
        return None;
    }
    match tail.trim_start().starts_with('{') {
        true => json(tail),
        false => yaml(tail),
    }
}

fn unknown() -> Half {
    Half {
        namespace: None,
        name: None,
        ends_in: End::Elsewhere,
    }
}

/// JSON that ends before its last brace.
fn json(text: &str) -> Option<Half> {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for c in text.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_text,
            '"' => is_text = !is_text,
            '{' if !is_text => depth += 1,
            '}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let may_be = text.contains("\"ServiceAccount\"") || !text.contains("\"kind\"");
    (depth > 0 && may_be).then(unknown)
}

fn yaml(text: &str) -> Option<Half> {
    let is_content = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    };
    let lines: Vec<&str> = text.lines().filter(is_content).collect();
    let item = last_item(&lines);
    let lines: Vec<&str> = match &item {
        Some(item) => item.iter().map(String::as_str).collect(),
        None => lines,
    };
    let (last, whole) = lines.split_last()?;
    // The line that is cut, unless the cut is behind it.
    let (mut kind, mut first) = (None, None);
    for line in whole.iter().filter(|line| is_top(line)) {
        let (key, value) = key_and_value(line)?;
        first.get_or_insert(key);
        match key {
            "kind" => kind = Some(value),
            "apiVersion" if value != "v1" => return None,
            // In braces it is whole, or no last line.
            "metadata" if !value.is_empty() => return None,
            key if !KEYS.contains(&key) => return None,
            _ => {}
        }
    }
    if is_top(last) {
        match key_and_value(last) {
            Some(("kind", value)) => {
                first.get_or_insert("kind");
                kind = Some(value)
                    .filter(|kind| !"ServiceAccount".starts_with(*kind))
                    .or(kind);
            }
            Some(("apiVersion", value)) if "v1".starts_with(value) => {
                first.get_or_insert("apiVersion");
            }
            Some((key, "")) if KEYS.contains(&key) => {}
            Some(_) => return None,
            None => {
                let key = KEYS.iter().find(|key| key.starts_with(last.trim_end()))?;
                first.get_or_insert(key);
            }
        }
    }
    // Other documents begin with other keys, such as the values of a chart.
    if !matches!(first, Some("apiVersion" | "kind")) || kind.is_some_and(|k| k != "ServiceAccount")
    {
        return None;
    }
    let metadata = lines
        .iter()
        .position(|line| key_and_value(line) == Some(("metadata", "")) && is_top(line));
    let inside = metadata.map_or(&[][..], |at| &lines[at + 1..]);
    if kind.is_none() && !inside.is_empty() {
        return None;
    }
    let indent = inside.first().map_or(0, |line| indent_of(line));
    let field = |wanted: &str| {
        let mut of_metadata = inside.iter().take_while(|line| !is_top(line));
        let line = of_metadata.find(|line| {
            indent_of(line) == indent
                && key_and_value(line.trim_start()).is_some_and(|(key, _)| key == wanted)
        })?;
        let (_, value) = key_and_value(line.trim_start())?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let (namespace, name) = (field("namespace"), field("name"));
    // With a name, a line that is no field tells that more was to come.
    let is_cut = name.is_none() || (namespace.is_none() && is_cut_off(text, last));
    is_cut.then_some(Half {
        namespace,
        name,
        ends_in: End::Elsewhere,
    })
}

/// Whether a last line is neither a field nor an item, or has no line break where all others do.
fn is_cut_off(text: &str, last: &str) -> bool {
    let line = last.trim().trim_start_matches("- ");
    key_and_value(line).is_none() || !text.ends_with('\n')
}

fn is_top(line: &str) -> bool {
    !line.starts_with([' ', '\t', '-'])
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// A key and its value, without quotes and comments.
fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let is_field = value.is_empty() || value.starts_with(char::is_whitespace);
    let value = value.split(" #").next().unwrap_or_default();
    is_field.then(|| (unquoted(key), unquoted(value)))
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// The last item of a List, as if it stood by itself.
fn last_item(lines: &[&str]) -> Option<Vec<String>> {
    let items = lines
        .iter()
        .position(|line| key_and_value(line) == Some(("items", "")))?;
    let items = &lines[items + 1..];
    let dash = indent_of(items.first()?);
    let is_start = |line: &&str| indent_of(line) == dash && line.trim_start().starts_with('-');
    let start = items.iter().rposition(is_start)?;
    let dedented = |(index, line): (usize, &&str)| match index {
        0 => line[dash + 1..].trim_start().to_owned(),
        _ => line.get(dash + 2..).unwrap_or_default().to_owned(),
    };
    Some(items[start..].iter().enumerate().map(dedented).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(Option<String>, Option<String>)> {
        half(text).map(|half| (half.namespace, half.name))
    }

    #[test]
    fn m110_what_begins_like_a_service_account_and_ends_there_is_a_half() {
        let annotation = "metadata:\n  annotations:\n    eks.amaz";
        for text in [
            "---\napiVers",
            "apiVersion: v1",
            "apiVersion: v1\nkind:",
            "kind: Serv",
            "apiVersion: v1\nkind: ServiceAccount\n",
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n",
            "kind: ServiceAccount\nmetadata:\n  name:",
            "kind: ServiceAccount\nmetadata:\n  labels: {}\n  name: \n",
            &format!("apiVersion: v1\nkind: \"ServiceAccount\" # one\n{annotation}"),
            &format!(
                "kind: ConfigMap\ndata: {{}}\n---\n# next\nkind: ServiceAccount\n{annotation}"
            ),
            "kind: List\nitems:\n- kind: ConfigMap\n  metadata:\n    name: c\n- kind: ServiceAccount\n  metadata:\n",
            r#"{"kind": "List", "items": [{"kind": "ServiceAccount", "meta"#,
            r#"{"apiVersion": "v1", "#,
        ] {
            assert_eq!(told(text), Some((None, None)), "{text}");
        }
        let named = "kind: ServiceAccount\nmetadata:\n  name: foo\n  annotations:\n    secur";
        assert_eq!(told(named), Some((None, Some("foo".into()))));
    }

    #[test]
    fn m110_what_is_whole_or_something_else_is_no_half() {
        for text in [
            "",
            "---\n",
            "# nothing\n",
            "kind: ServiceAccount\nmetadata:\n  name: foo\n",
            "kind: ServiceAccount\nmetadata: {name: foo, namespace: bar}\nsecrets: []\n",
            "kind: ServiceAccount\nmetadata:\n  name: foo\n  namespace: bar\n  annotations:\n    secur",
            "apiVersion: v1\nkind: Conf",
            "apiVersion: apps/v1\nkind:\n",
            "apiVersion: v1\nkind: Secret\nmetadata:\n",
            // Values of a chart, and a template.
            "imagePullSecrets:\n- name: x\n",
            "secrets:\n",
            "metadata:\n  labels: {}\n",
            "replicas: 1\n",
            "kind: ServiceAccount\nmetadata:\n  name: {{ .Values.name }}\n",
            "kind: List\nitems:\n- kind: ServiceAccount\n  metadata:\n    name: foo\n",
            "items:\n- a\nkind: List\n",
            r#"{"kind": "ServiceAccount", "metadata": {"name": "foo"}}"#,
            r#"{"kind": "ConfigMap", "#,
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
