//! The settings of a manifest as a table: one line for each, those inside others below them.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{line, plain, thousands};

/// Titles of the settings that must be there.
pub fn required(schema: &Value) -> Vec<String> {
    let properties = properties(schema);
    properties.iter().filter(|(name, _)| is_required(schema, name)).map(|(name, of)| title(name, of)).collect()
}

/// Names of the settings that are, or hold, secrets.
pub fn secret(schema: &Value) -> Vec<String> {
    properties(schema).into_iter().filter(|(_, schema)| is_secret(schema)).map(|(name, _)| name.clone()).collect()
}

/// All settings.
pub fn table(text: &mut String, schema: &Value) {
    line(text, "\n| setting | what it is | takes | when left out |\n|---|---|---|---|");
    rows(text, schema, "", false);
}

/// `below`: names of the settings around these, with a dot at the end.
fn rows(text: &mut String, schema: &Value, below: &str, inside: bool) {
    for (name, setting) in properties(schema) {
        let path = format!("{below}{name}");
        let mut about = if inside { title(name, setting) } else { format!("**{}**", title(name, setting)) };
        if let Some(help) = setting["description"].as_str() {
            let _ = write!(about, ". {}", plain(help));
        }
        let mut takes = takes(setting);
        if is_secret(setting) {
            takes.push_str("; secret");
        }
        let otherwise = left_out(setting, is_required(schema, name));
        line(text, &format!("| `{path}` | {about} | {takes} | {otherwise} |"));
        rows(text, setting, &format!("{path}."), true);
        rows(text, &setting["items"], &format!("{path}[]."), true);
        rows(text, &setting["additionalProperties"], &format!("{path}.NAME."), true);
    }
}

fn properties(schema: &Value) -> Vec<(&String, &Value)> {
    schema["properties"].as_object().into_iter().flat_map(Map::iter).collect()
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|names| names.iter().any(|each| each == name))
}

fn is_secret(schema: &Value) -> bool {
    let inner = [&schema["items"], &schema["additionalProperties"]];
    schema["secret"] == true
        || inner.iter().any(|inner| inner.is_object() && is_secret(inner))
        || properties(schema).into_iter().any(|(_, inner)| is_secret(inner))
}

fn title(name: &str, schema: &Value) -> String {
    plain(schema["title"].as_str().unwrap_or(name))
}

/// What may be set.
fn takes(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(code).collect::<Vec<_>>().join(", ");
    }
    let kind = match schema["type"].as_str() {
        Some("string") => "text",
        Some("integer") => "whole number",
        Some("number") => "number",
        Some("boolean") => "`true`, `false`",
        Some("array") => return format!("list{}{}", of(&schema["items"]), bounds(schema, "minItems", "maxItems")),
        Some("object") => {
            let named = of(&schema["additionalProperties"]);
            let named = if named.is_empty() { named } else { format!("{named}, by name") };
            return format!("table{named}{}", bounds(schema, "minProperties", "maxProperties"));
        }
        _ => "any value",
    };
    let of_text = bounds(schema, "minLength", "maxLength");
    let of_text = if of_text.is_empty() { of_text } else { format!("{of_text} characters") };
    format!("{kind}{of_text}{}", bounds(schema, "minimum", "maximum"))
}

/// What a list or a table holds.
fn of(schema: &Value) -> String {
    if schema.is_object() { format!(" of {}", takes(schema)) } else { String::new() }
}

fn bounds(schema: &Value, min: &str, max: &str) -> String {
    let number = |name: &str| {
        let number = &schema[name];
        number.as_u64().map(thousands).or_else(|| number.as_number().map(ToString::to_string))
    };
    match (number(min), number(max)) {
        (Some(min), Some(max)) => format!(", {min} to {max}"),
        // A text that must not be empty says nothing to the reader of a table.
        (Some(min), None) if min != "1" || !schema["minLength"].is_u64() => format!(", at least {min}"),
        (None, Some(max)) => format!(", at most {max}"),
        _ => String::new(),
    }
}

fn left_out(schema: &Value, required: bool) -> String {
    match schema.get("default") {
        Some(default) => code(default),
        None if required => "must be set".to_string(),
        None => String::new(),
    }
}

/// A value as it stands in the configuration. `|` would end the cell.
fn code(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
    match text.as_str() {
        "" => "an empty text".to_string(),
        _ => format!("`{}`", text.replace('|', "\\|")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{required, secret, table};

    fn check(setting: Value, wanted: &str) {
        let mut text = String::new();
        table(&mut text, &json!({"properties": {"x": setting}, "required": []}));
        let rows: Vec<&str> = text.trim().lines().skip(2).collect();
        assert_eq!(rows.join("\n"), wanted);
    }

    #[test]
    fn a_setting_is_a_line() {
        check(json!({"type": "string", "title": "X"}), "| `x` | **X** | text |  |");
        check(json!({"type": "string"}), "| `x` | **x** | text |  |");
        check(
            json!({"enum": ["a", "b"], "title": "X", "description": "a: *one*.", "default": "a"}),
            "| `x` | **X**. a: \\*one\\*. | `a`, `b` | `a` |",
        );
        check(json!({"type": "boolean", "default": false}), "| `x` | **x** | `true`, `false` | `false` |");
        check(
            json!({"type": "integer", "minimum": 1, "maximum": 2000}),
            "| `x` | **x** | whole number, 1 to 2,000 |  |",
        );
        check(json!({"type": "integer", "minimum": 1}), "| `x` | **x** | whole number, at least 1 |  |");
        check(json!({"type": "string", "minLength": 1}), "| `x` | **x** | text |  |");
        check(json!({"type": "string", "maxLength": 50}), "| `x` | **x** | text, at most 50 characters |  |");
        check(json!({"type": "string", "secret": true}), "| `x` | **x** | text; secret |  |");
        check(json!({"title": "X", "default": "{{a | b}}"}), "| `x` | **X** | any value | `{{a \\| b}}` |");
    }

    #[test]
    fn lists_and_tables_say_what_they_hold() {
        check(
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 3}),
            "| `x` | **x** | list of text, at most 3 |  |",
        );
        check(
            json!({"type": "object", "additionalProperties": {"type": "string", "secret": true}}),
            "| `x` | **x** | table of text, by name; secret |  |",
        );
        let items = json!({"type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"]});
        check(
            json!({"type": "array", "items": items}),
            "| `x` | **x** | list of table |  |\n| `x[].y` | y | text | must be set |",
        );
    }

    #[test]
    fn what_must_be_set_and_what_is_secret_is_known() {
        let schema = json!({"required": ["a"], "properties": {
            "a": {"title": "A"}, "b": {"secret": true}, "c": {"additionalProperties": {"secret": true}},
            "d": {"additionalProperties": false},
        }});
        assert_eq!(required(&schema), ["A"]);
        assert_eq!(secret(&schema), ["b", "c"]);
    }
}
