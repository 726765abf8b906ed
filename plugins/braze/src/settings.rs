//! The settings, and what is made of them once.

use switchyard_sdk::money::{Currency, OrderValue};
use switchyard_sdk::prelude::Deserialize;
use switchyard_sdk::settings::filled;

use crate::rules::{INSTANCES, OBJECTS_MAX, PROFILE, is_reserved_attribute};

/// The settings, as the operator writes them; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    api_key: String,
    instance: Option<String>,
    app_id: Option<String>,
    endpoint: Option<String>,
    objects_per_request: Option<usize>,
    #[serde(default)]
    limit_each_kind: bool,
    parallel_requests: Option<u8>,
    #[serde(default)]
    anonymous_users: AnonymousUsers,
    alias_label: Option<String>,
    #[serde(default)]
    previous_id_is: PreviousId,
    #[serde(default)]
    update_existing_only: bool,
    page_event: Option<String>,
    screen_event: Option<String>,
    #[serde(default)]
    group_as: GroupAs,
    group_attribute: Option<String>,
    #[serde(default)]
    send_traits: SendTraits,
    #[serde(default)]
    exclude_traits: Vec<String>,
    #[serde(default)]
    merge_nested_attributes: bool,
    #[serde(default)]
    unset_null_traits: bool,
    default_country_code: Option<String>,
    #[serde(default = "yes")]
    send_locale: bool,
    #[serde(default)]
    long_texts: LongTexts,
    #[serde(default)]
    ecommerce: Ecommerce,
    #[serde(default)]
    purchase_id_from: PurchaseId,
    #[serde(default)]
    purchase_properties: PurchaseProperties,
    default_currency: Option<String>,
    #[serde(default)]
    order_value: OrderValue,
    source: Option<String>,
    ad_user_data_purpose: Option<String>,
    ad_personalization_purpose: Option<String>,
    email_purpose: Option<String>,
    push_purpose: Option<String>,
}

fn yes() -> bool {
    true
}

/// What is made of somebody without a userId.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnonymousUsers {
    #[default]
    Alias,
    Contact,
    Skip,
}

/// What the previousId of an alias is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreviousId {
    #[default]
    User,
    Visitor,
}

/// What a group call does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupAs {
    #[default]
    Attribute,
    SubscriptionGroup,
}

/// Which calls update profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendTraits {
    #[default]
    Identify,
    Always,
}

/// What becomes of texts that are too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LongTexts {
    #[default]
    Cut,
    Keep,
}

/// What orders and other events of a shop become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ecommerce {
    #[default]
    Purchases,
    Recommended,
    Custom,
}

/// Which field of a product a purchase names it by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurchaseId {
    #[default]
    ProductId,
    Sku,
    Name,
    Category,
}

/// Which properties a purchase has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PurchaseProperties {
    #[default]
    All,
    Product,
    None,
}

/// The attribute of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupAttribute {
    /// One for each group: what stands before and behind its id.
    Each(String, String),
    /// One that holds the id.
    Named(String),
}

/// Everything that a plan needs, checked once.
#[derive(Clone, Debug)]
pub struct Braze {
    pub(crate) track_url: String,
    pub(crate) identify_url: String,
    pub(crate) merge_url: String,
    pub(crate) api_key: String,
    pub(crate) app_id: Option<String>,
    pub(crate) objects_max: usize,
    pub(crate) limit_each_kind: bool,
    /// At least 1.
    pub(crate) lanes: u8,
    pub(crate) anonymous_users: AnonymousUsers,
    pub(crate) alias_label: String,
    pub(crate) previous_id_is: PreviousId,
    pub(crate) update_existing_only: bool,
    pub(crate) page_event: String,
    pub(crate) screen_event: String,
    pub(crate) group_as: GroupAs,
    pub(crate) group_attribute: GroupAttribute,
    pub(crate) send_traits: SendTraits,
    pub(crate) exclude_traits: Vec<String>,
    pub(crate) merge_nested_attributes: bool,
    pub(crate) unset_null_traits: bool,
    pub(crate) default_country_code: Option<String>,
    pub(crate) send_locale: bool,
    pub(crate) long_texts: LongTexts,
    pub(crate) ecommerce: Ecommerce,
    pub(crate) purchase_id_from: PurchaseId,
    pub(crate) purchase_properties: PurchaseProperties,
    pub(crate) default_currency: Currency,
    pub(crate) order_value: OrderValue,
    pub(crate) source: Option<String>,
    pub(crate) ad_user_data_purpose: String,
    pub(crate) ad_personalization_purpose: String,
    pub(crate) email_purpose: Option<String>,
    pub(crate) push_purpose: Option<String>,
}

impl Braze {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<Braze, String> {
        if settings.api_key.trim().is_empty() {
            return Err("api_key: must be a REST API key of the workspace".to_string());
        }
        let objects_max = settings.objects_per_request.unwrap_or(OBJECTS_MAX);
        if !(1..=OBJECTS_MAX).contains(&objects_max) {
            return Err(format!("objects_per_request: must be 1 to {OBJECTS_MAX}"));
        }
        let lanes = settings.parallel_requests.unwrap_or(1);
        if !(1..=16).contains(&lanes) {
            return Err("parallel_requests: must be 1 to 16".to_string());
        }
        let default_currency = match filled(settings.default_currency) {
            Some(code) => Currency::of(&code).ok_or("default_currency: must be three letters, such as EUR")?,
            None => Currency::USD,
        };
        let base = base(filled(settings.endpoint), filled(settings.instance))?;
        Ok(Braze {
            track_url: format!("{base}/users/track"),
            identify_url: format!("{base}/users/identify"),
            merge_url: format!("{base}/users/merge"),
            api_key: settings.api_key,
            app_id: filled(settings.app_id),
            objects_max,
            limit_each_kind: settings.limit_each_kind,
            lanes,
            anonymous_users: settings.anonymous_users,
            alias_label: filled(settings.alias_label).unwrap_or("anonymous_id".to_string()),
            previous_id_is: settings.previous_id_is,
            update_existing_only: settings.update_existing_only,
            page_event: filled(settings.page_event).unwrap_or("Viewed {category} {name} Page".to_string()),
            screen_event: filled(settings.screen_event).unwrap_or("Viewed {name} Screen".to_string()),
            group_as: settings.group_as,
            group_attribute: group_attribute(filled(settings.group_attribute))?,
            send_traits: settings.send_traits,
            exclude_traits: settings.exclude_traits,
            merge_nested_attributes: settings.merge_nested_attributes,
            unset_null_traits: settings.unset_null_traits,
            default_country_code: filled(settings.default_country_code),
            send_locale: settings.send_locale,
            long_texts: settings.long_texts,
            ecommerce: settings.ecommerce,
            purchase_id_from: settings.purchase_id_from,
            purchase_properties: settings.purchase_properties,
            default_currency,
            order_value: settings.order_value,
            source: filled(settings.source),
            ad_user_data_purpose: filled(settings.ad_user_data_purpose).unwrap_or("ad_user_data".to_string()),
            ad_personalization_purpose: filled(settings.ad_personalization_purpose)
                .unwrap_or("ad_personalization".to_string()),
            email_purpose: filled(settings.email_purpose),
            push_purpose: filled(settings.push_purpose),
        })
    }
}

fn base(endpoint: Option<String>, instance: Option<String>) -> Result<String, String> {
    if let Some(endpoint) = endpoint {
        return Ok(endpoint.trim_end_matches('/').to_string());
    }
    let instance = instance.ok_or("instance: is missing; the address of your dashboard tells it, such as US-03")?;
    let known = INSTANCES.iter().find(|(name, _)| *name == instance);
    let (_, base) = known.ok_or_else(|| format!("instance: `{instance}` is none that Braze has, such as US-03"))?;
    Ok(base.to_string())
}

/// An attribute that is a field of the vendor's, or steers the request, is no group's.
fn group_attribute(setting: Option<String>) -> Result<GroupAttribute, String> {
    let name = setting.unwrap_or("group_{group_id}".to_string());
    if is_reserved_attribute(&name) || PROFILE.iter().any(|place| place.to.name() == name) {
        return Err(format!("group_attribute: `{name}` is a name that Braze keeps for itself"));
    }
    Ok(match name.split_once("{group_id}") {
        Some((before, behind)) => GroupAttribute::Each(before.to_string(), behind.to_string()),
        None => GroupAttribute::Named(name),
    })
}
