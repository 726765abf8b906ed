//! What the vendor calls an event.

use std::borrow::Cow;

use switchyard_sdk::name;
use switchyard_sdk::prelude::*;

use crate::rules::{NAME_CHARACTERS_MAX, Of, RESERVED, STANDARD, Standard, Worth};
use crate::settings::TikTok;
use crate::source::Source;
use crate::tables::{EVENTS, LEAD, PURCHASE};

/// Why an event is not sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Skip(Cow<'static, str>),
    Reject(Cow<'static, str>),
}

impl Refusal {
    pub fn into_fate(self, event: &Event<'_>, plan: &mut Plan) {
        match self {
            Refusal::Skip(reason) => plan.skip(event, reason),
            Refusal::Reject(reason) => plan.reject(event, reason),
        }
    }
}

/// An event's name, and what follows from it.
#[derive(Clone, Debug)]
pub struct Title<'a> {
    pub name: Cow<'a, str>,
    pub source: Source,
    pub worth: Worth,
}

impl<'a> Title<'a> {
    /// A name of the vendor's, or of the settings.
    fn of(name: &'a str, source: Source) -> Title<'a> {
        let standard = STANDARD.iter().find(|standard| standard.name == name);
        Title { name: Cow::Borrowed(name), source, worth: standard.map_or(Worth::Given, |standard| standard.worth) }
    }
}

/// What an event is called, or why it is not sent.
pub fn title<'a>(tiktok: &'a TikTok, event: &Event<'a>, source: Source) -> Result<Title<'a>, Refusal> {
    let named = |name: &'a Option<String>, reason: &'static str| match name {
        Some(name) => Ok(Title::of(name, source)),
        None => Err(Refusal::Skip(reason.into())),
    };
    match event.kind() {
        Kind::Track => track(tiktok, event, source),
        Kind::Page => named(&tiktok.page_event, "type: the setting page_event names no event"),
        Kind::Screen => named(&tiktok.screen_event, "type: the setting screen_event names no event"),
        Kind::Identify => named(
            &tiktok.identify_event,
            "type: an identify is no event, unless the setting identify_event names one; other events bring the \
             traits of their context",
        ),
        Kind::Group | Kind::Alias | Kind::Other => Err(Refusal::Skip("type: the vendor has nothing for it".into())),
    }
}

fn track<'a>(tiktok: &'a TikTok, event: &Event<'a>, source: Source) -> Result<Title<'a>, Refusal> {
    let given = event.event_name().as_filled_str().ok_or(Refusal::Reject("event: is missing".into()))?;
    if let Some((_, renamed)) = tiktok.event_names.iter().find(|(from, _)| name::same(from, &given)) {
        return Ok(Title::of(renamed, source));
    }
    let is_app = source == Source::App;
    let known = name::lookup(EVENTS, &given).map(|names| if is_app { names.app } else { names.web });
    match known {
        Some(PURCHASE) if !is_app => return Ok(Title::of(tiktok.purchase_event, source)),
        Some(LEAD) => return Ok(Title::of(tiktok.form_event, source)),
        Some("") | None => {}
        Some(known) => return Ok(Title::of(known, source)),
    }
    if let Some(standard) = standard(&given, is_app) {
        return Ok(Title { name: Cow::Borrowed(standard.name), source, worth: standard.worth });
    }
    custom(tiktok, given, source)
}

/// The standard event of that name, whatever its case, spaces and dashes: `add_to_cart`.
fn standard(name: &str, is_app: bool) -> Option<&'static Standard> {
    let other = if is_app { Of::Web } else { Of::App };
    STANDARD.iter().find(|standard| standard.of != other && is_compactly(name, standard.name))
}

fn is_compactly(name: &str, compact: &str) -> bool {
    let letters = name.bytes().filter(|byte| !matches!(byte, b' ' | b'_' | b'-')).map(|byte| byte.to_ascii_lowercase());
    letters.eq(compact.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// An event that is none of the vendor's.
fn custom<'a>(tiktok: &TikTok, given: Cow<'a, str>, source: Source) -> Result<Title<'a>, Refusal> {
    let shown = || switchyard_sdk::text::cut(&given, 2 * NAME_CHARACTERS_MAX).to_string();
    if !tiktok.custom_events {
        let reason = format!("event: `{}` is no standard event of the vendor, and custom_events is off", shown());
        return Err(Refusal::Skip(reason.into()));
    }
    let reserved = RESERVED.iter().find(|(reserved, _)| is_compactly(&given, reserved));
    if let Some((_, counted_as)) = reserved.filter(|_| source != Source::App) {
        let reason = format!("event: `{}` is reserved by the vendor, which counts it as {counted_as}", shown());
        return Err(Refusal::Skip(reason.into()));
    }
    if let Some(reason) = refused_name(&without_spaces(&given)) {
        return Err(Refusal::Skip(format!("event: `{}` {reason}", shown()).into()));
    }
    Ok(Title { name: Cow::Owned(without_spaces(&given)), source, worth: Worth::Given })
}

/// Trimmed, and `_` for the spaces inside.
fn without_spaces(name: &str) -> String {
    name.split_whitespace().collect::<Vec<&str>>().join("_")
}

/// Why the vendor does not take a name. Source: ads.tiktok.com/help/article/custom-events.
pub fn refused_name(name: &str) -> Option<&'static str> {
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) || !name.bytes().all(is_kept) {
        return Some("must begin with a letter and have only letters of the Latin alphabet, digits, _ and -");
    }
    (name.len() > NAME_CHARACTERS_MAX).then_some("has more than 50 characters")
}
