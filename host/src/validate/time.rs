//! Reads and writes points in time: milliseconds since 1970 in UTC, negative before.
//!
//! Reads what SDKs send: RFC 3339, and the ISO 8601 forms near it. Never asks a clock.

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// 0000-01-01 and 9999-12-31T23:59:59.999: what four digits of a year can say.
const EARLIEST_MS: i64 = -62_167_219_200_000;
const LATEST_MS: i64 = 253_402_300_799_999;

/// Reads `2026-11-24`, or `2026-11-24T03:59:05.678Z` with 0 to 9 digits of a second's fraction, `Z`,
/// an offset (`+01:00`, `+0100`, `+01`) or nothing (UTC) at its end, a `t` or a space for the `T`,
/// and perhaps no seconds. What is finer than a millisecond is cut off.
pub fn parse(text: &[u8]) -> Option<i64> {
    let mut rest = Digits(text.trim_ascii());
    let year = rest.number(4)?;
    rest.expect(b"-")?;
    let month = rest.number(2)?;
    rest.expect(b"-")?;
    let day = rest.number(2)?;
    let days = days_since_1970(year, month, day)?;
    let within = if rest.0.is_empty() { 0 } else { time_of_day(&mut rest)? };
    in_range(days * DAY_MS + within)
}

/// A point in time that a number names: milliseconds since 1970, a fraction cut off.
pub fn from_number(text: &str) -> Option<i64> {
    let number: f64 = text.parse().ok()?;
    let in_sight = (EARLIEST_MS as f64..=LATEST_MS as f64).contains(&number);
    in_sight.then_some(number as i64)
}

/// The same point if four digits can say its year.
pub fn in_range(ms: i64) -> Option<i64> {
    (EARLIEST_MS..=LATEST_MS).contains(&ms).then_some(ms)
}

/// Writes `2026-11-24T03:59:05.678Z`. Beyond the years 0 to 9999 it writes the nearest point within.
pub fn format(ms: i64) -> String {
    let ms = ms.clamp(EARLIEST_MS, LATEST_MS);
    let (days, within) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil(days);
    let (minutes, fraction) = (within / MINUTE_MS, within % MINUTE_MS);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], minutes / 60);
    put(&mut text[14..16], minutes % 60);
    put(&mut text[17..19], fraction / 1000);
    put(&mut text[20..23], fraction % 1000);
    String::from_utf8_lossy(&text).into_owned()
}

fn put(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// What is left to be read.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        head.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
    }

    /// Takes one byte, which must be one of these.
    fn expect(&mut self, one_of: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        one_of.contains(first).then_some(*first)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        self.0 = &self.0[usize::from(found)..];
        found
    }
}

/// From the `T` to the end, in milliseconds of the day; an offset may lead out of the day.
fn time_of_day(rest: &mut Digits<'_>) -> Option<i64> {
    rest.expect(b"Tt ")?;
    let hour = rest.number(2)?;
    rest.expect(b":")?;
    let minute = rest.number(2)?;
    let seconds = if rest.skip(b':') { rest.number(2)? } else { 0 };
    let fraction = if rest.skip(b'.') || rest.skip(b',') { fraction_ms(rest)? } else { 0 };
    let offset = offset_minutes(rest)?;
    // A leap second counts as the first of the next minute.
    let valid = hour < 24 && minute < 60 && seconds <= 60 && rest.0.is_empty();
    valid.then(|| (hour * 60 + minute - offset) * MINUTE_MS + seconds * 1000 + fraction)
}

fn fraction_ms(rest: &mut Digits<'_>) -> Option<i64> {
    let digits = rest.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 9 {
        return None;
    }
    let fraction = rest.number(digits)?;
    Some(fraction * 1000 / 10_i64.pow(digits as u32))
}

fn offset_minutes(rest: &mut Digits<'_>) -> Option<i64> {
    if rest.0.is_empty() {
        return Some(0);
    }
    let sign = match rest.expect(b"Zz+-")? {
        b'+' => 1,
        b'-' => -1,
        _ => return Some(0),
    };
    let hours = rest.number(2)?;
    rest.skip(b':');
    let minutes = if rest.0.is_empty() { 0 } else { rest.number(2)? };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. `None` where there is no such day.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    // Years that start in March end with the leap day.
    let (march_year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = march_year.div_euclid(4) - march_year.div_euclid(100) + march_year.div_euclid(400);
    Some(march_year * 365 + leap_days + days_before(from_march) + day - 1 - 719_468)
}

/// Days of a year that starts in March before its month of that number, March being 0.
fn days_before(from_march: i64) -> i64 {
    (from_march * 153 + 2) / 5
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097)); // 400 years
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100);
    let from_march = (of_year * 5 + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, of_year - days_before(from_march) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_sdks_send() {
        const EXPECTED: i64 = 1_795_492_745_678;
        for text in [
            "2026-11-24T03:59:05.678Z",
            "2026-11-24T03:59:05.678999Z",
            "2026-11-24T03:59:05.678000123Z",
            "2026-11-24T03:59:05.678+00:00",
            "2026-11-24T04:59:05.678+01:00",
            "2026-11-24T04:59:05.678+01",
            "2026-11-23T22:29:05.678-0530",
            "2026-11-24T03:59:05.678",
            "2026-11-24 03:59:05,678z",
            " 2026-11-24t03:59:05.678Z\n",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(EXPECTED), "{text}");
        }
        assert_eq!(parse(b"2026-11-24T03:59:05Z"), Some(EXPECTED - 678));
        assert_eq!(parse(b"2026-11-24T03:59:05.6Z"), Some(EXPECTED - 78));
        assert_eq!(parse(b"2026-11-24T03:59Z"), Some(EXPECTED - 5_678));
        assert_eq!(parse(b"2026-11-24"), Some(EXPECTED - 14_345_678));
        assert_eq!(parse(b"2016-12-31T23:59:60Z"), parse(b"2017-01-01T00:00:00Z"));
        assert_eq!(parse(b"1969-12-31T23:59:59.999Z"), Some(-1));
        assert_eq!(from_number("1795492745678"), Some(EXPECTED));
        assert_eq!(from_number("1.795492745678e12"), Some(EXPECTED));
        assert_eq!(from_number("1795492745678.9"), Some(EXPECTED));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "now",
            "2026",
            "2026-11",
            "2026-13-01",
            "2026-00-01",
            "2026-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-11-24T",
            "2026-11-24T24:00Z",
            "2026-11-24T03:60Z",
            "2026-11-24T03:59:61Z",
            "2026-11-24T03:59:05.Z",
            "2026-11-24T03:59:05.1234567890Z",
            "2026-11-24T03:59:05Zx",
            "2026-11-24T03:59:05+24:00",
            "2026-11-24T03:59:05+1",
            "26-11-24",
            "+2026-11-24",
            "2026-1-24",
            "2026-11-24T3:59",
            "\u{661}026-11-24",
            "0000-01-01T00:00:00+01:00",
            "9999-12-31T23:59:60Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        for number in ["1e300", "-1e300", "253402300800000", "NaN"] {
            assert_eq!(from_number(number), None, "{number}");
        }
    }

    #[test]
    fn writes_every_day_as_it_reads_it() {
        for day in EARLIEST_MS / DAY_MS..=LATEST_MS / DAY_MS {
            let ms = day * DAY_MS + day.rem_euclid(DAY_MS);
            assert_eq!(parse(format(ms).as_bytes()), Some(ms));
        }
        assert_eq!(format(EARLIEST_MS), "0000-01-01T00:00:00.000Z");
        assert_eq!(format(LATEST_MS), "9999-12-31T23:59:59.999Z");
        assert_eq!(format(i64::MAX), format(LATEST_MS));
        assert_eq!(format(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(format(1_709_210_096_001), "2024-02-29T12:34:56.001Z");
    }
}
