//! Dead letters: by destination and reason, what was sent and answered, and sending them again.

use maud::{Markup, html};

use super::glyphs::glyph;
use super::layout::pagehead;
use super::parts::{at, count, csrf, destination_address, encoded, note, number, press, pretty, spark};
use super::{Asked, Page};
use crate::admin::groups::{Group, Groups, groups, message_of_answer, name_of};
use crate::admin::{Failure, Replay, shown_whole};
use crate::queue::{DeadContent, DeadFilter, DeadLetter, DeadOrder, DestinationId};

/// Letters of one page.
const PAGE: usize = 50;

/// The filters that a query of the page holds, as those of `/api/v1/dead-letters`.
const FILTERS: [&str; 6] = ["destination", "reason", "event", "message_id", "from", "to"];

/// The filters that are set, as a query.
pub fn filter_query(asked: &Asked) -> String {
    let set = FILTERS.iter().filter_map(|name| Some(format!("{name}={}", encoded(asked.get(name)?))));
    set.collect::<Vec<_>>().join("&")
}

/// The page.
pub async fn page(asked: &Asked) -> Result<Page, Failure> {
    let query = filter_query(asked);
    let all = groups(&asked.daemon, &asked.caller, &query).await?;
    let store = asked.daemon.store.status();
    let chosen =
        asked.get("group").and_then(|key| all.groups.iter().find(|group| group.key == key)).or(all.groups.first());
    let kept = store.dead_letters.kept;
    let beside = html! { span class="muted small" { (number(kept)) " kept" } };
    let body = html! {
        (pagehead("Dead letters", beside, html! {}))
        (filters(asked))
        (replays(asked).await?)
        @if all.groups.is_empty() {
            p class="card empty" {
                @if query.is_empty() { "None. When a delivery is given up, it is kept here with the vendor's answer, and can be replayed." }
                @else { "None that fits. " a href="/dead-letters" { "Show all" } }
            }
        } @else {
            div class="split" {
                (by_reason(asked, &all, chosen, &query))
                @if let Some(group) = chosen { (self::group(asked, group, &query).await?) }
            }
        }
    };
    Ok(Page::new("Dead letters", "dead-letters", body))
}

fn filters(asked: &Asked) -> Markup {
    let field = |name: &str, label: &str| {
        html! {
            input type="search" name=(name) value=(asked.get(name).unwrap_or_default()) placeholder=(label) aria-label=(label) data-search[name == "message_id"];
        }
    };
    html! {
        form class="filters" action="/dead-letters" role="search" {
            (field("message_id", "messageId")) (field("destination", "Destination: pipeline/name")) (field("event", "Event name"))
            button { "Filter" }
            @if !filter_query(asked).is_empty() { a class="button quiet" href="/dead-letters" { "Clear" } }
        }
    }
}

fn by_reason(asked: &Asked, all: &Groups, chosen: Option<&Group>, query: &str) -> Markup {
    let now_ms = (asked.daemon.now)();
    let destinations: Vec<&str> = {
        let mut names: Vec<&str> = all.groups.iter().map(|group| group.destination.as_str()).collect();
        names.dedup();
        names
    };
    html! {
        nav class="card" aria-labelledby="reasons" {
            header { h2 id="reasons" { "By destination and reason" } }
            @if asked.is_editor() && all.groups.len() > 1 { (all_that_fit(asked, all, query)) }
            @for destination in destinations {
                @let own: Vec<&Group> = all.groups.iter().filter(|group| group.destination == destination).collect();
                p class="grouphead" { span { (destination) } span { (number(own.iter().map(|group| group.count).sum())) } }
                @for group in own {
                    @let is_chosen = chosen.is_some_and(|chosen| chosen.key == group.key);
                    a class={ "pick" @if is_chosen { " selected" } } href={ "/dead-letters?" (query) "&group=" (group.key) } aria-current=[is_chosen.then_some("true")] {
                        span { (group.said) span class="small muted" { (group.reason.replace('_', " ")) ", " (group.events.join(", ")) ", since " (at(group.first_ms, now_ms)) } }
                        (spark(&group.spark, "bad", "When they died"))
                        span class="right" { b { (number(group.count)) } }
                    }
                }
            }
            @if all.more { p class="legend" { "The newest " (number(all.grouped)) " are grouped; there are more." } }
        }
    }
}

/// Buttons for all letters that are shown, whatever they died of.
fn all_that_fit(asked: &Asked, all: &Groups, query: &str) -> Markup {
    html! {
        form class="pad row" method="post" action="/dead-letters/act" {
            (csrf(asked))
            input type="hidden" name="fit" value=(all.grouped);
            input type="hidden" name="filter" value=(query);
            b { "All " (number(all.grouped)) @if !query.is_empty() { " that fit the filter" } }
            button name="act" value="replay" { (glyph("undo")) "Replay all" }
            button class="danger" name="act" value="discard" { "Discard all…" }
        }
    }
}

async fn letters(asked: &Asked, ids: Vec<u64>, destination: &str) -> Result<Vec<DeadLetter>, Failure> {
    let filter = DeadFilter {
        destination: Some(DestinationId(destination.to_string())),
        limit: ids.len().max(1),
        ids: Some(ids),
        ..DeadFilter::default()
    };
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let read = asked.daemon.store.dead_page(filter.clone(), DeadOrder::NewestFirst, after, DeadContent::Whole);
        let page = read.await?;
        found.extend(page.letters);
        after = page.next;
        if after.is_none() || found.len() >= filter.limit {
            return Ok(found);
        }
    }
}

async fn group(asked: &Asked, group: &Group, query: &str) -> Result<Markup, Failure> {
    let first = asked.get("first").and_then(|first| first.parse::<usize>().ok()).unwrap_or(0).min(group.ids.len());
    let ids: Vec<u64> = group.ids.iter().skip(first).take(PAGE).copied().collect();
    let rows = letters(asked, ids, &group.destination).await?;
    let now_ms = (asked.daemon.now)();
    let address = |first: usize| format!("/dead-letters?{query}&group={}&first={first}", group.key);
    let shown_to = first + rows.len();
    Ok(html! {
        div class="stack" {
            section class="card" aria-labelledby="reason" {
                header {
                    div { h2 id="reason" { (group.said) } p class="small muted" { a href=(destination_address(&group.destination)) { (group.destination) } ", " (count(group.count, "dead letter", "dead letters")) ", the last " (at(group.last_ms, now_ms)) } }
                }
                @if let Some(letter) = rows.first() { (sent_and_answered(asked, letter)) }
            }
            form class="card" method="post" action="/dead-letters/act" {
                (csrf(asked))
                input type="hidden" name="group" value=(group.key);
                input type="hidden" name="destination" value=(group.destination);
                input type="hidden" name="filter" value=(query);
                header {
                    @if asked.is_editor() {
                        label class="check" { input type="checkbox" name="all" value="true" data-all; b { "All " (number(group.count)) " with this reason" } }
                        span class="small muted" { "or pick rows below" }
                        div class="end" {
                            button class="go" name="act" value="replay" { (glyph("undo")) "Replay" }
                            a class="button" href={ "/api/v1/dead-letters/export?destination=" (encoded(&group.destination)) "&reason=" (encoded(&group.reason)) } { "Export JSONL" }
                            button class="danger" name="act" value="discard" { "Discard…" }
                        }
                    } @else { h2 { "Letters" } }
                }
                div class="scroll" { table class="cards" {
                    thead { tr {
                        @if asked.is_editor() { th scope="col" { span class="visually-hidden" { "Picked" } } }
                        th scope="col" { "Died" } th scope="col" { "messageId" } th scope="col" { "Event" } th scope="col" class="right" { "Attempts" } th scope="col" { "Answer" }
                    } }
                    tbody { @for letter in &rows {
                        @let shown = shown_whole(&asked.caller, letter);
                        tr data-row {
                            @if asked.is_editor() { td { input type="checkbox" name="id" value=(letter.id) aria-label={ "Letter " (letter.id) }; } }
                            td class="nowrap" { (at(letter.died_ms, now_ms)) }
                            td { a href={ "/dead-letters/" (letter.id) "?destination=" (encoded(&group.destination)) } { code { (letter.message_id) } } }
                            td { (name_of(letter)) }
                            td class="right" data-label="attempts" { (letter.death.attempts) }
                            td class="small" { (shown["death"]["answer"].as_str().or(shown["death"]["detail"].as_str()).unwrap_or_default().chars().take(90).collect::<String>()) }
                        }
                    } }
                } }
                p class="legend" {
                    span { (first + 1) " to " (shown_to) " of " (number(group.count)) }
                    @if first > 0 { a href=(address(first.saturating_sub(PAGE))) { "Previous " (PAGE) } }
                    @if shown_to < group.ids.len() { a href=(address(shown_to)) { "Next " (PAGE) } }
                }
            }
        }
    })
}

fn sent_and_answered(asked: &Asked, letter: &DeadLetter) -> Markup {
    let shown = shown_whole(&asked.caller, letter);
    let death = &shown["death"];
    let answer = death["answer"].as_str().unwrap_or("no answer came");
    html! {
        div class="pad columns" {
            div {
                h3 { "What was sent" }
                pre class="code" tabindex="0" { (death["request"].as_str().unwrap_or("nothing: it was given up before")) }
                p class="small muted" { "revision " (death["revision"].as_str().unwrap_or_default().chars().take(12).collect::<String>()) ", " (count(letter.death.attempts.into(), "attempt", "attempts")) }
            }
            div {
                h3 { "What the vendor answered" }
                pre class="code" tabindex="0" { (answer) }
                @if let Some(message) = message_of_answer(answer) { p class="bad" { (message) } }
            }
        }
        p class="pad" { (death["detail"].as_str().unwrap_or_default()) }
    }
}

/// The page of one letter.
pub async fn letter(asked: &Asked, id: &str) -> Result<Page, Failure> {
    let id: u64 = id.parse().map_err(|_| Failure::bad("bad_id", "a dead letter has a number"))?;
    let destination = asked.get("destination").unwrap_or_default();
    let found = letters(asked, vec![id], destination).await?;
    let unknown = || {
        Failure::unknown(
            "unknown_dead_letter",
            format!("there is no dead letter {id}: it was replayed or discarded, or its time is over"),
        )
    };
    let letter = found.first().ok_or_else(unknown)?;
    let shown = shown_whole(&asked.caller, letter);
    let body = html! {
        div class="pagehead" {
            nav class="crumbs" aria-label="Path" { a href="/dead-letters" { "Dead letters" } " / " a href=(destination_address(destination)) { (destination) } }
            h1 { (name_of(letter)) }
            code { (letter.message_id) }
            div class="actions" {
                a class="button" href={ "/events/" (encoded(&letter.message_id)) } { "Event's story" }
                @if asked.is_editor() {
                    form method="post" action="/dead-letters/act" {
                        (csrf(asked)) input type="hidden" name="destination" value=(destination); input type="hidden" name="id" value=(id);
                        button class="go" name="act" value="replay" { (glyph("undo")) "Replay" } " "
                        button class="danger" name="act" value="discard" { "Discard…" }
                    }
                }
            }
        }
        section class="card" { header { h2 { (letter.death.reason.replace('_', " ")) } } (sent_and_answered(asked, letter)) }
        section class="card" {
            header { h2 { "The event" } @if !asked.is_editor() { span class="small muted" { "personal data masked" } } }
            div class="pad" { pre class="code" tabindex="0" { (pretty(&shown["payload"])) } }
        }
    };
    Ok(Page::new(format!("Dead letter {id}"), "dead-letters", body))
}

/// Asks for the count before letters are discarded.
pub fn confirm_discard(asked: &Asked, fields: &[(String, String)], wanted: u64, mistake: bool) -> Page {
    let body = html! {
        (pagehead("Discard dead letters", html! {}, html! {}))
        @if mistake { (note("bad", "dead", html! { "That is not the count: nothing was discarded." })) }
        section class="card" {
            form class="pad form" method="post" action="/dead-letters/act" {
                (csrf(asked))
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                p { (count(wanted, "dead letter is", "dead letters are")) " removed for good, with the event and the answer. No counter changes." }
                label class="row" { "Type " b { (wanted) } " to confirm " input name="confirm" inputmode="numeric" autocomplete="off" required autofocus; }
                div class="row" { button class="danger" name="act" value="discard" { "Discard " (number(wanted)) } a class="button" href="/dead-letters" { "Keep them" } }
            }
        }
    };
    Page::new("Discard", "dead-letters", body)
}

/// Replays under way and of late.
async fn replays(asked: &Asked) -> Result<Markup, Failure> {
    let now_ms = (asked.daemon.now)();
    let shown: Vec<Replay> = asked.daemon.replays.looked_at(&asked.daemon).await?.into_iter().take(3).collect();
    Ok(
        html! { div class="stack" data-replays hidden[shown.is_empty()] { @for replay in &shown { (progress(asked, replay, now_ms)) } } },
    )
}

/// The figures of a replay, by the names that its markup gives them.
pub fn figures(replay: &Replay) -> Vec<(&'static str, u64)> {
    let left = replay.wanted.saturating_sub(replay.count);
    match replay.discards {
        true => vec![("discarded", replay.count), ("left", left)],
        false => {
            vec![("delivered", replay.delivered()), ("dead", replay.dead_again), ("owed", replay.owed), ("left", left)]
        }
    }
}

/// What a figure of a replay is called.
fn spoken(what: &str) -> &str {
    match what {
        "delivered" => "delivered, or filtered by a rule of today",
        "dead" => "died again",
        "owed" => "in flight",
        what => what,
    }
}

/// The parts of a replay's bar: its class, where it begins, how wide it is, in hundredths.
fn shares(replay: &Replay) -> Vec<(&'static str, f64, f64)> {
    let whole = replay.wanted.max(replay.count).max(1) as f64;
    let mut from = 0.0;
    let parts = figures(replay).into_iter().filter(|(what, _)| *what != "left");
    parts
        .map(|(what, value)| {
            let share = value as f64 / whole * 100.0;
            from += share;
            (what, from - share, share)
        })
        .collect()
}

/// One replay with its progress.
fn progress(asked: &Asked, replay: &Replay, now_ms: u64) -> Markup {
    let what = if replay.discards { "Discarding" } else { "Replaying" };
    let shares = shares(replay);
    let said: Vec<String> =
        figures(replay).iter().map(|(what, value)| format!("{} {}", number(*value), spoken(what))).collect();
    let (glyph_name, word) = match replay.state {
        "running" => ("flight", "under way"),
        "paused" => ("paused", "paused"),
        "done" if replay.owed > 0 => ("flight", "all sent, not all answered"),
        "done" => ("ok", "done"),
        "stopped" => ("paused", "stopped; the rest is kept"),
        _ => ("dead", "failed"),
    };
    let is_open = matches!(replay.state, "running" | "paused");
    let ask = |wish: &str, class: &str, label: &str| {
        press(asked, &format!("/replays/{}/{wish}", replay.number), class, html! { (label) })
    };
    html! {
        section class="card" aria-label={ (what) " " (replay.subject) } data-replay={ (replay.number) } data-state=(replay.state) data-open[replay.is_open()] {
            header {
                h2 { (what) " " (number(replay.wanted)) " of " (replay.subject) }
                span class="state" { span class=(super::glyphs::tone(glyph_name)) { (glyph(glyph_name)) } (word) }
                span class="small muted" { "by " (replay.who) ", " (at(replay.began_ms, now_ms)) }
                @if is_open && asked.is_editor() {
                    div class="end" {
                        @if replay.state == "running" { (ask("pause", "", "Pause")) } @else { (ask("go-on", "go", "Go on")) }
                        (ask("stop", "danger", "Stop, keep the rest"))
                    }
                }
            }
            div class="pad" {
                svg class="progress" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=(said.join(", ")) { @for (class, from, share) in &shares { rect class=(class) x=(format!("{from:.2}")) width=(format!("{share:.2}")) height="10" {} } }
                p class="row small" {
                    @for (what, value) in figures(replay) {
                        span class=(match what { "dead" if value > 0 => "bad", "owed" | "left" => "muted", _ => "" }) { b data-n={ "replay:" (replay.number) ":" (what) } { (number(value)) } " " (spoken(what)) }
                    }
                    @if let Some(held) = &replay.held { span class="warn" { (held) " has enough to send at the moment: it waits" } }
                    @if !replay.why.is_empty() { span class="bad" { (replay.why) } }
                    @if is_open { a href="/dead-letters" { "Reload" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replays_bar_shows_what_was_delivered_and_what_died_again() {
        let check = |(wanted, count, owed, dead_again): (u64, u64, u64, u64), expected: &[(&str, f64, f64)]| {
            let replay = Replay { wanted, count, owed, dead_again, ..Replay::default() };
            assert_eq!(shares(&replay), expected);
        };
        check((10, 0, 0, 0), &[("delivered", 0.0, 0.0), ("dead", 0.0, 0.0), ("owed", 0.0, 0.0)]);
        check((10, 8, 4, 1), &[("delivered", 0.0, 30.0), ("dead", 30.0, 10.0), ("owed", 40.0, 40.0)]);
        check((0, 0, 0, 0), &[("delivered", 0.0, 0.0), ("dead", 0.0, 0.0), ("owed", 0.0, 0.0)]);
        let discarding = Replay { wanted: 4, count: 1, discards: true, ..Replay::default() };
        assert_eq!(shares(&discarding), [("discarded", 0.0, 25.0)]);
    }
}
