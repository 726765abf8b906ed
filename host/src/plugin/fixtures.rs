//! Runs a plugin's own fixtures: the last check before a revision may take over.

use serde_json::Value;

use super::fault::PluginError;
use super::handles::HandleKey;
use super::manifest::Fixture;
use super::revision::Revision;
use super::shown::plan_json;
use crate::event::Event;
use crate::validate::event_from_line;

/// The destination that fixtures' handles are made for.
const DESTINATION: &str = "fixture";

/// Runs all fixtures of a revision; the first difference is the error.
pub fn run_all(revision: &Revision) -> Result<(), PluginError> {
    for fixture in &revision.manifest().fixtures {
        let failed = |what: String| PluginError::Fixture { name: fixture.name.clone(), what };
        let planned = plan(revision, fixture).map_err(|error| failed(error.to_string()))?;
        if let Some(what) = difference(&fixture.plan, &planned, "plan") {
            return Err(failed(what));
        }
    }
    Ok(())
}

fn plan(revision: &Revision, fixture: &Fixture) -> Result<Value, PluginError> {
    plan_heard(revision, fixture).0
}

/// What a fixture's events give, and what the guest said to its author meanwhile.
pub fn plan_heard(revision: &Revision, fixture: &Fixture) -> (Result<Value, PluginError>, String) {
    let mut heard = String::new();
    let planned = (|| {
        let (settings, handles) = revision.schema().hide(&fixture.settings, DESTINATION, &HandleKey::fixed())?;
        let events = events(fixture)?;
        let (plan, said) = revision.plan_heard(&settings.to_string(), fixture.now_ms, &events);
        heard = said;
        plan_json(&plan?, &handles, fixture.now_ms).map_err(|error| PluginError::Manifest(error.to_string()))
    })();
    (planned, heard)
}

fn events(fixture: &Fixture) -> Result<Vec<Event>, PluginError> {
    let lines = fixture.events.iter().enumerate();
    lines
        .map(|(number, event)| {
            event_from_line(event.to_string().as_bytes(), &format!("fixture-{number}"), fixture.now_ms)
                .map_err(|why| PluginError::Manifest(format!("event {number}: {why}")))
        })
        .collect()
}

/// Where a plan differs from the expected one. Members of requests and fates that the expected plan
/// leaves out are not compared.
pub fn difference(expected: &Value, planned: &Value, place: &str) -> Option<String> {
    let Value::Object(members) = expected else { return unequal(expected, planned, place) };
    members.iter().find_map(|(name, expected)| {
        let place = format!("{place}.{name}");
        let planned = planned.get(name).unwrap_or(&Value::Null);
        match (expected, planned) {
            (Value::Array(expected), Value::Array(planned)) if name == "requests" || name == "fates" => {
                if expected.len() != planned.len() {
                    return Some(format!(
                        "{place}: expected {} of them, planned were {}",
                        expected.len(),
                        planned.len()
                    ));
                }
                let pairs = expected.iter().zip(planned).enumerate();
                pairs
                    .into_iter()
                    .find_map(|(at, (expected, planned))| difference(expected, planned, &format!("{place}[{at}]")))
            }
            _ => unequal(expected, planned, &place),
        }
    })
}

fn unequal(expected: &Value, planned: &Value, place: &str) -> Option<String> {
    if expected == planned {
        return None;
    }
    match (expected, planned) {
        (Value::Object(left), Value::Object(right)) => {
            let names = left.keys().chain(right.keys().filter(|name| !left.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let (left, right) = (left.get(name).unwrap_or(&Value::Null), right.get(name).unwrap_or(&Value::Null));
                unequal(left, right, &format!("{place}.{name}"))
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(right).enumerate();
            pairs.into_iter().find_map(|(at, (left, right))| unequal(left, right, &format!("{place}[{at}]")))
        }
        _ => Some(format!("{place}: expected {expected}, planned was {planned}")),
    }
}
