//! The vendor's tables: bounds, and names that mean something to it.
//!
//! Sources, unless a rule names another: docs.customer.io/integrations/api/track, "Rate limits" and the
//! limits below it, and docs.customer.io/files/journeys-track.json.

/// Bytes of a request. "Smaller than 500kb"; a kilobyte is taken for 1,000 bytes, the smaller reading.
pub const BODY_BYTES_MAX: usize = 499_999;
/// Bytes of an item. "32kb or smaller".
pub const ITEM_BYTES_MAX: usize = 32_000;
/// Bytes of an id: of a person, a visitor, an object.
pub const ID_BYTES_MAX: usize = 150;
/// Attributes of a person in one identify, of an object, of a relationship.
pub const ATTRIBUTES_MAX: usize = 300;
/// Bytes of an attribute's name.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 150;
/// Bytes of an attribute's value, where the settings name no other bound.
pub const ATTRIBUTE_VALUE_BYTES_MAX: usize = 1_000;
/// Bytes of the name of an event, a page or a screen. The vendor says so of /v1/track alone.
pub const EVENT_NAME_BYTES_MAX: usize = 100;
/// Bytes of a device's token. Ours: tokens have some 200.
pub const TOKEN_BYTES_MAX: usize = 4_096;

/// The wait that is taken for granted where a 429 names none: the vendor counts by the second.
pub const THROTTLED_MS: u64 = 1_000;
/// The longest wait that an answer may ask for.
pub const WAIT_MS_MAX: u64 = 3_600_000;

/// What a userId begins with that is the vendor's own. Source: journeys-track.json, `track_customer_id`.
pub const CIO_ID_PREFIX: &str = "cio_";

/// What a track of a certain name does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Adds the device, where the event has one; an event otherwise.
    AppUsed,
    /// Removes the device, where the event has one; an event otherwise.
    AppRemoved,
    AddDevice,
    DeleteDevice,
    DeletePerson,
    Suppress,
    Unsuppress,
    DeleteRelationship,
    DeleteObject,
    /// Tells what became of a message. It has an address of its own, /api/v1/metrics.
    Report,
}

impl Command {
    /// Whether it is about a device.
    pub fn is_of_device(self) -> bool {
        matches!(self, Command::AppUsed | Command::AppRemoved | Command::AddDevice | Command::DeleteDevice)
    }
}

/// Tracks that do something, in lower case. Source: semantic-events/cio-journeys, and the vendor's
/// destinations at Segment and RudderStack.
pub const COMMANDS: &[(&str, Command)] = &[
    ("application installed", Command::AppUsed),
    ("application opened", Command::AppUsed),
    ("application uninstalled", Command::AppRemoved),
    ("device created or updated", Command::AddDevice),
    ("device deleted", Command::DeleteDevice),
    ("user deleted", Command::DeletePerson),
    ("user suppressed", Command::Suppress),
    ("user unsuppressed", Command::Unsuppress),
    ("relationship deleted", Command::DeleteRelationship),
    ("object deleted", Command::DeleteObject),
    ("report delivery event", Command::Report),
    ("report content event", Command::Report),
];

/// What a group does with the object, by the trait `action`. Source: journeys-track.json, object
/// operations; the trait is RudderStack's.
pub const OBJECT_ACTIONS: &[&str] = &["identify", "delete", "add_relationships", "delete_relationships"];

/// Traits of a group that are no attributes of the object. Source: docs.customer.io/integrations/data-in,
/// group calls.
pub const NO_ATTRIBUTES_OF_OBJECT: &[&str] = &[
    "object_type_id",
    "objectTypeId",
    "objectAttributes",
    "object_attributes",
    "relationshipAttributes",
    "relationship_attributes",
    "action",
    "createdAt",
    "created_at",
    "cio_object_id",
    "object_id",
];

/// Traits that say which object a person belongs to, and are no attributes of the person.
pub const NO_ATTRIBUTES_OF_PERSON: &[&str] = &[
    "objectId",
    "object_id",
    "objectTypeId",
    "object_type_id",
    "relationshipAttributes",
    "relationship_attributes",
    "cio_relationships",
];

/// Properties of an event that change the message that it triggers. Source: journeys-track.json, track,
/// reserved properties.
pub const MESSAGE_OVERRIDES: &[&str] = &["recipient", "from_address", "reply_to"];

/// Systems whose devices get pushes from Apple, in lower case.
pub const APPLE: &[&str] = &["ios", "iphone", "ipad", "ipados", "iphone os", "watchos", "tvos", "ipod"];
