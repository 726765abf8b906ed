//! The vendor's tables: which event becomes which, what its parameters are called, what is reserved.

/// Bounds. Source: the protocol's page on limitations.
pub const EVENTS_MAX: usize = 25;
pub const PARAMS_MAX: usize = 25;
pub const USER_PROPERTIES_MAX: usize = 25;
pub const NAME_CHARACTERS_MAX: usize = 40;
pub const VALUE_CHARACTERS_MAX: usize = 100;
pub const VALUE_CHARACTERS_MAX_360: usize = 500;
pub const USER_PROPERTY_NAME_CHARACTERS_MAX: usize = 24;
pub const USER_PROPERTY_VALUE_CHARACTERS_MAX: usize = 36;
pub const USER_ID_CHARACTERS_MAX: usize = 256;
pub const ITEMS_MAX: usize = 200;
pub const CUSTOM_ITEM_PARAMS_MAX: usize = 10;
/// All that the vendor has a name for, and the custom ones.
pub const ITEM_PARAMS_MAX: usize = ITEM.len() + CUSTOM_ITEM_PARAMS_MAX;
/// A body must have less than 130 kB.
pub const BODY_BYTES_MAX: usize = 129_999;
/// Items of one event stop here, so that an event always fits into a request of its own.
pub const ITEMS_BYTES_MAX: usize = 100_000;
/// How far back an event's time may lie: 72 hours.
pub const BACKDATE_US_MAX: i64 = 72 * 3_600 * 1_000_000;

/// Parameters that may be longer than others, in characters.
pub const LONG_PARAMS: &[(&str, usize)] = &[("page_title", 300), ("page_referrer", 420), ("page_location", 1_000)];

/// What a parameter must be. What it is not and cannot be made is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Type {
    /// A text; numbers are written as one.
    Text,
    /// A number; texts that are numbers are written as one.
    Number,
}

/// A property and the parameter that it becomes.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub from: &'static str,
    pub to: &'static str,
    pub is: Type,
}

/// Where the items of an event come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Items {
    /// `properties.products`.
    Products,
    /// The properties are one product, unless there are `products`.
    Product,
}

/// Where the value of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Worth {
    /// `value`.
    Given,
    /// Total, revenue or value, by the setting.
    Order,
    /// `value`, else price times quantity.
    Product,
}

/// One of the vendor's events.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub name: &'static str,
    pub params: &'static [Param],
    pub items: Items,
    pub worth: Worth,
    /// Whether the event cannot be sent without a transaction.
    pub needs_transaction: bool,
}

const fn text(from: &'static str, to: &'static str) -> Param {
    Param { from, to, is: Type::Text }
}

const fn number(from: &'static str, to: &'static str) -> Param {
    Param { from, to, is: Type::Number }
}

const fn event(name: &'static str, params: &'static [Param]) -> Rule {
    Rule { name, params, items: Items::Products, worth: Worth::Given, needs_transaction: false }
}

const fn product(name: &'static str, params: &'static [Param]) -> Rule {
    Rule { name, params, items: Items::Product, worth: Worth::Product, needs_transaction: false }
}

const fn order(name: &'static str, needs_transaction: bool) -> Rule {
    Rule { name, params: ORDER, items: Items::Products, worth: Worth::Order, needs_transaction }
}

const ORDER: &[Param] = &[
    text("order_id", "transaction_id"),
    number("tax", "tax"),
    number("shipping", "shipping"),
    text("coupon", "coupon"),
    text("affiliation", "affiliation"),
];

const LIST: &[Param] = &[text("list_id", "item_list_id"), text("category", "item_list_name")];

const CLICK: &[Param] = &[text("list_id", "item_list_id"), text("list_name", "item_list_name")];

const PROMOTION: &[Param] = &[
    text("promotion_id", "promotion_id"),
    text("name", "promotion_name"),
    text("creative", "creative_name"),
    text("position", "creative_slot"),
];

/// A share has no items and no value: what is shared is not sold.
const SHARED_PRODUCT: &[Param] = &[text("share_via", "method"), text("product_id", "item_id"), text("sku", "item_id")];

const METHOD: &[Param] = &[text("method", "method")];

/// The e-commerce events, in lower case. Source: the vendor's recommended events, and the names of
/// the Segment specification, versions 2 and 1.
pub const EVENTS: &[(&str, Rule)] = &[
    ("products searched", event("search", &[text("query", "search_term")])),
    ("product list viewed", event("view_item_list", LIST)),
    ("viewed product category", event("view_item_list", LIST)),
    ("promotion viewed", event("view_promotion", PROMOTION)),
    ("viewed promotion", event("view_promotion", PROMOTION)),
    ("promotion clicked", event("select_promotion", PROMOTION)),
    ("clicked promotion", event("select_promotion", PROMOTION)),
    ("product clicked", product("select_item", CLICK)),
    ("product viewed", product("view_item", &[])),
    ("viewed product", product("view_item", &[])),
    ("product added", product("add_to_cart", &[])),
    ("added product", product("add_to_cart", &[])),
    ("product removed", product("remove_from_cart", &[])),
    ("removed product", product("remove_from_cart", &[])),
    ("cart viewed", order("view_cart", false)),
    ("checkout started", order("begin_checkout", false)),
    ("checkout step completed", event("add_shipping_info", &[text("shipping_method", "shipping_tier")])),
    ("payment info entered", event("add_payment_info", &[text("payment_method", "payment_type")])),
    ("order completed", order("purchase", true)),
    ("completed order", order("purchase", true)),
    ("order refunded", order("refund", true)),
    ("product added to wishlist", product("add_to_wishlist", &[])),
    ("product shared", event("share", SHARED_PRODUCT)),
    ("cart shared", event("share", &[text("share_via", "method"), text("cart_id", "item_id")])),
    ("signed up", event("sign_up", METHOD)),
    ("signed in", event("login", METHOD)),
    ("lead", event("generate_lead", &[])),
    ("lead generated", event("generate_lead", &[])),
    ("generate lead", event("generate_lead", &[])),
];

/// A track event that is in no table: its own name, its properties as they are.
pub const CUSTOM: Rule = event("", &[]);

/// What a page becomes; what `properties` lacks comes from `context.page`.
pub const PAGE: Rule =
    event("page_view", &[text("url", "page_location"), text("title", "page_title"), text("referrer", "page_referrer")]);

/// What a screen becomes; the name is a setting, because the vendor reserves `screen_view`.
pub const SCREEN: Rule = event("", &[]);

/// A product's fields and what an item calls them, the frequent ones first. Source: the vendor's item
/// parameters.
pub const ITEM: &[Param] = &[
    text("product_id", "item_id"),
    text("name", "item_name"),
    number("price", "price"),
    number("quantity", "quantity"),
    text("brand", "item_brand"),
    text("category", "item_category"),
    text("variant", "item_variant"),
    text("coupon", "coupon"),
    number("position", "index"),
    number("discount", "discount"),
    text("affiliation", "affiliation"),
    text("category2", "item_category2"),
    text("category3", "item_category3"),
    text("category4", "item_category4"),
    text("category5", "item_category5"),
    text("list_id", "item_list_id"),
    text("list_name", "item_list_name"),
];

/// Fields of a product that no report shows: they are not sent.
pub const PRODUCT_NOT_SENT: &[&str] = &["url", "image_url"];

/// `context.campaign` as parameters. Source: the vendor's event campaign_details.
pub const CAMPAIGN: [Param; 6] = [
    text("id", "campaign_id"),
    text("name", "campaign"),
    text("source", "source"),
    text("medium", "medium"),
    text("term", "term"),
    text("content", "content"),
];

/// Event names that only the vendor's own tags may send. Sources: the protocol's reference; for the
/// names that begin with app_store, the vendor's help.
pub const RESERVED_EVENTS: &[&str] = &[
    "ad_activeview",
    "ad_click",
    "ad_exposure",
    "ad_query",
    "ad_reward",
    "adunit_exposure",
    "app_clear_data",
    "app_exception",
    "app_install",
    "app_remove",
    "app_store_refund",
    "app_store_subscription_cancel",
    "app_store_subscription_convert",
    "app_store_subscription_renew",
    "app_update",
    "app_upgrade",
    "dynamic_link_app_open",
    "dynamic_link_app_update",
    "dynamic_link_first_open",
    "error",
    "first_open",
    "first_visit",
    "notification_dismiss",
    "notification_foreground",
    "notification_open",
    "notification_receive",
    "notification_send",
    "os_update",
    "session_start",
    "user_engagement",
];

/// Event names that only app streams may send. Source: the protocol's reference.
pub const APP_EVENTS: &[&str] = &["ad_impression", "in_app_purchase", "screen_view"];

/// What neither event names nor parameters nor user properties may begin with.
pub const RESERVED_PREFIXES: &[&str] = &["_", "firebase_", "ga_", "google_", "gtag."];

/// `items` is the list of products: a number of that name, as apps send it, is no such list.
pub const RESERVED_PARAMS: &[&str] = &["firebase_conversion", "items"];

pub const RESERVED_USER_PROPERTIES: &[&str] =
    &["first_open_time", "first_visit_time", "last_deep_link_referrer", "user_id", "first_open_after_install"];

/// What identifies a person, in lower case and without `_`. The vendor's terms forbid to send it in
/// the clear, in any parameter.
pub const PERSONAL: &[&str] = &[
    "email",
    "emailaddress",
    "phone",
    "phonenumber",
    "firstname",
    "lastname",
    "fullname",
    "username",
    "address",
    "birthday",
    "birthdate",
    "avatar",
];

/// No name in [`PERSONAL`] is longer.
pub const PERSONAL_BYTES_MAX: usize = 12;

/// Names under which senders give the vendor's own ids in `integrations`, whatever their case. Source:
/// the names of the vendor at Segment and RudderStack.
pub const INTEGRATIONS: &[&str] = &[
    "GA4",
    "Google Analytics 4",
    "Google Analytics 4 (GA4)",
    "Google Analytics 4 Cloud",
    "Google Analytics 4 Web",
    "googleAnalytics4",
];

#[cfg(test)]
mod tests {
    use super::EVENTS;
    use crate::request::refused_name;

    /// They are not checked again for each event.
    #[test]
    fn no_stream_refuses_a_name_of_the_table() {
        for (_, rule) in EVENTS {
            assert_eq!(refused_name(rule.name, false), None, "{}", rule.name);
            assert_eq!(refused_name(rule.name, true), None, "{}", rule.name);
        }
    }
}
