//! Which events are posted, where, and what is said of them.

use switchyard_sdk::name::lookup;
use switchyard_sdk::prelude::*;

use crate::condition::Condition;
use crate::fields::Path;
use crate::rules::{EVENTS, said_of};
use crate::slack::{Rule, Slack};
use crate::template::Template;

/// An event that is posted.
pub struct Chosen<'s> {
    pub position: u32,
    pub text: &'s Template,
    /// Its place in the targets.
    pub target: usize,
}

/// Why an event is not posted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refusal<'s> {
    /// Nobody asked for it.
    Skip(&'s str),
    /// It cannot be.
    Reject(&'s str),
}

/// What becomes of an event.
///
/// # Errors
/// Why it is not posted.
pub fn choose<'s>(slack: &'s Slack, event: &Event<'_>, now_ms: u64) -> Result<Chosen<'s>, Refusal<'s>> {
    let kind = event.kind();
    if kind == Kind::Other {
        return Err(Refusal::Skip("type: there are no messages for this kind of event"));
    }
    let name = match kind {
        Kind::Track => event.event_name().as_filled_str(),
        Kind::Page | Kind::Screen => event.page_name().as_filled_str(),
        _ => None,
    };
    if kind == Kind::Track && name.is_none() {
        return Err(Refusal::Reject("event: is missing, or is no text"));
    }
    let name = name.as_deref();
    if name.is_some_and(|name| slack.exclude_events.iter().any(|excluded| excluded.fits(name))) {
        return Err(Refusal::Skip("event: is one of exclude_events"));
    }
    let rule = slack.rules.iter().find(|rule| fits(rule, event, kind, name));
    if rule.is_none() && !slack.include_unmatched {
        return Err(Refusal::Skip("messages: no line fits this event"));
    }
    if slack.age_ms_max.is_some_and(|max| (now_ms as i64).saturating_sub(event.timestamp_ms()) > max) {
        return Err(Refusal::Skip(&slack.too_old));
    }
    let text = rule.and_then(|rule| rule.text.as_ref()).unwrap_or_else(|| default_text(slack, kind, name));
    Ok(Chosen { position: event.position(), text, target: rule.map_or(0, |rule| rule.target) })
}

fn fits(rule: &Rule, event: &Event<'_>, kind: Kind, name: Option<&str>) -> bool {
    rule.kind == kind
        && rule.event.as_ref().is_none_or(|pattern| name.is_some_and(|name| pattern.fits(name)))
        && rule.only_where.iter().all(|(path, condition)| holds(path, condition, event))
}

/// Whether the value at a path is so, or one of a list.
fn holds(path: &Path, condition: &Condition, event: &Event<'_>) -> bool {
    let value = path.find(event);
    let is_so = |value: Value<'_>| value.as_text().is_some_and(|text| condition.holds(&text));
    if value.is_array() { value.children().any(is_so) } else { is_so(value) }
}

fn default_text<'s>(slack: &'s Slack, kind: Kind, name: Option<&str>) -> &'s Template {
    if kind != Kind::Track {
        return slack.text(said_of(kind));
    }
    let said = || name.and_then(|name| lookup(EVENTS, name)).copied().unwrap_or(said_of(kind));
    slack.default_text.as_ref().unwrap_or_else(|| slack.text(said()))
}
