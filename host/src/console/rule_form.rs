//! A rule as a row of a form: a field, an operation, what that needs, which events. What a row has no
//! input for stays with it as it is.

use serde_json::{Map, Value, json};

use crate::admin::transformations::{EditedLevel, EditedRule};

/// An operation as the editor offers it.
pub(crate) struct Offer {
    /// Its name in the form.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// The rule's key that holds the field; empty: it has none.
    key: &'static str,
    /// The key of what it needs, and what that is.
    argument: Option<(&'static str, &'static str)>,
    /// The key of where the result goes.
    target: Option<(&'static str, &'static str)>,
}

const fn offer(
    name: &'static str,
    label: &'static str,
    key: &'static str,
    argument: Option<(&'static str, &'static str)>,
    target: Option<(&'static str, &'static str)>,
) -> Offer {
    Offer { name, label, key, argument, target }
}

/// All operations, the most usual first.
pub(crate) static OFFERS: [Offer; 24] = [
    offer("copy", "copy", "copy", None, Some(("to", "to"))),
    offer("move", "move or rename", "move", None, Some(("to", "to"))),
    offer("remove", "remove", "remove", None, None),
    offer("set", "set to a constant", "set", Some(("value", "value")), None),
    offer("default", "default if missing", "default", Some(("value", "value")), None),
    offer("expression", "set by an expression", "set", Some(("expression", "expression")), None),
    offer("template", "set by a template", "set", Some(("template", "text with {{paths}}")), None),
    offer("from", "set from another field", "set", Some(("from", "field")), None),
    offer(
        "convert",
        "convert to",
        "convert",
        Some(("as", "number, integer, boolean, string, iso_time, unix_s, unix_ms")),
        None,
    ),
    offer("hash", "hash", "hash", Some(("normalize", "email, phone, phone_e164, text, or nothing")), None),
    offer("mask", "mask", "mask", Some(("style", "whole, last, email, card, ip")), None),
    offer("lower", "lower case", "lower", None, None),
    offer("upper", "upper case", "upper", None, None),
    offer("trim", "trim", "trim", None, None),
    offer("replace", "replace by pattern", "replace", Some(("pattern", "regular expression")), Some(("with", "with"))),
    offer("map", "map through a table", "map", Some(("table", "{\"old\": \"new\"}")), None),
    offer("split", "split", "split", Some(("by", "by")), Some(("to", "to"))),
    offer("join", "join", "join", Some(("by", "by")), Some(("to", "to"))),
    offer("round", "round", "round", Some(("digits", "digits")), None),
    offer("keep", "keep only", "keep", None, Some(("under", "under"))),
    offer("rename_event", "rename the event", "rename_event", None, None),
    offer("drop", "do not send these events", "", None, None),
    offer("drop_others", "send only these events", "", None, None),
    offer("sample", "send a share of users", "", Some(("sample", "0 to 1")), None),
];

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub level: EditedLevel,
    pub from: Option<usize>,
    pub path: String,
    pub operation: String,
    pub argument: String,
    pub target: String,
    pub events: String,
    pub when: String,
    /// All else that the rule says.
    pub rest: Map<String, Value>,
}

impl Row {
    /// What the row's operation is.
    pub fn offer(&self) -> &'static Offer {
        OFFERS.iter().find(|offer| offer.name == self.operation).unwrap_or(&OFFERS[0])
    }

    /// A new rule on a field.
    pub fn on(path: &str, level: EditedLevel) -> Row {
        let (argument, target, events, when) = Default::default();
        let (path, operation, rest) = (path.to_string(), "copy".to_string(), Map::new());
        Row { level, from: None, path, operation, argument, target, events, when, rest }
    }

    /// The row of a rule.
    pub fn of(edited: &EditedRule) -> Row {
        let mut rest = edited.rule.clone();
        let name = operation_of(&rest);
        let offer = OFFERS.iter().find(|offer| offer.name == name).unwrap_or(&OFFERS[0]);
        let mut take = |key: &str| if key.is_empty() { Value::Null } else { rest.remove(key).unwrap_or_default() };
        let path = text_of(&take(offer.key));
        let argument = offer.argument.map(|(key, _)| shown(&take(key))).unwrap_or_default();
        let target = offer.target.map(|(key, _)| text_of(&take(key))).unwrap_or_default();
        let (events, when) = (text_of(&take("events")), text_of(&take("when")));
        rest.remove("drop");
        Row {
            level: edited.level,
            from: edited.from,
            path,
            operation: name.to_string(),
            argument,
            target,
            events,
            when,
            rest,
        }
    }

    /// The rule of the row.
    pub fn rule(&self) -> EditedRule {
        let (mut rule, offer) = (self.rest.clone(), self.offer());
        let list = |text: &str| match text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>()
        {
            parts if parts.len() == 1 => json!(parts[0]),
            parts => json!(parts),
        };
        let takes_list = !matches!(offer.key, "set" | "default" | "copy" | "move" | "rename_event");
        if !offer.key.is_empty() {
            let value = if takes_list && self.path.contains(',') { list(&self.path) } else { json!(self.path.trim()) };
            rule.insert(offer.key.to_string(), value);
        }
        match offer.name {
            "drop" => drop(rule.insert("drop".to_string(), json!("matching"))),
            "drop_others" => drop(rule.insert("drop".to_string(), json!("others"))),
            _ => {}
        }
        if let Some((key, _)) = offer.argument.filter(|(key, _)| !self.argument.is_empty() || *key == "value") {
            rule.insert(key.to_string(), value_of(key, &self.argument));
        }
        if let Some((key, _)) = offer.target.filter(|_| !self.target.trim().is_empty() || offer.name == "replace") {
            rule.insert(key.to_string(), json!(self.target.trim()));
        }
        if !self.events.trim().is_empty() {
            let names: Vec<&str> = self.events.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            rule.insert("events".to_string(), json!(names));
        }
        if !self.when.trim().is_empty() {
            rule.insert("when".to_string(), json!(self.when));
        }
        EditedRule { level: self.level, from: self.from, rule }
    }
}

/// Which of the offered operations a rule has.
fn operation_of(rule: &Map<String, Value>) -> &'static str {
    match rule.get("drop").and_then(Value::as_str) {
        Some("others") => return "drop_others",
        Some(_) => return "drop",
        None => {}
    }
    if rule.contains_key("sample") {
        return "sample";
    }
    if rule.contains_key("set") {
        return ["expression", "template", "from"].into_iter().find(|key| rule.contains_key(*key)).unwrap_or("set");
    }
    let own = OFFERS.iter().find(|offer| !offer.key.is_empty() && offer.key != "set" && rule.contains_key(offer.key));
    own.map_or("copy", |offer| offer.name)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

/// A constant as it is entered: a text as it is, unless it would be read as something else.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if serde_json::from_str::<Value>(text).is_ok() => value.to_string(),
        value => match value {
            Value::Array(_) => value.to_string(),
            value => text_of(value),
        },
    }
}

/// What was entered: numbers, true, false, lists and tables as such, all else as a text.
fn value_of(key: &str, text: &str) -> Value {
    let text = if key == "by" || key == "pattern" { text } else { text.trim() };
    match key {
        "value" | "table" | "digits" | "sample" => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_string()))
        }
        _ => Value::String(text.to_string()),
    }
}

/// The rows that a form sent, in their order.
pub(crate) fn rows_of(pairs: &[(String, String)]) -> Vec<Row> {
    let get = |at: usize, name: &str| {
        let key = format!("r.{at}.{name}");
        pairs.iter().find(|(own, _)| *own == key).map(|(_, value)| value.clone())
    };
    let mut places: Vec<usize> =
        pairs.iter().filter_map(|(name, _)| name.strip_prefix("r.")?.strip_suffix(".level")?.parse().ok()).collect();
    places.sort_unstable();
    places.dedup();
    let text = |at: usize, name: &str| get(at, name).unwrap_or_default().replace("\r\n", "\n");
    places
        .into_iter()
        .map(|at| Row {
            level: if text(at, "level") == "pipeline" { EditedLevel::Pipeline } else { EditedLevel::Destination },
            from: text(at, "from").parse().ok(),
            path: text(at, "path"),
            operation: text(at, "op"),
            argument: text(at, "arg"),
            target: text(at, "to"),
            events: text(at, "events"),
            when: text(at, "when"),
            rest: serde_json::from_str(&text(at, "rest")).unwrap_or_default(),
        })
        .collect()
}

/// Where an input of a row is, by the key that a mistake names.
pub(crate) fn input_of(row: &Row, field: &str) -> &'static str {
    let offer = row.offer();
    match field {
        "events" => "events",
        "when" => "when",
        field if offer.argument.is_some_and(|(key, _)| key == field) => "arg",
        field if offer.target.is_some_and(|(key, _)| key == field) => "to",
        _ => "path",
    }
}

/// What an operation asks for, for the labels of its inputs.
pub(crate) fn asks(offer: &Offer) -> (Option<&'static str>, Option<&'static str>, bool) {
    (offer.argument.map(|(_, what)| what), offer.target.map(|(_, what)| what), !offer.key.is_empty())
}

/// The pairs of a text that a form might have sent: for tests.
#[cfg(test)]
fn form(text: &str) -> Vec<(String, String)> {
    crate::admin::pairs_of(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_survives_the_form() {
        for rule in [
            json!({"copy": "properties.a", "to": "b"}),
            json!({"set": "properties.currency", "value": "EUR", "events": ["Order Completed"]}),
            json!({"set": "a", "value": "12"}),
            json!({"set": "a", "value": 12, "when": "x > 1", "name": "n", "disabled": true}),
            json!({"set": "a", "expression": "properties.total - 1"}),
            json!({"default": "a", "value": [1, 2]}),
            json!({"remove": ["a", "b"]}),
            json!({"hash": "traits.email", "normalize": "email"}),
            json!({"map": "a", "table": {"x": 1}, "otherwise": 2}),
            json!({"replace": "a", "pattern": " +", "with": ""}),
            json!({"split": "a", "by": ", "}),
            json!({"drop": "others", "events": ["A", "B"]}),
            json!({"sample": 0.1, "kinds": ["page"]}),
            json!({"rename_event": "Purchase", "events": ["X"]}),
        ] {
            let rule = rule.as_object().unwrap().clone();
            let edited = EditedRule { level: EditedLevel::Destination, from: Some(3), rule: rule.clone() };
            let row = Row::of(&edited);
            assert_eq!(Value::Object(row.rule().rule), Value::Object(rule), "{row:?}");
        }
    }

    #[test]
    fn rows_come_in_their_order() {
        let rows = rows_of(&form(
            "r.10.level=destination&r.10.op=remove&r.10.path=b&r.2.level=pipeline&r.2.from=1&r.2.op=trim&r.2.path=a&r.x.level=1",
        ));
        assert_eq!(rows.iter().map(|row| row.path.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((rows[0].level, rows[0].from, rows[1].from), (EditedLevel::Pipeline, Some(1), None));
    }
}
