//! A body that was written as JSON, read once more where it becomes a form or XML: members stay in
//! their order, numbers keep their digits.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A value of the body.
pub enum Node<'a> {
    Null,
    Text(String),
    /// A number or a boolean, as it is written.
    Plain(&'a str),
    Array(Vec<&'a RawValue>),
    Object(Vec<(String, &'a RawValue)>),
}

/// Reads one level of a value.
pub fn read(raw: &RawValue) -> Node<'_> {
    let json = raw.get();
    // What was written as JSON can be read as JSON.
    match json.as_bytes().first() {
        Some(b'{') => Node::Object(serde_json::from_str(json).map(|Members(members)| members).unwrap_or_default()),
        Some(b'[') => Node::Array(serde_json::from_str(json).unwrap_or_default()),
        Some(b'"') => Node::Text(serde_json::from_str(json).unwrap_or_default()),
        Some(b'n') | None => Node::Null,
        Some(_) => Node::Plain(json),
    }
}

/// The members of an object, in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'de>, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
