//! Where an event took place, and what the vendor asks of events from there. Sources: best-practices,
//! required parameters; parameters/app-data; business-messaging; all under
//! developers.facebook.com/documentation/ads-commerce/conversions-api.

use switchyard_sdk::name;
use switchyard_sdk::prelude::*;

use crate::choices::Incomplete;
use crate::custom::one_of;
use crate::rules::{ACTION_SOURCES, ActionSource, MESSAGING_CHANNELS};
use crate::said::{Said, Term};
use crate::settings::Meta;

/// The system of an app's device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum System {
    Android,
    Ios,
}

/// Where an event took place.
pub struct Origin<'a> {
    pub source: ActionSource,
    /// The page, where its address is one.
    pub url: Option<Value<'a>>,
    pub user_agent: Option<Value<'a>>,
    pub system: Option<System>,
    pub channel: Option<&'static str>,
}

impl<'a> Origin<'a> {
    /// Finds it, and puts another in its place where what the vendor asks for is missing.
    ///
    /// # Errors
    /// What is missing, where the settings want that.
    pub fn of(meta: &Meta, event: &Event<'a>, said: &Said<'a>) -> Result<Origin<'a>, &'static str> {
        let context = event.context();
        let user_agent = Some(context.child("userAgent"));
        let mut origin = Origin {
            source: ActionSource::Other,
            url: url(event),
            user_agent: user_agent.filter(|agent| agent.quoted().is_some_and(|text| !text.trim_ascii().is_empty())),
            system: system(context),
            channel: said.get(Term::MessagingChannel).and_then(|channel| one_of(channel, MESSAGING_CHANNELS)),
        };
        let own = said.get(Term::ActionSource).and_then(|source| source.as_str());
        let own = own.and_then(|source| name::lookup(ACTION_SOURCES, &source).copied());
        origin.source = own.or(meta.action_source.fixed()).unwrap_or(match origin.system {
            Some(_) if is_app(event) => ActionSource::App,
            _ => ActionSource::Website,
        });
        if let Some(missing) = origin.missing(context) {
            origin.source = match meta.incomplete {
                Incomplete::Other => ActionSource::Other,
                Incomplete::SystemGenerated => ActionSource::SystemGenerated,
                Incomplete::Reject => return Err(missing),
            };
        }
        Ok(origin)
    }

    fn missing(&self, context: Value<'_>) -> Option<&'static str> {
        match self.source {
            ActionSource::Website if self.user_agent.is_none() => {
                Some("context.userAgent: is missing, and the vendor asks for it where action_source is website")
            }
            ActionSource::Website if self.url.is_none() => Some(
                "context.page.url: is missing or no URL, and the vendor asks for it where action_source is website",
            ),
            ActionSource::App if self.system.is_none() => Some(
                "context.device.type: is neither ios nor android, and the vendor asks for it where action_source is app",
            ),
            ActionSource::App if context.child("os").child("version").as_filled_text().is_none() => {
                Some("context.os.version: is missing, and the vendor asks for it where action_source is app")
            }
            ActionSource::BusinessMessaging if self.channel.is_none() => Some(
                "messaging_channel: is missing, and the vendor asks for it where action_source is business_messaging",
            ),
            _ => None,
        }
    }
}

/// The address of the page: a page call's own, else the context's.
fn url<'a>(event: &Event<'a>) -> Option<Value<'a>> {
    let own = if event.kind() == Kind::Page { address(event.properties().child("url")) } else { None };
    own.or_else(|| address(event.context().child("page").child("url")))
}

/// The address of the page before.
pub fn referrer<'a>(event: &Event<'a>) -> Option<Value<'a>> {
    let own = if event.kind() == Kind::Page { address(event.properties().child("referrer")) } else { None };
    own.or_else(|| address(event.context().child("page").child("referrer")))
}

/// A URL of the web, without blanks.
fn address(value: Value<'_>) -> Option<Value<'_>> {
    let quoted = value.quoted()?;
    let is_web = ["http://", "https://"].iter().any(|scheme| {
        quoted.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
            && quoted.len() > scheme.len()
    });
    (is_web && !quoted.contains(&b' ')).then_some(value)
}

fn system(context: Value<'_>) -> Option<System> {
    let named = |value: Value<'_>| match value.quoted()?.trim_ascii() {
        name if name.eq_ignore_ascii_case(b"android") => Some(System::Android),
        name if [&b"ios"[..], b"ipados", b"iphone os"].iter().any(|ios| name.eq_ignore_ascii_case(ios)) => {
            Some(System::Ios)
        }
        _ => None,
    };
    named(context.child("device").child("type")).or_else(|| named(context.child("os").child("name")))
}

/// Whether an event of a phone is of an app on it, not of its browser.
fn is_app(event: &Event<'_>) -> bool {
    let context = event.context();
    event.kind() == Kind::Screen
        || context.child("app").is_object()
        || one_of(context.child("channel"), &["mobile"]).is_some()
}
