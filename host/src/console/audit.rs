//! Who changed what, and the configurations that were in effect.

use maud::{Markup, html};

use super::layout::pagehead;
use super::parts::{at, csrf, note};
use super::{Asked, Page};
use crate::admin::Failure;
use crate::admin::configuration::{HistoryRow, history, history_entry};
use crate::admin::diff::{Line, LineKind};

/// Entries of the page.
const ENTRIES: usize = 200;

/// Configurations of the page.
const CONFIGURATIONS: usize = 20;

/// The page.
pub async fn page(asked: &Asked) -> Result<Page, Failure> {
    let now_ms = (asked.daemon.now)();
    let unreadable = |error: std::io::Error| {
        Failure::new(hyper::StatusCode::INTERNAL_SERVER_ERROR, "audit_unreadable", error.to_string())
    };
    let search = asked.get("search").unwrap_or_default().to_lowercase();
    let mut entries = asked.daemon.audit.last(ENTRIES * 4).await.map_err(unreadable)?;
    entries.retain(|entry| {
        [&entry.who, &entry.what, &entry.subject, &entry.detail]
            .iter()
            .any(|text| text.to_lowercase().contains(&search))
    });
    entries.truncate(ENTRIES);
    let mut configurations = history(&asked.daemon);
    configurations.truncate(CONFIGURATIONS);
    let body = html! {
        (pagehead("Audit log", html! { span class="muted small" { "Every change, durable, newest first; times in UTC" } }, html! {
            form class="filters" { input type="search" name="search" value=(search) placeholder="Who, what, or to what" aria-label="Search the audit log"; button { "Search" } }
        }))
        section class="card" {
            @if entries.is_empty() { p class="empty" { "Nothing was changed yet." } }
            @else {
                div class="scroll" { table class="cards" {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "To what" } th scope="col" { "More" } th scope="col" { "From" } } }
                    tbody { @for entry in &entries {
                        tr {
                            td class="nowrap" { (at(entry.at_ms, now_ms)) }
                            td { (entry.who) @if let Some(role) = entry.role { " " span class="small muted" { (role.as_str()) } } }
                            td { (entry.what) }
                            td { code { (entry.subject) } }
                            td class="small" { (entry.detail) }
                            td class="small muted" data-label="from" { (entry.from) }
                        }
                    } }
                } }
            }
        }
        section class="card" {
            header { h2 { "Configurations" } span class="small muted" { "as they were in effect; edits of the file are here, too" } }
            (self::configurations(&configurations, now_ms))
        }
    };
    Ok(Page::new("Audit log", "audit", body))
}

/// A list of configurations.
pub fn configurations(rows: &[HistoryRow], now_ms: u64) -> Markup {
    html! {
        div class="scroll" { table class="cards" {
            thead { tr { th scope="col" { "Number" } th scope="col" { "Since" } th scope="col" { "Who" } th scope="col" { "What" } } }
            tbody { @for row in rows {
                tr {
                    td { a href={ "/history/" (row.number) } { "r" (row.number) } }
                    td class="nowrap" { (at(row.at_ms, now_ms)) }
                    td { (row.who) }
                    td { (row.what) }
                }
            } }
        } }
    }
}

/// The page of one configuration: what it changed, and the way back to it.
pub async fn configuration(asked: &Asked, number: &str) -> Result<Page, Failure> {
    let number: u64 = number.parse().map_err(|_| Failure::bad("bad_number", "a configuration has a number"))?;
    let entry = history_entry(&asked.daemon, number).await?;
    let current = asked.daemon.configuration_number().0;
    let etag = asked.daemon.configuration().await?.etag;
    let now_ms = (asked.daemon.now)();
    let body = html! {
        div class="pagehead" {
            nav class="crumbs" aria-label="Path" { a href="/audit" { "Audit log" } " / Configurations" }
            h1 { "r" (number) }
            span class="muted small" { (entry.row.what) ", by " (entry.row.who) ", " (at(entry.row.at_ms, now_ms)) }
        }
        section class="card" {
            header { h2 { "What it changed" } span class="small muted" { "of a secret only a mark is kept; one that differs is another secret" } }
            div class="pad" { (diff(&entry.changes, "Nothing but comments or nothing at all.")) }
        }
        @if number != current {
            section class="card" {
                header { h2 { "Going back to it" } span class="small muted" { "against r" (current) ", which is in effect" } }
                div class="pad stack" {
                    (diff(&entry.back, "Nothing: it is the same text as the one in effect."))
                    @if !entry.todays_secrets.is_empty() {
                        p class="small" { "It had another secret, which is kept nowhere. Today's stays: " @for own in &entry.todays_secrets { code { (own) } " " } }
                    }
                    @if let Some(why) = &entry.refused { (note("warn", "behind", html! { b { "It cannot be gone back to yet" } p { (why) "." } })) }
                }
                @if asked.is_editor() && entry.refused.is_none() {
                    form class="savebar" method="post" action={ "/history/" (number) "/rollback" } {
                        (csrf(asked))
                        input type="hidden" name="etag" value=(etag);
                        button class="go" { "Roll back to r" (number) }
                        span class="small muted" { "It becomes the next number, so that this can be undone, too." }
                    }
                }
            }
        } @else { (note("ok", "ok", html! { "This one is in effect." })) }
    };
    Ok(Page::new(format!("r{number}"), "audit", body))
}

/// Lines that differ.
pub fn diff(lines: &[Line], none: &str) -> Markup {
    if lines.is_empty() {
        return html! { p class="muted" { (none) } };
    }
    html! {
        div class="diff" tabindex="0" role="group" aria-label="Changed lines" {
            @for line in lines {
                @match line.kind {
                    LineKind::Same => { span { "  " (line.text) } }
                    LineKind::New => { span class="new" { "+ " (line.text) } }
                    LineKind::Gone => { span class="gone" { "- " (line.text) } }
                    LineKind::Skipped => { span class="skipped" { "…" } }
                }
            }
        }
    }
}
