//! JSON documents that keep the order of their fields, for output that people read.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A JSON value whose objects print in the order they were written in.
#[derive(Clone, Debug, PartialEq)]
pub enum Doc {
    Value(Value),
    List(Vec<Doc>),
    Map(Vec<(Cow<'static, str>, Doc)>),
}

impl Doc {
    /// A field, `null` when there is none.
    pub fn get(&self, key: &str) -> &Doc {
        const NULL: &Doc = &Doc::Value(Value::Null);
        match self {
            Doc::Map(fields) => fields.iter().find(|(k, _)| k == key).map_or(NULL, |(_, v)| v),
            _ => NULL,
        }
    }

    /// Adds a field to a map.
    pub fn push(&mut self, key: &'static str, value: impl Into<Doc>) {
        if let Doc::Map(fields) = self {
            fields.push((key.into(), value.into()));
        }
    }
}

/// `fields! { "Id" => id, "State" => fields! { … } }`
macro_rules! fields {
    ($($key:literal => $value:expr),* $(,)?) => {
        $crate::engine::doc::Doc::Map(vec![$(($key.into(), $crate::engine::doc::Doc::from($value))),*])
    };
}
pub(crate) use fields;

impl Serialize for Doc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Doc::Value(value) => value.serialize(serializer),
            Doc::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Doc::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl From<Value> for Doc {
    fn from(value: Value) -> Doc {
        Doc::Value(value)
    }
}

macro_rules! plain {
    ($($from:ty),*) => {
        $(impl From<$from> for Doc {
            fn from(value: $from) -> Doc {
                Doc::Value(Value::from(value))
            }
        })*
    };
}
plain!(bool, &str, String, i32, i64, u8, u16, u32, u64, usize, f64);

impl From<&String> for Doc {
    fn from(text: &String) -> Doc {
        text.as_str().into()
    }
}

impl<T: Into<Doc>> From<Option<T>> for Doc {
    fn from(value: Option<T>) -> Doc {
        value.map_or(Doc::Value(Value::Null), Into::into)
    }
}

impl<T: Into<Doc>> From<Vec<T>> for Doc {
    fn from(items: Vec<T>) -> Doc {
        Doc::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Clone + Into<Doc>> From<&[T]> for Doc {
    fn from(items: &[T]) -> Doc {
        Doc::List(items.iter().cloned().map(Into::into).collect())
    }
}

impl<T: Clone + Into<Doc>> From<&Vec<T>> for Doc {
    fn from(items: &Vec<T>) -> Doc {
        items.as_slice().into()
    }
}

impl<T: Clone + Into<Doc>> From<&BTreeMap<String, T>> for Doc {
    fn from(map: &BTreeMap<String, T>) -> Doc {
        Doc::Map(map.iter().map(|(k, v)| (k.clone().into(), v.clone().into())).collect())
    }
}

/// Go's nil for an empty list, as Docker prints it.
pub fn or_null<T: Clone + Into<Doc>>(items: &[T]) -> Doc {
    if items.is_empty() { Doc::Value(Value::Null) } else { items.into() }
}

/// Go's set: `{"80/tcp": {}}`, or null when it is empty.
pub fn set(keys: impl IntoIterator<Item = impl Into<String>>) -> Doc {
    let fields: Vec<_> = keys.into_iter().map(|k| (Cow::Owned(k.into()), Doc::Map(Vec::new()))).collect();
    if fields.is_empty() { Doc::Value(Value::Null) } else { Doc::Map(fields) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order() {
        let doc = fields! { "Zebra" => 1, "Ant" => vec!["x"], "Nil" => None::<bool>, "In" => fields! { "b" => true, "a" => "" } };
        let text = serde_json::to_string(&doc).unwrap();
        assert_eq!(text, r#"{"Zebra":1,"Ant":["x"],"Nil":null,"In":{"b":true,"a":""}}"#);
        assert_eq!(doc.get("Ant"), &Doc::from(vec!["x"]));
        assert_eq!(doc.get("None"), &Doc::Value(Value::Null));
        assert_eq!(serde_json::to_string(&set(["80/tcp"])).unwrap(), r#"{"80/tcp":{}}"#);
    }
}
