//! The one scan that validates an event and makes its index, against the yardstick: serde_json
//! parsing the same bytes into Value.

use std::hint::black_box;

use switchyard::event::scan::{Bounds, Input, Scanner};
use switchyard_tests::paths;

use crate::table::{Aim, Row, median};
use crate::yardstick;

/// Alternating rounds, so that both sides see the same machine.
const ROUNDS: usize = 15;

/// One row.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let event = paths::fixture("order-completed.json").trim().to_string().into_bytes();
    let mut scans = Vec::new();
    let mut yardsticks = Vec::new();
    for _ in 0..ROUNDS {
        scans.push(scan_us(&event));
        yardsticks.push(yardstick::us(&event));
    }
    let ratios = scans.iter().zip(&yardsticks).map(|(scan, yardstick)| scan / yardstick).collect();
    Ok(vec![Row {
        figure: "scan / yardstick".to_string(),
        value: median(ratios),
        unit: "",
        aim: Aim::AtMost(0.15),
        detail: format!("{:.2} us / {:.2} us, {} bytes", median(scans), median(yardsticks), event.len()),
    }])
}

/// As ingest does it: into memory that is kept from one event to the next.
fn scan_us(event: &[u8]) -> f64 {
    let mut scanner = Scanner::default();
    let (mut json, mut index) = (Vec::new(), Vec::new());
    yardstick::us_of(|| {
        json.clear();
        index.clear();
        let scanned = scanner.scan(Input::new(black_box(event)), 0, &Bounds::STORED, &mut json, &mut index);
        black_box((scanned.expect("the fixture is JSON"), &json, &index));
    })
}
