//! Rules and events that nobody would write: nothing panics, nothing takes more than its steps, what
//! comes out is canonical and has the index that a scan makes, and it is the same when all rules are
//! applied at once as rule by rule.

use serde_json::json;

use super::*;

/// A generator of numbers that look random; the same for the same start.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn of<'t, T: ?Sized>(&mut self, all: &[&'t T]) -> &'t T {
        all[self.throw(all.len())]
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.throw(if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.throw(2) == 0),
            2 => json!(self.throw(2_000) as i64 - 1_000),
            3 => json!(self.throw(100_000) as f64 / 64.0),
            4 => json!(*self.of(&[
                &"",
                &"a",
                &"A@b.example",
                &"+49 30 901820",
                &"203.0.113.9",
                &"é\"\\\n",
                &"2026-01-05"
            ])),
            5 => json!("x".repeat(self.throw(80))),
            6 => json!((0..self.throw(4)).map(|_| self.value(depth - 1)).collect::<Vec<_>>()),
            _ => {
                let count = self.throw(6);
                let members: serde_json::Map<String, Value> =
                    (0..count).map(|_| (self.key().to_string(), self.value(depth - 1))).collect();
                Value::Object(members)
            }
        }
    }

    fn key(&mut self) -> &'static str {
        self.of(&["a", "b", "c", "a.b", "email", "name", "products", "ip", "\"", "é", ""])
    }

    fn path(&mut self) -> String {
        let root = self.of(&["properties", "traits", "context", "userId", "event", "a"]);
        let mut path = root.to_string();
        for _ in 0..self.throw(4) {
            match self.throw(8) {
                0 => path.push_str("[]"),
                1 => path.push_str("[1]"),
                _ => {
                    path.push('.');
                    path.push_str(self.of(&["a", "b", "c", "a\\.b", "email", "products", "ip"]));
                }
            }
        }
        path
    }

    fn expression(&mut self, depth: usize) -> String {
        let inner = depth.saturating_sub(1);
        match self.throw(if depth == 0 { 4 } else { 12 }) {
            0 => self.path().replace("[]", "[0]").replace("\\", "x"),
            1 => self.throw(100).to_string(),
            2 => "'te@xt.de'".to_string(),
            3 => "true".to_string(),
            4 => format!("({} + {})", self.expression(inner), self.expression(inner)),
            5 => format!(
                "({} {} {})",
                self.expression(inner),
                self.of(&["==", "<", ">=", "/", "%", "*", "in", "&&", "||"]),
                self.expression(inner)
            ),
            6 => format!("[{}, {}]", self.expression(inner), self.expression(inner)),
            7 => format!("{{'k': {}}}", self.expression(inner)),
            8 => format!(
                "{}.{}(x, {})",
                self.expression(inner),
                self.of(&["map", "filter", "exists", "all"]),
                self.expression(inner)
            ),
            9 => format!(
                "{}({})",
                self.of(&["size", "int", "string", "double", "math.round", "iso_time"]),
                self.expression(inner)
            ),
            10 => format!("({} ? {} : x)", self.expression(inner), self.expression(inner)),
            _ => format!(
                "{}.{}",
                self.expression(inner),
                self.of(&[
                    "split(',')",
                    "join(',')",
                    "substring(2, 1)",
                    "replace('', 'yy')",
                    "trim()",
                    "matches('a*')",
                    "a"
                ])
            ),
        }
    }

    fn rule(&mut self) -> Value {
        let (path, other) = (self.path(), self.path());
        let mut rule = match self.throw(22) {
            0 => json!({"set": path, "value": self.value(2)}),
            1 => json!({"set": path, "from": other}),
            2 => json!({"set": path, "template": format!("x{{{{{}}}}}y", other.replace("[]", ""))}),
            3 | 4 => json!({"set": path, "expression": self.expression(4)}),
            5 => json!({"default": path, "value": self.value(1)}),
            6 => json!({"copy": path, "to": other}),
            7 | 8 => json!({"move": path, "to": other}),
            9 => json!({"remove": [path, other]}),
            10 => json!({"keep": ["a", "a.b", "products[].a"], "under": path}),
            11 => {
                json!({"convert": [path], "as": self.of(&["number", "integer", "boolean", "string", "iso_time", "unix_s", "unix_ms"]), "on_failure": self.of(&["keep", "remove"])})
            }
            12 => json!({"map": path, "table": {"a": self.value(1), "1": 2}, "otherwise": self.value(1)}),
            13 => json!({"split": path, "by": self.of(&["a", ",", " "]), "to": other}),
            14 => json!({"join": [path], "by": "-"}),
            15 => json!({self.of(&["lower", "upper", "trim"]): [path, other]}),
            16 => json!({"replace": path, "pattern": self.of(&["a*", "(.)(.)", "$", "[^b]+"]), "with": "$2$1x"}),
            17 => json!({"hash": path, "normalize": self.of(&["none", "text", "email", "phone", "phone_e164"])}),
            18 => json!({"mask": [path, other], "style": self.of(&["whole", "last", "email", "card", "ip"])}),
            19 => json!({"round": path, "digits": self.throw(4)}),
            20 => json!({"rename_event": "N {{event}}"}),
            _ => json!({"drop": self.of(&["matching", "others"]), "when": self.expression(2)}),
        };
        if self.throw(4) == 0 {
            rule["when"] = json!(self.expression(3));
        }
        if self.throw(8) == 0 {
            rule["events"] = json!([self.of(&["E*", "*", "N ?", "é"])]);
        }
        rule
    }

    fn event(&mut self) -> Event {
        let mut members = serde_json::Map::new();
        members.insert("type".into(), json!(*self.of(&[&"track", &"identify", &"page", &"group"])));
        members.insert("messageId".into(), json!("m"));
        for key in ["event", "userId", "properties", "traits", "context", "a"] {
            if self.throw(4) > 0 {
                members.insert(key.into(), self.value(4));
            }
        }
        event_of(&Value::Object(members).to_string())
    }
}

#[test]
fn no_rules_and_no_event_make_the_engine_panic_or_work_without_end() {
    let mut dice = Dice(0x005E_ED0F_D1CE);
    let (mut good, mut changed, mut refused) = (0, 0, 0);
    for round in 0..400 {
        let mut list = Vec::new();
        for _ in 0..1 + dice.throw(12) {
            let rule = dice.rule();
            // What is refused when it is checked is as good: it was checked.
            if rules(std::slice::from_ref(&rule)).is_ok() {
                list.push(rule);
                good += 1;
            }
        }
        let at = dice.throw(list.len() + 1);
        let both = (rules(&list[..at]), rules(&list[at..]));
        let (Ok(pipeline_rules), Ok(rules)) = both else { panic!("round {round}: {list:?}") };
        let mut pii = PolicyAsWritten::new();
        if dice.throw(2) == 0 {
            for class in Class::ALL {
                pii.insert(
                    class.as_str().into(),
                    Treatment::Short(*dice.of(&[&Action::Remove, &Action::Mask, &Action::Hash])),
                );
            }
        }
        let transformation = transformation(Written { pipeline_rules, rules, pii, ..Written::default() });
        for _ in 0..4 {
            let event = dice.event();
            match applied(&transformation, &event).0 {
                Routing::Goes(after) => changed += usize::from(after.json != event.json),
                Routing::Refused(_) => refused += 1,
                Routing::Filtered(_) => {}
            }
            let steps = Steps::new(STEPS_MAX);
            let _ = transformation.routed(&event, &steps);
            assert!(steps.taken() <= STEPS_MAX);
        }
    }
    assert!(good > 1_000 && changed > 400 && refused < 80, "{good} good rules, {changed} changed, {refused} refused");
}

#[test]
fn no_text_makes_the_checks_panic() {
    let mut dice = Dice(77);
    let pieces = [
        "a",
        ".",
        "[",
        "]",
        "(",
        ")",
        "'",
        "\"",
        "\\",
        "{{",
        "}}",
        "&&",
        "?",
        ":",
        "é",
        "1",
        "e9",
        "0x",
        "\u{0}",
        "b'",
        "r'",
        " ",
        "//",
        "\n",
        "?.",
        "in",
        "{",
        "}",
        ",",
        "`",
        "...",
        "\u{1F600}",
        "9999999999999999999",
    ];
    for _ in 0..5_000 {
        let text: String = (0..dice.throw(12)).map(|_| dice.of(&pieces)).collect();
        for rule in [
            json!({"remove": text}),
            json!({"remove": "a", "when": text}),
            json!({"set": "a", "template": text}),
            json!({"replace": "a", "with": "", "pattern": text}),
        ] {
            if let Err(mistakes) = rules(&[rule]) {
                assert!(
                    mistakes
                        .iter()
                        .all(|mistake| mistake.position <= text.len() && text.is_char_boundary(mistake.position)),
                    "{text:?}: {mistakes:?}"
                );
            }
        }
    }
}
