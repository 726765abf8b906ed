//! What a revision may do, and what a new one asks for beyond that. Pure.
//!
//! A plugin has no network, no files and no clock, so what it may do is: send to hosts, have the host
//! put secrets into places of its requests, take so much at a time, and what else its manifest names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::{Batch, Manifest, Place};

/// What revisions of one plugin were allowed to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Permissions {
    /// Where it sends, as the manifest names it.
    pub hosts: BTreeSet<String>,
    /// The places of each secret setting.
    pub secrets: BTreeMap<String, BTreeSet<String>>,
    /// Events planned together, at most.
    pub batch_events_max: u32,
    /// Bytes planned together, at most.
    pub batch_bytes_max: u64,
    /// What else the manifest asks for, by name.
    pub others: BTreeSet<String>,
}

/// Something that a new revision asks for and the ones before did not have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// What, in a few words.
    pub what: String,
    /// Why the author wants it; empty when he does not say.
    pub why: String,
}

impl fmt::Display for Ask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.why.is_empty() { "the author does not say why" } else { &self.why };
        write!(formatter, "{}: {why}", self.what)
    }
}

impl Permissions {
    /// What a manifest asks for.
    pub fn of(manifest: &Manifest) -> Permissions {
        let hosts: BTreeSet<String> = manifest.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let Batch { events_max, bytes_max } = manifest.batch;
        let is_other = |name: &&String| *name != "batch" && !hosts.contains(&name.to_ascii_lowercase());
        let others: BTreeSet<String> = manifest.permissions.keys().filter(is_other).cloned().collect();
        Permissions {
            secrets: secret_settings(manifest).map(|name| (name.clone(), places(manifest, name))).collect(),
            batch_events_max: events_max,
            batch_bytes_max: bytes_max,
            others,
            hosts,
        }
    }

    /// What `manifest` asks for and these do not hold.
    pub fn asks(&self, manifest: &Manifest) -> Vec<Ask> {
        let wanted = Permissions::of(manifest);
        let reason = |name: &str| manifest.permissions.get(name).cloned().unwrap_or_default();
        let mut asks = Vec::new();
        for host in wanted.hosts.difference(&self.hosts) {
            asks.push(Ask { what: format!("sends to the host {host}"), why: reason(host) });
        }
        for (setting, places) in &wanted.secrets {
            let had = self.secrets.get(setting);
            for place in places.iter().filter(|place| had.is_none_or(|had| !had.contains(*place))) {
                let what = format!("uses the secret `{setting}` in the {place} of its requests");
                asks.push(Ask { what, why: manifest.secret_use(setting).reason });
            }
        }
        let limits = [
            ("events", u64::from(wanted.batch_events_max), u64::from(self.batch_events_max)),
            ("bytes", wanted.batch_bytes_max, self.batch_bytes_max),
        ];
        for (unit, wanted, had) in limits.into_iter().filter(|(_, wanted, had)| wanted > had) {
            let what = format!("takes batches of {wanted} {unit}, {had} before");
            asks.push(Ask { what, why: reason("batch") });
        }
        // The reason for a host that is granted may outlast the wish for it.
        let is_host = |name: &&String| self.hosts.contains(&name.to_ascii_lowercase());
        for other in wanted.others.difference(&self.others).filter(|name| !is_host(name)) {
            asks.push(Ask { what: other.clone(), why: reason(other) });
        }
        asks
    }

    /// Adds what a manifest asks for.
    pub fn grant(&mut self, manifest: &Manifest) {
        let more = Permissions::of(manifest);
        self.hosts.extend(more.hosts);
        for (setting, places) in more.secrets {
            self.secrets.entry(setting).or_default().extend(places);
        }
        self.batch_events_max = self.batch_events_max.max(more.batch_events_max);
        self.batch_bytes_max = self.batch_bytes_max.max(more.batch_bytes_max);
        self.others.extend(more.others);
    }
}

/// The settings that are secrets, or hold some.
fn secret_settings(manifest: &Manifest) -> impl Iterator<Item = &String> {
    let properties = manifest.settings.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().filter(|(_, schema)| holds_secret(schema)).map(|(name, _)| name)
}

fn holds_secret(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.get("secret") == Some(&Value::Bool(true)) || members.values().any(holds_secret)
        }
        Value::Array(items) => items.iter().any(holds_secret),
        _ => false,
    }
}

fn places(manifest: &Manifest, setting: &str) -> BTreeSet<String> {
    let name = |place: &Place| match place {
        Place::Auth => "authentication",
        Place::Query => "query",
        Place::Body => "body",
        Place::Url => "URL",
    };
    manifest.secret_use(setting).places.iter().map(|place| name(place).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(change: impl Fn(&mut Value)) -> Manifest {
        let mut value = json!({
            "id": "x", "version": "1", "contract": "1.0.0", "name": "X", "kinds": ["track"],
            "hosts": ["api.vendor.example"], "batch": {"events_max": 100, "bytes_max": 1000},
            "settings": {"type": "object", "properties": {
                "key": {"type": "string", "secret": true}, "open": {"type": "string"},
                "more": {"type": "array", "items": {"type": "string", "secret": true}},
            }},
            "permissions": {"api.vendor.example": "Events go there."},
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_what_is_new_is_asked_for_and_the_authors_reason_is_told() {
        let had = Permissions::of(&manifest(|_| {}));
        let check = |change: &dyn Fn(&mut Value), expected: &[&str]| {
            let asks = had.asks(&manifest(change));
            assert_eq!(asks.iter().map(Ask::to_string).collect::<Vec<_>>(), expected);
            let mut granted = had.clone();
            granted.grant(&manifest(change));
            assert_eq!(granted.asks(&manifest(change)), []);
            assert_eq!(granted.asks(&manifest(|_| {})), [], "what was granted before stays");
        };
        check(&|_| {}, &[]);
        check(&|value| value["hosts"] = json!([]), &[]);
        check(
            &|value| {
                value["hosts"] = json!(["api.vendor.example", "eu.vendor.example", "us.vendor.example"]);
                value["permissions"]["eu.vendor.example"] = json!("Events of Europe.");
            },
            &[
                "sends to the host eu.vendor.example: Events of Europe.",
                "sends to the host us.vendor.example: the author does not say why",
            ],
        );
        check(
            &|value| {
                value["secrets"] = json!({"key": {"use": ["auth", "body"], "reason": "The vendor wants it there."}})
            },
            &["uses the secret `key` in the body of its requests: The vendor wants it there."],
        );
        check(
            &|value| value["settings"]["properties"]["second"] = json!({"type": "string", "secret": true}),
            &["uses the secret `second` in the authentication of its requests: the author does not say why"],
        );
        check(
            &|value| {
                value["batch"] = json!({"events_max": 101, "bytes_max": 1000});
                value["permissions"]["batch"] = json!("The vendor takes more now.");
            },
            &["takes batches of 101 events, 100 before: The vendor takes more now."],
        );
        check(
            &|value| value["batch"] = json!({"events_max": 100, "bytes_max": 1001}),
            &["takes batches of 1001 bytes, 1000 before: the author does not say why"],
        );
        check(&|value| value["batch"] = json!({"events_max": 99, "bytes_max": 999}), &[]);
    }
}
