//! Fields by path; then damaged bytes.

use super::super::scan::{Bounds, canonical};
use super::*;

const EVENT: &[u8] = br#"{"type":"track","n":-1.5e3,"big":1180591620717411303424,"i":42,
 "context":{"consent":{"categoryPreferences":{"Ad\u0076ertising":true,"Analytics":false,"odd":1}}},
 "caf\u00e9 \"\ud83d\ude00":"a\tb\/\\\n","list":[1,[],{"x":"y"},null],"":""}"#;

#[test]
fn fields_by_path() {
    let made = canonical(EVENT, &Bounds::STORED).unwrap();
    let view = View::new(&made.json, &made.index);
    let text = |path: &[&str]| view.get(path).unwrap().as_str().unwrap().into_owned();
    assert_eq!(text(&["type"]), "track");
    assert_eq!(text(&["caf\u{e9} \"\u{1F600}"]), "a\tb/\\\n");
    assert_eq!(text(&[""]), "");
    assert_eq!(view.get(&["n"]).unwrap().as_f64(), Some(-1500.0));
    assert_eq!(view.get(&["i"]).unwrap().as_i64(), Some(42));
    assert_eq!(view.get(&["big"]).unwrap().as_number(), Some("1180591620717411303424"));
    assert_eq!(view.get(&["big"]).unwrap().as_i64(), None);
    assert!(view.get(&["type", "x"]).is_none() && view.get(&["absent"]).is_none());
    assert_eq!(view.get(&[]).unwrap().raw(), made.json);
    let list: Vec<_> = view.get(&["list"]).unwrap().children().collect();
    assert_eq!(list.iter().map(Value::raw).collect::<Vec<_>>(), [&b"1"[..], b"[]", br#"{"x":"y"}"#, b"null"]);
    assert_eq!(list[2].get(&["x"]).unwrap().raw_str(), Some(&b"y"[..]));
    assert!(list[0].children().next().is_none() && list[0].as_str().is_none());
}

#[test]
fn consent() {
    let made = canonical(EVENT, &Bounds::STORED).unwrap();
    let consent = View::new(&made.json, &made.index).consent();
    assert_eq!(consent, Some(vec![("Advertising".into(), true), ("Analytics".into(), false)]));
    for (unknown, expected) in [
        (r#"{"context":{"consent":{}}}"#, None),
        (r#"{"context":{"consent":{"categoryPreferences":[true]}}}"#, None),
        (r#"{"context":null}"#, None),
        (r#"{"context":{"consent":{"categoryPreferences":{}}}}"#, Some(vec![])),
    ] {
        let made = canonical(unknown.as_bytes(), &Bounds::STORED).unwrap();
        assert_eq!(View::new(&made.json, &made.index).consent(), expected, "{unknown}");
    }
}

#[test]
fn escapes() {
    for (raw, text) in [
        (r"\ud83d\ude00\ud83dx", "\u{1F600}\u{FFFD}x"),
        (r"\ud83d\u0041", "\u{FFFD}A"),
        (r"\ude00\u00", "\u{FFFD}\u{FFFD}u00"),
        (r"\", "\u{FFFD}"),
        ("\\\u{e9}", "\u{FFFD}\u{e9}"),
        (r#"\b\f\n\r\t\/\\\""#, "\u{8}\u{c}\n\r\t/\\\""),
    ] {
        assert_eq!(unescape(raw.as_bytes()), text, "{raw}");
    }
    assert_eq!(unescape(b"\xff\\n\xff"), "\u{FFFD}\n\u{FFFD}");
}

#[test]
fn damaged_bytes_never_panic() {
    fn walk(value: Value<'_>, steps: &mut u32) {
        let _ = (value.raw(), value.key(), value.as_str(), value.as_f64(), value.as_i64(), value.raw_str());
        for child in value.children() {
            *steps += 1;
            if *steps > 2000 {
                return; // a damaged index may show one value often
            }
            walk(child, steps);
        }
    }
    let made = canonical(EVENT, &Bounds::STORED).unwrap();
    let mut state: u64 = 0x5EED;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % bound
    };
    for _ in 0..20_000 {
        let (mut json, mut index) = (made.json.clone(), made.index.clone());
        for _ in 0..1 + below(4) {
            let at = below(index.len());
            index[at] = below(256) as u8;
            let at = below(json.len());
            json[at] = below(256) as u8;
        }
        json.truncate(below(json.len() * 2));
        index.truncate(below(index.len() * 2));
        let view = View::new(&json, &index);
        walk(view.root(), &mut 0);
        let _ = (view.consent(), view.get(&["context", "consent"]), view.value(u32::MAX));
    }
}

#[test]
fn another_layout_shows_nothing() {
    let mut made = canonical(EVENT, &Bounds::STORED).unwrap();
    made.index[0] = 2;
    assert_eq!(View::new(&made.json, &made.index).root().kind(), Kind::Null);
    assert!(View::new(&made.json, &made.index).get(&["type"]).is_none());
}
