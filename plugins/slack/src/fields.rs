//! What a place of a text may be filled with: a value of the event, or something made of several.

use switchyard_sdk::prelude::*;
use switchyard_sdk::time::format_iso8601;

use crate::mrkdwn::{Form, Sink};
use crate::rules::PRODUCTS_SHOWN_MAX;
use crate::slack::Slack;

/// Fields of an event that are no objects.
const PLAIN: [&str; 8] =
    ["userId", "anonymousId", "messageId", "groupId", "previousId", "timestamp", "type", "category"];

/// What fills a place.
#[derive(Clone, Debug)]
pub enum Field {
    /// The name of the event, page or screen.
    Event,
    /// Who it was, by the best name that there is.
    Person,
    /// The product of an event that is about one.
    Product,
    /// The products of an order or cart.
    Products,
    /// The traits that may be shown.
    Traits,
    /// What an order or product is worth.
    Value,
    /// Of the value, in capital letters.
    Currency,
    /// When it happened, in the reader's own time.
    Time,
    /// A value of the event.
    Path(Path),
}

impl Field {
    /// Reads what stands in a place.
    ///
    /// # Errors
    /// What would be right.
    pub fn read(text: &str) -> Result<Field, String> {
        Ok(match text {
            "event" => Field::Event,
            "name" => Field::Person,
            "product" => Field::Product,
            "products" => Field::Products,
            "traits" => Field::Traits,
            "value" => Field::Value,
            "currency" => Field::Currency,
            "time" => Field::Time,
            path => Field::Path(Path::read(path)?),
        })
    }

    /// Writes it. Whether there was anything to write; where not, what was written does not count.
    pub fn write(&self, slack: &Slack, event: &Event<'_>, sink: &mut Sink<'_>) -> bool {
        match self {
            Field::Event => name_of(event, sink),
            Field::Person => person(event, sink),
            Field::Product => product(event.properties(), sink),
            Field::Products => products(event.properties().child("products"), sink),
            Field::Traits => traits(slack, event, sink),
            Field::Value => value(slack, event.properties(), sink),
            Field::Currency => currency(slack, event.properties(), sink),
            Field::Time => time(event, sink),
            Field::Path(path) => any(path.find(event), sink),
        }
    }
}

/// A path of keys in the event; in a list, a number from 0.
#[derive(Clone, Debug)]
pub struct Path {
    root: Root,
    keys: Vec<String>,
}

#[derive(Clone, Debug)]
enum Root {
    Plain(String),
    Properties,
    Traits,
    Context,
}

impl Path {
    /// Reads `properties.order_id`.
    ///
    /// # Errors
    /// What would be right.
    pub fn read(text: &str) -> Result<Path, String> {
        let mut keys = text.trim().split('.').map(str::to_string);
        let root = match keys.next().unwrap_or_default().as_str() {
            "" => return Err("{{ }} needs a field, such as {{properties.order_id}}".to_string()),
            "properties" => Root::Properties,
            "traits" => Root::Traits,
            "context" => Root::Context,
            plain if PLAIN.contains(&plain) => Root::Plain(plain.to_string()),
            other => return Err(format!("{{{{{other}}}}} is no field; is it {{{{properties.{other}}}}}?")),
        };
        let keys: Vec<String> = keys.collect();
        if keys.iter().any(String::is_empty) {
            return Err(format!("{{{{{text}}}}}: a name is missing beside a dot"));
        }
        Ok(Path { root, keys })
    }

    /// The value; null when it is not there.
    pub fn find<'a>(&self, event: &Event<'a>) -> Value<'a> {
        match &self.root {
            Root::Plain(name) => self.walk(event.get(name)),
            Root::Properties => self.walk(event.properties()),
            Root::Context => self.walk(event.context()),
            Root::Traits => {
                let own = self.walk(event.own_traits());
                if own.is_null() { self.walk(event.context().child("traits")) } else { own }
            }
        }
    }

    fn walk<'a>(&self, root: Value<'a>) -> Value<'a> {
        self.keys.iter().fold(root, |value, key| match key.parse() {
            Ok(number) if value.is_array() => value.children().nth(number).unwrap_or(value.child(key)),
            _ => value.child(key),
        })
    }
}

/// A text that is not blank, without the spaces around it; a number, true or false.
fn scalar(value: Value<'_>, sink: &mut Sink<'_>) -> bool {
    if !value.is_string() {
        if value.is_scalar() {
            sink.write(value.raw());
        }
        return value.is_scalar();
    }
    if value.is_escaped() {
        let text = value.as_str().unwrap_or_default();
        sink.write(text.trim().as_bytes());
        return !text.trim().is_empty();
    }
    let text = value.quoted().unwrap_or_default().trim_ascii();
    sink.write(text);
    // The first byte decides in all but a few texts.
    match text.first() {
        None => false,
        Some(byte) if byte.is_ascii() => true,
        Some(_) => std::str::from_utf8(text).is_ok_and(|text| !text.trim().is_empty()),
    }
}

/// A scalar; or those of a list, or of an object with their names.
fn any(value: Value<'_>, sink: &mut Sink<'_>) -> bool {
    if !value.is_array() && !value.is_object() {
        return scalar(value, sink);
    }
    let mut has_any = false;
    for child in value.children() {
        let before = sink.len();
        separate(has_any, b", ", sink);
        if value.is_object() {
            sink.write(child.key().as_bytes());
            sink.write(b": ");
        }
        if scalar(child, sink) {
            has_any = true;
        } else {
            sink.truncate(before);
        }
    }
    has_any
}

fn separate(has_any: bool, separator: &[u8], sink: &mut Sink<'_>) {
    if has_any {
        sink.write(separator);
    }
}

/// The first of these members that says something.
fn first(object: Value<'_>, keys: &[&str], sink: &mut Sink<'_>) -> bool {
    let before = sink.len();
    keys.iter().any(|key| {
        let is_written = scalar(object.child(key), sink);
        if !is_written {
            sink.truncate(before);
        }
        is_written
    })
}

fn name_of(event: &Event<'_>, sink: &mut Sink<'_>) -> bool {
    match event.kind() {
        Kind::Track => scalar(event.event_name(), sink),
        Kind::Page | Kind::Screen => {
            let before = sink.len();
            if scalar(event.page_name(), sink) {
                return true;
            }
            sink.truncate(before);
            first(event.properties(), &["title", "path"], sink)
                || first(event.context().child("page"), &["title", "path"], sink)
        }
        _ => false,
    }
}

/// Source: the order of RudderStack's destination.
fn person(event: &Event<'_>, sink: &mut Sink<'_>) -> bool {
    let traits = event.user_traits();
    first(traits, &["name"], sink)
        || full_name(traits, sink)
        || first(traits, &["username", "email"], sink)
        || first(event.properties(), &["email"], sink)
        || first(event.root(), &["userId", "anonymousId"], sink)
}

fn full_name(traits: Value<'_>, sink: &mut Sink<'_>) -> bool {
    let has_first = first(traits, &["firstName", "first_name", "firstname"], sink);
    let before = sink.len();
    if has_first {
        sink.write(b" ");
    }
    let has_last = first(traits, &["lastName", "last_name", "lastname"], sink);
    if !has_last {
        sink.truncate(before);
    }
    has_first || has_last
}

/// `3 × Wool Socks`, or the name alone of a single one.
fn product(product: Value<'_>, sink: &mut Sink<'_>) -> bool {
    if let Some(quantity) = quantity(product) {
        sink.write(quantity);
        sink.write(" × ".as_bytes());
    }
    if product.is_object() { first(product, &["name", "product_id", "sku"], sink) } else { scalar(product, sink) }
}

/// How many, where they are not one.
fn quantity(product: Value<'_>) -> Option<&[u8]> {
    product.child("quantity").number_text().filter(|quantity| !matches!(*quantity, b"1" | b"1.0"))
}

fn products(products: Value<'_>, sink: &mut Sink<'_>) -> bool {
    if !products.is_array() {
        return false;
    }
    let (mut shown, mut others) = (0, 0_u64);
    for item in products.children() {
        if shown == PRODUCTS_SHOWN_MAX {
            others += 1;
            continue;
        }
        let before = sink.len();
        separate(shown > 0, b"; ", sink);
        if product(item, sink) {
            shown += 1;
        } else {
            sink.truncate(before);
        }
    }
    if others > 0 {
        sink.write(format!(" and {others} more").as_bytes());
    }
    shown > 0
}

fn traits(slack: &Slack, event: &Event<'_>, sink: &mut Sink<'_>) -> bool {
    let mut has_any = false;
    for (name, path) in &slack.shown_traits {
        let before = sink.len();
        separate(has_any, b", ", sink);
        sink.write(name.as_bytes());
        sink.write(b": ");
        if any(path.find(event), sink) {
            has_any = true;
        } else {
            sink.truncate(before);
        }
    }
    has_any
}

/// The value of an order as it stands; of a product without one, its price times its quantity.
fn value(slack: &Slack, properties: Value<'_>, sink: &mut Sink<'_>) -> bool {
    let said = slack.order_value.properties().into_iter().find_map(|key| properties.child(key).number_text());
    let price = properties.child("price").number_text();
    match (said, price, quantity(properties)) {
        (Some(said), ..) => sink.write(said),
        (None, Some(price), None) => sink.write(price),
        (None, Some(price), Some(quantity)) => {
            let Some(product) = number(price).zip(number(quantity)).map(|(price, quantity)| price * quantity) else {
                return false;
            };
            // Of money two decimals are enough, and 3 × 0.1 is not 0.30000000000000004.
            sink.write(format!("{}", (product * 100.0).round() / 100.0).as_bytes());
        }
        (None, None, _) => return false,
    }
    true
}

fn number(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    // Beyond that neither price nor quantity is one.
    (number.abs() < 1e12).then_some(number)
}

fn currency(slack: &Slack, properties: Value<'_>, sink: &mut Sink<'_>) -> bool {
    let said = properties.child("currency").as_str();
    let letters = said.as_deref().map(str::trim).and_then(|text| <[u8; 3]>::try_from(text.as_bytes()).ok());
    match letters.filter(|letters| letters.iter().all(u8::is_ascii_alphabetic)) {
        Some(letters) => sink.write(&letters.map(|letter| letter.to_ascii_uppercase())),
        None => match &slack.default_currency {
            Some(currency) => sink.write(currency.as_bytes()),
            None => return false,
        },
    }
    true
}

/// Clients show it in the reader's own time; those that cannot show what stands behind the bar.
/// Source: messaging/formatting-message-text, date formatting.
fn time(event: &Event<'_>, sink: &mut Sink<'_>) -> bool {
    let plain = format_iso8601(event.timestamp_ms());
    // Up to the year 2100; what is beyond is a mistake, and clients differ.
    let is_shown = sink.form() == Form::Text && (0..4_102_444_800).contains(&event.timestamp_s());
    if is_shown {
        sink.markup(&format!("<!date^{}^{{date_short}} {{time}}|{plain}>", event.timestamp_s()));
    } else {
        sink.write(plain.as_bytes());
    }
    true
}
