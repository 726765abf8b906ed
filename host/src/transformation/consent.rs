//! Consent: what an event says of it, and what a destination requires.
//!
//! An event says it in Segment's `context.consent.categoryPreferences`, in an IAB TCF string, or at a
//! path of the operator's; each gives purposes, granted or denied. Enforced before any rule and plugin.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::event::index::{Kind, Value, View};

use super::path::Path;
use super::steps::{Exhausted, Steps};
use super::tcf;

/// Purposes that one destination may require.
pub const PURPOSES_MAX: usize = 50;

/// Where a pipeline's events say what was consented to, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsentSource {
    /// A path beside `context.consent.categoryPreferences`: an object of purposes, a list of the
    /// granted ones, or a text of these with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The path of a TCF string; its purposes are `tcf:1` and so on, its vendors `tcf:vendor:755`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcf: Option<String>,
    /// What holds of a purpose that an event does not speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_absent: Option<Absent>,
}

/// What a destination requires, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsentRequirement {
    /// All of these purposes must be granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// What holds of a purpose that an event does not speak of, in place of the pipeline's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_absent: Option<Absent>,
}

/// What holds of a purpose that an event does not speak of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Absent {
    /// It counts as granted.
    #[default]
    Granted,
    /// It counts as denied.
    Denied,
}

/// What a destination requires, checked.
#[derive(Debug, Default)]
pub(super) struct Consent {
    path: Option<Path>,
    tcf: Option<Path>,
    requires: Vec<String>,
    when_absent: Absent,
}

/// What is wrong: the key, and what would be right.
pub type ConsentError = (&'static str, String);

impl Consent {
    pub fn new(source: &ConsentSource, requirement: &ConsentRequirement) -> Result<Consent, ConsentError> {
        let path = |key: &'static str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => Path::parse(text).map(Some).map_err(|error| (key, format!("`{text}`: {}", error.message))),
        };
        let (path, tcf) = (path("path", &source.path)?, path("tcf", &source.tcf)?);
        if requirement.requires.len() > PURPOSES_MAX {
            return Err(("requires", format!("a destination requires at most {PURPOSES_MAX} purposes")));
        }
        for purpose in &requirement.requires {
            let known = purpose.strip_prefix("tcf:").is_none_or(|rest| match rest.strip_prefix("vendor:") {
                Some(vendor) => vendor.parse::<u16>().is_ok_and(|vendor| vendor > 0),
                None => rest.parse::<u8>().is_ok_and(|purpose| (1..=tcf::PURPOSES).contains(&purpose)),
            });
            if !known {
                let message =
                    format!("`{purpose}` is no purpose of a TCF string: write tcf:1 to tcf:24, or tcf:vendor:755");
                return Err(("requires", message));
            }
            if purpose.starts_with("tcf:") && tcf.is_none() {
                let message = format!("`{purpose}` is in a TCF string: name its path, as consent.tcf of the pipeline");
                return Err(("requires", message));
            }
        }
        Ok(Consent {
            path,
            tcf,
            requires: requirement.requires.clone(),
            when_absent: requirement.when_absent.or(source.when_absent).unwrap_or_default(),
        })
    }

    /// The first required purpose that is not granted.
    pub fn lacks<'c>(&'c self, view: View<'_>, steps: &Steps) -> Result<Option<&'c str>, Exhausted> {
        if self.requires.is_empty() {
            return Ok(None);
        }
        let said = Said {
            preferences: view.get(&["context", "consent", "categoryPreferences"]),
            own: match &self.path {
                Some(path) => path.first(view, steps)?,
                None => None,
            },
            tcf: self.tcf_of(view, steps)?,
        };
        for purpose in &self.requires {
            steps.take(1)?;
            let granted = said.of(purpose, steps)?.unwrap_or(self.when_absent == Absent::Granted);
            if !granted {
                return Ok(Some(purpose));
            }
        }
        Ok(None)
    }

    fn tcf_of(&self, view: View<'_>, steps: &Steps) -> Result<Option<tcf::Tcf>, Exhausted> {
        let Some(path) = &self.tcf else { return Ok(None) };
        let Some(value) = path.first(view, steps)? else { return Ok(None) };
        steps.take_bytes(value.raw().len() * 8)?;
        Ok(value.as_str().and_then(|text| tcf::Tcf::parse(&text)))
    }

    /// What plugins are told where the event does not say it in Segment's way: an object of purposes, as
    /// JSON.
    pub fn preferences(&self, view: View<'_>, steps: &Steps) -> Result<Option<String>, Exhausted> {
        if self.path.is_none() && self.tcf.is_none()
            || view.get(&["context", "consent", "categoryPreferences"]).is_some()
        {
            return Ok(None);
        }
        let mut purposes = Vec::new();
        if let Some(path) = &self.path
            && let Some(own) = path.first(view, steps)?
        {
            purposes = listed(&own, steps)?;
        }
        if let Some(tcf) = self.tcf_of(view, steps)? {
            purposes.extend((1..=tcf::PURPOSES).map(|purpose| (format!("tcf:{purpose}"), tcf.purpose(purpose))));
        }
        if purposes.is_empty() {
            return Ok(None);
        }
        let mut json = String::from("{");
        for (at, (purpose, granted)) in purposes.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            // Writing to a text does not fail.
            let _ = write!(json, "{comma}{}:{granted}", serde_json::Value::from(purpose.as_str()));
        }
        json.push('}');
        Ok(Some(json))
    }
}

/// All that an event says.
struct Said<'v> {
    preferences: Option<Value<'v>>,
    own: Option<Value<'v>>,
    tcf: Option<tcf::Tcf>,
}

impl Said<'_> {
    fn of(&self, purpose: &str, steps: &Steps) -> Result<Option<bool>, Exhausted> {
        if let Some(rest) = purpose.strip_prefix("tcf:") {
            let Some(tcf) = &self.tcf else { return Ok(None) };
            return Ok(match rest.strip_prefix("vendor:") {
                Some(vendor) => vendor.parse().ok().map(|vendor| tcf.vendor(vendor)),
                None => rest.parse().ok().map(|purpose| tcf.purpose(purpose)),
            });
        }
        for place in [self.own, self.preferences].into_iter().flatten() {
            let said = match place.kind() {
                Kind::Object => {
                    steps.take(place.children().count() as u64)?;
                    place.member(purpose).and_then(|value| word(&value))
                }
                _ => {
                    let granted = listed(&place, steps)?;
                    // Who lists what is granted denies the rest.
                    (!granted.is_empty() || place.kind() == Kind::Array)
                        .then(|| granted.iter().any(|(name, _)| name == purpose))
                }
            };
            if said.is_some() {
                return Ok(said);
            }
        }
        Ok(None)
    }
}

/// The purposes at a path of the operator's.
fn listed(place: &Value<'_>, steps: &Steps) -> Result<Vec<(String, bool)>, Exhausted> {
    steps.take_bytes(place.raw().len())?;
    Ok(match place.kind() {
        Kind::Object => place.children().filter_map(|child| Some((child.key()?.into_owned(), word(&child)?))).collect(),
        Kind::Array => place.children().filter_map(|item| Some((item.as_str()?.into_owned(), true))).collect(),
        Kind::String => {
            let text = place.as_str().unwrap_or_default();
            let names = text.split([',', ';', ' ']).map(str::trim).filter(|name| !name.is_empty());
            names.map(|name| (name.to_string(), true)).collect()
        }
        _ => Vec::new(),
    })
}

/// Whether a value says granted or denied. Source: Google's consent mode has the words.
fn word(value: &Value<'_>) -> Option<bool> {
    if let Some(word) = value.as_bool() {
        return Some(word);
    }
    match value.as_str()?.to_ascii_lowercase().as_str() {
        "granted" | "true" | "yes" | "allow" | "1" => Some(true),
        "denied" | "false" | "no" | "deny" | "0" => Some(false),
        _ => None,
    }
}
