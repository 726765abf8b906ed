//! The glyphs: one for each state and thing, drawn once in a page and used by name.

use maud::{Markup, PreEscaped, html};

use crate::admin::health::HealthKind;

/// The drawings, by name, on a field of 16 by 16.
const SPRITE: &str = concat!(
    r#"<svg class="sprite" aria-hidden="true"><defs>"#,
    r#"<symbol id="g-ok" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.2"/><path d="m5.3 8.2 1.9 1.9 3.6-4"/></symbol>"#,
    r#"<symbol id="g-filtered" viewBox="0 0 16 16"><path d="M2 3h12L9.5 8.5v4.7l-3-1.6V8.5z"/></symbol>"#,
    r#"<symbol id="g-retry" viewBox="0 0 16 16"><path d="M13.3 6.2A5.6 5.6 0 1 0 13.6 9"/><path d="M13.8 2.6v3.8H10"/></symbol>"#,
    r#"<symbol id="g-dead" viewBox="0 0 16 16"><path d="M5.4 1.8h5.2l3.6 3.6v5.2l-3.6 3.6H5.4l-3.6-3.6V5.4z"/><path d="m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4"/></symbol>"#,
    r#"<symbol id="g-paused" viewBox="0 0 16 16"><rect x="2" y="2" width="12" height="12" rx="2"/><path d="M6.3 5.5v5m3.4-5v5"/></symbol>"#,
    r#"<symbol id="g-behind" viewBox="0 0 16 16"><path d="M8 2 15 14H1z"/><path d="M8 6.5v3.2m0 2v.1"/></symbol>"#,
    r#"<symbol id="g-waiting" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.2"/><path d="M8 4.4V8l2.4 1.8"/></symbol>"#,
    r#"<symbol id="g-source" viewBox="0 0 16 16"><circle cx="8" cy="8" r="1.6"/><path d="M4.8 4.8a4.5 4.5 0 0 0 0 6.4m6.4-6.4a4.5 4.5 0 0 1 0 6.4M2.6 2.6a7.6 7.6 0 0 0 0 10.8M13.4 2.6a7.6 7.6 0 0 1 0 10.8"/></symbol>"#,
    r#"<symbol id="g-checks" viewBox="0 0 16 16"><path d="M8 1.6 13.4 3.4v4.2c0 3.3-2.2 5.5-5.4 6.8-3.2-1.3-5.4-3.5-5.4-6.8V3.4z"/><path d="m5.6 7.8 1.8 1.8 3-3.4"/></symbol>"#,
    r#"<symbol id="g-rules" viewBox="0 0 16 16"><path d="M1.5 4.5h4m3.4 0h5.6M1.5 11.5h6.6m3.4 0h3"/><circle cx="7.2" cy="4.5" r="1.7"/><circle cx="9.8" cy="11.5" r="1.7"/></symbol>"#,
    r#"<symbol id="g-branch" viewBox="0 0 16 16"><path d="M1.5 4.5h13M5 4.5c4 0 3 7 7 7h2.5"/></symbol>"#,
    r#"<symbol id="g-plus" viewBox="0 0 16 16"><path d="M8 3v10M3 8h10"/></symbol>"#,
    r#"<symbol id="g-flight" viewBox="0 0 16 16"><path d="M2 8h11m-4-4 4 4-4 4"/></symbol>"#,
    r#"<symbol id="g-menu" viewBox="0 0 16 16"><path d="M2 4h12M2 8h12M2 12h12"/></symbol>"#,
    r#"<symbol id="g-undo" viewBox="0 0 16 16"><path d="M5.5 2.5 2.5 5.5l3 3M2.8 5.5h6.4a4 4 0 0 1 0 8H6"/></symbol>"#,
    r#"</defs></svg>"#,
);

/// The drawings, once in a page.
pub fn sprite() -> Markup {
    PreEscaped(SPRITE.to_string())
}

/// A glyph beside a word that says the same.
pub fn glyph(name: &str) -> Markup {
    html! { svg class="glyph" aria-hidden="true" { use href={ "#g-" (name) } {} } }
}

/// A glyph that stands alone: its word is read out and shown when pointed at.
pub fn spoken(name: &str, word: &str) -> Markup {
    html! { svg class={ "glyph " (tone(name)) } role="img" aria-label=(word) { title { (word) } use href={ "#g-" (name) } {} } }
}

/// The colour that repeats what a glyph says.
pub fn tone(name: &str) -> &'static str {
    match name {
        "ok" => "ok",
        "dead" => "bad",
        "retry" | "behind" => "warn",
        _ => "idle",
    }
}

/// The glyph of a destination's health.
pub fn of_health(kind: HealthKind) -> &'static str {
    match kind {
        HealthKind::Healthy => "ok",
        HealthKind::Paused => "paused",
        HealthKind::Behind => "behind",
        HealthKind::Retrying => "retry",
        HealthKind::NoPlugin | HealthKind::Dead | HealthKind::Failing => "dead",
    }
}

/// The glyph and the word of a step of an event's story.
pub fn of_step(step: &str) -> (&'static str, &'static str) {
    match step {
        "delivered" => ("ok", "delivered"),
        "filtered" => ("filtered", "filtered"),
        "retry" => ("retry", "retrying"),
        "dead" | "rejected" => ("dead", if step == "dead" { "dead letter" } else { "rejected" }),
        "expired" => ("behind", "expired"),
        "sent" => ("flight", "sent"),
        "replayed" => ("undo", "replayed"),
        _ => ("waiting", "under way"),
    }
}
