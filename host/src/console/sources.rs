//! Sources: write keys, the lines for an SDK, and an event to try it with.

use maud::{Markup, html};

use super::glyphs::{glyph, tone};
use super::layout::pagehead;
use super::parts::{csrf, encoded, note, number};
use super::{Asked, Page};
use crate::admin::Failure;
use crate::admin::overview::tail;
use crate::admin::sources::{SourceView, WriteKeyView, sources};

/// The page. `made` is a write key that was just made, with its pipeline.
pub async fn page(asked: &Asked, made: Option<(&str, &str)>) -> Result<Page, Failure> {
    let all = sources(&asked.daemon, &asked.caller).await?;
    let config = asked.daemon.configured().await.config;
    let scheme = if config.ingest_tls.is_some() { "https" } else { "http" };
    // Who reaches the console by a name reaches the other port by the same.
    let host = match config.ingest_address.ip().is_unspecified() {
        true => asked.host.rsplit_once(':').map_or(asked.host.clone(), |(host, _)| host.to_string()),
        false => match config.ingest_address.ip() {
            std::net::IpAddr::V6(address) => format!("[{address}]"),
            address => address.to_string(),
        },
    };
    let base = format!("{scheme}://{host}:{}", config.ingest_address.port());
    let body = html! {
        (pagehead("Sources", html! { span class="muted small" { "Events come in at " code { (base) } } }, html! {}))
        @if let Some((pipeline, key)) = made {
            (note("ok", "ok", html! { p { b { "A write key of " (pipeline) " is made: " } code { (key) } } p { "The others still work: change your senders over, then disable the old key." } }))
        }
        @if all.is_empty() { p class="card empty" { "No pipeline yet: write a " code { "[[pipeline]]" } " with a write key into the configuration file." } }
        @for source in &all { (card(asked, source, &base)) }
    };
    Ok(Page::new("Sources", "sources", body))
}

fn card(asked: &Asked, source: &SourceView, base: &str) -> Markup {
    let counters = &source.counters;
    let home = format!("/sources/{}", encoded(&source.pipeline));
    let rejected: u64 = counters.rejected_by.values().sum();
    html! {
        section class="card" id={ "source-" (source.pipeline) } aria-label={ "Source " (source.pipeline) } {
            header {
                h2 { (source.pipeline) }
                @if source.strict { span class="tag" { "strict" } }
                @if source.tracking_plan > 0 { span class="tag" { "tracking plan, " (source.tracking_plan) " entries" } }
                @if asked.is_editor() {
                    div class="end" {
                        form method="post" action={ (home) "/test-event" } { (csrf(asked)) button { (glyph("flight")) "Send a test event" } }
                    }
                }
            }
            div class="equation" {
                div { span class="term" { "accepted since the start" } " " b { (number(counters.accepted)) } }
                div { span class="term" { "sent again" } " " b { (number(counters.duplicates)) } }
                div { span class="term" { "repaired" } " " b { (number(counters.repaired)) } }
                div { span class="term" { "rejected" } " " b { @if rejected > 0 { a href="/events?show=rejected" { (number(rejected)) } } @else { "0" } } }
                div { span class="term" { "slowed down" } " " b { (number(counters.rate_limited)) } }
            }
            div class="scroll" { table class="cards" {
                thead { tr { th scope="col" { "Write key" } th scope="col" { "State" } th scope="col" { "Limits a second" } @if asked.is_editor() { th scope="col" { span class="visually-hidden" { "Actions" } } } } }
                tbody { @for key in &source.write_keys { (key_row(asked, source, key, &home)) } }
            } }
            @if asked.is_editor() {
                form class="savebar" method="post" action={ (home) "/write-keys" } {
                    (csrf(asked)) input type="hidden" name="etag" value=(source.etag);
                    button { (glyph("plus")) "New write key" }
                    span class="small muted" { "To rotate: make a new key, change your senders over while both work, then disable the old one." }
                }
            }
            (snippets(source, base))
        }
    }
}

fn key_row(asked: &Asked, source: &SourceView, key: &WriteKeyView, home: &str) -> Markup {
    let action = format!("{home}/write-keys/{}", key.number);
    let (name, word) = if key.enabled { ("ok", "enabled") } else { ("paused", "disabled") };
    let label = tail(&key.key);
    html! {
        tr {
            td { code { (key.key) } }
            td { span class="state" { span class=(tone(name)) { (glyph(name)) } (word) } }
            td data-label="limits a second" {
                @if asked.is_editor() {
                    form class="row" method="post" action=(action) {
                        (csrf(asked)) input type="hidden" name="etag" value=(source.etag);
                        label class="row" { input type="number" name="events_per_second" min="0" size="8" value=[key.events_per_second] placeholder="no limit" aria-label={ "Events a second of key " (label) }; "events" }
                        label class="row" { input type="number" name="bytes_per_second" min="0" size="8" value=[key.bytes_per_second] placeholder="no limit" aria-label={ "Bytes a second of key " (label) }; "bytes" }
                        button name="act" value="limit" { "Set" }
                    }
                } @else {
                    @match (key.events_per_second, key.bytes_per_second) { (None, None) => { "none" } (events, bytes) => {
                        @if let Some(events) = events { (number(events)) " events " } @if let Some(bytes) = bytes { (number(bytes)) " bytes" }
                    } }
                }
            }
            @if asked.is_editor() {
                td class="right" {
                    form class="row" method="post" action=(action) {
                        (csrf(asked)) input type="hidden" name="etag" value=(source.etag);
                        @if key.enabled { button name="act" value="disable" aria-label={ "Disable key " (label) } { "Disable" } }
                        @else {
                            button name="act" value="enable" aria-label={ "Enable key " (label) } { "Enable" }
                            button class="danger" name="act" value="remove" aria-label={ "Remove key " (label) } { "Remove" }
                        }
                    }
                }
            }
        }
    }
}

fn snippets(source: &SourceView, base: &str) -> Markup {
    let key = source.write_keys.iter().find(|key| key.enabled).map_or("WRITE_KEY", |key| key.key.as_str());
    let all = [
        (
            "Node",
            format!(
                "import {{ Analytics }} from '@segment/analytics-node'\n\nconst analytics = new Analytics({{ writeKey: '{key}', host: '{base}' }})\nanalytics.track({{ userId: 'u1', event: 'Signed Up', properties: {{ plan: 'pro' }} }})"
            ),
        ),
        (
            "Python",
            format!(
                "import segment.analytics as analytics\n\nanalytics.write_key = '{key}'\nanalytics.host = '{base}'\nanalytics.track('u1', 'Signed Up', {{'plan': 'pro'}})\nanalytics.flush()"
            ),
        ),
        (
            "Browser",
            format!(
                "import {{ AnalyticsBrowser }} from '@segment/analytics-next'\n\nconst analytics = AnalyticsBrowser.load({{ writeKey: '{key}', cdnURL: '{base}' }})\nanalytics.track('Signed Up', {{ plan: 'pro' }})"
            ),
        ),
        (
            "curl",
            format!(
                "curl -u {key}: {base}/v1/track -H 'content-type: application/json' \\\n  -d '{{\"userId\":\"u1\",\"event\":\"Signed Up\",\"properties\":{{\"plan\":\"pro\"}}}}'"
            ),
        ),
    ];
    html! {
        details class="pad" {
            summary { b { "Lines for your SDK" } " " span class="small muted" { "with this address and key" } }
            div class="stack" { @for (name, lines) in &all { div { h3 { (name) } pre class="code" tabindex="0" { (lines) } } } }
        }
    }
}
