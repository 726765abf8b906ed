//! The settings, and what is made of them once.

use std::collections::BTreeMap;

use switchyard_sdk::prelude::Deserialize;
use switchyard_sdk::settings::filled;

use crate::rules::{ATTRIBUTE_VALUE_BYTES_MAX, ITEM_BYTES_MAX};

/// The settings, as the operator writes them; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    site_id: String,
    api_key: String,
    #[serde(default)]
    region: Region,
    endpoint: Option<String>,
    parallel_requests: Option<u8>,
    #[serde(default)]
    user_id_is: UserId,
    #[serde(default = "yes")]
    identify_by_email: bool,
    #[serde(default)]
    identify_by_phone: bool,
    default_country_code: Option<String>,
    #[serde(default = "yes")]
    anonymous_events: bool,
    #[serde(default)]
    alias_call: AliasCall,
    #[serde(default)]
    update_existing_only: bool,
    #[serde(default)]
    send_traits: SendTraits,
    #[serde(default)]
    exclude_traits: Vec<String>,
    #[serde(default)]
    unset_null_traits: bool,
    #[serde(default = "yes")]
    convert_dates: bool,
    #[serde(default)]
    send_locale: bool,
    attribute_bytes_max: Option<usize>,
    #[serde(default)]
    long_texts: LongTexts,
    #[serde(default)]
    page_name: PageName,
    screen_name: Option<String>,
    #[serde(default)]
    long_names: LongNames,
    #[serde(default)]
    commands: Commands,
    device_event: Option<String>,
    #[serde(default)]
    device_calls: DeviceCalls,
    #[serde(default = "yes")]
    message_overrides: bool,
    object_type_id: Option<String>,
    messages_purpose: Option<String>,
    #[serde(default)]
    topic_purposes: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// Where the account's data is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    #[default]
    Us,
    Eu,
}

impl Region {
    /// Source: journeys-track.json, servers.
    fn base(self) -> &'static str {
        match self {
            Region::Us => "https://track.customer.io",
            Region::Eu => "https://track-eu.customer.io",
        }
    }
}

/// What the userId is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserId {
    #[default]
    Detect,
    Id,
}

/// What an alias call does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AliasCall {
    #[default]
    Merge,
    Visitor,
    Skip,
}

/// Which calls update people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendTraits {
    #[default]
    Identify,
    Always,
}

/// What becomes of texts that are too long for an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongTexts {
    #[default]
    Cut,
    LeaveOut,
}

/// What a page is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageName {
    #[default]
    Url,
    Path,
    Name,
}

/// What becomes of names that are too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LongNames {
    #[default]
    Cut,
    Keep,
}

/// Which events do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commands {
    #[default]
    All,
    Devices,
    None,
}

/// What an event about a device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceCalls {
    #[default]
    Device,
    DeviceAndEvent,
}

/// Everything that a plan needs, checked once.
#[derive(Clone, Debug)]
pub struct CustomerIo {
    pub(crate) batch_url: String,
    pub(crate) site_id: String,
    pub(crate) api_key: String,
    /// At least 1.
    pub(crate) lanes: u8,
    pub(crate) user_id_is: UserId,
    pub(crate) identify_by_email: bool,
    pub(crate) identify_by_phone: bool,
    pub(crate) default_country_code: Option<String>,
    pub(crate) anonymous_events: bool,
    pub(crate) alias_call: AliasCall,
    pub(crate) update_existing_only: bool,
    pub(crate) send_traits: SendTraits,
    pub(crate) exclude_traits: Vec<String>,
    pub(crate) unset_null_traits: bool,
    pub(crate) convert_dates: bool,
    pub(crate) send_locale: bool,
    pub(crate) attribute_bytes_max: usize,
    pub(crate) long_texts: LongTexts,
    pub(crate) page_name: PageName,
    pub(crate) screen_name: String,
    pub(crate) long_names: LongNames,
    pub(crate) commands: Commands,
    pub(crate) device_event: Option<String>,
    pub(crate) device_calls: DeviceCalls,
    pub(crate) message_overrides: bool,
    pub(crate) object_type_id: String,
    pub(crate) messages_purpose: Option<String>,
    /// Purposes, and the attribute that each sets.
    pub(crate) topics: Vec<(String, String)>,
}

impl CustomerIo {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<CustomerIo, String> {
        for (name, value) in [("site_id", &settings.site_id), ("api_key", &settings.api_key)] {
            if value.trim().is_empty() {
                return Err(format!("{name}: must be that of the Track API keys of the workspace"));
            }
        }
        let lanes = settings.parallel_requests.unwrap_or(1);
        if !(1..=16).contains(&lanes) {
            return Err("parallel_requests: must be 1 to 16".to_string());
        }
        let attribute_bytes_max = settings.attribute_bytes_max.unwrap_or(ATTRIBUTE_VALUE_BYTES_MAX);
        if !(ATTRIBUTE_VALUE_BYTES_MAX..=ITEM_BYTES_MAX).contains(&attribute_bytes_max) {
            return Err(format!("attribute_bytes_max: must be {ATTRIBUTE_VALUE_BYTES_MAX} to {ITEM_BYTES_MAX}"));
        }
        let object_type_id = filled(settings.object_type_id).unwrap_or("1".to_string());
        if !is_whole(&object_type_id) {
            return Err("object_type_id: must be the number of an object type, such as 1".to_string());
        }
        let base = filled(settings.endpoint).unwrap_or(settings.region.base().to_string());
        Ok(CustomerIo {
            batch_url: format!("{}/api/v2/batch", base.trim_end_matches('/')),
            site_id: settings.site_id,
            api_key: settings.api_key,
            lanes,
            user_id_is: settings.user_id_is,
            identify_by_email: settings.identify_by_email,
            identify_by_phone: settings.identify_by_phone,
            default_country_code: filled(settings.default_country_code),
            anonymous_events: settings.anonymous_events,
            alias_call: settings.alias_call,
            update_existing_only: settings.update_existing_only,
            send_traits: settings.send_traits,
            exclude_traits: settings.exclude_traits,
            unset_null_traits: settings.unset_null_traits,
            convert_dates: settings.convert_dates,
            send_locale: settings.send_locale,
            attribute_bytes_max,
            long_texts: settings.long_texts,
            page_name: settings.page_name,
            screen_name: filled(settings.screen_name).unwrap_or("{name}".to_string()),
            long_names: settings.long_names,
            commands: settings.commands,
            device_event: filled(settings.device_event),
            device_calls: settings.device_calls,
            message_overrides: settings.message_overrides,
            object_type_id,
            messages_purpose: filled(settings.messages_purpose),
            topics: topics(settings.topic_purposes)?,
        })
    }
}

/// A path with dots sets one topic and leaves the others. Source: journeys-track.json,
/// `cio_subscription_preferences`.
fn topics(purposes: BTreeMap<String, String>) -> Result<Vec<(String, String)>, String> {
    let attribute = |(purpose, topic): (String, String)| match is_whole(topic.trim()) {
        true => Ok((purpose, format!("cio_subscription_preferences.topics.topic_{}", topic.trim()))),
        false => Err(format!("topic_purposes: {purpose}: must be the number of a topic, such as 1")),
    };
    purposes.into_iter().map(attribute).collect()
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
