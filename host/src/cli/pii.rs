//! `switchyard pii`: which destination receives which class of personal data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::status::print_table;
use super::transform::{kinds_of, storage_policy};
use super::{load, print_json};
use crate::clock;
use crate::config::Destination;
use crate::event::Event;
use crate::plugin::run::read_events;
use crate::transformation::{Action, Class, Policy, Routing, STEPS_MAX, Steps, classes_in};

#[derive(Args)]
pub(super) struct Pii {
    /// Also look for personal data in these events, one JSON object a line: which classes each
    /// destination would get.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "switchyard.toml")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints which destination receives which class of personal data.
pub(super) fn pii(call: &Pii) -> anyhow::Result<()> {
    let config = load(&call.config)?;
    let events = match &call.events {
        Some(file) => read_events(file, clock::now_ms())?.0,
        None => Vec::new(),
    };
    let mut report = Vec::new();
    for (pipeline, destination) in config.destinations() {
        let storage = storage_policy(&config, pipeline.id.as_str())?;
        let kinds = if events.is_empty() { Vec::new() } else { kinds_of(&config, destination)? };
        let seen = observed(&storage, destination, &kinds, &events);
        for class in Class::ALL {
            let (before, after) = seen.get(&class).copied().unwrap_or_default();
            report.push(json!({
                "pipeline": pipeline.id,
                "destination": destination.name,
                "class": class,
                "stored": form(storage.action(class)),
                "receives": form(storage.action(class).or(destination.transformation.policy().action(class))),
                "events_with_it": before,
                "received_with_it": after,
            }));
        }
    }
    if call.json {
        return print_json(&Value::Array(report));
    }
    let mut heads = vec!["destination", "class", "stored", "receives"];
    if call.events.is_some() {
        heads.extend(["events with it", "received with it"]);
    }
    let rows = report.iter().map(|row| {
        let text = |key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), String::from);
        let mut cells = vec![
            format!("{}/{}", text("pipeline"), text("destination")),
            text("class"),
            text("stored"),
            text("receives"),
        ];
        if call.events.is_some() {
            cells.extend([text("events_with_it"), text("received_with_it")]);
        }
        cells
    });
    print_table(&heads, &rows.collect::<Vec<_>>());
    Ok(())
}

fn form(action: Option<Action>) -> &'static str {
    match action {
        None | Some(Action::Allow) => "as it is",
        Some(Action::Remove) => "not at all",
        Some(Action::Mask) => "masked",
        Some(Action::Hash) => "hashed",
    }
}

/// Of each class, in how many events it came, and in how many it would be received.
fn observed(
    storage: &Policy,
    destination: &Destination,
    kinds: &[String],
    events: &[Event],
) -> BTreeMap<Class, (usize, usize)> {
    let mut seen: BTreeMap<Class, (usize, usize)> = BTreeMap::new();
    let classes = |event: &Event| classes_in(event.view(), &Steps::new(STEPS_MAX)).unwrap_or_default();
    for event in events {
        classes(event).into_iter().for_each(|class| seen.entry(class).or_default().0 += 1);
        let Ok(stored) = storage.stored(event) else { continue };
        if let Routing::Goes(after) = destination.transformation.apply(kinds, &stored) {
            // What is masked is of its class still, and says little.
            let policy = destination.transformation.policy();
            let as_it_is = |class: &Class| !policy.treats_everywhere(*class) && !storage.treats_everywhere(*class);
            classes(&after).into_iter().filter(as_it_is).for_each(|class| seen.entry(class).or_default().1 += 1);
        }
    }
    seen
}
