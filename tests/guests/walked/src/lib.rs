//! The order of the guest `mapped`, by hand: a walk over the bytes of the index and a body made of slices of
//! the event, on the bare contract. It knows what the SDK takes care of: where keys stand, what comes before
//! a comma, that a body which grows alone is never copied. What the SDK costs is measured against it.

#![cfg(target_arch = "wasm32")]

use std::cell::OnceCell;

use switchyard_sdk::bindings::contract::exports::switchyard::destination::indexed_planner::{self, Guest};
use switchyard_sdk::bindings::types::{Event, Fate, Plan, Request};

/// Bytes before the first entry, and of an entry. Source: wit/1.0.0/index.md.
const HEADER_BYTES: usize = 16;
const ENTRY_BYTES: usize = 16;

thread_local! {
    static URL: OnceCell<String> = const { OnceCell::new() };
}

struct Walked;

impl Guest for Walked {
    fn configure(settings_json: String) -> Result<(), String> {
        let settings: serde_json::Value = serde_json::from_str(&settings_json).map_err(|error| error.to_string())?;
        let url = settings.get("url").and_then(|url| url.as_str()).ok_or("url: is missing")?.to_string();
        // With it the SDK's allocator starts over behind the URL after each batch.
        URL.with(|kept| switchyard_sdk::plugin::keep(kept, url))
    }

    fn plan_batch(_now_ms: u64, events: Vec<Event>, index: Vec<Vec<u8>>) -> Result<Plan, String> {
        URL.with(|url| {
            let url = url.get().ok_or("configure was not called")?;
            let mut plan = Plan { requests: Vec::with_capacity(events.len()), fates: Vec::new() };
            for (position, (event, index)) in events.iter().zip(&index).enumerate() {
                match (Walk { json: &event.json, index }).body() {
                    Some(body) => plan.requests.push(request(url, position as u32, body)),
                    None => plan.fates.push((position as u32, Fate::Skip("event: is no order".to_string()))),
                }
            }
            Ok(plan)
        })
    }
}

fn request(url: &str, position: u32, body: Vec<u8>) -> Request {
    Request {
        key: "send".to_string(),
        method: "POST".to_string(),
        url: url.to_string(),
        headers: vec![("content-type".to_string(), "application/json".to_string())],
        body,
        auth: Vec::new(),
        covers: vec![position],
        lanes: Vec::new(),
        quota: None,
        not_after_ms: None,
        tag: Vec::new(),
    }
}

/// An entry, as it stands in the index.
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    end: usize,
    next: usize,
    key_len: usize,
    kind: u8,
}

/// An event and its index.
struct Walk<'a> {
    json: &'a [u8],
    index: &'a [u8],
}

impl<'a> Walk<'a> {
    fn entry(&self, number: usize) -> Option<Entry> {
        let at = HEADER_BYTES + number * ENTRY_BYTES;
        let bytes: &[u8; ENTRY_BYTES] = self.index.get(at..at + ENTRY_BYTES)?.try_into().ok()?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let key_len = usize::from(u16::from_le_bytes([bytes[12], bytes[13]]));
        Some(Entry { start: word(0), end: word(4), next: word(8), key_len, kind: bytes[14] })
    }

    fn key(&self, entry: Entry) -> &'a [u8] {
        self.json.get(entry.start - 2 - entry.key_len..entry.start - 2).unwrap_or_default()
    }

    fn value(&self, entry: Entry) -> &'a [u8] {
        self.json.get(entry.start..entry.end).unwrap_or_default()
    }

    /// Calls `each` for the members of an object or the elements of a list.
    fn children(&self, number: usize, mut each: impl FnMut(usize, Entry)) {
        let Some(container) = self.entry(number) else { return };
        let mut at = number + 1;
        while at < container.next {
            let Some(entry) = self.entry(at) else { return };
            each(at, entry);
            at = entry.next.max(at + 1);
        }
    }

    /// The body of an order; None for another event.
    fn body(&self) -> Option<Vec<u8>> {
        let [mut event, mut client, mut user, mut time, mut ip] = [&b""[..]; 5];
        let (mut properties, mut context) = (None, None);
        self.children(0, |number, entry| match self.key(entry) {
            b"event" => event = self.value(entry),
            b"anonymousId" => client = self.value(entry),
            b"userId" => user = self.value(entry),
            b"timestamp" => time = self.value(entry),
            b"properties" => properties = Some(number),
            b"context" => context = Some(number),
            _ => {}
        });
        if event != b"\"Order Completed\"" {
            return None;
        }
        let [mut id, mut total, mut currency, mut coupon, mut shipping, mut tax] = [&b""[..]; 6];
        let mut products = None;
        if let Some(number) = properties {
            self.children(number, |number, entry| match self.key(entry) {
                b"order_id" => id = self.value(entry),
                b"total" => total = self.value(entry),
                b"currency" => currency = self.value(entry),
                b"coupon" => coupon = self.value(entry),
                b"shipping" => shipping = self.value(entry),
                b"tax" => tax = self.value(entry),
                b"products" => products = Some(number).filter(|_| entry.kind == 5),
                _ => {}
            });
        }
        if let Some(number) = context {
            self.children(number, |_, entry| {
                if self.key(entry) == b"ip" {
                    ip = self.value(entry);
                }
            });
        }
        let mut out = Vec::new();
        let mut separator = b'{';
        for (key, value) in
            [(&b"\"client_id\":"[..], client), (b"\"user_id\":", user), (b"\"time\":", time), (b"\"ip\":", ip)]
        {
            member(&mut out, &mut separator, key, value);
        }
        out.push(separator);
        out.extend_from_slice(b"\"events\":[{\"name\":\"purchase\",\"params\":");
        separator = b'{';
        for (key, value) in [
            (&b"\"transaction_id\":"[..], id),
            (b"\"value\":", total),
            (b"\"currency\":", currency),
            (b"\"coupon\":", coupon),
            (b"\"shipping\":", shipping),
            (b"\"tax\":", tax),
        ] {
            member(&mut out, &mut separator, key, value);
        }
        out.push(separator);
        out.extend_from_slice(b"\"items\":[");
        if let Some(number) = products {
            let mut is_first = true;
            self.children(number, |number, _| {
                if !std::mem::take(&mut is_first) {
                    out.push(b',');
                }
                self.product(number, &mut out);
            });
        }
        out.extend_from_slice(b"]}}]}");
        Some(out)
    }

    fn product(&self, number: usize, out: &mut Vec<u8>) {
        let [mut id, mut name, mut brand, mut category, mut price, mut quantity] = [&b""[..]; 6];
        self.children(number, |_, entry| match self.key(entry) {
            b"product_id" => id = self.value(entry),
            b"name" => name = self.value(entry),
            b"brand" => brand = self.value(entry),
            b"category" => category = self.value(entry),
            b"price" => price = self.value(entry),
            b"quantity" => quantity = self.value(entry),
            _ => {}
        });
        let mut separator = b'{';
        for (key, value) in [
            (&b"\"item_id\":"[..], id),
            (b"\"item_name\":", name),
            (b"\"item_brand\":", brand),
            (b"\"item_category\":", category),
            (b"\"price\":", price),
            (b"\"quantity\":", quantity),
        ] {
            member(out, &mut separator, key, value);
        }
        if separator == b'{' {
            out.push(separator);
        }
        out.push(b'}');
    }
}

/// Writes a member that is there, and what stands before it.
fn member(out: &mut Vec<u8>, separator: &mut u8, key: &[u8], value: &[u8]) {
    if value.is_empty() || value == b"null" {
        return;
    }
    out.push(std::mem::replace(separator, b','));
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

indexed_planner::__export_switchyard_destination_indexed_planner_1_0_0_cabi! {
    Walked with_types_in switchyard_sdk::bindings::contract::exports::switchyard::destination::indexed_planner
}
