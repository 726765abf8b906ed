//! A body as a form: `key=value` pairs, percent-encoded.

use serde_json::value::RawValue;
use switchyard_sdk::url::percent_encode_into;

use crate::node::{Node, read};
use crate::settings::FormNested;

/// Writes the members of an object; null gives no pair.
pub fn write(members: &[(String, &RawValue)], nested: FormNested) -> String {
    let mut form = String::new();
    for (key, member) in members {
        pairs(&mut form, nested, key, member);
    }
    form
}

fn pairs(form: &mut String, nested: FormNested, key: &str, raw: &RawValue) {
    match (read(raw), nested) {
        (Node::Null, _) => {}
        (Node::Text(text), _) => pair(form, key, &text),
        (Node::Plain(text), _) => pair(form, key, text),
        (Node::Array(_) | Node::Object(_), FormNested::Json) => pair(form, key, raw.get()),
        (Node::Array(items), FormNested::Dotted) => {
            items.iter().enumerate().for_each(|(number, item)| pairs(form, nested, &format!("{key}.{number}"), item));
        }
        (Node::Object(members), FormNested::Dotted) => {
            members.iter().for_each(|(inner, member)| pairs(form, nested, &format!("{key}.{inner}"), member));
        }
    }
}

fn pair(form: &mut String, key: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    percent_encode_into(form, key);
    form.push('=');
    percent_encode_into(form, value);
}
