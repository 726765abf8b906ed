//! Sends events through the real crate `segment`, and prints each as the crate sent it, one JSON object
//! a line. Arguments: the daemon's base URL, the write key, calls.json, and for numbered events
//! `--count N`. The first half of them goes one by one, the rest in batches; without a count every
//! call is made in both ways.

use std::error::Error;

use segment::message::{Alias, BatchMessage, Group, Identify, Message, Page, Screen, Track, User};
use segment::{AutoBatcher, Batcher, Client, HttpClient};
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Events of a batch.
const BATCH: usize = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, key, file, mode @ ..] = &arguments[..] else { return Err("BASE KEY CALLS [--count N]".into()) };
    let calls: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let count = match mode {
        [name, count] if name == "--count" => count.parse()?,
        _ => calls.len() * 2,
    };
    let events = (0..count).map(|number| event(&calls[number % calls.len()], number)).collect::<Result<Vec<_>>>()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(send(base, key, events))
}

async fn send(base: &str, key: &str, events: Vec<BatchMessage>) -> Result<()> {
    // The crate's own client, but for the host.
    let client = HttpClient::new(Default::default(), base.to_string());
    let (singles, batched) = events.split_at(events.len() / 2);
    for event in singles {
        client.send(key.to_string(), single(event.clone())).await?;
        println!("{}", serde_json::to_value(event)?);
    }
    let context = json!({"library": {"name": "analytics-rust", "version": "0.2.6"}});
    let mut batcher = AutoBatcher::new(client, Batcher::new(Some(context.clone())), key.to_string());
    for batch in batched.chunks(BATCH) {
        for event in batch {
            batcher.push(event.clone()).await?;
        }
        batcher.flush().await?;
        for event in batch {
            let mut event = serde_json::to_value(event)?;
            event["context"]["library"] = context["library"].clone();
            println!("{event}");
        }
    }
    Ok(())
}

/// Alone, an event has no `type`: the path says it.
fn single(event: BatchMessage) -> Message {
    match event {
        BatchMessage::Identify(event) => event.into(),
        BatchMessage::Track(event) => event.into(),
        BatchMessage::Page(event) => event.into(),
        BatchMessage::Screen(event) => event.into(),
        BatchMessage::Group(event) => event.into(),
        BatchMessage::Alias(event) => event.into(),
    }
}

/// The crate makes no messageId: who wants one puts it beside the fields that the crate knows.
fn event(call: &Value, number: usize) -> Result<BatchMessage> {
    let text = |name: &str| call[name].as_str().map(str::to_string);
    let needed = |name: &str| text(name).ok_or_else(|| format!("a call has no {name}: {call}"));
    let user = match (text("userId"), text("anonymousId")) {
        (Some(user_id), Some(anonymous_id)) => User::Both { user_id, anonymous_id },
        (Some(user_id), None) => User::UserId { user_id },
        (None, Some(anonymous_id)) => User::AnonymousId { anonymous_id },
        (None, None) => return Err(format!("a call is of nobody: {call}").into()),
    };
    let mut values = call.get("properties").or(call.get("traits")).cloned().unwrap_or_default();
    values["number"] = json!(number);
    let timestamp = call["minutesAgo"].as_i64().map(|ago| OffsetDateTime::now_utc() - Duration::minutes(ago));
    let (context, integrations) = (call.get("context").cloned(), call.get("integrations").cloned());
    let mut extra = Map::from_iter([("messageId".to_string(), json!(format!("event-{number}")))]);
    extra.extend(text("category").map(|category| ("category".to_string(), json!(category))));
    Ok(match call["type"].as_str() {
        Some("identify") => Identify { user, traits: values, timestamp, context, integrations, extra }.into(),
        Some("track") => {
            Track { user, event: needed("event")?, properties: values, timestamp, context, integrations, extra }.into()
        }
        Some("page") => {
            Page { user, name: needed("name")?, properties: values, timestamp, context, integrations, extra }.into()
        }
        Some("screen") => {
            Screen { user, name: needed("name")?, properties: values, timestamp, context, integrations, extra }.into()
        }
        Some("group") => {
            Group { user, group_id: needed("groupId")?, traits: values, timestamp, context, integrations, extra }.into()
        }
        Some("alias") => {
            Alias { user, previous_id: needed("previousId")?, timestamp, context, integrations, extra }.into()
        }
        _ => return Err(format!("a call of no type: {call}").into()),
    })
}
