//! Small parts that pages share.

use maud::{Markup, html};

use super::Asked;
use super::glyphs::{glyph, of_health};
use crate::admin::health::{Health, HealthKind};
use crate::validate::time;

/// A time, UTC: the clock for today, else the day too; the whole of it when pointed at.
pub fn at(ms: u64, now_ms: u64) -> Markup {
    let whole = time::format(i64::try_from(ms).unwrap_or(i64::MAX));
    let (day, clock) = (whole.get(..10).unwrap_or_default(), whole.get(11..19).unwrap_or_default());
    let is_today = ms / 86_400_000 == now_ms / 86_400_000;
    html! { time datetime=(whole) title=(whole) { @if !is_today { (day) " " } (clock) } }
}

/// The day, the clock and the thousandth.
pub fn at_exactly(ms: u64) -> Markup {
    let whole = time::format(i64::try_from(ms).unwrap_or(i64::MAX));
    html! { time datetime=(whole) title=(whole) { (whole.get(11..23).unwrap_or_default()) } }
}

/// A number with its thousands apart.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How many a second.
pub fn rate(value: f64) -> String {
    match value {
        value if value <= 0.0 => "0/s".to_string(),
        value if value < 0.05 => "<0.1/s".to_string(),
        value => format!("{value:.1}/s"),
    }
}

/// Bytes for people.
pub fn bytes(value: u64) -> String {
    match value {
        0..1_024 => format!("{value} B"),
        1_024..1_048_576 => format!("{:.1} KiB", value as f64 / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", value as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", value as f64 / 1_073_741_824.0),
    }
}

/// `1 event`, `2 events`.
pub fn count(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// A small picture of a rate: 96 by 24, the last point marked.
pub fn spark(values: &[u64], tone: &str, what: &str) -> Markup {
    const WIDTH: f64 = 96.0;
    const HEIGHT: f64 = 24.0;
    let max = values.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = WIDTH / values.len().saturating_sub(1).max(1) as f64;
    let point = |(at, value): (usize, &u64)| (at as f64 * step, HEIGHT - 2.0 - *value as f64 / max * (HEIGHT - 5.0));
    let points: Vec<(f64, f64)> = values.iter().enumerate().map(point).collect();
    let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let line = line.join(" ");
    let (end_x, end_y) = points.last().copied().unwrap_or((WIDTH, HEIGHT - 2.0));
    html! {
        svg class={ "spark " (tone) } viewBox="0 0 96 24" role="img" aria-label=(what) {
            polygon class="area" points={ "0,24 " (line) " 96,24" } {}
            polyline points=(line) {}
            circle class="end" cx={ (format!("{end_x:.1}")) } cy={ (format!("{end_y:.1}")) } r="1.8" {}
        }
    }
}

/// The tone of a spark by a destination's health.
pub fn spark_tone(kind: HealthKind) -> &'static str {
    match kind {
        HealthKind::Healthy => "",
        HealthKind::Paused => "idle",
        HealthKind::Behind | HealthKind::Retrying => "warn",
        HealthKind::NoPlugin | HealthKind::Dead | HealthKind::Failing => "bad",
    }
}

/// A state's class.
pub fn health_class(kind: HealthKind) -> &'static str {
    match kind {
        HealthKind::Healthy => "healthy",
        HealthKind::Paused => "paused",
        HealthKind::Behind => "behind",
        HealthKind::Retrying => "retrying",
        HealthKind::NoPlugin => "no_plugin",
        HealthKind::Dead => "dead",
        HealthKind::Failing => "failing",
    }
}

/// A destination's health.
pub fn state(health: &Health) -> Markup {
    html! {
        span class={ "state " (health_class(health.kind)) } title=(health.why) {
            (glyph(of_health(health.kind))) span { (health.text) }
        }
    }
}

/// The hidden field that every form carries.
pub fn csrf(asked: &Asked) -> Markup {
    html! { input type="hidden" name="csrf" value=(asked.csrf); }
}

/// A form with a single button.
pub fn press(asked: &Asked, action: &str, class: &str, label: Markup) -> Markup {
    html! { form method="post" action=(action) { (csrf(asked)) button class=(class) { (label) } } }
}

/// A sentence as it is said elsewhere: it begins with a capital, and what stands between backticks is code.
pub fn sentence(text: &str) -> Markup {
    let mut signs = text.chars();
    let text = signs.next().map(|first| first.to_uppercase().chain(signs).collect::<String>()).unwrap_or_default();
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A path of a field, which may be broken behind its dots.
pub fn path(path: &str) -> Markup {
    html! { @for part in path.split_inclusive('.') { (part) wbr; } }
}

/// A choice among links.
pub fn segmented(label: &str, choices: &[(&str, String, bool)]) -> Markup {
    html! {
        nav class="segmented" aria-label=(label) {
            @for (text, address, is_current) in choices {
                a href=(address) aria-current=[is_current.then_some("true")] { (text) }
            }
        }
    }
}

/// Something to know, with its glyph.
pub fn note(tone: &str, glyph_name: &str, content: Markup) -> Markup {
    html! { div class={ "note " (tone) } role=[(tone == "bad").then_some("alert")] { (glyph(glyph_name)) div { (content) } } }
}

/// Percent-encodes a text as one part of a path, or a value of a query.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Where a destination's page is; `id` is `<pipeline>/<name>`.
pub fn destination_address(id: &str) -> String {
    let (pipeline, name) = id.split_once('/').unwrap_or((id, ""));
    format!("/destinations/{}/{}", encoded(pipeline), encoded(name))
}

/// An event's JSON, to be read.
pub fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_for_people() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (4_812_306, "4,812,306")] {
            assert_eq!(number(value), text);
        }
        for (value, text) in [(0.0, "0/s"), (0.01, "<0.1/s"), (131.42, "131.4/s")] {
            assert_eq!(rate(value), text);
        }
        assert_eq!((bytes(1_023), bytes(1_536), bytes(5 << 30)), ("1023 B".into(), "1.5 KiB".into(), "5.0 GiB".into()));
        assert_eq!((count(1, "event", "events"), count(0, "event", "events")), ("1 event".into(), "0 events".into()));
    }

    #[test]
    fn a_picture_of_anything_is_a_picture() {
        for values in [&[][..], &[0], &[5], &[0, 0, 0], &[u64::MAX, 0, 1]] {
            let drawn = spark(values, "", "x").into_string();
            assert!(drawn.contains("<polyline") && !drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
    }
}
