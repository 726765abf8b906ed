//! Events for load, cut ready so that making one costs the clients next to nothing.

use bytes::Bytes;
use switchyard_tests::stand_in::now_ms;
use switchyard_tests::{paths, shop};

/// The order's own ids, and the beginning of its times.
const ORDER_IDS: [&str; 3] = ["order-7c0b3f1e-58a2", "user-20417", "o-2026-000317"];
const ORDER_TIME: &str = "2026-01-05T10:00:00";

/// What stands for a number until the template is cut.
const CUT: &str = "\u{1}";

/// An event, cut where each has its own number.
pub struct Template {
    parts: Vec<String>,
}

impl Template {
    /// The fixture's order: the number is in messageId, userId and order_id, the times are now.
    pub fn order() -> Template {
        let now = shop::iso8601(now_ms());
        let text = paths::fixture("order-completed.json").trim().replace(ORDER_TIME, &now[..ORDER_TIME.len()]);
        Template::cut(ORDER_IDS.iter().fold(text, |text, id| text.replace(id, CUT)))
    }

    /// A track event of about so many bytes: the number is in its messageId.
    pub fn padded(event_bytes: usize) -> Template {
        let id = "0123456789";
        Template::cut(shop::padded(id, event_bytes).to_string().replace(id, CUT))
    }

    fn cut(text: String) -> Template {
        Template { parts: text.split(CUT).map(str::to_string).collect() }
    }

    /// One event: `n` and nine digits where it is cut.
    pub fn event(&self, number: u64) -> String {
        self.parts.join(&format!("n{number:09}"))
    }

    /// A batch of events.
    pub fn batch(&self, numbers: impl Iterator<Item = u64>) -> Bytes {
        let events: Vec<String> = numbers.map(|number| self.event(number)).collect();
        Bytes::from(format!("{{\"batch\":[{}]}}", events.join(",")))
    }
}
