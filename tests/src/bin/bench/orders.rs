//! Orders as the fixture has them, each with ids of its own and a time of today.

use bytes::Bytes;
use switchyard_tests::stand_in::now_ms;
use switchyard_tests::{paths, shop};

/// The fixture's own ids, and the beginning of its times.
const IDS: [&str; 3] = ["order-7c0b3f1e-58a2", "user-20417", "o-2026-000317"];
const TIME: &str = "2026-01-05T10:00:00";

/// The fixture, cut where each order has its own.
pub struct Orders {
    parts: Vec<String>,
}

impl Orders {
    /// Reads the fixture.
    pub fn new() -> Orders {
        let now = shop::iso8601(now_ms());
        let mut text = paths::fixture("order-completed.json").trim().replace(TIME, &now[..TIME.len()]);
        for id in IDS {
            text = text.replace(id, "\u{1}");
        }
        Orders { parts: text.split('\u{1}').map(str::to_string).collect() }
    }

    /// One order; its number is in its messageId, its user and its order_id.
    pub fn order(&self, number: u64) -> String {
        self.parts.join(&format!("n{number:09}"))
    }

    /// A batch of orders.
    pub fn batch(&self, numbers: impl Iterator<Item = u64>) -> Bytes {
        let events: Vec<String> = numbers.map(|number| self.order(number)).collect();
        Bytes::from(format!("{{\"batch\":[{}]}}", events.join(",")))
    }
}
