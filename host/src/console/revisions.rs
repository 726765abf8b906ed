//! Revisions of a plugin: the one on trial, the one that waits for a grant, what happened, what another one
//! would change, and the buttons that decide.

use maud::{Markup, html};
use serde_json::Value;

use super::glyphs::glyph;
use super::layout::pagehead;
use super::parts::{at, count, csrf, encoded, note, number, press};
use super::{Asked, Page};
use crate::admin::{Failure, plugins};
use crate::config::Role;
use crate::daemon::Install;

/// Events that a comparison plans twice when the form names no number.
const COMPARED_EVENTS: &str = "200";

/// The form that brings another revision.
pub fn form(asked: &Asked, directory: &str) -> Markup {
    html! {
        section class="card" {
            header { h2 { "Install or upgrade" } }
            form class="pad stack" method="post" action="/plugins" enctype="multipart/form-data" {
                (csrf(asked))
                div class="row" {
                    input type="file" name="file" accept=".wasm" required aria-label="A plugin's .wasm file";
                    label class="row small" { "for" input type="number" name="canary" min="1" max="100" step="any" value="100" aria-label="Percent of the users"; "% of the users" }
                    label class="row small" { input type="checkbox" name="grant" value="true"; "grant what it newly asks for" }
                }
                div class="row" {
                    button class="go" name="wish" value="install" { (glyph("plus")) "Check and activate" }
                    button name="wish" value="compare" { "Compare with the last " (COMPARED_EVENTS) " events" }
                    p class="small muted" { "It is compiled, its fixtures are run, and each destination's settings are tried before anything changes. Comparing sends and changes nothing. Or drop the file into " code { (directory) } "." }
                }
            }
        }
    }
}

/// How the form's file is to be installed.
///
/// # Errors
/// When the share of users is none.
pub fn install_of(asked: &Asked) -> Result<Install, Failure> {
    let percent = asked.get("canary").map_or(Ok(100.0), str::parse::<f64>);
    let percent = percent
        .ok()
        .filter(|percent| *percent > 0.0 && *percent <= 100.0)
        .ok_or_else(|| Failure::bad("bad_canary", "the share of users lies between 0 and 100 percent".to_string()))?;
    let canary_percent = (percent < 100.0).then_some(percent);
    Ok(Install { canary_percent, grants: asked.get("grant").is_some(), ..Install::default() })
}

/// What the form's file would change, as a page.
///
/// # Errors
/// Why the file is refused.
pub async fn comparison(asked: &Asked) -> Result<Page, Failure> {
    let headers = hyper::HeaderMap::new();
    let query = format!("last={COMPARED_EVENTS}");
    let compared = plugins::shadow(&asked.daemon, &asked.caller, asked.file.clone(), (&query, &headers)).await?;
    let name = text(&compared, "plugin");
    let body = html! {
        (pagehead("What would change", html! { span class="muted small" { (name) " " (text(&compared, "version")) ", revision " code { (short(&compared["revision"])) } } }, html! { a class="button" href="/plugins" { "Back to plugins" } }))
        p class="muted" { "The last events were planned with this file and with what is active. Nothing was sent, and nothing has changed." }
        @if has_any(&compared["asks"]) { (note("warn", "behind", html! { b { "It asks for more than the revisions before" } (asks(&compared["asks"])) })) }
        @if !has_any(&compared["destinations"]) { (note("", "ok", html! { "No destination uses it." })) }
        @for own in list(&compared["destinations"]) { (difference(own)) }
    };
    Ok(Page::new("What would change", "plugins", body))
}

fn difference(own: &Value) -> Markup {
    let figure = |name: &str| number(own[name].as_u64().unwrap_or_default());
    html! {
        section class="card" {
            header {
                h2 { (text(own, "destination")) }
                span class="small muted" { (figure("events")) " events planned twice: " (figure("same")) " the same, " (figure("changed")) " changed" }
            }
            @if own["faults_of_new"] != 0 { (note("bad", "dead", html! { "It fails at " (figure("faults_of_new")) " events; the active one at " (figure("faults_of_old")) "." })) }
            @if let Some(why) = own["ended_early"].as_str() { (note("warn", "behind", html! { "It ended early: " (why) })) }
            @if !has_any(&own["differences"]) { p class="empty" { "No request changes." } }
            @else {
                div class="scroll" { table class="cards" {
                    thead { tr { th scope="col" class="right" { "Events" } th scope="col" { "Field" } th scope="col" { "How" } th scope="col" { "Example: before" } th scope="col" { "now" } } }
                    tbody { @for kind in list(&own["differences"]) {
                        tr {
                            td class="right" data-label="events" { (number(kind["events"].as_u64().unwrap_or_default())) }
                            td { code { (text(kind, "field")) } }
                            td { (text(kind, "how")) }
                            td data-label="before" { @if let Some(old) = kind["examples"][0]["old"].as_str() { code class="g" { (old) } } }
                            td data-label="now" { @if let Some(new) = kind["examples"][0]["new"].as_str() { code class="n" { (new) } } }
                        }
                    } }
                } }
            }
        }
    }
}

/// What stands in the list of plugins beside a revision.
pub fn tags(status: &Value) -> Markup {
    html! {
        @if let Some(percent) = status["trial"]["percent"].as_f64() { " " span class="tag accent" { "on trial" @if percent < 100.0 { ", " (percent) " %" } } }
        @if status["held"].is_object() { " " span class="tag warn" { (glyph("waiting")) "one waits for a grant" } }
    }
}

/// The revisions of one plugin.
///
/// # Errors
/// When there is no such plugin.
pub async fn section(asked: &Asked, id: &str) -> Result<Markup, Failure> {
    let history = plugins::history(&asked.daemon, id).await?;
    let may = asked.caller.may(Role::Admin);
    Ok(html! {
        @if history["held"].is_object() { (held(asked, id, &history["held"], may)) }
        @if history["trial"].is_object() { (trial(asked, id, &history, may)) }
        section class="card" {
            header { h2 { "Revisions" } span class="small muted" { "newest first; those that are kept can be gone back to" } }
            @if !has_any(&history["steps"]) { p class="empty" { "Nothing has happened yet." } }
            @else { (steps(asked, id, &history, may)) }
        }
    })
}

fn held(asked: &Asked, id: &str, held: &Value, may: bool) -> Markup {
    html! {
        (note("warn", "waiting", html! {
            b { "Version " (text(held, "version")) " waits: it asks for more than the revisions before" }
            (asks(&held["asks"]))
            @if may { (press(asked, &format!("/plugins/{}/grant", encoded(id)), "go", html! { "Grant this and activate it" })) }
        }))
    }
}

fn trial(asked: &Asked, id: &str, history: &Value, may: bool) -> Markup {
    let percent = history["trial"]["percent"].as_f64().unwrap_or(100.0);
    html! {
        section class="card" {
            header {
                h2 { "On trial" }
                span class="small muted" { "revision " code { (short(&history["trial"]["revision"])) } @if percent < 100.0 { " for " (percent) " % of the users" } }
                @if may { div class="actions row" {
                    (press(asked, &format!("/plugins/{}/promote", encoded(id)), "go", html! { "All users go to it" }))
                    (press(asked, &format!("/plugins/{}/rollback", encoded(id)), "", html! { "Take it back" }))
                } }
            }
            div class="scroll" { table class="cards" {
                thead { tr { th scope="col" { "Destination" } th scope="col" { "Revision" } @for name in FIGURES { th scope="col" class="right" { (name) } } } }
                tbody { @for own in list(&history["compared"]) { @for (name, shown) in [("before", "the one before"), ("new", "on trial")] {
                    tr {
                        td { (text(own, "destination")) }
                        td { (shown) }
                        @for figure in FIGURES { td class="right" data-label=(figure) { (number(own[name][figure].as_u64().unwrap_or_default())) } }
                    }
                } } }
            } }
        }
    }
}

const FIGURES: [&str; 5] = ["planned", "traps", "faults", "rejected", "retried"];

fn steps(asked: &Asked, id: &str, history: &Value, may: bool) -> Markup {
    let steps = &history["steps"];
    let now_ms = (asked.daemon.now)();
    html! {
        div class="scroll" { table class="cards" {
            thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Version" } th scope="col" { "Revision" } th scope="col" { "More" } @if may { th scope="col" { span class="visually-hidden" { "Go back" } } } } }
            tbody { @for step in list(steps).iter().rev() {
                @let revision = text(step, "revision");
                tr {
                    td { (at(step["at_ms"].as_u64().unwrap_or_default(), now_ms)) }
                    td { (text(step, "step").replace('_', " ")) }
                    td { (text(step, "version")) }
                    td { code title=(revision) { (short(&step["revision"])) } }
                    td class="small" { (text(step, "detail")) }
                    @if may { td class="right" { @if step["kept"] == true && step["revision"] != history["active"] { (back(asked, id, revision)) } } }
                }
            } }
        } }
    }
}

fn back(asked: &Asked, id: &str, revision: &str) -> Markup {
    html! {
        form method="post" action={ "/plugins/" (encoded(id)) "/rollback" } {
            (csrf(asked))
            input type="hidden" name="to" value=(revision);
            button class="quiet" aria-label={ "Go back to revision " (revision.get(..12).unwrap_or_default()) } { "Go back" }
        }
    }
}

fn asks(asks: &Value) -> Markup {
    html! { ul { @for ask in list(asks) { li { code { (text(ask, "what")) } ": " (text(ask, "why")) } } } }
}

/// How many revisions wait for a decision, in words.
pub fn waiting(all: &Value) -> Markup {
    let held = list(all).iter().filter(|own| own["held"].is_object()).count() as u64;
    html! { @if held > 0 { " " span class="tag warn" { (count(held, "revision waits for a grant", "revisions wait for a grant")) } } }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn has_any(value: &Value) -> bool {
    !list(value).is_empty()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn short(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().take(12).collect()
}
