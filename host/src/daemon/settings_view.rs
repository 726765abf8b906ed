//! A destination's settings for people: what the file says, without secrets.

use serde_json::Value;

/// Whether a setting is a secret, or holds one.
pub fn is_secret(schema: &Value, setting: &str) -> bool {
    fn any(schema: &Value) -> bool {
        schema.get("secret") == Some(&Value::Bool(true))
            || ["items", "additionalProperties"].iter().any(|key| schema.get(*key).is_some_and(any))
            || schema.get("properties").and_then(Value::as_object).into_iter().flatten().any(|(_, own)| any(own))
    }
    match schema.get("properties").and_then(|properties| properties.get(setting)) {
        Some(own) => any(own),
        // Nobody says that it is none.
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_one_wherever_it_stands() {
        let schema = json!({"properties": {
            "open": {"type": "string"},
            "key": {"type": "string", "secret": true},
            "list": {"items": {"secret": true}},
            "named": {"additionalProperties": {"properties": {"inner": {"secret": true}}}},
        }});
        assert!(!is_secret(&schema, "open"));
        for setting in ["key", "list", "named", "unknown"] {
            assert!(is_secret(&schema, setting), "{setting}");
        }
    }
}
