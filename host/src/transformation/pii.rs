//! Personal data: classes of it, found by the keys that it has and by its form, and what becomes of it.
//!
//! A pipeline's policy names an action for a class; a destination may be excepted. A class that is
//! treated before storage is so on ingest, and nobody is excepted. On the way to a destination the
//! policy comes after all rules, so that no rule can carry a value past it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::event::index::{Kind, Value, View};

use super::change::scalar;
use super::convert;
use super::draft::Edits;
use super::hash::{Form, Hash, is_hash};
use super::mask::{HIDDEN, Style};
use super::path::{Path, Place};
use super::rule::Secret;
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

    fn bit(self) -> u8 {
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
            Action::Hash => self.hash.of(text).map(Cow::Owned),
            // What is hashed is hidden as well as it can be.
            Action::Mask if is_hash(text) => None,
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

/// Which classes of personal data an event has, by key or by form.
pub fn classes_in(view: View<'_>, steps: &Steps) -> Result<Vec<Class>, Exhausted> {
    let mut found = Vec::new();
    search(view, u8::MAX, u8::MAX, steps, &mut |value, sight| {
        let in_value = (value.number()..value.entry().next).filter_map(|number| view.value(number));
        let mut texts = in_value.filter_map(|inner| scalar(&inner));
        let is_plain = texts.any(|text| !is_treated(&text));
        let classes: Vec<Class> = match sight {
            Sight::Whole(class) => vec![class],
            Sight::Parts(parts) => parts.iter().map(|(class, _)| *class).collect(),
        };
        for class in classes.into_iter().filter(|_| is_plain) {
            if !found.contains(&class) {
                found.push(class);
            }
        }
        Ok(())
    })?;
    found.sort();
    Ok(found)
}

/// Whether a value is what hashing or hiding leaves.
fn is_treated(text: &str) -> bool {
    is_hash(text) || text == HIDDEN || text.contains("***")
}

/// What the host and the events' own grammar need as it is.
const PASSED_OVER: [&str; 10] = [
    "type",
    "messageId",
    "event",
    "timestamp",
    "originalTimestamp",
    "sentAt",
    "receivedAt",
    "integrations",
    "channel",
    "version",
];

/// What was found in a value.
enum Sight<'s> {
    /// It is of the class, with all that it contains.
    Whole(Class),
    /// Parts of its text are; in order and apart.
    Parts(&'s [(Class, Range<usize>)]),
}

type Found<'f> = dyn FnMut(&Value<'_>, Sight<'_>) -> Result<(), Exhausted> + 'f;

/// Calls `found` with each value that is of a class by its key, or of which parts are by their form.
fn search(view: View<'_>, by_key: u8, by_pattern: u8, steps: &Steps, found: &mut Found<'_>) -> Result<(), Exhausted> {
    for top in view.root().children() {
        let Some(key) = top.key() else { continue };
        if PASSED_OVER.contains(&&*key) {
            continue;
        }
        let traits = match &*key {
            "traits" => top.number()..top.entry().next,
            "context" => top.member("traits").map_or(0..0, |traits| traits.number()..traits.entry().next),
            _ => 0..0,
        };
        let mut number = top.number();
        while number < top.entry().next {
            let Some(value) = view.value(number) else { break };
            steps.take(1)?;
            if let Some(class) =
                class_of_key(&value, traits.contains(&number)).filter(|class| by_key & class.bit() != 0)
            {
                found(&value, Sight::Whole(class))?;
                // What it contains is of the class, too.
                number = value.entry().next.max(number + 1);
                continue;
            }
            if value.kind() == Kind::String {
                by_form(&value, by_pattern, steps, found)?;
            }
            number += 1;
        }
    }
    Ok(())
}

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[A-Za-z0-9._%+\-]{1,64}(?:@|%40)[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+").expect("a good pattern")
});
static PHONE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\+[0-9][0-9 ()./\-]{6,20}[0-9]").expect("a good pattern"));

fn by_form(value: &Value<'_>, classes: u8, steps: &Steps, found: &mut Found<'_>) -> Result<(), Exhausted> {
    let Some(raw) = value.raw_str() else { return Ok(()) };
    steps.take_bytes(raw.len())?;
    let mut parts: Vec<(Class, Range<usize>)> = Vec::new();
    let mut look = |class: Class, form: &Regex| -> Result<(), Exhausted> {
        let Some(text) = value.as_str() else { return Ok(()) };
        // An automaton looks at each byte a few times.
        steps.take_bytes(text.len() * 8)?;
        let before = parts.len();
        for part in form.find_iter(&text).map(|part| part.range()) {
            steps.take(1 + before as u64)?;
            if parts[..before].iter().all(|(_, known)| part.end <= known.start || part.start >= known.end) {
                parts.push((class, part));
            }
        }
        Ok(())
    };
    let may_be_email = memchr::memchr(b'@', raw).is_some() || memchr::memmem::find(raw, b"%40").is_some();
    if classes & Class::Email.bit() != 0 && may_be_email {
        look(Class::Email, &EMAIL)?;
    }
    if classes & Class::Phone.bit() != 0 && memchr::memchr(b'+', raw).is_some() {
        look(Class::Phone, &PHONE)?;
    }
    if !parts.is_empty() {
        parts.sort_by_key(|(_, part)| part.start);
        return found(value, Sight::Parts(&parts));
    }
    let may_be_ip =
        (3..=45).contains(&raw.len()) && raw.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'));
    if classes & Class::Ip.bit() != 0 && may_be_ip {
        let is_version = value.raw_key().is_some_and(|key| key.to_ascii_lowercase().ends_with(b"version"));
        let text = std::str::from_utf8(raw).unwrap_or_default();
        if !is_version && text.parse::<IpAddr>().is_ok() {
            return found(value, Sight::Whole(Class::Ip));
        }
    }
    Ok(())
}

/// A text that people wrote, without the e-mail addresses and phones in it.
fn scrubbed(text: &str) -> String {
    let without = EMAIL.replace_all(text, HIDDEN);
    PHONE.replace_all(&without, HIDDEN).into_owned()
}

/// Keys by which a class is known: letters alone, in lower case. A name is one only of a person, so
/// `name` counts within traits.
const KEYS: [(Class, &[&str]); 6] = [
    (Class::Name, &["firstname", "lastname", "fullname", "middlename", "surname", "givenname", "familyname"]),
    (
        Class::Address,
        &[
            "address",
            "street",
            "addressline1",
            "addressline2",
            "postalcode",
            "zip",
            "zipcode",
            "shippingaddress",
            "billingaddress",
        ],
    ),
    (Class::Ip, &["ip", "ipaddress", "clientip", "remoteaddress"]),
    (Class::Location, &["latitude", "longitude", "lat", "lng", "lon", "coordinates"]),
    (
        Class::FreeText,
        &["message", "comment", "comments", "note", "notes", "feedback", "review", "text", "body", "bio", "question"],
    ),
    (Class::Phone, &["mobile", "tel", "telephone", "cell", "phonenumber", "mobilenumber"]),
];

/// Bytes of the longest key that a class is known by, and of what may stand before it.
const KEY_BYTES_MAX: usize = 32;

fn class_of_key(value: &Value<'_>, in_traits: bool) -> Option<Class> {
    let raw = value.raw_key()?;
    if raw.len() > KEY_BYTES_MAX {
        return None;
    }
    let mut letters = [0; KEY_BYTES_MAX];
    let mut length = 0;
    for byte in raw.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        letters[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let key = &letters[..length];
    if matches!(value.kind(), Kind::Null | Kind::True | Kind::False) {
        return None;
    }
    if key.ends_with(b"email") || key.ends_with(b"emailaddress") || key == b"mail" {
        return Some(Class::Email);
    }
    if key.ends_with(b"phone") {
        return Some(Class::Phone);
    }
    if in_traits && (key == b"name" || key == b"username") {
        return Some(Class::Name);
    }
    let known = KEYS.iter().find(|(_, keys)| keys.iter().any(|known| known.as_bytes() == key));
    known.map(|(class, _)| *class)
}
