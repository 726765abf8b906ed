//! Where an event took place, and what all events of a request share.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

use crate::members::Routing;
use crate::options;
use crate::settings::{EventSource, TikTok};
use crate::values::{is_said, text};

/// The kinds of event sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    Web,
    App,
    Offline,
    Crm,
}

const ALL: [Source; 4] = [Source::Web, Source::App, Source::Offline, Source::Crm];

impl Source {
    /// As the vendor calls it: `event_source`.
    pub fn name(self) -> &'static str {
        match self {
            Source::Web => "web",
            Source::App => "app",
            Source::Offline => "offline",
            Source::Crm => "crm",
        }
    }

    /// The setting with its id.
    pub fn setting(self) -> &'static str {
        match self {
            Source::Web => "pixel_code",
            Source::App => "app_id",
            Source::Offline => "offline_event_set_id",
            Source::Crm => "crm_event_set_id",
        }
    }

    /// The one that the setting names.
    pub fn of_setting(setting: EventSource) -> Option<Source> {
        match setting {
            EventSource::Auto => None,
            EventSource::Web => Some(Source::Web),
            EventSource::App => Some(Source::App),
            EventSource::Offline => Some(Source::Offline),
            EventSource::Crm => Some(Source::Crm),
        }
    }

    fn named(value: Option<Value<'_>>) -> Option<Source> {
        let quoted = value?.quoted()?;
        ALL.into_iter().find(|source| source.name().as_bytes() == quoted)
    }

    /// An app's events go to the app, when there is one; others to the first source that has an id.
    fn guessed(tiktok: &TikTok, event: &Event<'_>) -> Source {
        let has_id = |source: &Source| tiktok.ids[*source as usize].is_some();
        if has_id(&Source::App) && is_of_app(event) {
            return Source::App;
        }
        ALL.into_iter().find(has_id).unwrap_or(Source::Web)
    }
}

/// A screen, or something that happened in a phone's own system rather than in a browser.
fn is_of_app(event: &Event<'_>) -> bool {
    let is = |path: &str, text: &[u8]| {
        event.context().get(path).quoted().is_some_and(|quoted| quoted.eq_ignore_ascii_case(text))
    };
    event.kind() == Kind::Screen
        || is("channel", b"mobile")
        || is("device.type", b"ios")
        || is("device.type", b"android")
}

/// The request that an event goes into.
pub struct Route<'a> {
    pub source: Source,
    /// What the sender means for this vendor only, and what the properties say.
    own: Routing<'a>,
    properties: Routing<'a>,
}

impl<'a> Route<'a> {
    /// The event source is the one that the event names, else the one of the setting, else what the
    /// event looks like.
    pub fn of(tiktok: &TikTok, event: &Event<'a>) -> Route<'a> {
        let own = options::of(event).map(Routing::of).unwrap_or_default();
        let properties = Routing::of(event.properties());
        let named = Source::named(own.event_source).or_else(|| Source::named(properties.event_source));
        let source = named.or_else(|| Source::of_setting(tiktok.event_source));
        Route { source: source.unwrap_or_else(|| Source::guessed(tiktok, event)), own, properties }
    }

    /// The id of the event source, when the event names one that no setting has.
    pub fn foreign_id(&self, tiktok: &TikTok) -> Option<Cow<'a, str>> {
        let id = self.own.event_source_id.filter(is_said)?.as_text()?;
        let is_known = tiktok.ids.iter().flatten().any(|known| *known == id);
        (!is_known).then_some(id)
    }

    /// Writes a body up to its list of events: what events must agree in to share a request. Source:
    /// portal/docs?id=1771100865818625.
    ///
    /// # Errors
    /// The setting whose id is missing.
    pub fn write_head(&self, tiktok: &TikTok, json: &mut JsonWriter) -> Result<(), String> {
        let (source, setting) = (self.source.name(), self.source.setting());
        let id = self.own.event_source_id.filter(is_said);
        json.verbatim(b"{");
        json.member(key!("event_source"), source);
        match &tiktok.ids[self.source as usize] {
            _ if id.is_some() => text(key!("event_source_id"), id, json),
            Some(id) => json.member(key!("event_source_id"), id),
            None => return Err(format!("event_source: is {source}, and the setting {setting} is missing")),
        }
        let code = self.own.test_event_code.or(self.properties.test_event_code).filter(is_said);
        match &tiktok.test_event_code {
            _ if code.is_some() => text(key!("test_event_code"), code, json),
            Some(code) => json.member(key!("test_event_code"), code),
            None => {}
        }
        if let Some(name) = &tiktok.partner_name {
            json.member(key!("partner_name"), name);
        }
        json.member_key(key!("data"));
        json.begin_array();
        Ok(())
    }
}
