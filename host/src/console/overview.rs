//! The overview: what needs attention, whether everything is accounted for, and each pipeline as a
//! picture of its way.

use maud::{Markup, html};

use super::glyphs::{glyph, of_health, spoken, tone};
use super::layout::pagehead;
use super::parts::{
    at, count, destination_address, encoded, health_class, note, number, press, rate, segmented, sentence, spark,
    spark_tone, state,
};
use super::{Asked, Page};
use crate::admin::health::{HealthKind, percent};
use crate::admin::overview::{Attention, Balance, DestinationRow, Overview, PipelineView, span, with_since};
use crate::admin::{Failure, window_of};
use crate::daemon::trends::Window;

/// The heights of the fleet's head and rows, which the branch is drawn by.
const HEAD: usize = 28;
const ROW: usize = 44;

/// The page.
pub async fn page(asked: &Asked) -> Result<Page, Failure> {
    let overview = with_since(&asked.daemon, window_of(&asked.query)?).await?;
    Ok(Page::new("Overview", "overview", body(asked, &overview)))
}

fn body(asked: &Asked, overview: &Overview) -> Markup {
    let windows: Vec<(&str, String, bool)> = Window::ALL
        .iter()
        .map(|window| (label(*window), format!("/?window={}", window.as_str()), *window == overview.window))
        .collect();
    let actions = html! {
        (segmented("Look back", &windows))
        @if asked.is_editor() { a class="button" href="/integrations" { (glyph("plus")) "Add destination" } }
    };
    let beside = html! { span class="livemark" data-live-stream={ "/live/overview?window=" (overview.window.as_str()) } { "As of the page's loading" } };
    html! {
        (pagehead("Overview", beside, actions))
        (attention(asked, &overview.attention, overview))
        (balance(&overview.balance))
        @if overview.pipelines.is_empty() { (first_steps()) }
        @for pipeline in &overview.pipelines { (signal_box(asked, pipeline, overview.window)) }
    }
}

fn label(window: Window) -> &'static str {
    match window {
        Window::Quarter => "15 min",
        Window::Hour => "1 h",
        Window::Day => "24 h",
    }
}

fn first_steps() -> Markup {
    html! {
        section class="card" {
            header { h2 { "Three steps to the first event" } }
            ol class="pad stack" {
                li { "1. Write a " code { "[[pipeline]]" } " with a write key into the configuration file. It takes effect when it is saved." }
                li { "2. Put the write key into your SDK: " a href="/sources" { "Sources" } " shows the lines." }
                li { "3. Choose where its events go: " a href="/integrations" { "Integrations" } "." }
            }
        }
    }
}

fn attention(asked: &Asked, all: &[Attention], overview: &Overview) -> Markup {
    let destinations: usize = overview.pipelines.iter().map(|pipeline| pipeline.destinations.len()).sum();
    if all.is_empty() {
        return html! {
            p class="state healthy" { (glyph("ok")) span { "Nothing needs attention. " (count(destinations as u64, "destination", "destinations")) " configured." } }
        };
    }
    html! {
        section class="card" aria-labelledby="attention" {
            header { h2 id="attention" { "Needs attention" } span class="small muted" { (all.len()) " of " (count(destinations as u64, "destination", "destinations")) } }
            ul class="attention" { @for each in all { (attention_row(asked, each, overview.now_ms)) } }
        }
    }
}

fn attention_row(asked: &Asked, each: &Attention, now_ms: u64) -> Markup {
    let name = of_health(each.kind);
    let home = destination_address(&each.destination);
    html! {
        li {
            span class=(tone(name)) { (glyph(name)) }
            div {
                b { (each.title) }
                @if each.since_ms > 0 { " " span class="small muted nowrap" { "since " (at(each.since_ms, now_ms)) ", " (span(now_ms.saturating_sub(each.since_ms))) } }
                p { (sentence(&each.text)) }
            }
            div class="row" {
                @if !each.destination.is_empty() {
                    @if each.dead_letters > 0 {
                        a class="button" href={ "/dead-letters?destination=" (encoded(&each.destination)) } { "Open " (count(each.dead_letters, "dead letter", "dead letters")) }
                    }
                    @if each.resumable && asked.is_editor() {
                        (press(asked, &format!("{home}/resume"), "", html! { "Resume" }))
                    }
                    a class="button" href={ (home) "/deliveries" } { "See deliveries" }
                }
            }
        }
    }
}

fn balance(balance: &Balance) -> Markup {
    let part = |key: &str, name: &str, word: &str, value: u64| {
        html! {
            div { span class="term" { @if !name.is_empty() { span class=(tone(name)) { (glyph(name)) } " " } (word) } " " b data-n={ "balance:" (key) } { (number(value)) } }
        }
    };
    let plus = || html! { span class="sign" aria-hidden="true" { "+" } };
    html! {
        section class="card" aria-label="Deliveries, all of them" {
            div class="equation" {
                h3 { "Deliveries" }
                (part("accepted", "", "accepted", balance.accepted))
                @if balance.replayed > 0 { (plus()) (part("replayed", "undo", "replayed", balance.replayed)) }
                span class="sign" aria-hidden="true" { "=" }
                (part("delivered", "ok", "delivered", balance.delivered)) (plus())
                (part("filtered", "filtered", "filtered", balance.filtered)) (plus())
                (part("waiting", "waiting", "waiting", balance.waiting)) (plus())
                (part("owed", "retry", "retrying", balance.owed)) (plus())
                (part("dead", "dead", "dead letters", balance.dead))
                @if balance.expired > 0 { (plus()) (part("expired", "behind", "expired", balance.expired)) }
                div class="end" {
                    @if balance.balances { span class="tag ok" { (glyph("ok")) "balances" } }
                    @else { span class="tag bad" { (glyph("dead")) "does not balance" } }
                }
            }
        }
    }
}

fn tags(pipeline: &PipelineView) -> Markup {
    let of = |kinds: &[HealthKind]| pipeline.destinations.iter().filter(|row| kinds.contains(&row.health.kind)).count();
    let failing = of(&[HealthKind::Dead, HealthKind::Failing, HealthKind::NoPlugin]);
    let (behind, paused) = (of(&[HealthKind::Behind, HealthKind::Retrying]), of(&[HealthKind::Paused]));
    html! {
        @if failing > 0 { span class="tag bad" { (glyph("dead")) (failing) " failing" } }
        @if behind > 0 { span class="tag warn" { (glyph("behind")) (behind) " behind" } }
        @if paused > 0 { span class="tag" { (glyph("paused")) (paused) " paused" } }
        @if failing + behind + paused == 0 && !pipeline.destinations.is_empty() { span class="tag ok" { (glyph("ok")) "all healthy" } }
    }
}

fn signal_box(asked: &Asked, pipeline: &PipelineView, window: Window) -> Markup {
    let name = &pipeline.name;
    html! {
        section class="card" aria-label={ "Pipeline " (name) } {
            header { h2 { (name) } (tags(pipeline)) div class="end" { a class="small" href={ "/sources#source-" (encoded(name)) } { "Source" } } }
            div class="signalbox" {
                div class="station" {
                    div class="name" { (glyph("source")) span title=(name) { (name) } }
                    div { span class="figure" data-n={ "p:" (name) ":rate" } { (format!("{:.1}", pipeline.accepted_per_second)) } " " span class="small muted" { "events/s" } }
                    (spark(&pipeline.spark, "", &format!("Events accepted, last {}", label(window))))
                    p class="small muted" { (count(pipeline.write_keys.len() as u64, "write key", "write keys")) @if !pipeline.write_keys.is_empty() { ", " (pipeline.write_keys.join(", ")) } }
                }
                div class="station" {
                    div class="name" { (glyph("checks")) span { "Checks" } }
                    div { span class="figure" { (pipeline.accepted_share.map_or("no events".to_string(), percent)) } @if pipeline.accepted_share.is_some() { " " span class="small muted" { "accepted" } } }
                    p class="small muted" { (rate(pipeline.rejected_per_second)) " rejected" @if let Some(mostly) = &pipeline.rejected_mostly { ", mostly " (mostly) } }
                    @if pipeline.rejected_mostly.is_some() { p class="small" { a href="/events?show=rejected" { "See rejected items" } } }
                }
                (branch(&pipeline.destinations))
                div class="fleetbox" { (fleet(asked, pipeline, window)) }
            }
        }
    }
}

/// From the checks to each destination: solid, dashed when it retries, dotted when it is paused.
fn branch(rows: &[DestinationRow]) -> Markup {
    let center = |at: usize| HEAD + ROW * at + ROW / 2;
    let height = HEAD + ROW * rows.len().max(1);
    let first = center(0);
    html! {
        svg class="branch" width="48" height=(height) viewBox={ "0 0 48 " (height) } aria-hidden="true" {
            @for (at, row) in rows.iter().enumerate() {
                @let y = center(at);
                @if at == 0 { path class=(health_class(row.health.kind)) d={ "M0 " (y) "H48" } {} }
                @else {
                    path d={ "M0 " (first) "H2Q8 " (first) " 8 " (first + 6) "V" (y - 12) } {}
                    path class=(health_class(row.health.kind)) d={ "M8 " (y - 12) "Q8 " (y) " 20 " (y) "H48" } {}
                }
            }
        }
    }
}

fn fleet(asked: &Asked, pipeline: &PipelineView, window: Window) -> Markup {
    if pipeline.destinations.is_empty() {
        return html! {
            p class="empty" { "No destination yet: its events are accepted and kept. "
                @if asked.is_editor() { a href={ "/integrations?pipeline=" (encoded(&pipeline.name)) } { "Add one" } } }
        };
    }
    html! {
        table class="fleet" {
            thead { tr {
                th scope="col" { "Destination" } th scope="col" { "Health" } th scope="col" class="right" { "Rate" }
                th scope="col" { "Last " (label(window)) } th scope="col" class="right" { "Lag" }
                th scope="col" class="right" { "Waiting" } th scope="col" class="right" { "Dead" }
            } }
            tbody { @for row in &pipeline.destinations { (fleet_row(row, window)) } }
        }
    }
}

fn fleet_row(row: &DestinationRow, window: Window) -> Markup {
    let key = |what: &str| format!("d:{}:{what}", row.id);
    html! {
        tr class=(health_class(row.health.kind)) {
            td { a href=(destination_address(&row.id)) { (row.name) } div class="small muted" { (row.plugin) " " (row.version) } }
            td { (state(&row.health)) }
            td class="right" data-n=(key("rate")) { (rate(row.delivered_per_second)) }
            td { (spark(&row.spark, spark_tone(row.health.kind), &format!("Deliveries of {}, last {}", row.name, label(window)))) }
            td class={ "right" @if row.health.kind == HealthKind::Behind { " old" } } data-label="lag" { span data-n=(key("lag")) { (span(row.lag_ms)) } }
            td class={ "right" @if row.waiting == 0 { " zero" } } data-label="waiting" { span data-n=(key("waiting")) { (number(row.waiting)) } }
            td class={ "right" @if row.dead_letters == 0 { " zero" } @else { " many" } } data-label="dead" {
                @if row.dead_letters > 0 { a class="many" href={ "/dead-letters?destination=" (encoded(&row.id)) } { span data-n=(key("dead")) { (number(row.dead_letters)) } } }
                @else { span data-n=(key("dead")) { "0" } }
            }
        }
    }
}

/// The numbers of the page, by the names that its markup gives them.
pub fn numbers(overview: &Overview) -> Vec<(String, String)> {
    let balance = &overview.balance;
    let mut all: Vec<(String, String)> = [
        ("accepted", balance.accepted),
        ("replayed", balance.replayed),
        ("delivered", balance.delivered),
        ("filtered", balance.filtered),
        ("waiting", balance.waiting),
        ("owed", balance.owed),
        ("dead", balance.dead),
        ("expired", balance.expired),
    ]
    .into_iter()
    .map(|(key, value)| (format!("balance:{key}"), number(value)))
    .collect();
    for pipeline in &overview.pipelines {
        all.push((format!("p:{}:rate", pipeline.name), format!("{:.1}", pipeline.accepted_per_second)));
        for row in &pipeline.destinations {
            let mut put = |what: &str, text: String| all.push((format!("d:{}:{what}", row.id), text));
            put("rate", rate(row.delivered_per_second));
            put("lag", span(row.lag_ms));
            put("waiting", number(row.waiting));
            put("dead", number(row.dead_letters));
        }
    }
    all
}

/// For other pages: a word on something that cannot be shown.
pub fn nothing(text: &str) -> Markup {
    note("", "waiting", html! { (text) })
}

/// A glyph for the last step in a destination.
pub fn outcome(step: &str, destination: &str) -> Markup {
    let (name, word) = super::glyphs::of_step(step);
    spoken(name, &format!("{destination}: {word}"))
}
