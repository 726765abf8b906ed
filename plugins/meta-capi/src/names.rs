//! Which of the vendor's events an event becomes.

use std::borrow::Cow;

use switchyard_sdk::name;
use switchyard_sdk::prelude::*;
use switchyard_sdk::text::cut;

use crate::choices::{CustomEvents, Screens};
use crate::rules::{CUSTOM, EVENTS, NAME_CHARACTERS_MAX, PAGE_VIEW, Rule, STANDARD_EVENTS};
use crate::settings::Meta;

/// An event's name at the vendor, and its rule.
pub struct Named<'a> {
    pub name: Cow<'a, str>,
    pub rule: &'static Rule,
}

impl Named<'_> {
    fn standard(rule: &'static Rule) -> Named<'static> {
        Named { name: Cow::Borrowed(rule.name), rule }
    }
}

/// The name of an event.
///
/// # Errors
/// Why it is not sent.
pub fn of<'a>(meta: &'a Meta, event: &Event<'a>) -> Result<Named<'a>, Refusal> {
    match event.kind() {
        Kind::Page => Ok(Named::standard(&PAGE_VIEW)),
        Kind::Screen if meta.screens == Screens::PageView => Ok(Named::standard(&PAGE_VIEW)),
        Kind::Screen => Err(Refusal::Skip("type: screens are not sent, by the setting screens")),
        Kind::Track => track(meta, event),
        _ => Err(Refusal::Skip("type: the vendor has nothing for it")),
    }
}

fn track<'a>(meta: &'a Meta, event: &Event<'a>) -> Result<Named<'a>, Refusal> {
    let name = event.event_name().as_filled_str();
    let name = name.ok_or(Refusal::Reject("event: is missing or no text"))?;
    if let Some((_, own)) = meta.event_names.iter().find(|(from, _)| name::same(from, &name)) {
        let rule = name::lookup(STANDARD_EVENTS, own);
        return Ok(rule.map_or(Named { name: Cow::Borrowed(own), rule: &CUSTOM }, |rule| Named::standard(rule)));
    }
    if let Some(rule) = name::lookup(EVENTS, &name).or_else(|| name::lookup(STANDARD_EVENTS, &name)) {
        return Ok(Named::standard(rule));
    }
    if meta.custom_events == CustomEvents::Skip {
        return Err(Refusal::Skip("event: is none of the vendor's, and the setting custom_events says skip"));
    }
    Ok(Named { name: Cow::Owned(cut(name.trim(), NAME_CHARACTERS_MAX).trim_end().to_string()), rule: &CUSTOM })
}
