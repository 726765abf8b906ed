//! What changes while a page is open, as server-sent events: numbers at most once a second, and events
//! as they go by. Nothing is done while nobody watches.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Asked, events, glyphs, overview, parts, plain};
use crate::admin::events::{EventView, EventsCall};
use crate::admin::{Caller, events_call, window_of};
use crate::daemon::Daemon;
use crate::daemon::trends::Window;
use crate::delivery::live::Step;
use crate::delivery::picked::{FOLLOWED_MAX, Told, Wanted};
use crate::event::{Event, EventKind};
use crate::http::Body;
use crate::queue::{PipelineId, Story};

/// Between two sets of numbers.
const NUMBERS: Duration = Duration::from_secs(1);

/// Answers `/live/<what>`.
pub fn stream(asked: &Asked, what: &str) -> Response<Body> {
    match what {
        "overview" => match window_of(&asked.query) {
            Ok(window) => numbers(asked.daemon.clone(), window),
            Err(_) => plain(StatusCode::BAD_REQUEST, "there is no such window"),
        },
        "events" => match events_call(&asked.query) {
            Ok(call) => match call.kind.as_deref().map(EventKind::from_name) {
                Some(None) => plain(StatusCode::BAD_REQUEST, "there is no such type"),
                kind => passing(asked.daemon.clone(), asked.caller.clone(), call, kind.flatten()),
            },
            Err(_) => plain(StatusCode::BAD_REQUEST, "there is no such filter"),
        },
        _ => plain(StatusCode::NOT_FOUND, "there is no such stream"),
    }
}

fn numbers(daemon: Arc<Daemon>, window: Window) -> Response<Body> {
    let known: Map<String, Value> = Map::new();
    let messages = stream::unfold((daemon, known, Instant::now()), move |(daemon, mut known, at)| async move {
        tokio::time::sleep_until(at).await;
        let mut changed = Map::new();
        if let Ok(overview) = crate::admin::overview::overview(&daemon, window).await {
            let mut all = overview::numbers(&overview);
            all.push(("dead".to_string(), parts::number(daemon.store.status().dead_letters.kept)));
            for replay in daemon.replays.looked_at(&daemon).await.unwrap_or_default() {
                for (what, value) in super::dead_letters::figures(&replay) {
                    all.push((format!("replay:{}:{what}", replay.number), parts::number(value)));
                }
            }
            for (key, text) in all {
                if known.get(&key).and_then(Value::as_str) != Some(text.as_str()) {
                    known.insert(key.clone(), text.clone().into());
                    changed.insert(key, text.into());
                }
            }
        }
        // Also with nothing in it: whoever watches learns that the line is alive.
        Some((message("numbers", &Value::Object(changed)), (daemon, known, Instant::now() + NUMBERS)))
    });
    response(messages)
}

/// What one who looks at events has been told.
struct Watching {
    daemon: Arc<Daemon>,
    caller: Caller,
    call: EventsCall,
    destinations: Vec<String>,
    /// The events whose rows were sent, oldest first.
    shown: VecDeque<String>,
    /// What was told of events whose rows are still to come.
    early: VecDeque<Arc<Step>>,
    second: Instant,
    /// Rows sent in this second.
    rows: u64,
}

fn passing(daemon: Arc<Daemon>, caller: Caller, call: EventsCall, kind: Option<EventKind>) -> Response<Body> {
    let wanted = Wanted { pipeline: call.pipeline.clone(), kind, search: call.search.clone() };
    let looking = daemon.live.look(wanted);
    let watching = Watching {
        daemon,
        caller,
        call,
        destinations: Vec::new(),
        shown: VecDeque::new(),
        early: VecDeque::new(),
        second: Instant::now(),
        rows: 0,
    };
    let messages = stream::unfold((looking, watching, true), |(mut looking, mut own, is_first)| async move {
        if is_first {
            own.look_at_destinations().await;
            return Some((message("hello", &json!({})), (looking, own, false)));
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(own.second + NUMBERS) => {
                    let told = json!({"shown": own.rows, "of": looking.next_second()});
                    (own.second, own.rows) = (Instant::now(), 0);
                    return Some((message("tick", &told), (looking, own, false)));
                }
                told = looking.told.recv() => {
                    let mut messages = own.told(&told?);
                    // What has come meanwhile goes with it.
                    while let Ok(more) = looking.told.try_recv() {
                        messages.extend_from_slice(&own.told(&more));
                    }
                    if !messages.is_empty() {
                        return Some((Bytes::from(messages), (looking, own, false)));
                    }
                }
            }
        }
    });
    response(messages)
}

impl Watching {
    async fn look_at_destinations(&mut self) {
        let config = self.daemon.configured().await.config;
        self.destinations = config.destinations().map(|(_, each)| each.id.0.clone()).collect();
    }

    /// The messages for what is told, if any.
    fn told(&mut self, told: &Told) -> Vec<u8> {
        match told {
            Told::Accepted(pipeline, event) => self.accepted(pipeline, event).unwrap_or_default(),
            Told::Outcome(step) => match self.outcome(step) {
                Some(told) => told.to_vec(),
                None => {
                    if self.early.len() == FOLLOWED_MAX {
                        self.early.pop_front();
                    }
                    self.early.push_back(step.clone());
                    Vec::new()
                }
            },
        }
    }

    fn accepted(&mut self, pipeline: &PipelineId, event: &Event) -> Option<Vec<u8>> {
        let story = Story {
            message_id: event.message_id.to_string(),
            pipeline: pipeline.to_string(),
            kind: event.kind.to_string(),
            received_ms: event.received_ms,
            json: event.json.clone(),
            steps: Vec::new(),
        };
        let view = EventView::of(&story, &self.caller);
        // Whoever sees it masked searches what is masked. The outcome of an event that has just come is not
        // known: it is shown.
        if !(EventsCall { outcome: None, ..self.call.clone() }).fits(&view) {
            return None;
        }
        self.rows += 1;
        if self.shown.len() == FOLLOWED_MAX {
            self.shown.pop_front();
        }
        self.shown.push_back(view.message_id.clone());
        let row = events::row(&view, event.received_ms, &self.destinations, false).into_string();
        let mut messages = message("event", &json!({"id": view.message_id, "row": row})).to_vec();
        let early = std::mem::take(&mut self.early);
        for step in early {
            match self.outcome(&step) {
                Some(told) => messages.extend_from_slice(&told),
                None => self.early.push_back(step),
            }
        }
        Some(messages)
    }

    /// What became of events whose rows were sent; None when none of them was.
    fn outcome(&self, step: &Step) -> Option<Bytes> {
        if !matches!(step.step, "delivered" | "filtered" | "retry" | "dead" | "expired" | "sent") {
            return Some(Bytes::new());
        }
        let ids: Vec<&String> = step.message_ids.iter().filter(|id| self.shown.contains(*id)).collect();
        if ids.is_empty() {
            return None;
        }
        let mine = self.destinations.iter().filter(|id| id.split('/').next() == step.destination.split('/').next());
        let Some(at) = mine.into_iter().position(|id| *id == step.destination) else { return Some(Bytes::new()) };
        let (glyph, word) = glyphs::of_step(step.step);
        let told = json!({"ids": ids, "at": at, "glyph": glyph, "tone": glyphs::tone(glyph), "word": format!("{}: {word}", step.destination)});
        Some(message("outcome", &told))
    }
}

fn message(event: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}

fn response(messages: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    use futures_util::StreamExt;
    let frames = messages.map(|message| Ok::<_, Infallible>(Frame::data(message)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
