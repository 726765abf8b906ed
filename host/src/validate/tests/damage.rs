//! Damaged bodies: what is innocent is kept, and nothing panics.

use std::collections::HashSet;

use super::*;

#[test]
fn a_damaged_item_costs_only_itself() {
    let checked = check(include_bytes!("../fixtures/damaged.json"), Form::Batch);
    let accepted: Vec<_> = checked.accepted.iter().map(|event| event.message_id.as_str()).collect();
    assert_eq!(accepted, ["m0", "m4", "m6", "m7", "m15"]);
    let rejected: Vec<_> = checked.rejected.iter().map(|rejection| (rejection.index, rejection.code)).collect();
    let malformed = [1, 2, 3, 5, 8].map(|index| (index, "malformed_json"));
    let odd = [9, 10, 11].map(|index| (index, "not_an_object"));
    let incomplete = [(12, "missing_type"), (13, "unknown_type"), (14, "missing_id")];
    assert_eq!(rejected, [&malformed[..], &odd[..], &incomplete[..]].concat());
    assert_eq!(parsed(&checked.accepted[4])["sentAt"], "2026-11-24T03:59:06.000Z");
}

#[test]
fn the_last_item_may_be_the_damaged_one() {
    for broken in [r#"{"x"#, r#"{"a":[1,{"b":"]"#, r#""},"#, "[[[", "{{", r#"{"a":tru}"#, "x"] {
        let body = format!(
            r#"{{"batch":[{{"type":"page","userId":"u"}},{broken}],"context":{{"x":[1]}},"sentAt":"2026-11-24"}}"#
        );
        let checked = check(body.as_bytes(), Form::Batch);
        assert_eq!((checked.accepted.len(), checked.rejected[0].code), (1, "malformed_json"), "{body}");
        assert_eq!(parsed(&checked.accepted[0])["context"]["x"], json!([1]), "{body}");
    }
}

/// Bodies that are made to be read again and again end within the budget.
#[test]
fn hostile_bodies_take_linear_time() {
    let size = 400_000;
    for piece in [
        "{\"",
        ",{\"a\":[0",
        "{",
        "[",
        "]",
        "},{",
        "\"",
        "\\",
        ",",
        "{\"a\":1",
        "]}",
        "{\"a\":\"",
        "[{},{\"a\":",
        "]}]",
    ] {
        for start in ["{\"batch\":[", "{\"batch\":[{\"a\":", "{\"batch\":[{},x"] {
            let body = format!("{start}{}", piece.repeat(size / piece.len()));
            let limits = Limits { batch_events_max: 1_000_000, ..Limits::default() };
            let _ = try_check(body.as_bytes(), Form::Batch, &limits);
            let _ = try_check(body.as_bytes(), TRACK, &limits);
            let _ = peek_write_key(body.as_bytes());
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound.max(1)
    }

    /// Replaces, removes, repeats or puts in a few bytes.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        const LIKELY: &[u8] = b"\"\\{}[],:0-.eE+ \n\x01\xff\xc3ntuN";
        for _ in 0..1 + self.below(4) {
            let at = self.below(bytes.len());
            let byte = if self.below(4) == 0 { self.below(256) as u8 } else { LIKELY[self.below(LIKELY.len())] };
            match self.below(5) {
                0 | 1 if at < bytes.len() => bytes[at] = byte,
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 if !bytes.is_empty() => {
                    let end = (at + self.below(30)).min(bytes.len());
                    drop(bytes.drain(at..end));
                }
                _ => bytes.insert(at, byte),
            }
        }
    }
}

/// How many random inputs: more with SWITCHYARD_SOAK_INPUTS.
fn inputs(usual: usize) -> usize {
    std::env::var("SWITCHYARD_SOAK_INPUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

const BODIES: [&[u8]; 7] = [
    include_bytes!("../fixtures/segment_node.json"),
    include_bytes!("../fixtures/segment_python.json"),
    include_bytes!("../fixtures/rudder_node.json"),
    include_bytes!("../fixtures/rudder_rust.json"),
    include_bytes!("../fixtures/segment_rust.json"),
    include_bytes!("../fixtures/metarouter_react_native.json"),
    include_bytes!("../fixtures/damaged.json"),
];

#[test]
fn any_bytes_are_answered() {
    let mut random = Random(0x5EED);
    for number in 0..inputs(20_000) {
        let mut body = BODIES[number % BODIES.len()].to_vec();
        random.damage(&mut body);
        if random.below(10) == 0 {
            body.truncate(random.below(body.len()));
        }
        let _ = try_check(&body, Form::Batch, &Limits::default());
        let _ = try_check(&body, Form::Single(EventKind::ALL[number % 6]), &Limits::default());
        let _ = peek_write_key(&body);
        let _ = event_from_line(&body, "line-1", RECEIVED_MS);
    }
}

/// The items of the readable fixtures, as text.
fn items() -> Vec<String> {
    let bodies =
        BODIES[..6].iter().map(|body| String::from_utf8_lossy(body).replace(r"\ud83d", "").replace("NaN", "0"));
    let parsed = bodies
        .map(|body| serde_json::from_str::<Json>(&body.replace("-Infinity", "0").replace("Infinity", "0")).unwrap());
    parsed.flat_map(|body| body["batch"].as_array().unwrap().clone()).map(|item| item.to_string()).collect()
}

#[test]
fn innocent_items_are_never_lost() {
    let (items, mut random) = (items(), Random(0xF00D));
    let (mut refused, mut lost) = (0, Vec::new());
    for _ in 0..inputs(20_000) {
        let count = 2 + random.below(6);
        let damaged: HashSet<usize> = (0..1 + random.below(3)).map(|_| random.below(count)).collect();
        let pieces: Vec<Vec<u8>> = (0..count)
            .map(|number| {
                let mut item: Json = serde_json::from_str(&items[random.below(items.len())]).unwrap();
                item["messageId"] = json!(format!("item-{number}"));
                let mut piece = item.to_string().into_bytes();
                if damaged.contains(&number) {
                    random.damage(&mut piece);
                }
                piece
            })
            .collect();
        let body =
            [b"{\"batch\":[", &*pieces.join(&b','), b"],\"sentAt\":\"2026-11-24T03:59:59Z\",\"writeKey\":\"wk\"}"]
                .concat();
        let checked = match try_check(&body, Form::Batch, &Limits::default()) {
            Ok(checked) => checked,
            Err(_) => {
                refused += 1;
                continue;
            }
        };
        let kept: HashSet<&str> = checked.accepted.iter().map(|event| event.message_id.as_str()).collect();
        let missing = (0..count).filter(|number| !damaged.contains(number));
        let missing: Vec<usize> = missing.filter(|number| !kept.contains(format!("item-{number}").as_str())).collect();
        if !missing.is_empty() {
            lost.push((missing, body.escape_ascii().to_string()));
        }
    }
    assert!(lost.is_empty(), "{} lost, for instance {:?}", lost.len(), lost[0]);
    // A bracket too many may end or open the batch itself. That is refused, not lost in silence.
    assert!(refused * 2000 <= inputs(20_000), "{refused}");
}
