//! Records that make two identities one, in the original mode. In the simplified mode the vendor does
//! it by itself, and these records would do nothing.
//!
//! Time, user and `$insert_id` are in them because strict validation wants them in every record. Two
//! identities are one whenever that was said, so no record fails for its time.

use switchyard_sdk::prelude::*;

use crate::call::Records;
use crate::identity::{Identity, somebody, write_insert_id};
use crate::import::time_ms;
use crate::settings::{MergeWith, Mixpanel};

/// Writes the merge of an identify: of the visitor with the user. None where the event has not both.
pub fn write_identify(mixpanel: &Mixpanel, event: &Event<'_>, now_ms: u64, records: &mut Records<'_>) {
    let Identity { user: Some(user), device: Some(device) } = Identity::of(event) else { return };
    if user == device {
        return;
    }
    match mixpanel.merge_with {
        MergeWith::Merge => merge(mixpanel, event, [user, device], now_ms, records),
        // The vendor takes only such ids here, and refuses the record with any other.
        MergeWith::Identify if !is_uuid_4(device.bytes()) => {}
        MergeWith::Identify => record(mixpanel, event, "$identify", now_ms, records, |json| {
            json.member(key!("distinct_id"), user);
            json.member(key!("$identified_id"), user);
            json.member(key!("$anon_id"), device);
        }),
    }
}

/// Writes the merge of an alias: of the previous id with the user's.
///
/// # Errors
/// Names the field for which it cannot be sent.
pub fn write_alias(
    mixpanel: &Mixpanel,
    event: &Event<'_>,
    now_ms: u64,
    records: &mut Records<'_>,
) -> Result<(), &'static str> {
    let previous = somebody(event.get("previousId")).ok_or("previousId: is missing or a placeholder")?;
    let user = somebody(event.get("userId")).ok_or("userId: is missing or a placeholder")?;
    if user == previous {
        return Err("previousId: is the userId itself");
    }
    match mixpanel.merge_with {
        MergeWith::Merge => merge(mixpanel, event, [user, previous], now_ms, records),
        MergeWith::Identify => record(mixpanel, event, "$create_alias", now_ms, records, |json| {
            json.member(key!("distinct_id"), previous);
            json.member(key!("alias"), user);
        }),
    }
    Ok(())
}

fn merge(mixpanel: &Mixpanel, event: &Event<'_>, ids: [Id<'_>; 2], now_ms: u64, records: &mut Records<'_>) {
    record(mixpanel, event, "$merge", now_ms, records, |json| {
        json.member(key!("distinct_id"), ids[0]);
        json.member_key(key!("$distinct_ids"));
        json.begin_array();
        ids.into_iter().for_each(|id| json.value(id));
        json.end_array();
    });
}

fn record(
    mixpanel: &Mixpanel,
    event: &Event<'_>,
    name: &str,
    now_ms: u64,
    records: &mut Records<'_>,
    write_ids: impl FnOnce(&mut JsonWriter),
) {
    let time_ms = time_ms(event, now_ms).unwrap_or(event.received_ms() as i64);
    records.record(|json| {
        json.begin_object();
        json.member(key!("event"), name);
        json.verbatim(b",\"properties\":{");
        json.member(key!("time"), time_ms);
        write_insert_id(event.message_id(), None, json);
        write_ids(json);
        json.member(key!("token"), &mixpanel.project_token);
        json.verbatim(b"}}");
        true
    });
}

/// Whether an id is a random UUID, as it is written in 36 characters.
fn is_uuid_4(id: &[u8]) -> bool {
    let character = |at: usize, byte: u8| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => byte == b'4',
        19 => matches!(byte, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
        _ => byte.is_ascii_hexdigit(),
    };
    id.len() == 36 && id.iter().enumerate().all(|(at, byte)| character(at, *byte))
}
