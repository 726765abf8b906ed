//! Live events: a stream on the left, an event's whole story on the right.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::glyphs::{glyph, of_step, spoken};
use super::layout::pagehead;
use super::overview::outcome;
use super::parts::{at, at_exactly, bytes, destination_address, encoded, number, pretty};
use super::{Asked, Page};
use crate::admin::Failure;
use crate::admin::events::{EventView, EventsCall, StepView, events, rejected, trace};
use crate::event::EventKind;

/// Events of the stream.
const STREAM: usize = 60;

/// The page, with a story when an event is chosen.
pub async fn page(asked: &Asked, message_id: Option<&str>) -> Result<Page, Failure> {
    let configured = asked.daemon.configured().await;
    let pipelines: Vec<&str> = configured.config.pipelines.iter().map(|pipeline| pipeline.id.as_str()).collect();
    let destinations: Vec<String> = configured.config.destinations().map(|(_, each)| each.id.0.clone()).collect();
    let shows_rejected = asked.get("show") == Some("rejected");
    let call = EventsCall {
        pipeline: asked.get("pipeline").map(str::to_string),
        limit: STREAM,
        search: asked.get("search").unwrap_or_default().to_string(),
        kind: asked.get("kind").map(str::to_string),
        outcome: asked.get("outcome").map(str::to_string),
    };
    let now_ms = (asked.daemon.now)();
    let stories = match message_id {
        Some(message_id) => trace(&asked.daemon, &asked.caller, message_id).await?,
        None => Vec::new(),
    };
    let stream = match shows_rejected {
        true => rejected_items(asked, now_ms),
        false => {
            let all = events(&asked.daemon, &asked.caller, &call).await?;
            let query: Vec<String> = asked
                .pairs
                .iter()
                .filter(|(name, _)| name != "done")
                .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
                .collect();
            let address = format!("/live/events?{}", query.join("&"));
            html! {
                section class="card" aria-labelledby="stream" {
                    header { h2 id="stream" { "Stream" } span class="small muted" { "newest first" } div class="end" { button class="quiet" type="button" data-pause hidden { "Pause" } } }
                    div data-live-events=(address) data-chosen=(message_id.unwrap_or_default()) {
                        @if all.is_empty() { p class="empty" { "No event fits. " a href="/sources" { "Send a test event" } } ul class="stream" id="stream-list" {} }
                        @else { (list(&all, now_ms, &destinations, message_id)) }
                    }
                    (legend())
                }
            }
        }
    };
    let beside = html! { span class="livemark" data-stream-mark { "As of the page's loading" } };
    let body = html! {
        (pagehead("Live events", beside, html! { (choice(shows_rejected)) }))
        @if !shows_rejected { (filters(asked, &pipelines, message_id)) }
        div class="split" {
            (stream)
            div class="stack" id="story" {
                @if let Some(message_id) = message_id { @for story in &stories { (self::story(asked, story, message_id)) } }
                @else if !shows_rejected { p class="card empty" { "Choose an event to see its whole way: accepted, checked, planned, sent, answered." } }
            }
        }
    };
    Ok(Page::new(message_id.map_or("Live events".to_string(), |id| format!("Event {id}")), "events", body))
}

fn choice(shows_rejected: bool) -> Markup {
    super::parts::segmented(
        "What is shown",
        &[
            ("Accepted", "/events".to_string(), !shows_rejected),
            ("Rejected", "/events?show=rejected".to_string(), shows_rejected),
        ],
    )
}

fn filters(asked: &Asked, pipelines: &[&str], message_id: Option<&str>) -> Markup {
    let select = |name: &str, label: &str, any: &str, choices: Vec<(String, String)>| {
        let chosen = asked.get(name).unwrap_or_default().to_string();
        html! {
            select name=(name) aria-label=(label) {
                option value="" { (any) }
                @for (value, text) in &choices { option value=(value) selected[*value == chosen] { (text) } }
            }
        }
    };
    let same = |text: &str| (text.to_string(), text.to_string());
    let outcomes =
        [("delivered", "Delivered"), ("filtered", "Filtered"), ("retry", "Retrying"), ("dead", "Dead letter")];
    html! {
        form class="filters" action="/events" role="search" {
            input type="search" name="search" value=(asked.get("search").unwrap_or_default()) placeholder="User, messageId or event name  ( / )" aria-label="Search events" data-search;
            (select("pipeline", "Source", "Any source", pipelines.iter().map(|name| same(name)).collect()))
            (select("kind", "Type", "Any type", EventKind::ALL.iter().map(|kind| same(kind.as_str())).collect()))
            (select("outcome", "Outcome", "Any outcome", outcomes.iter().map(|(value, text)| (value.to_string(), text.to_string())).collect()))
            button { "Filter" }
            @if !asked.query.is_empty() || message_id.is_some() { a class="button quiet" href="/events" { "Clear" } }
        }
    }
}

fn legend() -> Markup {
    html! {
        p class="legend" {
            @for step in ["delivered", "filtered", "retry", "dead", "sent"] {
                @let (name, word) = of_step(step);
                span class="state" { span class=(super::glyphs::tone(name)) { (glyph(name)) } (word) }
            }
        }
    }
}

/// A list of events with their outcomes, in the order of the destinations.
pub fn list(all: &[EventView], now_ms: u64, destinations: &[String], chosen: Option<&str>) -> Markup {
    html! {
        ul class="stream" id="stream-list" {
            @for event in all { (row(event, now_ms, destinations, chosen == Some(event.message_id.as_str()))) }
        }
    }
}

/// One event of a list.
pub fn row(event: &EventView, now_ms: u64, destinations: &[String], is_chosen: bool) -> Markup {
    let title = if event.name.is_empty() { &event.kind } else { &event.name };
    let who = if event.user.is_empty() { "nobody named".to_string() } else { format!("user {}", event.user) };
    html! {
        li data-id=(event.message_id) class=[is_chosen.then_some("selected")] {
            a href={ "/events/" (encoded(&event.message_id)) } aria-current=[is_chosen.then_some("true")] {
                span class="small muted" { (at(event.received_ms, now_ms)) }
                span { b { (title) } span class="small muted" { (event.kind) ", " (who) ", " (event.pipeline) } }
                span class="glyphs" {
                    @for destination in destinations.iter().filter(|id| id.split('/').next() == Some(event.pipeline.as_str())) {
                        @match event.outcomes.get(destination) {
                            Some(step) => { (outcome(step, destination)) }
                            None => { (spoken("waiting", &format!("{destination}: under way"))) }
                        }
                    }
                }
            }
        }
    }
}

fn rejected_items(asked: &Asked, now_ms: u64) -> Markup {
    let all = rejected(&asked.daemon, &asked.caller);
    let all: Vec<&serde_json::Value> = all.as_array().into_iter().flatten().rev().collect();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    html! {
        section class="card" {
            header { h2 { "Rejected items" } span class="small muted" { "the last " (number(all.len() as u64)) ", newest first" } }
            @if all.is_empty() { p class="empty" { "None. An item that cannot be an event is listed here with the reason." } }
            ul class="stream" {
                @for item in &all {
                    li class="pick" {
                        div {
                            b { span class="bad" { (glyph("dead")) } " " (text(&item["code"]).replace('_', " ")) }
                            p { (text(&item["message"])) }
                            p class="small muted" { (at(item["at_ms"].as_u64().unwrap_or_default(), now_ms)) ", " (text(&item["pipeline"])) @if let Some(id) = item["message_id"].as_str() { ", " code { (id) } } }
                        }
                    }
                }
            }
        }
    }
}

/// An event's whole way.
pub fn story(asked: &Asked, view: &EventView, message_id: &str) -> Markup {
    let title = if view.name.is_empty() { &view.kind } else { &view.name };
    let mut lanes: BTreeMap<&str, Vec<&StepView>> = BTreeMap::new();
    view.steps.iter().for_each(|step| lanes.entry(&step.destination).or_default().push(step));
    let json = pretty(&view.event);
    let switchyard = &view.event["_switchyard"];
    let library = &view.event["context"]["library"];
    html! {
        section class="card" aria-labelledby="story-title" {
            header { h2 id="story-title" { (title) } code { (message_id) } div class="end" { a href={ "/api/v1/trace/" (encoded(message_id)) } { "JSON" } } }
            ol class="story pad" {
                li {
                    (glyph("source"))
                    div {
                        div class="line" { h3 { "Accepted" } span class="small muted" { "source " (view.pipeline) } (at_exactly(view.received_ms)) }
                        p class="muted" {
                            (bytes(view.event.to_string().len() as u64)) ", durable before it was answered."
                            @if let Some(name) = library["name"].as_str() { " Sent by " (name) " " (library["version"].as_str().unwrap_or_default()) "." }
                        }
                    }
                }
                li {
                    (glyph("checks"))
                    div {
                        div class="line" { h3 { "Checks passed" } }
                        @if switchyard.is_object() { p class="warn" { "Noted in the event: " code { (switchyard.to_string()) } } }
                        @else { p class="muted" { "A valid " (view.kind) ", nothing to repair, no violation of the tracking plan." } }
                    }
                }
                li {
                    (glyph("branch"))
                    div {
                        div class="line" { h3 { (super::parts::count(lanes.len() as u64, "destination", "destinations")) } }
                        @if lanes.is_empty() { p class="muted" { "Nothing has become of it yet." } }
                        @for (destination, steps) in &lanes { (lane(asked, destination, steps, view)) }
                    }
                }
            }
        }
        section class="card" {
            header { h2 { "The event" } @if !asked.is_editor() { span class="small muted" { "personal data masked" } } }
            div class="pad" { pre class="code" tabindex="0" { (json) } }
        }
    }
}

fn lane(asked: &Asked, destination: &str, steps: &[&StepView], view: &EventView) -> Markup {
    let last = steps.last().map(|step| step.note.step.as_str()).unwrap_or_default();
    let (name, word) = of_step(last);
    let attempts = steps.iter().filter(|step| step.note.status > 0 || step.note.step == "sent").count();
    let status = steps.iter().rev().find(|step| step.note.status > 0).map(|step| (step.note.status, step.note.took_ms));
    html! {
        details class="lane" open[last == "dead" || last == "retry"] {
            summary {
                b { (destination) }
                @if let Some((status, took_ms)) = status { span class="small muted" { (status) " in " (took_ms) " ms" } }
                @if attempts > 1 { span class="small muted" { (attempts) " attempts" } }
                span class="state" { span class=(super::glyphs::tone(name)) { (glyph(name)) } (word) }
            }
            div class="scroll" { table class="cards" {
                thead { tr { th scope="col" { "Time" } th scope="col" { "Step" } th scope="col" { "What happened" } } }
                tbody { @for step in steps {
                    tr {
                        td class="nowrap" { (at_exactly(step.note.at_ms)) }
                        td { (step.note.step.replace('_', " ")) }
                        td {
                            @if !step.note.request.is_empty() { code { (step.note.request) } " " }
                            @if step.note.status > 0 { (step.note.status) " in " (step.note.took_ms) " ms. " }
                            (step.note.detail)
                            @if !step.note.revision.is_empty() { " " span class="small muted" { "revision " (step.note.revision) } }
                        }
                    }
                } }
            } }
            p class="legend" {
                a href=(destination_address(destination)) { "Open the destination" }
                @if last == "dead" { a href={ "/dead-letters?destination=" (encoded(destination)) "&message_id=" (encoded(&view.message_id)) } { "Open in dead letters" } }
                @if !asked.is_editor() { span { "personal data masked" } }
            }
        }
    }
}
