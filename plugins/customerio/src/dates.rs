//! Times as the vendor compares them: whole seconds since 1970.

use switchyard_sdk::prelude::*;
use switchyard_sdk::time::parse_iso8601_us;

/// Larger numbers are milliseconds: as seconds they would be behind the year 5000.
const SECONDS_MAX: f64 = 1e11;

/// The seconds of a text that is a date, with or without a time: `2024-03-01`,
/// `2024-03-01T09:30:00.000Z`. Nothing else is taken for one.
#[inline]
pub fn seconds_of_date(value: Value<'_>) -> Option<i64> {
    let quoted = value.quoted()?;
    let may_be =
        quoted.len() >= 10 && quoted[4] == b'-' && quoted[7] == b'-' && matches!(quoted.get(10), None | Some(b'T'));
    if !may_be {
        return None;
    }
    parse_iso8601_us(quoted).map(|us| us.div_euclid(1_000_000))
}

/// The seconds of a date, or of a number of seconds or milliseconds.
pub fn seconds(value: Value<'_>) -> Option<i64> {
    if let Some(seconds) = seconds_of_date(value) {
        return Some(seconds);
    }
    let number: f64 = std::str::from_utf8(value.number_text()?).ok()?.parse().ok()?;
    let seconds = if number.abs() > SECONDS_MAX { number / 1_000.0 } else { number };
    (seconds.abs() <= SECONDS_MAX).then_some(seconds.floor() as i64)
}

/// When an event happened, where the vendor is to be told: it takes a time that is still to come for its
/// own, and one before 1970 is a mistake.
pub fn time_of_event(event: &Event<'_>, now_ms: u64) -> Option<i64> {
    let seconds = event.timestamp_s();
    (seconds > 0 && seconds <= (now_ms / 1_000) as i64).then_some(seconds)
}

/// Whether there is a date in a value, in objects in it too. Lists are not looked into.
pub fn has_date(value: Value<'_>) -> bool {
    seconds_of_date(value).is_some() || (value.is_object() && value.children().any(has_date))
}

/// Writes a value with the dates in it as seconds. Lists stay as they are.
pub fn write_converted(value: Value<'_>, json: &mut JsonWriter) {
    if let Some(seconds) = seconds_of_date(value) {
        return json.value(seconds);
    }
    if !value.is_object() {
        return json.value(value);
    }
    json.begin_object();
    for child in value.children() {
        json.raw_key(child.raw_key());
        write_converted(child, json);
    }
    json.end_object();
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use switchyard_sdk::native;

    use super::{seconds, seconds_of_date};

    #[test]
    fn dates_and_numbers_become_seconds() {
        let check = |value: Value, date: Option<i64>, any: Option<i64>| {
            let batch = native::batch(0, &[json!({"type": "track", "messageId": "m", "v": value})]);
            let found = batch.event(0).get("v");
            assert_eq!((seconds_of_date(found), seconds(found)), (date, any), "{value}");
        };
        check(json!("2023-11-14"), Some(1_699_920_000), Some(1_699_920_000));
        check(json!("2023-11-14T22:13:20Z"), Some(1_700_000_000), Some(1_700_000_000));
        check(json!("2023-11-14T23:13:20.999+01:00"), Some(1_700_000_000), Some(1_700_000_000));
        check(json!("1969-12-31T23:59:59Z"), Some(-1), Some(-1));
        check(json!("2023-11-14 22:13:20"), None, None);
        check(json!("2023-13-14"), None, None);
        check(json!("2023-11-14-b"), None, None);
        check(json!(1_700_000_000), None, Some(1_700_000_000));
        check(json!(1_700_000_000_999_i64), None, Some(1_700_000_000));
        check(json!("1700000000"), None, Some(1_700_000_000));
        check(json!(1e300), None, None);
        check(json!(true), None, None);
        check(json!("soon"), None, None);
    }
}
