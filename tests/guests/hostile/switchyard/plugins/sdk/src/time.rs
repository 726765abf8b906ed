//! Times: ISO 8601 to and from what vendors count in.

/// Microseconds since 1970 of `2024-03-01T09:30:00.123Z`; also with an offset, with any number of
/// decimals, a space for the T, without seconds, or a date alone. None where it is no time.
pub fn parse_iso8601_us(text: &[u8]) -> Option<i64> {
    let (year, month, day) = match text {
        [a, b, c, d, b'-', e, f, b'-', g, h, ..] => {
            (number(&[*a, *b, *c, *d])?, number(&[*e, *f])?, number(&[*g, *h])?)
        }
        _ => return None,
    };
    if !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    let midnight_us = days_from_date(year, month, day) * 86_400_000_000;
    match text[10..].split_first() {
        None => Some(midnight_us),
        Some((b'T' | b't' | b' ', clock)) => Some(midnight_us + clock_us(clock)?),
        Some(_) => None,
    }
}

/// Microseconds since midnight in UTC of `09:30:00.123+01:00`.
fn clock_us(text: &[u8]) -> Option<i64> {
    let (hours, minutes, mut rest) = match text {
        [a, b, b':', c, d, rest @ ..] => (number(&[*a, *b])?, number(&[*c, *d])?, rest),
        _ => return None,
    };
    let mut seconds = 0;
    if let [b':', a, b, after @ ..] = rest {
        seconds = number(&[*a, *b])?;
        rest = after;
    }
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let mut decimals_us = 0;
    if let Some((b'.' | b',', after)) = rest.split_first() {
        let places = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if places == 0 {
            return None;
        }
        let six = (0..6).map(|place| if place < places { i64::from(after[place] - b'0') } else { 0 });
        decimals_us = six.fold(0, |sum, digit| sum * 10 + digit);
        rest = &after[places..];
    }
    let since_midnight = (hours * 3_600 + minutes * 60 + seconds) * 1_000_000 + decimals_us;
    Some(since_midnight - offset_us(rest)?)
}

/// The offset from UTC: nothing, `Z`, `+01:00`, `+0100` or `+01`.
fn offset_us(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign, a, b] => (sign, number(&[*a, *b])?, 0),
        [sign, a, b, c, d] | [sign, a, b, b':', c, d] => (sign, number(&[*a, *b])?, number(&[*c, *d])?),
        _ => return None,
    };
    let offset = (hours * 60 + minutes) * 60_000_000;
    match sign {
        b'+' => Some(offset),
        b'-' => Some(-offset),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01. Years begin in March here, so that the leap day is the last of its year,
/// and eras have 400 of them.
fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `2023-11-14T22:13:20.000Z` of milliseconds since 1970.
pub fn format_iso8601(ms: i64) -> String {
    let days = ms.div_euclid(86_400_000) + 719_468;
    let rest = ms.rem_euclid(86_400_000);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_their_many_forms() {
        let check = |text: &str, wanted: Option<i64>| assert_eq!(parse_iso8601_us(text.as_bytes()), wanted, "{text}");
        check("1970-01-01", Some(0));
        check("1970-01-01T00:00:00Z", Some(0));
        check("2023-11-14T22:13:20.000Z", Some(1_700_000_000_000_000));
        check("2023-11-14T22:13:20", Some(1_700_000_000_000_000));
        check("2023-11-14 22:13:20.123456789Z", Some(1_700_000_000_123_456));
        check("2023-11-14T22:13:20.1Z", Some(1_700_000_000_100_000));
        check("2023-11-14T23:13:20+01:00", Some(1_700_000_000_000_000));
        check("2023-11-14T17:43:20-0430", Some(1_700_000_000_000_000));
        check("2023-11-14T23:13:20+01", Some(1_700_000_000_000_000));
        check("2000-02-29T00:00:00Z", Some(951_782_400_000_000));
        check("1969-12-31T23:59:59.999Z", Some(-1_000));
        for text in
            ["", "now", "2023-02-29", "2023-13-01", "2023-11-14T24:00:00Z", "2023-11-14T22:13:20.Z", "2023-11-14Tx"]
        {
            check(text, None);
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in [
            "2023-11-14T22:13:20.123Z",
            "2000-02-29T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "2100-03-01T12:00:00.001Z",
        ] {
            assert_eq!(format_iso8601(parse_iso8601_us(text.as_bytes()).unwrap() / 1_000), text);
        }
    }
}
