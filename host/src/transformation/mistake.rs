//! What is wrong with a rule, where, and what would be right.

use std::fmt;

use serde::Serialize;

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The rule's number, from 0, among those that were given.
    pub rule: usize,
    /// The key of the rule that is wrong; empty: the rule as a whole.
    pub field: String,
    /// Where in the text of that key: bytes from its start.
    pub position: usize,
    /// What is wrong, and what would be right.
    pub message: String,
    /// What the key could say instead, ready to be put in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Mistake {
    /// A mistake at the start of a key.
    pub fn new(rule: usize, field: &str, message: impl Into<String>) -> Mistake {
        Mistake { rule, field: field.to_string(), position: 0, message: message.into(), suggestion: None }
    }

    /// The same, at a place in the key's text.
    pub fn at(mut self, position: usize) -> Mistake {
        self.position = position;
        self
    }

    /// The same, with what could stand there.
    pub fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Mistake {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "rule {}", self.rule + 1)?;
        if !self.field.is_empty() {
            write!(formatter, ", `{}`", self.field)?;
        }
        if self.position > 0 {
            write!(formatter, ", character {}", self.position + 1)?;
        }
        write!(formatter, ": {}", self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(formatter, "; try `{suggestion}`"),
            None => Ok(()),
        }
    }
}

/// The known word that is most like `text`, if one is like it.
pub(super) fn nearest<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let most = text.chars().count().div_ceil(3);
    let distances = known.into_iter().map(|word| (distance(text, word), word));
    distances.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// How many characters have to be changed, put in or left out.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, left) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, right) in right.iter().enumerate() {
            let changed = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
