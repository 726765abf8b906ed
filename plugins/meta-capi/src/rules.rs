//! The vendor's tables: bounds, which event becomes which, what each parameter is called and must be.
//!
//! Pages are named by their last part; they are all under
//! developers.facebook.com/documentation/ads-commerce/conversions-api.

use switchyard_sdk::{Key, key};

/// Events of a request. Source: using-the-api, batch requests.
pub const EVENTS_MAX: usize = 1_000;
/// How old an event may be, in seconds; one that is older fails the whole request. Source:
/// parameters/server-event, `event_time`.
pub const AGE_S_MAX: i64 = 7 * 86_400;
/// The same for what happened in a shop. Source: using-the-api, event transaction time.
pub const STORE_AGE_S_MAX: i64 = 62 * 86_400;
/// Ours: the time that a request may be under way before the vendor compares.
pub const WAY_S: i64 = 60;
/// Characters of an event's name. The vendor says so of its pixel's custom events:
/// developers.facebook.com/docs/meta-pixel/implementation/conversion-tracking, custom events.
pub const NAME_CHARACTERS_MAX: usize = 50;
/// Digits of a phone number with its country code. Source: the vendor's business SDK.
pub const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Ours: values of one field of a person. The vendor takes a list and names no bound.
pub const VALUES_MAX: usize = 10;

/// Where products come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Items {
    /// Nowhere.
    None,
    /// The list `products`, or the vendor's own `contents`.
    Products,
    /// That list, or else the properties are one product.
    Product,
}

/// Where the value of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Worth {
    /// `value`, else `revenue`, else `total`.
    Given,
    /// Total, revenue or value, by the setting `order_value`; else the sum of the products.
    Order,
    /// `value`, else price times quantity.
    Product,
}

/// One of the vendor's events.
#[derive(Debug)]
pub struct Rule {
    pub name: &'static str,
    pub items: Items,
    pub worth: Worth,
    /// Properties that go by another name.
    pub params: &'static [(&'static str, Key)],
    /// Whether it counts its items. Source: parameters/custom-data, `num_items`.
    pub counts_items: bool,
    /// Whether the vendor wants value and currency. Source: parameters/custom-data.
    pub needs_money: bool,
}

const fn rule(name: &'static str, items: Items, worth: Worth, params: &'static [(&'static str, Key)]) -> Rule {
    Rule { name, items, worth, params, counts_items: false, needs_money: false }
}

const PRODUCT: &[(&str, Key)] = &[("name", key!("content_name")), ("category", key!("content_category"))];
const LIST: &[(&str, Key)] = &[("category", key!("content_category"))];
const SEARCH: &[(&str, Key)] = &[("query", key!("search_string"))];

pub static PAGE_VIEW: Rule = rule("PageView", Items::None, Worth::Given, &[]);
static VIEW_CONTENT: Rule = rule("ViewContent", Items::Product, Worth::Product, PRODUCT);
static VIEW_LIST: Rule = rule("ViewContent", Items::Products, Worth::Given, LIST);
static ADD_TO_CART: Rule = rule("AddToCart", Items::Product, Worth::Product, PRODUCT);
static ADD_TO_WISHLIST: Rule = rule("AddToWishlist", Items::Product, Worth::Product, PRODUCT);
static CUSTOMIZE_PRODUCT: Rule = rule("CustomizeProduct", Items::Product, Worth::Product, PRODUCT);
static SEARCHED: Rule = rule("Search", Items::Products, Worth::Given, SEARCH);
static INITIATE_CHECKOUT: Rule =
    Rule { counts_items: true, ..rule("InitiateCheckout", Items::Products, Worth::Order, &[]) };
static ADD_PAYMENT_INFO: Rule = rule("AddPaymentInfo", Items::Products, Worth::Order, &[]);
static PURCHASE: Rule = Rule { needs_money: true, ..rule("Purchase", Items::Products, Worth::Order, &[]) };
static COMPLETE_REGISTRATION: Rule = rule("CompleteRegistration", Items::Products, Worth::Given, &[]);
static CONTACT: Rule = rule("Contact", Items::Products, Worth::Given, &[]);
static DONATE: Rule = rule("Donate", Items::Products, Worth::Given, &[]);
static FIND_LOCATION: Rule = rule("FindLocation", Items::Products, Worth::Given, &[]);
static LEAD: Rule = rule("Lead", Items::Products, Worth::Given, &[]);
static SCHEDULE: Rule = rule("Schedule", Items::Products, Worth::Given, &[]);
static START_TRIAL: Rule = rule("StartTrial", Items::Products, Worth::Given, &[]);
static SUBMIT_APPLICATION: Rule = rule("SubmitApplication", Items::Products, Worth::Given, &[]);
static SUBSCRIBE: Rule = rule("Subscribe", Items::Products, Worth::Given, &[]);

/// A track event that is in no table: its own name.
pub static CUSTOM: Rule = rule("", Items::Products, Worth::Given, &[]);

/// Events of the Segment specification, versions 2 and 1, in lower case.
pub const EVENTS: &[(&str, &Rule)] = &[
    ("order completed", &PURCHASE),
    ("completed order", &PURCHASE),
    ("product viewed", &VIEW_CONTENT),
    ("viewed product", &VIEW_CONTENT),
    ("product list viewed", &VIEW_LIST),
    ("viewed product category", &VIEW_LIST),
    ("product added", &ADD_TO_CART),
    ("added product", &ADD_TO_CART),
    ("product added to wishlist", &ADD_TO_WISHLIST),
    ("products searched", &SEARCHED),
    ("checkout started", &INITIATE_CHECKOUT),
    ("payment info entered", &ADD_PAYMENT_INFO),
    ("signed up", &COMPLETE_REGISTRATION),
];

/// The vendor's own events, in lower case: whoever uses these names means them. Source:
/// developers.facebook.com/docs/meta-pixel/reference, standard events.
pub const STANDARD_EVENTS: &[(&str, &Rule)] = &[
    ("pageview", &PAGE_VIEW),
    ("addpaymentinfo", &ADD_PAYMENT_INFO),
    ("addtocart", &ADD_TO_CART),
    ("addtowishlist", &ADD_TO_WISHLIST),
    ("completeregistration", &COMPLETE_REGISTRATION),
    ("contact", &CONTACT),
    ("customizeproduct", &CUSTOMIZE_PRODUCT),
    ("donate", &DONATE),
    ("findlocation", &FIND_LOCATION),
    ("initiatecheckout", &INITIATE_CHECKOUT),
    ("lead", &LEAD),
    ("purchase", &PURCHASE),
    ("schedule", &SCHEDULE),
    ("search", &SEARCHED),
    ("starttrial", &START_TRIAL),
    ("submitapplication", &SUBMIT_APPLICATION),
    ("subscribe", &SUBSCRIBE),
    ("viewcontent", &VIEW_CONTENT),
];

/// What a parameter must be. What it is not, and cannot be made, is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Type {
    /// A text that is not blank; numbers are written as one.
    Text,
    /// A number; texts that are numbers are written as one.
    Number,
    /// A whole number that is not negative.
    Count,
    /// One of these, whatever its case.
    OneOf(&'static [&'static str]),
}

/// Source: parameters/custom-data, `contents` and `delivery_category`.
pub const DELIVERY_CATEGORIES: &[&str] = &["in_store", "curbside", "home_delivery"];
/// Source: parameters/custom-data, `content_type`.
pub const CONTENT_TYPES: &[&str] = &["product", "product_group"];

/// Parameters of `custom_data` whose type the vendor asks for, beside those of products and money.
/// Source: parameters/custom-data; `status` of the vendor's business SDK.
pub const PARAMETERS: &[(&str, Type)] = &[
    ("order_id", Type::Text),
    ("content_name", Type::Text),
    ("content_category", Type::Text),
    ("search_string", Type::Text),
    ("status", Type::Text),
    ("item_number", Type::Text),
    ("lead_event_source", Type::Text),
    ("num_items", Type::Count),
    ("net_revenue", Type::Number),
    ("predicted_ltv", Type::Number),
    ("delivery_category", Type::OneOf(DELIVERY_CATEGORIES)),
];

/// Whether properties of that name tell who a person is; the name is in lower case and without what
/// separates words. The vendor wants no contact information unhashed. Source:
/// parameters/customer-information-parameters; RudderStack's list for this vendor.
pub fn is_personal(name: &[u8]) -> bool {
    matches!(
        name,
        b"email"
            | b"emailaddress"
            | b"phone"
            | b"phonenumber"
            | b"mobile"
            | b"firstname"
            | b"lastname"
            | b"fullname"
            | b"surname"
            | b"username"
            | b"birthday"
            | b"birthdate"
            | b"dateofbirth"
            | b"dob"
            | b"gender"
            | b"address"
            | b"street"
            | b"zip"
            | b"zipcode"
            | b"postalcode"
            | b"ip"
            | b"ipaddress"
            | b"recipient"
            | b"password"
    )
}

/// Properties of a page that the event's addresses tell already.
pub const PAGE_TOLD: &[&str] = &["url", "referrer", "path", "search"];

/// Combinations of user data that are too broad: an event that has nothing but what is in one of them
/// is refused. Source: best-practices, baseline requirements for matching.
pub const TOO_BROAD: [&[&str]; 4] = [
    &["ct", "country", "st", "zp", "ge", "client_user_agent"],
    &["db", "client_user_agent"],
    &["fn", "ge"],
    &["ln", "ge"],
];

/// States for which data use can be limited, and their numbers. Source:
/// developers.facebook.com/docs/marketing-apis/data-processing-options.
pub const STATES: std::ops::RangeInclusive<i64> = 1_000..=1_013;

/// Names under which senders give what is meant for this vendor in `integrations`, in lower case.
pub const INTEGRATIONS: &[&str] = &[
    "facebook conversions api",
    "facebook conversions api (actions)",
    "meta conversions api",
    "facebook_conversions",
    "facebook conversions",
    "facebook pixel",
];

/// Where an event took place. Source: parameters/server-event, `action_source`.
pub const ACTION_SOURCES: &[(&str, ActionSource)] = &[
    ("website", ActionSource::Website),
    ("app", ActionSource::App),
    ("email", ActionSource::Email),
    ("phone_call", ActionSource::PhoneCall),
    ("chat", ActionSource::Chat),
    ("physical_store", ActionSource::PhysicalStore),
    ("system_generated", ActionSource::SystemGenerated),
    ("business_messaging", ActionSource::BusinessMessaging),
    ("other", ActionSource::Other),
];

/// Where an event took place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ActionSource {
    Website,
    App,
    Email,
    PhoneCall,
    Chat,
    PhysicalStore,
    SystemGenerated,
    BusinessMessaging,
    Other,
}

impl ActionSource {
    /// What the vendor calls it.
    pub fn name(self) -> &'static str {
        ACTION_SOURCES.iter().find(|(_, source)| *source == self).map_or("other", |(name, _)| name)
    }
}

/// Channels of business messaging. Source: business-messaging.
pub const MESSAGING_CHANNELS: &[&str] = &["messenger", "instagram", "whatsapp"];
