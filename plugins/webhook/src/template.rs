//! Texts with places that are filled from the event: `order {{properties.order_id}}`.

use switchyard_sdk::{Event, Value};

/// A text with places.
#[derive(Clone, Debug, Default)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    /// A path of keys in the event.
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
            if path.is_empty() {
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

    /// The value of the event that is all of it, when it is one place and nothing else.
    pub fn only_value<'a>(&self, event: &Event<'a>) -> Option<Value<'a>> {
        match &self.parts[..] {
            [Part::Place(path)] => Some(event.get(path)),
            _ => None,
        }
    }

    /// The text with its places filled, each as `write` writes it.
    ///
    /// # Errors
    /// The path that the event does not have.
    pub fn fill(&self, event: &Event<'_>, write: fn(&mut String, &str)) -> Result<String, &str> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Place(path) => {
                    let value = event.get(path);
                    if value.is_null() {
                        return Err(path);
                    }
                    match value.as_text() {
                        Some(text) => write(&mut filled, &text),
                        None => write(&mut filled, &String::from_utf8_lossy(value.raw())),
                    }
                }
            }
        }
        Ok(filled)
    }
}
