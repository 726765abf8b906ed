//! The vendor's tables: bounds, waits, and which property is made of what.

use crate::value::Type;

/// Where requests go. An account that is hosted in the European Union has the same address.
pub const BASE: &str = "https://api.hubapi.com";

/// Where access tokens are fetched: the address before it, /oauth/v1/token, ends in February 2027.
/// Source: changelog, "v1 OAuth API Deprecation", and Manage OAuth access tokens with the 2026-03 API.
pub const TOKEN_PATH: &str = "/oauth/2026-03/token";

/// Records of a batch. Source: Using object APIs, "100 inputs per request".
pub const RECORDS_MAX: usize = 100;
/// Events of a batch. Source: Send custom event occurrences, Limits.
pub const EVENTS_MAX: usize = 500;
/// Properties of an event. Source: as above.
pub const EVENT_PROPERTIES_MAX: usize = 50;
/// Characters of the name of an event or of an event's property, which begins with a letter and has
/// only lower-case letters, digits and `_`. Source: as above.
pub const EVENT_NAME_CHARACTERS_MAX: usize = 50;
/// Characters of an event's value. Source: as above.
pub const EVENT_VALUE_CHARACTERS_MAX: usize = 256;
/// The same where the property's name has one of [`LONG_NAMES`] in it. Source: Define custom events.
pub const EVENT_LONG_VALUE_CHARACTERS_MAX: usize = 1_024;
pub const LONG_NAMES: [&str; 3] = ["url", "referrer", "link"];
/// Characters of a record's value. Source: the vendor's help on property field types.
pub const RECORD_VALUE_CHARACTERS_MAX: usize = 65_536;
/// Characters of the name of a record's property. The vendor states no bound; this one keeps names that
/// are made of others from growing without end.
pub const RECORD_NAME_CHARACTERS_MAX: usize = 100;
/// Objects in one another that are told as one name, `address_geo_lat`: deeper ones are left out.
pub const DEPTH_MAX: usize = 4;

/// Bytes of what a contact is known by, where it stands in an address: three times as many, when they
/// are encoded, are what an address may have.
pub const CONTACT_ID_BYTES_MAX: usize = 2_000;
/// Bytes of the second of two requests, which waits in the tag of the first.
pub const TAG_BODY_BYTES_MAX: usize = 50_000;

/// After 429, by the limit that was hit. Source: usage guidelines; the daily limit ends at midnight
/// in the account's time zone, which nobody here knows, so an hour is asked for at a time.
pub const WAITS_MS: [(&str, u64); 3] = [("DAILY", 3_600_000), ("TEN_SECONDLY_ROLLING", 10_000), ("SECONDLY", 1_000)];
/// After 429 of the limit that searches have beside the app's.
pub const SEARCH_WAIT_MS: u64 = WAITS_MS[2].1;
/// After 429 that names no limit: the longest of the short ones.
pub const RATE_WAIT_MS: u64 = 10_000;
/// When an answer says that no request is left of the ten seconds: they roll, so soon there is one.
pub const NO_REQUEST_LEFT_MS: u64 = 1_000;
/// A lock lasts 2 s. Source: error handling, 423.
pub const LOCK_MS: u64 = 2_000;
/// "A few seconds". Source: error handling, 502 to 504 and 521 to 524.
pub const UNWELL_MS: u64 = 5_000;
/// While the account moves, where the answer names no time. Source: error handling, 477.
pub const MIGRATION_MS: u64 = 3_600_000;
/// Two requests made the same record at once; the second will find it.
pub const CONFLICT_MS: u64 = 2_000;
/// Categories of an error of one record that may pass.
pub const PASSING: [&str; 2] = ["RATE_LIMITS", "INTERNAL_ERROR"];

/// A property and where its value is found: the first of the paths that has one.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    pub to: &'static str,
    pub from: &'static [&'static str],
    pub is: Type,
}

const fn text(to: &'static str, from: &'static [&'static str]) -> Mapping {
    Mapping { to, from, is: Type::Text }
}

const fn number(to: &'static str, from: &'static [&'static str]) -> Mapping {
    Mapping { to, from, is: Type::Number }
}

/// The stage of a contact or company, by its internal name, which is in lower case.
pub const STAGE: &str = "lifecyclestage";
const STAGES: Mapping =
    Mapping { to: STAGE, from: &["lifecyclestage", "lifecycleStage", "lifecycle_stage"], is: Type::Lower };

/// Contacts: properties that each account has, of an identify's traits. Source: the contacts guide.
pub const CONTACT: &[Mapping] = &[
    text("firstname", &["firstName", "first_name", "firstname"]),
    text("lastname", &["lastName", "last_name", "lastname"]),
    text("phone", &["phone"]),
    text("mobilephone", &["mobilePhone", "mobile_phone", "mobilephone"]),
    text("fax", &["fax"]),
    text("address", &["address.street", "address"]),
    text("city", &["address.city", "city"]),
    text("state", &["address.state", "state"]),
    text("zip", &["address.postalCode", "address.postal_code", "address.zip", "postalCode", "postal_code", "zip"]),
    text("country", &["address.country", "country"]),
    text("company", &["company.name", "company"]),
    text("website", &["website"]),
    text("jobtitle", &["title", "jobTitle", "job_title", "jobtitle"]),
    STAGES,
];

/// Companies: the same of a group's traits. `domain` is made of `domain` or `website`; `industry` is
/// one of the vendor's own words and no free text, so it is sent only where the settings say so.
/// Source: the companies guide.
pub const COMPANY: &[Mapping] = &[
    text("name", &["name"]),
    text("website", &["website"]),
    text("description", &["description"]),
    text("phone", &["phone"]),
    text("address", &["address.street", "address"]),
    text("city", &["address.city", "city"]),
    text("state", &["address.state", "state"]),
    text("zip", &["address.postalCode", "address.postal_code", "address.zip", "postalCode", "postal_code", "zip"]),
    text("country", &["address.country", "country"]),
    number("numberofemployees", &["employees", "numberOfEmployees", "numberofemployees", "employee_count"]),
    STAGES,
];

/// Where a company's domain is found.
pub const DOMAIN: &[&str] = &["domain", "website", "url"];

/// Traits that are never sent under their own name: they identify, and have their own places.
pub const IDENTIFYING: &[&str] = &["id", "email", "userId", "anonymousId"];

/// Events: the vendor's default properties, by the member of the context that they come from. Source:
/// Define custom events, default event properties.
pub const EVENT_CONTEXT: &[(&str, &[Mapping])] = &[
    ("page", EVENT_PAGE),
    (
        "campaign",
        &[
            text("hs_utm_campaign", &["name"]),
            text("hs_utm_source", &["source"]),
            text("hs_utm_medium", &["medium"]),
            text("hs_utm_term", &["term"]),
            text("hs_utm_content", &["content"]),
        ],
    ),
    ("os", &[text("hs_operating_system", &["name"]), text("hs_operating_version", &["version"])]),
    ("device", &[text("hs_device_name", &["name"])]),
    ("screen", &[number("hs_screen_height", &["height"]), number("hs_screen_width", &["width"])]),
];
/// A member of the context that is told itself.
pub const EVENT_USER_AGENT: (&str, &str) = ("userAgent", "hs_user_agent");

/// Of a page; what its own properties say is told first.
pub const EVENT_PAGE: &[Mapping] =
    &[text("hs_page_url", &["url"]), text("hs_page_title", &["title"]), text("hs_referrer", &["referrer"])];

/// The address of the user's traits, as an event tells it too.
pub const EVENT_ADDRESS: &[Mapping] =
    &[text("hs_city", &["city"]), text("hs_region", &["state"]), text("hs_country", &["country"])];

/// `context.device.type` in lower case, and the vendor's word; it takes no other.
pub const DEVICE_TYPE: &str = "hs_device_type";
pub const DEVICE_TYPES: &[(&str, &str)] = &[
    ("desktop", "Desktop"),
    ("ios", "Smartphone"),
    ("android", "Smartphone"),
    ("mobile", "Smartphone"),
    ("smartphone", "Smartphone"),
    ("phone", "Smartphone"),
    ("tablet", "Tablet"),
    ("tv", "Smart TV"),
    ("smarttv", "Smart TV"),
    ("console", "Game Console"),
    ("wearable", "Wearable Computer"),
];

/// Names of the first version of the e-commerce specification, in lower case, and those of the second.
pub const FORMER_NAMES: &[(&str, &str)] = &[
    ("viewed product", "Product Viewed"),
    ("clicked product", "Product Clicked"),
    ("added product", "Product Added"),
    ("removed product", "Product Removed"),
    ("completed order", "Order Completed"),
    ("viewed product category", "Product List Viewed"),
    ("viewed promotion", "Promotion Viewed"),
    ("clicked promotion", "Promotion Clicked"),
];

/// Names under which senders give the vendor's own ids in `integrations`, whatever their case. Source:
/// the names of the vendor at Segment and RudderStack.
pub const INTEGRATIONS: &[&str] =
    &["HubSpot", "HubSpot Cloud Mode", "HubSpot Cloud Mode (Actions)", "HubSpot Web (Actions)", "HS"];

/// Where the token of the vendor's cookie is found, and what it is called there.
pub const TOKENS: &[&str] = &["hubspotutk", "utk", "hutk"];
/// What the id of the vendor's record is called.
pub const RECORD_IDS: &[&str] = &["objectId", "object_id", "contactId", "contact_id"];

/// Bytes of an e-mail address, and of the part before the `@`. Source: RFC 5321, section 4.5.3.1.
pub const EMAIL_BYTES_MAX: usize = 254;
pub const EMAIL_LOCAL_BYTES_MAX: usize = 64;
