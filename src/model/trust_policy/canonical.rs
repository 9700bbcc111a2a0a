//! The form of a document in which equal meaning is equal text.
//!
//! Every leaf is a text, every leaf inside a statement's elements a sorted list, and keys are sorted. Read
//! without copies of what stands in the document: that is done for every role of an account.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

/// A value of a document, whose numbers and booleans are texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node<'a> {
    Null,
    Text(Cow<'a, str>),
    List(Vec<Self>),
    /// In the order of its keys.
    Object(Vec<(Cow<'a, str>, Self)>),
}

/// A document in that form; `None` if it is not JSON.
pub(super) fn canonical(text: &str) -> Option<String> {
    let document: Node<'_> = serde_json::from_str(text).ok()?;
    serde_json::to_string(&document.document()).ok()
}

impl<'a> Node<'a> {
    fn document(self) -> Self {
        self.fields(|key, value| match key {
            "Statement" => value.sorted(Self::statement),
            _ => value,
        })
    }

    fn statement(self) -> Self {
        self.fields(|key, value| match key {
            "Effect" | "Sid" => value,
            _ => value.element(),
        })
    }

    /// Principal, Action, Condition and their kin: maps of any depth over strings or lists of strings.
    fn element(self) -> Self {
        match self {
            Self::Object(_) => self.fields(|_, value| value.element()),
            other => other.sorted(|item| item),
        }
    }

    /// An object with other values; what is none stays as it is.
    fn fields(self, each: impl Fn(&str, Self) -> Self) -> Self {
        match self {
            Self::Object(mut fields) => {
                for (key, value) in &mut fields {
                    let old = std::mem::replace(value, Self::Null);
                    *value = each(key, old);
                }
                Self::Object(fields)
            }
            other => other,
        }
    }

    /// A list without an order: what is none is the only one in it.
    fn sorted(self, each: impl Fn(Self) -> Self) -> Self {
        let items = match self {
            Self::List(items) => items,
            single => vec![single],
        };
        let mut items: Vec<Self> = items.into_iter().map(each).collect();
        items.sort();
        items.dedup();
        Self::List(items)
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Nodes)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node<'de>, E> {
        Ok(Node::Text(if flag { "true" } else { "false" }.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node<'de>, E> {
        Ok(Node::Text(number.to_string().into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node<'de>, E> {
        Ok(Node::Text(number.to_string().into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node<'de>, E> {
        // As JSON writes it; it has no other numbers than finite ones.
        let number = Number::from_f64(number);
        Ok(number.map_or(Node::Null, |n| Node::Text(n.to_string().into())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node<'de>, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, Node<'de>)> = Vec::new();
        while let Some(Key(key)) = from.next_key()? {
            fields.push((key, from.next_value()?));
        }
        // Of a key that is there twice the last one counts.
        fields.reverse();
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        fields.dedup_by(|(later, _), (first, _)| later == first);
        Ok(Node::Object(fields))
    }
}

/// A key, which is borrowed unless there are escapes in it.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Text(text) => to.serialize_str(text),
            Self::List(items) => to.collect_seq(items),
            Self::Object(fields) => to.collect_map(fields.iter().map(|(key, value)| (key, value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a30_lists_are_sorted_and_leaves_are_texts() {
        for (text, form) in [
            (
                r#"{"Statement":{"Sid":5,"Effect":"Allow","Condition":{"B":{"k":[true,"a",2,2]}}},"Id":1}"#,
                r#"{"Id":"1","Statement":[{"Condition":{"B":{"k":["2","a","true"]}},"Effect":"Allow","Sid":"5"}]}"#,
            ),
            (
                r#"{"Statement":[null,1.50,-7]}"#,
                r#"{"Statement":[null,"-7","1.5"]}"#,
            ),
            (r#"{"a\u0062":"\n","ab":"b","ab":"c"}"#, r#"{"ab":"c"}"#),
            (r#"[{"Statement":"x"},[]]"#, r#"[{"Statement":"x"},[]]"#),
            ("true", r#""true""#),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(form), "{text}");
        }
        for text in ["", "{", "<html>", "{} {}", r#"{"a":1e999}"#] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
