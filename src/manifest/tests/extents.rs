//! How much of a file is read, and that what it declares does not hang on that.

use super::properties::{mutated, several_documents};
use super::*;
use proptest::prelude::*;

fn ours(text: &str) -> Option<Extract> {
    let path = "a.yaml".into();
    let extract = Extractor::default().declarations(&path, text.as_bytes())?;
    Some(extract.placed(&path, &Conventions::default().namespaces))
}

#[test]
fn m97_a_document_that_cannot_be_ours_is_parsed_only_with_the_whole_file() {
    let foo = service_account(&[]);
    for broken in [
        "a: [\n",
        "kind: Note\n\tb: 1\n",
        "a: \"open\n",
        "a: *x\n",
        "a: \u{1}\n",
    ] {
        for text in [
            format!("{foo}---\n{broken}"),
            format!("{broken}---\n{foo}"),
            format!("{broken}--- # next\r\n{foo}---\n{broken}"),
        ] {
            let found = ours(&text).expect("it holds the annotation");
            assert_eq!(summary(&found), GOOD, "{text}");
            assert!(!read(&text).is_whole(), "{text}");
        }
    }
}

#[test]
fn m97_what_may_be_ours_or_ends_nobody_knows_where_is_parsed_as_ever() {
    let foo = service_account(&[]);
    for text in [
        // Templates may put a separator in, or take one out.
        format!("{foo}---\na: {{{{ .Values.a }}}}: b\n"),
        // No document ends at such a line.
        format!("a: [\n--- b: 1\n{foo}"),
        format!("{foo}----\na: [\n"),
        // JSON goes on for as many values as there are.
        format!("{{\"a\": 1}} x\n---\n{foo}"),
        // The key, or what is nearly it, in whatever spelling.
        format!("{foo}---\na: [\n# security.kaluza.com/iam-role-managed\n"),
        format!("{foo}---\na: [ \"\\x73ecurity.kaluza.com\\/iam-role\\u002dmanaged\"\n"),
        format!("{foo}---\na: [ !!binary c2VjdXJpdHk=\n"),
        format!("{foo}---\na: [\n# eks.amazonaws.com/role-arn\n"),
    ] {
        let found = ours(&text).expect("it holds the annotation");
        assert!(!found.is_whole(), "{text}");
        assert_eq!(
            Some(found),
            extract(&"a.yaml".into(), text.as_bytes()),
            "{text}"
        );
    }
}

#[test]
fn m97_a_list_without_items_that_cannot_be_ours_makes_no_file_ours() {
    let others = service_account(&[])
        .lines()
        .filter(|line| !line.contains("kaluza"))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let list = "apiVersion: v1\nkind: List\nitems: 5\n";
    let text = format!("{others}---\n{list}");
    assert_eq!(extract(&"a.yaml".into(), text.as_bytes()), None);
    assert_eq!(ours(&text), None);
    let text = format!("{}---\n{list}", service_account(&[]));
    assert!(!read(&text).is_whole(), "beside one of ours it is told");
}

/// What is said of declarations, and of nothing else.
fn declared(extract: Option<Extract>) -> Option<Vec<Declaration>> {
    extract.map(|extract| extract.declarations)
}

proptest! {
    #[test]
    fn m97_a_file_declares_the_same_however_much_of_it_is_read(text in several_documents()) {
        let whole = extract(&"a.yaml".into(), text.as_bytes());
        let found = ours(&text);
        // What is found out is part of what the whole file says.
        if let (Some(found), Some(whole)) = (&found, &whole) {
            let is_known = |one: &Diagnostic| whole.diagnostics.contains(one);
            prop_assert!(found.diagnostics.iter().all(is_known), "{}", text);
        }
        prop_assert_eq!(declared(found), declared(whole), "{}", text);
    }

    #[test]
    fn m97_so_does_a_mutated_one(bytes in mutated()) {
        let found = Extractor::default().declarations(&"a.yaml".into(), &bytes);
        let whole = Extractor::default().extract(&"a.yaml".into(), &bytes);
        prop_assert_eq!(declared(found), declared(whole), "{}", String::from_utf8_lossy(&bytes));
    }
}
