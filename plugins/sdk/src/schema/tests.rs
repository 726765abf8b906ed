//! Each shape of a setting, as its schema says it.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Described, Undescribed as _};
use crate::Settings;
use crate::money::OrderValue;

#[derive(Deserialize, Settings)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Shapes {
    /// API key.
    /// Made in the vendor's console,
    ///
    /// for "this" installation.
    #[setting(secret, pattern = r"^\w+$", min_length = 3)]
    api_key: String,
    /// Whole
    #[setting(default = -2, minimum = -5, maximum = 5)]
    whole: i64,
    #[setting(title = "Share", description = "Of all.", exclusive_minimum = 0, maximum = 0.5)]
    share: f64,
    is_on: bool,
    small: u8,
    maybe: Option<String>,
    #[serde(default)]
    list: Vec<u32>,
    #[setting(max_items = 3, unique_items, default = ["a", "b"])]
    names: Vec<String>,
    #[setting(secret)]
    map: BTreeMap<String, String>,
    other: HashMap<String, Vec<bool>>,
    inner: Inner,
    inners: Vec<Inner>,
    #[setting(example = "now", format = "uri", deprecated)]
    choice: Option<Choice>,
    order_value: OrderValue,
    #[serde(rename(serialize = "x", deserialize = "type"))]
    r#type: String,
    #[serde(skip)]
    skipped: u8,
}

#[derive(Deserialize, Settings)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Inner {
    the_first: String,
    #[serde(rename = "2nd")]
    the_second: Option<Box<Choice>>,
}

#[derive(Deserialize, Settings)]
#[serde(rename_all = "kebab-case")]
enum Choice {
    /// Its documentation says nothing.
    AsItIs,
    #[serde(rename = "none")]
    Nothing,
    #[serde(skip)]
    #[expect(dead_code, reason = "it has no name to be read by")]
    Hidden,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct ByHand {
    url: String,
}

fn json_of(schema: super::Schema) -> Value {
    let mut bytes = vec![0; schema.len()];
    assert_eq!(schema.write(&mut bytes, 0), bytes.len());
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
}

#[test]
fn each_shape_has_its_schema() {
    let choice = json!({"type": "string", "enum": ["as-it-is", "none"]});
    let inner = json!({"type": "object", "properties": {"theFirst": {"type": "string"}, "2nd": choice}});
    let with = |schema: &Value, more: Value| {
        let (mut schema, Value::Object(more)) = (schema.clone(), more) else { panic!("an object") };
        schema.as_object_mut().unwrap().extend(more);
        schema
    };
    let wanted = json!({
        "api_key": {
            "type": "string", "title": "API key", "description": "Made in the vendor's console, for \"this\" installation.",
            "secret": true, "pattern": r"^\w+$", "minLength": 3, "required": true,
        },
        "whole": {"type": "integer", "title": "Whole", "default": -2, "minimum": -5, "maximum": 5},
        "share": {
            "type": "number", "title": "Share", "description": "Of all.", "exclusiveMinimum": 0, "maximum": 0.5,
            "required": true,
        },
        "is_on": {"type": "boolean", "required": true},
        "small": {"type": "integer", "minimum": 0, "maximum": 255, "required": true},
        "maybe": {"type": "string"},
        "list": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u64}},
        "names": {
            "type": "array", "items": {"type": "string"}, "maxItems": 3, "uniqueItems": true, "default": ["a", "b"],
        },
        "map": {"type": "object", "additionalProperties": {"type": "string"}, "secret": true, "required": true},
        "other": {
            "type": "object", "additionalProperties": {"type": "array", "items": {"type": "boolean"}}, "required": true,
        },
        "inner": with(&inner, json!({"required": true})),
        "inners": {"type": "array", "items": inner, "required": true},
        "choice": with(&choice, json!({"examples": ["now"], "format": "uri", "deprecated": true})),
        "order_value": {"type": "string", "enum": ["total", "revenue", "value"], "required": true},
        "type": {"type": "string", "required": true},
    });
    let schema = json_of(Shapes::SETTINGS_SCHEMA.expect("it is derived"));
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<String>>();
    assert_eq!(schema, wanted);
    assert_eq!(names(&schema), names(&wanted), "the fields keep their order");
}

#[test]
fn the_section_is_made_when_the_plugin_is_compiled() {
    const LEN: usize = super::of_section(Inner::SETTINGS_SCHEMA).len();
    const BYTES: [u8; LEN] = super::of_section(Inner::SETTINGS_SCHEMA).bytes();
    let schema: Value = serde_json::from_slice(&BYTES).unwrap();
    assert_eq!(schema["theFirst"], json!({"type": "string"}));
    const NONE: usize = super::of_section(ByHand::SETTINGS_SCHEMA).len();
    assert_eq!(NONE, 0, "what is not derived has none");
    const { assert!(<Option<u8> as Described>::IS_OPTIONAL && !<u8 as Described>::IS_OPTIONAL) };
}
