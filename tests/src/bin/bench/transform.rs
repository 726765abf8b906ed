//! What the rules cost, against the yardstick: serde_json parsing the same event into Value.

use std::hint::black_box;

use serde_json::{Value, json};
use switchyard::event::Event;
use switchyard::transformation::{Routing, Rule, Transformation, Written, compile};
use switchyard::validate::event_from_line;
use switchyard_tests::paths;

use crate::table::{Aim, Row, median};
use crate::yardstick;

/// Alternating rounds, so that both sides see the same machine.
const ROUNDS: usize = 15;

/// Two rows: ten typical rules, and one filter by name.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let line = paths::fixture("order-completed.json");
    let event = event_from_line(line.trim().as_bytes(), "m", 0).map_err(anyhow::Error::msg)?;
    let ten = transformation(&typical())?;
    let one = transformation(&[json!({"drop": "others", "events": ["Order Completed"]})])?;
    let (mut tens, mut ones, mut yardsticks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        tens.push(applied_us(&ten, &event));
        ones.push(applied_us(&one, &event));
        yardsticks.push(yardstick::us(&event.json));
    }
    let row = |figure: &str, aim: f64, measured: &[f64]| {
        let ratios = measured.iter().zip(&yardsticks).map(|(measured, yardstick)| measured / yardstick).collect();
        Row {
            figure: figure.to_string(),
            value: median(ratios),
            unit: "",
            aim: Aim::AtMost(aim),
            detail: format!("{:.2} us / {:.2} us", median(measured.to_vec()), median(yardsticks.clone())),
        }
    };
    Ok(vec![row("10 typical rules / yardstick", 0.3, &tens), row("one filter by name / yardstick", 0.02, &ones)])
}

/// What operators do to an order before a vendor gets it.
fn typical() -> Vec<Value> {
    vec![
        json!({"drop": "others", "events": ["Order *", "Checkout Started"]}),
        json!({"set": "properties.source", "value": "shop"}),
        json!({"remove": ["context.ip", "context.userAgent"]}),
        json!({"move": "properties.order_id", "to": "properties.transaction_id"}),
        json!({"hash": "context.traits.email", "normalize": "email"}),
        json!({"default": "properties.affiliation", "value": "Web"}),
        json!({"map": "properties.currency", "table": {"EUR": "eur", "USD": "usd"}}),
        json!({"set": "properties.cents", "expression": "properties.total * 100"}),
        json!({"remove": "properties.products[].image_url"}),
        json!({"rename_event": "Purchase", "when": "properties.total > 0"}),
    ]
}

fn transformation(rules: &[Value]) -> anyhow::Result<Transformation> {
    let rules = rules.iter().enumerate().map(|(number, rule)| Rule::from_json(rule.clone(), number));
    let rules = rules.collect::<Result<Vec<Rule>, _>>().map_err(|mistake| anyhow::anyhow!("{mistake}"))?;
    let rules = compile(&rules).map_err(|mistakes| anyhow::anyhow!("{}", mistakes[0]))?;
    Transformation::new(Written { rules, ..Written::default() }).map_err(|error| anyhow::anyhow!("{}", error.message))
}

/// As a destination applies it: all that comes before the rules included.
fn applied_us(transformation: &Transformation, event: &Event) -> f64 {
    let kinds = ["track".to_string()];
    yardstick::us_of(|| {
        let routing = transformation.apply(&kinds, black_box(event));
        assert!(matches!(black_box(routing), Routing::Goes(_)), "the order goes");
    })
}
