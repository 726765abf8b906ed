//! The requests: which events share one, and where it goes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use switchyard_sdk::hash::sha256_hex;
use switchyard_sdk::prelude::*;
use switchyard_sdk::time::format_iso8601;

use crate::settings::{Batching, ConsentUnknown, Ordering};
use crate::webhook::{Credential, Signature, Webhook};
use crate::{body, header, url};

/// Lanes and message ids of signatures are names: longer texts are hashed.
const NAME_BYTES_MAX: usize = 200;

/// Plans a batch.
pub fn plan(webhook: &Webhook, batch: &Batch, plan: &mut Plan) {
    if webhook.batching == Batching::None {
        for event in batch.iter() {
            if let Some(target) = target(webhook, &event, plan) {
                single(webhook, &event, &target, plan);
            }
        }
        return;
    }
    // Events whose URL, headers or lane differ cannot share a request.
    let mut targets: Vec<Option<Target>> = Vec::with_capacity(batch.len());
    let mut groups = Groups::with_capacity(batch.len());
    let mut runs = Runs::default();
    for event in batch.iter() {
        let target = target(webhook, &event, plan);
        if let Some(target) = &target {
            let run = runs.run(event.position(), target, &targets);
            groups.add(event.position(), |key| target.write_key(run, key));
        }
        targets.push(target);
    }
    for (_, group) in groups.iter() {
        several(webhook, batch, group, &targets, plan);
    }
}

/// Where an event goes.
#[derive(PartialEq)]
struct Target<'w> {
    url: Cow<'w, str>,
    headers: Vec<(&'w str, String)>,
    lane: Option<String>,
}

impl Target<'_> {
    fn write_key(&self, run: u32, key: &mut Vec<u8>) {
        key.extend_from_slice(self.url.as_bytes());
        for (name, value) in &self.headers {
            key.push(255);
            key.extend_from_slice(name.as_bytes());
            key.push(255);
            key.extend_from_slice(value.as_bytes());
        }
        key.push(254);
        key.extend_from_slice(self.lane.as_deref().unwrap_or_default().as_bytes());
        key.push(254);
        key.extend_from_slice(&run.to_le_bytes());
    }
}

/// Numbers the runs of events with the same target in each lane. An event after one that went
/// elsewhere must not join the requests before that: it would overtake.
#[derive(Default)]
struct Runs {
    /// By lane: the position of its latest event and the number of that one's run.
    latest: BTreeMap<String, (u32, u32)>,
}

impl Runs {
    fn run(&mut self, position: u32, target: &Target<'_>, earlier: &[Option<Target<'_>>]) -> u32 {
        let Some(lane) = &target.lane else { return 0 };
        let (latest, run) = self.latest.entry(lane.clone()).or_insert((position, 0));
        if earlier.get(*latest as usize).is_some_and(|latest| latest.as_ref() != Some(target)) {
            *run += 1;
        }
        *latest = position;
        *run
    }
}

/// Where the event goes, or its fate in the plan.
fn target<'w>(webhook: &'w Webhook, event: &Event<'_>, plan: &mut Plan) -> Option<Target<'w>> {
    for purpose in &webhook.required_consent {
        match event.consent(purpose) {
            Some(true) => {}
            None if webhook.consent_unknown == ConsentUnknown::Send => {}
            Some(false) => {
                plan.skip(event, format!("context.consent: {purpose} was denied"));
                return None;
            }
            None => {
                plan.skip(event, format!("context.consent: {purpose} is unknown"));
                return None;
            }
        }
    }
    let url = match url::of_event(webhook, event) {
        Ok(url) => url,
        Err(why) => {
            plan.reject(event, why);
            return None;
        }
    };
    // A header whose place the event cannot fill is left out; one that no header may hold, too.
    let headers = webhook.headers.iter().filter_map(|(name, template)| {
        let value = template.fill(event, |path, value| webhook.hashing.text(path, value)).ok()?;
        value.bytes().all(header::may_be_in_value).then_some((name.as_str(), value))
    });
    let lane = match webhook.ordering {
        Ordering::None => None,
        Ordering::User => event.user_id().or_else(|| event.anonymous_id()).map(|user| name(&user)),
    };
    Some(Target { url, headers: headers.collect(), lane })
}

fn single(webhook: &Webhook, event: &Event<'_>, target: &Target<'_>, plan: &mut Plan) {
    let passed_on = webhook.passes_events_on();
    let body = match webhook.method.has_body() && !passed_on {
        true => body::bytes(webhook, event),
        false => Ok(Vec::new()),
    };
    let body = match body {
        Ok(body) => body,
        Err(why) => return plan.reject(event, why),
    };
    let request = plan.request(webhook.method.name(), target.url.as_ref());
    if !webhook.method.has_body() {
        request.cover(event);
    } else if passed_on {
        request.json_event(event);
    } else {
        request.body(&webhook.media_type, body).cover(event);
    }
    finish(webhook, target, event.message_id(), request);
}

/// The requests of a group: as many events in each as its bounds allow.
fn several(
    webhook: &Webhook,
    batch: &Batch,
    group: impl Iterator<Item = u32>,
    targets: &[Option<Target<'_>>],
    plan: &mut Plan,
) {
    let closing = closing(webhook, batch);
    let mut group = group.peekable();
    while group.peek().is_some() {
        let mut json = opening(webhook);
        let mut covers = Vec::new();
        while let Some(position) = group.peek().copied() {
            let before = json.len();
            let event = batch.event(position);
            if let Err(why) = body::write_event(webhook, &event, &mut json) {
                plan.reject(&event, why);
                group.next();
                continue;
            }
            // An event that is too large alone goes alone: the receiver may take it.
            if !covers.is_empty() && json.len() + closing.len() > webhook.bytes_max {
                json.truncate(before);
                break;
            }
            covers.push(position);
            group.next();
            if covers.len() == webhook.events_max {
                break;
            }
        }
        json.verbatim(closing.as_bytes());
        let id = batch_id(batch, &covers);
        if let Some(target) = covers.first().and_then(|first| targets[*first as usize].as_ref()) {
            let request = plan.request(webhook.method.name(), target.url.as_ref());
            request.body(&webhook.media_type, json.into_bytes()).covers(covers);
            finish(webhook, target, &id, request);
        }
    }
}

fn opening(webhook: &Webhook) -> JsonWriter {
    let mut json = JsonWriter::new();
    if webhook.batching == Batching::Wrapper {
        json.begin_object();
        json.key(&webhook.wrapper_key);
    }
    json.begin_array();
    json
}

fn closing(webhook: &Webhook, batch: &Batch) -> String {
    match webhook.batching {
        Batching::Wrapper if webhook.wrapper_sent_at => {
            format!("],\"sentAt\":\"{}\"}}", format_iso8601(batch.now_ms() as i64))
        }
        Batching::Wrapper => "]}".to_string(),
        _ => "]".to_string(),
    }
}

/// The messageId of the event, or one that is made of those of all: the same events, the same id.
fn batch_id(batch: &Batch, covers: &[u32]) -> String {
    if let [only] = covers {
        return batch.event(*only).message_id().to_string();
    }
    let mut ids = Vec::new();
    for position in covers {
        ids.extend_from_slice(batch.event(*position).message_id().as_bytes());
        ids.push(b'\n');
    }
    format!("batch_{}", sha256_hex(&ids).as_str())
}

/// Headers, credentials and signature.
fn finish(webhook: &Webhook, target: &Target<'_>, id: &str, request: &mut Request) {
    for (name, value) in &target.headers {
        request.header(name, value);
    }
    if let Some(header) = &webhook.message_id_header {
        request.header(header, &name(id));
    }
    for credential in &webhook.credentials {
        match credential {
            Credential::Basic(user, password) => request.basic(user, password),
            Credential::Bearer(token) => request.bearer(token),
            Credential::Header(name, value) => request.secret_header(name, value),
            Credential::Query(name, value) => request.secret_query(name, value),
        };
    }
    match &webhook.signature {
        Some(Signature::StandardWebhooks(keys)) => {
            let keys: String = keys.iter().map(|key| format!(" key={key}")).collect();
            request.auth(Auth::Named(format!("standard-webhooks id={}{keys}", name(id))));
        }
        Some(Signature::Fixed(scheme)) => {
            request.auth(Auth::Named(scheme.clone()));
        }
        None => {}
    }
    // Last: a signature may be over all that comes before it.
    if let Some(scheme) = &webhook.scheme {
        request.auth(Auth::Named(scheme.clone()));
    }
    if let Some(lane) = &target.lane {
        request.lane(lane);
    }
}

/// A text that can be a lane, a header or a parameter of a signature: itself, or its hash where it
/// is long or has spaces or other signs that may not be there.
fn name(text: &str) -> String {
    let plain = !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { text.to_string() } else { sha256_hex(text.as_bytes()).as_str().to_string() }
}
