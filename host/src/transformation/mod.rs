//! Which events go to a destination, and in what form: the operator's rules, applied before the
//! plugin sees the event. Pure; no web, no store.
//!
//! A destination takes events by kind, by name and by the event's own `integrations` object. Rules
//! that change an event will stand here too.

use crate::config::Destination;
use crate::event::index::View;
use crate::event::{Event, EventKind};

/// What the rules say of one event and destination.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Routing {
    /// It goes.
    Goes,
    /// It does not; the name of the rule.
    Filtered(&'static str),
}

/// Applies the rules. `plugin_kinds` are the kinds that the plugin can do something with, by name.
pub fn route(destination: &Destination, plugin_kinds: &[String], event: &Event) -> Routing {
    if !plugin_kinds.iter().any(|kind| kind == event.kind.as_str()) {
        return Routing::Filtered("plugin_kinds");
    }
    if destination.only_kinds.as_ref().is_some_and(|kinds| !kinds.contains(&event.kind)) {
        return Routing::Filtered("only_kinds");
    }
    if destination.only_events.as_ref().is_some_and(|names| !is_named(event, names)) {
        return Routing::Filtered("only_events");
    }
    if !destination.ignore_integrations && !integrations_allow(destination, event) {
        return Routing::Filtered("integrations");
    }
    Routing::Goes
}

/// Track events need one of the names; other kinds have none and pass.
fn is_named(event: &Event, names: &[String]) -> bool {
    if event.kind != EventKind::Track {
        return true;
    }
    let view = View::new(&event.json, &event.index);
    let name = view.get(&["event"]).and_then(|value| value.as_str());
    name.is_some_and(|name| names.iter().any(|each| *each == *name))
}

/// The event's `integrations`: a destination's own name first, then its plugin's, then `All`; sent
/// when none is named. Source: the Segment specification, common fields.
fn integrations_allow(destination: &Destination, event: &Event) -> bool {
    let view = View::new(&event.json, &event.index);
    let Some(integrations) = view.get(&["integrations"]) else { return true };
    let mut all = true;
    let mut by_plugin = None;
    for member in integrations.children() {
        let Some(key) = member.key() else { continue };
        let allowed = member.as_bool().unwrap_or(true);
        if key.eq_ignore_ascii_case(&destination.name) {
            return allowed;
        } else if key.eq_ignore_ascii_case(&destination.plugin) {
            by_plugin = Some(allowed);
        } else if key.eq_ignore_ascii_case("All") {
            all = allowed;
        }
    }
    by_plugin.unwrap_or(all)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;

    fn destination(keys: &str) -> Arc<Destination> {
        let text = format!(
            "[data]\ndirectory = \"d\"\n[plugins]\ndirectory = \"p\"\n[[pipeline]]\nname = \"shop\"\nwrite_keys = [\"k\"]\n[[pipeline.destination]]\nname = \"analytics\"\nplugin = \"ga4\"\n{keys}"
        );
        let config = Config::parse(&text, Path::new("c.toml"), &|_| None).unwrap();
        let (_, destination) = config.destinations().next().unwrap();
        destination.clone()
    }

    #[test]
    fn which_events_go() {
        let check = |keys: &str, json: &str, expected: Routing| {
            let event = crate::validate::event_from_line(json.as_bytes(), "m", 0).unwrap();
            let kinds = ["track".to_string(), "page".to_string()];
            assert_eq!(route(&destination(keys), &kinds, &event), expected, "{keys} {json}");
        };
        let filtered = Routing::Filtered;
        check("", r#"{"type":"track","event":"A"}"#, Routing::Goes);
        check("", r#"{"type":"group","groupId":"g"}"#, filtered("plugin_kinds"));
        check("only_kinds = [\"track\"]", r#"{"type":"page"}"#, filtered("only_kinds"));
        check("only_events = [\"A\"]", r#"{"type":"track","event":"A"}"#, Routing::Goes);
        check("only_events = [\"A\"]", r#"{"type":"track","event":"B"}"#, filtered("only_events"));
        check("only_events = [\"A\"]", r#"{"type":"track"}"#, filtered("only_events"));
        check("only_events = [\"A\"]", r#"{"type":"page"}"#, Routing::Goes);
        check("", r#"{"type":"page","integrations":{"All":false}}"#, filtered("integrations"));
        check("", r#"{"type":"page","integrations":{"All":false,"Analytics":true}}"#, Routing::Goes);
        check("", r#"{"type":"page","integrations":{"All":false,"GA4":{"x":1}}}"#, Routing::Goes);
        check("", r#"{"type":"page","integrations":{"analytics":false,"ga4":true}}"#, filtered("integrations"));
        check("", r#"{"type":"page","integrations":{"Other":false}}"#, Routing::Goes);
        check("", r#"{"type":"page","integrations":"x"}"#, Routing::Goes);
        check("ignore_integrations = true", r#"{"type":"page","integrations":{"All":false}}"#, Routing::Goes);
    }
}
