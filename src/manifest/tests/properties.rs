//! Whatever is in a file: nothing panics, everything ends, and every place is in the file.

use std::cell::RefCell;
use std::collections::HashSet;

use super::*;
use proptest::prelude::*;

/// A manifest of each form that is read.
fn good() -> Vec<String> {
    let yaml = service_account(&[
        "    note: &n {a: [b, \"c\\n\"]}",
        "    x: |",
        "      y",
        "x: *n",
    ]);
    let merged = "x: &a\n  security.kaluza.com/iam-role-managed: \"true\"\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: foo\n  namespace: bar\n  annotations:\n    <<: [*a, *a]\n";
    let json = r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"foo","namespace":"bar","annotations":{"security.kaluza.com/iam-role-managed":"true","n":"\ud83d\ude00"}}}"#;
    let item = yaml.trim_end().replace('\n', "\n  ");
    vec![
        format!("\u{feff}{yaml}---\r\n# é\n{merged}...\n---\n{json}\n"),
        format!("apiVersion: v1\nkind: List\nitems:\n- {item}\n- a: b\n"),
        format!(r#"{{"apiVersion":"v1","kind":"List","items":[{json},{{"a":1}}]}}{json}"#),
    ]
}

/// A piece that means something to one of the readers.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::sample::select(vec![
            "---\n",
            "\n---",
            "- ",
            ": ",
            "{{ x }}",
            "{",
            "}",
            "[",
            "]",
            "\"",
            "'",
            "\\",
            "\\u0073",
            "<<: *a\n",
            "!!merge <<: *n\n",
            "!!binary ",
            "&n ",
            "*n",
            "|\n",
            ">-\n",
            "%YAML 1.2\n",
            "#",
            "\n",
            "\r",
            "\t",
            "\u{feff}",
            "\u{85}",
            "\u{2028}",
            "é",
            "~",
            "? ",
            "...\n",
            "items:",
            "\0",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 1..4),
    ]
}

/// A good manifest after a few accidents: pieces put in, bytes cut out.
pub(super) fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let accident = (any::<prop::sample::Index>(), 0..12usize, piece());
    (0..3usize, proptest::collection::vec(accident, 0..6)).prop_map(|(which, accidents)| {
        let mut bytes = good().swap_remove(which).into_bytes();
        for (at, cut, piece) in accidents {
            let start = at.index(bytes.len() + 1);
            let end = (start + cut).min(bytes.len());
            bytes.splice(start..end, piece);
        }
        bytes
    })
}

/// Checks what must hold of every file.
fn survives(bytes: &[u8]) {
    let path = "a.yaml".into();
    let extractor = Extractor::default();
    let found = extract(&path, bytes).unwrap_or_default();
    let foo = ServiceAccountRef::parse("bar/foo").expect("it is one");
    let whole = extractor
        .compare(&path, Relation::Same, good()[0].as_bytes(), bytes, None)
        .check(&foo);
    assert!(
        whole.is_err()
            || extractor
                .compare(&path, Relation::Same, bytes, bytes, None)
                .check(&foo)
                .is_ok()
    );
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    let longest = lines.iter().map(|line| line.chars().count()).max();
    let annotations = found
        .declarations
        .iter()
        .flat_map(|d| [&d.role_arn, &d.audience])
        .flatten()
        .map(|annotation| &annotation.location);
    let places = found.diagnostics.iter().filter_map(|d| d.location.as_ref());
    let places = places.chain(found.declarations.iter().map(|d| &d.location));
    for place in places.chain(annotations) {
        assert!(
            (1..=lines.len()).contains(&(place.line as usize)),
            "{place}"
        );
        let widest = longest.unwrap_or_default() + 1;
        assert!((1..=widest).contains(&(place.column as usize)), "{place}");
    }
}

/// The same of one reader by itself: what a fault says is inside the text.
fn stays_inside(fault: Option<&Fault>, text: &str) {
    if let Some(fault) = fault {
        assert!(text.is_char_boundary(fault.at), "{fault:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
        survives(&[b"security.kaluza.com/iam-role-managed".to_vec(), bytes].concat());
    }

    #[test]
    fn no_text_does_harm(text in "[-a:{}\\[\\]\"'|>&*!%#,\\n \\\\t~<0.]{0,80}") {
        survives(format!("{text}\n# security.kaluza.com/iam-role-managed").as_bytes());
    }

    #[test]
    fn no_mutated_manifest_does_harm(bytes in mutated()) {
        survives(&bytes);
    }

    /// Also where the same document stands in several files, and is broken or not.
    #[test]
    fn a_memory_of_documents_changes_nothing(files in proptest::collection::vec(several_documents(), 1..6)) {
        let memory = Remembered::default();
        for text in files {
            let path = "a.yaml".into();
            let known = Extractor::default().extract_with(&path, text.as_bytes(), Extent::Whole, &memory);
            let known = known.map(|known| known.placed(&path, &Conventions::default().namespaces));
            prop_assert_eq!(known, extract(&path, text.as_bytes()), "{}", text);
        }
    }

    #[test]
    fn the_splitter_and_both_readers_stay_inside(bytes in mutated()) {
        let text = String::from_utf8_lossy(&bytes);
        let search = &Extractor::default().search;
        for chunk in document::split(&text, search) {
            let fault = chunk.read(&mut |tree, id, _| {
                let node = tree.node(id);
                assert!(node.start <= node.end && node.end <= text.len());
            });
            stays_inside(fault.as_ref(), &text);
        }
        stays_inside(yaml::read(&text, 0, search, &mut |_, _, _| ()).err().as_ref(), &text);
        stays_inside(yaml::confirm(&text, 0).err().as_ref(), &text);
        stays_inside(json::read(&text, 0, search, &mut |_, _, _| ()).1.as_ref(), &text);
    }

    #[test]
    fn the_two_yaml_parsers_agree(text in "([ab]: ?(\"[a-z\\\\\\\\n]{0,4}\"|'[a-z ]{0,4}'|[a-z.:0-9]{1,6}|\\[[a-z, ]{0,6}\\]|&x y|\\*x|)\\n|- [a-z]{1,3}\\n){0,6}") {
        let ours = yaml::read(&text, 0, &Extractor::default().search, &mut |_, _, _| ());
        let theirs = serde_yaml::from_str::<serde_yaml::Value>(&text);
        if let (Ok(Some(tree)), Ok(value)) = (ours, theirs) && tree.ambiguities.is_empty() {
            let ours = flat_tree(&tree, tree.root).into_iter().map(plain).collect::<Vec<_>>();
            let theirs = flat_value(&value).into_iter().map(plain).collect::<Vec<_>>();
            prop_assert_eq!(ours, theirs, "{}", text);
        }
    }
}

/// Documents that may be remembered.
#[derive(Default)]
struct Remembered(RefCell<HashSet<String>>);

impl Memory for Remembered {
    fn knows(&self, document: &str) -> bool {
        self.0.borrow().contains(document)
    }

    fn learn(&self, document: &str) {
        self.0.borrow_mut().insert(document.to_owned());
    }
}

/// A file with a ServiceAccount and others, some of which are broken, odd or JSON.
pub(super) fn several_documents() -> impl Strategy<Value = String> {
    let others = [
        "a: 1\n",
        "a: [\n",
        "{a: 1}\n",
        "{\"a\": 1}\n",
        "a: 1\na: 2\n",
        "hello\n",
        "kind: List\nitems: [1]\n",
        "a: {{ b }}\n",
        "",
    ];
    let other = proptest::sample::select(others.to_vec()).prop_map(str::to_owned);
    let document = prop_oneof![1 => Just(service_account(&[])), 4 => other];
    let separator = prop_oneof![6 => Just("---\n"), 1 => Just("---x\n")];
    let ours = "# security.kaluza.com/iam-role-managed\n";
    proptest::collection::vec((document, separator), 1..6).prop_map(move |parts| {
        parts
            .into_iter()
            .map(|(text, end)| text + end)
            .chain([ours.to_owned()])
            .collect()
    })
}

/// One spelling for each number: the library hands numbers out in its own.
fn plain(text: String) -> String {
    text.parse::<f64>()
        .map_or(text, |number| number.to_string())
}

/// All keys and scalars in their order, types aside.
fn flat_tree(tree: &tree::Tree, id: tree::NodeId) -> Vec<String> {
    match &tree.node(id).content {
        tree::Content::Text(text) => vec![text.clone()],
        tree::Content::Plain(text) => vec![if scalar::read(text) == scalar::Reading::Null {
            String::new()
        } else {
            text.clone()
        }],
        tree::Content::Sequence(items) => items
            .iter()
            .flat_map(|item| flat_tree(tree, *item))
            .collect(),
        tree::Content::Mapping(entries) => entries
            .iter()
            .flat_map(|(k, v)| [flat_tree(tree, *k), flat_tree(tree, *v)].concat())
            .collect(),
        tree::Content::LeftOut => vec![],
    }
}

fn flat_value(value: &serde_yaml::Value) -> Vec<String> {
    use serde_yaml::Value;
    match value {
        Value::Null => vec![String::new()],
        Value::Bool(flag) => vec![flag.to_string()],
        Value::Number(number) => vec![number.to_string()],
        Value::String(text) => vec![text.clone()],
        Value::Sequence(items) => items.iter().flat_map(flat_value).collect(),
        Value::Mapping(entries) => entries
            .iter()
            .flat_map(|(k, v)| [flat_value(k), flat_value(v)].concat())
            .collect(),
        Value::Tagged(tagged) => flat_value(&tagged.value),
    }
}
