//! A body as XML: members are elements, each item of an array is one of its member's name.

use serde_json::value::RawValue;

use crate::node::{Node, read};

/// Writes the members of an object into a document with that root.
pub fn write(root: &str, members: &[(String, &RawValue)]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    between_tags(&mut xml, root, |xml| members.iter().for_each(|(key, member)| element(xml, key, member)));
    xml
}

fn element(xml: &mut String, name: &str, raw: &RawValue) {
    match read(raw) {
        Node::Array(items) => items.iter().for_each(|item| element(xml, name, item)),
        Node::Object(members) => between_tags(xml, name, |xml| {
            members.iter().for_each(|(key, member)| element(xml, key, member));
        }),
        Node::Null => between_tags(xml, name, |_| {}),
        Node::Plain(text) => between_tags(xml, name, |xml| xml.push_str(text)),
        Node::Text(content) => between_tags(xml, name, |xml| text(xml, &content)),
    }
}

fn between_tags(xml: &mut String, key: &str, write: impl FnOnce(&mut String)) {
    let name = element_name(key);
    xml.push_str(&format!("<{name}>"));
    write(xml);
    xml.push_str(&format!("</{name}>"));
}

/// A key as an element may be named: signs that may not be there become `_`.
fn element_name(key: &str) -> String {
    let name: String = key.chars().map(|sign| if may_be_in_name(sign) { sign } else { '_' }).collect();
    if name.starts_with(may_begin_name) { name } else { format!("_{name}") }
}

/// Source: XML 1.0, fifth edition, NameStartChar; without the colon, which would name a namespace.
fn may_begin_name(sign: char) -> bool {
    matches!(sign, 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}' | '\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// Source: XML 1.0, fifth edition, NameChar.
fn may_be_in_name(sign: char) -> bool {
    may_begin_name(sign)
        || matches!(sign, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}' | '\u{2040}')
}

/// A text with its markup escaped; signs that XML does not have are left out.
fn text(xml: &mut String, text: &str) {
    for sign in text.chars() {
        match sign {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            // As it stands it would be read as a line feed.
            '\r' => xml.push_str("&#13;"),
            '\t' | '\n' => xml.push(sign),
            '\u{fffe}' | '\u{ffff}' => {}
            control if control.is_control() => {}
            plain => xml.push(plain),
        }
    }
}
