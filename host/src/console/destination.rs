//! A destination: its settings and grants, its deliveries, its history.

use maud::{Markup, html};

use super::glyphs::glyph;
use super::integrations::grants;
use super::overview::nothing;
use super::parts::{
    at, count, csrf, destination_address, encoded, note, number, press, rate, segmented, sentence, spark, spark_tone,
    state,
};
use super::settings_form::{Mistakes, fields};
use super::{Asked, Page, audit, events};
use crate::admin::destinations::{DestinationView, destination};
use crate::admin::events::{EventsCall, events as last_events};
use crate::admin::overview::span;
use crate::admin::plugins::plugin;
use crate::admin::{Failure, configuration};

/// Events that the page of deliveries shows.
const DELIVERIES: usize = 50;

/// The heading and the tabs. Transformations stand between settings and deliveries.
pub fn head(asked: &Asked, view: &DestinationView, tab: &str) -> Markup {
    let home = destination_address(&view.row.id);
    let tabs = [
        ("settings", "Settings", ""),
        ("transformations", "Transformations", "/transformations"),
        ("deliveries", "Deliveries", "/deliveries"),
        ("history", "History", "/history"),
    ];
    let is_paused = view.row.paused;
    html! {
        div class="pagehead" {
            nav class="crumbs" aria-label="Path" { a href="/integrations" { "Integrations" } " / " (view.row.pipeline) }
            h1 { (view.row.name) }
            (state(&view.row.health))
            span class="muted small" { (view.row.title) " " (view.row.version) }
            @if asked.is_editor() {
                div class="actions" {
                    @if view.row.paused_by_configuration { span class="small muted" { "Paused by the configuration file" } }
                    @else if is_paused || view.row.health.text == "Paused" { (press(asked, &format!("{home}/resume"), "go", html! { "Resume" })) }
                    @else { (press(asked, &format!("{home}/pause"), "", html! { (glyph("paused")) "Pause" })) }
                }
            }
        }
        nav class="tabs" aria-label="Parts of the destination" {
            @for (key, label, path) in tabs {
                a href={ (home) (path) } aria-current=[(key == tab).then_some("page")] { (label) }
            }
        }
        @if !view.row.health.why.is_empty() { (note("warn", "behind", html! { b { (view.row.health.text) ". " } (sentence(&view.row.health.why)) "." })) }
    }
}

/// The page of the settings.
pub async fn settings(
    asked: &Asked,
    (pipeline, name): (&str, &str),
    mistakes: Option<&Mistakes>,
) -> Result<Page, Failure> {
    let view = destination(&asked.daemon, pipeline, name).await?;
    let configured = asked.daemon.configured().await;
    let home = destination_address(&view.row.id);
    let body = html! {
        (head(asked, &view, "settings"))
        @if let Some(mistakes) = mistakes { (note("bad", "dead", html! { (mistakes.message) })) }
        @match plugin(&configured, &view.row.plugin) {
            Err(_) => { (nothing("Its plugin is not installed: its settings cannot be checked or changed here.")) }
            Ok(own) => {
                form class="card" method="post" action=(home) {
                    (csrf(asked))
                    input type="hidden" name="etag" value=(view.etag);
                    div class="pad form" { (fields(&own.manifest.settings, &view.settings, asked, mistakes)) }
                    div class="pad form" {
                        (grants(asked, &own.manifest, Some(&view.allowed_hosts)))
                        @if !view.allowed_addresses.is_empty() {
                            div class="formrow" { span class="label" { "Private addresses" } p { "The configuration lets it reach " code { (view.allowed_addresses.join(", ")) } "." } }
                        }
                    }
                    @if asked.is_editor() {
                        div class="savebar" {
                            button class="go" { "Save" }
                            span class="small muted" { "Checked whole, then in effect with the next batch. Comments and order of the file stay." }
                        }
                    }
                }
            }
        }
        @if asked.is_editor() {
            section class="card" {
                header { h2 { "Remove" } }
                form class="pad row" method="post" action={ (home) "/remove" } {
                    (csrf(asked))
                    input type="hidden" name="etag" value=(view.etag);
                    p { "Removing it drops what it has not delivered (" (count(view.row.waiting, "delivery", "deliveries")) "). Its dead letters stay." }
                    label class="row" { "Type " code { (view.row.name) } " to confirm " input name="confirm" autocomplete="off"; }
                    button class="danger" { "Remove destination" }
                }
            }
        }
    };
    Ok(Page::new(format!("{}: settings", view.row.id), "integrations", body))
}

/// The page of its deliveries.
pub async fn deliveries(asked: &Asked, (pipeline, name): (&str, &str)) -> Result<Page, Failure> {
    let view = destination(&asked.daemon, pipeline, name).await?;
    let home = destination_address(&view.row.id);
    let wanted = asked.get("outcome").unwrap_or_default();
    let call = EventsCall { pipeline: Some(pipeline.to_string()), limit: DELIVERIES * 4, ..EventsCall::default() };
    let mut all = last_events(&asked.daemon, &asked.caller, &call).await?;
    let id = view.row.id.clone();
    all.retain(|event| wanted.is_empty() || event.outcomes.get(&id).is_some_and(|own| own == wanted));
    all.truncate(DELIVERIES);
    let choices: Vec<(&str, String, bool)> =
        [("All", ""), ("Delivered", "delivered"), ("Filtered", "filtered"), ("Retrying", "retry"), ("Dead", "dead")]
            .iter()
            .map(|(label, key)| (*label, format!("{home}/deliveries?outcome={key}"), *key == wanted))
            .collect();
    let row = &view.row;
    let body = html! {
        (head(asked, &view, "deliveries"))
        section class="card" {
            div class="pad row" {
                div class="equation" {
                    div { span class="term" { "rate" } " " b { (rate(row.delivered_per_second)) } }
                    div { span class="term" { "lag" } " " b { (span(row.lag_ms)) } }
                    div { span class="term" { "waiting" } " " b { (number(row.waiting)) } }
                    div { span class="term" { "delivered, 24 h" } " " b { (number(row.counts.delivered)) } }
                    div { span class="term" { "filtered, 24 h" } " " b { (number(row.counts.filtered)) } }
                    div { span class="term" { "dead letters kept" } " " b { (number(row.dead_letters)) } }
                    (spark(&row.spark, spark_tone(row.health.kind), "Deliveries, last 24 h"))
                }
                @if row.dead_letters > 0 { a class="button" href={ "/dead-letters?destination=" (encoded(&row.id)) } { "Open dead letters" } }
            }
        }
        section class="card" {
            header { h2 { "Last events" } div class="end" { (segmented("Outcome", &choices)) } }
            @if all.is_empty() { p class="empty" { "None of the last events came to this." } }
            @else { (events::list(&all, (asked.daemon.now)(), std::slice::from_ref(&row.id), None)) }
        }
    };
    Ok(Page::new(format!("{}: deliveries", view.row.id), "integrations", body))
}

/// The page of its history: configurations that changed it.
pub async fn history(asked: &Asked, (pipeline, name): (&str, &str)) -> Result<Page, Failure> {
    let view = destination(&asked.daemon, pipeline, name).await?;
    let rows = configuration::history_of(&asked.daemon, &view.row.id);
    let now_ms = (asked.daemon.now)();
    let body = html! {
        (head(asked, &view, "history"))
        section class="card" {
            header { h2 { "Changes of this destination" } span class="small muted" { "made here; what was changed in the file itself is under " a href="/audit" { "Audit log" } } }
            @if rows.is_empty() { p class="empty" { "None yet." } }
            @else { (audit::configurations(&rows, now_ms)) }
        }
        p class="small muted" { "In effect since " (at(asked.daemon.configuration_number().1, now_ms)) ": r" (asked.daemon.configuration_number().0) }
    };
    Ok(Page::new(format!("{}: history", view.row.id), "integrations", body))
}
