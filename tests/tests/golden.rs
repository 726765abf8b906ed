//! Every golden case: the plan, byte for byte twice, and as its plan.json says.

use serde_json::Value;
use switchyard_tests::expect::difference;
use switchyard_tests::golden::{Case, cases};

/// What is wrong with a case, if anything.
fn check(case: &Case) -> Option<String> {
    let planned = match case.plan() {
        Ok(planned) => planned,
        Err(error) => return Some(error),
    };
    match case.plan() {
        Ok(again) if again == planned => {}
        other => return Some(format!("planned again it is another: {other:?}")),
    }
    let Some(text) = case.text("plan.json") else {
        return Some(format!("no plan.json; planned was: {}", Value::Array(planned)));
    };
    let wanted: Value = match serde_json::from_str(&text) {
        Ok(wanted) => wanted,
        Err(error) => return Some(format!("plan.json: {error}")),
    };
    let planned = if wanted.is_array() { Value::Array(planned) } else { planned.first().cloned().unwrap_or_default() };
    let both_ways = difference(&wanted, &planned, "").or_else(|| difference(&planned, &wanted, ""));
    both_ways.map(|difference| format!("{difference}\nplanned: {planned}"))
}

#[test]
fn every_case_is_planned_as_it_says() {
    let cases = cases();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).map(|failure| format!("{}: {failure}", case.folder.display())))
        .collect();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
    for plugin in ["webhook", "ga4", "mixpanel"] {
        assert!(cases.iter().any(|case| case.plugin == plugin), "no case for {plugin}");
    }
}
