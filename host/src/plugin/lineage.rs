//! Where each field of a plan comes from: the event is planned again and again, each time with one
//! input marked, and what moves with it comes from there. Pure but for the calls of the plugin.
//!
//! A field that is equal to an input, and to its mark when that is marked, is a copy: that is exact. One
//! that changes in another way is derived from the input; one that is gone with a change depends on it.
//! One that never changes is a constant. Where rules of the operator stand between the event and the
//! plugin, what they made is marked, too, under the name of the rule (`lineage/made.rs`).

mod leaves;
mod made;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use self::leaves::{leaves, put, put_back, same, variants};
use super::sheet::secret;

pub use self::made::{Ruled, Transformed};

/// Leaves of an event or of settings that are marked at most: each costs some plans.
pub const INPUTS_MAX: usize = 2_000;

/// How a field comes from an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It is the input's value.
    Copy,
    /// The input has a part in it.
    Derived,
    /// The field is only there for the input.
    Condition,
}

/// An input that a field comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Origin {
    /// Which: `event properties.total`, `setting url`, `secret api_key`, `the time of the call`; of a rule
    /// its name and what it does.
    pub input: String,
    /// How.
    pub how: How,
}

/// Where one field comes from; a constant has no origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// Its path in the plan's sheet.
    pub field: String,
    /// Its value.
    pub value: Value,
    /// The inputs, copies first, those that it only depends on last.
    pub origins: Vec<Origin>,
}

/// Where a whole plan comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lineage {
    /// Each field of the requests.
    pub fields: Vec<Field>,
    /// Inputs that decide which requests there are, or that there are none.
    pub deciding: Vec<String>,
}

/// What goes into a plan.
#[derive(Clone)]
pub struct Inputs {
    /// The event as it is stored.
    pub event: Value,
    /// The settings, secrets with their values.
    pub settings: Value,
    /// The time of the call, milliseconds since 1970.
    pub now_ms: u64,
    /// When the event came, milliseconds since 1970.
    pub received_ms: u64,
}

/// Explains a plan. `plan` gives the sheet of a plan of these inputs, through the operator's rules where
/// there are any, or None where the plugin, its settings' schema or the host does not take them. `ruled`
/// says what the rules made of the event.
pub fn explain(
    inputs: &Inputs,
    is_secret: impl Fn(&str) -> bool,
    plan: impl Fn(&Inputs) -> Option<Value>,
    ruled: Option<&Ruled<'_>>,
) -> Option<Lineage> {
    let base = plan(inputs)?;
    let mut found =
        Found { fields: leaves(&base), requests: requests_of(&base), origins: BTreeMap::new(), deciding: Vec::new() };
    for (path, value) in leaves(&inputs.event).into_iter().take(INPUTS_MAX) {
        let variants = variants(&value).into_iter().map(|mark| {
            let mut marked = inputs.clone();
            put(&mut marked.event, &path, mark.clone());
            (mark, marked)
        });
        found.try_all(&format!("event {path}"), &value, variants, &plan);
    }
    if let Some(ruled) = ruled {
        found.rules(ruled);
    }
    for (path, value) in leaves(&inputs.settings).into_iter().take(INPUTS_MAX) {
        if is_secret(path.split(['.', '[']).next().unwrap_or_default()) {
            found.secret(&path);
            continue;
        }
        let variants = variants(&value).into_iter().map(|mark| {
            let mut marked = inputs.clone();
            put(&mut marked.settings, &path, mark.clone());
            (mark, marked)
        });
        found.try_all(&format!("setting {path}"), &value, variants, &plan);
    }
    let later_ms = |ms: u64| ms + 3 * 86_400_000 + 4_321_000 + 7;
    let times: [(&str, u64, Inputs); 2] = [
        ("the time of the call", inputs.now_ms, Inputs { now_ms: later_ms(inputs.now_ms), ..inputs.clone() }),
        (
            "the time of receipt",
            inputs.received_ms,
            Inputs { received_ms: later_ms(inputs.received_ms), ..inputs.clone() },
        ),
    ];
    for (name, time_ms, marked) in times {
        found.try_all(name, &Value::from(time_ms), [(Some(Value::from(later_ms(time_ms))), marked)], &plan);
    }
    Some(found.into_lineage())
}

struct Found {
    fields: Vec<(String, Value)>,
    /// The keys of the requests, and the fate.
    requests: Vec<String>,
    origins: BTreeMap<String, Vec<Origin>>,
    deciding: Vec<String>,
}

impl Found {
    /// Plans with each variant of an input, until one is copied somewhere, and without it.
    fn try_all<I>(
        &mut self,
        input: &str,
        value: &Value,
        variants: impl IntoIterator<Item = (Option<Value>, I)>,
        plan: &impl Fn(&I) -> Option<Value>,
    ) {
        let mut moved: BTreeMap<String, How> = BTreeMap::new();
        for (mark, marked) in variants {
            if mark.is_some() && moved.values().any(|how| *how == How::Copy) {
                continue;
            }
            let Some(sheet) = plan(&marked) else { continue };
            if requests_of(&sheet) != self.requests {
                self.decides(input);
                continue;
            }
            let planned: BTreeMap<String, Value> = leaves(&sheet).into_iter().collect();
            for (field, base) in &self.fields {
                let now = planned.get(field);
                if now == Some(base) {
                    continue;
                }
                let is_copy = same(base, value) && mark.as_ref().zip(now).is_some_and(|(mark, now)| same(now, mark));
                let how = match now {
                    _ if is_copy => How::Copy,
                    Some(_) => How::Derived,
                    None => How::Condition,
                };
                moved.entry(field.clone()).and_modify(|known| *known = (*known).min(how)).or_insert(how);
            }
        }
        moved.into_iter().for_each(|(field, how)| self.add(field, input, how));
    }

    /// What rules made is marked as the plugin sees it; what they took away is put back.
    fn rules(&mut self, ruled: &Ruled<'_>) {
        let event = &ruled.transformed.event;
        let now: BTreeMap<String, Value> = leaves(event).into_iter().collect();
        for made in ruled.transformed.made().iter().take(INPUTS_MAX) {
            match (now.get(&made.path), &made.before) {
                (Some(value), _) => {
                    let variants = variants(value).into_iter().map(|mark| {
                        let mut marked = event.clone();
                        put(&mut marked, &made.path, mark.clone());
                        (mark, marked)
                    });
                    self.try_all(&made.by, value, variants, &ruled.plan);
                }
                (None, Some(before)) => {
                    let mut whole = event.clone();
                    put_back(&mut whole, before, &made.path);
                    self.try_without(&made.by, (ruled.plan)(&whole));
                }
                (None, None) => {}
            }
        }
    }

    /// What there is only because a rule took something away: it is another with it.
    fn try_without(&mut self, rule: &str, sheet: Option<Value>) {
        let Some(sheet) = sheet else { return };
        if requests_of(&sheet) != self.requests {
            return self.decides(rule);
        }
        let planned: BTreeMap<String, Value> = leaves(&sheet).into_iter().collect();
        let other = self.fields.iter().filter(|(field, base)| planned.get(field) != Some(base));
        let other: Vec<String> = other.map(|(field, _)| field.clone()).collect();
        other.into_iter().for_each(|field| self.add(field, rule, How::Condition));
    }

    fn decides(&mut self, input: &str) {
        if !self.deciding.iter().any(|each| each == input) {
            self.deciding.push(input.to_string());
        }
    }

    /// A rule makes several fields: it is named once, as what it is most.
    fn add(&mut self, field: String, input: &str, how: How) {
        let origins = self.origins.entry(field).or_default();
        match origins.iter_mut().find(|known| known.input == input) {
            Some(known) => known.how = known.how.min(how),
            None => origins.push(Origin { input: input.to_string(), how }),
        }
    }

    /// A secret is seen by its name.
    fn secret(&mut self, setting: &str) {
        let shown = secret(setting);
        for (field, value) in &self.fields {
            let Some(text) = value.as_str().filter(|text| text.contains(&shown)) else { continue };
            let how = if text == shown { How::Copy } else { How::Derived };
            let origin = Origin { input: format!("secret {setting}"), how };
            self.origins.entry(field.clone()).or_default().push(origin);
        }
    }

    fn into_lineage(mut self) -> Lineage {
        let fields = self.fields.into_iter().map(|(field, value)| {
            let mut origins = self.origins.remove(&field).unwrap_or_default();
            origins.sort_by_key(|origin| origin.how);
            Field { field, value, origins }
        });
        Lineage { fields: fields.collect(), deciding: self.deciding }
    }
}

/// The keys of a sheet's requests, and its fate.
fn requests_of(sheet: &Value) -> Vec<String> {
    let requests = sheet["requests"].as_object().into_iter().flatten().map(|(key, _)| key.clone());
    requests.chain(sheet["fate"].as_str().map(|fate| format!("fate: {fate}"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A plugin in miniature: copies, derives, decides, and has a constant.
    fn plan(inputs: &Inputs) -> Option<Value> {
        let Inputs { event, settings, now_ms, .. } = inputs;
        if event["type"] != "track" {
            return None;
        }
        if event["send"] == false {
            return Some(json!({"requests": {}, "fate": "skipped: not wanted"}));
        }
        let total = event["properties"]["to.tal"].as_f64().unwrap_or_default();
        let email = event["email"].as_str().unwrap_or_default().to_uppercase();
        Some(json!({"requests": {"event": {
            "url": settings["url"], "auth": [{"bearer": "(secret key)"}],
            "body": {
                "name": event["event"], "value": total, "text": event["items"][1]["id"].to_string(), "v": 2,
                "email": email, "at": now_ms / 1000, "time": event["timestamp"],
            },
        }}}))
    }

    #[test]
    fn copies_are_exact_and_the_rest_is_derived_or_constant() {
        let inputs = Inputs {
            event: json!({
                "type": "track", "event": "Paid", "properties": {"to.tal": 12.5, "unused": "x"}, "email": "a@b.example",
                "items": [{"id": 1}, {"id": 7}], "send": true, "timestamp": "2026-01-31T23:59:58Z",
            }),
            settings: json!({"url": "https://vendor.example/in", "key": "hush", "unused": 3}),
            now_ms: 1_700_000_000_000,
            received_ms: 1_700_000_000_000,
        };
        let lineage = explain(&inputs, |name| name == "key", plan, None).unwrap();
        let shown: Vec<String> = lineage
            .fields
            .iter()
            .map(|field| {
                let origins = field.origins.iter().map(|origin| format!("{:?} {}", origin.how, origin.input));
                format!(
                    "{}: {}",
                    field.field.trim_start_matches("requests.event."),
                    origins.collect::<Vec<_>>().join(", ")
                )
            })
            .collect();
        let expected = [
            "url: Copy setting url",
            "auth[0].bearer: Copy secret key",
            "body.name: Copy event event",
            "body.value: Copy event properties.to\\.tal",
            "body.text: Copy event items[1].id",
            "body.v: ",
            "body.email: Derived event email",
            "body.at: Derived the time of the call",
            "body.time: Copy event timestamp",
        ];
        assert_eq!(shown, expected);
        assert_eq!(lineage.deciding, ["event send"]);
        assert_eq!(explain(&Inputs { event: json!({}), ..inputs }, |_| false, plan, None), None);
    }
}
