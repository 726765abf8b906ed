//! The settings, and what is made of them once.

use std::collections::BTreeMap;

use switchyard_sdk::JsonWriter;
use switchyard_sdk::money::OrderValue;
use switchyard_sdk::prelude::{Deserialize, key};
use switchyard_sdk::settings::filled;
use switchyard_sdk::url::percent_encode;

use crate::rules::{EVENTS_MAX, TEXT_CHARACTERS_MAX};

/// The settings, as the operator writes them; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    api_key: String,
    #[serde(default)]
    region: Region,
    endpoint: Option<String>,
    #[serde(default)]
    use_batch_endpoint: bool,
    events_per_request: Option<usize>,
    #[serde(default = "yes")]
    keep_order: bool,
    min_id_length: Option<usize>,
    #[serde(default)]
    device_id_from: DeviceIdFrom,
    #[serde(default)]
    identify_as: IdentifyAs,
    #[serde(default = "yes")]
    map_aliases: bool,
    page_event: Option<String>,
    screen_event: Option<String>,
    #[serde(default = "revenue")]
    order_value: OrderValue,
    #[serde(default = "yes")]
    refund_revenue: bool,
    #[serde(default)]
    products: Products,
    #[serde(default)]
    trait_operators: BTreeMap<String, Operator>,
    #[serde(default)]
    unset_null_traits: bool,
    #[serde(default)]
    context_traits: bool,
    #[serde(default = "yes")]
    attribution: bool,
    #[serde(default = "yes")]
    sync_user_properties: bool,
    group_type: Option<String>,
    group_type_trait: Option<String>,
    group_value_trait: Option<String>,
    #[serde(default = "yes")]
    send_ip: bool,
    #[serde(default = "yes")]
    send_user_agent: bool,
    #[serde(default = "yes")]
    send_advertising_id: bool,
    #[serde(default)]
    silenced: Silenced,
}

fn yes() -> bool {
    true
}

fn revenue() -> OrderValue {
    OrderValue::Revenue
}

/// Where the project's data is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Region {
    #[default]
    Us,
    Eu,
}

impl Region {
    fn base(self) -> &'static str {
        match self {
            Region::Us => "https://api2.amplitude.com",
            Region::Eu => "https://api.eu.amplitude.com",
        }
    }

    /// Source: user-mapping, which has a host of its own in the United States.
    fn user_map_base(self) -> &'static str {
        match self {
            Region::Us => "https://api.amplitude.com",
            Region::Eu => "https://api.eu.amplitude.com",
        }
    }
}

/// Which id is the device's, where an event has both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceIdFrom {
    #[default]
    Device,
    AnonymousId,
}

/// How an identify is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentifyAs {
    #[default]
    Form,
    Event,
}

/// What becomes of an order's products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Products {
    #[default]
    InOrder,
    Events,
    EventsWithRevenue,
}

/// How a trait is written to the user.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    Set,
    SetOnce,
    Add,
    Append,
    Prepend,
    PreInsert,
    PostInsert,
    Remove,
    Ignore,
}

/// What becomes of events of devices that the vendor has silenced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silenced {
    #[default]
    Reject,
    Skip,
}

/// Everything that a plan needs, checked once.
#[derive(Clone, Debug)]
pub struct Amplitude {
    pub(crate) events_url: String,
    pub(crate) identify_url: String,
    pub(crate) group_identify_url: String,
    pub(crate) user_map_url: String,
    /// `{"api_key":"...","options":{...},"events":[`
    pub(crate) events_beginning: Vec<u8>,
    /// `api_key=...&options=...&identification=[`, encoded.
    pub(crate) identify_beginning: String,
    pub(crate) group_identify_beginning: String,
    pub(crate) user_map_beginning: String,
    pub(crate) use_batch_endpoint: bool,
    pub(crate) events_per_request: usize,
    pub(crate) keep_order: bool,
    pub(crate) id_characters_min: usize,
    pub(crate) device_id_from: DeviceIdFrom,
    pub(crate) identify_as: IdentifyAs,
    pub(crate) map_aliases: bool,
    pub(crate) page_event: String,
    pub(crate) screen_event: String,
    pub(crate) order_value: OrderValue,
    pub(crate) refund_revenue: bool,
    pub(crate) products: Products,
    pub(crate) trait_operators: BTreeMap<String, Operator>,
    pub(crate) unset_null_traits: bool,
    pub(crate) context_traits: bool,
    pub(crate) attribution: bool,
    pub(crate) sync_user_properties: bool,
    pub(crate) group_type: String,
    pub(crate) group_type_trait: Option<String>,
    pub(crate) group_value_trait: Option<String>,
    pub(crate) send_ip: bool,
    pub(crate) send_user_agent: bool,
    pub(crate) send_advertising_id: bool,
    pub(crate) silenced: Silenced,
}

impl Amplitude {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<Amplitude, String> {
        if settings.api_key.trim().is_empty() {
            return Err("api_key: must be the project's API key".to_string());
        }
        let events_per_request = settings.events_per_request.unwrap_or(EVENTS_MAX);
        if !(1..=EVENTS_MAX).contains(&events_per_request) {
            return Err(format!("events_per_request: must be 1 to {EVENTS_MAX}"));
        }
        let id_characters_min = settings.min_id_length.unwrap_or(1);
        if !(1..=TEXT_CHARACTERS_MAX).contains(&id_characters_min) {
            return Err(format!("min_id_length: must be 1 to {TEXT_CHARACTERS_MAX}"));
        }
        let (base, user_map_base) = match filled(settings.endpoint) {
            Some(endpoint) => (endpoint.trim_end_matches('/').to_string(), endpoint.trim_end_matches('/').to_string()),
            None => (settings.region.base().to_string(), settings.region.user_map_base().to_string()),
        };
        let path = if settings.use_batch_endpoint { "batch" } else { "2/httpapi" };
        let options = options(id_characters_min);
        let form = |options: &str, list: &str| format!("api_key={}{options}&{list}=%5B", settings.api_key);
        let encoded_options = format!("&options={}", percent_encode(&options));
        Ok(Amplitude {
            events_url: format!("{base}/{path}"),
            identify_url: format!("{base}/identify"),
            group_identify_url: format!("{base}/groupidentify"),
            user_map_url: format!("{user_map_base}/usermap"),
            events_beginning: events_beginning(&settings.api_key, &options),
            identify_beginning: form(&encoded_options, "identification"),
            group_identify_beginning: form("", "identification"),
            user_map_beginning: form(&encoded_options, "mapping"),
            use_batch_endpoint: settings.use_batch_endpoint,
            events_per_request,
            keep_order: settings.keep_order,
            id_characters_min,
            device_id_from: settings.device_id_from,
            identify_as: settings.identify_as,
            map_aliases: settings.map_aliases,
            page_event: filled(settings.page_event).unwrap_or("Viewed {name} Page".to_string()),
            screen_event: filled(settings.screen_event).unwrap_or("Viewed {name} Screen".to_string()),
            order_value: settings.order_value,
            refund_revenue: settings.refund_revenue,
            products: settings.products,
            trait_operators: settings.trait_operators,
            unset_null_traits: settings.unset_null_traits,
            context_traits: settings.context_traits,
            attribution: settings.attribution,
            sync_user_properties: settings.sync_user_properties,
            group_type: filled(settings.group_type).unwrap_or("company".to_string()),
            group_type_trait: filled(settings.group_type_trait),
            group_value_trait: filled(settings.group_value_trait),
            send_ip: settings.send_ip,
            send_user_agent: settings.send_user_agent,
            send_advertising_id: settings.send_advertising_id,
            silenced: settings.silenced,
        })
    }
}

/// The vendor's own minimum is five characters, and shorter ids would be dropped there.
fn options(id_characters_min: usize) -> String {
    format!("{{\"min_id_length\":{id_characters_min}}}")
}

fn events_beginning(api_key: &str, options: &str) -> Vec<u8> {
    let mut json = JsonWriter::new();
    json.begin_object();
    json.member(key!("api_key"), api_key);
    json.member_key(key!("options"));
    json.raw(options.as_bytes());
    json.member_key(key!("events"));
    json.begin_array();
    json.into_bytes()
}
