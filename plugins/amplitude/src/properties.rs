//! Properties as the vendor takes them: not nested too deep, each name once.
//!
//! Most keep the bound, so they are looked through first and then copied in one piece.

use switchyard_sdk::prelude::*;

use crate::rules::LAYERS_MAX;

/// Whether a value has at most so many layers of objects and arrays.
fn fits(value: Value<'_>, layers: usize) -> bool {
    if !value.is_object() && !value.is_array() {
        return true;
    }
    layers > 0 && value.children().all(|child| fits(child, layers - 1))
}

/// Writes a value within the bound: what is too deep is left out.
pub fn write_fitting(value: Value<'_>, layers: usize, json: &mut JsonWriter) {
    if fits(value, layers) {
        return json.value(value);
    }
    let is_object = value.is_object();
    if is_object {
        json.begin_object()
    } else {
        json.begin_array()
    }
    for child in value.children().filter(|child| layers > 1 || !(child.is_object() || child.is_array())) {
        if is_object {
            json.raw_key(child.raw_key());
        }
        write_fitting(child, layers - 1, json);
    }
    if is_object { json.end_object() } else { json.end_array() }
}

/// Writes `event_properties`: an object's members, and behind them those of `more` that it does not
/// have and that say something. Nothing where there are none.
pub fn write(properties: Value<'_>, more: &[(Key, Value<'_>)], json: &mut JsonWriter) {
    let before = json.len();
    json.member_key(key!("event_properties"));
    let opened = json.len();
    json.begin_object();
    if properties.is_object() && fits(properties, LAYERS_MAX) {
        let raw = properties.raw();
        json.verbatim(&raw[1..raw.len() - 1]);
    } else if properties.is_object() {
        for child in properties.children() {
            json.raw_key(child.raw_key());
            write_fitting(child, LAYERS_MAX - 1, json);
        }
    }
    for (key, value) in more {
        let is_said = value.is_number() || value.quoted().is_some_and(|quoted| !quoted.is_empty());
        if is_said && !has(properties, key.name()) {
            json.member(*key, *value);
        }
    }
    json.end_object();
    if json.len() == opened + "{}".len() {
        json.truncate(before);
    }
}

/// Whether an object has a member of that name, null or not.
fn has(object: Value<'_>, name: &str) -> bool {
    object.is_object() && object.children().any(|child| child.key() == name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use switchyard_sdk::native::batch;

    use super::*;

    /// So many objects in one another, with a number in the innermost.
    fn nested(layers: usize) -> Json {
        (0..layers).fold(json!(1), |inner, _| json!({"a": inner, "b": 2}))
    }

    #[test]
    fn what_is_too_deep_is_left_out() {
        let check = |layers: usize, is_whole: bool| {
            let batch = batch(0, &[json!({"type": "track", "messageId": "m", "properties": nested(layers)})]);
            let mut writer = JsonWriter::new();
            writer.begin_object();
            write(batch.event(0).properties(), &[], &mut writer);
            writer.end_object();
            let written: Json = serde_json::from_slice(writer.as_bytes()).expect("it is JSON");
            assert_eq!(written["event_properties"] == nested(layers), is_whole, "{layers}");
            let depth = String::from_utf8_lossy(writer.as_bytes()).matches("{\"").count() - 1;
            assert!(depth <= LAYERS_MAX, "{layers}: {depth}");
        };
        check(1, true);
        check(LAYERS_MAX, true);
        check(LAYERS_MAX + 1, false);
        check(LAYERS_MAX + 10, false);
    }
}
