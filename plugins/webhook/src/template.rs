//! Texts with places that are filled from the event: `order {{properties.order_id}}`.

use std::borrow::Cow;

use switchyard_sdk::{Event, Value};

/// A text with places.
#[derive(Clone, Debug, Default)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    /// A path of keys in the event; in an array, a number from 0.
    Place(String),
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// When a place has no end or no path.
    pub fn new(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (path, after) = after.split_once("}}").ok_or(format!("`{text}`: {{{{ without }}}}"))?;
            let path = path.trim();
            if path.split('.').any(str::is_empty) {
                return Err(format!("`{text}`: {{{{ }}}} needs a path, such as {{{{properties.order_id}}}}"));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_string()));
            }
            parts.push(Part::Place(path.to_string()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_string()));
        }
        Ok(Template { parts })
    }

    /// Whether the event has no part in it.
    pub fn is_constant(&self) -> bool {
        !self.parts.iter().any(|part| matches!(part, Part::Place(_)))
    }

    /// The text before the first place.
    pub fn beginning(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether all text between the places is made of such bytes.
    pub fn is_made_of(&self, allowed: impl Fn(u8) -> bool) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Text(text) => text.bytes().all(&allowed),
            Part::Place(_) => true,
        })
    }

    /// The path and the value of the event that is all of it, when it is one place and nothing else.
    pub fn only_value<'a>(&self, event: &Event<'a>) -> Option<(&str, Value<'a>)> {
        match &self.parts[..] {
            [Part::Place(path)] => Some((path, value_at(event, path))),
            _ => None,
        }
    }

    /// The text with its places filled: each by what `text` makes of its path and value.
    ///
    /// # Errors
    /// The path for which there is no text.
    pub fn fill<'a>(
        &self,
        event: &Event<'a>,
        text: impl Fn(&str, Value<'a>) -> Option<Cow<'a, str>>,
    ) -> Result<String, &str> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Place(path) => filled.push_str(&text(path, value_at(event, path)).ok_or(path.as_str())?),
            }
        }
        Ok(filled)
    }
}

fn value_at<'a>(event: &Event<'a>, path: &str) -> Value<'a> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let first = event.get(first);
    if rest.is_empty() {
        return first;
    }
    rest.split('.').fold(first, |value, key| match key.parse() {
        Ok(number) if value.is_array() => value.children().nth(number).unwrap_or(value.child(key)),
        _ => value.child(key),
    })
}
