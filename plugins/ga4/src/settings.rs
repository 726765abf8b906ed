//! The settings, and what is made of them once.

use std::collections::BTreeMap;

use switchyard_sdk::money::{Currency, OrderValue};
use switchyard_sdk::prelude::Deserialize;
use switchyard_sdk::url::percent_encode_into;

use crate::request::refused_name;
use crate::rules::{VALUE_CHARACTERS_MAX, VALUE_CHARACTERS_MAX_360};

const BASE: &str = "https://www.google-analytics.com";
const BASE_EU: &str = "https://region1.google-analytics.com";

/// The settings, as the operator writes them; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    measurement_id: Option<String>,
    firebase_app_id: Option<String>,
    api_secret: String,
    endpoint: Option<String>,
    #[serde(default)]
    region: Region,
    #[serde(default)]
    client_id_from: ClientId,
    #[serde(default)]
    client_id_form: ClientIdForm,
    #[serde(default = "one")]
    engagement_time_msec: u64,
    #[serde(default)]
    order_value: OrderValue,
    default_currency: Option<String>,
    #[serde(default)]
    nested: Nested,
    #[serde(default)]
    campaign: Campaign,
    #[serde(default)]
    analytics_360: bool,
    #[serde(default = "yes")]
    send_user_properties: bool,
    #[serde(default)]
    send_user_data: bool,
    #[serde(default)]
    gmail_suffix: GmailSuffix,
    #[serde(default = "yes")]
    send_ip: bool,
    #[serde(default = "yes")]
    send_user_agent: bool,
    default_country_code: Option<String>,
    #[serde(default = "ad_user_data")]
    ad_user_data_purpose: String,
    #[serde(default = "ad_personalization")]
    ad_personalization_purpose: String,
    validation_behavior: Option<Validation>,
    identify_event: Option<IdentifyEvent>,
    screen_event: Option<String>,
    #[serde(default)]
    event_names: BTreeMap<String, String>,
}

fn one() -> u64 {
    1
}

fn yes() -> bool {
    true
}

fn ad_user_data() -> String {
    "ad_user_data".to_string()
}

fn ad_personalization() -> String {
    "ad_personalization".to_string()
}

/// Where data is collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Region {
    #[default]
    Global,
    Eu,
}

/// What is the client where the sender names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientId {
    #[default]
    AnonymousId,
    UserId,
}

/// What a client looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientIdForm {
    #[default]
    AsItIs,
    Numbers,
}

/// What becomes of `+shop` in the address of a Gmail account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GmailSuffix {
    #[default]
    Keep,
    Drop,
}

/// What becomes of objects and arrays in properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nested {
    #[default]
    Flatten,
    Drop,
}

/// How a campaign is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Campaign {
    #[default]
    Params,
    Event,
    None,
}

/// How strictly the vendor checks.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Validation {
    Relaxed,
    EnforceRecommendations,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IdentifyEvent {
    Login,
    SignUp,
    GenerateLead,
}

/// Everything that a plan needs, checked once.
#[derive(Clone, Debug)]
pub struct Ga4 {
    pub(crate) url: String,
    pub(crate) api_secret: String,
    pub(crate) is_app: bool,
    /// The stream as the vendor's cookies name it: its measurement ID without `G-`.
    pub(crate) stream: String,
    pub(crate) client_id_from: ClientId,
    pub(crate) client_id_form: ClientIdForm,
    pub(crate) engagement_time_msec: u64,
    pub(crate) order_value: OrderValue,
    pub(crate) default_currency: Option<Currency>,
    pub(crate) nested: Nested,
    pub(crate) campaign: Campaign,
    pub(crate) value_characters_max: usize,
    pub(crate) send_user_properties: bool,
    pub(crate) send_user_data: bool,
    pub(crate) gmail_suffix: GmailSuffix,
    pub(crate) send_ip: bool,
    pub(crate) send_user_agent: bool,
    pub(crate) default_country_code: Option<String>,
    pub(crate) ad_user_data_purpose: String,
    pub(crate) ad_personalization_purpose: String,
    pub(crate) validation_behavior: Option<Validation>,
    pub(crate) identify_event: Option<&'static str>,
    pub(crate) screen_event: String,
    pub(crate) event_names: Vec<(String, String)>,
}

impl Ga4 {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<Ga4, String> {
        let url = url(&settings)?;
        let is_app = filled(&settings.firebase_app_id).is_some();
        let stream = filled(&settings.measurement_id).unwrap_or_default();
        let default_currency = match settings.default_currency.as_deref().map(Currency::of) {
            Some(None) => return Err("default_currency: must be three letters, such as EUR".to_string()),
            known => known.flatten(),
        };
        let screen_event = settings.screen_event.unwrap_or("screen".to_string());
        let names = settings.event_names.values().map(|name| ("event_names", name));
        for (setting, name) in names.chain([("screen_event", &screen_event)]) {
            if let Some(reason) = refused_name(name, is_app) {
                return Err(format!("{setting}: `{name}` {reason}"));
            }
        }
        if settings.engagement_time_msec == 0 {
            return Err("engagement_time_msec: must be at least 1, or users do not show as active".to_string());
        }
        Ok(Ga4 {
            url,
            api_secret: settings.api_secret,
            is_app,
            stream: stream.strip_prefix("G-").unwrap_or(stream).to_string(),
            client_id_from: settings.client_id_from,
            client_id_form: settings.client_id_form,
            engagement_time_msec: settings.engagement_time_msec,
            order_value: settings.order_value,
            default_currency,
            nested: settings.nested,
            campaign: settings.campaign,
            value_characters_max: if settings.analytics_360 { VALUE_CHARACTERS_MAX_360 } else { VALUE_CHARACTERS_MAX },
            send_user_properties: settings.send_user_properties,
            send_user_data: settings.send_user_data,
            gmail_suffix: settings.gmail_suffix,
            send_ip: settings.send_ip,
            send_user_agent: settings.send_user_agent,
            default_country_code: settings.default_country_code,
            ad_user_data_purpose: settings.ad_user_data_purpose,
            ad_personalization_purpose: settings.ad_personalization_purpose,
            validation_behavior: settings.validation_behavior,
            identify_event: settings.identify_event.map(|event| match event {
                IdentifyEvent::Login => "login",
                IdentifyEvent::SignUp => "sign_up",
                IdentifyEvent::GenerateLead => "generate_lead",
            }),
            screen_event,
            event_names: settings.event_names.into_iter().collect(),
        })
    }
}

fn url(settings: &Settings) -> Result<String, String> {
    let base = match (&settings.endpoint, settings.region) {
        (Some(endpoint), _) => endpoint.trim_end_matches('/'),
        (None, Region::Global) => BASE,
        (None, Region::Eu) => BASE_EU,
    };
    let mut url = format!("{base}/mp/collect?");
    match (filled(&settings.measurement_id), filled(&settings.firebase_app_id)) {
        (Some(id), None) => {
            url.push_str("measurement_id=");
            percent_encode_into(&mut url, id);
        }
        // The colons of an app's id stay: the vendor's own clients do not encode them.
        (None, Some(id)) => {
            url.push_str("firebase_app_id=");
            for (number, part) in id.split(':').enumerate() {
                url.push_str(if number > 0 { ":" } else { "" });
                percent_encode_into(&mut url, part);
            }
        }
        _ => return Err("measurement_id: set it for a web stream, or firebase_app_id for an app stream".to_string()),
    }
    Ok(url)
}

fn filled(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().map(str::trim).filter(|text| !text.is_empty())
}
