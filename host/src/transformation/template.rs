//! Texts with paths in them: `Order {{properties.order_id}} of {{userId}}`.

use crate::event::index::View;

use super::arena::GROWTH_BYTES_MAX;
use super::change::scalar;
use super::path::{Path, PathError};
use super::steps::{Exhausted, Steps};

/// Bytes of one template.
pub const TEMPLATE_BYTES_MAX: usize = 4_096;

/// A text with paths in it.
#[derive(Debug)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Path(Path),
}

impl Template {
    pub fn parse(text: &str) -> Result<Template, PathError> {
        let wrong = |at: usize, message: String| PathError { at, message, suggestion: None };
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(wrong(0, format!("a template has at most {TEMPLATE_BYTES_MAX} bytes")));
        }
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(open) = text[at..].find("{{") {
            let inside = at + open + 2;
            let Some(close) = text[inside..].find("}}") else {
                let suggestion = Some(format!("{}}}}}", text.trim_end_matches('}')));
                return Err(PathError { at: at + open, message: "this `{{` is not closed".to_string(), suggestion });
            };
            if open > 0 {
                parts.push(Part::Text(text[at..at + open].to_string()));
            }
            let written = &text[inside..inside + close];
            let trimmed = written.trim();
            let path = Path::parse(trimmed).map_err(|error| {
                let from = inside + written.find(trimmed).unwrap_or_default();
                let suggestion =
                    error.suggestion.map(|fixed| format!("{}{fixed}{}", &text[..from], &text[from + trimmed.len()..]));
                PathError { at: from + error.at, message: error.message, suggestion }
            })?;
            if path.has_each() {
                return Err(wrong(inside, "a template takes one value: name an item, such as products[0]".to_string()));
            }
            parts.push(Part::Path(path));
            at = inside + close + 2;
        }
        if at < text.len() {
            parts.push(Part::Text(text[at..].to_string()));
        }
        Ok(Template { parts })
    }

    pub fn reads(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().filter_map(|part| match part {
            Part::Path(path) => Some(path),
            Part::Text(_) => None,
        })
    }

    /// The text for an event; what is not there is left out. None where none of its paths has a value.
    pub fn render(&self, view: View<'_>, steps: &Steps) -> Result<Option<String>, Exhausted> {
        let mut text = String::new();
        let (mut paths, mut found) = (0, 0);
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Path(path) => {
                    paths += 1;
                    if let Some(value) = path.first(view, steps)?.and_then(|value| scalar(&value)) {
                        found += 1;
                        steps.take_bytes(value.len())?;
                        text.push_str(&value);
                    }
                }
            }
            if text.len() > GROWTH_BYTES_MAX {
                return Err(Exhausted);
            }
        }
        Ok((paths == 0 || found > 0).then_some(text))
    }
}
