//! The vendor's bounds, and what traits are called there.

use switchyard_sdk::{Key, key};

/// The latest version of the API whose specification this plugin follows. Source: klaviyo/openapi.
pub const REVISION: &str = "2026-07-15";

/// Events in a job. Source: reference/bulk_create_events.
pub const EVENTS_MAX: usize = 1_000;
/// Profiles in a job. Source: reference/bulk_import_profiles.
pub const PROFILES_MAX: usize = 10_000;
/// Bytes of a job, and of a single event: 5 MB. Source: reference/bulk_create_events, create_event.
pub const BODY_BYTES_MAX: usize = 5_000_000;
/// Bytes of a profile: 100 KB. Source: reference/create_or_update_profile, bulk_import_profiles.
pub const PROFILE_BYTES_MAX: usize = 100_000;
/// Characters of an event's name, which has fewer than 128. Source: reference/create_event.
pub const METRIC_CHARACTERS_MAX: usize = 127;
/// Bytes of a text in an event: 100 KB. Source: reference/create_event.
pub const TEXT_BYTES_MAX: usize = 100_000;
/// Elements of a list. Source: guide rate_limits_and_error_handling, ingestion limits.
pub const ELEMENTS_MAX: usize = 4_000;
/// Objects and lists in one another, that of the properties being the first. Source: the same. It does
/// not say where counting begins; here it begins as early as it can.
pub const DEPTH_MAX: usize = 10;
/// Characters of an external_id, and here of an anonymous_id too. Source: Segment's destination.
pub const ID_CHARACTERS_MAX: usize = 255;
/// Characters of an e-mail address, of its local part and of a label of its domain. Source: RFC 5321,
/// section 4.5.3.1, and RFC 1035, section 2.3.4.
pub const EMAIL_CHARACTERS_MAX: usize = 254;
pub const EMAIL_LOCAL_CHARACTERS_MAX: usize = 64;
pub const EMAIL_LABEL_CHARACTERS_MAX: usize = 63;
/// Digits of a phone number with its country code. Source: ITU-T E.164; no number has fewer than 7.
pub const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// How far ahead of now an event may lie: a year, in milliseconds. Source: reference/create_event.
pub const TIME_AHEAD_MS_MAX: i64 = 365 * 24 * 3_600_000;

/// The earliest time of an event, in milliseconds since 1970: 1990-01-01, before revision 2026-07-15
/// 2000-01-01. Source: klaviyo/openapi, whose history has both.
pub fn time_ms_min(revision: &str) -> i64 {
    if revision < "2026-07-15" { 946_684_800_000 } else { 631_152_000_000 }
}

/// Properties of an event: 400, before revision 2025-04-15 300. Source: reference/create_event, and the
/// ingestion limits of older revisions.
pub fn properties_max(revision: &str) -> usize {
    if revision < "2025-04-15" { 300 } else { 400 }
}

/// Bytes that a request's tag may have: a bound of the host.
pub const TAG_BYTES_MAX: usize = 65_536;

/// The longest wait that an answer may ask for: an hour, in milliseconds. The vendor's windows are a
/// second and a minute.
pub const WAIT_MS_MAX: u64 = 3_600_000;

/// The names of this vendor in `integrations`.
pub const INTEGRATIONS: &[&str] = &["Klaviyo", "Klaviyo (Actions)"];

/// Properties of older versions of the API for what has a field of its own now: the event's identity
/// and its value.
pub const LEGACY_PROPERTIES: &[&[u8]] = &[b"$event_id", b"$value"];

/// What a profile's field must be. What cannot be made so keeps its own name, as a custom property.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field {
    /// A text that is not blank, or a number.
    Text,
    /// A language tag: `de-DE`.
    Locale,
    /// A number from -90 to 90, or a text that is one.
    Latitude,
    /// A number from -180 to 180, or a text that is one.
    Longitude,
    /// An IP address.
    Ip,
}

/// A field of the profile, and the traits that it comes from, in the order in which they are tried.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub to: Key,
    pub is: Field,
    pub from: &'static [&'static str],
}

const fn place(to: Key, is: Field, from: &'static [&'static str]) -> Place {
    Place { to, is, from }
}

/// The identifiers, which identity.rs reads.
pub const IDENTIFIERS: &[&str] = &["email", "phone", "phone_number", "_kx"];

/// The fields of a profile beside its identifiers and its location. Source:
/// reference/create_or_update_profile.
pub const PROFILE: &[Place] = &[
    place(key!("first_name"), Field::Text, &["firstName", "first_name", "firstname"]),
    place(key!("last_name"), Field::Text, &["lastName", "last_name", "lastname"]),
    place(key!("organization"), Field::Text, &["organization", "company"]),
    place(key!("title"), Field::Text, &["title"]),
    place(key!("image"), Field::Text, &["image", "avatar"]),
    place(key!("locale"), Field::Locale, &["locale"]),
];

/// The fields of its location, from the traits or from the trait address. Source: the same.
pub const LOCATION: &[Place] = &[
    place(key!("address1"), Field::Text, &["address1", "street"]),
    place(key!("address2"), Field::Text, &["address2", "street2"]),
    place(key!("city"), Field::Text, &["city"]),
    place(key!("region"), Field::Text, &["region", "state"]),
    place(key!("zip"), Field::Text, &["zip", "postalCode", "postal_code", "postalcode"]),
    place(key!("country"), Field::Text, &["country"]),
    place(key!("latitude"), Field::Latitude, &["latitude"]),
    place(key!("longitude"), Field::Longitude, &["longitude"]),
    place(key!("timezone"), Field::Text, &["timezone", "time_zone"]),
    place(key!("ip"), Field::Ip, &["ip"]),
];
