//! Dead letters and replays over the admin interface. What takes long answers line by line: one JSON
//! object a line, the last with `"done": true`, or with `"success": false` and a message.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::access::Caller;
use super::destinations::record;
use super::events::is_masked;
use super::failure::Failure;
use super::masking;
use super::routes::{body, failure, percent_decoded, store_failure};
use crate::daemon::{Daemon, Replaying, Steps};
use crate::http::{self, Body};
use crate::queue::{
    BackfillPlace, BackfillStep, DeadContent, DeadCursor, DeadFilter, DeadLetter, DeadOrder, DestinationId, StoreError,
};
use crate::validate::time;

/// Letters of a page when nothing else is said.
const PAGE_LETTERS: usize = 100;

/// Letters of a page at most: their answers are up to 1 KiB each.
const PAGE_LETTERS_MAX: usize = 1_000;

/// Letters that an export reads at a time, with their events.
const EXPORT_LETTERS: usize = 100;

/// Events a second of a replay when nothing else is said: a vendor takes that beside new events.
const RATE: u32 = 100;

/// Bytes of a body that asks for something.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A point in time as it is written: RFC 3339, or milliseconds since 1970.
fn time_of(text: &str) -> Result<u64, String> {
    let ms = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        time::parse(text.as_bytes()).and_then(|ms| u64::try_from(ms).ok())
    };
    ms.ok_or_else(|| {
        format!("`{text}` is no time: write RFC 3339, such as 2026-11-24T03:59:05Z, or milliseconds since 1970")
    })
}

/// What a page is asked for.
pub(super) struct PageCall {
    pub(super) filter: DeadFilter,
    pub(super) after: Option<DeadCursor>,
}

impl PageCall {
    pub(super) fn of_query(query: &str) -> Result<PageCall, String> {
        let mut call = PageCall { filter: DeadFilter { limit: PAGE_LETTERS, ..DeadFilter::default() }, after: None };
        let filter = &mut call.filter;
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = percent_decoded(&value.replace('+', " "));
            match name {
                "destination" => filter.destination = Some(DestinationId(value)),
                "reason" => filter.reason = Some(value),
                "event" => filter.event = Some(value),
                "message_id" => filter.message_id = Some(value),
                "from" => filter.from_ms = Some(time_of(&value)?),
                "to" => filter.to_ms = Some(time_of(&value)?),
                "limit" => match value.parse() {
                    Ok(limit @ 1..=PAGE_LETTERS_MAX) => filter.limit = limit,
                    _ => return Err(format!("`limit` is a number from 1 to {PAGE_LETTERS_MAX}, not `{value}`")),
                },
                "cursor" => {
                    let cursor =
                        value.parse().map_err(|()| format!("`{value}` is no cursor: take `next` of a page"))?;
                    call.after = Some(cursor);
                }
                unknown => return Err(format!("dead letters have no filter `{unknown}`")),
            }
        }
        Ok(call)
    }
}

fn bad_filter(message: &str) -> Response<Body> {
    failure(StatusCode::BAD_REQUEST, "bad_filter", message)
}

/// Answers `GET dead-letters`.
pub(super) async fn list(daemon: &Daemon, caller: &Caller, query: &str) -> Response<Body> {
    let PageCall { filter, after } = match PageCall::of_query(query) {
        Ok(call) => call,
        Err(message) => return bad_filter(&message),
    };
    match daemon.store.dead_page(filter, DeadOrder::NewestFirst, after, DeadContent::Head).await {
        Ok(page) => {
            let next = page.next.map(|next| next.to_string());
            let letters: Vec<Value> = page.letters.iter().map(|letter| shown(caller, letter)).collect();
            http::json(StatusCode::OK, &json!({"dead_letters": letters, "next": next}))
        }
        Err(error) => store_failure(&error),
    }
}

/// A letter without its event, as a caller sees it.
pub fn shown(caller: &Caller, letter: &DeadLetter) -> Value {
    let mut shown = serde_json::to_value(letter).unwrap_or_default();
    if is_masked(caller) {
        masking::texts(&mut shown["death"]);
    }
    shown
}

/// A letter with its event, as a caller sees it.
pub fn shown_whole(caller: &Caller, letter: &DeadLetter) -> Value {
    if !is_masked(caller) {
        return serde_json::to_value(Whole::new(letter)).unwrap_or_default();
    }
    let mut whole = shown(caller, letter);
    let mut event: Value = serde_json::from_slice(&letter.json).unwrap_or_default();
    masking::event(&mut event);
    whole["payload"] = event;
    whole
}

/// A letter with its event.
#[derive(serde::Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    letter: &'a DeadLetter,
    payload: Option<&'a RawValue>,
}

impl Whole<'_> {
    fn new(letter: &DeadLetter) -> Whole<'_> {
        Whole { letter, payload: serde_json::from_slice(&letter.json).ok() }
    }
}

/// Answers `GET dead-letters/{id}`.
pub(super) async fn show(daemon: &Daemon, caller: &Caller, id: &str, query: &str) -> Response<Body> {
    let Ok(id) = id.parse::<u64>() else {
        return failure(StatusCode::BAD_REQUEST, "bad_id", "a dead letter has a number; `dead-letters list` shows it");
    };
    let mut call = match PageCall::of_query(query) {
        Ok(call) => call,
        Err(message) => return bad_filter(&message),
    };
    call.filter.ids = Some(vec![id]);
    match all(daemon, call, DeadContent::Whole).await {
        Ok(found) if found.is_empty() => {
            failure(StatusCode::NOT_FOUND, "unknown_dead_letter", &format!("there is no dead letter {id}"))
        }
        Ok(found) => {
            let found: Vec<Value> = found.iter().map(|letter| shown_whole(caller, letter)).collect();
            http::json(StatusCode::OK, &found)
        }
        Err(failure) => failure.response(),
    }
}

/// All letters that match, newest first, to the limit of the filter.
pub(super) async fn all(daemon: &Daemon, mut call: PageCall, content: DeadContent) -> Result<Vec<DeadLetter>, Failure> {
    let mut found = Vec::new();
    loop {
        let page = daemon.store.dead_page(call.filter.clone(), DeadOrder::NewestFirst, call.after, content).await?;
        found.extend(page.letters);
        call.after = page.next;
        if call.after.is_none() || (call.filter.limit > 0 && found.len() >= call.filter.limit) {
            return Ok(found);
        }
    }
}

/// All letters that match, oldest first, one a line. Reads a bounded number at a time.
pub(super) fn export(daemon: Arc<Daemon>, caller: Caller, query: &str) -> Response<Body> {
    let PageCall { mut filter, after } = match PageCall::of_query(query) {
        Ok(call) => call,
        Err(message) => return bad_filter(&message),
    };
    filter.limit = EXPORT_LETTERS;
    let pages = stream::unfold(Some((daemon, caller, filter, after)), |state| async move {
        let (daemon, caller, filter, after) = state?;
        let read = daemon.store.dead_page(filter.clone(), DeadOrder::OldestFirst, after, DeadContent::Whole);
        match read.await {
            Ok(page) => {
                let lines =
                    page.letters.iter().map(|letter| line(&shown_whole(&caller, letter))).collect::<Vec<_>>().concat();
                Some((lines, page.next.map(|next| (daemon, caller, filter, Some(next)))))
            }
            Err(error) => Some((line(&json!({"success": false, "message": error.to_string()})), None)),
        }
    });
    lines(pages)
}

/// What a replay or a discarding is asked for.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct FilterCall {
    destination: Option<String>,
    ids: Option<Vec<u64>>,
    reason: Option<String>,
    event: Option<String>,
    message_id: Option<String>,
    from: Option<Value>,
    to: Option<Value>,
    limit: usize,
    rate: Option<u32>,
}

impl FilterCall {
    fn filter(self) -> Result<(DeadFilter, u32), String> {
        let filter = DeadFilter {
            destination: self.destination.map(DestinationId),
            ids: self.ids,
            reason: self.reason,
            revision: None,
            event: self.event,
            message_id: self.message_id,
            from_ms: self.from.as_ref().map(time_of_json).transpose()?,
            to_ms: self.to.as_ref().map(time_of_json).transpose()?,
            limit: self.limit,
        };
        Ok((filter, rate(self.rate)?))
    }
}

fn time_of_json(value: &Value) -> Result<u64, String> {
    time_of(&value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
}

fn rate(asked: Option<u32>) -> Result<u32, String> {
    match asked {
        Some(0) => Err("`rate` is in events a second, and at least 1".to_string()),
        asked => Ok(asked.unwrap_or(RATE)),
    }
}

/// What a body asks for; an empty one asks for nothing in particular.
async fn call_of<T: serde::de::DeserializeOwned>(request: Request<Incoming>) -> Result<T, Response<Body>> {
    let bytes = body(request, BODY_BYTES_MAX).await?;
    serde_json::from_slice(if bytes.is_empty() { b"{}" } else { &bytes })
        .map_err(|error| bad_filter(&error.to_string()))
}

/// Answers `POST dead-letters/replay` and `/discard`.
pub(super) async fn step_by_step(
    daemon: Arc<Daemon>,
    caller: &Caller,
    request: Request<Incoming>,
    (what, replaying): (&str, impl FnOnce(DeadFilter) -> Replaying),
) -> Response<Body> {
    let call: FilterCall = match call_of(request).await {
        Ok(call) => call,
        Err(response) => return response,
    };
    match call.filter() {
        Ok((filter, rate)) => {
            record(&daemon, caller, what, &subject(&filter), &detail(&filter)).await;
            steps(&daemon, replaying(filter), rate).await
        }
        Err(message) => bad_filter(&message),
    }
}

/// Which letters a filter means, for the audit log: by destination,
pub(super) fn subject(filter: &DeadFilter) -> String {
    filter.destination.as_ref().map_or("all destinations".to_string(), |destination| destination.0.clone())
}

/// and by the rest.
pub(super) fn detail(filter: &DeadFilter) -> String {
    let ids = filter.ids.as_ref().map(|ids| match &ids[..] {
        [id] => format!("letter {id}"),
        ids => format!("{} letters", ids.len()),
    });
    let named = [("reason", &filter.reason), ("event", &filter.event), ("message", &filter.message_id)];
    let named = named.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
    let all: Vec<String> = ids.into_iter().chain(named).collect();
    if all.is_empty() { "all letters".to_string() } else { all.join(", ") }
}

/// What a replay from the queue is asked for.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct QueueCall {
    destination: String,
    from: Value,
    to: Value,
    rate: Option<u32>,
    abandon: bool,
}

/// Answers `POST /api/v1/replay`.
pub(super) async fn replay(daemon: Arc<Daemon>, caller: &Caller, request: Request<Incoming>) -> Response<Body> {
    let call: QueueCall = match call_of(request).await {
        Ok(call) => call,
        Err(response) => return response,
    };
    let destination = DestinationId(call.destination);
    if call.abandon {
        record(&daemon, caller, "replay from the queue abandoned", &destination.0, "").await;
        return abandon(&daemon, destination).await;
    }
    let times = time_of_json(&call.from).and_then(|from_ms| Ok((from_ms, time_of_json(&call.to)?)));
    let (from_ms, to_ms, rate) = match times.and_then(|(from_ms, to_ms)| Ok((from_ms, to_ms, rate(call.rate)?))) {
        Ok((from_ms, to_ms, _)) if from_ms >= to_ms => return bad_filter("`from` must be before `to`"),
        Ok(read) => read,
        Err(message) => return bad_filter(&message),
    };
    let range = format!("{from_ms} to {to_ms}, {rate} a second");
    record(&daemon, caller, "replay from the queue", &destination.0, &range).await;
    steps(&daemon, Replaying::Queue { destination, from_ms, to_ms }, rate).await
}

async fn abandon(daemon: &Daemon, destination: DestinationId) -> Response<Body> {
    let step = BackfillStep {
        destination,
        place: BackfillPlace::Abandon,
        events_max: 0,
        stored_requests_max: 0,
        payload: Bytes::new(),
    };
    match daemon.store.backfill(step).await {
        Ok(_) => {
            let told = json!({"success": true, "done": true, "abandoned": true});
            http::whole(StatusCode::OK, "application/x-ndjson", format!("{told}\n"))
        }
        Err(error) => refusal(&error),
    }
}

/// Takes the steps, the first before anything is answered.
async fn steps(daemon: &Arc<Daemon>, replaying: Replaying, rate: u32) -> Response<Body> {
    let Some(mut steps) = Steps::begin(daemon, replaying, rate).await else {
        let message = "a replay from the queue for this destination is under way: wait for its end, or stop it";
        return failure(StatusCode::CONFLICT, "replay_under_way", message);
    };
    let first = match steps.next().await {
        Some(Ok(state)) => line(&state),
        Some(Err(error)) => return refusal(&error),
        None => Vec::new(),
    };
    let rest = stream::unfold(steps, |mut steps| async move {
        let state = match steps.next().await? {
            Ok(state) => line(&state),
            Err(error) => line(&json!({"success": false, "message": error.to_string()})),
        };
        Some((state, steps))
    });
    lines(stream::once(async move { first }).chain(rest))
}

fn refusal(error: &StoreError) -> Response<Body> {
    match error {
        StoreError::UnknownDestination { .. } => {
            failure(StatusCode::NOT_FOUND, "unknown_destination", &error.to_string())
        }
        StoreError::ReplayUnderWay { .. } => failure(StatusCode::CONFLICT, "replay_under_way", &error.to_string()),
        error => store_failure(error),
    }
}

fn line(value: &impl serde::Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("text and numbers can be written to memory");
    line.push(b'\n');
    line
}

fn lines(lines: impl Stream<Item = Vec<u8>> + Send + 'static) -> Response<Body> {
    let frames = lines.map(|line| Ok::<_, Infallible>(Frame::data(Bytes::from(line))));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339_or_milliseconds() {
        assert_eq!(time_of("1600000000000"), Ok(1_600_000_000_000));
        assert_eq!(time_of("2020-09-13T12:26:40Z"), Ok(1_600_000_000_000));
        assert_eq!(time_of_json(&json!(7)), Ok(7));
        for text in ["", "yesterday", "-1", "1960-01-01", "99999999999999999999", "null"] {
            let told = time_of(text).unwrap_err();
            assert!(told.contains(text) && told.contains("RFC 3339"), "{told}");
        }
    }

    #[test]
    fn a_query_is_read_or_refused_by_name() {
        let call = PageCall::of_query("destination=shop%2Fga4&event=Order+Done&from=5&limit=1000&cursor=1.2.3");
        let call = call.ok().unwrap();
        assert_eq!((call.filter.event.as_deref(), call.filter.from_ms), (Some("Order Done"), Some(5)));
        assert_eq!((call.filter.limit, call.after), (1_000, "1.2.3".parse().ok()));
        for (query, named) in
            [("limit=1001", "1001"), ("limit=0", "0"), ("cursor=x", "cursor"), ("to=x", "x"), ("reasons=a", "reasons")]
        {
            let told = PageCall::of_query(query).err().unwrap();
            assert!(told.contains(named), "{told}");
        }
    }
}
