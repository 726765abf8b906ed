//! Fixed cases, then a comparison with serde_json over random values.

use serde_json::Value as Json;

use super::super::index::{Kind, Value, View};
use super::*;

const WIDE: Bounds = Bounds { depth_max: 64, values_max: 100_000, bytes_max: 1 << 24 };

fn made(input: &[u8]) -> Canonical {
    canonical(input, &WIDE).unwrap_or_else(|error| panic!("{}: {error}", input.escape_ascii()))
}

#[track_caller]
fn check(input: &[u8], expected: &str, repairs: &[&str]) {
    let made = made(input);
    assert_eq!(String::from_utf8_lossy(&made.json), expected, "{}", input.escape_ascii());
    assert_eq!(made.repairs.names().collect::<Vec<_>>(), repairs, "{}", input.escape_ascii());
    check_form(&made);
}

/// What holds of every canonical value: reading it again changes nothing, and its index says what
/// serde_json reads.
#[track_caller]
fn check_form(made: &Canonical) {
    let json = Bytes::from(made.json.clone());
    assert_eq!(index_canonical(&json).unwrap(), made.index, "{}", json.escape_ascii());
    let view = View::new(&made.json, &made.index);
    let parsed: Json = serde_json::from_slice(&made.json).unwrap();
    assert_eq!(view.root().raw(), made.json);
    assert_eq!(view.root().entry().next as usize, made.index.len() / 16 - 1);
    check_value(view.root(), &parsed);
}

#[track_caller]
fn check_value(value: Value<'_>, parsed: &Json) {
    assert_eq!(&serde_json::from_slice::<Json>(value.raw()).unwrap(), parsed);
    let children: Vec<_> = value.children().collect();
    let behind = children.last().map_or(value.number() + 1, |last| last.entry().next);
    assert_eq!(behind, value.entry().next);
    match parsed {
        Json::Null => assert_eq!(value.kind(), Kind::Null),
        Json::Bool(truth) => assert_eq!(value.as_bool(), Some(*truth)),
        Json::Number(_) => assert_eq!(value.kind(), Kind::Number),
        Json::String(text) => assert_eq!(value.as_str().as_deref(), Some(text.as_str())),
        Json::Array(items) => {
            assert_eq!((value.kind(), children.len()), (Kind::Array, items.len()));
            children.iter().zip(items).for_each(|(child, item)| check_value(*child, item));
            assert!(children.iter().all(|child| child.key().is_none()));
        }
        Json::Object(members) => {
            assert_eq!((value.kind(), children.len()), (Kind::Object, members.len()));
            for child in children {
                let key = child.key().unwrap();
                assert_eq!(value.member(&key).unwrap().number(), child.number());
                check_value(child, &members[key.as_ref()]);
            }
        }
    }
}

#[test]
fn canonical_form() {
    check(br#"{"a":1}"#, r#"{"a":1}"#, &[]);
    check(b" \n{ \"a\" :\t[ 1 , {} , [ ] ]\r} ", r#"{"a":[1,{},[]]}"#, &[]);
    check(b"[true,false,null]", "[true,false,null]", &[]);
    check(br#"{"":{"":""}}"#, r#"{"":{"":""}}"#, &[]);
    check(br#""\u0000\ud83d\ude00\/\b""#, r#""\u0000\ud83d\ude00\/\b""#, &[]);
    check("{\"\u{e9}\":\"\u{1F600}\u{7f}\"}".as_bytes(), "{\"\u{e9}\":\"\u{1F600}\u{7f}\"}", &[]);
    // Numbers keep their text. (serde_json has floats for these.)
    for number in ["0", "-0", "1180591620717411303424", "1.10", "1E5", "0e-07", "-0.0e+0"] {
        check(number.as_bytes(), number, &[]);
    }
}

#[test]
fn repairs() {
    check(b"[NaN,Infinity, -Infinity]", "[null,null,null]", &["nan_to_null"]);
    check(br#""\ud83d""#, r#""\ufffd""#, &["lone_surrogate"]);
    check(br#""\ud83d\ud83d\ude00\ude00x""#, r#""\ufffd\ud83d\ude00\ufffdx""#, &["lone_surrogate"]);
    check(br#""\ud83d\u0041\\ude00""#, r#""\ufffd\u0041\\ude00""#, &["lone_surrogate"]);
    check(b"\"\xff a\xe2\x82 \xc3\"", "\"\u{FFFD} a\u{FFFD} \u{FFFD}\"", &["invalid_utf8"]);
    check(b"{\"\xff\":1,\"\xfe\":2}", "{\"\u{FFFD}\":2}", &["invalid_utf8", "duplicate_key"]);
    // A surrogate in UTF-8 is no UTF-8.
    check(b"\"\xed\xa0\xbd\"", "\"\u{FFFD}\u{FFFD}\u{FFFD}\"", &["invalid_utf8"]);
    check(b"\"a\nb\tc\x01\x1f\x08\"", r#""a\nb\tc\u0001\u001f\b""#, &["control_character"]);
    check(b"{\"a\nb\": 1}", r#"{"a\nb":1}"#, &["control_character"]);
}

#[test]
fn duplicate_keys() {
    let last = &["duplicate_key"];
    check(br#"{"a":1,"a":2}"#, r#"{"a":2}"#, last);
    check(br#"{"a":1,"b":2,"a":3}"#, r#"{"b":2,"a":3}"#, last);
    check(br#"{"a":1,"a":2,"a":3,"b":4}"#, r#"{"a":3,"b":4}"#, last);
    check(br#"{"a":{"x":1,"x":2},"b":[],"a":null}"#, r#"{"b":[],"a":null}"#, last);
    check(br#"[{"a":{"x":[1,{"y":2,"y":3}]},"b":0},{"a":1}]"#, r#"[{"a":{"x":[1,{"y":3}]},"b":0},{"a":1}]"#, last);
    check(br#"{"type":1,"\u0074ype":2}"#, r#"{"\u0074ype":2}"#, last);
    check(br#"{"\u0074ype":1 , "type" : 2}"#, r#"{"type":2}"#, last);
    check(br#"{"":1,"":2}"#, r#"{"":2}"#, last);
    // Not the same key, though near.
    check(br#"{"a":1,"A":2,"ab":3,"b":{"a":4}}"#, r#"{"a":1,"A":2,"ab":3,"b":{"a":4}}"#, &[]);
    let long = |middle: &str| format!(r#""abcdefgh{middle}abcdefgh":1"#);
    let both = format!("{{{},{}}}", long("x"), long("y"));
    check(both.as_bytes(), &both, &[]);
    let twice = format!("{{{},{}}}", long("x"), long("x"));
    check(twice.as_bytes(), &format!("{{{}}}", long("x")), last);
    let surrogates = br#"{"\ud800":1,"\udfff":2,"x\ud800":3,"\ufffd":4}"#;
    check(surrogates, r#"{"x\ufffd":3,"\ufffd":4}"#, &["lone_surrogate", "duplicate_key"]);
}

#[test]
fn duplicate_keys_of_large_objects() {
    for members in [31, 32, 33, 34, 100, 10_000] {
        let all: Vec<String> = (0..members).map(|n| format!(r#""key{n}":{{"a":[{n}]}}"#)).collect();
        let unique = format!("{{{}}}", all.join(","));
        check(unique.as_bytes(), &unique, &[]);
        for again in [0, members / 2, members - 1] {
            let twice = format!(r#"{{{},"ke\u0079{again}":0,"z":[{{"a":1,"a":2}}]}}"#, all.join(","));
            let mut kept = all.clone();
            kept.remove(again);
            kept.push(format!(r#""ke\u0079{again}":0,"z":[{{"a":2}}]"#));
            check(twice.as_bytes(), &format!("{{{}}}", kept.join(",")), &["duplicate_key"]);
        }
    }
    // A large object inside a large one, and one beside it.
    let wide = |seed: &str| {
        let members: Vec<String> = (0..40).map(|n| format!(r#""{seed}{n}":{n}"#)).collect();
        members.join(",")
    };
    let nested = format!(r#"{{{},"in":{{{}}},"in2":{{{}}},"a1":0}}"#, wide("a"), wide("a"), wide("b"));
    let made = made(nested.as_bytes());
    check_form(&made);
    let parsed: Json = serde_json::from_slice(nested.as_bytes()).unwrap();
    assert_eq!(serde_json::from_slice::<Json>(&made.json).unwrap(), parsed);
}

#[test]
fn refusals() {
    #[track_caller]
    fn refused(input: &[u8], at: usize, reason: Reason) {
        let error = canonical(input, &WIDE).map(|made| made.json).unwrap_err();
        assert_eq!(error, ScanError { at, reason }, "{}", input.escape_ascii());
    }
    for (input, at, what) in [
        ("+1", 0, "a value"),
        ("01", 1, "no digit after 0"),
        ("-01", 2, "no digit after 0"),
        (".5", 0, "a value"),
        ("[1.]", 3, "a digit"),
        ("[1e+]", 4, "a digit"),
        ("[-]", 2, "a digit"),
        ("[-NaN]", 2, "a digit"),
        ("[1,]", 3, "a value"),
        ("[,1]", 1, "a value"),
        ("[1 2]", 3, "',' or ']'"),
        ("[1}", 2, "',' or ']'"),
        ("{1:2}", 1, "a key or '}'"),
        (r#"{"a" 1}"#, 5, "':'"),
        (r#"{"a":1,}"#, 7, "a key"),
        (r#"{"a":1 "b"}"#, 7, "',' or '}'"),
        (r#"{"a":1]"#, 6, "',' or '}'"),
        (r#""\x41""#, 1, "an escape"),
        (r#""\u00g0""#, 3, "four hexadecimal digits"),
        ("[tru]", 1, "a value"),
        ("[True]", 1, "a value"),
        ("[nul1]", 1, "a value"),
        ("['a']", 1, "a value"),
        ("1 2", 2, "the end"),
        ("{}x", 2, "the end"),
        ("[\u{a0}1]", 1, "a value"),
        ("[\u{0}1]", 1, "a value"),
    ] {
        refused(input.as_bytes(), at, Reason::Expected(what));
    }
    for cut in [
        "",
        " ",
        "[",
        "[1",
        "[1,",
        "{",
        r#"{"a"#,
        r#"{"a""#,
        r#"{"a":"#,
        r#"{"a":1"#,
        "tr",
        "-",
        r#""\"#,
        r#""\u12"#,
        r#""\u1234"#,
        "-Inf",
        "[[[[",
    ] {
        refused(cut.as_bytes(), cut.len(), Reason::EndOfInput);
    }
}

#[test]
fn bounds_just_within_and_just_beyond() {
    let deep = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let bounds = Bounds { depth_max: 64, values_max: 5, bytes_max: 10 };
    let depth = Bounds { values_max: 1000, bytes_max: 1000, ..bounds };
    assert!(canonical(&deep(64), &depth).is_ok());
    let error = canonical(&deep(65), &depth).unwrap_err();
    assert_eq!(error, ScanError { at: 64, reason: Reason::TooDeep });
    assert_eq!(canonical(&deep(1_000_000), &depth).unwrap_err().reason, Reason::TooDeep);

    let values = Bounds { bytes_max: 1000, ..bounds };
    assert!(canonical(b"[1,2,3,4]", &values).is_ok());
    let reason = |input: &[u8], bounds| canonical(input, bounds).unwrap_err().reason;
    assert_eq!(reason(b"[1,2,3,4,5]", &values), Reason::TooManyValues);
    assert_eq!(reason(b"[1,2,3,4,[]]", &values), Reason::TooManyValues);

    // White space does not count.
    assert!(canonical(br#"[ "123456" ]"#, &bounds).is_ok());
    assert_eq!(reason(br#"["1234567"]"#, &bounds), Reason::TooLarge);
    assert_eq!(reason(br#""12345678"z"#, &bounds), Reason::Expected("the end"));
    assert_eq!(reason(br#""123456789""#, &bounds), Reason::TooLarge);

    let key = |bytes: usize| format!(r#"{{"{}":1}}"#, "k".repeat(bytes));
    check(key(65_535).as_bytes(), &key(65_535), &[]);
    assert_eq!(reason(key(65_536).as_bytes(), &WIDE), Reason::KeyTooLong);
}

#[test]
fn stored_events_are_only_indexed() {
    for odd in ["{ }", " {}", "{} ", r#"{"a":1,"a":2}"#, r#""\ud800""#, "NaN", "\"\t\""] {
        let error = index_canonical(&Bytes::from_static(odd.as_bytes())).unwrap_err();
        assert_eq!(error.reason, Reason::NotCanonical, "{odd}");
    }
    assert!(index_canonical(&Bytes::from_static(b"\"\xff\"")).is_err());
    assert!(index_canonical(&Bytes::from_static(b"{\"a\":")).is_err());
}

#[test]
fn a_refused_value_leaves_nothing_behind() {
    let (mut json, mut index) = (b"before".to_vec(), vec![7; 16]);
    let mut scanner = Scanner::default();
    let input = Input::new(br#"xx {"a": [1, 2], "a": NaN} {"b": [1, }"#);
    let first = scanner.scan(input, 2, &WIDE, &mut json, &mut index).unwrap();
    assert_eq!(json, br#"before{"a":null}"#);
    assert_eq!(View::headless(&json[6..], &index[16..]).get(&["a"]).unwrap().raw(), b"null");
    let kept = (json.clone(), index.clone());
    scanner.scan(input, first.end, &WIDE, &mut json, &mut index).unwrap_err();
    assert_eq!((json, index), kept);
}

/// Values and texts from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }

    fn space(&mut self, out: &mut Vec<u8>) {
        for _ in 0..[0, 0, 0, 1, 2][self.below(5)] {
            out.push(b" \n\t\r"[self.below(4)]);
        }
    }

    fn text(&mut self, out: &mut Vec<u8>) {
        const PIECES: [&str; 18] = [
            "a",
            "b",
            "type",
            "user id",
            "\u{e9}",
            "\u{1F600}",
            r"\n",
            r"\u0061",
            r"\u00e9",
            r"\ud83d\ude00",
            r#"\""#,
            r"\\",
            r"\/",
            r"\u0000",
            "}{][",
            ",:",
            "a long piece of text, longer than a word",
            "\u{7f}",
        ];
        out.push(b'"');
        for _ in 0..self.below(5) {
            out.extend_from_slice(PIECES[self.below(PIECES.len())].as_bytes());
        }
        out.push(b'"');
    }

    fn value(&mut self, depth: usize, out: &mut Vec<u8>) {
        self.space(out);
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => out.extend_from_slice([&b"true"[..], b"false", b"null"][self.below(3)]),
            1 => out.extend_from_slice(
                ["0", "-0", "12", "-3.25", "1e3", "9007199254740993", "0.1E-2", "18446744073709551616"][self.below(8)]
                    .as_bytes(),
            ),
            2..5 => self.text(out),
            5 | 6 => self.members(depth, b"[]", out),
            _ => self.members(depth, b"{}", out),
        }
        self.space(out);
    }

    fn members(&mut self, depth: usize, brackets: &[u8; 2], out: &mut Vec<u8>) {
        out.push(brackets[0]);
        self.space(out);
        let many = self.below(40) == 0;
        for number in 0..self.below(if many { 80 } else { 6 }) {
            if number > 0 {
                out.push(b',');
            }
            if brackets == b"{}" {
                self.space(out);
                self.text(out);
                self.space(out);
                out.push(b':');
            }
            self.value(depth - 1, out);
        }
        out.push(brackets[1]);
    }
}

/// How many random inputs: more with SWITCHYARD_SOAK_INPUTS.
fn inputs(usual: usize) -> usize {
    std::env::var("SWITCHYARD_SOAK_INPUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn reads_what_serde_json_reads() {
    let mut random = Random(0x5EED);
    for number in 0..inputs(20_000) {
        let mut input = Vec::new();
        random.value(1 + number % 6, &mut input);
        let parsed: Json = serde_json::from_slice(&input).unwrap();
        let made = made(&input);
        assert_eq!(serde_json::from_slice::<Json>(&made.json).unwrap(), parsed, "{}", input.escape_ascii());
        let again = self::made(&made.json);
        assert_eq!((&again.json, again.repairs), (&made.json, Repairs::NONE));
        check_form(&made);
    }
}

fn beyond_floats(json: &[u8]) -> bool {
    let parsed = serde_json::from_slice::<Json>(json);
    parsed.is_err_and(|error| error.to_string().contains("out of range"))
}

#[test]
fn refuses_what_serde_json_refuses() {
    let mut random = Random(0xBAD_5EED);
    for _ in 0..inputs(50_000) {
        let mut input = Vec::new();
        random.value(3, &mut input);
        for _ in 0..1 + random.below(3) {
            let at = random.below(input.len().max(1));
            match random.below(3) {
                _ if input.is_empty() => {}
                0 => input[at] = b"\"\\{}[],:0-.eE+ \n\x01\xffNntu"[random.below(22)],
                1 => drop(input.remove(at)),
                _ => input.truncate(at + 1),
            }
        }
        let parsed = serde_json::from_slice::<Json>(&input);
        match (canonical(&input, &WIDE), parsed) {
            (Ok(made), Ok(parsed)) => {
                assert_eq!(serde_json::from_slice::<Json>(&made.json).unwrap(), parsed);
                check_form(&made);
            }
            // Any size of number is a number here.
            (Ok(made), Err(_)) if beyond_floats(&made.json) => {}
            (Ok(made), Err(_)) => {
                assert!(!made.repairs.is_empty(), "{}", input.escape_ascii());
                check_form(&made);
            }
            (Err(error), Ok(_)) => panic!("{error}: {}", input.escape_ascii()),
            (Err(_), Err(_)) => {}
        }
    }
}
