//! The vendor's tables: bounds, names that mean something to it, and what each field is called there.

use switchyard_sdk::Key;
use switchyard_sdk::key;

/// Events of a request to /2/httpapi or /batch. Source: http-api-batching-retries; /usermap has the
/// same bound, and /identify follows /2/httpapi.
pub const EVENTS_MAX: usize = 2_000;
/// A body must have less than 1 MB. Source: http-v2, group-identify, user-mapping.
pub const BODY_BYTES_MAX: usize = 999_999;
/// The body of /batch. Source: batch-event-upload.
pub const BATCH_BODY_BYTES_MAX: usize = 20_000_000;
/// Groups of a request to /groupidentify, and their properties all together. Source: group-identify.
pub const GROUP_IDENTIFIES_MAX: usize = 1_024;
pub const GROUP_PROPERTIES_MAX: usize = 1_024;
/// Group types of an event, and groups of all types together. Source: http-v2, `groups`.
pub const GROUP_TYPES_MAX: usize = 5;
pub const GROUPS_MAX: usize = 10;
/// Characters of an id, a name, or any other text. Source: http-v2, string character limit.
pub const TEXT_CHARACTERS_MAX: usize = 1_024;
/// Layers of `event_properties`, `user_properties` and `group_properties`. Source: http-v2.
pub const LAYERS_MAX: usize = 40;
/// Products of an order that become events of their own; of larger orders none does. Ours: an order
/// and its products stay in one request.
pub const PRODUCTS_MAX: usize = 200;
/// What the host takes as a request's tag. Source: host/src/plugin/limits.rs.
pub const TAG_BYTES_MAX: usize = 65_536;

/// The pause for a user or device that sends too fast. Source: http-v2, status 429.
pub const THROTTLED_MS: u64 = 30_000;
/// The same at /batch, /identify and its like. Source: batch-event-upload, identify.
pub const THROTTLED_OTHERS_MS: u64 = 15_000;

/// Ids that the vendor takes for a mistake and refuses. Source: http-v2, invalid ids.
pub const INVALID_IDS: &[&str] = &[
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "00000000-0000-0000-0000-000000000000",
    "{}",
    "lmy47d",
    "0",
    "-1",
];

/// Events that only the vendor may send, in lower case. The last two would change users and groups.
/// Source: http-v2, `event_type`.
pub const RESERVED_EVENTS: &[(&str, ())] = &[
    ("[amplitude] start session", ()),
    ("[amplitude] end session", ()),
    ("[amplitude] revenue", ()),
    ("[amplitude] revenue (verified)", ()),
    ("[amplitude] revenue (unverified)", ()),
    ("[amplitude] merged user", ()),
    ("$identify", ()),
    ("$groupidentify", ()),
];

/// What an event's money is to the vendor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Worth {
    /// Money earned: by the setting `order_value`.
    Order,
    /// Money given back.
    Refund,
    /// Money that is not earned yet, or was counted before.
    Nothing,
    /// `properties.revenue`, where there is one.
    Own,
}

/// Events of the Segment specification, versions 2 and 1, that have money in them, in lower case.
/// Other events are [`Worth::Own`].
pub const WORTHS: &[(&str, Worth)] = &[
    ("order completed", Worth::Order),
    ("completed order", Worth::Order),
    ("order refunded", Worth::Refund),
    ("order updated", Worth::Nothing),
    ("order cancelled", Worth::Nothing),
    ("checkout started", Worth::Nothing),
];

/// The event of a product of an order. Source: Segment's and RudderStack's destinations.
pub const PRODUCT_EVENT: &str = "Product Purchased";
/// `revenueType` where the sender gives none.
pub const PURCHASE: &str = "Purchase";
pub const REFUND: &str = "Refund";

/// What a field must be. What it is not, and cannot be made, is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Type {
    /// A text that is not empty; numbers are written as one.
    Text,
    /// A number between minus this and this; texts that are numbers are written as one.
    Degrees(f64),
}

/// Which records know a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Of {
    /// Events, and records of /identify.
    All,
    /// Events only.
    Events,
}

/// A member of a part of the context, and the vendor's field that it becomes.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub from: &'static str,
    pub to: Key,
    pub is: Type,
    pub of: Of,
}

const fn text(from: &'static str, to: Key) -> Field {
    Field { from, to, is: Type::Text, of: Of::All }
}

const fn degrees(from: &'static str, to: Key, max: f64) -> Field {
    Field { from, to, is: Type::Degrees(max), of: Of::Events }
}

/// The parts of the context that are objects. Source: http-v2 and identify, keys of a record.
pub const CONTEXT: &[(&str, &[Field])] = &[
    ("app", &[text("version", key!("app_version"))]),
    ("os", &[text("name", key!("os_name")), text("version", key!("os_version"))]),
    (
        "device",
        &[
            text("brand", key!("device_brand")),
            text("manufacturer", key!("device_manufacturer")),
            text("model", key!("device_model")),
        ],
    ),
    ("network", &[text("carrier", key!("carrier"))]),
    (
        "location",
        &[
            text("country", key!("country")),
            text("region", key!("region")),
            text("city", key!("city")),
            degrees("latitude", key!("location_lat"), 90.0),
            degrees("longitude", key!("location_lng"), 180.0),
        ],
    ),
];

/// The member of the context that is a field by itself.
pub const LOCALE: Field = text("locale", key!("language"));

/// Where a user came from: a member of `context.campaign`, the user property that always says the
/// last one, and the one that keeps the first. Source: Segment's destination, the vendor's own SDKs.
pub const CAMPAIGN: &[(&str, Key, Key)] = &[
    ("source", key!("utm_source"), key!("initial_utm_source")),
    ("medium", key!("utm_medium"), key!("initial_utm_medium")),
    ("name", key!("utm_campaign"), key!("initial_utm_campaign")),
    ("term", key!("utm_term"), key!("initial_utm_term")),
    ("content", key!("utm_content"), key!("initial_utm_content")),
    ("id", key!("utm_id"), key!("initial_utm_id")),
];

/// The same for `context.page.referrer`.
pub const REFERRER: (&str, Key, Key) = ("referrer", key!("referrer"), key!("initial_referrer"));

/// What `context.page` tells of a page where its properties do not.
pub const PAGE: [Key; 5] = [key!("url"), key!("path"), key!("referrer"), key!("search"), key!("title")];

/// Systems whose advertising id is an IDFA, in lower case.
pub const APPLE: &[&str] = &["ios", "ipados", "tvos", "watchos", "visionos"];

/// Libraries that run in browsers. Source: Segment's destination.
pub const BROWSER_LIBRARIES: &[&str] = &["analytics.js", "analytics-next", "@segment/analytics-next"];

/// Names under which senders give what is meant for this vendor in `integrations`.
pub const INTEGRATIONS: &[&str] = &["Amplitude", "Actions Amplitude"];
