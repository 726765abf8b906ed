//! Each bound, just within and just beyond.

use serde_json::json;

use super::*;
use crate::transformation::constant::CONSTANT_BYTES_MAX;
use crate::transformation::convert::DIGITS_MAX;
use crate::transformation::expression::{LIST_ITEMS_MAX, NESTING_MAX, PARTS_MAX, SOURCE_BYTES_MAX};
use crate::transformation::mask::LAST_MAX;
use crate::transformation::select::NAMES_MAX;
use crate::transformation::template::TEMPLATE_BYTES_MAX;

fn is_good(rule: Value) -> bool {
    rules(&[rule]).is_ok()
}

fn check(within: Value, beyond: Value) {
    let mistakes = rules(std::slice::from_ref(&within)).err();
    assert!(mistakes.is_none(), "{mistakes:?}");
    assert!(!is_good(beyond.clone()), "{}", &beyond.to_string()[..beyond.to_string().len().min(200)]);
}

#[test]
fn what_is_written_is_bounded() {
    let path = |bytes: usize| json!({"remove": "a".repeat(bytes)});
    check(path(PATH_BYTES_MAX), path(PATH_BYTES_MAX + 1));
    let keys = |count: usize| json!({"remove": vec!["a"; count].join(".")});
    check(keys(SEGMENTS_MAX), keys(SEGMENTS_MAX + 1));
    let paths = |count: usize| json!({"remove": (0..count).map(|path| format!("p{path}")).collect::<Vec<_>>()});
    check(paths(PATHS_MAX), paths(PATHS_MAX + 1));
    let table = |count: usize| {
        let lines: serde_json::Map<String, Value> = (0..count).map(|line| (line.to_string(), json!(1))).collect();
        json!({"map": "a", "table": lines})
    };
    check(table(TABLE_MAX), table(TABLE_MAX + 1));
    let name = |characters: usize| json!({"remove": "a", "name": "é".repeat(characters)});
    check(name(NAME_CHARS_MAX), name(NAME_CHARS_MAX + 1));
    let events = |count: usize| json!({"remove": "a", "events": vec!["E"; count]});
    check(events(NAMES_MAX), events(NAMES_MAX + 1));
    let constant = |bytes: usize| json!({"set": "a", "value": "x".repeat(bytes - 2)});
    check(constant(CONSTANT_BYTES_MAX), constant(CONSTANT_BYTES_MAX + 1));
    let template = |bytes: usize| json!({"set": "a", "template": "x".repeat(bytes)});
    check(template(TEMPLATE_BYTES_MAX), template(TEMPLATE_BYTES_MAX + 1));
    let digits = |digits: i64| json!({"round": "a", "digits": digits});
    check(digits(DIGITS_MAX), digits(DIGITS_MAX + 1));
    check(digits(0), digits(-1));
    let last = |last: u64| json!({"mask": "a", "last": last});
    check(last(LAST_MAX), last(LAST_MAX + 1));
    check(last(1), last(0));
    let share = |share: f64| json!({"sample": share});
    check(share(1.0), share(1.000001));
    check(share(0.0), share(-0.000001));
    let pattern = |repeats: usize| json!({"replace": "a", "with": "", "pattern": format!("[a-z]{{{repeats}}}")});
    check(pattern(1_000), pattern(60_000));
}

#[test]
fn rules_are_so_many() {
    let of = |count: usize| rules(&vec![json!({"lower": "a"}); count]);
    assert!(of(RULES_MAX).is_ok());
    assert!(of(RULES_MAX + 1).is_err());
}

#[test]
fn expressions_are_bounded_when_they_are_checked() {
    let when = |source: String| json!({"remove": "a", "when": source});
    let long = |bytes: usize| when(format!("'{}' == a", "x".repeat(bytes - 7)));
    check(long(SOURCE_BYTES_MAX), long(SOURCE_BYTES_MAX + 1));
    // Each list has one part a number, and itself; the comparison is one, too.
    let parts = |count: usize| when(format!("[{}] == a", vec!["1"; count - 3].join(",")));
    check(parts(PARTS_MAX), parts(PARTS_MAX + 1));
    let nested = |depth: usize| when(format!("{}true{}", "(".repeat(depth), ")".repeat(depth)));
    check(nested(usize::from(NESTING_MAX)), nested(usize::from(NESTING_MAX) + 1));
    // Whatever is repeated, as often as fits: it is checked, and nothing more.
    let repeated = [
        ("(", ")"),
        ("!", ""),
        ("-", ""),
        ("a ? a : ", ""),
        ("a.", ""),
        ("a || ", ""),
        ("1 + ", ""),
        ("r'('.", ""),
        ("[", "]"),
        ("size(", ")"),
        ("\"\"\"(", ")"),
        ("r'\\'(", ")"),
    ];
    for (before, after) in repeated {
        let length = before.len() + after.len();
        for count in [10, 100, 1_900 / length, 4_000 / length] {
            let _ = rules(&[when(format!("{}a{}", before.repeat(count), after.repeat(count)))]);
        }
    }
}

/// What comes of an event when a rule sets an expression.
fn evaluated(expression: &str, members: &str) -> Routing {
    let rules = rules(&[json!({"set": "properties.made", "expression": expression})]).expect("it is good");
    applied(&transformation(Written { rules, ..Written::default() }), &event(members)).0
}

fn made(routing: &Routing) -> bool {
    matches!(routing, Routing::Goes(event) if event.view().get(&["properties", "made"]).is_some())
}

#[test]
fn expressions_are_bounded_in_what_they_make() {
    // A text, doubled again and again: 8 characters become 2^15 and then 2^25.
    let doubled = |times: usize| format!("size(['12345678']{}[0])", ".map(x, x + x)".repeat(times));
    assert!(made(&evaluated(&doubled(12), "{\"properties\":{}}")));
    assert!(!made(&evaluated(&doubled(22), "{\"properties\":{}}")));
    // A list, doubled.
    let items = |times: usize| format!("size([[1]]{}[0])", ".map(x, x + x)".repeat(times));
    let within = LIST_ITEMS_MAX.ilog2() as usize;
    assert!(made(&evaluated(&items(within), "{\"properties\":{}}")));
    assert!(!made(&evaluated(&items(within + 1), "{\"properties\":{}}")));
}

#[test]
fn work_is_bounded_and_what_is_beyond_is_refused_and_not_let_through() {
    let list = |count: usize| format!("{{\"properties\":{{\"list\":[{}]}}}}", vec!["1"; count].join(","));
    let nested = "properties.list.map(a, properties.list.map(b, properties.list.exists(c, c == 2)))";
    let squared = format!("size({nested})");
    assert!(made(&evaluated(&squared, &list(60))));
    assert!(matches!(evaluated(&squared, &list(200)), Routing::Refused(_)));
}

#[test]
fn an_event_grows_within_bounds() {
    // Each rule doubles the properties.
    let doubling = |times: usize| {
        let rule = |number: usize| json!({"copy": "properties", "to": format!("properties.copy{number}")});
        rules(&(0..times).map(rule).collect::<Vec<_>>()).expect("good")
    };
    let of = |times: usize, bytes: usize| {
        let text = format!("{{\"properties\":{{\"text\":\"{}\"}}}}", "x".repeat(bytes));
        transformation(Written { rules: doubling(times), ..Written::default() }).apply(&kinds(), &event(&text))
    };
    assert!(matches!(of(5, 7_000), Routing::Goes(_)), "grows by 31 x 7,000 bytes");
    assert!(matches!(of(6, 7_000), Routing::Refused(_)), "grows by 63 x 7,000 bytes");
}

#[test]
fn an_event_is_nested_within_bounds() {
    let deep = |depth: usize| {
        let value = "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        let rules = rules(&[json!({"move": "properties", "to": "traits.x"})]).expect("good");
        let text = format!("{{\"properties\":{value}}}");
        transformation(Written { rules, ..Written::default() }).apply(&kinds(), &event(&text))
    };
    // The event, traits, and what is moved.
    assert!(matches!(deep(DEPTH_MAX - 2), Routing::Goes(_)));
    assert!(matches!(deep(DEPTH_MAX - 1), Routing::Refused(_)));
}
