//! Texts of messages: `*{{name}}* bought for {{value}}[[ with {{properties.coupon}}]]`.
//!
//! `{{ }}` is a place: fields, the first that is there fills it, and perhaps a text in quotes for when
//! none is. `[[ ]]` is left out where a place in it is not filled. All else is the operator's markup.

use switchyard_sdk::Event;

use crate::fields::Field;
use crate::mrkdwn::{Form, Sink, is_address, is_blank, literal, may_begin_link};
use crate::slack::Slack;

/// A text with places.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<Part>,
    /// The first place as it is written, for messages.
    first_place: String,
}

#[derive(Clone, Debug)]
enum Part {
    /// The inside of a JSON string.
    Text(Vec<u8>),
    Place(Place),
    Optional(Vec<Part>),
}

#[derive(Clone, Debug)]
struct Place {
    fields: Vec<Field>,
    otherwise: Option<Vec<u8>>,
    form: Form,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Template, String> {
        let mut reader = Reader { rest: text, link: Link::None, first_place: String::new() };
        let parts = reader.parts(Level::Top)?;
        Ok(Template { parts, first_place: reader.first_place })
    }

    /// Appends what it says of an event, as the inside of a JSON string. False where that shows nothing;
    /// then nothing is appended.
    pub fn fill(&self, slack: &Slack, event: &Event<'_>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        fill_parts(&self.parts, slack, event, out);
        let says = !is_blank(&out[start..]);
        if !says {
            out.truncate(start);
        }
        says
    }

    /// The first place as it is written, for messages.
    pub fn first_place(&self) -> &str {
        &self.first_place
    }
}

/// Whether all places were filled.
fn fill_parts(parts: &[Part], slack: &Slack, event: &Event<'_>, out: &mut Vec<u8>) -> bool {
    let mut is_whole = true;
    for part in parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text),
            Part::Place(place) => is_whole &= place.fill(slack, event, out),
            Part::Optional(parts) => {
                let start = out.len();
                if !fill_parts(parts, slack, event, out) {
                    out.truncate(start);
                }
            }
        }
    }
    is_whole
}

impl Place {
    fn fill(&self, slack: &Slack, event: &Event<'_>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        for field in &self.fields {
            if field.write(slack, event, &mut Sink::new(out, self.form))
                && (self.form != Form::Link || is_address(&out[start..]))
            {
                return true;
            }
            out.truncate(start);
        }
        if let Some(otherwise) = &self.otherwise {
            out.extend_from_slice(otherwise);
        }
        self.otherwise.is_some()
    }
}

/// Whether parts are those of the text or of an optional part of it.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Top,
    Optional,
}

/// Where in a link of the operator's the reader is.
#[derive(Clone, Copy, PartialEq)]
enum Link {
    /// In none, or in its label.
    None,
    /// Behind its `<`.
    Start,
    /// In its address.
    Address,
}

struct Reader<'t> {
    rest: &'t str,
    link: Link,
    first_place: String,
}

impl<'t> Reader<'t> {
    fn parts(&mut self, level: Level) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        loop {
            let marks = ["{{", "[[", "]]"];
            let next = marks.iter().filter_map(|mark| Some((self.rest.find(mark)?, *mark))).min();
            let (before, mark) = match next {
                Some((at, mark)) => (self.take(at), mark),
                None => (self.take(self.rest.len()), ""),
            };
            if !before.is_empty() {
                self.link = self.link.behind(before);
                parts.push(Part::Text(literal(before)));
            }
            self.take(mark.len());
            match (mark, level) {
                ("{{", _) => parts.push(Part::Place(self.place()?)),
                ("[[", _) => parts.push(Part::Optional(self.parts(Level::Optional)?)),
                ("]]", Level::Optional) | ("", Level::Top) => return Ok(parts),
                ("]]", Level::Top) => return Err("there is a ]] without its [[".to_string()),
                _ => return Err("there is a [[ without its ]]".to_string()),
            }
        }
    }

    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn place(&mut self) -> Result<Place, String> {
        let end = self.rest.find("}}").ok_or("there is a {{ without its }}")?;
        let inside = self.take(end);
        self.take(2);
        if self.first_place.is_empty() {
            self.first_place = inside.trim().to_string();
        }
        let form = match self.link {
            Link::None => Form::Text,
            Link::Start => Form::Link,
            Link::Address => Form::LinkPart,
        };
        if self.link == Link::Start {
            self.link = Link::Address;
        }
        let mut place = Place { fields: Vec::new(), otherwise: None, form };
        for alternative in alternatives(inside) {
            if place.otherwise.is_some() {
                return Err(format!("{{{{{inside}}}}}: a text in quotes comes last"));
            }
            match quoted(alternative) {
                Some(text) => place.otherwise = Some(literal(text)),
                None => place.fields.push(Field::read(alternative)?),
            }
        }
        Ok(place)
    }
}

impl Link {
    /// Where the reader is behind some text.
    fn behind(self, text: &str) -> Link {
        text.chars().fold(self, |link, character| match (link, character) {
            (_, '<') => Link::Start,
            (Link::Start, character) if may_begin_link(character) => Link::Address,
            (Link::Address, character) if !matches!(character, '>' | '|') => Link::Address,
            _ => Link::None,
        })
    }
}

/// The parts between the bars; those in quotes do not count.
fn alternatives(inside: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, character) in inside.char_indices() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), character) if open == character => quote = None,
            (None, '|') => {
                parts.push(inside[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(inside[start..].trim());
    parts
}

fn quoted(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[test]
    fn what_is_wrong_with_a_text_is_said() {
        let check = |text: &str, wanted: &str| {
            let said = Template::new(text).unwrap_err();
            assert!(said.contains(wanted), "{text}: {said}");
        };
        check("{{name", "{{ without its }}");
        check("[[ {{name}}", "[[ without its ]]");
        check("{{name}} ]]", "]] without its [[");
        check("{{}}", "needs a field");
        check("{{order_id}}", "{{properties.order_id}}");
        check("{{properties..id}}", "properties..id");
        check("{{'x' | name}}", "comes last");
        assert!(Template::new("[[a [[{{name | 'a | b'}}]]]] {{ properties.products.0.name }}").is_ok());
    }
}
