//! The settings, and what is made of them once.

use std::collections::BTreeMap;

use switchyard_sdk::JsonWriter;
use switchyard_sdk::money::OrderValue;
use switchyard_sdk::prelude::Deserialize;
use switchyard_sdk::settings::filled;
use switchyard_sdk::text::cut;

use crate::choices::{
    ContentType, CustomEvents, ExternalIds, Incomplete, LimitedDataUse, ProductId, Screens, Source, State, TokenIn,
    WhenDenied,
};
use crate::money::{Currency, currency};
use crate::rules::{EVENTS_MAX, NAME_CHARACTERS_MAX};

const BASE: &str = "https://graph.facebook.com";
const API_VERSION: &str = "v25.0";
const CONSENT_PURPOSE: &str = "advertising";

/// The settings, as the operator writes them; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    dataset_id: String,
    access_token: String,
    #[serde(default)]
    access_token_in: TokenIn,
    api_version: Option<String>,
    endpoint: Option<String>,
    events_per_request: Option<usize>,
    test_event_code: Option<String>,
    #[serde(default)]
    action_source: Source,
    #[serde(default)]
    incomplete: Incomplete,
    #[serde(default)]
    event_names: BTreeMap<String, String>,
    #[serde(default)]
    custom_events: CustomEvents,
    #[serde(default)]
    screens: Screens,
    #[serde(default)]
    order_value: OrderValue,
    default_currency: Option<String>,
    #[serde(default)]
    product_id_from: ProductId,
    #[serde(default)]
    content_type: ContentType,
    #[serde(default = "yes")]
    custom_properties: bool,
    #[serde(default)]
    excluded_properties: Vec<String>,
    default_country_code: Option<String>,
    #[serde(default)]
    external_ids: ExternalIds,
    #[serde(default = "yes")]
    hash_external_ids: bool,
    #[serde(default = "yes")]
    send_ip: bool,
    #[serde(default = "yes")]
    send_advertising_id: bool,
    consent_purpose: Option<String>,
    #[serde(default)]
    when_denied: WhenDenied,
    #[serde(default)]
    limited_data_use: LimitedDataUse,
    #[serde(default)]
    limited_data_use_state: State,
}

fn yes() -> bool {
    true
}

/// Everything that a plan needs, checked once.
#[derive(Clone, Debug)]
pub struct Meta {
    pub(crate) url: String,
    pub(crate) access_token: String,
    pub(crate) access_token_in: TokenIn,
    pub(crate) events_per_request: usize,
    /// What stands behind the last event: `],"test_event_code":"..."}`.
    pub(crate) ending: Vec<u8>,
    pub(crate) action_source: Source,
    pub(crate) incomplete: Incomplete,
    pub(crate) event_names: Vec<(String, String)>,
    pub(crate) custom_events: CustomEvents,
    pub(crate) screens: Screens,
    pub(crate) order_value: OrderValue,
    pub(crate) default_currency: Option<Currency>,
    pub(crate) product_id_from: ProductId,
    pub(crate) content_type: ContentType,
    pub(crate) custom_properties: bool,
    pub(crate) excluded_properties: Vec<String>,
    pub(crate) default_country_code: Option<String>,
    pub(crate) external_ids: ExternalIds,
    pub(crate) hash_external_ids: bool,
    pub(crate) send_ip: bool,
    pub(crate) send_advertising_id: bool,
    pub(crate) consent_purpose: String,
    pub(crate) when_denied: WhenDenied,
    pub(crate) limited_data_use: LimitedDataUse,
    pub(crate) limited_data_use_state: State,
}

impl Meta {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<Meta, String> {
        let dataset_id = settings.dataset_id.trim();
        if dataset_id.is_empty() || !dataset_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("dataset_id: must be the digits of the dataset's or pixel's id".to_string());
        }
        if settings.access_token.trim().is_empty() {
            return Err("access_token: must be an access token of the dataset".to_string());
        }
        let events_per_request = settings.events_per_request.unwrap_or(EVENTS_MAX);
        if !(1..=EVENTS_MAX).contains(&events_per_request) {
            return Err(format!("events_per_request: must be 1 to {EVENTS_MAX}"));
        }
        let default_currency = match filled(settings.default_currency) {
            Some(text) => Some(currency(&text).ok_or("default_currency: must be a code of ISO 4217, such as EUR")?),
            None => None,
        };
        let base = filled(settings.endpoint).unwrap_or(BASE.to_string());
        let version = filled(settings.api_version).unwrap_or(API_VERSION.to_string());
        Ok(Meta {
            url: format!("{}/{version}/{dataset_id}/events", base.trim_end_matches('/')),
            access_token: settings.access_token,
            access_token_in: settings.access_token_in,
            events_per_request,
            ending: ending(filled(settings.test_event_code)),
            action_source: settings.action_source,
            incomplete: settings.incomplete,
            event_names: event_names(settings.event_names)?,
            custom_events: settings.custom_events,
            screens: settings.screens,
            order_value: settings.order_value,
            default_currency,
            product_id_from: settings.product_id_from,
            content_type: settings.content_type,
            custom_properties: settings.custom_properties,
            excluded_properties: settings.excluded_properties,
            default_country_code: filled(settings.default_country_code),
            external_ids: settings.external_ids,
            hash_external_ids: settings.hash_external_ids,
            send_ip: settings.send_ip,
            send_advertising_id: settings.send_advertising_id,
            consent_purpose: filled(settings.consent_purpose).unwrap_or(CONSENT_PURPOSE.to_string()),
            when_denied: settings.when_denied,
            limited_data_use: settings.limited_data_use,
            limited_data_use_state: settings.limited_data_use_state,
        })
    }
}

/// The names without what is blank around them.
fn event_names(names: BTreeMap<String, String>) -> Result<Vec<(String, String)>, String> {
    let check = |(from, to): (String, String)| match to.trim() {
        "" => Err(format!("event_names: `{from}` must have a name")),
        to if cut(to, NAME_CHARACTERS_MAX) != to => {
            Err(format!("event_names: `{to}` must have at most {NAME_CHARACTERS_MAX} characters"))
        }
        to => Ok((from, to.to_string())),
    };
    names.into_iter().map(check).collect()
}

/// Source: developers.facebook.com/documentation/ads-commerce/conversions-api/using-the-api, test events tool.
fn ending(test_event_code: Option<String>) -> Vec<u8> {
    let mut json = JsonWriter::append_to(b"]".to_vec());
    if let Some(code) = test_event_code {
        json.member_named("test_event_code", &code);
    }
    json.verbatim(b"}");
    json.into_bytes()
}
