//! The settings, as the operator writes them; plugin.toml says what each means. Those with a default
//! there are always set: the host fills it in.

use std::collections::BTreeMap;

use switchyard_sdk::Kind;
use switchyard_sdk::money::OrderValue;
use switchyard_sdk::prelude::Deserialize;

/// The settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub(crate) webhook_url: String,
    #[serde(default)]
    pub(crate) webhooks: BTreeMap<String, String>,
    pub(crate) endpoint: Option<String>,
    #[serde(default)]
    pub(crate) messages: Vec<MessageSettings>,
    pub(crate) include_unmatched: bool,
    #[serde(default)]
    pub(crate) exclude_events: Vec<String>,
    pub(crate) default_text: Option<String>,
    #[serde(default)]
    pub(crate) shown_traits: Vec<String>,
    pub(crate) order_value: OrderValue,
    pub(crate) default_currency: Option<String>,
    pub(crate) layout: Layout,
    pub(crate) footer: String,
    pub(crate) link_plain_text: bool,
    pub(crate) unfurl: bool,
    pub(crate) username: Option<String>,
    pub(crate) icon_emoji: Option<String>,
    pub(crate) icon_url: Option<String>,
    pub(crate) events_per_message: usize,
    pub(crate) pause_ms: u64,
    pub(crate) max_age_minutes: u64,
}

/// One line of `messages`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageSettings {
    pub(crate) event: Option<String>,
    #[serde(default)]
    pub(crate) kind: KindSetting,
    #[serde(default, rename = "where")]
    pub(crate) only_where: BTreeMap<String, String>,
    pub(crate) text: Option<String>,
    pub(crate) webhook: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) thread_ts: Option<String>,
}

/// A kind of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KindSetting {
    #[default]
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

impl KindSetting {
    /// As events have it.
    pub fn kind(self) -> Kind {
        match self {
            KindSetting::Track => Kind::Track,
            KindSetting::Identify => Kind::Identify,
            KindSetting::Page => Kind::Page,
            KindSetting::Screen => Kind::Screen,
            KindSetting::Group => Kind::Group,
            KindSetting::Alias => Kind::Alias,
        }
    }

    /// Whether its events have names.
    pub fn has_names(self) -> bool {
        matches!(self, KindSetting::Track | KindSetting::Page | KindSetting::Screen)
    }
}

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    Blocks,
    Text,
}
