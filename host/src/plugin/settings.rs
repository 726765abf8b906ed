//! A destination's settings: checked against the plugin's schema, completed with its defaults, and
//! with handles in place of secrets.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use super::fault::PluginError;
use super::handles::{HandleKey, Handles, Held, Secret};
use super::manifest::{Manifest, SecretUse};

/// The settings that a plugin takes.
pub struct Schema {
    schema: Value,
    validator: Validator,
    secrets: Vec<(String, SecretUse)>,
}

impl Schema {
    /// Compiles the schema of a manifest.
    pub fn new(manifest: &Manifest) -> Result<Schema, PluginError> {
        let validator = jsonschema::validator_for(&manifest.settings)
            .map_err(|error| PluginError::Manifest(format!("the schema of the settings is not valid: {error}")))?;
        let properties = manifest.settings.get("properties").and_then(Value::as_object);
        let names = properties.into_iter().flatten().map(|(name, _)| name);
        let secrets = names.map(|name| (name.clone(), manifest.secret_use(name))).collect();
        Ok(Schema { schema: manifest.settings.clone(), validator, secrets })
    }

    /// Checks real settings and makes what the plugin gets: defaults filled in, handles in place of
    /// secrets.
    ///
    /// # Errors
    /// Names each setting that is wrong and what would be right, never a secret's value.
    pub fn hide(&self, settings: &Value, destination: &str, key: &HandleKey) -> Result<(Value, Handles), PluginError> {
        self.check(settings)?;
        Ok(self.hide_unchecked(settings, destination, key))
    }

    /// The same of settings that may not be right.
    pub fn hide_unchecked(&self, settings: &Value, destination: &str, key: &HandleKey) -> (Value, Handles) {
        let mut settings = settings.clone();
        fill_in_defaults(&mut settings, &self.schema);
        let mut handles = Handles::default();
        if let (Value::Object(settings), Some(Value::Object(properties))) =
            (&mut settings, self.schema.get("properties"))
        {
            for (name, value) in settings.iter_mut() {
                let Some(schema) = properties.get(name) else { continue };
                let used = self.secret_use(name);
                hide_value(value, schema, name, &mut |path, value| {
                    let handle = key.handle(destination, path);
                    let held = Held { setting: path.to_string(), value: Secret::new(value), used: used.clone() };
                    handles.hold(handle.clone(), held);
                    handle
                });
            }
        }
        (settings, handles)
    }

    fn secret_use(&self, setting: &str) -> SecretUse {
        self.secrets.iter().find(|(name, _)| name == setting).map(|(_, used)| used.clone()).unwrap_or_default()
    }

    fn check(&self, settings: &Value) -> Result<(), PluginError> {
        let mistakes: Vec<String> = self.validator.iter_errors(settings).map(|error| self.mistake(&error)).collect();
        if mistakes.is_empty() { Ok(()) } else { Err(PluginError::Settings(mistakes.join("; "))) }
    }

    fn mistake(&self, error: &ValidationError<'_>) -> String {
        let path: Vec<String> = error.instance_path().as_str().split('/').skip(1).map(str::to_string).collect();
        let place = path.join(".");
        let (schema, secret) = self.schema_at(&path);
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let hint = hint(schema.and_then(|schema| schema.get("properties")?.get(name)));
                format!("the setting `{}` is missing{hint}", joined(&place, name))
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
                let known: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                let unknown: Vec<String> =
                    unexpected.iter().map(|name| format!("`{}`", joined(&place, name))).collect();
                format!("there is no setting {}; there are {}", unknown.join(", "), known.join(", "))
            }
            // The value of a secret stays out of the message.
            _ if secret => format!("the setting `{place}`: {}{}", error.masked(), hint(schema)),
            _ => format!("the setting `{place}`: {error}{}", hint(schema)),
        }
    }

    /// The schema at a path, and whether it is a secret's.
    fn schema_at(&self, path: &[String]) -> (Option<&Value>, bool) {
        let mut schema = Some(&self.schema);
        let mut secret = false;
        for name in path {
            let inner = schema.and_then(|schema| {
                let own = schema.get("properties").and_then(|properties| properties.get(name));
                own.or_else(|| schema.get("items")).or_else(|| schema.get("additionalProperties"))
            });
            schema = inner;
            secret |= is_secret(schema);
        }
        (schema, secret)
    }
}

fn joined(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_string() } else { format!("{place}.{name}") }
}

/// What the schema says of a setting, to end a message with.
fn hint(schema: Option<&Value>) -> String {
    let text = |key| schema.and_then(|schema| schema.get(key)).and_then(Value::as_str);
    match text("description").or_else(|| text("title")) {
        Some(text) => format!(" ({text})"),
        None => String::new(),
    }
}

fn is_secret(schema: Option<&Value>) -> bool {
    schema.and_then(|schema| schema.get("secret")) == Some(&Value::Bool(true))
}

/// Puts in the defaults that the schema names, inside objects that are there too.
fn fill_in_defaults(settings: &mut Value, schema: &Value) {
    let (Value::Object(settings), Some(Value::Object(properties))) = (settings, schema.get("properties")) else {
        return;
    };
    for (name, property) in properties {
        match (settings.get_mut(name), property.get("default")) {
            (Some(value), _) => fill_in_defaults(value, property),
            (None, Some(default)) => {
                settings.insert(name.clone(), default.clone());
            }
            (None, None) => {}
        }
    }
}

/// Replaces a secret, or the secrets in an object or a list, by what `handle` gives for path and value.
fn hide_value(value: &mut Value, schema: &Value, path: &str, handle: &mut impl FnMut(&str, String) -> String) {
    let secret = is_secret(Some(schema));
    match value {
        // A secret that is blank hides nothing, and the plugin shall see that.
        Value::String(text) if secret && !text.trim().is_empty() => *text = handle(path, std::mem::take(text)),
        Value::Array(items) => {
            let mut inner = schema.get("items").cloned().unwrap_or(Value::Object(Map::new()));
            if let (true, Value::Object(inner)) = (secret, &mut inner) {
                inner.insert("secret".to_string(), Value::Bool(true));
            }
            for (number, item) in items.iter_mut().enumerate() {
                hide_value(item, &inner, &format!("{path}.{number}"), handle);
            }
        }
        Value::Object(members) => {
            let named = schema.get("properties").and_then(Value::as_object);
            let others = schema.get("additionalProperties").filter(|others| others.is_object());
            for (name, member) in members.iter_mut() {
                let Some(inner) = named.and_then(|named| named.get(name)).or(others) else { continue };
                let mut inner = inner.clone();
                if let (true, Value::Object(inner)) = (secret, &mut inner) {
                    inner.insert("secret".to_string(), Value::Bool(true));
                }
                hide_value(member, &inner, &format!("{path}.{name}"), handle);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        let text = |secret: bool| json!({"type": "string", "minLength": 3, "secret": secret});
        let settings = json!({"type": "object", "properties": {
            "key": text(true),
            "list": {"type": "array", "items": text(true)},
            "named": {"type": "object", "additionalProperties": text(true)},
            "blank": {"type": "string", "secret": true},
            "open": text(false),
        }});
        let manifest = json!({
            "id": "x", "version": "1", "contract": "1.0.0", "name": "X", "kinds": ["track"],
            "hosts": [], "settings": settings,
        });
        Schema::new(&serde_json::from_value(manifest).unwrap()).unwrap()
    }

    #[test]
    fn a_wrong_secret_is_not_shown_wherever_it_stands() {
        let hide = |settings: Value| schema().hide(&settings, "d", &HandleKey::fixed());
        for settings in [json!({"key": "!!"}), json!({"list": ["!!"]}), json!({"named": {"a": "!!"}})] {
            let message = hide(settings.clone()).unwrap_err().to_string();
            assert!(!message.contains("!!") && message.contains("the setting `"), "{settings}: {message}");
        }
        assert!(hide(json!({"open": "!!"})).unwrap_err().to_string().contains("!!"));
    }

    #[test]
    fn secrets_become_handles_but_for_blank_ones() {
        let settings = json!({"key": "abc", "list": ["def"], "named": {"a": "ghi"}, "blank": " ", "open": "jkl"});
        let (hidden, handles) = schema().hide(&settings, "d", &HandleKey::fixed()).unwrap();
        assert_eq!((&hidden["blank"], &hidden["open"]), (&json!(" "), &json!("jkl")));
        for place in [&hidden["key"], &hidden["list"][0], &hidden["named"]["a"]] {
            let held = handles.get(place.as_str().unwrap()).expect("a handle");
            assert!(["abc", "def", "ghi"].contains(&held.value.reveal()));
        }
    }
}
