//! The editor of transformations: a real event, the rules, and what they make of it. All of its state is
//! in its form, so that it works without the script, which only sends the form while one types.

use maud::{Markup, html};
use serde_json::Value;

use super::glyphs::glyph;
use super::parts::{at, count, csrf, destination_address, note, number, pretty};
use super::rule_form::{OFFERS, Row, asks, input_of, rows_of};
use super::{Answer, Asked, Page, destination, parts};
use crate::admin::Failure;
use crate::admin::destinations::{destination as view_of, needs};
use crate::admin::diff::lines;
use crate::admin::events::last_events;
use crate::admin::transformations::{
    EditedLevel, EditedRule, Preview, RuleMistake, escaped, personal_fields, preview, review, rules, save,
};
use crate::config::Role;
use crate::daemon::comparison::Comparison;
use crate::event::Event;
use crate::transformation::StepEffect;

/// Real events to choose among.
const EVENTS: usize = 50;

/// Fields of an event that the picker shows.
const FIELDS_MAX: usize = 200;

/// What an editor's form says.
struct Editing {
    rows: Vec<Row>,
    etag: String,
    /// Which event, from the newest.
    event: usize,
    /// An event that was pasted in its place.
    pasted: String,
    /// The row that was just made.
    fresh: Option<usize>,
    /// Which part is shown where there is room for one.
    part: &'static str,
}

/// The parts of the editor, of which a narrow page shows one.
const PARTS: [(&str, &str); 3] = [("event", "Event"), ("rules", "Rules"), ("preview", "Preview")];

/// The choice among the parts on a narrow page: what is chosen is part of the form, and needs no script.
fn parts_choice(chosen: &str) -> Markup {
    html! {
        fieldset class="parts" {
            legend class="visually-hidden" { "Part of the editor" }
            @for (part, label) in PARTS {
                label { input type="radio" name="part" value=(part) id={ "part-" (part) } checked[part == chosen]; (label) }
            }
        }
    }
}

/// The page as it begins: with the rules in effect.
pub async fn page(asked: &Asked, place: (&str, &str)) -> Result<Page, Failure> {
    let standing = rules(&asked.daemon, place.0, place.1).await?;
    let rows = standing.rules.iter().map(Row::of).collect();
    let event = asked.get("event").and_then(|event| event.parse().ok()).unwrap_or(0);
    let mut editing = Editing { rows, etag: standing.etag, event, pasted: String::new(), fresh: None, part: "event" };
    // A link may name a field: a rule on it is begun.
    if let Some(field) = asked.get("pick").filter(|_| asked.is_editor()) {
        editing.add(field, EditedLevel::Destination);
    }
    shown(asked, place, &editing, None).await
}

/// What the editor's form asks for.
pub async fn act(asked: &Asked, place: (&str, &str)) -> Result<Answer, Failure> {
    needs(&asked.caller, Role::Editor)?;
    let mut editing = Editing {
        rows: rows_of(&asked.pairs),
        etag: asked.get("etag").unwrap_or_default().to_string(),
        event: asked.get("event").and_then(|event| event.parse().ok()).unwrap_or(0),
        pasted: asked.get("pasted").unwrap_or_default().to_string(),
        fresh: None,
        part: PARTS.iter().map(|(part, _)| *part).find(|part| asked.get("part") == Some(part)).unwrap_or("event"),
    };
    let (act, argument) =
        asked.get("act").unwrap_or("preview").split_once(':').unwrap_or((asked.get("act").unwrap_or("preview"), ""));
    let argument = argument.to_string();
    let index = argument.parse::<usize>().ok().filter(|index| *index < editing.rows.len());
    match (act, index) {
        ("pick", _) => editing.add(&argument, EditedLevel::Destination),
        ("add", _) => {
            editing.add("", if argument == "pipeline" { EditedLevel::Pipeline } else { EditedLevel::Destination })
        }
        ("remove", Some(index)) => drop(editing.rows.remove(index)),
        ("up", Some(index)) if index > 0 => editing.rows.swap(index, index - 1),
        ("down", Some(index)) if index + 1 < editing.rows.len() => editing.rows.swap(index, index + 1),
        ("event", Some(_) | None) => editing.event = argument.parse().unwrap_or(0),
        ("suggest", Some(index)) => {
            if let Some(text) = asked.get("suggestion") {
                editing.rows[index].argument = text.to_string();
            }
        }
        ("review", _) => {
            let reviewed = review(&asked.daemon, place, &editing.edited()).await;
            return Ok(Answer::Page(match reviewed {
                Ok((events, differences)) => shown(asked, place, &editing, Some((events, differences))).await?,
                // The mistakes are at their places; what is wrong besides is above them.
                Err(_) => shown(asked, place, &editing, None).await?,
            }));
        }
        ("save", _) => {
            let number = save(&asked.daemon, &asked.caller, place, &editing.edited(), Some(&editing.etag)).await?;
            let home = destination_address(&format!("{}/{}", place.0, place.1));
            return Ok(Answer::See(format!("{home}/transformations?done=saved&r={number}")));
        }
        _ => {}
    }
    Ok(Answer::Page(shown(asked, place, &editing, None).await?))
}

impl Editing {
    fn add(&mut self, path: &str, level: EditedLevel) {
        // The pipeline's rules come before the destination's.
        let behind = self.rows.iter().filter(|row| row.level == EditedLevel::Pipeline).count();
        let place = if level == EditedLevel::Pipeline { behind } else { self.rows.len() };
        self.rows.insert(place, Row::on(path, level));
        self.fresh = Some(place);
        self.part = "rules";
    }

    fn edited(&self) -> Vec<EditedRule> {
        self.rows.iter().map(Row::rule).collect()
    }
}

async fn shown(
    asked: &Asked,
    place: (&str, &str),
    editing: &Editing,
    reviewed: Option<(usize, Vec<Comparison>)>,
) -> Result<Page, Failure> {
    let view = view_of(&asked.daemon, place.0, place.1).await?;
    let mut events = last_events(&asked.daemon, place.0, EVENTS).await?;
    events.reverse();
    let (event, trouble) = match editing.pasted.trim() {
        "" => (events.get(editing.event).or(events.first()).cloned(), None),
        pasted => match crate::admin::transformations::pasted(pasted, (asked.daemon.now)()) {
            Ok(event) => (Some(event), None),
            Err(why) => (None, Some(why)),
        },
    };
    let previewed = match &event {
        Some(event) => Some(preview(&asked.daemon, &asked.caller, place, &editing.edited(), event).await?),
        None => None,
    };
    let home = destination_address(&view.row.id);
    let mistakes = previewed.as_ref().map(|preview| &preview.mistakes[..]).unwrap_or_default();
    let body = html! {
        (destination::head(asked, &view, "transformations"))
        form id="editor" class="stack" method="post" action={ (home) "/transformations" } data-editor {
            (parts_choice(editing.part))
            (csrf(asked))
            input type="hidden" name="etag" value=(editing.etag);
            input type="hidden" name="event" value=(editing.event);
            // Enter in a field previews.
            button class="visually-hidden" name="act" value="preview" tabindex="-1" { "Preview" }
            div class="editor" {
                (event_card(asked, editing, &events, event.as_ref(), trouble.as_deref(), previewed.as_ref()))
                (rules_card(asked, editing, mistakes, previewed.as_ref(), &view.row.pipeline))
                (preview_card(previewed.as_ref()))
            }
            @if asked.is_editor() { (effect_bar(editing, mistakes, previewed.as_ref(), reviewed.as_ref())) }
        }
    };
    Ok(Page::new(format!("{}: transformations", view.row.id), "integrations", body))
}

fn event_card(
    asked: &Asked,
    editing: &Editing,
    events: &[Event],
    event: Option<&Event>,
    trouble: Option<&str>,
    previewed: Option<&Preview>,
) -> Markup {
    let now_ms = (asked.daemon.now)();
    let last = events.len().saturating_sub(1);
    html! {
        section class="card" id="event-card" aria-labelledby="event-title" {
            header {
                h2 id="event-title" { "A real event" }
                @if events.len() > 1 && editing.pasted.is_empty() {
                    div class="end" {
                        button class="quiet" name="act" value={ "event:" (editing.event.saturating_sub(1)) } aria-label="Newer event" { "‹" }
                        span class="small muted" { (editing.event + 1) " of " (events.len()) }
                        button class="quiet" name="act" value={ "event:" ((editing.event + 1).min(last)) } aria-label="Older event" { "›" }
                    }
                }
            }
            div class="pad stack" {
                @if let Some(trouble) = trouble { (note("bad", "dead", html! { (trouble) })) }
                @if let Some(event) = event {
                    div { b { (event.title()) } p class="small muted" { code { (event.message_id) } ", " (at(event.received_ms, now_ms)) } }
                } @else { p class="muted" { "No event is kept yet. Send a test event from " a href="/sources" { "Sources" } ", or paste one below." } }
                @if asked.is_editor() && event.is_some() { p class="small muted" { "Click a field to start a rule from it." } }
            }
            @if let Some(previewed) = previewed { (fields(asked, &previewed.before, editing, event)) }
            details class="pad" open[!editing.pasted.is_empty()] {
                summary { "Paste another event" }
                textarea name="pasted" rows="6" spellcheck="false" aria-label="An event as JSON" placeholder="{\"type\": \"track\", …}" { (editing.pasted) }
                button name="act" value="preview" { "Use it" }
            }
        }
    }
}

/// The fields of an event, each a button that begins a rule on it.
fn fields(asked: &Asked, shown: &Value, editing: &Editing, event: Option<&Event>) -> Markup {
    let mut all = Vec::new();
    walk(shown, "", &mut all);
    let personal = event.map(personal_fields).unwrap_or_default();
    let used = |path: &str| editing.rows.iter().position(|row| row.path == path).map(|at| at + 1);
    html! {
        ul class="fields" aria-label="Fields of the event" {
            @for (path, value) in &all {
                @let rule = used(path);
                li {
                    @if asked.is_editor() { button class={ "quiet mono" @if rule.is_some() { " used" } } name="act" value={ "pick:" (path) } aria-label={ (path) @if let Some(rule) = rule { " rule " (rule) } } { (parts::path(path)) @if let Some(rule) = rule { " " span class="tag accent" { "rule " (rule) } } } }
                    @else { span class="mono" { (parts::path(path)) } }
                    @if let Some(class) = personal.get(path) { span class="tag warn" title="Personal data" { (class.as_str().replace('_', " ")) } }
                    span class="value mono muted" title=(value) { (value) }
                }
            }
        }
    }
}

/// The leaves of an event with their paths; the items of a list share one.
fn walk(value: &Value, path: &str, all: &mut Vec<(String, String)>) {
    if all.len() >= FIELDS_MAX {
        return;
    }
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, member) in members {
                let key = escaped(key);
                let own = if path.is_empty() { key } else { format!("{path}.{key}") };
                if !matches!(own.as_str(), "type" | "messageId") {
                    walk(member, &own, all);
                }
            }
        }
        Value::Array(items) if items.first().is_some_and(|item| item.is_object()) => {
            walk(&items[0], &format!("{path}[]"), all);
        }
        value => all.push((path.to_string(), value.to_string().chars().take(60).collect())),
    }
}

fn rules_card(
    asked: &Asked,
    editing: &Editing,
    mistakes: &[RuleMistake],
    previewed: Option<&Preview>,
    pipeline: &str,
) -> Markup {
    let levels = [
        (EditedLevel::Pipeline, format!("Pipeline {pipeline}"), "for all its destinations", "pipeline"),
        (EditedLevel::Destination, "This destination".to_string(), "and for single events, by name", "destination"),
    ];
    html! {
        section class="card" id="rules-card" aria-labelledby="rules-title" {
            header { h2 id="rules-title" { "Rules" } span class="small muted" { "applied from top to bottom, before the plugin sees the event" } }
            @for (level, title, what, key) in &levels {
                div class="grouphead" {
                    span { (title) " " span class="small muted" { (what) } }
                    @if asked.is_editor() { button class="quiet" name="act" value={ "add:" (key) } aria-label={ "Add a rule: " (title) } { (glyph("plus")) "Rule" } }
                }
                @let own: Vec<(usize, &Row)> = editing.rows.iter().enumerate().filter(|(_, row)| row.level == *level).collect();
                @if own.is_empty() { p class="pad muted small" { "No rule." } }
                @for (index, row) in own { (rule_row(asked, index, row, editing, mistakes.iter().find(|mistake| mistake.rule == index), previewed)) }
            }
        }
    }
}

fn rule_row(
    asked: &Asked,
    index: usize,
    row: &Row,
    editing: &Editing,
    mistake: Option<&RuleMistake>,
    previewed: Option<&Preview>,
) -> Markup {
    let name = |field: &str| format!("r.{index}.{field}");
    let (argument, target, has_path) = asks(row.offer());
    let can = asked.is_editor();
    let is_fresh = editing.fresh == Some(index);
    // Who has just begun a rule knows that it is not complete.
    let mistake = mistake.filter(|_| !is_fresh);
    let wrong = |field: &str| mistake.is_some_and(|mistake| input_of(row, &mistake.field) == field).then_some("true");
    let level = if row.level == EditedLevel::Pipeline { "pipeline" } else { "destination" };
    let effect = previewed.and_then(|preview| effect_of(preview, editing, index));
    let class = if mistake.is_some() {
        " wrong"
    } else if row.from.is_none() {
        " fresh"
    } else {
        ""
    };
    html! {
        fieldset class={ "rule" (class) } id={ "rule-" (index) } disabled[!can] {
            legend class="visually-hidden" { "Rule " (index + 1) }
            input type="hidden" name=(name("level")) value=(level);
            input type="hidden" name=(name("from")) value=[row.from];
            input type="hidden" name=(name("rest")) value=(Value::Object(row.rest.clone()).to_string());
            span class="small muted" { (index + 1) }
            input class={ "mono" @if !has_path { " unused" } } name=(name("path")) value=(row.path) aria-label=(if row.operation == "rename_event" { "New name" } else { "Field" }) placeholder=(if has_path { "field" } else { "no field" }) aria-invalid=[wrong("path")] spellcheck="false" autocomplete="off";
            select name=(name("op")) aria-label="Operation" data-focus[is_fresh] autofocus[is_fresh] {
                @for offer in &OFFERS { option value=(offer.name) selected[offer.name == row.operation] { (offer.label) } }
            }
            input class="mono" name=(name("arg")) value=(row.argument) aria-label="What it needs" placeholder=(argument.unwrap_or("nothing more")) aria-invalid=[wrong("arg")] spellcheck="false" autocomplete="off" data-unused[argument.is_none()];
            input class="mono" name=(name("to")) value=(row.target) aria-label="Target" placeholder=(target.unwrap_or("in place")) aria-invalid=[wrong("to")] spellcheck="false" autocomplete="off" data-unused[target.is_none()];
            div class="more" {
                input name=(name("events")) value=(row.events) aria-label="Only for events of these names" placeholder="only for events named … (all)" aria-invalid=[wrong("events")] autocomplete="off";
                input class="mono" name=(name("when")) value=(row.when) aria-label="Only when" placeholder="only when … (always)" aria-invalid=[wrong("when")] spellcheck="false" autocomplete="off";
                @if let Some((tone, text)) = effect { span class={ "tag " (tone) } { (text) } }
                @if can {
                    span class="row" {
                        button class="quiet" name="act" value={ "up:" (index) } aria-label={ "Move rule " (index + 1) " up" } { "↑" }
                        button class="quiet" name="act" value={ "down:" (index) } aria-label={ "Move rule " (index + 1) " down" } { "↓" }
                        button class="quiet" name="act" value={ "remove:" (index) } aria-label={ "Remove rule " (index + 1) } { "Remove" }
                    }
                }
            }
            @if let Some(mistake) = mistake { (mistake_line(index, row, mistake)) }
        }
    }
}

fn mistake_line(index: usize, row: &Row, mistake: &RuleMistake) -> Markup {
    let text = match input_of(row, &mistake.field) {
        "arg" => &row.argument,
        "when" => &row.when,
        "events" => &row.events,
        "to" => &row.target,
        _ => &row.path,
    };
    let (before, behind) = text.split_at_checked(mistake.position).unwrap_or((text, ""));
    html! {
        div class="mistakebox" role="alert" {
            @if mistake.position > 0 { p class="mono" { (before) mark { @if behind.is_empty() { "▲" } @else { (behind) } } } }
            p class="mistake" { (mistake.message) }
            @if let Some(suggestion) = &mistake.suggestion {
                p class="row" { "Did you mean " code { (suggestion) } "?"
                    @if input_of(row, &mistake.field) == "arg" {
                        input type="hidden" name="suggestion" value=(suggestion);
                        button name="act" value={ "suggest:" (index) } { "Use it" }
                    }
                }
            }
        }
    }
}

/// What the rule of a row did to the event.
fn effect_of(preview: &Preview, editing: &Editing, index: usize) -> Option<(&'static str, String)> {
    let level = editing.rows[index].level;
    let number = editing.rows[..index].iter().filter(|row| row.level == level).count();
    let own = |step: &&crate::transformation::Step| {
        crate::admin::transformations::level_of(step) == Some(level) && step.rule == Some(number)
    };
    let step = preview.steps.iter().find(own)?;
    Some(match step.effect {
        StepEffect::Changed => ("ok", "changed this event".to_string()),
        StepEffect::Nothing => ("", step.detail.clone()),
        StepEffect::Skipped => ("", "not for this event".to_string()),
        StepEffect::Filtered => ("warn", "kept this event back".to_string()),
        StepEffect::Refused => ("bad", "too much work".to_string()),
    })
}

fn preview_card(previewed: Option<&Preview>) -> Markup {
    html! {
        section class="card" id="preview" aria-labelledby="preview-title" aria-live="polite" {
            header { h2 id="preview-title" { "Preview" } span class="small muted" data-preview-mark { "nothing is saved or sent" } div class="end" { button name="act" value="preview" { "Preview" } } }
            @match previewed {
                None => { p class="pad muted" { "There is no event to show it with." } }
                Some(preview) if !preview.mistakes.is_empty() => { p class="pad muted" { (count(preview.mistakes.len() as u64, "rule is", "rules are")) " not complete or wrong: the preview waits for it." } }
                Some(preview) => {
                    @if let Some(trouble) = &preview.trouble { div class="pad" { (note("bad", "dead", html! { (trouble) })) } }
                    @else { (changes(preview)) (steps(preview)) (requests(preview)) }
                }
            }
        }
    }
}

fn changes(preview: &Preview) -> Markup {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    leaves(&preview.before, "", &mut before);
    preview.after.iter().for_each(|value| leaves(value, "", &mut after));
    let new: Vec<_> = after.iter().filter(|(path, _)| !before.iter().any(|(own, _)| own == path)).collect();
    let gone_or_changed: Vec<_> = before
        .iter()
        .filter_map(|(path, value)| {
            let now = after.iter().find(|(own, _)| own == path).map(|(_, now)| now);
            (now != Some(value)).then_some((path, value, now))
        })
        .collect();
    html! {
        div class="pad" {
            h3 { "Event" }
            @if preview.after.is_none() { p class="warn" { "It does not go." } }
            @else if new.is_empty() && gone_or_changed.is_empty() { p class="muted small" { "Nothing changes." } }
            @else {
                div class="scroll" { table class="changes" {
                    thead { tr { th scope="col" { "Field" } th scope="col" { "Before" } th scope="col" { "After" } } }
                    tbody {
                        @for (path, value, now) in &gone_or_changed {
                            tr { td { code { (path) } } td { del { (value) } } td { @match now { Some(now) => { mark { (now) } } None => { span class="muted small" { "removed" } } } } }
                        }
                        @for (path, value) in &new { tr { td { code { (path) } } td { span class="muted small" { "not there" } } td { ins { (value) } } } }
                    }
                } }
            }
        }
    }
}

fn leaves(value: &Value, path: &str, all: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if !members.is_empty() => members.iter().for_each(|(key, member)| {
            leaves(member, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, all);
        }),
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(at, item)| leaves(item, &format!("{path}[{at}]"), all));
        }
        value => all.push((path.to_string(), value.to_string())),
    }
}

/// The event after each rule that changed it.
fn steps(preview: &Preview) -> Markup {
    let changed: Vec<_> = preview.steps.iter().filter_map(|step| Some((step, step.after.as_ref()?))).collect();
    let parsed = |text: &str| pretty(&serde_json::from_str(text).unwrap_or_default());
    html! {
        @if !changed.is_empty() {
            details class="pad" {
                summary { b { "After each rule" } " " span class="small muted" { (changed.len()) " changed it" } }
                @for (at, (step, after)) in changed.iter().enumerate() {
                    @let before = if at == 0 { pretty(&preview.before) } else { parsed(changed[at - 1].1) };
                    h3 { (step.name) " " span class="small muted" { (step.operation) } }
                    (super::audit::diff(&lines(&before, &parsed(after)), "Nothing."))
                }
            }
        }
    }
}

fn requests(preview: &Preview) -> Markup {
    let text = |outcome: &Value| request_text(outcome);
    let (now, next) = (text(&preview.outcome_now), text(&preview.outcome));
    let lines = lines(&now, &next);
    html! {
        div class="pad" {
            h3 { "Request" }
            @if let Some(reason) = preview.outcome["filtered"].as_str() { p class="state filtered" { (glyph("filtered")) "Filtered: " (reason) } }
            @else if let Some(why) = preview.outcome["dead"].as_str() { p class="state dead" { (glyph("dead")) "Dead letter: " (why) } }
            @else { pre class="code" id="request" tabindex="0" { (next) } }
            @if !lines.is_empty() {
                details { summary { "What differs from the rules in effect" } (super::audit::diff(&lines, "Nothing.")) }
            } @else { p class="small muted" { "The same as with the rules in effect." } }
        }
    }
}

/// The requests as they would leave, secrets hidden.
fn request_text(outcome: &Value) -> String {
    let Some(requests) = outcome["requests"].as_array() else { return pretty(outcome) };
    let one = |request: &Value| {
        let text = |key: &str| request[key].as_str().unwrap_or_default();
        let mut lines = format!("{} {}\n", text("method"), text("url"));
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            lines.push_str(&format!("{name}: {}\n", value.as_str().unwrap_or_default()));
        }
        for used in request["auth"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            lines.push_str(&format!("authentication: {used} •••• (secret)\n"));
        }
        let body = match &request["body"] {
            Value::String(body) => body.clone(),
            body => pretty(body),
        };
        format!("{lines}\n{body}")
    };
    let all = requests.iter().map(one).collect::<Vec<_>>().join("\n\n");
    hide_handles(&all)
}

/// Handles stand for secrets: `sw_` and 40 letters and digits.
fn hide_handles(text: &str) -> String {
    let mut parts = text.split("sw_");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let length = part.bytes().take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()).count();
        match length >= 40 {
            true => out.push_str(&format!("••••{}", &part[40..])),
            false => out.push_str(&format!("sw_{part}")),
        }
    }
    out
}

fn effect_bar(
    editing: &Editing,
    mistakes: &[RuleMistake],
    previewed: Option<&Preview>,
    reviewed: Option<&(usize, Vec<Comparison>)>,
) -> Markup {
    let is_bad = !mistakes.is_empty() || previewed.is_some_and(|preview| preview.trouble.is_some());
    html! {
        section class="card effect" id="effect" aria-label="Saving" {
            @if let Some((events, differences)) = reviewed { (effect(*events, differences)) }
            div class="savebar" {
                @if is_bad { span class="mistake" { (glyph("behind")) " Correct " @if let Some(mistake) = mistakes.first() { a href={ "#rule-" (mistake.rule) } { "rule " (mistake.rule + 1) } } @else { "the rules" } " to save" } }
                @else if reviewed.is_some() { button class="go" name="act" value="save" { "Save " (count(editing.rows.len() as u64, "rule", "rules")) } }
                @else { button class="go" name="act" value="review" { "Review and save" } span class="small muted" { "Shows what would change for the last " (number(crate::admin::transformations::REVIEWED as u64)) " events first." } }
                a class="button" href="" data-discard { "Discard edits" }
            }
        }
    }
}

fn effect(events: usize, differences: &[Comparison]) -> Markup {
    html! {
        div class="pad stack" role="status" {
            h2 { @if differences.is_empty() { "Saving changes no request of the last " (number(events as u64)) " events" } @else { "What saving changes for the last " (number(events as u64)) " events" } }
            @for each in differences {
                div {
                    b { (each.destination) } ": "
                    @if let Some(trouble) = &each.trouble { span class="bad" { (trouble) } }
                    (number(each.changed)) " changed, of which " (number(each.goes_now)) " go now and " (number(each.goes_no_more)) " go no more, " (number(each.same)) " the same"
                    @if let Some(why) = &each.ended_early { span class="bad" { " It ended early: " (why) } }
                    @for example in each.shown.iter().take(3) {
                        details {
                            summary { (example.title) " " code { (example.message_id) } }
                            @let text = |outcome: &Option<Value>| outcome.as_ref().map(request_text).unwrap_or_default();
                            (super::audit::diff(&lines(&text(&example.before), &text(&example.after)), "Nothing."))
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_have_paths_as_rules_write_them() {
        let mut all = Vec::new();
        let event =
            json!({"type": "track", "properties": {"a.b": 1, "list": [{"sku": "x"}], "tags": ["t"], "none": {}}});
        walk(&event, "", &mut all);
        let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["properties.a\\.b", "properties.list[].sku", "properties.tags", "properties.none"]);
    }

    #[test]
    fn handles_are_hidden() {
        let handle = format!("sw_{}", "a1".repeat(20));
        assert_eq!(hide_handles(&format!("?key={handle}&x=sw_no")), "?key=••••&x=sw_no");
    }
}
