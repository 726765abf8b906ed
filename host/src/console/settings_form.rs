//! The form of a destination's settings, made from the JSON Schema of its plugin. Secrets can be
//! written and never read. What is sent back is only what differs from what was shown.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::Asked;
use crate::daemon::is_secret;

/// A form that was sent and is not good: what stood in it, and what is wrong.
pub(crate) struct Mistakes {
    /// Of a field, by its setting.
    pub fields: Vec<(String, String)>,
    /// Of the whole.
    pub message: String,
}

impl Mistakes {
    /// Of what the daemon says: fields that it names are marked.
    pub fn of(message: &str) -> Mistakes {
        let named = message.split("the setting `").skip(1).filter_map(|rest| {
            let (name, said) = rest.split_once('`')?;
            let said = said.split("; the setting").next().unwrap_or_default();
            let said = said.trim_start_matches([':', ' ']).trim_end_matches([';', ' ']);
            Some((name.split('.').next().unwrap_or_default().to_string(), said.to_string()))
        });
        Mistakes { fields: named.collect(), message: message.to_string() }
    }

    fn of_field(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == key).map(|(_, said)| said.as_str())
    }
}

/// What a setting is entered as.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Text,
    Secret,
    Number,
    Truth,
    Choice,
    Lines,
    Json,
}

fn field_of(schema: &Value, root: &Value, key: &str) -> Field {
    let kind = schema["type"].as_str().unwrap_or_default();
    let items = &schema["items"];
    let is_text_list = kind == "array" && items["type"] == "string" && !is_secret(root, key);
    match kind {
        _ if schema["enum"].is_array() => Field::Choice,
        "string" if is_secret(root, key) => Field::Secret,
        "string" => Field::Text,
        "integer" | "number" => Field::Number,
        "boolean" => Field::Truth,
        _ if is_text_list => Field::Lines,
        _ => Field::Json,
    }
}

/// The fields, those that must be set first.
pub fn fields(schema: &Value, settings: &Map<String, Value>, asked: &Asked, mistakes: Option<&Mistakes>) -> Markup {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object();
    let all = || properties.into_iter().flatten().map(|(key, own)| (key.as_str(), own));
    let is_first = |key: &str, own: &Value| {
        required.contains(&key)
            || is_secret(schema, key)
            || settings.contains_key(key)
            || own["type"] == "string" && own["enum"].is_null() && own["default"].is_null()
    };
    let one =
        |key: &str, own: &Value| row((schema, key, own), settings.get(key), asked, (required.contains(&key), mistakes));
    let rest = all().filter(|(key, own)| !is_first(key, own)).count();
    let has_mistake = mistakes.is_some_and(|mistakes| !mistakes.fields.is_empty());
    html! {
        @for (key, own) in all().filter(|(key, own)| is_first(key, own)) { (one(key, own)) }
        @if rest > 0 {
            details open[has_mistake] {
                summary { b { "More settings" } " " span class="small muted" { (rest) ", each with a default" } }
                div class="form pad" { @for (key, own) in all().filter(|(key, own)| !is_first(key, own)) { (one(key, own)) } }
            }
        }
    }
}

fn row(
    (root, key, schema): (&Value, &str, &Value),
    value: Option<&Value>,
    asked: &Asked,
    (is_required, mistakes): (bool, Option<&Mistakes>),
) -> Markup {
    let title = schema["title"].as_str().unwrap_or(key);
    let (id, name) = (format!("s-{key}"), format!("s.{key}"));
    let sent = mistakes.and_then(|_| asked.get(&name));
    let mistake = mistakes.and_then(|mistakes| mistakes.of_field(key));
    let invalid = mistake.map(|_| "true");
    let hint_id = format!("{id}-hint");
    let field = field_of(schema, root, key);
    let shown = sent.map(str::to_string).unwrap_or_else(|| text_of(value, field));
    let can_write = asked.is_editor();
    html! {
        div class="formrow" {
            label for=(id) { (title) @if is_required { " " span class="muted" { "(needed)" } } }
            div class="control" {
                @match field {
                    Field::Secret => {
                        input id=(id) name=(name) type="password" autocomplete="off" disabled[!can_write] aria-invalid=[invalid] aria-describedby=(hint_id)
                            placeholder=(if value.is_some() { "is set; leave empty to keep it" } else { "not set" });
                    }
                    Field::Truth => {
                        @let default = schema["default"].as_bool().unwrap_or(false);
                        @let is_on = value.and_then(Value::as_bool).unwrap_or(default);
                        input type="hidden" name={ "b." (key) } value="1";
                        input id=(id) name=(name) type="checkbox" value="true" checked[is_on] disabled[!can_write] aria-describedby=(hint_id);
                    }
                    Field::Choice => {
                        select id=(id) name=(name) disabled[!can_write] aria-describedby=(hint_id) {
                            @if !is_required { option value="" selected[shown.is_empty()] { "default" @if let Some(default) = schema["default"].as_str() { ": " (default) } } }
                            @for choice in schema["enum"].as_array().into_iter().flatten() {
                                @let choice = text_of(Some(choice), Field::Text);
                                option value=(choice) selected[choice == shown] { (choice) }
                            }
                        }
                    }
                    Field::Lines | Field::Json => {
                        textarea id=(id) name=(name) rows="4" spellcheck="false" disabled[!can_write] aria-invalid=[invalid] aria-describedby=(hint_id) { (shown) }
                    }
                    Field::Number | Field::Text => {
                        input id=(id) name=(name) type=(if field == Field::Number { "number" } else { "text" }) step=[(schema["type"] == "number").then_some("any")]
                            value=(shown) disabled[!can_write] autocomplete="off" aria-invalid=[invalid] aria-describedby=(hint_id)
                            placeholder=(schema.get("default").map(|default| format!("default: {}", text_of(Some(default), Field::Text))).unwrap_or_default());
                    }
                }
                @if let Some(mistake) = mistake { p class="mistake" { (mistake) } }
                p class="hint" id=(hint_id) {
                    (schema["description"].as_str().unwrap_or_default())
                    @if field == Field::Lines { " One a line." }
                    @if field == Field::Json { " As JSON." }
                    @if field == Field::Secret { " Write-only: it is kept in a file of its own and never shown." }
                }
            }
        }
    }
}

fn text_of(value: Option<&Value>, field: Field) -> String {
    match (value, field) {
        (None, _) | (Some(Value::Null), _) => String::new(),
        (Some(Value::String(text)), _) => text.clone(),
        (Some(Value::Array(items)), Field::Lines) => {
            items.iter().map(|item| text_of(Some(item), Field::Text)).collect::<Vec<_>>().join("\n")
        }
        (Some(value), Field::Json) if value.get("set") == Some(&Value::Bool(true)) => String::new(),
        (Some(value), Field::Json) => serde_json::to_string_pretty(value).unwrap_or_default(),
        (Some(value), _) => value.to_string(),
    }
}

/// What a form that was sent changes; null takes a setting away.
///
/// # Errors
/// Fields that cannot be read.
pub fn changes(schema: &Value, settings: &Map<String, Value>, asked: &Asked) -> Result<Map<String, Value>, Mistakes> {
    let (mut changes, mut wrong) = (Map::new(), Vec::new());
    for (key, own) in schema["properties"].as_object().into_iter().flatten() {
        let field = field_of(own, schema, key);
        let name = format!("s.{key}");
        let is_shown = asked.pairs.iter().any(|(own, _)| *own == name || *own == format!("b.{key}"));
        if !is_shown {
            continue;
        }
        let sent = asked.get(&name).unwrap_or_default().trim();
        let known = settings.get(key);
        let value = match field {
            Field::Secret if sent.is_empty() => continue,
            Field::Truth => {
                let (on, default) = (sent == "true", own["default"].as_bool().unwrap_or(false));
                let was = known.and_then(Value::as_bool).unwrap_or(default);
                if on == was {
                    continue;
                }
                json!(on)
            }
            _ if sent.replace("\r\n", "\n") == text_of(known, field) => continue,
            _ if sent.is_empty() => Value::Null,
            Field::Secret | Field::Text => json!(sent),
            Field::Choice => own["enum"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|choice| text_of(Some(choice), Field::Text) == sent)
                .cloned()
                .unwrap_or(json!(sent)),
            Field::Number => match serde_json::from_str::<Value>(sent) {
                Ok(number) if number.is_number() => number,
                _ => {
                    wrong.push((key.clone(), format!("`{sent}` is no number")));
                    continue;
                }
            },
            Field::Lines => sent.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().into(),
            Field::Json => match serde_json::from_str(sent) {
                Ok(value) => value,
                Err(error) => {
                    wrong.push((key.clone(), format!("this is not JSON: {error}")));
                    continue;
                }
            },
        };
        changes.insert(key.clone(), value);
    }
    let message = "Some fields cannot be read".to_string();
    if wrong.is_empty() { Ok(changes) } else { Err(Mistakes { fields: wrong, message }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_word_finds_its_fields() {
        let mistakes = Mistakes::of(
            "c.toml:3: destination `a/b`: the setting `api_secret` is missing (Made there.); the setting `url`: \"x\" does not match \"^http\"",
        );
        assert_eq!(mistakes.of_field("api_secret"), Some("is missing (Made there.)"));
        assert_eq!(mistakes.of_field("url"), Some("\"x\" does not match \"^http\""));
        assert_eq!(mistakes.of_field("other"), None);
    }

    #[test]
    fn what_a_setting_is_entered_as() {
        let schema = json!({"properties": {
            "a": {"type": "string"}, "b": {"type": "string", "secret": true}, "c": {"enum": ["x"]}, "d": {"type": "integer"},
            "e": {"type": "array", "items": {"type": "string"}}, "f": {"type": "object"}, "g": {"type": "boolean"},
            "h": {"type": "array", "items": {"type": "string", "secret": true}},
        }});
        let expected = [
            Field::Text,
            Field::Secret,
            Field::Choice,
            Field::Number,
            Field::Lines,
            Field::Json,
            Field::Truth,
            Field::Json,
        ];
        let found = schema["properties"].as_object().unwrap().iter().map(|(key, own)| field_of(own, &schema, key));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
