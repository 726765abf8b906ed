//! The vendor's tables: bounds, reserved names, and what each field is called there.

use switchyard_sdk::Key;
use switchyard_sdk::key;

/// Bounds of a request. Source: reference/import-events and profile-batch-update.
pub const RECORDS_MAX: usize = 2_000;
/// 10 MB, not compressed.
pub const BODY_BYTES_MAX: usize = 10_000_000;
/// An event, and an update of a profile, must have less than 1 MB.
pub const RECORD_BYTES_MAX: usize = 999_999;
/// An event must have fewer than 255 properties.
pub const PROPERTIES_MAX: usize = 254;
/// An object in a property must have fewer than 255 keys.
pub const KEYS_MAX: usize = 254;
/// An array in a property of an event must have fewer than 255 elements; one of a profile may have more.
pub const ELEMENTS_MAX: usize = 254;
/// Objects and arrays in one another, that of the property being the first. The vendor does not say
/// whether an array counts; here it does.
pub const DEPTH_MAX: usize = 3;
/// Properties of a profile. Source: docs/data-structure/user-profiles.
pub const PROFILE_PROPERTIES_MAX: usize = 2_000;
/// Bytes of `$insert_id`, which has only letters, digits and `-`.
pub const INSERT_ID_BYTES_MAX: usize = 36;
/// No event before 1971-01-01, in milliseconds since 1970.
pub const TIME_MS_MIN: i64 = 31_536_000_000;
/// How far ahead of now an event's time may lie: an hour, in milliseconds.
pub const TIME_AHEAD_MS_MAX: i64 = 3_600_000;

/// The shortest wait after 429, 502 and 503, in milliseconds. Source: reference/rate-limits.
pub const BACK_OFF_MS: u64 = 2_000;
/// What is added to it so that clients do not come back together: 1 to 5 s.
pub const JITTER_MS: std::ops::RangeInclusive<u64> = 1_000..=5_000;

/// Identities that are none: the vendor refuses records with them. Source: reference/import-events.
pub const PLACEHOLDERS: &[&str] = &[
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
];

/// Whether a property is not the sender's to set: the name, the identity, the time, the address and the
/// project come from the event and the settings, and an event with a bucket is not shown. Source:
/// Segment's destination, and the vendor's reserved properties.
pub fn is_reserved(name: &[u8]) -> bool {
    match name.strip_prefix(b"$") {
        Some(name) => matches!(
            name,
            b"anon_id"
                | b"bucket"
                | b"device_id"
                | b"distinct_id"
                | b"distinct_ids"
                | b"event_name"
                | b"group_id"
                | b"identified_id"
                | b"insert_id"
                | b"time"
                | b"user_id"
        ),
        None => matches!(name, b"bucket" | b"distinct_id" | b"id" | b"ip" | b"time" | b"token"),
    }
}

/// Events by which the vendor joins identities, for good. Whoever knows a write key, as every browser
/// does, could join any two users, so they are made of identify and alias calls only. Source:
/// reference/create-identity, identity-create-alias and identity-merge.
pub const MERGES: [&str; 3] = ["$create_alias", "$identify", "$merge"];

/// What a value must be. What it is not, and cannot be made, is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Type {
    /// A text that is not empty, or a number.
    Text,
    /// A number, or a text that is one.
    Number,
    /// True or false.
    Bool,
}

/// A member of a part of the context, and the property that it becomes.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    pub from: &'static str,
    pub to: Key,
    pub is: Type,
}

const fn text(from: &'static str, to: Key) -> Mapping {
    Mapping { from, to, is: Type::Text }
}

const fn number(from: &'static str, to: Key) -> Mapping {
    Mapping { from, to, is: Type::Number }
}

const fn flag(from: &'static str, to: Key) -> Mapping {
    Mapping { from, to, is: Type::Bool }
}

/// The parts of the context that are objects. Source: the vendor's default properties, and the
/// destinations of Segment and RudderStack.
pub const CONTEXT: &[(&str, &[Mapping])] = &[
    ("page", &[text("url", key!("$current_url")), text("referrer", key!("$referrer"))]),
    ("library", &[text("name", key!("mp_lib")), text("version", key!("$lib_version"))]),
    (
        "campaign",
        &[
            text("name", key!("utm_campaign")),
            text("source", key!("utm_source")),
            text("medium", key!("utm_medium")),
            text("term", key!("utm_term")),
            text("content", key!("utm_content")),
        ],
    ),
    ("os", &[text("name", key!("$os")), text("version", key!("$os_version"))]),
    (
        "device",
        &[
            text("manufacturer", key!("$manufacturer")),
            text("model", key!("$model")),
            text("type", key!("$device_type")),
        ],
    ),
    (
        "app",
        &[
            text("name", key!("$app_name")),
            text("version", key!("$app_version_string")),
            text("build", key!("$app_build_number")),
            text("namespace", key!("$app_namespace")),
        ],
    ),
    (
        "screen",
        &[
            number("width", key!("$screen_width")),
            number("height", key!("$screen_height")),
            number("density", key!("$screen_density")),
        ],
    ),
    (
        "network",
        &[
            text("carrier", key!("$carrier")),
            flag("wifi", key!("$wifi_enabled")),
            flag("cellular", key!("$cellular_enabled")),
            flag("bluetooth", key!("$bluetooth_enabled")),
        ],
    ),
];

/// The members of the context that are no objects.
pub const CONTEXT_PLAIN: &[Mapping] = &[text("locale", key!("$locale")), text("timezone", key!("timezone"))];

/// Whether a property of the sender's may be one that the context gives too.
pub fn may_be_of_context(name: &[u8]) -> bool {
    name.starts_with(b"$")
        || name.starts_with(b"utm_")
        || matches!(
            name,
            b"mp_lib" | b"timezone" | b"advertising_id" | b"name" | b"category" | b"order_id" | b"currency"
        )
}

/// Properties of a profile that the vendor shows in its own places, and the traits that they come
/// from. A static has one address, by which it is told from other tables. Source: the vendor's reserved
/// and default profile properties, and Segment's destination.
pub static PROFILE: &[(Key, &[&str])] = &[
    (key!("$email"), &["email"]),
    (key!("$first_name"), &["firstName", "first_name", "firstname"]),
    (key!("$last_name"), &["lastName", "last_name", "lastname"]),
    (key!("$name"), &["name"]),
    (key!("$username"), &["username"]),
    (key!("$phone"), &["phone"]),
    (key!("$avatar"), &["avatar"]),
    (key!("$created"), &["createdAt", "created_at", "created"]),
    (key!("$city"), &["city"]),
    (key!("$region"), &["region", "state"]),
    (key!("$country_code"), &["country"]),
];

/// The same of a group.
pub static GROUP_PROFILE: &[(Key, &[&str])] = &[
    (key!("$name"), &["name"]),
    (key!("$email"), &["email"]),
    (key!("$phone"), &["phone"]),
    (key!("$avatar"), &["avatar"]),
    (key!("$created"), &["createdAt", "created_at", "created"]),
];

/// What no profile property may be called: the vendor takes it for the record's own.
pub const RESERVED_TRAITS: &[&str] = &["$distinct_id", "$group_id", "$group_key", "$token"];

/// Orders whose products can be sent one by one, in lower case.
pub const ORDERS: &[(&str, ())] = &[("order completed", ()), ("completed order", ())];
