//! What is made of the settings once, and checked.

use std::collections::BTreeMap;

use switchyard_sdk::money::OrderValue;
use switchyard_sdk::prelude::*;

use crate::condition::Condition;
use crate::fields::Path;
use crate::pattern::Pattern;
use crate::rules::{Said, TEXTS};
use crate::settings::{Layout, MessageSettings, Settings};
use crate::template::Template;

/// Where messages go, and what they have in common there.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) url: String,
    /// The setting of the webhook: the lane of its messages, and its name for people.
    pub(crate) webhook: String,
    /// What each body ends with, from the comma behind its text on.
    pub(crate) ending: Vec<u8>,
}

/// A line of `messages`.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) kind: Kind,
    pub(crate) event: Option<Pattern>,
    pub(crate) only_where: Vec<(Path, Condition)>,
    /// None: the default.
    pub(crate) text: Option<Template>,
    /// Its place in the targets.
    pub(crate) target: usize,
}

/// Everything that a plan needs, checked once.
#[derive(Clone, Debug)]
pub struct Slack {
    /// The first is the webhook that has no name.
    pub(crate) targets: Vec<Target>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) include_unmatched: bool,
    pub(crate) exclude_events: Vec<Pattern>,
    pub(crate) default_text: Option<Template>,
    /// In the order of [`Said`].
    pub(crate) texts: Vec<Template>,
    pub(crate) shown_traits: Vec<(String, Path)>,
    pub(crate) order_value: OrderValue,
    /// Three capital letters.
    pub(crate) default_currency: Option<String>,
    pub(crate) layout: Layout,
    pub(crate) footer: Option<Template>,
    pub(crate) link_plain_text: bool,
    pub(crate) events_per_message: usize,
    pub(crate) pause_ms: u64,
    /// None: any age.
    pub(crate) age_ms_max: Option<i64>,
    pub(crate) too_old: String,
}

impl Slack {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<Slack, String> {
        let (targets, rules) = targets_and_rules(&settings)?;
        let texts = TEXTS.iter().map(|(_, text)| Template::new(text));
        let shown_traits = settings.shown_traits.iter().map(|name| {
            let path = Path::read(&format!("traits.{name}")).map_err(|error| format!("shown_traits: {error}"))?;
            Ok((name.clone(), path))
        });
        let age_ms_max = i64::try_from(settings.max_age_minutes.saturating_mul(60_000)).unwrap_or(i64::MAX);
        Ok(Slack {
            targets,
            rules,
            include_unmatched: settings.include_unmatched,
            exclude_events: settings.exclude_events.iter().map(|name| Pattern::new(name)).collect(),
            default_text: template("default_text", settings.default_text.as_ref())?,
            texts: texts.collect::<Result<_, String>>()?,
            shown_traits: shown_traits.collect::<Result<_, String>>()?,
            order_value: settings.order_value,
            default_currency: settings.default_currency.map(|currency| currency.to_ascii_uppercase()),
            layout: settings.layout,
            footer: template("footer", Some(&settings.footer))?,
            link_plain_text: settings.link_plain_text,
            events_per_message: settings.events_per_message.max(1),
            pause_ms: settings.pause_ms,
            age_ms_max: Some(age_ms_max).filter(|age_ms_max| *age_ms_max > 0),
            too_old: format!("timestamp: is longer ago than max_age_minutes, {}", settings.max_age_minutes),
        })
    }

    /// A default text.
    pub fn text(&self, said: Said) -> &Template {
        &self.texts[said as usize]
    }
}

/// Lines that agree in where they go share a target.
fn targets_and_rules(settings: &Settings) -> Result<(Vec<Target>, Vec<Rule>), String> {
    let mut targets = vec![target(settings, &MessageSettings::default())?];
    let mut known = BTreeMap::from([((None, None, None), 0)]);
    let mut rules = Vec::with_capacity(settings.messages.len());
    for (number, message) in settings.messages.iter().enumerate() {
        let place = |error: String| format!("messages.{number}.{error}");
        let parts = (message.webhook.as_ref(), message.channel.as_ref(), message.thread_ts.as_ref());
        let target = match known.get(&parts) {
            Some(target) => *target,
            None => {
                targets.push(target(settings, message).map_err(place)?);
                known.insert(parts, targets.len() - 1);
                targets.len() - 1
            }
        };
        rules.push(rule(message, target).map_err(place)?);
    }
    Ok((targets, rules))
}

/// Where the messages of one line go; the empty line's are those of no line.
fn target(settings: &Settings, message: &MessageSettings) -> Result<Target, String> {
    let (webhook, secret) = match &message.webhook {
        None => ("webhook_url".to_string(), &settings.webhook_url),
        Some(name) => match settings.webhooks.get(name) {
            Some(secret) => (format!("webhooks.{name}"), secret),
            None => return Err(format!("webhook: there is no `{name}` among the webhooks of further channels")),
        },
    };
    let url = match filled(settings.endpoint.as_ref()) {
        Some(endpoint) => format!("{}/{secret}", endpoint.trim_end_matches('/')),
        None => secret.clone(),
    };
    Ok(Target { url, webhook, ending: ending(settings, message) })
}

fn ending(settings: &Settings, message: &MessageSettings) -> Vec<u8> {
    let mut json = JsonWriter::new();
    // A comma comes first where something stands before.
    json.verbatim(b" ");
    let texts = [
        (key!("channel"), &message.channel),
        (key!("thread_ts"), &message.thread_ts),
        (key!("username"), &settings.username),
        (key!("icon_emoji"), &settings.icon_emoji),
        (key!("icon_url"), &settings.icon_url),
    ];
    for (key, text) in texts {
        if let Some(text) = filled(text.as_ref()) {
            json.member(key, text);
        }
    }
    json.member(key!("unfurl_links"), settings.unfurl);
    json.member(key!("unfurl_media"), settings.unfurl);
    json.end_object();
    json.into_bytes().split_off(1)
}

fn rule(message: &MessageSettings, target: usize) -> Result<Rule, String> {
    if message.event.is_some() && !message.kind.has_names() {
        return Err("event: this kind of event has no name; leave it out".to_string());
    }
    let only_where = message.only_where.iter().map(|(path, text)| Ok((Path::read(path)?, Condition::read(text)?)));
    Ok(Rule {
        kind: message.kind.kind(),
        event: message.event.as_deref().map(Pattern::new),
        only_where: only_where.collect::<Result<_, String>>().map_err(|error| format!("where: {error}"))?,
        text: template("text", message.text.as_ref())?,
        target,
    })
}

fn template(setting: &str, text: Option<&String>) -> Result<Option<Template>, String> {
    filled(text).map(Template::new).transpose().map_err(|error| format!("{setting}: {error}"))
}

fn filled(setting: Option<&String>) -> Option<&str> {
    setting.map(String::as_str).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Slack;

    /// What is said of settings with these changes.
    fn said(changes: Value) -> Result<(), String> {
        let mut settings = json!({
            "webhook_url": "https://hooks.slack.com/services/T0/B0/X", "include_unmatched": false,
            "order_value": "total", "layout": "blocks", "footer": "", "link_plain_text": false, "unfurl": false,
            "events_per_message": 20, "pause_ms": 1000, "max_age_minutes": 60,
        });
        for (name, value) in changes.as_object().unwrap() {
            settings[name] = value.clone();
        }
        Slack::new(serde_json::from_value(settings).unwrap()).map(drop)
    }

    #[test]
    fn settings_that_are_wrong_are_named() {
        let check = |changes: Value, wanted: &str| {
            let said = said(changes).unwrap_err();
            assert!(said.starts_with(wanted), "{said}");
        };
        check(json!({"messages": [{"event": "A"}, {"webhook": "alerts"}]}), "messages.1.webhook: there is no `alerts`");
        check(json!({"messages": [{"kind": "identify", "event": "A"}]}), "messages.0.event: ");
        check(json!({"messages": [{"text": "{{x}}"}]}), "messages.0.text: {{x}} is no field");
        check(json!({"messages": [{"where": {"plan": "x"}}]}), "messages.0.where: {{plan}} is no field");
        check(json!({"messages": [{"where": {"properties.total": "> x"}}]}), "messages.0.where: `> x`: a number");
        check(json!({"default_text": "[["}), "default_text: ");
        check(json!({"footer": "{{"}), "footer: ");
        check(json!({"shown_traits": ["a..b"]}), "shown_traits: ");
        assert_eq!(said(json!({})), Ok(()));
        assert_eq!(said(json!({"webhooks": {"alerts": "x"}, "messages": [{"webhook": "alerts"}]})), Ok(()));
    }
}
