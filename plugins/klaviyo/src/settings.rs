//! The settings, and what is made of them once.

use std::collections::BTreeMap;

use switchyard_sdk::money::OrderValue;
use switchyard_sdk::name::PageName;
use switchyard_sdk::prelude::{Deserialize, Plan, Request};
use switchyard_sdk::settings::filled;

use crate::rules::{REVISION, properties_max, time_ms_min};

/// Where the vendor's API is, for accounts of all regions.
const BASE: &str = "https://a.klaviyo.com/api";

/// The media type of JSON:API, which the vendor speaks. Source: reference/api_overview.
const MEDIA_TYPE: &str = "application/vnd.api+json";

/// The settings, as the operator writes them; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    api_key: String,
    revision: Option<String>,
    endpoint: Option<String>,
    #[serde(default = "bulk")]
    event_requests: Requests,
    #[serde(default = "single")]
    profile_requests: Requests,
    #[serde(default)]
    backfill: bool,
    #[serde(default = "yes")]
    send_user_id: bool,
    #[serde(default = "yes")]
    send_phone: bool,
    default_country_code: Option<String>,
    #[serde(default)]
    anonymous_visitors: AnonymousVisitors,
    #[serde(default)]
    use_exchange_ids: bool,
    page_event: Option<String>,
    screen_event: Option<String>,
    #[serde(default)]
    ecommerce: Ecommerce,
    #[serde(default = "yes")]
    ordered_products: bool,
    #[serde(default)]
    order_value: OrderValue,
    #[serde(default)]
    order_unique_id: OrderUniqueId,
    #[serde(default)]
    send_traits: SendTraits,
    #[serde(default)]
    trait_operators: BTreeMap<String, Operator>,
    #[serde(default)]
    clear_null_traits: bool,
    #[serde(default = "yes")]
    send_ip: bool,
    #[serde(default)]
    group_as: GroupAs,
    #[serde(default = "email")]
    subscription_channels: Vec<Channel>,
    email_purpose: Option<String>,
    sms_purpose: Option<String>,
    list_id: Option<String>,
    consent_source: Option<String>,
    #[serde(default)]
    historical_import: bool,
}

fn yes() -> bool {
    true
}

fn bulk() -> Requests {
    Requests::Bulk
}

fn single() -> Requests {
    Requests::Single
}

fn email() -> Vec<Channel> {
    vec![Channel::Email]
}

/// Whether what belongs together shares a request.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requests {
    Bulk,
    Single,
}

/// What becomes of events of somebody who is known by the anonymousId only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnonymousVisitors {
    #[default]
    Send,
    Skip,
}

/// What events of a shop are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ecommerce {
    #[default]
    Klaviyo,
    Own,
}

/// What the vendor knows an order's events by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderUniqueId {
    #[default]
    MessageId,
    OrderId,
}

/// Which events update the profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendTraits {
    #[default]
    Identify,
    Always,
}

/// How a custom trait is written.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operator {
    Set,
    Append,
    Remove,
    Ignore,
}

/// What a group call does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupAs {
    #[default]
    Nothing,
    List,
    Subscription,
}

/// What somebody agrees to be written on.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    Email,
    Sms,
}

/// Everything that a plan needs, checked once.
#[derive(Clone, Debug)]
pub struct Klaviyo {
    pub(crate) base: String,
    authorization: String,
    revision: String,
    /// The earliest time of an event, in milliseconds since 1970.
    pub(crate) time_ms_min: i64,
    pub(crate) properties_max: usize,
    pub(crate) event_requests: Requests,
    pub(crate) profile_requests: Requests,
    pub(crate) backfill: bool,
    pub(crate) send_user_id: bool,
    pub(crate) send_phone: bool,
    pub(crate) default_country_code: Option<String>,
    pub(crate) anonymous_visitors: AnonymousVisitors,
    pub(crate) use_exchange_ids: bool,
    /// None: pages are not sent.
    pub(crate) page_event: Option<PageName>,
    pub(crate) screen_event: PageName,
    pub(crate) ecommerce: Ecommerce,
    pub(crate) ordered_products: bool,
    pub(crate) order_value: OrderValue,
    pub(crate) order_unique_id: OrderUniqueId,
    pub(crate) send_traits: SendTraits,
    pub(crate) trait_operators: BTreeMap<String, Operator>,
    pub(crate) clear_null_traits: bool,
    pub(crate) send_ip: bool,
    pub(crate) group_as: GroupAs,
    pub(crate) subscription_channels: Vec<Channel>,
    pub(crate) email_purpose: Option<String>,
    pub(crate) sms_purpose: Option<String>,
    pub(crate) list_id: Option<String>,
    pub(crate) consent_source: Option<String>,
    pub(crate) historical_import: bool,
}

impl Klaviyo {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<Klaviyo, String> {
        if settings.api_key.trim().is_empty() {
            return Err("api_key: must be a private API key of the account".to_string());
        }
        let revision = filled(settings.revision).unwrap_or(REVISION.to_string());
        if !is_revision(&revision) {
            return Err(format!("revision: must be a date such as {REVISION}"));
        }
        let screen_event = filled(settings.screen_event).unwrap_or("Viewed {name} Screen".to_string());
        Ok(Klaviyo {
            base: filled(settings.endpoint).map_or(BASE.to_string(), |base| base.trim_end_matches('/').to_string()),
            authorization: format!("Klaviyo-API-Key {}", settings.api_key),
            time_ms_min: time_ms_min(&revision),
            properties_max: properties_max(&revision),
            revision,
            event_requests: settings.event_requests,
            profile_requests: settings.profile_requests,
            backfill: settings.backfill,
            send_user_id: settings.send_user_id,
            send_phone: settings.send_phone,
            default_country_code: filled(settings.default_country_code),
            anonymous_visitors: settings.anonymous_visitors,
            use_exchange_ids: settings.use_exchange_ids,
            page_event: filled(settings.page_event).map(|pattern| PageName { pattern, plain: "Viewed Page" }),
            screen_event: PageName { pattern: screen_event, plain: "Viewed Screen" },
            ecommerce: settings.ecommerce,
            ordered_products: settings.ordered_products,
            order_value: settings.order_value,
            order_unique_id: settings.order_unique_id,
            send_traits: settings.send_traits,
            trait_operators: settings.trait_operators,
            clear_null_traits: settings.clear_null_traits,
            send_ip: settings.send_ip,
            group_as: settings.group_as,
            subscription_channels: settings.subscription_channels,
            email_purpose: filled(settings.email_purpose),
            sms_purpose: filled(settings.sms_purpose),
            list_id: filled(settings.list_id),
            consent_source: filled(settings.consent_source),
            historical_import: settings.historical_import,
        })
    }

    /// The URL of a path of the API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A request to a path, with what all have: the body, the revision and the key. The vendor's limits are
    /// the path's. Sources: reference/api_overview; guide rate_limits_and_error_handling.
    pub(crate) fn post<'p>(&self, plan: &'p mut Plan, path: &str, body: Vec<u8>) -> &'p mut Request {
        plan.post(self.url(path))
            .body(MEDIA_TYPE, body)
            .quota(path.trim_start_matches('/'))
            .header("accept", MEDIA_TYPE)
            .header("revision", &self.revision)
            .secret_header("authorization", &self.authorization)
    }
}

/// Whether a text is a revision: a date, and for versions in preparation a suffix such as `.pre`.
fn is_revision(text: &str) -> bool {
    let (date, suffix) = text.split_once('.').unwrap_or((text, "pre"));
    let is_date = date.len() == 10
        && date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_date && !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
