//! Rules and events as data (cases/), bounds in pairs, and rules and events that nobody would write.

mod bounds;
mod consent;
mod golden;
mod nonsense;
mod pii;

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::event::MessageId;
use crate::event::scan::{Bounds, canonical, index_canonical};

/// A track event with these members beside its type and messageId.
fn event(members: &str) -> Event {
    let rest = members.trim().strip_prefix('{').expect("an object");
    let comma = if rest.trim() == "}" { "" } else { "," };
    let json = format!("{{\"type\":\"track\",\"messageId\":\"m\"{comma}{rest}");
    event_of(&json)
}

fn event_of(json: &str) -> Event {
    let made = canonical(json.as_bytes(), &Bounds::STORED).unwrap_or_else(|error| panic!("{json}: {error}"));
    let (json, index) = (Bytes::from(made.json), Bytes::from(made.index));
    let kind = EventKind::from_name(
        &index::View::new(&json, &index).get(&["type"]).and_then(|kind| kind.as_str()).unwrap_or_default(),
    );
    Event { kind: kind.unwrap_or(EventKind::Track), message_id: MessageId::from("m"), received_ms: 0, json, index }
}

use crate::event::index;

fn rules(written: &[Value]) -> Result<Rules, Vec<Mistake>> {
    let rules: Result<Vec<Rule>, Mistake> =
        written.iter().enumerate().map(|(number, rule)| Rule::from_json(rule.clone(), number)).collect();
    compile(&rules.map_err(|mistake| vec![mistake])?)
}

fn transformation(written: Written) -> Transformation {
    Transformation::new(Written { name: "d".into(), plugin: "p".into(), ..written }).expect("it is good")
}

fn kinds() -> Vec<String> {
    EventKind::ALL.map(|kind| kind.to_string()).to_vec()
}

/// Applies what was written, as the daemon does, and rule by rule: both must come to the same, and the
/// index that was spliced must be the one that a scan makes.
fn applied(transformation: &Transformation, event: &Event) -> (Routing, Vec<Step>) {
    let routing = transformation.apply(&kinds(), event);
    let (steps, explained) = transformation.explain(&kinds(), event);
    match (&routing, &explained) {
        (Routing::Goes(at_once), Routing::Goes(step_by_step)) => {
            assert_eq!(text(at_once), text(step_by_step), "at once and rule by rule");
            let scanned = index_canonical(&at_once.json).unwrap_or_else(|error| panic!("{}: {error}", text(at_once)));
            assert_eq!(at_once.index, scanned, "the index of {}", text(at_once));
            assert_eq!(step_by_step.index, scanned);
        }
        (Routing::Filtered(at_once), Routing::Filtered(step_by_step)) => assert_eq!(at_once, step_by_step),
        // Rule by rule is more work, as more is written.
        (_, Routing::Refused(_)) => {}
        other => panic!("at once and rule by rule differ: {other:?}"),
    }
    (routing, steps)
}

fn text(event: &Event) -> String {
    String::from_utf8(event.json.to_vec()).expect("UTF-8")
}
