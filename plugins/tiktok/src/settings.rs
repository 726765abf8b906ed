//! The settings, and what is made of them once.

use std::collections::BTreeMap;

use switchyard_sdk::money::{Currency, OrderValue};
use switchyard_sdk::prelude::Deserialize;
use switchyard_sdk::settings::filled;

use crate::name::refused_name;
use crate::properties::is_own_property;
use crate::record::Age;
use crate::source::Source;

const BASE: &str = "https://business-api.tiktok.com";
/// Source: portal/docs?id=1771100865818625. The slash at the end belongs to it.
const PATH: &str = "/open_api/v1.3/event/track/";

/// The settings, as the operator writes them; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    access_token: String,
    pixel_code: Option<String>,
    app_id: Option<String>,
    offline_event_set_id: Option<String>,
    crm_event_set_id: Option<String>,
    #[serde(default)]
    event_source: EventSource,
    store_app_id: Option<String>,
    test_event_code: Option<String>,
    partner_name: Option<String>,
    endpoint: Option<String>,
    #[serde(default)]
    purchase_event: PurchaseEvent,
    #[serde(default)]
    form_event: FormEvent,
    page_event: Option<String>,
    screen_event: Option<String>,
    identify_event: Option<String>,
    #[serde(default)]
    event_names: BTreeMap<String, String>,
    #[serde(default)]
    custom_events: bool,
    max_age_days: Option<u32>,
    offline_max_age_days: Option<u32>,
    #[serde(default)]
    order_value: OrderValue,
    default_currency: Option<String>,
    #[serde(default)]
    unlisted_currencies: UnlistedCurrencies,
    #[serde(default)]
    content_id_from: ContentIdFrom,
    #[serde(default)]
    content_type: ContentType,
    #[serde(default)]
    more_properties: Vec<String>,
    #[serde(default)]
    external_id_from: ExternalIdFrom,
    #[serde(default)]
    external_id_case: ExternalIdCase,
    default_country_code: Option<String>,
    #[serde(default = "yes")]
    send_user_data: bool,
    #[serde(default = "yes")]
    send_ip: bool,
    #[serde(default = "yes")]
    send_user_agent: bool,
    #[serde(default = "yes")]
    send_advertising_id: bool,
    #[serde(default)]
    limited_data_use: bool,
    limited_data_use_purpose: Option<String>,
}

fn yes() -> bool {
    true
}

/// Where events took place that do not say so themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventSource {
    #[default]
    Auto,
    Web,
    App,
    Offline,
    Crm,
}

/// What an order is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub enum PurchaseEvent {
    #[default]
    Purchase,
    CompletePayment,
    PlaceAnOrder,
}

/// What a form is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub enum FormEvent {
    #[default]
    Lead,
    SubmitForm,
}

/// What becomes of a currency that the vendor does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlistedCurrencies {
    #[default]
    LeaveOut,
    Send,
}

/// Which id of a product is its `content_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentIdFrom {
    #[default]
    ProductId,
    Sku,
}

/// What a `content_id` names in the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    #[default]
    Product,
    ProductGroup,
}

/// Which of an event's ids the vendor knows a person by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalIdFrom {
    #[default]
    UserId,
    AnonymousId,
    Both,
}

/// What becomes of capitals in an id before it is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalIdCase {
    #[default]
    Lower,
    AsItIs,
}

/// Everything that a plan needs, checked once.
#[derive(Clone, Debug)]
pub struct TikTok {
    pub(crate) url: String,
    pub(crate) access_token: String,
    /// The ids of website, app, offline and sales events, by [`Source`].
    pub(crate) ids: [Option<String>; 4],
    pub(crate) event_source: EventSource,
    pub(crate) store_app_id: Option<String>,
    pub(crate) test_event_code: Option<String>,
    pub(crate) partner_name: Option<String>,
    pub(crate) purchase_event: &'static str,
    pub(crate) form_event: &'static str,
    pub(crate) page_event: Option<String>,
    pub(crate) screen_event: Option<String>,
    pub(crate) identify_event: Option<String>,
    pub(crate) event_names: Vec<(String, String)>,
    pub(crate) custom_events: bool,
    pub(crate) age: Age,
    pub(crate) offline_age: Age,
    pub(crate) order_value: OrderValue,
    pub(crate) default_currency: Option<Currency>,
    pub(crate) unlisted_currencies: UnlistedCurrencies,
    pub(crate) content_id_from: ContentIdFrom,
    pub(crate) content_type: ContentType,
    pub(crate) more_properties: Vec<String>,
    pub(crate) external_id_from: ExternalIdFrom,
    pub(crate) external_id_case: ExternalIdCase,
    pub(crate) default_country_code: Option<String>,
    pub(crate) send_user_data: bool,
    pub(crate) send_ip: bool,
    pub(crate) send_user_agent: bool,
    pub(crate) send_advertising_id: bool,
    pub(crate) limited_data_use: bool,
    pub(crate) limited_data_use_purpose: String,
}

impl TikTok {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<TikTok, String> {
        if settings.access_token.trim().is_empty() {
            return Err("access_token: must be the token of the Events API".to_string());
        }
        let ids = [settings.pixel_code, settings.app_id, settings.offline_event_set_id, settings.crm_event_set_id];
        let ids = ids.map(filled);
        check_ids(&ids, settings.event_source)?;
        let page_event = settings.page_event.unwrap_or("Pageview".to_string());
        let own = [("page_event", &page_event)].into_iter();
        let own = own.chain(settings.screen_event.iter().map(|name| ("screen_event", name)));
        let own = own.chain(settings.identify_event.iter().map(|name| ("identify_event", name)));
        let own = own.filter(|(_, name)| !name.is_empty());
        for (setting, name) in own.chain(settings.event_names.values().map(|name| ("event_names", name))) {
            if let Some(reason) = refused_name(name) {
                return Err(format!("{setting}: `{name}` {reason}"));
            }
        }
        let default_currency = match settings.default_currency.as_deref().map(Currency::of) {
            Some(None) => return Err("default_currency: must be three letters, such as EUR".to_string()),
            known => known.flatten(),
        };
        if let Some(name) = settings.more_properties.iter().find(|name| is_own_property(name)) {
            return Err(format!("more_properties: `{name}` is sent anyway"));
        }
        let base = filled(settings.endpoint).unwrap_or(BASE.to_string());
        Ok(TikTok {
            url: format!("{}{PATH}", base.trim_end_matches('/')),
            access_token: settings.access_token,
            ids,
            event_source: settings.event_source,
            store_app_id: filled(settings.store_app_id),
            test_event_code: filled(settings.test_event_code),
            partner_name: filled(settings.partner_name),
            purchase_event: match settings.purchase_event {
                PurchaseEvent::Purchase => "Purchase",
                PurchaseEvent::CompletePayment => "CompletePayment",
                PurchaseEvent::PlaceAnOrder => "PlaceAnOrder",
            },
            form_event: match settings.form_event {
                FormEvent::Lead => "Lead",
                FormEvent::SubmitForm => "SubmitForm",
            },
            page_event: filled(Some(page_event)),
            screen_event: filled(settings.screen_event),
            identify_event: filled(settings.identify_event),
            event_names: settings.event_names.into_iter().collect(),
            custom_events: settings.custom_events,
            age: Age::days(settings.max_age_days.unwrap_or(7), "max_age_days"),
            offline_age: Age::days(settings.offline_max_age_days.unwrap_or(28), "offline_max_age_days"),
            order_value: settings.order_value,
            default_currency,
            unlisted_currencies: settings.unlisted_currencies,
            content_id_from: settings.content_id_from,
            content_type: settings.content_type,
            more_properties: settings.more_properties,
            external_id_from: settings.external_id_from,
            external_id_case: settings.external_id_case,
            default_country_code: settings.default_country_code,
            send_user_data: settings.send_user_data,
            send_ip: settings.send_ip,
            send_user_agent: settings.send_user_agent,
            send_advertising_id: settings.send_advertising_id,
            limited_data_use: settings.limited_data_use,
            limited_data_use_purpose: settings.limited_data_use_purpose.unwrap_or("advertising".to_string()),
        })
    }
}

/// There must be an id, and one for the event source that the settings name.
fn check_ids(ids: &[Option<String>; 4], event_source: EventSource) -> Result<(), String> {
    if ids.iter().all(Option::is_none) {
        return Err("pixel_code: set it for a website, app_id for an app, offline_event_set_id for shops or \
            crm_event_set_id for a sales system"
            .to_string());
    }
    match Source::of_setting(event_source) {
        Some(source) if ids[source as usize].is_none() => {
            Err(format!("{}: is missing, and event_source says {}", source.setting(), source.name()))
        }
        _ => Ok(()),
    }
}
