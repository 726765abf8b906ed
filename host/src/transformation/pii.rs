//! Personal data: classes of it, found by the keys that it has and by its form, and what becomes of it.
//!
//! A pipeline's policy names an action for a class; a destination may be excepted. A class that is
//! treated before storage is so on ingest, and nobody is excepted. On the way to a destination the
//! policy comes after all rules, so that no rule can carry a value past it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::event::index::{Kind, Value, View};

use super::change::scalar;
use super::convert;
use super::draft::Edits;
use super::hash::{Form, Hash, is_hash};
use super::mask::{HIDDEN, Style};
use super::path::{Path, Place};
use super::rule::Secret;
use super::search::{EMAIL, PHONE, Sight, search};
use super::steps::{Exhausted, Steps};

/// Paths that one class may name beside those that it is known by.
pub const PATHS_MAX: usize = 100;

/// A class of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// E-mail addresses, wherever they stand.
    Email,
    /// Phone numbers: those at their keys, and those in international form anywhere.
    Phone,
    /// Names of people.
    Name,
    /// Postal addresses.
    Address,
    /// Network addresses.
    Ip,
    /// Coordinates.
    Location,
    /// Texts that people write.
    FreeText,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 7] =
        [Class::Email, Class::Phone, Class::Name, Class::Address, Class::Ip, Class::Location, Class::FreeText];

    /// Its name in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Email => "email",
            Class::Phone => "phone",
            Class::Name => "name",
            Class::Address => "address",
            Class::Ip => "ip",
            Class::Location => "location",
            Class::FreeText => "free_text",
        }
    }

    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What becomes of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It goes as it is.
    Allow,
    /// It is taken away.
    Remove,
    /// So much of it is hidden that nobody is known by it: of an address in the network the network
    /// stays, of coordinates 10 km, of a phone its last 2 digits, of an e-mail address the domain, of a
    /// text what is no e-mail address or phone.
    Mask,
    /// SHA-256 in hexadecimal of the normal form; with a secret, HMAC-SHA-256.
    Hash,
}

/// The policy of a pipeline, as it is written: by the name of the class.
pub type PolicyAsWritten = BTreeMap<String, Treatment>;

/// What becomes of a class, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Treatment {
    /// An action.
    Short(Action),
    /// An action, and more.
    Long(LongTreatment),
}

/// What becomes of a class, as it is written in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongTreatment {
    /// What becomes of it.
    pub action: Action,
    /// Whether it is treated on ingest, so that the value is never stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before_storage: bool,
    /// Paths that hold it, beside those that it is known by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Whether values are also found by their form (true), or only by their keys and paths.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub by_pattern: bool,
    /// For `hash`: the key of an HMAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// For `hash` of phones: the country code of those that are written without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
}

fn yes() -> bool {
    true
}

fn is_yes(yes: &bool) -> bool {
    *yes
}

/// A policy that was checked: for one destination, or for the storage.
#[derive(Debug, Default)]
pub struct Policy {
    classes: Vec<Treated>,
    by_key: u8,
    by_pattern: u8,
}

#[derive(Debug)]
struct Treated {
    class: Class,
    action: Action,
    paths: Vec<Path>,
    hash: Hash,
}

/// What is wrong with a policy: the class, and what would be right.
pub type PolicyError = (String, String);

/// Which part of a policy.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// What is treated on ingest.
    BeforeStorage,
    /// What is treated on the way to a destination, but for these classes.
    Delivery(&'a [Class]),
}

impl Policy {
    /// Checks a part of a policy.
    ///
    /// # Errors
    /// Its first mistake.
    pub fn new(written: &PolicyAsWritten, part: Part<'_>) -> Result<Policy, PolicyError> {
        let mut policy = Policy::default();
        for (name, treatment) in written {
            let wrong = |message: String| (name.clone(), message);
            let class = Class::ALL.into_iter().find(|class| class.as_str() == name).ok_or_else(|| {
                let known = Class::ALL.map(Class::as_str).join(", ");
                wrong(format!("`{name}` is no class of personal data: there are {known}"))
            })?;
            let long = match treatment {
                Treatment::Short(action) => &LongTreatment {
                    action: *action,
                    before_storage: false,
                    paths: Vec::new(),
                    by_pattern: true,
                    secret: None,
                    country_code: None,
                },
                Treatment::Long(long) => long,
            };
            if long.paths.len() > PATHS_MAX {
                return Err(wrong(format!("a class has at most {PATHS_MAX} paths")));
            }
            let paths = long
                .paths
                .iter()
                .map(|text| Path::parse(text).map_err(|error| wrong(format!("`{text}`: {}", error.message))));
            let paths = paths.collect::<Result<Vec<Path>, _>>()?;
            if let Some(fixed) = paths.iter().map(Path::root).find(|root| ["messageId", "type"].contains(root)) {
                return Err(wrong(format!("`{fixed}` says which event it is: it cannot be changed")));
            }
            let secret = match &long.secret {
                None => None,
                Some(secret) => {
                    let key =
                        secret.key().ok_or_else(|| wrong("the secret is a text that is not empty".to_string()))?;
                    Some(key.to_string())
                }
            };
            let applies = match part {
                Part::BeforeStorage => long.before_storage,
                Part::Delivery(allowed) => {
                    if long.before_storage && allowed.contains(&class) {
                        let message = "it is treated before storage: no destination can have it as it was";
                        return Err(wrong(message.to_string()));
                    }
                    // What was stored before the policy was made is treated now.
                    !allowed.contains(&class)
                }
            };
            if !applies || long.action == Action::Allow {
                continue;
            }
            let form = match class {
                Class::Email => Form::Email,
                Class::Phone => Form::Phone,
                _ => Form::Text,
            };
            policy.by_key |= class.bit();
            if long.by_pattern {
                policy.by_pattern |= class.bit();
            }
            let hash = Hash { form, country_code: long.country_code.clone(), secret };
            policy.classes.push(Treated { class, action: long.action, paths, hash });
        }
        Ok(policy)
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Whether a class is treated wherever it is found, by key or by form.
    pub fn treats_everywhere(&self, class: Class) -> bool {
        self.by_key & self.by_pattern & class.bit() != 0
    }

    /// What becomes of a class; None: it is not treated.
    pub fn action(&self, class: Class) -> Option<Action> {
        self.classes.iter().find(|treated| treated.class == class).map(|treated| treated.action)
    }

    /// Notes the edits that it makes; answers the classes that were found.
    pub(super) fn apply(&self, view: View<'_>, edits: &mut Edits, steps: &Steps) -> Result<Vec<Class>, Exhausted> {
        let mut found = Vec::new();
        if self.classes.is_empty() {
            return Ok(found);
        }
        let mut seen = |class: Class| {
            if !found.contains(&class) {
                found.push(class);
            }
        };
        for treated in &self.classes {
            for path in &treated.paths {
                path.each(view, steps, &mut |place| {
                    let Place::There(value) = place else { return Ok(()) };
                    seen(treated.class);
                    treated.whole(view, &value, edits, steps)
                })?;
            }
        }
        let treated = |class: Class| self.classes.iter().find(|treated| treated.class == class);
        search(view, self.by_key, self.by_pattern, steps, &mut |value, sight| match sight {
            Sight::Whole(class) => {
                seen(class);
                treated(class).map_or(Ok(()), |treated| treated.whole(view, value, edits, steps))
            }
            Sight::Parts(parts) => {
                parts.iter().for_each(|(class, _)| seen(*class));
                treat_parts(value, parts, &treated, edits)
            }
        })?;
        Ok(found)
    }
}

impl Treated {
    /// Treats a value that is of the class, with all that it contains.
    fn whole(&self, view: View<'_>, value: &Value<'_>, edits: &mut Edits, steps: &Steps) -> Result<(), Exhausted> {
        if self.action == Action::Remove {
            edits.remove(value);
            return Ok(());
        }
        let mut number = value.number();
        while number < value.entry().next {
            let Some(inner) = view.value(number) else { break };
            steps.take(1)?;
            number += 1;
            if let Some(text) = scalar(&inner) {
                if matches!(inner.kind(), Kind::True | Kind::False) {
                    continue;
                }
                match self.treated(&text, inner.kind()) {
                    Some(Cow::Borrowed(number)) => {
                        let number = edits.arena.number(number)?;
                        edits.replace(&inner, number);
                    }
                    Some(Cow::Owned(text)) if self.keeps_number(&inner) => {
                        let number = edits.arena.number(&text)?;
                        edits.replace(&inner, number);
                    }
                    Some(text) => {
                        let text = edits.arena.text(&text)?;
                        edits.replace(&inner, text);
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }

    fn keeps_number(&self, value: &Value<'_>) -> bool {
        value.kind() == Kind::Number && self.class == Class::Location && self.action == Action::Mask
    }

    /// What a value becomes; None: it stays.
    fn treated<'t>(&self, text: &'t str, kind: Kind) -> Option<Cow<'t, str>> {
        match self.action {
            Action::Allow => None,
            Action::Remove => Some(Cow::Owned(String::new())),
            // What is hashed, perhaps by this policy before it was stored, is hidden as well as it can be.
            Action::Hash | Action::Mask if is_hash(text) => None,
            Action::Hash => self.hash.of(text).map(Cow::Owned),
            Action::Mask => Some(Cow::Owned(match self.class {
                Class::Email => Style::Email.mask(text),
                Class::Phone => Style::Last(2).mask(text),
                Class::Ip => Style::Ip.mask(text),
                Class::Location => match kind {
                    Kind::Number => convert::rounded(text, 1).unwrap_or_else(|| "0".to_string()),
                    _ => HIDDEN.to_string(),
                },
                Class::FreeText => scrubbed(text),
                Class::Name | Class::Address => HIDDEN.to_string(),
            })),
        }
    }
}

/// Treats parts of a text, which are in order and apart.
fn treat_parts<'p>(
    value: &Value<'_>,
    parts: &[(Class, Range<usize>)],
    treated: &dyn Fn(Class) -> Option<&'p Treated>,
    edits: &mut Edits,
) -> Result<(), Exhausted> {
    let Some(text) = value.as_str() else { return Ok(()) };
    let mut made = String::with_capacity(text.len());
    let (mut copied, mut removes) = (0, false);
    for (class, part) in parts {
        let Some(treated) = treated(*class) else { continue };
        removes |= treated.action == Action::Remove;
        made.push_str(text.get(copied..part.start).unwrap_or_default());
        let found = text.get(part.clone()).unwrap_or_default();
        // In an address of a page the sign is written so.
        let plain = found.replace("%40", "@");
        match treated.treated(&plain, Kind::String) {
            Some(hidden) => made.push_str(&hidden),
            None => made.push_str(found),
        }
        copied = part.end;
    }
    made.push_str(text.get(copied..).unwrap_or_default());
    if removes && made.trim().is_empty() {
        edits.remove(value);
    } else if made != *text {
        let made = edits.arena.text(&made)?;
        edits.replace(value, made);
    }
    Ok(())
}

/// A text that people wrote, without the e-mail addresses and phones in it.
fn scrubbed(text: &str) -> String {
    let without = EMAIL.replace_all(text, HIDDEN);
    PHONE.replace_all(&without, HIDDEN).into_owned()
}
