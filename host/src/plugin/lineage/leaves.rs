//! The leaves of a value: their paths, other values for them, and putting those in their places.

use serde_json::{Map, Value};

/// The leaves of a value with their paths, in document order.
pub(super) fn leaves(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    walk(String::new(), value, &mut found);
    found
}

fn walk(path: String, value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let name = name.replace('\\', "\\\\").replace('.', "\\.");
                walk(if path.is_empty() { name } else { format!("{path}.{name}") }, member, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                walk(format!("{path}[{at}]"), item, found);
            }
        }
        leaf => found.push((path, leaf.clone())),
    }
}

/// Puts another value at a leaf's path, or takes the leaf out.
pub(super) fn put(value: &mut Value, path: &str, mark: Option<Value>) {
    let mut mark = Some(mark);
    replace(String::new(), value, path, &mut mark);
}

/// Puts a leaf back that `before` has and the value no longer does, with the objects and lists around it.
pub(super) fn put_back(value: &mut Value, before: &Value, path: &str) {
    put_back_at(String::new(), value, before, path);
}

fn put_back_at(path: String, value: &mut Value, before: &Value, wanted: &str) {
    let leads_there = |own: &str| wanted.strip_prefix(own).is_some_and(|rest| rest.starts_with(['.', '[']));
    let empty = |like: &Value| if like.is_array() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    match (value, before) {
        (Value::Object(members), Value::Object(were)) => {
            for (name, member) in were {
                let shown = name.replace('\\', "\\\\").replace('.', "\\.");
                let own = if path.is_empty() { shown } else { format!("{path}.{shown}") };
                if own == wanted {
                    members.insert(name.clone(), member.clone());
                } else if leads_there(&own) {
                    let to = members.entry(name.clone()).or_insert_with(|| empty(member));
                    put_back_at(own, to, member, wanted);
                }
            }
        }
        (Value::Array(items), Value::Array(were)) => {
            for (at, item) in were.iter().enumerate() {
                let own = format!("{path}[{at}]");
                if own == wanted {
                    items.insert(at.min(items.len()), item.clone());
                } else if leads_there(&own) {
                    if at >= items.len() {
                        items.push(empty(item));
                    }
                    let last = items.len() - 1;
                    put_back_at(own, &mut items[at.min(last)], item, wanted);
                }
            }
        }
        _ => {}
    }
}

fn replace(path: String, value: &mut Value, wanted: &str, mark: &mut Option<Option<Value>>) {
    match value {
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                let shown = name.replace('\\', "\\\\").replace('.', "\\.");
                let own = if path.is_empty() { shown } else { format!("{path}.{shown}") };
                if own == wanted {
                    take(members, &name, mark);
                } else if wanted.starts_with(&own)
                    && let Some(member) = members.get_mut(&name)
                {
                    replace(own, member, wanted, mark);
                }
            }
        }
        Value::Array(items) => {
            let found = (0..items.len()).find(|at| format!("{path}[{at}]") == wanted);
            match (found, mark.as_mut()) {
                (Some(at), Some(Some(new))) => items[at] = new.take(),
                (Some(at), Some(None)) => drop(items.remove(at)),
                _ => {
                    for (at, item) in items.iter_mut().enumerate() {
                        let own = format!("{path}[{at}]");
                        if wanted.starts_with(&own) {
                            replace(own, item, wanted, mark);
                        }
                    }
                }
            }
        }
        _ => {}
    }
}

fn take(members: &mut Map<String, Value>, name: &str, mark: &mut Option<Option<Value>>) {
    match mark.take() {
        Some(Some(new)) => {
            members.insert(name.to_string(), new);
        }
        Some(None) => {
            members.shift_remove(name);
        }
        None => {}
    }
}

/// Equal, or equal as text: a number that is written as one is a copy, too.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    };
    left == right || text(left).zip(text(right)).is_some_and(|(left, right)| left == right)
}

/// Other values of the same kind, those that look most alike first; None: without it.
pub(super) fn variants(value: &Value) -> Vec<Option<Value>> {
    let mut variants = match value {
        Value::String(text) => [later(text), Some(turned(text)), Some(format!("{text}q7"))]
            .into_iter()
            .flatten()
            .filter(|variant| variant != text)
            .map(|variant| Some(Value::String(variant)))
            .collect(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => {
                vec![Some(Value::from(whole.wrapping_add(1))), Some(Value::from(whole.wrapping_mul(2).wrapping_add(3)))]
            }
            (None, Some(broken)) => vec![Some(Value::from(broken + 1.0)), Some(Value::from(broken * 2.0 + 3.0))],
            (None, None) => Vec::new(),
        },
        Value::Bool(truth) => vec![Some(Value::Bool(!truth))],
        Value::Null => vec![Some(Value::from("q7"))],
        Value::Array(_) | Value::Object(_) => Vec::new(),
    };
    variants.push(None);
    variants
}

/// A time that is a little later, when the text is one.
fn later(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_time = bytes.len() >= 19 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[16] == b':';
    let seconds: u32 = text.get(17..19).filter(|_| is_time)?.parse().ok()?;
    Some(format!("{}{:02}{}", &text[..17], (seconds + 7) % 60, &text[19..]))
}

/// The same text with other letters and digits in the same places.
fn turned(text: &str) -> String {
    let turn = |letter: char, first: char, count: u32| {
        char::from_u32(first as u32 + (letter as u32 - first as u32 + 1) % count).unwrap_or(letter)
    };
    let turned = |letter: char| match letter {
        'a'..='z' => turn(letter, 'a', 26),
        'A'..='Z' => turn(letter, 'A', 26),
        '0'..='9' => turn(letter, '0', 10),
        other => other,
    };
    text.chars().map(turned).collect()
}
