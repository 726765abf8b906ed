//! What changes while a page is open, as server-sent events: numbers at most once a second, and events
//! as they go by. Nothing is done while nobody watches.

use std::collections::{HashSet, VecDeque};
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
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::{Asked, events, glyphs, overview, parts, plain};
use crate::admin::events::{EventView, EventsCall};
use crate::admin::{Caller, events_call, window_of};
use crate::daemon::Daemon;
use crate::daemon::trends::Window;
use crate::delivery::live::Step;
use crate::http::Body;
use crate::queue::Story;

/// Between two sets of numbers.
const NUMBERS: Duration = Duration::from_secs(1);

/// Events shown in a second, at most: more cannot be read. The others are counted.
const SHOWN_MAX: usize = 10;

/// Events looked at for the filter in a second, at most.
const LOOKED_AT_MAX: usize = 500;

/// Events whose outcomes are told.
const FOLLOWED_MAX: usize = 200;

/// Answers `/live/<what>`.
pub fn stream(asked: &Asked, what: &str) -> Response<Body> {
    match what {
        "overview" => match window_of(&asked.query) {
            Ok(window) => numbers(asked.daemon.clone(), window),
            Err(_) => plain(StatusCode::BAD_REQUEST, "there is no such window"),
        },
        "events" => match events_call(&asked.query) {
            Ok(call) => passing(asked.daemon.clone(), asked.caller.clone(), call),
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
            for replay in daemon.replays.all() {
                all.push((format!("replay:{}", replay.number), parts::number(replay.count)));
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

/// What one watcher of events has seen.
struct Watching {
    daemon: Arc<Daemon>,
    caller: Caller,
    call: EventsCall,
    destinations: Vec<String>,
    followed: HashSet<String>,
    order: VecDeque<String>,
    second: Instant,
    shown: usize,
    looked_at: usize,
    passed_over: u64,
}

fn passing(daemon: Arc<Daemon>, caller: Caller, call: EventsCall) -> Response<Body> {
    let watch = daemon.live.watch();
    let watching = Watching {
        daemon,
        caller,
        call,
        destinations: Vec::new(),
        followed: HashSet::new(),
        order: VecDeque::new(),
        second: Instant::now(),
        shown: 0,
        looked_at: 0,
        passed_over: 0,
    };
    let messages = stream::unfold((watch, watching, true), |(mut watch, mut own, is_first)| async move {
        if is_first {
            own.look_at_destinations().await;
            return Some((message("hello", &json!({})), (watch, own, false)));
        }
        loop {
            let tick = own.second + NUMBERS;
            tokio::select! {
                () = tokio::time::sleep_until(tick) => {
                    let told = message("tick", &json!({"passed_over": own.passed_over}));
                    (own.second, own.shown, own.looked_at, own.passed_over) = (Instant::now(), 0, 0, 0);
                    return Some((told, (watch, own, false)));
                }
                step = watch.recv() => match step {
                    Ok(step) => if let Some(told) = own.told(&step) { return Some((told, (watch, own, false))) },
                    Err(RecvError::Lagged(missed)) => own.passed_over += missed,
                    Err(RecvError::Closed) => return None,
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

    /// What a step is told as, if it is.
    fn told(&mut self, step: &Step) -> Option<Bytes> {
        match step.step {
            "accepted" | "duplicate" => self.accepted(step),
            "delivered" | "filtered" | "retry" | "dead" | "expired" | "sent" => self.outcome(step),
            _ => None,
        }
    }

    fn accepted(&mut self, step: &Step) -> Option<Bytes> {
        let event = step.event.as_ref()?;
        if self.call.pipeline.as_ref().is_some_and(|pipeline| *pipeline != step.destination) {
            return None;
        }
        if self.looked_at == LOOKED_AT_MAX || self.shown == SHOWN_MAX {
            self.passed_over += 1;
            return None;
        }
        self.looked_at += 1;
        let story = Story {
            message_id: event.message_id.to_string(),
            pipeline: step.destination.clone(),
            kind: event.kind.to_string(),
            received_ms: event.received_ms,
            json: event.json.clone(),
            steps: Vec::new(),
        };
        let view = EventView::of(&story, &self.caller);
        // The outcome of an event that has just come is not known: it is shown.
        if !(EventsCall { outcome: None, ..self.call.clone() }).fits(&view) {
            return None;
        }
        self.shown += 1;
        self.follow(view.message_id.clone());
        let row = events::row(&view, step.at_ms, &self.destinations, false).into_string();
        Some(message("event", &json!({"id": view.message_id, "row": row})))
    }

    fn follow(&mut self, message_id: String) {
        if self.order.len() == FOLLOWED_MAX {
            self.order.pop_front().map(|oldest| self.followed.remove(&oldest));
        }
        self.order.push_back(message_id.clone());
        self.followed.insert(message_id);
    }

    fn outcome(&self, step: &Step) -> Option<Bytes> {
        let ids: Vec<&String> = step.message_ids.iter().filter(|id| self.followed.contains(*id)).collect();
        let at = self
            .destinations
            .iter()
            .filter(|id| id.split('/').next() == step.destination.split('/').next())
            .position(|id| *id == step.destination)?;
        let (glyph, word) = glyphs::of_step(step.step);
        let told = json!({"ids": ids, "at": at, "glyph": glyph, "tone": glyphs::tone(glyph), "word": format!("{}: {word}", step.destination)});
        (!ids.is_empty()).then(|| message("outcome", &told))
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
